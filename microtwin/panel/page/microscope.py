"""The live picture with its overlay, and the hand that clicks, draws and drives on it.

The work is done in the browser, by microscope.js and the modules in view/.
Pictures come over a WebSocket of their own (:mod:`microtwin.panel.packet`), past NiceGUI. The browser dispatches
``CustomEvent("microtwin-packet", {detail: header})`` on ``window`` for each packet, hidden tabs included, and offers::

    window.microtwin.stop()            // field off at once: over the WebSocket, or POST /stop where that is dead
    window.microtwin.press("up")       // as if a drive key were held: up, down, left, right, ccw, cw …
    window.microtwin.release("up")     // … until it is let go; release() lets go of all
    window.microtwin.fps()             // pictures drawn per second, over the last 3 s
    window.microtwin.header            // the newest header on show; window.microtwin.live: of the rig, also in a replay

Keys: space stops, always. Arrows or W A S D drive and Q, E spin while ``drive`` is on. Letters switch layers of the
overlay: :data:`LAYERS`. A gamepad drives with its left stick, spins with the shoulder buttons, stops with B or Start.
Places are (x, y) in pixels of the picture, x right, y down, the middle of the first pixel at 0.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from nicegui.element import Element
from nicegui.events import GenericEventArguments

Tool = Literal["select-robot", "select-object", "draw", "none"]
Layer = Literal["tracks", "bodies", "selection", "path", "corridor", "heading", "mask", "scale"]

# Layer → the key that switches it. W, A, S, D, Q and E drive.
LAYERS: Mapping[Layer, str] = {
    "tracks": "T",
    "bodies": "B",
    "selection": "R",
    "path": "P",
    "corridor": "C",
    "heading": "H",
    "mask": "M",
    "scale": "L",
}
MOST_POINTS = 400  # of a drawn path; view/pointer.js thins it to as many


# Browsers keep the modules in view/ until that folder's time changes: touch it after editing one in place.
class MicroscopeView(Element, component="microscope.js", esm={"microtwin-view": "view"}):
    """The live view; it fills its container, whose size must not depend on it.

    Attributes:
        operator: this browser holds control; others' clicks, drawing and driving do nothing. Space always stops.
        tool: what a click or a stroke does.
        drive: the drive keys and the gamepad act. drive_hz: frequency of the keys and of a full stick.
        layers: which parts of the overlay are shown; a key may have switched them since in the browser.
        replayed: address of the recording on show, None for the live picture.
    """

    def __init__(
        self,
        url: str,
        *,
        on_pick: Callable[[float, float, bool], Any] | None = None,
        on_drawn: Callable[[list[tuple[float, float]]], Any] | None = None,
    ) -> None:
        """
        Args:
            url: path of the live stream on this server, ``/stream?client=…``.
            on_pick: takes x, y of a click and whether shift was held (one more object).
            on_drawn: takes the points of a finished stroke, 2 to :data:`MOST_POINTS`.
        """
        super().__init__()
        self._props.update(
            {"url": url, "replay": None, "operator": False, "tool": "none", "drive": False, "drive-hz": 5.0}
        )
        self._props["layers"] = dict.fromkeys(LAYERS, True)
        if on_pick is not None:
            pick = on_pick

            def picked(event: GenericEventArguments) -> Any:
                place = _place(event.args)
                return pick(*place, bool(event.args.get("add"))) if place else None

            self.on("pick", picked)
        if on_drawn is not None:
            drawn = on_drawn

            def stroked(event: GenericEventArguments) -> Any:
                points = [_place(point) for point in event.args.get("points", [])[:MOST_POINTS]]
                whole = [point for point in points if point]
                return drawn(whole) if len(whole) > 1 else None

            self.on("drawn", stroked)

    @property
    def operator(self) -> bool:
        return self._props["operator"]

    @operator.setter
    def operator(self, value: bool) -> None:
        self._set("operator", bool(value))

    @property
    def tool(self) -> Tool:
        return self._props["tool"]

    @tool.setter
    def tool(self, value: Tool) -> None:
        self._set("tool", value)

    @property
    def drive(self) -> bool:
        return self._props["drive"]

    @drive.setter
    def drive(self, value: bool) -> None:
        self._set("drive", bool(value))

    @property
    def drive_hz(self) -> float:
        return self._props["drive-hz"]

    @drive_hz.setter
    def drive_hz(self, value: float) -> None:
        self._set("drive-hz", float(value))

    @property
    def layers(self) -> dict[Layer, bool]:
        return dict(self._props["layers"])

    def show(self, **layers: bool) -> None:
        """Switch layers of the overlay by name: ``show(tracks=False)``.

        Raises:
            ValueError: there is no such layer.
        """
        for name in layers:
            if name not in LAYERS:
                raise ValueError(f"layer {name!r}: choose from {', '.join(LAYERS)}")
        self._set("layers", {**self._props["layers"], **layers})

    @property
    def replayed(self) -> str | None:
        return self._props["replay"]

    def replay(self, url: str) -> None:
        """Show a recording, ``/replay/…?client=…``; the live stream stays open, for stop and the sign of life.

        A stream that closes with a code of 4000 or more is not tried again; its reason is shown.
        """
        self._set("replay", url)

    def live(self) -> None:
        """Show the live picture again."""
        self._set("replay", None)

    def say(self, words: str) -> None:
        """Send words to the recording on show: ``pause``, ``play``, ``speed 2``, ``seek 12.5``."""
        self.run_method("say", words)

    def _set(self, name: str, value: Any) -> None:
        if self._props[name] != value:
            self._props[name] = value
            self.update()


def _place(point: Any) -> tuple[float, float] | None:
    """(x, y) of what a browser sent, None if it is none: browsers are not to be trusted with the shape of things."""
    if isinstance(point, Mapping):
        point = (point.get("x"), point.get("y"))
    try:
        x, y = (float(value) for value in point)
    except (TypeError, ValueError):
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) else None

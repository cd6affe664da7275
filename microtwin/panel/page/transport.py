"""The bar below the picture: start, pause, and what a click on the picture does."""

from collections.abc import Callable

from nicegui import ui

from microtwin.errors import InputError
from microtwin.panel.messages import ClearPath, Detect, Header, Pause, Start
from microtwin.panel.page import words
from microtwin.panel.page.controls import allow, button, named, put
from microtwin.panel.page.seat import Seat, Tool, complain

TOOLS: dict[Tool, tuple[str, str, str, str]] = {
    "select-robot": ("tool-robot", "Robot", "smart_toy", "Click the robot in the picture"),
    "select-object": ("tool-object", "Object", "adjust", "Click the object in the picture; with shift, one more"),
    "draw": ("tool-draw", "Draw path", "gesture", "Draw the path with mouse, finger or pen"),
}


class Transport:
    """``start`` gives the command of the Run tab's fields."""

    def __init__(self, seat: Seat, start: Callable[[], Start]):
        self._seat, self._make = seat, start
        self._paused = False
        self._tools: dict[Tool, ui.button]
        with ui.element("div").classes("mt-transport").props('role=toolbar aria-label="Run and tools"'):
            self._start = button("Start", "start", self._started, icon="play_arrow", main=True)
            self._pause = button("Pause", "pause", self._pause_or_go_on, icon="pause")
            ui.element("div").classes("mt-bar")
            self._tools = {tool: self._tool(tool, *of) for tool, of in TOOLS.items()}
            ui.element("div").classes("mt-bar")
            self._detect = button("Auto-detect", "detect", self._detected, icon="center_focus_strong")
            self._detect.props["data-hint"] = "Find all bodies, and select robot and nearest object"
            self._clear = button("Clear path", "clear-path", self._cleared, icon="layers_clear")
            for made in (*self._tools.values(), self._detect, self._clear):
                made.classes("mt-shrinks")  # to its icon, where the window is small
                made.props["aria-label"] = made.text
                made.props["data-hint"] = made.props.get("data-hint") or made.text
        with ui.element("div").classes("mt-run-line"):
            self._words = named(ui.label(), "run-words").classes("mt-run-words").props("role=status")
            ui.label("Space stops, Enter presses what has the focus").classes("mt-hint mt-figure")

    def show(self, header: Header) -> None:
        seat, refusal = self._seat, self._seat.refusal
        if refusal:
            seat.let_go()
        recording = "a recording is on show: go back to the live picture first" if seat.recording else ""
        allow(self._start, words.start_refusal(header, refusal or recording))
        state = header["state"]
        self._paused = state == "paused"
        allow(self._pause, refusal or ("" if state in words.RUNS else "nothing runs"))
        self._pause.text = "Go on" if self._paused else "Pause"
        put(self._pause, icon="play_arrow" if self._paused else "pause")
        running = "a run goes on" if state in words.RUNS else words.BUSY.get(state, "")
        broken = "the rig is not open" if state == "broken" else ""
        for tool, made in self._tools.items():
            allow(made, refusal or recording or running or broken or self._tool_refusal(tool, header))
            chosen = self._seat.tool == tool
            put(made, **{"aria-pressed": "true" if chosen else "false"})
        paths = header["paths"]
        has_path = self._seat.target < len(paths) and bool(paths[self._seat.target])
        allow(self._detect, refusal or running or broken)
        allow(self._clear, refusal or running or broken or ("" if has_path else "there is no path"))
        self._words.text = words.next_step(header, seat.mine, seat.desk.held(), seat.recording)

    @staticmethod
    def _tool_refusal(tool: Tool, header: Header) -> str:
        return "select an object first" if tool == "draw" and not header["objects"] else ""

    def _tool(self, tool: Tool, name: str, text: str, icon: str, hint: str) -> ui.button:
        made = button(text, name, lambda: self._take(tool), icon=icon)
        made.props["data-hint"] = hint
        return made.classes("mt-tool")

    def _take(self, tool: Tool) -> None:
        self._seat.tool = "none" if self._seat.tool == tool else tool

    def _started(self) -> None:
        try:
            command = self._make()
        except InputError as error:
            return complain(str(error))
        self._seat.send(command)

    def _pause_or_go_on(self) -> None:
        self._seat.send(Pause(not self._paused))

    def _detected(self) -> None:
        self._seat.send(Detect())

    def _cleared(self) -> None:
        self._seat.send(ClearPath(self._seat.target))

"""Play, pause, speed, position and trial of the recording that this browser watches."""

import time
from collections.abc import Callable

from nicegui import events, ui

from microtwin.panel.page.controls import button, named, put
from microtwin.panel.server.replay import playing

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
LOOKED_S = 0.2
STEP_S = 0.5  # of the slider, for its arrow keys
HELD_S = 0.6  # after the operator's last touch the slider is not moved from here


class Player:
    """Hidden until something is played. ``on_live``: the operator wants the live picture back."""

    def __init__(self, client: str, on_live: Callable[[], None]):
        self._client, self._touched_s = client, 0.0
        self._block = named(ui.element("section"), "replay", "Replay").classes("mt-section mt-player")
        with self._block:
            with ui.row().classes("mt-row no-wrap"):
                self._name = named(ui.label(), "replay-name").classes("mt-past-when grow")
                button("Live", "replay-live", on_live, icon="videocam", hint="Back to the live picture")
            with ui.row().classes("mt-row no-wrap"):
                self._toggle = button("", "replay-toggle", self._toggled, icon="pause", hint="Pause", main=True)
                self._slider = named(ui.slider(min=0, max=1, step=STEP_S), "replay-position", "Position (s)")
                self._slider.props("dense").on("update:model-value", self._sought)  # people's moves, not our own
                self._time = named(ui.label(), "replay-time").classes("mt-past-time")
            with ui.row().classes("mt-row no-wrap"):
                speeds = {speed: f"{speed:g} ×" for speed in SPEEDS}
                self._speed = named(ui.select(speeds, value=1.0, label="Speed", on_change=self._sped), "replay-speed")
                self._trial = named(ui.select({0: "trial 0"}, value=0, label="Trial"), "replay-trial")
                self._trial.on_value_change(self._chosen)
                for field in (self._speed, self._trial):
                    field.props("dense outlined options-dense hide-bottom-space").classes("mt-field grow")
            self._note = named(ui.label(), "replay-note").classes("mt-wrong").props("role=status")
        self._block.set_visibility(False)
        self._timer = ui.timer(LOOKED_S, self._look, active=False)

    def open(self, name: str) -> None:
        """The run ``name`` is being played."""
        self._name.text = f"Replay of {name}"
        self._speed.value = 1.0
        self._block.set_visibility(True)
        self._timer.activate()

    def close(self) -> None:
        self._timer.deactivate()
        self._block.set_visibility(False)

    def _look(self) -> None:
        replay = playing(self._client)
        if replay is None:  # not yet, or the connection is gone for a moment
            return
        put(self._slider, max=max(replay.duration_s, STEP_S))
        if time.monotonic() - self._touched_s > HELD_S:
            self._slider.value = round(replay.position_s, 2)
        self._time.text = f"{replay.position_s:.1f} / {replay.duration_s:.1f} s"
        self._note.text = replay.note
        self._speed.value = replay.speed
        word = "Pause" if replay.running else "Play"
        put(self._toggle, icon=word.lower().replace("play", "play_arrow"), title=word, aria_label=word)
        options = {trial: f"trial {trial}" for trial in replay.trials}
        if self._trial.options != options:
            self._trial.set_options(options, value=replay.trial)
        self._trial.set_visibility(len(options) > 1)

    def _toggled(self) -> None:
        if replay := playing(self._client):
            replay.pause() if replay.running else replay.play()
            self._look()

    def _sought(self, event: events.GenericEventArguments) -> None:
        if (replay := playing(self._client)) and isinstance(event.args, int | float):
            self._touched_s = time.monotonic()
            replay.seek(float(event.args))

    def _sped(self, event: events.ValueChangeEventArguments) -> None:
        if replay := playing(self._client):
            replay.set_speed(float(event.value))

    def _chosen(self, event: events.ValueChangeEventArguments) -> None:
        replay = playing(self._client)
        if replay and event.value in replay.trials and event.value != replay.trial:
            replay.choose(event.value)

"""Robot and objects by number: what a click on the picture does, for the keyboard."""

import math

from nicegui import ui

from microtwin.panel.messages import Found, Header, SelectObject, SelectRobot
from microtwin.panel.page.controls import allow, named, put, section
from microtwin.panel.page.seat import Seat
from microtwin.panel.page.words import RUNS

KINDS = {"cargo": "object"}  # what the detection calls what can be pushed


class ChooseBodies:
    """Two selects, whose numbers are those in the picture."""

    def __init__(self, seat: Seat):
        self._seat = seat
        self._bodies: list[Found] = []
        self._following = False
        with section("Bodies"), ui.element("div").classes("mt-fields"):
            self._robot = ui.select({}, label="Robot", clearable=True, on_change=lambda _: self._robot_chosen())
            self._objects = ui.select({}, label="Objects", multiple=True, on_change=lambda _: self._objects_chosen())
            for select, name in ((self._robot, "robot"), (self._objects, "objects")):
                named(select, f"select-{name}").props("dense outlined options-dense hide-bottom-space")
                select.classes("mt-field")

    def show(self, header: Header) -> None:
        """Follow the last detection and what is selected; not under an open list, nor in a run, where it is old."""
        running = header["state"] in RUNS
        why = "a run goes on" if running else "" if header["bodies"] else "nothing is detected yet: Auto-detect"
        for select in (self._robot, self._objects):
            allow(select, self._seat.refusal or why)
        if running or self._robot.is_showing_popup or self._objects.is_showing_popup:
            return
        self._bodies = header["bodies"]
        labels = {
            number: f"{number + 1} · {KINDS.get(body['kind'], body['kind'])}"
            for number, body in enumerate(self._bodies)
        }
        robot = None if header["robot"] is None else nearest(self._bodies, header["robot"])
        objects = [nearest(self._bodies, place) for place in header["objects"]]
        # names of several do not fit
        put(
            self._objects,
            display_value=", ".join(str(n + 1) for n in objects if n is not None) if objects[1:] else None,
        )
        self._following = True
        try:
            others = {number: label for number, label in labels.items() if number != robot}
            chosen = [number for number in objects if number in others]
            for select, options, value in ((self._robot, labels, robot), (self._objects, others, chosen)):
                if select.options != options:
                    select.set_options(options, value=value)
                elif select.value != value:
                    select.value = value
        finally:
            self._following = False

    def _robot_chosen(self) -> None:
        if not self._following:
            number = self._robot.value
            self._seat.send(SelectRobot(None if number is None else self._place(number)))

    def _objects_chosen(self) -> None:
        if self._following:
            return
        chosen = self._objects.value
        if not chosen:
            self._seat.send(SelectObject(None))
        for k, number in enumerate(chosen):
            if not self._seat.send(SelectObject(self._place(number), add=k > 0)):
                return

    def _place(self, number: int) -> tuple[float, float]:
        body = self._bodies[number]
        return body["x"], body["y"]


def nearest(bodies: list[Found], place: tuple[float, float, float]) -> int | None:
    """Number of the body that a selected circle (x, y, radius) lies on; None when it lies on none."""
    if not bodies:
        return None
    gap, number = min((math.hypot(b["x"] - place[0], b["y"] - place[1]), k) for k, b in enumerate(bodies))
    return number if gap <= max(place[2], bodies[number]["r"]) else None

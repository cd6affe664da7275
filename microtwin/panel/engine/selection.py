"""What is selected in the picture: the robot, the objects to push and their paths, and the tracker that follows them.

The tracker follows the robot and one object, the *active* one. All other places are kept up to date by detection about
once a second: beads at rest drift slowly.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from microtwin.errors import InputError
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.messages import Body, Point
from microtwin.rig import Frame, LostError, Observation
from microtwin.vision import Tracker
from microtwin.vision.detect import Detection, detect
from microtwin.vision.mask import MaskSettings, grey_image, suggest
from microtwin.vision.tracker import CLICK_REACH_UM

REFIND_UM = 15.0  # a body that was not tracked for a while is looked for this far from its last place
REFRESH_S = 1.0  # between detections while watching
SHARE = 50.0  # and at least this many times what one detection takes
DRAWN_UM = 3.0  # radius drawn for a body that was not measured


@dataclass
class Place:
    """A selected body: (2,) position in the world, µm, and radius; (n, 2) nodes of its path, and what that is called.

    ``found``: it was there when it was last looked for.
    """

    at_um: np.ndarray
    radius_um: float = DRAWN_UM
    nodes_um: np.ndarray | None = None
    path: str = ""
    found: bool = True


@dataclass
class Seen:
    """A body of the last detection, in the world."""

    at_um: np.ndarray
    radius_um: float
    kind: str


@dataclass
class Selection:
    """See the module.

    Attributes:
        robot, objects: what is selected. active: number of the object that is tracked and pushed.
        bodies: the last detection. given: masks that were set; None for suggested ones.
        tracker: None while robot and object are not both selected.
    """

    say: Callable[..., None]
    robot: Place | None = None
    objects: list[Place] = field(default_factory=list)
    active: int = 0
    bodies: list[Seen] = field(default_factory=list)
    given: dict[Body, MaskSettings | None] = field(default_factory=lambda: {"robot": None, "object": None})
    tracker: Tracker | None = None
    view: FieldOfView | None = None
    _suggested: MaskSettings = field(default_factory=MaskSettings)
    _next_s: float = 0.0
    _dropped: list[Place] = field(default_factory=list)

    def clear(self) -> None:
        """Another scene: nothing is selected; masks that were set stay."""
        self.robot, self.objects, self.active = None, [], 0
        self.bodies, self.tracker, self.view, self._dropped = [], None, None, []

    # watching

    def see(self, frame: Frame) -> Observation | None:
        """Follow what is selected; what is lost is deselected, and said."""
        if self.view is None:
            self._suggest(frame)
        self.view = FieldOfView.of(frame)
        seen = None
        if self.robot and self.objects:
            try:
                seen = self.follow(frame)
            except LostError as error:
                self.say(f"{error}: select it again", "warning")
                self.drop_lost()
            except InputError as error:
                self.say(str(error), "warning")
                self._drop_object(self.active)
        if self._stale() and time.monotonic() >= self._next_s:
            self.refresh(frame)
        return seen

    def _stale(self) -> bool:
        untracked = self.tracker is None and (self.robot is not None or self.objects)
        return bool(self.bodies or untracked or len(self.objects) > 1)

    def follow(self, frame: Frame) -> Observation:
        """Where robot and active object are.

        Raises:
            LostError, InputError: as of the tracker.
        """
        assert self.robot is not None
        self.view = FieldOfView.of(frame)
        if self.tracker is None:
            clicks = [tuple(self.view.to_px(one.at_um)[::-1]) for one in (self.robot, self.objects[self.active])]
            self.tracker = Tracker(
                self.given["robot"], self.given["object"], robot_start_px=clicks[0], cargo_start_px=clicks[1]
            )
        try:
            seen = self.tracker(frame)
        except InputError:
            self.tracker = None
            raise
        tracks = (self.tracker.robot, self.tracker.cargo)
        places, found = (self.robot, self.objects[self.active]), (seen.robot_um, seen.object_um)
        for place, at_um, track in zip(places, found, tracks, strict=True):
            place.at_um, place.radius_um, place.found = at_um, track.radius_um, True
        return seen

    def restart(self) -> None:
        """A new tracker with the next frame, from the last known places."""
        self.tracker = None

    def drop_lost(self) -> None:
        """Deselect what the tracker has lost."""
        tracker, self.tracker = self.tracker, None
        if tracker is None:
            return
        if tracker.robot.state == "lost":
            self.robot = None
        if tracker.cargo.state == "lost":
            self._drop_object(self.active)

    def _drop_object(self, number: int) -> None:
        gone = self.objects.pop(number)
        if gone.nodes_um is not None:
            self._dropped = [gone]
        self.active = max(0, min(self.active, len(self.objects) - 1))
        self.tracker = None

    # detection

    def refresh(self, frame: Frame) -> None:
        """Detect all bodies; what is selected but not tracked moves to where it is found now."""
        begun = time.monotonic()
        try:
            found = self._detected(frame, None)
        except InputError:
            found = []
        self.bodies = found
        tracked = [] if self.tracker is None else [self.robot, self.objects[self.active]]
        places = [one for one in (self.robot, *self.objects) if one is not None]
        pairs = [
            (0.0 if any(place is one for one in tracked) else 1.0, float(np.hypot(*(place.at_um - body.at_um))), p, b)
            for p, place in enumerate(places)
            for b, body in enumerate(found)
        ]
        taken_places, taken_bodies = set(), set()
        for free, away_um, p, b in sorted(pairs):
            if p in taken_places or b in taken_bodies or away_um > REFIND_UM:
                continue
            taken_places.add(p)
            taken_bodies.add(b)
            if free:
                places[p].at_um, places[p].radius_um = found[b].at_um, found[b].radius_um
        for p, place in enumerate(places):
            place.found = p in taken_places or any(place is one for one in tracked)
        took_s = time.monotonic() - begun
        self._next_s = begun + max(REFRESH_S, SHARE * took_s)

    def detect(self, frame: Frame) -> None:
        """Find all bodies, and select the robot and the object nearest to it.

        Raises:
            InputError: nothing stands out, or no robot, or nothing to push.
        """
        self.bodies = self._detected(frame, self.given["robot"])
        robot = next((one for one in self.bodies if one.kind == "robot"), None)
        if robot is None:
            raise InputError("no robot found: click on it, focus, or set its mask")
        rest = [one for one in self.bodies if one is not robot]
        rest = [one for one in rest if one.kind == "cargo"] or rest
        self.robot, self.tracker = Place(robot.at_um, robot.radius_um), None
        if not rest:
            self._select([])
            raise InputError("the robot alone was found: click on the object, or set its mask")
        nearest = min(rest, key=lambda one: float(np.hypot(*(one.at_um - robot.at_um))))
        self._select([self._place(nearest)])

    def select_robot(self, frame: Frame, at_px: Point | None) -> None:
        """The body next to a place (x, y) of the picture is the robot.

        Raises:
            InputError: there is none.
        """
        self.tracker = None
        if at_px is None:
            self.robot = None
            return
        body = self._at(frame, at_px, "robot")
        for number, one in reversed(list(enumerate(self.objects))):
            if _same(one, body):
                self._drop_object(number)
        self.robot = Place(body.at_um, body.radius_um)

    def select_object(self, frame: Frame, at_px: Point | None, add: bool) -> None:
        """The body next to a place (x, y) of the picture is the object, or one more.

        Raises:
            InputError: there is none, or it is the robot.
        """
        if at_px is None:
            self._select([])
            return
        body = self._at(frame, at_px, "object")
        if self.robot is not None and _same(self.robot, body):
            raise InputError("that is the robot: click on another body for the object")
        again = [number for number, one in enumerate(self.objects) if _same(one, body)]
        if add and again:
            self.active, self.tracker = again[0], None
            return
        place = self._place(body)
        self._select([*self.objects, place] if add else [place])

    def activate(self, number: int) -> None:
        """Object ``number`` is tracked from now on."""
        self.active, self.tracker = number, None

    def _select(self, objects: list[Place]) -> None:
        gone = [one for one in self.objects if one.nodes_um is not None and all(one is not new for new in objects)]
        if gone:
            self._dropped = gone[-1:]
        self.objects, self.active, self.tracker = objects, max(0, len(objects) - 1), None

    def _place(self, body: Seen) -> Place:
        """A body as a selected one, with the path that it had, or that a body lost here had."""
        for old in self.objects:
            if _same(old, body):
                old.at_um, old.radius_um = body.at_um, body.radius_um
                return old
        place = Place(body.at_um, body.radius_um)
        for old in self._dropped:
            if float(np.hypot(*(old.at_um - body.at_um))) < REFIND_UM:
                place.nodes_um, place.path, self._dropped = old.nodes_um, old.path, []
                break
        return place

    def _at(self, frame: Frame, at_px: Point, body: Body) -> Seen:
        view = FieldOfView.of(frame)
        click = view.to_world(np.array(at_px, dtype=float))
        if not np.isfinite(click).all() or not view.contains(click):
            raise InputError(f"click on the {body} is outside the picture: click on a body")
        found = self._detected(frame, self.given[body])
        self.bodies = found

        def outside(one: Seen) -> float:
            return float(np.hypot(*(one.at_um - click))) - one.radius_um

        nearest = min(found, key=outside, default=None)
        if nearest is None or outside(nearest) > CLICK_REACH_UM:
            raise InputError(f"click on the {body} is on nothing: click on a body, or lower the mask's threshold")
        return nearest

    def _detected(self, frame: Frame, settings: MaskSettings | None) -> list[Seen]:
        view = FieldOfView.of(frame)
        found: list[Detection] = detect(frame, settings)
        seen = [Seen(view.to_world(one.position_px[::-1]), one.radius_um, one.kind) for one in found]
        return in_order(seen, self.bodies)

    # masks

    def set_mask(self, body: Body, settings: MaskSettings | None, frame: Frame) -> None:
        """A mask for a body from now on, also while it is tracked; None: a suggested one.

        Raises:
            InputError: nothing stands out that a mask could be suggested from.
        """
        wanted = suggest(frame.image) if settings is None else settings
        self.given[body] = settings
        if settings is None:
            self._suggested = wanted
        if self.tracker is not None:
            track = self.tracker.robot if body == "robot" else self.tracker.cargo
            track.settings = wanted

    def mask(self, body: Body) -> MaskSettings:
        """The mask by which a body is told now."""
        if self.tracker is not None:
            return (self.tracker.robot if body == "robot" else self.tracker.cargo).settings
        return self.given[body] or self._suggested

    def _suggest(self, frame: Frame) -> None:
        try:
            self._suggested = suggest(grey_image(frame))
        except InputError:
            self._suggested = MaskSettings()


def in_order(found: list[Seen], before: list[Seen]) -> list[Seen]:
    """The bodies in the order in which they were shown before, new ones last: people choose them by their numbers."""
    left, ordered = list(found), []
    for old in before:
        near = min(left, key=lambda one: float(np.hypot(*(one.at_um - old.at_um))), default=None)
        if near is not None and float(np.hypot(*(near.at_um - old.at_um))) < REFIND_UM:
            left = [one for one in left if one is not near]
            ordered.append(near)
    return ordered + left


def _same(place: Place, body: Seen) -> bool:
    return float(np.hypot(*(place.at_um - body.at_um))) < 0.75 * max(place.radius_um, body.radius_um)

"""What is selected in the picture: the robot, the objects to push and their paths, and the tracker that follows them.

The tracker follows the robot and one object, the *active* one. All other places are kept up to date by detection.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from microtwin.errors import InputError
from microtwin.panel.engine.detected import Detected
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.masks import Masks
from microtwin.panel.engine.objects import Objects
from microtwin.panel.engine.place import Place, Seen, apart_um, refind, same
from microtwin.panel.engine.tracked import Tracked
from microtwin.panel.messages import Body, Point
from microtwin.rig import Frame, LostError, Observation
from microtwin.vision.mask import MaskSettings


@dataclass
class Selection:
    """See the module.

    Attributes:
        robot: what is selected as such. chosen: the objects. detected: all bodies in the picture.
        masks: by which the robot and the objects are told. tracked: the robot and the active object, once both are
            selected. view: what the last frame showed.
    """

    say: Callable[..., None]
    robot: Place | None = None
    chosen: Objects = field(default_factory=Objects)
    detected: Detected = field(default_factory=Detected)
    masks: Masks = field(default_factory=Masks)
    tracked: Tracked = field(default_factory=Tracked)
    view: FieldOfView | None = None

    @property
    def objects(self) -> list[Place]:
        """Those to push, in the order of selection."""
        return self.chosen.places

    @property
    def active(self) -> int:
        """Number of the object that is tracked and pushed."""
        return self.chosen.active

    @property
    def bodies(self) -> list[Seen]:
        """Those of the last detection."""
        return self.detected.bodies

    def clear(self) -> None:
        """Another scene: nothing is selected; masks that were set stay."""
        self.chosen.clear()
        self.detected.clear()
        self.tracked.forget()
        self.robot, self.view = None, None

    # watching

    def see(self, frame: Frame) -> Observation | None:
        """Follow what is selected; what is lost is deselected, and said."""
        if self.view is None:
            self.masks.suggest_for(frame)
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
        if self._stale() and self.detected.due:
            self.refresh(frame)
        return seen

    def _stale(self) -> bool:
        untracked = not self.tracked.going and (self.robot is not None or self.objects)
        return bool(self.bodies or untracked or len(self.objects) > 1)

    def follow(self, frame: Frame) -> Observation:
        """Where robot and active object are.

        Raises:
            LostError, InputError: as of the tracker.
        """
        assert self.robot is not None
        self.view = FieldOfView.of(frame)
        return self.tracked.follow(frame, self.robot, self.objects[self.active], self.masks)

    def drop_lost(self) -> None:
        """Deselect what the tracker has lost."""
        robot, cargo = self.tracked.is_lost("robot"), self.tracked.is_lost("object")
        self.tracked.forget()
        if robot:
            self.robot = None
        if cargo:
            self._drop_object(self.active)

    def _drop_object(self, number: int) -> None:
        self.chosen.drop(number)
        self.tracked.forget()

    # detection

    def refresh(self, frame: Frame) -> None:
        """Detect all bodies; what is selected but not tracked moves to where it is found now."""
        found = self.detected.refresh(frame)
        places = [one for one in (self.robot, *self.objects) if one is not None]
        tracked = [self.robot, self.objects[self.active]] if self.tracked.going else []
        refind(places, [one for one in tracked if one is not None], found)

    def detect(self, frame: Frame) -> None:
        """Find all bodies, and select the robot and the object nearest to it.

        Raises:
            InputError: nothing stands out, or no robot, or nothing to push.
        """
        found = self.detected.look(frame, self.masks.given["robot"])
        robot = next((one for one in found if one.kind == "robot"), None)
        if robot is None:
            raise InputError("no robot found: click on it, focus, or set its mask")
        rest = [one for one in found if one is not robot]
        rest = [one for one in rest if one.kind == "cargo"] or rest
        self.robot = Place(robot.at_um, robot.radius_um)
        if not rest:
            self._choose([])
            raise InputError("the robot alone was found: click on the object, or set its mask")
        nearest = min(rest, key=lambda one: apart_um(one, robot))
        self._choose([self.chosen.place_of(nearest)])

    def select_robot(self, frame: Frame, at_px: Point | None) -> None:
        """The body next to a place (x, y) of the picture is the robot.

        Raises:
            InputError: there is none.
        """
        self.tracked.forget()
        if at_px is None:
            self.robot = None
            return
        body = self.detected.at(frame, at_px, self.masks.given["robot"], "robot")
        for number in reversed(self.chosen.numbers_of(body)):
            self._drop_object(number)
        self.robot = Place(body.at_um, body.radius_um)

    def select_object(self, frame: Frame, at_px: Point | None, add: bool) -> None:
        """The body next to a place (x, y) of the picture is the object, or one more.

        Raises:
            InputError: there is none, or it is the robot.
        """
        if at_px is None:
            self._choose([])
            return
        body = self.detected.at(frame, at_px, self.masks.given["object"], "object")
        if self.robot is not None and same(self.robot, body):
            raise InputError("that is the robot: click on another body for the object")
        again = self.chosen.numbers_of(body)
        if add and again:
            self.activate(again[0])
            return
        place = self.chosen.place_of(body)
        self._choose([*self.objects, place] if add else [place])

    def activate(self, number: int) -> None:
        """Object ``number`` is tracked from now on."""
        self.chosen.active = number
        self.tracked.forget()

    def _choose(self, objects: list[Place]) -> None:
        self.chosen.choose(objects)
        self.tracked.forget()

    # masks

    def set_mask(self, body: Body, settings: MaskSettings | None, frame: Frame) -> None:
        """A mask for a body from now on, also while it is tracked; None: a suggested one.

        Raises:
            InputError: nothing stands out that a mask could be suggested from.
        """
        self.tracked.set_mask(body, self.masks.set(body, settings, frame))

    def mask(self, body: Body) -> MaskSettings:
        """The mask by which a body is told now."""
        return self.tracked.mask(body) or self.masks.of(body)

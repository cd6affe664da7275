"""The pair that a tracker follows: the robot, and the object that is pushed."""

from microtwin.errors import InputError
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.masks import Masks
from microtwin.panel.engine.place import Place
from microtwin.panel.messages import Body
from microtwin.rig import Frame, Observation
from microtwin.vision import Tracker
from microtwin.vision.mask import MaskSettings
from microtwin.vision.track import Track


class Tracked:
    """A tracker that begins where the two are known to be, whenever it is asked after a :meth:`forget`."""

    def __init__(self) -> None:
        self._tracker: Tracker | None = None

    @property
    def going(self) -> bool:
        """Whether the two are being followed."""
        return self._tracker is not None

    def forget(self) -> None:
        """Others are selected: begin anew with the next frame."""
        self._tracker = None

    def follow(self, frame: Frame, robot: Place, cargo: Place, masks: Masks) -> Observation:
        """Where the two are, which is written into their places.

        Raises:
            LostError, InputError: as of the tracker.
        """
        if self._tracker is None:
            starts = [tuple(FieldOfView.of(frame).to_px(one.at_um)[::-1]) for one in (robot, cargo)]
            self._tracker = Tracker(
                masks.given["robot"], masks.given["object"], robot_start_px=starts[0], cargo_start_px=starts[1]
            )
        try:
            seen = self._tracker(frame)
        except InputError:
            self._tracker = None
            raise
        tracks, found = (self._tracker.robot, self._tracker.cargo), (seen.robot_um, seen.object_um)
        for place, at_um, track in zip((robot, cargo), found, tracks, strict=True):
            place.at_um, place.radius_um, place.found = at_um, track.radius_um, True
        return seen

    def is_lost(self, body: Body) -> bool:
        """Whether this one of the two was lost."""
        track = self._track(body)
        return track is not None and track.state == "lost"

    def mask(self, body: Body) -> MaskSettings | None:
        """By which it is told now; None while nobody is followed."""
        track = self._track(body)
        return None if track is None else track.settings

    def set_mask(self, body: Body, settings: MaskSettings) -> None:
        """Tell it by these from now on."""
        track = self._track(body)
        if track is not None:
            track.settings = settings

    def _track(self, body: Body) -> Track | None:
        if self._tracker is None:
            return None
        return self._tracker.robot if body == "robot" else self._tracker.cargo

"""The mask tracker: follows the robot and its cargo from frame to frame, through touch, blur and bad frames.

Section III of the pushing paper: a mask for each body, a start by a click, a box that moves with the body, and the
other body's mask (not its box) taken away. Added to it: every round piece of the masks is a candidate, and the two
bodies choose among them together, so that they can never both take the same one or change places; the centre is found
by radial symmetry; a body that is not found is searched in a growing box and then declared lost.
"""

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from microtwin.errors import InputError
from microtwin.image_axes import check_scale, to_world
from microtwin.rig import LostError, Observation
from microtwin.vision.detect import (
    GRAIN_UM,
    LARGEST_RADIUS_UM,
    LOWEST_QUALITY,
    SMALLEST_RADIUS_UM,
    Centre,
    Detection,
    Disc,
    detect,
    find_discs,
    look,
    mass_centre,
    refine,
)
from microtwin.vision.mask import Background, Crop, MaskSettings, body_mask, granular_mask, grey_image, paler, suggest
from microtwin.vision.track import SIZE, State, Track

CLICK_REACH_UM = 4.0  # a click this far outside a body still selects it
GRANULAR = 0.5  # below this share, a body is placed by its mask's centre of mass, as in the paper
NOT_FOUND = 24.0  # cost of taking no candidate at all, in squared standard deviations
STRANGER = 14.0  # cost of size and looks above which a search passes by
OVERLAP = 0.75  # of the sum of radii: two clicks nearer than this may be on one body
CLIMBED = 0.45  # the same for bodies that were apart: one may ride up on the other, and then both are still seen
SIZE_SEARCHED = 0.07  # in place of SIZE: a search must not take a stranger


class Tracker:
    """Turns frames into observations: an :class:`~microtwin.rig.Observer` for pixels.

    Args:
        robot, cargo: masks; suggested by the first frame if None.
        um_per_px: scale; the frames' own if None.
        robot_start_px, cargo_start_px: clicks (row, column); a body without one is detected in the first frame.
        max_speed_um_s: the fastest change of place that is believed; with ``gate_um`` it sets how far from its
            predicted place a body is looked for.
        gate_um: that distance for two frames at the same moment.
        lost_after_s: a body that is not found for this long is lost.
        velocity_gain: share of a new frame's surprise that goes into the velocity estimate, 0–1.
        frozen_check: take a frame that repeats the one before it for a frozen camera. Off for cameras without noise.

    Attributes:
        robot, cargo: the two :class:`Track`, from the first frame on.
        frozen: the last frame repeated the one before it. dropped: frames missing from the running numbers so far.

    Raises:
        InputError: a setting outside its range, and at the first frame a click on nothing.
    """

    def __init__(
        self,
        robot: MaskSettings | None = None,
        cargo: MaskSettings | None = None,
        um_per_px: float | None = None,
        robot_start_px: Any = None,
        cargo_start_px: Any = None,
        *,
        max_speed_um_s: float = 150.0,
        gate_um: float = 2.0,
        lost_after_s: float = 1.0,
        velocity_gain: float = 0.5,
        frozen_check: bool = True,
    ):
        for name, value in (("speed", max_speed_um_s), ("gate", gate_um), ("lost-after time", lost_after_s)):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"largest {name} is {value}: give a positive number")
        if not 0 < velocity_gain <= 1:
            raise InputError(f"velocity gain is {velocity_gain}: give more than 0, up to 1")
        if um_per_px is not None:
            check_scale(um_per_px)
        self._settings = (robot, cargo)
        self._clicks = (_click("robot", robot_start_px), _click("cargo", cargo_start_px))
        self._scale = um_per_px
        self._max_speed_um_s = max_speed_um_s
        self._gate_um = gate_um
        self._lost_after_s = lost_after_s
        self._velocity_gain = velocity_gain
        self._frozen_check = frozen_check
        self._last: np.ndarray | None = None
        self._shape: tuple[int, ...] = ()
        self._index = 0
        self._time_s = -math.inf
        self._tracks: tuple[Track, Track] | None = None
        self._centre = (0.0, 0.0)
        self.frozen = False
        self.dropped = 0

    @property
    def robot(self) -> Track:
        return self._both()[0]

    @property
    def cargo(self) -> Track:
        return self._both()[1]

    @property
    def state(self) -> State:
        """``lost`` if either body is, else ``searching`` if either is, else ``tracking``."""
        states = [track.state for track in self._both()]
        return "lost" if "lost" in states else "searching" if "searching" in states else "tracking"

    def _both(self) -> tuple[Track, Track]:
        if self._tracks is None:
            raise RuntimeError("the tracker has seen no frame yet")
        return self._tracks

    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """Two (H, W) uint8 masks of the last frame, 255 inside: the robot's without the cargo, and the reverse.

        Where they have merged, each keeps what is nearer to its own surface (section III, Fig. 3c).
        """
        return self._own_mask(self.robot, self.cargo), self._own_mask(self.cargo, self.robot)

    def _own_mask(self, track: Track, other: Track) -> np.ndarray:
        mask = np.zeros(self._shape, np.uint8)
        if track.crop is None or track.whole_mask is None or not track.whole_mask.size:
            return mask
        rows = np.arange(track.crop.height)[:, None] + track.crop.row
        cols = np.arange(track.crop.width)[None, :] + track.crop.col
        own, others = (
            np.hypot(rows - one.position_px[0], cols - one.position_px[1]) - one.radius_px for one in (track, other)
        )
        inside = (own < others) & (own < 0.4 * track.radius_px)
        track.crop.of(mask)[:] = np.where(inside, track.whole_mask, 0)
        return mask

    def detect(self, frame: Any) -> list[Detection]:
        """Every round body in a frame: see :func:`microtwin.vision.detect.detect`."""
        return detect(frame, self._settings[0], self._scale)

    def __call__(self, frame: Any) -> Observation:
        """Where both bodies are in this frame; a body that is being searched is where it is expected.

        Raises:
            LostError: a body was not found, or the camera frozen, for ``lost_after_s``.
            InputError: a frame of another type, shape or scale, or older than the last; a click on nothing.
        """
        image = self._checked(frame)
        if self._tracks is None:
            self._tracks = self._start(frame, image)
            self._look_different(image)
        else:
            self.dropped += max(0, frame.index - self._index - 1)
            self.frozen = not self._look_different(image) and self._frozen_check
            if self.frozen:
                for track in self._tracks:
                    track.miss(frame.time_s)
            else:
                self._follow(image, frame.time_s)
        self._index, self._time_s = frame.index, frame.time_s
        self._centre = getattr(frame, "centre_um", (0.0, 0.0))
        self._declare_lost(frame.time_s)
        robot, cargo = (
            to_world(track.position_px, self._shape, track.um_per_px) + self._centre for track in self._tracks
        )
        return Observation(frame.index, frame.time_s, robot, cargo)

    def _checked(self, frame: Any) -> np.ndarray:
        image = grey_image(frame)
        if self._scale is None:
            self._scale = getattr(frame, "um_per_px", None)
            if self._scale is None:
                raise InputError("the frame says no scale: give um_per_px, 0.1725 is the 20x camera's")
        scale = getattr(frame, "um_per_px", None) or self._scale
        check_scale(self._scale)
        if abs(scale / self._scale - 1) > 1e-6:
            raise InputError(f"frame of {scale} µm per pixel: the tracker was set up for {self._scale}")
        if self._shape and image.shape != self._shape:
            raise InputError(f"frame of shape {image.shape}: the first one had {self._shape}, start a new tracker")
        if frame.time_s < self._time_s:
            raise InputError(f"frame of {frame.time_s} s follows one of {self._time_s} s: give frames in order")
        self._shape = image.shape
        return image

    def _look_different(self, image: np.ndarray) -> bool:
        """Whether the image differs from the one before it, told by every eighth pixel: no camera repeats its noise."""
        sample = image[::8, ::8].copy()
        same = self._last is not None and np.array_equal(sample, self._last)
        self._last = sample
        return not same

    def _start(self, frame: Any, image: np.ndarray) -> tuple[Track, Track]:
        assert self._scale is not None
        clicks = list(self._clicks)
        if any(click is None for click in clicks):
            self._detected(frame, clicks)
        background = Background(image)
        tracks = []
        for name, click, given in zip(("robot", "cargo"), clicks, self._settings, strict=True):
            mask = given or suggest(image)
            try:
                track = self._clicked(name, click, mask, background, image, frame.time_s)
            except InputError:
                if given:
                    raise
                track = self._clicked(name, click, paler(mask), background, image, frame.time_s)
            tracks.append(track)
        robot, cargo = tracks
        apart = float(np.hypot(*(robot.seen_px - cargo.seen_px)))
        if apart < OVERLAP * max(robot.radius_px, cargo.radius_px):
            raise InputError("the clicks on robot and cargo select the same body: click on two bodies")
        if apart > OVERLAP * (robot.radius_px + cargo.radius_px):
            for track, other in ((robot, cargo), (cargo, robot)):  # again, each without the other
                assert track.crop is not None
                normalised = background.normalised(image, track.crop)
                corner = track.crop.corner
                centre = refine(
                    normalised, track.seen_px - corner, track.radius_px, [(other.seen_px - corner, other.radius_px)]
                )
                if centre.quality > GRANULAR:
                    track.seen_px = track.position_px = centre.position_px + corner
                    track.confidence = centre.quality
                    track.granular = False
        return robot, cargo

    def _detected(self, frame: Any, clicks: list) -> None:
        """Fill in the clicks that nobody made: the robot, and the bead nearest to it."""
        found = detect(frame, None, self._scale)
        for k, (name, kind) in enumerate((("robot", "robot"), ("cargo", "cargo"))):
            if clicks[k] is not None:
                continue
            other = clicks[1 - k]
            choice = [one for one in found if one.kind == kind]
            if name == "cargo":
                choice = choice or [one for one in found if one.kind == "other"]
                choice.sort(key=lambda one: np.hypot(*(one.position_px - other)))
            if not choice:
                raise InputError(f"no {name} detected in the first frame: click on it, or focus")
            clicks[k] = choice[0].position_px

    def _clicked(
        self,
        name: str,
        click: Any,
        settings: MaskSettings,
        background: Background,
        image: np.ndarray,
        now: float,
    ) -> Track:
        assert self._scale is not None
        scale = self._scale
        at = f"({click[0]:.0f}, {click[1]:.0f})"
        if not (0 <= click[0] < image.shape[0] and 0 <= click[1] < image.shape[1]):
            raise InputError(f"click on the {name} at {at} is outside: the frame has shape {image.shape}")
        crop = Crop.around(click, 2 * LARGEST_RADIUS_UM / scale, image.shape)
        normalised = background.normalised(image, crop)

        def near(mask: np.ndarray) -> list[Disc]:
            """The discs of a mask, if the click is on one of them, that one first."""
            discs = find_discs(mask, normalised, SMALLEST_RADIUS_UM / scale, LARGEST_RADIUS_UM / scale)
            away = [float(np.hypot(*(one.centre_px + crop.corner - click))) - one.radius_px for one in discs]
            order = np.argsort(away)
            return [discs[k] for k in order] if discs and away[order[0]] <= CLICK_REACH_UM / scale else []

        mask = body_mask(normalised, settings)
        discs = near(mask)
        if not discs:
            raise InputError(
                f"click on the {name} at {at} is on nothing: click on a body, or lower the mask's threshold"
            )
        others = [(one.centre_px, one.radius_px) for one in discs[1:]]
        centre = refine(normalised, discs[0].centre_px, discs[0].radius_px, others)
        if centre.quality <= GRANULAR:
            mask = _mask(normalised, settings, True, scale, background.noise)
            discs = near(mask) or discs
            others = [(one.centre_px, one.radius_px) for one in discs[1:]]
            centre = Centre(mass_centre(mask, discs[0].centre_px, discs[0].radius_px, others), centre.quality)
        disc, here = discs[0], centre.position_px + crop.corner
        return Track(
            name, settings, scale, disc.radius_px, here, here, now, disc.brightness,
            confidence=centre.quality, whole_mask=mask, crop=crop, granular=centre.quality <= GRANULAR,
        )  # fmt: skip

    def _follow(self, image: np.ndarray, now: float) -> None:
        robot, cargo = self._both()
        background = Background(image)
        views = [self._view(track, background, image, now) for track in (robot, cargo)]
        choice = self._choose(views)
        for track, view, disc in zip((robot, cargo), views, choice, strict=True):
            other = choice[1] if track is robot else choice[0]
            other_track = cargo if track is robot else robot
            around = [(one.centre_px, one.radius_px) for one in view.discs]
            if other is not None:
                around.append((other.centre_px, other_track.radius_px))
            view.found = self._measure(track, view, disc, around)
        overlap = False
        if all(view.found for view in views):
            first, second = (view.found for view in views)
            assert first and second
            apart = float(np.hypot(*(first.position_px - second.position_px))) / (robot.radius_px + cargo.radius_px)
            overlap = apart < OVERLAP
            if apart < CLIMBED:
                worse = 0 if first.quality < second.quality else 1
                views[worse].found = None
        for track, view, disc in zip((robot, cargo), views, choice, strict=True):
            track.whole_mask, track.crop = view.mask, view.crop
            if view.found is None or disc is None:
                track.miss(now)
            else:
                track.learn(view.found, disc, now, overlap, self._velocity_gain)

    def _view(self, track: Track, background: Background, image: np.ndarray, now: float) -> "_View":
        scale, since = track.um_per_px, now - track.seen_s
        gate = (self._gate_um + self._max_speed_um_s * since) / scale
        expected = track.expected(now)
        crop = Crop.around(expected, max(gate + 1.4 * track.radius_px, 3.2 * track.radius_px), image.shape)
        if min(crop.height, crop.width) < 8:
            return _View(crop, np.ones((0, 0)), np.zeros((0, 0), np.uint8), [], gate, expected)
        normalised = background.normalised(image, crop)
        mask = _mask(normalised, track.settings, track.granular, scale, background.noise)
        discs = [
            Disc(one.centre_px + crop.corner, one.radius_px, one.brightness, one.dark, one.lopsided)
            for one in find_discs(mask, normalised, max(0.4 * track.radius_px, 2.0), 2.0 * track.radius_px)
        ]
        return _View(crop, normalised, mask, discs, gate, expected)

    def _choose(self, views: list["_View"]) -> list[Disc | None]:
        """The pair of candidates, one for each body or none, that together cost least."""
        options: list[list[tuple[Disc | None, float]]] = []
        for track, view in zip(self._both(), views, strict=True):
            mine: list[tuple[Disc | None, float]] = []
            for disc in view.discs:
                surprise = float(np.hypot(*(disc.centre_px - view.expected_px))) / view.gate_px
                like = track.strangeness(disc, SIZE if track.state == "tracking" else SIZE_SEARCHED)
                if surprise < 1 and (track.state == "tracking" or like < STRANGER):
                    mine.append((disc, 6 * surprise**2 + like))
            if not mine and track.state == "tracking" and view.normalised.size:
                there = look(view.normalised, view.expected_px - view.crop.corner, track.radius_px)
                there = Disc(view.expected_px, track.radius_px, there.brightness, there.dark, there.lopsided)
                mine.append((there, 0.5 * NOT_FOUND))
            options.append([*mine, (None, NOT_FOUND)])
        apart = CLIMBED * sum(track.radius_px for track in self._both())
        pairs = [
            (first[1] + second[1], first[0], second[0])
            for first, second in product(*options)
            if first[0] is None or second[0] is None or np.hypot(*(first[0].centre_px - second[0].centre_px)) > apart
        ]
        _, robot, cargo = min(pairs, key=lambda pair: pair[0])
        return [robot, cargo]

    def _measure(
        self, track: Track, view: "_View", disc: Disc | None, around: list[tuple[np.ndarray, float]]
    ) -> Centre | None:
        if disc is None:
            return None
        corner = view.crop.corner
        others = []
        for centre, radius in around:
            apart = float(np.hypot(*(centre - disc.centre_px)))
            if apart > 0.8 * track.radius_px:  # else it is this body again
                others.append((centre - corner, max(0.0, min(radius, (apart - 0.6 * track.radius_px) / 1.2))))
        centre = refine(view.normalised, disc.centre_px - corner, track.radius_px, others)
        if centre.quality > GRANULAR:
            return Centre(centre.position_px + corner, centre.quality)
        if track.granular and any(disc is one for one in view.discs) and track.strangeness(disc) < STRANGER:
            return Centre(mass_centre(view.mask, disc.centre_px - corner, track.radius_px, others) + corner, GRANULAR)
        return Centre(centre.position_px + corner, centre.quality) if centre.quality > LOWEST_QUALITY else None

    def _declare_lost(self, now: float) -> None:
        for track in self._both():
            gone = now - track.seen_s
            if track.state != "tracking" and gone >= self._lost_after_s - 1e-9:
                track.state = "lost"
                x, y = to_world(track.seen_px, self._shape, track.um_per_px) + self._centre
                why = "the camera's image is frozen" if self.frozen else "not found"
                raise LostError(f"{track.name} lost: {why} for {gone:.2f} s, last seen at x {x:.1f} µm, y {y:.1f} µm")


@dataclass
class _View:
    """One body's box in one frame; positions are the frame's."""

    crop: Crop
    normalised: np.ndarray
    mask: np.ndarray
    discs: list[Disc]
    gate_px: float
    expected_px: np.ndarray
    found: Centre | None = None


def _mask(normalised: np.ndarray, settings: MaskSettings, granular: bool, scale: float, noise: float) -> np.ndarray:
    """A body's mask; a granular one's is of the contrast of its granules, which do not tear it."""
    if granular and settings.of == "contrast":
        return granular_mask(normalised, settings, 0.5 * GRAIN_UM / scale, noise)
    return body_mask(normalised, settings)


def _click(name: str, position_px: Any) -> np.ndarray | None:
    if position_px is None:
        return None
    try:
        click = np.asarray(position_px, dtype=float)
    except (TypeError, ValueError):
        click = np.empty(0)
    if click.shape != (2,) or not np.isfinite(click).all():
        raise InputError(f"click on the {name} is {position_px!r}: give two numbers, row and column")
    return click

"""The twin on the panel's bench: one fixed view, a robot, objects and resting cells scattered in it."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

import numpy as np

from microtwin.errors import InputError
from microtwin.field import SPIN_CCW_RAD
from microtwin.optics.appearance import Appearance
from microtwin.optics.microscope import Microscope
from microtwin.optics.scene import Camera, Scene
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.physics import Flow, World
from microtwin.physics.step_out import step_out_hz
from microtwin.scene import APPEARS, MEDIUM_INDEX, WATER_INDEX, CargoKind, PushScene, RobotKind
from microtwin.simulated import SimulatedFrame, SimulatedRig, check_latency

SHAPE, BINNING = (512, 640), 2  # 221 × 177 µm
MOST_BODIES = 6  # objects, and as many cells: what the loop moves and draws within a frame's time
FASTEST_FLOW_UM_S = 50.0
LARGEST_DEFOCUS_UM = 15.0
FOCUS_STEP_UM = 0.5  # every focus of a body is propagated once and kept on disk: seconds for a robot
GRAINS = 3  # kinds of granular cells, for the same reason
EDGE_UM = 25.0  # of a body from the picture's edge
NEAR_UM = (35.0, 55.0)  # of the robot from the first object; the others lie further
APART_UM = 45.0  # between centres, or less where that leaves no room
KNOCK_UM = (5.0, 10.0)
KNOCK_FRAMES = 6  # a quarter of a second: a tracker follows that
KEEP_UM = 1.0  # between surfaces


@dataclass(frozen=True)
class TwinSettings:
    """What lies in view and how it is seen; the same settings give the same scene.

    Attributes:
        robot, cargo: as of :class:`microtwin.scene.PushScene`. objects: how many free bodies of the cargo's kind, 1 to
            6. cells: how many resting cells, 0 to 6. seed: of places, noise, and of the population's draw.
        brownian: thermal motion. flow_um_s, flow_deg: uniform drift and its direction, CCW from +x.
        latency_frames: between exposure and arrival. defocus_um: of the microscope, above the cargo's centre, rounded
            to half a micrometre.
        speed: simulated seconds to a second; infinity for as fast as it goes.

    Raises:
        InputError: a value outside its range; a robot that is not known together with this cargo.
    """

    robot: RobotKind = "paper"
    cargo: CargoKind = "bead"
    objects: int = 3
    cells: int = 2
    seed: int = 0
    brownian: bool = True
    flow_um_s: float = 0.0
    flow_deg: float = 0.0
    latency_frames: int = 1
    defocus_um: float = 0.0
    speed: float = 1.0

    def __post_init__(self):
        for name, choices in (("robot", get_args(RobotKind)), ("cargo", get_args(CargoKind))):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} is {getattr(self, name)!r}: choose {', '.join(choices)}")
        for name, low, high in (("objects", 1, MOST_BODIES), ("cells", 0, MOST_BODIES), ("seed", 0, 2**32 - 1)):
            self._make_whole(name)
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} is {getattr(self, name)}: give {low} to {high}")
        self._make_whole("latency_frames")
        check_latency(self.latency_frames)
        if not isinstance(self.brownian, bool):
            raise InputError(f"brownian is {self.brownian!r}: give true or false")
        for name, low, high in (
            ("flow_um_s", 0.0, FASTEST_FLOW_UM_S),
            ("flow_deg", -360.0, 360.0),
            ("defocus_um", -LARGEST_DEFOCUS_UM, LARGEST_DEFOCUS_UM),
            ("speed", 0.01, math.inf),
        ):
            value = getattr(self, name)
            if not (_is_number(value) and low <= value <= high):
                raise InputError(f"{name} is {value!r}: give a number from {low:g} to {high:g}")
        object.__setattr__(self, "defocus_um", FOCUS_STEP_UM * round(self.defocus_um / FOCUS_STEP_UM))
        _ = self.scene  # its own checks

    def _make_whole(self, name: str) -> None:
        """A whole number, also where a page sent 3.0."""
        value = getattr(self, name)
        if not (_is_number(value) and math.isfinite(value) and value == round(value)):
            raise InputError(f"{name} is {value!r}: give a whole number")
        object.__setattr__(self, name, round(value))

    @property
    def scene(self) -> PushScene:
        """The robot and its first object as a scene of pushing, which knows the bodies and the liquid."""
        return PushScene(
            robot=self.robot,
            cargo=self.cargo,
            flow=Flow("uniform", speed_um_s=self.flow_um_s, direction_rad=math.radians(self.flow_deg)),
            brownian=self.brownian,
            latency_frames=self.latency_frames,
            observe="camera",
            focus_offset_um=self.defocus_um,
        )


class BenchTwin(SimulatedRig):
    """A simulated rig with a fixed view, which can be knocked against. Made by :func:`open_twin`.

    Attributes:
        settings: what it was made of. view: what its camera sees.
    """

    def __init__(self, settings: TwinSettings, world: World, microscope: Scene, rng: np.random.Generator):
        super().__init__(world, latency_frames=settings.latency_frames, microscope=microscope, rng=rng)
        self.settings = settings
        self.view = _view()
        self._knocks = np.random.default_rng([settings.seed, 1])
        self._shoves: list[tuple[int, np.ndarray]] = []  # body, (2,) µm a frame
        self._frames_left = 0

    @cached_property
    def spin_step_out_hz(self) -> float | None:
        """As ``step_out_hz``, of the robot that spins upright: the coils' strong axis does not help it there."""
        return step_out_hz(self.world.bodies[0], self.world.coils, self.world.liquid, gamma_rad=SPIN_CCW_RAD)

    def knock(self) -> str:
        """Shove every free object a little, as an elbow at the bench would: what was done, in words.

        A place is changed, no force acts: within the next quarter of a second each object is carried 5 to 10 µm in a
        direction of its own, drawn so that it stays in view and meets no other body; where one has come in its way
        since, it stops short. One that finds no way stays. The robot and what is grown onto the glass stay, too.
        """
        self._shoves, self._frames_left = [], KNOCK_FRAMES
        for body in range(1, 1 + self.settings.objects):
            for _ in range(60):
                length, angle = self._knocks.uniform(*KNOCK_UM), self._knocks.uniform(0.0, 2 * math.pi)
                step = length / KNOCK_FRAMES * np.array([math.cos(angle), math.sin(angle)])
                ends = [self.world.positions_um[body, :2] + k * step for k in range(1, KNOCK_FRAMES + 1)]
                if self.view.contains(ends[-1], EDGE_UM) and all(self._is_free(body, place) for place in ends):
                    self._shoves.append((body, step))
                    break
        count = len(self._shoves)
        return (
            f"knocked {count} object{'s' * (count != 1)} aside" if count else "no object has room to be knocked aside"
        )

    def observe(self) -> SimulatedFrame:
        if self._frames_left:
            self._frames_left -= 1
            for body, step in self._shoves:
                if self._is_free(body, self.world.positions_um[body, :2] + step):
                    self.world.positions_um[body, :2] += step  # between two steps, which keep nothing of a place
        return super().observe()

    def _is_free(self, body: int, place_um: np.ndarray) -> bool:
        """Whether a body may be put there: clear of all others, or at least no nearer to those than it is."""
        positions, radii = self.world.positions_um, self.world.radii_um
        others = np.arange(len(radii)) != body
        there = np.array([*place_um, positions[body, 2]])
        touching = radii[others] + radii[body]
        after = np.linalg.norm(positions[others] - there, axis=1) - touching
        before = np.linalg.norm(positions[others] - positions[body], axis=1) - touching
        return bool((after >= np.minimum(KEEP_UM, before)).all())


def open_twin(settings: TwinSettings) -> BenchTwin:
    """The twin that the settings describe; seconds, where its bodies have not been seen in this focus before."""
    world = _world(settings)
    bodies = world.bodies
    focus_um = bodies[1].position_um[2] + settings.defocus_um
    seeds = [k % GRAINS if b.kind == "cell" else 0 for k, b in enumerate(bodies)]
    looks = [Appearance(APPEARS[b.kind], b.radius_um, seed=seed) for b, seed in zip(bodies, seeds, strict=True)]
    heights = [focus_um - FOCUS_STEP_UM * round((focus_um - b.position_um[2]) / FOCUS_STEP_UM) for b in bodies]
    index = MEDIUM_INDEX if settings.cargo == "cell" else WATER_INDEX
    microscope = Scene(
        looks,
        heights,
        microscope=Microscope.objective_20x(medium_index=index),
        camera=Camera(shape=SHAPE, binning=BINNING, focus_um=focus_um),
    )
    return BenchTwin(settings, world, microscope, np.random.default_rng([settings.seed, 2]))


def _world(settings: TwinSettings) -> World:
    """The robot and its object as :class:`PushScene` sets them up, the rest where these leave room."""
    places, view = np.random.default_rng([settings.seed, 3]), _view()
    while True:
        object_um = _somewhere(places, view)
        heading, apart = places.uniform(0.0, 2 * math.pi), places.uniform(*NEAR_UM)
        ahead = object_um + np.array([math.cos(heading), math.sin(heading)])
        nodes, pair = np.stack([object_um, ahead]), replace(settings.scene, start_um=float(apart))
        robot = pair.world(nodes, np.random.default_rng([settings.seed, 0])).bodies[0]
        if view.contains(np.array(robot.position_um[:2]), EDGE_UM):
            break
    taken = [np.array(robot.position_um[:2]), object_um]
    for _ in range(settings.objects - 1 + settings.cells):
        taken.append(_apart(taken, apart, places, view))
    spots = [(float(x), float(y)) for x, y in taken[2:]]
    full = replace(pair, others=tuple(spots[: settings.objects - 1]), obstacles=tuple(spots[settings.objects - 1 :]))
    return full.world(nodes, np.random.default_rng([settings.seed, 0]))  # the same draws, the same robot and object


def _apart(taken: list[np.ndarray], nearest_um: float, places: np.random.Generator, view: FieldOfView) -> np.ndarray:
    """A place clear of all that are taken, and further from the robot, the first of them, than ``nearest_um``."""
    spacing_um = APART_UM
    while True:
        place = _somewhere(places, view)
        if math.dist(place, taken[0]) > nearest_um + 5.0 and all(math.dist(place, o) > spacing_um for o in taken):
            return place
        spacing_um *= 0.995


def _somewhere(places: np.random.Generator, view: FieldOfView) -> np.ndarray:
    left, right, bottom, top = view.extent_um
    return places.uniform([left + EDGE_UM, bottom + EDGE_UM], [right - EDGE_UM, top - EDGE_UM])


def _view() -> FieldOfView:
    return FieldOfView(SHAPE, BINNING * Microscope.objective_20x().pixel_um)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Scenes: a simulation of pushing described by one validated object, and the rig and observer it makes."""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.optics.appearance import Appearance, Kind
from microtwin.optics.microscope import Microscope
from microtwin.optics.scene import Camera, Scene
from microtwin.physics import Flow, Liquid, World
from microtwin.physics.surface_forces import KT_PN_UM, rest_gap
from microtwin.rig import Observer
from microtwin.robots import Body, Population, bead, cell, nominal
from microtwin.robots.calibration import fitted, lab_coils
from microtwin.simulated import SimulatedRig, TruthObserver, check_latency

FRAME_MARGIN_UM = 45.0  # round the path: the robot's approach, the rings of bodies at the edge
WATER_INDEX, MEDIUM_INDEX = 1.333, 1.337  # DMEM with serum
APPEARS: dict[str, Kind] = {"robot": "robot", "bead": "bead", "cell": "cell"}

RobotKind = Literal["paper", "nominal", "population"]
CargoKind = Literal["bead", "cell"]


@dataclass(frozen=True)
class PushScene:
    """One robot, its cargo at the start of a path, and what else lies there.

    Attributes:
        robot: ``paper`` (the slower robot and longer-ranged repulsion that the published pushing times ask for),
            ``nominal`` (the median calibration robot) or ``population`` (one drawn from the measured spread).
        cargo: ``bead`` (10 µm silica, water) or ``cell`` (13.5 µm, culture medium).
        flow: background flow, instead of the run's own drift.
        fidelity: magnetic torque ``averaged`` or ``resolved`` through the field's cycle.
        brownian: thermal motion on or off.
        latency_frames: frames between exposure and arrival.
        start_um: distance of the robot from the cargo at the start.
        start_bearing_rad: where it starts, seen from the cargo, relative to straight behind, give or take 0.15 rad
            drawn for each run; π is in front.
        others: (n, 2) centres of free bodies of the cargo's kind, µm.
        obstacles: (n, 2) centres of resting cells, µm. Order of bodies: robot, cargo, others, obstacles.
        range_um: repulsion range of the cargo (and of the ``paper`` robot); None for the fitted one.
        robot_range_um: repulsion range of the robot in culture medium; None for the fitted one.
        friction: Coulomb coefficient of robot and cargo against the glass.
        observe: ``truth`` (exact positions plus the tracker's noise) or ``camera`` (rendered frames and the tracker).
        focus_offset_um: how far above the cargo's centre the microscope is focused.
        drift_sd_um_s: standard deviation, per axis, of the liquid's drift drawn for each run; None for the fitted one.
    """

    robot: RobotKind = "paper"
    cargo: CargoKind = "bead"
    flow: Flow = field(default_factory=Flow)
    fidelity: Literal["averaged", "resolved"] = "averaged"
    brownian: bool = True
    latency_frames: int = 1
    start_um: float = 30.0
    start_bearing_rad: float = 0.0
    others: tuple[tuple[float, float], ...] = ()
    obstacles: tuple[tuple[float, float], ...] = ()
    range_um: float | None = None
    robot_range_um: float | None = None
    drift_sd_um_s: float | None = None
    friction: float = 0.0
    observe: Literal["truth", "camera"] = "truth"
    focus_offset_um: float = 0.0

    def __post_init__(self):
        if self.robot not in ("paper", "nominal", "population"):
            raise InputError(f"robot is {self.robot!r}: choose paper, nominal or population")
        if self.cargo not in ("bead", "cell"):
            raise InputError(f"cargo is {self.cargo!r}: choose bead or cell")
        if self.cargo == "cell" and self.robot != "paper":
            raise InputError(f"robot is {self.robot!r} with a cell: choose paper, the one fitted in culture medium")
        if self.fidelity not in ("averaged", "resolved"):
            raise InputError(f"fidelity is {self.fidelity!r}: choose averaged or resolved")
        if self.observe not in ("truth", "camera"):
            raise InputError(f"observe is {self.observe!r}: choose truth or camera")
        check_latency(self.latency_frames)

    def open(self, nodes_um: np.ndarray, rng: np.random.Generator) -> tuple[SimulatedRig, Observer]:
        """The rig and its observer, the cargo on the first node; every draw comes from ``rng``.

        Raises:
            InputError: an unknown robot or cargo, bodies that start inside each other.
        """
        world = self.world(nodes_um, rng)
        if self.observe == "truth":
            rig = SimulatedRig(world, latency_frames=self.latency_frames)
            return rig, TruthObserver(rng, noise_um=fitted("tracking", "noise_um"))
        placed = list(world.bodies)
        view = self.microscope(placed, nodes_um)
        (noise,) = rng.spawn(1)  # leaves the world's own random numbers as they are without a camera
        rig = SimulatedRig(world, latency_frames=self.latency_frames, microscope=view, rng=noise)
        return rig, self._tracker(placed, view)

    def world(self, nodes_um: np.ndarray, rng: np.random.Generator) -> World:
        """What :meth:`open` puts under the camera: robot, cargo, others and obstacles, in this order."""
        robot, cargo, liquid, drift = self._bodies(rng)
        if self.friction != 0:
            robot, cargo = replace(robot, friction=self.friction), replace(cargo, friction=self.friction)
        start = np.asarray(nodes_um[0], dtype=float)
        way = np.asarray(nodes_um[1], dtype=float) - start
        bearing = math.atan2(way[1], way[0]) + math.pi + self.start_bearing_rad + 0.15 * rng.standard_normal()
        bodies = [(robot, start + self.start_um * np.array([math.cos(bearing), math.sin(bearing)])), (cargo, start)]
        bodies += [(cargo, np.asarray(place)) for place in self.others]
        if self.obstacles:
            resting = replace(cell(range_um=cargo.range_um), anchored=True)
            bodies += [(resting, np.asarray(place)) for place in self.obstacles]
        placed = [b.at(x, y, resting_gap(b, liquid)) for b, (x, y) in bodies]
        flow = self.flow
        if flow.kind == "still":
            flow = Flow("uniform", speed_um_s=math.hypot(*drift), direction_rad=math.atan2(drift[1], drift[0]))
        return World(placed, rng=rng, liquid=liquid, coils=lab_coils(), flow=flow, fidelity=self.fidelity)

    def microscope(self, bodies: list[Body], nodes_um: np.ndarray) -> Scene:
        """A microscope whose frame holds the path and what moves along it, at half resolution (2 × 2 binning)."""
        low, high = nodes_um.min(axis=0) - FRAME_MARGIN_UM, nodes_um.max(axis=0) + FRAME_MARGIN_UM
        microscope = Microscope.objective_20x(medium_index=MEDIUM_INDEX if self.cargo == "cell" else WATER_INDEX)
        size = np.ceil((high - low) / (2 * microscope.pixel_um) / 16).astype(int) * 16
        camera = Camera(
            shape=(int(size[1]), int(size[0])),
            binning=2,
            centre_um=(float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2),
            focus_um=bodies[1].position_um[2] + self.focus_offset_um,
        )
        looks = [Appearance(APPEARS[b.kind], b.radius_um, seed=k) for k, b in enumerate(bodies)]
        return Scene(looks, [b.position_um[2] for b in bodies], microscope=microscope, camera=camera)

    def _tracker(self, bodies: list[Body], view: Scene) -> Observer:
        """The tracker, its two bodies clicked where they start."""
        from microtwin.vision import Tracker, to_image

        starts = np.array([b.position_um[:2] for b in bodies[:2]]) - view.camera.centre_um
        robot_px, cargo_px = to_image(starts, view.camera.shape, view.um_per_px)
        return Tracker(robot_start_px=tuple(robot_px), cargo_start_px=tuple(cargo_px))

    def _bodies(self, rng: np.random.Generator) -> tuple[Body, Body, Liquid, tuple[float, float]]:
        kt_pn_um = KT_PN_UM if self.brownian else 0.0
        drift_sd = _or(self.drift_sd_um_s, "pushing", "drift_sd_um_s")
        drift = (drift_sd * rng.standard_normal(), drift_sd * rng.standard_normal())
        if self.cargo == "cell":
            robot = _like_nominal(_or(self.robot_range_um, "cell", "robot_range_um"))
            cargo = cell(range_um=_or(self.range_um, "cell", "cell_range_um"))
            return robot, cargo, Liquid(kt_pn_um=kt_pn_um, hamaker_pn_um=0.0), drift
        liquid = Liquid(kt_pn_um=kt_pn_um)
        if self.robot == "population":
            draw = Population.measured().draw(rng)
            return (
                draw.robot,
                bead(range_um=draw.robot.range_um if self.range_um is None else self.range_um),
                liquid,
                draw.drift_um_s,
            )
        if self.robot == "nominal":
            body = nominal()
            return body, bead(range_um=body.range_um if self.range_um is None else self.range_um), liquid, (0.0, 0.0)
        range_um = _or(self.range_um, "pushing", "range_um")
        return _like_nominal(range_um), bead(range_um=range_um), liquid, drift


def _or(given: float | None, section: str, name: str) -> float:
    return fitted(section, name) if given is None else given


@lru_cache(maxsize=16)
def _like_nominal(range_um: float) -> Body:
    return replace(nominal(), range_um=range_um)


def resting_gap(body: Body, liquid: Liquid) -> float:
    """Height above the glass (µm) at which a body rests in a liquid."""
    return _rest_gap(body.weight_pn, body.radius_um, body.range_um, liquid.hamaker_pn_um)


_rest_gap = lru_cache(maxsize=256)(rest_gap)  # thousands of episodes begin with the same bodies

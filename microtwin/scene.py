"""Scenes: a simulation of pushing described by one validated object, and the rig and observer it makes."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.physics import Flow, Liquid, World
from microtwin.physics.surface_forces import rest_gap
from microtwin.robots import Body, Population, bead, cell, janus_robot, nominal
from microtwin.robots.calibration import fitted, lab_coils
from microtwin.simulated import SimulatedRig, TruthObserver

RobotKind = Literal["paper", "nominal", "population"]
CargoKind = Literal["bead", "cell"]


@dataclass(frozen=True)
class PushScene:
    """One robot, its cargo at the start of a path, and what else lies there.

    Attributes:
        robot: ``paper`` (the slower robot and longer-ranged repulsion that the published pushing times ask for),
            ``nominal`` (the median calibration robot) or ``population`` (one drawn from the measured spread).
        cargo: ``bead`` (10 µm silica, water) or ``cell`` (13.5 µm, culture medium).
        flow: background flow, on top of the run's own drift.
        fidelity: magnetic torque ``averaged`` or ``resolved`` through the field's cycle.
        brownian: thermal motion on or off.
        latency_frames: frames between exposure and arrival.
        start_um: distance of the robot from the cargo at the start.
        start_bearing_rad: where it starts, seen from the cargo, relative to straight behind; π is in front.
        obstacles: (n, 2) centres of resting cells, µm.
    """

    robot: RobotKind = "paper"
    cargo: CargoKind = "bead"
    flow: Flow = field(default_factory=Flow)
    fidelity: Literal["averaged", "resolved"] = "averaged"
    brownian: bool = True
    latency_frames: int = 1
    start_um: float = 30.0
    start_bearing_rad: float = 0.0
    obstacles: tuple[tuple[float, float], ...] = ()

    def open(self, nodes_um: np.ndarray, rng: np.random.Generator) -> tuple[SimulatedRig, TruthObserver]:
        """The rig and its observer, the cargo on the first node; every draw comes from ``rng``.

        Raises:
            InputError: an unknown robot or cargo, bodies that start inside each other.
        """
        robot, cargo, liquid, drift = self._bodies(rng)
        start = np.asarray(nodes_um[0], dtype=float)
        way = np.asarray(nodes_um[1], dtype=float) - start
        bearing = math.atan2(way[1], way[0]) + math.pi + self.start_bearing_rad + 0.15 * rng.standard_normal()
        bodies = [(robot, start + self.start_um * np.array([math.cos(bearing), math.sin(bearing)])), (cargo, start)]
        bodies += [(cell(range_um=cargo.range_um), np.asarray(place)) for place in self.obstacles]
        placed = [b.at(x, y, resting_gap(b, liquid)) for b, (x, y) in bodies]
        flow = self.flow
        if flow.kind == "still":
            flow = Flow("uniform", speed_um_s=math.hypot(*drift), direction_rad=math.atan2(drift[1], drift[0]))
        world = World(placed, rng=rng, liquid=liquid, coils=lab_coils(), flow=flow, fidelity=self.fidelity)
        rig = SimulatedRig(world, latency_frames=self.latency_frames)
        return rig, TruthObserver(rng, noise_um=fitted("tracking", "noise_um"))

    def _bodies(self, rng: np.random.Generator) -> tuple[Body, Body, Liquid, tuple[float, float]]:
        thermal = {} if self.brownian else {"kt_pn_um": 0.0}
        if self.robot not in ("paper", "nominal", "population"):
            raise InputError(f"robot is {self.robot!r}: choose paper, nominal or population")
        if self.cargo not in ("bead", "cell"):
            raise InputError(f"cargo is {self.cargo!r}: choose bead or cell")
        drift_sd = fitted("pushing", "drift_sd_um_s")
        drift = tuple(float(v) for v in drift_sd * rng.standard_normal(2))
        if self.cargo == "cell":
            liquid = Liquid(hamaker_pn_um=0.0, **thermal)
            robot = _like_nominal(fitted("cell", "robot_range_um"))
            return robot, cell(range_um=fitted("cell", "cell_range_um")), liquid, drift
        liquid = Liquid(**thermal)
        if self.robot == "population":
            draw = Population.measured().draw(rng)
            return draw.robot, bead(range_um=draw.robot.range_um), liquid, draw.drift_um_s
        if self.robot == "nominal":
            body = nominal()
            return body, bead(range_um=body.range_um), liquid, (0.0, 0.0)
        range_um = fitted("pushing", "range_um")
        return _like_nominal(range_um), bead(range_um=range_um), liquid, drift


def _like_nominal(range_um: float) -> Body:
    return janus_robot(moment_pn_um_per_mt=fitted("nominal", "moment_pn_um_per_mt"), range_um=range_um)



def resting_gap(body: Body, liquid: Liquid) -> float:
    """Height above the glass (µm) at which a body rests in a liquid."""
    return rest_gap(body.weight_pn, body.radius_um, body.range_um, liquid.hamaker_pn_um)

"""The twin on the panel's bench: one fixed view, a robot, objects and resting cells scattered in it."""

from dataclasses import dataclass

from microtwin.scene import CargoKind, RobotKind


@dataclass(frozen=True)
class TwinSettings:
    """What lies in view and how it is seen; the same settings give the same scene.

    Attributes:
        robot, cargo: as of :class:`microtwin.scene.PushScene`. objects: how many free bodies of the cargo's kind.
        cells: how many resting cells. seed: of places, noise, and of the population's draw.
        brownian: thermal motion. flow_um_s, flow_deg: uniform drift and its direction, CCW from +x.
        latency_frames: between exposure and arrival. defocus_um: of the microscope, above the cargo's centre.
        speed: simulated seconds to a second; infinity for as fast as it goes.
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

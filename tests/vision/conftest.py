"""Modest frames with known truth: soft discs on an uneven background, no wave optics."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

UM_PER_PX = 0.1725
SHAPE = (512, 640)
RADIUS_UM = 5.0
EDGE_UM = 0.2


@dataclass(frozen=True)
class Picture:
    image: np.ndarray
    index: int
    time_s: float
    um_per_px: float = UM_PER_PX


@dataclass
class Body:
    """``cap`` is None for a bead, (roll, heading) in rad for a robot; ``contrast`` 0.4 makes a pale cell."""

    position_um: tuple[float, float]
    cap: tuple[float, float] | None = None
    radius_um: float = RADIUS_UM
    contrast: float = 1.0


@dataclass
class Studio:
    """Renders bodies; one seed, one film."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    background: float = 110.0
    noise: float = 2.0
    gradient: tuple[float, float] = (0.08, -0.06)
    defocus_um: float = 0.0
    shape: tuple[int, int] = SHAPE

    def image(self, bodies: list[Body], light: float = 1.0) -> np.ndarray:
        height, width = self.shape
        y = ((height - 1) / 2 - np.arange(height))[:, None] * UM_PER_PX
        x = (np.arange(width) - (width - 1) / 2)[None, :] * UM_PER_PX
        across, up = x / (width * UM_PER_PX), y / (height * UM_PER_PX)
        clean = self.background * light * (1 + self.gradient[0] * across + self.gradient[1] * up) * np.ones(self.shape)
        for body in bodies:
            reach = body.radius_um + 4.0
            rows = np.flatnonzero(np.abs(y[:, 0] - body.position_um[1]) < reach)
            cols = np.flatnonzero(np.abs(x[0] - body.position_um[0]) < reach)
            if len(rows) and len(cols):
                box = np.ix_(rows, cols)
                clean[box] *= self._passes(body, x[:, cols] - body.position_um[0], y[rows] - body.position_um[1])
        noisy = clean + self.noise * self.rng.standard_normal(self.shape)
        return np.clip(np.round(noisy), 0, 255).astype(np.uint8)

    def _passes(self, body: Body, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        radius, out_of_focus = body.radius_um, abs(self.defocus_um)
        edge = EDGE_UM + 0.15 * out_of_focus
        r = np.hypot(x, y)
        inside = _step((radius - r) / edge)
        spot = _step((0.45 * radius - r) / (2 * edge))
        side = 1.0 if self.defocus_um > -1 else -0.7  # bright and dark change places
        shade = body.contrast * side * (-0.5 * inside * (1 - spot) + 0.45 * spot)
        halo = 0.12 * body.contrast * side * (out_of_focus / 3) * np.exp(-(((r - radius - 0.8) / 0.6) ** 2))
        passed = 1 + shade + halo
        if body.cap is not None:
            roll, heading = body.cap
            along = math.sin(roll) * (x * math.cos(heading) + y * math.sin(heading))
            height = np.sqrt(np.maximum(radius**2 - r**2, 0))
            shadow = inside * _step((along + abs(math.cos(roll)) * height) / edge)
            passed = passed * (1 - 0.93 * shadow)
        return passed


def _step(distance: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(distance))


@dataclass
class Pushing:
    """Where robot and cargo go in ``seconds`` at 24 fps: the robot pushes, spins, backs off, comes again."""

    seed: int
    seconds: float = 20.0
    speed_um_s: float = 30.0
    roll_hz: float = 12.0

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        robot, cargo = np.array([-12.0, 0.0]), np.array([2.0, 1.0])
        goal, mode, left = np.array([25.0, 10.0]), "push", 40
        self.robot_um, self.cargo_um, self.cap = [], [], []
        heading, roll = 0.0, 0.0
        for _ in range(int(24 * self.seconds)):
            self.robot_um.append(robot.copy())
            self.cargo_um.append(cargo.copy())
            self.cap.append((roll, heading))
            if np.hypot(*(goal - cargo)) < 5 or left == 0:
                goal = rng.uniform((-32, -22), (32, 22))
                mode, left = rng.choice(["push", "spin", "back"]), int(rng.integers(10, 60))
            left -= 1
            if mode == "spin":
                heading += 0.6
                cargo = cargo + 0.1 * rng.standard_normal(2)
            else:
                target = cargo if mode == "push" else robot - (cargo - robot)
                heading = math.atan2(*(target - robot)[::-1]) + 0.3 * rng.standard_normal()
                robot = robot + self.speed_um_s / 24 * np.array([math.cos(heading), math.sin(heading)])
                roll += 2 * math.pi * self.roll_hz / 24 * rng.uniform(0.8, 1.0)
            robot, cargo = np.clip(robot, (-44, -33), (44, 33)), np.clip(cargo, (-40, -30), (40, 30))
            apart = cargo - robot
            distance = float(np.hypot(*apart))
            if distance < 2 * RADIUS_UM:
                cargo = robot + apart / distance * 2 * RADIUS_UM
                if np.any(np.abs(cargo) > (40, 30)):
                    cargo = np.clip(cargo, (-40, -30), (40, 30))
                    robot = cargo - apart / distance * 2 * RADIUS_UM
                    mode, left = "back", 15
        self.robot_um, self.cargo_um = np.array(self.robot_um), np.array(self.cargo_um)

    def bodies(self, k: int) -> list[Body]:
        return [Body(tuple(self.robot_um[k]), cap=self.cap[k]), Body(tuple(self.cargo_um[k]))]

    def apart_um(self, k: int) -> float:
        return float(np.hypot(*(self.robot_um[k] - self.cargo_um[k])))


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
def body() -> type[Body]:
    return Body


@pytest.fixture
def picture() -> type[Picture]:
    return Picture


@pytest.fixture
def pushing():
    films: dict[int, Pushing] = {}

    def film(seed: int) -> Pushing:
        return films.setdefault(seed, Pushing(seed, seconds=10.0))

    return film

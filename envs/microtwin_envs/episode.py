"""What is drawn anew for every episode; the same for one environment and for many."""

import math
from dataclasses import dataclass, replace

import numpy as np

from microtwin.control.path_frame import arc_lengths
from microtwin.paths import polyline
from microtwin.physics import Flow
from microtwin.scene import PushScene
from microtwin.simulated import FRAME_RATE_HZ
from microtwin_envs import curves, surroundings
from microtwin_envs.options import GoalOptions, Options, PathOptions

NEAREST_UM, FARTHEST_UM = 13.0, 20.0  # robot behind the object, where the paper's approach ends
BEARING_SD_RAD = 0.2  # besides the scene's own 0.15: 0.25 together
GOALS_UM = (15.0, 60.0)  # how far a goal is
ROBOTS_UM = (15.0, 30.0)  # how far the robot is then, on any side
FIELD_UM = 60.0  # half the width of what a goal task's camera must see, margin aside
FASTEST_UM_S, PLATES_UM = 60.0, 100.0


def child(parent: np.random.Generator) -> np.random.Generator:
    """A new Generator for one episode: however many numbers it gives, the next episode is the same."""
    return np.random.default_rng(parent.integers(2**63, size=2))


def draw_flow(options: Options, rng: np.random.Generator) -> Flow:
    """The episode's background flow; a still one leaves the scene its own drift."""
    if options.flow is None:
        return Flow()
    if isinstance(options.flow, Flow):
        return options.flow
    return Flow(
        "poiseuille",
        speed_um_s=rng.uniform(0.0, FASTEST_UM_S),
        height_um=PLATES_UM,
        direction_rad=rng.uniform(-math.pi, math.pi),
        pulsation=rng.uniform(0.0, 1.0),
        pulsation_hz=rng.uniform(0.05, 0.5),
    )


def draw_scene(
    options: Options,
    nodes_um: np.ndarray,
    start_um: float,
    bearing_rad: float,
    rng: np.random.Generator,
) -> PushScene:
    """The scene of one episode on a path: flow and other bodies drawn."""
    cargo_um = surroundings.CELL_UM if options.cargo == "cell" else surroundings.BEAD_UM
    flow = draw_flow(options, rng)
    radii = [cargo_um] * options.objects + [surroundings.CELL_UM] * options.obstacles
    places = surroundings.scatter(rng, nodes_um, radii, cargo_um, start_um)
    robot = options.robot
    if robot == "mixed":
        robot = "population" if rng.random() < 0.5 else "paper"
    return PushScene(
        robot=robot,
        cargo=options.cargo,
        flow=flow,
        latency_frames=options.latency_frames,
        start_um=start_um,
        start_bearing_rad=bearing_rad,
        others=tuple(places[: options.objects]),
        obstacles=tuple(places[options.objects :]),
        observe="truth" if options.observation == "state" else "camera",
    )


@dataclass(frozen=True)
class PathEpisode:
    """A path (n, 2), arc lengths (n,), the scene that starts on it, how many frames it may take, the task's numbers."""

    nodes_um: np.ndarray
    arc_um: np.ndarray
    scene: PushScene
    frames: int
    numbers: np.ndarray


def frames_of(seconds: float) -> int:
    return max(1, math.ceil(seconds * FRAME_RATE_HZ - 1e-9))


def draw_path_episode(options: PathOptions, rng: np.random.Generator) -> PathEpisode:
    if options.nodes_um is None or options.arc_um is None:
        nodes = curves.random_path(rng)
        arc = arc_lengths(nodes)
    else:
        nodes, arc = options.nodes_um, options.arc_um
    start, bearing = rng.uniform(NEAREST_UM, FARTHEST_UM), BEARING_SD_RAD * rng.standard_normal()
    scene = draw_scene(options, nodes, start, bearing, rng)
    frames = frames_of(options.limit_s(float(arc[-1])))
    return PathEpisode(nodes, arc, scene, frames, draw_numbers(options, rng))


def draw_numbers(options: PathOptions, rng: np.random.Generator) -> np.ndarray:
    """Numbers of the episode's task, its frequency limit drawn if there are two to draw between."""
    least, most = options.limits_hz
    return options.numbers if least == most else replace(options.task, limit_hz=rng.uniform(least, most)).numbers()


@dataclass(frozen=True)
class GoalEpisode:
    """The object's way to its goal (2,), the scene, what the camera must see, how many frames it takes."""

    goal_um: np.ndarray
    scene: PushScene
    nodes_um: np.ndarray
    frames: int


def draw_goal(rng: np.random.Generator) -> np.ndarray:
    """(2,) way from the object to its goal, µm."""
    away, angle = rng.uniform(*GOALS_UM), rng.uniform(-math.pi, math.pi)
    return away * np.array([math.cos(angle), math.sin(angle)])


def draw_goal_episode(options: GoalOptions, rng: np.random.Generator) -> GoalEpisode:
    goal = draw_goal(rng)
    start, bearing = rng.uniform(*ROBOTS_UM), rng.uniform(-math.pi, math.pi)
    scene = draw_scene(options, polyline(np.vstack([np.zeros(2), goal])), start, bearing, rng)
    # the first two nodes say where object and robot start, the others what the camera's frame must hold
    nodes = np.array([[0.0, 0.0], goal, [-FIELD_UM, -FIELD_UM], [FIELD_UM, FIELD_UM]])
    return GoalEpisode(goal, scene, nodes, frames_of(options.limit_s()))

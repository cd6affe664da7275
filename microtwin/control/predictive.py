"""Model-predictive pushing with nothing but what was identified online.

The model is kinematic. The robot goes where it is told, as :mod:`microtwin.control.identify` finds. The object moves
along the line between the two, by the share (reach / distance)³ of what the robot moves along that line. That is the
form of a roller's flow far away along a wall (a rotlet and its image: Blake & Chwang, J. Eng. Math. 8 (1974) 23); the
``reach``, where the object goes as fast as the robot, and the object's drift are fitted frame by frame.

Every frame the headings over the next ``horizon_um`` are refined from the last plan by damped Gauss–Newton steps
(Levenberg–Marquardt), over cross-track distances, lost progress and changes of heading. The latency is made up for by
rolling the commands on their way through the same model. Only ways enter the model, no times, so that going slower
would not make a plan better. The frequency has another task, the paper's section VII: it keeps the distance. A robot
that touches its object while it rolls fast climbs on it and loses it; turned down to ``touch_hz`` it stays behind.
"""

import math
from dataclasses import astuple, dataclass

import numpy as np
from numba import njit

from microtwin.control import identify
from microtwin.control.path_frame import project, smooth_tangent, wrapped
from microtwin.control.pusher import Pusher
from microtwin.errors import InputError

BLOCKS, STEPS_PER_BLOCK = 8, 2  # headings of a plan, model steps that each lasts
STEPS = BLOCKS * STEPS_PER_BLOCK
RESIDUALS = STEPS + BLOCKS + 1
ITERATIONS = 4
NUDGE_RAD = 1e-4  # for the derivatives
# entries of what is fitted beside identify's memory
REACH, DRIFT_X, DRIFT_Y, PLANNED = range(4)
PLAN = 4  # then BLOCKS headings
SIZE = PLAN + BLOCKS
START_REACH_UM = 15.0
LEAST_SHARE, MOST_SHARE = 0.2, 3.0  # believable shares of the robot's motion that the object takes up
TANGENT_UM = 7.0


@dataclass(frozen=True)
class Plan:
    """What a plan is made for.

    Attributes:
        cruise_hz: frequency at a clear distance.
        horizon_um: way that a plan looks ahead, somewhat more than the distance to the object.
        progress: price of a micrometre of progress lost over the horizon, against one of cross-track distance.
        turning: price of a radian of change of heading from one block to the next.
        touch_um: distance at which robot and object touch, the sum of their radii.
        clear_um: distance from which on the frequency is ``cruise_hz``.
        touch_hz: frequency at the touch and nearer.
        adapt_s, smooth_s: time constants of everything identified, and of the velocities.
        delay_frames: frames from a command to the first frame that shows it: latency and one.

    Raises:
        InputError: a value out of its range; a clear distance that is not above the touch.
    """

    cruise_hz: float = 15.0
    horizon_um: float = 22.0
    progress: float = 0.3
    turning: float = 0.8
    touch_um: float = 10.0
    clear_um: float = 11.0
    touch_hz: float = 5.0
    adapt_s: float = 0.5
    smooth_s: float = 0.08
    delay_frames: int = 2

    def __post_init__(self):
        for name in ("cruise_hz", "horizon_um", "touch_hz", "adapt_s", "smooth_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"plan {name} is {value}: give a positive number")
        for name in ("progress", "turning", "touch_um"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"plan {name} is {value}: give 0 or more")
        if not (math.isfinite(self.clear_um) and self.clear_um > self.touch_um):
            raise InputError(f"plan clear_um is {self.clear_um}: give more than touch_um, {self.touch_um:g}")
        if not 1 <= self.delay_frames <= identify.DELAYS:
            raise InputError(f"plan delay is {self.delay_frames} frames: give 1 to {identify.DELAYS}")

    def numbers(self) -> np.ndarray:
        """(10,) for the compiled search."""
        return np.array(astuple(self), dtype=float)


@njit(cache=True)
def move(rx, ry, ox, oy, heading, go, reach, drift_x, drift_y):
    """(robot x, y, object x, y) after the robot went ``go`` along ``heading`` and the object drifted, all in µm."""
    dx, dy = ox - rx, oy - ry
    apart = max(math.hypot(dx, dy), 1e-9)
    dx, dy = dx / apart, dy / apart
    cx, cy = go * math.cos(heading), go * math.sin(heading)
    along = (cx * dx + cy * dy) * min((reach / apart) ** 3, MOST_SHARE)
    return rx + cx, ry + cy, ox + along * dx + drift_x, oy + along * dy + drift_y


@njit(cache=True)
def learn(fitted, row, robot_x, robot_y, object_x, object_y, frame_s, adapt_s):
    """Fit reach and drift to one more observation; ``row`` before :func:`~microtwin.control.identify.watch`."""
    if row[identify.FRAMES] == 0.0:
        return
    dx, dy = row[identify.OBJECT_X] - row[identify.ROBOT_X], row[identify.OBJECT_Y] - row[identify.ROBOT_Y]
    apart = max(math.hypot(dx, dy), 1e-9)
    dx, dy = dx / apart, dy / apart
    robot = (robot_x - row[identify.ROBOT_X]) * dx + (robot_y - row[identify.ROBOT_Y]) * dy
    if robot <= identify.SLOWEST_UM:
        return
    moved_x, moved_y = object_x - row[identify.OBJECT_X], object_y - row[identify.OBJECT_Y]
    taken = (moved_x * dx + moved_y * dy) / robot
    if LEAST_SHARE < taken < MOST_SHARE:
        share = min(1.0, frame_s / adapt_s)
        fitted[REACH] += share * (apart * taken ** (1.0 / 3.0) - fitted[REACH])
        along = robot * min((fitted[REACH] / apart) ** 3, MOST_SHARE)
        fitted[DRIFT_X] += share * ((moved_x - along * dx) / frame_s - fitted[DRIFT_X])
        fitted[DRIFT_Y] += share * ((moved_y - along * dy) / frame_s - fitted[DRIFT_Y])


@njit(cache=True)
def _residuals(headings, start, last, s, v, fitted, nodes, arc, plan, out):
    """Fill ``out`` for the ``headings`` of a plan; half its sum of squares is returned."""
    go = plan[1] / STEPS
    drift_x, drift_y = fitted[DRIFT_X] * go / v, fitted[DRIFT_Y] * go / v
    rx, ry, ox, oy = start
    here = s
    for k in range(STEPS):
        heading = headings[k // STEPS_PER_BLOCK]
        rx, ry, ox, oy = move(rx, ry, ox, oy, heading, go, fitted[REACH], drift_x, drift_y)
        here, out[k] = project(nodes, arc, here, ox, oy)
    for k in range(BLOCKS):
        out[STEPS + k] = plan[3] * wrapped(headings[k] - (headings[k - 1] if k else last))
    out[RESIDUALS - 1] = plan[2] * (plan[1] - (here - s))
    return 0.5 * np.sum(out * out)


@njit(cache=True)
def refine(headings, start, last, s, v, fitted, nodes, arc, plan):
    """Improve the (BLOCKS,) headings in place; the cost, which never rises, is returned."""
    found, nudged, trial = np.empty(RESIDUALS), np.empty(RESIDUALS), np.empty(BLOCKS)
    slopes = np.empty((RESIDUALS, BLOCKS))
    cost = _residuals(headings, start, last, s, v, fitted, nodes, arc, plan, found)
    damping = 1e-2
    for _ in range(ITERATIONS):
        for k in range(BLOCKS):
            headings[k] += NUDGE_RAD
            _residuals(headings, start, last, s, v, fitted, nodes, arc, plan, nudged)
            headings[k] -= NUDGE_RAD
            slopes[:, k] = (nudged - found) / NUDGE_RAD
        normal = slopes.T @ slopes
        for k in range(BLOCKS):
            normal[k, k] = normal[k, k] * (1.0 + damping) + 1e-9
        trial[:] = headings - np.linalg.solve(normal, slopes.T @ found)
        lower = _residuals(trial, start, last, s, v, fitted, nodes, arc, plan, nudged)
        if lower < cost:
            headings[:], found[:], cost = trial, nudged, lower
            damping *= 0.3
        else:
            damping *= 10.0
    return cost


@njit(cache=True)
def foresee(row, fitted, nodes, arc, plan, frame_s):
    """(heading, frequency, object's s, bearing off the path) for the next command; ``row`` after ``identify.watch``."""
    rx, ry, ox, oy = row[identify.ROBOT_X], row[identify.ROBOT_Y], row[identify.OBJECT_X], row[identify.OBJECT_Y]
    drift_x, drift_y = fitted[DRIFT_X] * frame_s, fitted[DRIFT_Y] * frame_s
    for k in range(int(plan[9]) - 2, -1, -1):  # the commands on their way, the oldest first
        at = identify.COMMANDS + 4 * k
        go, heading = row[identify.SPEED_PER_HZ] * row[at + 1] * frame_s, row[at] + row[identify.BIAS]
        rx, ry, ox, oy = move(rx, ry, ox, oy, heading, go, fitted[REACH], drift_x, drift_y)
    s, _ = project(nodes, arc, row[identify.S], ox, oy)
    row[identify.S] = s
    bearing = math.atan2(oy - ry, ox - rx)
    v = max(row[identify.SPEED_PER_HZ] * plan[0], 1.0)
    headings = fitted[PLAN:]
    if fitted[PLANNED] == 0.0:
        fitted[PLANNED] = 1.0
        headings[:] = bearing
        last = bearing
    else:
        last = row[identify.COMMANDS] + row[identify.BIAS]
        part = min(1.0, v * frame_s * BLOCKS / plan[1])  # the plan moves on by a frame
        for k in range(BLOCKS - 1):
            headings[k] += part * wrapped(headings[k + 1] - headings[k])
    refine(headings, (rx, ry, ox, oy), last, s, v, fitted, nodes, arc, plan)
    room = (math.hypot(ox - rx, oy - ry) - plan[4]) / (plan[5] - plan[4])
    slow = min(plan[6], plan[0])
    frequency = slow + (plan[0] - slow) * min(1.0, max(0.0, room))
    return headings[0] - row[identify.BIAS], frequency, s, wrapped(bearing - smooth_tangent(nodes, arc, s, TANGENT_UM))


class Predictive(Pusher):
    """Pushes one object along a list of nodes by :func:`foresee`.

    Args:
        plan: what a plan is made for. The others: as for the :class:`~microtwin.control.pusher.Pusher`.
    """

    lost_rad = 2.2  # a square's corner alone makes it π/2

    def __init__(self, nodes_um: np.ndarray, plan: Plan | None = None, **distances: float):
        self.plan = plan or Plan()
        super().__init__(nodes_um, self.plan.cruise_hz, **distances)
        self._numbers = self.plan.numbers()
        self._fitted = np.zeros(SIZE)
        self._fitted[REACH] = START_REACH_UM

    @property
    def reach_um(self) -> float:
        """The distance, as identified so far, at which the object goes as fast as the robot."""
        return float(self._fitted[REACH])

    def _steer(self, robot_um: np.ndarray, cargo_um: np.ndarray) -> tuple[float, float, float, float]:
        plan, row, seen = self.plan, self._memory, (robot_um[0], robot_um[1], cargo_um[0], cargo_um[1])
        if self.mode == "push":
            learn(self._fitted, row, *seen, self._frame_s, plan.adapt_s)
        identify.watch(row, *seen, self._frame_s, plan.delay_frames, plan.smooth_s, plan.adapt_s)
        return foresee(row, self._fitted, self.nodes_um, self._arc, self._numbers, self._frame_s)

    def _start_over(self) -> None:
        self._fitted[PLANNED] = 0.0

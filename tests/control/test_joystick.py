"""The open-loop operator: late by the reaction time, with a hand that wanders as stated, blind to the physics."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.control import Joystick
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD
from microtwin.paths import circle
from microtwin.rig import Observation

NODES = circle()
RATE_HZ = 24.0


def joystick(seed: int = 0, **options):
    values = {"frequency_hz": 12.0, "rng": np.random.default_rng(seed), "hand_rad": 0.0} | options
    return Joystick(NODES, **values)


def stream(seed, frames=60):
    """A cargo on its way along the circle, with a robot behind it that wanders."""
    rng = np.random.default_rng(seed)
    angles = 2 * math.pi * (np.arange(frames) * rng.uniform(0.1, 0.6) + rng.uniform(0, 40)) / len(NODES)
    radius = np.hypot(*NODES[0])
    cargo = radius * np.column_stack((np.cos(angles), np.sin(angles))) + rng.normal(0, 1, (frames, 2))
    robot = cargo + rng.uniform(-15, 15, 2) + np.cumsum(rng.normal(0, 1, (frames, 2)), axis=0)
    return [Observation(i, i / RATE_HZ, robot[i], cargo[i]) for i in range(frames)]


def commands(observations, start_at=0, **options):
    controller = joystick(**options)
    controller.mode, controller.goal_index = "push", start_at
    return [controller.act(o) for o in observations]


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), change_at=st.integers(1, 50), delay=st.sampled_from([0.1, 0.26, 0.5]))
def test_what_is_seen_now_moves_the_thumb_after_the_delay(seed, change_at, delay):
    """Two worlds alike up to a frame, and unlike from it on, get the same commands until the delay has passed."""
    first, other = stream(seed), stream(seed + 1)
    second = first[:change_at] + other[change_at:]
    options = {"delay_s": delay, "hand_rad": 0.2}
    for one, two, frame in zip(commands(first, **options), commands(second, **options), first, strict=True):
        if frame.time_s - delay < change_at / RATE_HZ - 1e-9:
            assert one == two, f"frame {frame.index} knows of frame {change_at}"


def test_the_delay_is_no_longer_than_stated():
    first, other = stream(3), stream(4)
    second = first[:20] + other[20:]
    pairs = zip(commands(first, delay_s=0.26), commands(second, delay_s=0.26), strict=True)
    differ = [index for index, (one, two) in enumerate(pairs) if one != two]
    assert differ[0] == 20 + math.ceil(0.26 * RATE_HZ)


def hand_errors(frames, dt_s, seed=0, **options):
    """What the hand adds to the heading, rad: two robots far from a still cargo, one steered by a calm hand."""
    shaky, calm = joystick(seed, **options), joystick(seed, **(options | {"hand_rad": 0.0}))
    out = np.empty(frames)
    for i in range(frames):
        seen = Observation(i, i * dt_s, np.array([300.0, -200.0]), NODES[0])
        out[i] = math.remainder(shaky.act(seen).alpha_rad - calm.act(seen).alpha_rad, 2 * math.pi)
    return out


def test_the_hand_wanders_as_stated():
    """An Ornstein–Uhlenbeck process: its standard deviation, and a correlation of 1/e after the wandering time."""
    error = hand_errors(30_000, 1 / RATE_HZ, hand_rad=0.2, wander_s=0.5)
    assert error.mean() == pytest.approx(0.0, abs=0.03)
    assert error.std() == pytest.approx(0.2, rel=0.08)
    error = error / error.std()
    assert np.mean(error[:-12] * error[12:]) == pytest.approx(math.exp(-1), abs=0.08)  # 12 frames are 0.5 s
    assert np.mean(error[:-1] * error[1:]) == pytest.approx(math.exp(-1 / 12), abs=0.01)


def test_the_hand_does_not_depend_on_the_frame_rate():
    error = hand_errors(4_000, 2.0, hand_rad=0.2, wander_s=0.5)
    assert error.std() == pytest.approx(0.2, rel=0.05)
    assert np.mean(error[:-1] * error[1:]) / error.var() == pytest.approx(math.exp(-4), abs=0.06)


def test_the_hand_starts_anywhere():
    """Its first error is drawn from the same spread as all others."""
    first = [hand_errors(1, 1.0, hand_rad=0.2, seed=seed)[0] for seed in range(400)]
    assert np.std(first) == pytest.approx(0.2, rel=0.12)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_it_only_ever_rolls_at_one_frequency(seed):
    for field in commands(stream(seed), start_at=5, hand_rad=0.2):
        assert (field.gamma_rad, field.frequency_hz, field.amplitude) == (PUSH_RAD, 12.0, 1.0)


def test_the_same_hand_twice():
    assert commands(stream(5), hand_rad=0.2, seed=9) == commands(stream(5), hand_rad=0.2, seed=9)
    assert commands(stream(5), hand_rad=0.2, seed=9) != commands(stream(5), hand_rad=0.2, seed=10)


def finish(cargo):
    controller = joystick()
    controller.mode, controller.goal_index = "push", len(NODES) - 2
    fields = [controller.act(Observation(i, i / RATE_HZ, cargo + np.array([0.0, -12.0]), cargo)) for i in range(24)]
    return controller, fields[-1]


def test_it_ends_with_the_cargo_on_the_last_node():
    controller, field = finish(NODES[-1] + [3.0, 3.0])
    assert (controller.done, controller.mode, field.amplitude) == (True, "done", 0.0)


def test_abreast_of_the_last_node_is_not_on_it():
    """Success means within the threshold of the last node, as it does for the corridor."""
    controller, field = finish(1.4 * NODES[-1])
    assert not controller.done
    assert field.amplitude == 1.0


@pytest.mark.parametrize(
    "values",
    [
        {"frequency_hz": 0.0},
        {"frequency_hz": math.nan},
        {"hand_rad": -0.1},
        {"hand_rad": math.nan},
        {"delay_s": -0.1},
        {"wander_s": 0.0},
        {"lead_um": 0.0},
        {"threshold_um": math.nan},
        {"approach_um": -1.0},
    ],
)
def test_bad_values(values):
    with pytest.raises(InputError) as error:
        joystick(**values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("nodes", [np.zeros((1, 2)), np.zeros((3, 2)), np.array([[0, 0], [math.nan, 1], [10, 0]])])
def test_bad_paths(nodes):
    with pytest.raises(InputError):
        Joystick(nodes, frequency_hz=12.0, rng=np.random.default_rng(0), hand_rad=0.1)


def test_controllers_cannot_know_that_they_are_in_a_twin():
    code = (
        "import sys, microtwin.control, microtwin.rig, microtwin.run\n"
        "print(*sorted(m for m in sys.modules if m.startswith(('microtwin.physics', 'microtwin.simulated'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

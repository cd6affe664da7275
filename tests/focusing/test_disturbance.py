"""Drift and vibration: speeds, turning points, spectrum, and the same from the same generator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.focusing.disturbance import BANDS_HZ, WALK_S, Drift, Vibration

STEP_S = 1 / 24


def drifted(kind, speed_um_s, range_um, seed, frames=1440) -> np.ndarray:
    drift, found = Drift(kind, speed_um_s, range_um, np.random.default_rng(seed)), []
    for _ in range(frames):
        found.append(drift.depth_um)
        drift.advance(STEP_S)
    return np.array(found)


@given(speed=st.floats(0.1, 3.0), span=st.floats(1.0, 10.0), seed=st.integers(0, 99))
def test_ramps_have_one_speed_and_turn_round_at_both_ends(speed, span, seed):
    depths = drifted("ramps", speed, span, seed)
    assert depths[0] == 0.0
    steps = np.abs(np.diff(depths))
    assert steps.max() <= speed * STEP_S * (1 + 1e-9)
    turning = np.isclose(steps, speed * STEP_S, rtol=1e-6)
    assert np.mean(~turning) <= 2 * speed * STEP_S / span + 0.01  # only the frames in which it turns are shorter
    assert np.ptp(depths) <= span + 1e-9
    if speed * 60 > 2 * span:  # time to see both ends
        assert np.ptp(depths) > span - 2 * speed * STEP_S


def test_a_walk_has_its_speed_on_average_and_forgets_it():
    speeds = np.concatenate([np.diff(drifted("walk", 1.0, 1e6, seed)) / STEP_S for seed in range(20)])
    assert np.std(speeds) == pytest.approx(1.0, rel=0.2)
    one = np.diff(drifted("walk", 1.0, 1e6, 0, 100_000)) / STEP_S
    lag = round(WALK_S / STEP_S)
    assert np.corrcoef(one[:-lag], one[lag:])[0, 1] == pytest.approx(np.exp(-1), abs=0.12)


def test_a_walk_stays_within_its_range():
    assert all(np.ptp(drifted("walk", 2.0, 3.0, seed)) <= 3.0 for seed in range(5))


def test_no_speed_is_no_drift():
    assert not drifted("ramps", 0.0, 6.0, 1).any()


def test_vibration_has_its_size_and_falls_as_one_over_frequency():
    times = np.arange(0, 64, 1 / 512)
    shakes = np.array([Vibration(0.02, np.random.default_rng(seed)).depth_um(0.0) for seed in range(3)])
    assert len(set(shakes)) == 3
    one = Vibration(0.02, np.random.default_rng(0))
    depths = np.array([one.depth_um(t) for t in times])
    assert np.sqrt(np.mean(depths**2)) == pytest.approx(0.02, rel=0.02)
    power = np.abs(np.fft.rfft(depths)) ** 2
    frequency = np.fft.rfftfreq(len(times), times[1])
    edges = BANDS_HZ[:, None] * 2 ** np.array([-1 / 6, 1 / 6])
    in_band = np.array([power[(frequency >= low) & (frequency <= high)].sum() for low, high in edges])
    assert in_band.sum() > 0.98 * power.sum()
    velocity = in_band * BANDS_HZ**2  # the same in every third of an octave
    assert velocity.max() < 1.6 * velocity.min()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda rng: Drift("leaps", 1.0, 6.0, rng), "choose ramps or walk"),  # type: ignore[arg-type]
        (lambda rng: Drift("ramps", -1.0, 6.0, rng), "drift is -1.0 µm/s"),
        (lambda rng: Drift("ramps", 1.0, 0.0, rng), "turns round after 0.0"),
        (lambda rng: Vibration(-0.1, rng), "vibration is -0.1"),
        (lambda rng: Vibration(float("nan"), rng), "vibration is nan"),
    ],
)
def test_disturbances_that_cannot_be(make, message):
    with pytest.raises(InputError, match=message):
        make(np.random.default_rng(0))

"""Depth labels, the focus they mean, and the courses they run through a sequence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.optics import Microscope
from microtwin.otmr.depth import STAGE_PER_BAR, continuous, focus_um, stepwise

COURSES = [continuous, stepwise]


@pytest.mark.parametrize("course", COURSES)
@given(n=st.integers(1, 400), length=st.floats(0.1, 30.0), seed=st.integers(0, 2**32))
def test_a_course_has_its_length_and_stays_in_range(course, n, length, seed):
    depths = course(n, length, np.random.default_rng(seed))
    assert depths.shape == (n,)
    assert np.abs(depths).max() <= length / 2 * (1 + 1e-12)
    assert np.array_equal(depths, course(n, length, np.random.default_rng(seed)))


@pytest.mark.parametrize("course", COURSES)
@given(n=st.integers(50, 400), seed=st.integers(0, 2**32))
def test_a_long_course_covers_its_range(course, n, seed):
    assert np.ptp(course(n, 12.0, np.random.default_rng(seed))) >= 0.8 * 12.0


@given(n=st.integers(50, 400), seed=st.integers(0, 2**32))
def test_a_continuous_course_never_jumps(n, seed):
    steps = np.abs(np.diff(continuous(n, 12.0, np.random.default_rng(seed))))
    assert steps.max() <= 9 * 12.0 / n
    assert np.count_nonzero(steps) > 0.9 * len(steps)  # nor does it rest


@given(n=st.integers(50, 400), seed=st.integers(0, 2**32))
def test_a_stepwise_course_rests_on_plateaus_and_jumps_between(n, seed):
    steps = np.diff(stepwise(n, 12.0, np.random.default_rng(seed)))
    jumps = np.flatnonzero(steps)
    assert 3 <= len(jumps) <= 0.5 * n
    assert np.median(np.diff(jumps)) >= 3
    assert np.unique(np.sign(steps[jumps])).size == 2  # there and back


@given(seed=st.integers(0, 2**32))
def test_a_short_stepwise_course_still_shows_many_depths(seed):
    assert len(np.unique(stepwise(20, 12.0, np.random.default_rng(seed)).round(9))) >= 6


@pytest.mark.parametrize("course", COURSES)
def test_seeds_make_other_courses(course):
    one, other = (course(60, 12.0, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.allclose(one, other)


def test_more_depth_looks_further_towards_the_objective_by_the_ratio_of_the_indices():
    scope = Microscope.oil_100x()
    assert focus_um(0.0, 1.5, scope) == 1.5
    assert focus_um(2.0, 1.5, scope) == pytest.approx(1.5 - 2.0 / STAGE_PER_BAR * 1.33 / 1.515)


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize(
    ("n", "length", "message"), [(0, 12.0, "0 images"), (5, 0.0, "depth range is 0"), (5, float("nan"), "nan")]
)
def test_bad_courses_are_refused(course, n, length, message):
    with pytest.raises(InputError, match=message):
        course(n, length, np.random.default_rng(0))

"""Brownian motion: step covariance against 2kT R⁻¹ dt, heights against Boltzmann, diffusion constants.

All seeds are fixed; limits are set some four standard errors out, or by a χ² quantile of 1e-4.
"""

import math

import numpy as np
import pytest
from scipy import stats

from microtwin.field import PUSH_RAD, CoilScale, RotatingField
from microtwin.physics import Liquid, World, resistance
from microtwin.physics.surface_forces import KT_PN_UM, repulsion, rest_gap
from microtwin.robots.bodies import Body, bead, janus_robot

COILS = CoilScale((3.0, 5.0, 13.0))
OFF = RotatingField.off()


def small(x, y, gap, radius=1.0):
    return Body("bead", (x, y, radius + gap), radius, 0.0, 0.01)


CROWDS = [
    [small(0, 0, 0.2)],
    [small(0, 0, 0.3), small(2.1, 1.0, 0.5, 1.3)],
    [small(0, 0, 0.2), small(1.6, 0.3, 0.3, 0.5), small(0.2, 2.2, 0.9), small(0.4, 0.3, 2.4), small(3.6, 0.8, 0.25)],
]


def steps_from(world, count, dt, field=OFF):
    """(count, 6N) displacements of independent steps, all from the world's first positions."""
    start = world.positions_um.copy()
    out = np.empty((count, 2, *start.shape))
    for sample in out:
        world.positions_um[:] = start
        world.step(field, dt)
        sample[0], sample[1] = world.velocities_um_s, world.spins_rad_s
    return out.reshape(count, -1) * dt


def whiteness(samples, covariance):
    """(χ² of the whitened sample covariance, its degrees of freedom, worst entry in standard errors)."""
    lower = np.linalg.cholesky(covariance)
    z = np.linalg.solve(lower, (samples - samples.mean(axis=0)).T)
    count = len(samples)
    error = z @ z.T / (count - 1) - np.eye(len(z))
    scores = error * np.sqrt(count) / np.where(np.eye(len(z)) > 0, math.sqrt(2), 1.0)
    scores = scores[np.tril_indices(len(z))]
    return np.sum(scores**2), scores.size, np.abs(scores).max()


@pytest.mark.parametrize("bodies", CROWDS, ids=lambda b: f"{len(b)} bodies")
def test_displacements_have_the_covariance_2kt_mobility_dt(bodies):
    """All 6N components, translation and rotation, on and off the diagonal."""
    dt, count = 1e-6, 12_000
    world = World(bodies, rng=1, coils=COILS)
    samples = steps_from(world, count, dt)
    mobility = np.linalg.inv(resistance([b.position_um for b in bodies], [b.radius_um for b in bodies], 1e-3))
    chi2, freedom, worst = whiteness(samples, 2 * KT_PN_UM * mobility * dt)
    assert stats.chi2.sf(chi2, freedom) > 1e-4
    assert stats.chi2.cdf(chi2, freedom) > 1e-4
    assert worst < 4.8
    # couplings are there to be seen: without them the same samples fail
    bare = np.diag(np.diag(2 * KT_PN_UM * mobility * dt))
    chi2, freedom, _ = whiteness(samples, bare)
    assert stats.chi2.sf(chi2, freedom) < 1e-6


def test_the_size_of_the_noise_follows_temperature_and_viscosity():
    one, four = (
        steps_from(World([small(0, 0, 0.3)], rng=2, coils=COILS, liquid=Liquid(eta, kt)), 4000, 1e-6).std(axis=0)
        for eta, kt in ((1e-3, KT_PN_UM), (2e-3, 8 * KT_PN_UM))
    )
    np.testing.assert_allclose(four / one, 2.0, rtol=1e-3)  # the same normal numbers, √(8/2) times as large


def test_a_locked_robot_keeps_its_rotation_and_shakes_at_fixed_spin():
    """With Ω prescribed the fluctuating velocities have covariance 2kT (R_UU)⁻¹."""
    dt = 1e-6
    robot = janus_robot(1.0, moment_pn_um_per_mt=5000, range_um=0.01)
    world = World([robot.at(0, 0, 0.2)], rng=3, coils=CoilScale((9.0, 9.0, 9.0)))
    samples = steps_from(world, 10_000, dt, RotatingField(0.0, PUSH_RAD, 5.0))
    inner = np.linalg.inv(resistance([[0, 0, 1.2]], 1.0, 1e-3)[:3, :3])
    chi2, freedom, _ = whiteness(samples[:, :3], 2 * KT_PN_UM * inner * dt)
    assert 1e-4 < stats.chi2.cdf(chi2, freedom) < 1 - 1e-4
    free = 2 * KT_PN_UM * dt * np.linalg.inv(resistance([[0, 0, 1.2]], 1.0, 1e-3))[4, 4]
    assert samples[:, 4].var() < 1e-4 * free


# a light bead whose mobility changes by a factor over its thermal heights
A, WEIGHT, RANGE = 0.5, 0.05, 0.03


def height_distribution(gaps, radius=A, weight_pn=WEIGHT, range_um=RANGE):
    """Cumulative Boltzmann distribution of the gap in weight and double layer, by quadrature."""
    grid = np.linspace(0.0, 3.0, 60_001)
    force = np.array([repulsion(g, radius, range_um, 0.0)[0] for g in grid]) - weight_pn
    energy = -np.concatenate([[0.0], np.cumsum((force[1:] + force[:-1]) / 2 * np.diff(grid))])
    weight = np.exp(-(energy - energy.min()) / KT_PN_UM)
    total = np.concatenate([[0.0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
    return np.interp(gaps, grid, total / total[-1])


def test_heights_follow_boltzmann():
    """Without the drift kT ∂M/∂z the density would be divided by the mobility and lean on the glass."""
    world = World(
        [Body("bead", (0, 0, A + 0.22), A, WEIGHT, RANGE)],
        rng=4,
        coils=COILS,
        liquid=Liquid(hamaker_pn_um=0.0),
        max_step_s=1 / 1500,
    )
    world.step(OFF, 2.0)
    gaps = np.empty(4000)
    for k in range(len(gaps)):
        world.step(OFF, 0.2)
        gaps[k] = world.positions_um[0, 2] - A
    cumulative = height_distribution(gaps)
    # the samples are independent enough for the tests below
    u = cumulative - cumulative.mean()
    correlation = np.mean(u[1:] * u[:-1]) / np.mean(u * u)
    assert abs(correlation) < 0.1
    slower = math.sqrt((1 + abs(correlation)) / (1 - abs(correlation)))
    assert stats.kstest(cumulative, "uniform").statistic < 1.95 * slower / math.sqrt(len(gaps))  # quantile 1e-3
    counts, _ = np.histogram(cumulative, np.linspace(0, 1, 21))
    chi2 = np.sum((counts - 200) ** 2 / 200) / slower**2
    assert chi2 < stats.chi2.ppf(1 - 1e-3, 19)
    assert cumulative.mean() == pytest.approx(0.5, abs=4 * slower / math.sqrt(12 * len(gaps)))


@pytest.mark.parametrize("weight_pn", [5.7, 0.8])
def test_heights_of_large_bodies_follow_boltzmann_at_the_usual_step(weight_pn):
    """A 10 µm robot, and a body as light as a cell, at four inner steps a camera frame."""
    world = World(
        [Body("bead", (0, 0, 5.3), 5.0, weight_pn, 0.04)], rng=5, coils=COILS, liquid=Liquid(hamaker_pn_um=0.0)
    )
    world.step(OFF, 5.0)
    gaps = np.empty(2000)
    for k in range(len(gaps)):
        world.step(OFF, 0.5)
        gaps[k] = world.positions_um[0, 2] - 5.0
    cumulative = height_distribution(gaps, 5.0, weight_pn, 0.04)
    assert stats.kstest(cumulative, "uniform").statistic < 1.95 / math.sqrt(len(gaps))
    assert cumulative.std() == pytest.approx(1 / math.sqrt(12), rel=0.05)


def test_a_10_um_robot_diffuses_near_the_glass_as_measured():
    """D∥ ≈ 0.017 µm²/s and D_r ≈ 1.3e-3 1/s at the rest gap."""
    robot = janus_robot(moment_pn_um_per_mt=500, range_um=0.04)
    gap = rest_gap(robot.weight_pn, 5.0, 0.04)
    world = World([robot.at(0, 0, gap)], rng=5, coils=COILS)
    dt, count = 1 / 24, 6000
    moves = np.empty((count, 6))
    heights = np.empty(count)
    for k in range(count):
        heights[k] = world.positions_um[0, 2]
        world.step(OFF, dt)
        moves[k, :3], moves[k, 3:] = world.velocities_um_s[0] * dt, world.spins_rad_s[0] * dt
    found = moves.var(axis=0) / (2 * dt)
    mobility = np.mean([np.linalg.inv(resistance([[0, 0, z]], 5.0, 1e-3)).diagonal() for z in heights[::60]], axis=0)
    expected = KT_PN_UM * mobility
    in_plane, tilt = [0, 1], [3, 4, 5]
    np.testing.assert_allclose(found[in_plane], expected[in_plane], rtol=0.08)  # four standard errors of a variance
    np.testing.assert_allclose(found[tilt], expected[tilt], rtol=0.08)
    assert found[in_plane].mean() == pytest.approx(0.017, rel=0.15)
    assert found[[3, 4]].mean() == pytest.approx(1.3e-3 / 2, rel=0.25) or found[5] == pytest.approx(1.3e-3, rel=0.3)


def test_no_heat_no_motion():
    world = World([bead(range_um=0.04).at(0, 0, 0.25)], coils=COILS, liquid=Liquid(kt_pn_um=0.0))
    world.step(OFF, 1.0)
    assert not world.positions_um[0, :2].any() and not world.spins_rad_s.any()
    np.testing.assert_array_equal(world.turns, [[1, 0, 0, 0]])


def test_orientations_stay_unit_quaternions_and_spread():
    world = World([small(0, 0, 0.3), small(3, 0, 0.3)], rng=6, coils=COILS)
    world.step(OFF, 20.0)
    np.testing.assert_allclose(np.linalg.norm(world.turns, axis=1), 1.0, atol=1e-12)
    assert (np.abs(world.turns[:, 0]) < 0.999).all()

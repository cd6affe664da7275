"""The exact two-sphere resistance functions, against independent solutions and limits."""

import numpy as np
import pytest

from microtwin.physics import sphere_sphere as ss
from microtwin.physics.sphere_sphere import pair_functions, pair_resistance

EQUAL = [ss.XA11, ss.XA12, ss.YA11, ss.YA12, ss.YB11, ss.YB12, ss.XC11, ss.XC12, ss.YC11, ss.YC12]


@pytest.mark.parametrize("xi", [0.01, 0.001])
def test_equal_spheres_near_contact(xi):
    log = np.log(1 / xi)
    expected = np.array(
        [
            0.9954 + 0.25 / xi + 0.225 * log + 0.0268 * xi * log,
            -0.3502 - 0.25 / xi - 0.225 * log - 0.0268 * xi * log,
            0.9983 + 0.1667 * log,
            -0.2737 - 0.1667 * log,
            0.2389 - 0.25 * log - 0.125 * xi * log,
            -0.0016 + 0.25 * log + 0.125 * xi * log,
            1.0518 - 0.125 * xi * log,
            -0.1503 + 0.125 * xi * log,
            0.7028 + 0.2 * log + 0.188 * xi * log,
            -0.0275 + 0.05 * log + 0.062 * xi * log,
        ]
    )
    found = pair_functions([xi], 1.0)[0, EQUAL]
    # the asymptotes have four digits and leave out terms of order xi
    np.testing.assert_allclose(found, expected, rtol=5e-3 if xi < 0.005 else 4e-2)
    assert np.abs(found - expected).max() < (4e-4 if xi < 0.005 else 1.2e-2)


def bispherical(alpha, approaching):
    """Drag of two equal spheres on their line of centres: together (Stimson & Jeffery), or approaching (Brenner)."""
    n = np.arange(1, int(25 / alpha) + 20)
    weight = n * (n + 1) / ((2 * n - 1) * (2 * n + 3))
    x, m = (n + 0.5) * alpha, 2 * n + 1
    # all hyperbolic functions times exp(-2x), which keeps them finite
    down = np.exp(-2 * x)
    sinh_2x, sinh2, cosh2 = (1 - down**2) / 2, (1 - down) ** 2 / 4, (1 + down) ** 2 / 4
    if approaching:
        ratio = (4 * cosh2 + m**2 * np.sinh(alpha) ** 2 * down) / (2 * sinh_2x - m * np.sinh(2 * alpha) * down) - 1
    else:
        ratio = 1 - (4 * sinh2 - m**2 * np.sinh(alpha) ** 2 * down) / (2 * sinh_2x + m * np.sinh(2 * alpha) * down)
    return 4 / 3 * np.sinh(alpha) * np.sum(weight * ratio)


@pytest.mark.parametrize("xi", [1e-4, 1e-3, 0.01, 0.1, 0.2, 0.25, 1.0, 5.0, 20.0])
def test_axisymmetric_motion_of_equal_spheres(xi):
    alpha = np.arccosh(1 + xi / 2)
    g = pair_functions([xi], 1.0)[0]
    assert g[ss.XA11] + g[ss.XA12] == pytest.approx(bispherical(alpha, approaching=False), rel=1e-5)
    assert g[ss.XA11] - g[ss.XA12] == pytest.approx(bispherical(alpha, approaching=True), rel=1e-5)


def test_touching_equal_spheres_translating_together():
    g = pair_functions([1e-5], 1.0)[0]
    assert g[ss.XA11] + g[ss.XA12] == pytest.approx(0.645, abs=5e-4)
    assert g[ss.YA11] + g[ss.YA12] == pytest.approx(0.724, abs=1e-3)


def test_counter_rotation_of_equal_spheres_is_the_wall_problem():
    # Jeffery's torque on a sphere spinning at the distance of half the gap from a wall
    walls = {0.01: 1.18324, 0.05: 1.14514, 0.1: 1.11706, 0.543: 1.03572, 1.0: 1.01593}
    g = pair_functions(2 * np.array(list(walls)), 1.0)
    np.testing.assert_allclose(g[:, ss.XC11] - g[:, ss.XC12], list(walls.values()), atol=6e-6)


@pytest.mark.parametrize(("a1", "a2"), [(5.0, 6.75), (5.0, 1.0), (1.0, 5.0), (3.0, 3.0)])
def test_leading_terms_of_unequal_spheres(a1, a2):
    eta, h = 1e-3, 1e-5 * (a1 + a2) / 2
    near, nearer = pair_resistance(h, a1, a2, eta), pair_resistance(h / 10, a1, a2, eta)
    squeeze = 6 * np.pi * eta * (a1 * a2 / (a1 + a2)) ** 2 / h
    np.testing.assert_allclose(near[[0, 3, 0], [0, 3, 3]], np.array([1, 1, -1]) * squeeze, rtol=1e-3)
    shear = 6 * np.pi * eta * 4 / 15 * a1 * a2 * (2 * a1**2 + a1 * a2 + 2 * a2**2) / (a1 + a2) ** 3 * np.log(10)
    growth = (nearer - near)[[1, 4, 1], [1, 4, 4]]
    np.testing.assert_allclose(growth, np.array([1, 1, -1]) * shear, rtol=1e-3)


@pytest.mark.parametrize("ratio", [0.1, 0.3, 1.0, 2.7, 10.0])
def test_no_singular_force_when_touching_spheres_move_as_one_body(ratio):
    # ties the singular parts of the A, B and C functions together, for any ratio
    def forces(xi):
        gap = xi * (1 + ratio) / 2
        offset = np.array([1 + ratio + gap, 0, 0])
        modes = [np.r_[u, u, 0, 0, 0, 0, 0, 0] for u in np.eye(3)]
        modes += [np.r_[0, 0, 0, np.cross(w, offset), w, w] for w in np.eye(3)]
        R = pair_resistance(gap, 1.0, ratio, 1.0)
        return R @ np.array(modes).T, R

    (near, _), (touching, R) = forces(1e-3), forces(1e-5)
    np.testing.assert_allclose(near, touching, rtol=6e-3, atol=1e-6 * np.abs(touching).max())
    assert R[0, 0] > 1e3 * np.abs(touching[0, 0])  # the force that cancels is large


@pytest.mark.parametrize("ratio", [0.1, 0.2, 1.0, 10.0])
def test_singular_parts_agree_with_the_series(ratio):
    # the tail of each series gives the logarithm and gap x logarithm without Jeffrey & Onishi's formulas
    for f in range(4):
        for odd in (0, 1):
            terms, pole, (log, gap_log, _), _ = ss._series(f, odd, ratio, 0)
            k = np.arange(150 + odd, ss.ORDER + 1, 2)
            rows, terms = ss._log_series(odd)[:, k], terms[k] - pole
            found = np.linalg.lstsq((rows[:2] * k).T, terms * k, rcond=None)[0][0]
            assert found == pytest.approx(log, rel=3e-3), (f, odd)
            weight = k**2.5
            found = np.linalg.lstsq((rows[1:] * weight).T, (terms - log * rows[0]) * weight, rcond=None)[0][0]
            assert found == pytest.approx(gap_log, abs=0.003), (f, odd)


def test_switch_between_the_two_sums():
    edge = 2 / ss.SERIES_ALONE - 2
    for ratio in (0.05, 0.7, 20.0):
        below, above = pair_functions(edge * np.array([1 - 1e-9, 1 + 1e-9]), ratio)
        np.testing.assert_allclose(below, above, rtol=1e-7)


def test_longer_series_changes_nothing(monkeypatch):
    xi, ratios = np.geomspace(1e-5, 0.2, 12), (0.2, 1.0, 5.0)
    short = [pair_functions(xi, ratio) for ratio in ratios]
    for cached in (ss._series, ss._scaled_terms):
        cached.cache_clear()
    monkeypatch.setattr(ss, "ORDER", 900)
    monkeypatch.setattr(ss, "FIT_FROM", 400)
    try:
        for ratio, expected in zip(ratios, short, strict=True):
            np.testing.assert_allclose(pair_functions(xi, ratio), expected, rtol=1e-5, atol=2e-6)
    finally:
        for cached in (ss._series, ss._scaled_terms):
            cached.cache_clear()


@pytest.mark.parametrize("ratio", [0.1, 0.45, 1.0, 3.0, 10.0])
def test_exchange_of_the_spheres(ratio):
    xi = np.geomspace(1e-5, 20, 40)
    one, two = pair_functions(xi, ratio), pair_functions(xi, 1 / ratio)
    swapped = two[:, [1, 0, 2, 4, 3, 5, 7, 6, 9, 8, 11, 10, 12, 14, 13, 15]] * np.where(
        np.isin(np.arange(16), [ss.YB11, ss.YB22, ss.YB12, ss.YB21]), -1, 1
    )
    # the 12 functions of A and C come from one sphere's series only: their symmetry is not built in
    np.testing.assert_allclose(one, swapped, rtol=1e-9, atol=1e-12)


def test_resistance_is_symmetric_and_positive_definite():
    for ratio in np.geomspace(0.1, 10, 9):
        for xi in np.geomspace(1e-5, 20, 15):
            R = pair_resistance(xi * 2 * (1 + ratio) / 2, 2.0, 2.0 * ratio, 1e-3)
            size = np.sqrt(np.diag(R))
            scaled = R / np.outer(size, size)
            np.testing.assert_allclose(scaled, scaled.T, atol=1e-13)
            assert np.linalg.eigvalsh(scaled)[0] > 0


def rotne_prager(r, a1, a2, eta):
    M = np.zeros((12, 12))
    d, one = np.array([1.0, 0, 0]), np.eye(3)
    dd, turn = np.outer(d, d), np.cross(one, d)
    for i, a in enumerate((a1, a2)):
        M[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = one / (6 * np.pi * eta * a)
        M[6 + 3 * i : 9 + 3 * i, 6 + 3 * i : 9 + 3 * i] = one / (8 * np.pi * eta * a**3)
    size = (a1**2 + a2**2) / r**2
    M[0:3, 3:6] = ((1 + size / 3) * one + (1 - size) * dd) / (8 * np.pi * eta * r)
    M[6:9, 9:12] = (3 * dd - one) / (16 * np.pi * eta * r**3)
    # torque T on sphere 2 makes the fluid at sphere 1 (at -r d) move with T x (-d) / (8 pi eta r^2)
    M[0:3, 9:12] = turn / (8 * np.pi * eta * r**2)
    M[3:6, 6:9] = -turn / (8 * np.pi * eta * r**2)
    upper = np.triu_indices(12, 1)
    M.T[upper] = M[upper]
    return M


@pytest.mark.parametrize(("a1", "a2"), [(1.0, 1.0), (1.0, 0.4), (0.5, 1.0)])
def test_far_mobility_is_rotne_prager(a1, a2):
    errors = []
    for r in (12.0, 24.0):
        M = np.linalg.inv(pair_resistance(r - a1 - a2, a1, a2, 1.0))
        reference = rotne_prager(r, a1, a2, 1.0)
        size = np.sqrt(np.diag(reference))
        errors.append(np.abs(M - reference) / np.outer(size, size))
        assert errors[-1].max() < 8 / r**4
        assert errors[-1][0:3, 3:6].max() < 100 / r**7
        assert errors[-1][6:9, 0:6].max() < 30 / r**5
        assert errors[-1][6:9, 6:12].max() < 30 / r**6
    # the first term left out is of order r^-4
    assert errors[0].max() / errors[1].max() == pytest.approx(16, rel=0.1)


def test_sign_of_the_rotation_coupling():
    for gap in (1e-4, 0.1, 5.0):
        for a2 in (0.3, 1.0, 4.0):
            R = pair_resistance(gap, 1.0, a2, 1.0)
            # sphere 2, at +x, turns about +z: its near side moves along -y and drags the fluid down on
            # sphere 1, which is held by a force along +y
            assert R[1, 11] > 0
            # sphere 1 moves along +y past the fixed sphere 2: the friction at +x turns it clockwise
            assert R[8, 1] > 0
            assert R[1, 8] == R[8, 1]


def test_far_apart_each_sphere_has_its_own_drag():
    R = pair_resistance(3e4, 2.0, 5.0, 1e-3)
    drag = [6 * np.pi * 1e-3 * a for a in (2.0, 5.0)] + [8 * np.pi * 1e-3 * a**3 for a in (2.0, 5.0)]
    np.testing.assert_allclose(np.diag(R), np.repeat(drag, 3), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pair_functions([0.1, -0.2], 1.0), r"gap_over_mean_radius -0\.2: give"),
        (lambda: pair_functions([np.nan], 1.0), "gap_over_mean_radius nan: give"),
        (lambda: pair_functions([[0.1]], 1.0), r"shape \(1, 1\): give a 1-d array"),
        (lambda: pair_functions([0.1], 0.01), r"radius ratio 0\.01: give"),
        (lambda: pair_functions([0.1], np.nan), "radius ratio nan: give"),
        (lambda: pair_resistance(0.0, 1, 1, 1), r"gap_um 0\.0: give a positive number"),
        (lambda: pair_resistance(1, 1, -2, 1), "radius_2_um -2: give a positive number"),
        (lambda: pair_resistance(1, 1, 1, np.inf), "viscosity inf: give a positive number"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

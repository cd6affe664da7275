"""Wall-corrected RPY: stored reference matrices, the far field, and Blake's tensor differentiated numerically."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.physics import wall_mobility
from microtwin.physics.wall_mobility import _pair_blocks, self_mobility

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "wall_mobility"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference mobilities are not on this machine")

VISCOSITY = 1 / (4 * np.sqrt(np.pi))  # of the reference files, a = 1


def normalised(positions):
    """M over the reference files' units: 1/6πη for translation and both couplings, 1/8πη for rotation."""
    m = wall_mobility(positions, 1.0, VISCOSITY) * 6 * np.pi * VISCOSITY
    half = len(m) // 2
    m[half:, half:] *= 8 / 6
    return m


@needs_reference
def test_one_sphere_equals_the_reference():
    stored = np.load(REFERENCE / "self_mobility_bw_ref_noimg.npz")
    heights = stored["heights"].ravel()
    assert len(heights) == 70
    for height, expected in zip(heights, stored["M"], strict=True):
        np.testing.assert_allclose(normalised([[0, 0, height]]), expected, rtol=0, atol=1e-10)


@needs_reference
@pytest.mark.parametrize("axis", [0, 1])
def test_two_spheres_equal_the_reference(axis):
    stored = np.load(REFERENCE / f"pair_mobility_bw_ref_noimg_offset_{'xy'[axis]}.npz")
    heights = stored["heights"].ravel()
    assert stored["M"].shape == (3, len(heights), 12, 12)
    for separation, matrices in zip((3, 4, 8), stored["M"], strict=True):
        for height, expected in zip(heights, matrices, strict=True):
            positions = np.array([[0, 0, height], [0, 0, height]])
            positions[:, axis] = separation / 2, -separation / 2
            np.testing.assert_allclose(normalised(positions), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("height", [1.05, 1.7, 4.0, 20.0])
@pytest.mark.parametrize("radius", [1.0, 3.0])
def test_self_mobility_in_closed_form(height, radius):
    viscosity = 0.7
    m = wall_mobility([[3.0, -2.0, height * radius]], radius, viscosity)
    h = height
    bulk, spin = 1 / (6 * np.pi * viscosity * radius), 1 / (8 * np.pi * viscosity * radius**3)
    parallel = bulk * (1 - 9 / (16 * h) + 1 / (8 * h**3) - 1 / (16 * h**5))
    normal = bulk * (1 - 9 / (8 * h) + 1 / (2 * h**3) - 1 / (8 * h**5))
    tilt, turn = spin * (1 - 5 / (16 * h**3)), spin * (1 - 1 / (8 * h**3))
    couple = 1 / (8 * h**4) / (8 * np.pi * viscosity * radius**2)
    expected = np.diag([parallel, parallel, normal, tilt, tilt, turn])
    expected[0, 4] = expected[4, 0] = couple
    expected[1, 3] = expected[3, 1] = -couple
    np.testing.assert_allclose(m, expected, rtol=1e-12, atol=1e-15 * bulk)


def test_a_torque_about_plus_y_rolls_along_plus_x():
    m = wall_mobility([[0, 0, 1.2], [4, 0, 1.2]], 1.0)
    torque = np.zeros(12)
    torque[7] = 1.0
    assert (m @ torque)[0] > 0


def blake(x, y):
    """Blake's tensor times 8πη: velocity at x per force at y, over a no-slip plane (Blake 1971, eq. 4)."""
    h = y[2]
    r, big = x - y, x - np.array([y[0], y[1], -h])
    n, m = np.sqrt(r @ r), np.sqrt(big @ big)
    g = np.eye(3) / n + np.outer(r, r) / n**3 - np.eye(3) / m - np.outer(big, big) / m**3
    # ∂/∂R_k (h R_i/R³ − δ_i3/R − R_i R_3/R³), with sign + for k = x, y and − for k = z
    for i, k in product(range(3), range(3)):
        d = float(i == k)
        slope = h * (d / m**3 - 3 * big[i] * big[k] / m**5)
        slope += float(i == 2) * big[k] / m**3
        slope -= (d * big[2] + big[i] * (k == 2)) / m**3 - 3 * big[i] * big[2] * big[k] / m**5
        g[i, k] += 2 * h * (1 if k < 2 else -1) * slope
    return g


STEP = 0.02
FAXEN = [(-1, 4 / 3), (1, 4 / 3), (-2, -1 / 12), (2, -1 / 12), (0, -5 / 2)]  # fourth-order second derivative
SLOPE = [(1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12)]  # fourth-order first derivative


def averaged(function, radius):
    """(1 + a²∇²/6) of a function of a point, by finite differences."""

    def result(x):
        total = function(x)
        for axis in np.eye(3):
            for k, weight in FAXEN:
                total = total + radius**2 / 6 * weight / STEP**2 * function(x + k * STEP * axis)
        return total

    return result


def half_curl(function):
    """½∇× of a (3, …) function of a point, on its first index."""

    def result(x):
        d = np.array([sum(w / STEP * function(x + k * STEP * axis) for k, w in SLOPE) for axis in np.eye(3)])
        return 0.5 * np.array([d[1, 2] - d[2, 1], d[2, 0] - d[0, 2], d[0, 1] - d[1, 0]])

    return result


PAIRS = [
    ((0.0, 0.0, 2.0), (3.0, 1.5, 3.5), 1.0, 1.9),
    ((1.0, -1.0, 4.0), (-1.5, 0.5, 1.6), 2.2, 0.7),
    ((0.5, 0.2, 1.4), (0.1, -0.3, 4.5), 1.1, 1.7),
]


@pytest.mark.parametrize(("one", "two", "a", "b"), PAIRS)
def test_unequal_radii_follow_from_blakes_tensor(one, two, a, b):
    """The Faxén operators applied numerically, at the field and at the source, to Blake's tensor."""
    positions, radii, viscosity = np.array([one, two]), np.array([a, b]), 0.3
    unit = 8 * np.pi * viscosity
    m = wall_mobility(positions, radii, viscosity) * unit
    for i, j in ((0, 1), (1, 0)):
        here, there = positions[i], positions[j]

        def force(x, j=j, there=there):  # flow at x of a unit force on sphere j
            return averaged(lambda y: blake(x, y), radii[j])(there)

        def torque(x, there=there):  # flow at x of a unit torque on sphere j: the curl at the source
            return half_curl(lambda y: blake(x, y).T)(there).T

        u, w = slice(3 * i, 3 * i + 3), slice(6 + 3 * i, 9 + 3 * i)
        uj, wj = slice(3 * j, 3 * j + 3), slice(6 + 3 * j, 9 + 3 * j)
        np.testing.assert_allclose(m[u, uj], averaged(force, radii[i])(here), atol=2e-5)
        np.testing.assert_allclose(m[w, uj], half_curl(force)(here), atol=2e-5)
        np.testing.assert_allclose(m[u, wj], averaged(torque, radii[i])(here), atol=2e-5)
        np.testing.assert_allclose(m[w, wj], half_curl(torque)(here), atol=2e-5)


def test_blakes_tensor_vanishes_on_the_plane():
    """The oracle itself: no slip at z = 0, and reciprocity."""
    y = np.array([0.3, -0.4, 1.3])
    assert np.abs(blake(np.array([1.1, 0.7, 0.0]), y)).max() < 1e-14
    x = np.array([-0.8, 0.9, 2.2])
    np.testing.assert_allclose(blake(x, y), blake(y, x).T, atol=1e-14)


heights = st.floats(0.001, 6.0)
radius = st.floats(0.3, 3.0)
angle = st.floats(0.0, 6.28)


def pair_of(a, b, gap_a, gap_b, gap, direction):
    z1, z2 = a * (1 + gap_a), b * (1 + gap_b)
    across = np.sqrt(max((a + b) ** 2 * (1 + gap) ** 2 - (z1 - z2) ** 2, 0.0))
    return np.array([[0, 0, z1], [across * np.cos(direction), across * np.sin(direction), z2]]), np.array([a, b])


@given(a=radius, b=radius, gap_a=heights, gap_b=heights, gap=st.floats(0.001, 5.0), direction=angle)
def test_field_and_source_exchange(a, b, gap_a, gap_b, gap, direction):
    """The blocks of i from j and of j from i come from separate evaluations: they must be each other's transpose."""
    (one, two), _ = pair_of(a, b, gap_a, gap_b, gap, direction)
    blocks = []
    for field, mine, source, other in ((one, a, two, b), (two, b, one, a)):
        tt, rr = np.empty((3, 3)), np.empty((3, 3))
        _pair_blocks(field, mine, source, other, 1.0, tt, rr)
        blocks.append((tt, rr))
    for first, second in zip(*blocks, strict=True):
        np.testing.assert_allclose(first, second.T, atol=1e-12 * max(np.abs(first).max(), 1e-3))


@given(a=radius, b=radius, gap_a=heights, gap_b=heights, gap=st.floats(0.001, 5.0), direction=angle)
def test_the_order_of_bodies_does_not_matter(a, b, gap_a, gap_b, gap, direction):
    positions, radii = pair_of(a, b, gap_a, gap_b, gap, direction)
    if np.linalg.norm(positions[0] - positions[1]) <= a + b:
        return
    m, swapped = wall_mobility(positions, radii), wall_mobility(positions[::-1], radii[::-1])
    order = [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]
    np.testing.assert_allclose(swapped[np.ix_(order, order)], m, rtol=1e-11, atol=1e-12 * np.abs(m).max())


@given(a=radius, b=radius, gap_a=heights, gap_b=heights, gap=st.floats(0.001, 5.0), direction=angle)
def test_symmetric_positive_definite(a, b, gap_a, gap_b, gap, direction):
    positions, radii = pair_of(a, b, gap_a, gap_b, gap, direction)
    if np.linalg.norm(positions[0] - positions[1]) <= a + b:
        return
    m = wall_mobility(positions, radii)
    scale = 1 / np.sqrt(np.diag(m))
    m = m * scale * scale[:, None]
    np.testing.assert_allclose(m, m.T, atol=1e-14)
    assert np.linalg.eigvalsh(m)[0] > 0


def test_far_from_the_glass_the_pair_is_in_open_liquid():
    """RPY of unequal spheres without a wall (Zuk et al. 2014), the image's part falling like 1/h."""
    a, b, r = 1.0, 2.0, 5.0
    m = wall_mobility([[0, 0, 1e7], [r, 0, 1e7]], [a, b], 1 / (8 * np.pi))
    s = (a * a + b * b) / r**2
    assert m[0, 3] == pytest.approx((2 - 2 / 3 * s) / r, rel=1e-6)
    assert m[1, 4] == pytest.approx((1 + s / 3) / r, rel=1e-6)
    assert m[8, 4] == pytest.approx(1 / r**2, rel=1e-6)  # a force +y at +x turns the sphere at 0 counter-clockwise
    assert m[6, 9] == pytest.approx(1 / r**3, rel=1e-6)
    assert m[7, 10] == pytest.approx(-0.5 / r**3, rel=1e-6)


def test_viscosity_and_size_scale():
    positions, radii = np.array([[0, 0, 1.5], [3.0, 0.5, 2.4]]), np.array([1.0, 1.4])
    m = wall_mobility(positions, radii, 1e-3)
    np.testing.assert_allclose(wall_mobility(positions, radii, 2e-3), m / 2, rtol=1e-13)
    power = np.repeat([1, 0], 6)  # length dimension of U = M F: 1/ηL; mixed 1/ηL²; rotation 1/ηL³
    factor = 5.0 ** (power[:, None] + power - 3)
    np.testing.assert_allclose(wall_mobility(5 * positions, 5 * radii, 1e-3), m * factor, rtol=1e-12, atol=1e-18)


def test_units():
    """1 pN on a 10 µm sphere in water far from walls: 1/(6π·1e-3·5) = 10.61 µm/s."""
    assert wall_mobility([[0, 0, 1e6]], 5.0)[0, 0] == pytest.approx(10.61, rel=1e-3)
    assert self_mobility(1e6, 5.0, 1e-3)[0] == pytest.approx(10.61, rel=1e-3)


@pytest.mark.parametrize(
    ("positions", "radii", "viscosity", "message"),
    [
        ([[0, 0, 0.9]], 1.0, 1e-3, "below the glass"),
        ([[0, 0, 2], [1.5, 0, 2]], 1.0, 1e-3, "overlap"),
        ([[0, 0, np.nan]], 1.0, 1e-3, "NaN"),
        ([[0, 0]], 1.0, 1e-3, "shape"),
        ([[0, 0, 2]], [1.0, 1.0], 1e-3, "one radius per body"),
        ([[0, 0, 2]], -1.0, 1e-3, "radi"),
        ([[0, 0, 2]], np.nan, 1e-3, "radi"),
        ([[0, 0, 2]], np.inf, 1e-3, "radi"),
        ([[0, 0, 2]], 1.0, 0.0, "viscosity"),
        ([[0, 0, 2]], 1.0, np.nan, "viscosity"),
        ([], [], 1e-3, "shape"),
    ],
)
def test_bad_input(positions, radii, viscosity, message):
    with pytest.raises(InputError, match=message) as error:
        wall_mobility(positions, radii, viscosity)
    assert "\n" not in str(error.value)

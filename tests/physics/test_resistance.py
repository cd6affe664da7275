"""The grand resistance: exact limits, published tables, positive definiteness, invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.physics import resistance, wall_mobility
from microtwin.physics.lubrication import PAIR_FADE, PAIR_GAPS
from microtwin.physics.sphere_sphere import pair_resistance

A, VISCOSITY = 5.0, 1e-3
DRAG, SPIN = 6 * np.pi * VISCOSITY * A, 8 * np.pi * VISCOSITY * A**3


def single(eps):
    return resistance([[0, 0, A * (1 + eps)]], A, VISCOSITY)


def jeffery(eps):
    """Spin about the vertical (Jeffery 1915)."""
    alpha, n = np.arccosh(1 + eps), np.arange(1, 4000)
    x = np.minimum(n * alpha, 200.0)
    return np.sum(np.sinh(alpha) ** 3 / np.sinh(x) ** 3)


def brenner(eps):
    """Approach to a plane (Brenner 1961)."""
    alpha = np.arccosh(1 + eps)
    n = np.arange(1, int(40 / alpha) + 10)
    n = n[(n + 0.5) * alpha < 300]
    above = 2 * np.sinh((2 * n + 1) * alpha) + (2 * n + 1) * np.sinh(2 * alpha)
    below = 4 * np.sinh((n + 0.5) * alpha) ** 2 - (2 * n + 1) ** 2 * np.sinh(alpha) ** 2
    return 4 / 3 * np.sinh(alpha) * np.sum(n * (n + 1) / ((2 * n - 1) * (2 * n + 3)) * (above / below - 1))


@pytest.mark.parametrize(
    ("eps", "listed"), [(0.01, 1.18324), (0.05, 1.14514), (0.1, 1.11706), (0.543, 1.03572), (1.0, 1.01593)]
)
def test_spin_about_the_vertical(eps, listed):
    found = single(eps)[5, 5] / SPIN
    assert found == pytest.approx(listed, rel=5e-3)
    assert found == pytest.approx(jeffery(eps), rel=1e-5)


@pytest.mark.parametrize(("eps", "listed"), [(0.01, 101.896), (0.05, 21.5858), (0.1, 11.4592), (1.0, 2.1255)])
def test_approach_to_the_glass(eps, listed):
    found = single(eps)[2, 2] / DRAG
    assert found == pytest.approx(listed, rel=5e-3)
    assert found == pytest.approx(brenner(eps), rel=1e-5)


@pytest.mark.parametrize("eps", np.geomspace(1e-3, 30, 12))
def test_series_at_any_gap(eps):
    found = single(eps)
    assert found[2, 2] / DRAG == pytest.approx(brenner(eps), rel=1e-5)
    assert found[5, 5] / SPIN == pytest.approx(jeffery(eps), rel=1e-5)


@pytest.mark.parametrize(
    ("height", "listed"),
    [
        (3.7622, 1.1738),
        (2.3524, 1.3079),
        (1.5431, 1.5675),
        (1.1276, 2.1514),
        (1.0453, 2.6475),
        (1.005004, 3.7863),
        (1.003202, 4.0223),
    ],
)
def test_parallel_drag_of_goldman_cox_and_brenner(height, listed):
    r = single(height - 1)
    assert r[0, 0] / DRAG == pytest.approx(listed, rel=1e-3)  # the claim is 1 %
    assert r[1, 1] == pytest.approx(r[0, 0], rel=1e-12)


@pytest.mark.parametrize(("eps", "slip"), [(0.01, 0.108), (0.02, 0.093), (0.05, 0.0708), (0.1, 0.0523)])
def test_slip_of_a_rolling_sphere(eps, slip):
    """v/(Ωa) of a force-free sphere under a torque about +y: along +x, by a boundary-method solve (±3 %)."""
    velocity = np.linalg.solve(single(eps), [0, 0, 0, 0, 1, 0])
    assert velocity[0] / (velocity[4] * A) == pytest.approx(slip, rel=0.04)
    velocity = np.linalg.solve(single(eps), [0, 0, 0, 1, 0, 0])
    assert velocity[1] / (velocity[3] * A) == pytest.approx(-slip, rel=0.04)


@pytest.mark.parametrize("eps", [1e-3, 0.0032])
def test_near_contact_forms(eps):
    """Goldman, Cox & Brenner 1967; O'Neill: constants as published, good to a per cent here."""
    r, log = single(eps), np.log(1 / eps)
    assert r[0, 0] / DRAG == pytest.approx(8 / 15 * log + 0.9588, rel=0.01)
    assert r[0, 4] / (DRAG * A) == pytest.approx(-(2 / 15 * log - 0.2526), rel=0.01)
    assert r[4, 0] / SPIN == pytest.approx(-(log / 10 - 0.1895) / A, rel=0.01)
    assert r[4, 4] / SPIN == pytest.approx(2 / 5 * log + 0.3817, rel=0.01)
    assert r[2, 2] / DRAG == pytest.approx(1 / eps + log / 5 + 0.9713, rel=1e-3)


@pytest.mark.parametrize(("height", "order"), [(10.0, 4), (40.0, 4)])
def test_far_from_the_glass_only_the_stresslet_is_added(height, order):
    """The exact drag differs from wall-RPY by O(1/H⁴)."""
    position = [[0, 0, A * height]]
    gap = (
        np.linalg.inv(resistance(position, A)) / wall_mobility(position, A).diagonal().max()
        - wall_mobility(position, A) / wall_mobility(position, A).diagonal().max()
    )
    assert np.abs(gap).max() < height**-order


def random_world(rng, sizes):
    """One to four bodies with radii out of ``sizes``, gaps from 1e-3 to 3 of the smaller radius; None if they clash."""
    radii = rng.choice(sizes, rng.integers(1, 5))
    positions = np.empty((len(radii), 3))
    for i, a in enumerate(radii):
        p = np.array([0.0, 0.0, a * (1 + 10 ** rng.uniform(-3, 0.5))])
        if i:  # beside an earlier body, at a chosen gap
            k = rng.integers(i)
            reach = a + radii[k] + min(a, radii[k]) * 10 ** rng.uniform(-3, 0.5)
            rise = p[2] - positions[k, 2]
            if abs(rise) >= reach:
                return None
            turn = rng.uniform(0, 2 * np.pi)
            p[:2] = positions[k, :2] + np.sqrt(reach**2 - rise**2) * np.array([np.cos(turn), np.sin(turn)])
            apart = np.linalg.norm(positions[:i] - p, axis=1) - radii[:i] - a
            if (apart < 0.999e-3 * np.minimum(radii[:i], a)).any():
                return None
        positions[i] = p
    return positions, radii


def random_worlds_of(rng, count, sizes):
    while count > 0:
        world = random_world(rng, sizes)
        if world is not None:
            count -= 1
            yield world


def test_symmetric_positive_definite_in_ten_thousand_worlds():
    rng = np.random.default_rng(0)
    # radii from a short list, so that the tables of pairs are made once
    sizes = np.array([1.0, 2.5, 5.0, 6.75])
    closest_wall = closest_pair = lowest = np.inf
    stacks: dict[int, list] = {}
    for positions, radii in random_worlds_of(rng, 10_000, sizes):
        r = resistance(positions, radii, VISCOSITY)
        scale = 1 / np.sqrt(r.diagonal())
        stacks.setdefault(len(radii), []).append(r * scale * scale[:, None])
        closest_wall = min(closest_wall, ((positions[:, 2] - radii) / radii).min())
        for i in range(1, len(radii)):
            gap = np.linalg.norm(positions[:i] - positions[i], axis=1) - radii[:i] - radii[i]
            closest_pair = min(closest_pair, (gap / np.minimum(radii[:i], radii[i])).min())
    assert closest_wall < 1.01e-3 and closest_pair < 1.01e-3
    assert sum(map(len, stacks.values())) == 10_000
    for n, stack in stacks.items():
        matrices = np.array(stack)
        assert np.abs(matrices - matrices.transpose(0, 2, 1)).max() < 1e-12
        values = np.linalg.eigvalsh(matrices)
        lowest = min(lowest, values.min())
        assert values.min() > 0, f"{n} bodies: {values.min()}"
    assert lowest < 0.1  # near contact the matrix is nearly singular: the worlds were hard ones


def test_turning_the_world_about_the_vertical_turns_the_matrix():
    rng = np.random.default_rng(1)
    for positions, radii in random_worlds_of(rng, 50, np.array([2.5, 5.0])):
        angle = rng.uniform(0, 2 * np.pi)
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        whole = np.kron(np.eye(2 * len(radii)), turn)
        r = resistance(positions, radii)
        moved = resistance(positions @ turn.T + [7.0, -3.0, 0.0], radii)
        np.testing.assert_allclose(moved, whole @ r @ whole.T, atol=1e-9 * np.abs(r).max())


def test_the_order_of_bodies_does_not_matter():
    rng = np.random.default_rng(2)
    for positions, radii in random_worlds_of(rng, 50, np.array([2.5, 5.0, 6.75])):
        n = len(radii)
        order = rng.permutation(n)
        index = np.concatenate([3 * order[:, None] + np.arange(3), 3 * (n + order[:, None]) + np.arange(3)]).ravel()
        r = resistance(positions, radii)
        np.testing.assert_allclose(
            resistance(positions[order], radii[order]), r[np.ix_(index, index)], atol=1e-9 * np.abs(r).max()
        )


def test_a_mirror_leaves_the_physics_alone():
    """Reflection in the plane x = 0: velocities flip x, angular velocities flip y and z."""
    rng = np.random.default_rng(3)
    for positions, radii in random_worlds_of(rng, 50, np.array([2.5, 5.0, 6.75])):
        n = len(radii)
        signs = np.concatenate([np.tile([-1.0, 1, 1], n), np.tile([1.0, -1, -1], n)])
        r = resistance(positions, radii)
        np.testing.assert_allclose(
            resistance(positions * [-1, 1, 1], radii), signs * r * signs[:, None], atol=1e-9 * np.abs(r).max()
        )


FAR = 1e5


def pair_far_from_the_glass(gap, a, b, direction=(1.0, 0.0, 0.0)):
    d = np.array(direction) / np.linalg.norm(direction)
    return resistance([[0, 0, FAR], [*((gap + a + b) * d)[:2], FAR + (gap + a + b) * d[2]]], [a, b], VISCOSITY)


@pytest.mark.parametrize(("a", "b"), [(5.0, 5.0), (5.0, 6.75), (2.5, 5.0), (1.0, 8.0)])
@pytest.mark.parametrize("xi", [1e-3, 0.01, 0.05, 0.3, 1.5])
def test_a_pair_in_open_liquid_is_the_exact_pair(a, b, xi):
    gap = xi * (a + b) / 2
    found = pair_far_from_the_glass(gap, a, b)
    expected = pair_resistance(gap, a, b, VISCOSITY)
    scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-4)


@pytest.mark.parametrize("direction", [(0, 1, 0), (0, 0, 1), (-1, 0, 0), (1, -2, 2), (0.3, 0.4, -0.6)])
def test_a_pair_in_open_liquid_in_any_direction(direction):
    """The exact pair of test above, turned to the line of centres."""
    a, b, gap = 5.0, 2.5, 0.1
    d = np.array(direction) / np.linalg.norm(direction)
    other = np.cross(d, [0.0, 0, 1] if abs(d[2]) < 0.9 else [0.0, 1, 0])
    other /= np.linalg.norm(other)
    turn = np.kron(np.eye(4), np.column_stack([d, other, np.cross(d, other)]))
    expected = turn @ pair_resistance(gap, a, b, VISCOSITY) @ turn.T
    scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    np.testing.assert_allclose(pair_far_from_the_glass(gap, a, b, direction) / scale, expected / scale, atol=2e-4)


def test_leading_squeeze_of_unequal_spheres():
    """6πη(a₁a₂/(a₁+a₂))²/h, from two gaps so that the logarithm's share is small."""
    a, b = 5.0, 2.5
    gaps = np.array([0.004, 0.008])
    x = [pair_far_from_the_glass(gap, a, b)[0, 0] for gap in gaps]
    slope = (x[0] - x[1]) / (1 / gaps[0] - 1 / gaps[1])
    assert slope == pytest.approx(6 * np.pi * VISCOSITY * (a * b / (a + b)) ** 2, rel=0.01)


def test_leading_shear_of_unequal_spheres():
    """6πη(4/15)a₁a₂(2a₁² + a₁a₂ + 2a₂²)/(a₁ + a₂)³ per ln(1/h)."""
    a, b = 5.0, 2.5
    gaps = np.array([0.001, 0.004])
    y = [pair_far_from_the_glass(gap, a, b)[1, 1] for gap in gaps]
    slope = (y[0] - y[1]) / np.log(gaps[1] / gaps[0])
    expected = 6 * np.pi * VISCOSITY * 4 / 15 * a * b * (2 * a * a + a * b + 2 * b * b) / (a + b) ** 3
    assert slope == pytest.approx(expected, rel=0.01)


@given(xi=st.floats(1e-4, 1.9), a=st.sampled_from([2.5, 5.0]), b=st.sampled_from([2.5, 5.0, 6.75]))
def test_a_pair_moving_as_one_rigid_body_feels_no_squeeze(xi, a, b):
    """Rigid motions of a touching pair in open liquid: the drag stays that of a blob, however small the gap."""
    gap = xi * (a + b) / 2
    r = pair_far_from_the_glass(gap, a, b)
    unit = 6 * np.pi * VISCOSITY
    for axis in range(3):
        along = np.zeros(12)
        along[[axis, 3 + axis]] = 1.0
        drag = along @ r @ along
        assert unit * max(a, b) < drag < unit * (a + b)
    # a turn about the vertical through the first centre
    turn = np.zeros(12)
    turn[[8, 11]] = 1.0
    turn[4] = a + b + gap
    torque = turn @ r @ turn
    apart = 8 * np.pi * VISCOSITY * (a**3 + b**3) + unit * b * (a + b + gap) ** 2  # neither felt the other
    assert 0.5 * apart < torque < 1.3 * apart


def test_the_pair_correction_fades_smoothly_to_wall_rpy():
    """No jump where the pair correction starts to fade and where it ends; beyond it only the two walls are left."""
    h = 5.3

    def r(xi):
        return resistance([[0, 0, h], [(2 + xi) * 5.0, 0, h]], 5.0)

    for xi in PAIR_FADE:
        below, above = r(xi - 1e-7), r(xi + 1e-7)
        np.testing.assert_allclose(below, above, atol=1e-6 * above.max())
    xi = PAIR_GAPS[1] + 0.01
    positions = np.array([[0, 0, h], [(2 + xi) * 5.0, 0, h]])
    added = r(xi) - np.linalg.inv(wall_mobility(positions, 5.0))
    wall = resistance(positions[:1], 5.0) - np.linalg.inv(wall_mobility(positions[:1], 5.0))
    for body in (0, 1):
        own = [3 * body, 3 * body + 1, 3 * body + 2, 6 + 3 * body, 7 + 3 * body, 8 + 3 * body]
        np.testing.assert_allclose(added[np.ix_(own, own)], wall, atol=1e-12)
    assert np.abs(added[np.ix_([0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11])]).max() < 1e-12


def test_one_far_body_does_not_matter():
    alone = single(0.05)
    pair = resistance([[0, 0, A * 1.05], [1e4, 0, A * 1.05]], A)
    own = [0, 1, 2, 6, 7, 8]
    np.testing.assert_allclose(pair[np.ix_(own, own)], alone, atol=1e-6)


def test_more_than_four_bodies_take_the_other_inverse():
    """Above 24 rows LAPACK inverts: a fifth body, far away, must change nothing."""
    positions = np.array([[0, 0, 5.2], [10.2, 0, 5.3], [0, 10.1, 5.4], [10.5, 10.5, 5.3], [1e5, 0, 5.2]])
    four, five = resistance(positions[:4], 5.0), resistance(positions, 5.0)
    own = np.r_[0:12, 15:27]
    np.testing.assert_allclose(five[np.ix_(own, own)], four, atol=1e-7 * four.max())


@pytest.mark.parametrize(
    ("positions", "radii", "message"),
    [
        ([[0, 0, 5.0]], 5.0, "below the glass"),
        ([[0, 0, 6.0], [10.0, 0, 6.0]], 5.0, "overlap"),
        ([[0, 0, 6.0], [9.0, 0, 6.0]], 5.0, "overlap"),
        ([[np.nan, 0, 6.0]], 5.0, "NaN"),
        ([[0, 0, 6.0]], [5.0, 5.0], "one radius per body"),
    ],
)
def test_bad_input(positions, radii, message):
    with pytest.raises(InputError, match=message) as error:
        resistance(positions, radii)
    assert "\n" not in str(error.value)

"""One sphere above a plane: published values, limits, symmetry and input checks of `wall_functions`."""

import numpy as np
import pytest

from microtwin.physics import sphere_wall
from microtwin.physics.sphere_wall import COLUMNS, F_S, MIN_GAP, T_S, X_R, X_T, Y_C, Y_R, Y_T, wall_functions

# Goldman, Cox & Brenner tabulate at h/a = cosh(alpha) for these alpha (3.7622 ... 1.003202).
ALPHA = np.array([2.0, 1.5, 1.0, 0.5, 0.3, 0.1, 0.08])
TABLE_GAPS = 2 * np.sinh(ALPHA / 2) ** 2


def test_shape_and_column_names():
    assert wall_functions(np.array([0.1, 1.0])).shape == (2, 7)
    assert wall_functions(0.1).shape == (1, 7)
    assert wall_functions(np.array([])).shape == (0, 7)
    assert [COLUMNS[i] for i in (X_T, Y_T, Y_C, X_R, Y_R, F_S, T_S)] == list(COLUMNS)


def test_normal_drag_brenner():
    got = wall_functions(np.array([0.01, 0.05, 0.1, 1.0]))[:, X_T]
    np.testing.assert_allclose(got, [101.896, 21.5858, 11.4592, 2.1255], rtol=2e-5)
    np.testing.assert_allclose(got[:3], [101.896, 21.5858, 11.4592], rtol=1e-5)


def test_vertical_spin_jeffery():
    got = wall_functions(np.array([0.01, 0.05, 0.1, 0.543, 1.0]))[:, X_R]
    np.testing.assert_allclose(got, [1.18324, 1.14514, 1.11706, 1.03572, 1.01593], rtol=1e-5)


def test_goldman_cox_brenner_tables():
    got = wall_functions(TABLE_GAPS)
    np.testing.assert_allclose(got[:, Y_T], [1.1738, 1.3079, 1.5675, 2.1514, 2.6475, 3.7863, 4.0223], rtol=5e-5)
    some = [0, 1, 2, 3, 5, 6]
    np.testing.assert_allclose(got[some, Y_R], [1.0059, 1.0250, 1.0998, 1.3877, 2.5056, 2.6793], rtol=5e-5)
    shear = [0, 1, 2, 3, 4, 6]
    np.testing.assert_allclose(got[shear, F_S], [1.1671, 1.2780, 1.4391, 1.6160, 1.6682, 1.6982], rtol=1e-4)
    np.testing.assert_allclose(got[shear, T_S], [0.99711, 0.99010, 0.97419, 0.95374, 0.94769, 0.94427], rtol=5e-5)


def test_forty_digit_values():
    """The same series, other summation: 40-digit arithmetic, twice the terms."""
    want = {
        1e-5: [100003.273872177, 7.09454458257881, -1.27781414519693, 1.20200378735162, 4.97612694125208,
               1.70061072961200, 0.943987348983830],
        1e-2: [101.896172324613, 3.42253296636564, -0.368689870217889, 1.18324389968939, 2.24079764936849,
               1.69319021767732, 0.944827582275868],
        1.0: [2.12553556676004, 1.38275238241122, -0.00669961497211730, 1.01592710222394, 1.04178355480662,
              1.33152305310485, 0.985424820135951],
        100.0: [1.01126358900480, 1.00560037684955, -1.19674167339501e-9, 1.00000012132378, 1.00000030330957,
                1.00560007185920, 0.999999818717257],
        3000.0: [1.00037501560714, 1.00018747265561, -1.54096136081211e-15, 1.00000000000463, 1.00000000001156,
                 1.00018747264405, 0.999999999993063],
    }  # fmt: skip
    np.testing.assert_allclose(wall_functions(np.array(list(want))), list(want.values()), rtol=3e-10)


def test_near_contact_asymptotes():
    eps = np.array([1e-5, 1e-4, 1e-3])
    got, log = wall_functions(eps), np.log(1 / eps)
    np.testing.assert_allclose(got[:, X_T], 1 / eps + log / 5 + 0.9713, rtol=3e-6)
    # The leading coefficients are exact: slopes against ln(1/eps), free of the constants.
    slope = (got[0] - got[1]) / (log[0] - log[1])
    np.testing.assert_allclose(slope[[Y_T, Y_C, Y_R]], [8 / 15, -2 / 15, 2 / 5], rtol=1e-3)
    # The published constants were fitted at h/a = 1.003202 and are exact there only.
    eps = np.array([TABLE_GAPS[-1], 1e-4])
    got, log = wall_functions(eps), np.log(1 / eps)
    assert np.all(np.abs(got[:, Y_T] / (8 / 15 * log + 0.9588) - 1) < [1e-4, 1e-3])
    assert np.all(np.abs(got[:, Y_C] / -(2 / 15 * log - 0.2526) - 1) < [2e-4, 5e-3])
    assert np.all(np.abs(got[:, Y_R] / (2 / 5 * log + 0.3817) - 1) < [1e-4, 3e-3])


def test_contact_limits_in_shear():
    got = wall_functions(np.array([1e-5]))[0]
    assert got[F_S] == pytest.approx(1.7005, rel=1e-4)
    assert got[T_S] == pytest.approx(0.94399, rel=1e-5)


def test_translation_torque_equals_rotation_force():
    """Lorentz reciprocity; the two come from different boundary data and different sums."""
    for eps in np.geomspace(1e-5, 30, 40):
        rows = sphere_wall._horizontal(2 * np.arcsinh(np.sqrt(eps / 2)))
        assert 8 * rows[0, 1] == pytest.approx(6 * rows[1, 0], rel=1e-6)


def test_slip_of_torque_driven_sphere():
    got = wall_functions(np.array([0.01, 0.02, 0.05, 0.1]))
    np.testing.assert_allclose(-got[:, Y_C] / got[:, Y_T], [0.108, 0.093, 0.0708, 0.0523], rtol=0.04)


def test_horizontal_block_positive_definite_and_coupling_negative():
    got = wall_functions(np.geomspace(1e-6, 1e5, 300))
    assert np.all(got[:, [X_T, Y_T, X_R, Y_R, F_S, T_S]] > 0)
    assert np.all(got[:, Y_C] < 0)
    assert np.all(6 * got[:, Y_T] * 8 * got[:, Y_R] > (6 * got[:, Y_C]) ** 2)


def test_monotonic_over_the_whole_range():
    got = wall_functions(np.geomspace(1e-6, 2e3, 2000))
    assert np.all(np.diff(got[:, [X_T, Y_T, X_R, Y_R, F_S]], axis=0) < 0)
    assert np.all(np.diff(got[:, [Y_C, T_S]], axis=0) > 0)


def test_far_field_mobility():
    """The wall-RPY self mobility differs from the exact one by the sphere's stresslet, O(1/H^4) and no more."""
    for height in (20.0, 60.0):
        got = wall_functions(np.array([height - 1]))[0]
        u = 1 / height
        block = np.array([[6 * got[Y_T], 6 * got[Y_C]], [6 * got[Y_C], 8 * got[Y_R]]])
        inverse = np.linalg.inv(block)
        parallel = 1 - 9 / 16 * u + u**3 / 8 - u**5 / 16
        normal = 1 - 9 / 8 * u + u**3 / 2 - u**5 / 8
        assert abs(6 * inverse[0, 0] - parallel) < 0.2 * u**4
        assert 6 * inverse[0, 0] == pytest.approx(parallel - 45 / 256 * u**4, abs=0.2 * u**6)
        assert abs(1 / got[X_T] - normal) < 0.6 * u**4
        assert 1 / got[X_T] == pytest.approx(normal - 135 / 256 * u**4, abs=1.0 * u**6)
        assert 8 * inverse[1, 1] == pytest.approx(1 - 5 / 16 * u**3, abs=0.3 * u**6)
        assert 1 / got[X_R] == pytest.approx(1 - u**3 / 8, abs=0.1 * u**6)
        assert 8 * inverse[0, 1] == pytest.approx(u**4 / 8, abs=u**5 / 8)
        assert got[F_S] == pytest.approx(got[Y_T] * (1 - 5 / 16 * u**3), abs=0.3 * u**5)
        assert got[T_S] == pytest.approx(1 - 3 / 16 * u**3 + 9 / 128 * u**4, abs=0.4 * u**5)


def test_every_far_field_coefficient():
    """The expansions against the series at h/a = 25, to the size of the first neglected term."""
    series = wall_functions(np.array([24.0]))
    tolerance = np.array([5e-9, 2e-9, 4e-8, 1e-9, 1e-9, 3e-8, 4e-8])
    assert np.all(np.abs(sphere_wall._far(np.array([25.0])) / series - 1) < tolerance)


@pytest.mark.parametrize("switch", [sphere_wall._FAR_COUPLING, sphere_wall._FAR_GAP])
def test_continuous_where_the_expansions_take_over(switch):
    below, above = wall_functions(switch * np.array([1 - 1e-12, 1 + 1e-12]))
    np.testing.assert_allclose(below, above, rtol=5e-8)


@pytest.mark.parametrize("bad", [0.0, -0.1, np.nan, np.inf, MIN_GAP / 2])
def test_bad_gap(bad):
    with pytest.raises(ValueError, match=rf"has {bad!s}: pass .*at least") as error:
        wall_functions(np.array([0.1, bad]))
    assert "\n" not in str(error.value)


def test_two_dimensional_input():
    with pytest.raises(ValueError, match="one-dimensional"):
        wall_functions(np.ones((2, 2)))


def test_the_work_is_one_banded_system_per_near_gap_as_long_as_its_tail_asks(monkeypatch):
    """What makes it quick on any machine: nothing is solved where the expansions hold, and terms go as 1/√gap."""
    sizes: list[int] = []
    solve = sphere_wall.solve_banded

    def counted(bands, band, *rest, **options):
        sizes.append(band.shape[1])
        return solve(bands, band, *rest, **options)

    monkeypatch.setattr(sphere_wall, "solve_banded", counted)
    gaps = np.geomspace(1e-5, 1e3, 200)
    wall_functions(gaps)
    near = gaps[gaps <= sphere_wall._FAR_GAP]
    assert len(sizes) == len(near) < 200
    assert (np.array(sizes) < 16 / np.sqrt(near) + 20).all()

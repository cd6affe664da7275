"""Background flow: profiles, the force on a held sphere, and how fast free spheres are carried."""

import math

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.field import CoilScale, RotatingField
from microtwin.physics import Flow, Liquid, World, resistance
from microtwin.physics.flow import carry
from microtwin.physics.lubrication import wall_table
from microtwin.physics.sphere_wall import F_S, T_S, wall_functions
from microtwin.robots.bodies import Body

COILS = CoilScale((3.0, 5.0, 13.0))
COLD = Liquid(kt_pn_um=0.0, hamaker_pn_um=0.0)
A, VISCOSITY = 5.0, 1e-3
OFF = RotatingField.off()


def sphere(gap, radius=A, weight=0.0, **values):
    return Body("bead", (0.0, 0.0, radius + gap), radius, weight, 1e-4, **values)


def exerted(flow, positions, radii, time=0.0):
    """(6N,) force and torque of the flow on held spheres."""
    positions, radii = np.array(positions, dtype=float), np.array(radii, dtype=float)
    ambient, force = np.zeros(6 * len(radii)), np.zeros(6 * len(radii))
    carry(flow.parameters(), time, positions, radii, VISCOSITY, wall_table(), ambient, force)
    return force + resistance(positions, radii, VISCOSITY) @ ambient


@pytest.mark.parametrize("eps", [1e-3, 0.01, 0.05, 0.3, 1.0, 5.0, 40.0, 200.0])
def test_a_held_sphere_in_shear(eps):
    """Force 6πηaγh·F_s and torque 4πηa³γ·T_s (Goldman, Cox & Brenner 1967 II)."""
    rate, h = 1.7, A * (1 + eps)
    f = exerted(Flow("shear", shear_rate_per_s=rate), [[0, 0, h]], [A])
    exact = wall_functions(np.array([eps]))[0]
    assert f[0] == pytest.approx(6 * np.pi * VISCOSITY * A * rate * h * exact[F_S], rel=1e-5)
    assert f[4] == pytest.approx(4 * np.pi * VISCOSITY * A**3 * rate * exact[T_S], rel=1e-5)
    np.testing.assert_allclose(f[[1, 2, 3, 5]], 0.0, atol=1e-12)


def test_a_held_sphere_touching_the_glass():
    """O'Neill 1968: 1.7005 × 6πηaγh and 0.944 × 4πηa³γ at contact."""
    f = exerted(Flow("shear", shear_rate_per_s=1.0), [[0, 0, A * (1 + 1e-5)]], [A])
    assert f[0] == pytest.approx(1.7005 * 6 * np.pi * VISCOSITY * A * A, rel=1e-3)
    assert f[4] == pytest.approx(0.944 * 4 * np.pi * VISCOSITY * A**3, rel=1e-3)


@pytest.mark.parametrize("direction", [0.0, 0.9, math.pi / 2, -2.0])
def test_the_direction_turns_force_and_torque(direction):
    f = exerted(Flow("shear", shear_rate_per_s=1.0), [[0, 0, 5.4]], [A])
    g = exerted(Flow("shear", shear_rate_per_s=1.0, direction_rad=direction), [[0, 0, 5.4]], [A])
    c, s = math.cos(direction), math.sin(direction)
    np.testing.assert_allclose(g[:2], [c * f[0], s * f[0]], atol=1e-12)
    np.testing.assert_allclose(g[3:5], [-s * f[4], c * f[4]], atol=1e-12)


def carried(flow, body, seconds=0.01, **liquid):
    world = World([body], liquid=Liquid(**({"kt_pn_um": 0.0, "hamaker_pn_um": 0.0} | liquid)), coils=COILS, flow=flow)
    world.step(OFF, seconds)
    return world.velocities_um_s[0].copy(), world.spins_rad_s[0].copy()


# U/γh and Ω/(γ/2) of a free sphere in shear (the problem of Goldman, Cox & Brenner 1967 II, at the heights of their
# table), from the balance of the exact series for force and torque
CARRIED = [
    (3.762196, 0.99436, 0.99436),
    (2.352410, 0.97770, 0.97784),
    (1.543081, 0.92187, 0.92371),
    (1.127626, 0.76685, 0.77917),
    (1.045339, 0.65370, 0.67459),
    (1.005004, 0.47860, 0.50817),
    (1.003202, 0.45292, 0.48298),
]


@pytest.mark.parametrize(("height", "speed", "spin"), CARRIED)
def test_a_free_sphere_in_shear(height, speed, spin):
    rate, h = 2.0, A * height
    v, w = carried(Flow("shear", shear_rate_per_s=rate), sphere(h - A), 1e-4)
    # the balance written out: the resistance against the held sphere's force and torque
    exact = wall_functions(np.array([height - 1]))[0]
    r = resistance([[0, 0, h]], A, VISCOSITY)[np.ix_([0, 4], [0, 4])]
    push = [6 * np.pi * VISCOSITY * A * rate * h * exact[F_S], 4 * np.pi * VISCOSITY * A**3 * rate * exact[T_S]]
    expected = np.linalg.solve(r, push)
    assert (v[0], w[1]) == pytest.approx(tuple(expected), rel=1e-4)
    assert (v[0] / (rate * h), w[1] / (rate / 2)) == pytest.approx((speed, spin), rel=1e-3)


@pytest.mark.parametrize("eps", [0.02, 0.3, 5.0])
def test_uniform_flow_carries_everything_at_its_speed(eps):
    flow = Flow("uniform", speed_um_s=12.0, direction_rad=2.2)
    v, w = carried(flow, sphere(A * eps))
    np.testing.assert_allclose(v, [12 * math.cos(2.2), 12 * math.sin(2.2), 0.0], atol=1e-9)
    np.testing.assert_allclose(w, 0.0, atol=1e-9)


def test_uniform_flow_carries_a_crowd_as_one():
    bodies = [sphere(0.5, weight=0.0).at(x, y, 0.5) for x, y in ((0, 0), (12, 1), (3, 14))]
    world = World(bodies, liquid=COLD, coils=COILS, flow=Flow("uniform", speed_um_s=7.0))
    world.step(OFF, 0.1)
    np.testing.assert_allclose(world.velocities_um_s, [[7, 0, 0]] * 3, atol=1e-3)


def test_poiseuille_profile():
    flow = Flow("poiseuille", speed_um_s=30.0, height_um=80.0)
    u = flow.velocity_um_s([0.0, 20.0, 40.0, 60.0, 80.0])
    np.testing.assert_allclose(u[:, 0], [0, 22.5, 30, 22.5, 0], atol=1e-12)
    np.testing.assert_array_equal(u[:, 1:], 0)
    near = flow.velocity_um_s(1e-3)[0] / 1e-3
    assert near == pytest.approx(4 * 30 / 80, rel=1e-4)  # the wall shear rate


def test_profiles_of_the_other_kinds():
    z = np.array([0.0, 3.0, 9.0])
    np.testing.assert_allclose(Flow("shear", shear_rate_per_s=2.0).velocity_um_s(z)[:, 0], 2 * z)
    up = Flow("uniform", speed_um_s=4.0, direction_rad=math.pi / 2).velocity_um_s(z)
    np.testing.assert_allclose(up, [[0, 4, 0]] * 3, atol=1e-12)
    assert not Flow().velocity_um_s(z).any()


def test_poiseuille_carries_with_faxens_lag():
    """In mid-channel far from the glass: u + a²u″/6 and no spin; off the middle half the vorticity."""
    a, height, speed = 5.0, 4000.0, 1e5
    flow = Flow("poiseuille", speed_um_s=speed, height_um=height)
    v, w = carried(flow, sphere(height / 2 - a, a), 1e-5)
    lag = a * a / 6 * 8 * speed / height**2
    assert speed - v[0] == pytest.approx(lag, rel=0.01)
    assert abs(w[1]) < 1e-6
    v, w = carried(flow, sphere(height / 4 - a, a), 1e-5)
    assert 0.75 * speed - v[0] == pytest.approx(lag, rel=0.03)
    assert w[1] == pytest.approx(0.5 * 4 * speed / height * 0.5, rel=1e-4)


def test_near_the_glass_poiseuille_is_its_wall_shear():
    """In a channel far higher than the sphere both must carry alike."""
    shear, _ = carried(Flow("shear", shear_rate_per_s=1.5), sphere(0.25))
    channel, _ = carried(Flow("poiseuille", speed_um_s=1.5 * 1e4 / 4, height_um=1e4), sphere(0.25))
    assert channel[0] == pytest.approx(shear[0], rel=2e-3)


def test_pulsation():
    flow = Flow("shear", shear_rate_per_s=2.0, pulsation=0.5, pulsation_hz=4.0)
    times = np.linspace(0, 0.25, 9)[:-1]
    u = np.array([flow.velocity_um_s(5.0, t)[0] for t in times])
    np.testing.assert_allclose(u, 10 * (1 + 0.5 * np.sin(2 * np.pi * 4 * times)), rtol=1e-12)
    assert u.mean() == pytest.approx(10.0)
    still = Flow("shear", shear_rate_per_s=2.0)
    steady, _ = carried(still, sphere(0.5), 0.25)
    whole, _ = carried(flow, sphere(0.5), 0.25)
    assert whole[0] == pytest.approx(steady[0], rel=1e-6)
    first, _ = carried(flow, sphere(0.5), 0.125)  # sin > 0: mean 1 + 0.5·2/π
    assert first[0] / steady[0] == pytest.approx(1 + 1 / math.pi, rel=5e-3)


def test_flow_starts_nothing_in_still_liquid():
    v, w = carried(Flow(), sphere(0.5))
    assert not v.any() and not w.any()


def test_shear_on_a_pair_far_apart_is_shear_on_each():
    flow = Flow("shear", shear_rate_per_s=1.0)
    one = exerted(flow, [[0, 0, 5.4]], [A])
    two = exerted(flow, [[0, 0, 5.4], [1e5, 0, 5.4]], [A, A])
    np.testing.assert_allclose(two[[0, 1, 2, 6, 7, 8]], one, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "vortex"}, "flow kind is 'vortex'"),
        ({"kind": "uniform", "speed_um_s": math.nan}, "speed_um_s is nan"),
        ({"kind": "shear", "shear_rate_per_s": math.inf}, "shear_rate_per_s is inf"),
        ({"speed_um_s": 5.0}, "speed_um_s is 5.0 in a still flow: give kind uniform or poiseuille"),
        ({"kind": "shear", "speed_um_s": 5.0}, "speed_um_s is 5.0 in a shear flow"),
        ({"kind": "uniform", "shear_rate_per_s": 2.0}, "shear_rate_per_s is 2.0 in a uniform flow: give kind shear"),
        ({"kind": "poiseuille", "height_um": 0.0}, "flow height is 0.0"),
        ({"kind": "poiseuille", "height_um": -3.0}, "flow height is -3.0"),
    ],
)
def test_bad_flow(values, message):
    with pytest.raises(InputError, match=message) as error:
        Flow(**values)
    assert "\n" not in str(error.value)


def test_bodies_fit_between_the_plates():
    with pytest.raises(InputError, match=r"flow height is 6.0 µm: give more than 10.4, the bodies' tops"):
        World([sphere(0.4)], coils=COILS, flow=Flow("poiseuille", speed_um_s=100.0, height_um=6.0))

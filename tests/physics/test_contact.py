"""Normal forces and friction against the hand-written balance of one sphere and of a pair."""

import math

import numpy as np
import pytest

from microtwin.field import PUSH_RAD, CoilScale, RotatingField
from microtwin.physics import Flow, Liquid, World, resistance
from microtwin.physics import contact as touch
from microtwin.physics.surface_forces import KT_PN_UM, STERIC_RANGE_UM, repulsion, rest_gap
from microtwin.robots.bodies import bead, janus_robot

A, VISCOSITY = 5.0, 1e-3
COILS = CoilScale((3.0, 5.0, 13.0))
COLD = Liquid(kt_pn_um=0.0)
OFF = RotatingField.off()


@pytest.mark.parametrize(("range_um", "gap"), [(0.03, 0.193), (0.05, 0.290)])
def test_rest_gap_without_van_der_waals(range_um, gap):
    """κ⁻¹ ln(κB/F) at ψ = −50 mV under a 10 µm robot of 5.7 pN."""
    assert rest_gap(5.7, A, range_um, 0.0) == pytest.approx(gap, rel=0.02)


@pytest.mark.parametrize("gap", [0.004, 0.02, 0.1, 0.4])
@pytest.mark.parametrize("range_um", [0.01, 0.04, 0.1])
def test_double_layer_in_closed_form(gap, range_um):
    """64π ε a (kT/e)² tanh²(eψ/4kT) κ e^{−κh}, in SI."""
    kt, charge, permittivity = 1.380649e-23 * 298, 1.602177e-19, 78.5 * 8.8541878e-12
    b = 64 * math.pi * permittivity * (kt / charge) ** 2 * math.tanh(charge * 0.05 / (4 * kt)) ** 2
    newton = b * (A * 1e-6) / (range_um * 1e-6) * math.exp(-gap / range_um)
    assert repulsion(gap, A, range_um, 0.0)[0] == pytest.approx(newton * 1e12, rel=1e-2)


@pytest.mark.parametrize("gap", [0.01, 0.05, 0.3])
def test_van_der_waals_is_the_slope_of_its_energy(gap):
    """−d/dh of −(A a/6h)/(1 + 14h/λ), by differences."""

    def energy(h):
        return -7e-3 * A / (6 * h) / (1 + 14 * h / 0.1)

    slope = -(energy(gap * 1.0001) - energy(gap * 0.9999)) / (0.0002 * gap)
    assert repulsion(gap, A, 0.04, 7e-3)[0] - repulsion(gap, A, 0.04, 0.0)[0] == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("gap", [-0.01, 0.001, 0.03, 0.3])
def test_stiffness_never_destabilises_and_is_the_slope_of_the_repulsion(gap):
    force, stiffness = repulsion(gap, A, 0.04, 0.0)
    if gap > STERIC_RANGE_UM:
        above, below = repulsion(gap + 1e-6, A, 0.04, 0.0)[0], repulsion(gap - 1e-6, A, 0.04, 0.0)[0]
        assert stiffness == pytest.approx((below - above) / 2e-6, rel=1e-4)
    assert force > 0 and stiffness > 0
    assert repulsion(gap, A, 0.04, 7e-3)[1] > 0


def settled(body, flow, seconds=2.0, **values):
    """A world after its body has come to rest over the glass and to a steady slide."""
    liquid = Liquid(kt_pn_um=0.0, hamaker_pn_um=0.0)
    world = World([body.at(0, 0, rest_gap(body.weight_pn, A, body.range_um, 0.0))], liquid=liquid, coils=COILS,
                  flow=flow, **values)  # fmt: skip
    world.step(OFF, seconds)
    world.step(OFF, 0.1)
    return world


SLIDE = np.array([1.0, 0, 0, 0, -A, 0])  # velocity along x of the sphere's lowest point


def carried(world, flow):
    """(6,) motion without friction at the height where the body is."""
    free = World([bead(range_um=0.04).at(0, 0, world.positions_um[0, 2] - A)],
                 liquid=Liquid(kt_pn_um=0.0, hamaker_pn_um=0.0), coils=COILS, flow=flow)  # fmt: skip
    free.step(OFF, 1e-4)
    return np.r_[free.velocities_um_s[0], free.spins_rad_s[0]]


@pytest.mark.parametrize("mu", [0.02, 0.2])
@pytest.mark.parametrize("rate", [0.3, 1.0, 2.5, 4.0, 10.0, 100.0])
def test_a_bead_in_shear_sticks_below_the_cap_and_slides_above(rate, mu):
    """V = V_free + M Jᵀ f with f from no slip, cut at μN: the whole balance, written out."""
    flow = Flow("shear", shear_rate_per_s=rate)
    world = settled(bead(range_um=0.04, friction=mu), flow)
    free = carried(world, flow)
    free[2] = 0.0
    mobility = np.linalg.inv(resistance(world.positions_um, A, VISCOSITY))
    response = mobility @ SLIDE
    needed = -(SLIDE @ free) / (SLIDE @ response)
    cap = mu * world.bodies[0].weight_pn
    friction = np.clip(needed, -cap, cap)
    found = np.r_[world.velocities_um_s[0], world.spins_rad_s[0]]
    np.testing.assert_allclose(found[[0, 4]], (free + response * friction)[[0, 4]], rtol=2e-3)
    assert found[0] < free[0]  # friction slows it
    slip = SLIDE @ found
    if abs(needed) < cap:
        assert abs(slip) < 1e-3 * free[0]
    else:
        assert slip > 1e-3 * free[0]


def test_both_regimes_are_met():
    """The cases above stick at small shear and slide at large shear, else they test nothing."""
    forces = []
    for rate in (0.3, 100.0):
        flow = Flow("shear", shear_rate_per_s=rate)
        world = settled(bead(range_um=0.04, friction=0.02), flow)
        mobility = np.linalg.inv(resistance(world.positions_um, A, VISCOSITY))
        forces.append(abs(SLIDE @ carried(world, flow) / (SLIDE @ mobility @ SLIDE)))
    assert forces[0] < 0.02 * bead(range_um=0.04).weight_pn < forces[1]


@pytest.mark.parametrize("speed", [1.0, 300.0])
def test_friction_never_exceeds_its_cap_in_uniform_flow(speed):
    mu = 0.1
    flow = Flow("uniform", speed_um_s=speed, direction_rad=0.6)
    world = settled(bead(range_um=0.04, friction=mu), flow)
    push = resistance(world.positions_um, A, VISCOSITY) @ (
        np.r_[world.velocities_um_s[0], world.spins_rad_s[0]]
        - [speed * math.cos(0.6), speed * math.sin(0.6), 0, 0, 0, 0]
    )
    assert np.hypot(*push[:2]) <= mu * world.bodies[0].weight_pn * (1 + 1e-3)
    assert push[:2] @ [math.cos(0.6), math.sin(0.6)] < 0
    assert np.hypot(*world.velocities_um_s[0, :2]) < speed


def test_no_friction_no_change():
    flow = Flow("shear", shear_rate_per_s=1.0)
    world = settled(bead(range_um=0.04, friction=0.0), flow)
    assert world.velocities_um_s[0, 0] == pytest.approx(carried(world, flow)[0], rel=1e-6)


def test_a_robot_that_grips_rolls_without_slip():
    """v → aω for large μ; between, R v + R ω·coupling = μN; without friction the hydrodynamic slip."""
    omega = 2 * math.pi * 2
    speeds = []
    for mu in (0.0, 0.2, 50.0):
        robot = janus_robot(moment_pn_um_per_mt=500, range_um=0.04, friction=mu)
        world = World([robot.at(0, 0, rest_gap(robot.weight_pn, A, 0.04))], liquid=COLD, coils=COILS)
        world.step(RotatingField(0.0, PUSH_RAD, 2.0), 3.0)
        world.step(RotatingField(0.0, PUSH_RAD, 2.0), 0.1)
        r = resistance(world.positions_um, A, VISCOSITY)
        sliding = (mu * robot.weight_pn - r[0, 4] * omega) / r[0, 0]
        speeds.append(world.velocities_um_s[0, 0])
        assert speeds[-1] == pytest.approx(min(sliding, A * omega), rel=3e-3)
    assert speeds[2] == pytest.approx(A * omega, rel=3e-3)
    assert speeds[0] < speeds[1] < speeds[2]


def test_stick_holds_a_bead_against_creep():
    """Below the cap the spring holds: after the first stretch the surfaces do not creep, however long."""
    flow = Flow("shear", shear_rate_per_s=0.2)
    world = settled(bead(range_um=0.04, friction=0.5), flow)
    before = world.positions_um[0].copy()
    world.step(OFF, 30.0)
    moved, turned = world.positions_um[0] - before, world.spins_rad_s[0, 1] * 30.0
    assert moved[0] == pytest.approx(A * turned, rel=1e-4)


def pair(gap=0.01):
    positions = np.array([[0.0, 0, 5.2], [0.0, 0, 6.0]])
    radii = np.array([5.0, 6.0])
    across = math.sqrt((11 + gap) ** 2 - 0.8**2)
    positions[1, :2] = across * math.cos(0.7), across * math.sin(0.7)
    return positions, radii


def test_normal_forces_of_a_pair_balance():
    positions, radii = pair()
    rows = touch.close_surfaces(positions, radii, np.array([0.04, 0.06]), 7e-3)
    rows = rows[rows[:, touch.SECOND] < 2]
    assert len(rows) == 1
    force = np.zeros(12)
    touch.push_apart(rows, 2, force)
    np.testing.assert_allclose(force[:3] + force[3:6], 0.0, atol=1e-12)
    d = (positions[1] - positions[0]) / np.linalg.norm(positions[1] - positions[0])
    expected = repulsion(0.01, 30 / 11, 0.05, 7e-3)[0]
    np.testing.assert_allclose(force[3:6], expected * d, rtol=1e-9)
    assert not force[6:].any()


def test_friction_of_a_pair_balances_in_force_and_torque():
    positions, radii = pair()
    rows = touch.close_surfaces(positions, radii, np.array([0.04, 0.06]), 0.0)
    rows = rows[rows[:, touch.SECOND] < 2]
    springs, sliding = np.zeros((2, 3, 3)), np.zeros((2, 3), dtype=bool)
    d = rows[0, touch.DX : touch.DX + 3]
    stretch = np.cross(d, [0.3, -0.2, 1.0])
    springs[0, 1] = 1e-4 * stretch
    force, matrix = np.zeros(12), np.zeros((12, 12))
    touch.drag_back(rows, 2, radii, np.zeros(2), 0.3, springs, sliding, 0.01, matrix, force)
    on_first, on_second, torques = force[:3], force[3:6], force[6:]
    np.testing.assert_allclose(on_first + on_second, 0.0, atol=1e-12)
    np.testing.assert_allclose(on_first, -touch.TANGENT_STIFFNESS_PN_PER_UM * 1e-4 * stretch, atol=1e-12)
    total = np.cross(positions[0], on_first) + np.cross(positions[1], on_second) + torques[:3] + torques[3:]
    # the two surfaces are a gap apart: no more than that arm is left over
    assert np.linalg.norm(total) <= 0.01 * np.linalg.norm(on_first) * (1 + 1e-9)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    assert np.linalg.eigvalsh(matrix).min() > -1e-6


def test_bodies_that_turn_like_gears_do_not_rub():
    """The relative velocity of the surfaces vanishes for wheels in mesh, and for the pair turning as one body."""
    positions, radii = pair(1e-9)
    rows = touch.close_surfaces(positions, radii, np.array([0.04, 0.06]), 0.0)
    row = rows[rows[:, touch.SECOND] < 2][0]
    jacobian, index = np.empty((3, 12)), np.empty(12, np.int64)
    assert touch._slide(row, 2, radii, jacobian, index) == 12
    d = row[touch.DX : touch.DX + 3]
    axis = np.cross(d, [0.1, 0.5, 1.0])
    motion = np.zeros(12)
    motion[6:9], motion[9:12] = axis / radii[0], -axis / radii[1]
    np.testing.assert_allclose(jacobian @ motion[index], 0.0, atol=1e-12)
    spin = np.array([0.3, -0.7, 1.1])
    for i in (0, 1):
        motion[3 * i : 3 * i + 3], motion[6 + 3 * i : 9 + 3 * i] = np.cross(spin, positions[i]), spin
    np.testing.assert_allclose(jacobian @ motion[index], 0.0, atol=1e-7)


def test_pair_friction_drags_the_neighbour():
    """A robot rolling against a bead lifts it less, and turns it more, when their surfaces rub."""
    spins = []
    for mu in (0.0, 0.5):
        robot = janus_robot(moment_pn_um_per_mt=2000, range_um=0.04)
        world = World([robot.at(0, 0, 0.25), bead(range_um=0.04).at(10.15, 0, 0.25)],
                      liquid=Liquid(kt_pn_um=0.0, pair_friction=mu), coils=COILS)  # fmt: skip
        world.step(RotatingField(0.0, PUSH_RAD, 10.0), 0.05)
        spins.append(world.spins_rad_s[1, 1])
    assert spins[1] < spins[0]  # rubbing surfaces turn the bead like a gear, against the robot


def test_thermal_energy():
    assert KT_PN_UM == pytest.approx(1.380649e-23 * 298 * 1e18, rel=2e-3)


@pytest.mark.parametrize("range_um", [0.01, 0.08, 0.3])
@pytest.mark.parametrize("gap_um", [1e-5, 1e-3, 2.5e-3])
def test_a_body_set_down_in_contact_is_held_or_let_go(gap_um, range_um):
    """Where attraction wins over the double layer it sticks within the steric layer; it never sinks through."""
    world = World([bead(range_um=range_um).at(0, 0, gap_um)], liquid=COLD, coils=COILS)
    world.step(OFF, 1.0)
    assert world.positions_um[0, 2] - 5.0 > 1e-4

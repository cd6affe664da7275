"""The world in motion: closed forms for one robot, convergence for several, repeatability and refusals."""

import math

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, CoilScale, RotatingField
from microtwin.physics import Flow, Liquid, World, resistance
from microtwin.physics.surface_forces import HAMAKER_PN_UM, repulsion
from microtwin.physics.world import Fidelity
from microtwin.robots import nominal
from microtwin.robots.bodies import Body, bead, cell, janus_robot
from microtwin.robots.calibration import lab_coils

A, VISCOSITY = 5.0, 1e-3
ELLIPSE = CoilScale((3.0, 5.0, 13.0))
CIRCLE = CoilScale((4.0, 4.0, 4.0))
COLD = Liquid(kt_pn_um=0.0)
OFF = RotatingField.off()


def robot(moment=500.0, range_um=0.04, **values):
    return janus_robot(moment_pn_um_per_mt=moment, range_um=range_um, **values)


def rolling(heading=0.0, frequency=10.0):
    return RotatingField(heading, PUSH_RAD, frequency)


def settled(body, coils=CIRCLE, **values):
    """A world with one body at rest over the glass, without heat."""
    world = World([body.at(0, 0, 0.3)], liquid=COLD, coils=coils, **values)
    world.step(OFF, 5.0)
    return world


@pytest.mark.parametrize("body", [bead(range_um=0.04), robot(), cell(range_um=0.02), bead(2.0, range_um=0.07)])
def test_a_body_sinks_to_its_rest_gap(body):
    world = World([body.at(0, 0, 1.5)], liquid=COLD, coils=CIRCLE)
    world.step(OFF, 300.0)
    assert world.positions_um[0, 2] - body.radius_um == pytest.approx(world.rest_gap_um(0), abs=1e-4)


def test_sinking_speed_is_stokes_with_the_wall():
    body = bead(range_um=0.04)
    world = World([body.at(0, 0, 5.0)], liquid=COLD, coils=CIRCLE)
    world.step(OFF, 1e-5)
    expected = body.weight_pn / resistance([[0, 0, 10.0]], A, VISCOSITY)[2, 2]
    assert world.velocities_um_s[0, 2] == pytest.approx(-expected, rel=1e-4)


@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
@pytest.mark.parametrize("heading", [0.0, 0.7, -2.3])
def test_rolling_speed_is_the_slip_of_the_resistance(heading, fidelity):
    """v = s aω along the heading, s from R at the height; magnetic torque = drag of the free sphere."""
    world = settled(robot(), fidelity=fidelity)
    world.step(rolling(heading), 0.5)
    world.step(rolling(heading), 1.0)
    omega = 2 * math.pi * 10
    mobility = np.linalg.inv(resistance(world.positions_um, A, VISCOSITY))
    slip = mobility[0, 4] / (mobility[4, 4] * A)
    assert 0.05 < slip < 0.1
    v = world.velocities_um_s[0]
    np.testing.assert_allclose(
        v[:2], slip * A * omega * np.array([math.cos(heading), math.sin(heading)]), rtol=2e-3, atol=1e-9
    )
    np.testing.assert_allclose(world.spins_rad_s[0], rolling(heading).axis * omega, atol=2e-3 * omega)
    torque = world.torques_pn_um[0] @ rolling(heading).axis
    assert torque == pytest.approx(omega / mobility[4, 4], rel=2e-3)


@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
@pytest.mark.parametrize("gamma", [0.0, math.pi])
def test_a_spinning_robot_stays_put(gamma, fidelity):
    """Explicit Euler would spiral outward when it is off the start; the midpoint may not."""
    world = settled(robot(), fidelity=fidelity)
    field = RotatingField(0.4, gamma, 15.0)
    world.step(field, 1.0)
    before = world.positions_um.copy()
    world.step(field, 20.0)
    assert np.abs(world.positions_um - before).max() / 20 < 1e-3
    assert world.spins_rad_s[0, 2] == pytest.approx(math.cos(gamma) * 2 * math.pi * 15, rel=1e-3)


def orbit(max_step, seconds=1.0, second=None, fidelity: Fidelity = "averaged", warm=0.0):
    """Angle by which a second body goes round a spinning robot, and how its distance changes."""
    bodies = [robot(2000).at(0, 0, 0.24), (second or bead(range_um=0.04)).at(11.5, 0, 0.245)]
    world = World(bodies, liquid=COLD, coils=CIRCLE, max_step_s=max_step, fidelity=fidelity)
    field = RotatingField(0.0, 0.0, 15.0)
    if warm:
        start = world.positions_um.copy()
        world.step(field, warm)
        world.positions_um[:] = start
    angle = last = 0.0
    d = world.positions_um[1] - world.positions_um[0]
    for _ in range(round(seconds * 96)):
        world.step(field, 1 / 96)
        d = world.positions_um[1] - world.positions_um[0]
        now = math.atan2(d[1], d[0])
        angle += (now - last + math.pi) % (2 * math.pi) - math.pi
        last = now
    return angle, float(np.linalg.norm(d))


def test_a_bead_goes_round_a_spinning_robot_and_the_step_does_not_matter():
    """Counter-clockwise; from 1/96 s to 1/384 s the angle changes by less than 1 %, and the distance stays."""
    coarse, fine, finer = (orbit(1 / k) for k in (96, 384, 1536))
    assert fine[0] > 1.0
    assert coarse[0] == pytest.approx(fine[0], rel=0.01)
    assert abs(fine[0] - finer[0]) < 0.5 * abs(coarse[0] - finer[0])
    assert coarse[1] == pytest.approx(finer[1], abs=0.01)


def test_two_spinning_robots_go_round_each_other_at_second_order():
    """Distance and angle converge at least as the square of the step."""
    runs = [orbit(1 / k, 0.5, robot(2000)) for k in (96, 192, 384, 1536)]
    distances = [abs(r[1] - runs[-1][1]) for r in runs[:-1]]
    assert distances[1] < distances[0] / 3.5 and distances[2] < distances[1] / 3.5
    assert runs[2][0] == pytest.approx(runs[3][0], rel=0.01)


def test_averaged_and_resolved_orbits_agree():
    averaged = orbit(1 / 384)
    resolved = orbit(1 / 384, fidelity="resolved", warm=0.1)
    assert resolved[0] == pytest.approx(averaged[0], rel=0.02)


def travel(world, field, settle=1.0, seconds=2.0):
    world.step(field, settle)
    before = world.positions_um.copy()
    world.step(field, seconds)
    return (world.positions_um - before)[0, :2] / seconds


@pytest.mark.parametrize("heading_deg", [0, 45, 90])
@pytest.mark.parametrize("frequency", [2, 3, 5, 10, 25, 50])
def test_averaged_and_resolved_agree_below_step_out_in_the_ellipse(heading_deg, frequency):
    heading = math.radians(heading_deg)
    field = rolling(heading, frequency)
    averaged, resolved = (
        travel(settled(robot(400), ELLIPSE, fidelity=fidelity), field) for fidelity in ("averaged", "resolved")
    )
    assert np.linalg.norm(averaged) == pytest.approx(np.linalg.norm(resolved), rel=0.05)
    # the ellipse turns the plane of the field: the robot goes along (3 cos α, 5 sin α)
    expected = math.atan2(5 * math.sin(heading), 3 * math.cos(heading))
    for v in (averaged, resolved):
        assert math.atan2(v[1], v[0]) == pytest.approx(expected, abs=0.01)


def step_out(axis, b1, b2, moment):
    """Frequency (Hz) at which the drag takes all the torque of a field of semi-axes b1, b2."""
    world = settled(robot(moment))
    mobility = np.linalg.inv(resistance(world.positions_um, A, VISCOSITY))[axis, axis]
    return float(moment * (math.sqrt(b1) + math.sqrt(b2)) ** 2 / 4 * mobility / (2 * math.pi))


@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
@pytest.mark.parametrize(("gamma", "axis"), [(PUSH_RAD, 4), (0.0, 5)])
def test_step_out_in_a_circle(gamma, axis, fidelity):
    """Locked just below mB/drag, Adler's mean above; v follows Ω."""
    critical = step_out(axis, 4, 4, 100.0)
    for ratio in (0.97, 1.03, 1.5, 2.5):
        world = settled(robot(100.0), CIRCLE, fidelity=fidelity, max_step_s=1 / 384)
        field = RotatingField(0.0, gamma, ratio * critical)
        world.step(field, 2.0)
        world.step(field, 6.0)
        expected = ratio if ratio < 1 else ratio - math.sqrt(ratio**2 - 1)
        spin = world.spins_rad_s[0] @ field.axis / (2 * math.pi * critical)
        assert spin == pytest.approx(expected, rel=0.03), f"at {ratio} of step-out"


def test_spin_steps_out_higher_than_rolling():
    """τ ≈ 1.64 rolling and 1.14 spinning at ε ≈ 0.05: 1.44 times."""
    assert step_out(5, 4, 4, 100.0) / step_out(4, 4, 4, 100.0) == pytest.approx(1.44, rel=0.03)


@pytest.mark.parametrize(("heading", "b1"), [(0.0, 3.0), (math.pi / 2, 5.0)])
def test_step_out_in_the_ellipse(heading, b1):
    """(√B₁ + √B₂)²/4, which depends on the heading: the resolved moment locks 6 % below and slips just above."""
    critical = step_out(4, b1, 13.0, 60.0)
    for ratio, locks in ((0.94, True), (1.02, False)):
        for fidelity in ("averaged", "resolved"):
            world = settled(robot(60.0), ELLIPSE, fidelity=fidelity, max_step_s=1 / 384)
            field = rolling(heading, ratio * critical)
            world.step(field, 3.0)
            world.step(field, 4.0)
            follows = world.spins_rad_s[0] @ field.axis / (2 * math.pi * field.frequency_hz)
            assert (follows > 0.995) == locks, f"{fidelity} at {ratio}: {follows}"


def test_speed_grows_with_frequency_then_falls():
    critical = step_out(4, 4, 4, 100.0)
    speeds = [travel(settled(robot(100.0)), rolling(0.0, k * critical))[0] for k in (0.25, 0.5, 0.95, 1.1, 2.0)]
    assert np.argmax(speeds) == 2
    assert speeds[1] == pytest.approx(2 * speeds[0], rel=0.01)


@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
def test_robots_share_one_field(fidelity):
    """Far apart they all move like one alone, each along its own offset."""
    offsets = (0.0, 0.4, -1.1)
    bodies = [robot(heading_offset_rad=o).at(1e5 * k, 0, 0.24) for k, o in enumerate(offsets)]
    world = World([*bodies, bead(range_um=0.04).at(0, 1e5, 0.24)], liquid=COLD, coils=CIRCLE, fidelity=fidelity)
    world.step(rolling(0.3), 1.0)
    world.step(rolling(0.3), 1.0)
    v = world.velocities_um_s
    alone = settled(robot(), fidelity=fidelity)
    speed = np.linalg.norm(travel(alone, rolling(0.3), seconds=1.0))
    np.testing.assert_allclose(np.hypot(v[:3, 0], v[:3, 1]), speed, rtol=2e-3)
    np.testing.assert_allclose(np.arctan2(v[:3, 1], v[:3, 0]), 0.3 + np.array(offsets), atol=3e-3)
    assert np.abs(v[3]).max() < 1e-3


def test_two_robots_in_line_are_faster_than_one():
    """Rollers drag each other along (Sprinkle et al. 2020)."""
    world = World([robot().at(0, 0, 0.24), robot().at(15, 0, 0.24)], liquid=COLD, coils=CIRCLE)
    world.step(rolling(), 0.2)
    single = travel(settled(robot()), rolling())[0]
    assert (world.velocities_um_s[:, 0] > 1.02 * single).all()


def test_a_robot_pushes_a_bead_ahead():
    world = World([robot().at(0, 0, 0.24), bead(range_um=0.04).at(14, 0, 0.25)], liquid=COLD, coils=CIRCLE)
    for _ in range(24 * 5):
        world.step(rolling(), 1 / 24)
    assert world.positions_um[1, 0] > 30
    assert world.positions_um[0, 0] < world.positions_um[1, 0]


@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
def test_field_off_lets_go(fidelity):
    world = settled(robot(), fidelity=fidelity)
    world.step(rolling(), 1.0)
    assert np.abs(world.torques_pn_um).max() > 100
    world.step(OFF, 0.1)
    before = world.positions_um.copy()
    world.step(OFF, 1.0)
    assert not world.torques_pn_um.any()
    np.testing.assert_allclose(world.spins_rad_s, 0.0, atol=1e-9)
    np.testing.assert_allclose(world.positions_um[:, :2], before[:, :2], atol=1e-9)


def test_a_held_field_holds_the_robot():
    world = settled(robot())
    world.step(rolling(frequency=0.0), 1.0)
    np.testing.assert_allclose(world.spins_rad_s, 0.0, atol=1e-9)


def test_averaged_turns_follow_the_field():
    """Ten turns a second about +y: after a quarter of a turn the cap points ahead."""
    world = settled(robot(5000.0))
    world.turns[:] = [1.0, 0, 0, 0]
    world.step(rolling(), 0.025)
    w, x, y, z = world.turns[0]
    cap = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    np.testing.assert_allclose(cap, [1, 0, 0], atol=5e-3)


CROWD = [
    robot(range_um=0.05).at(0, 0, 0.3),
    robot(4000, radius_um=4.0).at(30, 2, 0.25),
    bead(range_um=0.04).at(12, 1, 0.25),
    bead(3.0, range_um=0.03).at(20, -6, 0.3),
    cell(range_um=0.02).at(-16, 3, 0.2),
    cell(6.0, range_um=0.02).at(5, 18, 0.2),
    bead(2.0, range_um=0.05).at(-2, -12, 0.4),
    bead(range_um=0.04).at(40, 10, 0.25),
    robot().at(-20, -20, 0.3),
    bead(5.0, range_um=0.04).at(12.2, 1.4, 11.0),
]


def run_crowd(seed, fidelity: Fidelity = "averaged", liquid=None, flow=None):
    world = World(CROWD, rng=seed, coils=ELLIPSE, fidelity=fidelity, liquid=liquid, flow=flow)
    for k in range(12):
        world.step(RotatingField(0.2 * k, PUSH_RAD if k % 3 else 0.0, 8.0 + k), 1 / 24)
    return world


def gaps(world):
    p, r = world.positions_um, world.radii_um
    between = np.linalg.norm(p[:, None] - p[None], axis=2) - r[:, None] - r[None]
    return np.append(between[np.triu_indices(len(r), 1)], p[:, 2] - r)


@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
def test_ten_mixed_bodies(fidelity):
    world = run_crowd(3, fidelity)
    assert np.isfinite(world.positions_um).all() and np.isfinite(world.velocities_um_s).all()
    assert gaps(world).min() > 0
    assert world.time_s == pytest.approx(0.5)


@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
def test_the_same_seed_repeats_bit_for_bit(fidelity):
    liquid, flow = Liquid(pair_friction=0.2), Flow("shear", shear_rate_per_s=0.3)
    one, two, other = (run_crowd(seed, fidelity, liquid, flow) for seed in (7, 7, 8))
    for name in ("positions_um", "turns", "velocities_um_s", "spins_rad_s", "torques_pn_um"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    assert (one.positions_um != other.positions_um).all()


def test_a_generator_and_its_seed_are_the_same_thing():
    one = World(CROWD[:2], rng=5, coils=ELLIPSE)
    two = World(CROWD[:2], rng=np.random.default_rng(5), coils=ELLIPSE)
    for world in (one, two):
        world.step(rolling(), 0.1)
    assert one.positions_um.tobytes() == two.positions_um.tobytes()


@pytest.mark.parametrize("range_um", [0.01, 0.04, 0.07])
@pytest.mark.parametrize("friction", [0.0, 0.3])
@pytest.mark.parametrize("heat", [True, False])
def test_bodies_never_overlap_in_a_hard_push(range_um, friction, heat):
    """The robot drives into a bead for 20 s at 15 Hz, against its lower half too."""
    liquid = Liquid(pair_friction=friction) if heat else Liquid(kt_pn_um=0.0, pair_friction=friction)
    bodies = [
        robot(2000, range_um, friction=friction).at(0, 0, 0.25),
        bead(range_um=range_um, friction=friction).at(10.3, 0.2, 0.25),
    ]
    world = World(bodies, rng=9, coils=ELLIPSE, liquid=liquid)
    closest = np.inf
    for _ in range(24 * 20):
        d = world.positions_um[1] - world.positions_um[0]
        world.step(RotatingField(math.atan2(d[1], d[0]), PUSH_RAD, 15.0), 1 / 24)
        closest = min(closest, gaps(world).min())
    assert closest > 0
    assert np.isfinite(world.positions_um).all()
    assert closest < 0.5  # they did meet


def test_bodies_that_start_almost_in_contact_part():
    world = World(
        [bead(range_um=0.04).at(0, 0, 0.01), bead(range_um=0.04).at(10.003, 0, 0.01)], liquid=COLD, coils=CIRCLE
    )
    world.step(OFF, 2.0)
    assert gaps(world).min() > 0.05


def test_lift_raises_a_rolling_robot_only():
    plain, lifted = settled(robot()), settled(robot(lift_pn_um3_s2=2e-5))
    np.testing.assert_allclose(plain.positions_um, lifted.positions_um, atol=1e-9)
    for world in (plain, lifted):
        world.step(rolling(frequency=40.0), 3.0)
    omega = 2 * math.pi * 40
    gap = lifted.positions_um[0, 2] - A
    assert gap > plain.positions_um[0, 2] - A
    held = repulsion(gap, A, 0.04, HAMAKER_PN_UM)[0] + 2e-5 * omega**2 / gap**3
    assert held == pytest.approx(lifted.bodies[0].weight_pn, rel=5e-3)


def test_an_anchored_body_neither_moves_nor_turns():
    stone = Body("cell", (12.5, 0, 6.95), 6.75, 0.5, 0.02, anchored=True)
    world = World([robot().at(0, 0, 0.24), stone], liquid=Liquid(), rng=1, coils=CIRCLE)
    for _ in range(24 * 3):
        world.step(rolling(), 1 / 24)
    assert np.abs(world.positions_um[1] - [12.5, 0, 6.95]).max() < 0.1
    assert gaps(world).min() > 0
    assert abs(world.turns[1, 0]) > 0.999


def test_time_and_phase_run_on():
    """Cutting one long step into camera frames changes nothing beyond the inner steps being the same."""
    one = World([robot().at(0, 0, 0.24)], liquid=COLD, coils=ELLIPSE, fidelity="resolved")
    two = World([robot().at(0, 0, 0.24)], liquid=COLD, coils=ELLIPSE, fidelity="resolved")
    field = rolling(0.5, 7.0)
    one.step(field, 1.0)
    for _ in range(24):
        two.step(field, 1 / 24)
    np.testing.assert_allclose(two.positions_um, one.positions_um, atol=1e-9)
    assert one.time_s == pytest.approx(1.0) and two.time_s == pytest.approx(1.0)


def test_mean_velocities_are_displacements_over_time():
    world = World(CROWD, rng=2, coils=ELLIPSE)
    before = world.positions_um.copy()
    world.step(rolling(), 0.3)
    np.testing.assert_allclose(world.velocities_um_s * 0.3, world.positions_um - before, atol=1e-10)


@pytest.mark.parametrize(
    ("bodies", "message"),
    [
        ([bead(range_um=0.04).at(0, 0, 0.2), bead(range_um=0.04).at(9.9, 0, 0.2)], "overlap"),
        ([bead(range_um=0.04).at(0, 0, -0.1)], "below the glass"),
        ([bead(range_um=0.04).at(0, 0, 0.0)], "below the glass"),
        ([bead(range_um=0.04).at(math.nan, 0, 0.2)], "NaN"),
        ([bead(range_um=0.04).at(0, 0, math.nan)], "NaN"),
        ([], "shape"),
    ],
)
def test_bad_bodies(bodies, message):
    with pytest.raises(InputError, match=message) as error:
        World(bodies, coils=CIRCLE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fidelity": "exact"}, "fidelity is 'exact': choose"),
        ({"max_step_s": 0.0}, "max_step_s is 0.0"),
        ({"max_step_s": math.nan}, "max_step_s is nan"),
        ({"rng": -1}, "rng is -1: give a seed of 0 or more"),
        ({"liquid": Liquid(viscosity_pa_s=0.0)}, "viscosity"),
        ({"liquid": Liquid(viscosity_pa_s=math.nan)}, "viscosity"),
    ],
)
def test_bad_settings(values, message):
    with pytest.raises(InputError, match=message) as error:
        World([bead(range_um=0.04).at(0, 0, 0.2)], coils=CIRCLE, **values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("duration", [0.0, -1.0, math.nan, math.inf])
def test_bad_durations(duration):
    world = World([bead(range_um=0.04).at(0, 0, 0.2)], coils=CIRCLE)
    with pytest.raises(InputError, match=f"step duration is {duration} s: give a positive time"):
        world.step(OFF, duration)
    assert world.time_s == 0.0


@pytest.mark.parametrize("duration", [1e-15, 1e-12, 1e-9])
def test_a_duration_far_below_the_inner_step(duration):
    world = World([bead(range_um=0.04).at(0, 0, 0.2)], coils=CIRCLE)
    world.step(OFF, duration)
    assert world.time_s == duration


@pytest.mark.parametrize("amplitude", [0.0, 0.05])
def test_a_field_that_is_off_or_lost_in_the_dead_band_leaves_no_torque(amplitude):
    world = World([nominal().at(0, 0, 0.25)], rng=0, coils=lab_coils())
    world.step(RotatingField(frequency_hz=12.0), 0.1)
    assert np.abs(world.torques_pn_um).max() > 1.0
    world.step(RotatingField(frequency_hz=12.0, amplitude=amplitude), 0.1)
    assert not world.torques_pn_um.any()

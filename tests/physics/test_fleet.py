"""A fleet against its worlds stepped one by one: the same to the last bit, whatever differs between them."""

import math
import os
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin import paths
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, CoilScale, RotatingField
from microtwin.physics import Fleet, Flow, Liquid, World
from microtwin.physics.world import Fidelity
from microtwin.robots import Population, bead, cell
from microtwin.robots.calibration import fitted, lab_coils
from microtwin.scene import PushScene, resting_gap
from microtwin.simulated import FRAME_RATE_HZ

FRAME_S = 1 / FRAME_RATE_HZ
SEEN = ("positions_um", "turns", "velocities_um_s", "spins_rad_s", "torques_pn_um", "time_s")


def world(
    seed,
    *,
    bodies=2,
    fidelity: Fidelity = "averaged",
    friction=0.0,
    apart_um=11.0,
    max_step_s=1 / 96,
    rng=None,
    **liquid,
):
    """A robot of the population behind a bead, perhaps a fixed cell beside it; every seed another flow and offset."""
    robot = Population.measured().draw(seed).robot
    spheres = [robot, bead(range_um=robot.range_um), replace(cell(range_um=0.06), anchored=True)][:bodies]
    water = Liquid(**{"pair_friction": friction / 2} | liquid)
    places = [(0.0, 0.0), (apart_um, 0.3 * (seed % 5)), (apart_um / 2, 14.0)]
    flows = (
        Flow(),
        Flow("uniform", speed_um_s=2.0, direction_rad=seed),
        Flow("poiseuille", speed_um_s=25.0, height_um=80.0, direction_rad=0.4, pulsation=0.8, pulsation_hz=1.7),
    )
    return World(
        [
            replace(b, friction=friction).at(x, y, resting_gap(b, water))
            for b, (x, y) in zip(spheres, places, strict=False)
        ],
        rng=np.random.default_rng([seed, 1]) if rng is None else rng,
        liquid=water,
        coils=lab_coils() if seed % 2 else CoilScale((4.0, 4.0, 6.0)),
        flow=flows[seed % 3],
        fidelity=fidelity,
        max_step_s=max_step_s,
    )


def commands(rng, count):
    """α, γ, f, amplitude of one control step, now and then with the field off."""
    alpha, gamma = rng.uniform(-4, 4, count), rng.choice([0.0, 1.2, PUSH_RAD, math.pi], count)
    return alpha, gamma, rng.uniform(0, 40, count), np.where(rng.random(count) < 0.1, 0.0, rng.uniform(0.1, 1, count))


def step_both(fleet, singles, rng, steps, duration_s=FRAME_S):
    """The same random fields in the fleet and in its worlds; everything seen is compared after every step."""
    for _ in range(steps):
        told = commands(rng, len(singles))
        fleet.step(fleet.quadratures_mt(*told), told[2], duration_s)
        for k, single in enumerate(singles):
            single.step(RotatingField(*(float(values[k]) for values in told)), duration_s)
        assert not fleet.failed.any()
        compare(fleet, singles)


def compare(fleet, singles):
    for name in SEEN:
        np.testing.assert_array_equal(getattr(fleet, name), [getattr(w, name) for w in singles], err_msg=name)


@pytest.mark.parametrize("friction", [0.0, 0.4])
@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
@pytest.mark.parametrize("bodies", [2, 3])
def test_a_fleet_is_its_worlds_bit_for_bit(bodies, fidelity, friction):
    made = {"bodies": bodies, "fidelity": fidelity, "friction": friction}
    singles = [world(seed, **made) for seed in range(9)]
    fleet = Fleet([world(seed, **made) for seed in range(9)], threads=2)
    start = fleet.positions_um.copy()
    step_both(fleet, singles, np.random.default_rng(0), 200)
    assert (np.linalg.norm((fleet.positions_um - start)[:, 0], axis=1) > 1.0).all()  # every robot went somewhere


def test_a_replaced_world_begins_anew_and_the_others_go_on():
    singles = [world(seed) for seed in range(6)]
    fleet = Fleet([world(seed) for seed in range(6)], threads=1)
    rng = np.random.default_rng(1)
    for slot in (4, 0, 4):
        step_both(fleet, singles, rng, 30)
        twins = [world(20 + slot), world(20 + slot)]
        for twin in twins:  # one that is under way already
            twin.step(RotatingField(0.3, PUSH_RAD, 9.0), 3 * FRAME_S)
        singles[slot] = twins[0]
        fleet.replace(slot, twins[1])
        compare(fleet, singles)
    step_both(fleet, singles, rng, 30)


def test_cold_and_warm_worlds_do_not_mix():
    """The room to work in is shared by the worlds of a block: one without heat must not shake with another's."""
    heat = [4.11e-3, 0.0, 4.11e-3, 0.0]
    singles = [world(seed, kt_pn_um=kt) for seed, kt in enumerate(heat)]
    fleet = Fleet([world(seed, kt_pn_um=kt) for seed, kt in enumerate(heat)])
    step_both(fleet, singles, np.random.default_rng(2), 40)


def test_inner_steps_may_differ_from_world_to_world():
    longest = [1 / 96, 1 / 24, 1 / 200, 1.0]
    singles = [world(seed, max_step_s=s) for seed, s in enumerate(longest)]
    fleet = Fleet([world(seed, max_step_s=s) for seed, s in enumerate(longest)])
    for duration_s in (FRAME_S, 0.3, 0.001):
        step_both(fleet, singles, np.random.default_rng(3), 20, duration_s)


def crowded(seed, rng):
    """Bodies without repulsion but contact, in long steps: nearly every step is halved."""
    return world(seed, apart_um=10.02, max_step_s=1 / 6, hamaker_pn_um=0.0, rng=rng)


class Counting(np.random.Generator):
    """Counts the numbers drawn."""

    drawn = 0

    def standard_normal(self, *args: Any, **kwargs: Any) -> Any:
        found = super().standard_normal(*args, **kwargs)
        self.drawn += np.size(found)
        return found


def test_halved_steps_use_more_numbers_and_still_agree(monkeypatch):
    """Slots that run out in the middle of a step draw again and go on."""
    monkeypatch.setattr("microtwin.physics.fleet.DRAWN_AHEAD", 1)
    counters = [Counting(np.random.PCG64(seed)) for seed in range(6)]
    singles = [crowded(seed, counter) for seed, counter in enumerate(counters)]
    fleet = Fleet([crowded(seed, np.random.Generator(np.random.PCG64(seed))) for seed in range(6)], threads=2)
    step_both(fleet, singles, np.random.default_rng(4), 60, 0.5)
    assert max(c.drawn for c in counters) > 1.2 * 60 * 3 * 12  # more than the three inner steps of a call


def test_only_the_chosen_slots_step_and_draw():
    singles = [world(seed) for seed in range(5)]
    fleet = Fleet([world(seed) for seed in range(5)])
    field = RotatingField(0.2, PUSH_RAD, 11.0)
    fields = fleet.quadratures_mt(0.2, PUSH_RAD, 11.0)
    for slots in ([3], [0, 4], [4, 1], []):
        fleet.step(fields, 11.0, FRAME_S, slots)
        for k in slots:
            singles[k].step(field, FRAME_S)
        drawn = fleet.draw(7, slots)
        np.testing.assert_array_equal(drawn, np.reshape([singles[k]._rng.standard_normal(7) for k in slots], (-1, 7)))
    step_both(fleet, singles, np.random.default_rng(5), 3)


@pytest.mark.parametrize("latency", [0, 2])
def test_a_fleet_gives_what_rigs_and_observers_give(latency):
    """Steps and the observer's noise come from one stream per world, in the single rig's order."""
    scene = PushScene(robot="population", latency_frames=latency)
    nodes = paths.circle()
    rigs = [scene.open(nodes, np.random.default_rng([9, k])) for k in range(4)]
    fleet = Fleet([scene.open(nodes, np.random.default_rng([9, k]))[0].world for k in range(4)])
    noise_um = fitted("tracking", "noise_um")
    off, field = RotatingField.off(), RotatingField(0.7, PUSH_RAD, 12.0)
    taken = [fleet.positions_um[:, :, :2].copy()]
    for tick in range(120):
        if tick == 0:
            for _ in range(latency):  # frames taken before the first arrives
                fleet.step(np.zeros((4, 2, 3)), 0.0, FRAME_S)
                taken.append(fleet.positions_um[:, :, :2].copy())
        else:
            for rig, _ in rigs:
                rig.command(field if tick % 7 else off)
            fields = fleet.quadratures_mt(0.7, PUSH_RAD, 12.0, 1.0 if tick % 7 else 0.0)
            fleet.step(fields, 12.0 if tick % 7 else 0.0, FRAME_S)
            taken.append(fleet.positions_um[:, :, :2].copy())
        seen = taken[tick] + noise_um * fleet.draw(4).reshape(4, 2, 2)
        for k, (rig, observer) in enumerate(rigs):
            observed = observer(rig.observe())
            np.testing.assert_array_equal(seen[k], [observed.robot_um, observed.object_um])


def broken(seed):
    """A world whose cargo is hurled through the glass."""
    made = world(seed)
    made._setup.bodies[1, 1] = math.inf  # weight
    return made


def test_a_world_that_fails_leaves_the_others_right():
    singles = [world(seed) for seed in range(5)]
    fleet = Fleet([broken(seed) if seed == 2 else world(seed) for seed in range(5)], threads=1)
    with pytest.raises(ArithmeticError):
        broken(2).step(RotatingField(0.1, PUSH_RAD, 8.0), FRAME_S)
    for _ in range(10):
        fleet.step(fleet.quadratures_mt(0.1, PUSH_RAD, 8.0), 8.0, FRAME_S)
        np.testing.assert_array_equal(fleet.failed, np.arange(5) == 2)
        for k in (0, 1, 3, 4):
            singles[k].step(RotatingField(0.1, PUSH_RAD, 8.0), FRAME_S)
            np.testing.assert_array_equal(fleet.positions_um[k], singles[k].positions_um)
    fleet.step(fleet.quadratures_mt(0.1, PUSH_RAD, 8.0), 8.0, FRAME_S, [0, 1])
    assert not fleet.failed.any()  # what was not stepped did not fail
    singles = [world(seed) for seed in range(5)]
    for k in range(5):
        fleet.replace(k, world(k))
    step_both(fleet, singles, np.random.default_rng(6), 5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_can_step_a_fleet():
    fleet, single = Fleet([world(seed) for seed in range(9)], threads=2), world(8)
    field = RotatingField(0.2, PUSH_RAD, 11.0)
    fields = fleet.quadratures_mt(0.2, PUSH_RAD, 11.0)
    fleet.step(fields, 11.0, FRAME_S)  # its threads now run, and the child will not have them
    for _ in range(2):
        single.step(field, FRAME_S)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork beside threads
        child = os.fork()
    if child == 0:
        try:
            fleet.step(fields, 11.0, FRAME_S)
            os._exit(0 if np.array_equal(fleet.positions_um[8], single.positions_um) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


fraction = st.floats(0, 1)


@given(
    alpha=st.floats(-9, 9),
    gamma=st.floats(-9, 9),
    frequency=st.floats(0, 200),
    amplitude=fraction,
    seed=st.integers(0, 1),
)
def test_a_fleets_fields_are_those_of_its_coils(fleets, alpha, gamma, frequency, amplitude, seed):
    field = RotatingField(alpha, gamma, frequency, amplitude)
    coils = (CoilScale((4.0, 4.0, 6.0)), lab_coils())[seed]
    full = np.array(coils.applied_mt) / math.hypot(1.0, frequency / coils.cutoff_hz)
    strength = np.hypot(*field.quadratures)
    keep = np.clip(1.0 - np.divide(coils.dead_band, strength, out=np.ones(3), where=strength > coils.dead_band), 0, 1)
    found = fleets.quadratures_mt(alpha, gamma, frequency, amplitude)[seed]
    np.testing.assert_array_equal(found, coils.quadratures_mt(field))
    np.testing.assert_allclose(
        found, np.where(strength > coils.dead_band, full * keep, 0.0) * field.quadratures, rtol=1e-12
    )


@pytest.fixture(scope="module")
def fleets():
    return Fleet([world(0), world(1)])


def test_worlds_that_do_not_fit_are_refused(fleets):
    with pytest.raises(InputError, match="0 worlds"):
        Fleet([])
    with pytest.raises(InputError, match="same radii"):
        Fleet([world(0), world(1, bodies=3)])
    with pytest.raises(InputError, match="world 1 is resolved, the fleet averaged"):
        Fleet([world(0), world(1, fidelity="resolved")])
    with pytest.raises(InputError, match="world 1 has friction and the fleet has none"):
        Fleet([world(0), world(1, friction=0.2)])
    with pytest.raises(InputError, match="world 1 has no friction and the fleet has"):
        Fleet([world(0, friction=0.2), world(1)])
    with pytest.raises(InputError, match="threads is 0"):
        Fleet([world(0)], threads=0)
    shared = np.random.default_rng(0)
    with pytest.raises(InputError, match="worlds 0 and 2 share"):
        Fleet([world(0, rng=shared), world(1), world(2, rng=shared)])
    with pytest.raises(InputError, match="index is 2"):
        fleets.replace(2, world(0))


def test_fields_that_make_no_sense_are_refused(fleets):
    still = np.zeros((2, 2, 3))
    for duration_s in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="step duration"):
            fleets.step(still, 1.0, duration_s)
    with pytest.raises(InputError, match="quadratures"):
        fleets.step(still[:1], 1.0, FRAME_S)
    with pytest.raises(InputError, match="quadratures"):
        fleets.step(still * math.nan, 1.0, FRAME_S)
    with pytest.raises(InputError, match="frequency"):
        fleets.step(still, [1.0, -1.0], FRAME_S)
    with pytest.raises(InputError, match="slots"):
        fleets.step(still, 1.0, FRAME_S, [2])
    with pytest.raises(InputError, match="each index once"):
        fleets.draw(3, [1, 1])
    for bad in ((math.nan, 0.0, 1.0, 1.0), (0.0, 0.0, -1.0, 1.0), (0.0, 0.0, 1.0, 1.5)):
        with pytest.raises(InputError, match="field of world 1"):
            fleets.quadratures_mt(*([good, value] for good, value in zip((0.0, 0.0, 1.0, 1.0), bad, strict=True)))

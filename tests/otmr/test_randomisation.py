"""What is drawn: inside its range, all of it in the row, nothing left to chance when it is off."""

import dataclasses

import numpy as np
import pytest
import tyro
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.otmr.randomisation import Draw, Randomisation, plain

RANGES = [f.name for f in dataclasses.fields(Randomisation) if isinstance(f.default, tuple) and f.name != "place_um"]
DRAWN = [name for name in RANGES if name != "substrate_um"]


def draws(count: int, ranges: Randomisation, seed=0) -> list[Draw]:
    rng = np.random.default_rng(seed)
    return [ranges.draw(rng) for _ in range(count)]


@given(seed=st.integers(0, 2**32))
def test_every_draw_lies_in_its_range(seed):
    ranges = Randomisation(substrate=0.5)
    draw = ranges.draw(np.random.default_rng(seed))
    for name in DRAWN:
        low, high = getattr(ranges, name)
        assert low <= getattr(draw, name) <= high, name
    assert np.hypot(draw.gradient_x, draw.gradient_y) <= ranges.gradient
    assert abs(draw.place_x_um) <= ranges.place_um[0] and abs(draw.place_y_um) <= ranges.place_um[1]
    assert abs(draw.lean_x_deg) <= 3 * ranges.lean_deg
    assert not (draw.cut_um and draw.residue_um)
    assert draw == ranges.draw(np.random.default_rng(seed))


def test_draws_fill_their_ranges():
    ranges = Randomisation()
    many = draws(300, ranges)
    for name in DRAWN:
        low, high = getattr(ranges, name)
        values = np.array([getattr(draw, name) for draw in many])
        assert np.ptp(values) > (0.8 * (high - low) if name != "jpeg_quality" else 1), name
    for name in ("lean_x_deg", "lean_y_deg"):
        assert np.std([getattr(draw, name) for draw in many]) == pytest.approx(ranges.lean_deg, rel=0.15)
    angles = np.arctan2([d.gradient_y for d in many], [d.gradient_x for d in many])
    assert np.histogram(angles, bins=4, range=(-np.pi, np.pi))[0].min() > 40  # any direction


def test_bad_prints_are_as_frequent_as_asked_and_half_of_them_cut():
    many = draws(600, Randomisation(substrate=0.3))
    cut, kept = (np.mean([getattr(draw, name) > 0 for draw in many]) for name in ("cut_um", "residue_um"))
    assert cut + kept == pytest.approx(0.3, abs=0.06)
    assert cut == pytest.approx(kept, abs=0.06)


def test_off_leaves_nothing_to_chance():
    rows = [draw.row() for draw in draws(5, Randomisation.off())]
    seeds = ("sensor_seed", "print_seed")  # of noise, and of a roughness and a film that are not there
    for row in rows:
        assert {k: v for k, v in row.items() if k not in seeds} == {k: v for k, v in rows[0].items() if k not in seeds}
    one = draws(1, Randomisation.off())[0]
    assert one.polymer_index == pytest.approx(sum(Randomisation().polymer_index) / 2)
    for name in (
        "dust",
        "gradient_x",
        "lean_x_deg",
        "in_plane_deg",
        "size_error_z",
        "drift_um",
        "roughness_nm",
        "cut_um",
    ):
        assert getattr(one, name) == 0, name
    assert plain(na=1.3) == dataclasses.replace(plain(), na=1.3)


def test_the_row_is_flat_and_complete():
    row = Randomisation().draw(np.random.default_rng(0)).row()
    assert list(row) == [field.name for field in dataclasses.fields(Draw)]
    assert all(type(value) in (float, int) for value in row.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"na": (1.3, 1.2)}, "na is 1.3 to 1.2: give the smaller first"),
        ({"lean_deg": -1.0}, "lean_deg is -1: give 0 to 30"),
        ({"background_dn": (70.0, float("nan"))}, "background_dn"),
        ({"jpeg_quality": (0, 90)}, "jpeg_quality is 0 to 90: give 1 to 100"),
        ({"polymer_index": (1.0, 1.5)}, "polymer_index is 1 to 1.5: give 1.34 to 2.5"),
        ({"condenser_na": (0.1, 0.9)}, "condenser_na"),
        ({"place_um": (50.0, 0.0)}, "place_um is 50 to 0: give 0 to 11"),
        ({"substrate": 1.5}, "substrate is 1.5"),
        ({"read_noise_e": (-1.0, 2.0)}, "give 0 or more"),
    ],
)
def test_bad_ranges_are_refused_in_one_line(change, message):
    with pytest.raises(InputError, match=message) as error:
        Randomisation(**change)
    assert "\n" not in str(error.value)


def test_light_too_fine_for_the_grid_is_refused():
    with pytest.raises(InputError, match=r"grid of 0.11 µm needs 0.3"):
        Randomisation(na=(1.3, 1.33))
    Randomisation(na=(1.3, 1.33), wavelength_um=(0.5, 0.6))


def test_it_is_set_on_the_command_line():
    given = tyro.cli(
        Randomisation, args=["--na", "1.0", "1.05", "--dust", "0", "3", "--lean-deg", "2"], use_underscores=False
    )
    assert given == Randomisation(na=(1.0, 1.05), dust=(0, 3), lean_deg=2.0)

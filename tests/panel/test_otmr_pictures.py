"""What the OTMR page's worker draws, reads and writes: held against the data set's own renderer."""

import tomllib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.cli import main
from microtwin.errors import InputError
from microtwin.otmr.pose import POSES, Pose
from microtwin.otmr.randomisation import Randomisation
from microtwin.otmr.render import intensities, middle_um, orientation, render_sequence
from microtwin.panel.otmr import config as otmr_config
from microtwin.panel.otmr.pictures import Kept, photograph, pictures
from microtwin.panel.otmr.view import OPTICS, View, at_random, usual
from microtwin.robots.catalogue import robot

VIEW = View(8, 0, 0, depth_um=0.4, optics={"dust": 12}, seed=3)  # the smallest body


def shown(view: View, kept: Kept) -> list[dict]:
    return [found for found in pictures(view.checked(), kept) if found]


def alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1])


def rendered(view: View, depth_um: float) -> np.ndarray:
    body, draw, pose = robot(view.robot), view.draw(), Pose(view.pitch_deg, view.roll_deg)
    x, y = middle_um(body.mesh, orientation(pose, draw))
    return render_sequence(body.mesh, pose, [depth_um], draw, np.random.default_rng(view.seed), origin_um=(-x, -y))[0]


@pytest.fixture(scope="module")
def kept():
    kept = Kept()
    shown(VIEW, kept)
    return kept


@pytest.mark.parametrize(
    "view", [VIEW, View(3, 30, 15, 40.0, -3.0), View(1, 10, 20, optics={"na": 1.2, "coma_x_waves": 0.05})]
)
def test_the_full_picture_is_the_renderers_and_the_sketch_is_like_it(view):
    sketch, full = shown(view, Kept())
    assert (sketch["full"], full["full"]) == (False, True)
    true = rendered(view, full["depth_um"])
    assert full["image"].shape == (256, 256) and full["image"].dtype == np.uint8
    assert alike(full["image"], true) > 0.999
    assert 0.97 < alike(sketch["image"], true) < alike(full["image"], true)


def test_the_camera_is_the_renderers_to_the_byte():
    body, draw, turn = robot(8), VIEW.draw(), orientation(Pose(), VIEW.draw())
    x, y = middle_um(body.mesh, turn)
    light, middle = intensities(body.mesh, turn, [0.4], draw)
    mine = photograph(next(light), np.asarray(middle), (-x, -y), draw, VIEW.seed)
    assert np.array_equal(mine, rendered(VIEW, 0.4))


@pytest.mark.parametrize(
    ("changed", "lens"),
    [
        ({"depth_um": -1.0}, False),
        ({"optics": {"dust": 12, "na": 1.2}}, True),
        ({"optics": {"dust": 12, "spherical_waves": 0.1}}, True),
        ({"optics": {"dust": 12, "background_dn": 150.0}}, False),
        ({"seed": 4}, False),
    ],
)
def test_what_comes_after_the_body_needs_no_new_waves(kept, changed, lens):
    waves = kept.waves[True], kept.waves[False]
    before = shown(VIEW, kept)[-1]["image"]
    view = View(**{**vars(VIEW), **changed})
    *sketches, full = shown(view, kept)
    assert len(sketches) == lens  # another objective costs a little: a sketch comes first
    assert full["full"] and not np.array_equal(full["image"], before)
    assert (kept.waves[True], kept.waves[False]) == waves
    assert alike(full["image"], rendered(view, full["depth_um"])) > 0.99


def test_another_pose_is_another_body():
    kept = Kept()
    shown(VIEW, kept)
    assert len(shown(View(8, 0, 0, 30.0, 0.4), kept)) == 2
    assert len(shown(View(8, 0, 0, 30.0, 0.4, {"condenser_na": 0.2}), kept)) == 2


def test_a_newer_wish_goes_on_with_the_waves_that_are_there():
    kept = Kept()
    begun = pictures(View(8), kept)
    while next(begun) is None:
        pass
    next(begun)  # after the sketch, some waves of the full picture
    waves = kept.waves[False]
    assert not waves.done
    assert [found["depth_um"] for found in shown(View(8, depth_um=1.0), kept)] == [1.0, 1.0]
    assert kept.waves[False] is waves and waves.done


@pytest.mark.parametrize("depth_um", [-50.0, 50.0])
def test_depths_beyond_the_sweep_are_drawn_at_its_end(kept, depth_um):
    found = shown(View(8, depth_um=depth_um), kept)[-1]
    assert found["depth_um"] in found["limits_um"]
    low, high = found["limits_um"]
    assert high - low == pytest.approx(robot(8).depth_range_um)


def test_the_model_stands_as_in_the_picture():
    """Turned and moved as the answer says, the outline's middle is the view's, and the middle of its height too."""
    found = next(filter(None, pictures(View(3, 30, 15, 40.0), Kept())))
    vertices = robot(3).mesh[0] @ np.array(found["turn"]).T - np.array(found["centre_um"])
    assert (vertices.min(axis=0) + vertices.max(axis=0)) / 2 == pytest.approx([0, 0, 0], abs=1e-6)


BAD = [
    ({"robot": 19}, "robot 19 is unknown: give"),
    ({"pitch_deg": 91}, "pitch is 91°: give"),
    ({"roll_deg": 10.5}, "roll is 10.5°: give"),
    ({"pitch_deg": None}, "pitch is None°: give"),
    ({"in_plane_deg": 400.0}, "in-plane is 400°: give"),
    ({"depth_um": float("nan")}, "depth is nan µm: give"),
    ({"seed": -1}, "seed is -1: give"),
    ({"optics": {"na": 2.0}}, "Numerical aperture is 2.0: give 0.8 to 1.3"),
    ({"optics": {"wavelength_um": "x"}}, "Wavelength is x µm: give"),
    ({"optics": {"colour": 1.0}}, "optics has no colour: give"),
    ({"optics": {"na": 1.3, "condenser_na": 0.3, "wavelength_um": 0.28}}, "the grid of 0.11 µm needs"),
]


@pytest.mark.parametrize(("changes", "said"), BAD)
def test_bad_values_are_refused_in_one_line(changes, said):
    with pytest.raises(InputError) as error:
        View(**changes).checked()
    assert said in str(error.value)


def test_the_sliders_begin_and_are_drawn_within_their_ends():
    for values in (usual(), *(at_random(seed) for seed in range(50))):
        assert values.keys() == OPTICS.keys()
        assert all(OPTICS[name].least <= value <= OPTICS[name].most for name, value in values.items())
        View(optics=values).checked()
    assert at_random(1) == at_random(1) != at_random(2)


OPTICS_DRAWN = st.fixed_dictionaries({name: st.floats(s.least, s.most) for name, s in OPTICS.items()})


@settings(max_examples=50)
@given(values=OPTICS_DRAWN, spread=st.sampled_from(["usual", "none"]), number=st.integers(1, 18))
def test_a_saved_set_is_about_the_values_or_is_refused(values, spread, number):
    view = View(number, optics=values)
    try:
        content = tomllib.loads(otmr_config.text(view, spread=spread))
    except InputError as error:
        assert "wavelength_um" in str(error)  # nothing else can be wrong with what sliders give
        return
    ranges: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content["randomise"].items()}
    drawn = Randomisation(**ranges)
    assert content["robots"] == [number] and content["task"] == ("both" if number in POSES else "depth")
    for name, slider in OPTICS.items():
        if not slider.of:
            low, high = getattr(drawn, name)
            assert low - slider.step <= values[name] <= high + slider.step
            assert spread == "usual" or high - low < 1e-5
    assert drawn.in_plane_deg == (0.0, 360.0)  # it must not tell the pose


def test_a_saved_file_is_what_the_command_takes(tmp_path, capsys):
    path = otmr_config.save(tmp_path / "otmr", "mine", View(8, optics={"na": 1.02}), images_per_sequence=3, sequences=4)
    assert path == tmp_path / "otmr" / "mine.toml"
    assert main(["dataset", "--config", str(path), "--dry-run"]) == 0
    assert "12 images in 4 sequences of 1 robot" in capsys.readouterr().out
    with pytest.raises(InputError, match="is there already: give another name"):
        otmr_config.save(tmp_path / "otmr", "mine", View(8))
    for name in ("", "a b", "../up", ".hidden", "é"):
        with pytest.raises(InputError, match="give letters, digits"):
            otmr_config.save(tmp_path / "otmr", name, View(8))
    with pytest.raises(InputError, match="images per sequence is 0"):
        otmr_config.save(tmp_path / "other", "mine", View(8), images_per_sequence=0)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["mine.toml", "otmr"]

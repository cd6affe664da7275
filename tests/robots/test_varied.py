"""Robots whose sizes are as uncertain as their fits: closed bodies about the catalogue's."""

import numpy as np
import pytest
import trimesh

from microtwin.errors import InputError
from microtwin.robots import varied as module
from microtwin.robots.catalogue import robot
from microtwin.robots.designs import DESIGNS, design
from microtwin.robots.varied import UNFITTED, varied


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def sizes(monkeypatch):
    """What sizes each design was asked for; nothing is built, and with ``refuse`` nothing can be."""

    class Asked(list):
        refuse = False

    asked = Asked()

    class Recipe:
        def __init__(self, number: int) -> None:
            self.sizes = DESIGNS[number].sizes

        def mesh(self, **changes: float):
            asked.append(changes)
            if asked.refuse:
                raise InputError("does not fit")
            return trimesh.creation.box((1, 1, 1))

    monkeypatch.setattr(module, "design", Recipe)
    return asked


@pytest.mark.parametrize("number", sorted(DESIGNS))
def test_a_varied_robot_is_a_closed_body_of_about_its_size(number):
    vertices, faces = varied(number, 1.0, rng(number))
    body = trimesh.Trimesh(vertices, faces)
    assert body.is_watertight and body.is_winding_consistent and body.volume > 0
    mine = np.asarray(robot(number).mesh[0])
    assert vertices.shape != mine.shape or not np.allclose(vertices, mine)
    np.testing.assert_allclose(body.extents, np.ptp(mine, axis=0), rtol=0.35)


@pytest.mark.parametrize("number", [3, 7, 12, 16])
def test_no_spread_is_the_catalogue_s_and_hardly_any_is_nearly_so(number):
    mine = robot(number).mesh
    vertices, faces = varied(number, 0.0, rng())
    np.testing.assert_array_equal(vertices, mine[0])
    np.testing.assert_array_equal(faces, mine[1])
    nearly, _ = varied(number, 1e-6, rng())
    for bound in (np.min, np.max):  # the same origin, axes and unit
        np.testing.assert_allclose(bound(nearly, axis=0), bound(mine[0], axis=0), atol=2e-3)


def test_the_same_generator_makes_the_same_body():
    one, again, other = varied(7, 1.0, rng(3)), varied(7, 1.0, rng(3)), varied(7, 1.0, rng(4))
    np.testing.assert_array_equal(one[0], again[0])
    np.testing.assert_array_equal(one[1], again[1])
    assert np.ptp(one[0]) != np.ptp(other[0])


def test_changes_grow_with_the_spread():
    name = "ball_diameter_um"
    usual = design(7).sizes[name]

    def change(spread: float, seed: int) -> float:
        vertices, _ = varied(7, spread, rng(seed))
        return float(np.ptp(vertices, axis=0).max()) - usual

    for seed in range(4):
        assert change(2.0, seed) == pytest.approx(2 * change(1.0, seed), abs=0.01 * usual)
        assert abs(change(2.0, seed)) > 0.002 * usual


def test_sizes_vary_by_what_the_fit_says_they_are_worth(sizes):
    for seed in range(400):
        varied(3, 0.5, rng(seed))
    drawn = {name: np.array([asked[name] for asked in sizes]) for name in sizes[0]}
    fits = module.tomllib.loads((module.cad_folder() / "fit.toml").read_text(encoding="utf-8"))["robot"]["3"]
    for name, values in drawn.items():
        usual = design_sizes(3)[name]
        sd = 0.5 * (fits[name][1] if name in fits else UNFITTED * usual)
        assert values.mean() == pytest.approx(usual, abs=0.2 * sd)
        assert values.std() == pytest.approx(sd, rel=0.2)
        assert np.abs(values - usual).max() <= 2 * sd * (1 + 1e-9)
    assert {name for name in fits if name in design_sizes(3)} <= set(drawn)


def design_sizes(number: int) -> dict[str, float]:
    return DESIGNS[number].sizes


@pytest.mark.parametrize("number", [11, 16, 17])
def test_counts_are_certain(sizes, number):
    counts = {name for name in design_sizes(number) if not name.endswith(("_um", "_deg"))}
    for seed in range(5):
        varied(number, 1.0, rng(seed))
    assert sizes and not any(counts & set(asked) for asked in sizes)


def test_sizes_that_make_no_body_are_drawn_again_and_then_given_up(sizes):
    sizes.refuse = True
    vertices, _ = varied(4, 1.0, rng())
    np.testing.assert_array_equal(vertices, robot(4).mesh[0])
    assert len(sizes) == module._ATTEMPTS
    assert len({tuple(asked.values()) for asked in sizes}) == len(sizes)  # each time others


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_an_unknown_robot_is_refused(spread):
    with pytest.raises(InputError, match="no robot 19: choose 1 to 18"):
        varied(19, spread, rng())

import math
import os
import sys

import numpy as np
import pytest

from microtwin.episodes import FIELD, Episodes
from microtwin.errors import InputError
from microtwin.recording import Trial
from microtwin.rig import Frame, Observation
from microtwin.run import Recording

minari = pytest.importorskip("minari")
NODES = np.array([[0.0, 0.0], [20.0, 0.0], [40.0, 0.0]])


@pytest.fixture(autouse=True)
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def trial(number: int, frames: int, success: bool) -> Trial:
    rng = np.random.default_rng(number)
    rows = []
    for k in range(frames):
        x = 1 + 38.0 * k / frames
        mode = "push" if k % 3 else "spin_cw"
        values = rng.uniform(-1, 1, 6)
        rows.append((k + 2, k / 24, x - 15 + values[0], values[1], x + 0.1 * values[2], 0.1 * values[3],
                     values[4], abs(values[5]), 12.0 + values[0], 1.0, mode, k // 30))  # fmt: skip
    return Trial.measure(number, Recording(success=success, rows=rows, reason="" if success else "time"), NODES)


def record(name: str, trials: list[Trial], images=None) -> int:
    with Episodes(name, NODES, seed=7, algorithm="corridor", description="a test") as episodes:
        for one in trials:
            for k in range(len(one.table)) if images is not None else []:
                episodes.see(Frame(k, k / 24, images[k]), Observation(k, 0.0, NODES[0], NODES[0]), None)  # type: ignore[arg-type]
            episodes.add(one)
        return episodes.save()


def test_what_is_loaded_is_the_telemetry():
    trials = [trial(0, 50, True), trial(1, 31, False)]
    assert record("push/test-v0", trials) == 2
    dataset = minari.load_dataset("push/test-v0")
    assert dataset.total_episodes == 2 and dataset.total_steps == 49 + 30
    for episode, one in zip(dataset.iterate_episodes(), trials, strict=True):
        table = one.table
        seen, told = episode.observations, episode.infos
        np.testing.assert_array_equal(seen["robot_um"], table[["robot_x_um", "robot_y_um"]])
        np.testing.assert_array_equal(seen["object_um"], table[["object_x_um", "object_y_um"]])
        np.testing.assert_array_equal(seen["time_s"][:, 0], table["time_s"])
        np.testing.assert_array_equal(episode.actions, table[FIELD].iloc[:-1])
        np.testing.assert_array_equal(told["field"], table[FIELD])
        np.testing.assert_array_equal(told["frame"], table["frame"])
        np.testing.assert_array_equal(told["goal_index"], table["goal_index"])
        assert [word.decode() for word in told["mode"]] == table["mode"].tolist()
        # the path is a straight line along x, so progress is the object's own way along it
        np.testing.assert_allclose(episode.rewards, np.diff(table["object_x_um"]), atol=1e-12)
        assert episode.terminations.tolist() == [False] * (len(table) - 2) + [one.success]
        assert episode.truncations.tolist() == [False] * (len(table) - 2) + [not one.success]
    assert [m["options"]["trial"] for m in dataset.storage.get_episode_metadata([0, 1])] == [0, 1]


def test_camera_images_are_not_compressed():
    images = np.random.default_rng(0).integers(0, 256, (20, 33, 47), dtype=np.uint8)
    record("images-v0", [trial(0, 20, True)], images)
    np.testing.assert_array_equal(minari.load_dataset("images-v0")[0].observations["image"], images)


def test_a_name_that_is_taken_is_refused_before_any_work(datasets):
    record("push/test-v0", [trial(0, 10, True)])
    with pytest.raises(InputError, match=r"push/test-v0 is there already: give another name"):
        Episodes("push/test-v0", NODES, seed=0, algorithm="", description="")
    assert minari.load_dataset("push/test-v0").total_episodes == 1


@pytest.mark.parametrize("name", ["noversion", "a b-v0", "", "../up-v0", "-v0"])
def test_a_name_that_minari_does_not_take(name):
    with pytest.raises(InputError, match="give one with a version"):
        Episodes(name, NODES, seed=0, algorithm="", description="")


def test_a_failure_leaves_nothing(datasets):
    with (
        pytest.raises(RuntimeError),
        Episodes("push/test-v0", NODES, seed=0, algorithm="a", description="b") as episodes,
    ):
        episodes.add(trial(0, 10, True))
        raise RuntimeError
    assert not list(datasets.rglob("*"))
    assert os.environ["MINARI_DATASETS_PATH"] == str(datasets)


def test_trials_without_a_step_make_no_dataset(datasets):
    assert record("push/test-v0", [trial(0, 1, False)]) == 0
    assert not (datasets / "push").exists()


def test_without_minari(monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(InputError, match=r"needs minari: pip install 'microtwin\[learn\]'"):
        Episodes("push/test-v0", NODES, seed=0, algorithm="", description="")


def test_rewards_sum_to_the_way_that_was_made():
    one = trial(3, 40, True)
    record("sum-v0", [one])
    way = one.table["object_x_um"].iloc[-1] - one.table["object_x_um"].iloc[0]
    assert math.isclose(minari.load_dataset("sum-v0")[0].rewards.sum(), way, abs_tol=1e-9)

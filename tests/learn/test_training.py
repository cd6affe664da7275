import json
import math
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.cli.assignments import assignments
from microtwin.errors import InputError
from microtwin.learn.schedule import Decay, learning_rate
from microtwin.learn.training import CONFIG, Training


def test_a_budget_is_there_even_if_none_is_asked_for():
    assert Training().minutes == 45.0 and Training().steps is None
    assert Training(steps=100).minutes is None
    assert (Training().envs, Training(algo="sac").envs, Training(algo="sac", envs=4).envs) == (256, 32, 4)


@pytest.mark.parametrize(
    "values",
    [
        {"algo": "dqn"},
        {"task": "dance"},
        {"device": "tpu"},
        {"steps": 10, "minutes": 3.0},
        {"steps": 0},
        {"minutes": -1.0},
        {"minutes": math.nan},
        {"seed": -1},
        {"envs": 0},
        {"evaluations": 0},
        {"episodes": 0},
        {"checkpoint_minutes": 0.0},
        {"options": {"frames_per_action": 2}},
    ],
    ids=str,
)
def test_bad_values(values):
    with pytest.raises(InputError) as error:
        Training(**values)
    assert "\n" not in str(error.value)
    assert str(next(iter(values))) in str(error.value) or "frames_per_action" in str(error.value)


def test_config_comes_back_as_it_was(tmp_path):
    training = Training("tqc", steps=500, seed=3, options={"robot": "population"}, hyper={"net_arch": [8, 8]})
    training.save(tmp_path, {"microtwin": "0"})
    assert Training.of(tmp_path) == training
    kept = json.loads((tmp_path / CONFIG).read_text())
    assert kept["command"] == training.command and kept["versions"] == {"microtwin": "0"}
    assert Training.of(tmp_path).extended(None, 2.0).minutes == 2.0
    assert Training.of(tmp_path).extended(900, None).steps == 900
    assert Training.of(tmp_path).extended(None, None) == training


@pytest.mark.parametrize("text", ["", "[]", '{"algo": "ppo"}', "{"])
def test_a_config_that_cannot_be_read(tmp_path, text):
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(InputError, match="cannot read"):
        Training.of(tmp_path)


def test_a_folder_without_a_training(tmp_path):
    with pytest.raises(InputError, match="no training in"):
        Training.of(tmp_path)


def test_assignments_read_json_and_text():
    words = ("gamma=0.98", "net_arch=[64,64]", "learning-rate=lin_1e-3", "on=True", "none=null")
    assert assignments(words, "--hyper") == {
        "gamma": 0.98,
        "net_arch": [64, 64],
        "learning_rate": "lin_1e-3",
        "on": True,
        "none": None,
    }


@pytest.mark.parametrize("words", [("gamma",), ("=3",), ("a=1", "a=2")])
def test_bad_assignments(words):
    with pytest.raises(InputError, match="--hyper"):
        assignments(words, "--hyper")


@given(st.dictionaries(st.sampled_from(["latency_frames", "objects", "error_scale_um"]), st.integers(0, 9)))
def test_command_names_every_option(options):
    command = shlex.split(Training(steps=5, options={"robot": "paper", "residual": False, **options}).command)
    assert command[command.index("--robot") + 1] == "paper" and "--no-residual" in command
    words = command[command.index("--options") + 1 :] if options else []
    assert assignments(tuple(words), "--options") == options


def test_a_learning_rate_that_falls_follows_the_budget():
    rate = learning_rate("lin_0.002")
    assert isinstance(rate, Decay)
    assert rate(0.0) == 0.002
    rate.left = 0.25
    assert rate(1.0) == pytest.approx(0.0005)
    rate.left = -0.1  # the budget is overshot
    assert rate(1.0) == 0.0
    assert learning_rate(1) == 1.0
    for text in ("fast", "lin_fast"):
        with pytest.raises(ValueError):
            learning_rate(text)

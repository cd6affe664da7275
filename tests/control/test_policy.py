import io
import json
import math
import zipfile
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import microtwin
from microtwin.control import Steering, policy_file
from microtwin.control.path_task import PathTask
from microtwin.control.policy import Policy, load
from microtwin.control.policy_file import ABOUT, ACTOR, FORMAT, Actor, read
from microtwin.control.steering import Law
from microtwin.errors import InputError
from microtwin.paths import circle
from microtwin.rig import Observation

NODES = circle()


def zeros(task: PathTask) -> Actor:
    shape = (task.action_size, task.observation_size)
    return Actor((np.zeros(shape, np.float32),), (np.zeros(shape[0], np.float32),))


def write(path, task: PathTask | None = None, actor: Actor | None = None, layers=None, **changes: Any):
    """A policy file without what Stable-Baselines3 puts in."""
    task = task or PathTask()
    actor = actor or zeros(task)
    about = {"format": FORMAT, "microtwin": microtwin.__version__, "layout": task.layout, "task": asdict(task),
             "activation": actor.activation, "squash": actor.squash, **changes.pop("about", {}), **changes}  # fmt: skip
    buffer = io.BytesIO()
    named = {f"w{k}": w for k, w in enumerate(actor.weights)} | {f"b{k}": b for k, b in enumerate(actor.biases)}
    np.savez(buffer, **(named if layers is None else layers))  # type: ignore[arg-type]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ABOUT, json.dumps(about))
        archive.writestr(ACTOR, buffer.getvalue())
    return path


def frames(count: int, rng: np.random.Generator):
    """A robot that comes from in front of the object, goes round it and follows it along the circle, with noise."""
    centre = NODES.mean(axis=0)
    radius = math.dist(NODES[0], centre)
    start = math.atan2(*(NODES[0] - centre)[::-1])
    (a, b), (c, d) = NODES[0] - centre, NODES[1] - NODES[0]
    turn = math.copysign(1.0, a * d - b * c)
    for k in range(count):
        along = start + turn * max(0, k - 40) * 0.8 / radius
        cargo = centre + radius * np.array([math.cos(along), math.sin(along)])
        behind = along + turn * (math.pi / 2 + math.pi * max(0.0, 1 - k / 40))
        away = 26.0 - 12.0 * min(1.0, k / 40)
        robot = cargo - away * np.array([math.cos(behind), math.sin(behind)])
        noise = 0.05 * rng.standard_normal((2, 2))
        yield Observation(k, k / 24, robot + noise[0], cargo + noise[1])


def test_a_residual_policy_that_corrects_nothing_is_steering():
    law = Law(cruise_hz=14.0, delay_frames=2)
    task = PathTask(law=law)
    policy, steering = Policy(NODES, zeros(task), task), Steering(NODES, law)
    modes = set()
    for seen in frames(300, np.random.default_rng(0)):
        ours, theirs = policy.act(seen), steering.act(seen)
        assert math.remainder(ours.alpha_rad - theirs.alpha_rad, 2 * math.pi) == pytest.approx(0.0, abs=1e-9)
        assert ours.gamma_rad == pytest.approx(theirs.gamma_rad)
        assert ours.frequency_hz == pytest.approx(theirs.frequency_hz)
        assert (policy.mode, policy.goal_index) == (steering.mode, steering.goal_index)
        modes.add(policy.mode)
    assert modes == {"approach", "push"}


def test_it_ends_at_the_last_node():
    nodes = np.array([[0.0, 0.0], [20.0, 0.0]])
    task = PathTask()
    policy = Policy(nodes, zeros(task), task)
    policy.act(Observation(0, 0.0, np.array([-14.0, 0.0]), np.array([0.0, 0.0])))
    assert not policy.done
    field = policy.act(Observation(1, 0.1, np.array([4.0, 0.0]), np.array([19.0, 0.0])))
    assert policy.done and policy.mode == "done" and field.amplitude == 0.0
    assert policy.act(Observation(2, 0.2, np.array([4.0, 0.0]), np.array([19.0, 0.0]))).amplitude == 0.0


@pytest.mark.parametrize(("spin", "mode"), [(1.0, "spin_ccw"), (-1.0, "spin_cw"), (0.4, "push"), (-0.8, "spin_cw")])
def test_mode_says_whether_it_rolls_or_spins(spin, mode):
    task = PathTask(residual=False)
    policy = Policy(NODES, lambda _: np.array([1.0, 0.0, spin, 0.0]), task)
    *_, last = frames(60, np.random.default_rng(0))
    field = policy.act(last)
    assert policy.mode == mode
    assert math.cos(field.gamma_rad) == pytest.approx(spin)
    assert field.frequency_hz == pytest.approx(30.0)  # half of the limit


def test_an_object_far_away_is_approached_again():
    task = PathTask()
    policy = Policy(NODES, zeros(task), task)
    *_, last = frames(60, np.random.default_rng(0))
    policy.act(last)
    assert policy.mode == "push"
    policy.act(Observation(61, 61 / 24, last.object_um + [0.0, 45.0], last.object_um))
    assert policy.mode == "approach"


small = st.floats(-2, 2, width=32)


@settings(max_examples=40)
@given(arrays(np.float32, (5, 4), elements=small), arrays(np.float32, (2, 5), elements=small),
       arrays(np.float32, 4, elements=small), st.sampled_from(["tanh", "relu", "none"]),
       st.sampled_from(["tanh", "clip"]))  # fmt: skip
def test_actor_is_the_network(first, last, seen, activation, squash):
    actor = Actor((first, last), (np.ones(5, np.float32), np.zeros(2, np.float32)), activation, squash)
    x = [sum(first[i, j] * seen[j] for j in range(4)) + 1.0 for i in range(5)]
    x = [{"tanh": math.tanh, "relu": lambda v: max(v, 0.0), "none": lambda v: v}[activation](v) for v in x]
    x = [sum(last[i, j] * x[j] for j in range(5)) for i in range(2)]
    x = [math.tanh(v) if squash == "tanh" else min(1.0, max(-1.0, v)) for v in x]
    np.testing.assert_allclose(actor(seen), x, atol=1e-4)


def test_a_file_comes_back_as_it_was(tmp_path):
    rng = np.random.default_rng(0)
    task = PathTask(residual=False, limit_hz=40.0, others=2, law=Law(cruise_hz=9.0, delay_frames=3))
    sizes = [task.observation_size, 8, task.action_size]
    weights = tuple(rng.standard_normal((b, a)).astype(np.float32) for a, b in pairwise(sizes))
    biases = tuple(rng.standard_normal(n).astype(np.float32) for n in sizes[1:])
    actor, found, about = read(write(tmp_path / "p.zip", task, Actor(weights, biases, "relu", "tanh"), note="hello"))
    assert found == task and about["note"] == "hello"
    for ours, theirs in zip((*actor.weights, *actor.biases), (*weights, *biases), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (actor.activation, actor.squash) == ("relu", "tanh")


def test_limit_and_latency_of_the_rig_it_runs_on(tmp_path):
    file = write(tmp_path / "p.zip", PathTask(limit_hz=40.0))
    policy = load(file, NODES, limit_hz=10.0, delay_frames=4)
    assert policy.task.limit_hz == 10.0 and policy.task.law.delay_frames == 4
    fastest = max(policy.act(seen).frequency_hz for seen in frames(100, np.random.default_rng(0)))
    assert fastest == pytest.approx(10.0)
    for limit in (50.0, 0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="frequency is"):
            load(file, NODES, limit_hz=limit)


def test_the_policy_that_comes_with_the_package(tmp_path, monkeypatch):
    file = write(tmp_path / "push.zip", PathTask(limit_hz=33.0))
    monkeypatch.setattr(policy_file, "shipped", lambda: file)
    assert load("policy", NODES).task.limit_hz == 33.0
    file.unlink()
    assert "no policy comes with this installation" in refused("policy")


def refused(path) -> str:
    with pytest.raises(InputError) as error:
        load(path, NODES)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_not_a_policy(tmp_path):
    assert "no policy file" in refused(tmp_path / "none.zip")
    text = tmp_path / "text.zip"
    text.write_text("hello")
    assert "text.zip is not a policy" in refused(text)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("data", "{}")
    assert "microtwin.json" in refused(tmp_path / "other.zip")
    with zipfile.ZipFile(tmp_path / "half.zip", "w") as archive:
        archive.writestr(ABOUT, json.dumps({"format": FORMAT}))
    assert "actor.npz" in refused(tmp_path / "half.zip")
    assert "format is something" in refused(write(tmp_path / "f.zip", format="something"))
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as archive:
        archive.writestr(ABOUT, "[1]")
    assert "is not a policy" in refused(tmp_path / "list.zip")


def test_a_policy_of_another_layout_or_version_names_both(tmp_path):
    for name, changes in {
        "layout": {"layout": "path-residual/0"},
        "format": {"format": "microtwin-policy/9"},
        "field": {"about": {"task": {**asdict(PathTask()), "colour": 1}}},
        "law": {"about": {"task": {**asdict(PathTask()), "law": {"speed": 1.0}}}},
        "sizes": {"about": {"task": asdict(PathTask(others=3))}},
        "layers": {"layers": {}},
        "activation": {"activation": "elu"},
    }.items():
        said = refused(write(tmp_path / f"{name}.zip", microtwin="0.0.7", **changes))
        assert "made by microtwin 0.0.7" in said and f"this is microtwin {microtwin.__version__}" in said
        assert "train again with this version or install microtwin 0.0.7" in said
    assert "path-residual/0" in refused(tmp_path / "layout.zip")


def test_a_policy_that_wants_to_be_told_of_others(tmp_path):
    assert "expects to be told of 2 other bodies" in refused(write(tmp_path / "others.zip", PathTask(others=2)))


@pytest.mark.parametrize(
    "layers",
    [
        {"b0": np.zeros(7)},
        {"w1": np.zeros((3, 9))},
        {"w1": np.zeros(3), "b1": np.zeros(3)},
        {"w0": np.full((8, 31), np.nan)},
        {"w0": np.array("text")},
    ],
)
def test_layers_that_do_not_fit_are_refused_before_anything_moves(tmp_path, layers):
    good = {"w0": np.zeros((8, 31)), "b0": np.zeros(8), "w1": np.zeros((3, 8)), "b1": np.zeros(3)}
    load(write(tmp_path / "good.zip", layers=good), NODES)
    said = refused(write(tmp_path / "bad.zip", layers=good | layers))
    assert "do not fit together" in said or "train again" in said


def test_a_policy_that_follows_no_path(tmp_path):
    file = write(tmp_path / "goal.zip", about={"task": {"others": 0}, "layout": "goal/1"})
    assert "trained on goal/1, not on paths: train one with --task path" in refused(file)


@pytest.mark.parametrize("options", [{"frame_rate_hz": 0.0}, {"approach_um": math.nan}])
def test_bad_numbers(options):
    with pytest.raises(InputError, match="give a positive number"):
        Policy(NODES, zeros(PathTask()), PathTask(), **options)


def test_bad_nodes():
    with pytest.raises(InputError, match="at least two nodes"):
        Policy(NODES[:1], zeros(PathTask()), PathTask())

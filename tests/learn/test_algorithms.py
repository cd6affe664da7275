import numpy as np
import pytest
import torch

from microtwin.control.path_task import PathTask
from microtwin.control.policy_file import read
from microtwin.errors import InputError
from microtwin.learn import algorithms, export
from microtwin.learn.training import ALGORITHMS, Training

SEEN = np.random.default_rng(0).uniform(-3, 3, (20, 31)).astype(np.float32)
SMALL = {"net_arch": [12, 7], "buffer_size": 100}


def training(algo, **options):
    hyper = {k: v for k, v in SMALL.items() if k != "buffer_size" or algo not in ("ppo", "a2c", "trpo")}
    return Training(algo, steps=100, options=options, hyper=hyper)


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_a_residual_policy_starts_as_the_controller_it_corrects(algo, still):
    model = algorithms.create(training(algo, residual=True), still)
    assert np.abs(model.predict(SEEN, deterministic=True)[0]).max() < 0.05
    free = algorithms.create(training(algo, residual=False), still)
    if algo not in ("ppo", "a2c", "trpo"):  # these start near zero by themselves
        assert np.abs(free.predict(SEEN, deterministic=True)[0]).max() > 0.05


@pytest.mark.parametrize("algo", ALGORITHMS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_exported_actor_does_what_the_model_does(algo, activation, still, tmp_path):
    asked = training(algo)
    asked.hyper["activation"] = activation
    model = algorithms.create(asked, still)
    with torch.no_grad():  # as after a training: weights, and CrossQ's running statistics, that are not the first ones
        for tensor in model.policy.state_dict().values():
            if tensor.dtype == torch.float32:
                tensor.add_(0.3 * torch.rand_like(tensor))
    export.save(tmp_path / "p.zip", model, asked, PathTask(), {"steps": 3})
    actor, task, about = read(tmp_path / "p.zip")
    assert task == PathTask() and about["training"]["algo"] == algo and about["steps"] == 3
    wanted = model.predict(SEEN, deterministic=True)[0]
    assert np.ptp(wanted) > 0.1
    np.testing.assert_allclose([actor(seen) for seen in SEEN], wanted, atol=2e-5)
    again = algorithms.CLASSES[algo].load(tmp_path / "p.zip", device="cpu")
    np.testing.assert_allclose(again.predict(SEEN, deterministic=True)[0], wanted, atol=1e-6)


def test_hyperparameters_are_the_defaults_and_one_s_own(still):
    asked = Training("ppo", steps=100, hyper={"gamma": 0.9, "log_std_init": -2.0})
    values = algorithms.hyperparameters(asked)
    assert values["gamma"] == 0.9 and values["n_epochs"] == algorithms.OWN["ppo"]["n_epochs"]
    model = algorithms.create(asked, still)
    assert model.gamma == 0.9  # type: ignore[attr-defined]
    assert torch.all(model.policy.log_std == -2.0)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("algo", "hyper", "said"),
    [
        ("ppo", {"tau": 0.1}, "tau is not one of ppo"),
        ("ppo", {"seed": 1}, "seed is not one of ppo"),
        ("td3", {"log_std_init": -1}, "log_std_init is not one of td3"),
        ("sac", {"n_sampled_goal": 4}, "n_sampled_goal is not one of sac"),
        ("ppo", {"activation": "elu"}, "activation is 'elu': choose tanh or relu"),
        ("ppo", {"learning_rate": "fast"}, "lin_"),
        ("ppo", {"net_arch": "wide"}, "refuses its hyperparameters"),
        ("ppo", {"n_steps": "many"}, "n_steps is 'many': give a whole number, by default it is 64"),
        ("ppo", {"n_steps": 1.5}, "n_steps is 1.5: give a whole number"),
        ("ppo", {"gamma": "high"}, "gamma is 'high': give a number, by default it is 0.98"),
        ("ppo", {"gamma": None}, "gamma is None: give a number"),
        ("sac", {"tau": float("nan")}, "tau is nan: give a number"),
        ("ppo", {"normalize_advantage": 3}, "normalize_advantage is 3: give true or false"),
        ("ppo", {"target_kl": "small"}, "target_kl is 'small': give a number"),
        ("sac", {"ent_coef": "much"}, "refuses its hyperparameters"),
        ("ppo", {"activation": [1]}, r"activation is \[1\]: choose tanh or relu"),
        ("ppo", {"rollout_buffer_class": "x"}, "rollout_buffer_class is not one of ppo"),
    ],
)
def test_bad_hyperparameters(algo, hyper, said, still):
    with pytest.raises(InputError, match=said) as error:
        algorithms.create(Training(algo, steps=100, hyper=hyper), still)
    assert "\n" not in str(error.value)


def test_hyperparameters_of_the_kinds_that_sb3_takes(still):
    asked = Training("sac", steps=100, hyper={"buffer_size": 1e3, "ent_coef": "auto_0.1", "gamma": 1, "net_arch": []})
    values = algorithms.hyperparameters(asked)
    assert values["buffer_size"] == 1000 and isinstance(values["buffer_size"], int)
    algorithms.create(asked, still)
    algorithms.create(Training("ppo", steps=100, hyper={"target_kl": None, "net_arch": {"pi": [4], "vf": [8]}}), still)


def test_a_device_that_is_not_there(still, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="choose cpu"):
        algorithms.create(Training(device="cuda", steps=10), still)
    assert algorithms.device(Training("sac", device="auto")) == "cpu"


def test_a_gpu_is_taken_where_it_helps(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert algorithms.device(Training("sac")) == "cuda" and algorithms.device(Training("ppo")) == "cpu"
    assert algorithms.device(Training("ppo", device="cuda")) == "cuda"

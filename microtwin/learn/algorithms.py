"""The algorithms and their defaults here: for hundreds of environments in parallel and small networks on a CPU."""

import inspect
import math
from typing import Any

import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from microtwin.errors import InputError
from microtwin.learn.schedule import learning_rate
from microtwin.learn.training import Training
from microtwin.learn.vec_env import VecEnvAdapter
from microtwin.simulated import FRAME_RATE_HZ

CLASSES: dict[str, type[BaseAlgorithm]] = {
    "ppo": stable_baselines3.PPO,
    "a2c": stable_baselines3.A2C,
    "sac": stable_baselines3.SAC,
    "td3": stable_baselines3.TD3,
    "ddpg": stable_baselines3.DDPG,
    "tqc": sb3_contrib.TQC,
    "trpo": sb3_contrib.TRPO,
    "crossq": sb3_contrib.CrossQ,
}
ACTIVATIONS = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
OF_POLICY = ("net_arch", "activation", "log_std_init")  # hyperparameters that SB3 takes as policy_kwargs
OF_HER = ("n_sampled_goal", "goal_selection_strategy")
OURS = ("policy", "env", "seed", "device", "verbose", "tensorboard_log", "policy_kwargs", "replay_buffer_class",
        "replay_buffer_kwargs", "rollout_buffer_class", "rollout_buffer_kwargs", "action_noise", "use_sde",
        "use_sde_at_warmup", "sde_sample_freq")  # fmt: skip
CHECKED_BY_SB3 = ("learning_rate", "train_freq", "net_arch", "activation")  # or below: they are not just numbers
NEAR_ZERO = 0.01  # the share of its usual size that the last layer of a residual policy starts with

ON_POLICY = {"gamma": 0.98, "gae_lambda": 0.95, "net_arch": [64, 64], "activation": "tanh", "log_std_init": -1.2}
OFF_POLICY = {"gamma": 0.98, "learning_rate": 5e-4, "batch_size": 512, "buffer_size": 300_000, "train_freq": 1,
              "gradient_steps": 8, "learning_starts": 10_000, "net_arch": [128, 128], "activation": "relu"}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 64, "batch_size": 4096, "n_epochs": 6, "learning_rate": "lin_7e-4", "ent_coef": 0.0},
    "a2c": {"n_steps": 16, "learning_rate": 7e-4},
    "trpo": {"n_steps": 64, "batch_size": 4096, "learning_rate": 1e-3},
    "sac": {"tau": 0.01, "log_std_init": -1.0},
    "tqc": {"tau": 0.01, "log_std_init": -1.0},
    "td3": {"tau": 0.01, "noise_std": 0.1},
    "ddpg": {"tau": 0.01, "noise_std": 0.1},
    "crossq": {"log_std_init": -1.0},
}
# RL Zoo's recipe for FetchPush, with networks and batches that a CPU is quick enough for (there: 3 × 512, 2048)
GOAL = {"gamma": 0.95, "learning_rate": 1e-3, "batch_size": 512, "buffer_size": 1_000_000, "tau": 0.05,
        "net_arch": [256, 256], "n_sampled_goal": 4, "goal_selection_strategy": "future"}  # fmt: skip


def hyperparameters(training: Training) -> dict[str, Any]:
    """Every hyperparameter that is set, defaults and the training's own.

    Raises:
        InputError: one that the algorithm does not have, or of another kind than its default.
    """
    defaults = {**(ON_POLICY if training.on_policy else OFF_POLICY), **OWN[training.algo]}
    if training.task == "goal" and not training.on_policy:
        defaults |= GOAL
    parameters = inspect.signature(CLASSES[training.algo].__init__).parameters
    known = (set(parameters) - {"self", "_init_setup_model", *OURS}) | {"net_arch", "activation"}
    known |= set(OWN[training.algo]) | (set(ON_POLICY) if training.on_policy else set())
    if training.task == "goal" and not training.on_policy:
        known |= set(OF_HER)
    for name in training.hyper:
        if name not in known:
            raise InputError(f"hyperparameter {name} is not one of {training.algo}: choose {', '.join(sorted(known))}")
    given = {}
    for name, value in training.hyper.items():
        default = defaults[name] if name in defaults else getattr(parameters.get(name), "default", None)
        given[name] = value if name in CHECKED_BY_SB3 else _of_kind(name, value, default)
    return {name: value for name, value in defaults.items() if name in known} | given


def _of_kind(name: str, value: Any, default: Any) -> Any:
    """A hyperparameter as its default is: SB3 itself would fail in the middle of a training."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(default, bool):
        fits, kind = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        fits, kind = number and float(value).is_integer(), "a whole number"
        value = int(value) if fits else value  # 1e6 is one
    elif isinstance(default, float):
        fits, kind = number, "a number"
    else:  # SB3 takes a text or null here too, and checks texts itself
        fits, kind = number or type(value) is type(default), "a number"
    if not fits:
        raise InputError(f"hyperparameter {name} is {value!r}: give {kind}, by default it is {default}")
    return value


def create(training: Training, env: VecEnvAdapter) -> BaseAlgorithm:
    """A new model. One whose actions correct a hand-written controller starts almost as that controller.

    Raises:
        InputError: hyperparameters or observations that the algorithm does not take, a device that is not there.
    """
    values = hyperparameters(training)
    policy: dict[str, Any] = {name: values.pop(name) for name in OF_POLICY if name in values}
    activation = policy.pop("activation")
    if not (isinstance(activation, str) and activation in ACTIVATIONS):
        raise InputError(f"activation is {activation!r}: choose {' or '.join(ACTIVATIONS)}")
    policy["activation_fn"] = ACTIVATIONS[activation]
    kind = "MultiInputPolicy" if isinstance(env.observation_space, spaces.Dict) else "MlpPolicy"
    cls = CLASSES[training.algo]
    if kind not in cls.policy_aliases:
        raise InputError(f"algo is {training.algo!r} with goals: choose ppo, sac, td3 or tqc, it takes no goals")
    try:
        _fit(values, training, env)
        model = cls(kind, env, policy_kwargs=policy, seed=training.seed, device=device(training), **values)
    except (TypeError, ValueError, AssertionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{training.algo} refuses its hyperparameters ({error}): change --hyper") from None
    if training.options.get("residual"):
        _start_near_zero(model)
    return model


def _fit(values: dict[str, Any], training: Training, env: VecEnvAdapter) -> None:
    """Hyperparameters as SB3's constructors take them, the defaults no larger than a short training has room for."""
    own, least = training.hyper, 0
    values["learning_rate"] = learning_rate(values.get("learning_rate", 3e-4))
    if isinstance(env.observation_space, spaces.Dict) and not training.on_policy:
        values["replay_buffer_class"] = HerReplayBuffer
        values["replay_buffer_kwargs"] = {name: values.pop(name) for name in OF_HER}
        (options,) = env.get_attr("options", indices=[0])
        longest = math.ceil(options.limit_s() * FRAME_RATE_HZ / options.frames_per_action) + 1
        least = longest * env.num_envs  # HER samples from episodes that are over
    if "noise_std" in values:
        count = int(np.prod(env.action_space.shape or ()))
        values["action_noise"] = NormalActionNoise(np.zeros(count), np.full(count, float(values.pop("noise_std"))))
    if "n_steps" in values and "batch_size" in values and "batch_size" not in own:
        values["batch_size"] = min(values["batch_size"], values["n_steps"] * env.num_envs)
    if "learning_starts" in values and "learning_starts" not in own and training.steps is not None:
        values["learning_starts"] = min(values["learning_starts"], training.steps // 4)
    if least:
        values["learning_starts"] = max(values["learning_starts"], least)


def device(training: Training) -> str:
    """Where to train. ``auto`` is the CPU for algorithms that gain nothing from a GPU.

    Raises:
        InputError: CUDA is asked for and not there.
    """
    there = torch.cuda.is_available()
    if training.device == "cuda" and not there:
        raise InputError("device is 'cuda', and PyTorch finds none here: choose cpu, or install a build for CUDA")
    if training.device == "auto":
        return "cuda" if there and not training.on_policy else "cpu"
    return training.device


def _start_near_zero(model: BaseAlgorithm) -> None:
    policy: Any = model.policy
    if not isinstance(model, OffPolicyAlgorithm):
        last = policy.action_net  # SB3 starts it near zero itself, but for its bias
        last.bias.data.zero_()
        return
    actors = [policy.actor] + ([policy.actor_target] if hasattr(policy, "actor_target") else [])
    for actor in actors:
        layers = [m for m in actor.mu.modules() if isinstance(m, torch.nn.Linear)]
        layers[-1].weight.data.mul_(NEAR_ZERO)
        layers[-1].bias.data.zero_()

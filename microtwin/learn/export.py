"""Writes ``policy.zip``: SB3's file with microtwin.json and the actor's layers as plain arrays.

What reads it is :mod:`microtwin.control.policy_file`, which says what is in it.
"""

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import nn

import microtwin
from microtwin import files
from microtwin.control.policy_file import ABOUT, ACTOR, FORMAT, Actor
from microtwin.learn.training import Training

NOT_KEPT = ("_last_obs", "_last_original_obs", "_last_episode_starts", "ep_info_buffer", "ep_success_buffer")
OF_TRAINING = ("replay_buffer_class", "replay_buffer_kwargs")  # with HER's, SB3 loads nothing without environments
NAMES = {nn.Tanh: "tanh", nn.ReLU: "relu"}


def actor_of(model: BaseAlgorithm) -> Actor:
    """The deterministic action of a model, normalisation layers folded into the weights that follow them."""
    policy: Any = model.policy
    if isinstance(model, OffPolicyAlgorithm):
        latent = getattr(policy.actor, "latent_pi", nn.Sequential())
        modules = [*latent, *(policy.actor.mu if isinstance(policy.actor.mu, nn.Sequential) else [policy.actor.mu])]
        squash = "tanh"
        modules = modules[:-1] if isinstance(modules[-1], nn.Tanh) else modules
    else:
        modules, squash = [*policy.mlp_extractor.policy_net, policy.action_net], "clip"
    weights, biases, activation = [], [], "none"
    scale: Any = 1.0
    shift: Any = 0.0
    for module in modules:
        if isinstance(module, nn.Linear):
            weight, bias = _array(module.weight), _array(module.bias)
            weights.append((weight * scale).astype(np.float32))
            biases.append((bias + weight @ np.broadcast_to(shift, weight.shape[1])).astype(np.float32))
            scale, shift = 1.0, 0.0
        elif type(module) in NAMES:
            activation = NAMES[type(module)]
        else:  # CrossQ's BatchRenorm1d: (x − mean)/√(var + ε)·scale + bias with the running statistics
            norm: Any = module
            scale = _array(norm.scale) / np.sqrt(_array(norm.ra_var) + norm.eps)
            shift = _array(norm.bias) - scale * _array(norm.ra_mean)
    return Actor(tuple(weights), tuple(biases), activation, squash)


def save(path: Path, model: BaseAlgorithm, training: Training, task: Any, facts: dict[str, Any] | None = None) -> None:
    """Write a policy, whole or not at all. ``task`` is its PathTask or GoalTask; ``facts`` are kept with it."""
    actor = actor_of(model)
    about = {
        "format": FORMAT,
        "microtwin": microtwin.__version__,
        "layout": task.layout,
        "task": asdict(task),
        "activation": actor.activation,
        "squash": actor.squash,
        "training": asdict(training),
        **(facts or {}),
    }
    layers = {f"w{k}": w for k, w in enumerate(actor.weights)} | {f"b{k}": b for k, b in enumerate(actor.biases)}
    arrays = io.BytesIO()
    np.savez(arrays, **layers)  # type: ignore[arg-type]
    with files.whole(path) as temporary:
        model.save(temporary, exclude=[*NOT_KEPT, *OF_TRAINING])
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(ABOUT, json.dumps(about, indent=2))
            archive.writestr(ACTOR, arrays.getvalue())


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(float)

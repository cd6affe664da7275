"""Table I of the OTMR paper: the networks and trainings among which a search chooses, and the memory that one needs.

``num_conv`` blocks of one convolution with ``num_filters`` channels each, a layer of ``fc_dim`` neurons, dropout before
the outputs. Few blocks leave a wide picture to the fully connected layer: one block of 256 filters and 1024 neurons is
3.3 thousand million weights at 224 × 224, so what does not fit is known before it is built.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from microtwin.perception import networks
from microtwin.perception.cost import cost

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

NUM_CONV = (1, 9)
NUM_FILTERS = (16, 256)
FC_DIM = (64, 1024)
DROPOUT = (0.0, 0.5)
LEARNING_RATE = (1e-5, 1e-2)  # on a logarithmic scale
BATCHES = (8, 16, 32, 64)
NAMES = ("num_conv", "num_filters", "fc_dim", "dropout_rate", "use_bn", "learning_rate", "batch_size")

_COPIES = 4  # of every weight: itself, its gradient, Adam's two moments
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Choice:
    """One point of Table I's space; ``options`` are those of the network."""

    num_conv: int
    num_filters: int
    fc_dim: int
    dropout_rate: float
    use_bn: bool
    learning_rate: float
    batch_size: int

    @property
    def options(self) -> dict[str, Any]:
        return {
            "num_conv": self.num_conv,
            "num_filters": self.num_filters,
            "fc_dim": self.fc_dim,
            "dropout": self.dropout_rate,
            "batch_norm": self.use_bn,
        }


@dataclass(frozen=True)
class Need:
    """What one choice takes: weights; multiply-accumulate operations of an image, as the paper counts GFLOPs; and
    bytes of memory while it is trained, at least."""

    params: int
    macs: int
    memory_bytes: int


# Table V: what the paper's searches found
PAPER = {
    "pose": Choice(3, 142, 299, 0.2, True, 1.4e-4, 8),
    "depth": Choice(5, 100, 493, 0.31, True, 4.8e-4, 32),
}


def suggest(trial: "BaseTrial") -> Choice:
    """Draw one point of the space for a trial of Optuna."""
    return Choice(
        trial.suggest_int("num_conv", *NUM_CONV),
        trial.suggest_int("num_filters", *NUM_FILTERS),
        trial.suggest_int("fc_dim", *FC_DIM),
        trial.suggest_float("dropout_rate", *DROPOUT),
        bool(trial.suggest_categorical("use_bn", (True, False))),
        trial.suggest_float("learning_rate", *LEARNING_RATE, log=True),
        int(trial.suggest_categorical("batch_size", BATCHES)),
    )


def network(kind: str) -> str:
    """Name of the network family that a search for ``pose`` or ``depth`` is over."""
    return f"nas_{kind}"


def need(kind: str, choice: Choice, n_outputs: int, size: int) -> Need:
    """Weights with their gradients and Adam's moments, and every layer's values of one batch; nothing is allocated."""
    values = 0

    def count(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        nonlocal values
        values += output.numel()

    with torch.device("meta"):
        model = networks.build(network(kind), n_outputs, size=size, options=choice.options)
        hooks = [m.register_forward_hook(count) for m in model.modules() if not any(m.children())]
        model(torch.zeros(2, 1, size, size))  # batch normalisation needs two
        for hook in hooks:
            hook.remove()
    counted = cost(model, size)
    values_bytes = _FLOAT_BYTES * choice.batch_size * values // 2
    return Need(counted.params, counted.published_macs, _FLOAT_BYTES * _COPIES * counted.params + values_bytes)

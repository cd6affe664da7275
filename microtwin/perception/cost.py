"""What a network costs: parameters, multiply-accumulate operations, and images per second on the machine at hand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
LAYERS = ("convolution", "_convolution", "addmm", "mm", "linear")  # the rest are products of activations: attention
RUNS = 5  # of a throughput measurement; the median is told


@dataclass(frozen=True)
class Cost:
    """Of one image.

    Args:
        params: trained numbers.
        macs: multiply-accumulate operations of convolutions, dense layers and attention.
        attention_macs: those of them between activations (queries by keys, weights by values).
        normalised: elements that batch or layer normalisation goes over.
    """

    params: int
    macs: int
    attention_macs: int
    normalised: int

    @property
    def published_macs(self) -> int:
        """As Table III of the OTMR paper counts ("GFLOPs"), and the package thop with it.

        The products inside attention are left out, and each normalised element counts as four operations: with that
        every cell of the table comes out to its last digit.
        """
        return self.macs - self.attention_macs + 4 * self.normalised


def cost(model: nn.Module, size: int) -> Cost:
    """Count by passing one grey image of ``size`` pixels; a model on the meta device computes nothing for it."""
    images = torch.zeros(1, 1, size, size, device=_device(model))
    normalised = 0

    def count(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        nonlocal normalised
        normalised += made.numel()

    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, NORMALISATIONS)]
    try:
        # The counter does not see into attention that is one fused operator.
        with _evaluation(model), _unfused(), torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    operations = {
        str(operator).split(".")[-1]: flops // 2 for operator, flops in counter.get_flop_counts()["Global"].items()
    }
    macs = sum(operations.values())
    return Cost(
        params=sum(parameter.numel() for parameter in model.parameters()),
        macs=macs,
        attention_macs=macs - sum(operations.get(layer, 0) for layer in LAYERS),
        normalised=normalised,
    )


def throughput(model: nn.Module, size: int, batch: int, seconds: float = 1.0) -> float:
    """Images per second in inference, from image tensors on the model's device; the median of several runs.

    Args:
        model: on the device and in the precision to be measured.
        size: side of the images in pixels.
        batch: images at a time.
        seconds: of all runs together; each passes one batch at least.
    """
    parameter = next(model.parameters())
    images = torch.randn(batch, 1, size, size, device=parameter.device, dtype=parameter.dtype)
    rates = []
    with _evaluation(model), torch.inference_mode():
        for run in range(1 + RUNS):  # the first warms up: memory, kernels, clocks
            _wait(parameter.device)
            start, batches, passed = time.perf_counter(), 0, 0.0
            while not batches or passed < seconds / RUNS:
                model(images)
                _wait(parameter.device)
                batches += 1
                passed = time.perf_counter() - start
            if run:
                rates.append(batches * batch / passed)
    return float(np.median(rates))


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _evaluation(model: nn.Module) -> Iterator[None]:
    """Inference mode of dropout and batch normalisation; each module's own mode comes back after."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _unfused() -> Iterator[None]:
    """Attention by its matrix products, one by one."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)

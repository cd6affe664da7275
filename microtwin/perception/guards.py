"""What a training is done under: the same numbers every time, and one line when the memory does not suffice."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from microtwin.errors import InputError
from microtwin.perception.training import Training


class TrainingFailed(InputError):
    """A training that failed by its own settings: another learning rate, batch or network may not."""


_WORDS = ("out of memory", "can't allocate memory", "not enough memory")  # of CUDA, and of torch on a processor


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """The same numbers every time; the caller's generators and settings are left as they were.

    On a GPU torch does not promise it of the gradients of attention (``vit_b_16``) and adaptive pooling (``vgg16``).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    module: Any = torch.utils.deterministic  # with a property that no type checker sees
    fill, benchmark = module.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), warnings.catch_warnings():
        for words in ("does not have a deterministic implementation", "defaults to a non-deterministic algorithm"):
            warnings.filterwarnings("ignore", message=f".*{words}")
        torch.use_deterministic_algorithms(True, warn_only=True)
        module.fill_uninitialized_memory = False  # it costs time, and nothing here reads such
        torch.backends.cudnn.benchmark = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
            module.fill_uninitialized_memory = fill
            torch.backends.cudnn.benchmark = benchmark


@contextlib.contextmanager
def memory(training: Training) -> Iterator[None]:
    """Raises TrainingFailed when the block runs out of memory, with the batch to try."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in _WORDS):
            raise
    else:
        return
    smaller = training.batch // 2
    remedy = f"try --batch {smaller}" if smaller else "try a smaller --size or --network"
    raise TrainingFailed(f"out of memory with batches of {training.batch} images of {training.size} px: {remedy}")

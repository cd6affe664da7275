"""A trained network adapted to a few labelled real images, without forgetting what renderings taught it.

Every step learns from a batch of renderings and a batch of the real images, turned and moved anew; statistics of the
batch normalisations stay, since a handful of images would spoil them. The calibration stays too.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from microtwin.errors import InputError
from microtwin.perception import guards
from microtwin.perception.checkpoint import Loaded
from microtwin.perception.examples import Examples
from microtwin.perception.loss import WIDTH_DEG, loss
from microtwin.perception.source import Augmentation, Source, Stored


def adapt(
    loaded: Loaded,
    real: Examples,
    renderings: Source,
    *,
    steps: int = 12,
    batch: int = 8,
    real_batch: int = 16,
    learning_rate: float = 1e-4,
    width_deg: float = 10.0,
    augment: Augmentation | None = None,
    seed: int = 0,
    tick: Callable[[int], None] | None = None,
) -> Loaded:
    """A copy of a checkpoint, adapted.

    Args:
        loaded: what was trained on renderings.
        real: few labelled images of its size; an unknown pitch, roll (−1) or depth (NaN) teaches nothing.
        renderings: of the kind it was trained on.
        steps: of a cosine falling to 0 from ``learning_rate``. Few: crops of eleven poses teach that a twelfth is not
            there (experiments/otmr_sim2real.py).
        width_deg: of the real images' class labels, which are worth no more (docs/decisions/0009).
        augment: of the real images.

    Raises:
        InputError: no images, or of another size; a class or a unit of depth that the checkpoint does not know.
    """
    _check(loaded, real)
    with guards.deterministic(torch.device("cpu")):
        return _adapted(
            loaded,
            real,
            renderings,
            steps,
            batch,
            real_batch,
            learning_rate,
            width_deg,
            augment or Augmentation(),
            seed,
            tick,
        )


def _check(loaded: Loaded, real: Examples) -> None:
    if not len(real):
        raise InputError("no images to adapt to: give at least one labelled crop")
    if (size := real.images.shape[-1]) != loaded.size:
        raise InputError(f"images of {size} px for a network of {loaded.size}: prepare them at that size")
    loaded.task.check(real)
    known = bool(np.isfinite(real.depth).any()) and loaded.task.has_depth
    if known and real.depth_unit != loaded.task.depth_unit:
        raise InputError(
            f"depths are {real.depth_unit}, and the checkpoint's {loaded.task.depth_unit}: give those, or NaN"
        )


def _adapted(
    loaded, real, renderings, steps, batch, real_batch, learning_rate, width_deg, augment, seed, tick
) -> Loaded:
    model = deepcopy(loaded.model).train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    torch.manual_seed(int(np.random.SeedSequence([seed, 0xADA]).generate_state(1)[0]))
    rendered = _endless(renderings, batch)
    repeated = real.take(np.tile(np.arange(len(real)), -(-real_batch * 8 // len(real))))
    seen = _endless(Stored(repeated, augment=augment, seed=seed), real_batch)
    for step in range(steps):
        total = torch.zeros(())
        for (images, labels), width in ((next(rendered), WIDTH_DEG), (next(seen), width_deg)):
            outputs = model(images.contiguous(memory_format=torch.channels_last))
            total = total + loss(loaded.task, outputs, labels, width)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        schedule.step()
        if tick:
            tick(step + 1)
    return replace(loaded, model=model.eval())


def _endless(source: Source, batch: int):
    epoch = 0
    while True:
        yield from source.batches(epoch, batch)
        epoch += 1

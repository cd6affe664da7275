"""Torchvision's networks, also where torchvision's compiled operators cannot be loaded.

A torchvision built for CUDA beside a torch built for the CPU (or the other way about) has operators that do not load,
and then its import fails with "operator torchvision::nms does not exist": it registers shape functions for operators
that nobody declared. Classification networks use none of them. So where the operators cannot be loaded, their
signatures are declared first, and the import goes through; a call of one of them still says that it is not implemented.
Import torchvision here and nowhere else.
"""

import functools
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from microtwin.errors import InputError

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@functools.cache
def models() -> ModuleType:
    """The module ``torchvision.models``."""
    if not operators_load():
        _declare()
    import torchvision

    return torchvision.models


def network(name: str, n_outputs: int, size: int, pretrained: bool) -> nn.Module:
    """A network of torchvision's for images of ``size`` pixels, its last layer replaced by one of ``n_outputs``.

    Raises:
        InputError: the weights cannot be fetched.
    """
    zoo = models()
    body = zoo.get_model(name, weights=None, **({"image_size": size} if name == "vit_b_16" else {}))
    if pretrained:
        try:
            state = zoo.get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError) as error:  # no connection, no room, or a file that is not what was asked for
            reason = f"the weights of {name} cannot be fetched ({error})"
            raise InputError(f"{reason}: check the network connection, or leave pretrained out") from None
        if name == "vit_b_16":  # positions are learnt for a grid of 14 x 14 patches
            state = zoo.vision_transformer.interpolate_embeddings(size, body.patch_size, state)
        body.load_state_dict(state)
    _replace_head(name, body, n_outputs)
    return body


def _replace_head(name: str, body: Any, n_outputs: int) -> None:
    if name.startswith("resnet"):
        body.fc = nn.Linear(body.fc.in_features, n_outputs)
    else:
        head = body.heads if name == "vit_b_16" else body.classifier
        head[-1] = nn.Linear(head[-1].in_features, n_outputs)


def operators_load() -> bool:
    """Whether torchvision's compiled operators fit the torch that is installed."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent
    for library in [*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]:
        try:
            torch.ops.load_library(library)
        except (OSError, ImportError):
            continue
        return True
    return False


@functools.cache
def _declare() -> torch.library.Library:
    """Signatures without code; they last as long as the object, which the cache keeps."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        library.define(schema)
    return library

"""The networks of the OTMR benchmark by name, and our own: grey images in, one row of numbers per image out."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from microtwin.errors import InputError
from microtwin.perception import convolutional, torchvision_models
from microtwin.perception.labels import Kind
from microtwin.perception.prepare import GAIN
from microtwin.perception.shipped import DEPTH, ZERO_SHOT, shipped
from microtwin.perception.twinnet import TwinNet

PAPER_NAMES = {
    "cnn": "CNN",
    "vgg16": "VGG16",
    "resnet18": "ResNet18",
    "resnet50": "ResNet50",
    "efficientnet_b0": "EfficientNet",
    "mobilenet_v2": "MobileNetV2",
    "vit_b_16": "ViT",
    "nas_pose": "NAS",
    "nas_depth": "NAS",
    "twinnet": "twinnet",
}
NAMES = tuple(PAPER_NAMES)
IMAGENET = ("vgg16", "resnet18", "resnet50", "efficientnet_b0", "mobilenet_v2", "vit_b_16")  # weights are published
PRETRAINED = (*IMAGENET, "twinnet")  # ours on renderings; the weights come with the package

# What each network can be given, and what it has otherwise. The NAS networks are Table V's: with the first the table's
# 33.66 M parameters and 3.11 GMAC come out. The second's 9.71 M and 5.85 GMAC fit no place of its poolings; nearest is
# the one with none after the first convolution, 10.03 M and 6.19 GMAC.
OPTIONS: dict[str, dict[str, Any]] = {
    "nas_pose": {"num_conv": 3, "num_filters": 142, "fc_dim": 299, "dropout": 0.2, "batch_norm": True, "unpooled": 0},
    "nas_depth": {"num_conv": 5, "num_filters": 100, "fc_dim": 493, "dropout": 0.31, "batch_norm": True, "unpooled": 1},
    "twinnet": {"widths": (32, 64, 128, 192), "blocks": 1, "dropout": 0.1},
}

STEPS = {"vit_b_16": 16, "twinnet": 4}  # the images' side is a multiple of it
SMALLEST = 32  # pixels of an image's side: the deepest networks halve it five times

# ImageNet's mean and deviation of each colour, and the grey that an image's background is shown as.
IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BACKGROUND = 0.45


class Colour(nn.Module):
    """A grey channel repeated to red, green and blue, each scaled as asked.

    The scales are part of the state: a network trained from pretrained weights is loaded without fetching them again.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, imagenet: bool) -> None:
        super().__init__()
        scale, offset = torch.ones(3), torch.zeros(3)
        if imagenet:
            mean, sd = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_SD)
            scale, offset = BACKGROUND / GAIN / sd, (BACKGROUND - mean) / sd
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("offset", offset.view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, size, size) to (B, 3, size, size)."""
        return images * self.scale + self.offset


class Network(nn.Module):
    """A network by name: (B, 1, size, size) float32, as ``prepare.normalised`` gives them, to (B, n_outputs)."""

    def __init__(self, name: str, colour: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.colour = colour
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        return self.body(self.colour(images))


def build(
    name: str,
    n_outputs: int,
    *,
    size: int = 224,
    pretrained: bool = False,
    options: Mapping[str, Any] | None = None,
    kind: Kind = "pose",
) -> Network:
    """A network with random weights (from torch's generator), or with pretrained ones and a random last layer.

    Args:
        name: one of ``NAMES``.
        n_outputs: numbers per image.
        size: side of the images in pixels.
        pretrained: load the published ImageNet weights, or for twinnet those that renderings taught it.
        options: instead of those in ``OPTIONS``; networks that are not there have none.
        kind: of the task: twinnet's pretrained weights for ``depth`` know all robots' depths, else robot 3's poses.

    Raises:
        InputError: no such network, size or option; weights that do not exist or cannot be fetched.
    """
    options = dict(options or {})
    _check(name, size, pretrained, options)
    if name == "twinnet":
        made = Network(name, nn.Identity(), TwinNet(n_outputs, **options))
        return _taught(made, kind) if pretrained else made
    if name == "cnn":
        body: nn.Module = convolutional.paper_cnn(n_outputs, size)
    elif name in OPTIONS:
        body = convolutional.nas(n_outputs, size, **{**OPTIONS[name], **options})
    else:
        body = torchvision_models.network(name, n_outputs, size, pretrained)
    return Network(name, Colour(pretrained), body)


def attention_layer(model: nn.Module) -> tuple[nn.Module, Callable[[Tensor], Tensor] | None]:
    """Where Grad-CAM looks: late convolutional features, or what the last block of a transformer attends with.

    They are the last ones, but twinnet's are those of its last stage but one: the last has 4 × 4 places at 128 pixels,
    which outline nothing.

    Returns:
        the layer, and what turns its output into (B, channels, rows, columns), None where it is so already.
    """
    assert isinstance(model, Network), "attention_layer takes what build returns"
    body: Any = model.body
    if model.name == "vit_b_16":
        return body.encoder.layers[-1].ln_1, _tokens_to_map
    if model.name == "vgg16":
        return body.features[-2], None  # the last ReLU: it works in place, so its convolution's output is gone
    if model.name.startswith("resnet"):
        return body.layer4[-1], None
    if model.name == "twinnet":
        return body.stages[-2:][0], None
    if model.name in IMAGENET:
        return body.features[-1], None
    return body.features[-1][0], None


def _taught(model: Network, kind: Kind) -> Network:
    """twinnet with the weights of the checkpoint that comes with the package, but for the last layer.

    Raises:
        InputError: there is none, or it is of other options.
    """
    path = shipped(DEPTH if kind == "depth" else ZERO_SHOT)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)["weights"]
    except FileNotFoundError:
        raise InputError(f"{path} is not there: install microtwin again, or leave pretrained out") from None
    mine = model.state_dict()
    taken = {name: value for name, value in weights.items() if not name.startswith("body.head.")}
    if any(name not in mine or mine[name].shape != value.shape for name, value in taken.items()):
        raise InputError(f"the weights that come with twinnet suit its own options {OPTIONS['twinnet']} alone")
    model.load_state_dict(mine | taken)
    return model


def _check(name: str, size: int, pretrained: bool, options: Mapping[str, Any]) -> None:
    if name not in NAMES:
        raise InputError(f"network {name} is not known: choose one of {', '.join(NAMES)}")
    step = STEPS.get(name, 1)
    if size < SMALLEST or size % step:
        multiple = f"a multiple of {step} that is " if step > 1 else ""
        raise InputError(f"size {size} does not suit network {name}: give {multiple}{SMALLEST} or more")
    if pretrained and name not in PRETRAINED:
        raise InputError(
            f"network {name} has no pretrained weights: leave pretrained out, or choose {', '.join(PRETRAINED)}"
        )
    unknown = sorted(options.keys() - OPTIONS.get(name, {}).keys())
    if unknown:
        known = ", ".join(OPTIONS.get(name, {})) or "none"
        raise InputError(f"option {unknown[0]} is not one of network {name}: it has {known}")
    for option, value in options.items():
        _check_option(option, value)


def _check_option(option: str, value: Any) -> None:
    if option == "batch_norm":
        good, wanted = isinstance(value, bool), "true or false"
    elif option == "dropout":
        good, wanted = isinstance(value, int | float) and 0 <= value < 1, "a rate from 0 to below 1"
    elif option == "widths":
        good = isinstance(value, list | tuple) and bool(value) and all(_whole(width, 1) for width in value)
        wanted = "whole numbers above 0, one for each stage"
    else:
        least = 0 if option == "unpooled" else 1
        good, wanted = _whole(value, least), f"a whole number, {least} or more"
    if not good:
        raise InputError(f"option {option} is {value}: give {wanted}")


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _tokens_to_map(tokens: Tensor) -> Tensor:
    """(B, 1 + rows * columns, channels) to (B, channels, rows, columns), without the class token."""
    side = round((tokens.shape[1] - 1) ** 0.5)
    return tokens[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)

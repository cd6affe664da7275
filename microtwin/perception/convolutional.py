"""The plain convolutional networks of the OTMR paper: its CNN, and the family its architecture search draws from."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

SMALLEST = 4  # pixels of a feature map's side: no pooling goes below


class PlainCNN(nn.Module):
    """Blocks of 3 x 3 convolution, batch normalisation if asked for, ReLU and 2 x 2 max pooling; then two dense layers.

    A block whose pooling would leave less than 4 x 4 pixels has none, so small images pass too.

    Args:
        n_outputs: numbers per image.
        size: side of the images in pixels.
        widths: channels of each block.
        fc_dim: neurons of the dense layer.
        dropout: rate before the last layer.
        batch_norm: normalise each convolution's outputs.
        unpooled: leading blocks that have no pooling.
        channels: of the images.
    """

    def __init__(
        self,
        n_outputs: int,
        size: int,
        widths: Sequence[int],
        fc_dim: int,
        dropout: float = 0.0,
        batch_norm: bool = False,
        unpooled: int = 0,
        channels: int = 3,
    ) -> None:
        super().__init__()
        blocks = []
        for number, width in enumerate(widths):
            layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1)]
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(nn.ReLU())
            if number >= unpooled and size // 2 >= SMALLEST:
                layers.append(nn.MaxPool2d(2))
                size //= 2
            blocks.append(nn.Sequential(*layers))
            channels = width
        self.features = nn.Sequential(*blocks)
        self.dense = nn.Linear(channels * size * size, fc_dim)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(fc_dim, n_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, size, size) to (B, n_outputs)."""
        features = self.features(images).flatten(1)
        return self.head(self.dropout(torch.relu(self.dense(features))))


def paper_cnn(n_outputs: int, size: int) -> PlainCNN:
    """The CNN of Tables II to IV: 25.79 M parameters and 0.53 GMAC at 224 pixels fix its widths and dense layer."""
    return PlainCNN(n_outputs, size, (32, 64, 128), 256)


def nas(
    n_outputs: int,
    size: int,
    *,
    num_conv: int,
    num_filters: int,
    fc_dim: int,
    dropout: float,
    batch_norm: bool,
    unpooled: int = 0,
) -> PlainCNN:
    """A network of the paper's search space, with Table I's names: ``num_conv`` blocks of ``num_filters`` channels."""
    return PlainCNN(n_outputs, size, (num_filters,) * num_conv, fc_dim, dropout, batch_norm, unpooled)

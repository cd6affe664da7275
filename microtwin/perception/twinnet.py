"""Our own network: a small residual one that predicts pitch, roll and depth together in real time on a CPU."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

STEM = 4  # pixels of the squares that become channels


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way around them (He et al. 2016, basic block)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.around: nn.Module = nn.Identity()
        if stride > 1 or channels != width:
            self.around = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.way(features) + self.around(features))


class TwinNet(nn.Module):
    """A residual network for one grey channel.

    Squares of 4 x 4 pixels become channels (pixel unshuffle), which loses nothing and spares the costly convolutions
    at full resolution; each stage after the first halves the resolution. The features' mean and their maximum over the
    image are both kept: the maximum sees a small feature (a focused arm's end) that the mean would drown.

    Args:
        n_outputs: numbers per image.
        widths: channels of each stage.
        blocks: residual blocks of each stage.
        dropout: rate before the last layer.
    """

    def __init__(
        self, n_outputs: int, widths: Sequence[int] = (32, 64, 128, 192), blocks: int = 1, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(STEM),
            nn.Conv2d(STEM * STEM, widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        stages, channels = [], widths[0]
        for number, width in enumerate(widths):
            stage = [Block(channels, width, 2 if number else 1)] + [Block(width, width, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*stage))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * channels, n_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1, size, size) to (B, n_outputs)."""
        features = self.stages(self.stem(images))
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        return self.head(self.dropout(pooled))

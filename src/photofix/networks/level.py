"""Noise level of a picture, cell by cell: a small convolutional network that sees noise of any color and grain.

The idea is CBDNet's estimation network (Guo et al. 2019), made cheap: the picture is folded 4 x 4 into channels, so
that no detail is lost, and halved three times more. One answer for each cell of 32 x 32 pixels: the sigma of the white
noise that would be as strong as this noise is at a scale of four pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Side in pixels of the cell that one answer is for.
CELL = 32


class Level(nn.Module):
    """Standard deviation of the noise in each cell.

    Args:
        channels: planes of the picture.
        width: features of every layer.
    """

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        self.head = nn.Conv2d(channels * 17, width, 3, padding=1)
        self.same = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(8))
        self.downs = nn.ModuleList(nn.Conv2d(width, width, 2, 2) for _ in range(3))
        self.tail = nn.Conv2d(width, 1, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """(N, channels, H, W) in [0, 1], sides multiples of 32, to (N, 1, H / 32, W / 32) in the picture's units."""
        means = functional.avg_pool2d(picture, 4)
        # Noise is in the differences: seen apart from the mean, which is much larger and says little.
        differences = functional.pixel_unshuffle(picture - functional.interpolate(means, scale_factor=4), 4)
        features = self.head(torch.cat([8 * differences, means], dim=1))
        for index, same in enumerate(self.same):
            if index in (2, 4, 6):
                features = self.downs[index // 2 - 1](features)
            features = features + functional.relu(same(features))
        # Never negative, and proportional to what is seen save very near nothing.
        return functional.softplus(self.tail(features), beta=200.0)

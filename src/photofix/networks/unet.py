"""A plain-convolution residual U-Net at half resolution, the family of every embedded network.

The idea: 3 x 3 convolutions without normalisation run near the peak rate of any processor, and a picture
folded 2 x 2 into channels (pixel-unshuffle) costs a quarter. Three levels, skips by addition
(Ronneberger et al. 2015 for the shape, Zhang et al. 2021, "DRUNet", for addition and the noise plane,
Zhang et al. 2018, "FFDNet", for folding). The network answers the residual: what to add to the picture.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a rectifier, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        # In place: at the rate convolutions run here, every further pass over memory is felt.
        change: Tensor = self.second(functional.relu(self.first(features), inplace=True))
        return change.add_(features)


class UNet(nn.Module):
    """Residual of a picture, conditioned by planes of noise level.

    Args:
        channels: planes of the picture (3 for RGB, 4 for a packed Bayer mosaic).
        conditions: planes that condition the answer (1: the noise's standard deviation).
        widths: features at each level, the finest first; each level halves the sides.
        blocks: residual blocks a level, on the way down and again on the way up.
        fold: the side of the square of pixels folded into channels before the first level.
    """

    def __init__(
        self,
        channels: int = 3,
        conditions: int = 1,
        widths: tuple[int, ...] = (64, 128, 256),
        blocks: int = 2,
        fold: int = 2,
    ) -> None:
        super().__init__()
        self.fold = fold
        self.head = nn.Conv2d(channels * fold**2 + conditions, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(_stage(width, blocks) for width in widths)
        self.decoders = nn.ModuleList(_stage(width, blocks) for width in widths[:-1])
        steps = list(itertools.pairwise(widths))
        self.downs = nn.ModuleList(nn.Conv2d(fine, coarse, 2, 2) for fine, coarse in steps)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, 2) for fine, coarse in steps)
        self.tail = nn.Conv2d(widths[0], channels * fold**2, 3, padding=1)

    def forward(self, picture: Tensor, sigma: Tensor) -> Tensor:
        """Residual (N, channels, H, W) of a picture in [0, 1], H and W multiples of fold * 2**(levels - 1).

        sigma, (N, conditions, H, W), is the noise's standard deviation in the picture's own units.
        """
        folded = functional.pixel_unshuffle(picture, self.fold)
        level = functional.avg_pool2d(sigma, self.fold) if self.fold > 1 else sigma
        features = self.head(torch.cat([folded, level], dim=1))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=False):
            skips.append(encoder(features))
            features = down(skips[-1])
        features = self.encoders[-1](features)
        for decoder, up, skip in zip(reversed(self.decoders), reversed(self.ups), reversed(skips), strict=True):
            features = decoder(up(features) + skip)
        return functional.pixel_shuffle(self.tail(features), self.fold)


def _stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))

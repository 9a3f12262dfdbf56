"""NAFNet: a U-Net whose blocks multiply where others rectify.

The idea: a plain restoration network needs no activation function at all; halves of the channels multiplied with each
other do their work, and one number a channel, from the mean of the whole picture, does the work of attention (Chen,
Chu, Zhang and Sun, "Simple Baselines for Image Restoration", ECCV 2022). Takes a noisy or blurred picture in [0, 1];
gives what to add to it.

The mean makes every answer depend on all that the network sees, so a tile is not answered like the whole. The
networks were trained on pieces of 256 x 256 pixels. The authors' figures for GoPro and REDS come from means over
windows of 1.5 times that ("test-time local converter", Chu et al., ECCV 2022); tiles of about 384 pixels, whose means
are those of the tile, come near that without a change to the network. The figures for SIDD are for pieces of 256.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class NAFNet(nn.Module):
    """Residual of a picture.

    Args:
        channels: planes of the picture.
        width: features at the finest level; each level halves the sides and doubles the features.
        encoder_blocks: blocks at each level on the way down, the finest first.
        middle_blocks: blocks at the coarsest level.
        decoder_blocks: blocks at each level on the way up, the coarsest first.
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 32,
        encoder_blocks: Sequence[int] = (2, 2, 4, 8),
        middle_blocks: int = 12,
        decoder_blocks: Sequence[int] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(len(encoder_blocks))]
        self.intro = nn.Conv2d(channels, width, 3, padding=1)
        self.encoders = nn.ModuleList(map(_stage, widths, encoder_blocks))
        self.downs = nn.ModuleList(nn.Conv2d(fine, 2 * fine, 2, 2) for fine in widths)
        self.middle_blks = _stage(2 * widths[-1], middle_blocks)
        self.ups = nn.ModuleList(_up(2 * fine) for fine in reversed(widths))
        self.decoders = nn.ModuleList(map(_stage, reversed(widths), decoder_blocks))
        self.ending = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        """Residual (N, channels, H, W) of a picture in [0, 1], H and W multiples of 2**levels (published: 16)."""
        features = self.intro(picture)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(features))
            features = down(skips[-1])
        features = self.middle_blks(features)
        for decoder, up, skip in zip(self.decoders, self.ups, reversed(skips), strict=True):
            features = decoder(up(features) + skip)
        residual: Tensor = self.ending(features)
        return residual


class _Block(nn.Module):
    """Depthwise convolution and channel attention, then a pixel's own channels; each a scaled change of the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = _Norm(width)
        self.conv1 = nn.Conv2d(width, 2 * width, 1)
        self.conv2 = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1))
        self.conv3 = nn.Conv2d(width, width, 1)
        self.norm2 = _Norm(width)
        self.conv4 = nn.Conv2d(width, 2 * width, 1)
        self.conv5 = nn.Conv2d(width, width, 1)
        self.beta = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        gated = _gate(self.conv2(self.conv1(self.norm1(features))))
        features = torch.addcmul(features, self.conv3(gated * self.sca(gated)), self.beta)
        gated = _gate(self.conv4(self.norm2(features)))
        return torch.addcmul(features, self.conv5(gated), self.gamma)


class _Norm(nn.LayerNorm):
    """Layer norm over the channels of each pixel: where channels lie last in memory nothing is copied for it."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _gate(features: Tensor) -> Tensor:
    first, second = features.chunk(2, dim=1)
    return first * second


def _stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(width) for _ in range(blocks)))


def _up(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, 2 * width, 1, bias=False), nn.PixelShuffle(2))

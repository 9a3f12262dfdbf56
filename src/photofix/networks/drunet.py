"""DRUNet: a large U-Net of residual blocks for every noise level, without biases.

The idea: a U-Net whose levels hold residual blocks, told the noise level as one more plane; without a bias anywhere
the answer scales with picture and noise level together, so that it also holds for levels it was not trained on (Zhang
et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", IEEE TPAMI 2021). Takes a picture in [0, 1] and a
plane of its noise's standard deviation in the same units, trained up to 50 / 255; gives the denoised picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DRUNet(nn.Module):
    """Denoised picture.

    Args:
        channels: planes of the picture, 1 (gray) or 3 (RGB).
        widths: features at each of the four levels, the finest first; each level halves the sides.
        blocks: residual blocks a level, on the way down and again on the way up.
    """

    def __init__(self, channels: int = 3, widths: Sequence[int] = (64, 128, 256, 512), blocks: int = 4) -> None:
        super().__init__()
        fine, half, quarter, eighth = widths
        self.m_head = nn.Conv2d(channels + 1, fine, 3, padding=1, bias=False)
        self.m_down1 = nn.Sequential(*_stage(fine, blocks), nn.Conv2d(fine, half, 2, 2, bias=False))
        self.m_down2 = nn.Sequential(*_stage(half, blocks), nn.Conv2d(half, quarter, 2, 2, bias=False))
        self.m_down3 = nn.Sequential(*_stage(quarter, blocks), nn.Conv2d(quarter, eighth, 2, 2, bias=False))
        self.m_body = nn.Sequential(*_stage(eighth, blocks))
        self.m_up3 = nn.Sequential(nn.ConvTranspose2d(eighth, quarter, 2, 2, bias=False), *_stage(quarter, blocks))
        self.m_up2 = nn.Sequential(nn.ConvTranspose2d(quarter, half, 2, 2, bias=False), *_stage(half, blocks))
        self.m_up1 = nn.Sequential(nn.ConvTranspose2d(half, fine, 2, 2, bias=False), *_stage(fine, blocks))
        self.m_tail = nn.Conv2d(fine, channels, 3, padding=1, bias=False)

    def forward(self, picture: Tensor, sigma: Tensor) -> Tensor:
        """Denoised picture (N, channels, H, W) of one in [0, 1], H and W multiples of 8.

        sigma, (N, 1, H, W), is the noise's standard deviation in the picture's own units.
        """
        full = self.m_head(torch.cat([picture, sigma], dim=1))
        half = self.m_down1(full)
        quarter = self.m_down2(half)
        eighth = self.m_down3(quarter)
        features = self.m_up3(self.m_body(eighth) + eighth)
        features = self.m_up2(features + quarter)
        features = self.m_up1(features + half)
        denoised: Tensor = self.m_tail(features + full)
        return denoised


class _Block(nn.Module):
    """Two 3 x 3 convolutions around a rectifier, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.res = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.res(features)
        return change.add_(features)


def _stage(width: int, blocks: int) -> list[_Block]:
    return [_Block(width) for _ in range(blocks)]

"""FFDNet: one chain of convolutions for every noise level, at half resolution.

The idea: fold 2 x 2 pixels into channels, which quarters the work and doubles what each convolution sees, and tell the
network the noise level as one more plane (Zhang, Zuo and Zhang, "FFDNet: Toward a Fast and Flexible Solution for
CNN-based Image Denoising", IEEE TIP 2018). Takes a picture in [0, 1] and a plane of its noise's standard deviation in
the same units, up to 75 / 255; gives the denoised picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FFDNet(nn.Module):
    """Denoised picture.

    Args:
        channels: planes of the picture, 1 (gray) or 3 (RGB).
        layers: convolutions in all (published: 12 for RGB, 15 for gray).
        width: features between them (published: 96 for RGB, 64 for gray).
    """

    def __init__(self, channels: int = 3, layers: int = 12, width: int = 96) -> None:
        super().__init__()
        chain: list[nn.Module] = []
        for i in range(layers - 1):
            chain += [nn.Conv2d(4 * channels + 1 if i == 0 else width, width, 3, padding=1), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*chain, nn.Conv2d(width, 4 * channels, 3, padding=1))

    def forward(self, picture: Tensor, sigma: Tensor) -> Tensor:
        """Denoised picture (N, channels, H, W) of one in [0, 1], H and W multiples of 2.

        sigma, (N, 1, H, W), is the noise's standard deviation in the picture's own units.
        """
        folded = functional.pixel_unshuffle(picture, 2)
        level = functional.avg_pool2d(sigma, 2)
        return functional.pixel_shuffle(self.model(torch.cat([folded, level], dim=1)), 2)

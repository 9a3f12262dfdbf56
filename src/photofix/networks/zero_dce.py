"""Zero-DCE: a small network that answers a tone curve for every pixel.

The idea: brightening is a curve that keeps black and white, x + a x (1 - x); applied eight times, each time with
another map of a, it bends as much as is needed. The maps come from seven convolutions trained without any reference
pictures (Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR 2020). Takes an sRGB
picture in [0, 1], encoded as it is; gives the brightened picture, in [0, 1] too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ZeroDCE(nn.Module):
    """Brightened picture.

    Args:
        width: features of the convolutions.
        curves: how often a curve is applied.
    """

    def __init__(self, width: int = 32, curves: int = 8) -> None:
        super().__init__()
        self.e_conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.e_conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.e_conv3 = nn.Conv2d(width, width, 3, padding=1)
        self.e_conv4 = nn.Conv2d(width, width, 3, padding=1)
        self.e_conv5 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.e_conv6 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.e_conv7 = nn.Conv2d(2 * width, 3 * curves, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        """Brightened picture (N, 3, H, W) of one in [0, 1]; any H and W."""
        for bend in torch.split(self.bends(picture), 3, dim=1):
            # The published maps are the negatives of the paper's a.
            picture = picture + bend * (picture**2 - picture)
        return picture

    def bends(self, picture: Tensor) -> Tensor:
        """Maps (N, 3 * curves, H, W) in [-1, 1], three a curve; below 0 brightens."""
        first = torch.relu(self.e_conv1(picture))
        second = torch.relu(self.e_conv2(first))
        third = torch.relu(self.e_conv3(second))
        features = torch.relu(self.e_conv4(third))
        features = torch.relu(self.e_conv5(torch.cat([third, features], dim=1)))
        features = torch.relu(self.e_conv6(torch.cat([second, features], dim=1)))
        return torch.tanh(self.e_conv7(torch.cat([first, features], dim=1)))

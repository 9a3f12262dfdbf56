"""ExpandNet: from one ordinary picture the light that was there.

The idea: three branches look at the picture, a local one for detail, a dilated one for its surroundings and a global
one for the whole of it shrunk to 256 x 256; two pointwise convolutions fuse them (Marnerides et al., "ExpandNet: A Deep
Convolutional Neural Network for High Dynamic Range Expansion from Low Dynamic Range Content", Eurographics 2018).
Takes an sRGB picture in [0, 1], encoded as it is; gives linear light, its unit unknown, in (0, 1): 1 is the brightest
that the network can say, not the white of the picture.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Side of what the global branch sees: six halvings leave 4 x 4, the last convolution's own size.
OVERVIEW = 256


class ExpandNet(nn.Module):
    """Linear light.

    Args:
        width: features of the dilated and the global branch; the local one ends with twice as many.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.local_net = nn.Sequential(_layer(3, width), _layer(width, 2 * width))
        self.mid_net = nn.Sequential(
            _layer(3, width, dilation=2),
            _layer(width, width, dilation=2),
            _layer(width, width, dilation=2),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
        )
        halvings = (_layer(3 if place == 0 else width, width, stride=2) for place in range(6))
        self.glob_net = nn.Sequential(*halvings, nn.Conv2d(width, width, 4))
        self.end_net = nn.Sequential(_Fusion(width), nn.Conv2d(width, 3, 1), nn.Sigmoid())

    def forward(self, picture: Tensor, whole: Tensor | None = None) -> Tensor:
        """Light (N, 3, H, W) of a picture in [0, 1]; any H and W.

        whole, (N, 3, any, any), is the whole picture where `picture` is a tile of it, None where they are the same.
        """
        overview = functional.interpolate(picture if whole is None else whole, (OVERVIEW, OVERVIEW), mode="bilinear")
        light: Tensor = self.end_net((self.local_net(picture), self.mid_net(picture), self.glob_net(overview)))
        return light


class _Fusion(nn.Sequential):
    """A pointwise convolution of all branches' features, and its activation.

    The convolution goes branch by branch, which gives the same as on all of them in one tensor, but that would be the
    largest of the network by far: what the global branch says of every pixel is convolved once, and added to all.
    """

    def __init__(self, width: int) -> None:
        super().__init__(nn.Conv2d(4 * width, width, 1), nn.SELU(inplace=True))

    def forward(self, parts: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        local, dilated, everywhere = parts
        convolution = cast(nn.Conv2d, self[0])
        weights = torch.split(convolution.weight, [part.shape[1] for part in parts], dim=1)
        fused = functional.conv2d(local, weights[0])
        fused += functional.conv2d(dilated, weights[1])
        fused += functional.conv2d(everywhere, weights[2], convolution.bias)
        answer: Tensor = self[1](fused)
        return answer


def _layer(channels: int, width: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, stride, dilation, dilation), nn.SELU(inplace=True))

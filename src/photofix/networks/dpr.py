"""DPR: a portrait in another light, told in spherical harmonics.

The idea: an hourglass takes the lightness of a portrait apart into what light it is in, 27 features of the coarsest
level that also answer nine harmonics, and all the rest; the 27 are replaced by those of the light that is wanted, and
the way back up paints the portrait in it (Zhou, Hadap, Sunkavalli and Jacobs, "Deep Single-Image Portrait Relighting",
ICCV 2019). Trained on pictures of 512 x 512.

Its harmonics are shtools' real orthonormal ones of a light's radiance, with x to the picture's right, y away from the
camera and z up: those of networks.intrinsics in other axes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Features that stand for the light.
_LIGHT = 27


class DPR(nn.Module):
    """A portrait's lightness in another light."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.pre_conv = nn.Conv2d(1, width, 5, padding=2)
        self.pre_bn = nn.BatchNorm2d(width)
        # The levels hold each other, and are kept under their own names too, as the published file has them.
        self.light = Relight(_LIGHT)
        self.HG0 = Hourglass(4 * width, 8 * width + _LIGHT, self.light)
        self.HG1 = Hourglass(2 * width, 4 * width, self.HG0)
        self.HG2 = Hourglass(width, 2 * width, self.HG1)
        self.HG3 = Hourglass(width, width, self.HG2)
        self.conv_1, self.bn_1 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.conv_2, self.bn_2 = nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)
        self.conv_3, self.bn_3 = nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)
        self.output = nn.Conv2d(width, 1, 1)

    def forward(self, lightness: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
        """The lightness (N, 1, H, W), 0 to 100, in another light, and the nine harmonics (N, 9) of the one it was in.

        Args:
            lightness: L of CIE Lab, 0 to 100; H and W are multiples of 16.
            light: (N, 9), the harmonics of the light that is wanted.
        """
        features = functional.relu(self.pre_bn(self.pre_conv(lightness / 100)))
        features, found = self.HG3(features, light[:, :, None, None])
        features = functional.relu(self.bn_1(self.conv_1(features)))
        features = functional.relu(self.bn_2(self.conv_2(features)))
        features = functional.relu(self.bn_3(self.conv_3(features)))
        return 100 * torch.sigmoid(self.output(features)), found.flatten(1)


class Relight(nn.Module):
    """The light of a picture read from the coarsest features, and exchanged.

    Args:
        features: how many of them stand for the light.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.predict_FC1 = nn.Conv2d(features, 128, 1, bias=False)
        self.predict_relu1 = nn.PReLU()
        self.predict_FC2 = nn.Conv2d(128, 9, 1, bias=False)
        self.post_FC1 = nn.Conv2d(9, 128, 1, bias=False)
        self.post_relu1 = nn.PReLU()
        self.post_FC2 = nn.Conv2d(128, features, 1, bias=False)

    def forward(self, features: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, C, h, w) with the light (N, 9, 1, 1) put in, and (N, 9, 1, 1) the one that was in them."""
        seen = features[:, : self.features].mean((2, 3), keepdim=True)
        found = self.predict_FC2(self.predict_relu1(self.predict_FC1(seen)))
        wanted = functional.relu(self.post_FC2(self.post_relu1(self.post_FC1(light))))
        everywhere = wanted.expand(-1, -1, *features.shape[2:])
        return torch.cat([everywhere, features[:, self.features :]], dim=1), found


class Hourglass(nn.Module):
    """One level: what is at half the size and below, added to what is at this one."""

    def __init__(self, outer: int, inner: int, middle: nn.Module) -> None:
        super().__init__()
        self.upper = Block(outer, outer, nn.InstanceNorm2d)
        self.low1 = Block(outer, inner, nn.BatchNorm2d)
        self.middle = middle
        self.low2 = Block(inner, outer, nn.InstanceNorm2d)

    def forward(self, features: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
        """(N, outer, h, w) and light (N, 9, 1, 1) to the same shapes."""
        below, found = self.middle(self.low1(functional.max_pool2d(features, 2)), light)
        below = functional.interpolate(self.low2(below), scale_factor=2.0)
        return below + self.upper(features), found


class Block(nn.Module):
    """Two normalised convolutions and a shortcut."""

    def __init__(self, inner: int, outer: int, norm: type[nn.InstanceNorm2d] | type[nn.BatchNorm2d]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.bn1 = norm(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = norm(outer)
        # Where it is not needed the published file has it all the same.
        self.shortcuts = nn.Conv2d(inner, outer, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """(N, inner, h, w) to (N, outer, h, w)."""
        found = functional.relu(self.bn1(self.conv1(features)))
        found = self.bn2(self.conv2(found))
        same = found.shape[1] == features.shape[1]
        return functional.relu(found + (features if same else self.shortcuts(features)))

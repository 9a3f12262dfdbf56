"""SCI: three small convolutions that estimate the light in a picture, which is then divided by it.

The idea: by Retinex a picture is what is there times the light upon it. A cascade of weight-sharing stages was trained
without references, a second network calibrating each stage's input so that all stages agree; then one stage is enough
(Ma et al., "Toward Fast, Flexible, and Robust Low-Light Image Enhancement", CVPR 2022). Takes an sRGB picture in
[0, 1], encoded as it is; gives the brightened picture, in [0, 1] too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

#: The least light, so that nothing is divided by zero: the published network's.
LEAST = 1e-4

#: What the published files hold beyond the stage that runs: the calibrating network of training, and the stage's
#: block once more under another name.
_OF_TRAINING = ("calibrate.", "enhance.conv.")


class SCI(nn.Module):
    """Brightened picture.

    Args:
        width: features of the convolutions.
        blocks: residual blocks between the first convolution and the last.
    """

    def __init__(self, width: int = 3, blocks: int = 1) -> None:
        super().__init__()
        self.enhance = _Illumination(width, blocks)

    def forward(self, picture: Tensor) -> Tensor:
        """Brightened picture (N, 3, H, W) of one in [0, 1]; any H and W. No pixel becomes darker, black stays black."""
        brightened: Tensor = picture / self.enhance(picture)
        return brightened

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As any module's, but what only training needs is passed over."""
        needed = {key: value for key, value in state_dict.items() if not key.startswith(_OF_TRAINING)}
        return super().load_state_dict(needed, strict, assign)


class _Illumination(nn.Module):
    """Light upon each pixel and channel, LEAST to 1: the picture and what it lacks."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.in_conv = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
            for _ in range(blocks)
        )
        self.out_conv = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, picture: Tensor) -> Tensor:
        features = self.in_conv(picture)
        for block in self.blocks:
            features = features + block(features)
        light: Tensor = picture + self.out_conv(features)
        # The clamp belongs to the published network: full light is the most there can be.
        return light.clamp(LEAST, 1)

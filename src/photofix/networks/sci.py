"""SCI: three small convolutions that estimate the light in a picture, which is then divided by it.

The idea: by Retinex a picture is what is there times the light upon it. A cascade of weight-sharing stages was trained
without references, a second network calibrating each stage's input so that all stages agree; then one stage is enough
(Ma et al., "Toward Fast, Flexible, and Robust Low-Light Image Enhancement", CVPR 2022). Takes an sRGB picture in
[0, 1], encoded as it is; gives the brightened picture, in [0, 1] too.
"""

from __future__ import annotations

from torch import Tensor, nn

#: The least light, so that nothing is divided by zero: the published network's.
LEAST = 1e-4


class SCI(nn.Module):
    """Brightened picture.

    Args:
        width: features of the convolutions.
        calibration_width: features of the calibrating network, which ran in training only.
    """

    def __init__(self, width: int = 3, calibration_width: int = 16) -> None:
        super().__init__()
        self.enhance = _Illumination(width)
        # Answers nothing here: in the published files, and so that they load as they are.
        self.calibrate = _calibration(calibration_width)

    def forward(self, picture: Tensor) -> Tensor:
        """Brightened picture (N, 3, H, W) of one in [0, 1]; any H and W. No pixel becomes darker, black stays black."""
        brightened: Tensor = picture / self.enhance(picture)
        return brightened


class _Illumination(nn.Module):
    """Light upon each pixel and channel, LEAST to 1: the picture and what it lacks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_conv = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        self.conv = nn.Sequential(*_layer(width, width))
        # One module under two names, as in the published files.
        self.blocks = nn.ModuleList([self.conv])
        self.out_conv = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid())

    def forward(self, picture: Tensor) -> Tensor:
        features = self.in_conv(picture)
        features = features + self.conv(features)
        light: Tensor = picture + self.out_conv(features)
        # The clamp belongs to the published network: full light is the most there can be.
        return light.clamp(LEAST, 1)


def _calibration(width: int) -> nn.ModuleDict:
    block = nn.Sequential(*_layer(width, width), *_layer(width, width))
    return nn.ModuleDict(
        {
            "in_conv": nn.Sequential(*_layer(3, width)),
            "convs": block,
            "blocks": nn.ModuleList([block] * 3),
            "out_conv": nn.Sequential(nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid()),
        }
    )


def _layer(channels: int, width: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()

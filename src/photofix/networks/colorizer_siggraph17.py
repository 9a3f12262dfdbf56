"""Zhang's colorizer of 2017: a U-Net that follows the colors a user has put on some pixels.

The idea: lightness, known colors and a mask of where they are known go in together; trained on few known pixels, most
often none, the network spreads them over what belongs together and thinks of colors where there are none (Zhang et al.,
"Real-Time User-Guided Image Colorization with Learned Deep Priors", SIGGRAPH 2017). Takes the lightness L of CIE Lab,
0 to 100, and hints; gives the planes a and b in their own units, within -110 to 110. The authors run it at 256 x 256
and enlarge a and b.

Key names and shapes are those of the authors' code; no answer of theirs was at hand to check against.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ColorizerSIGGRAPH17(nn.Module):
    """The planes a and b.

    Args:
        width: features of the first convolutions; the deepest have eight times as many.
        colors: colors of the classifier that helped in training.
    """

    def __init__(self, width: int = 64, colors: int = 529) -> None:
        super().__init__()
        self.model1 = _chain(4, [width] * 2)
        self.model2 = _chain(width, [2 * width] * 2)
        self.model3 = _chain(2 * width, [4 * width] * 3)
        self.model4 = _chain(4 * width, [8 * width] * 3)
        self.model5 = _chain(8 * width, [8 * width] * 3, dilation=2)
        self.model6 = _chain(8 * width, [8 * width] * 3, dilation=2)
        self.model7 = _chain(8 * width, [8 * width] * 3)
        self.model8up = _enlarge(8 * width, 4 * width)
        self.model3short8 = _skip(4 * width, 4 * width)
        self.model8 = nn.Sequential(nn.ReLU(), *_chain(4 * width, [4 * width] * 2))
        self.model9up = _enlarge(4 * width, 2 * width)
        self.model2short9 = _skip(2 * width, 2 * width)
        self.model9 = nn.Sequential(nn.ReLU(), *_chain(2 * width, [2 * width]))
        self.model10up = _enlarge(2 * width, 2 * width)
        self.model1short10 = _skip(width, 2 * width)
        self.model10 = nn.Sequential(nn.ReLU(), nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.LeakyReLU(0.2))
        # Classifies nothing here: in the published file, and so that it loads as it is.
        self.model_class = nn.Sequential(nn.Conv2d(4 * width, colors, 1))
        self.model_out = nn.Sequential(nn.Conv2d(2 * width, 2, 1), nn.Tanh())

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """a and b (N, 2, H, W) of the lightness (N, 1, H, W), 0 to 100; H and W multiples of 8.

        hints, (N, 3, H, W): a, b and 1 on the pixels whose color is known, 0 in all three planes elsewhere.
        """
        if hints is None:
            hints = lightness.new_zeros(1, 3, 1, 1).expand(len(lightness), -1, *lightness.shape[2:])
        seen = torch.cat([(lightness - 50) / 100, hints[:, :2] / 110, hints[:, 2:]], dim=1)
        full = self.model1(seen)
        half = self.model2(full[:, :, ::2, ::2])
        quarter = self.model3(half[:, :, ::2, ::2])
        deepest = self.model7(self.model6(self.model5(self.model4(quarter[:, :, ::2, ::2]))))
        features = self.model8(self.model8up(deepest) + self.model3short8(quarter))
        features = self.model9(self.model9up(features) + self.model2short9(half))
        features = self.model10(self.model10up(features) + self.model1short10(full))
        color: Tensor = 110 * self.model_out(features)
        return color


def _chain(channels: int, widths: list[int], dilation: int = 1) -> nn.Sequential:
    """Convolutions, each with its rectifier; then batch normalisation."""
    layers: list[nn.Module] = []
    for entering, leaving in zip([channels, *widths], widths, strict=False):
        layers += [nn.Conv2d(entering, leaving, 3, 1, dilation, dilation), nn.ReLU()]
    return nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]))


def _enlarge(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(channels, width, 4, 2, 1))


def _skip(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1))

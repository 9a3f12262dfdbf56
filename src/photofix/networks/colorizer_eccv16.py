"""Zhang's colorizer of 2016: colors as a choice among 313, so that they need not be the dull mean of what is likely.

The idea: a chain of convolutions answers for every pixel how likely each of 313 colors is, trained so that rare ones
count; the colors' mean under these odds is the answer (Zhang, Isola and Efros, "Colorful Image Colorization",
ECCV 2016). Takes the lightness L of CIE Lab, 0 to 100; gives the planes a and b in their own units, within -110 to 110.
The authors run it at 256 x 256 and enlarge a and b.

Key names and shapes are those of the authors' code; no answer of theirs was at hand to check against.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ColorizerECCV16(nn.Module):
    """The planes a and b.

    Args:
        width: features of the first convolutions; the deepest have eight times as many.
        colors: colors to choose from.
    """

    def __init__(self, width: int = 64, colors: int = 313) -> None:
        super().__init__()
        self.model1 = _chain(1, [width, width], stride=2)
        self.model2 = _chain(width, [2 * width] * 2, stride=2)
        self.model3 = _chain(2 * width, [4 * width] * 3, stride=2)
        self.model4 = _chain(4 * width, [8 * width] * 3)
        self.model5 = _chain(8 * width, [8 * width] * 3, dilation=2)
        self.model6 = _chain(8 * width, [8 * width] * 3, dilation=2)
        self.model7 = _chain(8 * width, [8 * width] * 3)
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(8 * width, 4 * width, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(4 * width, 4 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4 * width, 4 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4 * width, colors, 1),
        )
        self.model_out = nn.Conv2d(colors, 2, 1, bias=False)

    def forward(self, lightness: Tensor) -> Tensor:
        """a and b (N, 2, H, W) of the lightness (N, 1, H, W), 0 to 100; H and W multiples of 8."""
        features = (lightness - 50) / 100
        for chain in (self.model1, self.model2, self.model3, self.model4, self.model5, self.model6, self.model7):
            features = chain(features)
        odds = self.model8(features).softmax(dim=1)
        return 110 * functional.interpolate(self.model_out(odds), scale_factor=4, mode="bilinear")


def _chain(channels: int, widths: list[int], stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolutions, each with its rectifier, the last one strided; then batch normalisation."""
    layers: list[nn.Module] = []
    for place, (entering, leaving) in enumerate(zip([channels, *widths], widths, strict=False), start=1):
        step = stride if place == len(widths) else 1
        layers += [nn.Conv2d(entering, leaving, 3, step, dilation, dilation), nn.ReLU()]
    return nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]))

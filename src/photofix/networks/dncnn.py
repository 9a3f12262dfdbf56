"""DnCNN: a plain chain of convolutions that answers the noise in a picture.

The idea: what is left to learn is small when a network predicts the noise instead of the picture (Zhang et al.,
"Beyond a Gaussian Denoiser", IEEE TIP 2017). Takes a picture in [0, 1]; gives the noise in it, in the same units:
picture - noise is the denoised picture. The published networks were trained with batch normalisation; their released
weights hold it merged into the convolutions, so none stands here. 17 convolutions for one known noise level, 20 for
the "blind" ones that serve sigma 0 to 55.
"""

from __future__ import annotations

from torch import Tensor, nn


class DnCNN(nn.Module):
    """Noise in a picture.

    Args:
        channels: planes of the picture, 1 (gray) or 3 (RGB).
        layers: convolutions in all.
        width: features between them.
    """

    def __init__(self, channels: int = 3, layers: int = 20, width: int = 64) -> None:
        super().__init__()
        chain: list[nn.Module] = []
        for i in range(layers - 1):
            chain += [nn.Conv2d(channels if i == 0 else width, width, 3, padding=1), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*chain, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, picture: Tensor) -> Tensor:
        """Noise (N, channels, H, W) of a picture of the same shape in [0, 1]; any H and W."""
        noise: Tensor = self.model(picture)
        return noise

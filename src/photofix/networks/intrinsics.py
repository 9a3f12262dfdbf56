"""What a picture was made of: the shape of what it shows, and the light that is there, from one small picture.

The idea is that of SfSNet (Sengupta et al., "SfSNet: Learning Shape, Reflectance and Illuminance of Faces in the Wild",
2018): normals and the light in spherical harmonics, learned together from rendered pictures. To them come visibility,
for what lies in the shade of something else, in spherical harmonics as in precomputed radiance transfer (Sloan et al.
2002), the shading itself, for light too hard for nine numbers, and an error bar. A plain-convolution U-Net on the
picture folded 2 x 2; what the whole picture shows, pooled at its coarsest level, says the light.

Coordinates, everywhere: x to the picture's right, y up, z towards the camera. Spherical harmonics are real and
orthonormal, bands l = 0, 1, 2, in each m = -l .. l, functions of the unit vector (x, y, z) that points to where the
light comes from: 0.282095, 0.488603 y, 0.488603 z, 0.488603 x, 1.092548 xy, 1.092548 yz, 0.315392 (3 zz - 1),
1.092548 xz, 0.546274 (xx - yy).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

#: The sides of a picture are multiples of this.
MULTIPLE = 16

#: Planes of the first answer.
NORMAL, VISIBILITY, ERROR, SHADING = slice(0, 3), slice(3, 12), slice(12, 13), slice(13, 14)


class Intrinsics(nn.Module):
    """Normals, visibility, shading and light of a picture.

    Args:
        widths: features at each level, the finest first; each level halves the sides of the one before, and the first
            those of the picture.
        blocks: residual blocks at each level on the way down; on the way up there is one.
    """

    def __init__(self, widths: tuple[int, ...] = (48, 96, 128, 192), blocks: tuple[int, ...] = (1, 1, 1, 2)) -> None:
        super().__init__()
        fine, coarse = widths[0], widths[-1]
        self.head = nn.Conv2d(3 * 4, fine, 3, padding=1)
        self.encoders = nn.ModuleList(_stage(width, count) for width, count in zip(widths, blocks, strict=True))
        self.decoders = nn.ModuleList(_stage(width, 1) for width in widths[:-1])
        steps = list(itertools.pairwise(widths))
        self.downs = nn.ModuleList(nn.Conv2d(near, far, 2, 2) for near, far in steps)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(far, near, 2, 2) for near, far in steps)
        self.context = nn.Sequential(nn.Linear(2 * coarse, coarse), nn.ReLU(), nn.Linear(coarse, coarse))
        self.light = nn.Sequential(nn.Linear(2 * coarse, coarse), nn.ReLU(), nn.Linear(coarse, 9 * 3))
        self.tail = nn.Conv2d(fine, SHADING.stop * 4, 3, padding=1)
        # The four pixels of a cell start alike: else a checkered pattern takes most of the training to unlearn.
        for part in (self.tail.weight.data, self.tail.bias.data):  # type: ignore[union-attr]
            part.copy_(part[::4].repeat_interleave(4, dim=0))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (N, 14, h, w) and light (N, 9, 3), both float32, of a picture (N, 3, h, w), sRGB-encoded in [0, 1].

        h and w are multiples of 16; it learned from pictures with a longer side of 128 to 192. The planes of maps are

        - NORMAL: unit normals.
        - VISIBILITY: harmonics of the share of the sky that a place sees: clip(sum of v_lm Y_lm(direction), 0, 1);
          (3.5449, 0, ...) is the open sky. It knows only what hides the sky, not the place's own turning away.
        - ERROR: natural logarithm of the angle, in radians, by which the normal is expected to be wrong; about 0.4
          (1.5 radians) where there is nothing to know, as in a backdrop.
        - SHADING: natural logarithm of the luminance of the shading that is there: how bright a matte white surface
          would be in this place, in linear light, with shadows and without gloss. Picture / shading is the albedo.

        light is the radiance that comes from afar, in harmonics for each linear RGB channel, such that
        1 / pi * (integral of light * visibility * max(normal . direction, 0)) is that shading: light of
        (3.5449, 0, ...) shows open white surfaces as 1. From one picture the scale of shading and light is a guess,
        one for both; ratios within a picture are what it knows.
        """
        features = self.head(functional.pixel_unshuffle(picture - 0.5, 2))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=False):
            skips.append(encoder(features))
            features = down(skips[-1])
        features = self.encoders[-1](features)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1)
        features = features + self.context(pooled)[:, :, None, None]
        for decoder, up, skip in zip(reversed(self.decoders), reversed(self.ups), reversed(skips), strict=True):
            features = decoder(up(features) + skip)
        planes = functional.pixel_shuffle(self.tail(features), 2).float()
        normal, visibility, rest = planes[:, NORMAL], planes[:, VISIBILITY], planes[:, VISIBILITY.stop :]
        # Where nothing is known yet a surface looks at the camera, under the open sky.
        normal = functional.normalize(torch.cat([normal[:, :2], normal[:, 2:] + 1], dim=1), dim=1)
        visibility = torch.cat([visibility[:, :1] + math.sqrt(4 * math.pi), visibility[:, 1:]], dim=1)
        return torch.cat([normal, visibility, rest], dim=1), self.light(pooled).float().reshape(-1, 9, 3)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a rectifier, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.second(functional.relu(self.first(features), inplace=True))
        return features + change


def _stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))

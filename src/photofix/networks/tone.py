"""How a dark photo is to be brightened: asked of the whole picture made small, answered by what is smooth over it.

The idea is HDRNet's (Gharbi et al., "Deep Bilateral Learning for Real-Time Image Enhancement", 2017): what a retoucher
does to light can be decided on a small picture, if the decision is applied along the edges of the large one. The answer
is a gain in stops for every place and color; whoever asks makes it follow edges (a guided filter, He and Sun 2015).
Exposure is a condition, as in Chen et al., "Learning to See in the Dark" (2018); without one, the network says what
the picture wants.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Sides of the picture that the network is shown and, folded, of its answer.
SIDE, FOLD = 144, 3

#: Light below this, with white at 1, is black to the network: a tenth of an 8-bit file's first step.
FLOOR = 2.0**-15


class Tone(nn.Module):
    """Gains in stops, and the exposure that a picture wants.

    Args:
        widths: features at 48, 24 and 12 cells a side.
        exposure_width: features of the part that judges exposure.
    """

    def __init__(self, widths: tuple[int, int, int] = (48, 96, 128), exposure_width: int = 48) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.judge = _Judge(exposure_width)
        self.head = nn.Conv2d(7 * FOLD**2, fine, 3, padding=1)
        self.before = nn.ModuleList((_Block(fine), _Block(middle)))
        self.downs = nn.ModuleList((nn.Conv2d(fine, middle, 2, 2), nn.Conv2d(middle, coarse, 2, 2)))
        self.inner = nn.ModuleList((_Block(coarse), _Block(coarse)))
        self.whole = nn.Sequential(nn.Linear(2 * coarse + 1, coarse), nn.ReLU(), nn.Linear(coarse, coarse))
        self.ups = nn.ModuleList((nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)))
        self.after = nn.ModuleList((_Block(middle), _Block(fine)))
        self.tail = nn.Conv2d(fine, 3, 3, padding=1)

    def forward(self, light: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Stops (N, 3, 48, 48) by which each place of a picture in linear light (N, 3, 144, 144) is brightened.

        exposure, (N, 1): the stops that are wanted; an answer of so many everywhere multiplies the picture by one
        number. Without exposure the answer, (N, 2), is the stops that the picture lacks, about 0 for a good one, and
        the logarithm of the odds that it lacks any: some photos are dark on purpose.
        """
        stops = (light.float().clamp(min=0) + FLOOR).log2()
        if exposure is None:
            wanted: Tensor = self.judge(stops.to(light.dtype))
            return wanted
        lifted = stops + exposure.float()[:, :, None, None]
        # Stops show shadows, and the picture as it would look shows the rest; what passes white shows as more than 1.
        shown = torch.cat([lifted / 8, lifted.exp2().clamp(max=4) ** 0.45], 1)
        scaled = exposure.float() / 8
        plane = scaled[:, :, None, None].expand(-1, 1, *light.shape[2:])
        folded = functional.pixel_unshuffle(torch.cat([shown, plane], 1).to(light.dtype), FOLD)
        change = self._change(self.head(folded), scaled)
        return exposure[:, :, None, None] + change

    def _change(self, features: Tensor, exposure: Tensor) -> Tensor:
        """Stops (N, 3, 48, 48) to add to the exposure."""
        skips = []
        for block, down in zip(self.before, self.downs, strict=True):
            skips.append(block(features))
            features = down(skips[-1])
        for block in self.inner:
            features = block(features)
        known = torch.cat([features.mean((2, 3)), features.amax((2, 3)), exposure.to(features.dtype)], 1)
        features = features + self.whole(known)[:, :, None, None]
        for up, block, skip in zip(self.ups, self.after, reversed(skips), strict=True):
            wide = functional.interpolate(up(features), scale_factor=2, mode="bilinear")
            features = block(wide + skip)
        change: Tensor = self.tail(features)
        return change


class _Judge(nn.Module):
    """Stops that a picture lacks, and the odds that it does."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3 * FOLD**2, width, 3, padding=1)
        self.downs = nn.ModuleList(nn.Conv2d(width, width, 2, 2) for _ in range(3))
        self.blocks = nn.ModuleList(_Block(width) for _ in range(3))
        self.say = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.doubt = nn.Sequential(nn.Linear(2 * width, width // 2), nn.ReLU(), nn.Linear(width // 2, 1))

    def forward(self, stops: Tensor) -> Tensor:
        features = self.head(functional.pixel_unshuffle(stops / 8, FOLD))
        for block, down in zip(self.blocks, self.downs, strict=True):
            features = down(block(features))
        known = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        return torch.cat([self.say(known) * 4, self.doubt(known)], 1)


class _Block(nn.Module):
    """Two convolutions around a rectifier, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.second(functional.relu(self.first(functional.relu(features))))
        return features + change

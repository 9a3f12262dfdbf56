"""Our colorizer: how likely each of some hundred colors is at each place of a gray picture, with or without hints.

The idea: colors as odds over a grid in the plane of a and b of CIE Lab, so that what may be red or blue need not come
out as the dull mean of both (Zhang et al. 2016); one network with and without known colors (Zhang et al. 2017); and
what the whole picture shows, pooled, added to what every place shows (Iizuka et al. 2016). A compact U-Net, seeing the
picture folded 4 x 4. How far a known color goes is learned too: each place looks at the known ones and takes most from
those whose features, lightness and position are like its own (attention, Vaswani et al. 2017, that begins as a joint
bilateral filter), and colors far from what it took become unlikely there.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Pixels along the side of a place that the network answers for.
CELL = 4

#: Units of a and b that are one where the network takes or compares colors.
_COLOR = 110.0


class Colorizer(nn.Module):
    """Odds of colors, seen as a whole.

    Args:
        colors: how many colors there are to choose from: `centers` holds their a and b, and `rarity` the logarithm of
            the weight that training gave each.
        widths: features at each level, the finest first; each level halves the sides.
        blocks: residual blocks at each level on the way down; on the way up there are two.
        heads: ways in which places are compared with those whose color is known. keys: features they are compared by.
    """

    def __init__(
        self,
        colors: int,
        widths: tuple[int, ...] = (64, 128, 256),
        blocks: tuple[int, ...] = (1, 2, 3),
        heads: int = 2,
        keys: int = 16,
    ) -> None:
        super().__init__()
        fine, coarse = widths[0], widths[-1]
        self.head = nn.Conv2d(CELL**2 + 5, fine, 3, padding=1)
        self.encoders = nn.ModuleList(_stage(width, count) for width, count in zip(widths, blocks, strict=True))
        self.decoders = nn.ModuleList(_stage(width, 2) for width in widths[:-1])
        steps = list(itertools.pairwise(widths))
        self.downs = nn.ModuleList(nn.Conv2d(near, far, 2, 2) for near, far in steps)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(far, near, 2, 2) for near, far in steps)
        self.context = nn.Sequential(nn.Linear(2 * coarse, coarse), nn.ReLU(), nn.Linear(coarse, coarse))
        self.spread = _Spread(fine, heads, keys)
        self.tail = nn.Conv2d(fine, colors, 1)
        self.centers: Tensor
        self.rarity: Tensor
        self.register_buffer("centers", torch.zeros(colors, 2))
        self.register_buffer("rarity", torch.zeros(colors))

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Logits (N, colors, H / 4, W / 4) of a lightness (N, 1, H, W), 0 to 100; H and W multiples of 16.

        hints, (N, 3, H, W): a, b and 1 on the pixels whose color is known, 0 in all three planes elsewhere.
        """
        seen = (lightness - 50) / 50
        known = _Known.of(seen, hints)
        planes = [functional.pixel_unshuffle(seen, CELL), known.color, known.mask, known.share, _rows(known.mask)]
        features = self.head(torch.cat(planes, dim=1))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=False):
            skips.append(encoder(features))
            features = down(skips[-1])
        features = self._with_context(self.encoders[-1](features))
        for level in reversed(range(len(skips))):
            features = self.ups[level](features) + skips[level]
            if level == 0:
                features, pull = self.spread(features, known, self.centers / _COLOR)
            features = self.decoders[level](features)
        answer: Tensor = self.tail(features) + pull
        return answer

    def _with_context(self, features: Tensor) -> Tensor:
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1)
        whole: Tensor = features + self.context(pooled)[:, :, None, None]
        return whole


class _Known:
    """What is known, place by place: (N, 2, h, w) color; mask, 1 where any is; share of its pixels; (N, 1, h, w)."""

    def __init__(self, lightness: Tensor, color: Tensor, share: Tensor) -> None:
        self.lightness, self.share = functional.avg_pool2d(lightness, CELL), share
        self.mask = (share > 0).to(share.dtype)
        self.color = color / share.clamp(min=1e-6)

    @classmethod
    def of(cls, lightness: Tensor, hints: Tensor | None) -> _Known:
        """From what the network is given."""
        if hints is None:
            hints = lightness.new_zeros(1, 3, 1, 1).expand(len(lightness), -1, *lightness.shape[2:])
        means = functional.avg_pool2d(torch.cat([hints[:, :2] * hints[:, 2:] / _COLOR, hints[:, 2:]], dim=1), CELL)
        return cls(lightness, means[:, :2], means[:, 2:])


class _Spread(nn.Module):
    """Known colors go where they belong: each place attends to the places whose color is known, or to none of them."""

    def __init__(self, width: int, heads: int, keys: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Conv2d(width, heads * keys, 1)
        self.key = nn.Conv2d(width, heads * keys, 1)
        self.doubt = nn.Conv2d(width, heads, 1)  # how little a place cares for any of them
        self.gain = nn.Conv2d(width, heads, 1)  # how surely what it took is its color
        self.mix = nn.Conv2d(3 * heads, width, 1)
        # What a row or column, and a step of lightness, set apart: at first one way looks near, the next farther.
        self.nearness = nn.Parameter(torch.tensor([40.0 * 0.1**head for head in range(heads)]))
        self.likeness = nn.Parameter(torch.full((heads,), 20.0))

    def forward(self, features: Tensor, known: _Known, centers: Tensor) -> tuple[Tensor, Tensor]:
        """The features with what was taken mixed in, and what to add to the logits of colors at `centers`, in 110."""
        size, device = features.shape[2:], features.device
        queries, keys = self._compared(features, known)
        with torch.autocast(device.type, enabled=False):  # differences of large numbers: half precision has not enough
            weights = (queries @ keys.transpose(2, 3)).softmax(3)[..., :-1]
        values = _paired(torch.cat([known.color, known.mask], dim=1), known).flatten(2).transpose(1, 2)[:, None]
        taken = (weights @ values.float()).transpose(2, 3).reshape(-1, self.heads, 3, *size).float()
        mixed = features + self.mix(taken.flatten(1, 2))
        total = taken[:, :, 2:]
        gain = functional.softplus(self.gain(mixed)).float()[:, :, None] * total
        toward = (gain * taken[:, :, :2] / total.clamp(min=1e-3)).sum(1)
        # How far each color is from what was taken, squared, without the part that all share.
        far = torch.cat([2 * centers, -centers.square().sum(1, keepdim=True)], dim=1)
        with torch.autocast(device.type, enabled=False):
            pull = 100 * torch.einsum("nchw,qc->nqhw", torch.cat([toward, gain.sum(1)], dim=1), far.float())
        return mixed, pull

    def _compared(self, features: Tensor, known: _Known) -> tuple[Tensor, Tensor]:
        """(N, heads, places, K) and (N, heads, pairs + 1, K): their products say what goes to which place.

        That is how alike their features are, less the squares of what sets them apart; the last of the pairs is none.
        Places in pairs of rows and columns share one entry: that quarters the work, and few hints lie so near.
        """
        count, scales = len(features), torch.stack([self.nearness, self.nearness, self.likeness], dim=1)
        places = torch.cat([_grid(known.mask), known.lightness.float()], dim=1)
        pairs = _paired(places, known)
        empty = functional.max_pool2d(known.mask, 2, ceil_mode=True).float() - 1
        query, key = self.query(features).float(), _paired(self.key(features).float(), known)

        def entries(learned: Tensor, own: Tensor, more: list[Tensor]) -> Tensor:
            size = own.shape[-2:]
            parts = [learned.reshape(count, self.heads, -1, *size), own.expand(count, self.heads, 3, *size)]
            parts += [part.expand(count, self.heads, *size)[:, :, None] for part in more]
            return torch.cat(parts, dim=2).flatten(3).transpose(2, 3)

        def away(own: Tensor) -> Tensor:
            return -torch.einsum("nchw,kc->nkhw", own.square(), scales)

        root = (query.shape[1] / self.heads) ** 0.5
        own = 2 * scales[:, :, None, None] * places[:, None]
        one = torch.ones_like(places[:, :1])
        queries = entries(query / root, own, [away(places), one, one, self.doubt(features).float() - 4])
        one = torch.ones_like(pairs[:, :1])
        keys = entries(key, pairs[:, None], [one, away(pairs), 1e4 * empty, 0 * one])
        none = torch.zeros_like(keys[:, :, :1])
        none[..., -1] = 1
        return queries, torch.cat([keys, none], dim=2)


def _paired(planes: Tensor, known: _Known) -> Tensor:
    """Means of the known ones of 2 x 2 places."""
    there = functional.avg_pool2d(known.mask, 2, ceil_mode=True)
    return functional.avg_pool2d(planes * known.mask, 2, ceil_mode=True) / there.clamp(min=1e-6)


def _grid(plane: Tensor) -> Tensor:
    """(N, 2, h, w): row and column, in 32 places."""
    rows, columns = (torch.arange(size, device=plane.device, dtype=torch.float32) / 32 for size in plane.shape[2:])
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return grid.expand(len(plane), -1, -1, -1)


def _rows(plane: Tensor) -> Tensor:
    """How high each place lies in the picture, -1 to 1: above is sky."""
    rows = torch.linspace(-1, 1, plane.shape[2], device=plane.device, dtype=plane.dtype)
    return rows[:, None].expand(len(plane), 1, -1, plane.shape[3])


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

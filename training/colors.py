"""Photos to learn color from: what an old camera would have made of a photo, some known colors, and all of them.

A sample is (4, side, side): L of a gray picture, then a, b and 1 where a hint tells the color, else 0; with the true a
and b of each place of the network, (2, side / CELL, side / CELL). CIE Lab of D65 throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from degrade import linear_to_srgb, srgb_to_linear
from photofix.color import LUMINANCE
from photofix.networks.colorizer import CELL, Colorizer
from photos import HELD_OUT_EVERY

#: Photos are kept with this shorter side: no sample sees more of one.
KEPT = 192

#: Shorter sides at which a photo is seen; a sample is a square of the smallest.
_SIDES = (128, 176)

#: Step of the grid of colors in a and b (Zhang et al. 2016).
STEP = 10

#: How much of what is seen is of each kind. There are many goods on shelves, all in the same warm light.
_SHARES = {"scenes": 0.75, "people": 0.12, "things": 0.13}

#: Photos whose chroma is less than this in the mean are gray already, or as good as.
_GRAY = 3.0

#: How far the smoothed shares of colors tell on what each counts: 1 is Zhang's rebalancing, 0 none.
_REBALANCE = 0.5

_Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Photos:
    """Shrunk photos, (H, W, 3) uint8 RGB, and how likely each is to be seen."""

    pictures: list[np.ndarray]
    odds: np.ndarray


def load(folder: Path, shards: list[str], held_out: list[str]) -> Photos:
    """Photos in color: without those that a list names, and those that are for choosing between recipes."""
    return _loaded(folder, shards, held_out, choosing=False)


def choosing(folder: Path, shards: list[str], held_out: list[str]) -> list[np.ndarray]:
    """Photos to choose between recipes by: neither trained on nor measured on."""
    return _loaded(folder, shards, held_out, choosing=True).pictures


def _loaded(folder: Path, shards: list[str], held_out: list[str], choosing: bool) -> Photos:
    files = sorted(file for shard in shards for file in (folder / shard).glob("*.jpg"))
    apart = set(held_out)
    chosen = [f for i, f in enumerate(files) if (i % HELD_OUT_EVERY == 0) == choosing]
    kept = [(f, shrunk(f)) for f in chosen if f"{f.parent.name}/{f.name}" not in apart]
    kept = [(f, photo) for f, photo in kept if colorful(photo)]
    kinds = [f.parent.name.split("-")[0] for f, _ in kept]
    odds = np.array([_SHARES[kind] / kinds.count(kind) for kind in kinds])
    return Photos([photo for _, photo in kept], odds / odds.sum())


def shrunk(file: Path) -> np.ndarray:
    """A photo as (H, W, 3) uint8 RGB with a shorter side of KEPT."""
    picture = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, f"{file} is no picture"
    scale = KEPT / min(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[:, :, ::-1])


def colorful(photo: np.ndarray) -> bool:
    return bool(np.hypot(*np.moveaxis(lab(photo.astype(np.float32) / 255)[:, :, 1:], 2, 0)).mean() > _GRAY)


def lab(picture: np.ndarray) -> np.ndarray:
    """CIE Lab of sRGB in [0, 1], float32."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture, dtype=np.float32), cv2.COLOR_RGB2LAB))


class Samples(IterableDataset[_Sample]):
    """Endless samples; the third of each is not used."""

    def __init__(self, photos: Photos, seed: int) -> None:
        self.photos, self.seed = photos, seed

    def __iter__(self) -> Iterator[_Sample]:
        rng = np.random.default_rng(self.seed)
        while True:
            yield sample(self.photos.pictures[int(rng.choice(len(self.photos.odds), p=self.photos.odds))], rng)


def sample(photo: np.ndarray, rng: np.random.Generator) -> _Sample:
    """One sample of a photo."""
    picture = _seen(photo, rng)
    gray, truth = film(picture, rng), lab(picture)[:, :, 1:]
    count = _hint_count(rng)
    if count >= 5 and rng.random() < 0.35:  # any color may be anything's: what is told counts, not what is usual
        truth = _turned(truth, rng)
    seen = np.concatenate([lightness(gray)[:, :, None], hints(truth, count, rng)], axis=2)
    places = truth.reshape(len(truth) // CELL, CELL, -1, CELL, 2).mean((1, 3))
    return np.ascontiguousarray(seen.transpose(2, 0, 1)), np.ascontiguousarray(places.transpose(2, 0, 1)), np.zeros(1)


def _seen(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A square of most of a photo, perhaps mirrored, its white and color a little off; sRGB in [0, 1]."""
    side = _SIDES[0]
    scale = rng.integers(side, _SIDES[1] + 1) / min(photo.shape[:2])
    size = (max(side, round(photo.shape[1] * scale)), max(side, round(photo.shape[0] * scale)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    top, left = (rng.integers(0, length - side + 1) for length in small.shape[:2])
    square = small[top : top + side, left : left + side].astype(np.float32) / 255
    square = square[:, ::-1] if rng.random() < 0.5 else square
    tilted = square * np.exp(rng.normal(0, 0.03, 3)).astype(np.float32)
    mean = tilted.mean(2, keepdims=True)
    return np.asarray(np.clip(mean + np.float32(rng.uniform(0.85, 1.2)) * (tilted - mean), 0, 1))


def film(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a black-and-white camera makes of a picture (H, W, 3): (H, W), sRGB-coded in [0, 1].

    Half of the time the luminance of today, else a film that sees colors in its own way (early ones no red); exposure,
    contrast, fading, a lens that falls off and is soft, and grain, each in a part of the pictures.
    """
    weights = LUMINANCE.astype(np.float64)
    if rng.random() < 0.5:
        weights = rng.dirichlet([2.1, 4.2, 1.6]) if rng.random() < 0.7 else rng.dirichlet([0.4, 3.0, 3.0])
    gray = linear_to_srgb(srgb_to_linear(picture) @ weights.astype(np.float32))
    if rng.random() < 0.6:
        gray = gray ** np.float32(np.exp(rng.normal(0, 0.25)))
        curve = np.float32(rng.uniform(-0.35, 0.6))
        gray = gray + curve * (gray * gray * (3 - 2 * gray) - gray)
        black, white = rng.uniform(0, 0.2) * (rng.random() < 0.5), 1 - rng.uniform(0, 0.25) * (rng.random() < 0.5)
        gray = np.float32(black) + np.float32(white - black) * gray
    if rng.random() < 0.15:
        gray = gray * _falloff(gray.shape, rng.uniform(0.1, 0.5))
    if rng.random() < 0.3:
        gray = cv2.GaussianBlur(gray, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.35:
        grain = rng.normal(0, rng.uniform(0.01, 0.06), gray.shape).astype(np.float32)
        gray = gray + (cv2.GaussianBlur(grain, (0, 0), 0.6) if rng.random() < 0.5 else grain)
    return np.asarray(np.clip(gray, 0, 1))


def _falloff(shape: tuple[int, ...], depth: float) -> np.ndarray:
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, size, dtype=np.float32) for size in shape), indexing="ij")
    return 1 - np.float32(depth / 2) * (rows**2 + columns**2)


def lightness(gray: np.ndarray) -> np.ndarray:
    """L of CIE Lab, 0 to 100, of neutral sRGB values."""
    light = srgb_to_linear(gray)
    return np.where(light > (6 / 29) ** 3, 116 * np.cbrt(light) - 16, light * (29 / 3) ** 3).astype(np.float32)


def _turned(colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.4)
    turn = strength * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(np.clip(colors @ turn.astype(np.float32), -100, 100), np.float32)


def _hint_count(rng: np.random.Generator) -> int:
    """None in three pictures of five, else 1 to 100, each power of two about as often."""
    return 0 if rng.random() < 0.6 else int(np.exp(rng.uniform(0, np.log(100))))


def hints(truth: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3): a, b and 1 where one of `count` points or strokes tells of the truth (H, W, 2), else 0."""
    planes = np.zeros((*truth.shape[:2], 3), np.float32)
    strokes = rng.random() < 0.25
    for _ in range(count):
        at = rng.integers(0, truth.shape[:2])
        half = int(rng.integers(0, 4)) if rng.random() < 0.5 else 0
        if strokes:
            _stroke(planes, truth, at, rng)
        else:
            area = tuple(slice(max(0, place - half), place + half + 1) for place in at)
            planes[area] = (*truth[area].mean((0, 1)), 1)
    return planes


def _stroke(planes: np.ndarray, truth: np.ndarray, at: np.ndarray, rng: np.random.Generator) -> None:
    """A line in the color of where it begins; it stays on what has about that color, as a careful hand would."""
    color = truth[at[0], at[1]]
    end = at + rng.normal(0, 20, 2).astype(int)
    line = np.zeros(truth.shape[:2], np.uint8)
    cv2.line(line, (int(at[1]), int(at[0])), (int(end[1]), int(end[0])), 1, int(rng.integers(1, 4)))
    alike = np.abs(truth - color).sum(2) < 12
    planes[(line > 0) & alike] = (*color, 1)


def grid() -> np.ndarray:
    """The colors to choose from, (Q, 2) float32: points of the grid about every color that sRGB has.

    Each a and b lies between four of them, so that shares in these four say it exactly.
    """
    levels = np.linspace(0, 1, 33, dtype=np.float32)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(1, -1, 3)
    corners = np.unique(np.floor(lab(cube)[0, :, 1:] / STEP).astype(int), axis=0)
    points = np.unique(np.concatenate([corners + offset for offset in ((0, 0), (0, 1), (1, 0), (1, 1))]), axis=0)
    return (points * STEP).astype(np.float32)


class Targets:
    """From a and b to their shares in the four points of the grid about them."""

    def __init__(self, centers: Tensor) -> None:
        self.centers = centers
        side = torch.arange(-13, 14) * STEP
        every = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1).reshape(-1, 2).float()
        # What lies outside of all colors, such as a turned one, goes to the nearest point that there is.
        self.nearest = torch.cdist(every, centers).argmin(1)

    def __call__(self, color: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 4, h, w) indices and shares of (N, 2, h, w) colors."""
        place = (color / STEP + 13).clamp(0, 25.999)
        low = place.floor()
        up, right = (place - low).unbind(1)
        corner = low.long()
        first = corner[:, 0] * 27 + corner[:, 1]
        indices = torch.stack([first, first + 1, first + 27, first + 28], dim=1)
        shares = torch.stack([(1 - up) * (1 - right), (1 - up) * right, up * (1 - right), up * right], dim=1)
        return self.nearest[indices], shares


def rarity(photos: Photos, targets: Targets) -> Tensor:
    """(Q,) logarithm of what each color counts in training, the mean over all pixels being 1 (Zhang et al. 2016)."""
    counts = torch.zeros(len(targets.centers))
    for photo, odds in zip(photos.pictures, photos.odds, strict=True):
        small = cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        indices, shares = targets(torch.from_numpy(lab(small)[:, :, 1:].transpose(2, 0, 1).copy())[None])
        counts.index_add_(0, indices.flatten(), shares.flatten() * float(odds))
    shares = counts / counts.sum()
    weights = (0.5 * shares + 0.5 / len(shares)) ** -_REBALANCE
    return (weights / (weights * shares).sum()).log()


def describe(network: Colorizer, photos: Photos) -> dict[str, Tensor]:
    """Tell a new network its colors and what each counts; returns both by their names."""
    network.centers.copy_(torch.from_numpy(grid()))
    network.rarity.copy_(rarity(photos, Targets(network.centers)))
    return {"centers": network.centers.clone(), "rarity": network.rarity.clone()}


def loss(network: Colorizer, taken: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy of the odds of colors, each place counting as much as its color is rare."""
    with torch.autocast("cpu", torch.bfloat16):
        answer: Tensor = network(taken[:, :1], taken[:, 1:])
    indices, shares = Targets(network.centers)(truth)
    weights = (network.rarity[indices].exp() * shares).sum(1)
    surprise = -(answer.float().log_softmax(1).gather(1, indices) * shares).sum(1)
    found: Tensor = (weights * surprise).mean()
    return found

"""Pictures of rendered solids under any light, with what they were made of: samples for the network of relight.

A sample is three arrays. The picture, (3, side, side), sRGB-encoded in [0, 1]. Planes of what is true of it,
(5 + ASKED, side, side): MASK, normals, the shading's log luminance, and for some directions whether light from there
arrives. And (27 + 3 * ASKED,): the light in spherical harmonics, (9, 3), and those directions. The conventions are
those of photofix.networks.intrinsics. Of a photograph nothing is known: its planes are -1 throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import IterableDataset

import degrade
import transfer
from photofix.color import LUMINANCE
from photofix.lights import basis
from relight_light import Surroundings, draw_light
from relight_surface import albedo, color, draw_gloss, lit
from transfer import DIRECTIONS, SIDE, Transfer

#: Directions of a sample for which it says whether light arrives.
ASKED = 8

#: What each plane of truth is.
MASK, NORMALS, SHADING, SEEN = slice(0, 1), slice(1, 4), slice(4, 5), slice(5, 5 + ASKED)

#: Shading darker than this, with white at 1, is as good as none.
DARKEST = 0.01

#: Pixels a side of what is seen; all samples of a batch have the same.
_SIDES = (96, 96, 128, 160)

#: How often photographs are among the samples.
_REAL = 0.12

_Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


def sample(known: Transfer, around: Surroundings, side: int, rng: np.random.Generator) -> _Sample:
    """One picture and what it was made of."""
    known = cropped(known, rng)
    light = draw_light(known.directions, around, rng)
    sent, shading = lit(known, albedo(known, around, rng), draw_gloss(rng), light)
    bright = np.quantile(sent @ LUMINANCE, rng.uniform(0.85, 0.99)) if len(sent) else 1.0
    gain = np.exp(rng.uniform(np.log(0.3), np.log(1.2))) / max(bright, 1e-4)
    return taken(known, sent * gain, shading * gain, light * gain, around, side, rng)


def taken(
    known: Transfer,
    sent: np.ndarray,
    shading: np.ndarray,
    light: np.ndarray,
    around: Surroundings,
    side: int,
    rng: np.random.Generator,
) -> _Sample:
    """The photograph of it by some camera before some background, and the truth, mirrored or not."""
    scene = background(known, around, rng)
    scene[known.mask] = sent
    chosen = rng.choice(DIRECTIONS, ASKED, replace=False)
    planes = np.zeros((*known.mask.shape, 5 + ASKED), np.float32)
    planes[..., 0] = known.mask
    planes[known.mask, 1:4] = known.normals
    planes[known.mask, 4] = np.log(np.maximum(shading @ LUMINANCE, DARKEST))
    planes[known.mask, 5:] = known.seen[:, chosen]
    method = cv2.INTER_AREA if len(scene) >= side else cv2.INTER_LINEAR
    scene = cv2.resize(np.asarray(scene, np.float32), (side, side), interpolation=method)
    planes = cv2.resize(planes, (side, side), interpolation=cv2.INTER_NEAREST)
    picture, toward = photographed(scene, rng), known.directions[chosen]
    if rng.random() < 0.08:
        picture = np.repeat(picture @ LUMINANCE[:, None], 3, 2)
        light = np.repeat(light @ LUMINANCE[:, None], 3, 1)
    if rng.random() < 0.5:
        mirror = np.array([-1, 1, 1])
        picture, planes, toward = picture[:, ::-1], planes[:, ::-1].copy(), toward * mirror
        planes[..., 1] *= -1
        return _packed(picture, planes, basis(known.directions * mirror).T @ light * np.pi, toward)
    return _packed(picture, planes, basis(known.directions).T @ light * np.pi, toward)


def _packed(picture: np.ndarray, planes: np.ndarray, light: np.ndarray, toward: np.ndarray) -> _Sample:
    numbers = np.concatenate([light.ravel(), toward.ravel()]).astype(np.float32)
    picture, planes = (np.ascontiguousarray(part.transpose(2, 0, 1), np.float32) for part in (picture, planes))
    return picture, planes, numbers


def cropped(known: Transfer, rng: np.random.Generator) -> Transfer:
    """A square part of the view, between all of it and half."""
    size = int(rng.integers(SIDE // 2, SIDE + 1)) if rng.random() < 0.6 else SIDE
    top, left = (int(value) for value in rng.integers(0, SIDE - size + 1, 2))
    window = np.zeros_like(known.mask)
    window[top : top + size, left : left + size] = True
    if (known.mask & window).sum() < 200:
        return known
    kept = window[known.mask]
    mask = known.mask[top : top + size, left : left + size]
    normals, places, marks, seen = (part[kept] for part in (known.normals, known.places, known.marks, known.seen))
    return Transfer(mask, normals, places, marks, known.directions, seen, known.kind)


def background(known: Transfer, around: Surroundings, rng: np.random.Generator) -> np.ndarray:
    """Linear light of the backdrop: black, a gradient, or a photograph out of focus."""
    side, chance = len(known.mask), rng.random()
    if chance < (0.1 if known.kind == "person" else 0.4):
        return np.full((side, side, 3), rng.choice([0, 0, rng.uniform(0, 0.02)]))
    if chance < 0.6:
        slope = np.linspace(-1, 1, side)
        ramp = rng.uniform(-0.5, 0.5) * slope[:, None] + rng.uniform(-0.5, 0.5) * slope
        return np.exp(ramp)[..., None] * color(rng) * rng.uniform(0.3, 1.2)
    photo = around.photos[int(rng.integers(len(around.photos)))]
    size = min(side, *photo.shape[:2])
    top, left = (int(rng.integers(0, limit - size + 1)) for limit in photo.shape[:2])
    part = cv2.resize(photo[top : top + size, left : left + size], (side, side))
    part = np.asarray(part, np.float32) / 255
    if rng.random() < 0.7:
        part = cv2.GaussianBlur(part, (0, 0), rng.uniform(0.5, 6))
    return degrade.srgb_to_linear(part) * np.exp(rng.uniform(-1.5, 0.4))


def photographed(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of linear light: blur, noise, white at 1, a tone curve, compression; in [0, 1]."""
    if rng.random() < 0.7:
        scene = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.3, 0.8))
    grain = np.exp(rng.uniform(np.log(1e-3), np.log(2e-2)))
    scene = scene + grain * np.sqrt(scene.clip(0) + 0.02) * rng.normal(size=scene.shape)
    encoded = degrade.linear_to_srgb(scene.clip(0, 1).astype(np.float32))
    if rng.random() < 0.6:
        share = rng.uniform(-0.15, 0.7)
        encoded = encoded + share * (encoded * encoded * (3 - 2 * encoded) - encoded)
    if rng.random() < 0.3:
        gray = (encoded @ LUMINANCE)[..., None]
        encoded = gray + (encoded - gray) * rng.uniform(0.6, 1.3)
    levels = np.rint(encoded.clip(0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.5:
        _, stored = cv2.imencode(".jpg", levels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))])
        decoded = cv2.imdecode(stored, cv2.IMREAD_COLOR)
        assert decoded is not None
        levels = decoded[:, :, ::-1]
    return levels.astype(np.float32) / 255


def photographs(photo: np.ndarray, side: int, rng: np.random.Generator) -> list[_Sample]:
    """A part of a photograph (H, W, 3) uint8, and its mirror image otherwise developed; no truth is known."""
    size = int(min(photo.shape[:2]) * rng.uniform(0.6, 1))
    top, left = (int(rng.integers(0, limit - size + 1)) for limit in photo.shape[:2])
    part = cv2.resize(photo[top : top + size, left : left + size], (side, side), interpolation=cv2.INTER_AREA)
    light = degrade.srgb_to_linear(np.asarray(part, np.float32) / 255)
    planes = np.full((5 + ASKED, side, side), -1, np.float32)
    taken = [photographed(seen * np.float32(np.exp(rng.normal(0, 0.15))), rng) for seen in (light, light[:, ::-1])]
    numbers = np.zeros(27 + 3 * ASKED, np.float32)
    return [(np.ascontiguousarray(one.transpose(2, 0, 1), np.float32), planes, numbers) for one in taken]


def _twice(known: Transfer, around: Surroundings, side: int, rng: np.random.Generator) -> list[_Sample]:
    return [sample(known, around, side, rng) for _ in range(2)]


class Samples(IterableDataset[_Sample]):
    """Endless samples, always two that belong together: of what a store holds, which may still be filled, or photos."""

    def __init__(self, store: Path, around: Surroundings, portraits: list[np.ndarray], batch: int, seed: int) -> None:
        self.store, self.around, self.portraits, self.batch, self.seed = store, around, portraits, batch, seed

    def __iter__(self) -> Iterator[_Sample]:
        rng = np.random.default_rng(self.seed)
        pairs = self._pairs(rng)
        while True:
            side = int(rng.choice(_SIDES))
            for _ in range(self.batch // 2):
                yield from next(pairs)(side)

    def _pairs(self, rng: np.random.Generator) -> Iterator[Callable[[int], list[_Sample]]]:
        """What makes two samples of a side that is still to be said."""
        while True:
            files = [file for file in sorted(self.store.glob("*.npz")) if ".part" not in file.name]
            if not files:
                raise SystemExit(f"{self.store} holds no solids: render some first, python transfer.py {self.store}")
            for index in rng.permutation(len(files))[:500]:
                if rng.random() < _REAL:
                    photo = self.portraits[int(rng.integers(len(self.portraits)))]
                    yield partial(photographs, photo, rng=rng)
                known = transfer.stored(files[int(index)])
                if len(known.normals) > 200:
                    # To read one takes as long as to light it.
                    yield partial(_twice, known, self.around, rng=rng)

"""Chroma for a picture whose lightness stays: brought to full size along its edges, and put to it in light.

Chroma is a and b of CIE Lab (D65); lightness is L, 0 to 100. A picture of any size is worked on a band of rows at a
time; each pixel's answer hangs on that pixel and a small plan alone, so that bands leave no seams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from photofix import color
from photofix.overview import lines
from photofix.photo import Photo

#: Luminance of sRGB's primaries (IEC 61966-2-1), to more digits than color.LUMINANCE has, since L is to stay; and the
#: light that X and Z beyond Y, as parts of white's, add to each.
LUMINANCE = np.array([0.2126729, 0.7151522, 0.0721750], np.float32)
_FROM_X = np.array([3.2404542, -0.9692660, 0.0556434]) * 0.95047
_FROM_Z = np.array([-0.4985314, 0.0415560, 1.0572252]) * 1.08883

#: Rows of a band: what a band needs stays in the cache.
_BAND = 64

#: The guided filter: half the side of its window, in pixels of the plan, and the variance of L below which chroma is
#: taken to be flat.
_RADIUS, _FLAT = 3, 12.0


@dataclass(frozen=True)
class Plan:
    """Chroma of a picture of any size: at each place a = slope * L + offset, and b alike.

    planes: (h, w, 4) float32: slope and offset of a, of b.
    """

    planes: np.ndarray

    def chroma(self, lightness: np.ndarray, first: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """a and b of the rows from `first` of a picture of a size whose lightness (rows, W) is given."""
        slope_a, offset_a, slope_b, offset_b = cv2.split(self._rows(first, len(lightness), size))
        return slope_a * lightness + offset_a, slope_b * lightness + offset_b

    def _rows(self, first: int, count: int, size: tuple[int, int]) -> np.ndarray:
        height = len(self.planes)
        place = (np.arange(first, first + count) + 0.5) * height / size[0] - 0.5
        low = np.clip(np.floor(place).astype(int), 0, height - 1)
        share = np.clip(place - low, 0, 1).astype(np.float32)[:, None, None]
        rows = self.planes[low] * (1 - share) + self.planes[np.minimum(low + 1, height - 1)] * share
        return np.asarray(cv2.resize(rows, (size[1], count), interpolation=cv2.INTER_LINEAR))


def guided(chroma: np.ndarray, lightness: np.ndarray) -> Plan:
    """The plan of chroma (h, w, 2) that follows the lightness (h, w): a straight line of L in every small window."""

    def mean(plane: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(plane, (2 * _RADIUS + 1,) * 2, borderType=cv2.BORDER_REFLECT))

    planes = [part for plane in cv2.split(chroma) for part in lines(plane, lightness, _FLAT, mean)]
    return Plan(np.dstack(planes).astype(np.float32))


def enlarged(chroma: np.ndarray, trust: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Chroma (h, w, 2) of a lightness (H, W), sides whole multiples: each pixel takes from the places about it that are
    as light as it is, the more where they can be trusted (h, w).

    Joint bilateral upsampling (Kopf et al. 2007); it also takes out blotches.
    """
    cell = lightness.shape[0] // chroma.shape[0]
    levels = cv2.resize(lightness, trust.shape[::-1], interpolation=cv2.INTER_AREA)
    places = np.dstack([chroma * trust[:, :, None], trust, levels]).astype(np.float32)
    reach = 2
    padded = cv2.copyMakeBorder(places, *(reach,) * 4, cv2.BORDER_REPLICATE)
    rows, columns = (np.arange(size) for size in lightness.shape)
    total = np.full((*lightness.shape, 3), 1e-6, np.float32)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            there = padded[(rows // cell + down)[:, None], (columns // cell + right)[None, :]]
            far_down, far_right = (
                ((steps - reach + 0.5) - (axis % cell + 0.5) / cell) for steps, axis in ((down, rows), (right, columns))
            )
            near = np.exp(-0.5 * (far_down[:, None] ** 2 + far_right[None, :] ** 2)).astype(np.float32)
            near *= np.exp(-0.5 * ((there[:, :, 3] - lightness) / 8) ** 2) + np.float32(1e-3)
            total += near[:, :, None] * there[:, :, :3]
    return total[:, :, :2] / total[:, :, 2:]


def spread(wrong: np.ndarray, known: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """What is wrong (h, w, 2) where the truth is known (h, w), told to the pixels about it that are as light."""
    total = np.zeros((*lightness.shape, 3), np.float32)
    there = np.dstack([wrong * known[:, :, None], known, lightness]).astype(np.float32)
    reach = 4
    padded = cv2.copyMakeBorder(there, *(reach,) * 4, cv2.BORDER_CONSTANT)
    height, width = lightness.shape
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            near = padded[down : down + height, right : right + width]
            far = ((down - reach) ** 2 + (right - reach) ** 2) / 4
            weight = np.exp(-0.5 * (far + ((near[:, :, 3] - lightness) / 6) ** 2))
            total += weight[:, :, None] * near[:, :, :3]
    return np.asarray(total[:, :, :2] / np.maximum(total[:, :, 2:], 1))


@dataclass(frozen=True)
class Touch:
    """A point whose chroma is known: what to add there, which fades over `radius` pixels and at other lightness."""

    row: int
    column: int
    change: tuple[float, float]
    lightness: float
    radius: float


def painted(photo: Photo, plan: Plan, touches: tuple[Touch, ...] = ()) -> Iterator[tuple[int, np.ndarray]]:
    """The photo's pixels in color, band by band: (first row, (rows, W, 3) of the photo's dtype).

    The luminance of every pixel, and so its L, is what it was: where its chroma would leave the colors that can be
    stored, there is less of it, and nothing is clipped.
    """
    size = photo.pixels.shape[:2]
    for first in range(0, size[0], _BAND):
        light = luminance(photo, first, min(first + _BAND, size[0]))
        lightness = color.lightness(light)
        a, b = plan.chroma(lightness, first, (size[0], size[1]))
        for touch in touches:
            _touch(a, b, lightness, touch, first)
        painted = colored(light, lightness, a, b, photo.pixels.dtype.kind == "u")
        yield first, color.stored(painted, photo.encoding, photo.pixels.dtype)


def luminance(photo: Photo, first: int, last: int) -> np.ndarray:
    """Luminance (rows, W) float32 of some of a photo's rows, white = 1."""
    light = color.light_of(photo.pixels[first:last], photo.encoding)
    return np.asarray(light[:, :, 0] if light.shape[2] == 1 else light @ LUMINANCE)


def colored(light: np.ndarray, lightness: np.ndarray, a: np.ndarray, b: np.ndarray, bounded: bool) -> np.ndarray:
    """Light (rows, W, 3) of that luminance with that chroma, less where a color would leave [0, 1].

    bounded: white is the most that can be stored; else only what is below black cannot.
    """
    level = (lightness + 16) / 116
    x, z = _cubed(level + a / 500) - light, _cubed(level - b / 200) - light
    parts = [np.float32(from_x) * x + np.float32(from_z) * z for from_x, from_z in zip(_FROM_X, _FROM_Z, strict=True)]
    low = np.minimum(np.minimum(parts[0], parts[1]), parts[2])
    share = np.minimum(1, np.maximum(light, 0) / np.maximum(-low, 1e-9))
    if bounded:
        high = np.maximum(np.maximum(parts[0], parts[1]), parts[2])
        share = np.minimum(share, np.maximum(1 - light, 0) / np.maximum(high, 1e-9))
    return np.dstack([light + share * part for part in parts])


def _cubed(level: np.ndarray) -> np.ndarray:
    """The inverse of the function that CIE Lab applies to X, Y and Z (CIE 15:2004, 8.2.1)."""
    line = (level - np.float32(4 / 29)) * np.float32(3 * (6 / 29) ** 2)
    # Above the join the cube is the larger; below it, the line.
    return np.where(level > 6 / 29, level * level * level, line)


def _touch(a: np.ndarray, b: np.ndarray, lightness: np.ndarray, touch: Touch, first: int) -> None:
    reach = int(3 * touch.radius) + 1
    top, bottom = max(touch.row - reach - first, 0), min(touch.row + reach + 1 - first, len(a))
    if top >= bottom:
        return
    left = max(touch.column - reach, 0)
    part = (slice(top, bottom), slice(left, touch.column + reach + 1))
    rows = np.arange(top, bottom)[:, None] + first - touch.row
    columns = np.arange(left, left + a[part].shape[1])[None, :] - touch.column
    far = (rows**2 + columns**2) / touch.radius**2 + ((lightness[part] - touch.lightness) / 6) ** 2
    near = np.exp(-0.5 * far).astype(np.float32)
    a[part] += near * np.float32(touch.change[0])
    b[part] += near * np.float32(touch.change[1])

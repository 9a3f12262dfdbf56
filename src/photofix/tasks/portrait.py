"""A portrait in another light, its lightness painted by a network that is told the light as harmonics (networks.dpr).

The network is shown the whole picture squeezed into a square. What it changes is put to every pixel of the picture as a
ratio of lightness; a and b of CIE Lab stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from photofix import color, lights
from photofix.lights import Lights
from photofix.overview import enlarged
from photofix.photo import Photo, white
from photofix.tiles import Part, Progress

#: What a network answers to L (1, h, w), 0 to 100, and harmonics (9,): L of the relit picture.
Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: The mean radiance that the network was trained with, as its first harmonic, and how strong the next three are beside
#: it at most: light from one direction alone it has never seen.
_LEVEL, _STEEP = 0.76, 0.8

#: Added to lightness where ratios are taken.
_FLOOR = np.float32(0.5)

_BAND = 256


def harmonics(light: Lights) -> np.ndarray:
    """The light (9,) float32 as the network is told it: in its axes, at its level, as soft as it knows light."""
    x, y, z = light.directions.T
    turned = lights.basis(np.stack([x, -z, y], axis=1))
    told = turned.T @ (light.power @ color.LUMINANCE)
    told = told * np.float32(_LEVEL / max(float(told[0]), 1e-6))
    soft = min(1.0, _STEEP * _LEVEL / max(float(np.linalg.norm(told[1:4])), 1e-6))
    return np.asarray(told * np.repeat([1, soft, soft * soft], [1, 3, 5]), np.float32)


def ratio(photo: Photo, told: np.ndarray, answer: Answer, side: int) -> np.ndarray:
    """(side, side): what the lightness of each place is multiplied with, plus a little."""
    small = cv2.resize(photo.pixels, (side, side), interpolation=cv2.INTER_LINEAR).reshape(side, side, -1)
    before = _lab(small, photo.encoding)[:, :, 0]
    after = answer(before[None], told)[0]
    return np.asarray((after + _FLOOR) / (before + _FLOOR), np.float32)


def painted(
    photo: Photo,
    change: np.ndarray,
    strength: float,
    subject: np.ndarray | None,
    part: Part,
    progress: Progress | None = None,
) -> Photo:
    """A part of the photo, its lightness changed by a ratio() of the whole.

    subject: (H, W), 0 to 1, what of the whole is changed; None: all of it.
    """
    (height, width), (rows, columns) = photo.pixels.shape[:2], part
    wanted = photo.pixels[part]
    finished = np.empty_like(wanted)
    for top in range(0, len(wanted), _BAND):
        here = slice(top, min(top + _BAND, len(wanted)))
        band = slice(rows.start + here.start, rows.start + here.stop)
        share = np.float32(strength) * (1 if subject is None else subject[band, columns])
        more = 1 + share * (enlarged(change, band, height, width)[:, columns] - 1)
        finished[here] = _changed(wanted[here], photo.encoding, np.broadcast_to(more, wanted[here].shape[:2]))
        if progress:
            progress(wanted[here].shape[0] * wanted.shape[1])
    return replace(photo, pixels=finished, alpha=None if photo.alpha is None else photo.alpha[part])


def _changed(pixels: np.ndarray, encoding: str, more: np.ndarray) -> np.ndarray:
    lab = _lab(pixels, encoding)
    lab[:, :, 0] = ((lab[:, :, 0] + _FLOOR) * more - _FLOOR).clip(0, 100)
    shown = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[:, :, : pixels.shape[2]]
    numbers = (color.srgb_to_linear(shown) if encoding == "linear" else shown) * np.float32(white(pixels.dtype))
    if pixels.dtype.kind == "u":
        numbers = np.rint(numbers).clip(0, white(pixels.dtype))
    # What is not changed keeps its numbers.
    return np.where(more[:, :, None] == 1, pixels, numbers.astype(pixels.dtype))


def _lab(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """CIE Lab (h, w, 3) float32 of stored numbers (h, w, C)."""
    numbers = np.nan_to_num(pixels.astype(np.float32) / np.float32(white(pixels.dtype)))
    shown = color.linear_to_srgb(numbers) if encoding == "linear" else numbers
    three = np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3))).clip(0, 1)
    return np.asarray(cv2.cvtColor(three, cv2.COLOR_RGB2LAB))

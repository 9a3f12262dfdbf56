"""One photo to light: its curve undone, the steps of 8 bits smoothed, and what is clipped told by a network.

As Eilertsen et al. (2017): the network is heard only where the photo is clipped, and everywhere else the photo's own
numbers are its light. It sees the photo shrunk, since clipped areas hold no detail and their surroundings matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from photofix.color import linear_to_srgb, srgb_to_linear
from photofix.overview import enlarged, size_of
from photofix.photo import Photo, white

#: What a network says of a picture (h, w, 3) in [0, 1] and of which of its samples are clipped, (h, w, 3) in [0, 1]: by
#: how many EV these were brighter, (h, w, 3).
Missing = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: Pixels that the network sees.
_SEEN = 100_000

#: Numbers, white at 255, from which a sample may be clipped: compression and denoising move clipped ones, nothing else
#: does.
_SUSPECT_MOVED, _SUSPECT = 250.0, 254.5
_LOSSY = ("jpeg", "webp", "avif")

#: Windows that are smoothed, in pixels, and the steps between the numbers in one that may be banding.
_BANDS, _STEPS = (31, 15, 7), 2

#: Light from which a photo's numbers tell how bright a picture is.
_KNOWN = 0.05

#: The share of a network's answer that is best for what is seen: it says the mean of what lights of a kind have, and
#: too much beside a small one costs more than too little. Found on views into the panoramas that were trained on.
_CAUTION = 0.85

_ROWS = 256


def lift(photo: Photo, missing: Missing | None, strength: float = 1.0, smooth: bool = True) -> Photo:
    """The photo in linear light, float32, white at 1; clipped light is brighter.

    Args:
        photo: display-referred, or linear; light that is brighter than white already stays.
        missing: None for what the numbers say alone. strength: the share of the missing EV that is added.
        smooth: whether flat areas of 8-bit photos are smoothed, by at most half a step.
    """
    pixels = photo.pixels
    numbers = smoothed(pixels) if smooth and pixels.dtype == np.uint8 else pixels
    light = np.empty(pixels.shape, np.float32)
    scale = np.float32(1 / white(pixels.dtype))
    for top in range(0, len(light), _ROWS):
        part = numbers[top : top + _ROWS].astype(np.float32) * scale
        light[top : top + _ROWS] = srgb_to_linear(part) if photo.encoding == "srgb" else part
    lifted = replace(photo, pixels=light, encoding="linear", alpha=None, data=None)
    if missing is None or pixels.dtype == np.float32:
        return lifted
    shown, clipped = _overview(photo)
    if not clipped.any():
        return lifted
    added = missing(shown, clipped).clip(0, None) * np.float32(strength)
    if pixels.shape[2] == 1:
        added = added.mean(2, keepdims=True)
    for top in range(0, len(light), _ROWS):
        rows = slice(top, min(top + _ROWS, len(light)))
        share = clipped_share(pixels[rows], photo.format)
        light[rows] *= np.exp2(share * enlarged(added, rows, pixels.shape[0], pixels.shape[1]))
    return lifted


def steadied(missing: Missing) -> Missing:
    """What a network says of a picture, of its mirror image, and of both at half their size, averaged: each errs in
    another way; and of that a cautious share."""

    def steady(picture: np.ndarray, clipped: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        size = (max(1, width // 2), max(1, height // 2))
        half = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (picture, clipped))
        coarse = cv2.resize(_both_ways(missing, *half), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(np.float32(_CAUTION / 2) * (_both_ways(missing, picture, clipped) + coarse))

    return steady


def _both_ways(missing: Missing, picture: np.ndarray, clipped: np.ndarray) -> np.ndarray:
    mirrored = missing(*(np.ascontiguousarray(part[:, ::-1]) for part in (picture, clipped)))
    return (missing(picture, clipped) + mirrored[:, ::-1]) / 2


def scaled(photo: Photo, light: np.ndarray) -> Photo:
    """A network's light (H, W, C) of a photo, in the photo's unit: as bright as its numbers where these are known."""
    plain = lift(photo, None, smooth=False)
    known = (clipped_share(photo.pixels, photo.format) == 0) & (plain.pixels > _KNOWN) & (light > 0)
    gain = np.median(plain.pixels[known] / light[known]) if known.any() else 1.0
    return replace(plain, pixels=light * np.float32(gain))


def clipped_share(pixels: np.ndarray, format: str = "") -> np.ndarray:
    """How likely each sample is clipped, 0 to 1, (H, W, C) float32; format: of the file, as compression blurs this."""
    moved = format == "raw" or (format in _LOSSY and pixels.dtype == np.uint8)
    suspect = _SUSPECT_MOVED if moved else _SUSPECT
    numbers = pixels.astype(np.float32) * np.float32(255 / white(pixels.dtype))
    return np.asarray(((numbers - np.float32(suspect)) / np.float32(255 - suspect)).clip(0, 1))


def encoded(photo: Photo) -> np.ndarray:
    """The photo as networks see photos, (H, W, C) float32, display-referred, white at 1."""
    numbers = photo.pixels.astype(np.float32) * np.float32(1 / white(photo.pixels.dtype))
    return linear_to_srgb(numbers) if photo.encoding == "linear" else numbers


def smoothed(pixels: np.ndarray) -> np.ndarray:
    """8-bit numbers, float32, whose steps in flat areas became slopes; nothing moves by more than half a step.

    Widening means, each brought back between the numbers that would be rounded to the photo's own.
    """
    numbers = pixels.astype(np.float32)
    inner = (pixels > 0) & (pixels < 255)
    found = numbers
    for side in _BANDS:
        kernel = np.ones((side, side), np.uint8)
        steps = (cv2.dilate(pixels, kernel).astype(np.int16) - cv2.erode(pixels, kernel)).reshape(pixels.shape)
        mean = cv2.blur(found, (side, side)).reshape(pixels.shape)
        flat = inner & (steps > 0) & (steps <= _STEPS)
        found = np.where(flat, np.clip(mean, numbers - 0.499, numbers + 0.499), found)
    return found


def _overview(photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """The photo as the network sees it, (h, w, 3), and which share of each sample is clipped."""
    height, width = photo.pixels.shape[:2]
    size = size_of(height, width, _SEEN)
    clipped = cv2.resize(clipped_share(photo.pixels, photo.format), size, interpolation=cv2.INTER_AREA)
    shown = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA) * np.float32(1 / white(photo.pixels.dtype))
    shown = linear_to_srgb(shown) if photo.encoding == "linear" else shown
    return tuple(
        np.repeat(part.reshape(*size[::-1], -1), 3 if photo.pixels.shape[2] == 1 else 1, 2) for part in (shown, clipped)
    )  # type: ignore[return-value]

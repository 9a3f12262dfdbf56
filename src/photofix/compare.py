"""Measures of how two pictures differ, and a sheet that shows it.

Pixels count from 0 to 1 by the full range of their type, so pictures of any two depths can be compared; an alpha
channel is compared by itself. They are computed in float64 over bands of rows, so a large picture needs little memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from photofix.color import linear_to_srgb
from photofix.errors import UsageError
from photofix.photo import Photo, shares_of, white

#: Rows that are worked on at a time.
BAND = 256

#: Wang et al. 2004: an 11 x 11 window, and what keeps the two quotients from dividing by nothing (0.01^2 and 0.03^2).
WINDOW, WINDOW_SIGMA = 11, 1.5
C1, C2 = 1e-4, 9e-4

#: Width of the white lines between the pictures of a sheet, and by how much it shows differences larger.
SEPARATOR = 4
GAIN = 8.0


@dataclass(frozen=True)
class Comparison:
    """What `compare` says of two pictures: psnr in dB (infinite for identical ones), ssim (None below 11 x 11 pixels)
    and the largest difference of any sample, white = 1; alpha, which none of these counts, has its own."""

    psnr: float
    ssim: float | None
    max_difference: float
    alpha_difference: float = 0.0

    @property
    def identical(self) -> bool:
        """Whether no sample differs, nor any of alpha."""
        return self.max_difference == self.alpha_difference == 0


def compare(a: Photo, b: Photo) -> Comparison:
    """All measures of two pictures.

    Raises:
        UsageError: they differ in size, channels or encoding, or hold values that are not numbers.
    """
    similarity = None if min(a.pixels.shape[:2]) < WINDOW else ssim(a, b)
    alpha = float(np.abs(_alpha(a) - _alpha(b)).max())
    return Comparison(psnr(a, b), similarity, max_difference(a, b), alpha)


def _alpha(photo: Photo) -> np.ndarray:
    """(H, W) or (1, 1) float32, 1 where nothing shines through."""
    return np.ones((1, 1), np.float32) if photo.alpha is None else shares_of(photo.alpha, white(photo.alpha.dtype))


def psnr(a: Photo, b: Photo) -> float:
    """Peak signal-to-noise ratio in dB, over all samples, white = 1: 10 log10(1 / mean squared difference).

    A difference of 0.1 everywhere is 20 dB; identical pictures are infinitely alike. Raises UsageError as compare().
    """
    total = sum(float(np.square(after - before).sum()) for before, after in _bands(a, b))
    return math.inf if total == 0 else 10 * math.log10(a.pixels.size / total)


def max_difference(a: Photo, b: Photo) -> float:
    """The largest difference of any sample, white = 1. Raises UsageError as compare()."""
    return max(float(np.abs(after - before).max()) for before, after in _bands(a, b))


def ssim(a: Photo, b: Photo) -> float:
    """Structural similarity (Wang et al., "Image Quality Assessment", IEEE TIP 2004), 1 for identical pictures.

    Mean over all places where the 11 x 11 Gaussian window (sigma 1.5) lies within the picture, and over the channels.

    Raises:
        UsageError: as compare(), or pictures smaller than the window.
    """
    height, width, channels = a.pixels.shape
    if min(height, width) < WINDOW:
        raise UsageError(f"SSIM needs pictures of at least {WINDOW} x {WINDOW} pixels, not {width} x {height}")
    total = sum(
        float(_similarity(before[:, :, channel], after[:, :, channel]).sum())
        for before, after in _bands(a, b, overlap=WINDOW - 1)
        for channel in range(channels)
    )
    return float(total / ((height - WINDOW + 1) * (width - WINDOW + 1) * channels))


def sheet(before: Photo, after: Photo) -> np.ndarray:
    """Before, after and their difference (eightfold, about middle gray) side by side, for looking at.

    Returns:
        (H, 3 W + 8, C) uint8, sRGB-encoded, with white lines between.
    Raises:
        UsageError: as compare().
    """
    height, width, channels = before.pixels.shape
    result = np.full((height, 3 * width + 2 * SEPARATOR, channels), 255, np.uint8)
    second, third = width + SEPARATOR, 2 * (width + SEPARATOR)
    top = 0
    for pair in _bands(before, after):
        shown = [linear_to_srgb(part) for part in pair] if before.encoding == "linear" else pair
        rows = slice(top, top + len(shown[0]))
        result[rows, :width] = _to_bytes(shown[0])
        result[rows, second : second + width] = _to_bytes(shown[1])
        result[rows, third:] = _to_bytes(0.5 + GAIN * (shown[1] - shown[0]))
        top = rows.stop
    return result


def _bands(a: Photo, b: Photo, overlap: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same rows of both pictures, float64 with white at 1; each band goes on into the next by the overlap."""
    _check_comparable(a, b)
    for top in range(0, a.pixels.shape[0] - overlap, BAND):
        rows = slice(top, top + BAND + overlap)
        before, after = (photo.pixels[rows] / np.float64(white(photo.pixels.dtype)) for photo in (a, b))
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            raise UsageError("a picture with infinite values, or values that are not numbers, cannot be compared")
        yield before, after


def _check_comparable(a: Photo, b: Photo) -> None:
    (height, width, channels), (other_height, other_width, other_channels) = a.pixels.shape, b.pixels.shape
    if (height, width) != (other_height, other_width):
        raise UsageError(
            f"only pictures of one size can be compared: the first is {width} x {height}, "
            f"the second {other_width} x {other_height}; crop or scale one of them"
        )
    if channels != other_channels:
        kinds = {1: "gray", 3: "in color"}
        raise UsageError(
            f"the first picture is {kinds[channels]}, the second {kinds[other_channels]}: "
            "save one of them as the other is"
        )
    if a.encoding != b.encoding:
        kinds_of_light = {"srgb": "sRGB-encoded", "linear": "in linear light"}
        raise UsageError(
            f"the first picture is {kinds_of_light[a.encoding]}, the second {kinds_of_light[b.encoding]}: "
            "save one of them in a format like the other's (EXR, Radiance HDR and PFM hold linear light)"
        )


def _similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM of two planes (H, W) at each place where the window fits: (H - 10, W - 10)."""
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance_a, variance_b = _windowed(a * a) - mean_a**2, _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    lightness = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return np.asarray(lightness * (2 * covariance + C2) / (variance_a + variance_b + C2))


def _windowed(plane: np.ndarray) -> np.ndarray:
    import cv2

    margin = WINDOW // 2
    smooth: np.ndarray = cv2.GaussianBlur(plane, (WINDOW, WINDOW), WINDOW_SIGMA)
    return smooth[margin:-margin, margin:-margin]


def _to_bytes(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(np.rint(pixels.clip(0, 1) * 255), dtype=np.uint8)

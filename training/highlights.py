"""Photographs that clip, and the light that was there: what the network that lifts one photograph learns from.

A scene of high dynamic range is exposed until a part of it clips, put through a camera's curve, given a little noise,
rounded to 8 bits and mostly compressed (as Eilertsen et al. 2017 do). The network is told which samples are clipped and
learns by how much more light there was, as a logarithm to the base 2. It works on photographs shrunk to about a
megapixel, so some of the patches are shrunk here too: then it is told which share of a sample was clipped.
"""

from __future__ import annotations

import cv2
import numpy as np

import degrade

#: Codes of 255 from which a sample may be clipped (compression moves them), and EV above clipping beyond which light
#: counts as this bright.
SUSPECT, MOST_EV = 250.0, 7.0


def sample(light: np.ndarray, shrunk: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photograph of light (H, W, 3), what it lacks, and how far it is clipped, each (3, H / shrunk, W / shrunk).

    light: linear, any unit; NaN where it is not known, which what it lacks then is, too.
    """
    light = light * np.float32(1 / max(1e-6, _clipping_level(light, rng)))
    photo = _photograph(light, rng)
    clipped = ((photo * 255 - SUSPECT) / (255 - SUSPECT)).clip(0, 1)
    lacking = np.log2(np.maximum(light, 1)).clip(0, MOST_EV)
    if shrunk > 1:
        photo, clipped, lacking = _shrunk(photo, clipped, lacking, shrunk)
    return tuple(np.ascontiguousarray(part.transpose(2, 0, 1), np.float32) for part in (photo, lacking, clipped))  # type: ignore[return-value]


def _clipping_level(light: np.ndarray, rng: np.random.Generator) -> float:
    """The light that becomes white: 0.3 to 35 % of the pixels lie above it."""
    share = np.exp(rng.uniform(np.log(0.003), np.log(0.35)))
    brightest = np.nan_to_num(light.max(2), nan=np.inf)
    level = float(np.quantile(brightest, 1 - share, method="lower"))
    return level if np.isfinite(level) else float(np.nanmax(light)) * rng.uniform(0.3, 1)


def _photograph(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = np.exp(rng.uniform(np.log(1e-6), np.log(2e-3)))
    seen = np.nan_to_num(light, nan=1.0).clip(0, 4)
    seen = (
        (seen + rng.standard_normal(seen.shape, np.float32) * np.sqrt(noise * seen + noise**1.5))
        .clip(0, 1)
        .astype(np.float32)
    )
    encoded = degrade.linear_to_srgb(seen)
    if rng.random() < 0.6:  # a camera's contrast; white stays white
        encoded += np.float32(rng.uniform(0, 1)) * (encoded * encoded * (3 - 2 * encoded) - encoded)
    return degrade.compress(encoded, rng)


def _shrunk(
    photo: np.ndarray, clipped: np.ndarray, lacking: np.ndarray, by: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of squares of pixels: of the photograph, of what is clipped, and of what the clipped samples lack."""
    size = (photo.shape[1] // by, photo.shape[0] // by)

    def mean(picture: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))

    share = mean(clipped)
    return mean(photo), share, np.where(share > 0, mean(lacking * clipped) / np.maximum(share, 1e-6), mean(lacking))

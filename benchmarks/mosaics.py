"""RAW photos made of finished ones, as a sensor would have seen them: the truth is known.

The development is inverted as in "Unprocessing Images for Learned Raw Denoising" (Brooks et al., CVPR 2019), by the
code that the RAW network was trained with, but with pictures, cameras and seeds of its own.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import cv2
import numpy as np

from photofix import mosaic
from photofix.color import linear_to_srgb
from photofix.photo import RawPhoto

if TYPE_CHECKING:
    from degrade import Camera

#: Levels of the imagined 14-bit sensor.
BLACK, WHITE = 512, 16383


@dataclass(frozen=True)
class Scene:
    """A noisy RAW photo, its packed planes (4, h, w) and those without noise; black = 0, white = 1."""

    raw: RawPhoto
    noisy: np.ndarray
    clean: np.ndarray
    camera: Camera


def simulate(picture: np.ndarray, profile: tuple[float, float], seed: int) -> Scene:
    """The scene of an (H, W, 3) uint8 picture, seen by a camera drawn for the seed, with the (shot, read) noise."""
    degrade = training_code()
    rng = np.random.default_rng(seed)
    camera = replace(degrade.draw_camera(rng, (1e-3, 1e-3)), shot=profile[0], read=profile[1])
    height, width = (size // 2 * 2 for size in picture.shape[:2])
    photo = picture[:height, :width].astype(np.float32) / 255
    clean = degrade.mosaic(degrade.to_camera(photo, camera))
    numbers = np.rint(degrade.sense(clean, camera, rng) * (WHITE - BLACK) + BLACK).clip(0, WHITE).astype(np.uint16)
    raw = RawPhoto(numbers, "RGGB", (BLACK,) * 4, WHITE, (profile,) * 4, iso=None, data=b"")
    return Scene(raw, mosaic.to_planes(raw), mosaic.pack(clean, "RGGB"), camera)


def develop(planes: np.ndarray, camera: Camera) -> np.ndarray:
    """A fixed plain development to (H, W, 3) sRGB: white balance, OpenCV's edge-aware demosaicing, color matrix."""
    gains = np.array([camera.red_gain, 1, 1, camera.blue_gain], np.float32)[:, None, None]
    balanced = (planes * gains).clip(0, 1)
    shape = (2 * planes.shape[1], 2 * planes.shape[2])
    levels = np.rint(mosaic.unpack(balanced, "RGGB", shape) * 65535).astype(np.uint16)
    linear = cv2.cvtColor(levels, cv2.COLOR_BayerRGGB2RGB_EA).astype(np.float32) / 65535
    return linear_to_srgb((linear @ np.linalg.inv(camera.rgb_to_camera).T.astype(np.float32)).clip(0, 1))


def training_code() -> ModuleType:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "training"))
    import degrade

    return degrade

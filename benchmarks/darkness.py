"""Pictures as they would have been in less light, made so that the truth is known; and classical answers to them."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import tifffile

import peers
import photofix
from mosaics import training_code
from photofix import development, pipeline, raw
from photofix.color import linear_to_srgb, srgb_to_linear
from photofix.job import Settings
from photofix.noise import profile_for_iso
from photofix.photo import Photo, RawPhoto

if TYPE_CHECKING:
    from degrade import Camera

#: A small sensor: electrons that white is, and that reading adds (standard deviation).
WELL, READ = 6000.0, 2.0

#: Levels of the imagined 14-bit sensor whose mosaics are files, and its sensitivity.
BLACK, WHITE, ISO = 512, 16383, 800


@dataclass(frozen=True)
class Dark:
    """(H, W, 3) uint8: a picture in so many times less light, and as it should be."""

    picture: np.ndarray
    truth: np.ndarray
    level: int


def dark(truth: np.ndarray, level: int, seed: int) -> Dark:
    """Photons counted at every pixel in every color, read, rounded to 8 sRGB bits; the same noise for every seed."""
    rng = np.random.default_rng(seed)
    electrons = srgb_to_linear(truth / 255) * (WELL / level)
    counted = rng.poisson(electrons) + rng.normal(0, READ, truth.shape)
    shown = linear_to_srgb((counted / WELL).clip(0, 1))
    return Dark(np.rint(shown * 255).astype(np.uint8), truth, level)


def gain_and_bm3d(dark: Dark) -> np.ndarray:
    """Light multiplied back, its noise made even by what is known of sensor and rounding, BM3D, an exact inverse."""
    light = srgb_to_linear(dark.picture / np.float32(255)) * dark.level
    # The first steps of 8 sRGB bits are even ones of light.
    rounding = (dark.level / 255 / 12.92) ** 2 / 12
    clean = peers.bm3d_stabilised(light, dark.level / WELL, (READ * dark.level / WELL) ** 2 + rounding)
    return linear_to_srgb(clean.clip(0, 1))


def classical_and_bm3d(dark: Dark, method: Literal["gamma", "clahe"]) -> np.ndarray:
    """Gamma or CLAHE, and BM3D told how strong the noise then is: its standard deviation over the whole picture."""
    quiet = np.rint(linear_to_srgb(srgb_to_linear(dark.truth / 255) / dark.level) * 255).astype(np.uint8)
    loud, calm = (
        np.asarray(photofix.low_light(part, method=method)) / np.float32(255) for part in (dark.picture, quiet)
    )
    return peers.bm3d_color(loud, float(np.std(loud - calm)) * 255)


@dataclass(frozen=True)
class Brief:
    """A RAW photo exposed for so many times less than it should have been.

    truth: (H, W, 3) in [0, 1], sRGB-encoded: what LibRaw would have made of it without noise, exposed well.
    photograph: (H, W, 3) uint8, what it was made from.
    """

    photo: RawPhoto
    truth: np.ndarray
    photograph: np.ndarray
    ratio: int


def exposed_briefly(picture: np.ndarray, ratio: int, seed: int) -> Brief:
    """An (H, W, 3) uint8 picture as the mosaic of a full-frame camera at ISO 800 that was closed too soon."""
    degrade, rng = training_code(), np.random.default_rng(seed)
    shot, read = profile_for_iso(ISO)
    camera = replace(degrade.draw_camera(rng, (1e-3, 1e-3)), shot=shot, read=read)
    height, width = (size // 2 * 2 for size in picture.shape[:2])
    signal = degrade.mosaic(degrade.to_camera(picture[:height, :width].astype(np.float32) / 255, camera))
    sensed = degrade.sense(signal / ratio, camera, rng)
    numbers = np.rint(BLACK + sensed * (WHITE - BLACK)).clip(0, WHITE).astype(np.uint16)
    photo = raw.read_raw(_dng(numbers, camera), "a simulated photo")
    assert isinstance(photo, RawPhoto)
    truth = development.develop(photo, (BLACK + signal * (WHITE - BLACK)).astype(np.float32))
    return Brief(photo, _shown(truth), picture[:height, :width], ratio)


def amplified(scene: Brief) -> np.ndarray:
    return _shown(development.develop(scene.photo, _amplified(scene).mosaic))


def amplified_and_denoised(scene: Brief) -> np.ndarray:
    """Numbers multiplied, up to white; the raw denoiser, told what noise that makes."""
    developed = photofix.denoise(_amplified(scene))
    assert isinstance(developed, Photo)
    return _shown(developed)


def denoised_and_amplified(scene: Brief) -> np.ndarray:
    """The raw denoiser on what was recorded, and a brighter development."""
    developed = pipeline.restore_any(scene.photo, Settings(exposure=float(np.log2(scene.ratio))), "auto")
    assert isinstance(developed, Photo)
    return _shown(developed)


def _amplified(scene: Brief) -> RawPhoto:
    photo, ratio = scene.photo, scene.ratio
    assert photo.noise
    numbers = (BLACK + (photo.mosaic.astype(np.float32) - BLACK) * ratio).clip(0, WHITE)
    louder = tuple((shot * ratio, read * ratio**2) for shot, read in photo.noise)
    return replace(photo, mosaic=np.rint(numbers).astype(np.uint16), noise=louder)


def _shown(photo: Photo) -> np.ndarray:
    return photo.pixels / np.float32(65535)


def _dng(mosaic: np.ndarray, camera: Camera) -> bytes:
    """A DNG that says of the camera what a camera's own would: levels, color, white balance, noise."""
    neutral = np.array([1 / camera.red_gain, 1, 1 / camera.blue_gain])
    matrix = neutral[:, None] * camera.rgb_to_camera @ np.linalg.inv(training_code().RGB_TO_XYZ)
    tags = [
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, bytes((0, 1, 1, 2)), True),  # CFAPattern
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50708, "s", 0, "Photofix Benchmark", True),  # UniqueCameraModel
        (50714, "H", 1, BLACK, True),  # BlackLevel
        (50717, "I", 1, WHITE, True),  # WhiteLevel
        (50721, "2i", 9, _fractions(matrix.ravel()), True),  # ColorMatrix1
        (50728, "2I", 3, _fractions(neutral), True),  # AsShotNeutral
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1: D65
        (51041, "d", 2, (camera.shot, camera.read), True),  # NoiseProfile
    ]
    stream = io.BytesIO()
    tifffile.imwrite(stream, mosaic, photometric="CFA", metadata=None, extratags=tags)
    return stream.getvalue()


def _fractions(values: np.ndarray) -> tuple[int, ...]:
    return tuple(part for value in values for part in (round(float(value) * 10_000), 10_000))

"""Grain that is kept has the luminance of the noise that was there, and hardly its color."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from dng import Calibration, cfa_dng

import photofix
from photofix import color, development, grain, raw
from photofix.noise import SigmaAt, profile_for_iso
from photofix.photo import Photo, RawPhoto
from photofix.tasks import denoise

Progress = Callable[[int], None]
WEIGHTS = np.array([0.2126, 0.7152, 0.0722])


def smoothed(
    pixels: np.ndarray, sigma: float | SigmaAt, strength: float = 1.0, progress: Progress | None = None
) -> np.ndarray:
    """In a network's place: a wide blur."""
    blurred = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 8).reshape(pixels.shape)
    mixed = pixels + np.float32(strength) * (blurred - pixels)
    return mixed if pixels.dtype == np.float32 else np.rint(mixed).astype(pixels.dtype)


def luminance_and_color(pixels: np.ndarray) -> tuple[float, float]:
    """Standard deviations of luminance, and of how red and blue lie off it; pixels (H, W, 3), inner part."""
    inner = pixels[30:-30, 30:-30].astype(np.float64)
    luminance = inner @ WEIGHTS
    return luminance.std(), float(np.mean([(inner[:, :, plane] - luminance).std() for plane in (0, 2)]))


def noisy_picture(dtype: type) -> np.ndarray:
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    noisy = 0.4 + np.random.default_rng(0).normal(0, 0.06, (300, 300, 3))
    return (noisy * white).astype(dtype)


def noisy_raw(iso: int = 6400, level: float = 0.2) -> tuple[RawPhoto, tuple[float, float]]:
    """A gray wall as a camera sees it whose red and blue are half as sensitive."""
    rng, (shot, read) = np.random.default_rng(0), profile_for_iso(iso)
    light = np.full((300, 300), level)
    light[::2, ::2] *= 0.5
    light[1::2, 1::2] *= 0.65
    noisy = rng.poisson(light / shot) * shot + rng.normal(0, np.sqrt(read), light.shape)
    samples = np.clip(np.rint(noisy * 15_000 + 1000), 0, 16_000).astype(np.uint16)
    photo = raw.read_raw(cfa_dng(samples, Calibration(black=(1000,), white=16_000)), "wall.dng")
    assert isinstance(photo, RawPhoto)
    return photo, (shot, read)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("encoding", ["srgb", "linear"])
def test_pictures_keep_luminance_noise_and_lose_color_noise(dtype: type, encoding: str) -> None:
    if (dtype, encoding) == (np.uint8, "linear"):
        pytest.skip("no format has linear light in 8 bits")
    photo = Photo(noisy_picture(dtype), encoding=encoding)  # type: ignore[arg-type]
    plain, none, half, full = (
        denoise.denoise(photo, smoothed, 0.06, **kept).pixels  # type: ignore[arg-type]
        for kept in ({}, {"keep_grain": 0.0}, {"keep_grain": 0.5}, {"keep_grain": 1.0})
    )
    assert np.array_equal(none, plain)
    assert full.dtype == dtype
    before, after, halfway, clean = (luminance_and_color(one) for one in (photo.pixels, full, half, plain))
    assert after[0] == pytest.approx(before[0], rel=0.02)
    assert after[1] < 0.1 * before[1]
    assert clean[0] < 0.15 * before[0]
    assert halfway[0] == pytest.approx((clean[0] + before[0]) / 2, rel=0.1)


def test_strength_counts_for_the_change_with_its_grain() -> None:
    photo = Photo(noisy_picture(np.float32))
    full = denoise.denoise(photo, smoothed, 0.06, 1.0, keep_grain=0.7).pixels
    half = denoise.denoise(photo, smoothed, 0.06, 0.5, keep_grain=0.7).pixels
    np.testing.assert_allclose(half, (full + photo.pixels) / 2, atol=1e-6)


def test_of_gray_pictures_all_noise_is_luminance() -> None:
    photo = Photo(noisy_picture(np.uint16)[:, :, :1])
    assert np.array_equal(denoise.denoise(photo, smoothed, 0.06, keep_grain=1.0).pixels, photo.pixels)


@pytest.mark.parametrize("level", [0.05, 0.2])
def test_developed_mosaics_keep_luminance_noise_and_lose_color_noise(level: float) -> None:
    photo, profile = noisy_raw(level=level)
    mosaics = {keep: denoise.denoise_raw(photo, smoothed, [profile] * 4, keep_grain=keep) for keep in (0.0, 0.5, 1.0)}
    assert np.array_equal(mosaics[0.0], denoise.denoise_raw(photo, smoothed, [profile] * 4))
    before, *after = (
        luminance_and_color(color.srgb_to_linear(development.develop(photo, samples).pixels / 65535))
        for samples in (photo.mosaic, *mosaics.values())
    )
    found = dict(zip(mosaics, after, strict=True))
    assert found[1.0][0] == pytest.approx(before[0], rel=0.1)
    assert found[1.0][1] < 0.5 * before[1]
    assert found[0.0][0] < 0.15 * before[0]
    assert found[0.5][0] == pytest.approx(found[1.0][0] / 2, rel=0.1)


def test_grain_of_a_mosaic_is_gray_light() -> None:
    """A change in the strength of gray light is grain; one of red or blue alone is none."""
    change = np.random.default_rng(0).normal(0, 1, (30, 40)).astype(np.float32)
    smooth = cv2.GaussianBlur(change, (0, 0), 6)
    gray = np.stack([smooth / 2, smooth, smooth, smooth / 1.5])
    np.testing.assert_allclose(grain.of_mosaic(gray, (2.0, 1.0, 1.5))[:, 2:-2, 2:-2], gray[:, 2:-2, 2:-2], atol=0.02)
    gray[1:3] = 0
    assert not grain.of_mosaic(gray, (2.0, 1.0, 1.5)).any()


def test_the_python_interface_keeps_grain() -> None:
    pixels = noisy_picture(np.uint8)[:96, :96]
    plain, none, full = (
        np.asarray(photofix.denoise(pixels, sigma=15, keep_grain=keep, device="cpu")) for keep in (0.0, 0.0, 1.0)
    )
    assert np.array_equal(plain, none)
    assert (full.astype(float) @ WEIGHTS).std() == pytest.approx((pixels.astype(float) @ WEIGHTS).std(), rel=0.02)

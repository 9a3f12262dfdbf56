"""The task alone, with a function in the network's place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from dng import Calibration, cfa_dng

from photofix import raw
from photofix.development import develop
from photofix.noise import SigmaAt, between_cells
from photofix.photo import Photo, RawPhoto
from photofix.tasks import denoise

Progress = Callable[[int], None]


def unchanged(
    pixels: np.ndarray, sigma: float | SigmaAt, strength: float = 1.0, progress: Progress | None = None
) -> np.ndarray:
    return pixels.copy()


def halved(
    pixels: np.ndarray, sigma: float | SigmaAt, strength: float = 1.0, progress: Progress | None = None
) -> np.ndarray:
    return (pixels * (1 - 0.5 * strength)).astype(pixels.dtype)


def raw_photo(pattern: str = "RGGB", orientation: int = 1, size: tuple[int, int] = (90, 130)) -> RawPhoto:
    mosaic = np.random.default_rng(0).integers(200, 4096, size, dtype=np.uint16)
    photo = raw.read_raw(cfa_dng(mosaic, Calibration(pattern=pattern, orientation=orientation)), "test")
    assert isinstance(photo, RawPhoto)
    return photo


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_network_that_changes_nothing_returns_the_photo(dtype: type) -> None:
    pixels = (np.random.default_rng(0).random((20, 30, 3)) * (1 if dtype is np.float32 else 200)).astype(dtype)
    alpha = pixels[:, :, 0]
    result = denoise.denoise(Photo(pixels, alpha=alpha), unchanged, 0.1)
    np.testing.assert_array_equal(result.pixels, pixels)
    assert result.alpha is alpha


@pytest.mark.parametrize(("strength", "sigma"), [(0.0, 0.1), (1.0, 0.0)])
def test_no_strength_or_no_noise_returns_the_photo_itself(strength: float, sigma: float) -> None:
    photo = Photo(np.full((4, 4, 3), 100, np.uint8))
    assert denoise.denoise(photo, halved, sigma, strength) is photo


def test_linear_light_is_denoised_as_displayed_and_comes_back_linear() -> None:
    light = np.linspace(0, 6, 400, dtype=np.float32).reshape(10, 40, 1).repeat(3, 2)
    photo = Photo(light, encoding="linear", format="exr")
    assert denoise.displayed(photo).max() == pytest.approx(1)
    np.testing.assert_allclose(denoise.denoise(photo, unchanged, 0.1).pixels, light, atol=2e-5)


def test_strength_blends_linear_photos_in_linear_light() -> None:
    photo = Photo(np.full((4, 4, 3), 0.5, np.float32), encoding="linear")
    full, half = (denoise.denoise(photo, halved, 0.1, strength).pixels[0, 0, 0] for strength in (1.0, 0.5))
    assert half == pytest.approx((0.5 + full) / 2, abs=1e-6)


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(90, 130), (91, 129)])
def test_raw_with_an_unchanging_network_is_libraws_own_development(
    pattern: str, orientation: int, size: tuple[int, int]
) -> None:
    photo = raw_photo(pattern, orientation, size)
    mosaic = denoise.denoise_raw(photo, unchanged, [(0.002, 1e-5), (0.001, 2e-5), (0.001, 2e-5), (0.003, 1e-5)])
    np.testing.assert_array_equal(develop(photo, mosaic).pixels, develop(photo, photo.mosaic).pixels)


def test_raw_network_sees_even_noise_in_four_planes() -> None:
    """Over a ramp of light the noise is the level that the network is told, at every brightness."""
    shot, read = 0.004, 1e-5
    rng = np.random.default_rng(1)
    signal = np.tile(np.linspace(0.02, 0.9, 400), (400, 1))
    noisy = rng.poisson(signal / shot) * shot + rng.normal(0, np.sqrt(read), signal.shape)
    mosaic = np.clip(np.rint(noisy * 3839 + 256), 0, 4095).astype(np.uint16)
    photo = RawPhoto(mosaic, "RGGB", (256, 256, 256, 256), 4095, None, None, b"")
    seen: dict[str, np.ndarray | float] = {}

    def network(
        pixels: np.ndarray, sigma: float | SigmaAt, strength: float = 1.0, progress: Progress | None = None
    ) -> np.ndarray:
        assert not callable(sigma)
        seen.update(pixels=pixels, sigma=sigma)
        return pixels

    denoise.denoise_raw(photo, network, [(shot, read)] * 4)
    pixels = np.asarray(seen["pixels"])
    assert pixels.shape == (200, 200, 4)
    spread = pixels.std(axis=0).mean(axis=1)
    np.testing.assert_allclose(spread[5:-40], seen["sigma"], rtol=0.2)


def test_raw_strength_is_linear_in_light() -> None:
    photo = raw_photo()
    profiles = [(0.001, 1e-5)] * 4
    full, half, none = (denoise.denoise_raw(photo, halved, profiles, strength) for strength in (1.0, 0.5, 0.0))
    np.testing.assert_array_equal(none, photo.mosaic)
    np.testing.assert_allclose(half, (full + none) / 2, atol=0.05)


def test_an_estimate_below_what_can_be_seen_means_no_noise() -> None:
    assert denoise.Estimate(np.full((3, 3), 0.0005, np.float32), 32).sigma() == 0
    assert callable(denoise.Estimate(np.full((3, 3), 0.01, np.float32), 32).sigma())


def test_a_map_runs_between_the_cells() -> None:
    at = between_cells(np.array([[1.0, 3.0]], np.float32), 32)
    row = at(slice(0, 1), slice(0, 64))[0]
    np.testing.assert_allclose(row[[0, 15, 48, 63]], [1, 1, 3, 3], atol=0.04)
    np.testing.assert_allclose(at(slice(5, 9), slice(20, 50)), np.tile(row[20:50], (4, 1)))

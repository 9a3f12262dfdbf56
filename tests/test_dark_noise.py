"""Noise of which black has cut off a part: found, and undone in the mean."""

from __future__ import annotations

import numpy as np
import pytest

from photofix import dark_noise, noise

#: 60 electrons fill a pixel, and reading adds 2.
SHOT, READ = 1 / 60, (2 / 60) ** 2


def noisy(light: np.ndarray, seed: int = 0) -> np.ndarray:
    """Light (float32) as such a sensor sees it; nothing below black."""
    rng = np.random.default_rng(seed)
    seen = rng.poisson(light / SHOT) * SHOT + rng.normal(0, READ**0.5, light.shape)
    return seen.clip(0, None).astype(np.float32)


def test_what_black_leaves_of_noise() -> None:
    rng = np.random.default_rng(1)
    light = np.array([0.0, 0.01, 0.03, 0.2])
    drawn = np.maximum(light + np.sqrt(SHOT * light + READ) * rng.normal(size=(200_000, 4)), 0)
    mean, variance = dark_noise.cut_off(light, SHOT, READ)
    np.testing.assert_allclose(mean, drawn.mean(0), rtol=0.02)
    np.testing.assert_allclose(variance, drawn.var(0), rtol=0.02)


@pytest.mark.parametrize("brightest", [0.06, 0.5])
def test_the_profile_is_found_in_the_dark(brightest: float) -> None:
    rows = np.linspace(0, brightest, 192, dtype=np.float32)[:, None]
    shot, read = dark_noise.estimate(noisy(np.broadcast_to(rows, (3, 192, 192))))
    light = np.linspace(0, brightest, 9)
    np.testing.assert_allclose(shot * light + read, SHOT * light + READ, rtol=0.35)


def test_no_noise_is_found_where_there_is_none() -> None:
    ramp = np.broadcast_to(np.linspace(0, 0.5, 192, dtype=np.float32)[:, None], (3, 192, 192))
    shot, read = dark_noise.estimate(ramp)
    assert shot + read < 1e-4


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 192, 192)])
def test_a_picture_that_tells_nothing_has_a_typical_sensor_s_noise(shape: tuple[int, int, int]) -> None:
    assert dark_noise.estimate(np.zeros(shape, np.float32)) == noise.profile_for_iso(100)


@pytest.mark.parametrize("light", [0.1, 0.3, 0.8])
def test_the_mean_of_what_was_made_even_is_the_light(light: float) -> None:
    even, _ = noise.stabilise(noisy(np.full(100_000, light)), SHOT, READ)
    mean = even.mean(keepdims=True)
    assert dark_noise.unstabilise(mean, SHOT, READ)[0] == pytest.approx(light, rel=0.01)
    assert noise.unstabilise(mean, SHOT, READ)[0] < light - 0.8 * SHOT / 4  # the root's inverse alone


def test_black_stays_black() -> None:
    black, _ = noise.stabilise(np.zeros(3), SHOT, READ)
    assert dark_noise.unstabilise(black, SHOT, READ).max() < 1e-6

"""A kernel found from the blurred picture alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from test_found_blur import alike, scene, shown, spread

import photofix
from photofix import kernel_search, psf
from photofix.photo import Photo


def flat_scene() -> np.ndarray:
    """Light of boxes without grain: the kind of picture of which the search is sure."""
    return cv2.medianBlur(np.rint(scene(240, 280) * 255).astype(np.uint8), 3).astype(np.float32) / 255


def best_alike(found: np.ndarray, kernel: np.ndarray) -> float:
    """Their correlation at the best shift by whole pixels: the search puts the mean place into the middle."""
    larger = np.pad(found, 8)
    return max(alike(np.roll(larger, (y, x), (0, 1)), kernel) for y in range(-4, 5) for x in range(-4, 5))


@pytest.mark.parametrize("words", ["0,-6;4,1;7,5", "motion:15,0", "0,0;5,-3;9,4"])
def test_a_shake_is_found(words: str) -> None:
    kernel = psf.parse(words)
    found = kernel_search.found(shown(spread(flat_scene(), kernel), sigma=1))
    assert best_alike(found, kernel) > 0.75
    assert found.sum() == pytest.approx(1, abs=1e-4)
    assert found.min() >= 0


def test_its_mean_place_is_the_middle() -> None:
    found = kernel_search.found(shown(spread(flat_scene(), psf.parse("0,0;6,0;12,3")), sigma=1))
    places = np.arange(len(found)) - len(found) // 2
    assert abs(float(places @ found.sum(1))) <= 1
    assert abs(float(places @ found.sum(0))) <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (16, 16), (40, 3)])
@pytest.mark.parametrize("kind", ["flat", "noise"])
def test_where_nothing_can_be_found_it_is_a_point_or_small(size: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(0)
    pixels = np.full((*size, 3), 90, np.uint8) if kind == "flat" else rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    found = kernel_search.found(Photo(pixels))
    assert found.shape[0] <= max(1, size[0])
    assert found.shape[1] <= max(1, size[1])
    assert found.sum() == pytest.approx(1, abs=1e-4)
    answer = np.asarray(photofix.deblur(pixels, psf="auto", method="wiener", sigma=2))
    assert answer.shape == pixels.shape


def test_the_found_blur_is_undone() -> None:
    light, kernel = flat_scene(), psf.parse("0,-5;4,1;7,4")
    blurred, truth = shown(spread(light, kernel)).pixels, shown(light, sigma=0).pixels.astype(float)
    answer = np.asarray(photofix.deblur(blurred, psf="auto", sigma=1)).astype(float)
    inner, errors = np.s_[20:-20, 20:-20], []
    for picture in (blurred.astype(float), answer):
        moved = [np.roll(picture, (y, x), (0, 1)) for y in range(-3, 4) for x in range(-3, 4)]
        errors.append(min(float(np.mean((one[inner] - truth[inner]) ** 2)) for one in moved))
    assert errors[1] < 0.5 * errors[0]

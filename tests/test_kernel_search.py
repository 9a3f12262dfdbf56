"""A kernel found from the blurred picture alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from test_found_blur import alike, scene, shown, spread

import photofix
from photofix import kernel_search, psf
from photofix.job import Settings
from photofix.kernel_search import Eyes
from photofix.models import Models
from photofix.photo import Photo


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    models = Models(Settings())
    return Eyes(models.helper("denoise"), models.helper("deblur"), 1 / 255)


def flat_scene() -> np.ndarray:
    """Light of boxes without grain: the kind of picture of which the search is sure."""
    return cv2.medianBlur(np.rint(scene(240, 280) * 255).astype(np.uint8), 3).astype(np.float32) / 255


def best_alike(found: np.ndarray, kernel: np.ndarray) -> float:
    """Their correlation at the best shift by quarters of a pixel: the search puts the mean place into the middle."""
    larger, steps = np.pad(found, 8), np.arange(-6, 6.01, 0.25)
    moves = [np.array([[1, 0, x], [0, 1, y]]) for y in steps for x in steps]
    moved = (cv2.warpAffine(larger, move, larger.shape[::-1], flags=cv2.INTER_LANCZOS4) for move in moves)
    return max(alike(one, kernel) for one in moved)


@pytest.mark.parametrize("words", ["0,-6;4,1;7,5", "motion:15,0", "0,0;5,-3;9,4"])
def test_a_shake_is_found(words: str, eyes: Eyes) -> None:
    kernel = psf.parse(words)
    search = kernel_search.found(shown(spread(flat_scene(), kernel), sigma=1), eyes)
    found = search.kernel
    assert not search.doubt
    assert best_alike(found, kernel) > 0.75
    assert found.sum() == pytest.approx(1, abs=1e-4)
    assert found.min() >= 0


def test_its_mean_place_is_the_middle(eyes: Eyes) -> None:
    found = kernel_search.found(shown(spread(flat_scene(), psf.parse("0,0;6,0;12,3")), sigma=1), eyes).kernel
    places = np.arange(len(found)) - len(found) // 2
    assert abs(float(places @ found.sum(1))) <= 0.3
    assert abs(float(places @ found.sum(0))) <= 0.3


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (16, 16), (40, 3)])
@pytest.mark.parametrize("kind", ["flat", "noise"])
def test_where_nothing_can_be_found_it_is_a_point_or_small(size: tuple[int, int], kind: str, eyes: Eyes) -> None:
    rng = np.random.default_rng(0)
    pixels = np.full((*size, 3), 90, np.uint8) if kind == "flat" else rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    found = kernel_search.found(Photo(pixels), eyes).kernel
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


def test_a_sharp_photo_is_left_to_the_network() -> None:
    sharp = shown(flat_scene(), sigma=0)
    answers = [photofix.deblur(sharp, psf=words, sigma=1) for words in ("auto", None)]
    assert all(isinstance(answer, Photo) for answer in answers)
    np.testing.assert_array_equal(answers[0].pixels, answers[1].pixels)  # type: ignore[union-attr]
    assert "the network alone" in answers[0].notes[-1]  # type: ignore[union-attr]

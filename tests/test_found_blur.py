"""The blur between two pictures: kernels that are known come back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from photofix import color, found_blur, psf
from photofix.photo import Photo
from photofix.write import write


def scene(height: int = 200, width: int = 240) -> np.ndarray:
    """(H, W, 3) float32 light: boxes of any color and size, some fine grain on them."""
    rng = np.random.default_rng(0)
    light = np.full((height, width, 3), 0.2, np.float32)
    for _ in range(150):
        top, left = rng.integers(0, height), rng.integers(0, width)
        light[top : top + rng.integers(3, 40), left : left + rng.integers(3, 40)] = rng.uniform(0, 0.8, 3)
    return light + rng.uniform(0, 0.05, light.shape).astype(np.float32)


def shown(light: np.ndarray, kind: type = np.uint8, sigma: float = 1.0) -> Photo:
    numbers = color.linear_to_srgb(light) + np.random.default_rng(1).normal(0, sigma / 255, light.shape)
    return Photo(np.rint(numbers.clip(0, 1) * np.iinfo(kind).max).astype(kind))


def spread(light: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.filter2D(light, -1, np.ascontiguousarray(kernel[::-1, ::-1])))


def alike(found: np.ndarray, kernel: np.ndarray) -> float:
    """Correlation of a kernel with a smaller one that has the same middle."""
    down, right = (have - size for have, size in zip(found.shape, kernel.shape, strict=True))
    laid = np.pad(kernel, ((down // 2, down - down // 2), (right // 2, right - right // 2)))
    return float(np.sum(found * laid) / np.linalg.norm(found) / np.linalg.norm(laid))


@pytest.mark.parametrize("words", ["0,-6;4,1;7,5;-3,3", "motion:17,30", "disk:4", "gauss:1.5"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_kernel_comes_back(words: str, kind: type) -> None:
    kernel, light = psf.parse(words), scene()
    blur = found_blur.found(shown(spread(light, kernel), kind), shown(light, kind, sigma=0))
    assert alike(blur.whole, kernel) > 0.97
    assert blur.uniform
    assert blur.whole.sum() == pytest.approx(1, abs=1e-5)
    assert blur.whole.min() >= 0


def test_linear_light_is_taken_as_it_is() -> None:
    kernel, light = psf.parse("0,-6;4,1;7,5"), scene()
    photos = [Photo(numbers.astype(np.float32), "linear") for numbers in (spread(light, kernel), light)]
    assert alike(found_blur.found(*photos).whole, kernel) > 0.97


def test_clipped_streaks_do_not_hide_the_kernel() -> None:
    kernel, light = psf.parse("0,-6;4,1;7,5"), scene() * np.float32(0.15)
    light[60:63, 100:103], light[140:142, 30:34] = 20, 30
    streaked, lamps = (shown(numbers) for numbers in (spread(light, kernel), light))
    assert (streaked.pixels == 255).any()
    assert alike(found_blur.found(streaked, lamps).whole, kernel) > 0.9


def test_the_white_of_a_page_is_paper_and_no_clipped_light() -> None:
    kernel, letters = psf.parse("0,-6;4,1;7,5"), np.full((200, 240, 3), 255, np.uint8)
    for line in range(30, 200, 36):
        cv2.putText(letters, "A page of print", (8, line), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (5, 5, 5), 2)
    page = letters.astype(np.float32) / 255
    blur = found_blur.found(shown(spread(page, kernel)), shown(page, sigma=0))
    assert alike(blur.whole, kernel) > 0.97


def test_where_parts_moved_otherwise_each_has_its_kernel() -> None:
    light = scene(400, 420)
    kernels = psf.parse("motion:13,0"), psf.parse("motion:13,90")
    halves = [spread(light, kernel) for kernel in kernels]
    blur = found_blur.found(shown(np.concatenate([halves[0][:, :210], halves[1][:, 210:]], 1)), shown(light, sigma=0))
    assert not blur.uniform
    assert blur.cells.shape == (2, 2, 63, 63)
    for row in blur.cells:
        for cell, kernel in zip(row, kernels, strict=True):
            assert alike(cell, kernel) > 0.9
    grid = found_blur.drawn(blur)
    assert grid.dtype == np.uint16
    assert grid.shape[2] == 1
    # Squares of kernels, four times enlarged, each in a line.
    assert grid.shape[0] == grid.shape[1] == 2 * (4 * ((grid.shape[0] // 2 - 2) // 4) + 2)
    assert grid.max() == 65535


def test_what_did_not_change_has_a_point_for_its_kernel() -> None:
    photo = shown(scene())
    blur = found_blur.found(photo, photo)
    assert blur.whole[31, 31] > 0.95
    assert blur.uniform


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (40, 3)])
@pytest.mark.parametrize("value", [0, 90, 255])
def test_flat_and_tiny_pictures_tell_nothing(size: tuple[int, int], value: int) -> None:
    flat = Photo(np.full((*size, 3), value, np.uint8))
    blur = found_blur.found(flat, flat)
    assert not blur.whole.any()
    assert found_blur.drawn(blur).shape[2] == 1


def test_a_drawing_is_a_kernel_to_undo_it_by(tmp_path: Path) -> None:
    kernel, light = psf.parse("0,-6;4,1;7,5"), scene()
    blur = found_blur.found(shown(spread(light, kernel)), shown(light, sigma=0))
    write(Photo(found_blur.drawn(blur)), tmp_path / "kernel.png")
    read = psf.parse(str(tmp_path / "kernel.png"))
    assert alike(np.pad(read, 20), kernel) > 0.97

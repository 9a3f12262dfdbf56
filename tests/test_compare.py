"""Measures of two pictures, and the sheet that shows them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from photofix import compare
from photofix.errors import UsageError
from photofix.photo import Photo

#: What scikit-image 0.26 answers for waves(0) and waves(1), and with color channels made of both:
#: structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255).
SSIM_GRAY, SSIM_COLOR = 0.7346647416946067, 0.629229079371435


def waves(kind: int) -> np.ndarray:
    row, column = np.mgrid[:40, :52]
    if kind == 0:
        return (127.5 + 127.5 * np.sin(0.21 * row + 0.13 * column)).astype(np.uint8)
    return (127.5 + 100 * np.sin(0.2 * row + 0.14 * column + 0.3)).astype(np.uint8)


def gray(plane: np.ndarray) -> Photo:
    return Photo(plane[:, :, None])


def color(*planes: np.ndarray) -> Photo:
    return Photo(np.stack(planes, axis=2))


def level(value: float, shape: tuple[int, int, int] = (20, 30, 3)) -> Photo:
    return Photo(np.full(shape, value, np.float32))


def test_psnr_of_a_known_difference() -> None:
    assert compare.psnr(level(0.2), level(0.3)) == pytest.approx(20, abs=1e-5)
    assert compare.psnr(gray(waves(0)), gray(waves(1))) == pytest.approx(
        20 * math.log10(255 / np.sqrt(np.mean((waves(0).astype(float) - waves(1)) ** 2)))
    )


def test_ssim_is_scikit_images() -> None:
    assert compare.ssim(gray(waves(0)), gray(waves(1))) == pytest.approx(SSIM_GRAY, abs=1e-12)
    a, b = waves(0), waves(1)
    assert compare.ssim(color(a, b, a), color(b, b, np.roll(a, 5, axis=0))) == pytest.approx(SSIM_COLOR, abs=1e-12)


def test_measures_do_not_depend_on_the_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = color(waves(0), waves(1), waves(0)), color(waves(1), waves(1), waves(1))
    whole, sheet = compare.compare(a, b), compare.sheet(a, b)
    monkeypatch.setattr(compare, "BAND", 7)
    banded = compare.compare(a, b)
    assert banded.psnr == pytest.approx(whole.psnr)
    assert banded.ssim == pytest.approx(whole.ssim)
    assert banded.max_difference == whole.max_difference
    np.testing.assert_array_equal(compare.sheet(a, b), sheet)


def test_max_difference_finds_one_sample() -> None:
    pixels = np.zeros((600, 20, 3), np.uint8)
    pixels[577, 3, 1] = 51
    assert compare.max_difference(Photo(np.zeros_like(pixels)), Photo(pixels)) == pytest.approx(0.2)


def test_depths_are_compared_by_their_full_range() -> None:
    eight = waves(0)[:, :, None]
    photos = [Photo(eight), Photo(eight.astype(np.uint16) * 257), Photo((eight / 255).astype(np.float32))]
    for a in photos:
        for b in photos:
            assert compare.max_difference(a, b) < 1e-7
            assert compare.psnr(a, b) > 140


def test_identical_pictures() -> None:
    found = compare.compare(gray(waves(0)), gray(waves(0)))
    assert found == compare.Comparison(math.inf, pytest.approx(1.0), 0.0)


def test_small_pictures_have_no_ssim() -> None:
    assert compare.compare(level(0.2, (10, 50, 1)), level(0.3, (10, 50, 1))).ssim is None
    assert compare.compare(level(0.2, (11, 11, 1)), level(0.2, (11, 11, 1))).ssim == pytest.approx(1)
    with pytest.raises(UsageError, match="at least 11 x 11"):
        compare.ssim(level(0.2, (10, 50, 1)), level(0.3, (10, 50, 1)))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (level(0, (20, 31, 3)), "30 x 20, the second 31 x 20"),
        (level(0, (20, 30, 1)), "is in color, the second gray"),
        (Photo(np.zeros((20, 30, 3), np.float32), encoding="linear"), "second in linear light"),
        (level(math.nan), "not numbers"),
        (level(math.inf), "infinite"),
    ],
)
def test_what_cannot_be_compared_is_said(other: Photo, words: str) -> None:
    for measure in (compare.compare, compare.psnr, compare.ssim, compare.max_difference, compare.sheet):
        with pytest.raises(UsageError, match=words):
            measure(level(0), other)


def test_sheet_shows_before_after_and_difference() -> None:
    before = np.full((5, 6, 3), 100, np.uint8)
    after = before.copy()
    after[2, 3] += 10
    sheet = compare.sheet(Photo(before), Photo(after))
    assert sheet.dtype == np.uint8
    assert sheet.shape == (5, 3 * 6 + 2 * compare.SEPARATOR, 3)
    np.testing.assert_array_equal(sheet[:, :6], before)
    np.testing.assert_array_equal(sheet[:, 10:16], after)
    assert (sheet[:, 6:10] == 255).all()
    difference = sheet[:, 20:]
    assert (difference[2, 3] == 128 + 80).all()
    difference[2, 3] = 128
    assert (difference == 128).all()


def test_sheet_of_linear_light_is_encoded_for_looking() -> None:
    photos = [Photo(np.full((2, 2, 3), value, np.float32), encoding="linear") for value in (0.214, 4.0)]
    sheet = compare.sheet(*photos)
    assert abs(int(sheet[0, 0, 0]) - 128) <= 1
    assert sheet[0, 6, 0] == 255

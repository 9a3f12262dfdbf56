"""Blur kernels: what words and pictures mean, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from photofix import psf
from photofix.errors import UsageError
from photofix.photo import Photo
from photofix.write import write


def moments(kernel: np.ndarray) -> tuple[float, float, float, float, float]:
    """Mean and variance along x and y, from the center, and the covariance."""
    rows, columns = np.indices(kernel.shape)
    x, y = columns - kernel.shape[1] // 2, rows - kernel.shape[0] // 2
    at_x, at_y = float((kernel * x).sum()), float((kernel * y).sum())
    covariance = float((kernel * (x - at_x) * (y - at_y)).sum())
    return at_x, at_y, float((kernel * (x - at_x) ** 2).sum()), float((kernel * (y - at_y) ** 2).sum()), covariance


@pytest.mark.parametrize("text", ["motion:9,0", "motion:10.5,30", "disk:3.3", "gauss:1.7", "0,0;4,1;7,5", "disk:0.2"])
def test_a_kernel_keeps_the_light(text: str) -> None:
    kernel = psf.parse(text)
    assert kernel.dtype == np.float32
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert kernel.min() >= 0
    assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1


def test_formulas_are_as_wide_as_they_say() -> None:
    # A line of length L has the variance L^2 / 12, a disk R^2 / 4 along each axis; sharing between pixels adds 1/6.
    assert moments(psf.parse("motion:12.5,0"))[2] == pytest.approx(12.5**2 / 12, abs=0.2)
    assert moments(psf.parse("disk:4.3"))[2] == pytest.approx(4.3**2 / 4, abs=0.12)
    assert moments(psf.parse("gauss:1.7"))[3] == pytest.approx(1.7**2, abs=0.01)


def test_small_changes_are_seen() -> None:
    for form in ("motion:{},20", "disk:{}", "gauss:{}"):
        widths = [sum(moments(psf.parse(form.format(size)))[2:4]) for size in (3.0, 3.1, 3.2, 3.3)]
        assert (np.diff(widths) > 0).all(), form


def test_an_angle_turns_counter_clockwise() -> None:
    # Up and to the right: rows fall as columns rise.
    assert moments(psf.parse("motion:11,45"))[4] < -1
    assert moments(psf.parse("motion:11,-45"))[4] > 1
    assert psf.parse("motion:11,90").shape[1] == 1


def test_a_path_lies_where_it_says() -> None:
    x, y, *_ = moments(psf.parse("0,0;6,0;6,-4"))
    assert (x, y) == pytest.approx((4.5, -1), abs=0.01)
    np.testing.assert_array_equal(psf.parse("0,0 ; 6, 0; 6,-4"), psf.parse("0,0;6,0;6,-4"))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_a_picture_of_any_depth_is_a_kernel(tmp_path: Path, kind: str) -> None:
    shape = np.zeros((9, 7), np.float64)
    shape[2:7, 3] = [1, 3, 4, 2, 1]
    shape[4, 1] = 2
    file = tmp_path / ("kernel.tif" if kind == "float32" else "kernel.png")
    scale = 0.5 if kind == "float32" else 20 if kind == "uint8" else 9000
    write(Photo((shape[:, :, None] * scale).astype(kind)), file)
    kernel = psf.parse(str(file))
    assert kernel.shape == (5, 5)
    np.testing.assert_allclose(kernel, shape[2:7, 1:6] / shape.sum(), atol=1e-6)


def test_the_center_of_an_even_side_is_right_of_the_middle() -> None:
    kernel = psf.checked(np.array([[0, 0, 0, 0], [0, 0, 3, 1]]))
    # (1, 2) of the array is its center; what lies beside it stays beside it.
    np.testing.assert_allclose(kernel, [[0, 0.75, 0.25]])
    np.testing.assert_allclose(psf.checked(np.array([[1, 1]])), [[0.5, 0.5, 0]])


@pytest.mark.parametrize(
    ("kernel", "complaint"),
    [
        (np.zeros((3, 3)), "all zero"),
        (np.array([[1, -0.5, 1]]), "negative"),
        (np.array([[1, np.nan]]), "not numbers"),
        (np.ones((2, 2, 2)), "the shape"),
        (np.ones((0, 3)), "the shape"),
    ],
)
def test_what_cannot_be_a_kernel_is_refused(kernel: np.ndarray, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        psf.checked(kernel)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("motion:20", "motion:LENGTH,ANGLE"),
        ("motion:a,b", "motion:LENGTH,ANGLE"),
        ("disk:0", "above 0"),
        ("disk:-3", "above 0"),
        ("gauss:1e9", "gauss:SIGMA"),
        ("gauss:9000", "up to 500"),
        ("disk:nan", "disk:RADIUS"),
        ("3,4", "two or more points"),
        ("0,0;1", "two or more points"),
        ("0,0;9999,1", "further than"),
        ("nothing.png", "no such file"),
        ("", "no such file"),
    ],
)
def test_words_that_mean_nothing_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        psf.parse(text)


def test_a_file_that_is_no_kernel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing of the kind")
    with pytest.raises(UsageError, match=r"a\.png[\s\S]*motion:LENGTH"):
        psf.parse(str(tmp_path / "a.png"))
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((5, 5), np.uint8))
    with pytest.raises(UsageError, match=r"black\.png: the kernel is all zero"):
        psf.parse(str(tmp_path / "black.png"))

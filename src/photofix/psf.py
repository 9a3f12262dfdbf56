"""Blur kernels (point spread functions): what --psf says, as a small picture of how a point of light is spread.

A psf is (h, w) float32, not negative, with a sum of 1. The picture is convolved with it: a point of light becomes the
psf itself, with the pixel at (h // 2, w // 2) where the point was. That is the middle where a side is odd, and right
of or below it where it is even.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from photofix.errors import ReadError, UsageError
from photofix.photo import Photo
from photofix.read import read

FORMS = "motion:LENGTH,ANGLE, disk:RADIUS, gauss:SIGMA, a path X,Y;X,Y;..., or the file of a kernel's picture"

#: No blur that is worth undoing spreads a point further than this many pixels from where it was.
LARGEST = 500.0

#: Samples a pixel along each axis (disk), and along a path.
_FINE = 16

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)"


def parse(text: str) -> np.ndarray:
    """The psf that --psf means, without margins of zeros.

    motion:LENGTH,ANGLE: a straight move of LENGTH pixels at ANGLE degrees, counter-clockwise from the right.
    disk:RADIUS: out of focus. gauss:SIGMA. x,y;x,y;...: a path in pixels, x to the right and y down from where
    the point should be, in equal times from each of its points to the next. Else a file: a picture of any depth whose
    numbers are taken as they are, colors averaged.

    Raises:
        UsageError: it is none of these, or a kernel that cannot be; says what to give.
    """
    kind, _, words = text.partition(":")
    if kind in _FORMULAS and not Path(text).exists():
        return _trimmed(_formula(kind, words, text))
    if re.fullmatch(rf"{_NUMBER}(\s*[,;]\s*{_NUMBER})*", text.strip()) and not Path(text).exists():
        return _trimmed(_path(text))
    return _picture(text)


def rows(psf: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """The same numbers as something that compares by value."""
    return tuple(tuple(row) for row in psf.tolist())


def checked(psf: np.ndarray, name: str = "psf") -> np.ndarray:
    """Any array (h, w) of numbers as a psf: float32 with a sum of 1, margins of zeros cut off alike on both sides.

    Raises:
        UsageError: it has another shape, is empty, negative, all zero, or holds what is no number.
    """
    if psf.ndim != 2 or psf.size == 0:
        raise UsageError(f"{name}: a kernel has the shape (h, w), not {psf.shape}")
    weights = psf.astype(np.float64)
    if not np.isfinite(weights).all():
        raise UsageError(f"{name}: the kernel holds values that are not numbers")
    if weights.min() < 0:
        raise UsageError(f"{name}: the kernel has negative values ({weights.min():g}): light only adds up")
    if weights.max() == 0:
        raise UsageError(f"{name}: the kernel is all zero, so no light would arrive: give one that is not")
    return _trimmed(weights / weights.sum())


def _trimmed(psf: np.ndarray) -> np.ndarray:
    """Without what is zero at both ends; the center stays the center. A side that was even may become odd."""
    for axis in (0, 1):
        used = np.flatnonzero(psf.any(axis=1 - axis))
        middle = psf.shape[axis] // 2
        reach = max(middle - used[0], used[-1] - middle)
        # An even side has one more before its center than after it: zeros make it odd where that one counts.
        padding = [(0, 0), (0, 0)]
        padding[axis] = (0, max(0, middle + reach + 1 - psf.shape[axis]))
        psf = np.pad(psf, padding).take(range(middle - reach, middle + reach + 1), axis)
    return np.ascontiguousarray(psf, dtype=np.float32)


def _picture(name: str) -> np.ndarray:
    if not Path(name).is_file():
        raise UsageError(f"--psf {name}: there is no such file; give {FORMS}")
    try:
        photo = read(Path(name))
    except ReadError as error:
        raise UsageError(f"--psf {error}\nGive {FORMS}") from error
    if not isinstance(photo, Photo) or photo.format == "raw":
        raise UsageError(f"--psf {name}: is a RAW photo; give {FORMS}")
    return checked(photo.pixels.mean(axis=2, dtype=np.float64), f"--psf {name}")


def _formula(kind: str, words: str, text: str) -> np.ndarray:
    function, form = _FORMULAS[kind]
    parts = words.split(",")
    if len(parts) != form.count(",") + 1 or not all(re.fullmatch(_NUMBER, part.strip()) for part in parts):
        raise UsageError(f"--psf {text}: give {kind}:{form} in numbers")
    numbers = [float(part) for part in parts]
    if not 0 < numbers[0] <= LARGEST:
        raise UsageError(f"--psf {text}: give a number of pixels above 0 and up to {LARGEST:g}")
    return function(*numbers)


def _motion(length: float, angle: float) -> np.ndarray:
    turn = np.deg2rad(angle)
    end = np.round(np.array([np.cos(turn), -np.sin(turn)]) * length / 2, 9)  # A right angle's cosine is not quite 0.
    return _along(np.stack([-end, end]))


def _path(text: str) -> np.ndarray:
    points = [part.split(",") for part in text.split(";")]
    if len(points) < 2 or any(len(point) != 2 for point in points):
        raise UsageError(f"--psf {text}: a path has two or more points, as 0,0;4,1;7,5")
    places = np.array(points, np.float64)
    if np.abs(places).max() > LARGEST:
        raise UsageError(f"--psf {text}: the path goes further than {LARGEST:g} pixels")
    return _along(places)


def _along(points: np.ndarray) -> np.ndarray:
    """The psf of a path (n, 2) of x and y: what lies between pixels is shared between them linearly."""
    longest = np.abs(np.diff(points, axis=0)).max()
    count = int(np.ceil(longest * _FINE)) + 1
    # The middles of equal times, in each part of the path as many.
    when = (np.arange(count * (len(points) - 1)) + 0.5) / count
    x, y = (np.interp(when, np.arange(len(points)), axis) for axis in points.T)
    reach = int(np.ceil(np.abs(points).max())) + 1
    psf = np.zeros((2 * reach + 1, 2 * reach + 1))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    for down in (0, 1):
        for right in (0, 1):
            share = (1 - np.abs(y - row - down)) * (1 - np.abs(x - column - right))
            np.add.at(psf, (row + down + reach, column + right + reach), share)
    return np.asarray(psf / psf.sum())


def _disk(radius: float) -> np.ndarray:
    """Each pixel by the part of it that the disk covers, on a grid of samples."""
    reach = int(np.ceil(radius))
    place = (np.arange((2 * reach + 1) * _FINE) + 0.5) / _FINE - reach - 0.5
    covered = place[:, None] ** 2 + place[None, :] ** 2 <= radius**2
    psf = covered.reshape(2 * reach + 1, _FINE, 2 * reach + 1, _FINE).sum(axis=(1, 3)).astype(np.float64)
    return np.asarray(psf / psf.sum())


def _gauss(sigma: float) -> np.ndarray:
    reach = int(np.ceil(4 * sigma))
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    psf = np.outer(line, line)
    return np.asarray(psf / psf.sum())


_FORMULAS: dict[str, tuple[Callable[..., np.ndarray], str]] = {
    "motion": (_motion, "LENGTH,ANGLE"),
    "disk": (_disk, "RADIUS"),
    "gauss": (_gauss, "SIGMA"),
}

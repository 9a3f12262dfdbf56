"""A Bayer mosaic as four planes, the way the RAW network sees it: red, green beside red, green beside blue, blue.

Whatever the pattern's phase, the planes' samples lie to each other as in an RGGB mosaic: one that starts otherwise is
first continued by a row above and a column to the left, by reflection, which keeps the pattern; odd sizes are continued
below and to the right.
"""

from __future__ import annotations

import numpy as np

from photofix.photo import RawPhoto


def pack(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """The four planes of a mosaic.

    Args:
        mosaic: (H, W), any dtype.
        pattern: the 2 x 2 filter at its top left corner, row by row: "RGGB", "BGGR", "GRBG" or "GBRG".
    Returns:
        (4, h, w) of the same dtype, h = ceil((H + 1 if a row was put above else H) / 2) and w alike.
    """
    top, left = _origin(pattern)
    height, width = mosaic.shape
    margins = ((top, (top + height) % 2), (left, (left + width) % 2))
    whole = np.pad(mosaic, margins, mode="reflect")
    return np.stack([whole[row::2, column::2] for row in (0, 1) for column in (0, 1)])


def unpack(planes: np.ndarray, pattern: str, shape: tuple[int, int]) -> np.ndarray:
    """The mosaic (H, W) of that shape whose pack() this is."""
    top, left = _origin(pattern)
    whole = np.empty((2 * planes.shape[1], 2 * planes.shape[2]), planes.dtype)
    for plane, (row, column) in zip(planes, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        whole[row::2, column::2] = plane
    return whole[top : top + shape[0], left : left + shape[1]]


def places(pattern: str) -> tuple[int, ...]:
    """For each plane of pack(), which place of the pattern (0 to 3, row by row) it holds; "BGGR" -> (3, 2, 1, 0)."""
    top, left = _origin(pattern)
    return tuple(2 * ((row + top) % 2) + (column + left) % 2 for row in (0, 1) for column in (0, 1))


def part_of_planes(pattern: str, rows: slice, columns: slice) -> tuple[slice, slice]:
    """The rows and columns of pack()'s planes that hold a part of the mosaic."""
    top, left = _origin(pattern)
    return (
        slice((rows.start + top) // 2, (rows.stop + top + 1) // 2),
        slice((columns.start + left) // 2, (columns.stop + left + 1) // 2),
    )


def to_planes(photo: RawPhoto) -> np.ndarray:
    """The photo's mosaic as planes (4, h, w) float32 with black at 0 and white at 1; below black is kept."""
    planes = pack(photo.mosaic, photo.pattern).astype(np.float32)
    for plane, place in zip(planes, places(photo.pattern), strict=True):
        plane -= np.float32(photo.black[place])
        plane /= np.float32(photo.white - photo.black[place])
    return planes


def to_mosaic(planes: np.ndarray, photo: RawPhoto) -> np.ndarray:
    """The mosaic (H, W) float32, in the photo's sensor numbers, whose to_planes() this is (to 0.02 of a number)."""
    mosaic = unpack(planes, photo.pattern, (photo.mosaic.shape[0], photo.mosaic.shape[1])).astype(np.float32, copy=True)
    for place, black in enumerate(photo.black):
        part = mosaic[place // 2 :: 2, place % 2 :: 2]
        part *= np.float32(photo.white - black)
        part += np.float32(black)
    return mosaic


def _origin(pattern: str) -> tuple[int, int]:
    """Rows and columns to put before the mosaic so that it starts with red."""
    return divmod(pattern.index("R"), 2)

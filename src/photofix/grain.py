"""Grain: the luminance of the noise that was removed, to be put back without its color.

The eye takes fine luminance noise for texture and colored noise for a fault.
"""

from __future__ import annotations

import numpy as np

from photofix.color import LUMINANCE
from photofix.photo import white

#: Rows that are worked on at a time: a picture at 32 bits a sample may not fit.
_BAND = 256


def put_back(before: np.ndarray, after: np.ndarray, keep: float, strength: float) -> np.ndarray:
    """A restored picture with a share of the luminance noise it lost.

    Args:
        before, after: (H, W, 1) or (H, W, 3), uint8, uint16 or float32, in any encoding.
        keep: 0 for `after` itself, 1 for the luminance of `before` and the color of `after`.
        strength: share of the whole change that is made.
    Returns:
        an array like `after`.
    """
    mixed = np.empty_like(after)
    for top in range(0, len(after), _BAND):
        rows = slice(top, top + _BAND)
        old = before[rows].astype(np.float32)
        change = after[rows].astype(np.float32) - old
        change -= np.float32(keep) * of_picture(change)
        old += np.float32(strength) * change
        mixed[rows] = old if after.dtype == np.float32 else np.rint(old).clip(0, white(after.dtype))
    return mixed


def of_picture(change: np.ndarray) -> np.ndarray:
    """The luminance (H, W, 1) of a change (H, W, C) float32."""
    return change if change.shape[2] == 1 else change @ LUMINANCE[:, None]


def of_mosaic(removed: np.ndarray, balance: tuple[float, float, float]) -> np.ndarray:
    """The part without color of what was removed from a mosaic.

    What green lost, carried to the red and blue beside it in the amounts in which they see gray light. Developed, it
    has the luminance noise of the whole (measured: 95 to 98 %), and a quarter to a third of the color noise.

    Args:
        removed: (4, h, w) float32, the planes of mosaic.pack() in linear light, black out, white at 1.
        balance: gains of red, green (1) and blue that make gray neutral.
    Returns:
        (4, h, w) float32 in the same units.
    """
    above, below = removed[1], removed[2]  # the greens beside red and beside blue
    red = (above + _shifted(above, 0, 1) + below + _shifted(below, 1, 0)) / 4
    blue = (below + _shifted(below, 0, -1) + above + _shifted(above, -1, 0)) / 4
    return np.stack([red / np.float32(balance[0]), above, below, blue / np.float32(balance[2])])


def _shifted(plane: np.ndarray, down: int, right: int) -> np.ndarray:
    """The plane moved by a sample, its border repeated."""
    padded = np.pad(plane, 1, "edge")
    height, width = plane.shape
    return padded[1 - down : 1 - down + height, 1 - right : 1 - right + width]

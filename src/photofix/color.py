"""Color: how stored numbers follow light."""

from __future__ import annotations

import numpy as np


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """Light of sRGB-encoded values (IEC 61966-2-1:1999, 5.2), odd-symmetric below 0 and continued above 1.

    Args:
        encoded: float array of any shape, white = 1.
    Returns:
        a new array of the same shape and dtype.

    >>> round(float(srgb_to_linear(np.float64(0.5))), 6)
    0.214041
    """
    size = np.abs(encoded)
    linear = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.copysign(linear, encoded), dtype=encoded.dtype)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """sRGB-encoded values of light (IEC 61966-2-1:1999, 5.2): the inverse of srgb_to_linear().

    Args:
        linear: float array of any shape, white = 1.
    Returns:
        a new array of the same shape and dtype.

    >>> round(float(linear_to_srgb(np.float64(0.18))), 6)
    0.461356
    """
    size = np.abs(linear)
    encoded = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.asarray(np.copysign(encoded, linear), dtype=linear.dtype)

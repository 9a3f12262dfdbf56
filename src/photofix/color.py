"""Color: how stored numbers follow light."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from photofix.photo import Encoding, white

#: What linear red, green and blue with sRGB's primaries count for in luminance (ITU-R BT.709); white is 1.
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


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


def light_of(pixels: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Linear light, float32 with white at 1, of stored numbers: uint8, uint16 or float32, of any shape."""
    if encoding == "linear" or pixels.dtype == np.float32:
        light = pixels.astype(np.float32) / np.float32(white(pixels.dtype))
        return light if encoding == "linear" else srgb_to_linear(light)
    return np.asarray(_light_of_numbers(pixels.dtype)[pixels])


@lru_cache(maxsize=2)
def _light_of_numbers(dtype: np.dtype) -> np.ndarray:
    """The light of every number that an sRGB picture of a dtype can hold: to look up is faster than to compute."""
    full = white(dtype)
    return srgb_to_linear(np.arange(full + 1) / full).astype(np.float32)


def stored(light: np.ndarray, encoding: Encoding, dtype: np.dtype) -> np.ndarray:
    """Linear light, white at 1, as the numbers that a picture of that encoding and dtype holds: light_of() undone."""
    numbers = light if encoding == "linear" else linear_to_srgb(light)
    if dtype.kind != "u":
        return numbers.astype(dtype)
    full = white(dtype)
    return np.rint(numbers * np.float32(full)).clip(0, full).astype(dtype)


def light_of_hex(code: str) -> np.ndarray:
    """Linear light (3,) of an sRGB color "#rrggbb"; what is no such code is the caller's to find."""
    return srgb_to_linear(np.array(list(bytes.fromhex(code[1:]))) / 255)


#: Linear light with sRGB's primaries to BT.2020's (ITU-R BT.2087-0, table 1); white stays white.
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]], np.float32)

#: What a display's paper white is, in cd/m2 (ITU-R BT.2408).
WHITE_NITS = 203.0


def pq(nits: np.ndarray) -> np.ndarray:
    """The perceptual quantizer's signal (SMPTE ST 2084, ITU-R BT.2100 table 4) of display light in cd/m2.

    >>> round(float(pq(np.float64(100.0))), 4)
    0.5081
    """
    light = (np.maximum(nits, 0) / 10000) ** (2610 / 16384)
    return np.asarray(((0.8359375 + 18.8515625 * light) / (1 + 18.6875 * light)) ** 78.84375, nits.dtype)


def lightness(luminance: np.ndarray) -> np.ndarray:
    """L of CIE Lab (CIE 15:2004, 8.2.1.1) of luminance with white = 1; odd-symmetric below 0, continued above 1.

    Args:
        luminance: float array of any shape.
    Returns:
        a new array of the same shape and dtype, white = 100.

    >>> round(float(lightness(np.float64(0.18))), 4)
    49.4961
    """
    size = np.abs(luminance)
    found = np.where(size > (6 / 29) ** 3, 116 * np.cbrt(size) - 16, size * (29 / 3) ** 3)
    return np.asarray(np.copysign(found, luminance), dtype=luminance.dtype)


def luminance(lightness: np.ndarray) -> np.ndarray:
    """Luminance with white = 1 of L of CIE Lab (CIE 15:2004, 8.2.1.1): the inverse of lightness().

    >>> round(float(luminance(np.float64(50))), 6)
    0.184187
    """
    size = np.abs(lightness)
    found = np.where(size > 8, ((size + 16) / 116) ** 3, size * (3 / 29) ** 3)
    return np.asarray(np.copysign(found, lightness), dtype=lightness.dtype)

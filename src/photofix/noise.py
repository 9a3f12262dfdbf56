"""Noise models: what a sensor adds, and how to make it even.

A sensor's noise is Poisson-Gaussian: variance = shot * signal + read, with black = 0 and white = 1
(the DNG specification's NoiseProfile is the pair (shot, read)).
"""

from __future__ import annotations

import numpy as np


def stabilise(signal: np.ndarray, shot: float, read: float) -> tuple[np.ndarray, float]:
    """Signal in units in which its noise is the same everywhere, scaled so that black is 0 and white is 1.

    The generalised Anscombe transform (Starck, Murtagh and Bijaoui 1998):
    2 sqrt(x / shot + 3/8 + read / shot^2) has a standard deviation of 1. For shot = 0.01, read = 0 the level is 0.052.

    Args:
        signal: float array of any shape, black = 0, white = 1; may be negative.
        shot: variance a unit of signal, above 0.
        read: variance at black.
    Returns:
        the stabilised signal (float32) and the standard deviation of its noise.
    """
    offset = 0.375 + read / shot**2
    black = 2 * np.sqrt(offset)
    span = 2 * np.sqrt(1 / shot + offset) - black
    root = np.sqrt(np.maximum(signal / np.float32(shot) + np.float32(offset), 0), dtype=np.float32)
    return (2 * root - np.float32(black)) / np.float32(span), float(1 / span)


def unstabilise(stabilised: np.ndarray, shot: float, read: float) -> np.ndarray:
    """The signal whose stabilise() this is: the algebraic inverse, float32."""
    offset = 0.375 + read / shot**2
    black = 2 * np.sqrt(offset)
    span = 2 * np.sqrt(1 / shot + offset) - black
    root = (stabilised * np.float32(span) + np.float32(black)) / 2
    return ((root * root - np.float32(offset)) * np.float32(shot)).astype(np.float32)

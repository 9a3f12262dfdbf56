"""The noise of a dark picture, of which black has cut off a part: estimated with what is left, and undone in the mean.

Where light is weak, half of the noise would be below black, and files hold no less than black. What is left is weaker
and brighter than the noise was, by how much is known (Foi, "Clipped noisy images: Heteroskedastic modeling and
practical denoising", 2009), and so dark places tell of the sensor as others do.
"""

from __future__ import annotations

import math

import numpy as np

from photofix import noise

#: What sensors read with, in electrons, and the factor within which most of them lie: pictures that are all dark do not
#: tell it from the photons' noise, and bright ones do not show it.
_READ, _SPREAD = 2.5, 1.8

#: How much that counts beside the blocks of the picture.
_PRIOR = 0.0003

#: What is tried: shot noise around the one that would explain the picture alone, read noise in electrons.
_SHOTS = np.geomspace(1 / 30, 3, 60)
_READS = np.geomspace(0.7, 9, 9)

#: Light of which the noise is computed.
_LIGHT = np.concatenate([[0.0], np.geomspace(1e-4, 1.2, 120)])


def estimate(light: np.ndarray, rounding: float = 0.0) -> tuple[float, float]:
    """(shot, read) of the noise before black cut it off: variance = shot * light + read.

    Args:
        light: (planes, h, w) float32, no less than black, which is 0; white is 1.
        rounding: variance that the file's steps add, in the same units; it is part of the answer's read.
    """
    signal, variance = noise.block_statistics(light, cut=True)
    seen = signal > 0
    signal, variance = signal[seen], variance[seen]
    if len(signal) < noise.GROUP or not variance.any():
        return noise.profile_for_iso(100)
    signal, variance = noise.quietest(signal, variance)
    alone = max(float(np.median(variance / np.maximum(signal, 1e-4))), 1e-7)
    shots, reads = (axis.ravel() for axis in np.meshgrid(alone * _SHOTS, _READS, indexing="ij"))
    squares = (reads * shots) ** 2 + rounding
    missed = [_missed(signal, variance, *each) for each in zip(shots, squares, strict=True)]
    best = int(np.argmin(np.array(missed) + _PRIOR * (np.log(reads / _READ) / math.log(_SPREAD)) ** 2))
    return float(shots[best]), float(squares[best])


def cut_off(light: np.ndarray, shot: float, read: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of noisy light of which nothing is below black; light of any shape."""
    sigma = np.sqrt(shot * light + read)
    at = light / sigma
    above = 0.5 + 0.5 * _erf(at / math.sqrt(2))
    density = np.exp(-at * at / 2) / math.sqrt(2 * math.pi)
    mean = light * above + sigma * density
    return mean, (light**2 + sigma**2) * above + light * sigma * density - mean**2


def unstabilise(stabilised: np.ndarray, shot: float, read: float) -> np.ndarray:
    """The light, float32, whose noisy noise.stabilise() this is in the mean.

    The mean of roots is below the root of the mean, by a quarter of an electron (Makitalo and Foi, "Optimal inversion
    of the generalized Anscombe transformation", 2013). Near black, what black has cut off makes up for it.
    """
    light = np.maximum(noise.unstabilise(stabilised, shot, read), 0)
    return np.asarray(light + shot / 4 * (light / np.float32(2 * math.sqrt(read) + 1e-12)).clip(0, 1), np.float32)


def _missed(signal: np.ndarray, variance: np.ndarray, shot: float, read: float) -> float:
    """How far blocks lie from what noise would show. Structure can only add: what lies above counts less."""
    excess = variance / np.interp(signal, *cut_off(_LIGHT, shot, read)) - 1
    trust = np.where(excess > 0, 400, 50)
    return float((np.log1p(trust * excess**2) / trust).mean())


_erf = np.vectorize(math.erf, otypes=[np.float64])

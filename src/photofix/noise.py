"""Noise models: what a sensor adds, and how to make it even.

A sensor's noise is Poisson-Gaussian: variance = shot * signal + read, with black = 0 and white = 1
(the DNG specification's NoiseProfile is the pair (shot, read)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, overload

import numpy as np

#: A map of noise levels that is computed where it is needed: rows and columns in, (h, w) float32 out.
SigmaAt = Callable[[slice, slice], np.ndarray]

#: One for all, or one for each place.
Number = float | np.ndarray


@overload
def stabilise(signal: np.ndarray, shot: float, read: float) -> tuple[np.ndarray, float]: ...
@overload
def stabilise(signal: np.ndarray, shot: np.ndarray, read: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
@overload
def stabilise(signal: np.ndarray, shot: Number, read: Number) -> tuple[np.ndarray, Number]: ...
def stabilise(signal: np.ndarray, shot: Number, read: Number) -> tuple[np.ndarray, Number]:
    """Signal in units in which its noise is the same everywhere, scaled so that black is 0 and white is 1.

    The generalised Anscombe transform (Starck, Murtagh and Bijaoui 1998):
    2 sqrt(x / shot + 3/8 + read / shot^2) has a standard deviation of 1. For shot = 0.01, read = 0 the level is 0.052.

    Args:
        signal: float array of any shape, black = 0, white = 1; may be negative.
        shot: variance a unit of signal, above 0; a number, or an array for noise that differs from place to place.
        read: variance at black, likewise.
    Returns:
        the stabilised signal (float32) and the standard deviation of its noise, a number or an array like shot.
    """
    black, span, offset = _curve(shot, read)
    root = np.sqrt(np.maximum(signal / _single(shot) + _single(offset), 0), dtype=np.float32)
    level = 1 / span
    return (2 * root - _single(black)) / _single(span), level if isinstance(level, np.ndarray) else float(level)


def unstabilise(stabilised: np.ndarray, shot: Number, read: Number) -> np.ndarray:
    """The signal whose stabilise() this is: the algebraic inverse, float32."""
    black, span, offset = _curve(shot, read)
    root = (stabilised * _single(span) + _single(black)) / 2
    return ((root * root - _single(offset)) * _single(shot)).astype(np.float32)


def _curve(shot: Number, read: Number) -> tuple[Number, Number, Number]:
    """The transform of black, how far that of white lies above it, and what is added under the root."""
    offset = 0.375 + read / shot**2
    black = 2 * np.sqrt(offset)
    return black, 2 * np.sqrt(1 / shot + offset) - black, offset


def _single(value: Number) -> np.ndarray | np.float32:
    return value.astype(np.float32, copy=False) if isinstance(value, np.ndarray) else np.float32(value)


def between_cells(levels: np.ndarray, cell: int) -> SigmaAt:
    """The map that runs linearly between the centers of cells of cell x cell pixels, and is level outside them."""

    def at(rows: slice, columns: slice) -> np.ndarray:
        down, across = (_weights(part, size, cell) for part, size in zip((rows, columns), levels.shape, strict=True))
        level: np.ndarray = down @ levels @ across.T
        return level.astype(np.float32)

    return at


def _weights(part: slice, cells: int, cell: int) -> np.ndarray:
    """(pixels, cells): how much each cell says about each pixel of one axis."""
    place = np.clip((np.arange(part.start, part.stop) + 0.5) / cell - 0.5, 0, cells - 1)
    weights: np.ndarray = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells)[None, :]))
    return weights.astype(np.float32)


#: A typical sensor, for when nothing better is known: 40,000 electrons fill a pixel at ISO 100, 1.3 electrons of read
#: noise, 14 bits.
_FULL_WELL_AT_100 = 40_000.0
_READ_ELECTRONS = 1.3
_ROUNDING = 1 / (12 * 16383**2)

#: No sensor reads with more noise than this many electrons; a smaller shot noise beside it is an error of estimation,
#: and would cost `stabilise` its precision.
_MOST_READ_ELECTRONS = 30.0


def profile_for_iso(iso: float) -> tuple[float, float]:
    """(shot, read) of a typical full-frame sensor at that sensitivity; ISO 6400 -> (0.0016, 4.3e-6)."""
    shot = iso / 100 / _FULL_WELL_AT_100
    return shot, (_READ_ELECTRONS * shot) ** 2 + _ROUNDING


def combine(profiles: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, float]]:
    """Gains that give every color of a mosaic the same shot noise, and the one profile (shot, read) they then share.

    A color with more shot noise was amplified more: scaled back, its electrons count like the others'. A gain g turns
    (shot, read) into (g shot, g^2 read); the read noises are then averaged. Gains are at most 1; equal profiles have 1.
    """
    least = min(shot for shot, _ in profiles)
    gains = tuple(least / shot for shot, _ in profiles)
    read = float(np.mean([gain**2 * read for gain, (_, read) in zip(gains, profiles, strict=True)]))
    return gains, (max(least, float(np.sqrt(read)) / _MOST_READ_ELECTRONS), read)


#: How a block's noise is measured: by second differences, which no gradient disturbs, or by its spread about a plane.
Method = Literal["gradient", "flat"]

#: Side of the blocks whose noise is measured, how many of like brightness are compared, which part of them counts as
#: free of structure, and the variance that this quantile of pure white noise shows, as a part of the true one
#: (from 160,000 blocks).
_BLOCK = 8
GROUP = 100
_QUIET = 0.03
_QUIET_VARIANCE: dict[Method, float] = {"gradient": 0.516, "flat": 0.687}
_MOST_BLOCKS = 100_000


#: Colors whose noise is this many times as strong as the mosaic's, or as weak, are told apart.
_UNLIKE = 1.2


def estimate_profiles(planes: np.ndarray) -> tuple[tuple[float, float], ...]:
    """(shot, read) of each plane of a mosaic: one for all, or, where red, green and blue differ in noise, their own.

    Args:
        planes: (4, h, w) float32 as mosaic.pack() gives them, black 0 and white 1.
    """
    shared = estimate_profile(planes)
    colors = [planes[:1], planes[1:3], planes[3:]]
    ratios = [_ratio(color, shared) for color in colors]
    if all(1 / _UNLIKE < ratio < _UNLIKE for ratio in ratios):
        return (shared,) * 4
    red, green, blue = (estimate_profile(color) for color in colors)
    return red, green, green, blue


def _ratio(planes: np.ndarray, profile: tuple[float, float]) -> float:
    """How many times the variance of a profile the quiet blocks show; 1 where there are none."""
    signal, variance = block_statistics(planes, "gradient")
    if len(signal) < GROUP:
        return 1.0
    signal, variance = quietest(signal, variance, "gradient")
    shot, read = profile
    return float(np.median(variance / np.maximum(shot * signal + read, 1e-12)))


def estimate_profile(planes: np.ndarray, method: Method = "gradient") -> tuple[float, float]:
    """(shot, read) of a mosaic's noise, from the mosaic alone.

    The idea of Foi, Trimeche, Katkovnik and Egiazarian (2008): measure noise where the picture is smooth, at every
    brightness, and put a line through it. Here: the second difference along rows and columns (Immerkaer 1996) removes
    structure; of blocks of like brightness the quietest count; a block that is too loud for the line has structure
    left and is weighted down. Clipped blocks are left out. The finest texture of a picture is taken for noise.

    Args:
        planes: (planes, h, w) float32, packed, black 0 and white 1.
        method: "flat" takes the spread of blocks for noise, less what a plane through them explains: the classical way,
            to check the other by.
    Returns:
        shot (above 0) and read (0 or more). The profile of ISO 100 where the mosaic is too small or all clipped; a
        typical sensor's split of the noise where the mosaic has one brightness only.
    """
    signal, variance = block_statistics(planes, method)
    if len(signal) < GROUP:
        return profile_for_iso(100)
    signal, variance = quietest(signal, variance, method)
    if np.ptp(signal) < np.sqrt(np.median(variance)):
        shot, read = _typical_split(float(signal.mean()), float(np.median(variance)))
    else:
        shot, read = _robust_line(signal, variance)
    return max(shot, np.sqrt(read) / _MOST_READ_ELECTRONS, 1e-6), read


def block_statistics(
    planes: np.ndarray, method: Method = "gradient", cut: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and noise variance of blocks that are not clipped, evenly chosen from all planes.

    cut: blocks of which black has cut off a part count as well.
    """
    strips = max(1, planes.shape[1] // _BLOCK) * len(planes)
    step = -(-strips * (planes.shape[2] // _BLOCK) // _MOST_BLOCKS) or 1
    found = [
        _strip_statistics(plane[top : top + _BLOCK + 2], -np.inf if cut else float(plane.min()), method)
        for plane in planes
        for top in range(0, plane.shape[0] - _BLOCK - 1, step * _BLOCK)
    ]
    if not found:
        return np.empty(0), np.empty(0)
    return np.concatenate([mean for mean, _ in found]), np.concatenate([variance for _, variance in found])


def _strip_statistics(strip: np.ndarray, floor: float, method: Method) -> tuple[np.ndarray, np.ndarray]:
    columns = max(0, (strip.shape[1] - 2) // _BLOCK)
    bent = strip[2:] - 2 * strip[1:-1] + strip[:-2]
    residual = (bent[:, 2:] - 2 * bent[:, 1:-1] + bent[:, :-2]) / 6  # of white noise: the same variance
    inner, residual = (
        part[:, : columns * _BLOCK].reshape(_BLOCK, columns, _BLOCK).swapaxes(0, 1).reshape(columns, _BLOCK**2)
        for part in (strip[1:-1, 1:-1], residual)
    )
    # A brightness near white would let its quiet blocks pass alone.
    whole = (inner < 0.995).all(1) & (inner.mean(1) < 0.8) & ((inner <= floor).mean(1) < 0.05)
    level = inner[whole].mean(1)
    return level, _about_plane(inner[whole]) if method == "flat" else (residual[whole] ** 2).mean(1)


def _about_plane(blocks: np.ndarray) -> np.ndarray:
    """Of blocks (n, side^2), the variance that is left when the best plane is taken out."""
    ramp = np.arange(_BLOCK, dtype=np.float32) - (_BLOCK - 1) / 2
    slopes = np.stack([np.repeat(ramp, _BLOCK), np.tile(ramp, _BLOCK)]) / np.sqrt(_BLOCK * (ramp**2).sum())
    centered = blocks - blocks.mean(1, keepdims=True)
    left: np.ndarray = ((centered**2).sum(1) - ((centered @ slopes.T) ** 2).sum(1)) / (_BLOCK**2 - 3)
    return left


def quietest(signal: np.ndarray, variance: np.ndarray, method: Method = "gradient") -> tuple[np.ndarray, np.ndarray]:
    """Brightness and noise variance of groups of blocks of like brightness, from the quietest of each."""
    size = max(GROUP, len(signal) // 500)
    order = np.argsort(signal)[: len(signal) // size * size].reshape(-1, size)
    return signal[order].mean(1), np.quantile(variance[order], _QUIET, axis=1) / _QUIET_VARIANCE[method]


def _robust_line(signal: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """shot and read of variance = shot * signal + read. Structure can only add: what lies above counts less."""
    weight = 1 / (variance + 0.1 * np.median(variance) + 1e-12) ** 2  # few levels can hold no noise at all
    shot, read = 0.0, 0.0
    for _ in range(20):
        shot, read = _line(signal, variance, weight)
        line = shot * signal + read + 1e-12
        excess = variance / line - 1
        weight = 1 / line**2 / (1 + np.where(excess > 0, 400, 50) * excess**2)
    return shot, read


def _line(signal: np.ndarray, variance: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Weighted least squares with slope and intercept at least 0."""
    center, level = np.average(signal, weights=weight), np.average(variance, weights=weight)
    slope = np.average((signal - center) * (variance - level), weights=weight) / np.average(
        (signal - center) ** 2, weights=weight
    )
    if level - slope * center < 0:
        slope = np.average(signal * variance, weights=weight) / np.average(signal**2, weights=weight)
        return float(slope), 0.0
    return (float(slope), float(level - slope * center)) if slope > 0 else (0.0, float(level))


def _typical_split(signal: float, variance: float) -> tuple[float, float]:
    """The typical sensor's profile that has this variance at this signal."""
    square, signal = _READ_ELECTRONS**2, max(signal, 0.0)
    shot = (np.sqrt(signal**2 + 4 * square * variance) - signal) / (2 * square)
    return float(shot), float(square * shot**2)

"""How the numbers of a camera's finished pictures follow light: its response, found from a bracket.

The idea of Debevec and Malik (1997): the same light at two known exposures says how far apart two numbers lie. Which
numbers belong together is read from the frames' histograms (Grossberg and Nayar 2003), so that nothing need be aligned
and little that moves does harm. One curve serves all three colors, since cameras balance them before it, and it is held
to sRGB's where the frames say nothing: a bracket of three has little to say about its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from photofix.color import srgb_to_linear
from photofix.photo import white

#: Codes that a response has a value for, and those that are believed: neither noise nor about to clip.
CODES = 256
_FIRST, _LAST = 6, 246

#: Shares of the pixels at which two histograms are compared, and how strongly the curve's logarithm is held smooth and
#: to sRGB's, beside equations that weigh one in all and miss by as much as those of a quiet scene, as a logarithm.
_SHARES = np.linspace(0.002, 0.998, 250)
_SMOOTH, _PRIOR, _QUIET = 30.0, 2e-5, 0.02

#: EV by which an equation may miss before it counts less, and how often it is looked at anew.
_MISS, _ROUNDS = 0.1, 4


def srgb() -> np.ndarray:
    """The light, (256,) float32 with white at 1, of sRGB's codes."""
    return srgb_to_linear(np.arange(CODES, dtype=np.float32) / np.float32(CODES - 1))


def estimate(frames: Sequence[np.ndarray], evs: Sequence[float]) -> np.ndarray:
    """The light, (256,) float32 rising to white at 1, of the codes of frames with known exposures.

    Args:
        frames: (H, W, C) uint8 or uint16. evs: how much more light each got, in EV.
    """
    low, high, steps = _equations(frames, evs)
    prior, rows = _log_prior(), _between(high) - _between(low)
    wanted = steps - rows @ prior
    away, weight, doubt = np.zeros(CODES), np.ones(len(steps)), 1.0
    for _ in range(_ROUNDS if len(steps) else 0):
        away = _fitted(rows, wanted, weight, doubt)
        miss = np.abs(wanted - rows @ away)
        weight = 1 / np.maximum(1, miss / (_MISS * np.log(2)))
        # Frames that contradict each other, as when lights change between them, say less about the camera.
        doubt = max(1.0, float(np.mean(miss**2)) / _QUIET**2)
    light = np.maximum.accumulate(np.exp(prior + away))
    light[0] = 0
    return np.asarray(light / light[-1], np.float32)


def exposures(frames: Sequence[np.ndarray], curve: np.ndarray | None) -> list[float]:
    """How much more light each frame got than the first, in EV, read from their histograms through a response.

    curve: (256,) as estimate() gives it; None for frames of linear light.
    """
    levels = [_levels(frame, curve) for frame in frames]
    order = np.argsort([frame.mean(dtype=np.float64) for frame in frames])
    found = {order[0]: 0.0}
    for dark, bright in pairwise(order):
        found[bright] = found[dark] + _step(levels[dark], levels[bright])
    return [found[place] - found[0] for place in range(len(frames))]


def light_of(pixels: np.ndarray, curve: np.ndarray | None) -> np.ndarray:
    """Light, float32 with white at 1, of stored numbers; through the response between its codes where they have more
    bits, as they are without one."""
    if curve is None:
        return pixels.astype(np.float32) / np.float32(white(pixels.dtype))
    if pixels.dtype == np.uint8:
        return np.asarray(curve[pixels], np.float32)
    codes = pixels.astype(np.float32) * np.float32((CODES - 1) / white(pixels.dtype))
    return np.asarray(np.interp(codes, np.arange(CODES), curve), np.float32)


def _log_prior() -> np.ndarray:
    light = srgb().astype(np.float64)
    light[0] = light[1] / 4
    return np.log(light)


def _equations(frames: Sequence[np.ndarray], evs: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of darker and of brighter frames that show the same light, and the logarithm of their exposures' ratio."""
    order = np.argsort(evs)
    low, high, steps = [], [], []
    for dark, bright in pairwise(order):
        for channel in range(frames[0].shape[2]):
            first, second = (_quantiles(frames[place][..., channel]) for place in (dark, bright))
            sound = (first > _FIRST) & (second < _LAST) & (second > first)
            low.append(first[sound])
            high.append(second[sound])
            steps.append(np.full(int(sound.sum()), (evs[bright] - evs[dark]) * np.log(2)))
    return np.concatenate(low), np.concatenate(high), np.concatenate(steps)


def _quantiles(plane: np.ndarray) -> np.ndarray:
    """Codes (with fractions) below which the shares of a plane lie: a code's pixels are spread over its step."""
    scale = (CODES - 1) / white(plane.dtype)
    step = max(1, int((plane.size / 4e6) ** 0.5))
    sample = plane[::step, ::step].astype(np.float32) * np.float32(scale)
    counts, edges = np.histogram(sample, CODES, (-0.5, CODES - 0.5))
    below = np.concatenate([[0], np.cumsum(counts)]) / max(1, sample.size)
    return np.asarray(np.interp(_SHARES, below, edges))


def _between(codes: np.ndarray) -> np.ndarray:
    """(n, 256): the weights of the two codes that each lies between."""
    weights = np.zeros((len(codes), CODES))
    below = np.clip(np.floor(codes).astype(int), 0, CODES - 2)
    part = codes - below
    weights[np.arange(len(codes)), below] = 1 - part
    weights[np.arange(len(codes)), below + 1] = part
    return weights


def _fitted(rows: np.ndarray, wanted: np.ndarray, weight: np.ndarray, doubt: float) -> np.ndarray:
    """The deviation (256,) that fits the equations, smooth and small where they leave it free."""
    share = (weight / weight.sum())[:, None]
    bends = np.diff(np.eye(CODES), 2, axis=0)
    held = doubt * (_SMOOTH * bends.T @ bends + _PRIOR * np.eye(CODES))
    return np.asarray(np.linalg.solve(rows.T @ (rows * share) + held, rows.T @ (wanted * share[:, 0])))


def _levels(frame: np.ndarray, curve: np.ndarray | None) -> np.ndarray:
    """(shares, C) light at the shares of the frame's pixels; not a number where it is too dark or about to clip."""
    codes = np.stack([_quantiles(frame[..., channel]) for channel in range(frame.shape[2])], 1)
    sound = (codes > _FIRST) & (codes < _LAST)
    light = codes / (CODES - 1) if curve is None else np.interp(codes, np.arange(CODES), curve)
    return np.where(sound, light, np.nan)


def _step(dark: np.ndarray, bright: np.ndarray) -> float:
    """EV between two frames; 0 where they share no light that both show."""
    ratio = np.log2(bright / dark)
    return float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else 0.0

"""Light of any range to what a display shows: tone curves, one of them local.

A display's white is 1; one that can be brighter than paper white has a peak above it. Every operator keeps a color's
proportions as long as they fit; what is too bright for its color goes towards white, as film does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from photofix.color import LUMINANCE
from photofix.overview import enlarged, lines, size_of

Operator = Literal["reinhard", "aces", "filmic", "mantiuk", "local"]

#: What the mean logarithm of light becomes, and by how much at most light is scaled for that.
_KEY, _MOST_SCALED = 0.16, 8.0

#: The share of pixels that may become white, and samples that scale and white are taken from.
_WHITE, _SAMPLED = 0.998, 1_000_000

#: Pixels of the picture that local operators look at; radius of a surrounding, as a part of the shorter side; and the
#: variance, in EV squared, from which a change of light is an edge and not detail: of surroundings, and where another
#: operator is followed.
_OVERVIEW, _RADIUS, _EDGE, _FOLLOWED = 600_000, 0.04, 0.35, 0.01

#: How much of a color's saturation is kept where its luminance is compressed.
_SATURATION = 0.95

_ROWS = 256


@dataclass(frozen=True)
class _Scene:
    """A picture's scale, the light that becomes white once scaled, and how much brighter than usual it is shown."""

    scale: float
    white: float
    lift: float


def mapped(light: np.ndarray, operator: Operator = "local", exposure: float = 0.0, peak: float = 1.0) -> np.ndarray:
    """What a display shows of light.

    Args:
        light: (H, W, C) float32, linear, any unit, gray or color. exposure: EV brighter or darker.
        peak: how much brighter than its white the display can be.
    Returns:
        (H, W, C) float32 display light, 0 to peak.
    """
    scene = _scene(light, exposure)
    if operator == "local":
        compressed = _local(light, scene)
    elif operator == "mantiuk":
        compressed = _by_library(light, scene)
    else:
        compressed = {"reinhard": _reinhard, "aces": _aces, "filmic": _filmic}[operator]
    result = np.empty(light.shape, np.float32)
    for top in range(0, len(light), _ROWS):
        rows = slice(top, min(top + _ROWS, len(light)))
        scaled = np.nan_to_num(np.maximum(light[rows], 0) * np.float32(scene.scale / peak), posinf=6e4)
        result[rows] = compressed(scaled, scene.white / peak, rows) * np.float32(peak)
    return result


def luminance(light: np.ndarray) -> np.ndarray:
    """(H, W) of (H, W, C)."""
    return np.asarray(light @ LUMINANCE if light.shape[2] == 3 else light[..., 0])


#: Scaled light (h, W, C), its white, and the rows of the picture that it is of -> display light with white at 1.
_Curve = Callable[[np.ndarray, float, slice], np.ndarray]


def _scene(light: np.ndarray, exposure: float) -> _Scene:
    step = max(1, int((light.shape[0] * light.shape[1] / _SAMPLED) ** 0.5))
    sample = luminance(np.nan_to_num(light[::step, ::step], posinf=6e4))
    bright = sample[sample > 0]
    if not bright.size:
        return _Scene(2.0**exposure, 1.0, 2.0**exposure)
    mean = float(np.exp(np.log(np.maximum(bright, bright.max() * 1e-6)).mean()))
    scale = float(np.clip(_KEY / mean, 1 / _MOST_SCALED, _MOST_SCALED)) * 2.0**exposure
    return _Scene(scale, max(1.0, scale * float(np.quantile(bright, _WHITE))), 2.0**exposure)


def _compress(luminance: np.ndarray, white: float) -> np.ndarray:
    """Reinhard, Stark, Shirley and Ferwerda (2002), equation 4: 1 at white, the light itself where it is dark."""
    return np.asarray(luminance * (1 + luminance / np.float32(white * white)) / (1 + luminance))


def _reinhard(light: np.ndarray, white: float, _rows: slice) -> np.ndarray:
    before = luminance(light)
    return _colored(light, before, _compress(before, white))


def _aces(light: np.ndarray, _white: float, _rows: slice) -> np.ndarray:
    """Narkowicz's fit (2016) of the Academy's reference rendering, channel by channel: 0.18 -> 0.11, white at 8."""
    x = light * np.float32(0.6)
    return np.asarray((x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)).clip(0, 1), np.float32)


def _filmic(light: np.ndarray, white: float, _rows: slice) -> np.ndarray:
    """Hable's filmic curve (2010), channel by channel, its white where the picture's is, but not below 4."""

    def curve(x: np.ndarray) -> np.ndarray:
        a, b, c, d, e, f = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30
        return (x * (a * x + c * b) + d * e) / (x * (a * x + b) + d * f) - e / f

    return np.asarray((curve(2 * light) / curve(np.array(2 * max(4.0, white)))).clip(0, 1), np.float32)


def _local(light: np.ndarray, scene: _Scene) -> _Curve:
    """Durand and Dorsey's (2002) division into surroundings and detail: the first are compressed, the second is kept.

    Surroundings by the guided filter (He, Sun and Tang 2010), found in an overview: no light bleeds over an edge.
    """
    height, width = light.shape[:2]
    small = _log(luminance(_small(light)) * np.float32(scene.scale))
    slope, offset = _followed(small, small, _EDGE)

    def compressed(scaled: np.ndarray, white: float, rows: slice) -> np.ndarray:
        peak = np.float32(scene.white / white)  # what the scale was divided by
        before = luminance(scaled)
        tone = _log(before * peak)
        around = enlarged(slope, rows, height, width) * tone + enlarged(offset, rows, height, width)
        around = np.exp2(around) / peak
        return _colored(scaled, before, before * _compress(around, white) / np.maximum(around, 1e-6))

    return compressed


def _small(light: np.ndarray) -> np.ndarray:
    """The light (h, w, C) of a picture that is small."""
    size = size_of(light.shape[0], light.shape[1], _OVERVIEW)
    small = cv2.resize(np.nan_to_num(light, posinf=6e4), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small.reshape(*size[::-1], -1))


def _followed(picture: np.ndarray, guide: np.ndarray, flat: float) -> tuple[np.ndarray, np.ndarray]:
    """The lines over a guide, in windows of the operators' size."""
    side = 2 * max(2, int(_RADIUS * min(guide.shape))) + 1
    return lines(picture, guide, flat, lambda plane: cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT_101))


def _log(luminance: np.ndarray) -> np.ndarray:
    return np.asarray(np.log2(np.maximum(luminance, 1e-5)), np.float32)


def _by_library(light: np.ndarray, scene: _Scene) -> _Curve:
    """Mantiuk, Myszkowski and Seidel (2006), OpenCV's, on an overview; the picture follows it by the guided filter."""
    height, width = light.shape[:2]
    small = _small(light)
    color = np.maximum(np.repeat(small, 3, 2) if small.shape[2] == 1 else small, 1e-6) * np.float32(scene.scale)
    shown = luminance(_contrast_mapped(color.astype(np.float32)))
    shown *= np.float32(scene.lift * _KEY / np.exp(_log(shown).mean() * np.log(2)))
    before = _log(luminance(color))
    change = _log(_compress(shown, max(1.0, float(np.quantile(shown, _WHITE))))) - before
    slope, offset = _followed(change, before, _FOLLOWED)

    def compressed(scaled: np.ndarray, white: float, rows: slice) -> np.ndarray:
        peak = np.float32(scene.white / white)
        own = luminance(scaled)
        tone = _log(own * peak)
        change = enlarged(slope, rows, height, width) * tone + enlarged(offset, rows, height, width)
        lifted = np.minimum(_compress(own, white), 1) / np.maximum(_compress(own * peak, scene.white), 1e-6)
        return _colored(scaled, own, own * peak * np.exp2(change) * (lifted if peak > 1 else 1))

    return compressed


def _contrast_mapped(color: np.ndarray) -> np.ndarray:
    """OpenCV's operator, whose notes about its own insides are kept from the terminal."""
    log = cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_ERROR)
    try:
        return np.nan_to_num(cv2.createTonemapMantiuk(gamma=1.0, scale=0.8, saturation=1.0).process(color)).clip(0)
    finally:
        log.setLogLevel(level)


def _colored(light: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Light at another luminance, in its own color, or, where that does not fit below white, nearer to gray."""
    after = np.minimum(after, 1)[..., None]
    ratio = light / np.maximum(before, 1e-6)[..., None]
    if light.shape[2] == 1:
        return np.asarray(after * (before[..., None] > 0))
    color = after * (1 + np.float32(_SATURATION) * (ratio - 1))
    over = color.max(2, keepdims=True)
    share = np.where(over > 1, (1 - after) / np.maximum(over - after, 1e-6), 1)
    return np.asarray(np.maximum(after + share * (color - after), 0), np.float32)

"""Low light: a dark picture made brighter, place by place and along the edges of things, in linear light.

What is decided, is decided on the whole picture made small, and applied pixel by pixel: no part of a large picture
differs from its neighbour, however it is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from photofix import color, dark_noise, noise
from photofix.overview import lines
from photofix.photo import Photo, white

Method = Literal["network", "gamma", "clahe"]

#: What decides: a small picture in linear light (S, S, 3) and stops that are wanted, to stops (h, w, 3) of each place.
Tone = Callable[[np.ndarray, float], np.ndarray]

#: Rows and columns.
Part = tuple[slice, slice]

#: Stops that a picture lacks, and this share of the logarithm of the odds that it lacks any: where both together are
#: less than that, it is left as it is, since it may have been meant so (training/LOG.md has both errors by the line).
TRUST, LEAST = 0.25, 1.25

#: A picture whose brightest place, made small, is darker than this holds nothing but noise.
BLACK = 2.0**-13

#: Brightness is told in stops of light so much above black: a few thousandths of white.
_FLOOR = np.float32(2.0**-7)

#: Half the window of the guided filter, in pixels of the small picture, and its regularisation in stops squared: what
#: differs by less than its root keeps its contrast, what differs by more is another light.
_RADIUS, _SMOOTH = 9, 0.1

#: Rows that are worked on at a time, so that little is held in floating point.
_BAND = 256

#: Sides of the part of a picture that its noise is estimated from.
_SAMPLE = 1536

#: Stops past white that noise takes what is white: no reason to brighten it less.
_SPARE = 0.15

#: Steps above black up to which a file with no noise to tell them apart holds more rounding than picture.
_LOST_STEPS = 2.0

#: How many times as strong as estimated a network may judge noise to be, and the two agree.
_WEAKER_IN_BLACK, _WEAKER, _STRONGER = 0.5, 0.8, 1.6

#: The exponent that the field compares with, and CLAHE's limit and tiles (Zuiderveld 1994).
_GAMMA, _CLIP, _CELLS = 0.4, 2.0, (8, 8)


@dataclass(frozen=True)
class Plan:
    """How a picture is brightened: in every place, stops = slope * brightness + offset, and not less than `least`.

    to_white: no pixel is brightened further than to where its brightest color is white, so that bright colors stay.
    lost: light that the file does not tell from black; what is not far above it is brightened less.

    exposure: stops that were wanted. slope, offset: (h, w, 3) float32, cells laid over the whole picture, between whose
    centers the values run linearly. brightness: log2(light * 2**exposure + 2**-7), light being the mean of the colors.
    """

    exposure: float
    slope: np.ndarray
    offset: np.ndarray
    least: float = -np.inf
    to_white: bool = False
    lost: float = 0.0


@dataclass(frozen=True)
class Quiet:
    """Light without its noise, beside the light with it, in units in which noise is even: black 0, white 65535.

    shot, read: variance = shot * light + read, of light made brighter by so many stops of exposure. level: the standard
    deviation that this makes the noise in even units, white being 1.
    rounding: the part of read that is due to the steps of the file.
    seen, clean: (h, w, C) uint16.
    """

    exposure: float
    shot: float
    read: float
    rounding: float
    level: float
    seen: np.ndarray
    clean: np.ndarray

    @property
    def lost(self) -> float:
        """Light, as the file has it, that its steps do not tell from black.

        The mean of noisy pixels tells parts of a step; but cameras smooth the noise away, and round then.
        """
        steps = _LOST_STEPS * np.sqrt(12 * self.rounding) * min(1.0, self.rounding / max(self.read, 1e-12))
        return float(steps / 2**self.exposure)


def small(photo: Photo, side: int) -> np.ndarray:
    """The whole picture in linear light, squeezed into a square (side, side, 3), float32: means of its pixels."""
    height, width = photo.pixels.shape[:2]
    step = max(1, min(height, width) // (4 * side))
    bands = []
    for top in range(0, height, step * _BAND):
        light = color.light_of(photo.pixels[top : top + step * _BAND], photo.encoding)
        size = (max(1, width // step), max(1, len(light) // step))
        bands.append(cv2.resize(light, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1))
    shrunk = np.concatenate(bands)
    shrunk = cv2.resize(shrunk, [min(side, size) for size in shrunk.shape[1::-1]], interpolation=cv2.INTER_AREA)
    square = cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_LINEAR).reshape(side, side, -1)
    light = np.nan_to_num(np.broadcast_to(square, (side, side, 3))).clip(0, None)
    return np.asarray(light, np.float32)


def plan(shrunk: np.ndarray, stops: np.ndarray, exposure: float) -> Plan:
    """What a small picture (S, S, 3) and the stops of its places (h, w, 3) say of every pixel of the large one.

    In every window the stops are a line over the brightness, so that they change where the picture does and halos have
    no place.
    """
    guide = _brightness(shrunk, exposure)[:, :, None]
    stops = cv2.resize(stops, shrunk.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return Plan(exposure, *lines(stops, guide, _SMOOTH, _box))


def restrained(shrunk: np.ndarray, stops: np.ndarray, exposure: float) -> np.ndarray:
    """Exactly the exposure that was asked for, save in places that it would take past white: there as many fewer stops
    as the network says, and no more than that it takes.

    shrunk: the small picture (S, S, 3). stops: what the network says of its places, (h, w, 3).
    """
    side = len(shrunk) // len(stops)
    brightest = cv2.dilate(shrunk.max(2), np.ones((side, side)))[side // 2 :: side, side // 2 :: side]
    over = (np.log2(np.maximum(brightest, BLACK)) + np.float32(exposure) - _SPARE).clip(0)[:, :, None]
    return np.asarray(exposure + np.clip(stops - exposure, -over, 0), np.float32)


def evened(photo: Photo, exposure: float, part: Part) -> Quiet:
    """A part of a picture as a denoiser is to see it, nothing taken out yet.

    Lifting shows what a sensor's noise is like: strong in the dark, cut off at black, in few levels. In units in which
    it is even (Anscombe's), a denoiser that knows even noise finds it everywhere at once.
    """
    wanted, scale = photo.pixels[part], np.float32(2**exposure)
    rows, columns = (slice(max(0, size - _SAMPLE) // 2, (size + _SAMPLE) // 2) for size in wanted.shape[:2])
    sample = color.light_of(wanted[rows, columns], photo.encoding).transpose(2, 0, 1) * scale
    # The first steps of sRGB numbers are even ones of light, whose rounding is noise too.
    rounding = (float(scale) / white(wanted.dtype) / 12.92) ** 2 / 12 if wanted.dtype != np.float32 else 0.0
    shot, read = dark_noise.estimate(np.ascontiguousarray(sample), rounding)
    seen = np.empty(wanted.shape, np.uint16)
    for top in range(0, len(wanted), _BAND):
        even, level = noise.stabilise(color.light_of(wanted[top : top + _BAND], photo.encoding) * scale, shot, read)
        seen[top : top + _BAND] = np.rint(even.clip(0, 1) * 65535)
    return Quiet(exposure, shot, read, rounding, level, seen, seen)


def agreed(noisy: Quiet, judged: np.ndarray) -> np.ndarray:
    """How strong even noise is in every place (h, w): what the estimated profile makes it, which is exact, unless a
    network that has looked at the picture judges it to be stronger or weaker.

    Stronger: noise that a camera has smoothed, which pixels tell little of. Weaker: texture that was taken for noise;
    but where black cuts noise off, what is left is weaker indeed, and the denoiser must be told what it was.
    """
    ratio = judged / np.float32(noisy.level)
    means = cv2.resize(noisy.seen, judged.shape[::-1], interpolation=cv2.INTER_AREA).reshape(*judged.shape, -1)
    light = noise.unstabilise(means.mean(2, dtype=np.float32) / np.float32(65535), noisy.shot, noisy.read)
    weaker = np.where(light < 2 * np.sqrt(noisy.read), _WEAKER_IN_BLACK, _WEAKER)
    return np.where((ratio > weaker) & (ratio < _STRONGER), np.float32(noisy.level), judged)


def lift(photo: Photo, how: Plan, part: Part | None = None, quiet: Quiet | None = None) -> Photo:
    """The picture, or a part of it, made brighter: at 16 bits where it had fewer.

    part: rows and columns of the photo that are wanted; the plan is always of the whole. quiet: the part's noise is
        taken out before its light is lifted.
    """
    rows, columns = part or (slice(0, photo.pixels.shape[0]), slice(0, photo.pixels.shape[1]))
    whole, wanted = photo.pixels.shape[:2], photo.pixels[rows, columns]
    kind = np.dtype(np.uint16 if wanted.dtype == np.uint8 else wanted.dtype)
    lifted = np.empty(wanted.shape, kind)
    for top in range(0, len(wanted), _BAND):
        light = color.light_of(wanted[top : top + _BAND], photo.encoding)
        if quiet:
            light = _without_noise(light, quiet, slice(top, top + len(light)))
        band = slice(rows.start + top, rows.start + top + len(light))
        brighter = light * np.exp2(_stops(light, how, whole, (band, columns)))
        lifted[top : top + len(light)] = _stored(brighter, photo, kind)
    alpha = None if photo.alpha is None else photo.alpha[rows, columns]
    return replace(photo, pixels=lifted, alpha=alpha)


def curved(photo: Photo) -> Photo:
    """A 16-bit picture with the tone curve that a camera puts on light."""
    steps = np.arange(65536, dtype=np.float32) / np.float32(65535)
    shown = camera_curve(color.linear_to_srgb(steps) if photo.encoding == "linear" else steps)
    steps = color.srgb_to_linear(shown) if photo.encoding == "linear" else shown
    return replace(photo, pixels=np.rint(steps * 65535).astype(np.uint16)[photo.pixels])


def camera_curve(encoded: np.ndarray) -> np.ndarray:
    """3 x^2 - 2 x^3 of sRGB-encoded colors in [0, 1], which stands for cameras' curves in Brooks et al., "Unprocessing
    Images for Learned Raw Denoising" (2019): more contrast in the middle, stronger colors; 0.25 -> 0.15625."""
    return np.asarray(encoded * encoded * (3 - 2 * encoded))


def blended(photo: Photo, lifted: Photo, strength: float) -> Photo:
    """The share of the change that is made, at the photo's own depth."""
    before, kind = photo.pixels, photo.pixels.dtype
    result = np.empty_like(before)
    scale = np.float32(white(kind) / white(lifted.pixels.dtype))
    for top in range(0, len(before), _BAND):
        old = before[top : top + _BAND].astype(np.float32)
        new = old + np.float32(strength) * (lifted.pixels[top : top + _BAND] * scale - old)
        result[top : top + _BAND] = new if kind == np.float32 else np.rint(new).clip(0, white(kind))
    return replace(lifted, pixels=result)


def classical(photo: Photo, method: Literal["gamma", "clahe"]) -> Photo:
    """The floor to compare with: every value to the power of 0.4, or the luma's histogram made even where it stands."""
    kind = photo.pixels.dtype
    values = photo.pixels.astype(np.float32) / np.float32(white(kind))
    if method == "gamma":
        changed = np.copysign(np.abs(values) ** np.float32(_GAMMA), values)
    else:
        luma = (values.clip(0, 1) @ np.full(values.shape[2], 1 / values.shape[2], np.float32))[:, :, None]
        even = cv2.createCLAHE(_CLIP, _CELLS).apply(np.rint(luma[:, :, 0] * 65535).astype(np.uint16))
        changed = values * (even[:, :, None] / np.float32(65535) + 1e-4) / (luma + np.float32(1e-4))
    if kind != np.float32:
        changed = np.rint(changed.clip(0, 1) * white(kind))
    return replace(photo, pixels=changed.astype(kind))


def _stops(light: np.ndarray, how: Plan, whole: tuple[int, int], part: tuple[slice, slice]) -> np.ndarray:
    """(h, w, C) stops of rows and columns of the whole picture, whose light (h, w, C) is."""
    both = np.concatenate([how.slope, how.offset], 2)
    if light.shape[2] == 1:
        both = np.stack([how.slope.mean(2), how.offset.mean(2)], 2)
    down, across = (_between(axis, size, cells) for axis, size, cells in zip(part, whole, both.shape, strict=False))
    lines = np.tensordot(down, both, 1).transpose(0, 2, 1) @ across.T
    slope, offset = np.split(lines, 2, 1)  # (h, C, w) each
    stops = slope * _brightness(light, how.exposure)[:, None] + offset
    if how.lost:
        stops -= np.log2(1 + (np.float32(how.lost) / np.maximum(light.mean(2), np.float32(1e-9))) ** 2)[:, None]
    stops = np.maximum(stops, np.float32(how.least))
    if how.to_white:
        room = -np.log2(np.clip(light.max(2), np.float32(2.0**-20), 1))
        stops = np.minimum(stops, room[:, None])
    return np.asarray(stops.transpose(0, 2, 1))


def _without_noise(light: np.ndarray, quiet: Quiet, rows: slice) -> np.ndarray:
    """Light (h, w, C) less what the denoiser took away in these rows; what is too bright to be noisy is as it was."""
    scale = np.float32(2**quiet.exposure)
    even, _ = noise.stabilise(light * scale, quiet.shot, quiet.read)
    seen, clean = quiet.seen[rows], quiet.clean[rows]
    even += np.where(seen < 65535, clean.astype(np.float32) - seen, 0) / np.float32(65535)
    quieter = dark_noise.unstabilise(even, quiet.shot, quiet.read) / scale
    return np.where(clean != seen, quieter, light)


def _between(part: slice, size: int, cells: int) -> np.ndarray:
    """(pixels, cells): how much each cell says about each pixel of a part of an axis of that size."""
    place = ((np.arange(part.start, part.stop) + 0.5) * (cells / size) - 0.5).clip(0, cells - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells)[None, :])), np.float32)


def _brightness(light: np.ndarray, exposure: float) -> np.ndarray:
    """(H, W) stops of how bright light (H, W, C) will about be."""
    mean = light.mean(2) * np.float32(2**exposure)
    return np.asarray(np.log2(np.maximum(mean, 0) + _FLOOR), np.float32)


def _box(planes: np.ndarray) -> np.ndarray:
    """Means over windows; at the border over what of them lies inside."""
    side = 2 * _RADIUS + 1
    sums, count = (
        cv2.boxFilter(part, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
        for part in (planes, np.ones(planes.shape[:2], np.float32))
    )
    means: np.ndarray = sums.reshape(planes.shape) / count[:, :, None]
    return means


def _stored(light: np.ndarray, photo: Photo, kind: np.dtype) -> np.ndarray:
    """Light as the photo's file holds it, at a depth of integers or floats."""
    if kind == np.float32:
        return light if photo.encoding == "linear" else color.linear_to_srgb(light)
    inside = np.clip(light, 0, 1, dtype=np.float32)
    if photo.encoding == "srgb":
        # color.linear_to_srgb() by OpenCV, three times as fast; its error is far below a step of 16 bits.
        root = cv2.pow(inside, 1 / 2.4).reshape(inside.shape)
        inside = np.where(inside <= 0.0031308, inside * np.float32(12.92), np.float32(1.055) * root - np.float32(0.055))
    return np.asarray(np.rint(inside * white(kind)), kind)

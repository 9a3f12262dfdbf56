"""Denoise: a developed picture in its own encoding, or a mosaic before it is developed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from photofix import color, grain, mosaic, noise
from photofix.noise import SigmaAt
from photofix.photo import Photo, RawPhoto

Progress = Callable[[int], None]

#: Levels below this, in units of white, are not noise that anybody sees: a quarter of an 8-bit step.
UNSEEN = 0.25 / 255


#: Signal up to which noise is not cut off at white; and the smallest share of noise that anybody leaves: the best
#: denoisers gain about 20 dB on flat pictures.
_UNCLIPPED = 0.9
_LEAST_LEFT = 0.01

#: Of light brighter than white: times the median that what is shown as white may be, how softly what lies above it is
#: compressed, and samples that the median is taken of.
_CONTRAST, _SHOULDER, _SAMPLED = 16.0, 0.1, 4_000_000

#: (shot, read): numbers, or arrays for noise that differs from place to place.
Profile = tuple[float, float] | tuple[np.ndarray, np.ndarray]


class Restore(Protocol):
    """What denoising needs of a model: a file's pixels (H, W, C) and their noise level, to pixels of the same kind."""

    def __call__(
        self, pixels: np.ndarray, sigma: float | SigmaAt, strength: float = 1.0, progress: Progress | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class Estimate:
    """The noise level of a picture, in units of white: one for each cell of cell x cell pixels."""

    levels: np.ndarray
    cell: int

    @property
    def typical(self) -> float:
        """The median over the picture."""
        return float(np.median(self.levels))

    def sigma(self) -> float | SigmaAt:
        """What to tell the network: nothing at all where no noise can be seen, else the smooth map."""
        return 0.0 if self.levels.max() < UNSEEN else noise.between_cells(self.levels, self.cell)


def smooth(levels: np.ndarray, cell: int) -> Estimate:
    """An estimate from a network's answers (h, w), each averaged with its neighbours: noise changes slowly."""
    return Estimate(cv2.blur(levels, (5, 5), borderType=cv2.BORDER_REPLICATE), cell)


def denoise(
    photo: Photo,
    model: Restore,
    sigma: float | SigmaAt,
    strength: float = 1.0,
    progress: Progress | None = None,
    keep_grain: float = 0.0,
) -> Photo:
    """The photo without its noise; alpha and metadata are passed on.

    Args:
        sigma: the noise's standard deviation in units of white, a number or a map; in the encoding of `displayed`.
        strength: 0 returns the input, 1 what the network says, between them a blend.
        keep_grain: the share of the luminance noise that stays; color noise goes all the same.
    """
    if strength == 0 or (not callable(sigma) and sigma <= 0):
        return photo
    if photo.encoding == "linear":
        return _denoise_linear(photo, model, sigma, strength, progress, keep_grain)
    if keep_grain:
        clean = model(photo.pixels, sigma, 1.0, progress)
        return replace(photo, pixels=grain.put_back(photo.pixels, clean, keep_grain, strength))
    return replace(photo, pixels=model(photo.pixels, sigma, strength, progress))


def displayed(photo: Photo) -> np.ndarray:
    """The pixels as the network sees them: those of the file, or, where these are linear light, through the sRGB curve.

    Light brighter than white is brought into range first, so that the network meets what it was trained on.
    """
    if photo.encoding == "srgb":
        return photo.pixels
    light = color.light_of(photo.pixels, "linear")
    return shown(light, peak(light))


def peak(light: np.ndarray) -> np.float32:
    """The light that is shown as white: 1, or where a picture is brighter, its brightest, but not far more than its
    median: windows and a sun in a picture must not turn the rest black."""
    brightest = float(np.nanmax(light))
    if brightest <= 1:
        return np.float32(1)
    step = max(1, int((light.size / _SAMPLED) ** 0.5))
    return np.float32(max(1.0, min(brightest, _CONTRAST * float(np.nanmedian(light[::step, ::step])))))


def shown(light: np.ndarray, peak: np.float32) -> np.ndarray:
    """Light as the network sees it: sRGB-encoded with its peak as white, and what is brighter compressed."""
    encoded = color.linear_to_srgb(light / peak)
    above = np.maximum(encoded - 1, 0)
    return np.asarray(np.minimum(encoded, 1) + _SHOULDER * np.log1p(above / _SHOULDER), light.dtype)


def _unshown(display: np.ndarray, peak: np.float32) -> np.ndarray:
    """The light whose shown() this is."""
    above = np.maximum(display - 1, 0)
    return color.srgb_to_linear(np.minimum(display, 1) + _SHOULDER * np.expm1(above / _SHOULDER)) * peak


def _denoise_linear(
    photo: Photo,
    model: Restore,
    sigma: float | SigmaAt,
    strength: float,
    progress: Progress | None,
    keep_grain: float,
) -> Photo:
    before = color.light_of(photo.pixels, "linear")
    white = peak(before)
    light = _unshown(model(shown(before, white), sigma, 1.0, progress), white)
    # Far above the peak the network sees next to nothing, and is not heard.
    change = (light - before) * (2 - before / white).clip(0, 1)
    if keep_grain:
        change -= np.float32(keep_grain) * grain.of_picture(change)
    blended = before + np.float32(strength) * change
    if photo.pixels.dtype == np.uint16:
        blended = np.rint(blended.clip(0, 1) * 65535)
    return replace(photo, pixels=blended.astype(photo.pixels.dtype))


def denoise_raw(
    raw: RawPhoto,
    model: Restore,
    profiles: Sequence[tuple[float, float]],
    strength: float = 1.0,
    progress: Progress | None = None,
    keep_grain: float = 0.0,
) -> np.ndarray:
    """The mosaic (H, W) float32 without its noise, in the sensor's own numbers.

    Packed into red, green, green and blue planes, made even by the noise profile, denoised, and brought back. Where
    frames were averaged, the network is told what is left of the noise, sample by sample.

    Args:
        profiles: (shot, read) of the four places of the pattern, variance = shot * signal + read with white at 1.
        strength: the share of the change that is made, in linear light.
        keep_grain: the share of the luminance noise that stays, in linear light.
    """
    if strength == 0:
        return raw.mosaic.astype(np.float32)
    planes = mosaic.to_planes(raw)
    gains, (shot, read) = noise.combine([profiles[place] for place in mosaic.places(raw.pattern)])
    scale = np.array(gains, np.float32)[:, None, None]
    variance = _averaged((shot, read), raw.averaged)
    even, level = noise.stabilise(planes * scale, *variance)
    even = np.ascontiguousarray(even.transpose(1, 2, 0))
    restored = model(even, _at(level), 1.0, progress)
    changed = (restored != even).transpose(2, 0, 1)
    light = noise.unstabilise(restored.transpose(2, 0, 1), *variance) / scale
    # What the network left alone keeps its own number: there and back through roots would round it.
    change = np.where(changed, light - planes, np.float32(0))
    if keep_grain:
        change -= np.float32(keep_grain) * grain.of_mosaic(change, raw.balance)
    planes += np.float32(strength) * change
    return mosaic.to_mosaic(planes, raw)


def noise_left(
    raw: RawPhoto,
    restored: np.ndarray,
    profiles: Sequence[tuple[float, float]],
    strength: float = 1.0,
    keep_grain: float = 0.0,
) -> tuple[tuple[float, float], ...]:
    """The noise profiles of the restored mosaic's places: those of the photo times the share that is left.

    What a denoiser takes away is orthogonal to the error that it leaves, if it is the best there is in the mean square:
    then variance before = variance taken + variance left. The share is measured over the whole photo, color by color.
    For ours, on simulated photos, it mostly lies between what differs from one exposure to the next and the whole
    error, lost texture too (docs/raw.md).

    Args:
        restored: (H, W) in sensor numbers, like raw.mosaic. profiles: (shot, read) of the places of the pattern.
        strength: the share of the change that was made. keep_grain: the share of the luminance noise that was put back.
    """
    before, after = mosaic.to_planes(raw), mosaic.to_planes(replace(raw, mosaic=restored))
    left, places = list(profiles), mosaic.places(raw.pattern)
    variances = [
        shot * plane.clip(0) + read
        for plane, (shot, read) in zip(after, (profiles[one] for one in places), strict=True)
    ]
    # Grain is the mean of four greens, in the amount in which red and blue see gray light.
    grainy = strength**2 * keep_grain**2 * (variances[1] + variances[2]) / 8
    own = (strength, strength * (1 - keep_grain), strength * (1 - keep_grain), strength)
    foreign = (grainy / raw.balance[0] ** 2, 0 * grainy, 0 * grainy, grainy / raw.balance[2] ** 2)
    for plane, place in enumerate(places):
        share = _share_left(before[plane], after[plane], variances[plane], own[plane], foreign[plane])
        left[place] = profiles[place][0] * share, profiles[place][1] * share
    return tuple(left)


def _share_left(noisy: np.ndarray, clean: np.ndarray, variance: np.ndarray, own: float, foreign: np.ndarray) -> float:
    """The share of a plane's noise that is left; all (h, w).

    variance: of its noise. own: the share of what the denoiser took that was taken. foreign: the variance of other
    planes' noise that would have been put in, had the denoiser taken all of theirs.
    """
    inside = (clean > 0) & (clean < _UNCLIPPED)
    expected = variance[inside]
    most = own**2 * expected + foreign[inside]
    if not expected.size or not most.any():
        return 1.0
    # Four sigma and more is no noise but what else was changed, beside clipped light for one.
    changed = np.minimum((noisy - clean)[inside] ** 2, 16 * most)
    found = min(1.0, float(changed.sum() / most.sum()))  # by the denoiser, of all noise
    share = 1 - found + found * ((1 - own) ** 2 + float(foreign[inside].sum() / expected.sum()))
    return max(_LEAST_LEFT, share)


def _averaged(profile: tuple[float, float], count: np.ndarray | None) -> Profile:
    """The profile (shot, read) of what so many frames were averaged to; one for all, or (h, w) arrays."""
    return profile if count is None else (profile[0] / count, profile[1] / count)


def _at(level: float | np.ndarray) -> float | SigmaAt:
    return (lambda rows, columns: level[rows, columns]) if isinstance(level, np.ndarray) else level

"""Deblur: a blur that is known is undone by plug-and-play deconvolution, or by Wiener's or Richardson and Lucy's.

Half-quadratic splitting takes turns between the picture that explains the blurred one, solved exactly by Fourier
transforms, and a denoiser that says which pictures are likely (Zhang et al., "Plug-and-Play Image Restoration with Deep
Denoiser Prior", IEEE TPAMI 2021). Two things are handled beside that. What lies beyond the border is unknown, and so is
how much brighter than white clipped light was: there the last answer, blurred again, stands for the observation (Kruse
et al., ICCV 2017, for the border; masks as of Almeida and Figueiredo, IEEE TIP 2013, in the place of periods). And
a lens blurs light, while a denoiser knows finished pictures: it is shown the light through the sRGB curve, and told the
noise as strong as the curve makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

import cv2
import numpy as np

from photofix import color, tiles
from photofix.errors import PhotofixError, UsageError
from photofix.noise import SigmaAt
from photofix.photo import Photo, white
from photofix.tiles import Progress, Tiling

Method = Literal["plug-and-play", "wiener", "richardson-lucy"]

#: What blurred a picture, as far as the user says.
Mode = Literal["auto", "motion", "defocus"]

#: Side of the blocks that a large picture is worked on in, margins included; and the margins, in sides of the kernel
#: and pixels beside: further away a block's border changes nothing that can be seen.
BLOCK = 2048
_MARGIN_KERNELS = 4
_MARGIN = 64

#: Stored numbers from here on, white at 1, are taken for clipped.
_CLIPPED = 0.995

#: The least noise, white at 1, that is believed in: numbers are rounded, and a kernel is never quite right.
LEAST = 0.5 / 255

#: Steps of Richardson and Lucy's iteration, as most tools have it.
_LUCY_STEPS = 30

#: The most noise, white at 1, that a denoiser is told of.
_LOUDEST = 75 / 255


class Restore(Protocol):
    """What is needed of a network: a file's pixels (H, W, C) and their noise level, to pixels of the same kind."""

    def __call__(
        self, pixels: np.ndarray, sigma: float | SigmaAt, strength: float = 1.0, progress: Progress | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class Frame:
    """Planes of light continued beyond their border and made periodic, as Fourier transforms take them.

    planes: (C, H', W') float32. light: whether they are light, or numbers that a denoiser is shown as they are.
    known: (1, H', W') where they were observed. clipped: (C, H', W') where it may have been brighter.
    transfer: the psf's half spectrum. corner: row and column where the picture begins.
    """

    planes: np.ndarray
    light: bool
    known: np.ndarray
    clipped: np.ndarray
    psf: np.ndarray
    transfer: np.ndarray
    corner: tuple[int, int]

    def observed(self, channel: int, again: np.ndarray) -> np.ndarray:
        """What was observed; where nothing was, what the present answer, blurred `again`, would have shown there."""
        plane = self.planes[channel]
        lit = np.where(self.clipped[channel], np.maximum(plane, again), plane)
        return np.where(self.known[0], lit, again)


#: What undoes a blur: a frame and its noise's standard deviation to its planes, sharp. Told of work done, in pixels.
Solve = Callable[[Frame, float, Progress], np.ndarray]


@dataclass(frozen=True)
class Schedule:
    """How plug-and-play goes about it; chosen on photos held out of training, blurred by random paths.

    first: the noise level, white at 1, at which the denoiser begins; it falls evenly in the logarithm to the picture's
    own. weight: how much the denoiser's word counts in the last step (lambda of the paper, 0.23 there); before, times
    this power of how much less noise there is at last (2 in the paper; less rings less at the border).
    first_turns, turns: how often, in the first step and in the others, what was not observed is filled in.
    """

    steps: int = 8
    first: float = 35 / 255
    weight: float = 0.4
    power: float = 1.7
    first_turns: int = 30
    turns: int = 15


SCHEDULE = Schedule()


@dataclass(frozen=True)
class Known:
    """A blur that is known.

    psf: (h, w) float32 as photofix.psf makes it. sigma: the noise's standard deviation, white at 1, in the numbers of
    the picture as it is shown. linear: the light was blurred, as by a lens; else the numbers, whatever they stand for.
    """

    psf: np.ndarray
    sigma: float
    linear: bool = True


def blind(
    photo: Photo,
    model: Restore,
    sigma: float | SigmaAt = 0.0,
    strength: float = 1.0,
    progress: Progress | None = None,
) -> Photo:
    """The photo as a network sees it without its blur; alpha and metadata are passed on.

    Args:
        sigma: the noise's standard deviation, white at 1, a number or a map; in the encoding of `displayed`.
        strength: 0 returns the input, 1 what the network says, between them a blend.
    """
    if strength == 0 or photo.pixels.min() == photo.pixels.max():  # No blur made a picture flat.
        return photo
    if photo.encoding == "srgb":
        return replace(photo, pixels=model(photo.pixels, sigma, strength, progress))
    inside = displayed(photo).pixels
    shown = color.linear_to_srgb(_unit(photo.pixels))
    light = color.srgb_to_linear(shown + model(inside, sigma, 1.0, progress) - inside)
    return replace(photo, pixels=_blended(photo.pixels, light, strength))


def blended(photo: Photo, sharp: Photo, strength: float) -> Photo:
    """The photo with the share `strength` of what a sharp one in floats, as `in_floats` made it, changes."""
    full, kind = np.float32(white(photo.pixels.dtype)), photo.pixels.dtype
    mixed = photo.pixels + np.float32(strength) * (sharp.pixels * full - photo.pixels)
    return replace(photo, pixels=np.asarray(mixed if kind == np.float32 else np.rint(mixed).clip(0, full), kind))


def in_floats(photo: Photo) -> Photo:
    """The photo in float32 with white at 1, where no answer is rounded or cut off."""
    return replace(photo, pixels=_unit(photo.pixels))


def faint_noise(photo: Photo) -> float:
    """The standard deviation, white at 1, of noise so faint that no network sees it; 0 where rounding hides it.

    The median of what is left of a displayed picture at its finest (Donoho and Johnstone, "Ideal Spatial Adaptation by
    Wavelet Shrinkage", Biometrika 1994): a blur has left nothing else there.
    """
    shown = displayed(photo).pixels
    plane = shown.astype(np.float32) / white(shown.dtype)
    finest = np.diff(np.diff(plane, axis=0), axis=1) / 2
    return float(np.median(np.abs(finest))) / 0.6745 if finest.size else 0.0


def displayed(photo: Photo) -> Photo:
    """The photo as a network sees it: linear light through the sRGB curve, up to white; finished pictures as they are.

    Denoising scales light above white down; a network that looks for blur would then see a dark picture.
    """
    if photo.encoding == "srgb":
        return photo
    return replace(photo, pixels=color.linear_to_srgb(_unit(photo.pixels)).clip(0, 1), encoding="srgb")


def deblur(photo: Photo, blur: Known, solve: Solve, strength: float = 1.0, progress: Progress | None = None) -> Photo:
    """The photo without a blur that is known, block by block; alpha and metadata are passed on.

    Args:
        solve: what undoes it: `plug_and_play` with a denoiser, `wiener`, `richardson_lucy`, or a network.
        strength: 0 returns the input, 1 what deconvolution says, between them a blend.
    Raises:
        UsageError: the psf is larger than the picture.
    """
    pixels, size = photo.pixels, photo.pixels.shape[:2]
    check_size(blur.psf, size)
    if strength == 0 or pixels.min() == pixels.max():  # No blur changes a flat picture.
        return photo
    if not np.isfinite(pixels).all():
        raise PhotofixError("the picture holds values that are not numbers: each would blot out all that is near it")
    is_light = blur.linear or photo.encoding == "linear"
    coded = is_light and photo.encoding == "srgb"
    sigma = blur.sigma * (_typical_slope(pixels, coded) if is_light else 1)
    tiling = _tiling(blur.psf)
    part = _part_of_work(size, tiling)

    def sharp(rows: slice, columns: slice) -> np.ndarray:
        numbers = _unit(pixels[rows, columns])
        light = color.srgb_to_linear(numbers) if coded else numbers
        clipped = numbers >= (_CLIPPED if pixels.dtype.kind == "u" else np.inf)
        frame = framed(light, blur.psf, is_light, clipped)
        light = solve(frame, sigma, lambda done: progress(round(done * part)) if progress else None)
        light = inner(light, frame, numbers.shape)
        return color.linear_to_srgb(light) if coded else light

    restored = np.empty_like(pixels)
    for top, band in tiles.run(sharp, size[0], size[1], tiling):
        rows = slice(top, top + len(band))
        restored[rows] = _blended(pixels[rows], band, strength)
    return replace(photo, pixels=restored)


def check_size(psf: np.ndarray, size: tuple[int, ...]) -> None:
    """UsageError where a psf is larger than the picture."""
    if psf.shape[0] > size[0] or psf.shape[1] > size[1]:
        raise UsageError(
            f"the blur kernel of {psf.shape[1]} x {psf.shape[0]} pixels is larger than the picture of "
            f"{size[1]} x {size[0]}: give a smaller --psf"
        )


def _tiling(psf: np.ndarray) -> Tiling:
    margin = _MARGIN + _MARGIN_KERNELS * max(psf.shape)
    return Tiling(max(BLOCK, 4 * margin), margin)


def _part_of_work(size: tuple[int, int], tiling: Tiling) -> float:
    """Pixels of the picture for each pixel of its blocks, which overlap."""
    seen = [sum(span.stop - span.start for span in tiles.spans(length, tiling)) for length in size]
    return size[0] * size[1] / (seen[0] * seen[1])


def _unit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / np.float32(white(pixels.dtype))


def _blended(pixels: np.ndarray, answer: np.ndarray, strength: float) -> np.ndarray:
    """Stored numbers of an answer with white at 1, mixed with those there were."""
    full, share = white(pixels.dtype), np.float32(strength)
    if pixels.dtype == np.float32:
        return np.asarray(pixels + share * (answer - pixels))
    mixed = pixels + share * (answer.clip(0, 1) * np.float32(full) - pixels)
    return np.asarray(np.rint(mixed), dtype=pixels.dtype)


def _slope(shown: np.ndarray) -> np.ndarray:
    """How much light changes for each step of the sRGB curve (IEC 61966-2-1), at numbers in [0, 1]; at 0 1 / 12.92."""
    return np.where(shown <= 0.04045, 1 / 12.92, 2.4 / 1.055 * ((shown.clip(0) + 0.055) / 1.055) ** 1.4)


def _typical_slope(pixels: np.ndarray, coded: bool) -> float:
    """What turns noise of a shown picture into noise of its light, in the mean square over the picture."""
    step = max(1, int(np.sqrt(pixels.size / 1e6)))
    numbers = _unit(pixels[::step, ::step])
    shown = numbers if coded else color.linear_to_srgb(numbers)
    return float(np.sqrt(np.mean(_slope(shown.clip(0, 1)) ** 2)))


def framed(numbers: np.ndarray, psf: np.ndarray, light: bool, clipped: np.ndarray | None = None) -> Frame:
    """The frame of a picture (H, W, C) float32, continued by the kernel's sides or more.

    Beyond its border it keeps its last values, which fade into those of the opposite border.

    Args:
        light: the numbers are light. clipped: (H, W, C) where it may have been brighter.
    """
    height, width, channels = numbers.shape
    sides = [cv2.getOptimalDFTSize(length + side) for length, side in zip((height, width), psf.shape, strict=True)]
    top, left = (sides[0] - height) // 2, (sides[1] - width) // 2
    inside = (slice(None), slice(top, top + height), slice(left, left + width))
    known, bright = np.zeros((1, *sides), bool), np.zeros((channels, *sides), bool)
    known[inside] = True
    if clipped is not None:
        bright[inside] = clipped.transpose(2, 0, 1)
    planes = _periodic(_periodic(numbers.transpose(2, 0, 1), 1, top, sides[0]), 2, left, sides[1])
    return Frame(planes, light, known, bright, psf, spectrum(psf, (sides[0], sides[1])), (top, left))


def inner(planes: np.ndarray, frame: Frame, size: tuple[int, ...]) -> np.ndarray:
    """The picture (H, W, C) in the frame's planes."""
    top, left = frame.corner
    return np.ascontiguousarray(planes[:, top : top + size[0], left : left + size[1]].transpose(1, 2, 0))


def _periodic(planes: np.ndarray, axis: int, before: int, side: int) -> np.ndarray:
    """Planes continued along an axis to `side`, beginning `before` pixels earlier."""
    band = side - planes.shape[axis]
    # From the last row through the seam of the periods to the first one of the next.
    way = ((np.arange(band, dtype=np.float32) + 1) / (band + 1)).reshape([-1 if i == axis else 1 for i in range(3)])
    last, first = planes.take([-1], axis), planes.take([0], axis)
    after, ahead = np.split(last + way * (first - last), [band - before], axis)
    return np.concatenate([ahead, planes, after], axis)


def spectrum(psf: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The half spectrum (H', W' // 2 + 1) of a kernel whose center is the pixel at (h // 2, w // 2)."""
    laid = np.zeros(size, np.float32)
    laid[: psf.shape[0], : psf.shape[1]] = psf
    return np.fft.rfft2(np.roll(laid, (-(psf.shape[0] // 2), -(psf.shape[1] // 2)), (0, 1)))


def plug_and_play(model: Restore, schedule: Schedule = SCHEDULE) -> Solve:
    """Deconvolution whose word on what is likely is a denoiser's."""

    def solve(frame: Frame, sigma: float, progress: Progress) -> np.ndarray:
        prior = _Prior(model, frame)
        sharp = frame.planes
        # In shown numbers the first level is what the schedule says, in light as much as there the noise is.
        levels = np.geomspace(max(schedule.first * prior.gain, sigma), sigma, schedule.steps)
        for step, level in enumerate(levels):
            turns = schedule.turns if step else schedule.first_turns
            weight = np.float32(schedule.weight * (sigma / level) ** schedule.power)
            # Channels know nothing of each other, and Fourier transforms take one core each.
            with ThreadPoolExecutor(len(sharp)) as pool:
                explained = pool.map(partial(_explained, frame, weight, turns), range(len(sharp)), sharp)
                likely = np.stack(list(explained))
            sharp = prior(likely, float(level), step, lambda done: progress(round(done / schedule.steps)))
        return sharp

    return solve


def _explained(frame: Frame, weight: np.float32, turns: int, channel: int, likely: np.ndarray) -> np.ndarray:
    """The plane that explains what was observed and is near the likely one: least squares, solved exactly.

    What was not observed is filled in, and the answer found with it fills it better: after some turns it has settled.
    """
    guess, transfer, size = np.fft.rfft2(likely), frame.transfer, likely.shape
    inverse = 1 / (np.abs(transfer) ** 2 + weight)
    found, ahead = guess, guess
    for turn in range(turns):
        observed = np.fft.rfft2(frame.observed(channel, np.fft.irfft2(ahead * transfer, size)))
        before, found = found, (observed * transfer.conj() + weight * guess) * inverse
        ahead = found + np.float32(turn / (turn + 3)) * (found - before)  # Nesterov's momentum settles it sooner.
    return np.fft.irfft2(found, size)


class _Prior:
    """A denoiser of light. slope: light for each step of what it is shown, along the picture; gain: typically."""

    def __init__(self, model: Restore, frame: Frame) -> None:
        self.model, self.light = model, frame.light
        self.slope, self.gain = np.ones(1, np.float32), 1.0
        if frame.light:
            # The blurred picture says well enough how bright it is about here.
            shown = color.linear_to_srgb(cv2.blur(frame.planes.mean(0), (9, 9)).clip(0, 1))
            self.slope = _slope(shown).astype(np.float32)
            self.gain = float(np.sqrt(np.mean(self.slope**2)))

    def __call__(self, planes: np.ndarray, level: float, step: int, progress: Progress) -> np.ndarray:
        light = np.ascontiguousarray(planes.transpose(1, 2, 0), dtype=np.float32)
        shown = color.linear_to_srgb(light) if self.light else light
        # What lies outside is passed by a network that never met it. Turned otherwise in each step, it has no
        # direction of its own to err in step after step (the paper's periodical geometric self-ensemble).
        inside = _turned(shown.clip(0, 1), step)
        shown += _turned_back(self.model(inside, self._sigma(level, step), 1.0, progress) - inside, step)
        return (color.srgb_to_linear(shown) if self.light else shown).transpose(2, 0, 1)

    def _sigma(self, level: float, step: int) -> float | SigmaAt:
        if not self.light:
            return level
        sigma = np.minimum(np.float32(level) / _turned(self.slope, step), np.float32(_LOUDEST))
        return lambda rows, columns: sigma[rows, columns]


def _turned(pixels: np.ndarray, step: int) -> np.ndarray:
    """By `step` quarter turns, after every fourth mirrored: eight in a row are all there are."""
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if step % 8 >= 4 else pixels, step))


def _turned_back(pixels: np.ndarray, step: int) -> np.ndarray:
    back = np.rot90(pixels, -step)
    return back[:, ::-1] if step % 8 >= 4 else back


def wiener(frame: Frame, sigma: float, progress: Progress) -> np.ndarray:
    """Wiener's filter (1949), for pictures whose power falls with the square of the frequency.

    Power spectra of photographs do (Field, J. Opt. Soc. Am. A 1987); how much there is is taken from the variance.
    """
    size = frame.planes.shape[1:]
    rows, columns = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None, :]
    shape = 1 / np.maximum(rows**2 + columns**2, 1 / max(size) ** 2)
    shape *= size[0] * size[1] / (2 * shape.sum())  # The half spectrum's mean is to be 1.
    power = np.abs(frame.transfer) ** 2
    sharp = []
    for plane in frame.planes:
        mean = plane.mean()
        likely = max(float(plane.var()), 1e-9) * shape
        found = np.fft.rfft2(plane - mean) * frame.transfer.conj() / (power + sigma**2 / likely)
        sharp.append(np.fft.irfft2(found, size) + mean)
    progress(size[0] * size[1])
    return np.stack(sharp).astype(np.float32)


def richardson_lucy(frame: Frame, _sigma: float, progress: Progress) -> np.ndarray:
    """Richardson's (1972) and Lucy's (1974) iteration, from the blurred picture.

    The border is unknown here too. Noise grows with the steps, whose number is all that holds it back.
    """
    size = frame.planes.shape[1:]
    sharp = np.maximum(frame.planes, 1e-6)
    for _ in range(_LUCY_STEPS):
        for channel, plane in enumerate(sharp):
            again = np.maximum(np.fft.irfft2(np.fft.rfft2(plane) * frame.transfer, size), 1e-6)
            ratio = np.maximum(frame.observed(channel, again), 0) / again
            plane *= np.maximum(np.fft.irfft2(np.fft.rfft2(ratio) * frame.transfer.conj(), size), 0)
        progress(size[0] * size[1] // _LUCY_STEPS)
    return np.asarray(sharp)

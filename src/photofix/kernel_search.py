"""One blur kernel for a whole picture, found from the picture alone: what --psf auto asks.

From coarse to fine two steps take turns: the picture of few edges that explains the blurred one by the present kernel,
and the kernel between the two (found_blur). Edges are counted, however high they are, which no blurred picture likes
(Xu, Zheng and Jia, "Unnatural L0 Sparse Representation for Natural Image Deblurring", CVPR 2013); the counting is done
by half-quadratic splitting (Xu, Lu, Xu and Jia, "Image Smoothing via L0 Gradient Minimization", SIGGRAPH Asia 2011).

That kernel is about right, and so is the picture that is had with it: a network that undoes what little blur and which
ghosts are left in it shows the edges better than counting does, and between those and the blurred ones the kernel is
found again. Only the highest edges are believed (they tell most: Xu and Jia, ECCV 2010): texture is not where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from photofix import color, found_blur
from photofix.photo import Photo
from photofix.tasks import deblur
from photofix.tasks.deblur import framed, inner

#: Side of the kernel that is looked for, and of the coarsest one; from level to level sides grow by this.
SIDE, _FIRST, _GROWTH = 31, 5, 2**0.5

#: Turns of the two steps at each level; what an edge costs in the first of them, and how it falls from turn to turn.
_TURNS, _EDGE, _FALL = 5, 4e-3, 0.9

#: How much the splitting weighs at last; it doubles from twice the cost of an edge.
_TIGHT = 1e5

#: Side of the part of a picture that is looked at.
_MOST = 768

#: How often the kernel is found again, and the share of the pixels, those of the highest edges, that counts then.
_AGAIN, _HIGHEST = 2, 0.05

#: Noise, white at 1, that deconvolution by a kernel not yet right is told, and that the network is told of its answer.
_CALM, _WARY = 10 / 255, 8 / 255

#: A kernel that spreads light by less than this, in pixels, is as good as a point.
_POINT = 1.2

#: Kernels found in two ways, made soft by so many pixels, are to correlate as much as this at the best shift, in steps
#: of which a pixel has so many.
_SOFT, _ALIKE, _FINE = 0.7, 0.96, 4

#: How much of the merit that the network alone has an answer must have.
_MERIT = 0.97

_INSTEAD = "the network alone worked on it, as without --psf"
_NOTHING = f"too small or too even to find a blur in: {_INSTEAD}"
_SHARP = f"no blur was found that is worth a kernel: {_INSTEAD}"
_UNSURE = f"the blur could not be told with certainty: {_INSTEAD}"
_UNEVEN = f"one blur for the whole picture does not explain it well enough: {_INSTEAD}"

#: Deconvolution on the way.
_QUICK = deblur.Schedule(steps=5, first_turns=4, turns=1)

#: The least noise, white at 1, that deconvolution is told: a kernel that was found is not quite right.
LEAST = 4 / 255

#: Parts of a kernel that hang together and hold less than this share of it are left out.
_SPECK = 0.1


@dataclass(frozen=True)
class Eyes:
    """What is known of pictures: networks that take noise out and that undo blur. sigma: the noise, white at 1."""

    denoise: deblur.Restore
    unblur: deblur.Restore
    sigma: float


@dataclass(frozen=True)
class Search:
    """A kernel (side, side) float32 with a sum of one; and why it is not to be believed, in words, where it is not."""

    kernel: np.ndarray
    doubt: str = ""


def found(photo: Photo, eyes: Eyes) -> Search:
    """The kernel of a photo's blur, in linear light: that of its middle, of at most half a megapixel."""
    shown = _middle(photo)
    light = found_blur.light(shown)
    side = min(SIDE, (min(light.shape) // 3 - 1) | 1)
    if side < _FIRST or light.min() == light.max():
        return Search(np.ones((1, 1), np.float32), _NOTHING)
    clean = replace(shown, pixels=eyes.denoise(shown.pixels, eyes.sigma))
    kernel = first = search(found_blur.light(clean), side)
    for _ in range(_AGAIN):
        kernel = _again(light, kernel, eyes)
    return Search(_trimmed(kernel), _doubt(light, first, kernel, eyes))


def _doubt(light: np.ndarray, first: np.ndarray, kernel: np.ndarray, eyes: Eyes) -> str:
    """Why the kernel of light (H, W) that counting edges and then networks led to is not believed, or nothing."""
    if _spread(kernel) < _POINT:
        return _SHARP
    if _alike(first, kernel) < _ALIKE:
        return _UNSURE
    alone, ours = Photo(eyes.unblur(_gray(light).pixels, eyes.sigma)), _deconvolved(light, kernel, eyes)
    theirs = _kernel_of(light, found_blur.light(alone), len(kernel))
    return "" if _merit(light, ours, kernel) >= _MERIT * _merit(light, alone, theirs) else _UNEVEN


def _merit(light: np.ndarray, answer: Photo, kernel: np.ndarray) -> float:
    """How much of the blurred gradients an answer explains, for how spread out its own gradients are.

    Few and high they are to be, as their sum over their norm tells (Krishnan, Tay and Fergus, CVPR 2011): ringing adds.
    """
    sharp = found_blur.light(answer)
    slopes = np.concatenate([np.diff(sharp, axis=axis).ravel() for axis in (0, 1)])
    explained = found_blur.moments_of(light, sharp, len(kernel)).explained(kernel)
    return explained * float(np.linalg.norm(slopes) / max(np.abs(slopes).sum(), 1e-9))


def _middle(photo: Photo) -> Photo:
    """The part that is looked at, as networks see it."""
    part = tuple(slice(max(0, length - _MOST) // 2, (length + _MOST) // 2) for length in photo.pixels.shape[:2])
    return deblur.displayed(replace(photo, pixels=np.ascontiguousarray(photo.pixels[part]), alpha=None))


def _gray(light: np.ndarray) -> Photo:
    return Photo(np.rint(65535 * color.linear_to_srgb(light.clip(0, 1))).astype(np.uint16)[:, :, None])


def _deconvolved(light: np.ndarray, kernel: np.ndarray, eyes: Eyes) -> Photo:
    """Quickly, by a kernel that may not be quite right."""
    return deblur.deblur(_gray(light), deblur.Known(kernel, _CALM), deblur.plug_and_play(eyes.denoise, _QUICK))


def _again(light: np.ndarray, kernel: np.ndarray, eyes: Eyes) -> np.ndarray:
    """The kernel (side, side) of light (H, W) found again, with the picture that an earlier one makes of it."""
    nearly = _deconvolved(light, kernel, eyes)
    sharp = found_blur.light(replace(nearly, pixels=eyes.unblur(nearly.pixels, _WARY)))
    down, right = _mean_place(kernel)  # By a part of a pixel, which the kernel cannot be moved by.
    move = np.array([[1, 0, right], [0, 1, down]])
    sharp = cv2.warpAffine(sharp, move, light.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return _centered(_cleaned(_kernel_of(light, sharp, len(kernel))))


def _kernel_of(light: np.ndarray, sharp: np.ndarray, side: int) -> np.ndarray:
    return found_blur.kernel_of(found_blur.moments_of(light, sharp, side, _HIGHEST))


def search(plane: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The kernel (side, side), float32, of a plane (H, W) float32 with white at 1; its mean place is the middle."""
    levels = int(np.ceil(np.log(side / _FIRST) / np.log(_GROWTH)))
    kernel = np.full((1, 2), 0.5, np.float32)
    for level in range(levels, -1, -1):
        scale = _GROWTH**-level
        size = max(3, round(side * scale)) | 1
        shown = cv2.resize(plane, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if level else plane
        kernel = _level(shown, _resized(kernel, size))
    return kernel


def _level(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    edge = _EDGE
    for _ in range(_TURNS):
        sharp = _edges(plane, kernel, edge)
        kernel = _cleaned(found_blur.kernel_of(found_blur.moments_of(plane, sharp, len(kernel))))
        edge *= _FALL
    return _centered(kernel)


def _edges(plane: np.ndarray, kernel: np.ndarray, edge: float) -> np.ndarray:
    """The plane of few edges that, blurred, explains the one given; `edge` is what one costs."""
    frame = framed(plane[:, :, None], kernel, False)
    blurred, size = frame.planes[0], frame.planes.shape[1:]
    waves = [2 - 2 * np.cos(2 * np.pi * turns) for turns in (np.fft.fftfreq(size[0]), np.fft.rfftfreq(size[1]))]
    slopes = (waves[0][:, None] + waves[1][None, :]).astype(np.float32)
    power, wanted = np.abs(frame.transfer) ** 2, np.fft.rfft2(blurred) * frame.transfer.conj()
    sharp, weight = blurred, 2 * edge
    while weight < _TIGHT:
        across, down = np.roll(sharp, -1, 1) - sharp, np.roll(sharp, -1, 0) - sharp
        faint = across**2 + down**2 < edge / weight
        across[faint], down[faint] = 0, 0
        kept = np.roll(across, 1, 1) - across + np.roll(down, 1, 0) - down
        found = (wanted + np.float32(weight) * np.fft.rfft2(kept)) / (power + np.float32(weight) * slopes)
        sharp = np.fft.irfft2(found, size)
        weight *= 2
    return inner(sharp[None], frame, plane.shape)[:, :, 0]


def _resized(kernel: np.ndarray, side: int) -> np.ndarray:
    """A coarser level's kernel for one of this side."""
    if kernel.shape == (1, 2):  # To begin with: a move by a pixel.
        return np.pad(kernel, ((side // 2, side // 2), (side // 2 - 1, side // 2)))
    larger = cv2.resize(kernel, (side, side), interpolation=cv2.INTER_CUBIC).clip(0)
    return _centered(_cleaned(larger))


def _cleaned(kernel: np.ndarray) -> np.ndarray:
    """Without specks, and with a sum of one; a point where nothing was found."""
    if not kernel.any():
        kernel = np.zeros_like(kernel)
        kernel[len(kernel) // 2, len(kernel) // 2] = 1
    kernel = np.where(kernel < found_blur.FAINT * kernel.max(), 0, kernel)
    count, parts = cv2.connectedComponents((kernel > 0).astype(np.uint8), connectivity=8)
    shares = [kernel[parts == part].sum() / kernel.sum() for part in range(1, count)]
    for part, share in enumerate(shares, 1):
        if share < _SPECK and share < max(shares):
            kernel[parts == part] = 0
    return np.asarray(kernel / kernel.sum(), np.float32)


def _centered(kernel: np.ndarray) -> np.ndarray:
    """Moved by whole pixels so that its mean place is the middle: nobody knows where the picture should be."""
    down, right = _mean_place(kernel)
    return np.asarray(np.roll(kernel, (-round(down), -round(right)), (0, 1)))


def _mean_place(kernel: np.ndarray) -> tuple[float, float]:
    """How far down and right of its middle a kernel's light lies in the mean, in pixels."""
    places = np.arange(len(kernel)) - len(kernel) // 2
    return float(places @ kernel.sum(1)), float(places @ kernel.sum(0))


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """How two kernels (side, side), enlarged and softened, correlate at the best shift by fractions of a pixel."""
    large = [
        cv2.resize(np.pad(kernel, 3), None, fx=_FINE, fy=_FINE, interpolation=cv2.INTER_CUBIC)
        for kernel in (one, other)
    ]
    soft = [cv2.GaussianBlur(kernel, (0, 0), _SOFT * _FINE) for kernel in large]
    spectra = [np.fft.rfft2(kernel, [2 * length for length in kernel.shape]) for kernel in soft]
    best = np.fft.irfft2(spectra[0] * spectra[1].conj()).max()
    return float(best / np.linalg.norm(soft[0]) / np.linalg.norm(soft[1]))


def _spread(kernel: np.ndarray) -> float:
    """How far from its middle a kernel's light lies, in the square mean, in pixels."""
    rows, columns = np.indices(kernel.shape) - len(kernel) // 2
    return float(np.sqrt(np.sum(kernel * (rows**2 + columns**2))))


def _trimmed(kernel: np.ndarray) -> np.ndarray:
    """Without the margin of zeros that all sides have."""
    middle = len(kernel) // 2
    reach = int(np.abs(np.argwhere(kernel) - middle).max(initial=0))
    return kernel[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]

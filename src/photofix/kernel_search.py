"""One blur kernel for a whole picture, found from the picture alone: what --psf auto asks.

From coarse to fine two steps take turns: the picture of few edges that explains the blurred one by the present kernel,
and the kernel between the two (found_blur). Edges are counted, however high they are, which no blurred picture likes
(Xu, Zheng and Jia, "Unnatural L0 Sparse Representation for Natural Image Deblurring", CVPR 2013); the counting is done
by half-quadratic splitting (Xu, Lu, Xu and Jia, "Image Smoothing via L0 Gradient Minimization", SIGGRAPH Asia 2011).
"""

from __future__ import annotations

import cv2
import numpy as np

from photofix import found_blur
from photofix.photo import Photo
from photofix.tasks.deblur import framed, inner

#: Side of the kernel that is looked for, and of the coarsest one; from level to level sides grow by this.
SIDE, _FIRST, _GROWTH = 31, 5, 2**0.5

#: Turns of the two steps at each level; what an edge costs in the first of them, and how it falls from turn to turn.
_TURNS, _EDGE, _FALL = 5, 4e-3, 0.9

#: How much the splitting weighs at last; it doubles from twice the cost of an edge.
_TIGHT = 1e5

#: Side of the part of a picture that is looked at.
_MOST = 1024

#: The least noise, white at 1, that deconvolution is told: a kernel that was found is not quite right.
LEAST = 4 / 255

#: Parts of a kernel that hang together and hold less than this share of it are left out.
_SPECK = 0.1


def found(photo: Photo) -> np.ndarray:
    """The kernel of a photo's blur, in linear light: that of its middle, of at most a megapixel."""
    light = found_blur.light(photo)
    rows, columns = (
        slice((length - min(length, _MOST)) // 2, (length + min(length, _MOST)) // 2) for length in light.shape
    )
    side = min(SIDE, (min(light.shape) // 3 - 1) | 1)
    kernel = search(np.ascontiguousarray(light[rows, columns]), side) if side >= _FIRST else np.ones((1, 1), np.float32)
    return _trimmed(kernel)


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
    places = np.arange(len(kernel)) - len(kernel) // 2
    down, right = round(float(places @ kernel.sum(1))), round(float(places @ kernel.sum(0)))
    return np.asarray(np.roll(kernel, (-down, -right), (0, 1)))


def _trimmed(kernel: np.ndarray) -> np.ndarray:
    """Without the margin of zeros that all sides have."""
    middle = len(kernel) // 2
    reach = int(np.abs(np.argwhere(kernel) - middle).max(initial=0))
    return kernel[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]

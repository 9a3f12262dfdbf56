"""The blur that lies between a picture and its sharp version, cell by cell: what --show-psf draws.

A kernel is found by regularised least squares: the sharp picture's gradients, convolved with it, are to be those of the
blurred one (gradients as of Cho and Lee, "Fast Motion Deblurring", SIGGRAPH Asia 2009: edges count, brightness does
not). All that the sum of squares needs is how the gradients correlate over the few pixels that a kernel spans. That is
taken by Fourier transforms, and adds up over cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from photofix import color
from photofix.photo import Photo, white

#: Side of the largest kernel that is looked for.
SIDE = 63

#: Cells along the longer side of a picture at most, and about the fewest pixels that one has a side.
_CELLS, _CELL = 6, 192

#: What a kernel's square sum costs, as a share of the gradients'; and the steps in which the best one is found.
_RIDGE, _STEPS = 3e-3, 200

#: Numbers below this share of a kernel's highest are taken for noise.
FAINT = 0.05

#: Gradients whose squares add up to less than this for each number of a kernel, with white at 1, tell nothing.
_LEAST = 1e-8

#: Light from here on, white at 1, was clipped; and how far around it nothing is believed, in pixels.
_CLIPPED, _AROUND = 0.98, 10

#: The share of a picture that is white, from which on white may be paper and not clipped light.
_PAPER = 0.2

#: One kernel for all that explains this share of what the cells' own kernels do is called the blur of the picture.
_ALIKE = 0.95

#: The part of all kernels that a drawing keeps, in the least square around their middle: specks far off are noise.
_KEPT = 0.99

#: How much larger the kernels of cells are drawn, and the gray of the lines between them.
_DRAWN, _LINE = 4, 20_000


@dataclass(frozen=True)
class Blur:
    """What was found: (rows, columns, side, side) float32 kernels of the cells, and (side, side) that of all together.

    Each sums to one, its center the middle pixel; all zero where too little is to be seen. uniform: one does for all.
    """

    cells: np.ndarray
    whole: np.ndarray
    uniform: bool


@dataclass(frozen=True)
class Moments:
    """How gradients correlate: sharp with sharp over shifts of up to side - 1 pixels, with blurred up to side // 2."""

    own: np.ndarray
    cross: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.own + other.own, self.cross + other.cross)

    def explained(self, kernel: np.ndarray) -> float:
        """How much of the blurred gradients' square sum a kernel explains."""
        return float(np.sum(kernel * (2 * self.cross - _convolved(kernel, _spectrum(self.own)))))


def found(blurred: Photo, sharp: Photo) -> Blur:
    """The blur between two photos of the same size, in linear light."""
    before, after = light(blurred), light(sharp)
    rows, columns = (_cuts(length, max(before.shape)) for length in before.shape)
    side = min(SIDE, min(rows[0].stop, columns[0].stop) // 3 | 1)
    moments = [moments_of(before[row, column], after[row, column], side) for row in rows for column in columns]
    whole = kernel_of(sum(moments[1:], start=moments[0]))
    cells = [kernel_of(cell) for cell in moments]
    by_one, by_own = (
        sum(cell.explained(kernel) for cell, kernel in zip(moments, kernels, strict=True))
        for kernels in ([whole] * len(cells), cells)
    )
    return Blur(np.reshape(cells, (len(rows), len(columns), side, side)), whole, by_one >= _ALIKE * by_own)


def drawn(blur: Blur) -> np.ndarray:
    """A picture (H, W, 1) uint16: of a uniform blur its kernel, which --psf reads; else each cell's, enlarged.

    A kernel's highest number is white. The margin where next to nothing is is left out.
    """
    if blur.uniform:
        return kernel_drawn(blur.whole)
    cells = np.kron(_cropped(blur.cells), np.ones((_DRAWN, _DRAWN), np.uint16))
    framed = np.pad(cells, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=_LINE)
    lines = [np.concatenate(list(line), axis=1) for line in framed]
    return np.concatenate(lines)[:, :, None]


def kernel_drawn(kernel: np.ndarray) -> np.ndarray:
    """One kernel (side, side) alone, likewise."""
    return np.asarray(_cropped(kernel[None, None])[0, 0, :, :, None])


def _cropped(kernels: np.ndarray) -> np.ndarray:
    """Kernels (rows, columns, side, side) as uint16, without a margin that all can spare."""
    middle = kernels.shape[-1] // 2
    squares = [kernels[:, :, middle - r : middle + r + 1, middle - r : middle + r + 1] for r in range(middle + 1)]
    inner = next(square for square in squares if square.sum() >= _KEPT * kernels.sum())
    highest = inner.max(axis=(2, 3), keepdims=True)
    return np.asarray(np.rint(65535 * inner / np.maximum(highest, 1e-12)), np.uint16)


def light(photo: Photo) -> np.ndarray:
    """(H, W) float32: the mean of a photo's colors, as light."""
    total = np.zeros(photo.pixels.shape[:2], np.float32)
    for channel in np.moveaxis(photo.pixels, 2, 0):
        numbers = channel.astype(np.float32) / np.float32(white(photo.pixels.dtype))
        total += color.srgb_to_linear(numbers) if photo.encoding == "srgb" else numbers
    return np.asarray(total / np.float32(photo.pixels.shape[2]))


def _cuts(length: int, longest: int) -> list[slice]:
    """Cells along one side, about square."""
    count = max(1, round(length / max(_CELL, longest / _CELLS)))
    return [slice(length * place // count, length * (place + 1) // count) for place in range(count)]


def moments_of(blurred: np.ndarray, sharp: np.ndarray, side: int, share: float = 1.0) -> Moments:
    """Those of a cell, which fades towards its border: what lies beyond it has a part in the blur there.

    share: of the pixels, those count where the sharp one's gradients are highest.
    """
    size = [cv2.getOptimalDFTSize(length + side) for length in blurred.shape]
    down, across = (np.sin(np.pi * (np.arange(length) + 0.5) / length) for length in blurred.shape)
    weight = np.outer(down, across).astype(np.float32) * _believed(blurred)
    edges = [_gradient(sharp, axis) for axis in (0, 1)]
    chosen = _highest(edges, share) if share < 1 else np.True_
    own, cross = np.zeros((2, size[0], size[1] // 2 + 1), np.complex64)
    for axis, edge in enumerate(edges):
        fine = np.fft.rfft2(edge * weight * chosen, size)
        soft = np.fft.rfft2(_gradient(blurred, axis) * weight, size)
        own += fine * fine.conj()
        cross += soft * fine.conj()
    return Moments(_shifts(np.fft.irfft2(own, size), side - 1), _shifts(np.fft.irfft2(cross, size), side // 2))


def _believed(blurred: np.ndarray) -> np.ndarray:
    """(H, W) 1 where light tells of its blur and 0 around what was clipped; 1 everywhere where white is paper.

    Clipped light may have been any brighter. A picture that is white in large part, most of its edges beside white, is
    a page or a drawing: its white is as bright as it looks, and without these edges nothing would be left.
    """
    far = cv2.erode((blurred < _CLIPPED).astype(np.uint8), np.ones((2 * _AROUND + 1,) * 2, np.uint8))
    power = _gradient(blurred, 0) ** 2 + _gradient(blurred, 1) ** 2
    is_paper = (blurred >= _CLIPPED).mean() > _PAPER and (power * far).sum() < power.sum() / 2
    return np.ones_like(far) if is_paper else far


def _highest(edges: list[np.ndarray], share: float) -> np.ndarray:
    height = np.hypot(*edges)
    return np.asarray(height >= np.quantile(height, 1 - share))


def _gradient(plane: np.ndarray, axis: int) -> np.ndarray:
    return np.diff(plane, axis=axis, append=plane.take([-1], axis))


def _shifts(correlation: np.ndarray, most: int) -> np.ndarray:
    """(2 most + 1, 2 most + 1) float64: a periodic correlation at shifts from -most to most."""
    return np.roll(correlation, (most, most), (0, 1))[: 2 * most + 1, : 2 * most + 1].astype(np.float64)


def kernel_of(moments: Moments) -> np.ndarray:
    """The kernel, not negative, that explains the blurred gradients best; all zero where there are none.

    By projected gradients with Nesterov's momentum (FISTA, Beck and Teboulle, SIAM J. Imaging Sciences 2009).
    """
    strength = float(moments.own.max())
    kernel = ahead = np.zeros_like(moments.cross)
    if strength < _LEAST * kernel.size:
        return kernel.astype(np.float32)
    transfer, ridge = _spectrum(moments.own), _RIDGE * strength
    rate = 1 / (np.abs(transfer).max() + ridge)
    for step in range(_STEPS):
        slope = _convolved(ahead, transfer) + ridge * ahead - moments.cross
        before, kernel = kernel, np.maximum(ahead - rate * slope, 0)
        ahead = kernel + step / (step + 3) * (kernel - before)
    kernel[kernel < FAINT * kernel.max()] = 0
    return (kernel / max(float(kernel.sum()), 1e-12)).astype(np.float32)


def _spectrum(own: np.ndarray) -> np.ndarray:
    """The half spectrum, which is real, of how the sharp gradients correlate."""
    side = len(own) // 2 + 1
    laid = np.zeros((cv2.getOptimalDFTSize(2 * side - 1),) * 2)
    laid[: len(own), : len(own)] = own
    return np.fft.rfft2(np.roll(laid, (1 - side, 1 - side), (0, 1))).real


def _convolved(kernel: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    size = (len(transfer),) * 2
    return np.fft.irfft2(np.fft.rfft2(kernel, size) * transfer, size)[: len(kernel), : len(kernel)]

"""Which colors a frame has where: a Bayer mosaic's four planes, or a finished picture's channels.

Planes (P, h, w) are what a file stores; colors (C, H, W) are all channels at all pixels. For a mosaic H = 2 h.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Lattice:
    """Where the planes' samples lie.

    step: pixels from one sample of a plane to the next. sites: for each plane its color, first row and first column.
    correlated: how much more than white noise of its level a window's mean may vary. Development and compression make
        neighbours in a finished picture alike, so that averaging them takes less noise away.
    """

    step: int
    sites: tuple[tuple[int, int, int], ...]
    correlated: float = 1.0

    def sample(self, colors: np.ndarray) -> np.ndarray:
        """The planes (P, h, w) of colors (C, H, W)."""
        return np.stack([colors[color, row :: self.step, column :: self.step] for color, row, column in self.sites])

    def fill(self, planes: np.ndarray, gains: tuple[float, float]) -> np.ndarray:
        """The colors (C, H, W) of planes; see `demosaic` for the gains."""
        return planes if self.step == 1 else demosaic(planes, gains)

    def warp(self, colors: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Planes (P, h, w) of the colors at moved places: sample site (i, j) is taken from (y, x)[i, j] of colors."""
        step = self.step
        return np.stack(
            [
                moved_to(colors[color], x[row::step, column::step], y[row::step, column::step])
                for color, row, column in self.sites
            ]
        )

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(P, h, w): from the place that each sample comes from, pixels squared to the nearest genuine sample."""
        step = self.step
        if step == 1:
            return np.zeros((len(self.sites), *x.shape), np.float32)
        return np.stack(
            [
                self._to_nearest(color, x[row::step, column::step], y[row::step, column::step])
                for color, row, column in self.sites
            ]
        )

    def _to_nearest(self, wanted: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        found = [
            _to_multiple(x - column, self.step) ** 2 + _to_multiple(y - row, self.step) ** 2
            for color, row, column in self.sites
            if color == wanted
        ]
        return np.asarray(np.minimum.reduce(found))


BAYER = Lattice(2, ((0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 1)))
COLOR = Lattice(1, ((0, 0, 0), (1, 0, 0), (2, 0, 0)), 1.25)
GRAY = Lattice(1, ((0, 0, 0),), 1.25)

#: Malvar, He and Cutler (2004), in eighths: green at red or blue, red beside red and beside blue, red at blue.
_GREEN = ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))
_BESIDE = ((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0))
_ACROSS = ((0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0))


def demosaic(planes: np.ndarray, gains: tuple[float, float]) -> np.ndarray:
    """Red, green and blue (3, 2 h, 2 w) of packed planes (4, h, w): Malvar, He and Cutler's linear filters (2004).

    Linear, so that noise stays noise and differences can be filled as well as pictures. Float32 in and out.

    Args:
        gains: what red and blue are multiplied by to vary as green does (the white balance will do).
    """
    red, blue = np.float32(gains[0]), np.float32(gains[1])
    mosaic = np.empty((2 * planes.shape[1], 2 * planes.shape[2]), np.float32)
    for (_, row, column), plane, gain in zip(BAYER.sites, planes, (gains[0], 1.0, 1.0, gains[1]), strict=True):
        np.multiply(plane, np.float32(gain), out=mosaic[row::2, column::2])
    green, beside, above, across = (
        cv2.filter2D(mosaic, -1, np.array(kernel, np.float32) / 8, borderType=cv2.BORDER_REFLECT_101)
        for kernel in (_GREEN, _BESIDE, tuple(zip(*_BESIDE, strict=True)), _ACROSS)
    )
    colors = np.stack([mosaic] * 3)
    for row, column in ((0, 0), (1, 1)):
        colors[1, row::2, column::2] = green[row::2, column::2]
    for color, at in ((0, 0), (2, 1)):  # red lies in even rows and columns, blue in odd ones
        colors[color, at::2, 1 - at :: 2] = beside[at::2, 1 - at :: 2]
        colors[color, 1 - at :: 2, at::2] = above[1 - at :: 2, at::2]
        colors[color, 1 - at :: 2, 1 - at :: 2] = across[1 - at :: 2, 1 - at :: 2]
    colors[0] /= red
    colors[2] /= blue
    return colors


def moved_to(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A plane (H, W) at other places. By Lanczos' kernel: what others blur is missing once frames are averaged."""
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101))


def _to_multiple(value: np.ndarray, step: int) -> np.ndarray:
    return np.asarray(value - step * np.rint(value / step))

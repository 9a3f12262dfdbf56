"""A picture of any size looked at as a whole, made small; and what is found there brought back to every pixel."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

#: Means over windows, of planes (h, w) or (h, w, C).
Mean = Callable[[np.ndarray], np.ndarray]


def size_of(height: int, width: int, pixels: int) -> tuple[int, int]:
    """Width and height, as OpenCV wants them, of the picture with so many pixels at most."""
    by = max(1.0, (height * width / pixels) ** 0.5)
    return max(1, round(width / by)), max(1, round(height / by))


def lines(picture: np.ndarray, guide: np.ndarray, flat: float, mean: Mean) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of the lines over a guide that a picture follows in windows, each averaged over its windows.

    The guided filter (He, Sun and Tang, "Guided Image Filtering", TPAMI 2013), whose lines may be applied at full size
    (He and Sun, "Fast Guided Filter", 2015): edges of the guide stay, and nothing bleeds over them.

    Args:
        picture: (h, w) or (h, w, C) float32. guide: the same, or (h, w, 1) for all C.
        flat: the guide's variance in a window from which a change of it is an edge. mean: over a window of some side.
    """
    middle, level = mean(guide), mean(picture)
    spread = np.maximum(mean(guide * guide) - middle * middle, 0) + np.float32(flat)
    slope = (mean(guide * picture) - middle * level) / spread
    return mean(slope), mean(level - slope * middle)


def settled(plane: np.ndarray, guide: np.ndarray, reach: float, edge: float, flat: float) -> np.ndarray:
    """Means of a plane (h, w) over what hangs together in a guide (h, w, C), float32: what lies in one thing agrees.

    The recursive filter of Gastal and Oliveira, "Domain Transform for Edge-Aware Image and Video Processing" (2011).

    Args:
        reach: pixels over which means run. edge: the change of the guide, its channels added, that keeps means apart as
            that distance does. flat: the change from one pixel to the next that is noise or shading yet.
    """
    means, rounds = plane.astype(np.float32), 3
    steps = [np.abs(np.diff(one, axis=0)).sum(2) for one in (guide, guide.transpose(1, 0, 2))]
    apart = [1 + reach / edge * np.maximum(step - flat, 0) for step in steps]
    for finer in range(rounds):
        sigma = reach * 3**0.5 * 2 ** (rounds - 1 - finer) / (4**rounds - 1) ** 0.5
        for far in apart:  # along the columns, and along the rows
            share = np.exp(-(2**0.5) / sigma * far).astype(np.float32)
            for row in range(1, len(means)):
                means[row] += share[row - 1] * (means[row - 1] - means[row])
            for row in range(len(means) - 2, -1, -1):
                means[row] += share[row] * (means[row + 1] - means[row])
            means = np.ascontiguousarray(means.T)
    return means


def enlarged(plane: np.ndarray, rows: slice, height: int, width: int) -> np.ndarray:
    """Some rows of a small plane (h, w) or of planes (h, w, C), as large as the picture of that size; between centers
    of its pixels the values run linearly."""
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * np.float32(plane.shape[0] / height) - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * np.float32(plane.shape[1] / width) - 0.5
    across, down = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    large = cv2.remap(plane, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(large.reshape(len(y), width, *plane.shape[2:]))

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


def enlarged(plane: np.ndarray, rows: slice, height: int, width: int) -> np.ndarray:
    """Some rows of a small plane (h, w) or of planes (h, w, C), as large as the picture of that size; between centers
    of its pixels the values run linearly."""
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * np.float32(plane.shape[0] / height) - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * np.float32(plane.shape[1] / width) - 0.5
    across, down = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    large = cv2.remap(plane, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(large.reshape(len(y), width, *plane.shape[2:]))

"""How the frames of a burst lie to each other: one motion of the whole picture, then what each part adds to it.

The whole: phase correlation, then the enhanced correlation coefficient (Evangelidis and Psarakis 2008, OpenCV's). The
parts: Lucas and Kanade's (1981) step in windows, coarse to fine, held back where there is little to go by: what a
window's gradients say is weighed against noise and against the guess that nothing more has moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

#: Pixels of the luminance between the nodes of a flow.
STEP = 16

#: Sides of the pictures that the whole motion is found in: first guess, and last refinement.
_FIRST, _LAST = 384, 1280

#: The mean square by which detail of equal contrast differs from where it is not the same (2 where it has nothing to do
#: with it), and the part of a frame that must be the same.
_UNLIKE, _ENOUGH = 0.35, 0.25

#: Side of the windows whose parts move alone, the shrinkings they are looked at in, and steps taken in each.
_WINDOW, _SHRINKINGS, _STEPS = 41, (4, 2, 1), 3

#: Pixels by which a part may still be off before it counts less, as one that moves on its own.
_OFF = 0.5

#: How much more than the gaps' own variance holds a part to the whole: gaps are alike over several pixels, and most
#: parts have not moved by a tenth of one. (From shaken photographs, where more or less hold did worse.)
_HELD = 4.0

#: A misalignment, in pixels of the luminance, that does not count as a difference.
_FORGIVEN = 0.25


@dataclass(frozen=True)
class Flow:
    """Where the reference's pixels lie in a frame.

    nodes: (rows, columns, 2) float32; [i, j] is the displacement (x, y), in pixels of the luminance, of its pixel
        (STEP * i, STEP * j). Between nodes it runs linearly.
    """

    nodes: np.ndarray

    def at(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacements (h, w) in x and in y at a grid of places of the luminance, which may lie between its pixels."""
        return self.scattered(*np.meshgrid(rows, columns, indexing="ij"))

    def scattered(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacements (h, w) in x and in y at places (h, w) of the luminance."""
        x, y = ((axis / STEP).astype(np.float32) for axis in (columns, rows))
        found = cv2.remap(self.nodes, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return found[:, :, 0], found[:, :, 1]


def find(reference: np.ndarray, frame: np.ndarray, noise: float) -> Flow:
    """The flow from the reference to a frame.

    Args:
        reference, frame: (h, w) float32 luminance in which noise is even.
        noise: its standard deviation.
    """
    flow = _of_matrix(_whole_motion(reference, frame, noise), reference.shape)
    for shrinking in _SHRINKINGS:
        if min(reference.shape) // shrinking >= 2 * _WINDOW:
            small = [_shrunk(picture, shrinking) for picture in (reference, frame)]
            for _ in range(_STEPS):
                flow = _refined(flow, small[0], small[1], shrinking, noise / shrinking)
    return flow


def agreement(reference: np.ndarray, frame: np.ndarray, flow: Flow, noise: float) -> float:
    """The share of the reference, 0 to 1, that is found again in the frame within its noise and a slight shift."""
    blurred, moved = (cv2.blur(picture, (9, 9)) for picture in (reference, warped(frame, flow)))
    forgiven = _FORGIVEN**2 * (
        cv2.Sobel(blurred, -1, 1, 0, scale=1 / 8) ** 2 + cv2.Sobel(blurred, -1, 0, 1, scale=1 / 8) ** 2
    )
    return float(np.mean((blurred - moved) ** 2 < 8 * noise**2 / 81 + forgiven))


def warped(frame: np.ndarray, flow: Flow, shrinking: int = 1, outside: float = 0) -> np.ndarray:
    """A luminance, shrunk by that much, as it would lie on the reference; `outside` where the frame has ended."""
    height, width = frame.shape
    rows, columns = (np.arange(size, dtype=np.float32) for size in (height, width))
    middle = (shrinking - 1) / 2
    x, y = flow.at(shrinking * rows + middle, shrinking * columns + middle)
    x, y = columns + x / shrinking, rows[:, None] + y / shrinking
    moved = cv2.remap(frame, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.where(inside, moved, np.float32(outside))


def _whole_motion(reference: np.ndarray, frame: np.ndarray, noise: float) -> np.ndarray:
    """(2, 3): a turn and a shift that take the reference's pixels (x, y) to the frame's."""
    matrix = np.eye(3)[:2]
    for longest in (_FIRST, _LAST):
        shrinking = max(1, -(-max(reference.shape) // longest))
        pair = [_detail(_shrunk(picture, shrinking), noise / shrinking) for picture in (reference, frame)]
        matrix[:, 2] /= shrinking
        if longest == _FIRST:
            window = cv2.createHanningWindow(pair[0].shape[::-1], cv2.CV_32F)
            matrix[:, 2] = cv2.phaseCorrelate(pair[0], pair[1], window)[0]
        matrix = _correlated(pair[0], pair[1], matrix, np.ones(pair[1].shape, np.uint8))
        matrix = _correlated(pair[0], pair[1], matrix, _alike(pair[0], pair[1], matrix))
        matrix[:, 2] *= shrinking
    return matrix


def _detail(luminance: np.ndarray, noise: float) -> np.ndarray:
    """The luminance with the same contrast everywhere, save where there is only noise.

    Else one bright thing that moves would take the whole picture with it.
    """
    smooth = cv2.GaussianBlur(luminance, (0, 0), 1.5)
    rest = smooth - cv2.GaussianBlur(luminance, (0, 0), 12)
    contrast = cv2.GaussianBlur(rest**2, (0, 0), 12)
    detail: np.ndarray = rest / np.sqrt(contrast + (0.5 * noise) ** 2 + 1e-12)
    return detail


def _alike(reference: np.ndarray, frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Where the frame's detail is the reference's, moved so: (h, w) uint8, all 1 where little is. What else moves would
    take the picture along."""
    there = cv2.warpAffine(reference, matrix, frame.shape[::-1])
    unlike = cv2.GaussianBlur((there - frame) ** 2, (0, 0), 3)
    alike = (unlike < _UNLIKE).astype(np.uint8)
    return alike if alike.mean() > _ENOUGH else np.ones_like(alike)


def _correlated(reference: np.ndarray, frame: np.ndarray, matrix: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The motion refined by a part of the frame; as it was where OpenCV finds none (a flat picture, or no overlap)."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-7)
    start = matrix.astype(np.float32)
    try:
        _, found = cv2.findTransformECC(reference, frame, start, cv2.MOTION_EUCLIDEAN, criteria, where, 1)
    except cv2.error:
        return matrix
    return np.asarray(found, np.float64)


def _of_matrix(matrix: np.ndarray, shape: tuple[int, ...]) -> Flow:
    rows, columns = (STEP * np.arange(-(-size // STEP) + 1) for size in shape)
    x, y = np.meshgrid(columns, rows)
    moved = np.stack([x, y], 2) @ matrix[:, :2].T + matrix[:, 2] - np.stack([x, y], 2)
    return Flow(moved.astype(np.float32))


def _refined(flow: Flow, reference: np.ndarray, frame: np.ndarray, shrinking: int, noise: float) -> Flow:
    """One step of Lucas and Kanade in every node's window, at most one pixel long."""
    moved = warped(frame, flow, shrinking, outside=np.nan)
    gap = np.nan_to_num(reference - moved)  # beyond the frame's border nothing says that anything moved
    mean = np.where(np.isnan(moved), reference, (reference + moved) / 2)
    slope_x, slope_y = cv2.Sobel(mean, -1, 1, 0, scale=1 / 8), cv2.Sobel(mean, -1, 0, 1, scale=1 / 8)
    # What moves on its own would take along what stands beside it (weights of Geman and McClure 1987).
    likely = 2 * noise**2 + _OFF**2 * (slope_x**2 + slope_y**2) + 1e-12
    weight = (likely / (likely + gap**2)) ** 2
    whole = cv2.blur(weight, (_WINDOW, _WINDOW))
    xx, xy, yy, gap_x, gap_y, gaps = (
        cv2.blur(weight * product, (_WINDOW, _WINDOW)) / np.maximum(whole, 1e-6)
        for product in (slope_x**2, slope_x * slope_y, slope_y**2, slope_x * gap, slope_y * gap, gap**2)
    )
    held = _HELD * (gaps + 2 * noise**2) + 1e-12
    xx, yy = xx + held, yy + held
    step = np.stack([yy * gap_x - xy * gap_y, xx * gap_y - xy * gap_x], 2) / (xx * yy - xy**2)[:, :, None]
    step = step.clip(-1, 1).astype(np.float32) * shrinking
    columns, rows = (
        (STEP * np.arange(count, dtype=np.float32) - (shrinking - 1) / 2) / shrinking
        for count in (flow.nodes.shape[1], flow.nodes.shape[0])
    )
    at_nodes = cv2.remap(step, *np.meshgrid(columns, rows), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Flow(flow.nodes + at_nodes)


def _shrunk(picture: np.ndarray, shrinking: int) -> np.ndarray:
    """The means of squares of pixels; what is left over below and to the right is cut."""
    if shrinking == 1:
        return picture
    height, width = (size // shrinking for size in picture.shape)
    part = picture[: height * shrinking, : width * shrinking]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)

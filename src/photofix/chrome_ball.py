"""Where lights stand, from their reflections in a chrome ball.

The camera is taken to be far away (orthographic): it looks along -z at every point of the ball. That is off by half of
the angle at which the ball's edge is seen, which for a ball that fills a tenth of a 40 degree view is 2 degrees, if the
highlight is at the edge, and none in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from photofix.errors import UsageError

#: How far the mask's outline may be from a circle, as a part of its radius.
_ROUND = 0.03

#: The part of the brightest light in the ball from which pixels belong to a highlight; the part of the radius in which
#: highlights are looked for, since past it a ball's edge shows what is behind it; and the least light that is one.
_HIGHLIGHT, _INSIDE, _DARKEST = 0.5, 0.97, 0.02

#: Sides of the ball that are looked for where there is no mask, as parts of the picture's shorter side.
_SMALLEST, _LARGEST = 0.1, 0.5


@dataclass(frozen=True)
class Ball:
    """A circle in a picture, in pixels from the center of its top left pixel."""

    x: float
    y: float
    radius: float


def masked(mask: np.ndarray) -> Ball:
    """The ball whose mask (H, W) bool is: a circle put through its outline by least squares (Kasa, 1976).

    What lies at the picture's border is not taken for outline: the ball may be cut off.
    Raises:
        UsageError: the mask is empty, or no disk.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea, default=np.zeros((0, 1, 2)))[:, 0].astype(np.float64)
    height, width = mask.shape
    x, y = outline[((outline > 0) & (outline < (width - 1, height - 1))).all(1)].T
    if len(x) < 16:
        raise UsageError("the ball's mask is empty: it is white where the ball is, and black elsewhere")
    a, b, c = np.linalg.lstsq(np.stack([x, y, np.ones_like(x)], 1), x * x + y * y, rcond=None)[0]
    ball = Ball(a / 2, b / 2, float(np.sqrt(c + (a * a + b * b) / 4)))
    off = np.hypot(x - ball.x, y - ball.y) - ball.radius
    if np.sqrt(np.mean(off**2)) > _ROUND * ball.radius:
        raise UsageError("the ball's mask is no disk: it is white where the ball is, and black elsewhere")
    return Ball(ball.x, ball.y, ball.radius + 0.5)  # the outline runs through the centers of the outermost pixels


def found(pictures: Iterable[np.ndarray]) -> Ball:
    """The ball in pictures (H, W) of light of it under all lights, by Hough's transform: the circle with most edges.

    A mask is more exact. Raises: UsageError: there is none.
    """
    total = np.sum(list(pictures), axis=0, dtype=np.float32)
    # Roots, since chrome shows a dark room; a lamp's reflection is no brighter than the rest of what is bright.
    visible = np.sqrt(np.clip(total / max(float(np.quantile(total, 0.99)), 1e-6), 0, 1))
    gray = cv2.medianBlur((255 * visible).astype(np.uint8), 5)
    sides = [int(part * min(gray.shape)) for part in (_SMALLEST, _LARGEST)]
    circles = cv2.HoughCircles(
        gray, cv2.HOUGH_GRADIENT, 1.5, max(1, sides[0]), param1=60, param2=30, minRadius=sides[0], maxRadius=sides[1]
    )
    if circles is None:
        raise UsageError("no ball is seen: put its mask, white on black, beside its pictures under the name mask.png")
    x, y, radius = circles[0, 0].tolist()
    return Ball(x, y, radius)


def directions(ball: Ball, pictures: Iterable[np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Unit vectors (n, 3) to the lights whose highlights pictures (H, W) of the ball show; names are for messages."""
    return np.stack([_mirrored(ball, *_highlight(ball, one, name)) for one, name in zip(pictures, names, strict=True)])


def _highlight(ball: Ball, light: np.ndarray, name: str) -> tuple[float, float]:
    """Where the brightest thing in the ball is: the middle of its light."""
    y, x = np.ogrid[: light.shape[0], : light.shape[1]]
    inside = np.where(np.hypot(x - ball.x, y - ball.y) < _INSIDE * ball.radius, light, 0)
    peak = float(inside.max())
    if peak < _DARKEST:
        raise UsageError(f"{name}: no light is reflected by the ball; was the lamp on?")
    bright = np.where(inside >= _HIGHLIGHT * peak, inside, 0)
    count, labels = cv2.connectedComponents((bright > 0).astype(np.uint8))
    lights = np.bincount(labels.ravel(), bright.ravel(), count)
    rows, columns = np.nonzero(labels == int(np.argmax(lights)))
    weight = bright[rows, columns]
    return float(np.average(columns, weights=weight)), float(np.average(rows, weights=weight))


def _mirrored(ball: Ball, x: float, y: float) -> np.ndarray:
    """The direction in which the ball's surface at x, y mirrors the camera: 2 (n . v) n - v, v = (0, 0, 1)."""
    across, up = (x - ball.x) / ball.radius, (ball.y - y) / ball.radius
    toward = np.sqrt(max(0.0, 1 - across**2 - up**2))
    return np.array([2 * toward * across, 2 * toward * up, 2 * toward**2 - 1])

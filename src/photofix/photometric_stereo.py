"""Normals and albedo of a scene from pictures of it under lights whose directions are known.

A matte surface shows albedo * (normal . light): with three lights or more that is a system of linear equations in
albedo * normal at every pixel (Woodham, "Photometric method for determining surface orientation from multiple images",
1980). Shadows, highlights and clipped samples do not follow it and are left out: those that are dark beside the
pixel's brightest at first, then those that are far from what the surface found so far would show (iteratively
reweighted least squares).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from photofix.color import LUMINANCE
from photofix.errors import UsageError
from photofix.olat import Frame, Stage, frames_of
from photofix.tiles import Progress

#: What does not fit is found in rounds, each of which goes through the pictures once: the difference from what was
#: expected, as a part of the pixel's brightness, from which a sample counts for less than half. Where it is too bright,
#: half of that: highlights add light, and shadows are known by their darkness already.
_APART, _TOO_BRIGHT = (0.3, 0.15, 0.1, 0.06), 2

#: The part of a pixel's brightest sample below which it is taken to be in shadow, at first.
_SHADOW = 0.15

#: What a left out sample still counts, so that a pixel without three good ones has a solution, too.
_LEAST = 1e-4

#: How flat lights may lie: the least singular value beside the greatest.
_PLANE = 0.03

_ROWS = 256


@dataclass(frozen=True)
class Surface:
    """normals: (H, W, 3) float32 unit vectors, x to the right, y up, z to the camera; 0 where nothing is seen.
    albedo: (H, W, 3) float32: the light that a surface facing a light of 1 shows, in linear RGB.
    residual: what samples that count differ by from what the surface shows, root mean square over that of the samples.
    """

    normals: np.ndarray
    albedo: np.ndarray
    residual: float


def surface(stage: Stage, progress: Progress | None = None) -> Surface:
    """The surface that the stage's pictures show.

    They are read once in each of seven rounds: memory is the same for any number of lights.

    Raises:
        UsageError: fewer than three lights, or all in one plane with the subject. ReadError: as frames_of().
    """
    spread = np.linalg.svd(stage.directions, compute_uv=False)
    if len(stage.frames) < 3 or spread[2] < _PLANE * spread[0]:
        raise UsageError(
            "normals and albedo need three lights or more that do not stand in one line or circle around the subject"
        )
    brightest = _brightest(stage, progress)
    scaled = _solved(stage, progress, lambda seen, rows, _toward: seen > _SHADOW * brightest[rows])
    for apart in _APART:
        scaled = _solved(stage, progress, _fitting(scaled, apart))
    length = np.linalg.norm(scaled, axis=2, keepdims=True)
    normals = np.divide(scaled, length, out=np.zeros_like(scaled), where=length > 0)
    albedo, residual = _albedo(stage, scaled, normals, progress)
    return Surface(normals, albedo, residual)


def _brightest(stage: Stage, progress: Progress | None) -> np.ndarray:
    """(H, W): every pixel's brightest luminance under a light of 1."""
    brightest = np.zeros((0, 0), np.float32)
    for frame, _, color in _lit(stage):
        if not brightest.size:
            brightest = np.zeros(frame.photo.pixels.shape[:2], np.float32)
        for rows in _strips(len(brightest)):
            np.maximum(brightest[rows], _luminance(frame, color, rows), out=brightest[rows])
        _tell(progress, brightest)
    return brightest


#: How far samples (h, W) of some rows under the light from a direction count: (h, W).
_Weight = Callable[[np.ndarray, slice, np.ndarray], np.ndarray]


def _fitting(scaled: np.ndarray, apart: float) -> _Weight:
    """What is far from what the surface found so far shows counts little: Cauchy's weights, 1 / (1 + x^2)."""

    def weight(seen: np.ndarray, rows: slice, toward: np.ndarray) -> np.ndarray:
        expected, level = scaled[rows] @ toward, np.linalg.norm(scaled[rows], axis=2)
        off = (seen - expected) / np.maximum(np.float32(apart) * level, 1e-6)
        off[off > 0] *= _TOO_BRIGHT
        return np.where(expected > 0, 1 / (1 + off**2), 0)

    return weight


def _solved(stage: Stage, progress: Progress | None, weight_of: _Weight) -> np.ndarray:
    """(H, W, 3): albedo times normal, by the normal equations, which are summed up picture by picture."""
    products, right = np.zeros((0, 0, 6), np.float32), np.zeros((0, 0, 3), np.float32)
    for frame, toward, color in _lit(stage):
        if not right.size:
            products, right = (np.zeros((*frame.photo.pixels.shape[:2], count), np.float32) for count in (6, 3))
        upper = np.outer(toward, toward)[np.triu_indices(3)]
        for rows in _strips(len(right)):
            seen = _luminance(frame, color, rows)
            weight = _counted(weight_of(seen, rows, toward), frame, rows)
            products[rows] += weight[..., None] * upper
            right[rows] += (weight * seen)[..., None] * toward
        _tell(progress, right)
    for rows in _strips(len(right)):
        right[rows] = _solution(products[rows], right[rows])
    return right


def _counted(weight: np.ndarray, frame: Frame, rows: slice) -> np.ndarray:
    """(h, W) float32: clipped samples do not count, and none counts nothing."""
    return np.maximum(np.where(frame.clipped(rows), 0, weight), _LEAST).astype(np.float32)


def _lit(stage: Stage) -> Iterator[tuple[Frame, np.ndarray, np.ndarray]]:
    """The stage's pictures with the direction and the color of each one's light, float32."""
    lights = (stage.directions.astype(np.float32), stage.colors.astype(np.float32))
    return zip(frames_of(stage), *lights, strict=True)


def _solution(products: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of symmetric systems: (h, W, 6) upper triangles and (h, W, 3) right sides."""
    matrix = products[..., [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(*products.shape[:2], 3, 3).astype(np.float64)
    ridge = 1e-6 * np.trace(matrix, axis1=2, axis2=3)[..., None, None] * np.eye(3)
    return np.asarray(np.linalg.solve(matrix + ridge, right[..., None].astype(np.float64))[..., 0], np.float32)


def _albedo(
    stage: Stage, scaled: np.ndarray, normals: np.ndarray, progress: Progress | None
) -> tuple[np.ndarray, float]:
    """(H, W, 3) albedo of each color by least squares, the normals known; and the residual of luminance."""
    over, under = np.zeros_like(normals), np.zeros_like(normals[..., 0])
    off = whole = 0.0
    weight_of = _fitting(scaled, _APART[-1])
    for frame, toward, color in _lit(stage):
        for rows in _strips(len(normals)):
            seen = _luminance(frame, color, rows)
            weight = _counted(weight_of(seen, rows, toward), frame, rows)
            shading = np.maximum(normals[rows] @ toward, 0)
            over[rows] += (weight * shading)[..., None] * (frame.light(rows) / color)
            under[rows] += weight * shading**2
            sure = weight > 0.5
            off += float(((seen - scaled[rows] @ toward)[sure] ** 2).sum(dtype=np.float64))
            whole += float((seen[sure] ** 2).sum(dtype=np.float64))
        _tell(progress, under)
    albedo = np.divide(over, under[..., None], out=np.zeros_like(over), where=under[..., None] > 0)
    return albedo, float(np.sqrt(off / whole)) if whole else 0.0


def _luminance(frame: Frame, color: np.ndarray, rows: slice) -> np.ndarray:
    """(h, W) of some rows as under a light of 1."""
    light = frame.light(rows)
    return np.asarray((light / color) @ LUMINANCE)


def _strips(height: int) -> list[slice]:
    return [slice(top, min(top + _ROWS, height)) for top in range(0, height, _ROWS)]


def _tell(progress: Progress | None, plane: np.ndarray) -> None:
    if progress:
        progress(plane.shape[0] * plane.shape[1])

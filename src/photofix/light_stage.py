"""A scene under any light, from pictures of it under one light at a time: b = A x.

Light adds up. The pictures are the columns of A, how much of each light is wanted is x, and the sum is what the camera
would have seen: shadows, translucency, reflections and all (Debevec et al., "Acquiring the reflectance field of a
human face", 2000).
"""

from __future__ import annotations

import numpy as np

from photofix import environment
from photofix.color import LUMINANCE
from photofix.olat import Stage, frames_of
from photofix.photo import Photo
from photofix.tiles import Progress

#: An environment's light is shared out to stage lights up to so many times as far as these stand apart.
_REACH = 1.5

_ROWS = 256


def relit(stage: Stage, weights: np.ndarray, progress: Progress | None = None) -> Photo:
    """The scene under the stage's lights, each as bright as its weight says.

    One picture at a time is in memory beside the sum.

    Args:
        weights: (n, 3) linear RGB, times a light of 1.
    Returns:
        (H, W, 3) float32, linear, not clipped.
    Raises:
        ReadError, UsageError: as frames_of().
    """
    total, metadata = np.zeros((0, 0, 3), np.float32), None
    for frame, weight in zip(frames_of(stage), (weights / stage.colors).astype(np.float32), strict=True):
        if metadata is None:
            total, metadata = np.zeros((*frame.photo.pixels.shape[:2], 3), np.float32), frame.metadata
        for top in range(0, len(total), _ROWS):
            total[top : top + _ROWS] += frame.light(slice(top, top + _ROWS)) * weight
        if progress:
            progress(total.shape[0] * total.shape[1])
    assert metadata is not None, "a stage has pictures"
    return Photo(total, "linear", metadata=metadata)


def of_lamps(stage: Stage, directions: np.ndarray, power: np.ndarray) -> np.ndarray:
    """The weights (n, 3) that stand for lamps: each is shared out between the stage's lights around it.

    Args:
        directions: (m, 3) unit vectors. power: (m, 3) linear RGB, 1 for as bright as the stage's lights.
    """
    return np.asarray(environment.shares(directions, stage.directions).T @ power)


def of_panorama(stage: Stage, panorama: np.ndarray) -> tuple[np.ndarray, float]:
    """The weights (n, 3) that stand for an environment, and the share of its light that no light is near enough for.

    The picture is exposed so that the weights' luminance is 1 in all, as if one light alone was on.
    """
    given = environment.lobes(panorama, stage.directions, _REACH * environment.spacing(stage.directions))
    whole = float((panorama * environment.solid_angles(*panorama.shape[:2])[:, None, None]).sum((0, 1)) @ LUMINANCE)
    kept = float((given @ LUMINANCE).sum())
    return given / max(kept, 1e-9 * whole), 1 - kept / whole


def distance(directions: np.ndarray, lights: np.ndarray) -> float:
    """How far in degrees the farthest of some directions (m, 3) is from the light (n, 3) next to it."""
    return float(np.degrees(np.arccos(np.clip(directions @ lights.T, -1, 1).max(1).min())))

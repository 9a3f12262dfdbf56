"""A scene under any light, from pictures of it under one light at a time: b = A x.

Light adds up. The pictures are the columns of A, how much of each light is wanted is x, and the sum is what the camera
would have seen: shadows, translucency, reflections and all (Debevec et al., "Acquiring the reflectance field of a
human face", 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photofix import environment
from photofix.color import LUMINANCE
from photofix.errors import UsageError
from photofix.lights import Lights
from photofix.olat import Stage, frames_of
from photofix.photo import Photo
from photofix.tiles import Progress

#: An environment's light is shared out to stage lights up to so many times as far as these stand apart.
_REACH = 1.5

#: The share of an environment's light that must come from where the stage has lights, and that is missed without words.
_LEAST, _SAID = 1e-3, 0.02

#: Rows of a panorama that is the same everywhere.
_EVEN = 32

_ROWS = 256


@dataclass(frozen=True, eq=False)
class Wanted:
    """The light that is wanted of a stage.

    lamps, or a panorama (H, W, 3): one of the two. ambient: the share of even light from all sides. exposure: EV.
    """

    lamps: Lights | None = None
    panorama: np.ndarray | None = None
    ambient: float = 0.0
    exposure: float = 0.0


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


def weights(stage: Stage, wanted: Wanted, turned: float = 0.0) -> tuple[np.ndarray, tuple[str, ...]]:
    """How much of each of the stage's lights, (n, 3) linear RGB, stands for what is wanted, and what to say of that.

    turned: degrees by which the azimuth of all light grows.
    """
    if wanted.panorama is not None:
        found, note = _of_panorama(stage, environment.rotated(wanted.panorama, turned))
    else:
        assert wanted.lamps is not None
        found, note = _of_lamps(stage, wanted.lamps.turned(turned))
    if wanted.ambient:
        even, _ = _of_panorama(stage, np.ones((_EVEN, 2 * _EVEN, 3), np.float32))
        found = (1 - wanted.ambient) * found + wanted.ambient * float((found @ LUMINANCE).sum()) * even
    return found * 2.0**wanted.exposure, note


def _of_lamps(stage: Stage, lamps: Lights) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each lamp is shared out between the stage's lights around it; a power of 1 is a light as bright as these."""
    directions = lamps.directions.astype(np.float64)
    cosine = np.clip(directions @ stage.directions.T, -1, 1).max(1)
    away = float(np.degrees(np.arccos(cosine.min())))
    far = away > _REACH * environment.spacing(stage.directions)
    note = f"no light of the stage is nearer than {away:.0f} degrees to where one is wanted: the nearest stand in"
    return environment.shares(directions, stage.directions).T @ lamps.power, (note,) if far else ()


def _of_panorama(stage: Stage, panorama: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """What each light gives off to stand for the panorama around it; luminances sum to 1, as if one light was on."""
    given = environment.lobes(panorama, stage.directions, _REACH * environment.spacing(stage.directions))
    whole = float((panorama * environment.solid_angles(*panorama.shape[:2])[:, None, None]).sum((0, 1)) @ LUMINANCE)
    kept = float((given @ LUMINANCE).sum())
    if kept < _LEAST * whole:
        raise UsageError(
            "the panorama's light comes from where the stage has no lights: turn it with --rotate, or give another"
        )
    note = f"{1 - kept / whole:.0%} of the panorama's light comes from where the stage has no lights: left out"
    return given / kept, (note,) if kept < (1 - _SAID) * whole else ()

"""A light stage's pictures made one, in the light that is wanted; and the surface that they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from photofix import environment, light_stage, photometric_stereo
from photofix.errors import UsageError
from photofix.job import Restored
from photofix.models import Models
from photofix.olat import Stage
from photofix.photo import Photo
from photofix.photometric_stereo import Surface
from photofix.restore_picture import cropped, noted
from photofix.tiles import Progress


def restore_stage(stage: Stage, models: Models, progress: Progress | None = None) -> Restored:
    """The sum of the pictures in linear light, and the surface where it is asked for."""
    asked, settings = models.settings.relight, models.settings
    assert asked.stage is not None
    weights, notes = light_stage.weights(stage, asked.stage)
    relit = light_stage.relit(stage, weights, progress)
    lights = np.stack(environment.angles(stage.directions), 1).round(1).tolist()
    facts: dict[str, object] = {"device": "cpu", "model": "none (light stage)", "lights": lights}
    found = photometric_stereo.surface(stage) if asked.maps else None
    photo = noted(cropped(relit, settings.roi), [*stage.notes, *notes])
    if found is None:
        return Restored(photo, facts, film=_film(stage, models))
    maps = _pictures(_masked(found, stage.subject if asked.wish.subject is None else asked.wish.subject))
    return Restored(photo, facts | {"residual": round(found.residual, 4)}, maps=maps, film=_film(stage, models))


def _film(stage: Stage, models: Models) -> Iterator[Photo] | None:
    asked = models.settings.relight
    if not asked.frames or asked.stage is None:
        return None
    turns = (360 * frame / asked.frames for frame in range(asked.frames))
    lit = (light_stage.weights(stage, asked.stage, turn)[0] for turn in turns)
    return (cropped(light_stage.relit(stage, weights), models.settings.roi) for weights in lit)


def _pictures(found: Surface) -> Mapping[str, Callable[[], Photo]]:
    """The surface by file name: PNG to look at, EXR for numbers."""
    return {
        "normals.exr": lambda: Photo(found.normals, "linear"),
        "normals.png": lambda: Photo(np.rint((found.normals + 1) * np.float32(32767.5)).astype(np.uint16)),
        "albedo.exr": lambda: Photo(found.albedo, "linear"),
        "albedo.png": lambda: Photo(found.albedo, "linear"),
    }


def _masked(found: Surface, subject: np.ndarray | None) -> Surface:
    """The surface, with nothing beside the subject."""
    if subject is None:
        return found
    if subject.shape != found.normals.shape[:2]:
        have, want = ("{1} x {0}".format(*one.shape) for one in (subject, found.normals))
        raise UsageError(f"the mask is {have} pixels and the pictures {want}: give it in the pictures' size")
    inside = (subject > 0.5)[..., None]
    return replace(found, normals=found.normals * inside, albedo=found.albedo * inside)

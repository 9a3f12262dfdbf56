"""What was found in a photo, as pictures: its shape, its colors without the light, and the light.

Everything is brought to the photo's size along its edges, as the light itself is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from photofix import color, environment, lights
from photofix.overview import enlarged
from photofix.photo import Photo
from photofix.tasks.relight import Scene, followed, luminance_shown

#: Rows of the panorama that shows the light.
_ROWS = 64

_BAND = 256

#: The files' names: PNG to look at, EXR for numbers.
NAMES = tuple(f"{name}.{ending}" for name in ("normals", "albedo", "shading", "light") for ending in ("png", "exr"))

#: The brightest of a plane is where this share lies below.
_BRIGHT = 0.99


def pictures(photo: Photo, known: Scene) -> Mapping[str, Callable[[], Photo]]:
    """What each picture is made by, by its file's name: PNG to look at, EXR for numbers.

    normals: x, y and z from -1 to 1, in the PNG from black to white. albedo: light / shading. shading: how bright a
    white surface would be there. light: a panorama of radiance, as environments are.
    """
    makers: dict[str, Callable[[], Photo]] = {
        "normals": partial(_normals, photo, known),
        "albedo": partial(_albedo, photo, known),
        "shading": partial(_shading, photo, known),
        "light": partial(_light, known),
    }
    shown = {"normals": _directions_shown}
    numbers = {f"{name}.exr": make for name, make in makers.items()}
    looks = {f"{name}.png": partial(_made, make, shown.get(name, _light_shown)) for name, make in makers.items()}
    return numbers | looks


def _made(make: Callable[[], Photo], shown: Callable[[Photo], Photo]) -> Photo:
    return shown(make())


def _directions_shown(photo: Photo) -> Photo:
    return Photo(np.rint((photo.pixels + 1) * 127.5).clip(0, 255).astype(np.uint8))


def _light_shown(photo: Photo) -> Photo:
    """Light scaled to what a display shows."""
    top = max(float(np.quantile(photo.pixels.max(2)[::4, ::4], _BRIGHT)), 1e-6)
    return Photo(np.rint(color.linear_to_srgb((photo.pixels / top).clip(0, 1)) * 255).astype(np.uint8))


def normals(photo: Photo, known: Scene) -> np.ndarray:
    """(H, W, 3) float32 unit vectors: x to the right, y up, z to the camera."""
    found = _at_full_size(photo, known, known.normals)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=2, keepdims=True), 1e-6))


def _normals(photo: Photo, known: Scene) -> Photo:
    return Photo(normals(photo, known), "linear")


def _shading(photo: Photo, known: Scene) -> Photo:
    stops = np.log2(np.maximum(known.there(), 1e-4))
    return Photo(np.exp2(_at_full_size(photo, known, stops)), "linear")


def _albedo(photo: Photo, known: Scene) -> Photo:
    light = np.nan_to_num(color.light_of(photo.pixels, photo.encoding))
    return Photo(light / _shading(photo, known).pixels, "linear")


def _light(known: Scene) -> Photo:
    toward = environment.directions(_ROWS, 2 * _ROWS)
    radiance = lights.basis(toward.reshape(-1, 3)) @ lights.harmonics(known.light)
    return Photo(np.maximum(radiance, 0).reshape(_ROWS, 2 * _ROWS, 3), "linear")


def _at_full_size(photo: Photo, known: Scene, planes: np.ndarray) -> np.ndarray:
    """Planes (h, w, C) of the small picture as (H, W, C)."""
    height, width = photo.pixels.shape[:2]
    slope, offset = followed(planes, known.guide)
    found = np.empty((height, width, planes.shape[2]), np.float32)
    for top in range(0, height, _BAND):
        rows = slice(top, min(top + _BAND, height))
        guide = luminance_shown(np.nan_to_num(color.light_of(photo.pixels[rows], photo.encoding)))
        found[rows] = enlarged(slope, rows, height, width) * guide + enlarged(offset, rows, height, width)
    return found

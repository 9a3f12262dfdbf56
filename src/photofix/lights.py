"""Light as a few directions that it comes from: lamps, an environment, harmonics; and what a surface makes of it.

One formula holds for all: the shading of a place is the sum over the lights of power x visibility x max(normal .
direction, 0). Directions are as in environment.py; visibility and harmonics as in networks/intrinsics.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from photofix import environment

#: Directions that an environment is gathered in, evenly spread, and those that make up a soft lamp.
_SPREAD, _SOFT = 128, 48

#: Rows of a panorama, as far as it is looked at.
_ROWS = 128

#: The golden angle: points that turn by it from one to the next lie evenly (Vogel, "A better way to construct the
#: sunflower head", 1979).
_GOLDEN = np.pi * (3 - 5**0.5)

#: Places of a picture whose shading is computed at a time.
_PLACES = 4096


@dataclass(frozen=True, eq=False)
class Lights:
    """Light that comes from afar.

    directions: (n, 3) float32 unit vectors to where it comes from. power: (n, 3) float32, linear RGB: how bright each
    shows a matte white surface that faces it.
    """

    directions: np.ndarray
    power: np.ndarray

    def times(self, factor: float | np.ndarray) -> Lights:
        """The same light, brighter or of another color: factor is a number or (3,)."""
        return Lights(self.directions, (self.power * factor).astype(np.float32))

    def turned(self, degrees: float) -> Lights:
        """The same light gone round: its azimuth grows by degrees."""
        turn = np.radians(degrees)
        x, y, z = self.directions.T
        turned = np.stack([x * np.cos(turn) + z * np.sin(turn), y, z * np.cos(turn) - x * np.sin(turn)], axis=1)
        return Lights(turned.astype(np.float32), self.power)


def together(*lights: Lights) -> Lights:
    """All of them at once."""
    return Lights(np.concatenate([one.directions for one in lights]), np.concatenate([one.power for one in lights]))


def lamp(azimuth: float, elevation: float, color: tuple[float, float, float] = (1, 1, 1), soft: float = 0.0) -> Lights:
    """A lamp that shows a white surface facing it in its color (linear RGB).

    soft: 0 for a point far away; 1 for one that covers half of the sky, brightest in its middle. It moves as a whole,
    so that a film of a lamp going round is smooth.
    """
    toward = environment.direction(azimuth, elevation)
    if soft == 0:
        return Lights(toward[None].astype(np.float32), np.array([color], np.float32))
    right = environment.direction(azimuth + 90, 0)
    up = np.cross(toward, right)
    steps = np.arange(_SOFT) + 0.5
    out, around = np.sqrt(steps / _SOFT), steps * _GOLDEN
    away = (out * soft * np.pi / 2)[:, None]
    aside = np.cos(around)[:, None] * right + np.sin(around)[:, None] * up
    directions = np.cos(away) * toward + np.sin(away) * aside
    # A sphere's caps grow less fast than flat disks do.
    weight = np.exp(-2 * out**2) * np.sinc(away[:, 0] / np.pi)
    facing = (weight * np.maximum(directions @ toward, 0)).sum()
    return Lights(directions.astype(np.float32), (weight[:, None] / facing * np.array(color)).astype(np.float32))


def even() -> Lights:
    """The same light from everywhere, which shows an open white surface as 1."""
    return Lights(_spread(), np.full((_SPREAD, 3), 4 / _SPREAD, np.float32))


def of_panorama(panorama: np.ndarray, rotate: float = 0.0) -> Lights:
    """The light of a panorama (H, W, 3), linear, turned so that the azimuth of all its light grows by degrees."""
    directions = _spread()
    if len(panorama) > _ROWS:
        panorama = cv2.resize(panorama, (2 * _ROWS, _ROWS), interpolation=cv2.INTER_AREA)
    power = environment.lobes(panorama, directions.astype(np.float64)) / np.pi
    return Lights(directions, power.astype(np.float32)).turned(rotate)


def of_harmonics(light: np.ndarray) -> Lights:
    """The light whose radiance has these harmonics (9, 3); where they fall below zero there is none."""
    directions = _spread()
    radiance = np.maximum(basis(directions) @ light, 0)
    return Lights(directions, (radiance * (4 / _SPREAD)).astype(np.float32))


def harmonics(lights: Lights) -> np.ndarray:
    """The harmonics (9, 3) float32 of its radiance."""
    return np.asarray(basis(lights.directions).T @ lights.power * np.pi, np.float32)


def basis(directions: np.ndarray) -> np.ndarray:
    """Real orthonormal spherical harmonics of bands 0, 1 and 2 at unit vectors (n, 3): (n, 9) float32.

    >>> basis(np.array([[0.0, 0.0, 1.0]]))[0, [0, 2, 6]].round(6).tolist()
    [0.282095, 0.488603, 0.630783]
    """
    x, y, z = np.asarray(directions, np.float32).T
    one = np.full_like(x, 0.282095)
    first = [0.488603 * y, 0.488603 * z, 0.488603 * x]
    second = [1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z]
    return np.stack([one, *first, *second, 0.546274 * (x * x - y * y)], axis=1).astype(np.float32)


def shading(lights: Lights, normals: np.ndarray, visibility: np.ndarray, gloss: float = 0.0) -> np.ndarray:
    """How bright matte white surfaces are in that light: (h, w, 3) float32.

    Args:
        normals: (h, w, 3) unit vectors. visibility: (h, w, 9) harmonics of the share of the sky that each place sees.
        gloss: the share of a soft highlight that is added (Blinn's, "Models of light reflection for computer
            synthesized pictures", 1977).
    """
    seen = basis(lights.directions).T
    halfway = lights.directions + np.array([0, 0, 1], np.float32)
    halfway /= np.maximum(np.linalg.norm(halfway, axis=1, keepdims=True), 1e-6)
    flat, sky = normals.reshape(-1, 3), visibility.reshape(-1, 9)
    found = np.empty_like(flat)
    for first in range(0, len(flat), _PLACES):
        part = slice(first, first + _PLACES)
        lit = np.maximum(flat[part] @ lights.directions.T, 0)
        if gloss:
            # Only what is lit shines: the highlight ends where the shade begins.
            lit += np.float32(gloss) * np.maximum(flat[part] @ halfway.T, 0) ** 12 * np.minimum(4 * lit, 1)
        found[part] = (lit * (sky[part] @ seen).clip(0, 1)) @ lights.power
    return np.asarray(found.reshape(normals.shape), np.float32)


def _spread() -> np.ndarray:
    """Evenly spread directions (n, 3) float32."""
    steps = np.arange(_SPREAD) + 0.5
    y = 1 - 2 * steps / _SPREAD
    flat, around = np.sqrt(1 - y * y), steps * _GOLDEN
    return np.stack([flat * np.sin(around), y, flat * np.cos(around)], axis=1).astype(np.float32)

"""Light from all sides: panoramas as environments, and the directions that light comes from.

A direction is a unit vector from the subject to the light: x to the picture's right, y up, z to the camera. Its azimuth
is 0 from the camera, positive to the picture's right and 180 behind the subject; its elevation is positive upwards;
both in degrees.

A panorama is equirectangular: all directions, twice as wide as high. The photo is taken in it, looking at its middle:
the middle of the panorama lies behind the subject, and what is right of it there is right in the picture.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from photofix.color import light_of
from photofix.errors import UsageError
from photofix.photo import Photo
from photofix.read import read

#: How far from two to one a panorama's sides may be, as a share: rounding, not another projection.
_UNEVEN = 0.01

#: Rows of a panorama that are looked at one by one; larger ones are summed up to this before they are shared out.
_ROWS = 512


def read_panorama(path: Path) -> np.ndarray:
    """An environment's light, (H, W, 3) float32, linear and not negative.

    Raises:
        ReadError: it is no picture. UsageError: it is no panorama, has no light or numbers that are none.
    """
    photo = read(path)
    if not isinstance(photo, Photo):
        raise UsageError(f"{path}: is a RAW file; give a panorama, such as a Radiance HDR or an EXR file")
    height, width = photo.pixels.shape[:2]
    if abs(width / (2 * height) - 1) > _UNEVEN or height < 2:
        raise UsageError(
            f"{path}: has {width} x {height} pixels; a panorama that shows all directions (equirectangular) is twice "
            "as wide as high: stitch or crop it to that"
        )
    return checked(light_of(photo.pixels, photo.encoding), str(path))


def checked(light: np.ndarray, name: str) -> np.ndarray:
    """A panorama's light (H, W, 1) or (H, W, 3) as (H, W, 3), checked; `name` begins what is said of a wrong one."""
    wrong = int(np.count_nonzero(~np.isfinite(light).all(2)))
    if wrong:
        raise UsageError(f"{name}: {wrong} of its pixels hold no number (NaN or infinity): repair or export it again")
    light = np.maximum(light, 0)
    if not light.any():
        raise UsageError(f"{name}: is black all over: an environment needs light")
    return np.ascontiguousarray(np.broadcast_to(light, (*light.shape[:2], 3)))


def direction(azimuth: float | np.ndarray, elevation: float | np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) float64 of angles in degrees.

    >>> direction(90.0, 0.0).round(6).tolist()
    [1.0, 0.0, 0.0]
    """
    azimuth, elevation = np.radians(azimuth), np.radians(elevation)
    flat = np.cos(elevation)
    return np.stack(np.broadcast_arrays(flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)), -1)


def angles(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth, -180 to 180, and elevation in degrees of vectors (..., 3) of any length."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.degrees(np.arctan2(x, z)), np.degrees(np.arctan2(y, np.hypot(x, z)))


def directions(height: int, width: int) -> np.ndarray:
    """Where the centers of a panorama's pixels lie: (H, W, 3) float64 unit vectors."""
    longitude = ((np.arange(width) + 0.5) / width - 0.5) * 360
    latitude = 90 - (np.arange(height) + 0.5) / height * 180
    return direction(180 - longitude, latitude[:, None])


def solid_angles(height: int, width: int) -> np.ndarray:
    """What each pixel of a panorama's rows covers: (H,) steradians; all W in all rows together are 4 pi."""
    edges = np.cos(np.arange(height + 1) * np.pi / height)
    return np.asarray((edges[:-1] - edges[1:]) * (2 * np.pi / width))


def rotated(panorama: np.ndarray, degrees: float) -> np.ndarray:
    """The panorama (H, W, C) turned, so that the azimuth of every light grows by degrees."""
    shift = degrees / 360 * panorama.shape[1]
    whole = int(np.floor(shift))
    near, far = (np.roll(panorama, -columns, axis=1) for columns in (whole, whole + 1))
    part = np.float32(shift - whole)
    return np.asarray((1 - part) * near + part * far, np.float32)


def lobes(panorama: np.ndarray, lights: np.ndarray, reach: float = 180.0) -> np.ndarray:
    """What each of a few lights has to give off to stand for a panorama.

    Every pixel's energy, radiance times solid angle, is shared out between the lights by shares().

    Args:
        panorama: (H, W, 3) radiance, linear. lights: (n, 3) unit vectors. reach: as for shares().
    Returns:
        (n, 3) float64: the irradiance that comes from each light onto what faces it; with a reach of 180 the sum is
        that of the panorama.
    """
    energy = _few_rows(panorama * solid_angles(*panorama.shape[:2])[:, None, None])
    given = np.zeros((len(lights), 3))
    for row, toward in zip(energy, directions(*energy.shape[:2]), strict=True):
        given += shares(toward, lights, reach).T @ row
    return given


def shares(toward: np.ndarray, lights: np.ndarray, reach: float = 180.0) -> np.ndarray:
    """How light from some directions is shared out between the lights that there are.

    Shepard's weights ("A two-dimensional interpolation function for irregularly-spaced data", 1968) made local as by
    Franke and Little, (1 / distance - 1 / radius)^2: all of it goes to a light that stands right there, and nothing to
    those that are farther away than twice what separates lights. They sum to one, and vary smoothly as a light moves.

    Args:
        toward: (m, 3) unit vectors. lights: (n, 3) unit vectors.
        reach: degrees from the nearest light up to which all of it is shared out; none is at twice that.
    Returns:
        (m, n) float64.
    """
    cosine = np.clip(toward @ lights.T, -1, 1)
    distance = np.sqrt(2 - 2 * cosine) + 1e-6
    nearest = distance.min(1, keepdims=True)
    # Farther off, there still are some.
    radius = np.maximum(4 * np.sin(np.radians(spacing(lights)) / 2), 1.5 * nearest)
    weight = np.maximum(1 / distance - 1 / radius, 0) ** 2
    weight /= weight.sum(1, keepdims=True)
    away = np.degrees(np.arccos(cosine.max(1, keepdims=True)))
    return np.asarray(weight * np.clip(2 - away / reach, 0, 1))


def spacing(lights: np.ndarray) -> float:
    """How far apart lights (n, 3) stand, in degrees: the most that one is away from the next to it."""
    if len(lights) < 2:
        return 180.0
    cosine = np.clip(lights @ lights.T, -1, 1) - 4 * np.eye(len(lights))
    return float(np.degrees(np.arccos(cosine.max(1).min())))


def _few_rows(energy: np.ndarray) -> np.ndarray:
    """Energy (H, W, 3) float64 of a panorama in at most _ROWS rows, twice as many columns; the sum remains."""
    height, width = energy.shape[:2]
    if height <= _ROWS:
        return np.asarray(energy)
    small = cv2.resize(energy, (2 * _ROWS, _ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(small * (height * width / (2 * _ROWS**2)))

"""What tells a photo's new light: the words of --light, panoramas, photos in such a light, masks of the subject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photofix import color, environment, lights
from photofix.errors import UsageError
from photofix.lights import Lights
from photofix.photo import Photo, mask_of, shares_of, white
from photofix.read import read_named
from photofix.tasks.relight import Wish

#: Azimuth and elevation of the sides by name.
SIDES = {"left": (-75.0, 15.0), "right": (75.0, 15.0), "top": (0.0, 75.0), "front": (0.0, 10.0), "back": (180.0, 30.0)}

_FORM = f"give {', '.join(SIDES)}, or AZIMUTH,ELEVATION[,#rrggbb][,INTENSITY] in degrees, such as 45,30,#ffd9b0,1.5"


@dataclass(frozen=True, eq=False)
class Words:
    """What a user says of the light, as the options of photofix relight.

    env, match, mask: files, or what is in them: a panorama's light (H, W, 3), a photo, a plane (H, W).
    """

    light: str | Sequence[str] | None = None
    env: str | Path | np.ndarray | None = None
    rotate: float = 0.0
    match: str | Path | Photo | None = None
    ambient: float = 0.1
    soft: float = 0.3
    mask: str | Path | np.ndarray | None = None


def wish(said: Words) -> Wish:
    """The light that is meant.

    Raises:
        UsageError: nothing is said of it, too much, or something that cannot be.
    """
    if sum(given is not None for given in (said.light or None, said.env, said.match)) != 1:
        raise UsageError("which light? Give --light SIDE (left, right, top, front, back), --env or --match: one kind")
    if said.rotate and said.env is None:
        raise UsageError("--rotate turns a panorama: give --env, or say where lamps stand with --light AZ,EL")
    for option, share in (("--ambient", said.ambient), ("--soft", said.soft)):
        if not 0 <= share <= 1:
            raise UsageError(f"{option} {share:g}: give a number from 0 to 1")
    subject = None if said.mask is None else _subject(said.mask)
    if said.match is not None:
        return Wish(like=said.match if isinstance(said.match, Photo) else like(Path(said.match)), subject=subject)
    if said.env is not None:
        return Wish(lights.of_panorama(_panorama(said.env), said.rotate), False, subject=subject)
    words = [said.light] if isinstance(said.light, str) else said.light or []
    return Wish(parse(words, said.soft), True, said.ambient, subject=subject)


def parse(words: Sequence[str], soft: float) -> Lights:
    """The lamps that words name, which share an exposure: the brighter one is, the more of it is its.

    Raises:
        UsageError: one of them is none.
    """
    lamps, intensities = [], []
    for word in words:
        azimuth, elevation, tint, intensity = _lamp(word)
        lamps.append(lights.lamp(azimuth, elevation, tint, soft).times(intensity))
        intensities.append(intensity)
    share = float(np.square(intensities).sum() / max(sum(intensities) ** 2, 1e-12))
    return lights.together(*lamps).times(share)


def like(path: Path) -> Photo:
    """The photo whose light is wanted; UsageError where it is none that can be read."""
    return read_named(path, "--match", "a photo whose light is wanted")


def _panorama(given: str | Path | np.ndarray) -> np.ndarray:
    if isinstance(given, np.ndarray):
        return environment.checked(np.atleast_3d(given).astype(np.float32), "env")
    return environment.read_panorama(Path(given))


def _subject(given: str | Path | np.ndarray) -> np.ndarray:
    """What a mask shows, (H, W) float32: white or opaque is 1, black or clear 0."""
    if isinstance(given, np.ndarray):
        if given.ndim != 2:
            raise UsageError(f"mask has the shape {given.shape}: give (H, W)")
        return shares_of(given, 1 if given.dtype == bool else white(given.dtype))
    return mask_of(
        read_named(Path(given), "--mask", "a picture that is white where the subject is and black elsewhere")
    )


def _lamp(word: str) -> tuple[float, float, tuple[float, float, float], float]:
    """Azimuth, elevation, color (linear, luminance 1) and intensity."""
    side, *rest = word.split(",")
    colors = [part for part in rest if part.startswith("#")]
    numbers = [part for part in (side, *rest) if part not in colors]
    try:
        given = [float(part) for part in numbers if part not in SIDES]
        azimuth, elevation, *more = (*SIDES[side], *given) if side in SIDES else given
    except ValueError as error:
        raise UsageError(f"--light {word}: {_FORM}") from error
    intensity = more[0] if more else 1.0
    wrong = not -90 <= elevation <= 90 or not abs(azimuth) <= 360 or not 0 < intensity <= 100
    wrong |= len(more) > 1 or len(colors) > 1 or "#000000" in colors
    if wrong or not all(re.fullmatch("#[0-9a-fA-F]{6}", one) for one in colors):
        raise UsageError(f"--light {word}: {_FORM}; elevation is -90 to 90, intensity 0 to 100")
    return azimuth, elevation, _tint(colors[0]) if colors else (1.0, 1.0, 1.0), intensity


def _tint(text: str) -> tuple[float, float, float]:
    light = color.light_of_hex(text)
    red, green, blue = (light / max(float(light @ color.LUMINANCE), 1e-6)).tolist()
    return red, green, blue

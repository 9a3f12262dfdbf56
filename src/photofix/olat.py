"""One-light-at-a-time pictures in a folder: which they are, where each one's light stood, and the light they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from photofix import development
from photofix.color import light_of, light_of_hex
from photofix.environment import direction
from photofix.errors import UsageError
from photofix.photo import Metadata, Photo, RawPhoto, white
from photofix.read import read

#: What a light looks like in a file of lights.
FORM = (
    '{"01.png": [az, el], "02.png": [x, y, z], "03.png": {"direction": [az, el], "intensity": 2, "color": "#ffd0a0"}}'
)

#: Of white: the stored numbers from which a sample may be clipped.
_CLIPPED = 0.985

#: The same light may be called by shares of its color that no sum of eight bits could tell apart.
_BALANCED = 1e-3


@dataclass(frozen=True, eq=False)
class Stage:
    """Pictures of one scene, each under one light.

    frames: their files. directions: (n, 3) float64 unit vectors to the lights. colors: (n, 3) float64, how bright each
    light was; a picture divided by it shows a light of 1. linear: the files hold light as it is, whatever their format.
    subject: (H, W) float32, 1 where the subject is, or None. notes: what there is to say of the lights, to the user.
    """

    frames: tuple[Path, ...]
    directions: np.ndarray
    colors: np.ndarray
    linear: bool = False
    subject: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frame:
    """A picture of the stage as it is stored: light is converted some rows at a time."""

    photo: Photo
    linear: bool
    lost: np.ndarray | None

    @property
    def metadata(self) -> Metadata:
        return self.photo.metadata

    def light(self, rows: slice) -> np.ndarray:
        """(h, W, C) float32 light, white at 1, of gray or color."""
        return light_of(self.photo.pixels[rows], "linear" if self.linear else self.photo.encoding)

    def clipped(self, rows: slice) -> np.ndarray:
        """(h, W) bool: where more light may have come than the numbers hold."""
        pixels = self.photo.pixels[rows]
        if pixels.dtype == np.float32:
            return np.zeros(pixels.shape[:2], bool)
        found = (pixels >= _CLIPPED * white(pixels.dtype)).any(2)
        return np.asarray(found if self.lost is None else found | self.lost[rows])


def frames_of(stage: Stage) -> Iterator[Frame]:
    """The stage's pictures, read one after the other.

    Raises:
        ReadError: one cannot be read. UsageError: they differ in size, or in the white balance of RAW files.
    """
    first: tuple[Path, tuple[int, ...], tuple[float, ...]] | None = None
    for path in stage.frames:
        frame, balance = _frame(path, stage.linear)
        shape = frame.photo.pixels.shape
        first = first or (path, shape, balance)
        if shape[:2] != first[1][:2]:
            raise UsageError(
                f"{path}: has {shape[1]} x {shape[0]} pixels, and {first[0]} {first[1][1]} x {first[1][0]}; the "
                "pictures of a light stage are taken by one camera that stands still"
            )
        if not np.allclose(balance, first[2], rtol=_BALANCED):
            raise UsageError(
                f"{path} and {first[0]}: differ in white balance, so their light cannot be added; set it by hand, or "
                "develop them alike into 16-bit TIFF"
            )
        yield frame


def _frame(path: Path, linear: bool) -> tuple[Frame, tuple[float, ...]]:
    photo = read(path)
    if not isinstance(photo, RawPhoto):
        return Frame(photo, linear, None), (1.0, 1.0, 1.0)
    # The same number becomes white in all of them, whatever the brightest of each is.
    developed, lost = development.develop_light(photo, photo.mosaic, photo.white - min(photo.black))
    return Frame(developed, False, lost), photo.balance


def split(pictures: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """A folder's pictures in the order of their numbers, without its mask, which has "mask" in its name; and that."""
    masks = [path for path in pictures if re.search(r"(^|[^a-z])mask([^a-z]|$)", path.stem.lower())]
    if len(masks) > 1:
        raise UsageError(f"{masks[0]} and {masks[1]}: a folder has one mask; take one of them out")
    frames = sorted((path for path in pictures if path not in masks), key=_natural)
    return frames, masks[0] if masks else None


def _natural(path: Path) -> list[tuple[int, str]]:
    """A name in parts, numbers as such: 9 comes before 10."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", path.name)]


def unlit(frames: Sequence[Path], linear: bool = False) -> Stage:
    """Pictures whose lights are not known yet: all at the camera."""
    return Stage(tuple(frames), np.tile([0.0, 0.0, 1.0], (len(frames), 1)), np.ones((len(frames), 3)), linear)


def lit_by_file(frames: Sequence[Path], lights: Path, linear: bool = False, subject: np.ndarray | None = None) -> Stage:
    """The stage whose lights a file names: {file name: direction, or {direction, intensity, color}} as JSON.

    Raises:
        UsageError: it is no such file, or names other pictures than there are.
    """
    named = _lights(lights)
    names = {path.name: path for path in frames}
    without = [name for name in names if name not in named]
    absent = [name for name in named if name not in names]
    if without:
        raise UsageError(f"--lights {lights}: has no light for {_some(without)}; add them, or take the pictures away")
    if absent:
        raise UsageError(f"--lights {lights}: names {_some(absent)}, and there are no such pictures beside the others")
    pairs = [named[path.name] for path in frames]
    directions, colors = (np.stack(parts) for parts in zip(*pairs, strict=True))
    return Stage(tuple(frames), directions, colors, linear, subject)


def paired(frames: Sequence[Path], ball: Sequence[Path]) -> list[Path]:
    """The ball's picture under the light of each frame: that with the same number at the end of its name.

    Raises:
        UsageError: a frame or a picture of the ball has no counterpart.
    """
    own, others = ({_number(path): path for path in paths} for paths in (frames, ball))
    if len(own) < len(frames) or len(others) < len(ball):
        raise UsageError(
            "--chrome: pictures of the ball and of the stage are paired by the number that ends their names"
        )
    missing = [path.name for number, path in own.items() if number not in others]
    if missing:
        raise UsageError(
            f"--chrome: no picture of the ball has the numbers of {_some(missing)}: their lights are unknown"
        )
    left = [path.name for number, path in others.items() if number not in own]
    if left:
        raise UsageError(f"--chrome: {_some(left)} show lights that no picture of the stage was taken under")
    return [others[number] for number in own]


def _number(path: Path) -> str:
    """The last number of a name, else the name."""
    numbers = re.findall(r"\d+", path.stem)
    return str(int(numbers[-1])) if numbers else path.stem


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _lights(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Direction and color of each light by its picture's name."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"--lights {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--lights {path}: is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"--lights {path}, line {error.lineno}: {error.msg}; give {FORM}") from error
    if not isinstance(found, dict) or not found:
        raise UsageError(f"--lights {path}: names no pictures; give {FORM}")
    return {name: _light(given, f"--lights {path}: {name}:") for name, given in found.items()}


def _light(given: object, where: str) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(given, dict):
        return _direction(given, where), np.ones(3)
    if "direction" not in given or given.keys() - {"direction", "intensity", "color"}:
        raise UsageError(f"{where} a light has direction, intensity and color, and nothing else; give {FORM}")
    intensity, color = given.get("intensity", 1), given.get("color", "#ffffff")
    if not _is_number(intensity) or intensity <= 0:
        raise UsageError(f"{where} intensity must be a number above 0, not {intensity!r}")
    if not isinstance(color, str) or not re.fullmatch("#[0-9a-fA-F]{6}", color) or "00" in re.findall("..", color[1:]):
        raise UsageError(f'{where} color must be "#rrggbb", none of the three 00, not {color!r}')
    return _direction(given["direction"], where), np.asarray(intensity * light_of_hex(color))


def _direction(given: object, where: str) -> np.ndarray:
    numbers: list[float] = given if isinstance(given, list) and all(_is_number(one) for one in given) else []
    if len(numbers) == 2:
        azimuth, elevation = numbers
        return direction(azimuth, elevation)
    if len(numbers) == 3 and any(numbers):
        return np.asarray(np.array(numbers) / np.linalg.norm(numbers))
    raise UsageError(f"{where} a direction is [az, el] in degrees or [x, y, z], not {given!r}; give {FORM}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)

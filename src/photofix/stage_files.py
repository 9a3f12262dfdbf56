"""A light stage from folders: its pictures, where their lights stood, and its mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photofix import batch, chrome_ball, olat
from photofix.batch import Naming
from photofix.color import LUMINANCE
from photofix.errors import ReadError, UsageError
from photofix.olat import Stage
from photofix.photo import Photo, mask_of
from photofix.read import read


@dataclass(frozen=True)
class StageFiles:
    """What says where the lights of a folder's pictures stood.

    lights: a file that names them; None where chrome, a folder, has pictures of a chrome ball under the same lights.
    linear: the pictures hold light as it is, whatever their format.
    """

    lights: Path | None
    chrome: Path | None = None
    linear: bool = False


def opened(folder: Path, files: StageFiles) -> Stage:
    """The stage in a folder.

    Raises:
        UsageError: there are no pictures, or their lights are not known. ReadError: one cannot be read.
    """
    frames, mask = _pictures(folder)
    subject = None if mask is None else _subject(mask)
    if files.lights is not None:
        return olat.lit_by_file(frames, files.lights, files.linear, subject)
    assert files.chrome is not None
    directions, notes = _mirrored(frames, files.chrome, files.linear)
    return Stage(tuple(frames), directions, np.ones((len(frames), 3)), files.linear, subject, notes)


def _pictures(folder: Path) -> tuple[list[Path], Path | None]:
    """A folder's pictures without its mask, and that."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; a light stage is a folder of pictures, each under one light")
    frames, mask = olat.split(batch.frames([str(folder)], Naming("relight")))
    if not frames:
        raise UsageError(
            f"{folder}: has no pictures in it; a light stage is a folder of pictures, each under one light"
        )
    return frames, mask


def _subject(mask: Path) -> np.ndarray:
    """(H, W) float32, 1 where the mask is white."""
    photo = read(mask)
    if not isinstance(photo, Photo):
        raise ReadError(f"{mask}: is a RAW file; a mask is a picture, white where the subject is")
    return mask_of(photo)


def _mirrored(frames: list[Path], chrome: Path, linear: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Directions (n, 3) of the frames' lights, from the ball's pictures; and what to say of that."""
    pictures, mask = _pictures(chrome)
    paired = olat.paired(frames, pictures)
    lights = [frame.light(slice(None)) for frame in olat.frames_of(olat.unlit(paired, linear))]
    seen = [light @ LUMINANCE if light.shape[2] == 3 else light[..., 0] for light in lights]
    try:
        ball = chrome_ball.found(seen) if mask is None else chrome_ball.masked(_fitting(mask, seen[0].shape))
        directions = chrome_ball.directions(ball, seen, [str(path) for path in paired])
    except UsageError as error:
        raise UsageError(f"--chrome {chrome}: {error}") from error
    return directions, () if mask else (f"the ball was looked for in {chrome}; mask.png beside it is more exact",)


def _fitting(mask: Path, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool, true in the mask."""
    subject = _subject(mask)
    if subject.shape != shape:
        raise UsageError(
            f"{mask.name} is {subject.shape[1]} x {subject.shape[0]} pixels and the pictures {shape[1]} x {shape[0]}: "
            "give it in the pictures' size"
        )
    return np.asarray(subject > 0.5)

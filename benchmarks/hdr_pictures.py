"""The pictures of docs/hdr.md: `python benchmarks/hdr_pictures.py docs/pictures`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import brackets
from hdr import _light, _methods, aligned_debevec
from photofix import tone
from photofix.color import linear_to_srgb
from photofix.job import Light, Settings
from photofix.models import Models
from photofix.photo import Photo
from photofix.write import SaveOptions, write

#: Which views are shown: of a bracket a workshop, of lifted photos a lobby and the workshop; and EV by which lifted
#: light is shown darker.
BRACKET, LIFTED, DARKER = 11, (1, 13), -3.0

#: Width of one picture in a row.
WIDTH = 360


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    _save(np.vstack([_row(_bracket()[:3]), _row(_bracket()[3:])]), folder / "hdr-bracket.jpg")
    _save(np.vstack([_row(_lifted(place)) for place in LIFTED]), folder / "hdr-lifted.jpg")


def _bracket() -> list[np.ndarray]:
    """The frames of a moving bracket; OpenCV's merge, ours and the truth, all through the same tone curve."""
    views = brackets.views()
    bracket = brackets.moving(views[BRACKET], views[4], 3)
    frames = [frame.astype(np.float32) / 255 for frame in bracket.frames]
    merged = [aligned_debevec(bracket), _methods()["photofix"](bracket), bracket.truth]
    return frames + [_shown(light) for light in merged]


def _lifted(place: int) -> list[np.ndarray]:
    """A photo; then, shown darker, what its numbers say, what the network says, and what was there."""
    view = brackets.views(4)[place]
    truth = np.minimum(view, 64).astype(np.float32)
    photo = Photo(np.rint(linear_to_srgb(truth.clip(0, 1)) * 255).astype(np.uint8))
    plain = _light(photo, Models(Settings(task="hdr", light=Light(lifted=False))))
    lights = [plain, _light(photo, Models(Settings(task="hdr"))), truth]
    dark = [linear_to_srgb((light * np.float32(2.0**DARKER)).clip(0, 1)) for light in lights]
    return [photo.pixels.astype(np.float32) / 255, *dark]


def _shown(light: np.ndarray) -> np.ndarray:
    return linear_to_srgb(tone.mapped(light.astype(np.float32)))


def _row(pictures: list[np.ndarray]) -> np.ndarray:
    height = round(WIDTH * pictures[0].shape[0] / pictures[0].shape[1])
    small = [cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.hstack(small)


def _save(picture: np.ndarray, file: Path) -> None:
    write(Photo(np.rint(picture.clip(0, 1) * 255).astype(np.uint8)), file, SaveOptions(quality=88))


if __name__ == "__main__":
    main()

"""The pictures of docs/relight.md: `python benchmarks/relighting_pictures.py docs/pictures`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import photofix
from photofix.photo import Photo
from photofix.restore_relit import seen
from photofix.tasks import found_scene
from pictures import DATA, load
from relighting import network

#: Official portraits (public domain) and things (MIT) that are shown.
SHOWN = (
    "people-0/us_governors_portraits_0021.jpg",
    "people-0/us_house_portraits_0093.jpg",
    "people-0/us_house_portraits_0026.jpg",
)

#: The panorama of the last column, turned.
PANORAMA, TURNED = "dawn.hdr", 140.0

#: Side of one picture.
SIDE = 230


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    photos = [load(DATA / "photos" / name) for name in SHOWN]
    _save(np.vstack([_sides(photo) for photo in photos]), folder / "relight.jpg")
    _save(_maps(photos[0]), folder / "relight-maps.jpg")


def _sides(photo: np.ndarray) -> np.ndarray:
    """The photo; lit from the left, the right and above; and by a panorama."""
    lit = [np.asarray(photofix.relight(photo, light=side)) for side in ("left", "right", "top")]
    around = photofix.relight(photo, env=DATA / "environments" / PANORAMA, rotate=TURNED)
    return np.hstack([_small(one) for one in (photo, *lit, np.asarray(around))])


def _maps(photo: np.ndarray) -> np.ndarray:
    """The photo and what is found in it: normals, albedo, shading."""
    picture = Photo(photo)
    made = found_scene.pictures(picture, seen(picture, network(None, None)))
    shown = [made[f"{name}.png"]().pixels for name in ("normals", "albedo", "shading")]
    return np.hstack([_small(one) for one in (photo, *shown)])


def _small(photo: np.ndarray) -> np.ndarray:
    side = min(photo.shape[:2])
    top, left = ((size - side) // 2 for size in photo.shape[:2])
    square = photo[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def _save(picture: np.ndarray, path: Path) -> None:
    photofix.save(Photo(np.ascontiguousarray(picture)), path, quality=88)


if __name__ == "__main__":
    main()

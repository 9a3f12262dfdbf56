"""Draw the pictures of docs/deblur.md, before and after: python deblur_pictures.py [--only WORD].

Three photos that no training saw are blurred here, as training/blur.py does it; two pairs of a high-speed camera are
blurred as they are. Each is restored as a user's would be, and shown at 100 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

import blur
import photofix
from degrade import linear_to_srgb, srgb_to_linear
from photofix.photo import Photo

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
DOCS = ROOT / "docs" / "pictures"

#: How many times as bright as they look the lamps of the night are.
LAMPS = 12.0


def night() -> np.ndarray:
    """A neon sign (cid22_0031, CC BY-SA 4.0), shaken along 34 pixels: what shines leaves streaks."""
    light = _light("scenes-0/cid22_0031.jpg")
    light *= 1 + LAMPS * np.clip((light.max(axis=2, keepdims=True) - 0.5) / 0.5, 0, 1)
    path = blur.trajectory(34.0, np.random.default_rng(0), 80)
    return _taken(cv2.filter2D(light, -1, blur.splat(path), borderType=cv2.BORDER_REFLECT_101), shot=6e-4)


def portrait() -> np.ndarray:
    """An official portrait (us_house_portraits_0026, public domain), out of focus by a disk of 4 pixels."""
    light = _light("people-0/us_house_portraits_0026.jpg")
    return _taken(cv2.filter2D(light, -1, blur.disk(4.0), borderType=cv2.BORDER_REFLECT_101), shot=2e-4)


def flower() -> np.ndarray:
    """Part of a frame of a moving camera, the mean of a high-speed camera's."""
    return _pair("Flower_blur1", (380, 130))


def istanbul() -> np.ndarray:
    """The same of another camera's way."""
    return _pair("Istanbul_blur1", (380, 200))


def kitchen() -> np.ndarray:
    """A kitchen (cid22_0392, CC BY-SA 4.0), shaken along 20 pixels, the same everywhere."""
    path = blur.trajectory(20.0, np.random.default_rng(3), 80)
    light = _light("scenes-1/cid22_0392.jpg")
    return _taken(cv2.filter2D(light, -1, blur.splat(path), borderType=cv2.BORDER_REFLECT_101), shot=2e-4)[32:, :480]


PICTURES: dict[str, Callable[[], np.ndarray]] = {
    "night": night,
    "portrait": portrait,
    "flower": flower,
    "istanbul": istanbul,
    "kitchen": kitchen,
}

#: Of these the answer of --psf auto is shown, too.
SEARCHED = ("kitchen",)


def _light(name: str) -> np.ndarray:
    return srgb_to_linear(_read(DATA / "photos" / name).astype(np.float32) / 255)


def _taken(light: np.ndarray, shot: float) -> np.ndarray:
    """What a camera makes of light: clipped, noisy, through the curve, rounded."""
    rng = np.random.default_rng(0)
    noisy = light.clip(0, 1) + rng.normal(0, 1, light.shape) * np.sqrt(shot * light.clip(0, 1) + 1e-6)
    return np.rint(linear_to_srgb(noisy.clip(0, 1).astype(np.float32)) * 255).astype(np.uint8)


def _pair(name: str, corner: tuple[int, int]) -> np.ndarray:
    """512 x 448 pixels of it."""
    left, top = corner
    return np.ascontiguousarray(
        _read(DATA / "eval" / "gopro_pairs" / f"{name}.webp")[top : top + 448, left : left + 512]
    )


def _read(file: Path) -> np.ndarray:
    pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise SystemExit(f"{file}: not a picture that OpenCV reads; the data belongs beside the project")
    return np.asarray(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="only pictures whose name has this in it")
    for name in (name for name in PICTURES if parser.parse_args().only in name):
        before = PICTURES[name]()
        shown = [before, np.asarray(photofix.deblur(before))]
        if name in SEARCHED:
            shown.append(np.asarray(photofix.deblur(before, psf="auto")))
        photofix.save(Photo(np.concatenate(shown, axis=1)), DOCS / f"deblur-{name}.jpg", quality=92)


if __name__ == "__main__":
    main()

"""Where --psf auto serves better than the network: python held_out_kernels.py [--count N], on photos no training saw.

Each is blurred in linear light and noisy (sigma 2.55). PSNR at the best shift, as in benchmarks/blind.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np

import blur
import photofix
import photos
from degrade import linear_to_srgb, srgb_to_linear

ROOT = Path(__file__).resolve().parent.parent
PHOTOS = ROOT.parent / "shared" / "data" / "photos"

sys.path.append(str(ROOT / "benchmarks"))

SIZE = (400, 500)

Blur = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def shaken(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    path = blur.trajectory(float(rng.uniform(12, 35)), rng, 60)
    return cv2.filter2D(light, -1, blur.splat(path), borderType=cv2.BORDER_REFLECT_101)


def out_of_focus(light: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return cv2.filter2D(light, -1, blur.disk(3.5), borderType=cv2.BORDER_REFLECT_101)


def soft(light: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(light, (0, 0), 1.5)


def turned(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shaken while the camera rolled by up to some degrees: nowhere the same blur."""
    way, turn = blur.trajectory(18.0, rng, 30), blur.trajectory(1.0, rng, 30)[:, 0] * 0.1
    middle = (light.shape[1] / 2, light.shape[0] / 2)
    total = np.zeros_like(light)
    for (right, down), angle in zip(way, turn, strict=True):
        move = cv2.getRotationMatrix2D(middle, float(np.rad2deg(angle)), 1.0)
        move[:, 2] += right, down
        total += cv2.warpAffine(light, move, light.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    return total / len(way)


BLURS: dict[str, Blur] = {
    "shaken": shaken,
    "shaken and turned": turned,
    "out of focus, a disk of 3.5": out_of_focus,
    "a Gaussian of 1.5": soft,
    "sharp": lambda light, _: light,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=6, help="photos of each kind")
    count = parser.parse_args().count
    from blind import score
    from tables import markdown

    held_out = [_middle(photo) for photo in photos.load(PHOTOS, ["scenes-0", "scenes-1", "scenes-2"], held_out=True)]
    rows = []
    for name, blurred in BLURS.items():
        rng, found = np.random.default_rng(0), []
        for photo in held_out[:count]:
            light = blurred(srgb_to_linear(photo.astype(np.float32) / 255), rng)
            noisy = linear_to_srgb(light.clip(0, 1)) + rng.normal(0, 2.55 / 255, light.shape)
            taken = np.rint(noisy.clip(0, 1) * 255).astype(np.uint8)
            answers = (taken, *(np.asarray(photofix.deblur(taken, psf=psf)) for psf in (None, "auto")))
            found.append([score(answer, photo).shifted for answer in answers])
        rows.append([name, *(f"{fmean(values):.2f}" for values in zip(*found, strict=True))])
        print(rows[-1], found, file=sys.stderr, flush=True)
    print(markdown([f"{count} photos", "blurred", "network", "--psf auto"], rows))


def _middle(photo: np.ndarray) -> np.ndarray:
    top, left = (max(0, have - want) // 2 for have, want in zip(photo.shape, SIZE, strict=False))
    return np.ascontiguousarray(photo[top : top + SIZE[0], left : left + SIZE[1]])


if __name__ == "__main__":
    main()

"""Clean photographs to train on, decoded once into memory, and random crops of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

#: Photos whose index is a multiple of this are held out: never trained on, for choosing between recipes.
HELD_OUT_EVERY = 40

#: Photos with a shorter side are left out, so that every crop a sampler asks for exists.
SMALLEST_SIDE = 256


def load(folder: Path, shards: list[str], held_out: bool = False) -> list[np.ndarray]:
    """Photographs of the shards as (H, W, 3) uint8 RGB arrays: the training part or the held-out part."""
    files = sorted(file for shard in shards for file in (folder / shard).glob("*.jpg"))
    chosen = [file for i, file in enumerate(files) if (i % HELD_OUT_EVERY == 0) == held_out]
    decoded = [_decode(np.fromfile(file, np.uint8)) for file in chosen]
    return [photo for photo in decoded if min(photo.shape[:2]) >= SMALLEST_SIDE]


def _decode(data: np.ndarray) -> np.ndarray:
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("not a picture")
    return np.ascontiguousarray(picture[:, :, ::-1])


def crop(photos: list[np.ndarray], areas: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random (side, side, 3) uint8 crop, turned and mirrored; a photo is drawn in proportion to its area."""
    photo = photos[int(rng.choice(len(photos), p=areas))]
    top, left = (rng.integers(0, size - side + 1) for size in photo.shape[:2])
    patch = photo[top : top + side, left : left + side]
    patch = np.rot90(patch, int(rng.integers(4)))
    return np.ascontiguousarray(patch[:, ::-1] if rng.random() < 0.5 else patch)


def drawing(side: int, rng: np.random.Generator) -> np.ndarray:
    """A (side, side, 3) uint8 picture that no camera took: flat colors, hard edges, stripes, letters."""
    picture = np.empty((side, side, 3), np.uint8)
    picture[:] = rng.integers(0, 256, 3)
    if rng.random() < 0.4:
        rows, columns = np.indices((side, side))
        slope, width = rng.integers(-2, 3), int(rng.integers(2, 50))
        picture[(columns + slope * rows) // width % 2 == 0] = rng.integers(0, 256, 3)
    for _ in range(int(rng.integers(0, 12))):
        color = [int(value) for value in rng.integers(0, 256, 3)]
        corners = rng.integers(-side // 4, side * 5 // 4, (int(rng.integers(3, 6)), 2)).astype(np.int32)
        smooth = cv2.LINE_AA if rng.random() < 0.7 else cv2.LINE_8
        if rng.random() < 0.5:
            cv2.fillPoly(picture, [corners], color, smooth)
        elif rng.random() < 0.5:
            cv2.polylines(picture, [corners], True, color, int(rng.integers(1, 4)), smooth)
        else:
            letters = "".join(chr(int(code)) for code in rng.integers(33, 127, 12))
            font, size = int(rng.integers(0, 8)), float(rng.uniform(0.3, 2))
            cv2.putText(picture, letters, (int(corners[0, 0]), int(corners[0, 1])), font, size, color, 1, smooth)
    return picture


def area_weights(photos: list[np.ndarray]) -> np.ndarray:
    """Probability of each photo, in proportion to its pixels."""
    areas = np.array([photo.shape[0] * photo.shape[1] for photo in photos], dtype=np.float64)
    shares: np.ndarray = areas / areas.sum()
    return shares

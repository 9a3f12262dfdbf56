"""Scenes of high dynamic range to train on: views into panoramas of light, and photographs taken back to light."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from degrade import inverse_smoothstep, srgb_to_linear
from photofix.photo import Photo
from photofix.read import read

#: Panoramas that no training sees: indoors, in the sun, at dusk, and where windows are far brighter than the room.
HELD_OUT = ("lobby", "park", "venice", "workshop")

#: Above this the photographs themselves may be clipped: what was there is not known.
_UNKNOWN = 250 / 255


def environments(folder: Path, held_out: bool = False) -> dict[str, np.ndarray]:
    """The panoramas (H, W, 3), linear light in units of their median: the training part or the held-out part."""
    found = {}
    for file in sorted(folder.glob("*.hdr")):
        if (file.stem in HELD_OUT) == held_out:
            panorama = read(file)
            assert isinstance(panorama, Photo)
            found[file.stem] = panorama.pixels / np.float32(np.median(panorama.pixels))
    return found


def view(panorama: np.ndarray, shape: tuple[int, int], yaw: float, pitch: float, field: float) -> np.ndarray:
    """What a pinhole camera of (height, width) pixels sees: (h, w, 3); angles in degrees, field across the width."""
    height, width = shape
    focal = float(width / 2 / np.tan(np.radians(field) / 2))
    x, y = np.meshgrid(*(np.arange(side, dtype=np.float32) - (side - 1) / 2 for side in (width, height)))
    tilt = float(np.radians(pitch))
    sine, cosine = np.float32(np.sin(tilt)), np.float32(np.cos(tilt))
    down, ahead = y * cosine - focal * sine, focal * cosine + y * sine
    longitude = np.arctan2(x, ahead) + np.float32(np.radians(yaw))
    latitude = np.arctan2(down, np.hypot(x, ahead))
    rows, columns = panorama.shape[:2]
    across = (longitude / (2 * np.pi) % 1) * columns - 0.5
    along = (latitude / np.pi + 0.5) * rows - 0.5
    wide = cv2.copyMakeBorder(panorama, 0, 0, 2, 2, cv2.BORDER_WRAP)
    seen = cv2.remap(
        wide,
        np.asarray(across + 2, np.float32),
        np.asarray(along, np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.maximum(seen, 1e-6)


def random_view(panoramas: dict[str, np.ndarray], side: int, rng: np.random.Generator) -> np.ndarray:
    """A (side, side, 3) view somewhere near the horizon, mirrored now and then, of another white and contrast."""
    panorama = list(panoramas.values())[int(rng.integers(len(panoramas)))]
    seen = view(
        panorama,
        (side, side),
        rng.uniform(0, 360),
        rng.normal(5, 22),
        float(np.exp(rng.uniform(np.log(20), np.log(80)))),
    )
    if rng.random() < 0.5:
        seen = seen[:, ::-1]
    tint = np.exp(rng.normal(0, 0.12, 3)).astype(np.float32)
    return np.asarray((seen * tint) ** np.float32(rng.uniform(0.85, 1.2)), np.float32)


def light_of(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light of an (H, W, 3) photograph in [0, 1] whose camera's curve is drawn; NaN where it may be clipped itself."""
    known = photo < _UNKNOWN
    share = np.float32(rng.uniform(0, 1))
    light = srgb_to_linear(share * inverse_smoothstep(photo) + (1 - share) * photo)
    return np.where(known, light, np.float32(np.nan))

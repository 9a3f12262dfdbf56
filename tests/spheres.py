"""Small pictures of spheres under one light at a time: what a light stage's camera sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import photofix
from photofix.environment import direction
from photofix.photo import Photo

#: Eight lights around the camera, one above.
LIGHTS = direction(np.array([0.0, 40, -40, 25, -25, 60, -60, 10]), np.array([60.0, 0, 5, 35, 30, 20, 25, -30]))
ALBEDO = np.array([0.7, 0.5, 0.3])


def normals(side: int = 48, radius: float = 20.0) -> np.ndarray:
    """(side, side, 3) of a sphere in the middle; 0 beside it."""
    y, x = (np.mgrid[:side, :side] - (side - 1) / 2) / radius
    inside = x**2 + y**2 < 1
    return np.stack([x, -y, np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))], 2) * inside[..., None]


def matte(toward: np.ndarray) -> np.ndarray:
    """(48, 48, 3) light of a matte sphere whose right half is darker."""
    found = normals()
    albedo = ALBEDO * np.where(np.arange(48) < 24, 1, 0.4)[:, None]
    return np.maximum(found @ toward, 0)[..., None] * albedo


def chrome(toward: np.ndarray) -> np.ndarray:
    """(48, 48, 3) light of a ball that mirrors a lamp a few degrees across, and a dim one behind the camera."""
    found = normals()
    mirrored = 2 * found[..., 2:] * found - np.array([0, 0, 1])
    seen = np.clip((mirrored @ toward - 0.98) / 0.01, 0, 1) + 0.2 * (mirrored[..., 2] > 0.99)
    return np.repeat((seen * (found[..., 2] > 0))[..., None], 3, 2) + 0.01


def save(folder: Path, stem: str, light: list[np.ndarray], ending: str = "exr") -> list[Path]:
    """Pictures STEM.0, STEM.1, ... of light."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{stem}.{number}.{ending}" for number in range(len(light))]
    for path, one in zip(paths, light, strict=True):
        photofix.save(Photo(one.astype(np.float32), "linear"), path)
    return paths


def save_mask(folder: Path, side: int = 48) -> Path:
    mask = (normals(side)[..., 2:] > 0) * np.uint8(255)
    photofix.save(Photo(mask.astype(np.uint8)), folder / "mask.png")
    return folder / "mask.png"

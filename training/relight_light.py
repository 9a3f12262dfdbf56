"""Light to put on rendered solids: environments, studios, windows, lamps.

Light is (DIRECTIONS, 3): what each of a solid's directions adds to the shading of what faces it, for each color.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import panoramas
import photos
import shapes
from photofix.environment import directions, solid_angles
from transfer import DIRECTIONS


@dataclass(frozen=True)
class Surroundings:
    """What is behind and around: photographs, and panoramas as energy (n, 3) from directions (n, 3)."""

    photos: list[np.ndarray]
    panoramas: list[tuple[np.ndarray, np.ndarray]]


def surroundings(folder: Path, shards: list[str], held_out: bool = False) -> Surroundings:
    pictures = photos.load(folder, shards, held_out)
    small = [cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for photo in pictures]
    around = panoramas.environments(folder.parent / "environments", held_out)
    return Surroundings(small, [_energy(panorama) for panorama in around.values()])


def _energy(panorama: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    few = cv2.resize(panorama, (64, 32), interpolation=cv2.INTER_AREA)
    energy = few * solid_angles(32, 64)[:, None, None]
    return directions(32, 64).reshape(-1, 3), energy.reshape(-1, 3)


def draw_light(toward: np.ndarray, around: Surroundings, rng: np.random.Generator) -> np.ndarray:
    """An environment, a studio, a window, a lamp in the dark, or several of them."""
    chance = rng.random()
    if chance < 0.25:
        light = _environment(toward, around, rng)
    elif chance < 0.42:
        light = _environment(toward, around, rng) * rng.uniform(0.2, 1) + _lamp(toward, rng, _anywhere(rng))
    elif chance < 0.62:
        light = _studio(toward, rng)
    elif chance < 0.88:
        light = _lamp(toward, rng, _anywhere(rng), hard=True) + _ambient(toward, rng) * rng.choice([0, 0, 0.03, 0.15])
    elif chance < 0.95:
        side = np.array([rng.choice([-1, 1]), rng.uniform(-0.2, 0.8), rng.uniform(-0.4, 1)])
        light = _lamp(toward, rng, side, sharpness=rng.uniform(1.5, 5)) + _ambient(toward, rng) * rng.uniform(0.05, 0.4)
    else:
        front = np.array([rng.normal(0, 0.15), rng.normal(0.1, 0.15), 1])
        light = _lamp(toward, rng, front) + _ambient(toward, rng) * rng.uniform(0, 0.8)
    # The camera's white balance takes off most of the light's color.
    cast = light.sum(0) / light.sum()
    return light * (cast.mean() / cast) ** rng.uniform(0.5, 1.05) if rng.random() < 0.85 else light


def _anywhere(rng: np.random.Generator) -> np.ndarray:
    """Seldom from far behind or far below: such light shows little."""
    return rng.normal(size=3) * [1, 0.8, 0.8] + [0, 0.4, 0.8]


def _tint(rng: np.random.Generator) -> np.ndarray:
    return np.exp(rng.normal(0, 0.2) * np.array([1, 0, -1]) + rng.normal(0, 0.04) * np.array([0.5, -1, 0.5]))


def _lamp(
    toward: np.ndarray, rng: np.random.Generator, place: np.ndarray, hard: bool = False, sharpness: float = 0
) -> np.ndarray:
    """Light from about one direction: a point where it is hard, else a lobe that is the wider the less sharp."""
    cosine = toward @ (place / np.linalg.norm(place))
    sharpness = sharpness or float(np.exp(rng.uniform(np.log(3), np.log(60))))
    # A point is in one of the directions that there are, so that its shadows are exact.
    lobe = np.exp(sharpness * (cosine - 1)) if not (hard or rng.random() < 0.3) else cosine == cosine.max()
    return (lobe / lobe.sum())[:, None] * _tint(rng)


def _ambient(toward: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """From everywhere, but more from above."""
    sky = 1 + rng.uniform(-0.2, 0.9) * toward[:, 1]
    return (sky / sky.sum() * 4)[:, None] * _tint(rng)


def _studio(toward: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Key, fill on the other side, perhaps one from behind, and the room."""
    side = rng.choice([-1, 1])
    key = shapes.rotation(side * rng.uniform(5, 80), -rng.uniform(-5, 65)) @ [0, 0, 1]
    fill = shapes.rotation(-side * rng.uniform(0, 70), -rng.uniform(-15, 30)) @ [0, 0, 1]
    light = _lamp(toward, rng, key) + _ambient(toward, rng) * rng.uniform(0.02, 0.5)
    light = light + _lamp(toward, rng, fill, sharpness=rng.uniform(1.5, 8)) * rng.uniform(0, 0.7)
    if rng.random() < 0.3:
        behind = np.array([rng.choice([-1, 1]), rng.uniform(0, 1), rng.uniform(-1.2, -0.4)])
        light = light + _lamp(toward, rng, behind) * rng.uniform(0.2, 1)
    return light


def _environment(toward: np.ndarray, around: Surroundings, rng: np.random.Generator) -> np.ndarray:
    """One or two panoramas, turned; each of their pixels goes to the nearest direction."""
    total = np.zeros((DIRECTIONS, 3))
    for share in (1.0, rng.choice([0, 0, 1]) * rng.uniform(0, 1)):
        if share:
            there, energy = around.panoramas[int(rng.integers(len(around.panoramas)))]
            tilt = shapes.rotation(rng.uniform(0, 360)) @ shapes.rotation(0, rng.normal(0, 8), rng.normal(0, 6))
            nearest = (there @ tilt.T @ toward.T).argmax(1)
            light = np.stack([np.bincount(nearest, energy[:, c], DIRECTIONS) for c in range(3)], 1)
            total += light / light.sum() * share * _tint(rng)
    return total * 4

"""What rendered solids are made of, and what light makes of that."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

import degrade
import shapes
from relight_light import Surroundings
from transfer import DIRECTIONS, Transfer


def albedo(known: Transfer, around: Surroundings, rng: np.random.Generator) -> np.ndarray:
    """(P, 3): how much of each color the surface gives back."""
    if known.kind == "person":
        return _skin(known, around, rng)
    if known.kind == "still life":
        shades = _material(known.places, around, rng)
        for part in range(known.marks.shape[1]):
            mark = known.marks[:, part : part + 1]
            if mark.any():
                shades = shades * (1 - mark) + _material(known.places, around, rng) * mark
        return shades
    return _material(known.places, around, rng)


def _material(places: np.ndarray, around: Surroundings, rng: np.random.Generator) -> np.ndarray:
    """Flat, clouded, striped, or a photograph laid over it."""
    chance, base = rng.random(), color(rng)
    if chance < 0.35:
        return np.broadcast_to(base, (len(places), 3)) * np.exp(rng.uniform(0, 0.08) * _field(places, rng, 9))[:, None]
    if chance < 0.62:
        share = 1 / (1 + np.exp(-_field(places, rng, rng.uniform(3, 20)) * np.exp(rng.uniform(0, 3))))
        return base * share[:, None] + color(rng) * (1 - share[:, None])
    if chance < 0.7:
        wave = np.sin(_laid(places, rng)[:, 0] * rng.uniform(8, 50)) > rng.uniform(-0.5, 0.5)
        return np.where(wave[:, None], base, color(rng))
    photo = around.photos[int(rng.integers(len(around.photos)))]
    flat = _laid(places, rng) * rng.uniform(0.15, 0.6) * min(photo.shape[:2]) + rng.uniform(0, 500, 2)
    # A photo goes on mirrored beyond its edges.
    across, along = (
        np.abs((flat[:, axis] + size) % (2 * size) - size).clip(0, size - 1).astype(np.intp)
        for axis, size in ((0, photo.shape[1]), (1, photo.shape[0]))
    )
    light = degrade.srgb_to_linear(photo[along, across].astype(np.float32) / 255)
    return (light / (light.mean() + 0.02)) ** rng.uniform(0.4, 1.1) * rng.uniform(0.15, 0.5)


def color(rng: np.random.Generator) -> np.ndarray:
    """Gray as often as not."""
    value = rng.uniform(0.04, 0.85)
    vivid = rng.choice([0.05, 0.25, 0.6])
    return np.clip(value * np.exp(rng.normal(0, vivid, 3)), 0.01, 0.95)


def _field(places: np.ndarray, rng: np.random.Generator, finest: float) -> np.ndarray:
    return shapes.waves(places, rng, 8, finest)


def _laid(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (places @ shapes.any_rotation(rng))[:, :2]


def _skin(known: Transfer, around: Surroundings, rng: np.random.Generator) -> np.ndarray:
    """Skin from light to dark, blotched; lips, brows, hair, clothes, eyes."""
    dark = rng.uniform(0, 1) ** 1.3
    tone = np.exp((1 - dark) * np.log([0.62, 0.36, 0.26]) + dark * np.log([0.09, 0.045, 0.03]) + rng.normal(0, 0.08, 3))
    red = rng.uniform(0.02, 0.12) * _field(known.places, rng, 5) + rng.uniform(0, 0.06) * _field(known.places, rng, 30)
    shade = rng.uniform(0.02, 0.12) * _field(known.places, rng, 14)
    shades = tone * np.exp(red[:, None] * [0.3, -1, -0.8] + shade[:, None])
    if rng.random() < 0.15:  # a beard, or paint
        share = 1 / (1 + np.exp(-6 * (_field(known.places, rng, 4) - rng.uniform(0, 1))))
        shades = shades * (1 - share[:, None] * rng.uniform(0.2, 0.8))
    lips, brows, hair, cloth, eyes, _ = (known.marks[:, mark : mark + 1] for mark in range(6))
    hue = np.exp(rng.uniform(np.log(0.012), np.log(0.5))) * np.exp(rng.uniform(0, 0.45) * np.array([0.7, 0, -1]))
    strands = np.exp(rng.uniform(0, 0.5) * _field(known.places * [1, rng.uniform(0.2, 1), 1], rng, 40))[:, None]
    shades = shades * (1 + lips * (np.array([0.9, 0.55, 0.55]) * rng.uniform(0.7, 1.1) - 1))
    shades = shades + np.clip(brows * rng.uniform(0, 1.2), 0, 1) * (hue * strands - shades)
    shades = shades + hair * (hue * strands - shades)
    shades = shades + cloth * (_clothes(known.places / 3, around, rng) - shades)
    return np.clip(shades + eyes * (_eyes(known, rng) - shades), 0.005, 0.95)


def _clothes(places: np.ndarray, around: Surroundings, rng: np.random.Generator) -> np.ndarray:
    """One or two materials, dark more often than other things are."""
    first, second = (
        _material(places, around, rng) if rng.random() < 0.6 else color(rng) * rng.uniform(0.02, 0.15) + 0 * places
        for _ in range(2)
    )
    if rng.random() < 0.5:
        return first
    return np.where((_field(places, rng, 2.5) > rng.uniform(-0.5, 0.5))[:, None], first, second)


def _eyes(known: Transfer, rng: np.random.Generator) -> np.ndarray:
    """(P, 3): whites, and a dark disc in the middle of each."""
    plane = np.zeros(known.mask.shape, np.uint8)
    plane[known.mask] = known.marks[:, 4] > 0.5
    count, _, boxes, middles = cv2.connectedComponentsWithStats(plane)
    rows, columns = np.nonzero(known.mask)
    colors = np.full((len(rows), 3), rng.uniform(0.3, 0.6))
    for one in range(1, count):
        radius = 0.3 * boxes[one, cv2.CC_STAT_WIDTH]
        colors[np.hypot(columns - middles[one, 0], rows - middles[one, 1]) < radius] = rng.uniform(0.01, 0.1, 3)
    return colors


@dataclass(frozen=True)
class Gloss:
    """Blinn and Phong's highlights: how much is given back, and how narrow they are."""

    strength: float
    power: float


def draw_gloss(rng: np.random.Generator) -> Gloss:
    if rng.random() < 0.4:
        return Gloss(0, 1)
    return Gloss(rng.choice([0.03, 0.05, 0.15]) * rng.uniform(0.3, 1.2), float(np.exp(rng.uniform(1, 4.5))))


def lit(known: Transfer, shades: np.ndarray, gloss: Gloss, light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Linear light that reaches the camera, and the shading: (P, 3) each."""
    cosine = np.maximum(known.normals @ known.directions.T.astype(np.float32), 0)
    arriving = cosine * known.seen
    # What hides the sky is lit too, about as brightly as the rest; all of the sky sums up to DIRECTIONS / 4.
    hidden = np.maximum(1 - arriving @ np.full(DIRECTIONS, 4 / DIRECTIONS, np.float32), 0)
    shading = arriving @ light.astype(np.float32)
    shading = shading + hidden[:, None] * (shading.mean(0) * shades.mean(0) * 0.7)
    sent = shades * shading
    if gloss.strength:
        brightest = np.argsort(-light.sum(1))[:10]
        halfway = known.directions[brightest] + [0, 0, 1]
        halfway = halfway / (np.linalg.norm(halfway, axis=1, keepdims=True) + 1e-6)
        grazing = 1 + 8 * (1 - halfway[:, 2].clip(0, 1)) ** 5
        lobe = np.maximum(known.normals @ halfway.T.astype(np.float32), 0) ** gloss.power
        weight = gloss.strength * (gloss.power + 8) / 8 * grazing[:, None] * light[brightest]
        sent = sent + (lobe * arriving[:, brightest]) @ weight
    return sent, shading

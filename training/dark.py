"""Darkness as it comes about: little light, uneven light, few electrons.

Everything is drawn per picture from a numpy generator and works on float32 (H, W, 3) pictures, sRGB-encoded in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

import degrade
from degrade import linear_to_srgb as linear_to_srgb
from degrade import srgb_to_linear as srgb_to_linear


@dataclass(frozen=True)
class Scene:
    """A dark photo made small and what it should have been; (H, W, 3) float32.

    seen, light: linear, as its pixels' means are with noise and black cut off, and as they were without.
    target: sRGB-encoded. exposure: stops between the two, typically. flat: the target has a camera's tone curve on it,
    the light has none.
    """

    seen: np.ndarray
    light: np.ndarray
    target: np.ndarray
    exposure: float
    flat: bool


def well_exposed(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photo, sRGB-encoded, whose mean is that of most photos: others get a curve that brings it there.

    Not every photo is well exposed, and some are dark on purpose. Who asks for light does not mean these.
    """
    mean, wanted = float(photo.mean()), rng.uniform(0.36, 0.54)
    if 0.36 < mean < 0.54:
        return photo
    power = float(np.clip(np.log(wanted) / np.log(np.clip(mean, 0.02, 0.98)), 0.4, 1.8))
    return np.asarray(photo**power, np.float32)


def scene(photo: np.ndarray, rng: np.random.Generator) -> Scene:
    """A well-exposed photo, small and sRGB-encoded, and the dark one that it may have been.

    A fifth come as they are, or are lamps in the dark, which are to stay so. A quarter have too little light and
    nothing else. In the others light is uneven as well: what a finished photo shows together, sky and ground, window
    and room, lies stops further apart in the scene.
    """
    if rng.random() < 0.06:
        photo = np.repeat(photo.mean(2, keepdims=True), 3, 2)
    kind, flat = rng.random(), rng.random() < 0.25
    bright = srgb_to_linear(degrade.inverse_smoothstep(photo) if flat else photo)
    if kind < 0.05:
        night = _lamps(photo.shape[:2], rng)
        return Scene(_averaged(night, rng), night, linear_to_srgb(night), 0.0, flat)
    if kind < 0.22:
        return Scene(bright, bright, photo, 0.0, flat)
    stops = 0.4 + 7.2 * rng.random() ** 1.3
    if kind < 0.45:
        light = bright * np.float32(2**-stops)
    else:
        relief = _relief(bright, rng) + _fields(photo.shape[:2], rng) + rng.normal(0, 0.12, 3)
        light = bright * np.exp2(relief - np.median(relief)).astype(np.float32)
        if rng.random() < 0.8:  # a photo is mostly taken so that what is bright is not lost
            stops = max(stops, float(np.log2(np.quantile(light, 0.995) + 1e-6)))
        light = light * np.float32(2**-stops)
        light = light if flat else _toned(light, rng)
    light = light.clip(0, 1)
    middle = (bright.mean(2) > 0.02) & (bright.mean(2) < 0.8)
    if middle.sum() > 100:
        stops = float(np.median(np.log2((bright.mean(2)[middle]) / (light.mean(2)[middle] + 1e-7))))
    return Scene(_averaged(light, rng), light, photo, stops, flat)


def _relief(bright: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 1) stops by which what is bright is brighter still, and what is dark darker: along the edges of things."""
    stops = np.log2(bright.mean(2) + 1e-3)
    radius = int(rng.integers(4, 17)) * 2 + 1
    mean, square = (cv2.blur(part, (radius, radius)) for part in (stops, stops * stops))
    variance = square - mean * mean
    slope = variance / (variance + 0.3)
    slope, offset = (cv2.blur(part, (radius, radius)) for part in (slope, mean - slope * mean))
    return np.asarray((rng.uniform(0, 1.3) * (slope * stops + offset))[:, :, None])


def _fields(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(H, W, 1) stops of lamps, windows, a light to one side, a lens that darkens the corners."""
    rows, columns = (axis[:, :, None] for axis in np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    field = rng.normal(0, 0.6) * rows + rng.normal(0, 0.6) * columns - rng.uniform(0, 0.5) * (rows**2 + columns**2)
    light = np.zeros((*shape, 1))
    for _ in range(int(rng.integers(0, 4))):
        down, right = rng.uniform(-1.1, 1.1, 2)
        size, power = rng.uniform(0.05, 0.6), np.exp2(rng.uniform(0, 5))
        if rng.random() < 0.7:  # falls off as light does
            light += power / (1 + ((rows - down) ** 2 + (columns - right) ** 2) / size**2)
        else:  # a beam through a window
            inside = np.maximum(abs(rows - down), abs(columns - right) * rng.uniform(0.4, 2.5)) < size
            light += power * cv2.GaussianBlur(inside.astype(np.float32), (0, 0), rng.uniform(0.6, 6))[:, :, None]
    return np.asarray(field + np.log2(1 + light))


def _lamps(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) linear light of one or a few lamps and what little they light."""
    night = np.zeros((*shape, 3))
    for _ in range(int(rng.integers(1, 5))):
        spot = np.zeros(shape, np.float32)
        spot[int(rng.integers(shape[0])), int(rng.integers(shape[1]))] = 1
        for size, power in (
            (rng.uniform(0.7, 4), np.exp2(rng.uniform(0, 4))),
            (rng.uniform(5, 40), rng.uniform(0, 0.05)),
        ):
            wide = cv2.GaussianBlur(spot, (0, 0), size)
            night += (power * wide / wide.max())[:, :, None] * rng.uniform(0.4, 1, 3)
    return (night + 10 ** rng.uniform(-6, -3.3)).clip(0, 1).astype(np.float32)


def _toned(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of light: an S-shaped curve, more or less color."""
    shown = linear_to_srgb(light.clip(0, 1))
    tone = rng.uniform(0, 0.7) if rng.random() < 0.5 else 0.0
    shown = shown + np.float32(tone) * (shown * shown * (3 - 2 * shown) - shown)
    gray = shown.mean(2, keepdims=True)
    return srgb_to_linear((gray + np.float32(rng.uniform(0.75, 1.15)) * (shown - gray)).clip(0, 1))


def _averaged(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The means of many noisy pixels each, from which black has been cut off: brighter than black."""
    well = np.exp(rng.uniform(np.log(1500), np.log(60_000)))
    sigma = np.sqrt(light / well + (rng.uniform(1, 5) / well) ** 2) * (rng.random() < 0.7) + 1e-7
    at = light / sigma
    # The mean of a normal variable cut off at 0, with the logistic curve for the normal distribution's.
    mean = light / (1 + np.exp(-1.702 * at)) + sigma * np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    noise = rng.normal(0, 1, light.shape) * sigma / rng.uniform(1.5, 16)
    return np.asarray((mean + noise).clip(0, 1), np.float32)

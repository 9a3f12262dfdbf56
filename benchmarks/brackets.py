"""Simulated brackets: views into panoramas that nothing was trained on, exposed three times by a camera with noise.

The truth is the scene's light in units of the reference's white, cut off where the shortest exposure clips: what is
brighter no method can know.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from photofix.color import linear_to_srgb
from photofix.noise import profile_for_iso
from pictures import DATA

sys.path.append(str(Path(__file__).resolve().parents[1] / "training"))
import panoramas

EVS = (-2.0, 0.0, 2.0)
REFERENCE = 1
SIZE = (384, 512)

#: Share of the middle frame's pixels that clip, the sensor's ISO, and how much of an S-curve its camera adds to sRGB's.
CLIPPED, ISO, CONTRAST = 0.05, 800, 0.5

#: Of a shaken hand: pixels, degrees. Of what moves through the picture: pixels a frame, half axes.
SHIFT, TURN, SPEED, HALF_AXES = 6.0, 0.4, (17.0, 7.0), (60, 42)

#: The power of a code that is light, of the NTIRE 2021 challenge's frames.
_NTIRE_GAMMA = 2.24

#: Pixels around a view that a shaken frame may see.
_MARGIN = 32


@dataclass(frozen=True)
class Bracket:
    """Frames (H, W, 3) uint8 and their exposures; truth (H, W, 3) light; moving (H, W) bool: where anything moves."""

    frames: tuple[np.ndarray, ...]
    truth: np.ndarray
    moving: np.ndarray
    evs: tuple[float, ...] = EVS


def views(turns: int = 3) -> list[np.ndarray]:
    """Some views of each held-out panorama, (H, W, 3) light with the reference's white at 1, with a margin."""
    shape = (SIZE[0] + 2 * _MARGIN, SIZE[1] + 2 * _MARGIN)
    found = []
    for place, panorama in enumerate(panoramas.environments(DATA / "environments", held_out=True).values()):
        for turn in range(turns):
            seen = panoramas.view(panorama, shape, 40 * place + 360 / turns * turn, 5, 80)
            found.append(seen / np.quantile(seen.max(2), 1 - CLIPPED))
    return found


def load_ntire(folder: Path) -> list[Bracket]:
    """The crops of the NTIRE 2021 challenge in a folder; their exposures are in EV.

    Their truth is stored as the root of light that their frames are: a line through both has a slope of 1.00 and leaves
    1 % (where the middle frame is neither dark nor clipped).
    """
    found = []
    for crop in sorted(folder.iterdir()):
        frames = tuple(_rgb(crop / f"{place}.png") for place in range(3))
        stored = _rgb(crop / "gt.png").astype(np.float32) / np.float32(np.load(crop / "alignratio.npy"))
        truth = stored ** np.float32(_NTIRE_GAMMA)
        evs = tuple(float(ev) for ev in np.load(crop / "exposures.npy"))
        found.append(Bracket(frames, np.maximum(truth, 1e-6), np.zeros(truth.shape[:2], bool), evs))
    return found


def _rgb(file: Path) -> np.ndarray:
    pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None, f"{file} is no picture"
    return np.ascontiguousarray(pixels[:, :, ::-1])


def static(scene: np.ndarray, seed: int) -> Bracket:
    """A tripod's bracket of a scene where nothing moves."""
    truth = _inner(scene)
    return _bracket([truth] * len(EVS), truth, np.zeros(SIZE, bool), seed)


def moving(scene: np.ndarray, other: np.ndarray, seed: int) -> Bracket:
    """A hand's bracket of a scene through which a piece of another one moves."""
    rng = np.random.default_rng((seed, 1))
    start = np.array(SIZE[::-1]) * rng.uniform(0.35, 0.65, 2) + _MARGIN
    turned = cv2.rotate(other, cv2.ROTATE_180)
    lights, region = [], np.zeros(scene.shape[:2], bool)
    for place in range(len(EVS)):
        middle = start + (place - REFERENCE) * np.array(SPEED)
        cover = _ellipse(scene.shape[:2], middle, 25 * (place - REFERENCE))
        shift = np.array([[1, 0, middle[0] - start[0]], [0, 1, middle[1] - start[1]]], np.float64)
        piece = cv2.warpAffine(turned, shift, scene.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
        lights.append(scene + cover[..., None] * (piece - scene))
        region |= cover > 0
    truth = _inner(lights[REFERENCE])
    seen = [
        _inner(light) if place == REFERENCE else _shaken(light, EVS[place], rng) for place, light in enumerate(lights)
    ]
    return _bracket(seen, truth, _inner(region), seed)


def encode(light: np.ndarray) -> np.ndarray:
    """A camera's numbers, in [0, 1], for light that it clips at 1: sRGB with an S-curve mixed in."""
    encoded = linear_to_srgb(light.clip(0, 1).astype(np.float32))
    return encoded + np.float32(CONTRAST) * (encoded * encoded * (3 - 2 * encoded) - encoded)


def _bracket(lights: list[np.ndarray], truth: np.ndarray, region: np.ndarray, seed: int) -> Bracket:
    rng, (shot, read) = np.random.default_rng(seed), profile_for_iso(ISO)
    frames = []
    for light, ev in zip(lights, EVS, strict=True):
        signal = light * np.float32(2**ev)
        noisy = signal + rng.standard_normal(light.shape, np.float32) * np.sqrt(shot * signal + read)
        frames.append(np.rint(encode(noisy) * 255).astype(np.uint8))
    return Bracket(tuple(frames), np.minimum(truth, np.float32(2 ** -min(EVS))), region)


def _shaken(light: np.ndarray, ev: float, rng: np.random.Generator) -> np.ndarray:
    height, width = light.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, TURN), 1)
    matrix[:, 2] = matrix[:, 2] + rng.uniform(-SHIFT, SHIFT, 2)
    # A moved frame would be softer than the others, and the reference judged sharp: resampled as sharply as can be.
    # What is far brighter than the frame shows would ring.
    seen = np.minimum(light, np.float32(2 * 2**-ev))
    return np.maximum(_inner(cv2.warpAffine(seen, matrix, (width, height), flags=cv2.INTER_LANCZOS4)), 0)


def _ellipse(shape: tuple[int, ...], middle: np.ndarray, angle: float) -> np.ndarray:
    cover = np.zeros(shape, np.float32)
    center = (round(middle[0]), round(middle[1]))
    cv2.ellipse(cover, center, HALF_AXES, angle, 0, 360, 1.0, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(cover, (0, 0), 0.7)


def _inner(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])

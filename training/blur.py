"""Blur as it comes about: a hand that shakes, a subject that moves, a lens that is out of focus; in linear light.

Everything is drawn per patch from a numpy generator and works on float32 (H, W, 3) pictures. The shaking hand follows
"Modeling the Performance of Image Restoration From Motion Blur" (Boracchi and Foi, TIP 2012): a point with inertia,
pushed about at random, pulled back and jerked now and then. It moves in six degrees of freedom: two of them shift a
patch, turning about the optical axis and nearing the scene make the blur vary over it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from degrade import compress, linear_to_srgb, srgb_to_linear

#: How far outside of a patch blur reaches for light, in pixels.
REACH = 40

#: Longest way that a point of the picture goes during the exposure, in pixels.
LONGEST = 44.0


@dataclass(frozen=True)
class Blurred:
    """A patch as it was taken and as it should have been, sRGB-encoded, and what had happened to it.

    taken, sharp: float32 (H, W, 3). noise: what noise and compression added. motion, defocus: what blurred it.
    """

    taken: np.ndarray
    sharp: np.ndarray
    noise: np.ndarray
    motion: bool
    defocus: bool


def blurred(photo: np.ndarray, rng: np.random.Generator) -> Blurred:
    """A blurred patch from a sharp, larger one: REACH pixels on each side only lend their light."""
    kind = rng.random()
    motion, defocus = kind < 0.72, 0.64 < kind < 0.86  # both between, neither at the end
    # Most pictures are made in linear light; some come through a tone curve that nobody knows, or are averages of
    # finished frames, as high-speed cameras give them.
    linear = rng.random() < 0.7
    scene = _lit(srgb_to_linear(photo), rng) if linear else photo
    soft = _defocused(scene, rng) if defocus else scene
    soft = _moved(soft, rng) if motion else soft
    inner = (slice(REACH, -REACH), slice(REACH, -REACH))
    sharp, soft = np.clip(scene[inner], 0, 1), np.clip(soft[inner], 0, 1)
    loud = _noisy(soft, rng)
    if linear:
        tone = rng.uniform(0, 1) if rng.random() < 0.5 else 0.0
        sharp, soft, loud = (_toned(linear_to_srgb(picture), tone) for picture in (sharp, soft, loud))
    loud = np.clip(loud, 0, 1)
    taken = compress(loud, rng) if rng.random() < 0.6 else np.rint(loud * 255) / 255
    return Blurred(taken.astype(np.float32), sharp, taken - soft, motion, defocus)


def _lit(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The light that a photo shows clipped was brighter; at night, lamps are brighter still."""
    if rng.random() < 0.5:
        over = np.clip((scene.max(axis=2, keepdims=True) - 0.9) / 0.1, 0, 1)
        scene = scene * (1 + over * np.float32(rng.exponential(1.5)))
    night = rng.random()
    if night < 0.25:
        scene = scene * np.float32(np.exp(rng.uniform(np.log(0.05), 0)))
    if night < 0.12:
        scene = scene.copy()
        for _ in range(int(rng.integers(1, 8))):
            place = [int(value) for value in rng.integers(0, scene.shape[0], 2)]
            color = rng.uniform(0.3, 1, 3) * np.exp(rng.uniform(0, 4))
            cv2.circle(scene, place, int(rng.integers(1, 4)), color.tolist(), -1, cv2.LINE_8)
    return np.ascontiguousarray(scene, np.float32)


def trajectory(length: float, rng: np.random.Generator, points: int) -> np.ndarray:
    """(points, 2) places of a shaken point, in pixels, their mean at the origin; the whole way is `length` long."""
    fear, jerk, kick = rng.uniform(0, 0.6), rng.uniform(0, 0.15), rng.uniform(0, 0.6)
    velocity = np.exp(1j * rng.uniform(0, 2 * np.pi))
    place, places = 0j, []
    for _ in range(96):
        push = kick * complex(*rng.normal(0, 1, 2)) - fear * place / 10
        velocity = velocity + 0.3 * push
        if rng.random() < jerk / 8:
            velocity = 2 * velocity * np.exp(1j * (np.pi + rng.normal(0, 0.5)))
        velocity /= abs(velocity) + 1e-6
        place = place + velocity
        places.append(place)
    way = np.array(places) * length / 96
    # Fast here and slow there: time passes unevenly along the way.
    pace = np.cumsum(np.exp(rng.normal(0, 0.6) * np.cos(np.linspace(0, rng.uniform(1, 9), 96) + rng.uniform(0, 6))))
    at = np.interp(np.linspace(pace[0], pace[-1], points), pace, np.arange(96.0))
    shaken = np.interp(at, np.arange(96.0), way.real) + 1j * np.interp(at, np.arange(96.0), way.imag)
    shaken -= shaken.mean()
    return np.stack([shaken.real, shaken.imag], axis=1)


def _shake(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean of what a moving camera sees; the optical axis is somewhere beside the patch."""
    length = float(np.exp(rng.uniform(np.log(3), np.log(LONGEST))))
    points = int(np.ceil(length * 1.2)) + 2
    straight = rng.random() < 0.25
    if straight:
        angle = rng.uniform(0, 2 * np.pi)
        shift = np.linspace(-0.5, 0.5, points)[:, None] * length * np.array([[np.cos(angle), np.sin(angle)]])
    else:
        shift = trajectory(length, rng, points)
    # Half a degree turns a corner of a 12-megapixel picture by 22 pixels; a patch is a smaller part of its picture.
    roll, zoom = (np.zeros(points), np.zeros(points))
    if rng.random() < 0.5:
        turning = trajectory(1.0, rng, points)
        roll, zoom = turning[:, 0] * rng.normal(0, 0.1), turning[:, 1] * rng.normal(0, 0.02)
    axis = rng.uniform(-200, 200, 2) + scene.shape[0] / 2
    return _mean_view(scene, shift, roll, zoom, axis)


def _mean_view(
    scene: np.ndarray, shift: np.ndarray, roll: np.ndarray, zoom: np.ndarray, axis: np.ndarray
) -> np.ndarray:
    size = scene.shape[:2]
    moves = [np.array([[1 + z, -r], [r, 1 + z]]) for r, z in zip(roll, zoom, strict=True)]
    offsets = np.array([move @ (size_half(scene) - axis) for move in moves]) + axis + shift
    offsets -= offsets.mean(axis=0) - size_half(scene)  # the middle of the patch stays, on average, where it is
    if all(np.array_equal(move, np.eye(2)) for move in moves):
        return cv2.filter2D(scene, -1, splat(offsets - size_half(scene)), borderType=cv2.BORDER_REFLECT_101)
    total = np.zeros_like(scene)
    for move, offset in zip(moves, offsets, strict=True):
        matrix = np.hstack([move, (offset - move @ size_half(scene))[:, None]])
        total += cv2.warpAffine(scene, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return total / len(moves)


def size_half(scene: np.ndarray) -> np.ndarray:
    return np.array(scene.shape[1::-1]) / 2


def splat(places: np.ndarray) -> np.ndarray:
    """The odd-sized kernel of a point that was at these (N, 2) places x, y, shared out to the pixels around each."""
    half = int(np.ceil(np.abs(places).max())) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    corner = np.floor(places).astype(int)
    part = places - corner
    for right in (0, 1):
        for down in (0, 1):
            weight = np.abs(1 - right - part[:, 0]) * np.abs(1 - down - part[:, 1])
            np.add.at(kernel, (corner[:, 1] + down + half, corner[:, 0] + right + half), weight)
    # filter2D correlates: the kernel is turned so that light goes where the point went.
    turned: np.ndarray = kernel[::-1, ::-1] / kernel.sum()
    return np.ascontiguousarray(turned)


def _moved(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shaken as a whole; now and then only a subject moves, or it moves otherwise than what is behind it."""
    if rng.random() > 0.15:
        return _shake(scene, rng)
    cover = _subject(scene.shape[0], rng)
    background = _shake(scene, rng) if rng.random() < 0.4 else scene
    joint = _shake(np.dstack([scene * cover[:, :, None], cover]), rng)
    together: np.ndarray = background * (1 - joint[:, :, 3:]) + joint[:, :, :3]
    return together


def _subject(side: int, rng: np.random.Generator) -> np.ndarray:
    """(side, side) cover in [0, 1] of something roundish or angular, about a third of the patch."""
    cover = np.zeros((side, side), np.float32)
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 12))))
    radius = side * rng.uniform(0.15, 0.4, len(angles))
    middle = rng.uniform(0.25, 0.75, 2) * side
    corners = np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] + middle
    cv2.fillPoly(cover, [corners.astype(np.int32)], 1.0, cv2.LINE_AA)
    return cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.5, 2.5))


def _defocused(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A disk or a Gaussian; now and then a subject and what is behind it lie at different distances."""
    near = _out_of_focus(scene, rng)
    if rng.random() > 0.2:
        return near
    cover = _subject(scene.shape[0], rng)[:, :, None]
    far = _out_of_focus(scene, rng) if rng.random() < 0.5 else scene
    together: np.ndarray = near * cover + far * (1 - cover)
    return together


def _out_of_focus(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.4:
        return cv2.GaussianBlur(scene, (0, 0), np.exp(rng.uniform(np.log(0.4), np.log(3.5))))
    return cv2.filter2D(
        scene, -1, disk(np.exp(rng.uniform(np.log(0.6), np.log(7.0)))), borderType=cv2.BORDER_REFLECT_101
    )


def disk(radius: float) -> np.ndarray:
    """The kernel of a lens out of focus: an even disk, its edge shared out to the pixels it crosses."""
    half = int(np.ceil(radius + 0.5))
    rows, columns = np.indices((2 * half + 1, 2 * half + 1)) - half
    kernel = np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1).astype(np.float32)
    even: np.ndarray = kernel / kernel.sum()
    return even


def _noisy(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shot and read noise, mostly little: who shakes has not always a high ISO; a fifth has none."""
    if rng.random() < 0.2:
        return light
    shot = np.exp(rng.uniform(np.log(1e-6), np.log(2e-3)))
    read = np.exp(rng.uniform(np.log(1e-8), np.log(1e-4)))
    fine = rng.normal(0, 1, light.shape).astype(np.float32)
    noise: np.ndarray = fine * np.sqrt(np.float32(shot) * light + np.float32(read))
    loud: np.ndarray = light + noise
    return loud


def _toned(encoded: np.ndarray, tone: float) -> np.ndarray:
    bent: np.ndarray = encoded * encoded * (3 - 2 * encoded) - encoded
    toned: np.ndarray = encoded + np.float32(tone) * bent
    return toned

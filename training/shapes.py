"""Solids to render: heads and people, statues, animals and things, and shapes that are made up.

Each comes about a unit large around the origin, x right, y up, z towards who looks at it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: What `Solid.marks` says of each vertex of a person, in [0, 1]; of several things, which of them it belongs to.
MARKS = ("lips", "brows", "hair", "cloth", "eyes", "face")


@dataclass(frozen=True)
class Solid:
    """Triangles: vertices (V, 3), faces (F, 3), unit normals (V, 3), marks (V, 6)."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    marks: np.ndarray

    def turned(self, rotation: np.ndarray) -> Solid:
        return Solid(self.vertices @ rotation.T, self.faces, self.normals @ rotation.T, self.marks)


def solid(vertices: np.ndarray, faces: np.ndarray, marks: np.ndarray | None = None) -> Solid:
    """Triangles with normals that are means over the faces around each vertex."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    return Solid(vertices, faces, normals, np.zeros((len(vertices), len(MARKS))) if marks is None else marks)


def rotation(yaw: float, pitch: float = 0, roll: float = 0) -> np.ndarray:
    """Turn about z by roll, then about x by pitch, then about y by yaw; degrees."""
    a, b, c = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def any_rotation(rng: np.random.Generator) -> np.ndarray:
    """Every turn is as likely as every other."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q if np.linalg.det(q) > 0 else -q)


def together(parts: list[Solid]) -> Solid:
    """Several solids as one."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    vertices, normals, marks = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("vertices", "normals", "marks")
    )
    return Solid(vertices, faces, normals, marks)


def load(file: Path) -> Solid:
    """A mesh, moved to the origin and made as large as a unit sphere."""
    with np.load(file) as stored:
        vertices, faces = stored["vertices"].astype(np.float64), stored["faces"].astype(np.int64)
    return solid(_unit(vertices), faces)


def _unit(vertices: np.ndarray) -> np.ndarray:
    middle = (vertices.min(0) + vertices.max(0)) / 2
    centered = vertices - middle
    return np.asarray(centered / np.linalg.norm(centered, axis=1).max())


# Shapes that are made up: each is a grid of points whose neighbours are joined.


def _grid(points: np.ndarray, closed: bool) -> Solid:
    """Points (rows, columns, 3) as triangles whose front is where columns x rows points; closed: columns go round."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, 1) if closed else index[:, 1:]
    left = index if closed else index[:, :-1]
    a, b, c, d = left[:-1], right[:-1], left[1:], right[1:]
    faces = np.concatenate([np.stack([a, c, b], 2).reshape(-1, 3), np.stack([b, c, d], 2).reshape(-1, 3)])
    return solid(points.reshape(-1, 3), faces)


def waves(points: np.ndarray, rng: np.random.Generator, count: int, finest: float) -> np.ndarray:
    """A smooth random field over points (..., 3), about 1 in size, of waves up to a frequency."""
    frequencies = np.exp(rng.uniform(np.log(0.7), np.log(finest), count))
    directions = rng.normal(size=(3, count))
    directions *= frequencies / np.linalg.norm(directions, axis=0)
    heights = rng.normal(size=count) / frequencies
    phases = rng.uniform(0, 2 * np.pi, count)
    # In single precision, which is far quicker.
    angles = np.asarray(points, np.float32) @ directions.astype(np.float32) + phases.astype(np.float32)
    field = np.sin(angles) @ heights.astype(np.float32)
    return np.asarray(field / (np.abs(heights).sum() ** 0.5 + 1e-9))


def blob(rng: np.random.Generator) -> Solid:
    """A potato: a sphere with waves in it, more or less stretched; a plain sphere now and then."""
    ball = _ball(1.0, 1.0)
    if rng.random() < 0.8:
        ball = ball * (1 + rng.uniform(0.05, 0.45) * waves(ball, rng, 24, rng.uniform(2, 9)))[..., None]
    return _grid(_shaped(ball, rng), closed=True)


def rounded_box(rng: np.random.Generator) -> Solid:
    """A superquadric (Barr 1981): between ball, cylinder and box, its edges sharp or rounded."""
    return _grid(_shaped(_ball(*np.exp(rng.uniform(np.log(0.12), np.log(1.2), 2))), rng), closed=True)


def vase(rng: np.random.Generator) -> Solid:
    """A curve that goes round an axis."""
    height = np.linspace(1, -1, 90)
    along = np.stack([height, np.zeros(90), np.zeros(90)], 1)
    radius = np.clip(rng.uniform(0.3, 0.8) + rng.uniform(0.1, 0.5) * waves(along, rng, 5, 6), 0.08, 1.2)
    radius[0] = radius[-1] = 0.0
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    ring = np.stack([np.sin(angle), np.zeros(90), np.cos(angle)], 1)
    return _grid(_unit3(radius[:, None, None] * ring + height[:, None, None] * [0, 1, 0]), closed=True)


def relief(rng: np.random.Generator) -> Solid:
    """A wall with bumps, or cloth with folds, that fills the view."""
    across = np.linspace(-2.5, 2.5, 140)
    x, y = np.meshgrid(across, -across)
    flat = np.stack([x, y, np.zeros_like(x)], 2)
    stretch = np.array([1, rng.uniform(0.1, 1), 1]) if rng.random() < 0.5 else np.ones(3)
    turned = (flat @ rotation(0, 0, rng.uniform(0, 360)).T) * stretch
    height = rng.uniform(0.05, 0.35) * waves(turned, rng, 30, rng.uniform(3, 14))
    if rng.random() < 0.4:
        height = np.abs(height) * rng.choice([-1.5, 1.5])
    return _grid(flat + height[..., None] * [0, 0, 1], closed=False)


def _ball(upright: float, around: float) -> np.ndarray:
    latitude, longitude = np.linspace(np.pi / 2, -np.pi / 2, 90), np.linspace(0, 2 * np.pi, 120, endpoint=False)

    def power(value: np.ndarray, exponent: float) -> np.ndarray:
        return np.asarray(np.sign(value) * np.abs(value) ** exponent)

    ring = power(np.cos(latitude), upright)[:, None]
    sides = [
        ring * power(np.sin(longitude), around),
        power(np.sin(latitude), upright)[:, None] + 0 * longitude,
        ring * power(np.cos(longitude), around),
    ]
    return np.stack(sides, 2)


def _shaped(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _unit3(points * np.exp(rng.normal(0, 0.3, 3)))


def _unit3(points: np.ndarray) -> np.ndarray:
    return _unit(points.reshape(-1, 3)).reshape(points.shape)


_MADE: tuple[Callable[[np.random.Generator], Solid], ...] = (blob, blob, rounded_box, vase)


def made_up(rng: np.random.Generator) -> Solid:
    """One shape, turned anyhow."""
    return _MADE[int(rng.integers(len(_MADE)))](rng).turned(any_rotation(rng))


def still_life(rng: np.random.Generator, more: list[Solid]) -> Solid:
    """A few shapes, or meshes of a list, on the ground before a wall."""
    parts = [_ground(rng)]
    for _ in range(int(rng.integers(1, 5))):
        own = more[int(rng.integers(len(more)))].turned(rotation(rng.uniform(0, 360))) if rng.random() < 0.4 else None
        thing = own or made_up(rng)
        size = rng.uniform(0.25, 0.8)
        vertices = thing.vertices * size
        place = np.array([rng.uniform(-1, 1), -0.8 - vertices[:, 1].min(), rng.uniform(-0.8, 0.9)])
        marks = thing.marks.copy()
        marks[:, len(parts)] = 1
        parts.append(Solid(vertices + place, thing.faces, thing.normals, marks))
    return together(parts).turned(rotation(rng.normal(0, 15), rng.uniform(0, 40)))


def _ground(rng: np.random.Generator) -> Solid:
    """A floor that goes up into a wall, in a bend or a corner."""
    bend, far = rng.uniform(0.03, 0.8), rng.uniform(1, 2.5)
    angle = np.linspace(0, np.pi / 2, 12)
    profile = np.concatenate(
        [
            np.stack([np.zeros(10), np.linspace(6, bend, 10)], 1),
            np.stack([bend - bend * np.cos(angle), bend - bend * np.sin(angle)], 1),
            np.stack([np.linspace(bend, 6, 10), np.zeros(10)], 1),
        ]
    )
    x = np.linspace(-6, 6, 24)
    points = np.empty((len(profile), len(x), 3))
    points[..., 0], points[..., 1], points[..., 2] = x, profile[:, 1:] - 0.8, profile[:, :1] - far
    return _grid(points, closed=False)

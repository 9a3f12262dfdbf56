"""Heads and shoulders to render, from MakeHuman's mesh and what it knows of faces and ages (CC0)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shapes import MARKS, Solid, rotation, solid, waves

#: Vertices of the mesh's parts, first and behind last; units are decimetres.
_BODY, _EYES, _CLOTHES = (0, 13380), (14598, 14742), (15328, 18002)

#: Where a head turns and about where its middle is, in the mesh as it is stored.
_NECK, _MIDDLE = np.array([0, 6.35, 0.1]), np.array([0, 7.3, 0.6])


@dataclass(frozen=True)
class Human:
    """The mesh and its targets: names, and for each the vertices it moves and by how much."""

    vertices: np.ndarray
    faces: np.ndarray
    targets: dict[str, tuple[np.ndarray, np.ndarray]]


def load(file: Path) -> Human:
    with np.load(file) as stored:
        names, ends = [str(name) for name in stored["target_names"]], stored["target_offsets"]
        indices, deltas = stored["target_indices"].astype(np.int64), stored["target_deltas"].astype(np.float64)
        spans = {name: slice(ends[i], ends[i + 1]) for i, name in enumerate(names)}
        targets = {name: (indices[span], deltas[span]) for name, span in spans.items()}
        return Human(stored["vertices"].astype(np.float64), stored["faces"].astype(np.int64), targets)


def person(human: Human, rng: np.random.Generator) -> Solid:
    """Somebody, the head around the origin, a decimetre a unit; the head turned, hair and clothes as may be."""
    vertices = human.vertices.copy()
    for name, weight in {**_whole(human, rng), **_features(human, rng)}.items():
        indices, deltas = human.targets[name]
        vertices[indices] += weight * deltas
    head = _head_share(human.vertices)
    grown = (vertices - human.vertices)[: _BODY[1]][human.vertices[: _BODY[1], 1] > 6.3].mean(0)
    neck, middle = _NECK + grown, _MIDDLE + grown
    turn = rotation(rng.normal(0, 12), rng.normal(0, 7), rng.normal(0, 5))
    vertices = vertices + head[:, None] * ((vertices - neck) @ turn.T + neck - vertices)
    marks = _marks(human, rng)
    if rng.random() < 0.8:
        _grow_hair(human, vertices, marks[:, 2], rng)
    parts = [_part(human, _BODY), _part(human, _EYES)]
    if rng.random() < 0.75:
        parts.append(_clothes(human, vertices, rng))
    # Parts are not joined by faces, so normals of all at once are those of each.
    shown = solid(vertices, np.concatenate(parts), marks)
    return Solid(shown.vertices - middle, shown.faces, shown.normals, shown.marks)


def _whole(human: Human, rng: np.random.Generator) -> dict[str, float]:
    """Origin, sex, age and build: weights of those that are defined for whole people."""
    sex = ["female", "male"]
    age = str(rng.choice(["young", "old", "child"], p=[0.5, 0.4, 0.1]))
    shares = rng.dirichlet([0.5, 0.5, 0.5])
    first = sex[int(rng.integers(2))]
    weights = {
        f"macrodetails__{origin}-{first}-{age}": share
        for origin, share in zip(("african", "asian", "caucasian"), shares, strict=True)
    }
    builds = [name for name in human.targets if name.startswith(f"macrodetails__universal-{first}-{age}")]
    weights[str(rng.choice(builds))] = rng.uniform(0, 1)
    return weights


def _features(human: Human, rng: np.random.Generator) -> dict[str, float]:
    """Some thirty of the targets of the face, left and right alike but for a little."""
    names = [name for name in human.targets if not name.startswith(("macro", "asymm")) and "__r-" not in name]
    weights = {}
    for name in rng.choice(names, int(rng.integers(8, 45)), replace=False):
        weight = rng.uniform(0, 0.9) ** 1.5
        weights[str(name)] = weight
        if "__l-" in name:
            weights[str(name).replace("__l-", "__r-")] = weight * rng.uniform(0.8, 1.1)
    return weights


def _head_share(vertices: np.ndarray) -> np.ndarray:
    """1 for what turns with the head, 0 for what stays, between them at the neck."""
    up = np.clip((vertices[:, 1] - 5.9) / 0.9, 0, 1)
    near = np.clip(2.2 - np.abs(vertices[:, 0]), 0, 1)  # not shoulders of tall people
    return np.asarray(up * up * (3 - 2 * up) * near)


def _part(human: Human, part: tuple[int, int]) -> np.ndarray:
    """The faces of a part that are near enough the head to be seen."""
    inside = ((human.faces >= part[0]) & (human.faces < part[1])).all(1)
    return np.asarray(human.faces[inside & (human.vertices[human.faces][:, :, 1] > 0.5).all(1)])


def _clothes(human: Human, vertices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A shirt, blown up a little so that it lies over the skin, with a neckline."""
    index = np.arange(*_CLOTHES)
    normals = solid(vertices, _part(human, _CLOTHES)).normals
    vertices[index] += normals[index] * rng.uniform(0.05, 0.2)
    faces = _part(human, _CLOTHES)
    height, aside = human.vertices[:, 1], np.abs(human.vertices[:, 0])
    neckline = rng.uniform(4.6, 6.0) + aside * rng.uniform(0, 0.8)
    return np.asarray(faces[(height < neckline)[faces].all(1)])


def _grow_hair(human: Human, vertices: np.ndarray, scalp: np.ndarray, rng: np.random.Generator) -> None:
    """The scalp is lifted: short or thick hair, smooth or in locks."""
    index = np.arange(*_BODY)
    normals = solid(vertices, _part(human, _BODY)).normals[index]
    places = human.vertices[index] * [1, rng.uniform(0.3, 1), 1]
    locks = waves(places, rng, 30, rng.uniform(4, 14))
    length = rng.uniform(0.05, 0.45) * (1 + rng.uniform(0, 0.6) * locks)
    vertices[index] += normals * (scalp[index] * length)[:, None]


def _marks(human: Human, rng: np.random.Generator) -> np.ndarray:
    """Where lips, brows, hair, clothes, eyes and face are."""
    marks = np.zeros((len(human.vertices), len(MARKS)))
    base = human.vertices
    for mark, names in (
        (0, ("mouth__mouth-upperlip-volume-incr", "mouth__mouth-lowerlip-volume-incr")),
        (1, ("eyebrows__eyebrows-trans-up",)),
    ):
        for name in names:
            indices, deltas = human.targets[name]
            moved = np.linalg.norm(deltas, axis=1)
            marks[indices, mark] = np.maximum(marks[indices, mark], np.clip(1.6 * moved / moved.max() - 0.3, 0, 1))
    # Brows are a band of what the target moves, which goes up to the hair.
    marks[:, 1] *= np.clip(1 - np.abs(base[:, 1] - 7.6 + 0.35 * (np.abs(base[:, 0]) - 0.3) ** 2) / 0.09, 0, 1)
    # The hairline falls from the forehead to the ears and the nape.
    scalp = base[:, 1] + 0.9 * (1.1 - base[:, 2]).clip(0, 1.6) - rng.uniform(7.9, 8.35)
    body = slice(*_BODY)
    marks[body, 2] = np.clip(scalp[body] / 0.15, 0, 1) * (base[body, 1] > 6.6)
    marks[slice(*_CLOTHES), 3] = marks[slice(*_EYES), 4] = 1
    marks[body, 5] = np.clip((base[body, 1] - 5.5) / 0.3, 0, 1)
    return marks

"""How rendered solids answer to light, computed once and kept: python training/transfer.py STORE --count 2000.

For every pixel where a solid shows: its normal, its place on the solid, what it is part of, and from which of a fixed
set of directions light reaches it (rays through Embree). Any light, color and gloss can then be put on it in
milliseconds (precomputed radiance transfer, Sloan et al. 2002): training/relight_scene.py.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import people
import shapes
from shapes import Solid

#: Pixels a side, and directions from which light may come.
SIDE, DIRECTIONS = 160, 96


@dataclass(frozen=True)
class Transfer:
    """What is known of the P pixels that show the solid.

    mask (SIDE, SIDE) bool; normals (P, 3) float32, in the camera's coordinates; places (P, 3) float32 on the solid;
    marks (P, 6) float32, shapes.MARKS; directions (DIRECTIONS, 3), unit; seen (P, DIRECTIONS) bool: light from there
    meets nothing on its way. Directions behind the surface count as seen.
    """

    mask: np.ndarray
    normals: np.ndarray
    places: np.ndarray
    marks: np.ndarray
    directions: np.ndarray
    seen: np.ndarray
    kind: str


def spread(count: int) -> np.ndarray:
    """Unit vectors evenly over the sphere, on Fibonacci's spiral."""
    index = np.arange(count) + 0.5
    z, angle = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], 1)


def render(shown: Solid, frame: float, field: float, kind: str, rng: np.random.Generator) -> Transfer:
    """A solid around the origin through a pinhole camera at +z that sees `frame` units across there."""
    # Imported here: who only reads what is stored needs no Embree.
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene()
    TriangleMesh(scene, shown.vertices.astype(np.float32), shown.faces.astype(np.int32))
    distance = frame / 2 / np.tan(np.radians(field) / 2)
    across = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(across * frame / 2, -across * frame / 2)
    rays = np.stack([x, y, np.full_like(x, -distance)], 2).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    starts = np.broadcast_to(np.array([0, 0, distance]), rays.shape)
    hit = scene.run(np.ascontiguousarray(starts, np.float32), rays.astype(np.float32), output=True)
    found = np.flatnonzero(hit["primID"] >= 0)
    corners = shown.faces[hit["primID"][found]]
    u, v = hit["u"][found, None], hit["v"][found, None]
    weights = np.stack([1 - u - v, u, v], 1)
    places = (shown.vertices[corners] * weights).sum(1)
    normals = (shown.normals[corners] * weights).sum(1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    # Both sides of a sheet can be seen; none looks away from the camera.
    normals *= np.where((normals * rays[found]).sum(1, keepdims=True) > 0.15, -1, 1)
    directions = spread(DIRECTIONS) @ shapes.any_rotation(rng).T
    seen = _reached(scene, places + normals * frame * 2e-3, normals, directions)
    mask = np.zeros(SIDE * SIDE, bool)
    mask[found] = True
    marks = (shown.marks[corners] * weights).sum(1)
    return Transfer(mask.reshape(SIDE, SIDE), normals, places, marks, directions, seen, kind)


def _reached(scene: object, starts: np.ndarray, normals: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(P, D) bool: whether a ray from each start in each direction leaves the scene."""
    seen = np.ones((len(starts), len(directions)), bool)
    facing = normals @ directions.T > 0
    for column, direction in enumerate(directions):
        asked = np.flatnonzero(facing[:, column])
        if len(asked):
            rays = np.tile(direction.astype(np.float32), (len(asked), 1))
            origins = np.ascontiguousarray(starts[asked], np.float32)
            answer = scene.run(origins, rays, query="OCCLUDED")  # type: ignore[attr-defined]
            seen[asked, column] = answer < 0
    return seen


def store(transfer: Transfer, file: Path) -> None:
    """Into one .npz, which appears whole."""
    part = file.with_suffix(".part.npz")
    np.savez(
        part,
        mask=np.packbits(transfer.mask),
        normals=np.rint(transfer.normals * 127).astype(np.int8),
        places=transfer.places.astype(np.float16),
        marks=np.rint(transfer.marks.clip(0, 1) * 255).astype(np.uint8),
        directions=transfer.directions.astype(np.float32),
        seen=np.packbits(transfer.seen, axis=1),
        kind=transfer.kind,
    )
    part.replace(file)


def stored(file: Path) -> Transfer:
    with np.load(file) as kept:
        normals = kept["normals"].astype(np.float32)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
        return Transfer(
            np.unpackbits(kept["mask"]).astype(bool).reshape(SIDE, SIDE),
            normals,
            kept["places"].astype(np.float32),
            kept["marks"].astype(np.float32) / 255,
            kept["directions"],
            np.unpackbits(kept["seen"], axis=1)[:, :DIRECTIONS].astype(bool),
            str(kept["kind"]),
        )


@dataclass(frozen=True)
class Models:
    """What there is to render: MakeHuman, and the other meshes by name."""

    human: people.Human
    meshes: dict[str, Solid]


def models(folder: Path, held_out: list[str], measure: bool = False) -> Models:
    """The meshes that a list does not name; to measure, those that it names."""
    files = [file for file in sorted(folder.glob("*.npz")) if file.stem != "makehuman"]
    chosen = {file.stem: shapes.load(file) for file in files if (file.stem in held_out) == measure}
    return Models(people.load(folder / "makehuman.npz"), chosen)


def draw(known: Models, rng: np.random.Generator) -> Transfer:
    """A person, a mesh, a made-up shape, a relief or a still life, somehow turned and framed."""
    field = float(rng.uniform(12, 40))
    chance = rng.random()
    if chance < 0.4:
        return portrait(known, field, rng)
    if chance < 0.65:
        return mesh_view(known, field, rng)
    if chance < 0.8:
        return render(shapes.made_up(rng), float(rng.uniform(1.8, 3.0)), field, "made up", rng)
    if chance < 0.87:
        tilt = shapes.rotation(rng.normal(0, 25), rng.normal(-15, 25), rng.uniform(0, 360))
        return render(shapes.relief(rng).turned(tilt), float(rng.uniform(1.5, 2.5)), field, "relief", rng)
    scene = shapes.still_life(rng, list(known.meshes.values()))
    return render(scene, float(rng.uniform(1.2, 2.8)), field, "still life", rng)


def mesh_view(known: Models, field: float, rng: np.random.Generator) -> Transfer:
    """One of the meshes, from any side, upright or lying."""
    shown = list(known.meshes.values())[int(rng.integers(len(known.meshes)))]
    upright = shapes.rotation(0, rng.normal(8, 18), rng.normal(0, 6)) @ shapes.rotation(rng.uniform(0, 360))
    shown = shown.turned(upright if rng.random() < 0.75 else shapes.any_rotation(rng))
    return render(shown, float(rng.uniform(1.3, 2.6)), field, "mesh", rng)


def portrait(known: Models, field: float, rng: np.random.Generator) -> Transfer:
    """Head and shoulders, mostly from about in front."""
    yaw = rng.normal(0, 20) if rng.random() < 0.85 else rng.uniform(-90, 90)
    shown = people.person(known.human, rng)
    turned = shown.turned(shapes.rotation(yaw, rng.normal(3, 7), rng.normal(0, 4)))
    frame = float(np.exp(rng.uniform(np.log(2.0), np.log(6.5))))
    # The more there is of the body, the higher the head.
    place = np.array([rng.normal(0, 0.06), 0.04 * (frame - 2.4) + rng.normal(0, 0.05), 0]) * frame
    moved = Solid(turned.vertices + place, turned.faces, turned.normals, turned.marks)
    return render(moved, frame, field, "person", rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--meshes", type=Path, default=Path("../shared/data/meshes"))
    parser.add_argument("--held-out", type=Path, default=Path(__file__).parent / "recipes/relight-held-out.txt")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.store.mkdir(parents=True, exist_ok=True)
    known = models(given.meshes, given.held_out.read_text().split())
    begun = time.monotonic()
    for index in range(given.count):
        file = given.store / f"{given.seed:02}-{index:05}.npz"
        if not file.exists():  # another run goes on from there
            store(draw(known, np.random.default_rng([given.seed, index])), file)
        if index % 100 == 99:
            print(f"{index + 1} in {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()

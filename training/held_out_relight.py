"""How well the network of relight does on solids and light that no training saw: python held_out_relight.py ONE...

For each weights file: the angle by which normals are wrong, how well it knows that, how wrong the light is, and how
near a picture relit by the ratio of shadings comes to the one rendered under the new light, beside leaving it as it is.
Meshes and people (drawn by seeds that no training has) apart; the same pictures every time.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file

import degrade
import photos
import relight_light
import relight_scene
import relight_surface
import transfer
from photofix.color import LUMINANCE
from photofix.lights import basis
from photofix.networks.intrinsics import ERROR, MULTIPLE, NORMAL, SHADING, VISIBILITY, Intrinsics
from relight_light import Surroundings
from transfer import Transfer

#: Pixels a side at which the network sees a picture.
SIDE = 160


@dataclass(frozen=True)
class Pair:
    """The same thing under two lights: linear light (S, S, 3) before and after, where white is 1, before one backdrop.

    `light` and `new_light`, (directions, 3), are what light from each of known.directions adds to shading.
    """

    known: Transfer
    before: np.ndarray
    after: np.ndarray
    light: np.ndarray
    new_light: np.ndarray


def pairs(data: Path, held_out: list[str], count: int, person: bool) -> list[Pair]:
    """The same ones every time: held-out meshes, panoramas and photographs."""
    models = transfer.models(data / "meshes", held_out, measure=True)
    around = relight_light.surroundings(data / "photos", ["scenes-0", "scenes-1"], held_out=True)
    drawn = []
    for index in range(count):
        rng = np.random.default_rng([77, index, person])
        draw = transfer.portrait if person else transfer.mesh_view
        known = draw(models, float(rng.uniform(12, 40)), rng)
        drawn.append(pair(known, around, rng))
    return drawn


def pair(known: Transfer, around: Surroundings, rng: np.random.Generator) -> Pair:
    shades, gloss = relight_surface.albedo(known, around, rng), relight_surface.draw_gloss(rng)
    scene = relight_scene.background(known, around, rng)
    seen = []
    for _ in range(2):
        light = relight_light.draw_light(known.directions, around, rng)
        sent, _shading = relight_surface.lit(known, shades, gloss, light)
        gain = rng.uniform(0.6, 1.0) / max(float(np.quantile(sent @ LUMINANCE, 0.97)), 1e-4)
        scene[known.mask] = sent * gain
        seen.append((scene.astype(np.float32), light * gain))
    (before, light), (after, new_light) = seen
    return Pair(known, before, after, light, new_light)


@dataclass(frozen=True)
class Result:
    """Degrees the normals are wrong, the same as said by the network, light's error, dB left alone and relit."""

    angle: float
    said: float
    light: float
    alone: float
    relit: float


def measured(network: Intrinsics, one: Pair, rng: np.random.Generator) -> Result:
    """What the network makes of the picture before, as a camera without much of a curve would store it."""
    picture = degrade.linear_to_srgb(one.before.clip(0, 1) + rng.normal(0, 1e-3, one.before.shape).astype(np.float32))
    seen = torch.from_numpy(np.rint(picture.clip(0, 1) * 255).astype(np.float32).transpose(2, 0, 1)[None] / 255)
    with torch.inference_mode():
        maps, light = network(seen)
    planes = maps[0].permute(1, 2, 0).numpy()[one.known.mask]
    cosine = (planes[:, NORMAL] * one.known.normals).sum(1).clip(-1, 1)
    angle, said = np.degrees(np.arccos(cosine)).mean(), np.degrees(np.exp(planes[:, ERROR])).mean()
    old, new = one.before[one.known.mask], one.after[one.known.mask]
    relit = old * ratio(planes, one)
    matte = np.repeat([1, 2 / 3, 1 / 4], [1, 3, 5])[:, None]
    truth = basis(one.known.directions).T @ one.light * matte
    found = light[0].numpy() * matte
    apart = np.linalg.norm(found / np.linalg.norm(found) - truth / np.linalg.norm(truth))
    return Result(float(angle), float(said), float(apart), _psnr(old, new), _psnr(relit, new))


def ratio(planes: np.ndarray, one: Pair) -> np.ndarray:
    """(P, 3): shading under the new light, over the shading that is there in the color of the light that is there."""
    open_sky = (planes[:, VISIBILITY] @ basis(one.known.directions).T).clip(0, 1)
    arriving = (planes[:, NORMAL] @ one.known.directions.T).clip(0) * open_sky
    cast = one.light.sum(0) / (one.light.sum(0) @ LUMINANCE)
    there = np.exp(planes[:, SHADING]) * cast
    floor = 0.03 * there.max()
    return np.asarray((arriving @ one.new_light + floor) / (there + floor))


def _psnr(answer: np.ndarray, truth: np.ndarray) -> float:
    """Of sRGB-encoded pixels, after one scale for all of the answer."""
    scale = (answer * truth).sum() / (answer * answer).sum()
    coded = [degrade.linear_to_srgb(part.clip(0, 1).astype(np.float32)) for part in (answer * scale, truth)]
    return -10 * float(np.log10(np.mean((coded[0] - coded[1]) ** 2) + 1e-9))


def sheet(network: Intrinsics, some: list[Pair]) -> np.ndarray:
    """Rows of picture, normals found, normals there, picture relit, picture rendered under the new light; uint8 RGB."""
    rows = []
    for one in some:
        seen = degrade.linear_to_srgb(one.before.clip(0, 1))
        with torch.inference_mode():
            maps, _ = network(torch.from_numpy(seen.transpose(2, 0, 1).copy())[None])
        planes = maps[0].permute(1, 2, 0).numpy()
        found, true, relit = planes[..., NORMAL] * 0.5 + 0.5, np.zeros_like(seen), one.after.copy()
        true[one.known.mask] = one.known.normals * 0.5 + 0.5
        changed = one.before[one.known.mask] * ratio(planes[one.known.mask], one)
        there = one.after[one.known.mask]
        relit[one.known.mask] = changed * ((changed * there).sum() / (changed * changed).sum())
        shown = [degrade.linear_to_srgb(part.clip(0, 1)) for part in (relit, one.after)]
        rows.append(np.hstack([seen, found, true, *shown]))
    return (np.vstack(rows) * 255).clip(0, 255).astype(np.uint8)


def seen_in(network: Intrinsics, photo: np.ndarray) -> np.ndarray:
    """A row for a photograph (H, W, 3) uint8: itself, normals, shading, the open sky, how wrong normals may be."""
    scale = 192 / max(photo.shape[:2])
    height, width = (round(side * scale / MULTIPLE) * MULTIPLE for side in photo.shape[:2])
    small = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.float32) / 255
    with torch.inference_mode():
        maps, _ = network(torch.from_numpy(small.transpose(2, 0, 1).copy())[None])
    planes = maps[0].permute(1, 2, 0).numpy()
    gray = [np.exp(planes[..., SHADING]), planes[..., VISIBILITY][..., :1] / 3.5449, np.exp(planes[..., ERROR]) / 1.5]
    row = np.hstack([small, planes[..., NORMAL] * 0.5 + 0.5, *(np.repeat(plane, 3, 2) for plane in gray)])
    return (row[:, : 5 * width] * 255).clip(0, 255).astype(np.uint8)


def portraits(network: Intrinsics, folder: Path) -> np.ndarray:
    """What it sees in portraits that are held out."""
    rows = [seen_in(network, photo) for photo in photos.load(folder, ["people-0"], held_out=True)]
    wide = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(row, ((0, 0), (0, wide - row.shape[1]), (0, 0))) for row in rows])


def _loaded(weights: Path) -> Intrinsics:
    network = Intrinsics().eval()
    network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--sheet", type=Path, help="also pictures, of portraits and of the first few")
    given = parser.parse_args()
    torch.set_num_threads(1)
    names = (Path(__file__).parent / "recipes/relight-held-out.txt").read_text().split()
    if given.sheet:
        cv2.imwrite(str(given.sheet), portraits(_loaded(given.weights[0]), given.photos)[:, :, ::-1])
    for kind in (False, True):
        drawn = pairs(given.photos.parent, names, given.count, person=kind)
        for weights in given.weights:
            network = _loaded(weights)
            rng = np.random.default_rng(0)
            results = [measured(network, one, rng) for one in drawn]
            means = {name: round(float(np.mean([getattr(r, name) for r in results])), 2) for name in vars(results[0])}
            print("people" if kind else "meshes", weights.stem, means, flush=True)
            if given.sheet:
                name = given.sheet.with_stem(f"{given.sheet.stem}-{'people' if kind else 'meshes'}")
                cv2.imwrite(str(name), sheet(network, drawn[:12])[:, :, ::-1])


if __name__ == "__main__":
    main()

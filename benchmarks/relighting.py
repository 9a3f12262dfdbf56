"""How well photos are relit: `python benchmarks/relighting.py stereo|synthetic|same|speed`.

Each command prints a table. Ours runs through the product's own code at its default precision, and so does DPR.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from types import ModuleType

import cv2
import numpy as np

import photofix
from photofix import chrome_ball, color, photometric_stereo
from photofix.job import Settings
from photofix.lights import Lights
from photofix.model import Model
from photofix.models import Models
from photofix.olat import Stage
from photofix.photo import Photo
from photofix.restore_relit import seen
from photofix.tasks import found_scene, portrait, relight
from photofix.tasks.relight import Scene, Wish
from pictures import DATA, load, psnr
from tables import markdown

STEREO = DATA / "eval" / "photometric_stereo_uw"
OBJECTS = ("buddha", "cat", "owl")
LIGHTS = 12

#: DPR's file beside the project.
PUBLISHED = DATA / "published" / "relight" / "dpr_512.t7"


def main() -> None:
    arguments = _parser().parse_args()
    arguments.table(arguments)


@dataclass(frozen=True)
class Lit:
    """One thing under all lights: photos, which hold linear light in 8 bits, where it is (H, W) bool, directions to the
    lights, and its normals."""

    name: str
    photos: list[Photo]
    mask: np.ndarray
    directions: np.ndarray
    normals: np.ndarray


def stereo(arguments: argparse.Namespace) -> None:
    """From the picture under one light predict the picture under each other: real things, lights known."""
    ours, published = network(arguments.weights, arguments.manifest), _dpr()
    rows = []
    for thing in map(_thing, OBJECTS):
        known = [seen(picture, ours) for picture in thing.photos]
        found = {"left as it is": _left(thing), "DPR": _by_dpr(thing, published), "photofix": _by_ours(thing, known)}
        means = [f"{fmean(_decibels(thing, predicted, arguments.step)):.2f}" for predicted in found.values()]
        rows.append([thing.name, *means, f"{fmean(_angles(thing, known)):.1f}"])
        print(rows[-1], flush=True)
    totals = [fmean(float(row[column]) for row in rows) for column in range(1, 5)]
    rows.append(["mean", *(f"{total:.2f}" for total in totals[:3]), f"{totals[3]:.1f}"])
    print(markdown(["PSNR, dB", "left as it is", "DPR", "photofix", "normals wrong by, degrees"], rows))


#: The picture that is expected under light j, from that under light i.
Predict = Callable[[int, int], np.ndarray]


def _decibels(thing: Lit, predicted: Predict, step: int) -> Iterator[float]:
    """PSNR inside the mask after one scale, of all pairs of lights, or of every so manieth."""
    pairs = [(i, j) for i in range(LIGHTS) for j in range(LIGHTS) if i != j][::step]
    for i, j in pairs:
        yield _scaled_psnr(predicted(i, j)[thing.mask] / 255, thing.photos[j].pixels[thing.mask] / 255)


def _left(thing: Lit) -> Predict:
    return lambda i, _: thing.photos[i].pixels


def _by_ours(thing: Lit, known: list[Scene]) -> Predict:
    def predict(i: int, j: int) -> np.ndarray:
        how = relight.plan(known[i], Wish(_lamp(thing, j)), 1.0)
        return relight.relit(thing.photos[i], how).pixels

    return predict


def _by_dpr(thing: Lit, published: Model) -> Predict:
    def predict(i: int, j: int) -> np.ndarray:
        picture, told = thing.photos[i], portrait.harmonics(_lamp(thing, j))
        change = portrait.ratio(picture, told, published.whole, published.entry.tile)
        everything = tuple(slice(0, side) for side in picture.pixels.shape[:2])
        return portrait.painted(picture, change, 1.0, None, (everything[0], everything[1])).pixels

    return predict


def _lamp(thing: Lit, j: int) -> Lights:
    return Lights(thing.directions[j : j + 1].astype(np.float32), np.ones((1, 3), np.float32))


def _angles(thing: Lit, known: list[Scene]) -> Iterator[float]:
    """Degrees between the normals that each picture shows and those of all of them together, means in the mask."""
    for picture, one in zip(thing.photos, known, strict=True):
        normals = found_scene.normals(picture, one)
        cosine = (normals * thing.normals).sum(2)[thing.mask].clip(-1, 1)
        yield float(np.degrees(np.arccos(cosine)).mean())


def _thing(name: str) -> Lit:
    folder = STEREO / name
    files = [folder / f"{name}.{light}.webp" for light in range(LIGHTS)]
    mask, directions = _mask(folder), _directions()
    surface = photometric_stereo.surface(Stage(tuple(files), directions, np.ones((LIGHTS, 3)), linear=True))
    photos = [Photo(_three(load(file)), "linear") for file in files]
    return Lit(name, photos, mask & (np.linalg.norm(surface.normals, axis=2) > 0.5), directions, surface.normals)


def _directions() -> np.ndarray:
    names = [f"chrome.{light}.webp" for light in range(LIGHTS)]
    pictures = [_three(load(STEREO / "chrome" / name)).mean(2) / 255 for name in names]
    return chrome_ball.directions(chrome_ball.masked(_mask(STEREO / "chrome")), pictures, names)


def _mask(folder: Path) -> np.ndarray:
    return np.asarray(_three(load(folder / f"{folder.name}.mask.webp")).mean(2) > 127)


def _three(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[:, :, None], 3, 2) if picture.ndim == 2 else picture


def synthetic(arguments: argparse.Namespace) -> None:
    """Meshes, people, light and photographs that no training saw, rendered; the new light is told."""
    held_out, ours = _training("held_out_relight"), network(arguments.weights, arguments.manifest)
    names = (Path(held_out.__file__ or "").parent / "recipes" / "relight-held-out.txt").read_text().split()
    rows = []
    for kind in ("meshes", "people"):
        drawn = held_out.pairs(DATA, names, arguments.count, kind == "people")
        found = np.array([_rendered(one.known, one, ours) for one in drawn])
        rows.append([kind, *(f"{value:.2f}" for value in found.mean(0))])
    rows.append(["mean", *(f"{fmean(float(row[column]) for row in rows):.2f}" for column in range(1, 4))])
    print(markdown(["", "normals wrong by, degrees", "left as it is, dB", "photofix, dB"], rows))


def _rendered(known: object, one: object, ours: Model) -> tuple[float, float, float]:
    """Of a pair of renderings: how wrong normals are, and PSNR left alone and relit, inside the mask."""
    mask, true, toward = (getattr(known, name) for name in ("mask", "normals", "directions"))
    before, after, light = (getattr(one, name) for name in ("before", "after", "new_light"))
    picture = Photo(np.rint(color.linear_to_srgb(before.clip(0, 1)) * 255).astype(np.uint8))
    scene = seen(picture, ours)
    wish = Wish(Lights(toward.astype(np.float32), light.astype(np.float32)), lamps=False)
    out = relight.relit(picture, relight.plan(scene, wish, 1.0)).pixels
    cosine = (found_scene.normals(picture, scene)[mask] * true).sum(1).clip(-1, 1)
    truth = after[mask].clip(0, 1)
    alone, relit = (_scaled_psnr(color.srgb_to_linear(shown[mask] / 255), truth) for shown in (picture.pixels, out))
    return float(np.degrees(np.arccos(cosine)).mean()), alone, relit


def _scaled_psnr(light: np.ndarray, truth: np.ndarray) -> float:
    """PSNR of the sRGB numbers of light, after one scale for all of it."""
    scale = (light * truth).sum() / max((light * light).sum(), 1e-9)
    numbers = [color.linear_to_srgb(part.clip(0, 1).astype(np.float32)) for part in (light * scale, truth)]
    return psnr(*numbers)


def same(arguments: argparse.Namespace) -> None:
    """Photos relit to the light that is there: told as their own, and as that of a smaller JPEG of themselves."""
    ours = network(arguments.weights, arguments.manifest)
    rows = []
    for shard in ("people-0", "things-0", "scenes-0"):
        files = sorted((DATA / "photos" / shard).glob("*.jpg"))[:: arguments.every][: arguments.count]
        found = np.array([_same(_three(load(file)), ours) for file in files])
        rows.append([shard, str(len(files)), *(f"{value:.1f}" for value in [*found.min(0), *found.mean(0)[1:]])])
    print(markdown(["", "photos", "its own light, least dB", "a copy's, least dB", "a copy's, mean dB"], rows))


def _same(picture: np.ndarray, ours: Model) -> tuple[float, float]:
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    _, stored = cv2.imencode(".jpg", half, [cv2.IMWRITE_JPEG_QUALITY, 60])
    copy = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    scenes = [seen(Photo(one), ours) for one in (picture, np.asarray(copy, np.uint8))]
    plans = [relight.plan(scenes[0], Wish(like=Photo(picture)), 1.0, other) for other in scenes]
    own, other = (psnr(relight.relit(Photo(picture), how).pixels, picture) for how in plans)
    return min(own, 99.0), min(other, 99.0)


def speed(arguments: argparse.Namespace) -> None:
    """Seconds a megapixel beside the denoiser's, in one run."""
    rows = []
    picture = np.tile(_three(load(sorted((DATA / "photos" / "people-0").glob("*.jpg"))[0])), (5, 5, 1))
    for side in (1000, 2000):
        square = np.ascontiguousarray(picture[:side, :side])
        denoised = _seconds(partial(photofix.denoise, square, sigma=10))
        relit = _seconds(partial(photofix.relight, square, light="left", weights=arguments.weights))
        megapixels = square.shape[0] * square.shape[1] / 1e6
        per = [seconds / megapixels for seconds in (denoised, relit)]
        rows.append([f"{megapixels:.1f} MP", *(f"{value:.2f}" for value in per), f"{per[1] / per[0]:.2f}"])
    print(markdown(["seconds a megapixel", "denoise", "relight", "ratio"], rows))


def _seconds(work: Callable[[], object]) -> float:
    """The least of three, the first of which also loads the network."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def network(weights: Path | None, manifest: Path | None) -> Model:
    """The embedded network, or another file for it."""
    return Models(Settings(task="relight", weights=weights, manifest=manifest)).get("relight")


def _dpr() -> Model:
    return Models(Settings(task="relight", model="dpr", weights=PUBLISHED)).get("relight")


def _training(name: str) -> ModuleType:
    folder = str(Path(__file__).resolve().parents[1] / "training")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables: Sequence[Callable[[argparse.Namespace], None]] = (stereo, synthetic, same, speed)
    commands = parser.add_subparsers(required=True)
    for table in tables:
        command = commands.add_parser(table.__name__, help=table.__doc__)
        command.set_defaults(table=table)
        command.add_argument("--weights", type=Path, help="Another file for the embedded network.")
        command.add_argument("--manifest", type=Path, help="A manifest of its own.")
        if table is stereo:
            command.add_argument("--step", type=int, default=1, help="Every so manieth pair of lights.")
        if table in (synthetic, same):
            command.add_argument("--count", type=int, default=24, help="Pictures of a kind.")
        if table is same:
            command.add_argument("--every", type=int, default=7, help="Every so manieth photo.")
    return parser


if __name__ == "__main__":
    main()

"""How well photofix colors what was gray: `python benchmarks/colorize.py automatic|hints|speed|lightness`.

Each command prints one table. The pictures are CBSD68 and 100 photographs that the recipe holds out, each made gray
with its own L of CIE Lab and colored again; --limit N takes only some of them, --weights FILE other weights.

PSNR: of the three channels in 8 bits; leaving a picture gray is hard to beat, since a wrong color costs more than none.
Colorfulness: Hasler and Suesstrunk, "Measuring colourfulness in natural images" (2003). Accuracy: the area under the
curve of how many pixels lie within a distance of the true a and b, 0 to 150, in percent; each color of a grid of 10
counts the same, however rare it is (Zhang et al., "Colorful Image Colorization", 2016).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from photofix import color, pipeline
from photofix.chroma import luminance
from photofix.job import Settings
from photofix.models import Models
from photofix.photo import Photo
from photofix.restore_color import painter_of
from photofix.tasks import colorize
from photofix.tasks.colorize import Hints, Wishes
from pictures import DATA, load, lossless, psnr
from tables import markdown

HELD_OUT = Path(__file__).resolve().parents[1] / "training" / "recipes" / "colorize-held-out.txt"

#: Hints: how many, and drawings of them, each with its own places.
COUNTS = (1, 10, 50)

#: Farthest distance in a and b at which accuracy is counted, and the step of the grid of colors.
FARTHEST, STEP = 150, 10

#: Pixels of a picture at which accuracy is measured: every this many.
SPARSE = 211


@dataclass(frozen=True)
class Result:
    """Of one way to color a set: means over the pictures, in dB and in colorfulness; a and b where it was measured."""

    psnr: float
    colorfulness: float
    ab: np.ndarray


#: What colors a gray picture; the truth, which it may not look at but to draw hints; the picture's number.
Paint = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["automatic", "hints", "speed", "lightness"])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--model")
    given = parser.parse_args()
    settings = Settings(task="colorize", weights=given.weights, model=given.model)
    {"automatic": automatic, "hints": hinted, "speed": speed, "lightness": same_lightness}[given.table](
        Models(settings), given.limit
    )


def sets(limit: int | None) -> dict[str, list[np.ndarray]]:
    """The pictures by the name of their set, RGB uint8."""
    files = [DATA / "photos" / name for name in HELD_OUT.read_text().split()][:limit]
    held_out = [load(file) for file in files]
    return {"CBSD68": [_rgb(picture) for picture in lossless("cbsd68", limit)], "held out": list(map(_rgb, held_out))}


def _rgb(picture: np.ndarray) -> np.ndarray:
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)


def gray_of(truth: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the neutral picture of the same L."""
    light = luminance(Photo(truth), 0, len(truth))
    return np.asarray(np.rint(color.linear_to_srgb(light) * 255).clip(0, 255), np.uint8)


def painter(models: Models, count: int = 0, wishes: Wishes | None = None) -> Paint:
    """The product, told the true color of `count` random pixels."""

    def paint(gray: np.ndarray, truth: np.ndarray, number: int) -> np.ndarray:
        rng = np.random.default_rng(number)
        places = [(int(rng.integers(gray.shape[1])), int(rng.integers(gray.shape[0]))) for _ in range(count)]
        points = tuple((x, y, (*map(int, truth[y, x]),)) for x, y in places)
        wish = replace(wishes or Wishes(), hints=Hints(points) if points else None)  # type: ignore[arg-type]
        return pipeline.restore(Photo(gray[:, :, None]), _with(models, wish)).photo.pixels  # type: ignore[union-attr]

    return paint


def _with(models: Models, wishes: Wishes) -> Models:
    """The same models, which stay loaded, for other wishes."""
    models.settings = replace(models.settings, wishes=wishes)
    return models


def measured(pictures: list[np.ndarray], paint: Paint) -> Result:
    """Means over the pictures of a set."""
    found = [paint(gray_of(truth), truth, number) for number, truth in enumerate(pictures)]
    return Result(
        float(np.mean([psnr(one, truth) for one, truth in zip(found, pictures, strict=True)])),
        float(np.mean([colorfulness(one) for one in found])),
        np.concatenate([_sparse_ab(one) for one in found]),
    )


def colorfulness(picture: np.ndarray) -> float:
    """Hasler and Suesstrunk's M3 of RGB uint8; 0 gray, 15 slightly, 33 moderately, 45 averagely colorful."""
    red, green, blue = (plane.astype(np.float64) for plane in cv2.split(picture))
    opponents = (red - green, (red + green) / 2 - blue)
    deviation = np.hypot(*(plane.std() for plane in opponents))
    return float(deviation + 0.3 * np.hypot(*(plane.mean() for plane in opponents)))


def _sparse_ab(picture: np.ndarray) -> np.ndarray:
    ab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, :, 1:]
    return np.asarray(ab.reshape(-1, 2)[::SPARSE])


def accuracy(ab: np.ndarray, truth: np.ndarray) -> float:
    """The area under the curve, percent, each color of the grid counting the same."""
    return _area(ab, truth, _weights(truth))


def _weights(truth: np.ndarray) -> np.ndarray:
    cells, inverse = np.unique(np.rint(truth / STEP).astype(int), axis=0, return_inverse=True)
    return np.asarray(1 / np.bincount(inverse.ravel(), minlength=len(cells))[inverse.ravel()])


def _area(ab: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
    near = 1 - np.minimum(np.hypot(*(ab - truth).T), FARTHEST) / FARTHEST
    return float(100 * (weights * near).sum() / weights.sum())


def best_constant(truth: np.ndarray) -> tuple[float, tuple[int, int]]:
    """The highest accuracy of any one color everywhere, on the grid, and that color."""
    grid = [(a, b) for a in range(-60, 81, STEP) for b in range(-80, 81, STEP)]
    weights = _weights(truth)
    return max((_area(np.array([one], np.float32), truth, weights), one) for one in grid)


def automatic(models: Models, limit: int | None) -> None:
    """Colored without any help, beside gray, the truth, and the best constant color."""
    for name, pictures in sets(limit).items():
        truth = np.concatenate([_sparse_ab(picture) for picture in pictures])
        ways: dict[str, Paint] = {
            "left gray": lambda gray, _truth, _number: np.repeat(gray[:, :, None], 3, axis=2),
            "colorize": painter(models),
        }
        if models.settings.model is None:
            ways["saturation 2"] = painter(models, 0, Wishes(saturation=2))
        rows = []
        for way, paint in ways.items():
            result = measured(pictures, paint)
            numbers = result.psnr, result.colorfulness, accuracy(result.ab, truth)
            rows.append([way, *(f"{number:.2f}" for number in numbers)])
        constant, which = best_constant(truth)
        rows.append([f"best constant color, a {which[0]} b {which[1]}", "", "", f"{constant:.2f}"])
        rows.append(["truth", "", f"{np.mean([colorfulness(picture) for picture in pictures]):.2f}", "100.00"])
        print(f"{name}, {len(pictures)} pictures\n\n{markdown(['', 'PSNR', 'colorfulness', 'accuracy'], rows)}\n")


def hinted(models: Models, limit: int | None) -> None:
    """PSNR by the number of true one-pixel hints."""
    rows = []
    for name, pictures in sets(limit).items():
        gray = measured(pictures, lambda plane, _truth, _number: np.repeat(plane[:, :, None], 3, axis=2)).psnr
        found = [measured(pictures, painter(models, count)).psnr for count in (0, *COUNTS)]
        rows.append([name, f"{gray:.2f}", *(f"{one:.2f} ({one - gray:+.2f})" for one in found)])
    print(markdown(["PSNR, dB", "left gray", *(f"{count} hints" for count in (0, *COUNTS))], rows))


def speed(models: Models, _limit: int | None) -> None:
    """Seconds of the network, and of all the rest by megapixel: the best of five, since machines have other work."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (300, 400), np.uint8), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    network = painter_of(models.get("colorize"))
    spent: list[float] = []

    def timed(lightness: np.ndarray, known: np.ndarray) -> np.ndarray:
        started = time.perf_counter()
        answer = network.answer(lightness, known)
        spent.append(time.perf_counter() - started)
        return answer

    rows = []
    for kind, pixels in {"8 bits": picture, "16 bits": picture.astype(np.uint16) * 257}.items():
        rests, busy = [], []
        for _ in range(5):
            started, used = time.perf_counter(), time.process_time()
            colorize.colorize(Photo(pixels[:, :, None]), replace(network, answer=timed), Wishes())
            rests.append((time.perf_counter() - started - spent[-1]) / (picture.size / 1e6))
            busy.append((time.process_time() - used) / (picture.size / 1e6))
        rows.append([kind, f"{min(spent[-5:]):.3f}", f"{min(rests):.3f}", f"{min(busy):.3f}"])
    print(markdown(["12 megapixels", "network, s", "the rest, s/MP", "processor time of all, s/MP"], rows))


def same_lightness(models: Models, limit: int | None) -> None:
    """How far L of the output is from the input's: at most what rounding three channels can do."""
    rows = []
    for bits in (8, 16):
        farthest, mean = zip(*_apart(models, sets(limit)["held out"], bits), strict=True)
        rows.append([f"{bits} bits", f"{max(farthest):.4f}", f"{np.mean(mean):.4f}"])
    print(markdown(["L, 0 to 100", "largest difference", "mean"], rows))


def _apart(models: Models, pictures: list[np.ndarray], bits: int) -> Iterator[tuple[float, float]]:
    for truth in pictures:
        shown = gray_of(truth)[:, :, None]
        gray = Photo(shown if bits == 8 else shown.astype(np.uint16) * 257)
        colored = pipeline.restore(gray, _with(models, Wishes())).photo
        assert isinstance(colored, Photo)
        before, after = (color.lightness(luminance(one, 0, len(truth))) for one in (gray, colored))
        yield float(np.abs(after - before).max()), float(np.abs(after - before).mean())


if __name__ == "__main__":
    main()

"""How well photofix undoes a blur that nobody tells it: `python benchmarks/blind.py kernels|pairs|sharp|speed`.

Each command prints one table, made by what a user runs: the settings that the options below name, sigma auto.
--count N takes only some pictures, and then no figure is comparable to others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
from skimage import restoration

from deblur import SIGMA, blurred, kernels
from photofix import pipeline, psf
from photofix.job import KnownBlur, Settings
from photofix.model import Model
from photofix.models import Models
from photofix.photo import Photo
from photofix.tasks import deblur
from photofix.tasks.deblur import Known, Solve
from pictures import DATA, load, lossless, psnr, to_bytes
from tables import markdown

#: Standard deviations, in pixels, of the Gaussian that the classical methods guess the blur to be.
GUESSES = (1.0, 1.5, 2.0)

#: Furthest shift, in pixels, at which an answer is compared: nobody can know where the middle of a kernel is.
SHIFT = 8

#: What a method makes of a blurred picture.
Undo = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Score:
    """PSNR in dB, as it is and at the best shift by whole pixels."""

    plain: float
    shifted: float


def main() -> None:
    arguments = _parser().parse_args()
    arguments.table(arguments)


def by_kernels(arguments: argparse.Namespace) -> None:
    """CBSD68 under Levin's eight kernels and noise of sigma 2.55, in 8 bits; beyond the border nothing is known."""
    truths, shapes = list(enumerate(lossless("cbsd68", arguments.count))), kernels()
    methods = {name: undo for name, undo in _methods(arguments).items() if arguments.only in name}
    rows: dict[str, list[list[Score]]] = {name: [] for name in methods}
    for number, kernel in enumerate(shapes):
        samples = [blurred(truth, kernel, seed, number) for seed, truth in truths]
        for name, undo in methods.items():
            rows[name].append([score(undo(sample.picture), sample.truth) for sample in samples])
    print(f"PSNR in dB on {len(truths)} pictures of CBSD68, blurred by Levin's kernels, sigma {SIGMA}.")
    header = ["", *(f"kernel {k + 1}" for k in range(len(shapes))), "all"]
    for words, measure in (("As it is", "plain"), (f"At the best shift of at most {SHIFT} pixels", "shifted")):
        means = [[name, *_means(row, measure)] for name, row in rows.items()]
        print(f"\n{words}:\n\n{markdown(header, means)}")


def pairs(arguments: argparse.Namespace) -> None:
    """Real blur: two pairs, averages of a high-speed camera's frames and one frame of each."""
    folder, rows = DATA / "eval" / "gopro_pairs", []
    found = _restored(Settings("deblur", blur=KnownBlur("auto")))
    for file in sorted(folder.glob("*_blur*.webp")):
        picture, truth = load(file), load(file.with_name(file.name.replace("blur", "sharp")))
        scores = [score(answer, truth) for answer in (picture, _ours(arguments)(picture), found(picture))]
        rows.append([file.stem, *(f"{value:.2f}" for one in scores for value in (one.plain, one.shifted))])
    print(markdown(["", "blurred", "shifted", "photofix", "shifted", "--psf auto", "shifted"], rows))


def sharp(arguments: argparse.Namespace) -> None:
    """CBSD68 as it is: what is sharp is to stay so."""
    ways = {"photofix": _ours(arguments), "photofix --psf auto": _restored(Settings("deblur", blur=KnownBlur("auto")))}
    pictures, rows = lossless("cbsd68", arguments.count), []
    for name, undo in ways.items():
        found = [psnr(undo(picture), picture) for picture in pictures if arguments.only in name]
        rows += [[name, str(len(found)), f"{fmean(found):.2f}", f"{min(found):.2f}"]] if found else []
    print(markdown(["", "pictures", "mean", "least"], rows))


def speed(arguments: argparse.Namespace) -> None:
    """Seconds a megapixel of the network alone and of the RGB denoiser, sigma told; the best of three in turn."""
    picture = np.tile(lossless("cbsd68", 1)[0], (4, 3, 1))[:1024, :1024]
    networks = {task: Models(_settings(arguments, task)).get(task) for task in ("denoise", "deblur")}
    times = {task: min(_seconds(network, picture) for _ in range(3)) for task, network in networks.items()}
    cost = [f"{seconds * 1e6 / picture[:, :, 0].size:.2f}" for seconds in times.values()]
    print(markdown(["denoise", "deblur", "ratio"], [[*cost, f"{times['deblur'] / times['denoise']:.2f}"]]))


def score(answer: np.ndarray, truth: np.ndarray) -> Score:
    """Both measures, each over all that it can compare."""
    given, wanted = to_bytes(answer.reshape(truth.shape)), truth[SHIFT:-SHIFT, SHIFT:-SHIFT]
    errors = cv2.matchTemplate(given.astype(np.float32), wanted.astype(np.float32), cv2.TM_SQDIFF)
    down, right = np.unravel_index(int(errors.argmin()), errors.shape)
    moved = given[down : down + wanted.shape[0], right : right + wanted.shape[1]]
    return Score(psnr(given, truth), psnr(moved, wanted))


def _means(row: Sequence[Sequence[Score]], measure: str) -> Iterable[str]:
    means = [fmean(getattr(one, measure) for one in cell) for cell in row]
    return (f"{value:.2f}" for value in (*means, fmean(means)))


def _methods(arguments: argparse.Namespace) -> dict[str, Undo]:
    methods: dict[str, Undo] = {"blurred": lambda picture: picture}
    for sigma in GUESSES:
        kernel = psf.parse(f"gauss:{sigma}")
        methods[f"unsupervised Wiener (scikit-image), Gaussian {sigma}"] = _unsupervised(kernel)
        methods[f"Wiener, Gaussian {sigma}"] = _told(kernel, deblur.wiener)
        methods[f"Richardson-Lucy, Gaussian {sigma}"] = _told(kernel, deblur.richardson_lucy)
    found = _restored(Settings("deblur", blur=KnownBlur("auto")))
    return methods | {"photofix": _ours(arguments), "photofix --psf auto": found}


def _told(kernel: np.ndarray, solve: Solve) -> Undo:
    blur = Known(kernel, SIGMA / 255, linear=False)
    return lambda picture: deblur.deblur(Photo(picture.reshape(*picture.shape[:2], -1)), blur, solve).pixels


def _unsupervised(kernel: np.ndarray) -> Undo:
    """Orieux, Giovannelli and Rodet, J. Opt. Soc. Am. A 2010: it finds the noise, and is told the blur."""

    def undo(picture: np.ndarray) -> np.ndarray:
        reach = max(kernel.shape)
        padded = np.pad(np.atleast_3d(picture) / 255, ((reach, reach), (reach, reach), (0, 0)), "symmetric")
        planes = [restoration.unsupervised_wiener(plane, kernel, rng=0)[0] for plane in np.moveaxis(padded, 2, 0)]
        return np.stack(planes, axis=2)[reach:-reach, reach:-reach].astype(np.float32)

    return undo


def _ours(arguments: argparse.Namespace) -> Undo:
    return _restored(_settings(arguments, "deblur"))


def _restored(settings: Settings) -> Undo:
    models = Models(settings)

    def undo(picture: np.ndarray) -> np.ndarray:
        restored = pipeline.restore(Photo(picture.reshape(*picture.shape[:2], -1)), models).photo
        assert isinstance(restored, Photo)
        return restored.pixels

    return undo


def _settings(arguments: argparse.Namespace, task: str) -> Settings:
    if task == "denoise":
        return Settings()
    return Settings("deblur", mode=arguments.mode, manifest=arguments.manifest, weights=arguments.weights)


def _seconds(network: Model, picture: np.ndarray) -> float:
    started = time.perf_counter()
    network(picture, 0.02)
    return time.perf_counter() - started


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, table in {"kernels": by_kernels, "pairs": pairs, "sharp": sharp, "speed": speed}.items():
        command = commands.add_parser(name, help=table.__doc__)
        command.add_argument("--count", type=int, metavar="N", help="only N pictures")
        command.add_argument("--only", default="", metavar="WORD", help="only methods whose name has this in it")
        command.add_argument("--mode", default="auto", choices=["auto", "motion", "defocus"])
        command.add_argument("--weights", type=Path, help="of a network that is still being trained")
        command.add_argument("--manifest", type=Path)
        command.set_defaults(table=table)
    return parser


if __name__ == "__main__":
    main()

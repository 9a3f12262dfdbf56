"""How well photofix undoes a blur that it is told, beside others: `python benchmarks/deblur.py levin|cbsd68`.

Each command prints one table; --limit N takes only some pictures, and then no figure is comparable to published ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import cv2
import h5py
import numpy as np

from photofix import psf
from photofix.job import KnownBlur, Settings
from photofix.models import Models
from photofix.photo import Photo
from photofix.restore_blurred import solver
from photofix.tasks import deblur
from photofix.tasks.deblur import Known, Solve
from pictures import DATA, load, lossless, psnr
from tables import markdown

LEVIN = DATA / "eval" / "levin32"
FDN = DATA / "published" / "deblur" / "fdn_sigma_1.0-3.0.hdf5"

#: Noise in 8-bit units: what is said of Levin's pictures, and what is added to CBSD68.
LEVIN_SIGMA = 1.5
SIGMA = 2.55

#: Levin's measure: pixels left out at the border, largest shift and its steps.
BORDER, SHIFT, STEP = 15, 6, 0.25


@dataclass(frozen=True)
class Blurred:
    """A blurred picture, the truth, and the number of its kernel."""

    picture: np.ndarray
    truth: np.ndarray
    kernel: int


#: What a method makes of a picture whose blur it is told; and how near that is to the truth, in dB.
Undo = Callable[[np.ndarray, Known], np.ndarray]
Measure = Callable[[np.ndarray, np.ndarray], float]


def main() -> None:
    arguments = _parser().parse_args()
    arguments.table(arguments)


def levin(arguments: argparse.Namespace) -> None:
    """Four pictures blurred by a camera that was shaken eight times (Levin et al., CVPR 2009)."""
    truths = [_gray(LEVIN / "gt" / f"im{number}.png") for number in range(1, 5)][: arguments.limit]
    samples = [
        Blurred(_gray(LEVIN / f"im{i}_kernel{k + 1}_img.png"), truth, k)
        for i, truth in enumerate(truths, 1)
        for k in range(8)
    ]
    rows = _rows(samples, LEVIN_SIGMA, aligned_psnr, arguments.only)
    print(
        f"PSNR in dB on {len(samples)} of Levin's pictures at the best shift, {BORDER} pixels at the border left out.\n"
    )
    print(markdown(["", *(f"kernel {k + 1}" for k in range(8)), "all"], rows))


def cbsd68(arguments: argparse.Namespace) -> None:
    """CBSD68 under Levin's kernels and noise of sigma 2.55, rounded to 8 bits; beyond the border nothing is known."""
    samples = [
        blurred(truth, kernel, seed, k)
        for seed, truth in enumerate(lossless("cbsd68", arguments.limit))
        for k, kernel in enumerate(kernels())
    ]
    rows = _rows(samples, SIGMA, psnr, arguments.only)
    print(f"PSNR in dB on {len(samples) // 8} pictures of CBSD68, blurred by Levin's kernels, sigma {SIGMA}.\n")
    print(markdown(["", *(f"kernel {k + 1}" for k in range(8)), "all"], rows))


def kernels() -> list[np.ndarray]:
    """Levin's kernels as a convolution has them: their file's are turned by 180 degrees, and its axes swapped."""
    with h5py.File(LEVIN / "kernels_hdf5" / "Levin09.mat") as file:
        published = [np.asarray(file[place]).T for place in np.ravel(file["kernels"])]
    return [psf.checked(kernel[::-1, ::-1].clip(0, 1)) for kernel in published]


def aligned_psnr(answer: np.ndarray, truth: np.ndarray) -> float:
    """PSNR at the best shift: a camera shake has no middle, so the truth lies elsewhere by a part of a pixel."""
    inner = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    given, wanted = answer.reshape(truth.shape).astype(np.float32), truth.astype(np.float32)

    def error(down: float, right: float) -> float:
        move = np.array([[1, 0, right], [0, 1, down]], np.float64)
        moved = cv2.warpAffine(given, move, (truth.shape[1], truth.shape[0]), flags=cv2.INTER_LINEAR)
        return float(np.mean((moved - wanted)[inner] ** 2))

    whole = range(-SHIFT, SHIFT + 1)
    _, down, right = min((error(y, x), y, x) for y in whole for x in whole)
    fine = np.arange(-1, 1 + STEP, STEP)
    near = [(down + y, right + x) for y in fine for x in fine if max(abs(down + y), abs(right + x)) <= SHIFT]
    return -10 * float(np.log10(min(error(y, x) for y, x in near) / 255**2))


def blurred(truth: np.ndarray, kernel: np.ndarray, seed: int, number: int) -> Blurred:
    """A picture blurred where all of it is known, noisy and rounded; the truth is cut alike."""
    rows, columns = (side // 2 for side in kernel.shape)
    turned = np.ascontiguousarray(kernel[::-1, ::-1])  # OpenCV correlates.
    blurred = cv2.filter2D(truth.astype(np.float32), -1, turned)[rows:-rows, columns:-columns]
    noisy = blurred + np.random.default_rng((seed, number)).normal(0, SIGMA, blurred.shape)
    return Blurred(np.rint(noisy).clip(0, 255).astype(np.uint8), truth[rows:-rows, columns:-columns], number)


def _rows(samples: Sequence[Blurred], sigma: float, measure: Measure, only: str) -> list[list[str]]:
    """A method each: its mean for each kernel, and over all."""
    shapes, rows = kernels(), []
    for name, undo in {method: undo for method, undo in _methods().items() if only in method}.items():
        found = []
        for sample in samples:
            answer = undo(sample.picture, Known(shapes[sample.kernel], sigma / 255, linear=False))
            found.append((sample.kernel, measure(answer, sample.truth)))
        means = [fmean(value for kernel, value in found if wanted in (kernel, 8)) for wanted in range(9)]
        rows.append([name, *(f"{value:.2f}" for value in means)])
    return rows


def _methods() -> dict[str, Undo]:
    told = Settings(task="deblur", blur=KnownBlur(((1.0,),)))
    ours = Models(told).get("denoise")
    fdn = Models(replace(told, model="fdn", weights=FDN)).get("deblur")
    return {
        "blurred": lambda picture, _: picture,
        "Wiener": _with(deblur.wiener),
        "Richardson-Lucy": _with(deblur.richardson_lucy),
        "FDN, run here": _with(solver(fdn)),
        "photofix": _with(solver(ours)),
    }


def _with(solve: Solve) -> Undo:
    def undo(picture: np.ndarray, blur: Known) -> np.ndarray:
        photo = Photo(picture.reshape(*picture.shape[:2], -1))
        return deblur.deblur(photo, blur, solve).pixels.reshape(picture.shape)

    return undo


def _gray(file: Path) -> np.ndarray:
    pixels = load(file)
    return pixels if pixels.ndim == 2 else pixels[:, :, 0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, table in {"levin": levin, "cbsd68": cbsd68}.items():
        command = commands.add_parser(name, help=table.__doc__)
        command.add_argument("--limit", type=int, metavar="N", help="only N pictures")
        command.add_argument("--only", default="", metavar="WORD", help="only methods whose name has this in it")
        command.set_defaults(table=table)
    return parser


if __name__ == "__main__":
    main()

"""How well dark photos are brightened, beside others: `python benchmarks/low_light.py synthetic|pairs|raw|good|speed`.

Each command prints one table. Ours runs through the public API at its default precision, and so do the peers' networks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np

import darkness
import photofix
import scenes
from darkness import Brief, Dark
from photofix import compare
from photofix.photo import Photo
from pictures import DATA, load, lossless, psnr, to_bytes
from tables import markdown

#: By how much light is less than the picture needs, and how much longer a RAW photo should have been exposed.
LEVELS = (8, 30, 100)
RATIOS = (10, 100, 300)

#: Published networks, and their files beside the project.
PUBLISHED = {
    "sci-easy": "sci_easy.pt",
    "sci-medium": "sci_medium.pt",
    "sci-difficult": "sci_difficult.pt",
    "iat-lol": "iat_lol_v1.pth",
    "iat-exposure": "iat_exposure.pth",
    "zero-dce": "zero_dce.pth",
}

Method = Callable[[Dark], np.ndarray]
Plain = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    arguments = _parser().parse_args()
    arguments.table(arguments)


def synthetic(arguments: argparse.Namespace) -> None:
    """CBSD68 in less light, seen by a small sensor, 8 bits: with the exposure told to both, and without."""
    truths = [middle(truth, arguments.crop) for truth in spread(lossless("cbsd68"), arguments.limit)]
    methods: dict[str, Method] = {
        "gain + variance-stabilised BM3D, noise told": darkness.gain_and_bm3d,
        "photofix, exposure told": lambda dark: low_light(dark.picture, exposure=float(np.log2(dark.level))),
        "gamma 0.4 + BM3D": lambda dark: darkness.classical_and_bm3d(dark, "gamma"),
        "CLAHE + BM3D": lambda dark: darkness.classical_and_bm3d(dark, "clahe"),
        "photofix, exposure auto": lambda dark: low_light(dark.picture),
    }
    if not arguments.bm3d:
        methods = {name: method for name, method in methods.items() if "BM3D" not in name}
    scenes = {level: [darkness.dark(truth, level, seed) for seed, truth in enumerate(truths)] for level in LEVELS}
    rows = []
    for name, method in methods.items():
        means = (fmean(psnr(method(dark), dark.truth) for dark in scenes[level]) for level in LEVELS)
        rows.append([name, *(f"{mean:.2f}" for mean in means)])
        print(rows[-1], flush=True)
    part = f"the middle {arguments.crop} pixels of " if arguments.crop else ""
    print(f"PSNR in dB on {part}{len(truths)} pictures of CBSD68.\n")
    print(markdown(["", *(f"1/{level}" for level in LEVELS)], rows))


def pairs(_arguments: argparse.Namespace) -> None:
    """Real photos, dark and well exposed, 16 of SICE, 2 of LSRW and 1 of UHD-LL; nothing of the reference is used."""
    both = {"SICE": sice(), "LSRW, UHD-LL": lsrw_and_uhdll()}
    methods: dict[str, Plain] = {
        "as it is": lambda picture: picture,
        "gamma 0.4": lambda picture: low_light(picture, method="gamma"),
        "CLAHE": lambda picture: low_light(picture, method="clahe"),
        **{name: published(name) for name in PUBLISHED},
        "photofix": low_light,
    }
    rows = []
    for name, method in methods.items():
        found = {kind: [measures(method(dark), truth) for dark, truth in some] for kind, some in both.items()}
        found["all"] = [one for some in found.values() for one in some]
        rows.append([name, *(_cells(some) for some in found.values())])
        print(rows[-1], flush=True)
    print("PSNR in dB and SSIM, plain / brightness matched to the reference's mean.\n")
    print(markdown(["", *(f"{kind}, {len(some)}" for kind, some in both.items()), "all"], rows))


def raw(arguments: argparse.Namespace) -> None:
    """Mosaics of CBSD68 exposed for a fraction of the time; all developed by LibRaw.

    Against the photograph that the mosaic was made from, whose tone curve a camera had put on it, and against LibRaw's
    development of the mosaic without noise, which has none.
    """
    truths = spread(lossless("cbsd68"), arguments.limit)
    methods: dict[str, Callable[[Brief], np.ndarray]] = {
        "amplified, developed": darkness.amplified,
        "amplified, raw denoiser, developed": darkness.amplified_and_denoised,
        "raw denoiser, developed brighter": darkness.denoised_and_amplified,
        "photofix, exposure told": lambda scene: shown(
            photofix.low_light(scene.photo, exposure=float(np.log2(scene.ratio)))
        ),
        "photofix, exposure auto": lambda scene: shown(photofix.low_light(scene.photo)),
    }
    rows = []
    for name, method in methods.items():
        cells = []
        for ratio in RATIOS:
            scenes = (darkness.exposed_briefly(truth, ratio, seed) for seed, truth in enumerate(truths))
            found = [_raw_psnr(method, scene) for scene in scenes]
            cells.append(" / ".join(f"{fmean(column):.2f}" for column in zip(*found, strict=True)))
        rows.append([name, *cells])
        print(rows[-1], flush=True)
    print(f"PSNR in dB, {len(truths)} pictures of CBSD68 as mosaics: against the photograph / its plain development.\n")
    print(markdown(["", *(f"ratio {ratio}" for ratio in RATIOS)], rows))


def _raw_psnr(method: Callable[[Brief], np.ndarray], scene: Brief) -> tuple[float, float]:
    answer = method(scene)
    return psnr(answer, scene.photograph), psnr(answer, to_bytes(scene.truth))


def good(arguments: argparse.Namespace) -> None:
    """Photos that lack nothing: how much of them is changed."""
    sets = {"CBSD68": lossless("cbsd68"), "references of SICE": [truth for _, truth in sice()]}
    rows = []
    for name, pictures in sets.items():
        found = [psnr(low_light(picture), picture) for picture in spread(pictures, arguments.limit)]
        kept = sum(value == float("inf") for value in found)
        least, middle = min(found), float(np.median(found))
        fine = sum(value >= 30 for value in found)
        rows.append([f"{name}, {len(found)}", str(kept), str(fine), f"{least:.1f}", f"{middle:.1f}"])
    print("What comes back of photos that are well exposed, exposure auto.\n")
    print(markdown(["", "identical", "30 dB or more", "least, dB", "median, dB"], rows))


def speed(_arguments: argparse.Namespace) -> None:
    """Seconds a megapixel beside denoising, of arrays of 1 and 4 megapixels; the least of three runs."""
    rows = []
    for megapixels in (1, 4):
        picture = scenes.noisy(megapixels, 20) // 6  # without noise the denoiser would not even run
        seconds = [_least(run, picture) / megapixels for run in (photofix.denoise, low_light)]
        rows.append([str(megapixels), *(f"{value:.2f}" for value in seconds), f"{seconds[1] / seconds[0]:.2f}"])
    print(markdown(["megapixels", "denoise", "low-light", "ratio"], rows))


def _least(run: Callable[[np.ndarray], object], picture: np.ndarray) -> float:
    run(picture[:256, :256])
    taken = []
    for _ in range(3):
        started = time.process_time()
        run(picture)
        taken.append(time.process_time() - started)
    return min(taken)


def low_light(picture: np.ndarray, **options: object) -> np.ndarray:
    return np.asarray(photofix.low_light(picture, **options))  # type: ignore[arg-type]


def shown(photo: object) -> np.ndarray:
    assert isinstance(photo, Photo)
    return photo.pixels / np.float32(65535)


def published(name: str) -> Plain:
    """A published network from the data beside the project."""
    file = DATA / "published" / "low-light" / PUBLISHED[name]
    return lambda picture: low_light(picture, model=name, weights=file)


def sice() -> list[tuple[np.ndarray, np.ndarray]]:
    """(dark, reference) of SICE (Cai et al. 2018)."""
    files = sorted((DATA / "eval" / "sice_pairs").glob("*_dark.jpg"))
    return [(load(file), load(file.with_name(file.name.replace("dark", "reference")))) for file in files]


def lsrw_and_uhdll() -> list[tuple[np.ndarray, np.ndarray]]:
    """(dark, reference), the larger one of them shrunk to the other's size."""
    return [_alike(file) for file in sorted((DATA / "eval" / "lowlight_pairs").glob("*_low.*"))]


def _alike(file: Path) -> tuple[np.ndarray, np.ndarray]:
    dark, truth = load(file), load(file.with_name(file.name.replace("_low", "_normal")))
    return dark, cv2.resize(truth, dark.shape[1::-1], interpolation=cv2.INTER_AREA)


def measures(answer: np.ndarray, truth: np.ndarray) -> tuple[float, float, float, float]:
    """PSNR and SSIM; and the same when all values are multiplied so that the mean of luma is the reference's."""
    luma = [float(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).mean()) for part in (answer, truth)]
    matched = np.rint((answer * (luma[1] / luma[0])).clip(0, 255)).astype(np.uint8)
    return tuple(  # type: ignore[return-value]
        measure(Photo(part), Photo(truth)) for part in (answer, matched) for measure in (compare.psnr, compare.ssim)
    )


def _cells(found: Sequence[tuple[float, float, float, float]]) -> str:
    plain, ssim, matched, matched_ssim = (fmean(column) for column in zip(*found, strict=True))
    return f"{plain:.2f} {ssim:.3f} / {matched:.2f} {matched_ssim:.3f}"


def spread(pictures: Sequence[np.ndarray], limit: int | None) -> list[np.ndarray]:
    """So many of the pictures, evenly spread."""
    return list(pictures if limit is None else pictures[:: -(-len(pictures) // limit)])


def middle(picture: np.ndarray, side: int | None) -> np.ndarray:
    """A part of side x side, or all."""
    if side is None:
        return picture
    top, left = ((size - side) // 2 for size in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for table in (synthetic, pairs, raw, good, speed):
        command = commands.add_parser(table.__name__, help=table.__doc__)
        command.add_argument("--limit", type=int, metavar="N", help="only N pictures, spread evenly")
        if table is synthetic:
            command.add_argument("--crop", type=int, metavar="N", help="only the middle N x N pixels: BM3D takes hours")
            command.add_argument("--no-bm3d", dest="bm3d", action="store_false", help="leave out what takes hours")
        command.set_defaults(table=table)
    return parser


if __name__ == "__main__":
    main()

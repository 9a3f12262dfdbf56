"""How well photofix denoises, beside others: `python benchmarks/quality.py gaussian|auto|polyu|raw|clean`.

Each command prints one table. Everything of ours runs through the public API at its default precision; the peers'
networks run through it too, in float32. With --limit N, which takes only some pictures, no figure is comparable to
published ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

import mosaics
import peers
import photofix
from photofix import mosaic
from photofix.job import Settings
from photofix.models import Models
from photofix.noise import profile_for_iso
from photofix.photo import Photo, white
from photofix.restore_picture import noise_level
from photofix.tasks.denoise import denoise_raw
from pictures import DATA, Sample, load, lossless, polyu, psnr, with_noise
from tables import markdown

SIGMAS = (15, 25, 50)
ISOS = (1600, 6400, 25600)

BM3D = "BM3D"

#: PSNR at SIGMAS in the authors' papers, color sets; BSD68 gray is of one network per level.
PUBLISHED = {
    "cbsd68": {
        "DnCNN, published": (33.90, 31.24, 27.95),
        "FFDNet, published": (33.87, 31.21, 27.96),
        "DRUNet, published": (34.30, 31.69, 28.51),
    },
    "bsd68_gray": {"DnCNN-S, published": (31.73, 29.23, 26.23)},
    "set12_gray": {},
}

Method = Callable[[Sample], np.ndarray]


def main() -> None:
    arguments = _parser().parse_args()
    arguments.table(arguments)


def gaussian(arguments: argparse.Namespace) -> None:
    """White noise of known level, against networks that know it or are blind, and published figures."""
    truths = lossless(arguments.set, arguments.limit)
    gray = truths[0].ndim == 2
    methods: dict[str, Method] = {
        "noisy": lambda sample: sample.noisy,
        "photofix": _ours,
        "photofix, sigma auto": _ours_auto,
        "DnCNN blind, run here": _network("dncnn-gray-blind" if gray else "dncnn-color-blind"),
    }
    if not gray:
        methods["FFDNet, run here"] = _network("ffdnet-color")
    rows = [[name, *(f"{_gaussian(method, truths, s):.2f}" for s in SIGMAS)] for name, method in methods.items()]
    rows += [[name, *(f"{figure:.2f}" for figure in figures)] for name, figures in PUBLISHED[arguments.set].items()]
    print(f"PSNR in dB on {arguments.set}, {len(truths)} pictures; answers rounded to 8 bits, noise not clipped.\n")
    print(markdown(["", *(f"sigma {sigma}" for sigma in SIGMAS)], rows))


def auto(arguments: argparse.Namespace) -> None:
    """What estimating the level of white noise costs against knowing it."""
    truths = lossless(arguments.set, arguments.limit)
    rows = []
    for sigma in (5, *SIGMAS, 75):
        known, estimated = (_gaussian(method, truths, sigma) for method in (_ours, _ours_auto))
        rows.append([str(sigma), f"{known:.2f}", f"{estimated:.2f}", f"{estimated - known:+.3f}"])
    print(f"PSNR in dB on {arguments.set}, {len(truths)} pictures, sigma known and estimated.\n")
    print(markdown(["sigma", "known", "auto", "difference"], rows))


def real(arguments: argparse.Namespace) -> None:
    """Real noise of three makes of cameras, out of the camera as JPEG."""
    samples = polyu(arguments.limit)
    models = Models(Settings())
    methods: dict[str, Method] = {
        "noisy": lambda sample: sample.noisy,
        "photofix, sigma auto": _ours_auto,
        BM3D + ", same estimate": lambda sample: _bm3d(_estimated(sample, models)),
        BM3D + ", true level of each photo": _bm3d,
        "FFDNet, same estimate": lambda sample: _network("ffdnet-color")(_estimated(sample, models)),
        "DnCNN blind": _network("dncnn-color-blind"),
    }
    if not arguments.bm3d:
        methods = {name: method for name, method in methods.items() if BM3D not in name}
    makes = sorted({sample.make for sample in samples})
    rows = []
    for name, method in methods.items():
        found = [(sample.make, psnr(method(sample), sample.truth)) for sample in samples]
        means = [fmean(value for make, value in found if wanted in (make, "all")) for wanted in (*makes, "all")]
        rows.append([name, *(f"{value:.2f}" for value in means)])
    print(f"PSNR in dB on PolyU, {len(samples)} pairs.\n")
    print(markdown(["", *makes, "all"], rows))


def raw(arguments: argparse.Namespace) -> None:
    """Mosaics simulated from CBSD68, noise profile known to all."""
    truths = lossless("cbsd68", arguments.limit)
    methods: dict[str, Callable[[mosaics.Scene], np.ndarray]] = {
        "noisy": lambda scene: scene.noisy,
        "photofix": _ours_raw(Models(Settings())),
        BM3D + " of each plane, stabilised": lambda scene: peers.bm3d_planes(scene.noisy, *_profile(scene)),
        BM3D + " of all planes, stabilised": lambda scene: peers.bm3d_joint(scene.noisy, *_profile(scene)),
        "PMRID": lambda scene: peers.pmrid(scene.noisy, *_profile(scene)),
    }
    if not arguments.bm3d:
        methods = {name: method for name, method in methods.items() if BM3D not in name}
    scenes = {
        iso: [mosaics.simulate(truth, profile_for_iso(iso), seed) for seed, truth in enumerate(truths)] for iso in ISOS
    }
    print(
        f"PSNR in dB on mosaics of {len(truths)} pictures of CBSD68: packed planes in linear light / their square roots"
    )
    print("/ developed to sRGB. The noise is that of a typical full-frame sensor at these ISO.\n")
    rows = [[name, *(_raw_cell(method, scenes[iso]) for iso in ISOS)] for name, method in methods.items()]
    print(markdown(["", *(f"ISO {iso}" for iso in ISOS)], rows))


def clean(arguments: argparse.Namespace) -> None:
    """Pictures with nothing to remove: how much of them is changed."""
    rows = []
    for name, truths in _clean_pictures(arguments.limit).items():
        samples = [Sample(truth, truth, sigma=0) for truth in truths]
        known, estimated = ([psnr(way(s), s.truth) for s in samples] for way in (_ours, _ours_auto))
        figures = (min(known), fmean(known), min(estimated), fmean(estimated))
        rows.append([f"{name}, {len(truths)}", *map(_decibels, figures)])
    print("PSNR in dB of what comes back against what went in.\n")
    print(markdown(["", "sigma 0, least", "mean", "sigma auto, least", "mean"], rows))


def _ours(sample: Sample) -> np.ndarray:
    return np.asarray(photofix.denoise(sample.noisy, sigma=sample.sigma))


def _ours_auto(sample: Sample) -> np.ndarray:
    return np.asarray(photofix.denoise(sample.noisy))


def _network(name: str) -> Method:
    """A published network from the data beside the project, in float32 as its authors run it."""
    file = DATA / "published" / "denoise" / f"{name.replace('-', '_')}.pth"

    def run(sample: Sample) -> np.ndarray:
        answer = photofix.denoise(sample.noisy, sigma=sample.sigma, model=name, weights=file, precision="float32")
        return np.asarray(answer)

    return run


def _bm3d(sample: Sample) -> np.ndarray:
    noisy = sample.noisy.astype(np.float32) / white(sample.noisy.dtype)
    return peers.bm3d_color(noisy, sample.sigma) if sample.sigma >= 0.05 else noisy


def _estimated(sample: Sample, models: Models) -> Sample:
    """The sample with the level that photofix finds, one for the whole picture, in place of the true one."""
    return replace(sample, sigma=noise_level(Photo(sample.noisy), models)[1] * 255)


def _gaussian(method: Method, truths: Sequence[np.ndarray], sigma: float) -> float:
    samples = (with_noise(truth, sigma, seed) for seed, truth in enumerate(truths))
    return fmean(psnr(method(sample), sample.truth) for sample in samples)


def _ours_raw(models: Models) -> Callable[[mosaics.Scene], np.ndarray]:
    def denoise(scene: mosaics.Scene) -> np.ndarray:
        network = models.get("denoise", is_raw=True)
        answer = denoise_raw(scene.raw, network, [_profile(scene)] * 4)
        return mosaic.pack(answer - mosaics.BLACK, "RGGB") / np.float32(mosaics.WHITE - mosaics.BLACK)

    return denoise


def _profile(scene: mosaics.Scene) -> tuple[float, float]:
    return scene.camera.shot, scene.camera.read


def _raw_cell(method: Callable[[mosaics.Scene], np.ndarray], scenes: Sequence[mosaics.Scene]) -> str:
    figures = np.mean([_raw_psnr(method(scene), scene) for scene in scenes], axis=0)
    return " / ".join(f"{figure:.2f}" for figure in figures)


def _raw_psnr(planes: np.ndarray, scene: mosaics.Scene) -> tuple[float, float, float]:
    shown, truth = (mosaics.develop(part, scene.camera) for part in (planes, scene.clean))
    return (
        _float_psnr(planes, scene.clean),
        _float_psnr(np.sqrt(planes.clip(0, 1)), np.sqrt(scene.clean)),
        _float_psnr(shown, truth),
    )


def _float_psnr(answer: np.ndarray, truth: np.ndarray) -> float:
    return -10 * float(np.log10(np.mean(np.square(answer - truth, dtype=np.float64))))


def _clean_pictures(limit: int | None) -> dict[str, list[np.ndarray]]:
    ramp = np.linspace(0, 255, 512, dtype=np.float32)
    sky = np.stack([np.tile(np.rint(ramp * part), (512, 1)).T for part in (0.4, 0.6, 0.9)], axis=2).astype(np.uint8)
    gopro = sorted((DATA / "eval" / "gopro_pairs").glob("*sharp*"))
    return {
        "CBSD68": lossless("cbsd68", limit),
        "Set12": lossless("set12_gray", limit),
        "GoPro, sharp": [load(file) for file in gopro[:limit]],
        "PolyU, means of many": [sample.truth for sample in polyu(limit)],
        "flat and gradient": [np.full((256, 256, 3), 118, np.uint8), sky],
    }


def _decibels(value: float) -> str:
    return "identical" if value == float("inf") else f"{value:.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, table in {"gaussian": gaussian, "auto": auto, "polyu": real, "raw": raw, "clean": clean}.items():
        command = commands.add_parser(name, help=table.__doc__)
        command.add_argument("--limit", type=int, metavar="N", help="only N pictures")
        if table in (real, raw):
            command.add_argument("--no-bm3d", dest="bm3d", action="store_false", help="leave out what takes hours")
        if table in (gaussian, auto):
            command.add_argument("--set", choices=sorted(PUBLISHED), default="cbsd68")
        command.set_defaults(table=table)
    return parser


if __name__ == "__main__":
    main()

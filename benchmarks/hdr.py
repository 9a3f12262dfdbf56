"""How near photofix's light comes to a scene's, beside others: `python benchmarks/hdr.py static|moving|ntire|single`.

PSNR-mu is that of light on the mu-law curve with mu = 5000 (Kalantari and Ramamoorthi 2017), PSNR-L that of light, both
with the brightest light of the truth as 1. What a merge's unit is no frame tells: every answer is first brought to the
truth's by one factor. Each command prints one table; --limit N takes only some scenes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean

import cv2
import numpy as np

import brackets
from brackets import Bracket, load_ntire
from photofix import pipeline, response
from photofix.brackets import of_photos
from photofix.color import linear_to_srgb
from photofix.job import Light, Settings
from photofix.models import Models
from photofix.photo import Photo
from pictures import DATA
from tables import markdown

EXPANDNET = DATA / "published" / "hdr" / "expandnet.pth"
MU = 5000

#: What a method makes of a bracket: light (H, W, 3) in any unit.
Merge = Callable[[Bracket], np.ndarray]

#: One photo: shares of its pixels that clip, and how many times its white the truth goes up to.
CLIPPED, BRIGHTEST = (0.01, 0.05, 0.10), 64.0


def main() -> None:
    arguments = _parser().parse_args()
    arguments.table(arguments)


def static(arguments: argparse.Namespace) -> None:
    """Tripod brackets of views into held-out panoramas: three frames 2 EV apart, ISO 800, 5 % clipped in the middle."""
    samples = [brackets.static(view, place) for place, view in enumerate(brackets.views()[: arguments.limit])]
    methods = {
        **_methods(),
        "OpenCV, Debevec": debevec,
        "OpenCV, Robertson": robertson,
        "the middle frame alone": _single(1),
    }
    print(f"{len(samples)} static brackets, dB.\n")
    print(markdown(["", "PSNR-mu", "PSNR-L"], [[name, *_means(samples, merge)] for name, merge in methods.items()]))


def moving(arguments: argparse.Namespace) -> None:
    """Brackets by a shaken hand, of scenes through which a piece of another one moves."""
    views = brackets.views()
    chosen = list(enumerate(views))[: arguments.limit]
    samples = [brackets.moving(view, views[(place + 5) % len(views)], place) for place, view in chosen]
    methods = {**_methods(), "OpenCV, align-MTB and Debevec": aligned_debevec, "the middle frame alone": _single(1)}
    rows = []
    best = [max(_mu(_single(place)(one), one.truth, one.moving) for place in range(3)) for one in samples]
    for name, merge in methods.items():
        answers = [merge(one) for one in samples]
        whole = fmean(_mu(answer, one.truth) for answer, one in zip(answers, samples, strict=True))
        inside = [_mu(answer, one.truth, one.moving) for answer, one in zip(answers, samples, strict=True)]
        worst = min(ours - alone for ours, alone in zip(inside, best, strict=True))
        rows.append([name, f"{whole:.2f}", f"{fmean(inside):.2f}", f"{worst:+.2f}"])
    print(
        f"{len(samples)} moving brackets, PSNR-mu in dB; in the moving region the best frame has {fmean(best):.2f}.\n"
    )
    print(markdown(["", "whole", "moving region", "worst against the best frame"], rows))


def ntire(arguments: argparse.Namespace) -> None:
    """Four crops of the NTIRE 2021 challenge's training set: the middle frame is the reference, and its white the unit.

    OpenCV's merges have no unit: theirs is the factor that is best for them.
    """
    samples = load_ntire(DATA / "eval" / "ntire21_hdr")[: arguments.limit]
    methods = {**_methods(), "OpenCV, Debevec": debevec, "OpenCV, align-MTB and Debevec": aligned_debevec}
    methods["the middle frame alone"] = _single(1)
    print(f"{len(samples)} crops, dB.\n")
    rows = []
    for name, merge in methods.items():
        pairs = [(merge(one), one.truth) for one in samples]
        measure = _at_best_scale if "OpenCV" in name else _curved
        rows.append([name, *(f"{fmean(measure(*pair, linear) for pair in pairs):.2f}" for linear in (False, True))])
    print(markdown(["", "PSNR-mu", "PSNR-L"], rows))


def single(arguments: argparse.Namespace) -> None:
    """One 8-bit photo of views into held-out panoramas; the truth is cut off at 64 times its white."""
    lifting, plain = Models(Settings(task="hdr")), Models(Settings(task="hdr", light=Light(lifted=False, smooth=False)))
    expandnet = Models(Settings(task="hdr", model="expandnet", weights=EXPANDNET))
    rows = []
    for share in CLIPPED:
        scores: dict[str, list[float]] = {"inverse tone curve": [], "ExpandNet, run here": [], "photofix": []}
        off = []
        for view in brackets.views(4)[: arguments.limit]:
            truth = np.minimum(view / np.quantile(view.max(2), 1 - share), BRIGHTEST).astype(np.float32)
            photo = Photo(np.rint(linear_to_srgb(truth.clip(0, 1)) * 255).astype(np.uint8))
            inverse, lifted = _light(photo, plain), _light(photo, lifting)
            scores["inverse tone curve"].append(_curved(inverse, truth))
            scores["photofix"].append(_curved(lifted, truth))
            scores["ExpandNet, run here"].append(_at_best_scale(_light(photo, expandnet), truth))
            known = (photo.pixels < 255).all(2)
            off.append(float(np.abs(lifted - inverse)[known].max()))
        rows.append([f"{share:.0%}", *(f"{fmean(found):.2f}" for found in scores.values()), f"{max(off):.4f}"])
    print("PSNR-mu in dB; the last column: how far unclipped pixels are moved at most, with white at 1.\n")
    print(markdown(["clipped", *scores, "moved"], rows))


def debevec(bracket: Bracket) -> np.ndarray:
    return _by_library(bracket.frames, bracket.evs, cv2.createCalibrateDebevec(), cv2.createMergeDebevec())


def robertson(bracket: Bracket) -> np.ndarray:
    return _by_library(bracket.frames, bracket.evs, cv2.createCalibrateRobertson(), cv2.createMergeRobertson())


def aligned_debevec(bracket: Bracket) -> np.ndarray:
    frames = [frame.copy() for frame in bracket.frames]
    cv2.createAlignMTB().process(frames, frames)
    return debevec(replace(bracket, frames=tuple(frames)))


def _by_library(
    frames: Sequence[np.ndarray],
    evs: Sequence[float],
    calibrate: cv2.CalibrateDebevec | cv2.CalibrateRobertson,
    merge: cv2.MergeDebevec | cv2.MergeRobertson,
) -> np.ndarray:
    times = np.array([2.0**ev for ev in evs], np.float32)
    curve = calibrate.process(list(frames), times)
    # Where all frames are black or white in a color, 0 is divided by 0.
    return np.nan_to_num(merge.process(list(frames), times, curve))


def _methods() -> dict[str, Merge]:
    whole = Models(Settings(task="hdr"))
    merged = Models(Settings(task="hdr", light=Light(restored=False)))
    return {"photofix": _ours(whole), "photofix, merging alone": _ours(merged)}


def _ours(models: Models) -> Merge:
    def merge(bracket: Bracket) -> np.ndarray:
        photos = [Photo(frame) for frame in bracket.frames]
        photo = pipeline.restore(of_photos(photos, bracket.evs, brackets.REFERENCE), models).photo
        assert isinstance(photo, Photo)
        return photo.pixels

    return merge


def _single(place: int) -> Merge:
    """One frame, through the response that the bracket tells."""

    def merge(bracket: Bracket) -> np.ndarray:
        curve = response.estimate(bracket.frames, bracket.evs)
        return response.light_of(bracket.frames[place], curve) * np.float32(2.0 ** -bracket.evs[place])

    return merge


def _light(photo: Photo, models: Models) -> np.ndarray:
    lifted = pipeline.restore(photo, models).photo
    assert isinstance(lifted, Photo)
    return lifted.pixels


def _means(samples: Sequence[Bracket], merge: Merge) -> list[str]:
    pairs = [(merge(one), one.truth) for one in samples]
    curved = fmean(_mu(answer, truth) for answer, truth in pairs)
    linear = fmean(_psnr(_scaled(answer, truth) / truth.max(), truth / truth.max()) for answer, truth in pairs)
    return [f"{curved:.2f}", f"{linear:.2f}"]


def _scaled(answer: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """In the truth's unit, as the median of mid tones tells it, and not brighter than the truth can be."""
    peak = float(truth.max())
    known = (truth > 0.005 * peak) & (truth < 0.2 * peak)
    gain = np.median(truth[known] / np.maximum(answer[known], 1e-6))
    return np.minimum(answer * np.float32(gain), peak)


def _mu(answer: np.ndarray, truth: np.ndarray, where: np.ndarray | None = None) -> float:
    peak = float(truth.max())
    pair = [_curve(light / peak) for light in (_scaled(answer, truth), truth)]
    return _psnr(*(pair if where is None else [part[where] for part in pair]))


def _curve(light: np.ndarray) -> np.ndarray:
    return np.log1p(MU * light.clip(0, 1)) / np.log1p(MU)


def _curved(answer: np.ndarray, truth: np.ndarray, linear: bool = False) -> float:
    """The PSNR-mu, or -L, of an answer in the truth's unit."""
    pair = [(light / truth.max()).clip(0, 1) for light in (answer, truth)]
    return _psnr(*pair) if linear else _psnr(*map(_curve, pair))


def _at_best_scale(answer: np.ndarray, truth: np.ndarray, linear: bool = False) -> float:
    """The same at the factor that is best for it."""
    middle = float(np.median(np.log2(truth / np.maximum(answer, 1e-6))))
    steps = np.arange(-5, 6, 0.1)
    return max(_curved(answer * np.float32(2.0 ** (middle + step)), truth, linear) for step in steps)


def _psnr(answer: np.ndarray, truth: np.ndarray) -> float:
    return -10 * float(np.log10(np.mean((answer.astype(np.float64) - truth) ** 2)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, table in {"static": static, "moving": moving, "ntire": ntire, "single": single}.items():
        command = commands.add_parser(name, help=table.__doc__)
        command.add_argument("--limit", type=int, metavar="N", help="only N scenes")
        command.set_defaults(table=table)
    return parser


if __name__ == "__main__":
    main()

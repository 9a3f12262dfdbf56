"""How much a burst gains over one frame: `python benchmarks/burst.py static|moving --set held|cbsd68`.

Frames are simulated: a picture in linear camera colors, moved and turned as by a shaken hand, seen through a Bayer
mosaic with a sensor's noise. "held" are training photographs that were held out, to choose by; "cbsd68" is the test
set. As they are, the pictures hold detail up to the last pixel; "lens" blurs them as much as a lens and the filter in
front of a sensor do (a Gaussian of 0.6 pixels: 17 % contrast at the finest detail that a sensor can hold).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import cv2
import numpy as np

import mosaics
from photofix import burst, mosaic
from photofix.frames import Burst
from photofix.job import Settings
from photofix.models import Models
from photofix.noise import profile_for_iso
from photofix.photo import RawPhoto
from photofix.tasks.denoise import denoise_raw
from pictures import DATA, lossless
from tables import markdown

if TYPE_CHECKING:
    from degrade import Camera

ISOS = (1600, 6400, 25600)
SOFTNESS = {"pixel-sharp": 0.0, "lens": 0.6}
FRAMES = 8

#: Pixels around a frame that the scene goes on for; the most that a hand shifts, and the deviation of its turn.
MARGIN, SHIFT, TURN = 24, 5.0, 0.3

#: What is moved across the picture: half axes, and pixels a frame.
HALF_AXES, SPEED = (48, 36), (9.0, 4.0)

#: Side of the blocks that must not lose, and the rim that is not judged.
BLOCK, RIM = 32, 8


@dataclass(frozen=True)
class Shaken:
    """A simulated burst; truth and still are the reference's mosaic without noise, and the mean of as many frames that
    did not move, (4, h, w), black 0 and white 1."""

    frames: tuple[RawPhoto, ...]
    truth: np.ndarray
    still: np.ndarray
    camera: Camera


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["static", "moving"])
    parser.add_argument("--set", choices=["held", "cbsd68"], default="held")
    parser.add_argument("--limit", type=int, default=24, help="the first so many pictures")
    arguments = parser.parse_args()
    pictures = _held_out()[: arguments.limit] if arguments.set == "held" else lossless("cbsd68", arguments.limit)
    print(f"{len(pictures)} pictures of {arguments.set}, bursts of {FRAMES}; developed to sRGB, PSNR in dB.\n")
    {"static": static, "moving": moving}[arguments.table](pictures)


def static(pictures: Sequence[np.ndarray]) -> None:
    """A still scene: one frame and what merging gives, against as many frames without any motion, averaged."""
    denoise = _network()
    rows = []
    for word, softness in SOFTNESS.items():
        for iso in ISOS:
            found = [_static_figures(simulate(p, iso, softness, seed), denoise) for seed, p in enumerate(pictures)]
            one, average, median, merged, still = np.mean(found, axis=0)
            gains = np.array(found)[:, 3] - np.array(found)[:, 0]
            figures = (one, average, median, merged, still, merged - one, gains.min(), still - merged)
            rows.append([f"{word}, ISO {iso}", *(f"{figure:.2f}" for figure in figures)])
    titles = ("one", "average", "median", "burst", "unmoved", "gain", "least gain", "below unmoved")
    print("average, median: aligned, without a network; one, burst, unmoved: denoised.\n")
    print(markdown(["", *titles], rows))


def moving(pictures: Sequence[np.ndarray]) -> None:
    """Part of another picture moves across each: what the worst block of the burst loses against one frame."""
    denoise = _network()
    rows = []
    for iso in ISOS:
        found = []
        for seed, picture in enumerate(pictures):
            shaken = simulate(picture, iso, SOFTNESS["lens"], seed, pictures[(seed + 1) % len(pictures)])
            one, merged = (_shown(denoise(photo), shaken) for photo in (shaken.frames[0], _merged(shaken)))
            truth = mosaics.develop(shaken.truth, shaken.camera)
            block_gains = 10 * np.log10(_blocks(one, truth) / _blocks(merged, truth))
            found.append((_psnr(merged, truth) - _psnr(one, truth), block_gains.min(), np.mean(block_gains < -0.5)))
        gain, worst, below = (np.array(column) for column in zip(*found, strict=True))
        figures = (f"{gain.mean():+.2f}", f"{np.median(worst):+.2f}", f"{worst.min():+.2f}", f"{below.mean():.2%}")
        rows.append([f"ISO {iso}", *figures])
    titles = ("gain over one frame", "worst block, median", "worst of all", "blocks that lose over 0.5 dB")
    print(f"Blocks of {BLOCK} x {BLOCK} pixels; as a lens leaves the pictures.\n")
    print(markdown(["", *titles], rows))


def simulate(picture: np.ndarray, iso: int, softness: float, seed: int, moved: np.ndarray | None = None) -> Shaken:
    """A burst of an (H, W, 3) uint8 picture; the first frame shows it unmoved. moved: what crosses it, if anything."""
    degrade, rng = _training("degrade"), np.random.default_rng(seed)
    shot, read = profile_for_iso(iso)
    camera = replace(degrade.draw_camera(rng, (1e-3, 1e-3)), shot=shot, read=read)
    scene = _colors(degrade, picture, camera)
    thing = None if moved is None else _fitted(_colors(degrade, moved, camera), scene.shape)
    clean = []
    for index in range(FRAMES):
        seen = scene if thing is None else _with_thing(scene, thing, index)
        seen = cv2.GaussianBlur(seen, (0, 0), softness) if softness else seen
        motion = _hand(rng, scene.shape) if index else np.eye(3)[:2]
        clean.append(degrade.mosaic(_seen_from(seen, motion)))
    noisy = [_numbers(degrade.sense(frame, camera, rng)) for frame in clean]
    still = [_numbers(degrade.sense(clean[0], camera, rng)) for _ in clean]
    average = mosaic.to_planes(_raw(np.asarray(np.mean(still, axis=0, dtype=np.float32)), camera))
    return Shaken(tuple(_raw(frame, camera) for frame in noisy), mosaic.pack(clean[0], "RGGB"), average, camera)


def _colors(degrade: ModuleType, picture: np.ndarray, camera: Camera) -> np.ndarray:
    """Linear camera colors (H, W, 3) of at most 448 x 640 pixels of a picture."""
    part = picture[:448, :640]
    height, width = (size // 2 * 2 for size in part.shape[:2])
    colors: np.ndarray = degrade.to_camera(part[:height, :width].astype(np.float32) / 255, camera)
    return colors


def _fitted(thing: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(cv2.resize(thing, (shape[1], shape[0]), interpolation=cv2.INTER_AREA))


def _with_thing(scene: np.ndarray, thing: np.ndarray, index: int) -> np.ndarray:
    """The scene with an ellipse of the other picture before it, moved by the frame's index."""
    height, width = scene.shape[:2]
    shift = np.array([[1, 0, index * SPEED[0]], [0, 1, index * SPEED[1]]])
    moved = cv2.warpAffine(thing, shift, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
    rows, columns = np.mgrid[:height, :width]
    across = (columns - 0.4 * width - shift[0, 2]) / HALF_AXES[0]
    down = (rows - 0.45 * height - shift[1, 2]) / HALF_AXES[1]
    cover = ((1 - np.hypot(across, down)) * min(HALF_AXES) + 0.5).clip(0, 1)[:, :, None]
    return np.asarray(scene + cover * (moved.clip(0, 1) - scene), np.float32)


def _hand(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """(2, 3): a turn about the middle and a shift."""
    turn = cv2.getRotationMatrix2D((shape[1] / 2, shape[0] / 2), float(rng.normal(0, TURN)), 1)
    return np.asarray(turn + np.pad(rng.uniform(-SHIFT, SHIFT, (2, 1)), ((0, 0), (2, 0))))


def _seen_from(scene: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The scene moved, without its margin."""
    height, width = scene.shape[:2]
    moved = cv2.warpAffine(scene, motion, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved[MARGIN:-MARGIN, MARGIN:-MARGIN].clip(0, 1))


def _numbers(signal: np.ndarray) -> np.ndarray:
    levels = np.rint(signal * (mosaics.WHITE - mosaics.BLACK) + mosaics.BLACK)
    return levels.clip(0, mosaics.WHITE).astype(np.uint16)


def _raw(numbers: np.ndarray, camera: Camera) -> RawPhoto:
    profile = ((camera.shot, camera.read),) * 4
    return RawPhoto(numbers, "RGGB", (mosaics.BLACK,) * 4, mosaics.WHITE, profile, iso=None, data=b"")


def _network() -> Callable[[RawPhoto], np.ndarray]:
    network = Models(Settings()).get("denoise", is_raw=True)
    return lambda photo: denoise_raw(photo, network, photo.noise or ())


def _static_figures(shaken: Shaken, denoise: Callable[[RawPhoto], np.ndarray]) -> tuple[float, ...]:
    reference, truth = shaken.frames[0], mosaics.develop(shaken.truth, shaken.camera)
    unmoved = mosaic.to_mosaic(shaken.still, reference)
    count = np.full(shaken.still.shape[1:], FRAMES, np.float32)
    mosaics_found = (
        denoise(reference),
        _merged(shaken, "average").mosaic,
        _merged(shaken, "median").mosaic,
        denoise(_merged(shaken)),
        denoise(replace(reference, mosaic=unmoved, averaged=count)),
    )
    return tuple(_psnr(_shown(found, shaken), truth) for found in mosaics_found)


def _merged(shaken: Shaken, method: burst.Method = "network") -> RawPhoto:
    reference, *others = shaken.frames
    names = tuple(f"frame {index + 2}" for index in range(len(others)))
    frames = Burst("frame 1", reference, names, tuple(others), (1.0,) * len(others))
    merged = burst.merge(frames, burst.FrameNoise(reference.noise or ()), method).photo
    assert isinstance(merged, RawPhoto)
    return merged


def _shown(numbers: np.ndarray, shaken: Shaken) -> np.ndarray:
    return mosaics.develop(mosaic.to_planes(replace(shaken.frames[0], mosaic=numbers)), shaken.camera)


def _psnr(answer: np.ndarray, truth: np.ndarray) -> float:
    inner = (slice(RIM, -RIM), slice(RIM, -RIM))
    return -10 * float(np.log10(np.mean(np.square(answer[inner] - truth[inner], dtype=np.float64))))


def _blocks(answer: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The mean square error of each block."""
    error = np.square(answer - truth).mean(2)
    rows, columns = (size // BLOCK for size in error.shape)
    cut = error[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return np.asarray(cut.mean((1, 3)))


def _held_out() -> list[np.ndarray]:
    found: list[np.ndarray] = _training("photos").load(DATA / "photos", ["scenes-0", "scenes-1", "scenes-2"], True)
    return found


def _training(name: str) -> ModuleType:
    folder = str(Path(__file__).resolve().parents[1] / "training")
    if folder not in sys.path:
        sys.path.append(folder)
    return __import__(name)


if __name__ == "__main__":
    main()

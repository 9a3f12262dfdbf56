"""The test sets and the measure: pictures as arrays, PSNR as the field measures it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

#: The test data beside the project.
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Sample:
    """A noisy picture and the truth, and the level of the noise in 8-bit units; make: whose camera it was."""

    noisy: np.ndarray
    truth: np.ndarray
    sigma: float
    make: str = ""


def load(file: Path) -> np.ndarray:
    """A picture as (H, W, 3) uint8 RGB, or (H, W) where all its channels are the same."""
    pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise SystemExit(f"{file}: not a picture that OpenCV reads")
    gray = (pixels == pixels[:, :, :1]).all()
    return np.asarray(pixels[:, :, 0] if gray else pixels)


def lossless(name: str, limit: int | None = None) -> list[np.ndarray]:
    """The pictures of a lossless set ("cbsd68", "bsd68_gray", "set12_gray"), or its first ones."""
    files = sorted((DATA / "eval" / name).glob("*.webp"))[:limit]
    if not files:
        raise SystemExit(f"no pictures in {DATA / 'eval' / name}: the test data belongs beside the project")
    return [load(file) for file in files]


def with_noise(truth: np.ndarray, sigma: float, seed: int) -> Sample:
    """The uint8 picture as float32 in [0, 1] with white noise; neither rounded nor clipped."""
    noise = np.random.default_rng(seed).normal(0, sigma / 255, truth.shape)
    return Sample((truth / 255 + noise).astype(np.float32), truth, sigma)


def polyu(limit: int | None = None) -> list[Sample]:
    """The pairs of PolyU (Xu et al. 2018), noisy JPEG and mean of many; or some of them, spread evenly."""
    files = sorted((DATA / "eval" / "polyu").glob("*_real.JPG"))
    chosen = files if limit is None else files[:: -(-len(files) // limit)]
    return [_pair(file) for file in chosen]


def _pair(file: Path) -> Sample:
    noisy, truth = load(file), load(file.with_name(file.name.replace("_real", "_mean")))
    make = next(make for make in ("Canon", "Nikon", "Sony") if file.name.startswith(make))
    return Sample(noisy, truth, float(np.std(noisy.astype(np.float64) - truth)), make)


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """PSNR in dB, both as uint8: floats are clipped and rounded first, as the denoisers' authors do."""
    difference = to_bytes(picture).astype(np.float64) - to_bytes(truth)
    error = float(np.mean(difference**2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """uint8 of a picture that is uint8 already or float with white at 1."""
    return picture if picture.dtype == np.uint8 else np.rint(picture.clip(0, 1) * 255).astype(np.uint8)

"""How much a cut shows, by the margin that is discarded at it: `python benchmarks/margins.py`.

For each embedded network: noisy photos in small tiles of several margins against the same in one piece, in float32.
The manifest's margin is the smallest at which no pixel changes by more than half an 8-bit step.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

import mosaics
from photofix import noise
from photofix.job import Settings
from photofix.model import Model
from photofix.models import Models
from pictures import lossless, polyu
from tables import markdown

MARGINS = (8, 16, 24, 32, 40, 48, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=8, help="photos of each kind")
    limit = parser.parse_args().limit
    models = Models(Settings(device="cpu", precision="float32"))
    rows = [["denoise", *_row(models.get("denoise"), _pictures(limit))]]
    rows.append(["denoise-raw", *_row(models.get("denoise", is_raw=True), _mosaics(limit))])
    print("Largest change at a cut, in 8-bit steps\n")
    print(markdown(["network", *(f"margin {margin}" for margin in MARGINS)], rows))


def _row(model: Model, photos: list[tuple[np.ndarray, float]]) -> list[str]:
    wholes = [replace(model, tile="none")(pixels, sigma) for pixels, sigma in photos]
    pairs = list(zip(photos, wholes, strict=True))
    return [f"{max(_change(model, photo, whole, margin) for photo, whole in pairs):.2f}" for margin in MARGINS]


def _change(model: Model, photo: tuple[np.ndarray, float], whole: np.ndarray, margin: int) -> float:
    pixels, sigma = photo
    tiled = replace(model, entry=replace(model.entry, margin=margin), tile=max(160, 4 * margin))
    return float(np.abs(tiled(pixels, sigma) - whole).max() * 255)


def _pictures(limit: int) -> list[tuple[np.ndarray, float]]:
    """White noise of three levels, and camera noise as it is."""
    rng = np.random.default_rng(0)
    found = [(sample.noisy.astype(np.float32) / 255, 5 / 255) for sample in polyu(limit)]
    for index, truth in enumerate(lossless("cbsd68", limit)):
        sigma = (15, 25, 50)[index % 3] / 255
        found.append(((truth / 255 + rng.normal(0, sigma, truth.shape)).astype(np.float32), sigma))
    return found


def _mosaics(limit: int) -> list[tuple[np.ndarray, float]]:
    found = []
    for index, truth in enumerate(lossless("cbsd68", limit)):
        profile = noise.profile_for_iso((1600, 6400, 25600)[index % 3])
        planes, level = noise.stabilise(mosaics.simulate(truth, profile, index).noisy, *profile)
        found.append((np.ascontiguousarray(planes.transpose(1, 2, 0)), level))
    return found


if __name__ == "__main__":
    main()

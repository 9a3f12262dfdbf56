"""Compare weights on photos that no training saw: python held_out.py recipes/denoise.toml ONE.safetensors OTHER...

The place to choose between recipes and weights: the sets of benchmarks/ are for measuring what was chosen.
"""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from photofix.networks.level import Level
from photofix.networks.unet import UNet
from train import Patches, Recipe, coarse_level

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


def draw(recipe: Recipe, folder: Path, count: int) -> list[Sample]:
    """(noisy, clean, level) patches of held-out photos; the same ones every time."""
    patches = iter(Patches(recipe, folder, seed=1, held_out=True))
    return [next(patches) for _ in range(count)]


def white_noise(samples: list[Sample], sigma: float) -> list[Sample]:
    """The same clean patches under white noise of sigma in 8-bit units."""
    rng = np.random.default_rng(int(sigma))
    level = np.float32(sigma / 255)
    return [
        (clean + rng.normal(0, level, clean.shape).astype(np.float32), clean, np.full_like(plane, level))
        for _, clean, plane in samples
    ]


class Untouched(nn.Module):
    """The network that leaves a picture as it is: what the others are to be better than."""

    def forward(self, picture: Tensor, _level: Tensor) -> Tensor:
        return torch.zeros_like(picture)


def by_distance(samples: list[Sample]) -> dict[str, list[Sample]]:
    """The samples by how far they are from what they should be: hardly, somewhat, much."""
    far = [-10 * np.log10(np.mean((taken - sharp) ** 2) + 1e-9) for taken, sharp, _ in samples]
    bounds = {"sharp": (36, 99), "soft": (27, 36), "blurred": (0, 27)}
    return {
        kind: [sample for sample, value in zip(samples, far, strict=True) if low <= value < high]
        for kind, (low, high) in bounds.items()
    }


def psnr(network: nn.Module, samples: list[Sample]) -> float:
    """Mean over the patches, in dB with white at 1, weights and sums in bfloat16 as users run them."""
    found = []
    for sample in samples:
        noisy, clean, level = (torch.from_numpy(part)[None] for part in sample)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            residual = network(noisy.to(memory_format=torch.channels_last), level)
        found.append(-10 * float((noisy + residual.float() - clean).square().mean().clamp(min=1e-7).log10()))
    return float(np.mean(found))


def missed(network: nn.Module, samples: list[Sample]) -> tuple[float, float]:
    """By which factor, as a mean of logarithms, the noise level is missed: how far, and how far above."""
    found = []
    for noisy, clean, _ in samples:
        truth = float(coarse_level(torch.from_numpy(noisy - clean)[None], noisy.shape[1]))
        with torch.inference_mode():
            answer = float(network(torch.from_numpy(noisy)[None]).square().mean().sqrt())
        found.append(np.log((answer + 0.002) / (truth + 0.002)))
    return float(np.mean(np.abs(found))), float(np.mean(found))


def compare_levels(recipe: Recipe, given: argparse.Namespace) -> None:
    camera = draw(replace(recipe, camera_share=1), given.photos, given.count)
    white = draw(replace(recipe, camera_share=0, soft_share=0), given.photos, given.count)
    for weights in given.weights:
        network = Level(**recipe.network).eval()  # type: ignore[arg-type]
        network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
        shown = (
            f"{kind} {far:.3f} ({above:+.3f})"
            for kind, (far, above) in (("camera", missed(network, camera)), ("white", missed(network, white)))
        )
        print(weights.stem, *shown, sep="  ")


def compare_pictures(recipe: Recipe, given: argparse.Namespace) -> None:
    if recipe.noise == "raw":
        kinds = {"sensor": draw(replace(recipe, side=384), given.photos, given.count)}
    elif recipe.noise == "blur":
        kinds = by_distance(draw(recipe, given.photos, given.count))
        print("blurred", *(f"{kind} {psnr(Untouched(), samples):.3f}" for kind, samples in kinds.items()), sep="  ")
    else:
        camera = draw(replace(recipe, camera_share=1), given.photos, given.count)
        plain = draw(replace(recipe, camera_share=0, soft_share=0), given.photos, given.count)
        kinds = {"camera": camera} | {f"white {sigma}": white_noise(plain, sigma) for sigma in (15, 25, 50)}
    for weights in given.weights:
        network: nn.Module = UNet(**recipe.network).eval()  # type: ignore[arg-type]
        network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        print(weights.stem, *(f"{kind} {psnr(network, samples):.3f}" for kind, samples in kinds.items()), sep="  ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--count", type=int, default=150)
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = replace(Recipe(**tomllib.loads(given.recipe.read_text())), side=192, drawing_share=0)
    compare = compare_levels if recipe.noise == "level" else compare_pictures
    compare(recipe, given)


if __name__ == "__main__":
    main()

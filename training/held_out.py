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
from torch.nn import functional

import degrade
import photos
from photofix.networks.level import CELL, Level
from photofix.networks.unet import UNet
from photofix.tasks.denoise import UNSEEN
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


def told(network: nn.Module, samples: list[Sample]) -> list[Sample]:
    """The samples with what the network says of their noise, as users get it, in place of their levels."""
    answered = []
    for noisy, clean, _ in samples:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            plane = told_plane(network(torch.from_numpy(noisy)[None]).float())[0].numpy()
        answered.append((noisy, clean, plane if plane.max() >= UNSEEN else np.zeros_like(plane)))
    return answered


def told_plane(levels: Tensor) -> Tensor:
    """What tasks.denoise makes of levels (N, 1, h, w): (N, 1, h * CELL, w * CELL), averaged with neighbours, smooth."""
    around = functional.pad(levels, (2, 2, 2, 2), mode="replicate")
    averaged = functional.avg_pool2d(around, 5, 1)
    return functional.interpolate(averaged, scale_factor=CELL, mode="bilinear", align_corners=False)


def missed(network: nn.Module, samples: list[Sample]) -> float:
    """By which factor answers are above the noise that is there, as a mean of logarithms."""
    planes = zip(told(network, samples), samples, strict=True)
    ratios = [np.log((plane.mean() + 0.002) / (coarse(sample) + 0.002)) for (_, _, plane), sample in planes]
    return float(np.mean(ratios))


def coarse(sample: Sample) -> float:
    noisy, clean, _ = sample
    return float(coarse_level(torch.from_numpy(noisy - clean)[None], noisy.shape[1]))


def best(network: nn.Module, samples: list[Sample]) -> list[Sample]:
    """The samples with the one level, out of a ladder around the noise that is there, that makes the best picture."""
    found = []
    for sample in samples:
        ladder = [np.float32(coarse(sample) * factor) for factor in (0.35, 0.5, 0.7, 1, 1.4, 2, 2.8)]
        tries = [(sample[0], sample[1], np.full_like(sample[2], level)) for level in ladder]
        found.append(max(tries, key=lambda one: psnr(network, [one])))
    return found


def compare_levels(recipe: Recipe, given: argparse.Namespace) -> None:
    """PSNR of the denoiser on each kind of picture: told the noise that is there, answers, the best level."""
    kinds = _kinds_of_noise(recipe, given)
    denoiser = UNet().eval()
    denoiser.load_state_dict({name: value.float() for name, value in load_file(given.denoiser).items()})
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    known = {kind: [(n, c, np.full_like(p, coarse((n, c, p)))) for n, c, p in part] for kind, part in kinds.items()}
    print("true", *(f"{kind} {psnr(denoiser, samples):.3f}" for kind, samples in known.items()), sep="  ", flush=True)
    for weights in given.weights:
        network = Level(**recipe.network).eval()  # type: ignore[arg-type]
        network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
        shown = (
            f"{kind} {psnr(denoiser, told(network, samples)):.3f} ({missed(network, samples):+.3f})"
            for kind, samples in kinds.items()
        )
        print(weights.stem, *shown, sep="  ", flush=True)
    if given.best:
        best_of = ((kind, psnr(denoiser, best(denoiser, samples))) for kind, samples in kinds.items())
        print("best", *(f"{kind} {value:.3f}" for kind, value in best_of), sep="  ")


def _kinds_of_noise(recipe: Recipe, given: argparse.Namespace) -> dict[str, list[Sample]]:
    def drawn(**changes: float) -> list[Sample]:
        return draw(replace(recipe, **changes), given.photos, given.count)  # type: ignore[arg-type]

    plain = drawn(camera_share=0, soft_share=0, shrunk_share=0)
    kinds = {
        "camera": drawn(camera_share=1, grain_share=0),
        "grain": drawn(camera_share=1, grain_share=1),
        "stranger": strangers(given.photos, recipe.shards, given.count // 2),
    }
    kinds |= {f"white {sigma}": white_noise(plain, sigma) for sigma in (5, 15, 50)}
    clean = white_noise(plain + drawn(camera_share=0, soft_share=1), 0)
    return kinds | {"clean": clean, "drawn": white_noise(drawn(camera_share=0, drawing_share=1), 0)}


def strangers(folder: Path, shards: list[str], count: int) -> list[Sample]:
    """Patches out of cameras of a kind that nothing is trained on."""
    rng, held_out = np.random.default_rng(3), photos.load(folder, shards, held_out=True)
    areas, samples = photos.area_weights(held_out), []
    for _ in range(count):
        photo = photos.crop(held_out, areas, 192, rng).astype(np.float32) / 255
        noisy, clean = (np.ascontiguousarray(part.transpose(2, 0, 1)) for part in degrade.stranger_pair(photo, rng))
        samples.append((noisy, clean, np.zeros((1, 192, 192), np.float32)))
    return samples


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
    parser.add_argument("--denoiser", type=Path, default=Path("../src/photofix/embedded/denoise.safetensors"))
    parser.add_argument("--best", action="store_true", help="of noise levels: measure the best of a ladder, too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = replace(Recipe(**tomllib.loads(given.recipe.read_text())), side=192, drawing_share=0)
    compare = compare_levels if recipe.noise == "level" else compare_pictures
    compare(recipe, given)


if __name__ == "__main__":
    main()

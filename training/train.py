"""Train one embedded network by its recipe: python training/train.py training/recipes/denoise.toml.

Checkpoints every few minutes and goes on from the last one; stops by the clock, so that a shared machine only costs
patches. The learning rate falls to nothing over the time given. What is kept is an exponential moving average.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

import degrade
import photos
from muon import Muon
from photofix.networks.level import CELL, Level
from photofix.networks.unet import ResidualBlock, UNet
from safetensors.torch import load_file, save_file


@dataclass(frozen=True)
class Recipe:
    """What to train, on what, for how long."""

    name: str
    noise: str  # "rgb" or "raw": which of the samplers below; "level": rgb, and the network is to say how noisy it is
    shards: list[str]
    network: dict[str, object]
    minutes: float
    batch: int = 16
    side: int = 128
    muon_rate: float = 0.008
    adam_rate: float = 5e-4
    warmup: float = 0.02  # of the minutes
    averaging: float = 0.999
    camera_share: float = 0.35  # of RGB patches; the others get white Gaussian noise
    start: str = ""  # weights to start from; layers of another shape start anew
    seed: int = 0


class Patches(IterableDataset):
    """Endless (noisy, clean, level) patches, float32."""

    def __init__(self, recipe: Recipe, folder: Path, seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        self.photos = photos.load(folder, recipe.shards)
        self.areas = photos.area_weights(self.photos)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(self.seed)
        sample = {"rgb": self._rgb, "raw": self._raw, "level": self._rgb}[self.recipe.noise]
        while True:
            yield sample(rng)

    def _crop(self, side: int, rng: np.random.Generator) -> np.ndarray:
        return photos.crop(self.photos, self.areas, side, rng).astype(np.float32) / 255

    def _raw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return degrade.raw_pair(self._crop(self.recipe.side, rng), rng)

    def _rgb(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side = self.recipe.side
        if rng.random() < self.recipe.camera_share:
            noisy, clean = degrade.camera_pair(self._crop(256 if rng.random() < 0.1 else side, rng), rng)
            noisy, clean = (_corner(picture, side) for picture in (noisy, clean))
            # What an estimator would say of the patch, within its error.
            level = np.sqrt(np.mean((noisy - clean) ** 2)) * np.exp(rng.normal(0, 0.15))
        else:
            clean = self._crop(side, rng)
            if gray := rng.random() < 0.08:
                clean = np.repeat(clean @ degrade.LUMINANCE[:, None], 3, axis=2)
            # More often low than high: that is where photos are; exactly none now and then.
            level = 75 / 255 * rng.random() ** 1.3 * (rng.random() > 0.02)
            noisy = clean + rng.normal(0, level, (side, side, 1 if gray else 3)).astype(np.float32)
            if rng.random() < 0.15:
                noisy = np.rint(np.clip(noisy, 0, 1) * 255) / 255
        plane = np.full((1, side, side), level, np.float32)
        return _planes(noisy), _planes(clean), plane


def _corner(picture: np.ndarray, side: int) -> np.ndarray:
    """A (side, side) part; a picture smaller than that is continued by its mirror image."""
    short = max(0, side - picture.shape[0])
    picture = np.pad(picture, ((0, short), (0, short), (0, 0)), "symmetric")
    return picture[:side, :side]


def _planes(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def loss_of(residual: Tensor, noisy: Tensor, clean: Tensor, level: Tensor) -> Tensor:
    """Mean absolute error, each patch weighed so that every noise level counts about alike.

    What is left after denoising grows about with the 0.65th power of the level (a fit to published tables).
    """
    error = (noisy + residual.float() - clean).abs().mean(dim=(1, 2, 3))
    return (error / (level[:, 0, 0, 0] + 0.01) ** 0.65).mean() * 0.1


def level_loss(answer: Tensor, noisy: Tensor, clean: Tensor) -> Tensor:
    """Mean ratio by which the noise level of each cell is missed; below half an 8-bit step misses count less."""
    truth = functional.avg_pool2d((noisy - clean).square().mean(1, keepdim=True), CELL).sqrt()
    return ((answer.float() + 0.002).log() - (truth + 0.002).log()).abs().mean()


def rate_at(progress: float, warmup: float) -> float:
    """Share of the full learning rate at a progress in [0, 1]: a ramp, then half a cosine."""
    if progress < warmup:
        return progress / warmup + 1e-3
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))


def build(recipe: Recipe, root: Path) -> nn.Module:
    network = (Level if recipe.noise == "level" else UNet)(**recipe.network)  # type: ignore[arg-type]
    for block in network.modules():
        if isinstance(block, ResidualBlock):  # each starts as the identity: deep and stable from the first step
            nn.init.zeros_(block.second.weight)
    if recipe.start:
        known = {k: v.float() for k, v in load_file(root / recipe.start).items()}
        own = network.state_dict()
        network.load_state_dict(
            {k: known[k] if k in known and known[k].shape == v.shape else v for k, v in own.items()}
        )
    return network.to(memory_format=torch.channels_last)


def train(recipe: Recipe, folder: Path, root: Path, run: Path) -> None:
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = build(recipe, root)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    optimizers = optimizers_for(network, recipe)
    seen, spent, step = 0, 0.0, 0
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average, seen, spent, step = state["average"], state["seen"], state["spent"], state["step"]
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    rates = [recipe.muon_rate, recipe.adam_rate][-len(optimizers) :]
    loader = iter(
        DataLoader(Patches(recipe, folder, recipe.seed + seen), recipe.batch, num_workers=1, prefetch_factor=8)
    )
    clock, saved_at, running = time.monotonic(), time.monotonic(), 0.0
    while spent < recipe.minutes * 60:
        noisy, clean, level = next(loader)
        factor = rate_at(spent / (recipe.minutes * 60), recipe.warmup)
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * factor
        noisy = noisy.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            answer = network(noisy) if recipe.noise == "level" else network(noisy, level)
        loss = level_loss(answer, noisy, clean) if recipe.noise == "level" else loss_of(answer, noisy, clean, level)
        if not torch.isfinite(loss):
            raise SystemExit(f"loss is not finite at step {step}")
        loss.backward()
        # A batch far worse than usual says more about the batch than about the network.
        usual = step < 50 or loss.item() < 4 * running
        for optimizer in optimizers:
            if usual:
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + recipe.batch
        keep = min(recipe.averaging, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 - keep)
        now = time.monotonic()
        spent, clock = spent + now - clock, now
        running += (loss.item() - running) * max(0.01, 1 / step)
        if step % 100 == 0:
            print(
                json.dumps({"step": step, "patches": seen, "minutes": round(spent / 60, 2), "loss": round(running, 5)}),
                flush=True,
            )
        if now - saved_at > 90 or spent >= recipe.minutes * 60:
            saved_at = now
            state = {
                "network": network.state_dict(),
                "average": average,
                "optimizers": [o.state_dict() for o in optimizers],
            }
            torch.save(state | {"seen": seen, "spent": spent, "step": step}, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
            save_file({k: v.half().contiguous() for k, v in average.items()}, run / f"{recipe.name}.safetensors")


def optimizers_for(network: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions inside, Adam for the first and last layer and the biases."""
    inside = [p for n, p in network.named_parameters() if p.ndim == 4 and not n.startswith(("head", "tail"))]
    chosen = {id(p) for p in inside}
    rest = [p for p in network.parameters() if id(p) not in chosen]
    if not recipe.muon_rate:
        return [torch.optim.AdamW(network.parameters(), lr=recipe.adam_rate, weight_decay=0)]
    return [Muon(inside, lr=recipe.muon_rate), torch.optim.AdamW(rest, lr=recipe.adam_rate, weight_decay=0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--minutes", type=float, help="instead of the recipe's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--run", type=Path, help="where checkpoints go (default: training/runs/NAME)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    fields = tomllib.loads(given.recipe.read_text())
    if given.minutes:
        fields["minutes"] = given.minutes
    recipe = Recipe(**fields)
    root = Path(__file__).resolve().parent.parent
    train(recipe, given.photos, root, given.run or root / "training/runs" / recipe.name)


if __name__ == "__main__":
    main()

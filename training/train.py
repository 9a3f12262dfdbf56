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

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

import blur
import colors
import degrade
import highlights
import panoramas
import photos
import relight
import relight_light
import relight_scene
import tone
from muon import Muon
from photofix.color import LUMINANCE
from photofix.networks import colorizer, intrinsics
from photofix.networks.colorizer import Colorizer
from photofix.networks.intrinsics import Intrinsics
from photofix.networks.level import CELL, Level
from photofix.networks.tone import Tone
from photofix.networks.unet import ResidualBlock, UNet

_ROOT = Path(__file__).resolve().parent.parent
#: Clipped photographs that are kept to be shown again, and the share of those shown that are new.
_KEPT, _RENEWED = 300, 0.2


@dataclass(frozen=True)
class Recipe:
    """What to train, on what, for how long."""

    name: str
    # "rgb", "raw", "blur" or "scene": which of the samplers below; "level": rgb, and the network says how noisy it is;
    # "clipped": no noise but highlights that clip, and the network says what they lack; "color": a gray
    # picture, and the network says its colors; "relight": rendered solids, and the network says their shape and light
    noise: str
    shards: list[str]
    network: dict[str, object]
    minutes: float
    batch: int = 16
    side: int = 128
    muon_rate: float = 0.008
    adam_rate: float = 5e-4
    warmup: float = 0.02  # of the minutes
    averaging: float = 0.999
    camera_share: float = 0.4  # of RGB patches; the others get white Gaussian noise
    grain_share: float = 0.0  # of the camera's patches: noise of any grain in place of that camera's
    soft_share: float = 0.15  # of patches with white noise: seen as soft as a full-size sensor sees them
    shrunk_share: float = 0.0  # of patches with white noise: seen as sharp as a picture made smaller is
    drawing_share: float = 0.04  # of patches: what no camera took, such as screenshots and scanned print
    noiseless_share: float = 0.02  # of patches with white noise: none at all
    environment_share: float = 0.7  # of patches whose highlights clip: views into panoramas; the others photographs
    held_out: str = ""  # a list of photos, beside the recipe, that are for measuring and not to be trained on
    estimator: str = ""  # weights of a noise-level network: half of the camera's patches are told what it says of them
    store: str = ""  # of rendered solids, a folder beside the run's
    start: str = ""  # weights to start from; layers of another shape start anew
    seed: int = 0


class Patches(IterableDataset[tuple[np.ndarray, np.ndarray, np.ndarray]]):
    """Endless (noisy, clean, level) patches, float32."""

    def __init__(self, recipe: Recipe, folder: Path, seed: int, held_out: bool = False) -> None:
        self.recipe, self.seed = recipe, seed
        self.photos = photos.load(folder, recipe.shards, held_out)
        self.areas = photos.area_weights(self.photos)
        self.kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.estimator = _estimator(_ROOT / recipe.estimator) if recipe.estimator else None
        clipped = recipe.noise == "clipped"
        self.environments = panoramas.environments(folder.parent / "environments", held_out) if clipped else {}

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(self.seed)
        sample = {
            "rgb": self._rgb,
            "raw": self._raw,
            "level": self._rgb,
            "blur": self._blur,
            "clipped": self._clipped,
            "scene": self._scene,
        }[self.recipe.noise]
        while True:
            yield sample(rng)

    def _crop(self, side: int, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < self.recipe.drawing_share:
            return photos.drawing(side, rng).astype(np.float32) / 255
        return photos.crop(self.photos, self.areas, side, rng).astype(np.float32) / 255

    def _raw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return degrade.raw_pair(self._crop(self.recipe.side, rng), rng)

    def _clipped(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A photograph, by how many EV its clipped samples were brighter, and which are.

        To make one takes longer than to learn from it: each is shown several times, mirrored or not.
        """
        if len(self.kept) < _KEPT or rng.random() < _RENEWED:
            self.kept.append(self._new_clipped(rng))
            del self.kept[: -2 * _KEPT]
        chosen = self.kept[int(rng.integers(len(self.kept)))]
        if rng.random() < 0.5:
            return chosen
        noisy, clean, level = (np.ascontiguousarray(plane[:, :, ::-1]) for plane in chosen)
        return noisy, clean, level

    def _new_clipped(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side = self.recipe.side
        if rng.random() < self.recipe.environment_share:
            shrunk = 2 if rng.random() < 0.3 else 1
            light = panoramas.random_view(self.environments, side * shrunk, rng)
            return highlights.sample(light, shrunk, rng)
        # Photographs are shrunk as much as the network sees them shrunk.
        light = panoramas.light_of(self._crop(2 * side, rng), rng)
        return highlights.sample(light, 2, rng)

    def _rgb(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side = self.recipe.side
        if rng.random() < self.recipe.camera_share:
            grainy = self.recipe.grain_share > 0 and rng.random() < self.recipe.grain_share
            pair = degrade.grain_pair if grainy else degrade.camera_pair
            noisy, clean = pair(self._crop(256 if rng.random() < 0.1 else side, rng), rng)
            noisy, clean = (_corner(picture, side) for picture in (noisy, clean))
            level = self._told(noisy, clean, rng)
        else:
            clean = self._clean(rng)
            if gray := rng.random() < 0.08:
                clean = np.repeat(clean @ LUMINANCE[:, None], 3, axis=2)
            # More often low than high: that is where photos are; exactly none now and then.
            level = 75 / 255 * rng.random() ** 1.3 * (rng.random() > self.recipe.noiseless_share)
            noisy = clean + rng.normal(0, level, (side, side, 1 if gray else 3)).astype(np.float32)
            if rng.random() < 0.15:
                noisy = np.rint(np.clip(noisy, 0, 1) * 255) / 255
        plane = np.full((1, side, side), level, np.float32)
        return _planes(noisy), _planes(clean), plane

    def _clean(self, rng: np.random.Generator) -> np.ndarray:
        """As sharp as the photographs are, or as one made smaller for the web, or as soft as a full-size one."""
        side, drawn = self.recipe.side, rng.random()
        if drawn < self.recipe.soft_share:
            return degrade.soften(self._crop(side, rng), rng)
        if drawn < self.recipe.soft_share + self.recipe.shrunk_share:
            wide = int(rng.integers(side + 8, photos.SMALLEST_SIDE + 1))
            return cv2.resize(self._crop(wide, rng), (side, side), interpolation=cv2.INTER_AREA)
        return self._crop(side, rng)

    def _told(self, noisy: np.ndarray, clean: np.ndarray, rng: np.random.Generator) -> float:
        """What an estimator says of the patch, or would, within its error."""
        if self.estimator and rng.random() < 0.5:
            side = 192  # the size that the estimator is used at
            with torch.inference_mode():
                return float(self.estimator(_tensor(_corner(noisy, side))).mean())
        return float(coarse_level(_tensor(noisy - clean), self.recipe.side)) * float(np.exp(rng.normal(0, 0.2)))

    def _scene(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return tone.sample(self.photos[int(rng.choice(len(self.photos), p=self.areas))], rng)

    def _blur(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The planes say sigma, and of half of the patches whether motion or defocus has blurred them."""
        side, wide = self.recipe.side, self.recipe.side + 2 * blur.REACH
        if self.recipe.side < 256 and rng.random() < 0.2:  # seen from farther away, and so sharper
            photo = cv2.resize(self._crop(photos.SMALLEST_SIDE, rng), (wide, wide), interpolation=cv2.INTER_AREA)
        else:
            photo = self._crop(wide, rng)
        patch = blur.blurred(photo, rng)
        level = float(coarse_level(_tensor(patch.noise), side)) * np.exp(rng.normal(0, 0.2))
        # Who names a cause names one; of both causes, or none, any may be named, and none must be made up.
        told, motion = rng.random() < 0.5, patch.motion if patch.motion != patch.defocus else rng.random() < 0.5
        planes = np.array([level, told and motion, told and not motion], np.float32)
        return _planes(patch.taken), _planes(patch.sharp), np.tile(planes[:, None, None], (1, side, side))


def _estimator(weights: Path) -> Level:
    network = Level().eval()
    network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    return network


def _corner(picture: np.ndarray, side: int) -> np.ndarray:
    """A (side, side) part; a picture smaller than that is continued by its mirror image."""
    short = max(0, side - picture.shape[0])
    picture = np.pad(picture, ((0, short), (0, short), (0, 0)), "symmetric")
    return picture[:side, :side]


def _planes(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def loss_of(residual: Tensor, noisy: Tensor, clean: Tensor, level: Tensor) -> Tensor:
    """Root of the mean squared error, each patch weighed so that every noise level counts about alike.

    What is left after denoising grows about with the 0.65th power of the level (a fit to published tables).
    """
    error = ((noisy + residual.float() - clean).square().mean(dim=(1, 2, 3)) + 1e-8).sqrt()
    return (error / (level[:, 0, 0, 0] + 0.01) ** 0.65).mean() * 0.1


def blur_loss(residual: Tensor, taken: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute error of pixels and of their spectrum, each patch weighed by how far it was from sharp.

    The spectrum counts as in "Rethinking Coarse-to-Fine Approach in Single Image Deblurring" (Cho et al., 2021).
    """
    wrong = taken + residual.float() - sharp
    error = wrong.abs().mean(dim=(1, 2, 3))
    waves = torch.view_as_real(torch.fft.rfft2(wrong, norm="ortho")).abs().mean(dim=(1, 2, 3, 4))
    start = (taken - sharp).abs().mean(dim=(1, 2, 3))
    return ((error + 0.5 * waves) / (start + 0.01) ** 0.65).mean() * 0.1


def _tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(_planes(picture))[None]


def coarse_level(noise: Tensor, cell: int) -> Tensor:
    """(N, 1, H / cell, W / cell): the sigma of white noise that is as strong as (N, 3, H, W) noise is at four pixels.

    Pixels tell little of noise that a camera has smoothed: what is left of it is coarse, lies where pictures have their
    content, and hides more of that than its standard deviation says. Of white noise, means of 4 x 4 have sigma / 4.
    """
    coarse = 4 * functional.avg_pool2d(noise, 4)
    return functional.avg_pool2d(coarse.square().mean(1, keepdim=True), cell // 4).sqrt()


def level_loss(answer: Tensor, noisy: Tensor, clean: Tensor) -> Tensor:
    """Mean ratio by which the noise level of each cell is missed; below half an 8-bit step misses count less."""
    truth = coarse_level(noisy - clean, CELL)
    return ((answer.float() + 0.002).log() - (truth + 0.002).log()).abs().mean()


def clipped_loss(answer: Tensor, lacking: Tensor, clipped: Tensor) -> Tensor:
    """Error of the missing EV where samples are clipped: squared while small, linear beyond three EV.

    Where nothing is clipped the answer is not used; a little weight keeps it near 0 there.
    """
    known = torch.isfinite(lacking)
    weight = (clipped + 0.01) * known
    error = functional.huber_loss(answer.float() * known, lacking.nan_to_num() * known, reduction="none", delta=3)
    return (weight * error).sum() / (weight.sum() + 1)


def rate_at(progress: float, warmup: float) -> float:
    """Share of the full learning rate at a progress in [0, 1]: a ramp, then half a cosine."""
    if progress < warmup:
        return progress / warmup + 1e-3
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))


@dataclass
class State:
    """All that a run needs to go on from where it stopped; what is kept in the end is the average."""

    network: nn.Module
    average: dict[str, Tensor]
    optimizers: list[torch.optim.Optimizer]
    patches: int = 0
    seconds: float = 0.0
    step: int = 0
    loss: float = 0.0


def begin(recipe: Recipe, root: Path) -> State:
    """A network at its start: at random, or from weights where layers of the same name and shape exist."""
    torch.manual_seed(recipe.seed)
    kinds: dict[str, type[nn.Module]] = {"level": Level, "scene": Tone, "color": Colorizer, "relight": Intrinsics}
    network = kinds.get(recipe.noise, UNet)(**recipe.network)
    for block in network.modules():
        # Each starts as the identity: deep and stable from the first step.
        if isinstance(block, (ResidualBlock, colorizer.ResidualBlock, intrinsics.ResidualBlock)):
            nn.init.zeros_(block.second.weight)
    if recipe.start:
        known = {name: value.float() for name, value in load_file(root / recipe.start).items()}
        own = network.state_dict()
        if "head.weight" in known:  # planes that the start knows nothing of say nothing at first
            more = own["head.weight"].shape[1] - known["head.weight"].shape[1]
            known["head.weight"] = functional.pad(known["head.weight"], (0, 0, 0, 0, 0, max(0, more)))
        fitting = {name: value for name, value in known.items() if name in own and own[name].shape == value.shape}
        network.load_state_dict(own | fitting)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {name: value.clone() for name, value in network.state_dict().items()}
    return State(network, average, optimizers_for(network, recipe))


def optimizers_for(network: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions inside, Adam for the first and last layer and the biases."""
    if not recipe.muon_rate:
        return [torch.optim.AdamW(network.parameters(), lr=recipe.adam_rate, weight_decay=0)]
    inside = [p for n, p in network.named_parameters() if p.ndim == 4 and not n.startswith(("head", "tail"))]
    chosen = {id(parameter) for parameter in inside}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in chosen]
    return [Muon(inside, lr=recipe.muon_rate), torch.optim.AdamW(rest, lr=recipe.adam_rate, weight_decay=0)]


def resume(state: State, checkpoint: Path) -> None:
    """Go on from a checkpoint, where there is one."""
    if not checkpoint.exists():
        return
    saved = torch.load(checkpoint, weights_only=True)
    state.network.load_state_dict(saved["network"])
    for optimizer, kept in zip(state.optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(kept)
    state.average, state.patches, state.step = saved["average"], saved["seen"], saved["step"]
    state.seconds, state.loss = saved["spent"], saved["loss"]


def save(state: State, checkpoint: Path, weights: Path) -> None:
    """The checkpoint, and the average as half-precision weights; each file appears whole."""
    kept = {"network": state.network.state_dict(), "average": state.average, "loss": state.loss}
    kept |= {"optimizers": [optimizer.state_dict() for optimizer in state.optimizers]}
    torch.save(
        kept | {"seen": state.patches, "spent": state.seconds, "step": state.step}, checkpoint.with_suffix(".part")
    )
    checkpoint.with_suffix(".part").replace(checkpoint)
    save_file({name: value.half().contiguous() for name, value in state.average.items()}, weights)


def step(state: State, recipe: Recipe, batch: list[Tensor]) -> None:
    """One batch: forward in bfloat16, backward, every optimizer, the average."""
    noisy, clean, level = batch
    noisy = noisy.to(memory_format=torch.channels_last)
    loss = _loss(state.network, recipe.noise, noisy, clean, level)
    if not torch.isfinite(loss):
        raise SystemExit(f"loss is not finite at step {state.step}")
    loss.backward()  # type: ignore[no-untyped-call]
    # A batch far worse than usual says more about the batch than about the network.
    usual = state.step < 50 or loss.item() < 4 * state.loss
    for optimizer in state.optimizers:
        if usual:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    state.step, state.patches = state.step + 1, state.patches + recipe.batch
    state.loss += (loss.item() - state.loss) * max(0.01, 1 / state.step)
    keep = min(recipe.averaging, (1 + state.step) / (10 + state.step))
    for name, value in state.network.state_dict().items():
        state.average[name].lerp_(value, 1 - keep)


def _loss(network: nn.Module, kind: str, noisy: Tensor, clean: Tensor, level: Tensor) -> Tensor:
    if kind == "scene":
        return tone.loss(network, noisy, clean, level)
    if isinstance(network, Colorizer):
        return colors.loss(network, noisy, clean)
    if kind == "relight":
        return relight.loss(network, noisy, clean, level)
    with torch.autocast("cpu", torch.bfloat16):
        answer = network(noisy) if kind == "level" else network(noisy, level)
    if kind == "level":
        return level_loss(answer, noisy, clean)
    if kind == "clipped":
        return clipped_loss(answer, clean, level)
    return blur_loss(answer, noisy, clean) if kind == "blur" else loss_of(answer, noisy, clean, level)


def train(recipe: Recipe, folder: Path, root: Path, run: Path) -> None:
    """Train until the recipe's minutes are spent, in this run and the ones it goes on from."""
    run.mkdir(parents=True, exist_ok=True)
    checkpoint, weights = run / "checkpoint.pt", run / f"{recipe.name}.safetensors"
    state = begin(recipe, root)
    resume(state, checkpoint)
    seed = recipe.seed + state.patches
    if isinstance(state.network, Colorizer):
        held_out = (root / "training/recipes" / recipe.held_out).read_text().split()
        pictures = colors.load(folder, recipe.shards, held_out)
        state.average |= colors.describe(state.network, pictures)
        patches: IterableDataset[tuple[np.ndarray, np.ndarray, np.ndarray]] = colors.Samples(pictures, seed)
    elif recipe.noise == "relight":
        around = relight_light.surroundings(folder, recipe.shards)
        portraits = photos.load(folder, ["people-0"])
        patches = relight_scene.Samples(run.parent / recipe.store, around, portraits, recipe.batch, seed)
    else:
        patches = Patches(recipe, folder, seed)
    loader = iter(DataLoader(patches, recipe.batch, num_workers=1, prefetch_factor=8))
    clock = saved_at = time.monotonic()
    rates = [recipe.muon_rate, recipe.adam_rate][-len(state.optimizers) :]
    while (progress := state.seconds / (recipe.minutes * 60)) < 1:
        for optimizer, rate in zip(state.optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * rate_at(progress, recipe.warmup)
        step(state, recipe, next(loader))
        now = time.monotonic()
        state.seconds, clock = state.seconds + now - clock, now
        if state.step % 100 == 0:
            facts = {"step": state.step, "patches": state.patches, "minutes": round(state.seconds / 60, 2)}
            print(json.dumps(facts | {"loss": round(state.loss, 5)}), flush=True)
        if now - saved_at > 90:
            save(state, checkpoint, weights)
            saved_at = now
    save(state, checkpoint, weights)


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
    train(recipe, given.photos, _ROOT, given.run or _ROOT / "training/runs" / recipe.name)


if __name__ == "__main__":
    main()

"""Teach the tone network how sure it is that a picture lacks light at all: python doubt.py WEIGHTS OUT.

Stops alone do not tell: a photo that is dark on purpose looks as if it lacked some. What the judging part finds in a
picture stays as it is, so that this is a matter of minutes; nothing else of the weights changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

import dark
import photos
import tone
from photofix.networks.tone import Tone

SHARDS = ["scenes-0", "scenes-1", "scenes-2", "people-0"]

#: Nobody can tell that fewer stops than this are lacking.
CLEAR = 0.5


def picture(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Light (S, S, 3), and the stops that are lacking: none in more than half of the pictures."""
    small = tone.framed(photo, rng)
    if rng.random() < 0.45:
        return dark.srgb_to_linear(as_meant(small, rng)), 0.0
    scene = dark.scene(dark.well_exposed(small, rng), rng)
    return scene.seen, scene.exposure


def as_meant(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photo, sRGB-encoded, as it is, or as another photographer might have wanted it: lighter or darker in the
    middle, flatter or with more contrast; white stays white and black black."""
    if rng.random() < 0.6:
        return photo
    curved = photo ** np.float32(np.exp2(rng.normal(0, 0.3)))
    contrast = np.float32(rng.uniform(-0.3, 0.7))
    return np.asarray(curved + contrast * (curved * curved * (3 - 2 * curved) - curved), np.float32).clip(0, 1)


def found(network: Tone, folder: Path, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """What the judging part finds in so many pictures (N, F), and whether light is lacking (N,)."""
    rng, loaded = np.random.default_rng(seed), photos.load(folder, SHARDS)
    features: list[Tensor] = []
    lacking: list[float] = []
    hook = network.judge.doubt.register_forward_pre_hook(lambda _, known: features.append(known[0]))
    while len(lacking) < count:
        light, stops = picture(loaded[int(rng.integers(len(loaded)))], rng)
        if 0 < stops < CLEAR:
            continue
        with torch.inference_mode():
            network(torch.from_numpy(np.ascontiguousarray(light.transpose(2, 0, 1), np.float32))[None])
        lacking.append(float(stops > 0))
    hook.remove()
    return torch.cat(features).clone(), torch.tensor(lacking)


def learn(doubt: nn.Sequential, features: Tensor, lacking: Tensor, steps: int = 1500) -> None:
    """Logistic regression by two layers, on features that are made to vary alike; the first layer then does so."""
    mean, spread = features.mean(0), features.std(0) + 1e-3
    alike = (features - mean) / spread
    optimizer = torch.optim.AdamW(doubt.parameters(), lr=3e-3, weight_decay=1e-2)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / steps)
        drawn = torch.randint(len(features), (256,))
        odds = doubt(functional.dropout(alike[drawn], 0.2))[:, 0]
        loss = functional.binary_cross_entropy_with_logits(odds, lacking[drawn])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    first = doubt[0]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight.div_(spread)
        first.bias.sub_(first.weight @ mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--count", type=int, default=5000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, known = Tone().eval(), load_file(given.weights)
    network.load_state_dict(network.state_dict() | {name: value.float() for name, value in known.items()})
    learn(network.judge.doubt, *found(network, given.photos, given.count))
    doubt = {name: value.half() for name, value in network.state_dict().items() if name.startswith("judge.doubt")}
    save_file(known | doubt, given.out)


if __name__ == "__main__":
    main()

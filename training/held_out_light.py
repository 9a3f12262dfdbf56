"""How well the tone network does on photos that no training saw: python held_out_light.py ONE.safetensors OTHER...

PSNR of brightened small pictures, through the product's own filter: the exposure told and judged, and how far off the
judged one is; for pictures with too little light, with uneven light, without a camera's curve (as LibRaw's are), and
with nothing wrong. With --decision, the share of good photos that would be brightened and of dark ones that would not,
by where the line is drawn below which nothing is said to lack: of the stops, of the odds, of both as they are used.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import dark
import photos
import tone
from photofix.networks.tone import Tone
from photofix.photo import Photo
from photofix.tasks import low_light


def scenes(folder: Path, count: int) -> list[dark.Scene]:
    """The same ones every time."""
    rng, held_out = np.random.default_rng(1), _held_out(folder)
    return [
        dark.scene(dark.well_exposed(tone.framed(held_out[index % len(held_out)], rng), rng), rng)
        for index in range(count)
    ]


def _held_out(folder: Path) -> list[np.ndarray]:
    return photos.load(folder, ["scenes-0", "scenes-1", "scenes-2", "people-0"], held_out=True)


def kind(scene: dark.Scene) -> str:
    """Which of the tables' columns a scene belongs to."""
    if scene.exposure == 0:
        return "nothing wrong"
    if scene.flat:
        return "no camera's curve"
    return "uneven light" if np.ptp(np.quantile(_ratio(scene), (0.1, 0.9))) > 0.5 else "little light"


def _ratio(scene: dark.Scene) -> np.ndarray:
    shown = scene.light.mean(2)
    there = shown > 1e-4
    return np.asarray(np.log2(dark.srgb_to_linear(scene.target).mean(2)[there] + 1e-4) - np.log2(shown[there]))


def brightened(network: Tone, scene: dark.Scene, exposure: float | None) -> tuple[np.ndarray, float]:
    """The scene as the product would show it without noise, and the exposure."""
    seen = torch.from_numpy(scene.seen.transpose(2, 0, 1).copy())[None]
    with torch.inference_mode():
        stops = float(network(seen)[0, 0]) if exposure is None else exposure
        answer = network(seen, torch.tensor([[stops]]))[0].permute(1, 2, 0).numpy()
    how = low_light.plan(scene.seen, answer, stops)
    lifted = low_light.lift(Photo(scene.light, "linear"), how).pixels
    shown = dark.linear_to_srgb(lifted.clip(0, 1))
    return low_light.camera_curve(shown) if scene.flat else shown, stops


def _psnr(answer: np.ndarray, truth: np.ndarray) -> float:
    return -10 * float(np.log10(np.mean((answer - truth) ** 2) + 1e-5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos"))
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--decision", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    drawn = scenes(given.photos, given.count)
    for weights in given.weights:
        network = Tone().eval()
        network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
        print(weights.stem, decision(given.photos, network) if given.decision else table(drawn, network))


def decision(folder: Path, network: Tone) -> str:
    """By where the line is drawn, good photos that are brightened, and dark ones that are not."""
    judged = {
        name: np.array([_judged(network, light) for light in some]) for name, some in _to_be_judged(folder).items()
    }
    lines = ["", ", ".join(judged)]
    for name, weights in {"stops": (1, 0), "odds": (0, 1), "both": (1, low_light.TRUST)}.items():
        sums = [answers @ weights for answers in judged.values()]
        lines += [name, *(_shares(sums, line) for line in np.arange(-0.5, 2.01, 0.25))]
    return "\n".join(lines)


def _to_be_judged(folder: Path) -> dict[str, list[np.ndarray]]:
    """Light (S, S, 3) of photos as they are, and of what is too dark, by what it is."""
    rng = np.random.default_rng(2)
    good = [tone.framed(photo, rng) for photo in _held_out(folder) for _ in range(4)]
    pictures = {"as they are": [dark.srgb_to_linear(photo) for photo in good]}
    for stops in (1, 2, 3, 5):
        darker = [dark.srgb_to_linear(dark.well_exposed(photo, rng)) * np.float32(2**-stops) for photo in good]
        pictures[f"{stops} stops darker"] = darker
    uneven = [scene.seen for scene in scenes(folder, 400) if kind(scene) == "uneven light" and scene.exposure > 1]
    return pictures | {"uneven": uneven}


def _shares(judged: list[np.ndarray], line: float) -> str:
    over = [float((sums > line).mean()) for sums in judged]
    return f"{line:.2f}: " + ", ".join(f"{share:.0%}" for share in (over[0], *(1 - share for share in over[1:])))


def _judged(network: Tone, light: np.ndarray) -> np.ndarray:
    """Stops, and odds."""
    with torch.inference_mode():
        picture = torch.from_numpy(np.ascontiguousarray(light.transpose(2, 0, 1), np.float32))
        return np.asarray(network(picture[None])[0].numpy())


def table(drawn: list[dark.Scene], network: Tone) -> str:
    words = []
    for name in ("little light", "uneven light", "no camera's curve", "nothing wrong"):
        some = [scene for scene in drawn if kind(scene) == name]
        told = [_psnr(brightened(network, scene, scene.exposure)[0], scene.target) for scene in some]
        judged = [brightened(network, scene, None) for scene in some]
        own = [_psnr(answer, scene.target) for (answer, _), scene in zip(judged, some, strict=True)]
        missed = [abs(stops - scene.exposure) for (_, stops), scene in zip(judged, some, strict=True)]
        words.append(
            f"{name}, {len(some)}: told {np.mean(told):.2f}, judged {np.mean(own):.2f}, missed {np.median(missed):.2f}"
        )
    return "; ".join(words)


if __name__ == "__main__":
    main()

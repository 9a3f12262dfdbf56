"""What each network of the manifest costs: `python benchmarks/zoo.py [NAME...]`.

Each network runs in a process of its own, on one thread, on one picture: through Model, at the precision that is right
for it, and as its authors' demonstrations run it, as the network alone on float32 NCHW; both see it whole. A large
picture costs more, as its tiles overlap: that is a column of its own. Time is that of the processor, so that a busy
machine does not count; memory is the process's peak above what it held before. Where the weights are not here (in the
cache, or beside the project), parameters are random: that changes no time, but what half precision costs is then only
an indication.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import gc
import hashlib
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

import scenes
from photofix import checkpoint, device, model, weights
from photofix.device import Place
from photofix.entry import Entry
from photofix.model import CPU_TILE, Model
from photofix.tiles import Tiling, spans
from pictures import DATA
from tables import markdown

#: Noise in the pictures, white at 1.
SIGMA = 25 / 255

#: Sides of the pictures: the largest is taken that costs no more than the seconds allowed.
SIDES = (128, 256, 512, 1024)

#: PSNR against float32, with the answer's own range as peak, below which half precision is not for a network.
ENOUGH = 48.0


@dataclass(frozen=True)
class Cost:
    """What one network costs on a picture of side x side; seconds and bytes are those of a pixel.

    overlap: pixels that the tiles of a large picture have in all, for each of its own.
    """

    side: int
    real: bool
    precision: torch.dtype
    decibels: float
    seconds: float
    plain_seconds: float
    memory: float
    plain_memory: float
    overlap: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models; default: one for each network and size")
    parser.add_argument("--seconds", type=float, default=6, help="for one pass of the plain network, at most about")
    arguments = parser.parse_args()
    entries = weights.manifest()
    chosen = [weights.find(name, entries) for name in arguments.names] or list(_different(entries))
    rows = []
    for entry in chosen:
        # A process of its own: what one network leaves in memory is not to be the next one's.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            cost = pool.submit(measure, entry.name, arguments.seconds).result()
        rows.append(_row(entry, cost))
        print(markdown(HEADER, rows[-1:]).splitlines()[-1], flush=True)
    print(f"\n{markdown(HEADER, rows)}")


HEADER = (
    *("model", "weights", "side", "half, dB", "precision", "s/MP", "plain s/MP", "times faster", "s/MP in tiles"),
    *("bytes a pixel", "plain bytes a pixel"),
)


def _row(entry: Entry, cost: Cost) -> list[str]:
    precision = str(cost.precision).removeprefix("torch.")
    return [
        *(entry.name, "real" if cost.real else "random", str(cost.side), f"{cost.decibels:.1f}", precision),
        *(f"{cost.seconds * 1e6:.2f}", f"{cost.plain_seconds * 1e6:.2f}", f"{cost.plain_seconds / cost.seconds:.1f}"),
        *(f"{cost.overlap * cost.seconds * 1e6:.2f}", f"{cost.memory:.0f}", f"{cost.plain_memory:.0f}"),
    ]


def _different(entries: dict[str, Entry]) -> Iterator[Entry]:
    """The entries, one of those that differ in their weights alone, with the weights here if any are."""
    kinds: dict[str, list[Entry]] = {}
    for entry in entries.values():
        if entry.gives not in ("level", "odds", "stops"):
            kinds.setdefault(f"{entry.network} {entry.arguments}", []).append(entry)
    for alike in kinds.values():
        yield next((entry for entry in alike if _file(entry)), alike[0])


def measure(name: str, seconds: float) -> Cost:
    """The cost of a model, in this process."""
    torch.set_num_threads(1)
    entry = weights.manifest()[name]
    network, real = _network(entry)
    side = _side(network, entry, seconds)
    pixels = _pixels(entry, side)
    expected, plain_seconds, plain_memory = _watched(lambda: _plain(network, entry, pixels))
    halves = device.native_half(torch.device("cpu")) or [torch.bfloat16]
    ours = _model(network, entry, halves[0])
    error = _ours(ours, pixels) - expected
    removed = entry.gives in ("residual", "noise") and not real
    # Random parameters remove any amount: taken for as much as the noise that a denoiser would.
    peak = float(np.std(expected - pixels)) / SIGMA if removed else float(np.ptp(expected))
    decibels = 20 * math.log10(peak / float(np.sqrt(np.mean(np.square(error, dtype=np.float64)))))
    if decibels < ENOUGH or not entry.half:
        ours = _model(network, entry, torch.float32)
        _ours(ours, pixels[: SIDES[0], : SIDES[0]])
    _, own_seconds, own_memory = _watched(lambda: _ours(ours, pixels))
    return Cost(
        *(side, real, ours.place.precision, decibels),
        seconds=own_seconds / side**2,
        plain_seconds=plain_seconds / side**2,
        memory=own_memory / side**2,
        plain_memory=plain_memory / side**2,
        overlap=_overlap(entry),
    )


def _overlap(entry: Entry) -> float:
    if entry.view == "whole":
        return 1.0
    side = entry.tile or CPU_TILE
    tiling = Tiling(max(side, 4 * entry.margin), entry.margin, multiple=entry.multiple, least=entry.tile)
    height, width = 4000, 6000
    seen = (sum(span.stop - span.start for span in spans(length, tiling)) for length in (height, width))
    return math.prod(seen) / (height * width)


def _network(entry: Entry) -> tuple[nn.Module, bool]:
    """The network in float32, and whether its weights are the entry's own."""
    network = model.build(entry).eval().requires_grad_(False)
    file = _file(entry)
    if file:
        network.load_state_dict(checkpoint.read(file, entry.unwrap))
    else:
        _randomise(network)
    return network, file is not None


def _file(entry: Entry) -> Path | None:
    """The entry's verified file, from the cache or from beside the project."""
    if not entry.sha256:
        return None
    places = [weights.locate(entry), *(DATA / "published").rglob("*.*")]
    files = [path for path in places if path and path.is_file() and path.stat().st_size == entry.size]
    return next((path for path in files if hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256), None)


def _randomise(network: nn.Module) -> None:
    """Parameters that keep the size of what passes through, whatever the constructor left at 0."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in network.named_parameters():
        spread = 1 / math.sqrt(math.prod(parameter.shape[1:])) if parameter.dim() > 1 else 0.1
        center = 1.0 if parameter.dim() == 1 and name.endswith("weight") else 0.0
        parameter.copy_(center + spread * torch.randn(parameter.shape, generator=generator))


def _side(network: nn.Module, entry: Entry, seconds: float) -> int:
    """The largest side whose plain pass takes no longer than allowed, going by the smallest."""
    pixels = _pixels(entry, SIDES[0])
    started = time.process_time()
    _plain(network, entry, pixels)
    took = time.process_time() - started
    return max((side for side in SIDES if took * (side / SIDES[0]) ** 2 <= seconds), default=SIDES[0])


def _model(network: nn.Module, entry: Entry, precision: torch.dtype) -> Model:
    return model.ready(copy.deepcopy(network), entry, Place(torch.device("cpu"), precision, "measured"), tile="none")


def _pixels(entry: Entry, side: int) -> np.ndarray:
    """A noisy photo (side, side, C) float32, encoded as the network takes it."""
    color = scenes.noisy(1.5 * (side + 2) ** 2 / 1e6, SIGMA * 255)[:side, :side].astype(np.float32) / 255
    gray = color.mean(2, keepdims=True)
    channels = {1: gray, 3: color, 4: np.concatenate([color, gray], 2)}[entry.takes.channels]
    scaled = {"gray": np.repeat(gray, 3, 2), "lightness": 100 * gray, "k-sigma": 256 * channels}
    return np.ascontiguousarray(scaled.get(entry.takes.encoding, channels))


def _plain(network: nn.Module, entry: Entry, pixels: np.ndarray) -> np.ndarray:
    """The network alone on float32 NCHW: what Model answers too, (side, side, K)."""
    picture = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
    told = [torch.full_like(picture[:, :1], SIGMA if word == "sigma" else 0) for word in entry.takes.conditions]
    conditions = [torch.cat(told, dim=1)] if told else []
    with torch.inference_mode():
        answer = network(picture, *conditions)
    restored = {"residual": picture + answer, "noise": picture - answer} if answer.shape == picture.shape else {}
    return np.asarray(restored.get(entry.gives, answer)[0].permute(1, 2, 0).numpy())


def _ours(ours: Model, pixels: np.ndarray) -> np.ndarray:
    return ours(pixels, SIGMA) if ours.entry.gives in ("residual", "noise", "image") else ours.answer(pixels)


def _watched(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float, int]:
    """What a call gives, the processor's seconds, and the most bytes it held above those before it (Linux).

    The time is the better of two calls: the first one finds no memory set aside.
    """
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # else what was freed before is used again, and not counted
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from here on
    before = _resident("VmRSS")
    seconds = []
    for _ in range(2):
        started = time.process_time()
        answer = call()
        seconds.append(time.process_time() - started)
    return answer, min(seconds), _resident("VmHWM") - before


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    main()

"""How fast and how frugal photofix is: `python benchmarks/speed.py convolution|file|peers|cold|memory`.

Each command prints one table of medians over --repeats, all measured in one run, since only ratios carry over from one
machine to another. Run them on an idle machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import scenes
from photofix import pipeline
from photofix.job import Settings
from photofix.model import Model
from photofix.models import Models
from photofix.networks.ffdnet import FFDNet
from photofix.read import read
from photofix.write import write
from pictures import DATA, psnr
from tables import markdown

#: Level of the noise in the pictures, in 8-bit units; it changes no time.
SIGMA = 25

#: fastNlMeansDenoisingColored gets the best of these strengths.
NL_MEANS_STRENGTHS = (10, 15, 20, 25, 30)


def main() -> None:
    arguments = _parser().parse_args()
    print(f"{_machine()}; medians of {arguments.repeats}.\n")
    arguments.table(arguments)


def convolution(arguments: argparse.Namespace) -> None:
    """The network on a large picture against the best rate of one plain convolution."""
    models = Models(Settings(sigma=SIGMA))
    model = models.get("denoise")
    best, side = max((_convolution_rate(side, model, arguments.repeats), side) for side in range(64, 769, 64))
    noisy = scenes.noisy(arguments.megapixels, SIGMA)
    pixels = noisy.shape[0] * noisy.shape[1]
    with _stopwatch(model.network) as passes:
        whole = _seconds(lambda: model(noisy, SIGMA / 255), arguments.repeats)
    # One call more than the repeats, to warm up.
    alone = sum(passes) / (arguments.repeats + 1)
    rows = [[f"one convolution at {side} x {side}", f"{best:.0f}", "100 %", ""]]
    for name, seconds in (("forward passes alone", alone), ("with cutting, converting and joining", whole)):
        rate = _flops_per_pixel(model) * pixels / seconds / 1e9
        rows.append([name, f"{rate:.0f}", f"{100 * rate / best:.0f} %", f"{seconds / pixels * 1e6:.3f}"])
    tiling = model.tiling(*noisy.shape[:2])
    print(f"{pixels / 1e6:.1f} megapixels in tiles of {tiling.tile} with margins of {tiling.margin}, {model.place};")
    print("only operations for the picture itself count, none for overlaps.\n")
    print(markdown(["", "GFLOP/s", "share", "s per megapixel"], rows))


def file(arguments: argparse.Namespace) -> None:
    """A JPEG from disk to disk: what is added to the networks' own time."""
    models = Models(Settings(sigma="auto" if arguments.auto else SIGMA))
    networks = {"denoising network": models.get("denoise").network}
    if arguments.auto:
        networks["noise level network"] = models.helper("noise-level").network
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.jpg"), Path(folder, "out.jpg")
        scenes.save(scenes.noisy(arguments.megapixels, SIGMA), source)
        runs = [_file_times(source, target, models, networks) for _ in range(arguments.repeats + 1)][1:]
    times = {step: median(run[step] for run in runs) for step in runs[0]}
    within = sum(times[name] for name in networks)
    rows = [[step, f"{seconds:.2f}", f"{100 * seconds / within:.1f} %"] for step, seconds in times.items()]
    print(f"{arguments.megapixels:g} megapixels.\n")
    print(markdown(["", "seconds", "of the networks' own time"], rows))


def against_peers(arguments: argparse.Namespace) -> None:
    """The same photo through OpenCV's non-local means, FFDNet as its authors run it, and BM3D."""
    truth = scenes.truth(arguments.megapixels)
    noisy = scenes.noisy(arguments.megapixels, SIGMA)
    models = Models(Settings())
    ways: dict[str, Callable[[], np.ndarray]] = {
        "photofix": partial(_denoised, noisy, models),
        "OpenCV fastNlMeansDenoisingColored": _best_nl_means(noisy, truth),
        "FFDNet, float32 NCHW": partial(_ffdnet, _published_ffdnet(), noisy),
    }
    found = {name: (_seconds(way, arguments.repeats), psnr(way(), truth)) for name, way in ways.items()}
    if not arguments.no_bm3d:
        found["BM3D (bm3d), once"] = _bm3d_once(noisy, truth)
    ours = found["photofix"][0]
    megapixels = truth.shape[0] * truth.shape[1] / 1e6
    rows = [
        [name, f"{seconds / megapixels:.3f}", f"{seconds / ours:.1f}", f"{quality:.2f}"]
        for name, (seconds, quality) in found.items()
    ]
    print(f"{megapixels:.2f} megapixels, sigma {SIGMA} in 8 bits.\n")
    print(markdown(["", "s per megapixel", "times ours", "PSNR in dB"], rows))


def cold(arguments: argparse.Namespace) -> None:
    """The command from a cold start, on one JPEG."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.jpg")
        scenes.save(scenes.noisy(arguments.megapixels, SIGMA), source)
        denoise = partial(_command, "denoise", str(source), str(Path(folder, "out.jpg")), "--overwrite")
        rows = [
            [f"photofix denoise, {arguments.megapixels:g} megapixels", f"{_seconds(denoise, arguments.repeats):.2f}"],
            ["photofix --help", f"{_seconds(partial(_command, '--help'), arguments.repeats):.2f}"],
        ]
    print(markdown(["", "seconds"], rows))


def memory(arguments: argparse.Namespace) -> None:
    """Peak memory of the command on a large 16-bit TIFF and on a RAW file."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, megapixels, bytes_per_pixel in (
            ("tif", arguments.megapixels, 6),
            ("dng", arguments.raw_megapixels, 2),
        ):
            source = Path(folder, f"in.{kind}")
            # A process remembers the most that the one that started it ever held: so the picture is made elsewhere.
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                pool.submit(scenes.make, source, megapixels, SIGMA).result()
            peak = _peak_memory("denoise", str(source), str(Path(folder, f"out-{kind}.tif")), "--overwrite")
            decoded = megapixels * bytes_per_pixel * 1e6
            rows.append([f"{kind}, {megapixels:g} megapixels", f"{decoded / 1e9:.2f}", f"{peak / 1e9:.2f}"])
    print(markdown(["", "decoded, GB", "peak, GB"], rows))


def _machine() -> str:
    features = [name for name, there in torch.cpu.get_capabilities().items() if there is True]
    notable = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "bf16", "sve") if name in features]
    isa = f"{torch.backends.cpu.get_cpu_capability()} ({', '.join(notable)})"
    return f"{len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} threads, {isa}, torch {torch.__version__}"


def _seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return median(times)


@contextmanager
def _stopwatch(network: nn.Module) -> Iterator[list[float]]:
    """Seconds of each forward pass within the block (on a CPU: a GPU would have to be waited for)."""
    started: list[float] = []
    passes: list[float] = []
    before = network.register_forward_pre_hook(lambda *_: started.append(time.perf_counter()))
    after = network.register_forward_hook(lambda *_: passes.append(time.perf_counter() - started.pop()))
    yield passes
    before.remove()
    after.remove()


def _convolution_rate(side: int, model: Model, repeats: int) -> float:
    """GFLOP/s of a 64-channel 3 x 3 convolution on side x side pixels, where and as precise as the model is."""
    place = model.place
    layer = nn.Conv2d(64, 64, 3, padding=1).to(place.device, place.precision)
    layer = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stub leaves it out
    features = torch.rand(1, 64, side, side, device=place.device, dtype=place.precision)
    features = features.contiguous(memory_format=torch.channels_last)
    calls = max(1, 512**2 // side**2)  # so that a small one is not lost in the clock's own steps

    def run() -> None:
        with torch.inference_mode():
            for _ in range(calls):
                layer(features)

    return calls * 2 * 9 * 64 * 64 * side**2 / _seconds(run, repeats) / 1e9


def _flops_per_pixel(model: Model) -> float:
    side = 256
    picture = torch.rand(1, 3, side, side, device=model.place.device, dtype=model.place.precision)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.network(picture, picture[:, :1])
    return float(counter.get_total_flops() / side**2)


def _file_times(source: Path, target: Path, models: Models, networks: dict[str, nn.Module]) -> dict[str, float]:
    clock = [time.perf_counter()]
    photo = read(source)
    clock.append(time.perf_counter())
    with _stopwatches(networks) as passes:
        restored = pipeline.restore(photo, models).photo
    clock.append(time.perf_counter())
    write(restored, target)
    clock.append(time.perf_counter())
    times = {name: sum(seconds) for name, seconds in passes.items()}
    reading, restoring, writing = np.diff(clock)
    rest = {"read": reading, "cut, convert, join": restoring - sum(times.values()), "write": writing}
    return times | rest | {"all but the networks": sum(rest.values())}


@contextmanager
def _stopwatches(networks: dict[str, nn.Module]) -> Iterator[dict[str, list[float]]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(_stopwatch(network)) for name, network in networks.items()}


def _denoised(noisy: np.ndarray, models: Models) -> np.ndarray:
    """What photofix answers, told the level; in memory, with the network loaded."""
    return models.get("denoise")(noisy, SIGMA / 255)


def _best_nl_means(noisy: np.ndarray, truth: np.ndarray) -> Callable[[], np.ndarray]:
    """OpenCV's non-local means at the strength that serves it best here."""
    ways = [partial(cv2.fastNlMeansDenoisingColored, noisy, None, h, h) for h in NL_MEANS_STRENGTHS]
    return max(ways, key=lambda way: psnr(way(), truth))


def _published_ffdnet() -> FFDNet:
    network = FFDNet()
    file = DATA / "published" / "denoise" / "ffdnet_color.pth"
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.eval()


def _ffdnet(network: FFDNet, noisy: np.ndarray) -> np.ndarray:
    picture = torch.from_numpy((noisy / np.float32(255)).transpose(2, 0, 1)[None]).contiguous()
    with torch.inference_mode():
        answer = network(picture, torch.full_like(picture[:, :1], SIGMA / 255))
    return np.asarray(answer[0].permute(1, 2, 0).numpy())


def _bm3d_once(noisy: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    import bm3d

    started = time.perf_counter()
    answer = bm3d.bm3d_rgb(noisy / np.float32(255), SIGMA / 255)
    return time.perf_counter() - started, psnr(answer, truth)


def _command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "photofix", *arguments], check=True, capture_output=True)


def _peak_memory(*arguments: str) -> int:
    """The most bytes that the command held at once."""
    process = subprocess.Popen([sys.executable, "-m", "photofix", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"photofix {' '.join(arguments)} failed")
    return usage.ru_maxrss * 1024


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    tables = {"convolution": (convolution, 24), "file": (file, 24), "peers": (against_peers, 1)}
    for name, (table, megapixels) in (tables | {"cold": (cold, 1), "memory": (memory, 100)}).items():
        command = commands.add_parser(name, help=table.__doc__)
        command.add_argument("--megapixels", type=float, default=megapixels)
        command.add_argument("--repeats", type=int, default=3)
        command.set_defaults(table=table)
        if table is file:
            command.add_argument("--auto", action="store_true", help="estimate the noise level too")
        if table is against_peers:
            command.add_argument("--no-bm3d", action="store_true", help="leave out BM3D, which takes minutes")
        if table is memory:
            command.add_argument("--raw-megapixels", type=float, default=24)
    return parser


if __name__ == "__main__":
    main()

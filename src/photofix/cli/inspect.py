"""photofix info and photofix doctor: what a file is, and what this machine can do."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photofix.cli import options

if TYPE_CHECKING:
    from photofix.models import Models
    from photofix.photo import Photo, RawPhoto

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

#: The largest difference between a device's answer and the processor's float32 answer that half precision explains.
TOLERANCE = 4 / 255


def info(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A photo, or - for standard input.")],
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    tile: options.Tile = "auto",
    as_json: Json = False,
) -> None:
    """Say what a photo is, how noisy it is, and what denoise would run on it."""
    import sys

    from photofix.job import Settings
    from photofix.models import Models
    from photofix.read import read

    source = sys.stdin.buffer.read() if file == "-" else Path(file)
    photo = read(source, file)
    models = Models(Settings(device=device, precision=precision, tile=options.tile_of(tile)))
    facts = dict([*_file_facts(photo), *_noise_facts(photo, models), *_run_facts(photo, models)])
    _print(_numbers(photo) | facts if as_json else facts, as_json)


def doctor(as_json: Json = False) -> None:
    """Say what this machine has, and check that photofix works on it."""
    facts = dict([*_versions(), *_machine(), *_files()])
    checks = list(_device_checks())
    facts |= {name: f"differs from the processor by {gap:.1e}" for name, gap in checks}
    wrong = [name for name, gap in checks if not gap <= TOLERANCE]
    wrong += [name for name, value in facts.items() if str(value).startswith("DAMAGED")]
    _print(facts | {"verdict": f"not well: {', '.join(wrong)}" if wrong else "all is well"}, as_json)
    raise typer.Exit(1 if wrong else 0)


def _print(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(jsonlib.dumps(facts))
        return
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        typer.echo(f"{name + ':':<{width}}{value}")


def _file_facts(photo: Photo | RawPhoto) -> Iterator[tuple[str, object]]:
    from photofix.photo import Photo

    if isinstance(photo, Photo):
        height, width, channels = photo.pixels.shape
        yield "format", photo.format
        yield "size", f"{width} x {height} ({width * height / 1e6:.1f} megapixels)"
        yield "depth", f"{photo.pixels.dtype.itemsize * 8} bits, {'gray' if channels == 1 else 'RGB'}"
        yield "alpha", "yes" if photo.alpha is not None else "no"
        yield "encoding", photo.encoding
        yield "profile", _profile(photo.metadata.icc)
        yield "density", _density(photo.metadata.density)
    else:
        height, width = photo.mosaic.shape
        yield "format", "raw"
        yield "camera", photo.camera or "not named"
        yield "size", f"{width} x {height} ({width * height / 1e6:.1f} megapixels)"
        yield "mosaic", photo.pattern
        yield "black", " ".join(f"{level:g}" for level in photo.black)
        yield "white", f"{photo.white:g}"
        yield "white balance", " ".join(f"{gain:.3g}" for gain in photo.balance)
        yield "margins", _margins(photo)
        yield "iso", photo.iso or "not named"
    held = [f"{name} {len(block)} bytes" for name, block in vars(photo.metadata).items() if isinstance(block, bytes)]
    yield "metadata", ", ".join(held) or "none"
    if photo.notes:
        yield "notes", "; ".join(photo.notes)


def _density(density: tuple[float, float] | None) -> str:
    return "not said" if density is None else "{:g} x {:g} dots per inch".format(*(round(dots, 1) for dots in density))


def _numbers(photo: Photo | RawPhoto) -> dict[str, object]:
    """What JSON has beside the words, for programs."""
    from photofix.photo import Photo

    pixels = photo.pixels if isinstance(photo, Photo) else photo.mosaic
    height, width, *_ = pixels.shape
    return {"width": width, "height": height, "bits": pixels.dtype.itemsize * 8}


def _profile(icc: bytes | None) -> str:
    """What an ICC profile calls itself."""
    if icc is None:
        return "none: sRGB is meant"
    import io

    from PIL import ImageCms

    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()
    except (ImageCms.PyCMSError, OSError):
        return "damaged"


def _noise_facts(photo: Photo | RawPhoto, models: Models) -> Iterator[tuple[str, object]]:
    from photofix.photo import Photo
    from photofix.restore_picture import noise_level
    from photofix.restore_raw import noise_profile, noise_source

    if isinstance(photo, Photo):
        yield "sigma", round(noise_level(photo, models)[1] * 255, 2)
        return
    profiles = noise_profile(photo, "auto")
    shown = [f"shot {shot:.3g} read {read:.3g}" for shot, read in profiles]
    if len(set(shown)) > 1:
        shown = [f"{letter} {pair}" for letter, pair in zip(photo.pattern, shown, strict=True)]
    yield "noise", f"{', '.join(dict.fromkeys(shown))} ({noise_source(photo)})"
    yield from _flaw_facts(photo, profiles)


def _margins(photo: RawPhoto) -> str:
    """What the sensor has beside the visible area, and how much of it is said or hoped to be dark."""
    if photo.sensor is None or photo.sensor.shape == photo.mosaic.shape:
        return "none"
    (top, left), whole, seen = photo.corner, photo.sensor.shape, photo.mosaic.shape
    sides = f"top {top}, left {left}, bottom {whole[0] - top - seen[0]}, right {whole[1] - left - seen[1]}"
    return f"{sides}; {len(photo.masked)} masked"


def _flaw_facts(photo: RawPhoto, profiles: Sequence[tuple[float, float]]) -> Iterator[tuple[str, object]]:
    """What the sensor does wrong, as denoise heals it; amounts in the sensor's numbers."""
    from photofix import sensor

    _, flaws = sensor.heal(photo, profiles)
    yield "stuck", f"{flaws.hot} hot, {flaws.dead} dead"
    stripes = f"rows {flaws.rows:.2g}, columns {flaws.columns:.2g}"
    yield "banding", stripes if flaws.rows or flaws.columns else "none seen"
    yield "black drift", f"up to {flaws.drift:.2g}" if flaws.drift else "none seen"


def _run_facts(photo: Photo | RawPhoto, models: Models) -> Iterator[tuple[str, object]]:
    from photofix.photo import Photo
    from photofix.tiles import count

    is_raw = not isinstance(photo, Photo)
    network = models.get("denoise", is_raw)
    height, width = photo.pixels.shape[:2] if isinstance(photo, Photo) else [side // 2 for side in photo.mosaic.shape]
    tiling = network.tiling(height, width)
    yield "would run", f"{network.entry.name} on {network.place}"
    yield "tiles", f"{count(height, width, tiling)} of {tiling.tile or max(height, width)}"


def _versions() -> Iterator[tuple[str, object]]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import photofix

    yield "photofix", photofix.__version__
    yield "python", platform.python_version()
    for package in ("torch", "numpy", "rawpy", "pillow", "opencv-python-headless", "tifffile", "OpenImageIO"):
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "not installed under this name"


def _machine() -> Iterator[tuple[str, object]]:
    from photofix import device

    for one in device.available():
        halves = ", ".join(str(kind).removeprefix("torch.") for kind in device.native_half(one)) or "float32 only"
        yield str(one), f"{device.free_memory(one) / 2**30:.1f} GiB free, {halves}"
    yield "auto chooses", device.choose()


def _files() -> Iterator[tuple[str, object]]:
    from photofix import settings, weights
    from photofix.errors import WeightsError

    yield "cache", settings.read().cache
    for entry in weights.manifest().values():
        if not entry.embedded:
            continue
        try:
            weights.verified(entry, offline=True)
            yield entry.name, "embedded, verified"
        except WeightsError as error:
            yield entry.name, f"DAMAGED: {error}"


def _device_checks() -> Iterator[tuple[str, float]]:
    """For each device at its own precision: how far its answer for a fixed tile is from the processor's in float32."""
    import numpy as np

    from photofix import device
    from photofix.job import Settings
    from photofix.models import Models

    pixels = np.random.default_rng(0).random((128, 128, 3), np.float32)
    exact = Models(Settings(device="cpu", precision="float32")).get("denoise")(pixels, 0.1)
    for one in device.available():
        answer = Models(Settings(device=str(one))).get("denoise")(pixels, 0.1)
        yield f"check on {one}", float(np.abs(answer - exact).max())

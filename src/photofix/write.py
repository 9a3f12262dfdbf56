"""Pictures out: a Photo -> a file that appears whole or not at all, with everything that its format can hold.

What a format cannot hold is reduced and said: depth (rounded), alpha, metadata. What is encoded how:
OpenEXR, Radiance HDR and PFM hold linear light; every other format holds sRGB-encoded samples, floating-point TIFF too,
unless the photo's own profile is linear. The line of processing history goes to XMP (xmpMM:History).
A Negative becomes a DNG, and nothing else does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from photofix import dng
from photofix import metadata as meta
from photofix.color import linear_to_srgb, srgb_to_linear
from photofix.errors import UsageError, WriteError
from photofix.formats import avif, jpeg, light, png, pnm, tiff, webp
from photofix.photo import Encoding, Metadata, Negative, Photo


@dataclass(frozen=True)
class SaveOptions:
    """How to save a photo.

    format: a name of FORMATS; None: what the name's ending says.
    quality: 1 to 100 for JPEG, WebP and AVIF; 100 is lossless in WebP and AVIF.
    bit_depth: 8, 16 or 32; None: the photo's own. 32 is floating-point; 16 in EXR is its half float.
    strip_metadata: leave out EXIF, XMP and IPTC, and keep the profile, without which colors change, and the density.
    history: one line to add to the processing history, or "".
    """

    format: str | None = None
    quality: int | None = None
    bit_depth: Literal[8, 16, 32] | None = None
    strip_metadata: bool = False
    history: str = ""


AS_IS = SaveOptions()


@dataclass(frozen=True)
class Format:
    """What a file format holds.

    depths: bits a sample, 32 meaning floats. side: the longest side in pixels. metadata: names of Metadata's blocks.
    """

    endings: tuple[str, ...]
    depths: tuple[int, ...]
    alpha: bool
    gray: bool
    linear: bool
    metadata: tuple[str, ...]
    side: int
    pixels: int | None = None
    quality: int | None = None


_ALL = ("exif", "xmp", "icc")
_WITH_IPTC = (*_ALL, "iptc")
FORMATS = {
    "jpeg": Format(("jpg", "jpeg", "jpe", "jfif"), (8,), False, True, False, _WITH_IPTC, 65535, quality=95),
    "png": Format(("png",), (8, 16), True, True, False, _ALL, 1_000_000),
    "tiff": Format(("tif", "tiff"), (8, 16, 32), True, True, False, _WITH_IPTC, 2**32 - 1),
    "webp": Format(("webp",), (8,), True, False, False, _ALL, 16383, quality=92),
    "avif": Format(("avif",), (8, 12), True, True, False, _ALL, 32768, 16384**2, quality=90),
    "exr": Format(("exr",), (16, 32), True, True, True, ("xmp",), 2**31 - 1),
    "hdr": Format(("hdr", "pic"), (32,), False, False, True, (), 2**31 - 1),
    "pnm": Format(("ppm", "pgm", "pnm"), (8, 16), False, True, False, (), 2**31 - 1),
    "pfm": Format(("pfm",), (32,), False, True, True, (), 2**31 - 1),
    "dng": Format(("dng",), (16,), False, True, True, _WITH_IPTC, 65535, 2**31 - 1),
}
_TITLES = {"hdr": "Radiance HDR", "webp": "WebP"}


def format_of(name: str | Path) -> str:
    """The format that a path's ending or a format's own name means; UsageError where it means none."""
    word = Path(name).suffix[1:].lower() or str(name).lower()
    for format_name, held in FORMATS.items():
        if word == format_name or word in held.endings:
            return format_name
    known = ", ".join("." + held.endings[0] for held in FORMATS.values())
    raise UsageError(
        f"{name}: its ending names no picture format that is written here; use one of {known}, or --format"
    )


def check_limits(shape: tuple[int, ...], format: str) -> None:
    """UsageError where a picture of (H, W, ...) pixels is larger than the format can hold."""
    held, longest = FORMATS[format], max(shape[:2])
    if longest > held.side:
        limit = f"sides of at most {held.side:,} pixels"
    elif held.pixels and shape[0] * shape[1] > held.pixels:
        limit = f"at most {held.pixels:,} pixels"
    else:
        return
    raise UsageError(
        f"{_title(format)} holds {limit}, and the picture has {shape[1]:,} x {shape[0]:,}; save it as PNG or TIFF"
    )


def check_kind(is_raw: bool, format: str) -> None:
    """UsageError where a finished picture is to become a DNG, or a negative a picture."""
    if format == "dng" and not is_raw:
        raise UsageError("a DNG is made of a RAW file, and this is a finished picture: save it as TIFF or PNG")
    if format != "dng" and is_raw:
        raise UsageError(f"{_title(format)} holds finished pictures, and this was not developed: save it as DNG")


def write(photo: Photo | Negative, target: Path, options: SaveOptions = AS_IS) -> list[str]:
    """Save a photo; the file appears under its name when it is complete, replacing one that is there.

    Returns:
        what had to be reduced, in words for the user.
    Raises:
        UsageError: a format or option that cannot be; WriteError: the file cannot be written.
    """
    format_name = format_of(options.format or target)
    check_limits(_shape(photo), format_name)
    try:
        with _appearing(target) as temporary:
            return _encode(photo, temporary, format_name, options)
    except OSError as error:
        raise WriteError(
            f"{target}: cannot be written ({error.strerror or error}); check the folder and the space left"
        ) from error
    except WriteError as error:
        raise WriteError(f"{target}: {error}") from error


def write_stream(photo: Photo | Negative, stream: BinaryIO, options: SaveOptions = AS_IS) -> list[str]:
    """Save a photo into a pipe, which need not seek; PNG if options do not say. As write() otherwise."""
    format_name = format_of(options.format or ("png" if isinstance(photo, Photo) else "dng"))
    try:
        with tempfile.TemporaryDirectory(prefix="photofix-") as folder:
            whole = Path(folder, "picture." + FORMATS[format_name].endings[0])
            notes = write(photo, whole, replace(options, format=format_name))
            with whole.open("rb") as encoded:
                shutil.copyfileobj(encoded, stream, 1 << 20)
            stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WriteError(f"the stream cannot be written ({error.strerror or error})") from error
    return notes


def write_film(frames: Iterable[Photo], target: Path) -> None:
    """Save frames as an animated WebP that goes round and round, small; as write() otherwise."""
    try:
        with _appearing(target) as temporary, temporary.open("wb") as stream:
            webp.write_film((fit(frame, "webp", SaveOptions(bit_depth=8))[0] for frame in frames), stream)
    except OSError as error:
        raise WriteError(
            f"{target}: cannot be written ({error.strerror or error}); check the folder and the space left"
        ) from error


def _shape(photo: object) -> tuple[int, ...]:
    if isinstance(photo, Photo | Negative):
        return (photo.pixels if isinstance(photo, Photo) else photo.samples).shape
    kind = type(photo).__name__
    raise UsageError(f"saved is what tasks give for photos, not {kind}: make an array a Photo, and denoise a RAW photo")


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A new, empty file beside the target, which it becomes if all goes well and which is removed if not."""
    temporary = target.with_name(f".photofix-{os.urandom(6).hex()}{target.suffix}")
    try:
        temporary.open("xb").close()
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _encode(photo: Photo | Negative, path: Path, format_name: str, options: SaveOptions) -> list[str]:
    check_kind(isinstance(photo, Negative), format_name)
    if isinstance(photo, Negative):
        with path.open("wb") as stream:
            return dng.write(photo, stream, options.history, options.strip_metadata)
    quality = options.quality or FORMATS[format_name].quality
    if options.quality is not None and not 1 <= options.quality <= 100:
        raise UsageError(f"quality {options.quality} is not between 1 and 100")
    photo, notes = fit(photo, format_name, options)
    if format_name == "tiff":
        tiff.write(photo, str(path))
    elif format_name in ("exr", "hdr"):
        half = options.bit_depth == 16 or (options.bit_depth is None and _fits_half(photo))
        light.write(photo, path, format_name, half)
    else:
        with path.open("wb") as stream:
            notes += _encode_into(photo, stream, format_name, quality or 0)
    return notes


def _encode_into(photo: Photo, stream: BinaryIO, format_name: str, quality: int) -> list[str]:
    if format_name == "jpeg":
        return jpeg.write(photo, stream, quality)
    if format_name == "webp":
        webp.write(photo, stream, quality)
    elif format_name == "avif" and photo.encoding == "pq":
        return avif.write_pq(photo, stream, quality)
    elif format_name == "avif":
        avif.write(photo, stream, quality)
    elif format_name == "png":
        png.write(photo, stream)
    else:
        pnm.write(photo, stream)
    return []


def fit(photo: Photo, format_name: str, options: SaveOptions = AS_IS) -> tuple[Photo, list[str]]:
    """The photo as the format holds it, and what was reduced."""
    held, title, notes = FORMATS[format_name], _title(format_name), []
    bits = 8 * photo.pixels.itemsize
    wanted = options.bit_depth or bits
    depth = min((held_depth for held_depth in held.depths if held_depth >= wanted), default=held.depths[-1])
    if depth < wanted and photo.encoding != "pq":  # has 10 bits, as BT.2100 asks
        notes.append(f"{title} holds {depth} bits: {wanted} reduced")
    encoding = _encoding_out(photo, held, depth)
    kind = np.dtype({8: np.uint8, 12: np.uint16, 16: np.uint16, 32: np.float32}[32 if format_name == "exr" else depth])
    pixels, clipped = converted(photo.pixels, kind, photo.encoding, encoding)
    if clipped:
        notes.append(f"{clipped:.1%} of the samples lay outside black and white: clipped")
    alpha = photo.alpha
    if alpha is not None and not held.alpha:
        notes.append(f"{title} has no alpha: dropped")
        alpha = None
    if alpha is not None:
        alpha = converted(alpha, kind)[0]
    if pixels.shape[2] == 1 and not held.gray:
        pixels = np.repeat(pixels, 3, axis=2)
    fitted = replace(photo, pixels=pixels, alpha=alpha, encoding=encoding)
    metadata, left_out = _fit_metadata(fitted, photo.encoding, held, title, options)
    return replace(fitted, metadata=metadata), notes + left_out


def _encoding_out(photo: Photo, held: Format, depth: int) -> Encoding:
    if photo.encoding == "pq":
        return "pq"
    if held.linear:
        return "linear"
    kept = photo.encoding == "linear" and depth == 32 and meta.icc_is_linear(photo.metadata.icc)
    return "linear" if kept else "srgb"


def _fit_metadata(
    photo: Photo, stored: Encoding, held: Format, title: str, options: SaveOptions
) -> tuple[Metadata, list[str]]:
    given = photo.metadata
    exif, xmp, icc, iptc = given.exif, given.xmp, given.icc, given.iptc
    notes = []
    if options.strip_metadata:
        exif = xmp = iptc = None
    if options.history and not options.strip_metadata and "xmp" in held.metadata:
        longer = meta.with_history(xmp, options.history)
        notes += [] if longer else ["its XMP is of a rare kind: no history added"]
        xmp = longer or xmp
    if icc and meta.icc_space(icc) != ("GRAY" if photo.pixels.shape[2] == 1 else "RGB"):
        notes.append(f"its profile is for {meta.icc_space(icc)}, which the picture is not: left out")
        icc = None
    elif icc and stored != photo.encoding:
        notes.append("its profile is not true of the new encoding: left out, sRGB is meant")
        icc = None
    blocks = {"exif": exif, "xmp": xmp, "icc": icc, "iptc": iptc}
    lost = [name.upper() for name, block in blocks.items() if block and name not in held.metadata]
    notes += [f"{title} does not hold {' and '.join(lost)}: left out"] if lost else []
    fitted = Metadata(exif, xmp, icc, iptc, given.density)
    return replace(fitted, **dict.fromkeys(blocks.keys() - set(held.metadata))), notes


def converted(
    samples: np.ndarray, kind: np.dtype[np.generic], stored: Encoding = "srgb", wanted: Encoding = "srgb"
) -> tuple[np.ndarray, float]:
    """Samples (H, W, ...) in another dtype and encoding, and the share that lay well outside [0, 1] and was clipped.

    Integers to wider integers are exact, to narrower ones and from floats rounded to nearest. Works through a few rows
    at a time, so that the result is all the memory it takes.
    """
    if samples.dtype == kind and stored == wanted:
        return samples, 0.0
    result = np.empty(samples.shape, kind)
    step = max(1, (1 << 20) // max(1, samples[0].size))
    clipped = sum(
        _convert_rows(samples[row : row + step], result[row : row + step], stored, wanted)
        for row in range(0, len(samples), step)
    )
    return result, clipped / samples.size


def _convert_rows(samples: np.ndarray, result: np.ndarray, stored: Encoding, wanted: Encoding) -> int:
    if samples.dtype.kind == result.dtype.kind == "u" and stored == wanted:
        result[:] = (
            samples.astype(np.uint16) * 257 if result.itemsize == 2 else (samples.astype(np.uint32) + 128) // 257
        )
        return 0
    light_values = samples.astype(np.float32)
    if samples.dtype.kind == "u":
        light_values /= np.float32(np.iinfo(samples.dtype).max)
    if stored != wanted:
        light_values = linear_to_srgb(light_values) if wanted == "srgb" else srgb_to_linear(light_values)
    if result.dtype.kind == "f":
        result[:] = light_values
        return 0
    outside = int(np.count_nonzero(~(np.abs(light_values - 0.5) <= 0.5 + 0.5 / 255)))
    result[:] = np.rint(np.clip(np.nan_to_num(light_values, nan=0.0), 0, 1) * np.iinfo(result.dtype).max)
    return outside


def _fits_half(photo: Photo) -> bool:
    """Whether half floats hold every sample exactly, as those do that came from such a file."""
    with np.errstate(over="ignore"):
        parts = (photo.pixels, photo.alpha) if photo.alpha is not None else (photo.pixels,)
        return all(np.array_equal(part.astype(np.float16), part, equal_nan=True) for part in parts)


def _title(format_name: str) -> str:
    return _TITLES.get(format_name, format_name.upper())

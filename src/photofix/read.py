"""Pictures in: any file or its bytes -> Photo, upright; RAW files -> RawPhoto.

What a file is, its first bytes say, not its name. One library reads each format, the one that loses nothing of it:
Pillow JPEG, imagecodecs PNG and WebP, OpenCV AVIF, tifffile TIFF, OpenImageIO OpenEXR and Radiance.
Sizes are checked before anything of that size is allocated.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from photofix import metadata as meta
from photofix.errors import ReadError, UsageError
from photofix.formats import avif, jpeg, light, png, pnm, tiff, webp
from photofix.photo import Photo, RawPhoto

_KNOWN = "JPEG, PNG, TIFF, WebP, AVIF, EXR, Radiance HDR, PNM, PFM and camera RAW files are read"
_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")
_STARTS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"v/1\x01", "exr"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
    *((order, "tiff") for order in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    *((start, "raw") for start in _RAW_STARTS),
    *((b"P%d" % digit, "pnm") for digit in range(1, 8)),
    (b"PF", "pfm"),
    (b"Pf", "pfm"),
)
_BRANDS = {b"avif": "avif", b"avis": "avif", b"crx ": "raw"}
_OTHERS = (
    (b"GIF8", "a GIF file"),
    (b"BM", "a BMP file"),
    (b"\xff\x0a", "a JPEG XL file"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF file"),
    (b"<", "a text file (SVG, HTML or XML)"),
)
_ENDINGS = {
    "jpg": "jpeg",
    "jpe": "jpeg",
    "jfif": "jpeg",
    "tif": "tiff",
    "pic": "hdr",
    "ppm": "pnm",
    "pgm": "pnm",
    "pbm": "pnm",
    "pam": "pnm",
}
_CFA, _LINEAR_RAW = 32803, 34892
(
    _DNG_VERSION,
    _COMPRESSION,
    _PHOTOMETRIC,
) = 50706, 259, 262
#: Compressions that only makers' RAW files use: Kodak, Sony, Samsung, Nikon, Pentax.
_RAW_COMPRESSIONS = (65000, 32767, 32770, 34713, 65535)

#: What the decoders raise on damaged files.
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, RuntimeError, AttributeError,
    struct.error, zlib.error,
)  # fmt: skip


def read_named(path: Path, option: str, wanted: str) -> Photo:
    """A picture that an option names; UsageError, which says what is wanted, where it is none that can be read."""
    try:
        photo = read(path)
    except ReadError as error:
        raise UsageError(f"{option} {path}: is not {wanted} ({error})") from error
    if not isinstance(photo, Photo):
        raise UsageError(f"{option} {path}: is a RAW file; give {wanted}")
    return photo


def read(source: Path | bytes, name: str = "") -> Photo | RawPhoto:
    """A picture from a file or from a file's bytes.

    Args:
        source: a path, or the bytes of a file.
        name: what messages call it; for a path its own by default.
    Returns:
        a Photo, upright, its metadata saying so; or a RawPhoto, if LibRaw reads it and its mosaic is a Bayer one.
    Raises:
        ReadError: not there, not a picture that is read here, damaged or truncated, or larger than could be true.
    """
    name = name or (str(source) if isinstance(source, Path) else "the data given")
    try:
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as stream:
            # A shell's <(...) is a pipe with a name.
            return _read(stream if stream.seekable() else io.BytesIO(stream.read()), name)
    except FileNotFoundError as error:
        raise ReadError(f"{name}: there is no such file; check the name") from error
    except IsADirectoryError as error:
        raise ReadError(f"{name}: is a folder; name a picture") from error
    except OSError as error:
        raise ReadError(
            f"{name}: cannot be read ({error.strerror or error}); check the file and its permissions"
        ) from error


def kind_of(head: bytes) -> str:
    """The format that a file's first 64 bytes or more show; "" for one that is not read here.

    A TIFF file can still be a camera's RAW file.
    """
    if head[4:8] == b"ftyp":
        brands = [head[at : at + 4] for at in range(8, min(64, int.from_bytes(head[:4], "big")), 4)]
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return "raw"
    return next((kind for start, kind in _STARTS if head.startswith(start)), "")


def _read(stream: BinaryIO, name: str) -> Photo | RawPhoto:
    head = stream.read(64)
    if not head:
        raise ReadError(f"{name}: the file is empty; copy it again from where it came")
    kind = kind_of(head)
    if not kind:
        raise ReadError(f"{name}: is {_described(head)}; {_KNOWN}")
    try:
        if kind == "tiff" and _is_raw_tiff(stream):
            kind = "raw"
        stream.seek(0)
        if kind == "raw":
            from photofix.raw import read_raw

            return read_raw(stream.read(), name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's words about damaged EXIF, which we pass on as it is
            photo = _READERS[kind](stream)
    except MemoryError as error:
        raise ReadError(f"{name}: this {kind.upper()} file takes more memory than there is") from error
    except _DECODER_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise ReadError(
            f"{name}: this {kind.upper()} file is truncated, damaged or of a rare kind ({reason}); "
            "copy or export it again"
        ) from error
    return replace(photo, format=kind, notes=_ending_notes(name, kind) + photo.notes)


def _described(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return "a HEIF file or a film"
    return next((words for start, words in _OTHERS if head.startswith(start)), "no picture that is known here")


def _ending_notes(name: str, kind: str) -> tuple[str, ...]:
    ending = Path(name).suffix[1:].lower()
    known = {*_ENDINGS.values(), "png", "webp", "avif", "exr", "pfm"}
    meant = _ENDINGS.get(ending, ending)
    return (f"a {kind.upper()} file in spite of its name",) if meant in known and meant != kind else ()


def _is_raw_tiff(stream: BinaryIO) -> bool:
    """Whether a TIFF-structured file is a DNG or a camera maker's: a mosaic, linear RAW, or a compression of theirs."""
    first = meta.read_directory(stream)
    if _DNG_VERSION in first:
        return True
    for directory in (first, *meta.subdirectories(stream, first)):
        if set(meta.numbers(directory, _PHOTOMETRIC)) & {_CFA, _LINEAR_RAW}:
            return True
        if set(meta.numbers(directory, _COMPRESSION)) & set(_RAW_COMPRESSIONS):
            return True
    return False


_READERS: dict[str, Callable[[BinaryIO], Photo]] = {
    "jpeg": jpeg.read,
    "png": png.read,
    "tiff": tiff.read,
    "webp": webp.read,
    "avif": avif.read,
    "exr": light.read_exr,
    "hdr": light.read_hdr,
    "pnm": pnm.read,
    "pfm": pnm.read,
}

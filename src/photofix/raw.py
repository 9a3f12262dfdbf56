"""RAW files: the camera's mosaic, what the file says of it, and its metadata.

Bayer mosaics come as they are (RawPhoto), to be denoised before anything is made of them. What is no 2 x 2 mosaic of
red, green and blue is developed first, linear in light, and comes as a Photo that says so.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from photofix import kinds
from photofix.errors import ReadError
from photofix.kinds import Reported
from photofix.libraw import (
    AS_EXPOSED,
    LINEAR_CURVE,
    DevelopSettings,
    fix_white,
    is_colored,
    opened,
    parameters_of,
    white_balance,
)
from photofix.metadata import (
    Directory,
    exif_of_tiff,
    iptc_of,
    numbers,
    read_directory,
    subdirectories,
    upright_exif,
    upright_xmp,
)
from photofix.photo import Area, Metadata, Photo, RawPhoto

if TYPE_CHECKING:
    import rawpy

_NO_MATRIX = "the RAW file has no color matrix: colors are as its sensor sees them"

#: Columns and rows of a margin that are left out beside the visible area.
_STRAY = 4

#: TIFF and DNG tags (DNG specification 1.7, chapter 4).
_MAKE, _MODEL, _XMP = 271, 272, 700
_PLANE_COLORS, _MASKED_AREAS, _NOISE_PROFILE = 50710, 50830, 51041
_DOUBLE = 12


def read_raw(data: bytes, name: str, settings: DevelopSettings = AS_EXPOSED) -> RawPhoto | Photo:
    """The mosaic of a RAW file, or, where that is not Bayer, the picture that LibRaw develops from it.

    Args:
        data: the whole file.
        name: what messages call it.
        settings: used only where the file is developed here.
    Returns:
        RawPhoto for Bayer mosaics; else a Photo in linear light with sRGB primaries, uint16, with a note.
    Raises:
        ReadError: not a RAW file that LibRaw knows, damaged, or a mosaic that it would develop wrongly.
    """
    directories = directories_of(data)
    kinds.refuse(directories, name)
    with opened(data, name) as raw:
        metadata = _metadata(raw, data, directories)
        kind = kinds.kind_of(_reported(raw, data), directories, data[:16], _maker(directories))
        if kinds.may_be_empty(directories) and not raw.raw_image.any():
            raise ReadError(f"{name}: LibRaw finds nothing in its JPEG samples; save it again with Adobe DNG Converter")
        notes = kind.notes + (() if is_colored(raw) else (_NO_MATRIX,))
        pattern = kind.bayer
        if pattern is None:
            return _developed_first(raw, data, metadata, settings, kind.name, notes)
        black = _black(raw)
        if raw.white_level <= max(black):
            raise ReadError(
                f"{name}: white level {raw.white_level} is not above black level {max(black):g}; the file is damaged"
            )
        sensor, corner = raw.raw_image.copy(), (raw.sizes.top_margin, raw.sizes.left_margin)
        rows, columns = (slice(start, start + size) for start, size in zip(corner, _visible(raw), strict=True))
        return RawPhoto(
            mosaic=sensor[rows, columns],
            pattern=pattern,
            black=black,
            white=float(raw.white_level),
            noise=_noise_profile(directories, pattern),
            iso=_iso(raw),
            data=data,
            metadata=metadata,
            camera=_camera(directories),
            notes=notes,
            balance=_balance(raw),
            flip=raw.sizes.flip,
            aspect=raw.sizes.pixel_aspect,
            sensor=sensor,
            corner=corner,
            masked=_masked(raw, directories),
        )


def _balance(raw: rawpy.RawPy) -> tuple[float, float, float]:
    known = white_balance(raw)[0]
    red, green, blue = (raw.camera_whitebalance if known else raw.daylight_whitebalance)[:3]
    return (red / green, 1.0, blue / green) if min(red, green, blue) > 0 else (1.0, 1.0, 1.0)


def _visible(raw: rawpy.RawPy) -> tuple[int, int]:
    return raw.sizes.height, raw.sizes.width


def _masked(raw: rawpy.RawPy, directories: list[Directory]) -> tuple[Area, ...]:
    """The areas that a DNG calls masked, else the margins beside the visible area, less the columns next to it, which
    stray light reaches. Whether they are dark is for the reader to check."""
    named = _integers(directories, _MASKED_AREAS)
    size = raw.sizes
    if named:
        areas = [named[at : at + 4] for at in range(0, len(named) - 3, 4)]
    else:
        bottom, right = size.top_margin + size.height, size.left_margin + size.width
        areas = [
            (size.top_margin, 0, bottom, size.left_margin - _STRAY),
            (size.top_margin, right + _STRAY, bottom, size.raw_width),
            (0, size.left_margin, size.top_margin - _STRAY, right),
            (bottom + _STRAY, size.left_margin, size.raw_height, right),
        ]
    limits = (size.raw_height, size.raw_width)
    return tuple(
        (top, left, bottom, right)
        for top, left, bottom, right in areas
        if 0 <= top < bottom <= limits[0] and 0 <= left < right <= limits[1]
    )


def _developed_first(
    raw: rawpy.RawPy, data: bytes, metadata: Metadata, settings: DevelopSettings, kind: str, notes: tuple[str, ...]
) -> Photo:
    balance, unbalanced = white_balance(raw)
    parameters = parameters_of(settings, balance, LINEAR_CURVE)
    fix_white(parameters, raw)
    if raw.num_colors == 1:  # there is nothing to balance, but LibRaw would
        parameters.use_camera_wb, parameters.user_mul, unbalanced = False, [1.0] * 4, ()
    pixels = raw.postprocess(parameters)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    notes += (
        *unbalanced,
        f"{kind}: developed by LibRaw first, then handled in linear light",
    )
    return Photo(pixels, "linear", metadata=metadata, format="raw", notes=notes, data=data)


def _reported(raw: rawpy.RawPy, data: bytes) -> Reported:
    import rawpy

    pattern = raw.raw_pattern
    stacked = raw.raw_type is rawpy.RawType.Stack
    mosaic = not stacked and pattern is not None and pattern.shape == (2, 2)
    return Reported(
        stacked=stacked,
        pattern=None if pattern is None else tuple(tuple(int(color) for color in row) for row in pattern),
        letters=raw.color_desc.decode("latin-1"),
        corner="".join(chr(raw.color_desc[color]) for color in place_colors(raw)) if mosaic else "",
        colors=raw.num_colors,
        frames=_frames(data),
    )


def _frames(data: bytes) -> int:
    """2 where LibRaw knows of a second frame, else 1."""
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data), shot_select=1) as second:
            second.unpack()
            return 2
    except rawpy.LibRawError:
        return 1


def place_colors(raw: rawpy.RawPy) -> list[int]:
    """LibRaw's color numbers of the four places of the visible area's pattern."""
    top, left = raw.sizes.top_margin, raw.sizes.left_margin
    return [raw.raw_color(top + row, left + column) for row in (0, 1) for column in (0, 1)]


def _black(raw: rawpy.RawPy) -> tuple[float, float, float, float]:
    levels = raw.black_level_per_channel
    first, second, third, fourth = (float(levels[color]) for color in place_colors(raw))
    return first, second, third, fourth


def directories_of(data: bytes) -> list[Directory]:
    """The main directory of a TIFF-structured file and those below it; none for other files."""
    stream = io.BytesIO(data)
    try:
        main = read_directory(stream)
        return [main, *subdirectories(stream, main)] if main else []
    except ValueError:
        return []


def _integers(directories: list[Directory], tag: int) -> tuple[int, ...]:
    return next((numbers(directory, tag) for directory in directories if tag in directory), ())


def _noise_profile(directories: list[Directory], pattern: str) -> tuple[tuple[float, float], ...] | None:
    """(shot, read) of the four places, from the DNG's NoiseProfile: one pair for all, or one for each color plane."""
    field = next((directory[_NOISE_PROFILE] for directory in directories if _NOISE_PROFILE in directory), None)
    if not isinstance(field, tuple) or field[0] != _DOUBLE or len(field[1]) % 16:
        return None
    pairs = [(float(shot), float(read)) for shot, read in np.frombuffer(field[1], "<f8").reshape(-1, 2)]
    if not all(0 < shot < 1 and 0 <= read < 1 for shot, read in pairs):
        return None
    if len(pairs) == 1:
        return (pairs[0],) * 4
    colors = _integers(directories, _PLANE_COLORS) or (0, 1, 2)
    if len(pairs) != len(colors) or not {0, 1, 2} <= set(colors):
        return None
    return tuple(pairs[colors.index("RGB".index(letter))] for letter in pattern)


def _metadata(raw: rawpy.RawPy, data: bytes, directories: list[Directory]) -> Metadata:
    if not directories:
        return _preview_metadata(raw)
    xmp = directories[0].get(_XMP)
    return Metadata(
        exif=exif_of_tiff(io.BytesIO(data)),
        xmp=upright_xmp(xmp[1]) if isinstance(xmp, tuple) else None,
        iptc=iptc_of(directories[0]),
    )


def _preview_metadata(raw: rawpy.RawPy) -> Metadata:
    """Of the JPEG preview, for files that are no TIFF structure (CR3, RAF); LibRaw adds EXIF if it has none."""
    import rawpy
    from PIL import Image

    try:
        preview = raw.extract_thumb()
        if not isinstance(preview.data, bytes):
            return Metadata()
        information = Image.open(io.BytesIO(preview.data)).info
    except (rawpy.LibRawError, OSError):
        return Metadata()
    exif, xmp = information.get("exif", b"").removeprefix(b"Exif\0\0"), information.get("xmp")
    return Metadata(exif=upright_exif(exif) if exif else None, xmp=upright_xmp(xmp) if xmp else None)


def _iso(raw: rawpy.RawPy) -> int | None:
    return round(raw.other.iso_speed) or None


def _maker(directories: list[Directory]) -> str:
    return _text(directories[0], _MAKE) if directories else ""


def _camera(directories: list[Directory]) -> str:
    maker, model = (_text(directories[0], tag) if directories else "" for tag in (_MAKE, _MODEL))
    return model if model.startswith(maker) else f"{maker} {model}"


def _text(directory: Directory, tag: int) -> str:
    field = directory.get(tag)
    return field[1].split(b"\0")[0].decode("utf-8", "replace").strip() if isinstance(field, tuple) else ""

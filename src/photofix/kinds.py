"""What kind of RAW file it is, and who may handle it: our network, LibRaw alone, or nobody.

LibRaw reads some files wrongly and says nothing: they are refused here, by name. (Each was built and tried with
LibRaw 0.22, except those of which no file was at hand: Foveon, sRAW and pixel shift.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from photofix.errors import ReadError
from photofix.metadata import Directory, numbers

BAYER_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")

#: TIFF and DNG tags (TIFF/EP; DNG specification 1.7, chapter 4) and what they may say.
_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT = 254, 258, 259, 262, 339
_STRIPS, _STRIP_BYTES = 273, 279
_CFA_REPEAT, _CFA_PATTERN, _DNG_VERSION = 33421, 33422, 50706
_LINEARIZATION, _BLACK_REPEAT, _OPCODES = 50712, 50713, 51009
_CFA, _LINEAR_RAW, _FLOAT, _WHITE_FILTER = 32803, 34892, 3, 6
_LOSSY_JPEG, _JPEG, _MAP_POLYNOMIAL = 34892, 7, 8
_CONVERT = "convert it to a linear (demosaiced) DNG first"

#: Compressions of whole numbers that LibRaw cannot decode.
_UNREAD = {5: "LZW", 8: "Deflate", 32946: "Deflate", 52546: "JPEG XL"}


@dataclass(frozen=True)
class Reported:
    """What LibRaw says of a file that it has open.

    stacked: it holds several colors at each place. pattern: rows of color numbers, or None. letters: the colors by
    number. corner: the colors of the first 2 x 2 visible places. colors: how many there are. frames: 2 for several.
    """

    stacked: bool
    pattern: tuple[tuple[int, ...], ...] | None
    letters: str
    corner: str
    colors: int
    frames: int = 1


@dataclass(frozen=True)
class Kind:
    """name: in words. bayer: the pattern at the visible corner, or None where LibRaw is to develop the file first."""

    name: str
    bayer: str | None = None
    notes: tuple[str, ...] = ()


def kind_of(reported: Reported, directories: list[Directory], start: bytes, maker: str) -> Kind:
    """The kind of a file that is not refused.

    Args:
        directories: of a TIFF-structured file, else none. start: its first bytes.
    """
    several = reported.frames > 1 or len(_raw_directories(directories)) > 1
    notes = ("the RAW file holds several frames (pixel shift or the like): the first of them",) if several else ()
    codes = set(_of_raw(directories, _CFA_PATTERN))
    if reported.stacked or reported.pattern is None:
        return Kind(_stacked_name(directories, start, maker), notes=notes)
    if reported.colors == 1:
        return Kind("monochrome RAW", notes=notes)
    if reported.colors == 4:
        return Kind("four-color mosaic", notes=notes)
    if len(reported.pattern) == 6:
        return Kind("X-Trans mosaic", notes=notes)
    uneven = max(_of_raw(directories, _BLACK_REPEAT), default=1) > 2
    if reported.corner not in BAYER_PATTERNS or uneven or not codes <= {0, 1, 2}:
        return Kind("mosaic other than Bayer", notes=notes)
    return Kind("Bayer mosaic", reported.corner, notes)


def _stacked_name(directories: list[Directory], start: bytes, maker: str) -> str:
    if directories and _DNG_VERSION in directories[0]:
        return "linear DNG"
    if start.startswith(b"FOVb"):
        return "Foveon RAW"
    names = {"canon": "sRAW", "nikon": "sRAW", "sony": "sRAW or pixel-shift RAW"}
    return next((name for word, name in names.items() if maker.lower().startswith(word)), "RAW without a mosaic")


def refuse(directories: list[Directory], name: str) -> None:
    """ReadError for DNGs that LibRaw would take for something else, or cannot decode."""
    if not directories or _DNG_VERSION not in directories[0]:
        return
    problem = _wrong_samples(directories) or _wrong_mosaic(directories)
    if problem:
        raise ReadError(f"{name}: {problem}")


def _wrong_samples(directories: list[Directory]) -> str:
    compression = _of_raw(directories, _COMPRESSION)
    if _FLOAT in _of_raw(directories, _SAMPLE_FORMAT):
        return (
            "a floating-point DNG, which LibRaw brings to whole numbers by its brightest sample, whatever white is; "
            "convert it to a 16-bit DNG first"
        )
    unread = _UNREAD.get(compression[0]) if compression else None
    if unread:
        return f"a DNG with {unread} samples, which LibRaw cannot decode; save it with lossless JPEG (DNG 1.4) first"
    if _in_loose_strips(directories, compression):
        return "a DNG whose samples lie in strips that LibRaw reads as one; save it in tiles, or in one strip"
    curve = any(_has_curves(directory) for directory in _raw_directories(directories))
    if compression == (_LOSSY_JPEG,) and (not curve or _of_raw(directories, _LINEARIZATION)):
        return (
            "a lossy DNG whose curve is not in its opcodes (MapPolynomial), where LibRaw looks for it; "
            "save it again with Adobe DNG Converter"
        )
    return ""


def _in_loose_strips(directories: list[Directory], compression: tuple[int, ...]) -> bool:
    """Strips that are JPEGs of their own, or do not follow each other."""
    starts, sizes = _of_raw(directories, _STRIPS), _of_raw(directories, _STRIP_BYTES)
    follow = all(start + size == following for start, size, following in zip(starts, sizes, starts[1:], strict=False))
    return len(starts) > 1 and (compression == (_JPEG,) or not follow)


def _wrong_mosaic(directories: list[Directory]) -> str:
    """LibRaw takes every mosaic for 2 x 2 or 6 x 6 and every filter for one of four colors, whatever the file says."""
    if _WHITE_FILTER in _of_raw(directories, _CFA_PATTERN):
        return f"an RGBW mosaic, whose white samples LibRaw takes for a color; {_CONVERT}"
    repeat = _of_raw(directories, _CFA_REPEAT)
    if repeat and repeat not in ((2, 2), (6, 6)):
        size = " x ".join(str(side) for side in repeat)
        wrong = f"its mosaic repeats every {size} samples (Quad Bayer or the like), which LibRaw develops wrongly"
        return f"{wrong}; {_CONVERT}"
    return ""


def may_be_empty(directories: list[Directory]) -> bool:
    """Whether LibRaw may give up on the samples without a word: JPEGs of 8 bits where lossless ones belong."""
    return _of_raw(directories, _COMPRESSION) == (_JPEG,) and set(_of_raw(directories, _BITS)) == {8}


def _raw_directories(directories: list[Directory]) -> list[Directory]:
    """Those that hold a picture at full size as the sensor gave it."""
    raw = ((_CFA,), (_LINEAR_RAW,))
    return [one for one in directories if numbers(one, _PHOTOMETRIC) in raw and not any(numbers(one, _SUBFILE))]


def _of_raw(directories: list[Directory], tag: int) -> tuple[int, ...]:
    found = _raw_directories(directories) or directories
    return next((numbers(directory, tag) for directory in found if tag in directory), ())


def _has_curves(directory: Directory) -> bool:
    """Whether OpcodeList2 (big-endian) has a MapPolynomial for each of three planes: LibRaw reads no wider ones."""
    field = directory.get(_OPCODES)
    data = field[1] if isinstance(field, tuple) else b""
    planes, at = set(), 4
    while at + 40 <= len(data):
        opcode, _, _, size, *_, plane = struct.unpack_from(">9I", data, at)
        if opcode == _MAP_POLYNOMIAL:
            planes.add(plane)
        at += 16 + size
    return planes >= {0, 1, 2}

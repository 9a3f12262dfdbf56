"""Digital negatives to test with, written by tifffile (LibRaw reads them back)."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tifffile

#: XYZ to camera (D65) of a consumer camera, in ten-thousandths: ColorMatrix1.
COLOR_MATRIX = (6596, -2079, -562, -4782, 13016, 1933, -970, 1581, 5181)
CODES = {"R": 0, "G": 1, "B": 2}


@dataclass(frozen=True)
class Calibration:
    """What a test DNG says about its mosaic; the defaults are a 12-bit camera."""

    pattern: str = "RGGB"
    black: tuple[int, ...] = (256,)
    white: int = 4095
    orientation: int = 1
    neutral: tuple[float, ...] | None = (0.5, 1.0, 0.65)
    matrix: tuple[float, ...] = tuple(value / 10_000 for value in COLOR_MATRIX)
    noise: tuple[float, ...] = ()
    noise_in_main: bool = False
    active_area: tuple[int, int, int, int] | None = None
    byteorder: str = "<"
    masked: tuple[tuple[int, int, int, int], ...] = ()
    black_repeat: tuple[int, int] | None = None
    of_samples: tuple[tuple, ...] = ()
    of_camera: tuple[tuple, ...] = ()


DEFAULT = Calibration()


def cfa_dng(mosaic: np.ndarray, calibration: Calibration = DEFAULT, preview: bool = False) -> bytes:
    """A DNG of an (H, W) uint16 mosaic, in the main directory or, beside a preview, a sub-directory."""
    side = round(len(calibration.pattern) ** 0.5)
    raw_tags = [
        (33421, "H", 2, (side, side), True),
        (33422, "B", side * side, bytes(CODES[letter] for letter in calibration.pattern), True),
        *_level_tags(calibration),
    ]
    return _write(mosaic, "CFA", [*raw_tags, *calibration.of_samples], calibration, preview)


def linear_dng(pixels: np.ndarray, calibration: Calibration = DEFAULT) -> bytes:
    """A LinearRaw DNG of demosaiced (H, W, 3) uint16 camera colors."""
    levels = [tag for tag in _level_tags(replace(calibration, black=calibration.black * 3)) if tag[0] != 50713]
    return _write(pixels, "LINEAR_RAW", levels, calibration, preview=False)


def odd_dng(
    pixels: np.ndarray,
    photometric: str,
    tags: list[tuple],
    calibration: Calibration = DEFAULT,
    photometric_code: int | None = None,
    compression_code: int | None = None,
    **layout: Any,
) -> bytes:
    """A DNG with these tags of its samples and no others; the codes replace those that tifffile writes."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, byteorder=calibration.byteorder) as writer:
        tags = tags + _camera_tags(calibration)
        writer.write(pixels, photometric=photometric, subfiletype=0, extratags=tags, metadata=None, **layout)
    data = bytearray(stream.getvalue())
    for tag, code in ((262, photometric_code), (259, compression_code)):
        if code is not None:
            field = data.index(struct.pack("<HHI", tag, 3, 1))
            data[field + 8 : field + 10] = struct.pack("<H", code)
    return bytes(data)


def with_exif(data: bytes, entries: list[tuple[int, int, int, bytes]], pointer: int = 34665) -> bytes:
    """The (little-endian) file with an EXIF or GPS directory behind it: (tag, type, count, value bytes)."""
    data += bytes(len(data) % 2)
    start, fields, values = len(data), b"", b""
    behind = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in sorted(entries):
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", behind + len(values))
        fields += struct.pack("<HHI", tag, kind, count) + place
        values += b"" if len(value) <= 4 else value + bytes(len(value) % 2)
    field = data.index(struct.pack("<HHI", pointer - 1, 4, 1))
    data = data[:field] + struct.pack("<HHII", pointer, 4, 1, start) + data[field + 12 :]
    return data + struct.pack("<H", len(entries)) + fields + bytes(4) + values


def _write(
    pixels: np.ndarray, photometric: str, raw_tags: list[tuple], calibration: Calibration, preview: bool
) -> bytes:
    main_tags = _camera_tags(calibration)
    if calibration.noise:
        (main_tags if calibration.noise_in_main else raw_tags).append(
            (51041, "d", len(calibration.noise), calibration.noise, True)
        )
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, byteorder=calibration.byteorder) as writer:
        if preview:
            small = np.zeros((8, 12, 3), np.uint8)
            writer.write(small, photometric="rgb", subfiletype=1, extratags=main_tags, subifds=1, metadata=None)
            main_tags = []
        writer.write(
            pixels,
            photometric=photometric,
            subfiletype=0,
            extratags=raw_tags + main_tags,
            metadata=None,
            software=False,
        )
    return stream.getvalue()


def _level_tags(calibration: Calibration) -> list[tuple]:
    side = 2 if len(calibration.black) == 4 else 1
    tags = [
        (50713, "H", 2, calibration.black_repeat or (side, side), True),
        (50714, "H", len(calibration.black), calibration.black, True),
        (50717, "I", 1, calibration.white, True),
    ]
    if calibration.active_area:
        tags.append((50829, "I", 4, calibration.active_area, True))
    if calibration.masked:
        areas = tuple(side for area in calibration.masked for side in area)
        tags.append((50830, "I", len(areas), areas, True))
    return tags


def _camera_tags(calibration: Calibration) -> list[tuple]:
    matrix = tuple(number for value in calibration.matrix for number in (round(value * 10_000), 10_000))
    tags = [
        (271, "s", 0, "Photofix", True),
        (272, "s", 0, "Test Camera", True),
        (274, "H", 1, calibration.orientation, True),
        (306, "s", 0, "2024:05:06 07:08:09", True),
        (315, "s", 0, "Zoë".encode(), True),
        # tifffile writes no pointers: with_exif makes one of a placeholder, the number before the pointer's own.
        (34664, "I", 1, 0, True),
        (34852, "I", 1, 0, True),
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),
        (50708, "s", 0, "Photofix Test Camera", True),
        (50778, "H", 1, 21, True),
        *calibration.of_camera,
    ]
    if calibration.neutral:
        neutral = tuple(number for value in calibration.neutral for number in (round(value * 10000), 10000))
        tags.append((50728, "2I", len(calibration.neutral), neutral, True))
    if calibration.matrix:
        tags.append((50721, "2i", len(calibration.matrix), matrix, True))
    return tags

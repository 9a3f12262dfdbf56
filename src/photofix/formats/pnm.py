"""Netpbm's formats (PBM, PGM, PPM, plain and binary, PAM) and PFM: a few words of header, then samples.

Definitions: netpbm.sourceforge.net/doc (pbm, pgm, ppm, pam) and Debevec's PFM (rows bottom to top).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from photofix.formats.stored import check_size, photo_of
from photofix.photo import Metadata, Photo

_WORD = re.compile(rb"(?:\s|#[^\n]*\n)*([^\s#]+)")


@dataclass(frozen=True)
class _Header:
    """What precedes the samples: `magic` "P1" to "P7", "PF" or "Pf"; `maximum` is PFM's scale; `start` a byte place."""

    magic: str
    width: int
    height: int
    channels: int
    maximum: float
    start: int


def read(stream: BinaryIO) -> Photo:
    """The picture: PFM as linear light, all else as sRGB."""
    data = stream.read()
    header = _header(data)
    check_size(stream, header.width, header.height, 4 * header.channels)
    return photo_of(_samples(data, header), Metadata(), encoding="linear" if header.magic in ("PF", "Pf") else "srgb")


def _header(data: bytes) -> _Header:
    """The header at the start of a file; ValueError where it is none."""
    magic = data[:2].decode("latin-1")
    if magic == "P7":
        return _pam_header(data)
    words, place = [], 2
    for _ in range(2 if magic in ("P1", "P4") else 3):
        word = _WORD.match(data, place, place + 4096)
        if word is None:
            raise ValueError("header is cut off")
        words.append(word.group(1))
        place = word.end()
    maximum = float(words[2]) if len(words) == 3 else 1.0
    return _checked(
        _Header(magic, int(words[0]), int(words[1]), 3 if magic in ("P3", "P6", "PF") else 1, maximum, place + 1)
    )


def _pam_header(data: bytes) -> _Header:
    text, found, _ = data[:4096].partition(b"ENDHDR\n")
    if not found:
        raise ValueError("header is cut off")
    fields = dict(line.split(None, 1) for line in text.splitlines()[1:] if line[:1] != b"#" and len(line.split()) > 1)
    width, height, depth, maximum = (int(fields.get(name, b"0")) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    return _checked(_Header("P7", width, height, depth, maximum, len(text) + 7))


def _checked(header: _Header) -> _Header:
    limit = np.inf if header.magic in ("PF", "Pf") else 65535
    if min(header.width, header.height) < 1 or not 1 <= header.channels <= 4:
        raise ValueError(f"impossible size {header.width} x {header.height} x {header.channels}")
    if not 0 < abs(header.maximum) <= limit:
        raise ValueError(f"impossible maximum {header.maximum}")
    return header


def _samples(data: bytes, header: _Header) -> np.ndarray:
    """(H, W, C) samples, scaled to the full range of uint8 or uint16; float32 for PFM.

    Raises ValueError where the file holds fewer than its header says.
    """
    shape = (header.height, header.width, header.channels)
    if header.magic in ("PF", "Pf"):
        order = "<" if header.maximum < 0 else ">"
        rows = np.frombuffer(data, order + "f4", int(np.prod(shape)), header.start).reshape(shape)
        return rows[::-1].astype(np.float32)
    if header.magic == "P4":
        packed = np.frombuffer(data, np.uint8, shape[0] * ((shape[1] + 7) // 8), header.start).reshape(shape[0], -1)
        return np.where(np.unpackbits(packed, axis=1, count=shape[1]), np.uint8(0), np.uint8(255))[..., None]
    if header.magic in ("P1", "P2", "P3"):
        samples = _plain(data[header.start - 1 :], header)
    else:
        kind = np.dtype(">u2" if header.maximum > 255 else "u1")
        samples = np.frombuffer(data, kind, int(np.prod(shape)), header.start)
    return _full_range(samples.reshape(shape), int(header.maximum))


def _plain(text: bytes, header: _Header) -> np.ndarray:
    text = re.sub(rb"#[^\n]*", b"", text)
    words = re.findall(rb"[01]", text) if header.magic == "P1" else text.split()
    count = header.width * header.height * header.channels
    if len(words) < count:
        raise ValueError(f"truncated: {len(words)} of {count} samples")
    samples = np.array(words[:count]).astype(np.uint16)
    return 1 - samples if header.magic == "P1" else samples


def _full_range(samples: np.ndarray, maximum: int) -> np.ndarray:
    full, kind = (65535, np.uint16) if maximum > 255 else (255, np.uint8)
    if maximum == full:
        return samples.astype(kind)
    scaled = np.minimum(samples, maximum).astype(np.uint32) * full + maximum // 2
    return np.asarray(scaled // maximum, kind)


def write(photo: Photo, stream: BinaryIO) -> None:
    """Write uint8 or uint16 as binary PGM or PPM, float32 as PFM (little-endian)."""
    pixels = photo.pixels
    height, width, channels = pixels.shape
    if pixels.dtype == np.float32:
        stream.write(b"%s\n%d %d\n-1.0\n" % (b"PF" if channels == 3 else b"Pf", width, height))
        pixels = pixels[::-1]
    else:
        stream.write(
            b"%s\n%d %d\n%d\n" % (b"P6" if channels == 3 else b"P5", width, height, np.iinfo(pixels.dtype).max)
        )
    order = "<f4" if pixels.dtype == np.float32 else f">u{pixels.itemsize}"
    for row in pixels:
        stream.write(row.astype(order, copy=False).tobytes())

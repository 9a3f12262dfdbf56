"""Between samples as files store them and a Photo: upright, alpha apart, size believed only within reason."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from photofix import metadata as meta
from photofix.photo import Encoding, Metadata, Photo

#: Pixels of the largest photo; memory that any file may take; and how many bytes one byte of a file may become.
MOST_PIXELS = 2_000_000_000
_MEMORY_FLOOR = 1 << 28
_MOST_EXPANSION = 2000


def check_size(stream: BinaryIO, width: int, height: int, pixel_bytes: float) -> None:
    """Refuse a header that asks for more than the file can possibly hold, before anything is allocated."""
    if min(width, height) < 1:
        raise ValueError(f"its header says {width} x {height} pixels")
    size = _size(stream)
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than the {MOST_PIXELS:,} that are read")
    if width * height * pixel_bytes > max(_MEMORY_FLOOR, size * _MOST_EXPANSION):
        raise ValueError(f"its header says {width} x {height} pixels, which {size:,} bytes cannot hold")


def _size(stream: BinaryIO) -> int:
    here = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(here)
    return size


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rows and columns (H, W, ...) put as Exif 2.32's tag 274 says: transposed first (5 to 8), then mirrored."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def photo_of(
    samples: np.ndarray,
    metadata: Metadata,
    notes: tuple[str, ...] = (),
    orientation: int | None = None,
    encoding: Encoding = "srgb",
) -> Photo:
    """A Photo of (H, W) or (H, W, 1 to 4) samples as stored; the EXIF block's orientation unless another is given."""
    exif = metadata.exif
    turn = meta.orientation(exif) if orientation is None else orientation
    if turn != 1:
        metadata = replace(metadata, xmp=metadata.xmp and meta.upright_xmp(metadata.xmp))
    if turn >= 5 and metadata.density:
        metadata = replace(metadata, density=metadata.density[::-1])
    metadata = replace(metadata, exif=exif and meta.upright_exif(exif))
    samples = upright(samples[..., None] if samples.ndim == 2 else samples, turn)
    alpha = None
    if samples.shape[2] in (2, 4):
        samples, alpha = samples[..., :-1], np.ascontiguousarray(samples[..., -1])
    return Photo(np.ascontiguousarray(samples), encoding, alpha, metadata, notes=notes)


def widened(samples: np.ndarray, bits: int) -> np.ndarray:
    """Samples of 0 to 2^bits - 1 spread over the full range of uint8 (fewer than 8 bits) or uint16, rounded."""
    most, kind = (255, np.uint8) if bits <= 8 else (65535, np.uint16)
    scale = (1 << bits) - 1
    table = (np.arange(scale + 1, dtype=np.uint32) * most + scale // 2) // scale
    return np.asarray(np.take(table.astype(kind), np.minimum(samples, scale)))


def joined(photo: Photo) -> np.ndarray:
    """(H, W, C) samples as files store them, one after another: alpha, where there is one, as the last channel."""
    return np.ascontiguousarray(photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha]))

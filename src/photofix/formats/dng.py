"""DNG, the layout: a JPEG preview in the main directory, the samples in a sub-directory, lossless JPEG in tiles.

TIFF/EP's arrangement, which the DNG specification (1.7, chapter 2) recommends. The directories are laid out by
photofix.metadata: tifffile writes no EXIF, and declares 16-bit samples to be 12-bit ones once they are JPEG.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from itertools import accumulate
from typing import BinaryIO

import numpy as np

from photofix import metadata as meta
from photofix.metadata import Directory, Field

_BYTE, _SHORT, _LONG = 1, 3, 4
(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC) = (254, 256, 257, 258, 259, 262)
(_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR) = (273, 277, 278, 279, 284)
(_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _SUBDIRECTORIES) = (322, 323, 324, 325, 330)
(_SUBSAMPLING, _POSITIONING, _REFERENCE) = (530, 531, 532)
_JPEG, _YCBCR, _CFA, _LINEAR_RAW = 7, 6, 32803, 34892

#: Sides of tiles: enough to compress well, little enough for readers to decode in parallel. TIFF wants multiples of 16.
_TILE = 512

#: Sides of the tiles over which the digest goes.
_DIGEST = 256


def shorts(*values: int) -> Field:
    """A field of 16-bit numbers."""
    return _SHORT, struct.pack(f"<{len(values)}H", *values)


def longs(*values: int) -> Field:
    """A field of 32-bit numbers."""
    return _LONG, struct.pack(f"<{len(values)}I", *values)


def write(
    stream: BinaryIO, main: Directory, raw: Directory, tiles: list[bytes], preview: np.ndarray, order: str = "<"
) -> None:
    """Write a DNG.

    Args:
        main: the camera's tags, EXIF and GPS in it. raw: the tags of the samples, those of `storage` in it.
        tiles: what `encoded` gives. preview: (h, w, 3) uint8, sRGB.
        order: byte order, "<" or ">".
    """
    picture = _jpeg(preview)
    parts = [picture, *tiles]
    main = main | _preview_tags(preview, len(picture))
    raw = raw | {_TILE_BYTES: longs(*map(len, tiles))}

    def directories(places: list[int]) -> bytes:
        below: Directory = raw | {_TILES: longs(*places[1:])}
        return meta.packed(main | {_STRIPS: longs(places[0]), _SUBDIRECTORIES: below}, 8, order=order)

    start = 8 + len(directories([0] * len(parts)))
    places = list(accumulate((len(part) + len(part) % 2 for part in parts), initial=start + start % 2))[:-1]
    stream.write((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8))
    stream.write(directories(places) + bytes(start % 2))
    for part in parts:
        stream.write(part + bytes(len(part) % 2))


def storage(samples: np.ndarray) -> Directory:
    """The tags that say how (H, W) or (H, W, C) uint16 samples are stored, but for their places."""
    height, width, channels = (*samples.shape, 1)[:3]
    rows, columns = _tile(samples)
    return {
        _SUBFILE: longs(0),
        _WIDTH: longs(width),
        _HEIGHT: longs(height),
        _BITS: shorts(*[16] * channels),
        _COMPRESSION: shorts(_JPEG),
        _PHOTOMETRIC: shorts(_CFA if samples.ndim == 2 else _LINEAR_RAW),
        _SAMPLES: shorts(channels),
        _PLANAR: shorts(1),
        _TILE_WIDTH: longs(columns),
        _TILE_HEIGHT: longs(rows),
    }


def encoded(samples: np.ndarray) -> list[bytes]:
    """The tiles of (H, W) or (H, W, C) uint16 samples as lossless JPEG (ITU-T T.81, process 14, predictor 1).

    A mosaic's columns go in pairs as two components, so that every sample is predicted by one of its own color;
    predictor 1 is the only one that all readers know. Tiles that stick out are filled with the last row and column.
    """
    import imagecodecs

    rows, columns = _tile(samples)
    return [
        bytes(imagecodecs.jpeg8_encode(_components(tile), lossless=True, predictor=1, bitspersample=16))
        for tile in _blocks(samples, rows, columns, fill=True)
    ]


def digest(samples: np.ndarray) -> bytes:
    """NewRawImageDigest: MD5 over the MD5s of tiles of 256 x 256, row by row, those at the edges smaller; in each tile
    plane after plane, little-endian (DNG SDK, dng_negative::FindNewRawImageDigest)."""
    whole = hashlib.md5(usedforsecurity=False)
    for tile in _blocks(samples, _DIGEST, _DIGEST, fill=False):
        planes = np.moveaxis(np.atleast_3d(tile), 2, 0).astype("<u2")
        whole.update(hashlib.md5(planes.tobytes(), usedforsecurity=False).digest())
    return whole.digest()


def _tile(samples: np.ndarray) -> tuple[int, int]:
    """Rows and columns of the tiles: no more than the picture has: dcraw and LibRaw end a tile's rows with it."""
    height, width = (max(16, min(_TILE, side // 16 * 16)) for side in samples.shape[:2])
    return height, width


def _blocks(samples: np.ndarray, rows: int, columns: int, fill: bool) -> Iterator[np.ndarray]:
    for top in range(0, samples.shape[0], rows):
        for left in range(0, samples.shape[1], columns):
            tile = samples[top : top + rows, left : left + columns]
            missing = [(0, rows - tile.shape[0]), (0, columns - tile.shape[1]), (0, 0)][: samples.ndim]
            yield np.pad(tile, missing, mode="edge") if fill else tile


def _components(tile: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(tile.reshape(len(tile), -1, 2) if tile.ndim == 2 else tile)


def _jpeg(preview: np.ndarray) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(preview), level=85, subsampling="420"))


def _preview_tags(preview: np.ndarray, size: int) -> Directory:
    height, width = preview.shape[:2]
    reference = struct.pack("<12I", 0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1)
    return {
        _SUBFILE: longs(1),
        _WIDTH: longs(width),
        _HEIGHT: longs(height),
        _BITS: shorts(8, 8, 8),
        _COMPRESSION: shorts(_JPEG),
        _PHOTOMETRIC: shorts(_YCBCR),
        _SAMPLES: shorts(3),
        _ROWS: longs(height),
        _STRIP_BYTES: longs(size),
        _PLANAR: shorts(1),
        _SUBSAMPLING: shorts(2, 2),
        _POSITIONING: shorts(1),
        _REFERENCE: (5, reference),
    }

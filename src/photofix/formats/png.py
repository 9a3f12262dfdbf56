"""PNG (W3C, third edition): pixels through imagecodecs (libpng), metadata chunks as the bytes they are."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from photofix import metadata as meta
from photofix.formats.stored import check_size, joined, photo_of
from photofix.photo import Metadata, Photo

_XMP = b"XML:com.adobe.xmp\0"
_INCH = 0.0254  # metres
#: zlib's run-length strategy on horizontal differences: three times as fast as the default, and as small, on photos.
_FAST = {"level": 1, "strategy": 3, "filter": 16}


def read(stream: BinaryIO) -> Photo:
    """The picture, palettes as RGB; of an animation the first frame."""
    import imagecodecs

    data = stream.read()
    width, height, bits, color = struct.unpack_from(">IIBB", data, 16)
    check_size(stream, width, height, (4 if color == 3 else 1 + color % 4) * max(1, bits / 8))
    chunks = dict(_png_chunks(data))
    notes: tuple[str, ...] = ()
    if b"acTL" in chunks:
        notes += (f"first of {int.from_bytes(chunks[b'acTL'][:4], 'big')} frames",)
    if color == 3:
        notes += ("palette converted to RGB",)
    if chunks.get(b"cICP", b"\1\x0d")[1] in (16, 18):
        notes += ("its HDR curve (PQ or HLG) is taken for an sRGB one",)
    metadata = Metadata(
        exif=chunks.get(b"eXIf"),
        xmp=_png_xmp(chunks.get(b"iTXt")),
        icc=_png_icc(chunks.get(b"iCCP")),
        density=_density(chunks.get(b"pHYs", b"")),
    )
    return photo_of(imagecodecs.png_decode(data), metadata, notes)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of each chunk but the pixels'; of the text chunks only XMP (PNG third edition, 5.3)."""
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind != b"IDAT" and (kind != b"iTXt" or data.startswith(b"XML:com.adobe.xmp\0", place + 8)):
            yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _density(chunk: bytes) -> tuple[float, float] | None:
    """Dots per inch from pixels a metre (PNG third edition, 11.3.4.3); without a unit they are but a ratio."""
    if len(chunk) != 9 or chunk[8] != 1:
        return None
    across, down = struct.unpack_from(">II", chunk)
    return meta.believed_density(across * _INCH, down * _INCH)


def _png_icc(chunk: bytes | None) -> bytes | None:
    return _inflated(chunk.partition(b"\0")[2][1:]) if chunk else None


def _png_xmp(chunk: bytes | None) -> bytes | None:
    if chunk is None:
        return None
    compressed, text = chunk[18:19] == b"\1", chunk[20:].split(b"\0", 2)[-1]
    return _inflated(text) if compressed else text


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, 1 << 26)


def write(photo: Photo, stream: BinaryIO) -> None:
    """Write 8 or 16 bits, gray or RGB, with or without alpha."""
    import imagecodecs

    samples = joined(photo)
    encoded = memoryview(imagecodecs.png_encode(samples[..., 0] if samples.shape[2] == 1 else samples, **_FAST))
    stream.write(encoded[:33])  # signature and IHDR: metadata follows it, as iCCP must
    metadata = photo.metadata
    if metadata.icc:
        stream.write(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.density:
        stream.write(_chunk(b"pHYs", struct.pack(">IIB", *(round(dots / _INCH) for dots in metadata.density), 1)))
    if metadata.exif:
        stream.write(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        stream.write(_chunk(b"iTXt", _XMP + b"\0\0\0\0" + metadata.xmp))
    stream.write(encoded[33:])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

"""WebP (RFC 9649): pixels through imagecodecs, which decodes one frame; written by Pillow."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from photofix.formats.stored import check_size, joined, photo_of
from photofix.photo import Metadata, Photo

#: The longer side of a film's frames, and milliseconds of a turn.
_FILM, _TURN = 640, 3000


def read(stream: BinaryIO) -> Photo:
    """The picture; of an animation the first frame."""
    import imagecodecs

    data = stream.read()
    if len(data) < int.from_bytes(data[4:8], "little") + 8:
        raise ValueError("truncated")
    chunks = dict(_riff_chunks(data))
    check_size(stream, *_webp_size(chunks), 8)
    exif = chunks.get(b"EXIF")
    metadata = Metadata(exif.removeprefix(b"Exif\0\0") if exif else None, chunks.get(b"XMP "), chunks.get(b"ICCP"))
    frames = sum(kind == b"ANMF" for kind, _ in _riff_chunks(data))
    return photo_of(imagecodecs.webp_decode(data), metadata, (f"first of {frames} frames",) if frames > 1 else ())


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _webp_size(chunks: dict[bytes, bytes]) -> tuple[int, int]:
    """Width and height (WebP container specification; RFC 6386, 9.1; WebP lossless specification, 3)."""
    if b"VP8X" in chunks:
        head = chunks[b"VP8X"]
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if b"VP8L" in chunks:
        bits = int.from_bytes(chunks[b"VP8L"][1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", chunks[b"VP8 "], 6)
    return width & 0x3FFF, height & 0x3FFF


def write_film(photos: Iterable[Photo], stream: BinaryIO) -> None:
    """Write 8-bit RGB frames as an animation without end, its longer side at most _FILM pixels."""
    from PIL import Image

    frames = []
    for photo in photos:
        frame = Image.fromarray(joined(photo))
        frame.thumbnail((_FILM, _FILM), Image.Resampling.LANCZOS)
        frames.append(frame)
    turn = max(20, _TURN // len(frames))
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:], duration=turn, loop=0, quality=85)


def write(photo: Photo, stream: BinaryIO, quality: int) -> None:
    """Write 8-bit RGB with or without alpha; quality 100 means lossless."""
    from PIL import Image

    metadata = photo.metadata
    blocks = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
    present = {name: block for name, block in blocks.items() if block}
    lossless = quality == 100
    Image.fromarray(joined(photo)).save(stream, "WEBP", quality=quality, lossless=lossless, exact=True, **present)

"""EXIF, XMP, ICC and IPTC as bytes: the little that has to be read or set, leaving all else as it was.

EXIF is a TIFF structure (TIFF 6.0; CIPA DC-008, Exif 2.32): directories of fields, some leading to further ones.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from html import escape
from typing import BinaryIO

ORIENTATION, IPTC = 274, 33723
_EXIF, _GPS, _INTEROPERABILITY, _SUBDIRECTORIES = 34665, 34853, 40965, 330
_POINTERS = (_EXIF, _GPS, _INTEROPERABILITY)
#: What of a TIFF file's first directory describes the photo and not how its samples are stored.
_RESOLUTION = (282, 283, 296)
_DESCRIPTIVE = (
    *(269, 270, 271, 272, *_RESOLUTION, 285, 305, 306, 315, 316, 337, 18246, 18249, 33432),
    *(*range(40091, 40096), _EXIF, _GPS),
)
#: Bytes of a value, and of the number in it that the byte order turns, by TIFF field type.
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBER_BYTES = _VALUE_BYTES | {5: 4, 10: 4}
_LARGEST_VALUE = 1 << 24

#: A field is (type, little-endian values), or a directory that the field points to.
Field = tuple[int, bytes]
Directory = dict[int, "Field | Directory"]


@dataclass(frozen=True)
class _Layout:
    """How a TIFF file writes numbers: byte order ("<" or ">") and classic or BigTIFF."""

    order: str
    big: bool
    first: int

    @property
    def word(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def counter(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def width(self) -> int:
        return 8 if self.big else 4


def _layout(stream: BinaryIO) -> _Layout:
    stream.seek(0)
    head = stream.read(16).ljust(16, b"\0")
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("no TIFF header")
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    return _Layout(order, big, struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0])


def _entries(stream: BinaryIO, layout: _Layout, place: int) -> list[tuple[int, int, int, int]]:
    """(tag, type, count, file position of the value or of its offset) of each field of the directory at `place`."""
    stream.seek(place)
    counter = struct.calcsize(layout.counter)
    count = struct.unpack(layout.counter, stream.read(counter))[0] if place else 0
    size = 4 + 2 * layout.width
    table = stream.read(min(count, 65535) * size)
    head = layout.order + "HH" + layout.word[1]
    return [
        (*struct.unpack_from(head, table, at), place + counter + at + 4 + layout.width)
        for at in range(0, len(table) - size + 1, size)
    ]


def _value(stream: BinaryIO, layout: _Layout, kind: int, count: int, place: int) -> bytes | None:
    """A field's values, little-endian; None where the file does not hold them."""
    size = count * _VALUE_BYTES.get(kind, 0)
    if not 0 < size <= _LARGEST_VALUE:
        return None
    stream.seek(place)
    if size > layout.width:
        stream.seek(struct.unpack(layout.word, stream.read(layout.width))[0])
    value = stream.read(size)
    if len(value) < size:
        return None
    return value if layout.order == "<" else _swapped(value, _NUMBER_BYTES[kind])


def _swapped(value: bytes, size: int) -> bytes:
    return b"".join(value[at : at + size][::-1] for at in range(0, len(value), size)) if size > 1 else value


def _directory(stream: BinaryIO, layout: _Layout, place: int, depth: int = 0) -> Directory:
    found: Directory = {}
    for tag, kind, count, at in _entries(stream, layout, place):
        value = _value(stream, layout, kind, count, at)
        if value is None:
            continue
        if tag in _POINTERS and depth < 2:
            found[tag] = _directory(stream, layout, int.from_bytes(value[: layout.width], "little"), depth + 1)
        else:
            found[tag] = (kind, value)
    return found


def read_directory(stream: BinaryIO) -> Directory:
    """The first directory of a TIFF file or EXIF block, EXIF and GPS inside; what is damaged is left out.

    Raises ValueError where there is no TIFF header or directory at all.
    """
    layout = _layout(stream)
    try:
        return _directory(stream, layout, layout.first)
    except (struct.error, OverflowError, OSError) as error:
        raise ValueError("damaged directory") from error


def numbers(directory: Directory, tag: int) -> tuple[int, ...]:
    """The unsigned integers of a field, or ()."""
    field = directory.get(tag)
    if not isinstance(field, tuple) or field[0] not in (1, 3, 4, 13, 16, 18):
        return ()
    size = _VALUE_BYTES[field[0]]
    return tuple(int.from_bytes(field[1][at : at + size], "little") for at in range(0, len(field[1]), size))


def subdirectories(stream: BinaryIO, directory: Directory) -> list[Directory]:
    """The directories that SubIFDs names: where a RAW file keeps its mosaic."""
    layout = _layout(stream)
    try:
        return [_directory(stream, layout, place) for place in numbers(directory, _SUBDIRECTORIES)[:16]]
    except (struct.error, OverflowError, OSError) as error:
        raise ValueError("damaged directory") from error


def packed(directory: Directory, place: int, big: bool = False, order: str = "<") -> bytes:
    """The directory as it stands at byte `place` of a file of that byte order, values and subdirectories behind."""
    counter, word, width = (order + "Q", order + "Q", 8) if big else (order + "H", order + "I", 4)
    start = place + struct.calcsize(counter) + len(directory) * (4 + 2 * width) + width
    table, behind = struct.pack(counter, len(directory)), b""
    for tag, field in sorted(directory.items()):
        at = start + len(behind)
        if isinstance(field, dict):
            kind, count, value = 18 if big else 4, 1, struct.pack(word, at)
            behind += packed(field, at, big, order)
        else:
            kind, count, value = field[0], len(field[1]) // _VALUE_BYTES[field[0]], field[1]
            if order == ">":
                value = _swapped(value, _NUMBER_BYTES[kind])
            if len(value) > width:
                behind += value + b"\0" * (len(value) % 2)
                value = struct.pack(word, at)
        table += struct.pack(order + "HH", tag, kind) + struct.pack(word, count) + value.ljust(width, b"\0")
    return table + b"\0" * width + behind


def exif_of_tiff(stream: BinaryIO) -> bytes | None:
    """An EXIF block of what a TIFF or DNG file says of its photo; None where it says nothing."""
    directory = read_directory(stream)
    kept: Directory = {tag: field for tag, field in directory.items() if tag in _DESCRIPTIVE}
    if numbers(directory, _RESOLUTION[-1]) == (1,):  # no unit: a placeholder, since TIFF demands one
        kept = {tag: field for tag, field in kept.items() if tag not in _RESOLUTION}
    if not kept:
        return None
    return b"II*\0\x08\0\0\0" + packed(kept | {ORIENTATION: (3, b"\1\0")}, 8)


def iptc_of(directory: Directory) -> bytes | None:
    """The IPTC-IIM records (4.2) in a TIFF file's directory: many writers call their bytes numbers of 32 bits, which
    the file's byte order does not turn."""
    field = directory.get(IPTC)
    if not isinstance(field, tuple):
        return None
    kind, value = field
    return next((one for one in (value, _swapped(value, _NUMBER_BYTES[kind])) if one[:1] == b"\x1c"), None)


def believed_density(across: float, down: float) -> tuple[float, float] | None:
    """Dots per inch, if they can be that and not a format's way to say nothing."""
    return (across, down) if 1 < across < 65536 and 1 < down < 65536 else None


def add_exif_to_tiff(stream: BinaryIO, exif: bytes) -> None:
    """Write an EXIF block's fields into the first directory of a little-endian TIFF file, open for update.

    The directory moves to the end of the file, where there is room; samples stay where they are.
    """
    layout = _layout(stream)
    directory = _directory(stream, layout, layout.first)
    described = read_directory(io.BytesIO(exif))
    # A resolution that is there already is the samples' own.
    kept = _RESOLUTION if numbers(directory, _RESOLUTION[-1]) != (1,) else ()
    added = {tag: field for tag, field in described.items() if tag in _DESCRIPTIVE and tag not in kept}
    place = stream.seek(0, io.SEEK_END)
    place += stream.write(b"\0" * (-place % 8))
    stream.write(packed(directory | added, place, layout.big))
    stream.seek(8 if layout.big else 4)
    stream.write(struct.pack(layout.word, place))


def _orientation_place(exif: bytes) -> tuple[_Layout, int] | None:
    stream = io.BytesIO(exif)
    try:
        layout = _layout(stream)
        entries = _entries(stream, layout, layout.first)
    except (ValueError, struct.error, OverflowError):
        return None
    return next(((layout, at) for tag, kind, _, at in entries if (tag, kind) == (ORIENTATION, 3)), None)


def orientation(exif: bytes | None) -> int:
    """How the stored rows and columns lie, 1 to 8 (Exif 2.32, tag 274); 1 where it is not said."""
    found = _orientation_place(exif) if exif else None
    if exif is None or found is None or found[1] + 2 > len(exif):
        return 1
    value: int = struct.unpack_from(found[0].order + "H", exif, found[1])[0]
    return value if 1 <= value <= 8 else 1


def upright_exif(exif: bytes) -> bytes:
    """The same block saying Orientation = 1, all else in its place (maker notes count bytes from the start).

    The thumbnail of a picture that was turned is unlinked: it would lie on its side from now on.
    """
    found = _orientation_place(exif)
    if found is None or found[1] + 2 > len(exif):
        return exif
    layout, at = found
    block = bytearray(exif)
    struct.pack_into(layout.order + "H", block, at, 1)
    count = struct.unpack_from(layout.counter, block, layout.first)[0]
    link = layout.first + struct.calcsize(layout.counter) + count * (4 + 2 * layout.width)
    if orientation(exif) != 1 and link + layout.width <= len(block):
        struct.pack_into(layout.word, block, link, 0)
    return bytes(block)


def upright_xmp(xmp: bytes) -> bytes:
    """The same packet saying tiff:Orientation = 1, if it says any."""
    return re.sub(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))[2-8]", rb"\g<1>1", xmp)


_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()


def with_history(xmp: bytes | None, line: str) -> bytes | None:
    """The packet with one more entry in xmpMM:History (XMP specification part 2), every other byte as it was.

    Returns None where the packet is none we can add to (not UTF-8, or its RDF under an unusual prefix).
    """
    entry = (
        '<rdf:li xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" stEvt:action="edited" '
        f'stEvt:softwareAgent="photofix" stEvt:parameters="{escape(line)}"/>'
    ).encode()
    packet = xmp or _PACKET
    history = re.search(rb"<xmpMM:History\b.*?(</rdf:Seq>)", packet, re.DOTALL)
    if history:
        return packet[: history.start(1)] + entry + packet[history.start(1) :]
    end = packet.rfind(b"</rdf:RDF>")
    if end < 0:
        return None
    about = re.search(rb"rdf:about=(\"[^\"]*\"|'[^']*')", packet)
    description = (
        b"<rdf:Description rdf:about="
        + (about.group(1) if about else b'""')
        + b' xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/">'
        b"<xmpMM:History><rdf:Seq>" + entry + b"</rdf:Seq></xmpMM:History></rdf:Description>"
    )
    return packet[:end] + description + packet[end:]


def with_description(xmp: bytes | None, description: bytes) -> bytes | None:
    """The packet with one more rdf:Description; None where the packet is none we can add to."""
    packet = xmp or _PACKET
    end = packet.rfind(b"</rdf:RDF>")
    return packet[:end] + description + packet[end:] if end >= 0 else None


def icc_space(icc: bytes) -> str:
    """The color space a profile is for (ICC.1:2022, 7.2.6): "RGB", "GRAY", "CMYK", ..."""
    return icc[16:20].decode("latin-1").strip()


def icc_is_linear(icc: bytes | None) -> bool:
    """Whether a profile's curve is the identity: a curveType of no entries (ICC.1:2022, 10.6), or gamma 1."""
    if icc is None or len(icc) < 132:
        return False
    tags = [struct.unpack_from(">4sII", icc, 132 + 12 * i) for i in range(min(100, (len(icc) - 132) // 12))]
    curve = next((icc[at : at + 16] for name, at, _ in tags if name in (b"rTRC", b"kTRC")), b"")
    if curve[:4] == b"curv":
        return curve[8:12] == b"\0\0\0\0" or curve[8:14] == b"\0\0\0\1\1\0"
    return curve[:4] == b"para" and curve[8:10] == b"\0\0" and curve[12:16] == b"\0\1\0\0"

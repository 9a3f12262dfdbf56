"""JPEG with a gain map: an ordinary picture that every display shows, and beside it how much brighter a bright one is.

Two JPEGs in one file, as CIPA DC-007 (Multi-Picture Format) puts them. What the second means is said twice, as readers
of both kinds are about: in Adobe's XMP (Gain Map 1.0, with Google's container directory) and in ISO 21496-1's binary.
"""

from __future__ import annotations

import io
import re
import struct

from photofix.photo import GainMap

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ISO = b"urn:iso:std:iso:ts:21496:-1\0"
_GAIN = "http://ns.adobe.com/hdr-gain-map/1.0/"
_CONTAINER = "http://ns.google.com/photos/1.0/container/"

#: ISO 21496-1, flags: three channels; gains are of the base picture's primaries.
_MULTICHANNEL, _BASE_COLORS = 0x80, 0x40

#: What the gain map is compressed with: its steps are fractions of an EV, and it is smooth.
_QUALITY = 88

_DENOMINATOR = 1_000_000


def gain_picture(gain: GainMap) -> bytes:
    """The gain map as a JPEG of its own, with what its numbers mean."""
    from PIL import Image

    pixels = gain.pixels[..., 0] if gain.pixels.shape[2] == 1 else gain.pixels
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    plain = stream.getvalue()
    segments = _segment(0xE1, _XMP + _packet(gain)) + _segment(0xE2, _ISO + _binary(gain))
    return plain[:2] + segments + plain[2:]


def directory(length: int) -> bytes:
    """The part of the ordinary picture's XMP that says that a gain map of so many bytes follows."""
    items = f'<Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="{length}"/>'
    return (
        f'<rdf:Description rdf:about="" xmlns:hdrgm="{_GAIN}" xmlns:Container="{_CONTAINER}" '
        f'xmlns:Item="{_CONTAINER}item/" hdrgm:Version="1.0"><Container:Directory><rdf:Seq>'
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>'
        f'<rdf:li rdf:parseType="Resource">{items}</rdf:li>'
        "</rdf:Seq></Container:Directory></rdf:Description>"
    ).encode()


def is_marked(segments: list[tuple[str, bytes]]) -> bool:
    """Whether a JPEG's application segments (name, data) say that a gain map follows the picture, in ISO's way."""
    return any(data.startswith(_ISO) for _, data in segments)


def without_directory(xmp: bytes) -> bytes:
    """An ordinary picture's XMP that no longer says that a gain map follows."""
    for space in (_GAIN, _CONTAINER):
        prefix = re.search(rb"xmlns:(\w+)=[\"']" + re.escape(space.encode()), xmp)
        if prefix:
            name = prefix[1]
            xmp = re.sub(rb"<%s:(\w+)\b[^>]*>.*?</%s:\1>" % (name, name), b"", xmp, flags=re.DOTALL)
            xmp = re.sub(rb"\s%s:\w+=(\"[^\"]*\"|'[^']*')" % name, b"", xmp)
    return xmp


def joined(picture: bytes, gain: bytes) -> bytes:
    """One file of the two JPEGs: the ordinary one gets the index of both."""
    place = _behind_metadata(picture)
    version = _segment(0xE2, _ISO + struct.pack(">HH", 0, 0))
    whole = len(picture) + len(version) + len(_index(0, 0, 0))
    # The index counts from its own TIFF header: behind marker, length and "MPF\0".
    header = place + len(version) + 8
    index = _index(whole, len(gain), whole - header)
    return picture[:place] + version + index + picture[place:] + gain


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _behind_metadata(picture: bytes) -> int:
    """Where the first segment begins that is no application's own."""
    place = 2
    while picture[place] == 0xFF and 0xE0 <= picture[place + 1] <= 0xEF:
        place += 2 + int(struct.unpack_from(">H", picture, place + 2)[0])
    return place


def _index(first: int, second: int, offset: int) -> bytes:
    """The Multi-Picture index (CIPA DC-007, 5.2): the sizes of both pictures and where the second lies."""
    entries = struct.pack(">IIIHH", 0x030000, first, 0, 0, 0) + struct.pack(">IIIHH", 0, second, offset, 0, 0)
    fields = struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
    fields += struct.pack(">HHII", 0xB002, 7, len(entries), 8 + 2 + 3 * 12 + 4)
    return _segment(0xE2, b"MPF\0MM\0*" + struct.pack(">IH", 8, 3) + fields + bytes(4) + entries)


def _packet(gain: GainMap) -> bytes:
    facts = {
        "Version": "1.0",
        "BaseRenditionIsHDR": "False",
        "GainMapMin": f"{gain.low:.6f}",
        "GainMapMax": f"{gain.high:.6f}",
        "Gamma": "1",
        "OffsetSDR": f"{gain.offset:.6f}",
        "OffsetHDR": f"{gain.offset:.6f}",
        "HDRCapacityMin": "0",
        "HDRCapacityMax": f"{gain.capacity:.6f}",
    }
    words = " ".join(f'hdrgm:{name}="{value}"' for name, value in facts.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:hdrgm="{_GAIN}" {words}/></rdf:RDF></x:xmpmeta>'
    ).encode()


def _binary(gain: GainMap) -> bytes:
    """ISO 21496-1, annex C: versions, flags, headrooms, then minimum, maximum, gamma and offsets of each channel."""
    channels = gain.pixels.shape[2]
    flags = _BASE_COLORS | (_MULTICHANNEL if channels > 1 else 0)
    channel = b"".join(map(_fraction, (gain.low, gain.high, 1.0, gain.offset, gain.offset)))
    return bytes(struct.pack(">HHB", 0, 0, flags) + _fraction(0.0) + _fraction(gain.capacity) + channel * channels)


def _fraction(value: float) -> bytes:
    return struct.pack(">iI", round(value * _DENOMINATOR), _DENOMINATOR)

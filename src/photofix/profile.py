"""ICC profiles: one that nobody ships and everybody needs, sRGB's primaries in linear light; and others' primaries."""

from __future__ import annotations

import struct

import numpy as np

#: sRGB's primaries and white as profiles state them: XYZ adapted to D50 (ICC.1:2022; IEC 61966-2-1 annex F).
_WHITE = (0.9642, 1.0, 0.8249)
_PRIMARIES = {b"rXYZ": (0.4361, 0.2225, 0.0139), b"gXYZ": (0.3851, 0.7169, 0.0971), b"bXYZ": (0.1431, 0.0606, 0.7141)}

_NAME = "sRGB primaries, linear"


def linear_srgb(channels: int) -> bytes:
    """A version 2.1 display profile (ICC.1:2001-04) of linear light: RGB with sRGB's primaries, or gray."""
    curve = b"curv" + bytes(8)  # no entries: the identity
    tags = {b"desc": _description(_NAME), b"cprt": b"text" + bytes(4) + b"No copyright\0", b"wtpt": _xyz(_WHITE)}
    if channels == 3:
        tags |= {name: _xyz(value) for name, value in _PRIMARIES.items()}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    return _assembled(tags, b"RGB " if channels == 3 else b"GRAY")


def to_srgb(icc: bytes) -> np.ndarray | None:
    """(3, 3) float32: a profile's linear light to sRGB's primaries; colors outside of these get negative parts.

    None where the profile has sRGB's primaries, to 0.002, or is not one of three primaries.
    """
    found = _primaries(icc)
    if found is None:
        return None
    matrix = np.linalg.inv(np.array(list(_PRIMARIES.values())).T) @ found.T
    return None if np.abs(matrix - np.eye(3)).max() < 2e-3 else matrix.astype(np.float32)


def _primaries(icc: bytes) -> np.ndarray | None:
    """XYZ of red, green and blue, a row each."""
    if len(icc) < 132:
        return None
    (count,) = struct.unpack_from(">I", icc, 128)
    table = [struct.unpack_from(">4sII", icc, 132 + 12 * index) for index in range(min(count, (len(icc) - 132) // 12))]
    places = {name: place for name, place, size in table if size >= 20 and place + 20 <= len(icc)}
    if not places.keys() >= _PRIMARIES.keys():
        return None
    return np.array([struct.unpack_from(">3i", icc, places[name] + 8) for name in _PRIMARIES]) / 65536


def _assembled(tags: dict[bytes, bytes], space: bytes) -> bytes:
    place = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = place + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _numbers(_WHITE)
    return head + bytes(128 - len(head)) + table + body


def _numbers(values: tuple[float, ...]) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(value: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + _numbers(value)


def _description(text: str) -> bytes:
    letters = text.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(letters)) + letters + bytes(78)

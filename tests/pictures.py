"""Small pictures and metadata that the tests of reading and writing share."""

from __future__ import annotations

import struct

import numpy as np
from PIL import ImageCms

from photofix.photo import Metadata, Photo
from photofix.write import FORMATS

#: The formats of finished pictures; tests/test_dng.py is about the other one.
PICTURE_FORMATS = [name for name in FORMATS if name != "dng"]

#: Orientation 1 in IFD0, an exposure time of 1/250 in the EXIF directory, a latitude reference in GPS; big-endian.
EXIF = (
    b"MM\0*\0\0\0\x08\0\4"
    + struct.pack(">HHI6s", 271, 2, 6, struct.pack(">I", 62) + b"")[:12].ljust(12, b"\0")
    + struct.pack(">HHIHH", 274, 3, 1, 1, 0)
    + struct.pack(">HHII", 34665, 4, 1, 68)
    + struct.pack(">HHII", 34853, 4, 1, 94)
    + b"\0\0\0\0"
    + b"Maker\0"
    + b"\0\1"
    + struct.pack(">HHII", 33434, 5, 1, 86)
    + b"\0\0\0\0"
    + struct.pack(">II", 1, 250)
    + b"\0\1"
    + struct.pack(">HHI4s", 1, 2, 2, b"N\0\0\0")
    + b"\0\0\0\0"
)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="\xc3\xa4"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
KINDS = {"uint8": np.uint8, "uint16": np.uint16, "float32": np.float32}


def profile(gray: bool = False) -> bytes:
    """An ICC profile of sRGB; with `gray`, one that calls itself gray, which is all that writing looks at."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return icc[:16] + (b"GRAY" if gray else icc[16:20]) + icc[20:24] + bytes(12) + icc[36:]  # without its date


def samples(shape: tuple[int, ...], kind: str, seed: int = 0) -> np.ndarray:
    """Noise over the full range; floats also below 0 and above 1."""
    source = np.random.default_rng(seed)
    if kind == "float32":
        return source.normal(0.5, 1, shape).astype(np.float32)
    return source.integers(0, np.iinfo(KINDS[kind]).max, shape, endpoint=True).astype(KINDS[kind])


def photo(kind: str = "uint8", channels: int = 3, alpha: bool = False, size: tuple[int, int] = (19, 23)) -> Photo:
    """A photo of noise with EXIF, XMP and ICC."""
    return Photo(
        samples((*size, channels), kind),
        alpha=samples(size, kind, seed=1) if alpha else None,
        metadata=Metadata(EXIF, XMP, profile(gray=channels == 1)),
    )

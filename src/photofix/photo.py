"""What a photo is here: pixels at the depth the file had, how they are encoded, and what the file says about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

#: A rectangle of a sensor: top, left, bottom, right; the last two lie just outside.
Area = tuple[int, int, int, int]

#: How stored values follow light: the sRGB curve (or the ICC profile's own, which we leave alone), proportional, or
#: BT.2100's perceptual quantizer with BT.2020's primaries.
Encoding = Literal["srgb", "linear", "pq"]


@dataclass(frozen=True)
class Metadata:
    """What travels with the pixels, as bytes that we pass on and do not interpret.

    exif is a TIFF structure (no "Exif\\0\\0" before it) whose Orientation says 1, xmp an XML packet, icc a profile,
    iptc records of IPTC-IIM. density: dots per inch, horizontally and vertically, where the file has a place for them
    beside EXIF: how large a scanned page was.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    iptc: bytes | None = None
    density: tuple[float, float] | None = None


@dataclass(frozen=True)
class GainMap:
    """How much brighter a picture is on displays that are brighter than paper white (ISO 21496-1).

    pixels: (h, w, C) uint8; 0 to 255 stand for low to high, EV. offset: added to light of both before it is divided.
    capacity: EV above paper white from which a display shows all of it.
    """

    pixels: np.ndarray
    low: float
    high: float
    offset: float
    capacity: float


@dataclass(frozen=True)
class Photo:
    """A developed picture, upright.

    pixels: (H, W, 1) gray or (H, W, 3) RGB; uint8 or uint16 over their full range, or float32 with white at 1
        (values outside [0, 1] are kept).
    alpha: (H, W), of the same dtype, or None; not premultiplied.
    format: the file format it was read from ("jpeg", "png", "tiff", "webp", "avif", "exr", "hdr", "pnm", "raw"), or "".
    notes: what reading had to change, in words for the user ("first of 12 frames").
    data: the whole RAW file that it was developed from, where it was.
    gain: what brighter displays make of it, or None.
    """

    pixels: np.ndarray
    encoding: Encoding = "srgb"
    alpha: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    notes: tuple[str, ...] = ()
    data: bytes | None = field(default=None, repr=False)
    gain: GainMap | None = None


@dataclass(frozen=True)
class RawPhoto:
    """A camera's mosaic and what is needed to develop it.

    mosaic: (H, W) uint16, the visible area as LibRaw gives it, sensor numbers; float32 where it was corrected.
    pattern: the 2 x 2 color filter at the mosaic's top left corner, row by row: "RGGB", "BGGR", "GRBG" or "GBRG".
    black: black level of the four places of the pattern, in sensor numbers.
    white: the sensor number of clipping.
    noise: (shot, read) of the four places of the pattern, variance = shot * signal + read with black 0 and white 1;
        None where the file does not say.
    iso: the sensitivity the file names, or None.
    data: the whole RAW file, from which it is developed.
    balance: gains of red, green (1) and blue that make gray neutral, as shot, else in daylight.
    flip: how LibRaw turns it upright: 4 swaps rows and columns, 2 reverses rows, 1 columns, in this order.
    aspect: how much higher than wide its pixels are; LibRaw makes them square.
    sensor: (H', W') uint16, all that was read out, of which the mosaic is a part; None where that is not known.
    corner: row and column of the sensor where the mosaic begins.
    masked: the parts of the sensor that no light reaches, as far as the file tells or its margins let us hope.
    notes: what reading had to change, in words for the user.
    averaged: of a merged burst, whose mosaic is float32: (h, w) float32 for each sample of mosaic.pack(), how many
        frames' worth it is; the variance that `noise` gives is divided by it. None for a single frame.
    """

    mosaic: np.ndarray
    pattern: str
    black: tuple[float, float, float, float]
    white: float
    noise: tuple[tuple[float, float], ...] | None
    iso: int | None
    data: bytes
    metadata: Metadata = field(default_factory=Metadata)
    camera: str = ""
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    flip: int = 0
    aspect: float = 1.0
    sensor: np.ndarray | None = None
    corner: tuple[int, int] = (0, 0)
    masked: tuple[Area, ...] = ()
    notes: tuple[str, ...] = ()
    averaged: np.ndarray | None = None


@dataclass(frozen=True)
class Negative:
    """A RAW photo that was worked on and not developed: what a DNG is made of.

    photo: the photo as it was read; its file's calibration and metadata go on.
    samples: uint16; (H, W) the mosaic in the place of photo.mosaic, in sensor numbers times `scale`; or (H, W, C)
        without a mosaic: the camera's own colors in linear light, not white-balanced, black 0 and white 65535.
    linear: a mosaic is to be demosaiced first.
    noise: the (shot, read) that is left, of the four places of the pattern or of each color; () where that is
        not known, None: as the file says.
    exposure: stops by which it is to be developed brighter than the source says (BaselineExposure).
    """

    photo: RawPhoto | Photo
    samples: np.ndarray
    scale: int = 1
    linear: bool = False
    noise: tuple[tuple[float, float], ...] | None = None
    notes: tuple[str, ...] = ()
    exposure: float = 0.0


def mask_of(photo: Photo) -> np.ndarray:
    """What a picture shows as a mask, (H, W) float32: white or opaque is 1, black or clear 0."""
    full = white(photo.pixels.dtype)
    if photo.alpha is not None and photo.alpha.min() < full:
        return shares_of(photo.alpha, full)
    return shares_of(photo.pixels.mean(2, dtype=np.float32), full)


def shares_of(plane: np.ndarray, full: int) -> np.ndarray:
    """A plane (H, W) as shares of its full number, float32, 0 to 1."""
    return np.asarray(np.nan_to_num(plane.astype(np.float32) / np.float32(full)).clip(0, 1))


def white(dtype: np.dtype) -> int:
    """The stored number of white: 255, 65535, or 1 for floats."""
    return int(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1

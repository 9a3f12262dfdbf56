"""Light becomes a file's picture: as it is where the format holds light, else as a display is to show it.

A JPEG carries a gain map beside the picture that every display shows: with it, displays that can be brighter than
paper white are. An AVIF can be made for these alone, in BT.2100's perceptual quantizer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from photofix import tone
from photofix.color import TO_BT2020, WHITE_NITS, linear_to_srgb, pq
from photofix.photo import GainMap, Photo
from photofix.profile import linear_srgb, to_srgb

#: How much brighter than paper white displays are taken to be: by a gain map, and at 1000 cd/m2.
HEADROOM = 8.0
PQ_PEAK = 1000 / WHITE_NITS

#: A gain map's sides are the picture's divided by this; what is added to light before it is divided.
_SHRUNK, _OFFSET = 2, 1 / 64

_ROWS = 256


@dataclass(frozen=True)
class Finish:
    """How light is shown.

    exposure: in EV. gain_map: a JPEG gets one. pq: an AVIF is made for bright displays. depth: bits a sample, 32 for
    light itself; None for what the format is best for.
    """

    operator: tone.Operator = "local"
    exposure: float = 0.0
    gain_map: bool = True
    pq: bool = False
    depth: int | None = None


def finished(photo: Photo, format: str, finish: Finish) -> Photo:
    """A photo in linear light, as a file of that format is to hold it."""
    if format in ("exr", "hdr", "pfm"):
        return _in_srgb(photo)
    if format == "tiff" and finish.depth == 32:
        light = _in_srgb(photo)
        return replace(light, metadata=replace(light.metadata, icc=linear_srgb(light.pixels.shape[2])))
    if format == "avif" and finish.pq:
        return _for_bright_displays(_in_srgb(photo), finish)
    shown = tone.mapped(photo.pixels, finish.operator, finish.exposure)
    wide = format in ("png", "tiff", "avif", "pnm") and finish.depth in (None, 16)
    pixels = _encoded(shown, np.dtype(np.uint16 if wide else np.uint8))
    gain = _gain_map(photo, shown, finish) if format == "jpeg" and finish.gain_map else None
    return replace(photo, pixels=pixels, encoding="srgb", alpha=None, gain=gain)


def _in_srgb(photo: Photo) -> Photo:
    """Light in the primaries that files of light are read in, where its profile has others (Display P3, say)."""
    icc = photo.metadata.icc
    matrix = to_srgb(icc) if icc and photo.pixels.shape[2] == 3 else None
    if matrix is None:
        return photo
    light = np.empty_like(photo.pixels)
    for top in range(0, len(light), _ROWS):
        light[top : top + _ROWS] = photo.pixels[top : top + _ROWS] @ matrix.T
    return replace(photo, pixels=light, metadata=replace(photo.metadata, icc=None))


def _encoded(shown: np.ndarray, kind: np.dtype[np.unsignedinteger]) -> np.ndarray:
    result = np.empty(shown.shape, kind)
    for top in range(0, len(shown), _ROWS):
        rows = slice(top, top + _ROWS)
        result[rows] = np.rint(linear_to_srgb(shown[rows].clip(0, 1)) * np.iinfo(kind).max)
    return result


def _gain_map(photo: Photo, shown: np.ndarray, finish: Finish) -> GainMap:
    """What a bright display's picture has over the ordinary one, as logarithms to the base 2, in 8 bits."""
    bright = tone.mapped(photo.pixels, finish.operator, finish.exposure, HEADROOM)
    height, width = shown.shape[:2]
    size = (max(1, width // _SHRUNK), max(1, height // _SHRUNK))
    pair = [cv2.resize(light, size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], -1) for light in (bright, shown)]
    gain = np.log2((pair[0] + np.float32(_OFFSET)) / (pair[1] + np.float32(_OFFSET)))
    low, high = min(0.0, float(gain.min())), max(0.1, float(gain.max()))
    stored = np.rint((gain - low) / (high - low) * 255).astype(np.uint8)
    return GainMap(stored, low, high, _OFFSET, float(np.log2(HEADROOM)))


def _for_bright_displays(photo: Photo, finish: Finish) -> Photo:
    light = tone.mapped(photo.pixels, finish.operator, finish.exposure, PQ_PEAK)
    pixels = np.empty((*light.shape[:2], 3), np.uint16)
    for top in range(0, len(light), _ROWS):
        part = (
            np.repeat(light[top : top + _ROWS], 4 - light.shape[2], 2)
            if light.shape[2] == 1
            else light[top : top + _ROWS]
        )
        pixels[top : top + _ROWS] = np.rint(pq(part @ TO_BT2020.T * np.float32(WHITE_NITS)) * 65535)
    return replace(photo, pixels=pixels, encoding="pq", alpha=None, metadata=replace(photo.metadata, icc=None))

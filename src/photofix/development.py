"""A mosaic in the place of a RAW file's own: developed by LibRaw, or as a file holds it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from photofix.errors import ReadError
from photofix.libraw import AS_EXPOSED, LINEAR_CURVE, SRGB_CURVE, DevelopSettings, opened, parameters_of, white_balance
from photofix.photo import Photo, RawPhoto

if TYPE_CHECKING:
    import rawpy

#: LibRaw subtracts these makers' own black frames, in sensor numbers, while it develops.
_BLACK_FROM_MAKER = ("Phase One", "Leaf")

#: Bits of LibRaw's flip.
_SWAP, _REVERSE_ROWS, _REVERSE_COLUMNS = 4, 2, 1

#: How far a sample of the mosaic can influence the developed picture, with room to spare.
_DEMOSAIC_REACH = 16

#: How far arithmetic in float32 may move a sensor number that nobody changed, and the finest part of one that is kept.
_ROUNDING = 0.05
_FINEST = 4

#: The part of a sensor's range from which a photosite may have clipped.
_NEARLY = 0.97


def develop(photo: RawPhoto, mosaic: np.ndarray, settings: DevelopSettings = AS_EXPOSED) -> Photo:
    """LibRaw's development of the photo with another mosaic in place of its own.

    Camera white balance, color matrix, demosaicing (AHD), crop and orientation are LibRaw's; its own noise filters are
    off. With the photo's own mosaic the result is LibRaw's default development in 16-bit sRGB, bit for bit: its white
    point, which LibRaw adapts to the brightest sample, is taken from the photo's mosaic whatever the other one holds.

    Args:
        mosaic: (H, W) like photo.mosaic, uint16 or float32 sensor numbers. Fractions count: where the sensor's numbers
            leave room in 16 bits, mosaic and levels are scaled up by a power of two, which changes nothing else.
    Returns:
        the upright picture, (H, W, 3) uint16, sRGB, with an sRGB profile.
    Raises:
        ReadError: the file cannot be developed.
    """
    pixels, notes = _processed(photo, mosaic, settings, SRGB_CURVE)
    if photo.aspect == 1 and sorted(pixels.shape[:2]) != sorted(photo.mosaic.shape):
        raise ReadError(
            f"{photo.camera}: a sensor with a diagonal mosaic, which cannot be denoised before it is developed"
        )
    return Photo(pixels, metadata=replace(photo.metadata, icc=srgb_profile()), format="raw", notes=photo.notes + notes)


def develop_light(photo: RawPhoto, mosaic: np.ndarray, top: float) -> tuple[Photo, np.ndarray]:
    """LibRaw's development of a mosaic, up to the light that a bracket's frames are merged in.

    Args:
        mosaic: as for develop(). top: the sensor number above black that becomes white, the same for all frames.
    Returns:
        the upright picture (H, W, 3) uint16, linear, sRGB's primaries; and (H, W) bool, true near photosites that
        clipped, whatever the color matrix made of them.
    """
    pixels, notes = _processed(photo, mosaic, AS_EXPOSED, LINEAR_CURVE, top)
    clipped = upright(_clipped(photo, top), photo.flip)
    if clipped.shape != pixels.shape[:2]:
        clipped = cv2.resize(clipped, pixels.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    developed = Photo(pixels, "linear", metadata=photo.metadata, format="raw", notes=photo.notes + notes)
    return developed, clipped.astype(bool)


def _processed(
    photo: RawPhoto, mosaic: np.ndarray, settings: DevelopSettings, curve: tuple[float, float], top: float | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """What LibRaw makes of the mosaic, white at `top` or where it would lie; and what to tell the user."""
    with opened(photo.data, "the RAW file") as raw:
        scale = headroom(photo)
        replace_mosaic(raw, mosaic, scale)
        balance, notes = white_balance(raw)
        parameters = parameters_of(settings, balance, curve)
        fix_levels(parameters, raw, photo, scale)
        if top is not None:
            parameters.user_sat = int(scale * top)
        return raw.postprocess(parameters), notes


def clipping_level(photos: Sequence[RawPhoto]) -> float:
    """The sensor number above black at which a bracket's frames clip: the brightest that any of them has, if that is
    within a quarter of the white level."""
    nominal = photos[0].white - min(photos[0].black)
    brightest = max(_brightest(photo) for photo in photos)
    return brightest if 0.75 * nominal < brightest < nominal else nominal


def _clipped(photo: RawPhoto, top: float) -> np.ndarray:
    """(H, W) uint8: 1 at and beside photosites that clipped."""
    found = np.zeros(photo.mosaic.shape, np.uint8)
    for place, black in enumerate(photo.black):
        part = np.s_[place // 2 :: 2, place % 2 :: 2]
        found[part] = photo.mosaic[part] - np.float32(black) >= _NEARLY * top
    return cv2.dilate(found, np.ones((5, 5), np.uint8))


def stored(photo: RawPhoto, mosaic: np.ndarray, noise: Sequence[tuple[float, float]]) -> tuple[np.ndarray, int]:
    """A restored mosaic as a file holds it: whole numbers, and the power of two by which they are larger than the
    sensor's own. A mosaic that differs nowhere comes back as the photo's own, with 1.

    A step is at most half the noise at black: less than that costs space and shows nothing. Quarters of the sensor's
    numbers are the finest. What is brighter than the photo's brightest sample is not believed: sensors clip.

    Args:
        mosaic: (H, W) float32 in sensor numbers. noise: (shot, read) of the places of the pattern before restoring.
    """
    same = np.abs(mosaic - photo.mosaic.astype(np.float32)).max() <= _ROUNDING
    if same and photo.mosaic.dtype == np.uint16:  # a merged burst's has fractions
        return photo.mosaic, 1
    scale = min(headroom(photo), _fineness(photo, noise))
    numbers = mosaic * np.float32(scale)
    top = _brightest(photo)
    for place, black in enumerate(photo.black):
        part = numbers[place // 2 :: 2, place % 2 :: 2]
        np.clip(part, 0, min(65535.0, scale * (black + top)), out=part)
    return np.rint(numbers, out=numbers).astype(np.uint16), scale


def _fineness(photo: RawPhoto, noise: Sequence[tuple[float, float]]) -> int:
    """1, 2 or 4: into how many steps a sensor number is divided, for steps of at most half the noise at black."""
    variance = min((read * (photo.white - black) ** 2 for (_, read), black in zip(noise, photo.black, strict=True)))
    at_black = np.sqrt(variance + 1 / 12)  # that of rounding to the sensor's numbers comes with it
    return next((steps for steps in (1, 2) if 1 / steps <= at_black / 2), _FINEST)


def upright(plane: np.ndarray, flip: int) -> np.ndarray:
    """A plane (H, W) that lies as the sensor does, turned as LibRaw's flip says."""
    plane = plane.T if flip & _SWAP else plane
    plane = plane[::-1] if flip & _REVERSE_ROWS else plane
    return np.ascontiguousarray(plane[:, ::-1] if flip & _REVERSE_COLUMNS else plane)


def upright_size(photo: RawPhoto) -> tuple[int, int]:
    """Height and width of what develop() gives, where pixels are square."""
    height, width = photo.mosaic.shape
    return (width, height) if photo.flip & _SWAP else (height, width)


def decisive(photo: RawPhoto, rows: slice, columns: slice) -> tuple[slice, slice]:
    """The rows and columns of the mosaic that decide on a part of the upright picture: demosaicing looks around."""
    height, width = photo.mosaic.shape
    if photo.flip & _SWAP:
        rows, columns = columns, rows
    if photo.flip & _REVERSE_ROWS:
        rows = slice(height - rows.stop, height - rows.start)
    if photo.flip & _REVERSE_COLUMNS:
        columns = slice(width - columns.stop, width - columns.start)
    return _widened(rows, height), _widened(columns, width)


def _widened(part: slice, size: int) -> slice:
    return slice(max(0, part.start - _DEMOSAIC_REACH), min(size, part.stop + _DEMOSAIC_REACH))


def srgb_profile() -> bytes:
    """The ICC profile of sRGB (IEC 61966-2-1), the same bytes every time."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # the header's date, otherwise that of this call
    return bytes(profile)


def replace_mosaic(raw: rawpy.RawPy, mosaic: np.ndarray, scale: int) -> None:
    visible = raw.raw_image_visible
    if mosaic.shape != visible.shape:
        raise ValueError(f"the mosaic is {mosaic.shape}, the photo's is {visible.shape}")
    scaled = np.multiply(mosaic, scale, dtype=np.float32)
    visible[:] = np.clip(np.rint(scaled, out=scaled), 0, 65535, out=scaled)


def headroom(photo: RawPhoto) -> int:
    """The power of two by which the sensor's numbers can grow and still fit in 16 bits.

    A power of two, because LibRaw's floating-point scale then shrinks by exactly as much.
    """
    if photo.camera.startswith(_BLACK_FROM_MAKER):
        return 1
    return 1 << int(np.log2(65535 / max(photo.white, float(photo.mosaic.max()))))


def fix_levels(parameters: rawpy.Params, raw: rawpy.RawPy, photo: RawPhoto, scale: int) -> None:
    """Black and white as LibRaw would choose them for the photo's own mosaic, scaled."""
    if scale > 1:
        lowest = min(raw.black_level_per_channel)
        parameters.user_black = scale * lowest
        parameters.user_cblack = [scale * (level - lowest) for level in raw.black_level_per_channel]
    parameters.adjust_maximum_thr = 0.0
    parameters.user_sat = scale * _white_point(photo)


def _white_point(photo: RawPhoto) -> int:
    """Above black, where white lies: at the brightest sample, if that is within a quarter of the white level (LibRaw's
    adjust_maximum at its default threshold, which keeps highlights neutral on sensors that clip early)."""
    nominal, brightest = photo.white - min(photo.black), _brightest(photo)
    return int(brightest if 0.75 * nominal < brightest < nominal else nominal)


def _brightest(photo: RawPhoto) -> float:
    """The brightest sample, above the black of its place."""
    places = ((row, column) for row in (0, 1) for column in (0, 1))
    return max(
        float(photo.mosaic[row::2, column::2].max(initial=0)) - black
        for (row, column), black in zip(places, photo.black, strict=True)
    )

"""RAW files: the camera's mosaic out, and developed by LibRaw with another mosaic in its place.

Bayer mosaics come as they are (RawPhoto), to be denoised before anything is made of them. What is no 2 x 2 mosaic of
red, green and blue is developed first, linear in light, and comes as a Photo that says so.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from photofix import kinds
from photofix.errors import ReadError
from photofix.kinds import Reported
from photofix.metadata import (
    Directory,
    exif_of_tiff,
    numbers,
    read_directory,
    subdirectories,
    upright_exif,
    upright_xmp,
)
from photofix.photo import Area, Metadata, Photo, RawPhoto

if TYPE_CHECKING:
    import rawpy

#: IEC 61966-2-1 as LibRaw takes it (power, slope at black); its own default is BT.709, which no sRGB profile fits.
SRGB_CURVE = (2.4, 12.92)
_LINEAR = (1.0, 1.0)

#: LibRaw subtracts these makers' own black frames, in sensor numbers, while it develops.
_BLACK_FROM_MAKER = ("Phase One", "Leaf")

#: Bits of LibRaw's flip.
_SWAP, _REVERSE_ROWS, _REVERSE_COLUMNS = 4, 2, 1

#: How far a sample of the mosaic can influence the developed picture, with room to spare.
_DEMOSAIC_REACH = 16

_NO_MATRIX = "the DNG has no color matrix: colors are as its sensor sees them"

#: Columns and rows of a margin that are left out beside the visible area.
_STRAY = 4

#: How far arithmetic in float32 may move a sensor number that nobody changed, and the finest part of one that is kept.
_ROUNDING = 0.05
_FINEST = 4

#: The part of a sensor's range from which a photosite may have clipped.
_NEARLY = 0.97

#: TIFF and DNG tags (DNG specification 1.7, chapter 4).
_MAKE, _MODEL, _XMP = 271, 272, 700
_PLANE_COLORS, _MASKED_AREAS, _NOISE_PROFILE = 50710, 50830, 51041
_DOUBLE = 12


@dataclass(frozen=True)
class DevelopSettings:
    """How a mosaic becomes a picture, apart from what the file says.

    exposure: in EV, 0 = as exposed; a gain on linear light, clipped at white.
    """

    exposure: float = 0.0


AS_EXPOSED = DevelopSettings()


def read_raw(data: bytes, name: str, settings: DevelopSettings = AS_EXPOSED) -> RawPhoto | Photo:
    """The mosaic of a RAW file, or, where that is not Bayer, the picture that LibRaw develops from it.

    Args:
        data: the whole file.
        name: what messages call it.
        settings: used only where the file is developed here.
    Returns:
        RawPhoto for Bayer mosaics; else a Photo in linear light with sRGB primaries, uint16, with a note.
    Raises:
        ReadError: not a RAW file that LibRaw knows, damaged, or a mosaic that it would develop wrongly.
    """
    directories = directories_of(data)
    kinds.refuse(directories, name)
    with opened(data, name) as raw:
        metadata = _metadata(raw, data, directories)
        kind = kinds.kind_of(_reported(raw, data), directories, data[:16], _maker(directories))
        if kinds.may_be_empty(directories) and not raw.raw_image.any():
            raise ReadError(f"{name}: LibRaw finds nothing in its JPEG samples; save it again with Adobe DNG Converter")
        notes = kind.notes + ((_NO_MATRIX,) if raw.num_colors > 1 and kinds.without_matrix(directories) else ())
        pattern = kind.bayer
        if pattern is None:
            return _developed_first(raw, data, metadata, settings, kind.name, notes)
        black = _black(raw)
        if raw.white_level <= max(black):
            raise ReadError(
                f"{name}: white level {raw.white_level} is not above black level {max(black):g}; the file is damaged"
            )
        sensor, corner = raw.raw_image.copy(), (raw.sizes.top_margin, raw.sizes.left_margin)
        rows, columns = (slice(start, start + size) for start, size in zip(corner, _visible(raw), strict=True))
        return RawPhoto(
            mosaic=sensor[rows, columns],
            pattern=pattern,
            black=black,
            white=float(raw.white_level),
            noise=_noise_profile(directories, pattern),
            iso=_iso(raw),
            data=data,
            metadata=metadata,
            camera=_camera(directories),
            notes=notes,
            balance=_balance(raw),
            flip=raw.sizes.flip,
            aspect=raw.sizes.pixel_aspect,
            sensor=sensor,
            corner=corner,
            masked=_masked(raw, directories),
        )


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
    with opened(photo.data, "the RAW file") as raw:
        scale = headroom(photo)
        replace_mosaic(raw, mosaic, scale)
        balance, notes = white_balance(raw)
        parameters = _parameters(settings, balance, SRGB_CURVE)
        fix_levels(parameters, raw, photo, scale)
        pixels = raw.postprocess(parameters)
        aspect = raw.sizes.pixel_aspect
    if aspect == 1 and sorted(pixels.shape[:2]) != sorted(photo.mosaic.shape):
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
    with opened(photo.data, "the RAW file") as raw:
        scale = headroom(photo)
        replace_mosaic(raw, mosaic, scale)
        balance, notes = white_balance(raw)
        parameters = _parameters(AS_EXPOSED, balance, _LINEAR)
        fix_levels(parameters, raw, photo, scale)
        parameters.user_sat = int(scale * top)
        pixels = raw.postprocess(parameters)
    clipped = upright(_clipped(photo, top), photo.flip)
    if clipped.shape != pixels.shape[:2]:
        clipped = cv2.resize(clipped, pixels.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    developed = Photo(pixels, "linear", metadata=photo.metadata, format="raw", notes=photo.notes + notes)
    return developed, clipped.astype(bool)


def clipping_level(photos: Sequence[RawPhoto]) -> float:
    """The sensor number above black at which a bracket's frames clip: the brightest that any of them has, if that is
    within a quarter of the white level."""
    nominal = photos[0].white - min(photos[0].black)
    brightest = max(_brightest(photo) for photo in photos)
    return brightest if 0.75 * nominal < brightest < nominal else nominal


def upright(plane: np.ndarray, flip: int) -> np.ndarray:
    """A plane (H, W) that lies as the sensor does, turned as LibRaw's flip says."""
    plane = plane.T if flip & _SWAP else plane
    plane = plane[::-1] if flip & _REVERSE_ROWS else plane
    return np.ascontiguousarray(plane[:, ::-1] if flip & _REVERSE_COLUMNS else plane)


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


@contextmanager
def opened(data: bytes, name: str) -> Iterator[rawpy.RawPy]:
    """LibRaw with the file open; its failures, then or later, as ReadError."""
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            yield raw
    except (rawpy.LibRawError, OSError) as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ReadError(
            f"{name}: LibRaw cannot read it ({reason.lower()}): it may be damaged or cut short (copy it again), "
            "or of a camera newer than this LibRaw (update rawpy, or convert it to DNG)"
        ) from error


def _parameters(settings: DevelopSettings, camera_balance: bool, curve: tuple[float, float]) -> rawpy.Params:
    import rawpy

    return rawpy.Params(
        use_camera_wb=camera_balance,
        output_color=rawpy.ColorSpace.sRGB,
        output_bps=16,
        no_auto_bright=True,
        bright=2.0**settings.exposure,
        gamma=curve,
    )


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


def white_balance(raw: rawpy.RawPy) -> tuple[bool, tuple[str, ...]]:
    """Whether the file has a white balance, and what to tell the user if not.

    LibRaw would then balance by the picture's own average, which denoising and cropping change.
    """
    red, green, blue = raw.camera_whitebalance[:3]
    if red > 0 and green > 0 and blue > 0:
        return True, ()
    return False, ("the RAW file has no white balance: daylight used",)


def _balance(raw: rawpy.RawPy) -> tuple[float, float, float]:
    known = white_balance(raw)[0]
    red, green, blue = (raw.camera_whitebalance if known else raw.daylight_whitebalance)[:3]
    return (red / green, 1.0, blue / green) if min(red, green, blue) > 0 else (1.0, 1.0, 1.0)


def _visible(raw: rawpy.RawPy) -> tuple[int, int]:
    return raw.sizes.height, raw.sizes.width


def _masked(raw: rawpy.RawPy, directories: list[Directory]) -> tuple[Area, ...]:
    """The areas that a DNG calls masked, else the margins beside the visible area, less the columns next to it, which
    stray light reaches. Whether they are dark is for the reader to check."""
    named = _integers(directories, _MASKED_AREAS)
    size = raw.sizes
    if named:
        areas = [named[at : at + 4] for at in range(0, len(named) - 3, 4)]
    else:
        bottom, right = size.top_margin + size.height, size.left_margin + size.width
        areas = [
            (size.top_margin, 0, bottom, size.left_margin - _STRAY),
            (size.top_margin, right + _STRAY, bottom, size.raw_width),
            (0, size.left_margin, size.top_margin - _STRAY, right),
            (bottom + _STRAY, size.left_margin, size.raw_height, right),
        ]
    limits = (size.raw_height, size.raw_width)
    return tuple(
        (top, left, bottom, right)
        for top, left, bottom, right in areas
        if 0 <= top < bottom <= limits[0] and 0 <= left < right <= limits[1]
    )


def _developed_first(
    raw: rawpy.RawPy, data: bytes, metadata: Metadata, settings: DevelopSettings, kind: str, notes: tuple[str, ...]
) -> Photo:
    balance, unbalanced = white_balance(raw)
    parameters = _parameters(settings, balance, _LINEAR)
    if raw.num_colors == 1:  # there is nothing to balance, but LibRaw would
        parameters.use_camera_wb, parameters.user_mul, unbalanced = False, [1.0] * 4, ()
    pixels = raw.postprocess(parameters)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    notes += (
        *unbalanced,
        f"{kind}: developed by LibRaw first, then handled in linear light",
    )
    return Photo(pixels, "linear", metadata=metadata, format="raw", notes=notes, data=data)


def _reported(raw: rawpy.RawPy, data: bytes) -> Reported:
    import rawpy

    pattern = raw.raw_pattern
    stacked = raw.raw_type is rawpy.RawType.Stack
    mosaic = not stacked and pattern is not None and pattern.shape == (2, 2)
    return Reported(
        stacked=stacked,
        pattern=None if pattern is None else tuple(tuple(int(color) for color in row) for row in pattern),
        letters=raw.color_desc.decode("latin-1"),
        corner="".join(chr(raw.color_desc[color]) for color in place_colors(raw)) if mosaic else "",
        colors=raw.num_colors,
        frames=_frames(data),
    )


def _frames(data: bytes) -> int:
    """2 where LibRaw knows of a second frame, else 1."""
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data), shot_select=1) as second:
            second.unpack()
            return 2
    except rawpy.LibRawError:
        return 1


def place_colors(raw: rawpy.RawPy) -> list[int]:
    """LibRaw's color numbers of the four places of the visible area's pattern."""
    top, left = raw.sizes.top_margin, raw.sizes.left_margin
    return [raw.raw_color(top + row, left + column) for row in (0, 1) for column in (0, 1)]


def _black(raw: rawpy.RawPy) -> tuple[float, float, float, float]:
    levels = raw.black_level_per_channel
    first, second, third, fourth = (float(levels[color]) for color in place_colors(raw))
    return first, second, third, fourth


def directories_of(data: bytes) -> list[Directory]:
    """The main directory of a TIFF-structured file and those below it; none for other files."""
    stream = io.BytesIO(data)
    try:
        main = read_directory(stream)
        return [main, *subdirectories(stream, main)] if main else []
    except ValueError:
        return []


def _integers(directories: list[Directory], tag: int) -> tuple[int, ...]:
    return next((numbers(directory, tag) for directory in directories if tag in directory), ())


def _noise_profile(directories: list[Directory], pattern: str) -> tuple[tuple[float, float], ...] | None:
    """(shot, read) of the four places, from the DNG's NoiseProfile: one pair for all, or one for each color plane."""
    field = next((directory[_NOISE_PROFILE] for directory in directories if _NOISE_PROFILE in directory), None)
    if not isinstance(field, tuple) or field[0] != _DOUBLE or len(field[1]) % 16:
        return None
    pairs = [(float(shot), float(read)) for shot, read in np.frombuffer(field[1], "<f8").reshape(-1, 2)]
    if not all(0 < shot < 1 and 0 <= read < 1 for shot, read in pairs):
        return None
    if len(pairs) == 1:
        return (pairs[0],) * 4
    colors = _integers(directories, _PLANE_COLORS) or (0, 1, 2)
    if len(pairs) != len(colors) or not {0, 1, 2} <= set(colors):
        return None
    return tuple(pairs[colors.index("RGB".index(letter))] for letter in pattern)


def _metadata(raw: rawpy.RawPy, data: bytes, directories: list[Directory]) -> Metadata:
    if not directories:
        return _preview_metadata(raw)
    xmp = directories[0].get(_XMP)
    return Metadata(exif=exif_of_tiff(io.BytesIO(data)), xmp=upright_xmp(xmp[1]) if isinstance(xmp, tuple) else None)


def _preview_metadata(raw: rawpy.RawPy) -> Metadata:
    """Of the JPEG preview, for files that are no TIFF structure (CR3, RAF); LibRaw adds EXIF if it has none."""
    import rawpy
    from PIL import Image

    try:
        preview = raw.extract_thumb()
        if not isinstance(preview.data, bytes):
            return Metadata()
        information = Image.open(io.BytesIO(preview.data)).info
    except (rawpy.LibRawError, OSError):
        return Metadata()
    exif, xmp = information.get("exif", b"").removeprefix(b"Exif\0\0"), information.get("xmp")
    return Metadata(exif=upright_exif(exif) if exif else None, xmp=upright_xmp(xmp) if xmp else None)


def _iso(raw: rawpy.RawPy) -> int | None:
    return round(raw.other.iso_speed) or None


def _maker(directories: list[Directory]) -> str:
    return _text(directories[0], _MAKE) if directories else ""


def _camera(directories: list[Directory]) -> str:
    maker, model = (_text(directories[0], tag) if directories else "" for tag in (_MAKE, _MODEL))
    return model if model.startswith(maker) else f"{maker} {model}"


def _text(directory: Directory, tag: int) -> str:
    field = directory.get(tag)
    return field[1].split(b"\0")[0].decode("utf-8", "replace").strip() if isinstance(field, tuple) else ""

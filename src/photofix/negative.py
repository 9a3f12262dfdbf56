"""What a DNG is made of, as LibRaw gives it: all of the sensor, colors of the camera, calibration, a preview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from photofix.development import fix_levels, headroom, replace_mosaic
from photofix.errors import ReadError, WriteError
from photofix.libraw import SRGB_CURVE, fix_white, is_colored, opened, white_balance
from photofix.photo import Negative, Photo, RawPhoto

if TYPE_CHECKING:
    import rawpy

_NAME = "the RAW file"

#: The longest side of previews.
_PREVIEW = 1024


@dataclass(frozen=True)
class Calibration:
    """What LibRaw knows of a camera maker's RAW file that is no DNG.

    active: top, left, bottom, right of the visible area. pattern: the four color filters at the sensor's top left
    corner, 0 red, 1 green, 2 blue; None without a Bayer mosaic. black: of these four places. neutral: the camera's
    colors of gray, as shot or, where it was not balanced, in daylight. colored: whether it is known what the sensor's
    colors are. matrix: XYZ (D65) to camera colors, where LibRaw knows the camera. flip: LibRaw's number for how the
    picture is turned.
    """

    active: tuple[int, int, int, int]
    pattern: tuple[int, ...] | None
    black: tuple[float, ...]
    white: int
    neutral: tuple[float, ...] | None
    balanced: bool
    colored: bool
    matrix: np.ndarray | None
    flip: int
    lens: str


def contents(negative: Negative) -> tuple[np.ndarray, int, Calibration]:
    """What the file is to hold, how much larger than the sensor's numbers its numbers are, and the calibration.

    Returns:
        (H, W) uint16, all that the sensor gave, masked borders too, with the visible part replaced; or (H, W, C)
        uint16, the camera's colors without a mosaic, black 0 and white 65535.
    Raises:
        ReadError: the source cannot be opened or developed.
    """
    photo, samples = negative.photo, negative.samples
    with opened(photo.data or b"", _NAME) as raw:
        known = _calibration(raw)
        if not isinstance(photo, RawPhoto):
            return samples, 1, known
        if negative.linear:
            return _camera_colors(raw, photo, samples / np.float32(negative.scale))[0], 1, known
    return _sensor(photo, samples, negative.scale), negative.scale, known


def _calibration(raw: rawpy.RawPy) -> Calibration:
    sizes, pattern = raw.sizes, raw.raw_pattern
    is_bayer = pattern is not None and pattern.shape == (2, 2)
    places = [raw.raw_color(row, column) for row in (0, 1) for column in (0, 1)] if is_bayer else []
    balance, _ = white_balance(raw)
    gains = (raw.camera_whitebalance if balance else raw.daylight_whitebalance)[: raw.num_colors]
    matrix = raw.rgb_xyz_matrix[: raw.num_colors]
    return Calibration(
        active=(sizes.top_margin, sizes.left_margin, sizes.top_margin + sizes.height, sizes.left_margin + sizes.width),
        pattern=tuple(1 if place == 3 else place for place in places) or None,
        black=tuple(float(raw.black_level_per_channel[place]) for place in places or [0]),
        white=raw.white_level,
        neutral=tuple(min(gains) / gain for gain in gains) if min(gains) > 0 else None,
        balanced=balance,
        colored=is_colored(raw),
        matrix=matrix if matrix.any() else None,
        flip=sizes.flip,
        lens=raw.lens.model,
    )


def _sensor(photo: RawPhoto, samples: np.ndarray, scale: int) -> np.ndarray:
    """All that the sensor gave, times the scale, with the visible part replaced."""
    if photo.sensor is None or photo.sensor.shape == samples.shape:
        return samples
    numbers = np.minimum(photo.sensor.astype(np.uint32) * scale, 65535).astype(np.uint16)
    top, left = photo.corner
    numbers[top : top + samples.shape[0], left : left + samples.shape[1]] = samples
    return numbers


def camera_colors(photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """A photo that came developed from a RAW file, again, in the camera's own colors, as the sensor lies.

    LibRaw demosaics it white-balanced, which its demosaicing wants, and this is then taken back.

    Returns:
        (H, W, C) uint16, linear in light, black 0 and the white level 65535; and the C gains, at most 1, of the white
        balance that they do not have.
    Raises:
        ReadError: the file cannot be developed, or has other than one color or three.
    """
    with opened(photo.data or b"", _NAME) as raw:
        return _camera_colors(raw)


def _camera_colors(
    raw: rawpy.RawPy, photo: RawPhoto | None = None, mosaic: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The same, and for a RawPhoto with another mosaic (H, W), uint16 or float32 sensor numbers, in place."""
    if raw.num_colors not in (1, 3):
        raise ReadError(f"a sensor of {raw.num_colors} colors: a DNG of it is not written here; save it as TIFF or PNG")
    gains = _gains(raw)
    parameters = _parameters(gains)
    fix_white(parameters, raw)
    if photo is not None and mosaic is not None:
        scale = headroom(photo)
        replace_mosaic(raw, mosaic, scale)
        fix_levels(parameters, raw, photo, scale)
        parameters.user_sat = round(scale * (photo.white - min(photo.black)))
    colors = np.atleast_3d(raw.postprocess(parameters))[..., : len(gains)].astype(np.float32)
    colors /= gains
    return np.rint(colors, out=colors).clip(0, 65535).astype(np.uint16), gains


def preview(data: bytes, samples: np.ndarray) -> np.ndarray:
    """What a DNG of these samples looks like: (h, w, 3) uint8, sRGB, as the sensor lies, at most 1024 pixels a side.

    Raises:
        WriteError: LibRaw does not read the same mosaic from the file, which then is not worth keeping.
    """
    import cv2

    try:
        with opened(data, "the DNG") as raw:
            if samples.ndim == 2 and not np.array_equal(raw.raw_image, samples):
                raise WriteError("a DNG whose samples do not read back; please report it")
            balance, _ = white_balance(raw)
            pixels = raw.postprocess(
                use_camera_wb=balance, half_size=True, user_flip=0, no_auto_bright=True, gamma=SRGB_CURVE
            )
    except ReadError as error:
        raise WriteError(f"a DNG that does not read back: {error}; please report it") from error
    pixels = pixels if pixels.ndim == 3 and pixels.shape[2] == 3 else np.repeat(np.atleast_3d(pixels)[..., :1], 3, 2)
    shrink = min(1.0, _PREVIEW / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * shrink)), max(1, round(pixels.shape[0] * shrink)))
    small: np.ndarray = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return small


def _gains(raw: rawpy.RawPy) -> np.ndarray:
    """The white balance that LibRaw applies in `_parameters`, the largest at 1."""
    if raw.raw_pattern is None or raw.num_colors == 1:
        return np.ones(raw.num_colors, np.float32)
    balance, _ = white_balance(raw)
    gains = np.array((raw.camera_whitebalance if balance else raw.daylight_whitebalance)[:3], np.float32)
    return np.asarray(gains / gains.max())


def _parameters(gains: np.ndarray) -> rawpy.Params:
    import rawpy

    return rawpy.Params(
        user_wb=[float(gain) for gain in (*gains, *gains[1:2])] if len(gains) == 3 else [1.0] * 4,
        output_color=rawpy.ColorSpace.raw,
        output_bps=16,
        no_auto_bright=True,
        gamma=(1.0, 1.0),
        highlight_mode=rawpy.HighlightMode.Ignore,
        user_flip=0,
        adjust_maximum_thr=0.0,
    )

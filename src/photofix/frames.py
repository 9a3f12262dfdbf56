"""The frames of a burst: read, checked against each other, and one of them chosen for the reference."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from photofix.errors import BurstError, ReadError
from photofix.metadata import Directory, numbers, read_directory
from photofix.photo import Photo, RawPhoto, white

FEWEST, MOST = 2, 32

#: Exif 2.32.
_MAKE, _MODEL, _EXIF, _TIME, _APERTURE, _SENSITIVITY = 271, 272, 34665, 33434, 33437, 34855

#: EV between frames that are exposed alike, the most that RAW frames may differ by where their EXIF says so, and the
#: most that their brightness may differ by beyond that.
_SAME, _SCALED, _UNEXPLAINED = 0.1, 1.05, 0.35

#: How much less a frame may correlate with the others than the best does, to be the reference.
_UNLIKE = 0.3


@dataclass(frozen=True)
class Burst:
    """Frames of one camera and size.

    photos: the frames beside the reference; gains: what their light is multiplied by to be the reference's. Of RAW
    frames only the reference still holds its file's bytes.
    notes: frames that could not be read, in words for the user.
    """

    reference_name: str
    reference: Photo | RawPhoto
    names: tuple[str, ...]
    photos: tuple[Photo | RawPhoto, ...]
    gains: tuple[float, ...]
    notes: tuple[str, ...] = ()


def gather(sources: Sequence[Path], read: Callable[[Path], Photo | RawPhoto], chosen: int | None = None) -> Burst:
    """Read a burst; frames that cannot be read are left out.

    Args:
        chosen: the reference, counted from 1; None for the sharpest of the frames that most others resemble.
    Raises:
        BurstError: fewer than two frames can be read, the chosen one cannot, or frames do not belong together.
    """
    found, notes = readable(sources, read)
    if chosen is not None and str(sources[chosen - 1]) not in found:
        raise BurstError(f"{notes[0]}: it is the reference; choose another frame with --reference")
    if len(found) < FEWEST:
        raise BurstError(f"a burst needs {FEWEST} frames that can be read: {'; '.join(notes)}")
    name = str(sources[chosen - 1]) if chosen else max(_usual(found), key=lambda one: sharpness(found[one]))
    reference = found.pop(name)
    gains = tuple(_gain(name, reference, other, photo) for other, photo in found.items())
    others = tuple(replace(photo, data=b"") if isinstance(photo, RawPhoto) else photo for photo in found.values())
    return Burst(name, reference, tuple(found), others, gains, tuple(notes))


def sharpness(photo: Photo | RawPhoto) -> float:
    """How much a photo changes from pixel to pixel: to compare frames of one scene and one exposure with."""
    plane = photo.mosaic if isinstance(photo, RawPhoto) else photo.pixels.mean(2, dtype=np.float32)
    light = np.sqrt(np.maximum(plane, 0, dtype=np.float32))
    small = cv2.resize(light, (light.shape[1] // 4, light.shape[0] // 4), interpolation=cv2.INTER_AREA)
    return float(np.mean(np.diff(small, axis=0) ** 2) + np.mean(np.diff(small, axis=1) ** 2))


def _usual(found: dict[str, Photo | RawPhoto]) -> list[str]:
    """The names of all frames but those that others resemble much less: a wrong one must not be the reference."""
    sizes = {size_of(photo) for photo in found.values()}
    if len(found) < 3 or len(sizes) > 1:
        return list(found)
    likeness = np.median(np.nan_to_num(np.corrcoef([_small(photo) for photo in found.values()])), axis=0)
    return [name for name, like in zip(found, likeness, strict=True) if like > likeness.max() - _UNLIKE]


def _small(photo: Photo | RawPhoto) -> np.ndarray:
    """(256,) luminance of 16 x 16 parts."""
    plane = photo.mosaic if isinstance(photo, RawPhoto) else photo.pixels.mean(2, dtype=np.float32)
    small: np.ndarray = cv2.resize(plane.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA)
    return small.ravel()


def readable(
    sources: Sequence[Path], read: Callable[[Path], Photo | RawPhoto]
) -> tuple[dict[str, Photo | RawPhoto], list[str]]:
    """The frames that can be read, by name, and which cannot, in words for the user."""
    found, notes = {}, []
    for source in sources:
        try:
            found[str(source)] = read(source)
        except ReadError as error:
            notes.append(f"left out: {error}")
    return found, notes


def _gain(name: str, reference: Photo | RawPhoto, other: str, photo: Photo | RawPhoto) -> float:
    """What makes a frame as bright as the reference; BurstError where the two are no frames of one burst."""
    pair = f"{other} and {name}"
    check_alike(pair, photo, reference)
    return _exposure_gain(pair, photo, reference)


def check_alike(pair: str, photo: Photo | RawPhoto, reference: Photo | RawPhoto) -> None:
    """BurstError where two frames differ in kind, camera or size; pair is what the message calls them."""
    if isinstance(photo, RawPhoto) != isinstance(reference, RawPhoto):
        raise BurstError(f"{pair}: one is a RAW file and the other is not; give frames of one kind")
    cameras = [camera(one) for one in (photo, reference)]
    if all(cameras) and cameras[0] != cameras[1]:
        raise BurstError(f"{pair}: come from different cameras, {cameras[0]} and {cameras[1]}")
    sizes = [size_of(one) for one in (photo, reference)]
    if sizes[0] != sizes[1]:
        raise BurstError(f"{pair}: differ in size, {sizes[0]} and {sizes[1]}; give frames of one scene as taken")


def _exposure_gain(pair: str, photo: Photo | RawPhoto, reference: Photo | RawPhoto) -> float:
    lights = [exposure_of(one.metadata.exif) for one in (reference, photo)]
    gain = lights[0] / lights[1] if lights[0] and lights[1] else 1.0
    if abs(np.log2(gain)) < _SAME:
        gain = 1.0
    if gain != 1 and not isinstance(photo, RawPhoto):
        raise BurstError(f"{pair}: differ in exposure; only RAW frames can be brought to one exposure")
    if abs(np.log2(gain)) > _SCALED:
        raise BurstError(f"{pair}: differ in exposure by {abs(np.log2(gain)):.1f} EV; at most 1 EV can be made up for")
    difference = abs(np.log2(gain * _brightness(photo) / _brightness(reference)))
    if difference > _UNEXPLAINED:
        raise BurstError(
            f"{pair}: differ in brightness by {difference:.1f} EV more than their EXIF explains; "
            "give frames of one exposure"
        )
    return float(gain)


def camera(photo: Photo | RawPhoto) -> str:
    """The camera's name, or ""."""
    if isinstance(photo, RawPhoto) and photo.camera:
        return photo.camera
    return " ".join(_text(_directory(photo.metadata.exif), tag) for tag in (_MAKE, _MODEL)).strip()


def size_of(photo: Photo | RawPhoto) -> str:
    """Size, colors and depth in words."""
    if isinstance(photo, RawPhoto):
        return f"{photo.mosaic.shape[1]} x {photo.mosaic.shape[0]} {photo.pattern}"
    height, width, channels = photo.pixels.shape
    return f"{width} x {height}{' gray' if channels == 1 else ''}, {8 * photo.pixels.itemsize} bits"


def _brightness(photo: Photo | RawPhoto) -> float:
    """The mean, black at 0 and white at 1, and never quite 0."""
    if isinstance(photo, RawPhoto):
        return max(1e-4, float((photo.mosaic.mean() - np.mean(photo.black)) / (photo.white - np.mean(photo.black))))
    return max(1e-4, float(np.nanmean(photo.pixels, dtype=np.float64)) / white(photo.pixels.dtype))


def exposure_of(exif: bytes | None) -> float | None:
    """Exposure time times sensitivity over the aperture's square, as EXIF says; None where it does not."""
    details = _directory(exif).get(_EXIF)
    if not isinstance(details, dict):
        return None
    time, aperture, iso = _ratio(details, _TIME), _ratio(details, _APERTURE), numbers(details, _SENSITIVITY)
    return time * iso[0] / (aperture or 1) ** 2 if time and iso and iso[0] else None


def _directory(exif: bytes | None) -> Directory:
    try:
        return read_directory(io.BytesIO(exif)) if exif else {}
    except ValueError:
        return {}


def _ratio(directory: Directory, tag: int) -> float | None:
    """The first of a field's unsigned rationals; None where there is none, or it is 0."""
    field = directory.get(tag)
    if not isinstance(field, tuple) or field[0] != 5:
        return None
    over, under = struct.unpack_from("<II", field[1])
    return over / under if over and under else None


def _text(directory: Directory, tag: int) -> str:
    field = directory.get(tag)
    return field[1].split(b"\0")[0].decode("utf-8", "replace").strip() if isinstance(field, tuple) else ""

"""A RAW file, denoised before it is developed: its noise profile found, its flaws healed, a DNG where asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from photofix import development, libraw, negative, noise, sensor
from photofix.errors import UsageError
from photofix.job import Auto, Restored, Roi, Settings
from photofix.models import Models
from photofix.mosaic import part_of_planes, places, to_planes
from photofix.photo import Negative, Photo, RawPhoto
from photofix.restore_picture import check_region, cropped, exposed, facts_of, noted, restore_picture
from photofix.tasks import denoise
from photofix.tiles import Part, Progress


def restore_raw(photo: RawPhoto, models: Models, progress: Progress | None) -> Restored:
    notes: list[str] = []
    settings = models.settings
    # The network that other tasks are told of is not this one.
    network = (models.get if settings.task == "denoise" else models.helper)("denoise", True)
    network = replace(network, note=notes.append, part=_wanted(photo, settings.roi))
    profiles = noise_profile(photo, settings.iso, settings.noise)
    # A burst's frames were healed before they were merged.
    heal = settings.heal and photo.averaged is None
    healed, flaws = sensor.heal(photo, profiles) if heal else (photo, sensor.Flaws())
    mosaic = denoise.denoise_raw(healed, network, profiles, settings.strength, progress, settings.keep_grain)
    left = _left(photo, profiles)
    shown = _finished(photo, *development.stored(photo, mosaic, left), left, settings)
    if settings.sigma != "auto" and settings.task == "denoise":
        notes.append("--sigma is for finished pictures; for RAW give --iso or --noise")
    height, width = photo.mosaic.shape
    facts = facts_of(network, (height // 2, width // 2, 4), None)
    facts |= {"noise_profile": [list(pair) for pair in profiles]}
    if flaws:
        facts["healed"] = {name: round(much, 2) for name, much in asdict(flaws).items() if much}
    return Restored(noted(shown, notes), facts)


def quietly_developed(photo: RawPhoto, models: Models, progress: Progress | None) -> tuple[Photo, Progress | None]:
    """RAW denoised as a mosaic and developed, which is half of a task's work; and the progress of the other half.

    A mosaic's progress counts packed pixels, one for four of the picture's.
    """
    shown = restore_raw(photo, models, _fraction(progress, 2)).photo
    assert isinstance(shown, Photo)
    return shown, _fraction(progress, 8)


def _fraction(progress: Progress | None, whole: int) -> Progress | None:
    """Progress of a part of the work, of which there are so many."""
    return progress and (lambda pixels: progress(pixels // whole))


def restore_linear(photo: Photo | RawPhoto, models: Models, progress: Progress | None) -> Restored:
    """RAW without a Bayer mosaic, as a negative: denoised in the camera's colors, white-balanced for the network."""
    if isinstance(photo, RawPhoto):
        raise UsageError("this model takes finished pictures, not a mosaic: leave --model out, or save a TIFF")
    if photo.data is None:
        raise UsageError("a DNG is made of a RAW file, and this is a finished picture: save it as TIFF or PNG")
    colors, gains = negative.camera_colors(photo)
    unit = gains / np.float32(65535)
    restored = restore_picture(replace(photo, pixels=colors * unit), models, progress)
    assert isinstance(restored.photo, Photo)
    samples = np.rint(restored.photo.pixels / unit).clip(0, 65535).astype(np.uint16)
    left = None if np.array_equal(samples, colors) else ()
    kind = ("a DNG without a mosaic is written",) if models.settings.dng == "cfa" else ()
    return replace(restored, photo=Negative(photo, samples, noise=left, notes=restored.photo.notes + kind))


def unrestored(photo: Photo | RawPhoto, settings: Settings) -> Photo | Negative:
    """A merged photo as it is, developed or a negative."""
    if not isinstance(photo, RawPhoto):
        return cropped(exposed(photo, settings), settings.roi)
    profiles = _left(photo, noise_profile(photo, settings.iso, settings.noise))
    return _finished(photo, *development.stored(photo, photo.mosaic, profiles), profiles, settings)


def _left(photo: RawPhoto, profiles: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """The noise of a photo's places: one frame's, less what averaging took."""
    if photo.averaged is None:
        return profiles
    share = float(np.mean(1 / photo.averaged))
    return [(shot * share, read * share) for shot, read in profiles]


def _finished(
    photo: RawPhoto, samples: np.ndarray, scale: int, profiles: Sequence[tuple[float, float]], settings: Settings
) -> Photo | Negative:
    """Developed from the numbers that a DNG would hold, or the negative with these."""
    mosaic = samples / np.float32(scale)
    if settings.dng is None:
        return cropped(_developed(photo, mosaic, settings), settings.roi)
    left: tuple[tuple[float, float], ...] | None = None
    if settings.strength and samples is not photo.mosaic:
        left = denoise.noise_left(photo, mosaic, profiles, settings.strength, settings.keep_grain)
    elif photo.averaged is not None:
        left = tuple(profiles)
    return Negative(photo, samples, scale, settings.dng == "linear", left, photo.notes)


def _wanted(photo: RawPhoto, roi: Roi | None) -> Part | None:
    """What of a mosaic's planes the region needs: the network runs over the tiles there, and LibRaw over all."""
    if roi is None or photo.aspect != 1:
        return None
    check_region(roi, *development.upright_size(photo))
    rows, columns = slice(roi.y, roi.y + roi.height), slice(roi.x, roi.x + roi.width)
    return part_of_planes(photo.pattern, *development.decisive(photo, rows, columns))


def noise_profile(
    photo: RawPhoto, iso: int | Auto, given: tuple[float, float] | None = None
) -> Sequence[tuple[float, float]]:
    """(shot, read) of a mosaic's four places: as the user says, else as the file says, else as the mosaic shows."""
    if given:
        return [given] * 4
    if iso != "auto":
        return [noise.profile_for_iso(iso)] * 4
    return photo.noise or _estimated(photo)


def noise_source(photo: RawPhoto) -> str:
    """Where the noise profile of a RAW file is from when the user says nothing."""
    if photo.noise:
        return "the file's own noise profile"
    profiles = noise_profile(photo, "auto")
    if photo.iso and profiles[0] == noise.profile_for_iso(photo.iso):
        return f"a typical sensor's at ISO {photo.iso}: the mosaic is too finely textured to tell"
    return "estimated from the mosaic"


def _estimated(photo: RawPhoto) -> list[tuple[float, float]]:
    of_planes = noise.estimate_profiles(to_planes(photo))
    by_place = dict(zip(places(photo.pattern), of_planes, strict=True))
    return [_plausible(by_place[place], photo.iso) for place in range(4)]


def _plausible(profile: tuple[float, float], iso: int | None) -> tuple[float, float]:
    """An estimate, unless it is far above what any sensor shows at that ISO: then fine texture was taken for noise."""
    if not iso:
        return profile
    typical = noise.profile_for_iso(iso)
    excess = (0.2 * profile[0] + profile[1]) / (0.2 * typical[0] + typical[1])
    return typical if excess > 6 else profile


def developed(photo: RawPhoto, settings: Settings) -> Photo:
    """The photo developed as it is, healed."""
    if settings.heal and photo.averaged is None:
        healed = sensor.heal(photo, noise_profile(photo, settings.iso, settings.noise))[0]
        return _developed(photo, healed.mosaic, settings)
    return _developed(photo, photo.mosaic, settings)


def _developed(photo: RawPhoto, mosaic: np.ndarray, settings: Settings) -> Photo:
    return development.develop(photo, mosaic, libraw.DevelopSettings(exposure=settings.exposure))

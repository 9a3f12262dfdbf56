"""A dark photo made bright: exposure judged, the noise that lifting would show taken out, light lifted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photofix.errors import UsageError
from photofix.job import Restored, Settings
from photofix.model import Model
from photofix.models import Models
from photofix.mosaic import to_planes
from photofix.networks.level import CELL
from photofix.networks.tone import SIDE
from photofix.photo import Negative, Photo, RawPhoto
from photofix.restore_picture import cropped, exposed, facts_of, noted, part_of
from photofix.restore_raw import developed, quietly_developed, restore_raw
from photofix.tasks import denoise, low_light
from photofix.tiles import Progress

#: Samples brighter than all but this share of a mosaic may be lost when it is developed: stuck ones, sparks.
_SPARKS = 1e-4

#: Stops that the step from a camera's colors to sRGB may add to the brightest.
_MATRIX = 1.0

_NOTHING = "the picture is black: there is nothing in it to brighten; left as it is"
_ENOUGH = "bright enough already: left as it is; --exposure N brightens it all the same"


def restore_low_light(photo: Photo | RawPhoto, models: Models, progress: Progress | None) -> Restored:
    """A finished picture lifted and denoised; RAW denoised as a mosaic first, and lifted once it is developed."""
    settings = models.settings
    if settings.lift.method != "network":
        shown = developed(photo, settings) if isinstance(photo, RawPhoto) else photo
        floor = cropped(low_light.classical(shown, settings.lift.method), settings.roi)
        return Restored(floor, {"method": settings.lift.method})
    network = models.get("low-light")
    if network.entry.gives != "stops":
        return _published(photo, network, models, progress)
    if settings.dng:
        return _negative(photo, network, models, progress)
    if isinstance(photo, Photo):
        return _lifted(exposed(photo, settings), 0.0, network, models, progress)
    # Developed as bright as nothing is lost by it.
    before = _headroom(photo)
    whole = models.asked(replace(settings, exposure=before, roi=None, strength=1.0))
    shown, progress = quietly_developed(photo, whole, progress)
    return _lifted(shown, before, network, models, progress)


def _lifted(photo: Photo, before: float, network: Model, models: Models, progress: Progress | None) -> Restored:
    """before: stops by which the picture has been brightened already."""
    settings, shrunk = models.settings, low_light.small(photo, SIDE)
    part = part_of(photo.pixels.shape[:2], settings.roi)
    untouched = low_light.lift(photo, low_light.evenly(-before), part) if before else cropped(photo, settings.roi)
    exposure, note = _exposure(shrunk, before, network, settings)
    facts = facts_of(network, photo.pixels.shape, None) | {"exposure": round(exposure + before, 2)}
    if note or not settings.strength:
        return Restored(noted(untouched, [note] if note else []), facts)
    notes: list[str] = []
    denoiser = replace(models.helper("denoise"), note=notes.append)
    quiet, sigma = _quiet(low_light.evened(photo, exposure, part), denoiser, models.helper("noise-level"), progress)
    how = _plan(shrunk, exposure, before, quiet.lost, network, settings)
    lifted = low_light.lift(photo, how, part, quiet)
    if photo.format == "raw":  # developed without a camera's curve
        lifted = low_light.curved(lifted)
    finished = low_light.blended(untouched, lifted, settings.strength)
    return Restored(noted(finished, notes), facts | {"sigma": round(sigma * 255, 2)})


def _quiet(
    noisy: low_light.Quiet, denoiser: Model, judge: Model, progress: Progress | None
) -> tuple[low_light.Quiet, float]:
    """Without its noise; and how strong that typically was."""
    level = denoise.smooth(judge.levels(noisy.seen, CELL, progress), CELL)
    level = replace(level, levels=low_light.agreed(noisy, level.levels))
    clean = denoise.denoise(Photo(noisy.seen), denoiser, level.sigma(), progress=progress).pixels
    return replace(noisy, clean=clean), level.typical


def _plan(
    shrunk: np.ndarray, exposure: float, before: float, lost: float, network: Model, settings: Settings
) -> low_light.Plan:
    stops = network.stops(shrunk, exposure)
    auto = settings.lift.exposure == "auto"
    if not auto:
        stops = low_light.restrained(shrunk, stops, exposure)
    # What is bright is left alone: nothing becomes darker, unless that is asked for.
    how = replace(low_light.plan(shrunk, stops, exposure), least=min(exposure, -before))
    return replace(how, to_white=True, lost=lost) if auto else how


def _exposure(shrunk: np.ndarray, before: float, network: Model, settings: Settings) -> tuple[float, str]:
    """Stops that are wanted of the picture as it is now, and, where it is better left as it was, why."""
    if float(shrunk.max()) < low_light.BLACK * 2**before:
        return -before, _NOTHING
    given = settings.lift.exposure
    if given != "auto":
        return given - before, ""
    # Asked of the picture as dark as it was: that tells, too.
    lacks, odds = network.wanted_exposure(shrunk * np.float32(2**-before))
    return (lacks - before, "") if lacks + low_light.TRUST * odds > low_light.LEAST else (-before, _ENOUGH)


def _headroom(photo: RawPhoto) -> float:
    """Stops between the brightest samples of a mosaic, white-balanced, and white; 0 at least."""
    planes = to_planes(photo)
    red, green, blue = (gain / min(photo.balance) for gain in photo.balance)
    gains = (red, green, green, blue)
    brightest = max(float(np.quantile(plane, 1 - _SPARKS)) * gain for plane, gain in zip(planes, gains, strict=True))
    return float(np.clip(-np.log2(max(brightest, 2.0**-14)) - _MATRIX, 0, 12))


def _negative(photo: Photo | RawPhoto, network: Model, models: Models, progress: Progress | None) -> Restored:
    """A DNG: the mosaic denoised, its light as it was, and the exposure for whoever develops it."""
    if not isinstance(photo, RawPhoto):
        raise UsageError("low light goes into a DNG from a RAW file with a Bayer mosaic: save this as TIFF or PNG")
    room = _headroom(photo)
    shrunk = low_light.small(developed(photo, replace(models.settings, exposure=room)), SIDE)
    exposure, note = _exposure(shrunk, room, network, models.settings)
    restored = restore_raw(photo, models, progress)
    assert isinstance(restored.photo, Negative)
    brighter = replace(noted(restored.photo, [note] if note else []), exposure=exposure + room)
    return replace(restored, photo=brighter, facts=restored.facts | {"exposure": round(exposure + room, 2)})


def _published(photo: Photo | RawPhoto, network: Model, models: Models, progress: Progress | None) -> Restored:
    """What another network makes of the picture, its noise included."""
    settings = models.settings
    if settings.lift.exposure != "auto":
        raise UsageError(f"model '{network.entry.name}' cannot be told an exposure: leave --exposure or --model out")
    if isinstance(photo, RawPhoto):
        whole = models.asked(replace(settings, strength=1.0))
        shown, progress = quietly_developed(photo, whole, progress)
    else:
        shown = cropped(exposed(photo, settings), settings.roi)
    notes: list[str] = []
    answer = replace(network, note=notes.append)(shown.pixels, 0.0, settings.strength, progress)
    return Restored(noted(replace(shown, pixels=answer), notes), facts_of(network, shown.pixels.shape, None))

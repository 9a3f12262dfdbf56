"""A dark photo made bright: exposure judged, the noise that lifting would show taken out, light lifted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photofix.errors import UsageError
from photofix.job import Restored, Settings
from photofix.model import Model
from photofix.models import Models
from photofix.networks.level import CELL
from photofix.networks.tone import SIDE
from photofix.photo import Negative, Photo, RawPhoto
from photofix.restore_picture import cropped, exposed, facts_of, noted, part_of
from photofix.restore_raw import developed, quietly_developed, restore_raw
from photofix.tasks import denoise, low_light
from photofix.tiles import Progress

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
        return _lifted(exposed(photo, settings), network, models, progress)
    # As it was exposed: 16 bits hold what is dark, and no lamp or star is lost.
    shown, progress = quietly_developed(photo, models.asked(replace(settings, roi=None, strength=1.0)), progress)
    return _lifted(shown, network, models, progress)


def _lifted(photo: Photo, network: Model, models: Models, progress: Progress | None) -> Restored:
    settings, shrunk = models.settings, low_light.small(photo, SIDE)
    part = part_of(photo.pixels.shape[:2], settings.roi)
    untouched = cropped(photo, settings.roi)
    exposure, note = _exposure(shrunk, network, settings)
    facts = facts_of(network, photo.pixels.shape, None) | {"exposure": round(exposure, 2)}
    if note or not settings.strength:
        return Restored(noted(untouched, [note] if note else []), facts)
    notes: list[str] = []
    denoiser = replace(models.helper("denoise"), note=notes.append)
    quiet, sigma = _quiet(low_light.evened(photo, exposure, part), denoiser, models.helper("noise-level"), progress)
    how = _plan(shrunk, exposure, quiet.lost, network, settings)
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


def _plan(shrunk: np.ndarray, exposure: float, lost: float, network: Model, settings: Settings) -> low_light.Plan:
    stops = network.stops(shrunk, exposure)
    auto = settings.lift.exposure == "auto"
    if not auto:
        stops = low_light.restrained(shrunk, stops, exposure)
    # What is bright is left alone: nothing becomes darker, unless that is asked for.
    how = replace(low_light.plan(shrunk, stops, exposure), least=min(exposure, 0))
    return replace(how, to_white=True, lost=lost) if auto else how


def _exposure(shrunk: np.ndarray, network: Model, settings: Settings) -> tuple[float, str]:
    """Stops that are wanted of the picture, and, where it is better left as it is, why."""
    if float(shrunk.max()) < low_light.BLACK:
        return 0.0, _NOTHING
    given = settings.lift.exposure
    if given != "auto":
        return given, ""
    lacks, odds = network.wanted_exposure(shrunk)
    return (lacks, "") if lacks + low_light.TRUST * odds > low_light.LEAST else (0.0, _ENOUGH)


def _negative(photo: Photo | RawPhoto, network: Model, models: Models, progress: Progress | None) -> Restored:
    """A DNG: the mosaic denoised, its light as it was, and the exposure for whoever develops it."""
    if not isinstance(photo, RawPhoto):
        raise UsageError("low light goes into a DNG from a RAW file with a Bayer mosaic: save this as TIFF or PNG")
    exposure, note = _exposure(low_light.small(developed(photo, models.settings), SIDE), network, models.settings)
    restored = restore_raw(photo, models, progress)
    assert isinstance(restored.photo, Negative)
    brighter = replace(noted(restored.photo, [note] if note else []), exposure=exposure)
    return replace(restored, photo=brighter, facts=restored.facts | {"exposure": round(exposure, 2)})


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

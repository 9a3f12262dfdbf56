"""A blurred picture: its blur undone where it is known, else found and undone by a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photofix import found_blur, kernel_search
from photofix.job import KnownBlur, Restored
from photofix.kernel_search import Eyes
from photofix.model import Model
from photofix.models import Models
from photofix.photo import Photo, RawPhoto
from photofix.restore_picture import cropped, exposed, facts_of, noise_level, noted
from photofix.restore_raw import quietly_developed
from photofix.tasks import deblur
from photofix.tiles import Progress


def restore_blurred(photo: Photo | RawPhoto, models: Models, progress: Progress | None) -> Restored:
    """A finished picture; RAW is denoised as a mosaic and developed first."""
    settings = models.settings
    if isinstance(photo, RawPhoto):
        shown, progress = quietly_developed(photo, models, progress)
    else:
        shown = cropped(exposed(photo, settings), settings.roi)
    if settings.blur is None:
        return _blind(shown, models, progress)
    if settings.blur.psf == "auto":
        return _searched(shown, settings.blur, models, progress)
    return _known(shown, settings.blur, np.array(settings.blur.psf, np.float32), models, progress)


def _blind(shown: Photo, models: Models, progress: Progress | None) -> Restored:
    """By a network that finds the blur, told of the noise and of what the user says, where it wants to know."""
    settings, notes = models.settings, list[str]()
    network = replace(models.get("deblur"), note=notes.append, told=settings.mode)
    told = network.entry.takes.conditions
    seen = deblur.displayed(shown)
    sigma, typical = noise_level(seen, models, progress) if "sigma" in told else (0.0, 0.0)
    facts = facts_of(network, shown.pixels.shape, round(typical * 255, 2) if "sigma" in told else None)
    if not settings.show_psf:
        return Restored(noted(deblur.blind(shown, network, sigma, settings.strength, progress), notes), facts)
    sharp = deblur.blind(deblur.in_floats(shown), network, sigma, progress=progress)
    blur = found_blur.found(shown, sharp)
    facts["blur"] = "one kernel" if blur.uniform else "{1} x {0} kernels".format(*blur.cells.shape[:2])
    return Restored(noted(deblur.blended(shown, sharp, settings.strength), notes), facts, found_blur.drawn(blur))


def _searched(shown: Photo, blur: KnownBlur, models: Models, progress: Progress | None) -> Restored:
    """By deconvolution with a kernel found first; where none is believed, by the network that finds blur itself."""
    _, sigma = noise_level(shown, models)
    search = kernel_search.found(shown, Eyes(models.helper("denoise"), models.helper("deblur"), sigma))
    if not search.doubt:
        return _known(shown, blur, search.kernel, models, progress)
    settings = replace(models.settings, blur=None, model=None, weights=None)
    answer = _blind(shown, models.asked(settings), progress)
    return replace(answer, photo=noted(answer.photo, [search.doubt]))


def _known(shown: Photo, known: KnownBlur, kernel: np.ndarray, models: Models, progress: Progress | None) -> Restored:
    """By deconvolution, with the network that the method needs, if it needs one."""
    notes: list[str] = []
    facts: dict[str, object] = {"method": known.method, "psf": "{1} x {0}".format(*kernel.shape)}
    typical = 0.0
    if known.method != "richardson-lucy":  # which has no place for it
        _, typical = noise_level(shown, models, progress)
        if models.settings.sigma == "auto" and typical < deblur.LEAST:
            typical = deblur.faint_noise(shown)
        facts["sigma"] = round(typical * 255, 2)
    if task := models.called_for(False):
        network = replace(models.get(*task), note=notes.append)
        solve, facts = solver(network), facts_of(network, shown.pixels.shape, None) | facts
    else:
        solve = deblur.wiener if known.method == "wiener" else deblur.richardson_lucy
    blur = deblur.Known(kernel, max(typical, deblur.LEAST if known.psf != "auto" else kernel_search.LEAST))
    restored = deblur.deblur(shown, blur, solve, models.settings.strength, progress)
    drawing = found_blur.kernel_drawn(kernel) if models.settings.show_psf else None
    return Restored(noted(restored, notes), facts, drawing)


def solver(network: Model) -> deblur.Solve:
    """What undoes a known blur with a network: one that was trained for it, or plug-and-play with a denoiser."""
    if "psf" in network.entry.takes.conditions:
        return lambda frame, sigma, progress: network.deconvolved(frame.planes, frame.known, frame.psf, sigma, progress)
    return deblur.plug_and_play(network)

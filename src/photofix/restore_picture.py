"""A finished picture, denoised: its noise measured, the network run, the region cut out."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from photofix.errors import UsageError
from photofix.job import Restored, Roi, Settings
from photofix.model import Model
from photofix.models import Models
from photofix.networks.level import CELL
from photofix.noise import SigmaAt
from photofix.photo import Negative, Photo
from photofix.tasks import denoise
from photofix.tiles import Progress, count

Shown = TypeVar("Shown", Photo, Negative, Photo | Negative)


def restore_picture(
    photo: Photo, models: Models, progress: Progress | None, level: tuple[float | SigmaAt, float] | None = None
) -> Restored:
    """level: the noise, and its typical value, where they are known."""
    notes: list[str] = []
    network = replace(models.get("denoise"), note=notes.append)
    if network.entry.takes.encoding != "srgb":
        raise UsageError(
            f"model '{network.entry.name}' takes RAW mosaics only: leave --model out for finished pictures"
        )
    sigma, typical = level or noise_level(photo, models, progress)
    settings = models.settings
    restored = denoise.denoise(photo, network, sigma, settings.strength, progress, settings.keep_grain)
    return Restored(noted(restored, notes), facts_of(network, photo.pixels.shape, round(typical * 255, 2)))


def noise_level(photo: Photo, models: Models, progress: Progress | None = None) -> tuple[float | SigmaAt, float]:
    """What to tell the network of a picture's noise, and its typical value; both with white at 1."""
    given = models.settings.sigma
    if given != "auto":
        return given / 255, given / 255
    # A cell is a thousandth of its pixels: beside them it does not count as progress, but it is heard from.
    levels = models.helper("noise-level").levels(denoise.displayed(photo), CELL, progress)
    estimate = denoise.smooth(levels, CELL)
    return estimate.sigma(), estimate.typical


def noted(photo: Shown, notes: list[str]) -> Shown:
    """The photo with the notes, each once."""
    return replace(photo, notes=(*photo.notes, *dict.fromkeys(notes)))


def facts_of(network: Model, shape: tuple[int, ...], sigma: float | None) -> dict[str, object]:
    facts = facts_of_whole(network) | {"tiles": count(shape[0], shape[1], network.tiling(shape[0], shape[1]))}
    return facts if sigma is None else facts | {"sigma": sigma}


def facts_of_whole(network: Model) -> dict[str, object]:
    """As facts_of(), where the network saw the whole picture made small."""
    facts: dict[str, object] = {"device": str(network.place), "model": network.entry.name}
    return facts if network.entry.commercial else facts | {"licence": network.entry.licence}


def exposed(photo: Photo, settings: Settings) -> Photo:
    """RAW files that come developed, in linear light, are brightened here; finished pictures are left as they are."""
    if photo.format != "raw" or not settings.exposure:
        return photo
    bright = photo.pixels.astype(np.float32) * np.float32(2**settings.exposure)
    return replace(photo, pixels=np.rint(bright.clip(0, 65535)).astype(np.uint16))


def cropped(photo: Photo, roi: Roi | None) -> Photo:
    """The part of a photo inside the region; UsageError where it lies outside."""
    if roi is None:
        return photo
    part = part_of(photo.pixels.shape[:2], roi)
    return replace(photo, pixels=photo.pixels[part], alpha=None if photo.alpha is None else photo.alpha[part])


def part_of(size: tuple[int, ...], roi: Roi | None) -> tuple[slice, slice]:
    """The rows and columns of a region, or all; UsageError where it lies outside a picture of that (H, W)."""
    if roi is None:
        return slice(0, size[0]), slice(0, size[1])
    check_region(roi, *size)
    return slice(roi.y, roi.y + roi.height), slice(roi.x, roi.x + roi.width)


def check_region(roi: Roi, height: int, width: int) -> None:
    if (
        roi.x < 0
        or roi.y < 0
        or roi.width < 1
        or roi.height < 1
        or roi.x + roi.width > width
        or roi.y + roi.height > height
    ):
        raise UsageError(
            f"--roi {roi.x},{roi.y},{roi.width},{roi.height} lies outside the picture of {width} x {height}"
        )

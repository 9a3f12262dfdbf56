"""One photo: read -> task -> write. Start reading here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from photofix import brackets
from photofix.brackets import Bracket
from photofix.errors import UsageError
from photofix.frames import Burst
from photofix.job import Auto, Given, Restored, Settings, Task
from photofix.models import Models
from photofix.olat import Stage
from photofix.photo import Negative, Photo, RawPhoto
from photofix.restore_blurred import restore_blurred
from photofix.restore_burst import Step, restore_burst
from photofix.restore_color import restore_color
from photofix.restore_hdr import restore_bracket, restore_one
from photofix.restore_low_light import restore_low_light
from photofix.restore_picture import cropped, exposed, restore_picture
from photofix.restore_raw import developed, restore_linear, restore_raw
from photofix.restore_relit import restore_relit
from photofix.restore_stage import restore_stage
from photofix.tasks import denoise
from photofix.tiles import Progress


def restore(photo: Given, models: Models, progress: Progress | None = None) -> Restored:
    """Restore one photo, or the one that a burst, a bracket or a light stage becomes, as the run's settings say.

    RAW comes back developed, or as a Negative where a DNG is wanted.
    """
    started = time.perf_counter()
    if isinstance(photo, Burst):
        restored = restore_burst(photo, models, _denoise, progress)
    elif isinstance(photo, Bracket):
        restored = restore_bracket(photo, models, progress)
    elif isinstance(photo, Stage):
        restored = restore_stage(photo, models, progress)
    else:
        restored = _TASKS[models.settings.task](photo, models, progress)
    result = restored.photo
    height, width = (result.pixels if isinstance(result, Photo) else result.samples).shape[:2]
    facts: dict[str, object] = {"width": width, "height": height}
    return replace(restored, facts=facts | restored.facts | {"seconds": round(time.perf_counter() - started, 3)})


def _denoise(photo: Photo | RawPhoto, models: Models, progress: Progress | None) -> Restored:
    settings = models.settings
    if isinstance(photo, RawPhoto) and models.get("denoise", True).entry.takes.encoding == "stabilised":
        return restore_raw(photo, models, progress)
    if settings.dng:
        return restore_linear(photo, models, progress)
    # A network for finished pictures was asked for: develop first.
    shown = developed(photo, settings) if isinstance(photo, RawPhoto) else exposed(photo, settings)
    return restore_picture(cropped(shown, settings.roi), models, progress)


_TASKS: dict[Task, Step] = {
    "denoise": _denoise,
    "deblur": restore_blurred,
    "hdr": restore_one,
    "low-light": restore_low_light,
    "colorize": restore_color,
    "relight": restore_relit,
}


def restore_any(
    image: Photo | RawPhoto | np.ndarray, settings: Settings, sigma: float | np.ndarray | Auto
) -> Photo | Negative | np.ndarray:
    """`restore` for the Python interface: photos and bare arrays, a number or a map of sigma in 8-bit units."""
    if not isinstance(image, np.ndarray):
        return _restore_with(_photo(image), settings, sigma)
    finished = _restore_with(Photo(_pixels_of(image, (1, 3, 4))), settings, sigma)
    assert isinstance(finished, Photo)
    restored = finished.pixels
    if image.shape[2:] == (4,):
        return np.concatenate([restored, image[:, :, 3:]], axis=2)
    return restored if settings.task == "colorize" else restored.reshape(image.shape)


def light_of(
    image: Photo | RawPhoto | np.ndarray | Sequence[Photo | RawPhoto],
    settings: Settings,
    evs: Sequence[float] | None,
    reference: int | None,
) -> Photo | np.ndarray:
    """The light of one image or a bracket, for the Python interface; an array for an array."""
    models = _kept_models(settings)
    if isinstance(image, np.ndarray):
        lifted = restore(Photo(_pixels_of(image, (1, 3))), models).photo
    elif isinstance(image, Photo | RawPhoto):
        lifted = restore(image, models).photo
    else:
        lifted = restore(brackets.of_photos([_photo(one) for one in image], evs, reference), models).photo
    assert isinstance(lifted, Photo)
    return lifted.pixels.reshape(image.shape) if isinstance(image, np.ndarray) else lifted


def _pixels_of(image: np.ndarray, channels: tuple[int, ...]) -> np.ndarray:
    """The pixels (H, W, 1 or 3) of a bare array, its alpha left out; UsageError where it is no image."""
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), *((count,) for count in channels)) or image.size == 0:
        shapes = ["(H, W)", *(f"(H, W, {count})" for count in channels if count > 1)]
        raise UsageError(f"an image has the shape {', '.join(shapes[:-1])} or {shapes[-1]}, not {image.shape}")
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise UsageError(f"an image is uint8, uint16 or float32, not {image.dtype}: convert it first")
    return np.ascontiguousarray(np.atleast_3d(image)[:, :, :3])


def _photo(image: object) -> Photo | RawPhoto:
    """What photofix.open gave, as it is; UsageError for anything else."""
    if not isinstance(image, Photo | RawPhoto):
        raise UsageError(f"an image is what photofix.open gives, or a NumPy array, and not {type(image).__name__}")
    return image


@lru_cache(maxsize=1)
def _kept_models(settings: Settings) -> Models:
    """A caller in a loop gives the same settings each time: the networks are then loaded once."""
    return Models(settings)


def _restore_with(photo: Photo | RawPhoto, settings: Settings, sigma: float | np.ndarray | Auto) -> Photo | Negative:
    if isinstance(sigma, np.ndarray) and settings.task != "denoise":
        raise UsageError("a map of sigma is for denoising: give a number or 'auto'")
    if not isinstance(sigma, np.ndarray):
        return restore(photo, _kept_models(replace(settings, sigma=sigma))).photo
    if not isinstance(photo, Photo) or sigma.shape != photo.pixels.shape[:2]:
        raise UsageError(f"a map of sigma, here {sigma.shape}, has a finished picture's height and width")
    if not (sigma.min() >= 0 and sigma.max() <= 100):  # not a number is neither
        raise UsageError(f"a map of sigma, here {sigma.min():g} to {sigma.max():g}, is in 8-bit units, 0 to 100")
    levels = (sigma / 255).astype(np.float32)
    network = _kept_models(settings).get("denoise")
    return denoise.denoise(
        photo, network, lambda rows, columns: levels[rows, columns], settings.strength, keep_grain=settings.keep_grain
    )

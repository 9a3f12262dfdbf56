"""A burst: its frames healed and merged into one photo, and that photo restored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from photofix import burst, sensor
from photofix.burst import FrameNoise
from photofix.errors import UsageError
from photofix.frames import Burst
from photofix.job import Restored, Roi, Settings
from photofix.models import Models
from photofix.mosaic import places
from photofix.noise import SigmaAt
from photofix.photo import Photo, RawPhoto
from photofix.restore_picture import cropped, exposed, noise_level, noted, restore_picture
from photofix.restore_raw import noise_profile, unrestored
from photofix.tiles import Progress

#: What restores one photo.
Step = Callable[[Photo | RawPhoto, Models, Progress | None], Restored]


def restore_burst(frames: Burst, models: Models, restore_raw: Step, progress: Progress | None) -> Restored:
    """The frames merged, and what is left of their noise taken out, unless the merging is to stand alone.

    restore_raw: how a mosaic is restored, as the merged one then is.
    """
    settings = models.settings
    if settings.dng and isinstance(frames.reference, Photo):
        raise UsageError("a burst becomes a DNG only if its frames have a Bayer mosaic: save it as TIFF or PNG")
    frame_noise = _frame_noise(frames.reference, models)
    merged = burst.merge(_healed(frames, settings), frame_noise, settings.method, progress)
    if settings.method != "network":
        restored = Restored(unrestored(merged.photo, settings), {"model": f"none ({settings.method})"})
    elif isinstance(merged.photo, RawPhoto):
        restored = restore_raw(merged.photo, models, progress)
    else:
        level = burst.thinned(frame_noise.sigma, merged.count)
        region = exposed(cropped(merged.photo, settings.roi), settings)
        restored = restore_picture(region, models, progress, (_shifted(level, settings.roi), frame_noise.typical))
    facts = {"frames": merged.frames, "reference": frames.reference_name, "averaged": round(merged.typical, 1)}
    photo = noted(restored.photo, [*frames.notes, *merged.notes])
    return replace(restored, photo=photo, facts=restored.facts | facts)


def _frame_noise(reference: Photo | RawPhoto, models: Models) -> FrameNoise:
    if isinstance(reference, RawPhoto):
        profiles = noise_profile(reference, models.settings.iso, models.settings.noise)
        return FrameNoise(tuple(profiles[place] for place in places(reference.pattern)))
    return FrameNoise((), *noise_level(reference, models))


def _healed(frames: Burst, settings: Settings) -> Burst:
    """The burst without its sensor's flaws, which would be found in the merged photo no more."""
    if not settings.heal or not isinstance(frames.reference, RawPhoto):
        return frames
    profiles = noise_profile(frames.reference, settings.iso, settings.noise)

    def heal(photo: Photo | RawPhoto) -> Photo | RawPhoto:
        if not isinstance(photo, RawPhoto):
            return photo
        healed = sensor.heal(photo, profiles)[0].mosaic
        return replace(photo, mosaic=np.rint(healed).clip(0, 65535).astype(np.uint16, copy=False))

    return replace(frames, reference=heal(frames.reference), photos=tuple(map(heal, frames.photos)))


def _shifted(level: SigmaAt, roi: Roi | None) -> SigmaAt:
    """A picture's noise level, for the region alone."""
    if roi is None:
        return level
    return lambda rows, columns: level(
        slice(rows.start + roi.y, rows.stop + roi.y), slice(columns.start + roi.x, columns.stop + roi.x)
    )

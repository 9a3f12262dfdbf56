"""Light from photos: a bracket's frames brought to light and merged, and what is left of the noise taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from photofix import brackets, development, noise, radiance, response, sensor
from photofix.brackets import Bracket
from photofix.errors import BurstError
from photofix.job import Restored, Settings
from photofix.models import Models
from photofix.noise import SigmaAt
from photofix.photo import Photo, RawPhoto
from photofix.radiance import Exposed
from photofix.restore_picture import cropped, noted
from photofix.restore_raw import noise_profile
from photofix.tasks import denoise, lift
from photofix.tiles import Progress

#: Pixels in which the noise of a finished picture is measured, and rows that are taken of it at a time.
_MEASURED, _STRIP = 4_000_000, 64

#: How much of a mosaic's noise development leaves, as variance: interpolation averages, color matrices add.
_DEVELOPED = 1.2

#: A pixel is well exposed where its light is this many times its noise, and not clipped.
_WELL = 10.0

#: Of white, a pixel's darkest color: from where one beside clipped photosites may be white, and from where it is.
_NEARLY_WHITE = (0.85, 0.95)

#: The share of a frame that one frame at least must show.
_LEAST_UNCLIPPED = 0.02

#: What a frame's share of well exposed pixels counts less for each EV that it lies away from the middle.
_OFF_MIDDLE = 0.06

#: EV by which exposures that are given or read may differ from what the frames show before that is said.
_DOUBTFUL = 1.0

#: How often response and exposures are estimated in turn, where neither is known.
_ROUNDS = 4

#: Formats whose compression adds noise of its own.
_LOSSY = ("jpeg", "webp", "avif")


def restore_bracket(bracket: Bracket, models: Models, progress: Progress | None) -> Restored:
    """A photo in linear light, the reference's white at 1, and what was done.

    Raises:
        BurstError: the frames are exposed alike, clipped nearly everywhere, or show different things.
    """
    settings = models.settings
    photos, clipped = _developed(bracket.photos, settings)
    curve, evs, notes = _exposures(bracket, photos)
    profiles = [
        _profile(source, photo.pixels, curve, settings) for source, photo in zip(bracket.photos, photos, strict=True)
    ]
    frames = [
        Exposed(name, photo.pixels, ev, curve, profile, photo.format in _LOSSY, mask)
        for name, photo, ev, profile, mask in zip(bracket.names, photos, evs, profiles, clipped, strict=True)
    ]
    place = bracket.reference if bracket.reference is not None else _best(frames)
    frames = [replace(frame, ev=frame.ev - frames[place].ev) for frame in frames]
    if all(_unclipped(frame) < _LEAST_UNCLIPPED for frame in frames):
        raise BurstError(f"{frames[place].name} and the other frames are white nearly everywhere: expose one shorter")
    merged = radiance.merge(frames[place], frames[:place] + frames[place + 1 :], progress)
    facts: dict[str, object] = {"device": str(models.place), "model": "none", "frames": merged.frames}
    facts |= {"reference": bracket.names[place], "ev": [round(frame.ev, 2) for frame in frames]}
    facts |= {"clipped": round(float(merged.clipped.mean()), 4)}
    shown = photos[place]
    notes = [*bracket.notes, *shown.notes, *notes, *merged.notes]
    photo = replace(shown, pixels=merged.light, encoding="linear", alpha=None, data=None, notes=())
    del frames, photos, clipped, shown  # what comes now needs the memory
    if settings.light.restored and settings.strength:
        photo, model = _quiet(photo, merged.sigma, models, progress)
        facts["model"] = model
    return Restored(noted(cropped(photo, settings.roi), notes), facts)


def restore_one(photo: Photo | RawPhoto, models: Models, progress: Progress | None) -> Restored:
    """One photo's light, white at 1, brighter where it is clipped; RAW is denoised as a mosaic and developed first."""
    settings = models.settings
    shown = _quiet_raw(photo, models, progress) if isinstance(photo, RawPhoto) else photo
    shown = cropped(shown, settings.roi)
    facts: dict[str, object] = {"device": str(models.place), "model": "none"}
    clipped = lift.clipped_share(shown.pixels, shown.format).max(2) > 0
    if not settings.light.lifted or shown.pixels.dtype == np.float32 or not clipped.any():
        return Restored(lift.lift(shown, None, smooth=settings.light.smooth), facts | {"clipped": 0.0})
    network = models.get("hdr")
    facts |= {"model": network.entry.name, "clipped": round(float(clipped.mean()), 4)}
    if network.entry.gives == "light":
        return Restored(lift.scaled(shown, network.answer(_three(lift.encoded(shown)), progress)), facts)

    def missing(picture: np.ndarray, share: np.ndarray) -> np.ndarray:
        return network.answer(picture, None, share)

    return Restored(lift.lift(shown, lift.steadied(missing), settings.strength, settings.light.smooth), facts)


def _quiet_raw(photo: RawPhoto, models: Models, progress: Progress | None) -> Photo:
    profiles = noise_profile(photo, models.settings.iso, models.settings.noise)
    healed = sensor.heal(photo, profiles)[0] if models.settings.heal else photo
    mosaic = denoise.denoise_raw(healed, models.helper("denoise", True), profiles, 1.0, progress)
    shown, clipped = development.develop_light(photo, mosaic, development.clipping_level([photo]))
    return replace(shown, pixels=_whitened(shown.pixels, clipped))


def _whitened(pixels: np.ndarray, clipped: np.ndarray) -> np.ndarray:
    """Developed light (H, W, 3) uint16, white again beside clipped photosites (H, W): denoised, they are no longer
    quite white, each color in its own way, and would be taken for a colored light."""
    low, high = _NEARLY_WHITE
    darkest = pixels.min(2).astype(np.float32) / 65535
    share = (clipped * ((darkest - low) / (high - low)).clip(0, 1))[..., None]
    whitened: np.ndarray = np.rint(pixels + share * (65535 - pixels.astype(np.float32))).astype(np.uint16)
    return whitened


def _three(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture, 3, 2) if picture.shape[2] == 1 else picture


def _developed(photos: Sequence[Photo | RawPhoto], settings: Settings) -> tuple[list[Photo], list[np.ndarray | None]]:
    """The frames as pictures, and, of mosaics, which pixels their photosites clipped."""
    mosaics = [photo for photo in photos if isinstance(photo, RawPhoto)]
    if not mosaics:
        return [photo for photo in photos if isinstance(photo, Photo)], [None] * len(photos)
    top = development.clipping_level(mosaics)
    pairs = []
    for photo in mosaics:
        profiles = noise_profile(photo, settings.iso, settings.noise)
        healed = sensor.heal(photo, profiles)[0] if settings.heal else photo
        pairs.append(development.develop_light(photo, healed.mosaic, top))
    return [developed for developed, _ in pairs], [clipped for _, clipped in pairs]


def _exposures(bracket: Bracket, photos: Sequence[Photo]) -> tuple[np.ndarray | None, Sequence[float], list[str]]:
    """The frames' response, how much more light each got than the first, in EV, and what there is to say about that."""
    pixels = [photo.pixels for photo in photos]
    light = photos[0].encoding == "linear"
    seen = response.exposures(pixels, None if light else response.srgb())
    if bracket.evs is not None:
        given = [ev - bracket.evs[0] for ev in bracket.evs]
        apart = max(abs(ev - shown) for ev, shown in zip(given, seen, strict=True))
        doubt = f"exposures of {_words(given)} EV do not fit the frames, which look {_words(seen)} EV apart"
        notes = [f"{doubt}: --ev sets them"] if apart > _DOUBTFUL else []
        return None if light else response.estimate(pixels, given), given, notes
    if np.ptp(seen) < brackets.ALIKE:
        raise brackets.equal_exposures(bracket.names)
    curve = None
    for _ in range(0 if light else _ROUNDS):
        # The curve's shape is what makes the frames agree; how steep it is as a whole remains sRGB's.
        curve = response.estimate(pixels, seen)
        seen = response.exposures(pixels, curve)
    return curve, seen, [f"EXIF says nothing of exposures: estimated as {_words(seen)} EV; --ev sets them (-2,0,2)"]


def _words(evs: Sequence[float]) -> str:
    return ", ".join(f"{ev:+.1f}" for ev in evs)


def _profile(
    source: Photo | RawPhoto, pixels: np.ndarray, curve: np.ndarray | None, settings: Settings
) -> tuple[float, float]:
    """(shot, read) of a frame's light."""
    if isinstance(source, RawPhoto):
        gains = np.array(source.balance) / min(source.balance)
        shot, read = np.mean(noise_profile(source, settings.iso, settings.noise), axis=0)
        return float(_DEVELOPED * shot * gains.mean()), float(_DEVELOPED * read * (gains**2).mean())
    rows = max(_STRIP, _MEASURED // pixels.shape[1] // _STRIP * _STRIP)
    step = max(1, pixels.shape[0] // rows)
    strips = [pixels[top : top + _STRIP] for top in range(0, pixels.shape[0], step * _STRIP)]
    light = response.light_of(np.concatenate(strips), curve)
    return noise.estimate_profile(light.transpose(2, 0, 1))


def _best(frames: Sequence[Exposed]) -> int:
    """The place of the frame of which most is well exposed; rather one in the middle, the nearest to all."""
    middle = np.median([frame.ev for frame in frames])
    scores = [_well_exposed(frame) - _OFF_MIDDLE * abs(frame.ev - middle) for frame in frames]
    return int(np.argmax(scores))


def _unclipped(frame: Exposed) -> float:
    step = max(1, frame.pixels.shape[0] // 256)
    return float(frame.sure(slice(None, None, step)).mean())


def _well_exposed(frame: Exposed) -> float:
    step = max(1, frame.pixels.shape[0] // 256)
    rows = slice(None, None, step)
    light = frame.light(rows)
    sound = light.mean(2) > _WELL * np.sqrt(frame.variance(light))
    return float(np.mean(sound & (frame.sure(rows) > 0.5)))


def _quiet(photo: Photo, sigma: np.ndarray, models: Models, progress: Progress | None) -> tuple[Photo, str]:
    """The photo without the noise that merging left, where that can be seen at all; and which model took it."""
    level = _shown_noise(photo, sigma)
    step = max(1, photo.pixels.shape[0] // 64)
    rows, columns = photo.pixels.shape[:2]
    seen = [level(slice(top, top + 1), slice(0, columns)) for top in range(0, rows, step)]
    if np.quantile(np.concatenate(seen), 0.9) < denoise.UNSEEN:
        return photo, "none"
    network = models.helper("denoise")
    return denoise.denoise(photo, network, level, models.settings.strength, progress), network.entry.name


def _shown_noise(photo: Photo, sigma: np.ndarray) -> SigmaAt:
    """Noise of light as the network sees it: half of what one deviation more and one less make of a pixel."""
    peak = denoise.peak(photo.pixels)

    def at(rows: slice, columns: slice) -> np.ndarray:
        light, spread = photo.pixels[rows, columns].mean(2), sigma[rows, columns]
        above, below = (denoise.shown(part, peak) for part in (light + spread, np.maximum(light - spread, 0)))
        return np.asarray((above - below) / 2, np.float32)

    return at

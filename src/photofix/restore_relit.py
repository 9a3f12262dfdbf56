"""A photo in another light: the network shown the shrunk whole, the wish made a ratio, the region cut out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from photofix import lights
from photofix.errors import UsageError
from photofix.job import Restored
from photofix.model import Model
from photofix.models import Models
from photofix.photo import Photo, RawPhoto
from photofix.restore_picture import cropped, exposed, facts_of_whole, noted, part_of
from photofix.restore_raw import quietly_developed
from photofix.tasks import found_scene, portrait, relight
from photofix.tasks.relight import Scene, Wish
from photofix.tiles import Progress

_NOTHING = "no shape is found in it that could be relit: left as it is"


def restore_relit(photo: Photo | RawPhoto, models: Models, progress: Progress | None = None) -> Restored:
    """The photo in its new light, and what was asked for beside it; RAW is denoised as a mosaic and developed first."""
    settings, wish = models.settings, models.settings.relight.wish
    if isinstance(photo, RawPhoto):
        whole = models.asked(replace(settings, roi=None, strength=1.0))
        shown, progress = quietly_developed(photo, whole, progress)
    else:
        shown = exposed(photo, settings)
    _check(shown, wish)
    network = models.get("relight")
    if network.entry.gives == "lightness":
        return _painted(shown, network, models, progress)
    known = seen(shown, network)
    facts = facts_of_whole(network)
    if known.empty:
        return Restored(noted(cropped(shown, settings.roi), [_NOTHING]), facts)
    other = seen(wish.like, network) if wish.like else None
    how = relight.plan(known, wish, settings.strength, other)
    finished = relight.relit(shown, how, part_of(shown.pixels.shape[:2], settings.roi), progress)
    maps = found_scene.pictures(shown, known) if settings.relight.maps else {}
    return Restored(finished, facts, maps=maps, film=_film(shown, known, other, models))


def seen(photo: Photo, network: Model) -> Scene:
    """What a network sees in a photo."""

    def answer(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        maps, light = network.wholes(picture)
        return maps, light

    return relight.scene(photo, answer, network.entry.tile, network.entry.multiple)


def _check(photo: Photo, wish: Wish) -> None:
    if wish.subject is not None and wish.subject.shape != photo.pixels.shape[:2]:
        have, want = ("{1} x {0}".format(*one.shape) for one in (wish.subject, photo.pixels))
        raise UsageError(f"--mask is {have} pixels and the picture {want}: give it in the picture's size")


def _film(photo: Photo, known: Scene, other: Scene | None, models: Models) -> Iterator[Photo] | None:
    asked, settings = models.settings.relight, models.settings
    if not asked.frames:
        return None
    wish = asked.wish if other is None else replace(asked.wish, light=other.light, lamps=False)
    part = part_of(photo.pixels.shape[:2], settings.roi)
    return relight.film(photo, known, wish, asked.frames, settings.strength, part)


def _painted(photo: Photo, network: Model, models: Models, progress: Progress | None) -> Restored:
    """By a network that takes the light as harmonics, and tells nothing else."""
    settings, asked = models.settings, models.settings.relight
    if asked.wish.light is None or asked.maps or asked.frames:
        raise UsageError(
            f"model '{network.entry.name}' takes --light and --env alone, and tells no maps and no light: "
            "leave --match, --maps and --turntable out, or --model"
        )
    light = asked.wish.light
    if asked.wish.ambient:
        level = float(light.power.mean(1).sum()) / 4
        even = lights.even().times(asked.wish.ambient * level)
        light = lights.together(light.times(1 - asked.wish.ambient), even)
    change = portrait.ratio(photo, portrait.harmonics(light), network.whole, network.entry.tile)
    part = part_of(photo.pixels.shape[:2], settings.roi)
    finished = portrait.painted(photo, change, settings.strength, asked.wish.subject, part, progress)
    return Restored(finished, facts_of_whole(network))

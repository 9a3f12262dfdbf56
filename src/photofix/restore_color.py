"""A black-and-white picture, colored: the network shown the shrunk whole, its colors painted, the region cut out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photofix import color
from photofix.job import Restored
from photofix.model import Model
from photofix.models import Models
from photofix.photo import Photo, RawPhoto
from photofix.restore_picture import cropped, exposed, facts_of_whole, noted
from photofix.restore_raw import developed
from photofix.tasks import colorize
from photofix.tasks.colorize import Painter
from photofix.tiles import Progress


def restore_color(photo: Photo | RawPhoto, models: Models, progress: Progress | None = None) -> Restored:
    """The photo in color, and a sheet of other colorings where one is asked for; RAW is developed first."""
    settings = models.settings
    shown = developed(photo, settings) if isinstance(photo, RawPhoto) else exposed(photo, settings)
    notes: list[str] = []
    network = replace(models.get("colorize"), note=notes.append)
    painter = painter_of(network)
    sheet = colorize.sheet(shown, painter, settings.wishes) if settings.wishes.samples else None
    # The region is cut out last: what is where, the whole picture tells.
    painted = cropped(colorize.colorize(shown, painter, settings.wishes, progress), settings.roi)
    facts = facts_of_whole(network)
    return Restored(noted(painted, notes), facts, sheet=sheet)


def painter_of(network: Model) -> Painter:
    """A network as coloring needs it."""
    entry = network.entry
    takes_hints = "hints" in entry.takes.conditions

    def answer(lightness: np.ndarray, known: np.ndarray) -> np.ndarray:
        picture = lightness[None]
        if entry.takes.encoding == "gray":
            picture = color.linear_to_srgb(color.luminance(picture)).repeat(entry.takes.channels, axis=0)
        return network.whole(picture, *([known.transpose(2, 0, 1)] if takes_hints else []))

    centers, rarity = (network.kept("centers"), network.kept("rarity")) if entry.gives == "odds" else (None, None)
    return Painter(answer, entry.tile, entry.multiple, centers, rarity, takes_hints)

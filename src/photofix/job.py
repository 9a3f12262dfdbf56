"""What is asked for, and what comes back: the settings of a run, and a finished photo with the facts about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from photofix.brackets import Bracket
from photofix.burst import Method
from photofix.errors import UsageError
from photofix.frames import Burst
from photofix.light_stage import Wanted
from photofix.model import Tile
from photofix.olat import Stage
from photofix.photo import Negative, Photo, RawPhoto
from photofix.tasks import colorize, deblur, low_light, relight

#: What becomes one photo: itself, or the frames of a burst, a bracket or a light stage.
Given = Photo | RawPhoto | Burst | Bracket | Stage

Auto = Literal["auto"]
Task = Literal["denoise", "deblur", "hdr", "low-light", "colorize", "relight"]


@dataclass(frozen=True)
class Roi:
    """A part of the upright picture, in pixels from its top left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class KnownBlur:
    """One blur for the whole picture, and how it is undone.

    psf: the rows of the kernel, as photofix.psf makes it; or auto: it is looked for in each photo.
    """

    psf: tuple[tuple[float, ...], ...] | Auto
    method: deblur.Method = "plug-and-play"


@dataclass(frozen=True)
class Light:
    """How light is found in photos.

    restored: the noise that merging a bracket leaves is taken out. lifted: how bright the clipped parts of one photo
    were is told by the network. smooth: the steps of 8 bits are smoothed in one photo.
    """

    restored: bool = True
    lifted: bool = True
    smooth: bool = True


@dataclass(frozen=True)
class Lift:
    """How a dark photo is brightened.

    exposure: by how many stops, or as many as it lacks.
    """

    exposure: float | Auto = "auto"
    method: low_light.Method = "network"


@dataclass(frozen=True)
class Relight:
    """Which light is put into a photo, and what is told beside it.

    maps: what was found in the photo becomes pictures. frames: pictures of the light going round, 0 for none.
    stage: the light that is wanted of a light stage, where the photo is one; of the wish its subject counts then.
    """

    wish: relight.Wish = field(default_factory=relight.Wish)
    maps: bool = False
    frames: int = 0
    stage: Wanted | None = None


@dataclass(frozen=True)
class Settings:
    """What to do with a photo; the same for all photos of a run.

    sigma: noise level in 8-bit units, 0-100, or auto. noise: (shot, read) of a RAW file, with black 0 and white 1;
    iso: sensitivity that they are taken from, or auto (the file's own noise profile, else an estimate). heal: whether
    stuck photosites, stripes and drifting black of a sensor are corrected. keep_grain: share of the luminance noise
    that stays. exposure: EV by which a RAW file is developed brighter. dng: a RAW file is not developed: its mosaic, or
    linear, its demosaiced colors, go into a DNG.
    method: how the frames of a burst become one photo. Noise levels are those of one frame. blur: what deblurring is to
    undo, where it is known; mode: what blurred the picture, where it is not;
    show_psf: whether the blur that was then found is drawn; lift: how low light is brightened.
    wishes: how a photo is to be colored. relight: in which light it is to be seen.
    """

    task: Task = "denoise"
    model: str | None = None
    weights: Path | None = None
    manifest: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: Tile = "auto"
    strength: float = 1.0
    sigma: float | Auto = "auto"
    iso: int | Auto = "auto"
    noise: tuple[float, float] | None = None
    heal: bool = True
    keep_grain: float = 0.0
    exposure: float = 0.0
    roi: Roi | None = None
    offline: bool = False
    dng: Literal["cfa", "linear"] | None = None
    method: Method = "network"
    blur: KnownBlur | None = None
    mode: deblur.Mode = "auto"
    show_psf: bool = False
    light: Light = Light()
    lift: Lift = Lift()
    wishes: colorize.Wishes = field(default_factory=colorize.Wishes)
    relight: Relight = field(default_factory=Relight)

    def __post_init__(self) -> None:
        """UsageError for numbers that cannot be meant; the command line finds them before, by its options' names."""
        _check_number("strength", self.strength, 0, 1)
        _check_number("keep_grain", self.keep_grain, 0, 1)
        _check_number("sigma", self.sigma, 0, 100, auto=True)
        _check_number("iso", self.iso, 1, 4_000_000, auto=True)
        if self.tile != "none":
            _check_number("tile", self.tile, 64, 1 << 20, auto=True)


def _check_number(name: str, value: object, low: float, high: float, auto: bool = False) -> None:
    if (auto and value == "auto") or (isinstance(value, int | float | np.number) and low <= float(value) <= high):
        return
    raise UsageError(f"{name} {value!r}: give a number from {low:g} to {high:g}{', or auto' * auto}")


@dataclass(frozen=True)
class Restored:
    """A finished photo, or the negative that was asked for, and what was done: model, device, noise level, tiles,
    seconds. psf: (h, w, 1) uint16, a drawing of the blur that was found, where it was asked for.
    sheet: several answers, where they were asked for. maps: what was found in the photo, by file name, each made when
    it is called for; film: the photo as its light goes round."""

    photo: Photo | Negative
    facts: dict[str, object] = field(default_factory=dict)
    psf: np.ndarray | None = None
    sheet: Photo | None = None
    maps: Mapping[str, Callable[[], Photo]] = field(default_factory=dict)
    film: Iterator[Photo] | None = None

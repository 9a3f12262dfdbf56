"""A bracket: frames of one scene at several exposures, read, checked against each other and put in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photofix.errors import BurstError, UsageError
from photofix.frames import check_alike, exposure_of, readable
from photofix.photo import Photo, RawPhoto

FEWEST, MOST = 2, 9

#: EV between frames that count as exposed alike.
ALIKE = 0.15


@dataclass(frozen=True)
class Bracket:
    """Frames of one camera and size, as they were given.

    evs: how much more light each got than the first, in EV, as the user or EXIF says; None where neither does.
    reference: the place of the frame that the user chose to keep to, or None.
    notes: frames that could not be read, in words for the user.
    """

    names: tuple[str, ...]
    photos: tuple[Photo | RawPhoto, ...]
    evs: tuple[float, ...] | None
    reference: int | None = None
    notes: tuple[str, ...] = ()


def gather(
    sources: Sequence[Path],
    read: Callable[[Path], Photo | RawPhoto],
    evs: Sequence[float] | None = None,
    chosen: int | None = None,
) -> Bracket:
    """Read a bracket; frames that cannot be read are left out.

    Args:
        evs: exposures in EV, as many as sources, in their order; None for what EXIF says.
        chosen: the reference, counted from 1.
    Raises:
        UsageError: not one of evs for each source. BurstError: fewer than two frames can be read, or they do not belong
            together.
    """
    if evs is not None and len(evs) != len(sources):
        raise UsageError(f"--ev: {len(evs)} exposures for {len(sources)} frames; give one for each, in their order")
    found, notes = readable(sources, read)
    if len(found) < FEWEST:
        raise BurstError(f"a bracket needs {FEWEST} frames that can be read: {'; '.join(notes)}")
    names = tuple(found)
    if chosen is not None and str(sources[chosen - 1]) not in found:
        raise BurstError(f"{notes[0]}: it is the reference; choose another frame with --reference")
    given = {str(source): ev for source, ev in zip(sources, evs, strict=True)} if evs is not None else None
    place = names.index(str(sources[chosen - 1])) if chosen is not None else None
    steps = None if given is None else [given[name] for name in names]
    return _checked(names, tuple(found.values()), steps, place, tuple(notes))


def of_photos(photos: Sequence[Photo | RawPhoto], evs: Sequence[float] | None, reference: int | None) -> Bracket:
    """A bracket of photos that are there already; reference is counted from 0. Raises as gather() does."""
    if not FEWEST <= len(photos) <= MOST:
        raise UsageError(f"a bracket: {len(photos)} frames; give {FEWEST} to {MOST} of one scene")
    if evs is not None and len(evs) != len(photos):
        raise UsageError(f"{len(evs)} exposures for {len(photos)} frames; give one for each, in their order")
    if reference is not None and not 0 <= reference < len(photos):
        raise UsageError(f"reference {reference}: give a frame's number, 0 to {len(photos) - 1}")
    names = tuple(f"frame {place}" for place in range(len(photos)))
    return _checked(names, tuple(photos), evs, reference, ())


def _checked(
    names: tuple[str, ...],
    photos: tuple[Photo | RawPhoto, ...],
    evs: Sequence[float] | None,
    reference: int | None,
    notes: tuple[str, ...],
) -> Bracket:
    for name, photo in zip(names[1:], photos[1:], strict=True):
        check_alike(f"{name} and {names[0]}", photo, photos[0])
    if evs is not None and np.ptp(evs) < ALIKE:
        raise equal_exposures(names)
    return Bracket(names, photos, _from_exif(photos) if evs is None else tuple(evs), reference, notes)


def equal_exposures(names: Sequence[str]) -> BurstError:
    """What is said of frames that are no bracket."""
    return BurstError(
        f"{names[0]} and the {len(names) - 1} other{'s' if len(names) > 2 else ''} are exposed alike: a bracket needs "
        "different exposures. If they differ give --ev; photofix denoise --burst merges frames of one exposure"
    )


def _from_exif(photos: Sequence[Photo | RawPhoto]) -> tuple[float, ...] | None:
    """What EXIF says; None where it is missing in a frame, or says the same of all (then it is not to be trusted)."""
    exposures = [exposure_of(photo.metadata.exif) for photo in photos]
    if not all(exposures):
        return None
    evs = np.log2([exposure for exposure in exposures if exposure])
    return tuple(float(ev) for ev in evs - evs[0]) if np.ptp(evs) >= ALIKE else None

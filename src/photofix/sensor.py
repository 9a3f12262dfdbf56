"""What a sensor does wrong besides noise: stuck photosites, stripes, black that wanders. Found, and healed where found.

Everything here is judged against the noise profile: what noise alone could have made stays as it is, so that a sensor
without flaws gives its own numbers back, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from photofix.photo import Area, RawPhoto

#: (shot, read) of the four places of the pattern.
Profiles = Sequence[tuple[float, float]]

#: A photosite is stuck if it stands out of its neighbours of like color by this many standard deviations of noise...
_BEYOND = 10.0
#: ...if those next to it, of other colors, surely show less than this part of it: a lens never puts a star on one
#: alone. (Blurred by half a photosite, a star on one shows 23 % on those beside it, times what their color sees of it.)
_SPILL, _SURELY = 0.12, 0.4
#: And all must be quiet around it: neighbours of like color that differ, and samples of any color that stand out, by no
#: more than these parts of it, or by noise.
_UNLIKE, _RESTLESS = 0.25, 0.2
_NOISE_UNLIKE, _NOISE_RESTLESS = 4.0, 3.0
_CROSS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_EIGHT = tuple((down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0))
_SQUARE = tuple((down, across) for down in range(-2, 3) for across in range(-2, 3) if (down, across) != (0, 0))

#: A mosaic of fewer different numbers does not tell how they are rounded.
_LEVELS = 32

#: Stripes: segments that a line is cut into, fewest that must not be clipped, fewest lines that say
#: what stripes are, and lines whose median is the picture there.
_SEGMENTS = 40
_FEWEST = 12
_LINES = 200
_WINDOW = 21
#: Stripes are there if line offsets vary this many times as much as noise would let them; what varies by less than the
#: first of these parts of the noise at black nobody sees, and what varies by more than the second is picture.
_VARIES = 3.0
_SEEN, _MOST = 0.02, 0.75
#: An offset of so many times the usual one is an edge in the picture.
_EDGE = 5.0

#: Drift: rows that are averaged, and the least that is corrected: in standard errors, in sensor numbers, in noise.
_ROWS = 32
_CERTAIN, _LEAST, _LEAST_NOISE = 4.0, 0.5, 0.05


@dataclass(frozen=True)
class Flaws:
    """What was found: photosites, and in sensor numbers the spread of line offsets and the largest error of black."""

    hot: int = 0
    dead: int = 0
    rows: float = 0.0
    columns: float = 0.0
    drift: float = 0.0

    def __bool__(self) -> bool:
        return self != Flaws()


def heal(photo: RawPhoto, profiles: Profiles) -> tuple[RawPhoto, Flaws]:
    """The photo with its flaws healed, and what they were.

    Stuck photosites become the median of their neighbours, offsets of black, rows and columns are subtracted. The
    mosaic is float32 where offsets were, else uint16; without flaws the photo itself is returned. The rest of the photo
    stays: it is still what the file is developed with.
    """
    pairs = _with_rounding(photo, profiles)
    mosaic, hot, dead = _without_stuck(photo, pairs)
    mosaic, drift = _without_drift(photo, mosaic, pairs)
    mosaic, rows = _without_stripes(photo, mosaic, pairs)
    turned, columns = _without_stripes(_turned(photo), mosaic.T, pairs[[0, 2, 1, 3]])
    flaws = Flaws(hot, dead, rows, columns, drift)
    return (replace(photo, mosaic=turned.T) if flaws else photo), flaws


def _with_rounding(photo: RawPhoto, profiles: Profiles) -> np.ndarray:
    """The profiles with the noise of rounding, where the mosaic's numbers leave some out (8 bits as 16, for one)."""
    pairs = np.array(profiles, np.float64)
    if photo.mosaic.dtype != np.uint16:
        return pairs
    used = np.nonzero(np.bincount(photo.mosaic.ravel()))[0]
    step = int(np.gcd.reduce(np.diff(used))) if len(used) >= _LEVELS else 1
    pairs[:, 1] += (step**2 - 1) / 12 / (photo.white - np.array(photo.black)) ** 2
    return pairs


def noise_of(photo: RawPhoto, place: int, level: np.ndarray | float, profiles: np.ndarray) -> np.ndarray:
    """The standard deviation of noise, in sensor numbers, at a level in sensor numbers; rounding counts as noise."""
    span = photo.white - photo.black[place]
    shot, read = profiles[place]
    signal = np.maximum(np.subtract(level, photo.black[place], dtype=np.float32) / np.float32(span), 0)
    deviation: np.ndarray = np.sqrt((np.float32(shot) * signal + np.float32(read)) * np.float32(span**2) + 1 / 12)
    return deviation


# Stuck photosites


def _without_stuck(photo: RawPhoto, profiles: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The mosaic with hot and dead photosites healed, and how many of each."""
    if min(photo.mosaic.shape) < 6:
        return photo.mosaic, 0, 0
    excess = np.zeros(photo.mosaic.shape, np.float32)
    for place in range(4):
        plane = _plane(photo.mosaic, place)
        _plane(excess, place)[:] = plane - cv2.medianBlur(np.ascontiguousarray(plane), 3).astype(np.float32)
    padded = np.pad(excess, 2, "reflect")
    healed, hot, dead = photo.mosaic.copy(), 0, 0
    for place in range(4):
        rows, columns, values = _stuck(photo, padded, place, profiles)
        before = _plane(photo.mosaic, place)[rows, columns]
        _plane(healed, place)[rows, columns] = values
        hot, dead = hot + int((before > values).sum()), dead + int((before < values).sum())
    return (healed if hot or dead else photo.mosaic), hot, dead


def _stuck(
    photo: RawPhoto, excess: np.ndarray, place: int, profiles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns, in their plane, of stuck photosites, and what heals them.

    excess: (H + 4, W + 4), by how much every sample stands out of the median of those of its color around it.
    """
    plane, above = _plane(photo.mosaic, place).astype(np.float32), _plane(excess[2:-2, 2:-2], place)
    rows, columns = np.nonzero(np.abs(above) > _BEYOND * noise_of(photo, place, plane - above, profiles))
    sign = np.sign(above[rows, columns])
    alike = np.sort(_around(np.pad(plane, 1, "reflect"), 1, rows, columns, _EIGHT), 1)
    usual, unlike = alike[:, 3:5].mean(1), alike[:, 6] - alike[:, 1]
    step = sign * (plane[rows, columns] - np.where(sign > 0, alike[:, 6], alike[:, 1]))  # one may be stuck, too
    noise = noise_of(photo, place, usual, profiles)
    stuck = (step > _BEYOND * noise) & (unlike < np.maximum(_UNLIKE * step, _NOISE_UNLIKE * noise))
    rows, columns, sign, usual, step, noise = (part[stuck] for part in (rows, columns, sign, usual, step, noise))
    where = (2 * rows + place // 2, 2 * columns + place % 2)
    spill = (sign[:, None] * _around(excess, 2, *where, _CROSS)).max(1)
    restless = np.sort(np.abs(_around(excess, 2, *where, _SQUARE)), 1)[:, -3]
    stuck = (spill < _SPILL * step - _SURELY * noise) & (
        restless < np.maximum(_RESTLESS * step, _NOISE_RESTLESS * noise)
    )
    return rows[stuck], columns[stuck], np.rint(usual[stuck])


def _around(
    padded: np.ndarray, margin: int, rows: np.ndarray, columns: np.ndarray, offsets: Sequence[tuple[int, int]]
) -> np.ndarray:
    """(n, offsets): the samples that lie so from each place, in an array with a margin around."""
    return np.stack([padded[rows + margin + down, columns + margin + across] for down, across in offsets], 1)


# Stripes


def _without_stripes(photo: RawPhoto, mosaic: np.ndarray, profiles: np.ndarray) -> tuple[np.ndarray, float]:
    """The mosaic without offsets of single rows, and their standard deviation; itself and 0 where there are none."""
    offsets, errors = np.zeros(len(mosaic), np.float32), np.full(len(mosaic), np.inf, np.float32)
    for parity in (0, 1) if min(mosaic.shape) >= _LINES else ():
        segments = _segments(photo, mosaic, parity)
        offsets[parity::2], errors[parity::2] = _line_offsets(segments)
    floor = min(float(noise_of(photo, place, photo.black[place], profiles)) for place in range(4))
    spread = _stripes(offsets, errors, floor, mosaic.shape[1])
    if spread == 0:
        return mosaic, 0.0
    offsets[np.abs(offsets) > _EDGE * spread] = 0
    offsets *= spread**2 / (spread**2 + errors**2)
    return mosaic - offsets[:, None], spread


def _segments(photo: RawPhoto, mosaic: np.ndarray, parity: int) -> np.ndarray:
    """(rows of this parity, segments): means of runs of samples of one color; NaN where one may be clipped."""
    length = max(1, mosaic.shape[1] // 2 // _SEGMENTS)
    count = mosaic.shape[1] // 2 // length
    means = []
    for column in (0, 1):
        runs = mosaic[parity::2, column::2][:, : count * length].reshape(-1, count, length)
        mean = runs.mean(2, dtype=np.float32)
        means.append(np.where(runs.max(2) < 0.98 * photo.white, mean, np.nan))
    return np.concatenate(means, 1)


def _line_offsets(segments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each line lies off those around it, and the standard error of that.

    A stripe lies off by as much in every segment; what the picture does differs from one to the next, and shows as a
    large error.
    """
    padded = np.pad(segments, ((_WINDOW // 2, _WINDOW // 2), (0, 0)), "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, 0)
    off = segments - np.median(windows, -1)
    whole = np.isfinite(off).sum(1)
    off[whole < _FEWEST] = 0
    line = np.nanmedian(off, 1)
    spread = 1.4826 * np.nanmedian(np.abs(off - line[:, None]), 1)
    return line, np.where(whole < _FEWEST, np.inf, 1.2533 * spread / np.sqrt(np.maximum(whole, 1)))


def _stripes(offsets: np.ndarray, errors: np.ndarray, noise: float, samples: int) -> float:
    """The standard deviation of stripes, or 0 where there are none to be seen.

    From one line to the next, where stripes differ as much as between any two, and a picture's lines less.
    """
    known = np.isfinite(errors[1:]) & np.isfinite(errors[:-1])
    if known.sum() < _LINES:
        return 0.0
    between = np.abs(np.diff(offsets))[known] * 1.4826
    variance = np.maximum((errors[1:] ** 2 + errors[:-1] ** 2)[known], 2 * noise**2 / samples)
    varies = np.median(between / np.sqrt(variance)) ** 2
    spread = float(np.sqrt(max(0.0, np.median(between) ** 2 - np.median(variance)) / 2))
    return spread if varies > _VARIES and _SEEN * noise < spread < _MOST * noise else 0.0


def _turned(photo: RawPhoto) -> RawPhoto:
    """The photo with rows for columns, as far as stripes ask."""
    first, second, third, fourth = photo.black
    return replace(photo, mosaic=photo.mosaic.T, black=(first, third, second, fourth))


# Black


def _without_drift(photo: RawPhoto, mosaic: np.ndarray, profiles: np.ndarray) -> tuple[np.ndarray, float]:
    """The mosaic with black where it should be, and the largest error there was."""
    drift = black_drift(photo, profiles)
    if drift is None:
        return mosaic, 0.0
    corrected = mosaic.astype(np.float32)
    for column in (0, 1):
        corrected[:, column::2] -= drift[:, column, None]
    return corrected, float(np.abs(drift).max())


def black_drift(photo: RawPhoto, profiles: Profiles | np.ndarray) -> np.ndarray | None:
    """How far black lies off its level, from the border of the sensor that no light reaches.

    Where masked columns run along the visible rows, row by row (averaged over 64); else one number for each color.

    Returns:
        (H, 2) float32 for the rows of the mosaic and their even and odd columns, in sensor numbers; None where there is
        no such border, or nothing that its noise does not explain.
    """
    pairs = np.asarray(profiles, np.float64)
    dark = [area for area in photo.masked if _is_dark(photo, area, pairs)]
    height = photo.mosaic.shape[0]
    first, last = photo.corner[0], photo.corner[0] + height
    beside = [area for area in dark if area[0] <= first and area[2] >= last]
    found = np.zeros((height, 2), np.float32)
    certain = False
    for place in range(4) if dark else ():
        if beside:
            rows, error = _row_drift(photo, beside, place, pairs)
        else:
            rows, error = _even_drift(photo, dark, place, pairs)
        found[place // 2 :: 2, place % 2] = rows
        noise = float(noise_of(photo, place, photo.black[place], pairs))
        certain |= bool(np.abs(rows).max() > max(_CERTAIN * error, _LEAST, _LEAST_NOISE * noise))
    return found if certain else None


def _samples(photo: RawPhoto, area: Area, place: int) -> np.ndarray:
    """An area's samples of one color, (rows, columns)."""
    assert photo.sensor is not None
    top, left, bottom, right = area
    row = top + (place // 2 + photo.corner[0] - top) % 2
    column = left + (place % 2 + photo.corner[1] - left) % 2
    return photo.sensor[row:bottom:2, column:right:2]


def _is_dark(photo: RawPhoto, area: Area, profiles: np.ndarray) -> bool:
    """Whether an area looks like black with its read noise: not like picture, nor like numbers that mean nothing."""
    if photo.sensor is None:
        return False
    for place in range(4):
        samples = _samples(photo, area, place)
        if samples.shape[0] < 2 or samples.shape[1] < 2:
            return False
        low, middle, high = np.quantile(samples, (0.1587, 0.5, 0.8413))
        noise, span = float(noise_of(photo, place, photo.black[place], profiles)), photo.white - photo.black[place]
        spread = (high - low) / 2
        if not 0.2 * noise < spread < max(3 * noise, 0.005 * span):
            return False
        if abs(middle - photo.black[place]) > max(6 * noise, 0.01 * span):
            return False
    return True


def _row_drift(photo: RawPhoto, areas: list[Area], place: int, profiles: np.ndarray) -> tuple[np.ndarray, float]:
    first, last = photo.corner[0], photo.corner[0] + photo.mosaic.shape[0]
    samples = np.concatenate([_samples(photo, (first, area[1], last, area[3]), place) for area in areas], 1)
    off = _steady(photo, samples, place, profiles)
    window = min(_ROWS | 1, (len(off) - 1) * 2 + 1)
    smooth = cv2.blur(off.mean(1, keepdims=True), (1, window), borderType=cv2.BORDER_REFLECT)[:, 0]
    return smooth, float(off.std() / np.sqrt(samples.shape[1] * min(window, len(off))))


def _even_drift(photo: RawPhoto, areas: list[Area], place: int, profiles: np.ndarray) -> tuple[np.ndarray, float]:
    off = np.concatenate([_steady(photo, _samples(photo, area, place), place, profiles).ravel() for area in areas])
    rows = len(range(place // 2, photo.mosaic.shape[0], 2))
    return np.full(rows, off.mean(), np.float32), float(off.std() / np.sqrt(off.size))


def _steady(photo: RawPhoto, samples: np.ndarray, place: int, profiles: np.ndarray) -> np.ndarray:
    """Samples less black, hot ones cut to what noise can do: a mean must not hang on them."""
    off = samples.astype(np.float32) - np.float32(photo.black[place])
    middle, noise = np.median(off), float(noise_of(photo, place, photo.black[place], profiles))
    reach = 4 * max(noise, float(np.median(np.abs(off - middle))) * 1.4826)
    return off.clip(middle - reach, middle + reach)


def _plane(mosaic: np.ndarray, place: int) -> np.ndarray:
    """The samples of one place of the pattern, a view."""
    return mosaic[place // 2 :: 2, place % 2 :: 2]

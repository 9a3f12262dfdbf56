"""Many frames of one scene to one photo with less noise: the frames are aligned, and averaged where they agree.

Ideas: Hasinoff et al. 2016 (HDR+: one frame is the reference, every other is trusted where it fits it), Wronski et al.
2019 (what a shaken hand samples between the reference's pixels fills its mosaic). What is averaged is still noisy; how
much is told beside the result, and the denoising network does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from photofix import align, mosaic, noise
from photofix.align import Flow
from photofix.color import linear_to_srgb, srgb_to_linear
from photofix.errors import BurstError
from photofix.frames import Burst
from photofix.lattice import BAYER, COLOR, GRAY, Lattice, moved_to
from photofix.noise import SigmaAt
from photofix.photo import Photo, RawPhoto, white

#: How frames become one: averaged where they agree (for a network to finish), all of them averaged, or their median.
Method = Literal["network", "average", "median"]
Progress = Callable[[int], None]

#: Rows of samples that are merged at a time, and rows beyond them that are merged with them and discarded.
_BAND, _HALO = 96, 8

#: A sample that was interpolated between a frame's genuine ones counts less: deviation of that in pixels.
_NEAR = 0.85

#: A frame is left out where less of the reference than this is found in it.
_LEAST_AGREEMENT = 0.4

#: Sides of the windows that are compared, in samples, and the part of a window's contrast that may differ: what is
#: finer than the mosaic, and what is a fraction of a pixel off, differs between frames that show the same.
_WINDOWS = ((3, 0.05), (9, 0.01))

#: Times the noise's energy from which a window's difference counts against a frame, and from which it bars it.
_DOUBTED, _BARRED = 1.5, 3.0

#: Unlikeness, in the noise's energy, of what is moved onto the reference and static, and what more of it counts for.
_NOISY, _ALIASED = 2.3, 2.0

#: Averaged frames count for less than their number, since resampling mixes neighbours: measured on static bursts.
_INDEPENDENT = 0.9


#: Deviation, in samples, of what the count is smoothed with.
_SLOWLY = 3.0


@dataclass(frozen=True)
class FrameNoise:
    """The noise of one frame.

    RAW: profiles, (shot, read) of the four planes of mosaic.pack(). Finished pictures: sigma, its standard deviation
    with white at 1, and the typical value of that.
    """

    profiles: tuple[tuple[float, float], ...] = ()
    sigma: float | SigmaAt = 0.0
    typical: float = 0.0

    def even(self, planes: np.ndarray) -> np.ndarray:
        """Planes (P, h, w) in which noise is even."""
        if not self.profiles:
            return planes
        gains, (shot, read) = noise.combine(self.profiles)
        return noise.stabilise(planes * np.array(gains, np.float32)[:, None, None], shot, read)[0]

    def level(self, rows: slice, columns: slice) -> float | np.ndarray:
        """The standard deviation of the noise in even planes."""
        if self.profiles:
            return noise.stabilise(np.zeros(1, np.float32), *noise.combine(self.profiles)[1])[1]
        return self.sigma(rows, columns) if callable(self.sigma) else self.sigma


@dataclass(frozen=True)
class Merged:
    """A merged photo, and (h, w) float32: how many frames' worth each sample is, which divides the noise's variance.

    A RawPhoto's mosaic is float32 and it carries the count itself; its noise is that of one frame.
    frames: how many were merged. notes: which were left out, in words for the user.
    """

    photo: Photo | RawPhoto
    count: np.ndarray
    frames: int
    notes: tuple[str, ...] = ()

    @property
    def typical(self) -> float:
        """The median count."""
        return float(np.median(self.count))


@dataclass(frozen=True)
class _Frame:
    """A frame's planes (P, h, w) as stored, and what makes them light: variance is its noise's, the reference's 1."""

    name: str
    planes: np.ndarray
    black: np.ndarray
    scale: np.ndarray
    linear: bool
    variance: float
    flow: Flow | None

    def part(self, rows: slice) -> np.ndarray:
        """Rows of the planes, float32: linear light of a mosaic, else display-referred with white at 1."""
        light = (self.planes[:, rows].astype(np.float32) - self.black) * self.scale
        return linear_to_srgb(light) if self.linear else light


def merge(
    burst: Burst, frame_noise: FrameNoise, method: Method = "network", progress: Progress | None = None
) -> Merged:
    """One photo of a burst.

    Args:
        frame_noise: of the reference.
        progress: told how many samples are done after each band.
    Raises:
        BurstError: no frame fits the reference.
    """
    lattice = _lattice(burst.reference)
    reference = _frame(burst.reference_name, burst.reference, None, 1.0)
    frames, notes = _aligned(burst, reference, lattice, frame_noise)
    gains = _gains(reference) if lattice is BAYER else (1.0, 1.0)
    height, width = reference.planes.shape[1:]
    planes = np.empty(reference.planes.shape, np.float32)
    count = np.empty((height, width), np.float32)
    work = _Work(lattice, gains, (reference, *frames), frame_noise, method)
    for top in range(0, height, _BAND):
        rows = slice(top, min(top + _BAND, height))
        planes[:, rows], count[rows] = _merge_rows(work, rows)
        if progress:
            progress((rows.stop - rows.start) * width)
    # Networks were trained on noise that changes slowly, and answer best where it does.
    variance = cv2.GaussianBlur(1 / count, (0, 0), _SLOWLY, borderType=cv2.BORDER_REPLICATE)
    count = (1 / variance).astype(np.float32)
    return Merged(_photo(burst.reference, planes, count), count, 1 + len(frames), notes)


def thinned(sigma: float | SigmaAt, count: np.ndarray) -> SigmaAt:
    """The noise level that is left of one frame's."""

    def at(rows: slice, columns: slice) -> np.ndarray:
        level = sigma(rows, columns) if callable(sigma) else sigma
        return np.asarray(level / np.sqrt(count[rows, columns]), np.float32)

    return at


@dataclass(frozen=True)
class _Work:
    """What every band needs; the first frame is the reference."""

    lattice: Lattice
    gains: tuple[float, float]
    frames: tuple[_Frame, ...]
    noise: FrameNoise
    method: Method


def _lattice(photo: Photo | RawPhoto) -> Lattice:
    if isinstance(photo, RawPhoto):
        return BAYER
    return COLOR if photo.pixels.shape[2] == 3 else GRAY


def _frame(name: str, photo: Photo | RawPhoto, flow: Flow | None, gain: float) -> _Frame:
    """gain: what the frame's light is multiplied by to be the reference's."""
    if isinstance(photo, RawPhoto):
        black = np.array([photo.black[place] for place in mosaic.places(photo.pattern)], np.float32)[:, None, None]
        scale = np.float32(gain) / (np.float32(photo.white) - black)
        return _Frame(name, mosaic.pack(photo.mosaic, photo.pattern), black, scale, False, gain, flow)
    scale = np.full((1, 1, 1), gain / white(photo.pixels.dtype), np.float32)
    planes = photo.pixels.transpose(2, 0, 1)
    return _Frame(name, planes, np.zeros_like(scale), scale, photo.encoding == "linear", gain, flow)


def _photo(reference: Photo | RawPhoto, planes: np.ndarray, count: np.ndarray) -> Photo | RawPhoto:
    if isinstance(reference, RawPhoto):
        return replace(reference, mosaic=mosaic.to_mosaic(planes, reference), averaged=count)
    pixels = np.ascontiguousarray(planes.transpose(1, 2, 0))
    if reference.encoding == "linear":
        pixels = srgb_to_linear(pixels)
    if reference.pixels.dtype != np.float32:
        limit = white(reference.pixels.dtype)
        pixels = np.rint(pixels.clip(0, 1) * limit).astype(reference.pixels.dtype)
    return replace(reference, pixels=pixels)


def _aligned(
    burst: Burst, reference: _Frame, lattice: Lattice, frame_noise: FrameNoise
) -> tuple[list[_Frame], tuple[str, ...]]:
    """The frames that fit the reference, and the names of those that do not."""
    whole = slice(0, reference.planes.shape[1])
    level = float(frame_noise.typical or frame_noise.level(whole, whole)) / 2
    first = _luminance(reference, lattice, frame_noise)
    frames, notes = [], []
    for name, photo, gain in zip(burst.names, burst.photos, burst.gains, strict=True):
        frame = _frame(name, photo, None, gain)
        seen = _luminance(frame, lattice, frame_noise)
        flow = align.find(first, seen, level)
        if align.agreement(first, seen, flow, level * max(1.0, gain) ** 0.5) < _LEAST_AGREEMENT:
            notes.append(f"{name}: does not show what {burst.reference_name} shows, left out")
        else:
            frames.append(replace(frame, flow=flow))
    if not frames:
        raise BurstError(
            f"{burst.reference_name}: no other frame of the burst shows the same; give --reference N to choose another"
        )
    return frames, tuple(notes)


def _luminance(frame: _Frame, lattice: Lattice, frame_noise: FrameNoise) -> np.ndarray:
    """(H / 2, W / 2) float32 of the full picture, in which noise is even: the mean of 2 x 2 pixels."""
    height, width = frame.planes.shape[1:]
    step = 3 - lattice.step  # a mosaic's planes are of half size already
    luminance = np.empty((height // step, width // step), np.float32)
    for top in range(0, len(luminance), _BAND):
        rows = slice(step * top, step * min(top + _BAND, len(luminance)))
        even = frame_noise.even(frame.part(rows)).mean(0)[:, : step * luminance.shape[1]]
        small = (luminance.shape[1], len(even) // step)
        luminance[top : top + _BAND] = cv2.resize(even, small, interpolation=cv2.INTER_AREA)
    return luminance


def _gains(reference: _Frame) -> tuple[float, float]:
    """What makes red and blue vary as green does, on the whole: their means' ratios."""
    step = max(1, reference.planes.shape[1] // 256)
    red, green, _, blue = (float(plane.mean()) for plane in reference.part(slice(None, None, step)).clip(1e-4, None))
    return float(np.clip(green / red, 0.25, 4)), float(np.clip(green / blue, 0.25, 4))


@dataclass(frozen=True)
class _Arrival:
    """A frame where a band of the reference finds it.

    x, y: (H, W), where each pixel of the band lies in the frame's rows. rows: those rows, of samples.
    trust: (h, w), 0 to 1.
    """

    frame: _Frame
    x: np.ndarray
    y: np.ndarray
    rows: slice
    trust: np.ndarray


def _merge_rows(work: _Work, wanted: slice) -> tuple[np.ndarray, np.ndarray]:
    """The merged planes (P, h, w) of some rows of samples, and their count (h, w)."""
    reference = work.frames[0]
    rows = slice(max(0, wanted.start - _HALO), min(wanted.stop + _HALO, reference.planes.shape[1]))
    own = slice(wanted.start - rows.start, wanted.stop - rows.start)
    planes, count = (_plain if work.method != "network" else _trusting)(work, rows)
    return planes[:, own], count[own]


def _plain(work: _Work, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """The mean or median of all frames, whether they agree or not."""
    moved = [work.frames[0].part(rows)]
    for frame in work.frames[1:]:
        x, y, seen = _places(work, frame, rows)
        planes = work.lattice.warp(work.lattice.fill(frame.part(seen), work.gains), x, y)
        moved.append(np.where(_inside(work, frame, x, y, seen), planes, np.float32(np.nan)))
    combined = (np.nanmedian if work.method == "median" else np.nanmean)(np.stack(moved), axis=0)
    return combined, np.full(combined.shape[1:], len(moved), np.float32)


def _trusting(work: _Work, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """The average of what is trusted of the frames' colors; for mosaics then of what these leave unexplained, too."""
    lattice, reference = work.lattice, work.frames[0].part(rows)
    even, level = work.noise.even(reference), work.noise.level(rows, slice(0, reference.shape[2]))
    squares = np.ones(reference.shape[1:], np.float32)
    colors = lattice.fill(reference, work.gains).copy()  # of a finished picture it is the reference itself
    total = np.ones(colors.shape[1:], np.float32)
    arrivals = []
    for frame in work.frames[1:]:
        x, y, seen = _places(work, frame, rows)
        filled = lattice.fill(frame.part(seen), work.gains)
        moved = np.stack([moved_to(color, x, y) for color in filled])
        trust = _trust(even, work.noise.even(lattice.sample(moved)), level * lattice.correlated)
        trust *= _inside(work, frame, x, y, seen) / np.float32(frame.variance)
        weight = trust.repeat(lattice.step, 0).repeat(lattice.step, 1)
        colors += weight * moved
        total += weight
        squares += trust**2 * np.float32(frame.variance)
        arrivals.append(_Arrival(frame, x, y, seen, trust))
    colors /= total
    if lattice.step == 1:  # nothing was interpolated but by fractions of a pixel
        return colors, total**2 / squares
    return _residuals(work, rows, colors, reference, arrivals)


def _residuals(
    work: _Work, rows: slice, colors: np.ndarray, reference: np.ndarray, arrivals: list[_Arrival]
) -> tuple[np.ndarray, np.ndarray]:
    """The reference's planes of the colors, corrected by what each frame has that its mosaic of them has not.

    A frame's interpolated colors are wrong where detail is finer than its mosaic. The merged colors, seen through that
    frame's mosaic and interpolated again, are wrong alike: what remains of the difference is right, and noise.
    """
    lattice, expected = work.lattice, work.lattice.sample(colors)
    own, level = work.noise.even(reference), work.noise.level(rows, slice(0, reference.shape[2]))
    planes, weights, unlike = [], [], np.zeros(reference.shape[1:], np.float32)
    for arrival in arrivals:
        predicted = lattice.warp(colors, *_back(work, arrival, rows))
        gap = lattice.fill(arrival.frame.part(arrival.rows) - predicted, work.gains)
        planes.append(expected + lattice.warp(gap, arrival.x, arrival.y))
        near = np.exp(lattice.distance(arrival.x, arrival.y) / np.float32(-2 * _NEAR**2))
        weights.append(arrival.trust * near)
        unlike += arrival.trust * ((work.noise.even(planes[-1]) - own) ** 2).mean(0)
    trusted = np.sum([arrival.trust for arrival in arrivals], axis=0)
    unlike = cv2.blur(unlike, (5, 5)) / (cv2.blur(trusted, (5, 5)) + 1e-6)
    doubt = 1 / (1 + _ALIASED * np.maximum(unlike / level**2 - _NOISY, 0))
    change, total, squares = reference.copy(), np.ones_like(reference), np.ones_like(reference)
    for arrival, plane, weight in zip(arrivals, planes, weights, strict=True):
        weight *= doubt
        change += weight * plane
        total += weight
        squares += weight**2 * np.float32(arrival.frame.variance)
    count = (total**2 / squares).mean(0)
    return change / total, 1 + _INDEPENDENT * (count - 1)


def _places(work: _Work, frame: _Frame, rows: slice) -> tuple[np.ndarray, np.ndarray, slice]:
    """Where the pixels of some rows lie in a frame: x, y (H, W) in the rows of samples that are returned with them."""
    step, height = work.lattice.step, frame.planes.shape[1]
    y = np.arange(step * rows.start, step * rows.stop, dtype=np.float32)
    x = np.arange(step * frame.planes.shape[2], dtype=np.float32)
    assert frame.flow is not None
    move_x, move_y = frame.flow.at((y - 0.5) / 2, (x - 0.5) / 2)
    x, y = x + 2 * move_x, y[:, None] + 2 * move_y
    first, last = (int(np.clip(end // step, 0, height - 1)) for end in (y.min(), y.max()))
    seen = slice(max(0, first - _HALO), min(height, last + 1 + _HALO))
    return x, y - np.float32(step * seen.start), seen


def _back(work: _Work, arrival: _Arrival, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a frame's rows lie in the band: the flow's inverse, to a second approximation."""
    step, flow = work.lattice.step, arrival.frame.flow
    assert flow is not None
    y = np.arange(step * arrival.rows.start, step * arrival.rows.stop, dtype=np.float32)
    x = np.arange(step * arrival.frame.planes.shape[2], dtype=np.float32)
    move_x, move_y = flow.at((y - 0.5) / 2, (x - 0.5) / 2)
    from_x, from_y = flow.scattered((y[:, None] - 0.5) / 2 - move_y, (x - 0.5) / 2 - move_x)
    return x - 2 * from_x, y[:, None] - 2 * from_y - np.float32(step * rows.start)


def _inside(work: _Work, frame: _Frame, x: np.ndarray, y: np.ndarray, seen: slice) -> np.ndarray:
    """(h, w): whether the samples' places lie within the frame."""
    step = work.lattice.step
    x, y = x[::step, ::step], y[::step, ::step] + np.float32(step * seen.start)
    height, width = (step * side for side in frame.planes.shape[1:])
    inside: np.ndarray = (x >= 0) & (x <= width - step) & (y >= 0) & (y <= height - step)
    return inside


def _trust(reference: np.ndarray, frame: np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """(h, w), 0 to 1: how far a frame shows what the reference shows; both (P, h, w) with even noise of that level.

    Windows of two sizes: the small see the edges of what has moved, the large see what differs little.
    """
    gap, trust = reference - frame, np.ones(reference.shape[1:], np.float32)
    for side, forgiven in _WINDOWS:
        window = (side, side)
        unlike = np.mean([cv2.blur(cv2.blur(plane, window) ** 2, window) for plane in gap], axis=0)
        contrast = np.mean([cv2.blur(plane**2, window) - cv2.blur(plane, window) ** 2 for plane in reference], axis=0)
        allowed = 2 * level**2 / side**2 + forgiven * np.maximum(contrast - level**2, 0) + 1e-12
        trust *= ((_BARRED - unlike / allowed) / (_BARRED - _DOUBTED)).clip(0, 1)
    # What lies beside a difference is part of the same thing.
    return cv2.blur(cv2.erode(trust, np.ones((5, 5), np.uint8)), (5, 5))

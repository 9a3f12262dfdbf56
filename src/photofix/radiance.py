"""A bracket's light: frames of several exposures aligned to one of them, and averaged where they agree.

Every frame counts by its own noise, so that a long exposure decides on shadows and a short one on highlights (Hasinoff,
Durand and Freeman 2010 derive the weights). Whether a frame shows what the reference shows is asked in units of both
frames' noise; where the reference is clipped, the nearest frame that is not takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from photofix import align, noise, response
from photofix.align import Flow
from photofix.errors import BurstError
from photofix.photo import white

Progress = Callable[[int], None]

#: Rows that are merged at a time, and rows beyond them that are merged with them and discarded.
_BAND, _HALO = 128, 16

#: Of white: from where a finished picture's samples count less, as they are about to clip, and where they do not count.
_SAFE, _CLIPPED = 0.93, 0.98

#: What a clipped sample counts for when there is nothing better, beside one for a sound one.
_LAST_RESORT = 1e-6

#: Sides of the windows that are compared, and the part of a window's contrast that may differ, since alignment is off
#: by parts of a pixel.
_WINDOWS = ((3, 0.06), (9, 0.02))

#: Part of the light by which frames differ though nothing moved (shutters, flicker, what is left of the response), at
#: least and at most; it is measured, as this many times what half of the picture stays below.
_UNEVEN, _MOST_UNEVEN, _SPREAD = 0.02, 0.15, 2.0

#: Where frames are compared to match them: side of the blocks, samples in all, levels of light in EV to white, times
#: the noise that light must be, blocks that a level needs, and EV that a match may change.
_BLOCK, _COMPARED, _STEPS, _SOUND, _ENOUGH, _MOST_MATCHED = 4, 250_000, np.arange(-12.0, 0.1, 0.75), 6.0, 40, 1.0

#: Times the expected energy from which a window's difference counts against a frame, and from which it bars it.
_DOUBTED, _BARRED = 1.5, 3.0

#: Ratio of light from which two pixels may be the same, and from which they are.
_AS_BRIGHT = (0.75, 0.92)

#: A frame is left out where less of the reference than this is found in it.
_LEAST_AGREEMENT = 0.3

#: Noise that frames are compared with at least for that, white at 1: shutters and responses are not exact.
_LIKE = 0.08

#: Variance, in steps of an 8-bit code, of rounding, and of what compression adds to it.
_ROUNDED, _COMPRESSED = 1 / 12, 0.7


@dataclass(frozen=True)
class Exposed:
    """A frame of a bracket.

    pixels: (H, W, C) as stored. ev: how much more light than the reference it got. curve: its response as
    photofix.response gives it, None for linear light. profile: (shot, read) of its light, variance = shot * signal +
    read with white at 1. lossy: it was compressed. clipped: (H, W) bool, where its sensor clipped; None where only the
    pixels tell. flow: where the reference's pixels lie in it. match: (C, levels), what its light is multiplied by to be
    the reference's beyond the gain, in EV, at the levels of _STEPS. uneven: the part of the light by which it differs
    all the same.
    """

    name: str
    pixels: np.ndarray
    ev: float
    curve: np.ndarray | None
    profile: tuple[float, float]
    lossy: bool = False
    clipped: np.ndarray | None = None
    flow: Flow | None = None
    match: np.ndarray | None = None
    uneven: float = _UNEVEN

    @property
    def gain(self) -> float:
        """What its light is multiplied by to be the reference's."""
        return float(2.0**-self.ev)

    @property
    def cap(self) -> float:
        """Its light up to which all of it is sure."""
        return _SAFE if self.curve is None else float(np.interp(_SAFE * 255, np.arange(256), self.curve))

    def light(self, rows: slice) -> np.ndarray:
        """(h, W, C) float32, its own white at 1."""
        return response.light_of(self.pixels[rows], self.curve)

    def variance(self, light: np.ndarray) -> np.ndarray:
        """The variance of its noise, (h, W), where its light is (h, W, C)."""
        mean = light.mean(2)
        found = np.float32(self.profile[0]) * np.maximum(mean, 0) + np.float32(self.profile[1])
        if self.curve is not None:
            slope = np.gradient(self.curve) ** 2 * (_ROUNDED + _COMPRESSED * self.lossy)
            coarse = self.pixels.dtype == np.uint8
            found += np.interp(mean, self.curve, slope if coarse else slope / 257**2).astype(np.float32)
        return np.asarray(found)

    def sure(self, rows: slice) -> np.ndarray:
        """(h, W), 1 where it is sure that nothing is clipped, 0 where it is."""
        brightest = self.pixels[rows].max(2).astype(np.float32) * np.float32(1 / white(self.pixels.dtype))
        sure: np.ndarray = ((_CLIPPED - brightest) / (_CLIPPED - _SAFE)).clip(0, 1)
        if self.clipped is not None:
            sure[self.clipped[rows]] = 0
        return sure


@dataclass(frozen=True)
class Radiance:
    """Merged light (H, W, C) float32 in units of the reference's white, and its noise (H, W) float32.

    clipped: (H, W) bool, where no frame that agrees was exposed short enough. frames: how many were merged.
    """

    light: np.ndarray
    sigma: np.ndarray
    clipped: np.ndarray
    frames: int
    notes: tuple[str, ...] = ()


def merge(reference: Exposed, others: Sequence[Exposed], progress: Progress | None = None) -> Radiance:
    """The light of a bracket, seen from the reference.

    Args:
        progress: told how many pixels are done after each band.
    Raises:
        BurstError: no frame fits the reference.
    """
    frames, notes = _aligned(reference, others)
    height, width, channels = reference.pixels.shape
    light = np.empty((height, width, channels), np.float32)
    sigma, clipped = np.empty((height, width), np.float32), np.empty((height, width), bool)
    for top in range(0, height, _BAND):
        rows = slice(top, min(top + _BAND, height))
        seen = slice(max(0, rows.start - _HALO), min(rows.stop + _HALO, height))
        inner = slice(rows.start - seen.start, rows.stop - seen.start)
        parts = _merge_rows(reference, frames, seen)
        light[rows], sigma[rows], clipped[rows] = (part[inner] for part in parts)
        if progress:
            progress((rows.stop - rows.start) * width)
    return Radiance(light, sigma, clipped, 1 + len(frames), notes)


def _aligned(reference: Exposed, others: Sequence[Exposed]) -> tuple[list[Exposed], tuple[str, ...]]:
    frames, notes = [], []
    for frame in others:
        first, second, level = _comparable(reference, frame)
        flow = align.find(first, second, level)
        if align.agreement(first, second, flow, max(level, _LIKE)) < _LEAST_AGREEMENT:
            notes.append(f"{frame.name}: does not show what {reference.name} shows, left out")
        else:
            frames.append(replace(frame, flow=flow))
    if not frames:
        raise BurstError(
            f"{reference.name}: no other frame shows the same; check that the frames and their exposures (--ev) belong "
            "together, or give --reference N to choose another"
        )
    # The nearest exposure first: it is the most like the reference, and stands in for it where that is clipped.
    frames.sort(key=lambda frame: abs(frame.ev))
    matched = [reference]
    for frame in frames:
        nearest = min(matched, key=lambda other: abs(other.ev - frame.ev))
        matched.append(_matched(nearest, frame))
    return matched[1:], tuple(notes)


def _comparable(reference: Exposed, frame: Exposed) -> tuple[np.ndarray, np.ndarray, float]:
    """Luminances (H / 2, W / 2) of two frames as if both had been exposed alike, with even noise, and its level.

    What one of them could not see is cut off in both: all that is brighter than the darker white.
    """
    cap = min(reference.cap, frame.gain * frame.cap)
    noisier = max((1.0, reference), (frame.gain, frame), key=lambda pair: pair[0] * pair[1].profile[0])
    gain, (shot, read) = noisier[0] / cap, noisier[1].profile
    coarse = _coarseness(noisier[1]) * gain**2
    shot, read = shot * gain, read * gain**2 + coarse
    pair = [_luminance(one, scale / cap, shot, read) for one, scale in ((reference, 1.0), (frame, frame.gain))]
    return pair[0], pair[1], noise.stabilise(np.zeros(1, np.float32), shot, read)[1] / 2


def _coarseness(frame: Exposed) -> float:
    """Variance that rounding and compression add to dark light."""
    return float(
        frame.variance(np.full((1, 1, 1), 0.02, np.float32))[0, 0] - frame.profile[0] * 0.02 - frame.profile[1]
    )


def _luminance(frame: Exposed, scale: float, shot: float, read: float) -> np.ndarray:
    height, width = (side // 2 for side in frame.pixels.shape[:2])
    luminance = np.empty((height, width), np.float32)
    for top in range(0, height, _BAND):
        bottom = min(top + _BAND, height)
        light = frame.light(slice(2 * top, 2 * bottom))[:, : 2 * width] * np.float32(scale)
        even = noise.stabilise(np.minimum(light, 1).mean(2), shot, read)[0]
        luminance[top:bottom] = cv2.resize(even, (width, bottom - top), interpolation=cv2.INTER_AREA)
    return luminance


def _matched(nearest: Exposed, frame: Exposed) -> Exposed:
    """The frame, told how its colors differ from the nearest one's at every level of light, and by how much at random.

    Exposure times are not what cameras say, and a response that was estimated is not exact. Medians, so that what moves
    does not count.
    """
    height, width = nearest.pixels.shape[:2]
    step = max(1, height * width // (_BLOCK**2 * _COMPARED)) * _BAND
    pairs = [_blocks(nearest, frame, slice(top, min(top + _BAND, height))) for top in range(0, height, step)]
    own, other = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    if len(own) < _ENOUGH:
        return frame
    level, apart = np.log2(other), np.log2(own / other)
    match = np.stack([_by_level(level[:, channel], apart[:, channel]) for channel in range(own.shape[1])])
    rest = [
        np.abs(apart[:, channel] - np.interp(level[:, channel], _STEPS, match[channel]))
        for channel in range(own.shape[1])
    ]
    uneven = float(np.clip(_SPREAD * np.median(rest) * np.log(2), _UNEVEN, _MOST_UNEVEN))
    return replace(frame, match=match if np.abs(match).max() > 0.01 else None, uneven=uneven)


def _blocks(nearest: Exposed, frame: Exposed, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Light of both, (n, C) in the reference's units, of the blocks in some rows that both show well."""
    own = _moved(nearest, rows)[0] if nearest.flow else _own(nearest, rows)
    part, inside = _moved(frame, rows)
    size = (own.sure.shape[1] // _BLOCK, own.sure.shape[0] // _BLOCK)
    if min(size) < 1:
        return np.empty((0, own.light.shape[2])), np.empty((0, own.light.shape[2]))

    def mean(plane: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], -1))

    first, second = mean(own.light), mean(part.light)
    noise = np.sqrt(np.maximum(mean(own.variance), mean(part.variance))) / _BLOCK
    sure = np.minimum(mean(own.sure), mean(part.sure * inside))[..., 0] > 0.99
    sound = sure & (np.minimum(first, second) > _SOUND * noise).all(2)
    return first[sound], second[sound]


def _by_level(level: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """EV that frames are apart at the levels of _STEPS: medians, and between and beyond them what lies next."""
    place = np.rint((level - _STEPS[0]) / (_STEPS[1] - _STEPS[0])).astype(int)
    known = [step for step in range(len(_STEPS)) if np.count_nonzero(place == step) >= _ENOUGH]
    if not known:
        return np.zeros(len(_STEPS))
    medians = [float(np.median(apart[place == step])) for step in known]
    return np.asarray(np.interp(_STEPS, _STEPS[known], medians).clip(-_MOST_MATCHED, _MOST_MATCHED))


@dataclass(frozen=True)
class _Part:
    """Rows of a frame as they lie on the reference and in its units: light (h, W, C); variance and sure (h, W); cap:
    the light at which it clips."""

    light: np.ndarray
    variance: np.ndarray
    sure: np.ndarray
    cap: np.ndarray


def _merge_rows(
    reference: Exposed, frames: Sequence[Exposed], rows: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Light, its noise and where it is clipped, of some rows."""
    own = _own(reference, rows)
    known = own  # what the scene looks like, as far as that is known by now
    weight = own.sure / own.variance
    total, squares = weight.copy(), weight**2 * own.variance
    light = own.light * weight[..., None]
    for frame in frames:
        part, inside = _moved(frame, rows)
        trust = _trust(known, part, frame.uneven) * inside
        weight = trust * part.sure / part.variance
        light += weight[..., None] * part.light
        total += weight
        squares += weight**2 * part.variance
        known = _extended(known, part, trust)
    # Where nothing is sure, what comes nearest counts.
    weight = np.float32(_LAST_RESORT) / known.variance
    light = (light + known.light * weight[..., None]) / (total + weight)[..., None]
    return light, np.sqrt(squares + weight**2 * known.variance) / (total + weight), known.sure < 0.5


def _own(reference: Exposed, rows: slice) -> _Part:
    light, sure = reference.light(rows), reference.sure(rows)
    return _Part(light, reference.variance(light), sure, np.full(sure.shape, reference.cap, np.float32))


def _moved(frame: Exposed, rows: slice) -> tuple[_Part, np.ndarray]:
    """The frame's part that lies on some rows of the reference, and (h, W) bool: where it reaches."""
    x, y, seen = _places(frame, rows)
    light, gain = frame.light(seen), np.float32(frame.gain)
    # Beside what is clipped, interpolation would mix it in.
    variance, sure = frame.variance(light), cv2.erode(frame.sure(seen), np.ones((3, 3), np.uint8))
    # Roots, since light itself would ring into the dark beside a lamp.
    moved = _remap(np.sqrt(np.maximum(light, 0)), x, y, cv2.INTER_CUBIC) ** 2
    variance, sure = (_remap(plane, x, y, cv2.INTER_LINEAR) for plane in (variance, sure))
    height, width = frame.pixels.shape[:2]
    # A pixel beyond the border is continued: what lies in the last row would else be lost to half a pixel's move.
    y_whole = y + seen.start
    inside = (x >= -1) & (x <= width) & (y_whole >= -1) & (y_whole <= height)
    cap = np.full(sure.shape, frame.gain * frame.cap, np.float32)
    light = moved * gain
    if frame.match is not None:
        light *= _change(light, frame.match)
        cap *= np.float32(2.0 ** frame.match[:, -1].min())
    return _Part(light, variance * gain**2, sure, cap), inside


def _change(light: np.ndarray, match: np.ndarray) -> np.ndarray:
    """What light (h, W, C) is multiplied by to match the reference."""
    level = np.log2(np.maximum(light, 1e-6))
    change = [np.interp(level[..., channel], _STEPS, match[channel]) for channel in range(light.shape[2])]
    return np.asarray(np.exp2(np.stack(change, 2)), np.float32)


def _places(frame: Exposed, rows: slice) -> tuple[np.ndarray, np.ndarray, slice]:
    """Where the pixels of some rows lie in a frame: x, y (h, W) in the frame's rows that are returned with them."""
    assert frame.flow is not None
    height, width = frame.pixels.shape[:2]
    y, x = np.arange(rows.start, rows.stop, dtype=np.float32), np.arange(width, dtype=np.float32)
    move_x, move_y = frame.flow.at((y - 0.5) / 2, (x - 0.5) / 2)
    x, y = x + 2 * move_x, y[:, None] + 2 * move_y
    first, last = (int(np.clip(end, 0, height - 1)) for end in (y.min(), y.max()))
    seen = slice(max(0, first - _HALO), min(height, last + 1 + _HALO))
    return x, y - np.float32(seen.start), seen


def _remap(picture: np.ndarray, x: np.ndarray, y: np.ndarray, how: int) -> np.ndarray:
    moved: np.ndarray = cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE)
    return moved.reshape(*x.shape, *picture.shape[2:])


def _trust(known: _Part, part: _Part, uneven: float) -> np.ndarray:
    """(h, W), 0 to 1: how far a frame shows what is known of the scene.

    What one of the two could not see, since it is brighter than its white, does not count. Windows of two sizes: the
    small see the edges of what has moved, the large see what differs little.
    """
    cap = np.minimum(known.cap, part.cap)[..., None]
    first, second = np.minimum(known.light, cap), np.minimum(part.light, cap)
    unit = 1 / np.sqrt(known.variance + part.variance)
    gap, detail = (first - second) * unit[..., None], first * unit[..., None]
    differing = (np.float32(uneven) * first.mean(2) * unit) ** 2
    trust = np.ones(gap.shape[:2], np.float32)
    for side, forgiven in _WINDOWS:
        window = (side, side)
        unlike = cv2.blur(_mean_square(cv2.blur(gap, window)), window)
        contrast = cv2.blur(_mean_square(detail), window) - _mean_square(cv2.blur(detail, window))
        allowed = 2 / side**2 + cv2.blur(differing, window) + forgiven * np.maximum(contrast - 1, 0)
        trust *= ((_BARRED - unlike / allowed) / (_BARRED - _DOUBTED)).clip(0, 1)
    # What lies beside a difference is part of the same thing.
    trust = cv2.blur(cv2.erode(trust, np.ones((5, 5), np.uint8)), (5, 5))
    return np.asarray(np.maximum(trust, (1 - known.sure) * _as_bright(first, second)))


def _as_bright(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(h, w), 0 to 1: whether a pixel alone, as far as both could see it, shows as much light in every color.

    That is all that can be asked where the scene is only known to be brighter than something.
    """
    ratio = (second + np.float32(1e-4)) / (first + np.float32(1e-4))
    low, high = _AS_BRIGHT
    return np.asarray(
        ((ratio.min(2) - low) / (high - low)).clip(0, 1) * ((1 / ratio.max(2) - low) / (high - low)).clip(0, 1)
    )


def _mean_square(planes: np.ndarray) -> np.ndarray:
    return np.asarray((planes**2).reshape(*planes.shape[:2], -1).mean(2))


def _extended(known: _Part, part: _Part, trust: np.ndarray) -> _Part:
    """What is known, and where that is clipped and a shorter exposure is trusted, what that one shows."""
    share = trust * (1 - known.sure) * (part.cap > known.cap)
    mixed = share[..., None]
    return _Part(
        known.light + mixed * (part.light - known.light),
        known.variance + share * (part.variance - known.variance),
        known.sure + share * part.sure,
        np.where(share > 0.5, part.cap, known.cap),
    )

"""Another light for a photo: what a network says of the shrunk whole, put to every pixel as a ratio of shadings.

The network (networks.intrinsics) tells the shape and the light that is there. Light x new shading / old shading is the
relit picture, with the photo's own detail (as Shashua and Riklin-Raviv's quotient image, TPAMI 2001, has it). The ratio
is decided on the small picture and follows the large one's edges, pixel by pixel: no part differs from its neighbour,
however it is cut; and light that is there already changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

import cv2
import numpy as np

from photofix import color, lights
from photofix.lights import Lights
from photofix.overview import enlarged, lines, settled
from photofix.photo import Photo, white
from photofix.tiles import Part, Progress

#: What a network answers to an sRGB picture (3, h, w): maps (14, h, w) and light (9, 3), as networks.intrinsics says.
Answer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

#: Errors of a normal, in radians, from which it counts in full, and from which not at all.
_SURE, _LOST = 0.5, 1.0

#: What hangs together is believed alike: how far, in longer sides of it; the change of color that parts things, and
#: that from one place to the next which does not; the mean trust from which a thing is relit, and fully.
_ALIKE, _PARTS, _SMOOTH, _DOUBTFUL, _KNOWN = 0.8, 0.1, 0.03, 0.2, 0.55

#: The share of the places of a picture that must have a shape at least.
_LEAST = 0.005

#: The share of the mean shading that is added to both sides of a ratio: what is dark by an error stays bounded.
_FLOOR = 0.04

#: Stops by which light becomes more and less at most, which the ratio nears gently.
_MORE, _LESS = 3.0, 6.0

#: How much of what is clipped stays bright where light becomes less.
_KEPT = 0.9

#: By what share colors become stronger for each stop of light less.
_COLOR = 0.15

#: The share of gloss in a shading.
_GLOSS = 0.12

#: Stops by which a shading differs in the mean from which it is of another light altogether.
_ANOTHER = 0.4

#: How far the shading that the network sees is believed beyond what shape and light say: it takes colors for shade.
_SEEN = 0.5

#: How much of the colors of the light that is there is believed from place to place; how much of a new light's tint
#: stays once the eye has got used to it.
_BELIEVED, _TINT = 0.2, 0.7

#: How far exposure follows a lamp that shows less of the subject than one at the camera would: 0 not, 1 in full; and
#: of that one's light the share from which it no longer does, as where the lamp goes round behind.
_ADAPTED, _DARK = 0.75, 0.3

#: The guided filter: how many times as fine as what the network sees its picture is, half the side of its window there,
#: and the variance of the guide, sRGB values, from which a change is an edge.
_FINER, _RADIUS, _EDGE = 2, 4, 0.002

#: What a mirror makes of a normal, and of harmonics: those that are odd in x.
_MIRRORED, _ODD = np.array([-1, 1, 1]), np.array([1, 1, 1, -1, -1, 1, 1, -1, 1])

#: Rows that are worked on at a time.
_BAND = 128


@dataclass(frozen=True, eq=False)
class Wish:
    """The light that is wanted.

    lamps: lamps, as bright as they are to be; None: light that is measured, of a scene, which is exposed such that the
        subject stays as bright as it was. ambient: the share of even light beside it.
    like: light as in this photo.
    subject: (H, W) float32, 0 to 1, what is relit; None: all of it.
    """

    light: Lights | None = None
    lamps: bool = True
    ambient: float = 0.0
    like: Photo | None = None
    subject: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """What is known of a photo, made small.

    guide: (H, W, 3) float32, sRGB-encoded, finer than what follows, which is brought back along its edges. normals:
    (h, w, 3). visibility: (h, w, 9). sure: (h, w), 0 to 1, how far they are to be believed. shading: (h, w), luminance.
    light: what is there.
    """

    guide: np.ndarray
    normals: np.ndarray
    visibility: np.ndarray
    sure: np.ndarray
    shading: np.ndarray
    light: Lights

    @property
    def empty(self) -> bool:
        """Whether nothing has a shape that could be relit."""
        return float((self.sure > 0.5).mean()) < _LEAST

    def lit(self, light: Lights) -> np.ndarray:
        """Its shading (h, w, 3) in some light, soft highlights included."""
        return lights.shading(light, self.normals, self.visibility, _GLOSS)

    def there(self) -> np.ndarray:
        """The shading (h, w, 3) that the network sees, in the colors of the light that is there."""
        lit = np.maximum(self.lit(self.light), 1e-4)
        return np.asarray(lit * (self.shading / (lit @ color.LUMINANCE))[:, :, None])


@dataclass(frozen=True, eq=False)
class Plan:
    """Stops by which every pixel's light changes: at each place slope * guide + offset, (h, w, C) each.

    The guide is the sRGB-encoded luminance. subject: (H, W), what is relit, or None. strength: the share that is done.
    """

    slope: np.ndarray
    offset: np.ndarray
    subject: np.ndarray | None = None
    strength: float = 1.0


def shrunk(photo: Photo, side: int, multiple: int) -> np.ndarray:
    """The whole picture made small, (h, w, 3) float32 sRGB-encoded in [0, 1]: its longer side `side`."""
    height, width = photo.pixels.shape[:2]
    scale = side / max(height, width)
    rows, columns = (max(1, round(length * scale / multiple)) * multiple for length in (height, width))
    small = cv2.resize(photo.pixels, (columns, rows), interpolation=cv2.INTER_AREA).reshape(rows, columns, -1)
    numbers = small.astype(np.float32) / np.float32(white(small.dtype))
    shown = color.linear_to_srgb(numbers) if photo.encoding == "linear" else numbers
    return np.ascontiguousarray(np.broadcast_to(np.nan_to_num(shown).clip(0, 1), (rows, columns, 3)))


def scene(photo: Photo, answer: Answer, side: int, multiple: int) -> Scene:
    """What a network sees in the whole photo."""
    picture = shrunk(photo, side, multiple)
    maps, light = _both_ways(picture.transpose(2, 0, 1), answer)
    planes = maps.transpose(1, 2, 0)
    sure = ((_LOST - np.exp(planes[:, :, 12])) / (_LOST - _SURE)).clip(0, 1)
    # What is seen there at an outline is a mixture, and a rim in the old light is less strange than a halo.
    sure = cv2.erode(sure, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    known = lights.of_harmonics(light)
    guide = shrunk(photo, _FINER * side, 1)
    sure = _alike(sure, picture)
    return Scene(guide, planes[:, :, :3], planes[:, :, 3:12], sure, np.exp(planes[:, :, 13]), known)


def _alike(sure: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """How far places (h, w) are to be believed, so that a wall or a sky is relit as one, or not.

    Half a wall would show a halo around whatever stands before it.
    """
    sure = settled(sure, picture, _ALIKE * max(sure.shape), _PARTS, _SMOOTH)
    return np.asarray(((sure - _DOUBTFUL) / (_KNOWN - _DOUBTFUL)).clip(0, 1))


def _both_ways(picture: np.ndarray, answer: Answer) -> tuple[np.ndarray, np.ndarray]:
    """What a network says of a picture (3, h, w) and of its mirror image, the mean: what is left is as right."""
    maps, light = answer(picture)
    mirrored, light_there = answer(np.ascontiguousarray(picture[:, :, ::-1]))
    maps = (maps + np.concatenate([_MIRRORED, _ODD, [1, 1]])[:, None, None] * mirrored[:, :, ::-1]) / 2
    maps[:3] /= np.maximum(np.linalg.norm(maps[:3], axis=0), 1e-6)
    return maps.astype(np.float32), ((light + _ODD[:, None] * light_there) / 2).astype(np.float32)


def plan(known: Scene, wish: Wish, strength: float, like: Scene | None = None) -> Plan:
    """What a wish makes of a photo's every pixel.

    like: what is known of the photo whose light is wanted.
    """
    subject = _subject(known, wish)
    if like is not None:
        wish = replace(wish, light=like.light, lamps=False)
    assert wish.light is not None
    old, new = known.lit(known.light), known.lit(wish.light)
    new = new * _exposed(known, wish, old, new, subject)
    if wish.ambient:
        open_sky = known.lit(lights.even())
        level = _mean(old, subject) / _mean(open_sky, subject)
        new = (1 - np.float32(wish.ambient)) * new + np.float32(wish.ambient) * level * open_sky
    old = _as_seen(known, old, new, subject)
    stops = _stops(old, new, subject) * known.sure[:, :, None]
    stops *= np.where(stops < 0, 1 - _KEPT * _white(known.guide, stops.shape), 1)
    return Plan(*followed(stops, known.guide), wish.subject, strength)


def relit(photo: Photo, how: Plan, part: Part | None = None, progress: Progress | None = None) -> Photo:
    """The photo, or a part of it, in its new light, at its own depth; where nothing changes its own numbers.

    part: rows and columns of the photo that are wanted; the plan is always of the whole.
    """
    rows, columns = part or (slice(0, photo.pixels.shape[0]), slice(0, photo.pixels.shape[1]))
    wanted = photo.pixels[rows, columns]
    alpha = None if photo.alpha is None else photo.alpha[rows, columns]
    if how.strength == 0:
        return replace(photo, pixels=wanted, alpha=alpha)
    finished = np.empty_like(wanted)
    for top in range(0, len(wanted), _BAND):
        band = slice(rows.start + top, min(rows.start + top + _BAND, rows.stop))
        here = slice(top, top + band.stop - band.start)
        light = np.nan_to_num(color.light_of(wanted[here], photo.encoding))
        ratio = _ratio(light, how, photo.pixels.shape[:2], (band, columns))
        brighter = _shone(light, ratio, photo.pixels.dtype.kind == "u")
        stored = color.stored(brighter, photo.encoding, photo.pixels.dtype)
        # What is not changed keeps its numbers, whatever their rounding.
        finished[here] = np.where(ratio == 1, wanted[here], stored)
        if progress:
            progress(light.shape[0] * light.shape[1])
    return replace(photo, pixels=finished, alpha=alpha)


def film(
    photo: Photo, known: Scene, wish: Wish, frames: int, strength: float, part: Part | None = None
) -> Iterator[Photo]:
    """The photo, or a part of it, with its new light going round, one turn in so many frames."""
    assert wish.light is not None
    for frame in range(frames):
        turned = replace(wish, light=wish.light.turned(360 * frame / frames))
        yield relit(photo, plan(known, turned, strength), part)


def _subject(known: Scene, wish: Wish) -> np.ndarray:
    """(h, w), how much each place counts for the exposure."""
    if wish.subject is None:
        return known.sure + np.float32(1e-6)
    size = known.sure.shape[::-1]
    small = cv2.resize(wish.subject, size, interpolation=cv2.INTER_AREA)
    return np.asarray(known.sure * small + np.float32(1e-6))


def _mean(shading: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The mean color (3,) of a shading where it counts."""
    return np.asarray(np.maximum((shading * weight[:, :, None]).sum((0, 1)) / weight.sum(), 1e-6))


def _exposed(known: Scene, wish: Wish, old: np.ndarray, new: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """(3,) what a new shading is multiplied with."""
    assert wish.light is not None
    before, after = _mean(old, subject), _mean(new, subject)
    luminance = [float(mean @ color.LUMINANCE) for mean in (before, after)]
    if not wish.lamps:
        tint = (after / luminance[1]) / (before / luminance[0])
        return np.asarray(luminance[0] / luminance[1] * tint ** -(1 - _TINT), np.float32)
    # One lamp at the camera would show the subject as bright as it was; where it stands elsewhere, darker.
    power = float((wish.light.power @ color.LUMINANCE).sum())
    frontal = float(_mean(known.lit(lights.lamp(0, 15, soft=0.3)), subject) @ color.LUMINANCE)
    full = power * frontal
    gain = (luminance[0] / frontal) * ((1 + _DARK) * full / (luminance[1] + _DARK * full)) ** _ADAPTED
    # The white of lamps is the photo's own.
    return np.asarray(gain * before / luminance[0], np.float32)


def _as_seen(known: Scene, old: np.ndarray, new: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """The old shading with the luminance that the network sees there: hard shadows, too, which harmonics cannot tell.

    The nearer the new light is to the old one the less, so that light that is there already changes nothing.
    """
    luminance, wanted = np.maximum(old @ color.LUMINANCE, 1e-4), np.maximum(new @ color.LUMINANCE, 1e-4)
    apart = float((np.abs(np.log2(wanted / luminance)) * subject).sum() / subject.sum())
    more = np.log2(np.maximum(known.shading, 1e-4) / luminance)
    # How bright light is as a whole, the network says twice.
    more -= (more * subject).sum() / subject.sum()
    share = _SEEN * min(1.0, apart / _ANOTHER)
    return np.asarray(old * np.exp2(more * share)[:, :, None].astype(np.float32))


def _stops(old: np.ndarray, new: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """(h, w, 3) by how many stops light changes, bounded."""
    floor = np.float32(_FLOOR) * _mean(old, subject)
    change = np.log2((new + floor) / (old + floor))
    gray = np.log2(((new + floor) @ color.LUMINANCE) / ((old + floor) @ color.LUMINANCE))[:, :, None]
    tint = change - gray
    overall = (tint * subject[:, :, None]).sum((0, 1)) / subject.sum()
    tint = overall + np.float32(_BELIEVED) * (tint - overall)
    limit = np.where(gray > 0, np.float32(_MORE), np.float32(_LESS))
    return np.asarray(limit * np.tanh(gray / limit) + tint, np.float32)


def _white(picture: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(h, w, 1) of that size, 0 to 1, how far places are so bright that nobody knows how bright they were."""
    share = ((picture.min(2) - 0.94) / 0.05).clip(0, 1)
    small = cv2.resize(share, size[1::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(small, (3, 3), borderType=cv2.BORDER_REFLECT))[:, :, None]


def followed(planes: np.ndarray, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset (H, W, C) of planes (h, w, C) over the luminance of a picture (H, W, 3), sRGB-encoded."""
    guide = luminance_shown(color.srgb_to_linear(picture))
    planes = cv2.resize(planes, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    side = (2 * _RADIUS + 1,) * 2

    def mean(planes: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(planes, side, borderType=cv2.BORDER_REFLECT)).reshape(planes.shape)

    return lines(planes, guide, _EDGE, mean)


def luminance_shown(light: np.ndarray) -> np.ndarray:
    """(h, w, 1) sRGB-encoded luminance of light (h, w, C), 0 to 1: what the planes follow."""
    luminance = light @ color.LUMINANCE if light.shape[2] == 3 else light[:, :, 0]
    return np.asarray(color.linear_to_srgb(luminance.clip(0, 1))[:, :, None])


def _ratio(light: np.ndarray, how: Plan, whole: tuple[int, ...], part: Part) -> np.ndarray:
    """(rows, W, C) what the light of a part of the picture is multiplied with."""
    rows, columns = part
    height, width = whole
    slope, offset = (enlarged(plane, rows, height, width)[:, columns] for plane in (how.slope, how.offset))
    stops = slope * luminance_shown(light) + offset
    if light.shape[2] == 1:
        stops = stops.mean(2, keepdims=True)
    share = 1 if how.subject is None else how.subject[rows, columns, None]
    return np.asarray(1 + np.float32(how.strength) * share * (np.exp2(stops) - 1), np.float32)


def _shone(light: np.ndarray, ratio: np.ndarray, bounded: bool) -> np.ndarray:
    """Light times the ratio; where white is the most that can be stored, it is neared gently."""
    if not bounded:
        return np.asarray(light * ratio)
    before = _peak(light)
    after = _colored(light * ratio, ratio)
    peak = _peak(after)
    room = np.maximum(1 - before, 1e-4)
    much = np.maximum(peak - before, 0) / room
    neared = before + room * much / np.cbrt(1 + much**3)
    return np.asarray(after * np.where(peak > before, neared / np.maximum(peak, 1e-6), 1))


def _colored(light: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Light that has become less in more color: a camera's curve had taken it out where it was bright."""
    if light.shape[2] == 1:
        return light
    gray = (light @ color.LUMINANCE)[:, :, None]
    less = -np.log2(np.clip(ratio @ color.LUMINANCE, 0.25, 1))[:, :, None]
    return np.asarray(np.maximum(light + np.float32(_COLOR) * less * (light - gray), 0))


def _peak(light: np.ndarray) -> np.ndarray:
    """(h, w, 1) the brightest of each pixel's colors: many times as fast as numpy's own."""
    return np.asarray(reduce(np.maximum, np.split(light, light.shape[2], axis=2)))

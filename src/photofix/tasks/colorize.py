"""Colors for a black-and-white photo: guessed from the shrunk whole, with hints or without, and painted at full size.

A network says how likely each of some hundred colors is at each place (networks.colorizer), or gives a and b itself.
What it says becomes chroma (CIE Lab's a and b), muted where little is known, and hints are kept to where they lie. The
lightness of the photo stays as it is, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from photofix import chroma, color
from photofix.chroma import Touch
from photofix.errors import PhotofixError, UsageError
from photofix.photo import Photo, white
from photofix.tiles import Progress

#: What a network answers: to L (h, w), 0 to 100, and known colors (h, w, 3), a, b and 1 where there is one, else 0:
#: logits of colors (Q, h / n, w / n), or a and b (2, h, w).
Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: The temperature at which a guess is taken where nobody says another: 0 is the likeliest color, 1 the mean of all.
TEMPERATURE = 0.2

#: How far rare colors are taken for likelier than they are, so that a guess is no gray mean: -1 undoes what training
#: did to that end.
_RARE = 0.8

#: Certainty, 0 where all colors are as likely to 1 where one is sure, below which chroma shrinks.
_SURE = 0.55

#: How much a palette tells, beside what is seen.
_PALETTE = 0.7

#: Colors that are put on one coloring after another so that each is another one, their side in pixels, and the
#: temperature at which they are drawn.
_SEEDS, _SEED_SIDE, _SEED_TEMPERATURE = 5, 3, 0.6

#: Longer side at which strokes are looked for.
_STROKES_SIDE = 2000

#: Mean distance from one tone, in a and b, from which a photo is in color: a toned or faded print has one tone for each
#: lightness, that of stains and of uneven fading apart.
_IN_COLOR = 2.5


@dataclass(frozen=True, eq=False)
class Hints:
    """Known colors: points (x, y, (r, g, b)) in 8 bits; strokes over the photo, or on a clear ground, as a Photo."""

    points: tuple[tuple[float, float, tuple[int, int, int]], ...] = ()
    strokes: Photo | None = None


@dataclass(frozen=True, eq=False)
class Palette:
    """A photo whose colors are wanted."""

    photo: Photo


@dataclass(frozen=True)
class Wishes:
    """How a photo is to be colored.

    palette: colors that are likelier than others. saturation: what chroma is multiplied with. temperature: 0
    to 1, None for the network's own. take: which of the plausible colorings, from 1, the most likely one. samples: how
    many of them a sheet shows, 0 for none. recolor: color that there is goes first.
    """

    hints: Hints | None = None
    palette: Palette | None = None
    saturation: float = 1.0
    temperature: float | None = None
    take: int = 1
    samples: int = 0
    recolor: bool = False


@dataclass(frozen=True)
class Painter:
    """A network that colors.

    side: of what it is shown, the longer one at most. multiple: both sides are multiples of this. centers: (Q, 2) the
    colors whose odds it gives and rarity: (Q,) the logarithm of what each counted in training; None: it gives a and b.
    takes_hints: whether it looks at them.
    """

    answer: Answer
    side: int
    multiple: int
    centers: np.ndarray | None = None
    rarity: np.ndarray | None = None
    takes_hints: bool = True


@dataclass(frozen=True)
class _Scene:
    """The shrunk photo that a network is shown: lightness (h, w) and what is known of its colors (h, w, 3)."""

    lightness: np.ndarray
    known: np.ndarray


def colorize(photo: Photo, painter: Painter, wishes: Wishes, progress: Progress | None = None) -> Photo:
    """The photo in color, RGB; alpha and metadata are passed on.

    Raises:
        PhotofixError: it is in color already. UsageError: the hints do not fit it, or the network not the wishes.
    """
    photo = neutral(photo, wishes.recolor)
    scene = _scene(photo, painter, wishes)
    return _painted(photo, _guess(scene, painter, wishes), scene, wishes, progress)


def sheet(photo: Photo, painter: Painter, wishes: Wishes, side: int = 480) -> Photo:
    """Some plausible colorings, small, side by side: uint8. The first is what colorize() gives; errors as there."""
    photo = neutral(photo, wishes.recolor)
    scale = min(1.0, side / max(photo.pixels.shape[:2]))
    small = _resized(photo, scale)
    scene = _scene(photo, painter, wishes)
    found = []
    for take in range(1, wishes.samples + 1):
        wish = replace(wishes, take=take)
        shown = _painted(small, _guess(scene, painter, wish), scene, replace(wish, hints=None), None).pixels
        found.append(np.pad(_bytes(shown, photo.encoding), ((2, 2), (2, 2), (0, 0)), constant_values=255))
    columns = int(np.ceil(np.sqrt(len(found))))
    found += [np.full_like(found[0], 255)] * (-len(found) % columns)
    rows = [np.concatenate(found[first : first + columns], axis=1) for first in range(0, len(found), columns)]
    return Photo(np.concatenate(rows, axis=0))


def neutral(photo: Photo, recolor: bool) -> Photo:
    """A photo whose color, if it has any, is one tone of a print: from here on only its lightness counts.

    Raises:
        PhotofixError: it is in color, and that is not to be dropped.
    """
    if photo.pixels.shape[2] == 1 or recolor:
        return photo
    tone, colorful = _tone(_bytes(_resized(photo, min(1.0, 256 / max(photo.pixels.shape[:2]))).pixels, photo.encoding))
    if colorful > _IN_COLOR:
        raise PhotofixError(
            "this photo is in color already: give --recolor to drop its colors and guess new ones, or a "
            "black-and-white photo"
        )
    if tone < 1.5:
        return photo
    return replace(photo, notes=(*photo.notes, "its tone, as of sepia or faded paper, was taken out first"))


def _tone(shown: np.ndarray) -> tuple[float, float]:
    """Of a small picture (h, w, 3) uint8: its mean chroma, and the mean distance from one tone for each lightness."""
    lab = _lab(cv2.medianBlur(shown, 3) if min(shown.shape[:2]) > 2 else shown).reshape(-1, 3)
    level = lab[:, 0] / 50 - 1
    # What hangs on lightness, smoothly: a polynomial of the fourth degree.
    terms = np.stack([level**power for power in range(5)], axis=1)
    fitted = terms @ np.linalg.lstsq(terms, lab[:, 1:], rcond=None)[0]
    return float(np.hypot(*lab[:, 1:].T).mean()), float(np.hypot(*(lab[:, 1:] - fitted).T).mean())


def _lab(shown: np.ndarray) -> np.ndarray:
    """CIE Lab float32 of sRGB (h, w, 3) uint8."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(shown).astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def _bytes(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """Pixels (h, w, C) as uint8 RGB, sRGB-coded."""
    numbers = pixels.astype(np.float32) / np.float32(white(pixels.dtype))
    shown = color.linear_to_srgb(numbers) if encoding == "linear" else numbers
    three = np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown
    return np.asarray(np.rint(three.clip(0, 1) * 255), np.uint8)


def _resized(photo: Photo, scale: float) -> Photo:
    height, width = (max(1, round(length * scale)) for length in photo.pixels.shape[:2])
    small = cv2.resize(photo.pixels, (width, height), interpolation=cv2.INTER_AREA)
    return replace(photo, pixels=small.reshape(height, width, -1), alpha=None)


def _scene(photo: Photo, painter: Painter, wishes: Wishes) -> _Scene:
    _check(painter, wishes)
    height, width = photo.pixels.shape[:2]
    scale = painter.side / max(height, width)
    size = tuple(max(1, round(length * scale / painter.multiple)) * painter.multiple for length in (height, width))
    light = _shrunk(photo, size)
    return _Scene(color.lightness(light).clip(0, 100), _known(photo, wishes.hints, size))


def _check(painter: Painter, wishes: Wishes) -> None:
    """UsageError for wishes that only a network which gives odds can fulfil."""
    if painter.centers is not None:
        return
    given = {
        "--palette": wishes.palette is not None,
        "--temperature-of-guess": wishes.temperature is not None,
        "--samples": wishes.samples > 0,
        "--take": wishes.take > 1,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(f"{option}: this model names one color for each place, no odds: leave --model out")
    if wishes.hints is not None and not painter.takes_hints:
        raise UsageError("--hints: this model takes none: leave --model out, or give --model zhang-siggraph17")


def _shrunk(photo: Photo, size: tuple[int, ...]) -> np.ndarray:
    """Luminance (h, w) of the photo at that size."""
    small = cv2.resize(photo.pixels, size[::-1], interpolation=cv2.INTER_AREA)
    return chroma.luminance(replace(photo, pixels=small.reshape(*size, -1)), 0, size[0])


def _known(photo: Photo, hints: Hints | None, size: tuple[int, ...]) -> np.ndarray:
    """(h, w, 3): a, b and 1 where hints tell the color, else 0, of a photo shrunk to that size."""
    total = np.zeros((*size, 3), np.float32)
    if hints is None:
        return total
    height, width = photo.pixels.shape[:2]
    for x, y, rgb in _inside(hints, photo):
        place = int(y * size[0] / height), int(x * size[1] / width)
        total[place] += (*_ab(rgb), 1)
    if hints.strokes is not None:
        marked, ab = _marked(hints.strokes, photo)
        planes = np.dstack([ab * marked[:, :, None], marked]).astype(np.float32)
        shares = cv2.resize(planes, size[::-1], interpolation=cv2.INTER_AREA)
        total += np.where(shares[:, :, 2:] > 0.1, shares, 0)
    return np.where(total[:, :, 2:] > 0, total / np.maximum(total[:, :, 2:], 1e-9), 0)


def _ab(rgb: tuple[int, int, int]) -> tuple[float, float]:
    _, a, b = _lab(np.array(rgb, np.uint8).reshape(1, 1, 3))[0, 0].tolist()
    return a, b


def _inside(hints: Hints, photo: Photo) -> tuple[tuple[float, float, tuple[int, int, int]], ...]:
    """The points; UsageError where one lies outside of the photo."""
    height, width = photo.pixels.shape[:2]
    for number, (x, y, _) in enumerate(hints.points, start=1):
        if not (0 <= x < width and 0 <= y < height):
            raise UsageError(
                f"hint {number} at x {x:g}, y {y:g} lies outside the picture of {width} x {height}: "
                f"x is 0 to {width - 1}, y 0 to {height - 1}"
            )
    return hints.points


def _marked(strokes: Photo, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """Where (h, w) a picture of strokes is unlike the photo, or not clear, as floats 0 and 1; and a and b (h, w, 2).

    Both are looked at shrunk where they are large: a stroke is no single pixel.
    """
    if strokes.pixels.shape[:2] != photo.pixels.shape[:2]:
        have, want = ("{1} x {0}".format(*one.pixels.shape) for one in (strokes, photo))
        raise UsageError(f"the strokes of --hints are {have} pixels and the picture {want}: give them in its size")
    scale = min(1.0, _STROKES_SIDE / max(photo.pixels.shape[:2]))
    lab, before = (_lab(_bytes(_resized(one, scale).pixels, one.encoding)) for one in (strokes, photo))
    if strokes.alpha is not None and strokes.alpha.min() < white(strokes.alpha.dtype):
        alpha = cv2.resize(strokes.alpha, lab.shape[1::-1], interpolation=cv2.INTER_AREA)
        return (alpha > white(alpha.dtype) / 2).astype(np.float32), lab[:, :, 1:]
    unlike = (np.hypot(*cv2.split(lab[:, :, 1:] - before[:, :, 1:])) > 5) | (np.abs(lab - before)[:, :, 0] > 15)
    # The rim of a stroke is a mixture of both.
    core = cv2.erode(unlike.astype(np.uint8), np.ones((3, 3), np.uint8))
    return (core if core.sum() * 4 > unlike.sum() else unlike).astype(np.float32), lab[:, :, 1:]


def _guess(scene: _Scene, painter: Painter, wishes: Wishes) -> np.ndarray:
    """Chroma (h, w, 2) of the shrunk photo, as the network and the wishes have it; hints are kept to."""
    if painter.centers is None or painter.rarity is None:
        found = painter.answer(scene.lightness, scene.known).transpose(1, 2, 0)
    else:
        seen = scene if wishes.take == 1 else _seeded(scene, painter, wishes)
        places, trust = _decoded(_logits(seen, painter, wishes), painter.centers, wishes.temperature)
        found = chroma.enlarged(places, trust, scene.lightness)
    found = found * np.float32(wishes.saturation)
    there = scene.known[:, :, 2]
    for _ in range(2 if there.any() else 0):
        wrong = (scene.known[:, :, :2] - found) * there[:, :, None]
        found = found + chroma.spread(wrong, there, scene.lightness)
    return np.asarray(found, np.float32)


def _logits(scene: _Scene, painter: Painter, wishes: Wishes) -> np.ndarray:
    """(Q, h', w') of the scene, rare colors and those of a palette made likelier."""
    assert painter.centers is not None
    assert painter.rarity is not None
    more = _RARE * painter.rarity
    if wishes.palette is not None:
        more = more + _PALETTE * _likelier(wishes.palette.photo, painter.centers, painter.rarity)
    return np.asarray(painter.answer(scene.lightness, scene.known) + more[:, None, None])


def _likelier(palette: Photo, centers: np.ndarray, rarity: np.ndarray) -> np.ndarray:
    """(Q,) logarithm of how much more often a palette has each color than the photos of training had it."""
    shown = _bytes(_resized(palette, min(1.0, 128 / max(palette.pixels.shape[:2]))).pixels, palette.encoding)
    colors = _lab(shown).reshape(-1, 3)[:, 1:]
    near = np.exp(-0.5 * ((colors[:, None, :] - centers[None]) ** 2).sum(2) / 5**2)
    share = (near / near.sum(1, keepdims=True)).mean(0)
    # In training each color counted as its smoothed share to the power of -1/2.
    return np.asarray(np.log(0.5 * share + 0.5 / len(share)) + 2 * rarity)


def _odds(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(0))
    return np.asarray(raised / raised.sum(0))


def _decoded(logits: np.ndarray, centers: np.ndarray, temperature: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Chroma (h', w', 2) at a temperature, muted where the odds are even; and how far they are from it (h', w').

    The annealed mean of Zhang et al. 2016.
    """
    sure = 1 - _entropy(_odds(logits)) / np.log(len(centers))
    odds = _odds(logits / max(TEMPERATURE if temperature is None else temperature, 0.02))
    found = np.einsum("qhw,qc->hwc", odds, centers)
    return found * np.minimum(1, sure / _SURE)[:, :, None], np.asarray(sure + 0.05)


def _entropy(odds: np.ndarray) -> np.ndarray:
    return np.asarray(-(odds * np.log(odds + 1e-9)).sum(0))


def _seeded(scene: _Scene, painter: Painter, wishes: Wishes) -> _Scene:
    """The scene with some colors drawn from their odds as if they were known, where least is known, one by one.

    What the network makes of them hangs together; independent draws at every place would be confetti.
    """
    assert painter.centers is not None
    assert painter.rarity is not None
    rng = np.random.default_rng(wishes.take)
    for _ in range(_SEEDS):
        # As likely as they are: what makes rare colors likelier for one guess would here make them common.
        likely = _logits(scene, painter, wishes) - (_RARE + 1) * painter.rarity[:, None, None]
        odds = _odds(likely / _SEED_TEMPERATURE)
        open_ = np.maximum(_entropy(odds), 1e-6)
        place = np.unravel_index(rng.choice(open_.size, p=(open_ / open_.sum()).ravel()), open_.shape)
        drawn = painter.centers[
            rng.choice(len(odds), p=odds[:, place[0], place[1]] / odds[:, place[0], place[1]].sum())
        ]
        cell = scene.lightness.shape[0] // open_.shape[0]
        row, column = (int(index) * cell for index in place)
        known = scene.known.copy()
        known[row : row + _SEED_SIDE, column : column + _SEED_SIDE] = (*drawn, 1)
        scene = _Scene(scene.lightness, known)
    return scene


def _painted(photo: Photo, found: np.ndarray, scene: _Scene, wishes: Wishes, progress: Progress | None) -> Photo:
    """The photo with that chroma."""
    plan = chroma.guided(found, scene.lightness)
    touches = tuple(_touches(photo, plan, wishes.hints, scene)) if wishes.hints else ()
    height, width = photo.pixels.shape[:2]
    pixels = np.empty((height, width, 3), photo.pixels.dtype)
    for first, band in chroma.painted(photo, plan, touches):
        pixels[first : first + len(band)] = band
        if progress:
            progress(len(band) * width)
    return replace(photo, pixels=pixels)


def _touches(photo: Photo, plan: chroma.Plan, hints: Hints, scene: _Scene) -> list[Touch]:
    """What points still lack where they lie, after all that was done to the shrunk photo."""
    size = photo.pixels.shape[:2]
    radius = max(1.0, 0.7 * max(size) / max(scene.lightness.shape))
    places = np.array([(int(y), int(x)) for x, y, _ in hints.points]).reshape(-1, 2)
    found = []
    for (row, column), (_, _, rgb) in zip(places.tolist(), hints.points, strict=True):
        lightness = color.lightness(chroma.luminance(photo, row, row + 1))
        have = [float(plane[0, column]) for plane in plan.chroma(lightness, row, (size[0], size[1]))]
        want = _ab(rgb)
        # So near that the next point is hardly touched.
        apart = np.hypot(*(places - (row, column)).T)
        near = min(radius, 0.4 * float(apart[apart > 0].min(initial=np.inf)))
        change = (want[0] - have[0], want[1] - have[1])
        found.append(Touch(row, column, change, float(lightness[0, column]), near))
    return found

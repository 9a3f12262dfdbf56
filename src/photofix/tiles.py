"""Run a function over a picture of any size, tile by tile, as if it had seen the picture whole.

A tile answers for its middle: what lies within the margin of a cut is discarded, because there the network lacked
context. Neighbouring answers overlap by a narrow band in which one fades into the other; the two weights sum to one.
Nothing is normalised per tile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from photofix.device import is_out_of_memory
from photofix.errors import DeviceError

#: What a tile is asked: rows and columns it sees; the answer is (h, w, C) float32 for exactly these.
Answer = Callable[[slice, slice], np.ndarray]
Progress = Callable[[int], None]

#: Rows and columns of a picture.
Part = tuple[slice, slice]

#: Below this a tile is not halved any more when memory runs out.
SMALLEST = 32


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut.

    tile: side of a tile, margins included; 0 for the whole picture at once.
    margin: pixels next to a cut that are discarded.
    fade: width of the band over which neighbouring tiles are mixed.
    multiple: every tile starts at a multiple of this, as the network's own folding needs.
    least: a tile sees at least this many pixels where the picture has them, though it answers for fewer.
    """

    tile: int
    margin: int
    fade: int = 16
    multiple: int = 8
    least: int = 0


@dataclass(frozen=True)
class Span:
    """One tile along one axis: it sees [start, stop) and answers for [first, last)."""

    start: int
    stop: int
    first: int
    last: int

    def whole(self, length: int) -> bool:
        """Whether it answers for all of an axis."""
        return (self.first, self.last) == (0, length)


def spans(length: int, tiling: Tiling) -> list[Span]:
    """Tiles along one axis: as few as fit, evenly laid, each at most tiling.tile long (rounded to the multiple)."""
    overlap = 2 * tiling.margin + tiling.fade
    step = max(tiling.tile - overlap, tiling.multiple) // tiling.multiple * tiling.multiple
    if tiling.tile <= 0 or length <= max(tiling.tile, step + overlap):
        return [Span(0, length, 0, length)]
    count = -(-(length - overlap) // step)
    stride = _round_up(-(-(length - overlap) // count), tiling.multiple)
    starts = range(0, length - overlap, stride)
    laid = [_span(start, start + stride + overlap, length, tiling.margin) for start in starts]
    return [_widened(span, length, tiling) for span in laid]


def _span(start: int, stop: int, length: int, margin: int) -> Span:
    last = length if stop >= length else stop - margin
    return Span(start, min(stop, length), start + margin if start else 0, last)


def _widened(span: Span, length: int, tiling: Tiling) -> Span:
    """The span with what it lacks of the least context, from both sides as far as the picture goes."""
    lacks = max(0, min(tiling.least, length) - (span.stop - span.start))
    start = max(0, min(span.start - lacks // 2, length - tiling.least)) // tiling.multiple * tiling.multiple
    return replace(span, start=start, stop=max(span.stop, min(length, start + tiling.least)))


def count(height: int, width: int, tiling: Tiling) -> int:
    """How many tiles a picture takes."""
    return len(spans(height, tiling)) * len(spans(width, tiling))


def run(
    answer: Answer,
    height: int,
    width: int,
    tiling: Tiling,
    progress: Progress | None = None,
    part: Part | None = None,
    ahead: bool = False,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the whole answer as bands of finished rows: (top row, (rows, width, C) float32).

    Only a band and the rows that the next one fades into are held. When memory runs out a tile is halved and the
    work goes on from there; DeviceError when even the smallest does not fit.

    part: rows and columns that are wanted. Tiles that say nothing of them are left out, the others are as ever: inside
        the part the answer is the same, outside it means nothing.
    ahead: the next tile is asked for, in a thread, while this one is put into its band: where another device answers.
    """
    columns = [span for span in spans(width, tiling) if part is None or _meets(span, part[1])]
    rows = [span for span in spans(height, tiling) if part is None or _meets(span, part[0])]
    asked = product(rows, columns)
    smaller = _Halving(answer, tiling)
    with closing(_asked_ahead(smaller, asked) if ahead else (smaller(*spans) for spans in asked)) as answers:
        yield from _joined(answers, rows, columns, (height, width), tiling.fade, progress)


def _asked_ahead(smaller: _Halving, asked: Iterator[tuple[Span, Span]]) -> Generator[np.ndarray]:
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(smaller, *next(asked))
        for spans in asked:
            found = coming.result()
            coming = worker.submit(smaller, *spans)
            yield found
        yield coming.result()


def _joined(
    answers: Iterator[np.ndarray],
    rows: list[Span],
    columns: list[Span],
    size: tuple[int, int],
    fade: int,
    progress: Progress | None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Bands of answers, which come row by row, each faded into its neighbours."""
    height, width = size
    carried: np.ndarray | None = None
    for index, row in enumerate(rows):
        band: np.ndarray | None = None
        for column, found in zip(columns, answers, strict=False):
            if band is None:
                band = np.zeros((row.last - row.first, width, found.shape[2]), np.float32)
            weight = _ramp(column, fade, width)[None, :, None]
            band[:, column.first : column.last] += found if column.whole(width) else found * weight
            if progress:
                progress((row.last - row.first) * (column.last - column.first))
        assert band is not None
        if not row.whole(height):
            band *= _ramp(row, fade, height)[:, None, None]
        if carried is not None:
            band[: len(carried)] += carried
        done = len(band) if index == len(rows) - 1 else rows[index + 1].first - row.first
        carried = band[done:].copy()
        yield row.first, band[:done]


def _meets(span: Span, part: slice) -> bool:
    return bool(span.first < part.stop and part.start < span.last)


def _ramp(span: Span, fade: int, length: int) -> np.ndarray:
    """Weights over [first, last): 1 inside, rising and falling linearly where a neighbour answers too."""
    weight = np.ones(span.last - span.first, np.float32)
    rise = (np.arange(fade, dtype=np.float32) + 1) / (fade + 1)
    if span.first:
        weight[:fade] = rise
    if span.last < length:
        weight[len(weight) - fade :] = 1 - rise
    return weight


class _Halving:
    """Asks for a tile; when memory runs out, for its halves, and from then on for no larger ones."""

    def __init__(self, answer: Answer, tiling: Tiling) -> None:
        self.answer, self.margin, self.multiple = answer, tiling.margin, tiling.multiple
        self.largest: int | None = None

    def __call__(self, row: Span, column: Span) -> np.ndarray:
        """The answer for rows [first, last) and columns [first, last)."""
        area = (row.stop - row.start) * (column.stop - column.start)
        if self.largest is None or area <= self.largest:
            try:
                part = self.answer(slice(row.start, row.stop), slice(column.start, column.stop))
                return part[
                    row.first - row.start : row.last - row.start,
                    column.first - column.start : column.last - column.start,
                ]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if max(row.last - row.first, column.last - column.first) <= SMALLEST:
                    raise DeviceError(
                        "out of memory even with the smallest tile: close other programs, or give --device cpu"
                    ) from error
                self.largest = area // 2
        if row.last - row.first >= column.last - column.first:
            return np.concatenate([self(half, column) for half in self._halves(row)], axis=0)
        return np.concatenate([self(row, half) for half in self._halves(column)], axis=1)

    def _halves(self, span: Span) -> tuple[Span, Span]:
        middle = _round_up((span.first + span.last) // 2, self.multiple)
        start = max(span.start, (middle - self.margin) // self.multiple * self.multiple)
        return (
            Span(span.start, min(span.stop, _round_up(middle + self.margin, self.multiple)), span.first, middle),
            Span(start, span.stop, middle, span.last),
        )


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple

"""Tiles against the whole: nothing changes where the margin is the reach, and little where it is smaller."""

from __future__ import annotations

from dataclasses import replace
from queue import Queue

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photofix import tiles
from photofix.errors import DeviceError
from photofix.tiles import Tiling

REACH = 6


def box(pixels: np.ndarray) -> np.ndarray:
    """The mean over a square that reaches REACH pixels; zeros beyond the border, as a padded convolution sees it."""
    padded = np.pad(pixels.astype(np.float64), ((REACH, REACH), (REACH, REACH), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * REACH + 1, 2 * REACH + 1), (0, 1))
    return windows.mean((-2, -1)).astype(np.float32)


def whole(picture: np.ndarray, tiling: Tiling) -> np.ndarray:
    bands = list(tiles.run(lambda r, c: box(picture[r, c]), *picture.shape[:2], tiling))
    assert [top for top, _ in bands] == list(np.cumsum([0] + [len(band) for _, band in bands[:-1]]))
    return np.concatenate([band for _, band in bands])


@settings(deadline=None, max_examples=50)
@given(height=st.integers(1, 150), width=st.integers(1, 150), tile=st.integers(48, 96))
def test_tiles_equal_the_whole_when_the_margin_is_the_reach(height: int, width: int, tile: int) -> None:
    picture = np.random.default_rng(height * 151 + width).random((height, width, 2), np.float32)
    tiling = Tiling(tile, margin=REACH, fade=8, multiple=4)
    np.testing.assert_allclose(whole(picture, tiling), box(picture), atol=1e-6)


@settings(deadline=None)
@given(length=st.integers(1, 5000), tile=st.integers(64, 800), margin=st.integers(0, 24))
def test_spans_cover_everything_once_and_never_grow(length: int, tile: int, margin: int) -> None:
    tiling = Tiling(tile, margin=margin // 4 * 4, fade=8, multiple=4)
    spans = tiles.spans(length, tiling)
    weights = np.zeros(length)
    for span in spans:
        assert span.stop - span.start <= max(tile, 2 * tiling.margin + 8 + 4)
        assert span.start % 4 == 0
        weights[span.first : span.last] += tiles._ramp(span, 8, length)
    np.testing.assert_allclose(weights, 1, atol=1e-6)


@settings(deadline=None)
@given(length=st.integers(1, 3000), tile=st.integers(64, 400), share=st.integers(1, 4), margin=st.integers(0, 6))
def test_a_least_side_adds_context_and_changes_no_share(length: int, tile: int, share: int, margin: int) -> None:
    bare = Tiling(tile, margin=4 * margin, fade=8, multiple=4)
    least = tile * share // 4
    for narrow, wide in zip(tiles.spans(length, bare), tiles.spans(length, replace(bare, least=least)), strict=True):
        assert (narrow.first, narrow.last) == (wide.first, wide.last)
        assert wide.start <= narrow.start
        assert wide.stop >= narrow.stop
        assert min(least, length) <= wide.stop - wide.start <= max(least + 4, narrow.stop - narrow.start)
        assert 0 <= wide.start <= wide.stop <= length
        assert wide.start % 4 == 0


def test_a_margin_smaller_than_the_reach_shows() -> None:
    picture = np.random.default_rng(0).random((120, 120, 1), np.float32)
    assert np.abs(whole(picture, Tiling(64, margin=0, fade=8, multiple=4)) - box(picture)).max() > 0.01


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("fails_at", range(1, 8))
def test_running_out_of_memory_at_any_tile_changes_nothing(fails_at: int, ahead: bool) -> None:
    picture = np.random.default_rng(1).random((130, 170, 1), np.float32)
    asked: list[int] = []

    def answer(rows: slice, columns: slice) -> np.ndarray:
        asked.append((rows.stop - rows.start) * (columns.stop - columns.start))
        if len(asked) >= fails_at and asked[-1] > 2500:
            raise MemoryError
        return box(picture[rows, columns])

    tiling = Tiling(80, margin=8, fade=8, multiple=4)
    bands = [band for _, band in tiles.run(answer, 130, 170, tiling, ahead=ahead)]
    np.testing.assert_allclose(np.concatenate(bands), box(picture), atol=1e-6)


def test_the_next_tile_is_asked_for_before_this_one_is_used() -> None:
    picture = np.random.default_rng(2).random((100, 300, 1), np.float32)
    asked: Queue[slice] = Queue()

    def answer(rows: slice, columns: slice) -> np.ndarray:
        asked.put(columns)
        return box(picture[rows, columns])

    def used(pixels: int) -> None:
        seen.append(pixels)
        asked.get(timeout=30)
        if len(seen) < tiles.count(100, 300, tiling):
            second = asked.get(timeout=30)  # without looking ahead it would never come
            asked.put(second)

    seen: list[int] = []
    tiling = Tiling(128, margin=8, fade=8, multiple=4)
    bands = [band for _, band in tiles.run(answer, 100, 300, tiling, used, ahead=True)]
    np.testing.assert_allclose(np.concatenate(bands), box(picture), atol=1e-6)
    assert len(seen) == tiles.count(100, 300, tiling) > 1


def test_an_error_in_a_tile_asked_for_ahead_is_told() -> None:
    def answer(rows: slice, columns: slice) -> np.ndarray:
        if columns.start:
            raise ValueError("the second")
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start, 1), np.float32)

    with pytest.raises(ValueError, match="the second"):
        list(tiles.run(answer, 60, 300, Tiling(128, margin=8), ahead=True))


def test_out_of_memory_at_the_smallest_tile_is_a_device_error() -> None:
    def answer(rows: slice, columns: slice) -> np.ndarray:
        raise MemoryError

    with pytest.raises(DeviceError, match="smallest tile"):
        list(tiles.run(answer, 100, 100, Tiling(64, margin=8)))


def test_other_errors_are_not_taken_for_memory() -> None:
    def answer(rows: slice, columns: slice) -> np.ndarray:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        list(tiles.run(answer, 100, 100, Tiling(64, margin=8)))


def test_progress_adds_up_to_at_least_the_picture() -> None:
    done: list[int] = []
    picture = np.zeros((100, 90, 1), np.float32)
    list(tiles.run(lambda r, c: picture[r, c], 100, 90, Tiling(64, margin=8), done.append))
    assert 100 * 90 <= sum(done) < 2 * 100 * 90

"""Damaged files of every format: a Photo or a ReadError comes out, soon, and within bounds of memory."""

from __future__ import annotations

import contextlib
import io
import os
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photofix.errors import ReadError
from photofix.photo import Photo
from photofix.read import read
from photofix.write import FORMATS, SaveOptions, write_stream
from pictures import PICTURE_FORMATS, photo

#: More in a longer run: PHOTOFIX_FUZZ=2000 pytest tests/test_readers_fuzz.py
_EXAMPLES = int(os.environ.get("PHOTOFIX_FUZZ", "60"))


def whole_file(format_name: str) -> bytes:
    held, stream = FORMATS[format_name], io.BytesIO()
    kind = {8: "uint8", 12: "uint16", 16: "uint16", 32: "float32"}[held.depths[-1]]
    write_stream(photo(kind, alpha=held.alpha, size=(40, 48)), stream, SaveOptions(format=format_name, history="fuzz"))
    return stream.getvalue()


FILES = {format_name: whole_file(format_name) for format_name in PICTURE_FORMATS}


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The file with bytes or numbers overwritten (half of the time near its start), parts cut out or repeated."""
    result = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        last = len(result) - 1
        place = draw(st.one_of(st.integers(0, min(400, last)), st.integers(0, last)))
        match draw(st.sampled_from(["byte", "number", "cut", "end", "repeat"])):
            case "byte":
                result[place] = draw(st.integers(0, 255))
            case "number":
                result[place : place + 4] = draw(
                    st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\xff\xff"])
                )
            case "cut":
                del result[place : place + draw(st.integers(1, 64))]
            case "end":
                del result[max(1, place) :]
            case "repeat":
                result[place:place] = result[place : place + draw(st.integers(1, 64))]
        if not result:
            break
    return bytes(result)


@pytest.mark.parametrize("format_name", PICTURE_FORMATS)
def test_damaged_files_give_a_photo_or_a_clear_refusal(format_name: str) -> None:
    @settings(
        max_examples=_EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(damaged(FILES[format_name]))
    def check(data: bytes) -> None:
        started = time.monotonic()
        with contextlib.suppress(ReadError):
            result = read(data, "damaged")
            assert isinstance(result, Photo)
            assert result.pixels.dtype in (np.uint8, np.uint16, np.float32)
            assert result.pixels.ndim == 3
            assert result.pixels.shape[2] in (1, 3)
            assert result.alpha is None or result.alpha.shape == result.pixels.shape[:2]
            assert result.pixels.nbytes <= 1 << 28
        assert time.monotonic() - started < 5

    check()

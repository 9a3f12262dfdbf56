"""Files that tell a colorizer what to do: points and strokes of known color, and photos whose colors are wanted."""

from __future__ import annotations

import json
import re
from math import isfinite
from pathlib import Path

from photofix.errors import UsageError
from photofix.read import read_named
from photofix.tasks.colorize import Hints, Palette

#: What a point looks like.
FORM = '[{"x": 120, "y": 45, "color": "#c08a6b"}, ...]'

_Point = tuple[float, float, tuple[int, int, int]]


def parse(path: Path) -> Hints:
    """The hints of a file: points as JSON, x and y in pixels from the top left corner; else a picture with strokes.

    Raises:
        UsageError: it is neither; of JSON, names the line.
    """
    data = _bytes(path)
    if path.suffix.lower() == ".json" or data.lstrip()[:1] in (b"[", b"{"):
        return Hints(points=tuple(_points(data, path)))
    return Hints(strokes=read_named(path, "--hints", f"a picture with colored strokes, or points as JSON: {FORM}"))


def palette(path: Path) -> Palette:
    """The colors of a photo; UsageError where it is none that can be read, or has none."""
    photo = read_named(path, "--palette", "a photo whose colors are wanted")
    if photo.pixels.shape[2] == 1:
        raise UsageError(f"--palette {path}: is gray, and so has no colors to give: name a photo in color")
    return Palette(photo)


def point(given: tuple[object, object, object], where: str) -> _Point:
    """A point (x, y, color), checked; `where` begins what is said of a wrong one."""
    x, y, color = given
    for name, value in (("x", x), ("y", y)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise UsageError(f"{where} {name} must be a number of pixels, not {value!r}; a point is {FORM}")
    if not isinstance(color, str) or not re.fullmatch("#[0-9a-fA-F]{6}", color):
        raise UsageError(f'{where} color must be "#rrggbb", not {color!r}')
    assert isinstance(x, int | float)
    assert isinstance(y, int | float)
    red, green, blue = bytes.fromhex(color[1:])
    return float(x), float(y), (red, green, blue)


def _points(data: bytes, path: Path) -> list[_Point]:
    """Each item is read by itself, so that a wrong one can be named by its line."""
    try:
        text = data.decode("utf-8-sig")
        items = json.loads(text)
    except UnicodeDecodeError as error:
        raise UsageError(f"--hints {path}: is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"--hints {path}, line {error.lineno}: {error.msg}; give {FORM}") from error
    except RecursionError as error:
        raise UsageError(f"--hints {path}: is nested too deeply; give {FORM}") from error
    if not isinstance(items, list):
        raise UsageError(f"--hints {path}, line 1: holds no list of points; give {FORM}")
    found, at, decoder = [], text.index("[") + 1, json.JSONDecoder()
    for item in items:
        at = re.compile(r"[\s,]*").match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        where = f"--hints {path}, line {text.count(chr(10), 0, at) + 1}:"
        at = decoder.raw_decode(text, at)[1]
        if not isinstance(item, dict) or item.keys() != {"x", "y", "color"}:
            raise UsageError(f"{where} a point has x, y and color, and nothing else; give {FORM}")
        found.append(point((item["x"], item["y"], item["color"]), where))
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"--hints {path}: cannot be read: {error.strerror}") from error

"""photofix colorize, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import command

import photofix
from photofix import chroma, color
from photofix.errors import UsageError
from photofix.photo import Photo
from photofix.read import read
from photofix.write import write
from pictures import photo


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with old.png, deep.tif (16 bits, gray), color.png and points.json in it."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    rows, columns = np.indices((80, 120))
    hills = 200 - 120 * (rows > 40 + 8 * np.sin(columns / 15)) + np.random.default_rng(0).normal(0, 5, (80, 120))
    write(Photo(np.rint(hills).astype(np.uint8)[:, :, None]), Path("old.png"))
    write(Photo(np.rint(hills * 257).astype(np.uint16)[:, :, None]), Path("deep.tif"))
    write(photo("uint8", 3, size=(40, 60)), Path("color.png"))
    Path("points.json").write_text('[{"x": 20, "y": 70, "color": "#50683c"},\n {"x": 100, "y": 5, "color": "#90a8d0"}]')
    return work


def colorize(*words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    return command("colorize", *words, stdin=stdin)


def opened(name: str) -> Photo:
    found = read(Path(name))
    assert isinstance(found, Photo)
    return found


def lightness(name: str) -> np.ndarray:
    found = opened(name)
    return color.lightness(chroma.luminance(found, 0, len(found.pixels)))


def ab(name: str) -> np.ndarray:
    return np.asarray(cv2.cvtColor(opened(name).pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, :, 1:])


def test_gray_of_sixteen_bits_becomes_color_of_sixteen_bits_with_the_same_lightness() -> None:
    assert colorize("deep.tif", "out.tif", "-q")[0] == 0
    assert opened("out.tif").pixels.shape == (80, 120, 3)
    assert opened("out.tif").pixels.dtype == np.uint16
    assert np.abs(lightness("out.tif") - lightness("deep.tif")).max() < 0.002
    assert b"colorize" in Path("out.tif").read_bytes()


def test_it_says_what_it_did() -> None:
    status, _, message = colorize("old.png", "out.png", "--json", "-")
    assert status == 0
    facts = json.loads(message)
    assert (facts["model"], facts["width"], facts["height"]) == ("colorize", 120, 80)
    assert np.abs(lightness("out.png") - lightness("old.png")).max() < 0.45
    assert np.abs(ab("out.png")).max() > 1


def test_points_and_strokes_are_honoured() -> None:
    assert colorize("old.png", "points.png", "--hints", "points.json", "-q")[0] == 0
    for row, column, rgb in ((70, 20, (0x50, 0x68, 0x3C)), (5, 100, (0x90, 0xA8, 0xD0))):
        true = cv2.cvtColor(np.array([[rgb]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0, 1:]
        assert np.hypot(*(ab("points.png")[row, column] - true)) < 5
    painted = np.repeat(opened("old.png").pixels, 3, axis=2)
    painted[60:66, 20:90] = (0x50, 0x68, 0x3C)
    write(Photo(painted), Path("strokes.png"))
    assert colorize("old.png", "stroked.png", "--hints", "strokes.png", "-q")[0] == 0
    true = cv2.cvtColor(np.array([[(0x50, 0x68, 0x3C)]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0, 1:]
    assert np.hypot(*(ab("stroked.png")[62:64, 25:85] - true).reshape(-1, 2).T).mean() < 5


def test_samples_lie_side_by_side() -> None:
    assert colorize("old.png", "out.png", "--samples", "3", "--picture", "sheet.png", "-q")[0] == 0
    assert opened("sheet.png").pixels.shape == (2 * 84, 2 * 124, 3)
    assert colorize("old.png", "second.png", "--take", "2", "-q")[0] == 0
    assert Path("out.png").read_bytes() != Path("second.png").read_bytes()


def test_saturation_and_palette_are_followed() -> None:
    assert colorize("old.png", "gray.png", "--saturation", "0", "-q")[0] == 0
    np.testing.assert_array_equal(opened("gray.png").pixels, np.repeat(opened("old.png").pixels, 3, axis=2))
    write(Photo(np.full((30, 30, 3), (150, 60, 40), np.uint8)), Path("red.png"))
    assert colorize("old.png", "plain.png", "-q")[0] == 0
    assert colorize("old.png", "reddish.png", "--palette", "red.png", "-q")[0] == 0
    assert ab("reddish.png")[:, :, 0].mean() > ab("plain.png")[:, :, 0].mean() + 1


def test_a_region_has_the_colors_that_it_has_in_the_whole() -> None:
    assert colorize("old.png", "whole.png", "-q")[0] == 0
    assert colorize("old.png", "part.png", "--roi", "30,20,40,30", "-q")[0] == 0
    np.testing.assert_array_equal(opened("part.png").pixels, opened("whole.png").pixels[20:50, 30:70])


def test_it_works_in_a_pipe_after_denoise() -> None:
    run = [sys.executable, "-m", "photofix"]
    quiet = subprocess.run(
        [*run, "denoise", "old.png", "-", "--sigma", "5", "--format", "png"], stdout=subprocess.PIPE, check=True
    )
    done = subprocess.run([*run, "colorize", "-", "-", "--format", "png"], input=quiet.stdout, stdout=subprocess.PIPE)
    assert done.returncode == 0
    Path("out.png").write_bytes(done.stdout)
    assert opened("out.png").pixels.shape == (80, 120, 3)


def test_a_photo_in_color_fails_alone_and_says_what_to_type() -> None:
    status, _, message = colorize("color.png", "old.png", "-o", "out/")
    assert status == 1
    assert "--recolor" in message
    assert Path("out/old.png").exists()
    assert not Path("out/color.png").exists()
    assert colorize("color.png", "again.png", "--recolor", "-q")[0] == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"x": 1, "y": 2, "color": "#102030"},\n {"x": 1 "y": 2}]', "line 2: Expecting ',' delimiter"),
        ('[{"x": 1, "y": 2, "color": "#102030"},\n\n {"x": 1, "y": 2}]', "line 3: a point has x, y and color"),
        ('[\n{"x": "1", "y": 2, "color": "#102030"}]', "line 2: x must be a number of pixels, not '1'"),
        ('[{"x": 1, "y": 2, "color": "red"}]', "line 1: color must be \"#rrggbb\", not 'red'"),
        ('[{"x": 1, "y": NaN, "color": "#102030"}]', "line 1: y must be a number"),
        ('{"x": 1}', "line 1: holds no list of points"),
        ("[", "line 1: Expecting value"),
    ],
)
def test_malformed_points_are_named_by_their_line(text: str, complaint: str) -> None:
    Path("bad.json").write_text(text)
    status, _, message = colorize("old.png", "out.png", "--hints", "bad.json")
    assert status == 2
    assert f"bad.json, {complaint}" in message
    assert not Path("out.png").exists()


def test_no_points_are_no_hints() -> None:
    Path("none.json").write_text("[ ]")
    assert colorize("old.png", "out.png", "--hints", "none.json", "-q")[0] == 0
    assert colorize("old.png", "plain.png", "-q")[0] == 0
    np.testing.assert_array_equal(opened("out.png").pixels, opened("plain.png").pixels)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--hints", "absent.json"], "absent.json: cannot be read"),
        (["--hints", "color.png"], "60 x 40 pixels and the picture 120 x 80"),
        (["--palette", "old.png"], "is gray"),
        (["--palette", "points.json"], "is not a photo whose colors are wanted"),
        (["--samples", "3"], "--samples N and --picture FILE belong together"),
        (["--samples", "3", "--picture", "old.png"], "is one of the photos"),
        (["--samples", "3", "--picture", "color.png"], "is there already"),
        (["color.png", "-o", "out", "--hints", "points.json"], "belongs to one photo"),
        (["--model", "denoise"], "is for denoise, not colorize"),
    ],
)
def test_wrong_wishes_are_refused_with_what_to_do(words: list[str], complaint: str) -> None:
    status, _, message = colorize("old.png", *(words if "-o" in words else ["out.png", *words]))
    assert status in (1, 2)
    assert complaint in message
    assert not Path("out.png").exists()


def test_hints_outside_of_the_picture_are_named() -> None:
    Path("far.json").write_text('[{"x": 120, "y": 2, "color": "#102030"}]')
    status, _, message = colorize("old.png", "out.png", "--hints", "far.json")
    assert status == 1
    assert "hint 1 at x 120, y 2 lies outside the picture of 120 x 80" in message


def test_arrays_are_colored_in_python() -> None:
    gray = opened("old.png").pixels[:, :, 0]
    found = photofix.colorize(gray, hints=[(20, 70, "#50683c")])
    assert isinstance(found, np.ndarray)
    assert found.shape == (80, 120, 3)
    with_alpha = photofix.colorize(np.dstack([gray, gray, gray, gray]))
    assert isinstance(with_alpha, np.ndarray)
    np.testing.assert_array_equal(with_alpha[:, :, 3], gray)
    with pytest.raises(UsageError, match="hint 1: color must be"):
        photofix.colorize(gray, hints=[(20, 70, "green")])

"""The pictures of a light stage: paired with lights, read one by one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import photofix
from photofix import olat
from photofix.errors import UsageError
from photofix.photo import Photo


def written(path: Path, lights: object) -> Path:
    path.write_text(lights if isinstance(lights, str) else json.dumps(lights))
    return path


FRAMES = [Path("f/a2.png"), Path("f/a10.png")]


def test_frames_come_in_the_order_of_their_numbers_and_the_mask_is_none() -> None:
    frames, mask = olat.split([Path("a10.png"), Path("a.mask.png"), Path("a2.png"), Path("unmasked3.png")])
    assert [path.name for path in frames] == ["a2.png", "a10.png", "unmasked3.png"]
    assert mask == Path("a.mask.png")
    with pytest.raises(UsageError, match="one mask"):
        olat.split([Path("mask.png"), Path("a_mask.png")])


def test_a_file_says_where_lights_stand_and_how_bright_they_were(tmp_path: Path) -> None:
    told = {"a10.png": {"direction": [0, 0, 2], "intensity": 3, "color": "#ff80ff"}, "a2.png": [90, 0]}
    stage = olat.lit_by_file(FRAMES, written(tmp_path / "l.json", told))
    assert stage.frames == tuple(FRAMES)
    assert stage.directions == pytest.approx(np.array([[1, 0, 0], [0, 0, 1]]), abs=1e-12)
    assert stage.colors == pytest.approx(np.array([[1, 1, 1], [3, 3 * 0.215861, 3]]), rel=1e-5)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("{", "line 1"),
        ([], "names no pictures"),
        ({}, "names no pictures"),
        ({"a2.png": [0, 0]}, r"no light for a10\.png"),
        ({"a2.png": [0, 0], "a10.png": [0, 0], "a3.png": [0, 0]}, r"names a3\.png"),
        ({"a2.png": [0], "a10.png": [0, 0]}, r"a2\.png: a direction is"),
        ({"a2.png": [0, 0, 0], "a10.png": [0, 0]}, "a direction is"),
        ({"a2.png": [0, float("nan")], "a10.png": [0, 0]}, "a direction is"),
        ({"a2.png": {"direction": [0, 0], "power": 2}, "a10.png": [0, 0]}, "nothing else"),
        ({"a2.png": {"direction": [0, 0], "intensity": 0}, "a10.png": [0, 0]}, "above 0"),
        ({"a2.png": {"direction": [0, 0], "color": "#ff0000"}, "a10.png": [0, 0]}, "none of the three 00"),
    ],
)
def test_wrong_lights_are_refused(told: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        olat.lit_by_file(FRAMES, written(tmp_path / "l.json", told))


def test_pictures_of_the_ball_are_paired_by_number() -> None:
    ball = [Path("b/ball_02.png"), Path("b/ball_10.png")]
    assert olat.paired(list(reversed(FRAMES)), ball) == list(reversed(ball))
    with pytest.raises(UsageError, match=r"no picture of the ball has the numbers of a10\.png"):
        olat.paired(FRAMES, ball[:1])
    with pytest.raises(UsageError, match=r"ball_10\.png show lights"):
        olat.paired(FRAMES[:1], ball)
    with pytest.raises(UsageError, match="number that ends"):
        olat.paired([*FRAMES, Path("g/b2.png")], ball)


def saved(folder: Path, *pictures: np.ndarray) -> olat.Stage:
    paths = tuple(folder / f"{number}.png" for number in range(len(pictures)))
    for path, pixels in zip(paths, pictures, strict=True):
        photofix.save(Photo(pixels), path)
    return olat.Stage(paths, np.ones((len(paths), 3)), np.ones((len(paths), 3)))


def test_frames_give_light_and_know_where_they_are_clipped(tmp_path: Path) -> None:
    stage = saved(tmp_path, np.array([[[128, 128, 128], [255, 0, 0]]], np.uint8))
    (frame,) = olat.frames_of(stage)
    assert frame.light(slice(0, 1))[0, 0] == pytest.approx([0.215861] * 3, rel=1e-5)
    assert frame.clipped(slice(0, 1)).tolist() == [[False, True]]
    (frame,) = olat.frames_of(olat.Stage(stage.frames, stage.directions, stage.colors, linear=True))
    assert frame.light(slice(0, 1))[0, 0] == pytest.approx([128 / 255] * 3)


def test_frames_of_differing_size_are_refused(tmp_path: Path) -> None:
    stage = saved(tmp_path, np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(UsageError, match=r"1\.png: has 6 x 4 pixels, and .*0\.png 5 x 4"):
        list(olat.frames_of(stage))

"""A chrome ball shows where lights stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spheres import LIGHTS, chrome, normals

from photofix import chrome_ball
from photofix.errors import UsageError
from photofix.olat import Stage, frames_of
from photofix.read import read

BALL = chrome_ball.Ball(23.5, 23.5, 20)
NAMES = [str(number) for number in range(len(LIGHTS))]


def apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Degrees between unit vectors (n, 3)."""
    return np.asarray(np.degrees(np.arccos((first * second).sum(1).clip(-1, 1))))


def test_the_mask_gives_the_circle() -> None:
    ball = chrome_ball.masked(normals()[..., 2] > 0)
    assert (ball.x, ball.y, ball.radius) == pytest.approx((23.5, 23.5, 20), abs=0.3)


def test_a_ball_that_is_cut_off_is_a_circle_still() -> None:
    ball = chrome_ball.masked(normals()[:, :36, 2] > 0)
    assert (ball.x, ball.y, ball.radius) == pytest.approx((23.5, 23.5, 20), abs=0.3)


@pytest.mark.parametrize(("part", "words"), [(np.s_[:0], "empty"), (np.s_[10:20, 10:30], "no disk")])
def test_what_is_no_disk_is_refused(part: tuple[slice, slice], words: str) -> None:
    mask = np.zeros((48, 48), bool)
    mask[part] = True
    with pytest.raises(UsageError, match=words):
        chrome_ball.masked(mask)


def test_highlights_give_directions() -> None:
    pictures = [chrome(toward)[..., 1] for toward in LIGHTS]
    assert apart(chrome_ball.directions(BALL, pictures, NAMES), LIGHTS).max() < 1.5


def test_a_lamp_that_is_off_is_named() -> None:
    with pytest.raises(UsageError, match=r"ball7\.png: no light"):
        chrome_ball.directions(BALL, [np.zeros((48, 48))], ["ball7.png"])


def test_a_ball_without_a_mask_is_looked_for() -> None:
    pictures = [np.kron(chrome(toward)[..., 1], np.ones((4, 4))) for toward in LIGHTS]
    room = np.kron((normals()[..., 2] == 0).astype(float), np.ones((4, 4)))
    ball = chrome_ball.found([picture + 0.1 * room for picture in pictures])
    assert (ball.x, ball.y, ball.radius) == pytest.approx((95.5, 95.5, 80), abs=3)
    with pytest.raises(UsageError, match=r"mask\.png"):
        chrome_ball.found([np.zeros((64, 64))])


def test_real_lights_are_where_a_hand_computation_has_them(shared: Path) -> None:
    """By hand: the ball's outermost pixels are 135 and 372 across, 29 and 267 down. Its center is at 253.5, 148 and its
    radius 119. The middles of the highlights were read off enlarged pictures of lights 0, 4 and 10.
    """
    folder = shared / "eval" / "photometric_stereo_uw" / "chrome"
    paths = [folder / f"chrome.{number}.webp" for number in (0, 4, 10)]
    across = (np.array([285.5, 234, 261.5]) - 253.5) / 119
    up = (148 - np.array([118.0, 116, 145])) / 119
    toward = np.sqrt(1 - across**2 - up**2)
    by_hand = np.stack([2 * toward * across, 2 * toward * up, 2 * toward**2 - 1], 1)
    stage = Stage(tuple(paths), by_hand, np.ones((3, 3)), linear=True)
    ball = chrome_ball.masked(read(folder / "chrome.mask.webp").pixels.max(2) > 127)
    light = [frame.light(slice(None)).mean(2) for frame in frames_of(stage)]
    assert apart(chrome_ball.directions(ball, light, NAMES[:3]), by_hand).max() < 3

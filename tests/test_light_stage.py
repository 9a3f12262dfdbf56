"""A light stage adds up light: exactly, and environments with all their energy."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from spheres import LIGHTS, matte, save

from photofix import environment, light_stage
from photofix.color import LUMINANCE
from photofix.errors import UsageError
from photofix.light_stage import Wanted
from photofix.lights import Lights
from photofix.olat import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    paths = save(tmp_path, "sphere", [matte(toward) for toward in LIGHTS])
    return Stage(tuple(paths), LIGHTS, np.ones((len(LIGHTS), 3)))


def test_the_sum_is_that_of_light(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light_stage, "_ROWS", 7)
    weights = np.random.default_rng(0).uniform(0, 2, (len(LIGHTS), 3))
    expected = sum(weight * matte(toward) for weight, toward in zip(weights, LIGHTS, strict=True))
    seen = light_stage.relit(stage, weights)
    assert seen.encoding == "linear"
    assert seen.pixels == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_how_bright_a_light_was_is_divided_out(stage: Stage) -> None:
    brighter = Stage(stage.frames, stage.directions, 4 * stage.colors)
    weights = np.ones((len(LIGHTS), 3))
    assert light_stage.relit(brighter, weights).pixels == pytest.approx(light_stage.relit(stage, weights).pixels / 4)


def test_a_lamp_where_a_light_stood_is_that_light(stage: Stage) -> None:
    lamps = Lights(LIGHTS[2:4], np.array([[1, 1, 1], [0.5, 0, 2]]))
    weights, notes = light_stage.weights(stage, Wanted(lamps))
    assert not notes
    assert weights[2] == pytest.approx([1, 1, 1], abs=1e-6)
    assert weights[3] == pytest.approx([0.5, 0, 2], abs=1e-6)
    assert np.delete(weights, [2, 3], 0) == pytest.approx(0, abs=1e-6)


def test_a_lamp_that_goes_round_makes_a_smooth_film(stage: Stage) -> None:
    lamp = Wanted(Lights(environment.direction(0.0, 10.0)[None], np.ones((1, 3))))
    weights = np.stack([light_stage.weights(stage, lamp, turn)[0][:, 0] for turn in range(360)])
    assert weights.sum(1) == pytest.approx(1)
    # No light comes or goes three times as fast as if lights were mixed by the way between the two closest.
    closest = environment.spacing(LIGHTS)
    assert np.abs(np.diff(weights, axis=0, append=weights[:1])).max() < 3 / closest


def test_an_environment_is_exposed_like_one_light_and_colors_it(stage: Stage) -> None:
    panorama = np.zeros((32, 64, 3), np.float32) + np.array([2, 1, 0.5], np.float32)
    weights, (note,) = light_stage.weights(stage, Wanted(panorama=panorama))
    assert (weights @ LUMINANCE).sum() == pytest.approx(1)
    assert weights.sum(0) / weights.sum(0)[1] == pytest.approx([2, 1, 0.5])
    assert re.match("[1-5]?[0-9]% of the panorama's light comes from where the stage has no lights", note)


def test_ambient_light_and_exposure(stage: Stage) -> None:
    lamp = Lights(LIGHTS[:1], np.ones((1, 3)))
    weights, _ = light_stage.weights(stage, Wanted(lamp, ambient=0.25, exposure=1.0))
    assert (weights @ LUMINANCE).sum() == pytest.approx(2)
    assert weights.min() > 0.01
    assert weights[0].min() > 1.5


def test_what_the_stage_cannot_show_is_said(stage: Stage) -> None:
    front = Stage(stage.frames[1:5], LIGHTS[1:5], np.ones((4, 3)))
    panorama = np.zeros((32, 64, 3), np.float32)
    panorama[16, 32] = 1
    with pytest.raises(UsageError, match="has no lights: turn it"):
        light_stage.weights(front, Wanted(panorama=panorama))
    behind = Lights(np.array([[0.0, 0, -1]]), np.ones((1, 3)))
    assert "nearer than 1" in light_stage.weights(front, Wanted(behind))[1][0]


def test_sums_of_real_lights(shared: Path) -> None:
    """Against a sum in double precision of what another library reads."""
    frames = sorted((shared / "eval" / "photometric_stereo_uw" / "cat").glob("cat.[0-9]*.webp"))
    weights = np.random.default_rng(1).uniform(0, 1, (len(frames), 3))
    stage = Stage(tuple(frames), np.tile([0, 0, 1.0], (len(frames), 1)), np.ones((len(frames), 3)), linear=True)
    expected = sum(
        cv2.imread(str(path))[..., ::-1].astype(np.float64) / 255 * weight
        for path, weight in zip(frames, weights, strict=True)
    )
    off = np.abs(light_stage.relit(stage, weights).pixels - expected)
    assert (off / np.maximum(expected, 1 / 255)).max() < 1e-4

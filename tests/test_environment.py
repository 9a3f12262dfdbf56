"""Panoramas as light: directions, solid angles, turning, sharing out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import photofix
from photofix import environment
from photofix.errors import ReadError, UsageError
from photofix.photo import Photo


def noisy_panorama(height: int = 24, width: int = 48) -> np.ndarray:
    return np.random.default_rng(3).gamma(0.3, 4, (height, width, 3)).astype(np.float32)


def saved(light: np.ndarray, path: Path) -> Path:
    photofix.save(Photo(light.astype(np.float32), encoding="linear"), path)
    return path


@pytest.mark.parametrize(
    ("azimuth", "elevation", "vector"),
    [(0, 0, (0, 0, 1)), (90, 0, (1, 0, 0)), (180, 0, (0, 0, -1)), (-90, 0, (-1, 0, 0)), (12, 90, (0, 1, 0))],
)
def test_angles_are_those_of_the_picture(azimuth: float, elevation: float, vector: tuple[float, ...]) -> None:
    assert environment.direction(azimuth, elevation) == pytest.approx(vector, abs=1e-12)


def test_angles_come_back() -> None:
    azimuth, elevation = np.array([-170.0, -20.0, 0.0, 135.0]), np.array([-80.0, 5.0, 30.0, 60.0])
    back = environment.angles(3 * environment.direction(azimuth, elevation))
    assert np.allclose(back, (azimuth, elevation))


def test_the_middle_of_a_panorama_lies_behind_the_subject_and_its_right_is_the_pictures() -> None:
    toward = environment.directions(8, 16)
    middle = toward[3:5, 7:9].mean((0, 1))
    assert middle / np.linalg.norm(middle) == pytest.approx((0, 0, -1), abs=1e-9)
    assert (toward[:, 8:, 0] > 0).all()
    assert (toward[0, :, 1] > 0.9).all()


def test_solid_angles_cover_the_sphere() -> None:
    assert environment.solid_angles(31, 62).sum() * 62 == pytest.approx(4 * np.pi)


@pytest.mark.parametrize("degrees", [90.0, -30.0, 180.0, 7.3])
def test_turning_adds_to_the_azimuth(degrees: float) -> None:
    panorama = np.zeros((90, 180, 3), np.float32)
    panorama[40, 60] = 1
    before, after = (
        environment.angles((one.sum(2)[..., None] * environment.directions(90, 180)).sum((0, 1)))[0]
        for one in (panorama, environment.rotated(panorama, degrees))
    )
    assert (after - before - degrees + 180) % 360 - 180 == pytest.approx(0, abs=0.01)


def test_lobes_keep_the_energy_and_each_other_color() -> None:
    panorama = noisy_panorama()
    lights = environment.direction(np.arange(0, 360, 36.0), np.tile([-30.0, 40.0], 5))
    energy = (panorama * environment.solid_angles(24, 48)[:, None, None]).sum((0, 1))
    assert environment.lobes(panorama, lights).sum(0) == pytest.approx(energy, rel=1e-6)


def test_large_panoramas_are_summed_up_first(monkeypatch: pytest.MonkeyPatch) -> None:
    panorama = np.repeat(np.repeat(noisy_panorama(), 4, 0), 4, 1)
    lights = environment.direction(np.arange(0, 360, 60.0), np.full(6, 10.0))
    exact = environment.lobes(panorama, lights)
    monkeypatch.setattr(environment, "_ROWS", 48)
    assert environment.lobes(panorama, lights) == pytest.approx(exact, rel=0.01)


def test_a_light_that_stands_there_gets_all_of_it() -> None:
    lights = environment.direction(np.array([-40.0, 0.0, 40.0]), np.array([0.0, 20.0, 0.0]))
    assert environment.shares(lights, lights) == pytest.approx(np.eye(3), abs=1e-6)
    half = environment.shares(environment.direction(np.array([20.0]), 10.0), lights[1:])
    assert half.sum() == pytest.approx(1)
    assert half.min() > 0.3


def test_beyond_reach_there_is_no_light_to_give() -> None:
    lights = environment.direction(np.array([-10.0, 10.0]), 0.0)
    total = environment.shares(environment.direction(np.array([30.0, 50.0, 180.0]), 0.0), lights, reach=25.0).sum(1)
    assert total == pytest.approx([1, 0.4, 0])


def test_reading_gives_linear_color(tmp_path: Path) -> None:
    light = noisy_panorama()
    assert environment.read_panorama(saved(light, tmp_path / "p.exr")) == pytest.approx(light)
    gray = environment.read_panorama(saved(light[..., :1], tmp_path / "gray.exr"))
    assert gray.shape == (24, 48, 3)


def test_an_srgb_picture_is_taken_back_to_light(tmp_path: Path) -> None:
    photofix.save(Photo(np.full((4, 8, 3), 128, np.uint8)), tmp_path / "p.png")
    assert environment.read_panorama(tmp_path / "p.png") == pytest.approx(np.full((4, 8, 3), 0.21586), rel=1e-3)


@pytest.mark.parametrize(
    ("light", "words"),
    [
        (np.ones((20, 30, 3)), "twice as wide"),
        (np.zeros((8, 16, 3)), "black"),
        (np.where(np.arange(16)[None, :, None] == 3, np.nan, np.ones((8, 16, 3))), "8 of its pixels hold no number"),
        (np.where(np.arange(16)[None, :, None] == 3, np.inf, np.ones((8, 16, 3))), "no number"),
    ],
)
def test_what_is_no_panorama_is_refused(light: np.ndarray, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        environment.read_panorama(saved(light, tmp_path / "p.exr"))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"none\.hdr"):
        environment.read_panorama(tmp_path / "none.hdr")

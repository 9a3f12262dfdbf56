"""photofix relight of a light stage's folder, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from spheres import LIGHTS, chrome, matte, normals, save, save_mask
from typer.testing import CliRunner

import photofix
from photofix.cli import status_of
from photofix.cli.relight import relight
from photofix.environment import angles
from photofix.errors import PhotofixError
from photofix.photo import Photo
from photofix.read import read

PICTURES = [matte(toward) for toward in LIGHTS]
RIGHT = ("--lights", "lights.json", "--light", "40,0")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a stage in olat/ with its mask, a chrome ball in ball/ and lights.json."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "olat", "sphere", PICTURES)
    save_mask(tmp_path / "olat")
    save(tmp_path / "ball", "ball", [chrome(toward) for toward in LIGHTS])
    save_mask(tmp_path / "ball")
    told = {f"sphere.{number}.exr": [*map(float, angles(toward))] for number, toward in enumerate(LIGHTS)}
    Path("lights.json").write_text(json.dumps(told))
    return tmp_path


def stage(*words: str) -> tuple[int, str]:
    """Exit status and standard error of `photofix relight`, errors told as main() tells them."""
    app = typer.Typer()
    app.command()(relight)
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, PhotofixError):
        return status_of(result.exception), str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.exit_code, result.stderr


def pixels_of(name: str) -> np.ndarray:
    photo = read(Path(name))
    assert isinstance(photo, Photo)
    return photo.pixels


def test_a_lamp_where_a_light_stood_gives_its_picture() -> None:
    assert stage("olat", *RIGHT, "-o", "out.exr") == (0, "")
    assert pixels_of("out.exr") == pytest.approx(PICTURES[1], abs=2e-3)


def test_lamps_add_up_and_exposure_is_a_factor() -> None:
    words = ("--lights", "lights.json", "--light", "40,0", "--light", "-40,5,#ffffff,0.5", "--exposure", "1")
    assert stage("olat", *words, "-o", "out.exr") == (0, "")
    assert pixels_of("out.exr") == pytest.approx(2 * PICTURES[1] + PICTURES[2], abs=5e-3)


def test_an_output_is_named_after_the_folder() -> None:
    assert stage("olat/", *RIGHT)[0] == 0
    assert pixels_of("olat-relight.png").dtype == np.uint16


def test_a_panorama_lights_it(folder: Path) -> None:
    photofix.save(Photo(np.ones((16, 32, 3), np.float32), "linear"), "even.exr")
    code, said = stage("olat", "--lights", "lights.json", "--env", "even.exr", "-o", "out.exr", "--json", "facts.json")
    assert code == 0
    assert "where the stage has no lights: left out" in said
    assert 0.2 < pixels_of("out.exr")[24, 14, 0] < 0.7
    assert len(json.loads(Path("facts.json").read_text())["lights"]) == len(LIGHTS)


def test_the_chrome_ball_tells_the_lights_and_the_pictures_the_surface() -> None:
    beside = ("--normals", "normals.exr", "--albedo", "albedo.png", "--json", "facts.json")
    chromed = ("--lights", "chrome", "--chrome", "ball", "--light", "40,0")
    assert stage("olat", *chromed, "-o", "out.exr", *beside)[0] == 0
    found, seen = pixels_of("normals.exr"), normals()[..., 2] > 0.5
    assert np.degrees(np.arccos((found * normals()).sum(2)[seen].clip(-1, 1))).mean() < 1.5
    assert not found[normals()[..., 2] == 0].any()
    assert pixels_of("albedo.png").shape == (48, 48, 3)
    assert json.loads(Path("facts.json").read_text())["residual"] < 0.05


def test_a_film_of_the_light_going_round() -> None:
    assert stage("olat", *RIGHT, "-o", "out.png", "--turntable", "3")[0] == 0
    assert Path("out-turntable.webp").stat().st_size > 0
    assert len(list(Path("out-turntable").iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("empty", *RIGHT), "empty: has no pictures"),
        (("lights.json", *RIGHT), "is no folder"),
        (("olat", "--lights", "chrome", "--light", "left"), "with --chrome DIR"),
        (("olat", "--lights", "lights.json", "--chrome", "ball", "--light", "left"), "contradict"),
        (("olat", "--lights", "none.json", "--light", "left"), "none.json: cannot be read"),
        (("olat", "--lights", "lights.json"), "which light?"),
        (("olat", "--chrome", "ball", "--light", "left"), "--chrome is for a light stage"),
        (("olat", *RIGHT, "--strength", "0.5"), "--strength: a light stage"),
        (("olat", "ball", "more", *RIGHT), "one folder"),
        (("olat", *RIGHT, "--normals", "out.exr"), "is one of the photos"),
    ],
)
def test_wrong_words_are_answered(words: tuple[str, ...], said: str) -> None:
    Path("empty").mkdir()
    code, answer = stage(*words, "-o", "out.exr")
    assert code in (1, 2)
    assert said in answer


def test_a_mask_of_another_size_is_refused() -> None:
    save_mask(Path("olat"), 50)
    code, said = stage("olat", *RIGHT, "-o", "out.exr", "--normals", "normals.png")
    assert code == 1
    assert "the mask is 50 x 50 pixels and the pictures 48 x 48" in said
    assert not Path("out.exr").exists()


def test_what_is_there_is_kept() -> None:
    Path("normals.png").write_bytes(b"mine")
    code, said = stage("olat", *RIGHT, "-o", "out.exr", "--normals", "normals.png")
    assert code == 2
    assert "exists already" in said

"""photofix low-light, as a user types it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command import command
from dng import Calibration, cfa_dng
from typer.testing import CliRunner

from photofix import color
from photofix.cli import app
from photofix.photo import Photo
from photofix.raw import read_raw
from photofix.read import read
from photofix.tasks.low_light import camera_curve
from photofix.write import write
from pictures import photo

#: BaselineExposure.
EXPOSURE = 50730


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with night.png, deep.png (16 bits, alpha, metadata), black.png and night.dng in it."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    write(Photo(night()), Path("night.png"))
    deep = photo("uint16", 3, alpha=True, size=(48, 64))
    write(Photo(deep.pixels // 20, alpha=deep.alpha, metadata=deep.metadata), Path("deep.png"))
    write(Photo(np.zeros((20, 30, 3), np.uint8)), Path("black.png"))
    signal = color.srgb_to_linear(np.kron(night()[:, :, 1] / 255, np.ones((2, 2))))
    noisy = 256 + signal * 3839 + np.random.default_rng(0).normal(0, 3, signal.shape)
    Path("night.dng").write_bytes(
        cfa_dng(np.rint(noisy).clip(0, 4095).astype(np.uint16), Calibration(noise=(1e-3, 6e-7)))
    )
    return work


def night() -> np.ndarray:
    """(64, 96, 3) uint8: a smooth scene in a twelfth of the light it needs."""
    rows, columns = np.mgrid[:64, :96]
    scene = 0.5 + 0.4 * np.sin(columns / 11) * np.cos(rows / 8)
    return np.rint(color.linear_to_srgb(scene[:, :, None] * np.array([1, 0.9, 0.8]) / 12) * 255).astype(np.uint8)


def low_light(*words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    return command("low-light", *words, stdin=stdin)


def pixels(name: str) -> np.ndarray:
    found = read(Path(name))
    assert isinstance(found, Photo)
    return found.pixels


def test_a_dark_photo_becomes_bright_and_the_stops_are_told() -> None:
    status, _, message = low_light("night.png", "out.png", "--json", "facts.json")
    assert status == 0, message
    assert pixels("out.png").mean() > 1.8 * night().mean()
    facts = json.loads(Path("facts.json").read_text())
    assert 1 < facts["exposure"] < 6
    assert facts["model"] == "low-light"


@pytest.mark.parametrize("words", [("--strength", "0"), ("--exposure", "0"), ()])
def test_a_star_in_a_raw_photo_stays_as_bright_as_it_is(words: tuple[str, ...]) -> None:
    rows, columns = np.mgrid[:512, :512]
    light = 0.004 + 1.5 * np.exp(-((rows - 200) ** 2 + (columns - 300) ** 2) / 2)
    numbers = 256 + light.clip(0, 1) * 3839 + np.random.default_rng(0).normal(0, 2, light.shape)
    stars = cfa_dng(np.rint(numbers).clip(0, 4095).astype(np.uint16), Calibration(noise=(1e-4, 3e-7)))
    Path("stars.dng").write_bytes(stars)
    assert low_light("stars.dng", "out.png", *words, "-q")[0] == 0
    assert pixels("out.png").max() == 65535


def test_a_number_of_stops_is_kept_to() -> None:
    for stops in ("1", "3.6"):
        assert low_light("night.png", f"{stops}.png", "--exposure", stops, "-q")[0] == 0
    light = [float(np.median(color.srgb_to_linear(pixels(f"{stops}.png") / 255))) for stops in ("1", "3.6")]
    assert np.log2(light[1] / light[0]) == pytest.approx(2.6, abs=0.7)


def test_strength_blends() -> None:
    for strength in ("0", "0.5", "1"):
        assert low_light("night.png", f"{strength}.png", "--strength", strength, "-q")[0] == 0
    np.testing.assert_array_equal(pixels("0.png"), night())
    half = (night().astype(float) + pixels("1.png")) / 2
    assert np.abs(pixels("0.5.png") - half).max() <= 1


def test_depth_alpha_and_metadata_stay_and_history_is_added() -> None:
    assert low_light("deep.png", "-o", "out/", "-q")[0] == 0
    before, after = read(Path("deep.png")), read(Path("out/deep.png"))
    assert isinstance(before, Photo)
    assert isinstance(after, Photo)
    assert after.pixels.dtype == np.uint16
    np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.metadata.icc == before.metadata.icc
    assert b"low-light" in Path("out/deep.png").read_bytes()


def test_a_region_is_brightened_as_in_the_whole() -> None:
    assert low_light("night.png", "all.png", "--precision", "float32", "-q")[0] == 0
    assert low_light("night.png", "part.png", "--roi", "16,8,48,40", "--precision", "float32", "-q")[0] == 0
    part, whole = pixels("part.png"), pixels("all.png")[8:48, 16:64]
    # The denoiser sees less around it; light is the same.
    assert np.abs(part.astype(float) - whole).mean() < 2


def test_black_frames_are_left_and_named_and_the_others_go_on() -> None:
    status, _, message = low_light("black.png", "night.png", "-o", "out/")
    assert status == 0
    assert "black.png: the picture is black" in message
    assert not pixels("out/black.png").any()
    assert pixels("out/night.png").mean() > 1.8 * night().mean()


def test_raw_becomes_a_bright_picture() -> None:
    assert low_light("night.dng", "out.png", "--json", "facts.json")[0] == 0
    before, after = read(Path("night.dng")), pixels("out.png")
    assert after.dtype == np.uint16
    assert after.shape == (128, 192, 3)
    assert after.mean() / 65535 > 0.25
    facts = json.loads(Path("facts.json").read_text())
    assert low_light("night.dng", "told.png", "--exposure", str(facts["exposure"]), "-q")[0] == 0
    np.testing.assert_allclose(pixels("told.png") / 65535, after / 65535, atol=0.01)
    assert not isinstance(before, Photo)


def test_raw_comes_back_as_a_camera_would_show_it() -> None:
    signal = color.srgb_to_linear(np.kron(night()[:, :, 1] / 255, np.ones((2, 2)))) * 8
    Path("day.dng").write_bytes(cfa_dng(np.rint(256 + signal.clip(0, 1) * 3839).astype(np.uint16), Calibration()))
    assert CliRunner().invoke(app, ["denoise", "day.dng", "day.png", "--strength", "0", "-q"]).exit_code == 0
    assert low_light("night.dng", "told.png", "--exposure", "3", "-q")[0] == 0
    wrong = pixels("told.png") / 65535 - camera_curve(pixels("day.png") / 65535)
    assert np.sqrt(np.mean(wrong**2)) < 0.03


def test_raw_without_strength_is_the_plain_development() -> None:
    assert low_light("night.dng", "same.tif", "--strength", "0", "-q")[0] == 0
    assert CliRunner().invoke(app, ["denoise", "night.dng", "plain.tif", "-q"]).exit_code == 0
    np.testing.assert_allclose(pixels("same.tif") / 65535, pixels("plain.tif") / 65535, atol=2e-3)


def test_raw_stays_raw_with_the_exposure_beside_it() -> None:
    assert low_light("night.dng", "out.dng", "--exposure", "3.5", "-q")[0] == 0
    with tifffile.TiffFile("out.dng") as file:
        above, below = file.pages[0].tags[EXPOSURE].value
    assert above / below == 3.5
    before, after = (read_raw(Path(name).read_bytes(), name) for name in ("night.dng", "out.dng"))
    assert not isinstance(before, Photo)
    assert not isinstance(after, Photo)
    light = [(one.mosaic.mean() - one.black[0]) / (one.white - one.black[0]) for one in (before, after)]
    assert light[1] == pytest.approx(light[0], rel=0.02)


def test_the_exposure_of_a_dng_is_judged() -> None:
    assert low_light("night.dng", "out.dng", "--json", "facts.json")[0] == 0
    assert 1 < json.loads(Path("facts.json").read_text())["exposure"] < 6


@pytest.mark.parametrize("method", ["gamma", "clahe"])
def test_classical_methods_load_no_network(method: str) -> None:
    status, _, message = low_light("night.png", "out.png", "--method", method, "--json", "-")
    assert status == 0
    assert json.loads(message)["method"] == method
    assert "model" not in json.loads(message)
    assert pixels("out.png").mean() > night().mean()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sci-medium", "sci_medium.pt"),
        ("iat-lol", "iat_lol_v1.pth"),
        ("iat-exposure", "iat_exposure.pth"),
        ("zero-dce", "zero_dce.pth"),
    ],
)
def test_published_networks_run(shared: Path, name: str, file: str) -> None:
    weights = str(shared / "published" / "low-light" / file)
    for picture in ("night.png", "night.dng"):
        status, _, message = low_light(
            picture, "-o", f"out/{picture[-3:]}", "--model", name, "--weights", weights, "-q"
        )
        assert status == 0, message
    assert pixels("out/png/night.png").shape == night().shape
    assert pixels("out/dng/night.png").shape == (128, 192, 3)
    status, _, message = low_light("night.png", "no.png", "--model", name, "--weights", weights, "--exposure", "2")
    assert status == 1
    assert "cannot be told an exposure" in message


def test_sci_answers_as_its_authors_pictures(shared: Path) -> None:
    """All the way through the command, in tiles; the authors cut fractions off where we round."""
    weights = str(shared / "published" / "low-light" / "sci_easy.pt")
    golden = shared / "eval" / "sci_golden" / "easy"
    words = ("--model", "sci-easy", "--weights", weights, "--tile", "128", "--precision", "float32", "-q")
    assert low_light(str(golden / "input" / "0016.png"), "out.png", *words)[0] == 0
    expected = read(golden / "output" / "0016.webp")
    assert isinstance(expected, Photo)
    assert np.abs(pixels("out.png").astype(int) - expected.pixels).max() <= 1


def test_a_pipe() -> None:
    status, out, _ = low_light("-", "-", stdin=Path("night.png").read_bytes())
    assert status == 0
    assert out.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--exposure", "bright"], "a number or auto"),
        (["--exposure", "40"], "from -2 to 12"),
        (["--method", "gamma", "--exposure", "2"], "leave them out"),
        (["--method", "clahe", "-o", "out.dng"], "TIFF or PNG"),
        (["--model", "ffdnet-color"], "for denoise, not low-light"),
        (["--iso", "800", "--noise", "1e-3,1e-6"], "give one"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], complaint: str) -> None:
    status, _, message = low_light("night.png", *words)
    assert status == 2
    assert complaint in message


def test_a_finished_picture_makes_no_dng() -> None:
    status, _, message = low_light("night.png", "out.dng")
    assert status != 0
    assert "DNG" in message

"""photofix hdr, as a user types it."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from dng import Calibration, cfa_dng, with_exif
from test_hdr import EVS, error, frames, scene
from typer.testing import CliRunner

from photofix.cli import app, status_of
from photofix.errors import PhotofixError
from photofix.photo import Metadata, Photo
from photofix.read import read
from photofix.write import write

SHOT, READ = 2e-4, 1e-7


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the frames 1.png, 2.png and 3.png of a bracket in it."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for place, pixels in enumerate(frames(scene()), 1):
        write(Photo(pixels), Path(f"{place}.png"))
    return work


def hdr(*words: str) -> tuple[int, str]:
    """Exit status and standard error of `photofix hdr`, errors told as main() tells them."""
    result = CliRunner().invoke(app, ["hdr", "--device", "cpu", *words])
    if isinstance(result.exception, PhotofixError):
        return status_of(result.exception), str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.exit_code, result.stderr


def light_of(name: str) -> np.ndarray:
    photo = read(Path(name))
    assert isinstance(photo, Photo)
    assert photo.encoding == "linear"
    return photo.pixels


def test_a_bracket_becomes_an_exr() -> None:
    assert hdr("1.png", "2.png", "3.png", "--ev", "-2,0,2", "-o", "out.exr")[0] == 0
    light = light_of("out.exr")
    assert error(light * np.median(scene() / light), scene()) < 0.08


def test_a_folder_is_a_bracket_and_json_tells_what_was_done(folder: Path) -> None:
    status, _ = hdr(".", "-o", "out.hdr", "--ev", "-2,0,2", "--json", "report.json")
    assert status == 0
    facts = json.loads(Path("report.json").read_text())
    assert facts["frames"] == 3
    assert facts["ev"] == [-2, 0, 2]
    assert light_of("out.hdr").max() > 2


@pytest.mark.parametrize("tone", ["local", "reinhard", "filmic", "aces", "mantiuk"])
def test_finished_pictures_are_tone_mapped(tone: str) -> None:
    assert hdr("1.png", "2.png", "3.png", "--ev", "-2,0,2", "--tone", tone, "-o", "out.png")[0] == 0
    shown = read(Path("out.png"))
    assert isinstance(shown, Photo)
    assert shown.pixels.dtype == np.uint16
    assert (shown.pixels == 65535).mean() < 0.05
    assert 6000 < np.median(shown.pixels) < 50000


def test_jpeg_has_a_gain_map_unless_told_otherwise() -> None:
    bracket = ("1.png", "2.png", "3.png", "--ev", "-2,0,2")
    assert hdr(*bracket, "-o", "out.jpg")[0] == 0
    assert hdr(*bracket, "-o", "plain.jpg", "--no-gain-map")[0] == 0
    data, plain = Path("out.jpg").read_bytes(), Path("plain.jpg").read_bytes()
    assert b"hdr-gain-map/1.0/" in data
    assert b"MPF\0" in data
    assert b"urn:iso:std:iso:ts:21496:-1" in data
    assert b"hdr-gain-map" not in plain
    assert b"photofix" in data  # the history is beside the gain map's own words


def test_light_in_tiff_and_display_light_in_avif() -> None:
    bracket = ("1.png", "2.png", "3.png", "--ev", "-2,0,2")
    assert hdr(*bracket, "-o", "out.tif", "--bit-depth", "32")[0] == 0
    assert light_of("out.tif").max() > 2
    assert hdr(*bracket, "-o", "out.avif", "--pq")[0] == 0
    assert b"colrnclx\x00\x09\x00\x10\x00\x09" in Path("out.avif").read_bytes()


def test_one_photo_is_lifted_and_keeps_its_numbers() -> None:
    assert hdr("3.png", "out.exr", "-v")[0] == 0
    light, numbers = light_of("out.exr"), read(Path("3.png"))
    assert isinstance(numbers, Photo)
    assert light.max() > 1
    codes = np.where((numbers.pixels < 255).all(2, keepdims=True), numbers.pixels / 255, np.nan)
    plain = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    assert np.nanmax(np.abs(light - plain)) < 0.0045  # half a step of 8 bits where they are widest


def test_each_photo_alone() -> None:
    assert hdr("1.png", "2.png", "--each", "-o", "lifted/", "--format", "exr")[0] == 0
    assert light_of("lifted/1.exr").shape == light_of("lifted/2.exr").shape


def test_exposures_come_from_exif() -> None:
    for place, (pixels, ev) in enumerate(zip(frames(scene()), EVS, strict=True)):
        write(Photo(pixels, metadata=Metadata(_exif(2**ev / 60))), Path(f"e{place}.png"))
    status, said = hdr("e0.png", "e1.png", "e2.png", "-o", "out.exr", "-v")
    assert status == 0
    assert "ev [-2.0, 0.0, 2.0]" in said
    assert "EXIF says nothing" not in said


def test_without_exif_exposures_are_estimated_and_it_is_said() -> None:
    status, said = hdr("1.png", "2.png", "3.png", "-o", "out.exr")
    assert status == 0
    assert "EXIF says nothing of exposures: estimated as" in said
    assert "--ev sets them" in said


def test_16_bit_frames() -> None:
    for place in (1, 2, 3):
        pixels = read(Path(f"{place}.png"))
        assert isinstance(pixels, Photo)
        write(Photo(pixels.pixels.astype(np.uint16) * 257), Path(f"d{place}.png"))
    assert hdr("d1.png", "d2.png", "d3.png", "--ev", "-2,0,2", "-o", "out.exr")[0] == 0
    light = light_of("out.exr")
    assert error(light * np.median(scene() / light), scene()) < 0.08


def test_a_raw_bracket() -> None:
    truth = scene(4, (128, 160)).mean(2)
    rng = np.random.default_rng(0)
    for place, ev in enumerate(EVS):
        signal = truth * 2**ev
        noisy = signal + rng.standard_normal(truth.shape) * np.sqrt(SHOT * signal + READ)
        mosaic = np.rint(256 + noisy.clip(-0.05, 1) * (4095 - 256)).astype(np.uint16)
        exif = [(33434, 5, 1, struct.pack("<II", round(2**ev * 100), 6000)), (34855, 3, 1, struct.pack("<H", 100))]
        calibration = Calibration(noise=(SHOT, READ), neutral=(1.0, 1.0, 1.0))
        Path(f"r{place}.dng").write_bytes(with_exif(cfa_dng(mosaic, calibration), exif))
    status, said = hdr("r0.dng", "r1.dng", "r2.dng", "-o", "out.exr", "-v")
    assert status == 0
    assert "ev [-2.0, 0.0, 2.0]" in said
    light = light_of("out.exr")[4:-4, 4:-4].mean(2)
    wanted = truth[4:-4, 4:-4]
    assert light.max() > 2
    assert error(light * np.median(wanted / light), wanted) < 0.3


def test_a_clipped_light_of_a_raw_file_is_bright_and_white() -> None:
    """Denoised, its photosites lie a little below white, each color in its own way."""
    rows, columns = np.mgrid[:128, :160]
    lamp = np.hypot(rows - 64, columns - 80) < 40
    light = np.where(lamp, 1.0, 0.1) * np.ones((128, 160))
    balanced = light.copy()
    balanced[::2, ::2] *= np.where(lamp[::2, ::2], 0.95, 0.5)  # red, nearly clipped too
    balanced[1::2, 1::2] *= np.where(lamp[1::2, 1::2], 0.95, 0.65)
    noisy = balanced + np.random.default_rng(0).standard_normal(light.shape) * np.sqrt(2e-3 * balanced)
    mosaic = np.rint(256 + noisy.clip(0, 1) * (4095 - 256)).astype(np.uint16)
    Path("lamp.dng").write_bytes(cfa_dng(mosaic, Calibration(noise=(2e-3, 1e-6))))
    assert hdr("lamp.dng", "out.exr")[0] == 0
    inside = light_of("out.exr")[cv2.erode(lamp.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0]
    assert np.median(inside) > 1.2
    assert np.quantile(inside.max(1) / inside.min(1), 0.99) < 1.25


def test_hdr_pictures_go_through_the_other_tasks_unclipped() -> None:
    light = np.full((48, 64, 3), 0.4, np.float32)
    light += np.random.default_rng(0).normal(0, 0.03, light.shape).astype(np.float32)
    light[:4, :4] = 40
    for name in ("in.exr", "in.hdr"):
        write(Photo(light, "linear"), Path(name))
        for words in (["denoise", name, "out-" + name], ["deblur", name, "sharp-" + name, "--psf", "gauss:0.8"]):
            result = CliRunner().invoke(app, [*words, "--device", "cpu"])
            assert result.exit_code == 0, result.output
        after = light_of("out-" + name)
        assert after[:4, :4].min() > 35
        assert after[10:].std() < 0.5 * light[10:].std()
        assert light_of("sharp-" + name).max() > 30


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("1.png", "1.png", "-o", "out.exr"), 2, "1 frames; give 2 to 9 of one scene"),
        (("1.png", "2.png", "3.png", "--ev", "0,2", "-o", "o.exr"), 1, "--ev: 2 exposures for 3 frames"),
        (("1.png", "2.png", "--ev", "a,b", "-o", "o.exr"), 2, "--ev a,b: give a number for each frame"),
        (("1.png", "2.png", "--ev", "0,99", "-o", "o.exr"), 2, "from -30 to 30"),
        (("1.png", "2.png", "--reference", "3", "-o", "o.exr"), 2, "--reference 3: give a frame's number, 1 to 2"),
        (("1.png", "2.png", "3.png", "--ev", "1,1,1", "-o", "o.exr"), 1, "are exposed alike"),
        (("1.png", "2.png"), 2, "-o FILE to merge both"),
        (("1.png", "2.png", "3.png", "-o", "out.dng"), 2, "works on developed pictures"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], status: int, message: str) -> None:
    found, said = hdr(*words)
    assert found == status
    assert message in said


def test_frames_of_different_sizes_and_cameras(folder: Path) -> None:
    write(Photo(np.zeros((20, 30, 3), np.uint8)), Path("small.png"))
    status, said = hdr("1.png", "small.png", "-o", "out.exr")
    assert status == 1
    assert "differ in size, 30 x 20, 8 bits and 192 x 144, 8 bits" in said


def _exif(seconds: float) -> bytes:
    """An exposure time and ISO 100."""
    head = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 34665, 4, 1, 26) + bytes(4)
    fields = struct.pack("<HHHII", 2, 33434, 5, 1, 56) + struct.pack("<HHIHH", 34855, 3, 1, 100, 0)
    return head + fields + bytes(4) + struct.pack("<II", round(seconds * 1_000_000), 1_000_000)

"""photofix compare."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from dng import cfa_dng
from typer.testing import CliRunner, Result

from photofix.cli.compare import compare
from photofix.development import develop
from photofix.errors import ReadError, UsageError
from photofix.photo import Photo, RawPhoto
from photofix.read import read
from photofix.write import write


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A 16-bit TIFF and an 8-bit PNG, 10 of 255 apart."""
    a, b = tmp_path / "ä.tif", tmp_path / "b.png"
    write(Photo(np.full((16, 24, 3), 100 * 257, np.uint16)), a)
    write(Photo(np.full((16, 24, 3), 110, np.uint8)), b)
    return a, b


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(compare)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_three_aligned_lines(pair: tuple[Path, Path]) -> None:
    result = run(*pair)
    assert result.exit_code == 0, result.output
    labels, values = zip(*(line.split("  ", 1) for line in result.stdout.splitlines()), strict=True)
    assert labels == ("PSNR", "SSIM", "max difference")
    assert values[0].strip() == "28.13 dB"
    assert values[2] == "0.039216 (10.00 of 255)"
    assert len({len(line) - len(line[14:].lstrip()) for line in result.stdout.splitlines()}) == 1


def test_json(pair: tuple[Path, Path]) -> None:
    found = json.loads(run(*pair, "--json").stdout)
    assert found["psnr"] == pytest.approx(28.131, abs=1e-3)
    assert 0.9 < found["ssim"] < 1
    assert found["max_difference"] == pytest.approx(10 / 255)
    assert found["identical"] is False


def test_json_of_identical_pictures_is_json(pair: tuple[Path, Path]) -> None:
    result = run(pair[0], pair[0], "--json")
    found = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    numbers = {"psnr": None, "ssim": pytest.approx(1), "max_difference": 0, "alpha_difference": 0}
    assert found == numbers | {"identical": True}
    assert "infinite (identical)" in run(pair[0], pair[0]).stdout


def test_pictures_that_differ_in_alpha_alone_are_not_identical(tmp_path: Path) -> None:
    pixels, alpha = np.full((16, 24, 3), 100, np.uint8), np.full((16, 24), 255, np.uint8)
    write(Photo(pixels), tmp_path / "none.png")
    write(Photo(pixels, alpha=alpha), tmp_path / "opaque.png")
    alpha[3, 4] = 0
    write(Photo(pixels, alpha=alpha), tmp_path / "hole.png")
    same = json.loads(run(tmp_path / "none.png", tmp_path / "opaque.png", "--json").stdout)
    assert (same["alpha_difference"], same["identical"]) == (0, True)
    other = run(tmp_path / "none.png", tmp_path / "hole.png")
    assert "PSNR            infinite\n" in other.stdout
    assert "alpha differs   1.000000" in other.stdout
    assert json.loads(run(tmp_path / "opaque.png", tmp_path / "hole.png", "--json").stdout)["identical"] is False


def test_small_pictures(tmp_path: Path) -> None:
    dot = tmp_path / "dot.png"
    write(Photo(np.zeros((1, 1, 1), np.uint8)), dot)
    assert "11 x 11" in run(dot, dot).stdout
    assert json.loads(run(dot, dot, "--json").stdout)["ssim"] is None


def test_sheet_is_saved(pair: tuple[Path, Path], tmp_path: Path) -> None:
    result = run(*pair, "--picture", tmp_path / "sheet.png")
    assert result.exit_code == 0, result.output
    sheet = read(tmp_path / "sheet.png")
    assert isinstance(sheet, Photo)
    assert sheet.pixels.shape == (16, 3 * 24 + 8, 3)
    assert (sheet.pixels[:, :24] == 100).all()
    assert (sheet.pixels[:, 28:52] == 110).all()


def test_an_existing_picture_is_replaced_only_when_told(pair: tuple[Path, Path], tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"mine")
    result = run(*pair, "--picture", sheet)
    assert isinstance(result.exception, UsageError)
    assert "--overwrite" in str(result.exception)
    assert sheet.read_bytes() == b"mine"
    assert run(*pair, "--picture", sheet, "--overwrite").exit_code == 0
    assert sheet.read_bytes() != b"mine"


def test_an_input_is_never_replaced(pair: tuple[Path, Path]) -> None:
    before = pair[1].read_bytes()
    result = run(*pair, "--picture", pair[1], "--overwrite")
    assert isinstance(result.exception, UsageError)
    assert pair[1].read_bytes() == before


def test_a_raw_file_is_compared_as_developed(tmp_path: Path) -> None:
    source, developed = tmp_path / "in.dng", tmp_path / "developed.tif"
    mosaic = np.random.default_rng(0).integers(256, 4096, (48, 64)).astype(np.uint16)
    source.write_bytes(cfa_dng(mosaic))
    photo = read(source)
    assert isinstance(photo, RawPhoto)
    write(develop(photo, mosaic), developed)
    assert json.loads(run(source, developed, "--json").stdout)["identical"] is True


def test_one_of_them_may_come_through_a_pipe(pair: tuple[Path, Path]) -> None:
    app = typer.Typer()
    app.command()(compare)
    for words in (("-", str(pair[1])), (str(pair[1]), "-")):
        result = CliRunner().invoke(app, [*words, "--json"], input=pair[0].read_bytes())
        assert json.loads(result.stdout)["max_difference"] == pytest.approx(10 / 255)


def test_the_sheet_has_its_folder_made_and_its_format_known_before_the_work(pair: tuple[Path, Path]) -> None:
    sheet = pair[0].parent / "new" / "sheet.png"
    assert run(*pair, "--picture", sheet).exit_code == 0
    assert sheet.exists()
    result = run(pair[0], "gone.png", "--picture", sheet.with_suffix(".xyz"))
    assert "names no picture format" in str(result.exception)


def test_a_missing_picture_is_said(pair: tuple[Path, Path]) -> None:
    result = run(pair[0], pair[0].with_name("none.png"))
    assert isinstance(result.exception, ReadError)
    assert "none.png" in str(result.exception)


def test_importing_the_command_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'cv2', 'numpy', 'rawpy', 'tifffile', 'OpenImageIO', 'PIL'}"
    code = f"import sys, photofix.cli.compare; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

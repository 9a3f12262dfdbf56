"""photofix deblur, as a user types it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command import command
from dng import cfa_dng
from test_found_blur import shown, spread
from test_kernel_search import flat_scene

from photofix import model, psf, weights
from photofix.photo import Photo
from photofix.read import read
from photofix.write import write
from pictures import photo


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with soft.png, deep.png (16 bits, alpha, metadata) and kernel.png in it."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    bars = np.where((np.arange(64) // 8) % 2, 60, 190).astype(np.uint8)
    write(Photo(cv2.blur(np.tile(bars[None, :, None], (48, 1, 3)), (5, 1))), Path("soft.png"))
    write(photo("uint16", 3, alpha=True, size=(48, 64)), Path("deep.png"))
    cv2.imwrite("kernel.png", np.full((1, 5), 200, np.uint8))
    return work


def deblur(*words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    return command("deblur", *words, stdin=stdin)


def test_a_blur_that_nobody_tells_is_undone_by_the_embedded_network() -> None:
    status, _, message = deblur("soft.png", "out.png", "--json", "facts.json")
    assert status == 0, message
    assert json.loads(Path("facts.json").read_text())["model"] == "deblur"
    before, after = (read(Path(name)) for name in ("soft.png", "out.png"))
    assert isinstance(before, Photo)
    assert isinstance(after, Photo)
    steps = [np.abs(np.diff(part.pixels[20, 8:-8, 0].astype(int))).max() for part in (before, after)]
    assert steps[1] > 1.5 * steps[0]


@pytest.mark.parametrize("method", ["plug-and-play", "wiener", "richardson-lucy"])
def test_a_picture_of_a_kernel_is_undone(method: str) -> None:
    assert deblur("soft.png", "out.png", "--psf", "kernel.png", "--method", method, "--sigma", "1", "-q")[0] == 0
    before, after = (read(Path(name)) for name in ("soft.png", "out.png"))
    assert isinstance(before, Photo)
    assert isinstance(after, Photo)
    steps = [np.abs(np.diff(part.pixels[20, 8:-8, 0].astype(int))).max() for part in (before, after)]
    assert steps[1] > 2 * steps[0]


def test_a_blur_is_found_undone_and_drawn() -> None:
    write(shown(spread(flat_scene(), psf.parse("0,-6;4,1;7,5"))), Path("shaken.png"))
    words = ("shaken.png", "out.png", "--psf", "auto", "--show-psf", "psf.png", "--json", "facts.json", "--sigma", "1")
    status, _, message = deblur(*words)
    assert status == 0, message
    height, width = cv2.imread("psf.png", cv2.IMREAD_UNCHANGED).shape
    kernel = [int(side) for side in json.loads(Path("facts.json").read_text())["psf"].split(" x ")]
    assert 7 <= width <= kernel[0]  # A margin of next to nothing is not drawn.
    assert 7 <= height <= kernel[1]
    assert deblur("shaken.png", "again.png", "--psf", "psf.png", "-q")[0] == 0
    soft, out = (read(Path(name)) for name in ("shaken.png", "out.png"))
    assert not np.array_equal(soft.pixels, out.pixels)  # type: ignore[union-attr]


def test_a_blur_that_is_not_believed_is_left_to_the_network_and_said() -> None:
    status, _, message = deblur("soft.png", "auto.png", "--psf", "auto", "--json", "facts.json", "--model", "denoise")
    assert status == 0
    assert "the network alone worked on it" in message
    assert json.loads(Path("facts.json").read_text())["model"] == "deblur"
    assert deblur("soft.png", "alone.png", "-q")[0] == 0
    auto, alone = (read(Path(name)) for name in ("auto.png", "alone.png"))
    np.testing.assert_array_equal(auto.pixels, alone.pixels)  # type: ignore[union-attr]


def test_depth_alpha_and_metadata_stay_and_history_is_added() -> None:
    assert deblur("deep.png", "-o", "out/", "--psf", "gauss:0.7", "--sigma", "2", "-q")[0] == 0
    before, after = read(Path("deep.png")), read(Path("out/deep.png"))
    assert isinstance(before, Photo)
    assert isinstance(after, Photo)
    assert after.pixels.dtype == np.uint16
    np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.metadata.icc == before.metadata.icc
    assert after.metadata.exif is not None
    assert b"deblur" in Path("out/deep.png").read_bytes()


def test_raw_is_denoised_and_developed_first(folder: Path) -> None:
    noisy = np.random.default_rng(0).integers(1200, 1800, (96, 128), dtype=np.uint16)
    Path("in.dng").write_bytes(cfa_dng(noisy))
    status, _, message = deblur("in.dng", "-o", "out", "--psf", "disk:1.5", "--json", "facts.json")
    assert status == 0, message
    facts = json.loads(Path("facts.json").read_text())
    assert facts["psf"] == "3 x 3"
    assert facts["method"] == "plug-and-play"
    assert facts["target"] == "out/in.png"
    assert isinstance(read(Path("out/in.png")), Photo)


def test_a_pipe_and_a_batch() -> None:
    status, out, _ = deblur("-", "-", "--psf", "gauss:1", "--method", "wiener", stdin=Path("soft.png").read_bytes())
    assert status == 0
    assert out.startswith(b"\x89PNG")
    assert deblur("soft.png", "deep.png", "kernel.png", "-o", "all", "--psf", "disk:2", "--method", "wiener")[0] == 1
    # The kernel's picture is smaller than the kernel: it fails alone.
    assert sorted(path.name for path in Path("all").iterdir()) == ["deep.png", "soft.png"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--method", "wiener"], "give --psf"),
        (["--psf", "gauss:1", "--method", "wiener", "--model", "ffdnet-color"], "leave --model out"),
        (["--psf", "gauss:1", "--model", "nafnet-gopro-32"], "leave --psf out"),
        (["--psf", "gauss:1", "--model", "dncnn-color-blind"], "how much to denoise"),
        (["--model", "fdn"], "give --psf"),
        (["--model", "ffdnet-color"], "for denoise, not deblur"),
        (["--psf", "nothing.png"], "no such file"),
        (["--psf", "gauss:1", "-o", "out.dng"], "TIFF or PNG"),
    ],
)
def test_what_contradicts_itself_is_refused(words: list[str], complaint: str) -> None:
    status, _, message = deblur("soft.png", *words)
    assert status == 2
    assert complaint in message


def test_a_network_that_is_not_there_is_not_fetched_offline() -> None:
    status, _, message = deblur("soft.png", "out.png", "--model", "nafnet-gopro-32", "--offline")
    assert status == 3
    assert "models fetch nafnet-gopro-32" in message


@pytest.mark.parametrize("name", ["nafnet-gopro-32", "nafnet-gopro-64", "restormer-motion", "restormer-defocus"])
def test_published_networks_run_blind(name: str) -> None:
    """Their widths made small and their weights random: the way there and back is what is tried."""
    entry = weights.manifest()[name]
    if entry.network == "nafnet":
        small = "width = 8, encoder_blocks = [1, 1, 1, 1], middle_blocks = 1, decoder_blocks = [1, 1, 1, 1]"
    else:
        small = "width = 8, blocks = [1, 1, 1, 1], refinement_blocks = 1, heads = [1, 1, 1, 1], centered_norm = true"
    Path("own.toml").write_text(f'[{name}]\narguments = {{ {small} }}\nunwrap = ""\n')
    torch.manual_seed(0)
    torch.save(model.build(weights.manifest(Path("own.toml"))[name]).state_dict(), "own.pth")
    words = ("--model", name, "--manifest", "own.toml", "--weights", "own.pth", "-q")
    status, _, message = deblur("deep.png", "soft.png", "-o", "out", *words)
    assert status == 0, message
    before, after = read(Path("deep.png")), read(Path("out/deep.png"))
    assert isinstance(before, Photo)
    assert isinstance(after, Photo)
    assert after.pixels.dtype == np.uint16
    assert after.pixels.shape == before.pixels.shape
    np.testing.assert_array_equal(after.alpha, before.alpha)
    assert not np.array_equal(after.pixels, before.pixels)
    assert deblur("deep.png", "same.png", *words, "--strength", "0")[0] == 0
    same = read(Path("same.png"))
    assert isinstance(same, Photo)
    np.testing.assert_array_equal(same.pixels, before.pixels)

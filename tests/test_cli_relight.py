"""photofix relight, as a user types it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import command
from dng import Calibration, cfa_dng
from PIL import Image

import photofix
from photofix import color
from photofix.job import Settings
from photofix.model import Model
from photofix.models import Models
from photofix.photo import Photo
from photofix.read import read
from photofix.tasks import portrait
from photofix.write import write
from pictures import photo

HEIGHT, WIDTH = 96, 80


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with head.png, deep.png (16 bits, alpha, metadata), gray.png and sky.hdr in it."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    write(Photo(head()), Path("head.png"))
    deep = photo("uint16", 3, alpha=True, size=(HEIGHT, WIDTH))
    write(replace(deep, pixels=head().astype(np.uint16) * 257), Path("deep.png"))
    write(Photo(np.ascontiguousarray(head()[:, :, 1:2])), Path("gray.png"))
    write(Photo(panorama(), "linear"), Path("sky.hdr"))
    return work


def head() -> np.ndarray:
    """(96, 80, 3) uint8: something like a head, lit from the upper left, before a dark wall."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    across, down = (x - 40) / 27, (y - 46) / 36
    inside = across**2 + down**2 < 1
    normals = np.dstack([across, -down, np.sqrt(np.maximum(1 - across**2 - down**2, 0))])
    lit = np.maximum(normals @ np.array([-0.5, 0.5, 0.7]), 0) + 0.08
    light = np.where(inside[:, :, None], lit[:, :, None] * [0.55, 0.35, 0.27], [0.03, 0.04, 0.05])
    return np.rint(color.linear_to_srgb(cv2.GaussianBlur(light, (0, 0), 0.6)) * 255).astype(np.uint8)


def panorama() -> np.ndarray:
    sky = np.full((32, 64, 3), 0.2, np.float32)
    sky[8:12, 10:14] = 60, 40, 20
    return sky


def relight(*words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    return command("relight", *words, stdin=stdin)


def pixels(name: str) -> np.ndarray:
    found = read(Path(name))
    assert isinstance(found, Photo)
    return found.pixels


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    return -10 * float(np.log10(np.mean(((one.astype(float) - other) / 255) ** 2) + 1e-12))


def test_the_side_that_the_lamp_stands_on_becomes_brighter() -> None:
    for side in ("left", "right"):
        status, _, message = relight("head.png", f"{side}.png", "--light", side)
        assert status == 0, message
    left, right = (pixels(f"{side}.png").astype(float)[20:72, 16:64].mean((0, 2)) for side in ("left", "right"))
    ratio = left / right
    assert ratio[:20].mean() > 1.15 * ratio[-20:].mean()


def test_light_that_is_there_gives_the_photo_back() -> None:
    assert relight("head.png", "same.png", "--match", "head.png", "-q")[0] == 0
    np.testing.assert_array_equal(pixels("same.png"), head())


@pytest.mark.parametrize("name", ["head.png", "deep.png", "gray.png"])
def test_no_strength_is_bit_for_bit(name: str) -> None:
    assert relight(name, "-o", "out/", "--light", "top", "--strength", "0", "-q")[0] == 0
    np.testing.assert_array_equal(pixels(f"out/{name}"), pixels(name))


def test_depth_alpha_and_metadata_stay_and_history_is_added() -> None:
    assert relight("deep.png", "-o", "out/", "--light", "right", "-q")[0] == 0
    before, after = read(Path("deep.png")), read(Path("out/deep.png"))
    assert isinstance(before, Photo)
    assert isinstance(after, Photo)
    assert after.pixels.dtype == np.uint16
    assert (after.pixels != before.pixels).any()
    np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.metadata.icc == before.metadata.icc
    assert b"relight" in Path("out/deep.png").read_bytes()


def test_a_region_is_relit_as_in_the_whole() -> None:
    assert relight("head.png", "all.png", "--light", "30,40", "-q")[0] == 0
    assert relight("head.png", "part.png", "--light", "30,40", "--roi", "16,8,48,40", "-q")[0] == 0
    np.testing.assert_array_equal(pixels("part.png"), pixels("all.png")[8:48, 16:64])


def test_a_panorama_lights_and_turns() -> None:
    for degrees in ("0", "120", "360"):
        status, _, message = relight("head.png", f"{degrees}.png", "--env", "sky.hdr", "--rotate", degrees, "-q")
        assert status == 0, message
    assert decibels(pixels("0.png"), pixels("360.png")) > 55
    assert decibels(pixels("0.png"), pixels("120.png")) < 45


def test_several_lamps_and_other_options_reach_the_light() -> None:
    plain = ("head.png", "--light", "left")
    variants = {
        "one": [],
        "two": ["--light", "right,0.5"],
        "red": ["--light", "right,#ff4020"],
        "soft": ["--soft", "1"],
        "even": ["--ambient", "1"],
    }
    for name, more in variants.items():
        status, _, message = relight(*plain, *more, "-o", f"{name}.png", "-q")
        assert status == 0, message
    shown = [pixels(f"{name}.png") for name in variants]
    assert all((one != shown[0]).any() for one in shown[1:])


def test_the_background_behind_a_mask_stays() -> None:
    mask = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    mask[10:80, 10:70] = 255
    write(Photo(mask), Path("mask.png"))
    assert relight("head.png", "out.png", "--light", "right", "--mask", "mask.png", "-q")[0] == 0
    changed = (pixels("out.png") != head()).any(2)
    assert changed.any()
    assert not changed[mask[:, :, 0] == 0].any()


def test_maps_are_pictures_and_numbers() -> None:
    assert relight("head.png", "out.png", "--light", "right", "--maps", "maps", "-q")[0] == 0
    numbers = {name: pixels(f"maps/head-{name}.exr") for name in ("normals", "albedo", "shading", "light")}
    np.testing.assert_allclose(np.linalg.norm(numbers["normals"], axis=2), 1, atol=2e-3)
    np.testing.assert_allclose(numbers["albedo"] * numbers["shading"], color.srgb_to_linear(head() / 255), atol=2e-3)
    assert numbers["light"].shape == (64, 128, 3)
    assert numbers["light"].min() >= 0
    shown = pixels("maps/head-normals.png")
    assert shown.dtype == np.uint8
    np.testing.assert_allclose(shown / 127.5 - 1, numbers["normals"], atol=0.02)
    status, _, message = relight("head.png", "two.png", "--light", "right", "--maps", "maps", "-q")
    assert status == 2
    assert "--overwrite" in message


def test_maps_never_take_the_place_of_a_photo() -> None:
    Path("head-normals.png").write_bytes(Path("head.png").read_bytes())
    words = ("head.png", "head-normals.png", "-o", "out/", "--light", "right", "--maps", ".", "--overwrite")
    status, _, message = relight(*words)
    assert status == 2
    assert "head-normals.png" in message
    assert Path("head-normals.png").read_bytes() == Path("head.png").read_bytes()


def test_a_turntable_is_frames_and_a_film() -> None:
    status, _, message = relight("head.png", "out.png", "--light", "0,20", "--turntable", "6")
    assert status == 0, message
    assert sorted(path.name for path in Path("out-turntable").iterdir()) == [f"{n:03d}.png" for n in range(1, 7)]
    np.testing.assert_array_equal(pixels("out-turntable/001.png"), pixels("out.png"))
    with Image.open("out-turntable.webp") as film:
        assert film.n_frames == 6
        assert film.size == (WIDTH, HEIGHT)


def test_raw_is_developed_first() -> None:
    signal = np.kron(color.srgb_to_linear(head()[:, :, 1] / 255), np.ones((2, 2))) * 0.8
    noisy = 256 + signal * 3839 + np.random.default_rng(0).normal(0, 3, signal.shape)
    mosaic = np.rint(noisy).clip(0, 4095).astype(np.uint16)
    Path("head.dng").write_bytes(cfa_dng(mosaic, Calibration(noise=(1e-3, 6e-7))))
    assert relight("head.dng", "out.png", "--light", "left", "--json", "facts.json")[0] == 0
    assert pixels("out.png").shape == (2 * HEIGHT, 2 * WIDTH, 3)
    assert pixels("out.png").dtype == np.uint16
    assert json.loads(Path("facts.json").read_text())["model"] == "relight"


def test_a_picture_without_any_shape_is_kept_and_that_is_said() -> None:
    flat = np.zeros((64, 64, 3), np.uint8)
    write(Photo(flat), Path("flat.png"))
    status, _, message = relight("flat.png", "out.png", "--light", "left")
    assert status == 0
    if "no shape" in message:
        np.testing.assert_array_equal(pixels("out.png"), flat)
    assert not pixels("out.png").any()


def test_a_pipe_and_a_folder() -> None:
    status, out, _ = relight("-", "-", "--light", "left", stdin=Path("head.png").read_bytes())
    assert status == 0
    assert out.startswith(b"\x89PNG")
    assert relight("head.png", "gray.png", "-o", "out/", "--light", "left", "--maps", "maps", "-q")[0] == 0
    assert pixels("out/gray.png").shape == (HEIGHT, WIDTH, 1)
    assert Path("maps/gray-light.exr").exists()


def test_arrays_and_photos_in_python() -> None:
    array = photofix.relight(head(), light=["left", "0,60,0.3"])
    assert isinstance(array, np.ndarray)
    assert array.shape == head().shape
    masked = photofix.relight(head(), env=panorama(), rotate=30, mask=np.zeros((HEIGHT, WIDTH), bool))
    np.testing.assert_array_equal(masked, head())
    same = photofix.relight(Photo(head()), match=Photo(head()))
    assert isinstance(same, Photo)
    np.testing.assert_array_equal(same.pixels, head())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "which light"),
        (["--light", "left", "--env", "sky.hdr"], "one kind"),
        (["--light", "sideways"], "--light sideways: give left"),
        (["--light", "left", "--rotate", "20"], "--rotate turns a panorama"),
        (["--env", "head.png"], "twice as wide"),
        (["--env", "none.hdr"], "no such file"),
        (["--match", "none.jpg"], "no such file"),
        (["--light", "left", "--mask", "none.png"], "no such file"),
        (["--light", "left", "--turntable", "4", "-o", "-"], "give an output file"),
        (["--light", "left", "-o", "out.dng"], "TIFF or PNG"),
        (["--light", "left", "--model", "ffdnet-color"], "for denoise, not relight"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], complaint: str) -> None:
    status, _, message = relight("head.png", *words)
    assert status != 0
    assert complaint in message


def test_a_mask_of_another_size_is_refused() -> None:
    write(Photo(np.full((20, 30, 1), 255, np.uint8)), Path("mask.png"))
    status, _, message = relight("head.png", "out.png", "--light", "left", "--mask", "mask.png")
    assert status == 1
    assert "30 x 20 pixels and the picture 80 x 96" in message


def test_numbers_that_are_none_in_a_panorama_are_refused() -> None:
    broken = panorama()
    broken[3, 5] = np.nan
    write(Photo(broken, "linear"), Path("broken.exr"))
    status, _, message = relight("head.png", "out.png", "--env", "broken.exr")
    assert status == 2
    assert "no number" in message


def published(shared: Path) -> tuple[str, ...]:
    return ("--model", "dpr", "--weights", str(shared / "published" / "relight" / "dpr_512.t7"))


def test_dpr_relights_what_it_is_shown(shared: Path) -> None:
    for side in ("left", "right"):
        status, _, message = relight("head.png", f"{side}.png", "--light", side, *published(shared))
        assert status == 0, message
    assert decibels(pixels("left.png"), pixels("right.png")) < 35
    assert relight("deep.png", "-o", "out/", "--light", "left", "--strength", "0", "-q", *published(shared))[0] == 0
    np.testing.assert_array_equal(pixels("out/deep.png"), pixels("deep.png"))
    status, _, message = relight("head.png", "no.png", "--match", "head.png", *published(shared))
    assert status != 0
    assert "--light and --env alone" in message


def test_dpr_answers_as_its_authors_pictures(shared: Path) -> None:
    """They squeeze the picture to 512 x 512, and enlarge the answer; the whole path, their harmonics put in."""
    golden = shared / "eval" / "dpr_golden"
    picture = read(golden / "data" / "obama.jpg")
    assert isinstance(picture, Photo)
    square = Photo(cv2.resize(picture.pixels, (512, 512)))
    network = dpr(shared)
    for light in (0, 3):
        told = 0.7 * np.loadtxt(golden / "data" / "example_light" / f"rotate_light_{light:02d}.txt")[:9]
        change = portrait.ratio(square, told.astype(np.float32), network.whole, 512)
        whole = (slice(0, 512), slice(0, 512))
        answer = cv2.resize(portrait.painted(square, change, 1.0, None, whole).pixels, picture.pixels.shape[1::-1])
        expected = read(golden / "result" / f"obama_{light:02d}.jpg")
        assert isinstance(expected, Photo)
        assert decibels(answer, expected.pixels) > 45


def dpr(shared: Path) -> Model:
    file = shared / "published" / "relight" / "dpr_512.t7"
    return Models(Settings(task="relight", model="dpr", weights=file)).get("relight")

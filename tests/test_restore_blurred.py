"""A blur that is not known: what the network is told, and what becomes of its answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dng import cfa_dng
from safetensors.torch import save_file
from test_found_blur import scene, shown, spread
from torch import Tensor
from typer.testing import CliRunner

import photofix
from photofix import model, pipeline, psf, raw, weights
from photofix.cli import app, status_of
from photofix.errors import PhotofixError, UsageError
from photofix.job import KnownBlur, Roi, Settings
from photofix.model import Model
from photofix.models import Models
from photofix.photo import Photo, RawPhoto
from photofix.read import read
from photofix.write import write
from pictures import photo

ENTRY = """
[small]
task = "deblur"
best_for = "tests"
network = "unet"
arguments = { channels = 3, conditions = 3, widths = [8, 8, 8, 8], blocks = 1, fold = 2 }
unwrap = ""
takes = { encoding = "srgb", channels = 3, conditions = ["sigma", "motion", "defocus"] }
gives = "residual"
reach = 112
margin = 48
multiple = 16
licence = "tests"
commercial = true
trained_on = "nothing"
paper = "none"
sources = [{ url = "https://localhost/small.safetensors" }]
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a manifest, and weights of a network that answers nothing and of one that does."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(ENTRY)
    torch.manual_seed(0)
    state = {key: value.half() for key, value in network().state_dict().items()}
    save_file(state, "random.safetensors")
    save_file(state | {key: torch.zeros_like(state[key]) for key in ("tail.weight", "tail.bias")}, "zero.safetensors")
    return tmp_path


def network() -> torch.nn.Module:
    return model.build(weights.manifest(Path("own.toml"))["small"])


def settings(own: str = "random", **changes: Any) -> Settings:
    file = Path(f"{own}.safetensors")
    return Settings("deblur", model="small", manifest=Path("own.toml"), weights=file, **changes)


def restored(image: Photo | RawPhoto, own: str = "random", **changes: Any) -> Photo:
    answer = pipeline.restore(image, Models(settings(own, **changes))).photo
    assert isinstance(answer, Photo)
    return answer


def told(monkeypatch: pytest.MonkeyPatch, image: Photo, **changes: Any) -> Tensor:
    """The planes of conditions that the network gets."""
    heard: list[Tensor] = []
    genuine = Model._run

    def listening(self: Model, *planes: Tensor) -> Tensor:
        heard.extend(planes[1:] if self.entry.name == "small" else ())
        return genuine(self, *planes)

    with monkeypatch.context() as patch:
        patch.setattr(Model, "_run", listening)
        restored(image, **changes)
    return torch.cat(heard)


def noisy(sigma: float, size: tuple[int, int] = (192, 192)) -> Photo:
    return Photo((0.5 + np.random.default_rng(0).normal(0, sigma / 255, (*size, 3))).astype(np.float32))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_that_changes_nothing_gives_the_same_numbers(kind: str, channels: int) -> None:
    image = photo(kind, channels, alpha=True)
    answer = restored(image, "zero")
    np.testing.assert_array_equal(answer.pixels, image.pixels)
    np.testing.assert_array_equal(answer.alpha, image.alpha)
    changed = restored(image)
    assert changed.pixels.shape == image.pixels.shape
    assert changed.pixels.dtype == image.pixels.dtype
    assert not np.array_equal(changed.pixels, image.pixels)


@pytest.mark.parametrize(("mode", "planes"), [("auto", (0, 0)), ("motion", (1, 0)), ("defocus", (0, 1))])
def test_the_network_is_told_what_the_user_says(
    monkeypatch: pytest.MonkeyPatch, mode: str, planes: tuple[int, int]
) -> None:
    heard = told(monkeypatch, noisy(1, (30, 50)), mode=mode, sigma=5)
    assert heard.shape == (1, 3, 32, 64)
    for plane, wanted in zip(heard[0], (5 / 255, *planes), strict=True):
        torch.testing.assert_close(plane, torch.full_like(plane, wanted), rtol=0.01, atol=0)


@pytest.mark.parametrize("sigma", [5, 20])
def test_noise_is_measured_where_nobody_says_it(monkeypatch: pytest.MonkeyPatch, sigma: int) -> None:
    heard = told(monkeypatch, noisy(sigma))[0, 0].float()
    assert float(heard.median()) * 255 == pytest.approx(sigma, rel=0.2)
    facts = pipeline.restore(noisy(sigma), Models(settings())).facts
    assert facts["sigma"] == pytest.approx(sigma, rel=0.2)
    assert facts["model"] == "small"


@pytest.mark.parametrize("value", [0, 90, 255])
def test_a_flat_picture_stays_as_it_is(value: int) -> None:
    flat = Photo(np.full((40, 50, 3), value, np.uint8))
    np.testing.assert_array_equal(restored(flat).pixels, flat.pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3), (17, 16)])
def test_tiny_photos(size: tuple[int, int]) -> None:
    tiny = Photo(np.arange(3 * size[0] * size[1], dtype=np.uint8).reshape(*size, 3) + np.uint8(9))
    assert restored(tiny).pixels.shape == tiny.pixels.shape
    np.testing.assert_array_equal(restored(tiny, "zero").pixels, tiny.pixels)


def test_strength_blends_and_none_is_the_input() -> None:
    image = Photo((20_000 + 10_000 * noisy(20, (40, 50)).pixels).astype(np.uint16))
    none, half, whole = (restored(image, sigma=3, strength=s).pixels.astype(float) for s in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(none, image.pixels)
    assert np.abs(half - (none + whole) / 2).max() <= 1


def test_light_above_white_survives() -> None:
    light = np.random.default_rng(0).uniform(0, 1, (40, 50, 3)).astype(np.float32)
    light[10:12, 10:12] = 7
    image = Photo(light, "linear")
    np.testing.assert_allclose(restored(image, "zero").pixels, light, rtol=1e-4, atol=1e-5)
    assert restored(image).pixels[10, 10].min() > 3


def test_a_part_is_cut_out_first() -> None:
    image = photo("uint8", 3, size=(60, 70))
    part = restored(image, "zero", roi=Roi(10, 20, 30, 25)).pixels
    np.testing.assert_array_equal(part, image.pixels[20:45, 10:40])


def test_raw_is_denoised_and_developed_first() -> None:
    mosaic = np.random.default_rng(0).integers(1200, 1800, (96, 128), dtype=np.uint16)
    shot = raw.read_raw(cfa_dng(mosaic), "in.dng")
    assert isinstance(shot, RawPhoto)
    plain = photofix.denoise(shot)
    assert isinstance(plain, Photo)
    np.testing.assert_array_equal(restored(shot, "zero").pixels, plain.pixels)


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_the_blur_that_was_found_is_drawn_beside_the_same_photo(kind: str, strength: float) -> None:
    image = photo(kind, 3, size=(60, 70))
    answer = pipeline.restore(image, Models(settings(strength=strength, sigma=3, show_psf=True)))
    assert answer.psf is not None
    assert answer.psf.dtype == np.uint16
    assert answer.facts["blur"] == "one kernel"
    assert isinstance(answer.photo, Photo)
    plain = restored(image, strength=strength, sigma=3).pixels
    assert answer.photo.pixels.dtype == image.pixels.dtype
    np.testing.assert_allclose(
        answer.photo.pixels.astype(float), plain, rtol=1e-5, atol=1e-5 if kind == "float32" else 1
    )
    assert pipeline.restore(image, Models(settings())).psf is None


def test_tiles_with_the_reach_for_a_margin_equal_the_whole_picture() -> None:
    whole = Models(settings(precision="float32")).get("deblur")
    pixels = np.random.default_rng(1).random((330, 410, 3), np.float32)
    cut = replace(whole, entry=replace(whole.entry, margin=whole.entry.reach), tile=2 * whole.entry.reach + 64)
    assert cut.tiling(330, 410).tile > 0
    assert np.abs(cut(pixels, 0.1) - whole(pixels, 0.1)).max() < 1e-5


@pytest.mark.parametrize("words", ["gauss:1.2", "disk:2.5", "motion:5,20"])
def test_the_embedded_network_makes_it_sharper(words: str) -> None:
    blurred, truth = shown(spread(scene(), psf.parse(words))).pixels, shown(scene(), sigma=0).pixels.astype(float)
    for mode in ("auto", "motion", "defocus"):
        answer = np.asarray(photofix.deblur(blurred, mode=mode))  # type: ignore[arg-type]
        assert np.mean((answer - truth) ** 2) < 0.85 * np.mean((blurred - truth) ** 2)


def test_the_embedded_network_leaves_what_is_sharp() -> None:
    sharp = shown(scene(), sigma=0).pixels
    answer = np.asarray(photofix.deblur(sharp)).astype(float)
    assert np.mean((answer - sharp) ** 2) < 255**2 / 10**3.8  # 38 dB


def test_the_embedded_networks_reach_is_the_declared_one() -> None:
    """Of a network as deep, of a few features, all of whose weights count."""
    entry = weights.manifest()["deblur"]
    deep = model.build(replace(entry, arguments={**entry.arguments, "widths": [4] * len(entry.arguments["widths"])}))
    for values in deep.parameters():
        torch.nn.init.uniform_(values, 0.1, 0.5)
    length, farthest = 2 * (entry.reach // entry.multiple + 3) * entry.multiple, 0
    for center in range(length // 2, length // 2 + entry.multiple):
        column = torch.rand(1, 3, length, entry.multiple).requires_grad_()
        deep(column, torch.zeros(1, 3, length, entry.multiple))[0, :, center].sum().backward()
        assert column.grad is not None
        rows = column.grad.abs().sum((0, 1, 3)).nonzero()[:, 0]
        farthest = max(farthest, center - int(rows.min()), int(rows.max()) - center)
    assert farthest == entry.reach


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["deblur", *words])
    if isinstance(result.exception, PhotofixError):
        return status_of(result.exception), str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.exit_code, result.stderr


OWN = ("--model", "small", "--manifest", "own.toml", "--weights", "random.safetensors")


def test_the_command_writes_photo_and_blur() -> None:
    write(photo("uint8", 3, size=(60, 70)), Path("in.png"))
    words = ("in.png", "out.png", *OWN, "--mode", "motion", "--show-psf", "blur/psf.png", "--json", "facts.json")
    status, message = run(*words)
    assert status == 0, message
    assert json.loads(Path("facts.json").read_text())["blur"] == "one kernel"
    drawn = read(Path("blur/psf.png"))
    assert isinstance(drawn, Photo)
    assert drawn.pixels.dtype == np.uint16
    assert run(*words, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--psf", "gauss:1", "--mode", "motion"], "leave it out, or --psf"),
        (["--psf", "gauss:1", "--show-psf", "psf.png"], "here it is known"),
        (["--model", "nafnet-gopro-32", "--mode", "motion"], "cannot be told what blurred"),
        ([*OWN, "--show-psf", "in.png"], "is one of the photos"),
        ([*OWN, "--show-psf", "out.png"], "is one of the photos"),
        ([*OWN, "--show-psf", "there.png"], "exists already"),
        ([*OWN, "--show-psf", "psf.xyz"], "psf.xyz"),
        (["there.png", "-o", "all", *OWN, "--show-psf", "psf.png"], "one photo, and these are 2"),
    ],
)
def test_what_contradicts_itself_is_refused(words: list[str], complaint: str) -> None:
    for name in ("in.png", "there.png"):
        write(photo("uint8", 3, size=(20, 20)), Path(name))
    status, message = run("in.png", *([] if "-o" in words else ["out.png"]), *words)
    assert status == 2
    assert complaint in message
    assert not Path("out.png").exists()


def test_own_weights_of_a_network_that_is_told_nothing_refuse_a_mode() -> None:
    Path("own.toml").write_text(ENTRY.replace('"motion", "defocus"', "").replace("conditions = 3", "conditions = 1"))
    state = {key: value.half() for key, value in network().state_dict().items()}
    save_file(state, "random.safetensors")
    with pytest.raises(UsageError, match="cannot be told what blurred a picture"):
        Models(settings(mode="motion")).called_for(False)
    assert Models(settings()).called_for(False) == ("deblur", False)


@pytest.mark.parametrize("method", ["wiener", "richardson-lucy"])
def test_classical_methods_load_no_network(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr(model, "load", refuse)
    picture = photo("uint8", 3, size=(40, 50)).pixels
    answer = photofix.deblur(picture, psf="gauss:1", method=method, sigma=2)  # type: ignore[arg-type]
    assert not np.array_equal(np.asarray(answer), picture)
    known = KnownBlur(((1.0,),), method)  # type: ignore[arg-type]
    assert Models(Settings("deblur", blur=known)).called_for(False) is None


def test_a_cut_of_the_embedded_network_is_not_seen() -> None:
    """One that was trained on may look farther than before: then the manifest's margin has to grow."""
    sample = Path(__file__).parent.parent / "samples" / "noisy.dng"
    clean = photofix.denoise(photofix.open(sample))
    assert isinstance(clean, Photo)
    cut, whole = (np.asarray(photofix.deblur(clean.pixels, tile=tile)) for tile in (256, "none"))
    assert cut.dtype == np.uint16
    assert np.abs(cut.astype(np.float32) - whole).max() <= 65535 / 255 / 2

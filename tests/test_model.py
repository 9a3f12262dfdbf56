"""The embedded networks behind Model: identity, tiles, reach, precision, channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import photofix
from photofix import model, weights
from photofix.device import Place, choose
from photofix.entry import Takes
from photofix.errors import DeviceError, PhotofixError, UsageError
from photofix.model import Model
from photofix.photo import Photo

CPU = Place(torch.device("cpu"), torch.float32, "test")
ENTRIES = weights.manifest()


def embedded(name: str, precision: torch.dtype = torch.float32) -> Model:
    entry = ENTRIES[name]
    return model.load(entry, weights.verified(entry), replace(CPU, precision=precision))


class Nothing(nn.Module):
    """A network that changes nothing: its residual is 0."""

    def forward(self, picture: Tensor, sigma: Tensor) -> Tensor:
        return torch.zeros_like(picture)


class Overflowing(nn.Module):
    """Fine in float32; in half precision its answer is no number."""

    def forward(self, picture: Tensor, sigma: Tensor) -> Tensor:
        return torch.full_like(picture, 0.25 if picture.dtype == torch.float32 else float("nan"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_that_changes_nothing_gives_the_same_numbers(dtype: type, channels: int) -> None:
    rng = np.random.default_rng(0)
    pixels = (rng.random((201, 163, channels)) * (1.5 if dtype is np.float32 else np.iinfo(dtype).max)).astype(dtype)
    unchanged = Model(Nothing(), ENTRIES["denoise"], replace(CPU, precision=torch.bfloat16), tile=136)
    result = unchanged(pixels, 0.1)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, pixels)


@pytest.mark.parametrize(("name", "channels"), [("denoise", 3), ("denoise-raw", 4)])
@pytest.mark.parametrize("size", [(413, 389), (640, 331)])
def test_tiles_with_the_full_margin_equal_the_whole_picture(name: str, channels: int, size: tuple[int, int]) -> None:
    whole = embedded(name)
    pixels = np.random.default_rng(1).random((*size, channels), np.float32)
    once = replace(whole, tile="none")(pixels, 0.1)
    margin = -(-whole.entry.reach // 8) * 8
    tiled = replace(whole, entry=replace(whole.entry, margin=margin), tile=margin * 2 + 112)
    assert tiled.tiling(*size).tile > 0
    assert np.abs(tiled(pixels, 0.1) - once).max() <= 1e-5


@pytest.mark.parametrize(("name", "channels"), [("denoise", 3), ("denoise-raw", 4)])
def test_the_declared_reach_is_the_measured_one(name: str, channels: int) -> None:
    """A pixel beyond the reach has no influence at all, and one at it has some, for the phase that sees farthest."""
    network, entry = embedded(name).network, ENTRIES[name]
    size, farthest = 2 * (entry.reach // 8 + 3) * 8, 0
    for phase in range(8):
        picture = torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_()
        center = size // 2 + phase
        network(picture, torch.full((1, 1, size, size), 0.1))[0, :, center, center].sum().backward()
        assert picture.grad is not None
        rows = picture.grad.abs().sum((0, 1, 3)).nonzero()[:, 0]
        farthest = max(farthest, center - int(rows.min()), int(rows.max()) - center)
    # The outermost weights can be exactly 0 by chance of a half-precision file: one fold of slack.
    assert entry.reach - 4 <= farthest <= entry.reach


def test_not_a_number_in_half_precision_is_computed_again_in_full() -> None:
    pixels = np.full((40, 40, 3), 0.5, np.float32)
    half = Model(Overflowing(), ENTRIES["denoise"], replace(CPU, precision=torch.bfloat16))
    np.testing.assert_array_equal(half(pixels, 0.1), 0.75)


def test_a_picture_with_nan_is_refused_in_words() -> None:
    pixels = np.full((40, 40, 3), np.nan, np.float32)
    with pytest.raises(PhotofixError, match="not numbers"):
        embedded("denoise")(pixels, 0.1)


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_out_of_memory_inside_the_network_is_survived(fails_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    whole = replace(embedded("denoise"), tile=256)
    pixels = np.random.default_rng(2).random((300, 420, 3), np.float32)
    expected = whole(pixels, 0.1)
    genuine = Model._run

    def failing(self: Model, *planes: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise torch.OutOfMemoryError("injected")
        return genuine(self, *planes)

    monkeypatch.setattr(Model, "_run", failing)
    # A halved tile has its cut elsewhere: with the default margin that shows by less than half an 8-bit step.
    assert np.abs(whole(pixels, 0.1) - expected).max() < 0.5 / 255


class Balance(nn.Module):
    """Its answer hangs on all it sees: the distance to the mean of the whole."""

    def forward(self, picture: Tensor, sigma: Tensor) -> Tensor:
        return picture.mean((2, 3), keepdim=True) - picture


def balancing(**changes: Any) -> Model:
    entry = replace(ENTRIES["denoise"], margin=8, **changes)
    return Model(Balance(), entry, CPU)


def run_noting(network: Model, pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    notes: list[str] = []
    return replace(network, note=notes.append)(pixels, 0.1), notes


def test_a_network_that_must_see_the_whole_is_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(7).random((304, 200, 3), np.float32)
    whole = replace(balancing(view="whole"), tile=64)
    result, notes = run_noting(whole, pixels)
    np.testing.assert_allclose(result, np.broadcast_to(pixels.mean((0, 1)), pixels.shape), atol=1e-4)
    assert notes == []
    monkeypatch.setattr(Model, "_run", short_of_memory(303 * 200))
    with pytest.raises(DeviceError, match="must see the whole picture, and 200 x 304 pixels do not fit"):
        whole(pixels, 0.1)
    monkeypatch.undo()
    monkeypatch.setattr(model, "free_memory", lambda device: 304 * 200 * 500)
    with pytest.raises(DeviceError, match="must see the whole picture"):
        replace(whole, entry=replace(whole.entry, bytes_per_pixel=600, half=False))(pixels, 0.1)
    replace(whole, entry=replace(whole.entry, bytes_per_pixel=400, half=False))(pixels, 0.1)


def short_of_memory(most: int) -> Callable[..., Tensor]:
    """Model._run on a device that holds no more than that many pixels."""
    genuine = Model._run

    def run(self: Model, *planes: Tensor) -> Tensor:
        if planes[0].shape[-1] * planes[0].shape[-2] > most:
            raise torch.OutOfMemoryError("injected")
        return genuine(self, *planes)

    return run


def test_a_network_that_weighs_all_it_sees_gets_tiles_of_its_side(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(8).random((300, 520, 3), np.float32)
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(Balance, "forward", lambda self, picture, _: seen.append(picture.shape[2:]) or picture * 0)
    network = replace(balancing(tile=256), tile=256)
    assert network.tiling(300, 520).least == 256
    assert run_noting(network, pixels)[1] == []
    assert len(seen) > 4
    assert min(min(sides) for sides in seen) >= 256
    assert network.tiling(200, 200).tile == 0


def test_too_small_a_tile_for_its_quality_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(9).random((300, 520, 3), np.float32)
    network = balancing(tile=256)
    assert network._best_tile() >= 256
    _, notes = run_noting(replace(network, tile=128), pixels)
    assert all("keeps its quality in tiles of 256 pixels or more" in note for note in notes)
    assert notes
    monkeypatch.setattr(Model, "_run", short_of_memory(256 * 256 // 2))
    assert run_noting(replace(network, tile=256), pixels)[1]
    # A picture that is itself smaller is seen whole, and nothing is lost.
    assert run_noting(replace(network, tile=128), pixels[:100, :100])[1] == []


class Chroma(nn.Module):
    """Two planes from one, as a colorizer gives them."""

    def forward(self, lightness: Tensor) -> Tensor:
        return torch.cat([lightness * 2 - 100, -lightness], 1)


def test_an_answer_is_given_as_the_network_gives_it() -> None:
    lightness = 100 * np.random.default_rng(10).random((70, 301, 1), np.float32)
    entry = replace(ENTRIES["denoise"], takes=Takes("lightness", 1, ()), gives="ab", margin=8)
    for tile in ("none", 64):
        planes = Model(Chroma(), entry, CPU, tile).answer(lightness)  # type: ignore[arg-type]
        assert planes.dtype == np.float32
        np.testing.assert_allclose(planes, np.concatenate([lightness * 2 - 100, -lightness], 2), rtol=1e-5, atol=1e-4)


def test_memory_sets_the_tile_by_what_a_pixel_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "free_memory", lambda device: 2 * 512**2 * 1000)
    half = replace(CPU, precision=torch.bfloat16)
    assert replace(balancing(bytes_per_pixel=1000), place=half)._best_tile() == 512
    assert replace(balancing(bytes_per_pixel=4000), place=half)._best_tile() == 256
    # In float32 a pixel takes twice as much, unless it was in float32 that it was measured.
    assert balancing(bytes_per_pixel=1000)._best_tile() == 360
    assert balancing(bytes_per_pixel=1000, half=False)._best_tile() == 512
    assert replace(balancing(bytes_per_pixel=0), place=half)._best_tile() == 256
    # What keeps the quality is not bought with memory that is not there, nor left for speed where it is.
    assert replace(balancing(bytes_per_pixel=1, tile=256), place=half)._best_tile() == 256
    assert replace(balancing(bytes_per_pixel=1000, tile=1536), place=half)._best_tile() == 512
    assert replace(balancing(bytes_per_pixel=1, tile=1536), place=half)._best_tile() == 1536


def test_gray_stays_gray_and_loses_noise() -> None:
    rng = np.random.default_rng(3)
    clean = np.broadcast_to(np.linspace(0.2, 0.8, 128, dtype=np.float32)[None, :, None], (96, 128, 1))
    noisy = clean + rng.normal(0, 0.1, clean.shape).astype(np.float32)
    result = embedded("denoise", torch.bfloat16)(noisy, 0.1)
    assert result.shape == noisy.shape
    assert np.std(result - clean) < 0.25 * np.std(noisy - clean)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 200, 3), (7, 3, 3), (2, 2, 1)])
def test_tiny_pictures(shape: tuple[int, int, int]) -> None:
    pixels = np.full(shape, 128, np.uint8)
    result = embedded("denoise")(pixels, 0.02)
    assert result.shape == shape
    assert np.abs(result.astype(int) - 128).max() <= 12


def test_noise_levels_of_cells_follow_the_noise() -> None:
    rng = np.random.default_rng(4)
    sigma = np.where(np.arange(512) < 256, 5 / 255, 40 / 255)[None, :, None]
    picture = (0.5 + rng.normal(0, 1, (200, 512, 3)) * sigma).astype(np.float32)
    levels = embedded("noise-level").levels(picture, 32) * 255
    assert levels.shape == (7, 16)
    assert levels[:, :7].mean() == pytest.approx(5, rel=0.15)
    assert levels[:, 9:].mean() == pytest.approx(40, rel=0.15)


def test_levels_of_a_large_picture_equal_those_of_its_parts() -> None:
    picture = np.random.default_rng(5).normal(0.5, 0.1, (192, 2304, 3)).astype(np.float32)
    network = embedded("noise-level")
    np.testing.assert_array_equal(network.levels(picture, 32)[:, :36], network.levels(picture[:, :1152], 32))


@pytest.mark.parametrize("size", [(192, 192), (70, 600), (40, 40), (600, 33)])
def test_levels_do_not_hang_on_the_pictures_size(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(6).normal(0.5, 20 / 255, (*size, 3)).astype(np.float32)
    assert embedded("noise-level").levels(picture, 32).mean() * 255 == pytest.approx(20, rel=0.12)


def test_an_explicit_device_never_falls_back() -> None:
    if torch.cuda.is_available():
        pytest.skip("needs a machine without CUDA")
    with pytest.raises(DeviceError, match=r"not available.*cpu"):
        choose("cuda")
    with pytest.raises(UsageError, match="unknown device"):
        choose("gpu please")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_answers_as_the_processor_does() -> None:
    entry = ENTRIES["denoise"]
    pixels = np.random.default_rng(6).random((600, 700, 3), np.float32)
    here = embedded("denoise")(pixels, 0.1)
    there = model.load(entry, weights.verified(entry), choose("cuda"))(pixels, 0.1)
    assert np.abs(there - here).max() < 4 / 255


@pytest.mark.parametrize("sigma", [None, 15, 50])
def test_the_default_margin_hides_cuts_in_real_photos(shared: Path, sigma: float | None) -> None:
    """At most half an 8-bit step between tiles and the whole, in float32: camera noise as it is, and white noise."""
    whole = replace(embedded("denoise"), tile="none")
    for file in sorted((shared / "eval" / "polyu").glob("*_real.JPG"))[:12:4]:
        photo = photofix.open(file)
        assert isinstance(photo, Photo)
        pixels = photo.pixels.astype(np.float32) / 255
        if sigma:
            pixels += np.random.default_rng(0).normal(0, sigma / 255, pixels.shape).astype(np.float32)
        tiled = replace(whole, tile=4 * whole.entry.margin)
        assert tiled.tiling(*pixels.shape[:2]).tile < 512
        difference = np.abs(tiled(pixels, (sigma or 5) / 255) - whole(pixels, (sigma or 5) / 255))
        assert difference.max() <= 0.5 / 255

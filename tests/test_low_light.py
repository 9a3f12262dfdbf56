"""Low light: what is decided on a small picture is applied to the large one, evenly, without halos or seams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import photofix
from photofix import color, noise
from photofix.networks.tone import SIDE, Tone
from photofix.photo import Photo
from photofix.tasks import low_light
from pictures import photo


def street(height: int = 96, width: int = 128) -> np.ndarray:
    """(H, W, 3) uint8: a scene of smooth and fine parts, dark and bright, well exposed."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    ground = 0.45 + 0.3 * np.sin(columns / 9) * np.cos(rows / 7) + 0.1 * np.sin(columns * rows / 300)
    sky = rows < height / 3
    picture = np.where(sky[:, :, None], [0.6, 0.75, 0.95], ground[:, :, None] * np.array([1, 0.9, 0.75]))
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def darkened(picture: np.ndarray, level: float) -> np.ndarray:
    """The uint8 picture in so many times less light."""
    return np.rint(color.linear_to_srgb(color.srgb_to_linear(picture / 255) / level) * 255).astype(np.uint8)


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    return -10 * float(np.log10(np.mean(((one.astype(float) - other) / 255) ** 2) + 1e-12))


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (96, 128), (700, 640)])
def test_a_small_picture_has_the_mean_light_of_the_large_one(size: tuple[int, int]) -> None:
    large = photo("uint16", 3, size=size)
    light = low_light.small(large, 48)
    assert light.shape == (48, 48, 3)
    assert light.mean() == pytest.approx(color.srgb_to_linear(large.pixels / 65535).mean(), rel=0.05)


def test_gray_and_values_that_are_no_numbers_are_made_small() -> None:
    gray = Photo(np.full((40, 60, 1), np.nan, np.float32))
    assert not low_light.small(gray, 48).any()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("encoding", ["srgb", "linear"])
@pytest.mark.parametrize("channels", [1, 3])
def test_even_stops_multiply_light(kind: str, encoding: str, channels: int) -> None:
    dark = replace(photo(kind, channels, alpha=True), encoding=encoding)
    dark = replace(dark, pixels=(dark.pixels / (1 if kind == "float32" else 4)).astype(dark.pixels.dtype))
    lifted = low_light.lift(dark, low_light.Plan(0.0, *np.float32([[[[0] * 3]], [[[1.5] * 3]]])))
    before, after = (color.light_of(one.pixels, one.encoding) for one in (dark, lifted))
    expected = before * np.float32(2**1.5)
    if kind != "float32":
        expected = expected.clip(0, 1)
        assert lifted.pixels.dtype == np.uint16
    np.testing.assert_allclose(after, expected, rtol=2e-3, atol=4e-5)
    assert lifted.metadata == dark.metadata
    np.testing.assert_array_equal(lifted.alpha, dark.alpha)


def uneven(small: np.ndarray) -> low_light.Plan:
    """The bright half stays, the dark half is lifted by three stops, decided in 48 x 48 cells."""
    cells = small.reshape(48, len(small) // 48, 48, -1, 3).mean((1, 3))
    return low_light.plan(small, np.where(cells > 0.2, 0, 3).astype(np.float32), 2.0)


def test_a_part_is_the_same_as_in_the_whole() -> None:
    picture = photo("uint16", 3, size=(320, 200))
    how = uneven(low_light.small(picture, SIDE))
    whole = low_light.lift(picture, how)
    part = (slice(37, 311), slice(13, 177))
    np.testing.assert_array_equal(low_light.lift(picture, how, part).pixels, whole.pixels[part])


def test_next_to_an_edge_nothing_glows() -> None:
    """A window in a dark room: the wall is lifted up to the frame, the window is not, and neither overshoots."""
    light = np.full((240, 320, 3), 0.03, np.float32)
    light[60:180, 100:220] = 0.8
    lifted = low_light.lift(Photo(light, "linear"), uneven(low_light.small(Photo(light, "linear"), SIDE))).pixels
    wall, window = lifted[0, 0, 0], lifted[120, 160, 0]
    assert wall == pytest.approx(0.03 * 8, rel=0.02)
    assert window == pytest.approx(0.8, rel=0.05)
    outside = lifted[light < 0.5]
    assert outside.max() < 1.25 * wall
    assert outside.min() > 0.8 * wall


@pytest.mark.parametrize("encoding", ["srgb", "linear"])
def test_a_camera_s_curve_is_put_on_what_is_seen(encoding: str) -> None:
    seen = np.uint16([0, 16384, 32768, 65535]).reshape(1, 4, 1)
    linear = np.rint(color.srgb_to_linear(seen / 65535) * 65535).astype(np.uint16)
    curved = low_light.curved(Photo(seen if encoding == "srgb" else linear, encoding)).pixels
    shown = curved / 65535 if encoding == "srgb" else color.linear_to_srgb(curved / 65535)
    np.testing.assert_allclose(shown[0, :, 0], [0, 0.15625, 0.5, 1], atol=1e-3)


def test_a_share_of_the_change_is_made_at_the_input_s_depth() -> None:
    before = photo("uint8", 3)
    after = replace(before, pixels=np.full(before.pixels.shape, 65535, np.uint16))
    np.testing.assert_array_equal(low_light.blended(before, after, 0).pixels, before.pixels)
    half = low_light.blended(before, after, 0.5).pixels
    assert half.dtype == np.uint8
    np.testing.assert_allclose(half, (before.pixels + 255.0) / 2, atol=0.51)


def test_gamma_and_clahe() -> None:
    dark = Photo(darkened(street(), 8))
    assert low_light.classical(replace(dark, pixels=np.full((4, 4, 3), 51, np.uint8)), "gamma").pixels[0, 0, 0] == 134
    even = low_light.classical(dark, "clahe").pixels
    assert even.dtype == np.uint8
    assert even.mean() > 1.3 * dark.pixels.mean()
    for kind in ("uint16", "float32"):
        changed = low_light.classical(photo(kind, 1), "clahe").pixels
        assert changed.dtype == kind
        assert np.isfinite(changed).all()


def test_the_network_answers_in_stops_around_the_exposure() -> None:
    network = Tone()
    torch.nn.init.zeros_(network.tail.weight)
    torch.nn.init.zeros_(network.tail.bias)
    light = torch.rand(2, 3, SIDE, SIDE)
    stops = network(light, torch.tensor([[2.5], [-1.0]]))
    assert stops.shape == (2, 3, 48, 48)
    assert (stops[0] == 2.5).all()
    assert (stops[1] == -1).all()
    assert network(light).shape == (2, 2)


@pytest.mark.parametrize("level", [4, 16])
def test_told_the_exposure_a_dark_picture_comes_back(level: int) -> None:
    truth = street()
    bright = photofix.low_light(darkened(truth, level), exposure=float(np.log2(level)))
    assert isinstance(bright, np.ndarray)
    assert decibels(bright, truth) > 24
    assert decibels(bright, truth) > decibels(darkened(truth, level), truth) + 8


def test_the_exposure_is_judged() -> None:
    truth = street()
    bright = photofix.low_light(darkened(truth, 12))
    assert isinstance(bright, np.ndarray)
    assert abs(bright.mean() - truth.mean()) < 0.3 * truth.mean()


def test_more_stops_make_it_brighter() -> None:
    dark = darkened(street(), 10)
    means = [np.mean(photofix.low_light(dark, exposure=stops)) for stops in (0, 1, 2, 3)]
    assert means == sorted(means)
    assert means[3] > 1.5 * means[0]


def test_noise_that_lifting_shows_is_taken_out() -> None:
    truth = np.full((128, 128, 3), 120, np.uint8)
    rng = np.random.default_rng(0)
    light = color.srgb_to_linear(truth / 255) / 40
    noisy = np.rint(color.linear_to_srgb(rng.poisson(light * 6000) / 6000) * 255).clip(0, 255).astype(np.uint8)
    bright = photofix.low_light(noisy, exposure=float(np.log2(40)))
    lifted = color.linear_to_srgb(color.srgb_to_linear(noisy / 255) * 40) * 255
    assert np.std(bright) < np.std(lifted) / 5


def test_two_estimates_of_noise_agree_or_the_network_is_believed() -> None:
    shot, read = 0.001, 0.03**2
    light = np.repeat(np.float32([0.3, 0.3, 0.3, 0.3, 0.0]), 32)[None, :, None] * np.ones((32, 1, 3), np.float32)
    seen = np.rint(noise.stabilise(light, shot, read)[0] * 65535).astype(np.uint16)
    quiet = low_light.Quiet(0.0, shot, read, 0.0, 0.1, seen, seen)
    told = low_light.agreed(quiet, np.float32([[0.11, 0.3, 0.02, 0.065, 0.065]]))
    np.testing.assert_allclose(told, np.float32([[0.1, 0.3, 0.02, 0.065, 0.1]]))


def dusk(noise: float) -> np.ndarray:
    """(144, 144, 3) uint8: a dim sky over ground of the first few levels, in blocks, as a camera's JPEG holds it."""
    rng = np.random.default_rng(3)
    ground = np.kron(rng.uniform(0, 3, (9, 18)), np.ones((8, 8)))
    light = np.concatenate([np.broadcast_to(np.linspace(60, 90, 72)[:, None], (72, 144)), ground])[:, :, None]
    return np.rint((light * np.ones(3) + rng.normal(0, noise, (144, 144, 3))).clip(0, 255)).astype(np.uint8)


def test_ground_that_the_file_does_not_tell_from_black_stays_dark() -> None:
    bright = np.asarray(photofix.low_light(dusk(0)))
    assert bright[:60].mean() > 1.4 * dusk(0)[:60].mean()
    assert bright[80:].mean() < 36


def test_what_is_lost_is_what_no_noise_tells_apart() -> None:
    whole, step = (slice(0, 144), slice(0, 144)), 1 / 255 / 12.92
    assert low_light.evened(Photo(dusk(0)), 3.0, whole).lost == pytest.approx(2 * step, rel=0.1)
    assert low_light.evened(Photo(dusk(3)), 3.0, whole).lost < 0.2 * step
    assert low_light.evened(Photo(dusk(0) / np.float32(255)), 3.0, whole).lost == 0


@pytest.mark.parametrize("tile", [256, 400])
def test_tiles_leave_no_seam(tile: int) -> None:
    rng = np.random.default_rng(1)
    dark = (darkened(street(500, 700), 20) + rng.integers(0, 3, (500, 700, 3))).astype(np.uint8)
    whole, cut = (photofix.low_light(dark, exposure=4, tile=size, precision="float32") for size in ("none", tile))
    difference = np.abs(np.asarray(whole, float) - np.asarray(cut, float))
    assert difference.max() <= 1


@pytest.mark.parametrize("picture", [np.zeros((30, 40, 3), np.uint8), np.full((30, 40), 1e-6, np.float32)])
def test_black_stays_black_and_is_said(picture: np.ndarray) -> None:
    same = photofix.low_light(Photo(np.atleast_3d(picture)))
    assert isinstance(same, Photo)
    np.testing.assert_array_equal(same.pixels, np.atleast_3d(picture))
    assert "black" in same.notes[0]


def test_what_is_fully_exposed_stays_and_is_said() -> None:
    bright = Photo(np.full((40, 50, 3), 250, np.uint8))
    same = photofix.low_light(bright)
    assert isinstance(same, Photo)
    np.testing.assert_array_equal(same.pixels, bright.pixels)
    assert "bright enough" in same.notes[0]


def test_a_lamp_in_the_dark_stays_in_the_dark() -> None:
    rows, columns = np.mgrid[:200, :300]
    lamp = np.exp(-((rows - 80) ** 2 + (columns - 100) ** 2) / 120)[:, :, None] * np.array([1, 0.9, 0.6])
    night = np.rint(lamp.clip(0, 1) * 255).astype(np.uint8)
    after = np.asarray(photofix.low_light(night))
    far = (rows - 80) ** 2 + (columns - 100) ** 2 > 60**2
    assert after[far].mean() < 8
    np.testing.assert_allclose(after[80, 100], night[80, 100], atol=12)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 7), (3, 90, 3), (40, 30, 4)])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_any_shape_and_depth(shape: tuple[int, ...], kind: str) -> None:
    top = 1 if kind == "float32" else np.iinfo(kind).max
    dark = (np.random.default_rng(0).random(shape) * 0.1 * top).astype(kind)
    bright = photofix.low_light(dark, exposure=2)
    assert isinstance(bright, np.ndarray)
    assert bright.shape == dark.shape
    assert bright.dtype == dark.dtype
    assert bright[..., :3].mean() > dark[..., :3].mean()
    if shape[2:] == (4,):
        np.testing.assert_array_equal(bright[:, :, 3], dark[:, :, 3])


def test_gray_stays_gray() -> None:
    dark = np.repeat(darkened(street(), 12)[:, :, :1], 3, 2)
    bright = np.asarray(photofix.low_light(dark, exposure=3.6), float)
    assert np.abs(bright - bright.mean(2, keepdims=True)).max() < 6

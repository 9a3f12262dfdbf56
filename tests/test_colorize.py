"""Coloring: the lightness stays, chroma follows edges, hints are honoured, and what is in color already is refused."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from photofix import chroma, color
from photofix.errors import PhotofixError, UsageError
from photofix.networks.colorizer import CELL, Colorizer
from photofix.photo import Photo
from photofix.tasks import colorize
from photofix.tasks.colorize import Hints, Painter, Palette, Wishes

CENTERS = np.array([[a, b] for a in range(-60, 61, 20) for b in range(-60, 61, 20)], np.float32)


def scene(height: int = 96, width: int = 128, dtype: type = np.uint8) -> Photo:
    """A gray ramp with a bright square on it."""
    ramp = np.tile(np.linspace(0, 0.55, width), (height, 1))
    ramp[height // 4 : height // 2, width // 8 : width // 3] = 0.9
    if dtype == np.float32:
        return Photo(ramp[:, :, None].astype(np.float32))
    return Photo(np.rint(ramp * np.iinfo(dtype).max).astype(dtype)[:, :, None])


def constant(a: float, b: float) -> Painter:
    """A network that names one color for everything."""

    def answer(lightness: np.ndarray, _known: np.ndarray) -> np.ndarray:
        return np.full((2, *lightness.shape), np.array([a, b])[:, None, None], np.float32)

    return Painter(answer, 64, 16)


def undecided(*colors: tuple[float, float]) -> Painter:
    """A network that finds some colors of CENTERS equally likely everywhere, unless hints tell."""
    chosen = [int(np.abs(CENTERS - one).sum(1).argmin()) for one in colors]

    def answer(lightness: np.ndarray, known: np.ndarray) -> np.ndarray:
        logits = np.full((len(CENTERS), *(side // 4 for side in lightness.shape)), -20, np.float32)
        logits[chosen] = 0
        for a, b, _ in known[known[:, :, 2] > 0]:
            logits[int(np.abs(CENTERS - (a, b)).sum(1).argmin())] += 8
        return logits

    return Painter(answer, 64, 16, CENTERS, np.zeros(len(CENTERS), np.float32))


def lightness(photo: Photo) -> np.ndarray:
    return color.lightness(chroma.luminance(photo, 0, len(photo.pixels)))


def ab(photo: Photo) -> np.ndarray:
    return np.asarray(cv2.cvtColor(photo.pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, :, 1:])


@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 0.45), (np.uint16, 0.002), (np.float32, 1e-3)])
@pytest.mark.parametrize("shade", [(30, 20), (-70, 60), (90, -90)])
def test_lightness_stays_at_any_depth_even_where_the_color_cannot_be_shown(
    dtype: type, most: float, shade: tuple[int, int]
) -> None:
    photo = scene(dtype=dtype)
    colored = colorize.colorize(photo, constant(*shade), Wishes())
    assert colored.pixels.shape == (96, 128, 3)
    assert colored.pixels.dtype == dtype
    # Half a step in each of three channels is at most this much of L, the darkest pixels apart, where a step is larger.
    assert np.abs(lightness(colored) - lightness(photo))[:, 8:].max() < most


def test_no_chroma_leaves_every_number_as_it_was() -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    for photo in (Photo(levels), Photo((levels >> 8).astype(np.uint8))):
        colored = colorize.colorize(photo, constant(0, 0), Wishes())
        np.testing.assert_array_equal(colored.pixels, np.repeat(photo.pixels, 3, axis=2))


def test_a_color_that_can_be_shown_comes_out_as_asked() -> None:
    photo = Photo(np.full((40, 50, 1), 120, np.uint8))
    np.testing.assert_allclose(
        ab(colorize.colorize(photo, constant(25, -15), Wishes())), [[[25, -15]] * 50] * 40, atol=1
    )


def test_saturation_scales_chroma() -> None:
    photo = Photo(np.full((40, 50, 1), 120, np.uint8))
    dull = colorize.colorize(photo, constant(30, 30), Wishes(saturation=0.5))
    np.testing.assert_allclose(ab(dull).mean((0, 1)), [15, 15], atol=1)


def test_light_beyond_white_and_below_black_of_floats_stays() -> None:
    pixels = np.array([[-0.1, 0.0, 0.5, 1.0, 3.0]] * 4, np.float32)[:, :, None]
    for encoding in ("linear", "srgb"):
        photo = Photo(pixels, encoding)  # type: ignore[arg-type]
        colored = colorize.colorize(photo, constant(20, 20), Wishes())
        assert np.isfinite(colored.pixels).all()
        np.testing.assert_allclose(chroma.luminance(colored, 0, 4), chroma.luminance(photo, 0, 4), rtol=1e-4, atol=1e-4)


def test_bands_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = Photo(np.random.default_rng(0).integers(0, 256, (150, 90, 1), np.uint8))
    painter = undecided((40, 20), (-20, 40))
    whole = colorize.colorize(photo, painter, Wishes()).pixels
    monkeypatch.setattr(chroma, "_BAND", 7)
    np.testing.assert_array_equal(colorize.colorize(photo, painter, Wishes()).pixels, whole)


def test_color_does_not_run_over_an_edge() -> None:
    """Two halves, one dark and one bright; the network's coarse answer is cut a little off the edge."""
    shown = np.full((64, 64), 90, np.float32)
    shown[:, :30] = 20
    places = np.zeros((16, 16, 2), np.float32)
    places[:, :8] = (40, 0)  # up to pixel 32
    found = chroma.enlarged(places, np.ones((16, 16), np.float32), shown)
    plan = chroma.guided(found, shown)
    large = np.repeat(np.repeat(shown, 8, 0), 8, 1)
    a, _ = plan.chroma(large, 0, (512, 512))
    assert a[256, 30 * 8 - 4] > 30
    assert a[256, 30 * 8 + 20] < 8


def test_temperature_goes_from_one_color_to_the_mean_of_all() -> None:
    photo = Photo(np.full((64, 64, 1), 120, np.uint8))
    painter = undecided((40, 0), (-40, 0))
    first = painter.answer(np.zeros((64, 64), np.float32), np.zeros((64, 64, 3), np.float32))

    def tilted(seen: np.ndarray, known: np.ndarray) -> np.ndarray:
        logits = painter.answer(seen, known)
        logits[first.argmax(0)[0, 0]] += 0.4
        return logits

    chromas = [
        np.hypot(*ab(colorize.colorize(photo, replace(painter, answer=tilted), Wishes(temperature=t)))[32, 32])
        for t in (0.0, 0.3, 1.0)
    ]
    assert chromas[0] > chromas[1] > chromas[2]


def test_even_odds_are_muted() -> None:
    photo = Photo(np.full((64, 64, 1), 120, np.uint8))
    sure, unsure = (
        np.hypot(*ab(colorize.colorize(photo, undecided(*colors), Wishes()))[32, 32])
        for colors in ([(40, 0)], [(a, b) for a, b in CENTERS.tolist() if a >= 0])
    )
    assert 0 < unsure < 0.8 * 30 < sure  # the mean of all that are likely has a chroma of 30


def test_points_are_honoured_where_they_lie() -> None:
    photo = scene(300, 400)
    wanted = [
        (300, 90, (130, 95, 95)),
        (250, 150, (80, 95, 80)),
        (266, 155, (90, 90, 115)),
        (390, 299, (150, 130, 100)),
    ]
    colored = colorize.colorize(photo, undecided((0, 0)), Wishes(hints=Hints(tuple(wanted))))
    for x, y, rgb in wanted:
        true = cv2.cvtColor(np.float32([[rgb]]) / 255, cv2.COLOR_RGB2LAB)[0, 0, 1:]
        assert np.hypot(*(ab(colored)[y, x] - true)) < 5
    far = ab(colored)[20, 200]
    assert np.hypot(*far) < 6


def test_points_next_to_each_other_are_each_honoured() -> None:
    photo = Photo(np.full((200, 300, 1), 120, np.uint8))
    wanted = ((100, 100, (160, 100, 110)), (101, 100, (100, 130, 100)), (103, 101, (110, 115, 150)))
    colored = colorize.colorize(photo, undecided((0, 0)), Wishes(hints=Hints(wanted)))
    for x, y, rgb in wanted:
        true = cv2.cvtColor(np.float32([[rgb]]) / 255, cv2.COLOR_RGB2LAB)[0, 0, 1:]
        assert np.hypot(*(ab(colored)[y, x] - true)) < 5


@pytest.mark.parametrize("clear", [False, True])
def test_strokes_are_honoured(clear: bool) -> None:
    photo = scene(200, 240)
    painted = np.repeat(photo.pixels, 3, axis=2)
    painted[150:158, 100:200] = (150, 60, 70)
    alpha = np.zeros((200, 240), np.uint8)
    alpha[150:158, 100:200] = 255
    strokes = Photo(painted, alpha=alpha if clear else None)
    colored = colorize.colorize(photo, undecided((0, 0)), Wishes(hints=Hints(strokes=strokes)))
    there = ab(colored)[152:156, 110:190].reshape(-1, 2)
    true = cv2.cvtColor(np.float32([[[150, 60, 70]]]) / 255, cv2.COLOR_RGB2LAB)[0, 0, 1:]
    assert np.hypot(*(there - true).T).mean() < 5


@pytest.mark.parametrize(("x", "y"), [(-1, 5), (128, 5), (5, 96), (5, -0.5)])
def test_points_outside_are_named(x: float, y: float) -> None:
    hints = Hints(((3, 3, (1, 2, 3)), (x, y, (1, 2, 3))))
    with pytest.raises(UsageError, match=r"hint 2 at x .* lies outside the picture of 128 x 96"):
        colorize.colorize(scene(), constant(0, 0), Wishes(hints=hints))


def test_strokes_of_another_size_are_refused() -> None:
    hints = Hints(strokes=Photo(np.zeros((95, 128, 3), np.uint8)))
    with pytest.raises(UsageError, match="128 x 95 pixels and the picture 128 x 96"):
        colorize.colorize(scene(), undecided((0, 0)), Wishes(hints=hints))


@pytest.mark.parametrize(
    "wishes",
    [Wishes(temperature=0.5), Wishes(samples=2), Wishes(take=2), Wishes(palette=Palette(Photo(np.zeros((2, 2, 3)))))],
)
def test_what_needs_odds_is_refused_where_a_network_gives_none(wishes: Wishes) -> None:
    with pytest.raises(UsageError, match="leave --model out"):
        colorize.colorize(scene(), constant(0, 0), wishes)


def test_hints_are_refused_where_a_network_takes_none() -> None:
    painter = replace(constant(0, 0), takes_hints=False)
    with pytest.raises(UsageError, match="takes none"):
        colorize.colorize(scene(), painter, Wishes(hints=Hints(((1, 1, (1, 1, 1)),))))


def test_a_photo_in_color_is_refused_unless_it_is_to_be_recolored() -> None:
    pixels = np.repeat(scene().pixels, 3, axis=2)
    pixels[20:50, :, 0] //= 2
    pixels[60:90, :, 2] //= 2
    with pytest.raises(PhotofixError, match="--recolor"):
        colorize.colorize(Photo(pixels), constant(0, 0), Wishes())
    dropped = colorize.colorize(Photo(pixels), constant(0, 0), Wishes(recolor=True))
    assert np.abs(ab(dropped)).max() < 1


@pytest.mark.parametrize("tone", [(1.0, 0.86, 0.65), (0.9, 0.95, 1.0), (1.0, 0.97, 0.9)])
def test_a_toned_print_is_taken_for_gray(tone: tuple[float, float, float]) -> None:
    photo = scene()
    toned = np.rint(photo.pixels * np.array(tone) * 0.8 + 20 * np.array([1, 0.9, 0.7])).astype(np.uint8)
    colored = colorize.colorize(Photo(toned), constant(0, 0), Wishes())
    assert "tone" in colored.notes[0]
    assert (colored.pixels.max(2) == colored.pixels.min(2)).all()
    assert np.abs(lightness(colored) - lightness(Photo(toned))).max() < 0.3


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 2), (400, 20)])
def test_pictures_of_any_size_are_colored(size: tuple[int, int]) -> None:
    photo = Photo(np.full((*size, 1), 120, np.uint8), alpha=np.full(size, 7, np.uint8))
    hints = Hints(((0, 0, (140, 120, 120)),))
    colored = colorize.colorize(photo, undecided((20, 0)), Wishes(hints=hints))
    assert colored.pixels.shape == (*size, 3)
    np.testing.assert_array_equal(colored.alpha, photo.alpha)


def test_takes_differ_and_come_again() -> None:
    photo = Photo(np.full((64, 64, 1), 120, np.uint8))
    painter = undecided((40, 0), (-40, 0), (0, 40), (0, -40))
    takes = [colorize.colorize(photo, painter, Wishes(take=take)).pixels for take in (1, 2, 3, 4, 4)]
    assert len({take.tobytes() for take in takes[:4]}) >= 3
    np.testing.assert_array_equal(takes[3], takes[4])


def test_a_sheet_shows_as_many_as_asked() -> None:
    painter = undecided((40, 0), (-40, 0), (0, 40))
    sheet = colorize.sheet(scene(), painter, Wishes(samples=3), side=64)
    assert sheet.pixels.shape == (2 * (48 + 4), 2 * (64 + 4), 3)
    assert (sheet.pixels[52:, 68:] == 255).all()
    first = colorize.sheet(scene(), painter, Wishes(samples=1), side=64)
    np.testing.assert_array_equal(first.pixels, sheet.pixels[:52, :68])


def test_a_palette_makes_its_colors_likelier() -> None:
    photo = Photo(np.full((64, 64, 1), 120, np.uint8))
    blue = Photo(np.full((20, 20, 3), (60, 90, 190), np.uint8))
    painter = undecided((20, 40), (20, -60))
    plain, cool = (
        ab(colorize.colorize(photo, painter, Wishes(palette=palette)))[32, 32, 1] for palette in (None, Palette(blue))
    )
    assert cool < plain - 10


def network() -> Colorizer:
    torch.manual_seed(0)
    small = Colorizer(len(CENTERS), (8, 8, 16), (1, 1, 1), keys=4).eval().requires_grad_(False)
    small.centers.copy_(torch.from_numpy(CENTERS))
    return small


def test_the_network_answers_for_every_cell() -> None:
    seen = torch.rand(2, 1, 48, 64) * 100
    assert network()(seen).shape == (2, len(CENTERS), 48 // CELL, 64 // CELL)
    assert torch.isfinite(network()(seen)).all()


def test_no_hints_are_hints_of_nothing() -> None:
    seen = torch.rand(1, 1, 32, 32) * 100
    torch.testing.assert_close(network()(seen), network()(seen, torch.zeros(1, 3, 32, 32)))


def test_a_hint_makes_its_color_likelier_and_most_where_it_lies() -> None:
    """True of the network before it has learned anything: its first way to spread hints is a bilateral filter."""
    seen = torch.full((1, 1, 64, 64), 50.0)
    seen[..., 32:] = 95
    hints = torch.zeros(1, 3, 64, 64)
    hints[0, :, 20, 10] = torch.tensor([40.0, 20, 1])
    odds = network()(seen, hints).softmax(1) - network()(seen).softmax(1)
    more = odds[0, int(np.abs(CENTERS - (40, 20)).sum(1).argmin())]
    assert more[5, 2] > 0.001
    assert more[5, 2] > 2 * more[5, 12]

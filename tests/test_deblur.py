"""Known blur undone: by a stand-in for the denoiser, and by the embedded one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import photofix
from photofix import color, psf
from photofix.errors import PhotofixError, UsageError
from photofix.photo import Photo
from photofix.tasks import deblur
from photofix.tasks.deblur import Known


def smooth(pixels: np.ndarray, sigma: object, strength: float = 1.0, progress: object = None) -> np.ndarray:
    """A denoiser of sorts."""
    level = float(sigma(slice(0, pixels.shape[0]), slice(0, pixels.shape[1])).mean()) if callable(sigma) else sigma
    assert isinstance(level, float)
    answer = cv2.GaussianBlur(pixels, (0, 0), 0.2 + 4 * level)
    return answer.reshape(pixels.shape)


def sharp(height: int = 96, width: int = 112) -> np.ndarray:
    """(H, W, 3) float32 with edges, bars and a bright spot, between 0.05 and 0.95."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    bars = np.where((columns // 9) % 2 == 0, 0.2, 0.7)
    disk = np.where((rows - 50) ** 2 + (columns - 60) ** 2 < 400, 0.95, bars)
    return np.stack([disk, 0.9 * disk + 0.05, 0.5 + 0.4 * np.sin(rows / 7)], axis=2).astype(np.float32)


def blurred(kernel: np.ndarray, sigma: float = 1.0, linear: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A blurred and the sharp picture, uint8, both without the part that depends on what lies outside."""
    picture = sharp(96 + kernel.shape[0] // 2 * 2, 112 + kernel.shape[1] // 2 * 2)
    light = color.srgb_to_linear(picture) if linear else picture
    spread = cv2.filter2D(light, -1, np.ascontiguousarray(kernel[::-1, ::-1]))
    shown = color.linear_to_srgb(spread) if linear else spread
    shown = shown + np.random.default_rng(0).normal(0, sigma / 255, shown.shape)
    down, right = kernel.shape[0] // 2, kernel.shape[1] // 2
    inner = (slice(down, picture.shape[0] - down), slice(right, picture.shape[1] - right))
    return tuple(np.rint(part[inner].clip(0, 1) * 255).astype(np.uint8) for part in (shown, picture))  # type: ignore[return-value]


def psnr(answer: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((answer.astype(np.float64) - truth) ** 2)))


METHODS = ["plug-and-play", "wiener", "richardson-lucy"]
GAINS = {"plug-and-play": 5.0, "wiener": 1.0, "richardson-lucy": 4.0}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("words", ["motion:9,30", "0,0;4,1;7,5"])
def test_a_known_blur_goes(method: str, words: str) -> None:
    noisy, truth = blurred(psf.parse(words))
    answer = photofix.deblur(noisy, psf=words, method=method, sigma=1)  # type: ignore[arg-type]
    assert isinstance(answer, np.ndarray)
    assert answer.dtype == np.uint8
    assert psnr(answer, truth) > psnr(noisy, truth) + GAINS[method]


def test_light_is_what_was_blurred() -> None:
    noisy, truth = blurred(psf.parse("disk:3"))
    answers = [
        deblur.deblur(Photo(noisy), Known(psf.parse("disk:3"), 1 / 255, linear), deblur.plug_and_play(smooth)).pixels
        for linear in (True, False)
    ]
    assert psnr(answers[0], truth) > psnr(answers[1], truth) + 1


def test_the_border_does_not_ring() -> None:
    kernel = psf.parse("motion:13,0")
    noisy, truth = blurred(kernel, sigma=0.5)
    answer = deblur.deblur(Photo(noisy), Known(kernel, 0.5 / 255), deblur.plug_and_play(smooth)).pixels
    edge, inside = np.s_[:, :13], np.s_[:, 40:-40]
    assert psnr(answer[edge], truth[edge]) > psnr(noisy[edge], truth[edge]) + 2
    assert psnr(answer[edge], truth[edge]) > psnr(answer[inside], truth[inside]) - 8


def test_clipped_light_rings_less_than_if_it_were_taken_for_white() -> None:
    kernel = psf.parse("motion:11,20")
    light = sharp()[:, :, :1] * np.float32(0.2)
    lit = light.copy()
    lit[46:50, 52:57] = 3  # A lamp above white, which leaves a streak at white.
    streak = np.rint(color.linear_to_srgb(cv2.filter2D(lit, -1, kernel[::-1, ::-1])).clip(0, 1) * 255)
    pixels = streak.reshape(light.shape).astype(np.uint8)
    solve = deblur.plug_and_play(smooth)
    answers = [
        deblur.deblur(Photo(given), Known(kernel, 1 / 255), solve).pixels.astype(float) / full
        # Floats may be brighter than white, so in them white is white.
        for given, full in ((pixels, 255), (pixels.astype(np.float32) / 255, 1))
    ]
    away = np.ones(light.shape, bool)
    away[44:52, 50:59] = False
    errors = [float(np.abs(answer - color.linear_to_srgb(light))[away].mean()) for answer in answers]
    assert errors[0] < 0.9 * errors[1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0, 90, 255])
def test_a_flat_picture_stays_flat(method: str, value: int) -> None:
    flat = np.full((40, 50, 3), value, np.uint8)
    answer = photofix.deblur(flat, psf="disk:4", method=method)  # type: ignore[arg-type]
    assert np.abs(np.asarray(answer).astype(int) - value).max() <= 1


def test_an_almost_black_picture_stays_almost_black() -> None:
    dark = np.random.default_rng(0).integers(0, 3, (40, 50, 3), dtype=np.uint8)
    for method in METHODS:
        answer = np.asarray(photofix.deblur(dark, psf="disk:2", method=method))  # type: ignore[arg-type]
        assert np.abs(answer.mean() - dark.mean()) < 2


def test_faint_noise_is_measured_where_a_blur_has_left_nothing_else() -> None:
    y, x = np.mgrid[:80, :90].astype(np.float32)
    smooth = (0.5 + 0.3 * np.sin(x / 15) * np.cos(y / 11))[:, :, None].repeat(3, 2)
    noisy = smooth + np.random.default_rng(0).normal(0, 0.003, smooth.shape).astype(np.float32)
    assert deblur.faint_noise(Photo(noisy)) == pytest.approx(0.003, rel=0.05)
    assert deblur.faint_noise(Photo(smooth)) < 0.0005
    assert deblur.faint_noise(Photo(np.full((20, 20, 1), 7, np.uint8))) == 0
    assert deblur.faint_noise(Photo(np.zeros((1, 9, 3), np.uint8))) == 0


def test_what_is_smaller_than_its_kernel_is_refused() -> None:
    with pytest.raises(UsageError, match="9 x 9 pixels is larger than the picture of 30 x 7"):
        photofix.deblur(np.zeros((7, 30, 3), np.uint8), psf="disk:4.4")


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3)])
def test_tiny_photos(size: tuple[int, int]) -> None:
    tiny = np.arange(100, 100 + 3 * size[0] * size[1], dtype=np.uint8).reshape(*size, 3)
    for method in METHODS:
        # A kernel of one pixel blurs nothing.
        answer = np.asarray(photofix.deblur(tiny, psf=np.ones((1, 1)), method=method, sigma=0))  # type: ignore[arg-type]
        assert np.abs(answer.astype(int) - tiny).max() <= 8


def test_values_that_are_not_numbers_are_refused() -> None:
    picture = sharp(32, 32)
    picture[3, 4] = np.nan
    with pytest.raises(PhotofixError, match="not numbers"):
        photofix.deblur(picture, psf="gauss:1", sigma=1)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_depth_shape_and_alpha_stay(kind: type, channels: tuple[int, ...]) -> None:
    full = 1 if kind is np.float32 else np.iinfo(kind).max
    picture = (np.random.default_rng(0).random((24, 30, *channels)) * full).astype(kind)
    answer = np.asarray(photofix.deblur(picture, psf="gauss:0.8", method="wiener", sigma=3))
    assert answer.dtype == kind
    assert answer.shape == picture.shape
    if channels == (4,):
        np.testing.assert_array_equal(answer[:, :, 3], picture[:, :, 3])


def test_strength_blends() -> None:
    noisy, _ = blurred(psf.parse("gauss:1.5"))
    none, half, whole = (
        np.asarray(photofix.deblur(noisy, psf="gauss:1.5", method="wiener", sigma=1, strength=s)).astype(float)
        for s in (0.0, 0.5, 1.0)
    )
    np.testing.assert_array_equal(none, noisy)
    assert np.abs(half - (none + whole) / 2).max() <= 1


def test_light_above_white_survives() -> None:
    picture = Photo(np.full((40, 40, 3), 4, np.float32), "linear")
    answer = deblur.deblur(picture, Known(psf.parse("disk:2"), 1 / 255), deblur.plug_and_play(smooth)).pixels
    np.testing.assert_allclose(answer, 4, rtol=0.01)


def test_blocks_answer_as_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = psf.parse("motion:5,20")
    picture = np.tile(sharp(140, 160), (3, 3, 1))
    noisy = (cv2.filter2D(picture, -1, kernel[::-1, ::-1]) * 255).astype(np.uint8)
    whole = deblur.deblur(Photo(noisy), Known(kernel, 2 / 255), deblur.richardson_lucy).pixels
    monkeypatch.setattr(deblur, "BLOCK", 360)
    done: list[int] = []
    cut = deblur.deblur(Photo(noisy), Known(kernel, 2 / 255), deblur.richardson_lucy, progress=done.append).pixels
    assert np.abs(cut.astype(int) - whole).mean() < 0.2
    assert sum(done) == pytest.approx(noisy[:, :, 0].size, rel=0.1)


def test_a_map_of_sigma_is_refused() -> None:
    with pytest.raises(UsageError, match="map of sigma"):
        photofix.deblur(sharp(20, 20), psf="gauss:1", sigma=np.ones((20, 20)))  # type: ignore[arg-type]

"""From a photo to a restored photo, through the embedded networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dng import Calibration, cfa_dng

import photofix
from photofix import device, pipeline, raw
from photofix.errors import UsageError, WeightsError
from photofix.job import Roi, Settings
from photofix.models import Models
from photofix.photo import Photo, RawPhoto
from photofix.restore_picture import cropped
from photofix.restore_raw import noise_profile

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


def noisy_picture(sigma: float, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """(noisy, clean) 160 x 192 pictures with an edge and a gradient; noise of sigma / 255."""
    rows, columns = np.mgrid[:160, :192].astype(np.float32)
    clean = np.stack([0.3 + columns / 400, 0.6 - rows / 500, np.where(columns + rows > 170, 0.7, 0.3)], axis=2)
    noisy = clean + np.random.default_rng(0).normal(0, sigma / 255, clean.shape)
    if dtype is np.float32:
        return noisy.astype(np.float32), clean
    white = np.iinfo(dtype).max
    return np.rint(noisy.clip(0, 1) * white).astype(dtype), clean


def psnr(pixels: np.ndarray, clean: np.ndarray) -> float:
    white = 1 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max
    return float(-10 * np.log10(np.mean((pixels / white - clean) ** 2)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("sigma", [10.0, 40.0])
def test_noise_goes_whatever_the_depth(dtype: type, sigma: float) -> None:
    noisy, clean = noisy_picture(sigma, dtype)
    for told in (sigma, "auto"):
        result = photofix.denoise(noisy, sigma=told)  # type: ignore[arg-type]
        assert isinstance(result, np.ndarray)
        assert result.dtype == dtype
        assert result.shape == noisy.shape
        assert psnr(result, clean) > psnr(noisy, clean) + 8


def test_a_clean_picture_is_left_alone() -> None:
    _, clean = noisy_picture(0)
    pixels = clean.astype(np.float32)
    assert psnr(np.asarray(photofix.denoise(pixels)), clean) > 45
    flat = np.full((100, 100, 3), 77, np.uint8)
    assert np.abs(np.asarray(photofix.denoise(flat)).astype(int) - 77).max() <= 1


def test_a_map_of_sigma_is_followed() -> None:
    noisy, _ = noisy_picture(20)
    levels = np.zeros(noisy.shape[:2], np.float32)
    levels[:, 96:] = 20
    result = np.asarray(photofix.denoise(noisy, sigma=levels))
    changed = np.abs(result - noisy).mean(axis=(0, 2))
    assert changed[:60].mean() < 0.5 * changed[130:].mean()


def test_alpha_and_gray_arrays_keep_their_shape() -> None:
    noisy, _ = noisy_picture(20, np.uint8)
    alpha = np.arange(160 * 192, dtype=np.uint8).reshape(160, 192, 1)
    with_alpha = np.asarray(photofix.denoise(np.concatenate([noisy, alpha], 2)))
    np.testing.assert_array_equal(with_alpha[:, :, 3:], alpha)
    assert np.asarray(photofix.denoise(noisy[:, :, 0])).shape == (160, 192)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4), np.int32), [[1]], None, "a.jpg"],
)
def test_what_is_no_picture_is_refused(image: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an image"):
        photofix.denoise(image)
    with pytest.raises(UsageError, match="saved is what tasks give"):
        photofix.save(image, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *(("sigma", wrong) for wrong in (-1, 101, float("nan"), "much", [5], None)),
        *(("sigma", np.full((4, 4), wrong)) for wrong in (-1, 101, np.nan)),
        *(("strength", wrong) for wrong in (-0.1, 1.5, float("nan"), "auto")),
        *(("keep_grain", -1), ("iso", 0), ("iso", "high"), ("tile", 8), ("tile", "all"), ("tile", -5)),
        *(("precision", "half"), ("precision", None), ("device", "tpu"), ("device", None), ("device", 0)),
    ],
)
def test_words_that_cannot_be_meant_are_refused(word: str, value: Any) -> None:
    with pytest.raises(UsageError, match=word):
        photofix.denoise(np.zeros((4, 4), np.uint8), **{word: value})


def test_sample_raw_from_file_to_picture(tmp_path: Path) -> None:
    photo = photofix.open(SAMPLES / "noisy.dng")
    assert isinstance(photo, RawPhoto)
    result = photofix.denoise(photo)
    assert isinstance(result, Photo)
    assert result.pixels.dtype == np.uint16
    plain = np.asarray(photofix.denoise(photo, strength=0).pixels, np.float32)  # type: ignore[union-attr]
    flattest = result.pixels[:100, :100].astype(np.float32).std() / plain[:100, :100].std()
    assert flattest < 0.95
    photofix.save(result, tmp_path / "clean.png")
    np.testing.assert_array_equal(photofix.open(tmp_path / "clean.png").pixels, result.pixels)  # type: ignore[union-attr]


def test_iso_overrides_the_files_noise_profile() -> None:
    photo = photofix.open(SAMPLES / "noisy.dng")
    assert isinstance(photo, RawPhoto)
    assert photo.noise is not None
    assert noise_profile(photo, 100)[0][0] < noise_profile(photo, "auto")[0][0]
    unnamed = replace(photo, noise=None, iso=None)
    assert noise_profile(unnamed, "auto")[0][0] == pytest.approx(photo.noise[0][0], rel=0.3)


def test_a_textured_mosaic_is_not_taken_for_noise_where_the_iso_is_known() -> None:
    mosaic = np.random.default_rng(0).integers(300, 4000, (256, 256), dtype=np.uint16)
    photo = RawPhoto(mosaic, "RGGB", (256, 256, 256, 256), 4095, None, 100, b"")
    assert noise_profile(photo, "auto")[0] == noise_profile(photo, 100)[0]


def test_a_network_for_pictures_takes_raw_developed() -> None:
    photo = photofix.open(SAMPLES / "noisy.dng")
    result = photofix.denoise(photo, model="denoise", sigma=5)
    assert isinstance(result, Photo)
    assert result.pixels.dtype == np.uint16


def test_a_raw_network_refuses_finished_pictures() -> None:
    with pytest.raises(UsageError, match="RAW mosaics only"):
        photofix.denoise(np.zeros((8, 8, 3), np.uint8), model="denoise-raw")


def test_unknown_models_and_wrong_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="did you mean 'denoise'"):
        photofix.denoise(np.zeros((8, 8, 3), np.uint8), model="denoize")
    level = Path(photofix.__file__).parent / "embedded" / "noise-level.safetensors"
    with pytest.raises(WeightsError, match="does not hold weights"):
        photofix.denoise(np.zeros((8, 8, 3), np.uint8), model="denoise", weights=level, sigma=5)


def test_a_part_is_the_part_of_the_whole() -> None:
    noisy, _ = noisy_picture(20)
    models = Models(Settings(sigma=20, roi=Roi(40, 30, 96, 80), precision="float32"))
    part = pipeline.restore(Photo(noisy), models).photo.pixels
    assert part.shape == (80, 96, 3)
    whole = pipeline.restore(Photo(noisy), Models(Settings(sigma=20, precision="float32"))).photo.pixels
    assert np.abs(part[20:60, 20:70] - whole[50:90, 60:110]).mean() < 0.5 / 255


SHOTS = [(pattern, orientation) for pattern in ("RGGB", "GBRG") for orientation in (1, 3, 6, 8)] + [("BGGR", 5)]


def shot(pattern: str, orientation: int) -> RawPhoto:
    """A noisy mosaic of odd size, in need of several small tiles."""
    rows, columns = np.mgrid[:301, :407]
    light = 900 + 600 * np.sin(rows / 17) * np.cos(columns / 23) + np.random.default_rng(0).normal(0, 60, rows.shape)
    photo = raw.read_raw(cfa_dng(light.astype(np.uint16), Calibration(pattern, orientation=orientation)), "shot.dng")
    assert isinstance(photo, RawPhoto)
    return photo


@pytest.mark.parametrize(("pattern", "orientation"), SHOTS)
def test_a_part_of_a_mosaic_is_exactly_the_part_of_the_whole_and_runs_fewer_tiles(
    pattern: str, orientation: int
) -> None:
    photo = shot(pattern, orientation)
    settings = Settings(tile=96, device="cpu", precision="float32", iso=6400)
    tiles: dict[str, list[int]] = {"whole": [], "part": []}
    whole = pipeline.restore(photo, Models(settings), tiles["whole"].append).photo.pixels
    for roi in (Roi(37, 53, 40, 30), Roi(0, 0, 21, 19), Roi(whole.shape[1] - 33, whole.shape[0] - 25, 33, 25)):
        part = pipeline.restore(photo, Models(replace(settings, roi=roi)), tiles["part"].append).photo.pixels
        np.testing.assert_array_equal(part, whole[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width])
        assert len(tiles["part"]) < 0.7 * len(tiles["whole"])
        tiles["part"].clear()


def test_a_part_outside_a_mosaic_is_refused_before_any_work() -> None:
    done: list[int] = []
    with pytest.raises(UsageError, match="outside the picture of 301 x 407"):
        pipeline.restore(shot("RGGB", 6), Models(Settings(roi=Roi(290, 0, 20, 20))), done.append)
    assert done == []


def test_noise_that_the_user_gives_goes_before_all_else() -> None:
    photo = photofix.open(SAMPLES / "noisy.dng")
    assert isinstance(photo, RawPhoto)
    assert noise_profile(photo, 100, (0.01, 1e-4)) == [(0.01, 1e-4)] * 4
    told, strong = (np.asarray(photofix.denoise(photo, noise=noise).pixels) for noise in (None, (0.01, 1e-4)))  # type: ignore[union-attr]
    assert strong[:100, :100].std() < told[:100, :100].std()


def test_what_a_sensor_does_wrong_is_healed_unless_forbidden() -> None:
    photo = shot("RGGB", 1)
    mosaic = photo.mosaic.copy()
    mosaic[100, 150] = 4000
    hot = replace(photo, mosaic=mosaic)
    models = [Models(Settings(device="cpu", iso=6400, heal=heal)) for heal in (True, False)]
    healed, left = (pipeline.restore(hot, one) for one in models)
    sound = pipeline.restore(photo, models[0])
    assert healed.facts["healed"] == {"hot": 1}
    assert "healed" not in {**left.facts, **sound.facts}
    around = np.s_[90:111, 140:161]
    assert np.abs(healed.photo.pixels[around].astype(int) - sound.photo.pixels[around]).max() < 3000
    assert np.abs(left.photo.pixels[around].astype(int) - sound.photo.pixels[around]).max() > 6000
    developed = pipeline.restore(hot, Models(Settings(device="cpu", iso=6400, model="denoise", sigma=1))).photo.pixels
    assert np.abs(developed[around].astype(int) - sound.photo.pixels[around]).max() < 20_000


def test_a_part_outside_the_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="outside the picture of 192 x 160"):
        cropped(Photo(noisy_picture(0)[0]), Roi(100, 100, 100, 10))


def test_the_same_input_gives_the_same_output() -> None:
    noisy, _ = noisy_picture(20)
    first, second = (np.asarray(photofix.denoise(noisy)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


COARSE = """
[denoise]
half = false
tile = 256
"""


def coarse(tmp_path: Path, **settings: Any) -> Models:
    """Models by a manifest that calls the embedded denoiser too coarse in half precision, and fond of large tiles."""
    (tmp_path / "own.toml").write_text(COARSE, encoding="utf-8")
    return Models(Settings(manifest=tmp_path / "own.toml", sigma=10, **settings))


def test_auto_precision_spares_networks_that_half_would_cost_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = torch.bfloat16
    monkeypatch.setattr(device, "native_half", lambda device: [half])
    models = coarse(tmp_path)
    assert models.place.precision == half
    assert models.get("denoise").place.precision == torch.float32
    assert models.get("denoise", is_raw=True).place.precision == half
    facts = pipeline.restore(Photo(np.full((32, 32, 3), 99, np.uint8)), models).facts
    assert "float32 (chosen by auto; half precision is too coarse for denoise)" in str(facts["device"])
    asked = coarse(tmp_path, precision="bfloat16")
    assert asked.get("denoise").place.precision == half


def test_what_a_model_notes_is_on_the_photo_once(tmp_path: Path) -> None:
    noisy, _ = noisy_picture(10, np.uint8)
    quiet = pipeline.restore(Photo(np.tile(noisy, (2, 2, 1))), coarse(tmp_path, tile=256)).photo
    assert quiet.notes == ()
    told = pipeline.restore(Photo(np.tile(noisy, (2, 2, 1)), notes=("read",)), coarse(tmp_path, tile=64)).photo
    assert told.notes[0] == "read"
    assert ["keeps its quality in tiles of 256" in note for note in told.notes] == [False, True]

"""What is put wrong is found and put right; what is right stays, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dng import Calibration, cfa_dng

from photofix import raw
from photofix.development import develop
from photofix.noise import profile_for_iso
from photofix.photo import RawPhoto
from photofix.sensor import Flaws, black_drift, heal

BLACK, WHITE = 512, 16383
PATTERNS = ["RGGB", "BGGR", "GRBG", "GBRG"]


def scene(height: int = 400, width: int = 600) -> np.ndarray:
    """Light (H, W) from 0 to 1 as a soft lens draws it: a gradient, a disc, bars, fine dots and a clipped corner."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    light = 0.02 + 0.3 * columns / width + 0.1 * rows / height
    light += 0.3 * (np.hypot(rows - height / 3, columns - width / 3) < height / 6)
    light += 0.2 * ((columns > 0.7 * width) & (columns // 5 % 2 == 0))
    light += np.random.default_rng(5).choice([0, 1], (height, width), p=[0.999, 0.001]) * (rows > 0.7 * height)
    light[-60:, :60] = 2
    return cv2.GaussianBlur(light, (0, 0), 0.6)


def sensed(light: np.ndarray, iso: float, seed: int = 0) -> np.ndarray:
    """The mosaic (H, W) uint16 of light: shot noise, read noise, black, clipping."""
    rng, (shot, read) = np.random.default_rng(seed), profile_for_iso(iso)
    noisy = rng.poisson(light / shot) * shot + rng.normal(0, np.sqrt(read), light.shape)
    return np.clip(np.rint(noisy * (WHITE - BLACK) + BLACK), 0, WHITE).astype(np.uint16)


def photo_of(mosaic: np.ndarray, pattern: str = "RGGB") -> RawPhoto:
    return RawPhoto(mosaic, pattern, (BLACK,) * 4, WHITE, None, None, b"")


def healed(mosaic: np.ndarray, iso: float, pattern: str = "RGGB") -> tuple[np.ndarray, Flaws]:
    photo, flaws = heal(photo_of(mosaic, pattern), [profile_for_iso(iso)] * 4)
    return photo.mosaic, flaws


# Nothing wrong


@pytest.mark.parametrize("iso", [100, 1600, 12_800])
def test_a_sensor_without_flaws_gives_its_own_numbers(iso: int) -> None:
    photo = photo_of(sensed(scene(), iso))
    result, flaws = heal(photo, [profile_for_iso(iso)] * 4)
    assert result is photo
    assert flaws == Flaws()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (7, 400), (61, 83)])
@pytest.mark.parametrize("kind", ["noise", "flat", "black", "clipped"])
def test_mosaics_of_any_size_and_content_are_left_alone(size: tuple[int, int], kind: str) -> None:
    noise = np.random.default_rng(0).integers(200, 16_000, size, dtype=np.uint16)
    mosaic = {"noise": noise, "flat": noise * 0 + 5000, "black": noise * 0, "clipped": noise * 0 + WHITE}[kind]
    assert np.array_equal(healed(mosaic, 100)[0], mosaic)


def test_photographs_are_left_alone(shared: Path) -> None:
    """Real scenes, as soft as lenses leave them: next to nothing in them is taken for a stuck photosite or a stripe."""
    taken = samples = 0
    for file in sorted((shared / "photos" / "scenes-1").iterdir())[7::40]:
        light = cv2.GaussianBlur((cv2.imread(str(file)) / 255.0) ** 2.2, (0, 0), 0.6)
        mosaic = light[:, :, 1].copy()
        mosaic[::2, ::2], mosaic[1::2, 1::2] = light[::2, ::2, 2] / 2, light[1::2, 1::2, 0] / 2
        _, flaws = healed(sensed(mosaic, 3200), 3200)
        assert (flaws.rows, flaws.columns) == (0, 0), file.name
        taken, samples = taken + flaws.hot + flaws.dead, samples + mosaic.size
    assert taken < 20e-6 * samples


# Stuck photosites


@pytest.mark.parametrize("iso", [100, 3200])
def test_stuck_photosites_are_found_and_healed(iso: int) -> None:
    """At random over a gradient, some with the next of their color: most are found, and nothing else is touched."""
    light = np.tile(np.linspace(0.05, 0.4, 300, dtype=np.float32), (200, 1))
    clean = sensed(light, iso)
    rng = np.random.default_rng(3)
    rows, columns = rng.integers(2, 198, 60), rng.integers(2, 298, 60)
    rows[50:], columns[50:] = rows[:10], columns[:10] + 2
    mosaic = clean.copy()
    mosaic[rows, columns] = np.where(np.arange(60) % 3 == 2, BLACK, rng.integers(11_000, WHITE, 60))
    result, flaws = healed(mosaic, iso)
    stuck = np.zeros(mosaic.shape, bool)
    stuck[rows, columns] = True
    assert np.array_equal(result[~stuck], clean[~stuck])
    changed = int((result != mosaic).sum())
    assert flaws.hot + flaws.dead == changed >= 0.9 * stuck.sum()
    assert flaws.hot > flaws.dead > 0
    found = result != mosaic
    shot, read = profile_for_iso(iso)
    noise = np.sqrt(shot * light + read) * (WHITE - BLACK)
    assert (np.abs(result[found] - (light * (WHITE - BLACK) + BLACK)[found]) < 4 * noise[found] + 60).all()


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("blur", [0.5, 0.8])
@pytest.mark.parametrize("color", [(1, 1, 1), (1, 0.6, 0.3), (0.4, 0.6, 1)], ids=["white", "red", "blue"])
def test_stars_survive(pattern: str, blur: float, color: tuple[float, float, float]) -> None:
    """The sharpest that optics draw, faint and bright, anywhere on the photosites."""
    rng = np.random.default_rng(1)
    light = np.zeros((300 * 5, 300 * 5), np.float32)
    for _ in range(250):
        light[tuple(rng.integers(20, 1480, 2))] += 25 * 10 ** rng.uniform(-1.7, 0.3)
    light = cv2.GaussianBlur(light, (0, 0), 5 * blur).reshape(300, 5, 300, 5).mean((1, 3)) + 0.01
    letters = np.tile(np.array(list(pattern)).reshape(2, 2), (150, 150))
    gains = dict(zip("RGB", color, strict=True))
    mosaic = sensed(light * np.vectorize(gains.get, otypes=[float])(letters), 800)
    assert healed(mosaic, 800, pattern)[1] == Flaws()


def test_lines_and_dots_of_print_survive() -> None:
    light = np.full((240, 240), 0.4, np.float32)
    light[::12], light[:, ::15] = 0.02, 0.02
    light[6::12, 7::15] = 0.02
    assert healed(sensed(cv2.GaussianBlur(light, (0, 0), 0.5), 100), 100)[1] == Flaws()


def test_a_mosaic_that_is_no_longer_whole_numbers_is_healed_too() -> None:
    mosaic = sensed(scene(), 800).astype(np.float32) + np.float32(0.25)
    mosaic[100, 150] = 15_000
    result, flaws = healed(mosaic, 800)
    assert flaws == Flaws(hot=1)
    assert int((result != mosaic).sum()) == 1


def test_a_step_of_rounding_is_nothing_stuck() -> None:
    """8 bits kept as multiples of 4: near black a sample is 0 or 4, and one 4 among zeros is still noise."""
    light = np.random.default_rng(0).random((200, 300)) < 0.02
    mosaic = np.where(light, 4, 0).astype(np.uint16)
    mosaic[50:60] = np.arange(300) // 3 * 4 + 300
    photo = RawPhoto(mosaic, "RGGB", (0, 0, 0, 0), 1020, None, None, b"")
    assert heal(photo, [(1e-4, 0.0)] * 4)[1] == Flaws()
    mosaic[150, 150] = 400
    assert heal(replace(photo, mosaic=mosaic), [(1e-4, 0.0)] * 4)[1] == Flaws(hot=1)


# Stripes


@pytest.mark.parametrize("lines", ["rows", "columns"])
@pytest.mark.parametrize("strength", [0.2, 0.5])
def test_stripes_are_reduced(lines: str, strength: float) -> None:
    iso = 25_600
    noise = np.sqrt(profile_for_iso(iso)[1]) * (WHITE - BLACK)
    light = scene(500, 900) * 0.15
    offsets = np.random.default_rng(2).normal(0, strength * noise, 500 if lines == "rows" else 900)
    stripes = offsets[:, None] if lines == "rows" else offsets
    clean = sensed(light, iso).astype(np.float32)
    striped = np.clip(np.rint(clean + stripes), 0, WHITE).astype(np.uint16)
    result, flaws = healed(striped, iso)
    found, other = (flaws.rows, flaws.columns) if lines == "rows" else (flaws.columns, flaws.rows)
    assert found == pytest.approx(strength * noise, rel=0.35)
    assert other == 0
    axis = 1 if lines == "rows" else 0
    inside = np.s_[:, 100:600]  # without the clipped corner
    before, after = ((one - clean)[inside].mean(axis).std() for one in (striped, result))
    assert after < 0.55 * before


# Black


def with_border(iso: float, wander: np.ndarray, sides: str = "lrtb") -> RawPhoto:
    """A photo of 200 x 300 in the middle of a sensor whose border is masked; black wanders by row."""
    dark = sensed(np.zeros((240, 360), np.float32), iso).astype(np.float32)
    dark[20:220, 30:330] += sensed(scene(200, 300), iso).astype(np.float32) - BLACK
    sensor = np.clip(np.rint(dark + wander[:, None]), 0, WHITE).astype(np.uint16)
    areas = {"l": (20, 0, 220, 26), "r": (20, 334, 220, 360), "t": (0, 30, 16, 330), "b": (224, 30, 240, 330)}
    masked = tuple(areas[side] for side in sides)
    return replace(photo_of(sensor[20:220, 30:330]), sensor=sensor, corner=(20, 30), masked=masked)


@pytest.mark.parametrize("sides", ["lrtb", "r"])
def test_black_that_wanders_is_followed_row_by_row(sides: str) -> None:
    wander = 25 * np.cos(np.arange(240) / 80)
    photo = with_border(800, wander, sides)
    drift = black_drift(photo, [profile_for_iso(800)] * 4)
    assert drift is not None
    assert np.abs(drift - wander[20:220, None]).max() < 8
    result, flaws = heal(photo, [profile_for_iso(800)] * 4)
    assert flaws.drift == pytest.approx(25, abs=8)
    steady = with_border(800, np.zeros(240)).mosaic
    before, after = (np.abs((one.astype(np.float32) - steady).mean(1)).max() for one in (photo.mosaic, result.mosaic))
    assert after < 0.35 * before


def test_black_that_is_off_everywhere_is_found_above_and_below() -> None:
    drift = black_drift(with_border(800, np.full(240, 12.0), "tb"), [profile_for_iso(800)] * 4)
    assert drift is not None
    assert np.abs(drift - 12).max() < 1


def test_black_in_its_place_is_left_alone() -> None:
    photo = with_border(800, np.zeros(240))
    assert black_drift(photo, [profile_for_iso(800)] * 4) is None
    assert heal(photo, [profile_for_iso(800)] * 4)[0] is photo


@pytest.mark.parametrize("fill", ["zeros", "picture", "light"])
def test_a_border_that_is_not_dark_says_nothing(fill: str) -> None:
    photo = with_border(800, np.full(240, 12.0))
    assert photo.sensor is not None
    border = {"zeros": 0, "picture": sensed(scene(240, 360), 800), "light": photo.sensor + 700}[fill]
    sensor = np.broadcast_to(np.asarray(border, np.uint16), (240, 360)).copy()
    assert black_drift(replace(photo, sensor=sensor), [profile_for_iso(800)] * 4) is None


def test_the_border_of_a_file_is_known() -> None:
    """LibRaw takes the mean of the masked areas that a DNG names for black; what wanders about it is left to us."""
    dark = np.random.default_rng(0).normal(256, 4, (240, 360))
    dark[:120] += 15
    dark[20:220, 30:330] += 900
    sensor = np.rint(dark).astype(np.uint16)
    calibration = Calibration(active_area=(20, 30, 220, 330), masked=((20, 0, 220, 26),))
    photo = raw.read_raw(cfa_dng(sensor, calibration), "border.dng")
    assert isinstance(photo, RawPhoto)
    assert photo.masked == ((20, 0, 220, 26),)
    assert photo.sensor is not None
    assert np.array_equal(photo.sensor, sensor)
    row, column = photo.corner
    assert np.array_equal(photo.mosaic, sensor[row : row + 200, column : column + 300])
    flaws = heal(photo, [(1e-4, (4 / 3839) ** 2)] * 4)[1]
    assert flaws.drift == pytest.approx(7.5, abs=1)


# What the file is developed with


@pytest.mark.parametrize("iso", [100, 6400])
def test_a_file_without_flaws_develops_as_libraw_does(iso: int) -> None:
    photo = raw.read_raw(cfa_dng(sensed(scene(), iso), Calibration(black=(BLACK,), white=WHITE)), "test.dng")
    assert isinstance(photo, RawPhoto)
    result, _ = heal(photo, [profile_for_iso(iso)] * 4)
    assert np.array_equal(develop(photo, result.mosaic).pixels, develop(photo, photo.mosaic).pixels)

"""Bursts: frames that belong together, aligned, merged where they agree, and denoised; as a user types it, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dng import Calibration, cfa_dng, with_exif
from typer.testing import CliRunner

from photofix import align, burst, frames
from photofix.burst import FrameNoise
from photofix.cli import app, status_of
from photofix.errors import BurstError, PhotofixError, ReadError
from photofix.frames import Burst, gather
from photofix.lattice import BAYER, COLOR, demosaic, moved_to
from photofix.photo import Photo, RawPhoto
from photofix.read import read
from photofix.write import SaveOptions, write

SHOT, READ = 0.002, 1e-5
SHIFTS = ((0.0, 0.0), (3.3, -1.7), (-2.5, 4.2), (1.4, 2.6))


def scene(height: int = 200, width: int = 264) -> np.ndarray:
    """(H, W, 3) float32 light: soft blobs of many sizes and colors."""
    rng = np.random.default_rng(7)
    layers = [
        cv2.GaussianBlur(rng.normal(0, size, (height, width, 3)).astype(np.float32), (0, 0), size) for size in (3, 8)
    ]
    return (0.35 + 0.35 * sum(layers) / np.std(sum(layers)) / 3).clip(0.02, 0.95).astype(np.float32)


def moved(light: np.ndarray, shift: tuple[float, float], margin: int = 12) -> np.ndarray:
    """What a frame sees whose content lies (x, y) further to the right and down."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    seen = cv2.warpAffine(light, matrix, (light.shape[1], light.shape[0]), flags=cv2.INTER_LANCZOS4)
    return np.asarray(seen[margin:-margin, margin:-margin].clip(0, 1))


def bayer(light: np.ndarray, pattern: str = "RGGB") -> np.ndarray:
    """(H, W) of light (H, W, 3), through the pattern."""
    out = np.empty(light.shape[:2], np.float32)
    for place, letter in enumerate(pattern):
        at = (slice(place // 2, None, 2), slice(place % 2, None, 2))
        out[at] = light[at][:, :, "RGB".index(letter)]
    return out


def noisy(signal: np.ndarray, seed: int, gain: float = 1.0) -> np.ndarray:
    """Sensor numbers, uint16, 12 bits over black 256, of a signal with shot and read noise."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(signal / gain, np.sqrt(SHOT * signal / gain + READ))
    return np.rint(seen.clip(-0.05, 1) * 3839 + 256).astype(np.uint16)


def raw(mosaic: np.ndarray, pattern: str = "RGGB") -> RawPhoto:
    return RawPhoto(mosaic, pattern, (256,) * 4, 4095, ((SHOT, READ),) * 4, None, b"")


def raw_burst(signals: Sequence[np.ndarray], pattern: str = "RGGB") -> Burst:
    first, *others = (raw(noisy(signal, seed), pattern) for seed, signal in enumerate(signals))
    names = tuple(f"frame {index + 2}" for index in range(len(others)))
    return Burst("frame 1", first, names, tuple(others), (1.0,) * len(others))


def error(mosaic: np.ndarray, signal: np.ndarray) -> float:
    """Mean square error of sensor numbers against a signal, away from the borders."""
    return float(np.mean(((mosaic - 256.0) / 3839 - signal)[8:-8, 8:-8] ** 2))


NOISE = FrameNoise(profiles=((SHOT, READ),) * 4)


# Alignment


@pytest.mark.parametrize("shift", [(6.4, -3.2), (0.0, 0.0), (-11.0, 9.5)])
def test_a_shift_is_found_to_a_tenth_of_a_pixel(shift: tuple[float, float]) -> None:
    light = scene(260, 340).mean(2)
    rng = np.random.default_rng(0)
    pair = [
        (moved(light[:, :, None], by, 16) + rng.normal(0, 0.01, (228, 308))).astype(np.float32)
        for by in ((0.0, 0.0), shift)
    ]
    x, y = align.find(pair[0], pair[1], 0.01).at(np.arange(20.0, 200), np.arange(20.0, 280))
    assert np.hypot(x - shift[0], y - shift[1]).mean() < 0.1


def test_a_turn_is_found_and_parts_that_move_on_their_own_are_followed() -> None:
    light = scene(400, 400).mean(2)
    rows, columns = np.mgrid[:400, :400].astype(np.float32)
    turn = cv2.getRotationMatrix2D((200, 200), 0.8, 1)
    bent = cv2.warpAffine(light, turn, (400, 400), flags=cv2.INTER_CUBIC)
    flow = align.find(light[40:-40, 40:-40].copy(), bent[40:-40, 40:-40].copy(), 0.001)
    x, y = flow.at(np.array([60.0]), np.array([250.0]))
    expected = turn @ np.array([290, 100, 1]) - np.array([290, 100])
    assert np.hypot(x[0, 0] - expected[0], y[0, 0] - expected[1]) < 0.2
    wave = cv2.remap(light, columns + 1.5 * np.sin(rows / 60), rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    flow = align.find(wave, light, 0.001)  # the reference shows at (x, y) what lies at x + 1.5 sin(y / 60)
    x, _ = flow.at(np.arange(40.0, 360), np.arange(40.0, 360))
    truth = 1.5 * np.sin(np.arange(40, 360) / 60)[:, None]
    assert np.abs(x - truth).mean() < 0.5 * np.abs(truth - truth.mean()).mean()


def test_something_bright_that_moves_does_not_take_the_picture_along() -> None:
    light = 0.2 + 0.1 * scene(260, 340).mean(2)
    pair = []
    for shift in (0, 7):
        frame = light.copy()
        cv2.circle(frame, (130 + shift, 120), 40, 0.95, -1)
        pair.append(cv2.GaussianBlur(frame, (0, 0), 1.0))
    x, y = align.find(pair[0], pair[1], 0.002).at(np.array([30.0, 230.0]), np.array([30.0, 300.0]))
    assert np.hypot(x, y).max() < 0.25


def test_a_thing_with_detail_that_moves_does_not_take_what_stands_beside_it_along() -> None:
    light, thing = scene(260, 340).mean(2), np.flip(scene(260, 340).mean(2), (0, 1))
    rows, columns = np.mgrid[:260, :340]
    pair, rng = [], np.random.default_rng(0)
    for shift in (0, 9):
        inside = np.hypot((columns - 150 - shift) / 80, (rows - 130) / 60) < 1
        frame = np.where(inside, np.roll(thing, shift, 1), light)
        pair.append((frame + rng.normal(0, 0.02, frame.shape)).astype(np.float32))
    x, y = align.find(pair[0], pair[1], 0.02).at(np.arange(260.0), np.arange(340.0))
    beside = np.hypot((columns - 154) / 100, (rows - 130) / 76) > 1
    assert np.hypot(x, y)[beside].mean() < 0.1


# The lattice


def test_moving_by_half_a_pixel_keeps_fine_detail() -> None:
    """Waves of three pixels, of which a cubic kernel would take a fifth."""
    x, y = np.meshgrid(np.arange(96, dtype=np.float32), np.arange(32, dtype=np.float32))
    wave = np.cos(2 * np.pi * x / 3).astype(np.float32)
    moved = moved_to(wave, x + np.float32(0.5), y)
    np.testing.assert_allclose(moved[:, 8:-8], np.cos(2 * np.pi * (x + 0.5) / 3)[:, 8:-8], atol=0.01)


def test_demosaicing_and_sampling_gives_the_mosaic_back() -> None:
    planes = np.random.default_rng(0).random((4, 20, 30)).astype(np.float32)
    np.testing.assert_allclose(BAYER.sample(demosaic(planes, (2.0, 1.6))), planes, atol=1e-6)


def test_demosaicing_is_exact_on_gray_ramps_and_linear() -> None:
    rows, columns = np.mgrid[:40, :60].astype(np.float32)
    ramp = (0.2 + 0.004 * rows + 0.003 * columns)[None].repeat(3, 0)
    filled = demosaic(BAYER.sample(ramp), (1.0, 1.0))
    np.testing.assert_allclose(filled[:, 4:-4, 4:-4], ramp[:, 4:-4, 4:-4], atol=1e-5)
    planes = np.random.default_rng(1).random((2, 4, 16, 16)).astype(np.float32)
    gains = (1.7, 1.3)
    np.testing.assert_allclose(
        demosaic(planes[0] + planes[1], gains), demosaic(planes[0], gains) + demosaic(planes[1], gains), atol=1e-5
    )


def test_distances_are_to_samples_of_the_same_color() -> None:
    x, y = np.meshgrid(np.arange(8, dtype=np.float32), np.arange(8, dtype=np.float32))
    assert BAYER.distance(x, y).max() == 0
    np.testing.assert_allclose(BAYER.distance(x + 1, y)[:, 0, 0], [1, 1, 1, 1])
    np.testing.assert_allclose(BAYER.distance(x + 1, y + 1)[:, 0, 0], [2, 0, 0, 2])  # green lies across
    assert COLOR.distance(x + 0.5, y).max() == 0


# Merging


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("odd", [0, 1])
def test_static_frames_average_to_a_mosaic_of_the_reference(pattern: str, odd: int) -> None:
    signals = [bayer(moved(scene(), shift)[odd:, odd:], pattern) for shift in SHIFTS]
    found = raw_burst(signals, pattern)
    merged = burst.merge(found, NOISE)
    assert isinstance(merged.photo, RawPhoto)
    assert merged.photo.mosaic.shape == signals[0].shape
    assert merged.photo.averaged is merged.count
    assert (merged.frames, merged.notes) == (4, ())
    gain = error(found.reference.mosaic, signals[0]) / error(merged.photo.mosaic, signals[0])
    assert gain > 2.5
    assert 0.6 * gain < np.median(merged.count) < 1.5 * gain  # what is told of the noise is so


def test_with_the_same_frame_again_nothing_is_changed() -> None:
    one = raw(noisy(bayer(moved(scene(), (0, 0))), 0))
    merged = burst.merge(Burst("a", one, ("b",), (one,), (1.0,)), NOISE).photo
    assert isinstance(merged, RawPhoto)
    assert np.abs(merged.mosaic - one.mosaic)[16:-16, 16:-16].max() < 25  # a tenth of the noise's spread is 9
    assert np.abs(merged.mosaic - one.mosaic).mean() < 2


def test_what_moves_is_the_references_alone() -> None:
    signals = []
    for index, shift in enumerate(SHIFTS):
        light = scene()
        cv2.circle(light, (90 + 25 * index, 100), 22, (0.9, 0.2, 0.1), -1)
        signals.append(bayer(moved(cv2.GaussianBlur(light, (0, 0), 0.7), shift)))
    found = raw_burst(signals)
    merged = burst.merge(found, NOISE)
    assert isinstance(merged.photo, RawPhoto)
    assert merged.count[40:48, 35:43].max() < 1.3  # the circle's middle, packed
    part = (slice(60, 120), slice(50, 190))
    before, after = (
        np.abs(((photo.mosaic - 256.0) / 3839 - signals[0])[part]).mean() for photo in (found.reference, merged.photo)
    )
    assert after < before
    plain = burst.merge(found, NOISE, "average").photo
    assert isinstance(plain, RawPhoto)
    assert np.abs(((plain.mosaic - 256.0) / 3839 - signals[0])[part]).mean() > 1.5 * before  # a ghost


def test_the_median_outlives_what_is_in_one_frame() -> None:
    signals = [bayer(moved(scene(), (0.0, 0.0)))] * 5
    signals[3] = signals[3].copy()
    signals[3][60:80, 60:80] = 0.95
    found = raw_burst(signals)
    merged, averaged = (burst.merge(found, NOISE, method).photo for method in ("median", "average"))
    part = (slice(62, 78), slice(62, 78))
    gaps = [np.abs(((one.mosaic - 256.0) / 3839 - signals[0])[part]).mean() for one in (merged, averaged)]  # type: ignore[union-attr]
    assert gaps[0] < 0.3 * gaps[1]


def test_frames_that_show_something_else_are_dropped_by_name() -> None:
    signals = [bayer(moved(scene(), shift)) for shift in SHIFTS]
    signals[2] = signals[2][::-1, ::-1].copy()
    merged = burst.merge(raw_burst(signals), NOISE)
    assert merged.frames == 3
    assert merged.notes == ("frame 3: does not show what frame 1 shows, left out",)
    with pytest.raises(BurstError, match="no other frame"):
        burst.merge(raw_burst([signals[0], signals[2]]), NOISE)


def test_a_darker_frame_is_brought_to_the_references_light() -> None:
    signals = [bayer(moved(scene(), shift)) for shift in SHIFTS]
    found = raw_burst(signals)
    dark = raw(noisy(signals[1], 9, gain=2.0))
    merged = burst.merge(replace(found, photos=(dark, *found.photos[1:]), gains=(2.0, 1.0, 1.0)), NOISE)
    assert isinstance(merged.photo, RawPhoto)
    assert merged.frames == 4
    assert error(merged.photo.mosaic, signals[0]) < error(found.reference.mosaic, signals[0]) / 2


def test_what_moves_in_finished_pictures_is_the_references_alone() -> None:
    found, seen = [], []
    for index, shift in enumerate(SHIFTS):
        light = scene()
        cv2.circle(light, (90 + 25 * index, 100), 22, (0.9, 0.2, 0.1), -1)
        seen.append(moved(light, shift))
        noise = np.random.default_rng(index).normal(0, 0.04, seen[-1].shape)
        found.append(Photo((seen[-1] + noise).astype(np.float32)))
    together = Burst("1", found[0], ("2", "3", "4"), tuple(found[1:]), (1.0,) * 3)
    merged = burst.merge(together, FrameNoise(sigma=0.04, typical=0.04))
    assert merged.count[80:96, 70:86].max() < 1.5  # the circle's middle
    assert np.median(merged.count) > 3
    part = (slice(60, 120), slice(50, 190))
    gaps = [np.abs(one.pixels - seen[0])[part].mean() for one in (found[0], merged.photo)]  # type: ignore[union-attr]
    assert gaps[1] < gaps[0]
    assert np.array_equal(found[0].pixels, together.reference.pixels)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("encoding", ["srgb", "linear"])
def test_finished_pictures_keep_depth_and_encoding(kind: type, encoding: str) -> None:
    rng = np.random.default_rng(3)
    full = 1 if kind is np.float32 else np.iinfo(kind).max
    seen = [moved(scene(), shift) for shift in SHIFTS]
    stored = [one + rng.normal(0, 0.04, one.shape) for one in seen]
    stored = [one.astype(kind) if full == 1 else np.rint(one.clip(0, 1) * full).astype(kind) for one in stored]
    first, *others = (Photo(pixels, encoding) for pixels in stored)  # type: ignore[arg-type]
    found = Burst("1", first, ("2", "3", "4"), tuple(others), (1.0,) * 3)
    merged = burst.merge(found, FrameNoise(sigma=0.04, typical=0.04))
    assert isinstance(merged.photo, Photo)
    assert (merged.photo.pixels.dtype, merged.photo.encoding) == (kind, encoding)
    inner = (slice(8, -8), slice(8, -8))
    before, after = (np.mean((one.pixels[inner] / full - seen[0][inner]) ** 2) for one in (first, merged.photo))
    assert after < before / 2.2
    assert burst.thinned(0.04, merged.count)(slice(0, 5), slice(0, 7)).shape == (5, 7)


def test_bands_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    found = raw_burst([bayer(moved(scene(), shift)) for shift in SHIFTS])
    whole = burst.merge(found, NOISE).photo
    monkeypatch.setattr(burst, "_BAND", 20)
    banded = burst.merge(found, NOISE).photo
    gap = np.abs(whole.mosaic - banded.mosaic)  # type: ignore[union-attr]
    assert gap.max() < 4  # sensor numbers; the noise is 100, and what a window sees ends at a band's rim
    assert gap.mean() < 0.01


# Frames that belong together


def reading(photos: dict[str, Photo | RawPhoto | ReadError]) -> Burst:
    def look_up(path: Path) -> Photo | RawPhoto:
        found = photos[str(path)]
        if isinstance(found, ReadError):
            raise found
        return found

    return gather([Path(name) for name in photos], look_up)


def test_the_sharpest_frame_is_the_reference() -> None:
    light = moved(scene(), (0, 0))
    soft = [Photo((cv2.GaussianBlur(light, (0, 0), blur) * 255).astype(np.uint8)) for blur in (3.0, 0.5, 2.0)]
    found = reading({"a": soft[0], "b": soft[1], "c": soft[2]})
    assert (found.reference_name, found.names) == ("b", ("a", "c"))


def test_a_frame_of_something_else_is_not_the_reference_however_sharp() -> None:
    light = moved(scene(), (0, 0))
    soft = [Photo((cv2.GaussianBlur(light, (0, 0), blur) * 255).astype(np.uint8)) for blur in (3.0, 2.0)]
    other = Photo((light[::-1, ::-1] * 255).astype(np.uint8))
    assert reading({"a": soft[0], "other": other, "b": soft[1]}).reference_name == "b"


def test_frames_that_cannot_be_read_are_named_and_left_out() -> None:
    photo = Photo(np.full((16, 16, 3), 90, np.uint8))
    found = reading({"a": photo, "bad": ReadError("bad: is cut short"), "b": photo})
    assert found.notes == ("left out: bad: is cut short",)
    with pytest.raises(BurstError, match="needs 2 frames that can be read: left out: bad"):
        reading({"a": photo, "bad": ReadError("bad: is cut short")})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Photo(np.full((32, 48, 3), 90, np.uint8)), "one is a RAW file"),
        (raw(np.full((32, 50), 900, np.uint16)), "a and b: differ in size, 48 x 32 RGGB and 50 x 32 RGGB"),
        (raw(np.full((32, 48), 900, np.uint16), "BGGR"), "differ in size, 48 x 32 BGGR"),
        (replace(raw(np.full((32, 48), 900, np.uint16)), camera="Other 7"), "different cameras, Other 7 and Test 1"),
        (raw(np.full((32, 48), 2900, np.uint16)), "differ in brightness by 2.0 EV more than their EXIF explains"),
    ],
)
def test_frames_that_do_not_belong_together_are_refused(other: Photo | RawPhoto, message: str) -> None:
    first = replace(raw(np.full((32, 48), 910, np.uint16)), camera="Test 1")
    first.mosaic[::4] = 916  # sharper than the other
    with pytest.raises(BurstError, match=message):
        reading({"a": first, "b": other}) if not isinstance(other, Photo) else reading({"b": other, "a": first})


# As a user types it


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with f1.dng to f4.dng and p1.jpg to p4.jpg of a shaken hand in it."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for number, shift in enumerate(SHIFTS, 1):
        light = moved(scene(), shift)
        Path(f"f{number}.dng").write_bytes(dng(noisy(bayer(light), number)))
        pixels = light**0.45 * 255 + np.random.default_rng(number).normal(0, 10, light.shape)
        write(Photo(np.rint(pixels.clip(0, 255)).astype(np.uint8)), Path(f"p{number}.jpg"), SaveOptions(quality=98))
    return tmp_path


def dng(mosaic: np.ndarray, seconds: int = 100) -> bytes:
    """A DNG with noise profile and exposure: 1 / seconds at ISO 800."""
    exif = [(33434, 5, 1, np.array([1, seconds], "<u4").tobytes()), (34855, 3, 1, b"\x20\x03")]
    return with_exif(cfa_dng(mosaic, Calibration(noise=(SHOT, READ))), exif)


def denoise(*words: str) -> tuple[int, str]:
    """Exit status and standard error of `photofix denoise`."""
    result = CliRunner().invoke(app, ["denoise", *words])
    if isinstance(result.exception, PhotofixError):
        return status_of(result.exception), f"{result.stderr}photofix: {result.exception}\n"
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.exit_code, result.stderr


RAWS = ("f1.dng", "f2.dng", "f3.dng", "f4.dng")
JPEGS = ("p1.jpg", "p2.jpg", "p3.jpg", "p4.jpg")


def pixels(name: str) -> np.ndarray:
    found = read(Path(name))
    assert isinstance(found, Photo)
    return found.pixels.astype(np.float64) / np.iinfo(found.pixels.dtype).max


def test_a_burst_of_raw_files_becomes_a_picture(folder: Path) -> None:
    assert denoise(*RAWS, "--burst", "--reference", "1", "-o", "merged.png") == (0, "")
    assert denoise("f1.dng", "one.png", "--strength", "0")[0] == 0
    Path("clean.dng").write_bytes(dng(np.rint(bayer(moved(scene(), SHIFTS[0])) * 3839 + 256).astype(np.uint16)))
    assert denoise("clean.dng", "clean.png", "--strength", "0")[0] == 0
    clean = pixels("clean.png")
    assert np.mean((pixels("merged.png") - clean) ** 2) < 0.4 * np.mean((pixels("one.png") - clean) ** 2)


def test_a_burst_becomes_a_dng_that_is_read_again(folder: Path) -> None:
    assert denoise(*RAWS, "--burst", "--reference", "2", "-o", "merged.dng") == (0, "")
    merged, reference = read(Path("merged.dng")), read(Path("f2.dng"))
    assert isinstance(merged, RawPhoto)
    assert isinstance(reference, RawPhoto)
    assert (merged.pattern, merged.mosaic.shape) == (reference.pattern, reference.mosaic.shape)
    signal = bayer(moved(scene(), SHIFTS[1]))
    level = (merged.mosaic - merged.black[0]) / (merged.white - merged.black[0])
    assert np.mean((level - signal) ** 2) < 0.3 * error(reference.mosaic, signal)
    assert merged.noise is not None
    assert merged.noise[0][0] < SHOT / 2


@pytest.mark.parametrize("method", ["average", "median"])
def test_without_a_network_a_burst_is_only_averaged(folder: Path, method: str) -> None:
    assert denoise(*RAWS, "--burst", "--reference", "1", "--method", method, "-o", "plain.dng") == (0, "")
    plain, signal = read(Path("plain.dng")), bayer(moved(scene(), SHIFTS[0]))
    assert isinstance(plain, RawPhoto)
    level = (plain.mosaic - plain.black[0]) / (plain.white - plain.black[0])
    assert np.mean((level - signal)[8:-8, 8:-8] ** 2) < 0.5 * error(noisy(signal, 1), signal)


def test_a_burst_of_jpegs_lies_beside_its_first_frame(folder: Path) -> None:
    status, said = denoise(*JPEGS, "--burst", "--reference", "1", "--name", "{stem}-{task}{ext}", "-v")
    assert status == 0
    assert "p1.jpg -> p1-burst.jpg" in said
    assert "frames 4" in said
    truth = moved(scene(), SHIFTS[0]) ** 0.45
    merged, alone = (float(np.mean((pixels(name) - truth) ** 2)) for name in ("p1-burst.jpg", "p1.jpg"))
    assert merged < 0.08 * alone


def test_a_folder_is_a_burst_and_a_frame_cut_short_is_named(folder: Path) -> None:
    Path("shoot").mkdir()
    for name in RAWS:
        Path("shoot", name).write_bytes(Path(name).read_bytes())
    whole = Path("shoot/f3.dng").read_bytes()
    Path("shoot/f3.dng").write_bytes(whole[: len(whole) // 2])
    status, said = denoise("shoot", "--burst", "-o", "merged.png")
    assert status == 0
    assert "left out: shoot/f3.dng" in said
    assert Path("merged.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["f1.dng", "--burst", "-o", "m.png"], "--burst: 1 frames; give 2 to 32"),
        ([*RAWS, "--burst", "--reference", "5", "-o", "m.png"], "--reference 5: give a frame's number, 1 to 4"),
        ([*RAWS, "--burst", "-o", "f2.dng", "--overwrite"], "f2.dng is an input and would be overwritten"),
        (["f1.dng", "m.png", "--method", "median"], "add --burst"),
        (["f1.dng", "m.png", "--reference", "1"], "add --burst"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(folder: Path, words: list[str], message: str) -> None:
    status, said = denoise(*words)
    assert status == 2
    assert message in said
    assert not Path("m.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["f1.dng", "p1.jpg"], "one is a RAW file and the other is not"),
        (["f1.dng", "gone.dng"], "gone.dng: there is no such file"),
        (["f1.dng", "long.dng"], "differ in exposure by 2.3 EV; at most 1 EV can be made up for"),
        (["f1.dng", "small.dng"], "differ in size, 100 x 80 RGGB and 240 x 176 RGGB"),
    ],
)
def test_frames_that_make_no_burst_fail_by_name(folder: Path, words: list[str], message: str) -> None:
    signal = bayer(moved(scene(), SHIFTS[1]))
    Path("long.dng").write_bytes(dng(noisy(signal, 5, gain=5.0), seconds=500))
    Path("small.dng").write_bytes(dng(noisy(signal, 6)[:80, :100]))
    status, said = denoise(*words, "--burst", "--reference", "1", "-o", "m.png")
    assert status == 1
    assert message in said
    assert not Path("m.png").exists()


def test_a_stop_less_light_is_made_up_for_where_exif_says_so(folder: Path) -> None:
    signal = bayer(moved(scene(), SHIFTS[1]))
    Path("f2.dng").write_bytes(dng(noisy(signal, 2, gain=2.0), seconds=200))
    status, said = denoise(*RAWS, "--burst", "--reference", "1", "-o", "m.png", "-v")
    assert status == 0
    assert "frames 4" in said
    assert frames.sharpness(read(Path("f1.dng"))) > 0

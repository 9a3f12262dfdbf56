"""Brackets merged, one photo lifted, light shown: against scenes whose light is known."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL.ImageCms import ImageCmsProfile, createProfile

import photofix
from photofix import brackets, finish, pipeline, profile, radiance, response, tone
from photofix.brackets import Bracket
from photofix.color import linear_to_srgb, srgb_to_linear
from photofix.errors import BurstError, UsageError
from photofix.finish import Finish
from photofix.job import Light, Settings
from photofix.models import Models
from photofix.photo import Metadata, Photo
from photofix.radiance import Exposed
from photofix.read import read
from photofix.tasks import denoise, lift
from photofix.write import write

EVS = (-2.0, 0.0, 2.0)
SHOT, READ = 2e-4, 1e-7


def scene(seed: int = 0, size: tuple[int, int] = (144, 192)) -> np.ndarray:
    """Light from 0.005 to 4, smooth and textured, brighter to the right."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((9, 12, 3)).astype(np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(rng.random((*size, 1)).astype(np.float32), (0, 0), 1.2)[..., None]
    ramp = np.linspace(-7, 1.4, size[1], dtype=np.float32)[None, :, None]
    return np.exp2(ramp + 0.8 * coarse + 4 * (fine - 0.5)).clip(0.002, 4).astype(np.float32)


def frames(light: np.ndarray, contrast: float = 0.0, seed: int = 0) -> list[np.ndarray]:
    """uint8 frames of EVS: a sensor's noise, sRGB with some of an S-curve."""
    rng, found = np.random.default_rng(seed), []
    for ev in EVS:
        signal = light * np.float32(2**ev)
        noisy = signal + rng.standard_normal(light.shape, np.float32) * np.sqrt(SHOT * signal + READ)
        encoded = linear_to_srgb(noisy.clip(0, 1))
        encoded += np.float32(contrast) * (encoded * encoded * (3 - 2 * encoded) - encoded)
        found.append(np.rint(encoded * 255).astype(np.uint8))
    return found


def exposed(pixels: list[np.ndarray], curve: np.ndarray | None) -> list[Exposed]:
    return [Exposed(str(ev), one, ev, curve, (SHOT, READ)) for one, ev in zip(pixels, EVS, strict=True)]


def error(light: np.ndarray, truth: np.ndarray, where: np.ndarray | slice = slice(None)) -> float:
    """Deviation in EV, root of its mean square."""
    return float(np.sqrt(np.mean(np.log2(np.maximum(light, 1e-4) / truth)[where] ** 2)))


@pytest.mark.parametrize("contrast", [0.0, 0.6])
def test_a_response_is_found_from_the_frames(contrast: float) -> None:
    curve = response.estimate(frames(scene(), contrast), EVS)
    codes = np.linspace(0, 1, 4096, dtype=np.float32)
    shown = linear_to_srgb(codes)
    shown += np.float32(contrast) * (shown * shown * (3 - 2 * shown) - shown)
    truth = np.interp(np.arange(256) / 255, shown, codes)
    apart = np.log2(curve[20:240] / truth[20:240])
    assert np.abs(apart - np.median(apart)).max() < 0.12
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == 1


def test_exposures_are_found_from_the_frames() -> None:
    found = response.exposures(frames(scene()), response.srgb())
    assert np.allclose(np.array(found) - found[1], EVS, atol=0.1)
    shuffled = response.exposures(frames(scene())[::-1], response.srgb())
    assert np.allclose(np.array(shuffled) - shuffled[1], EVS[::-1], atol=0.1)


def test_frames_of_16_bits_have_the_light_of_those_of_8() -> None:
    codes = np.arange(256, dtype=np.uint8)[None, :, None]
    wide = response.light_of(codes.astype(np.uint16) * 257, response.srgb())
    assert np.allclose(wide, response.light_of(codes, response.srgb()), atol=1e-6)


def test_a_bracket_shows_more_than_its_reference_and_with_less_noise() -> None:
    truth = scene()
    short, reference, long = exposed(frames(truth), response.srgb())
    merged = radiance.merge(reference, [short, long])
    assert error(merged.light, truth) < 0.05
    dark = truth.max(2) < 0.1
    alone = reference.light(slice(None))
    assert error(merged.light, truth, dark) < 0.5 * error(alone, truth, dark)
    assert merged.frames == 3
    # What is told of the noise is true.
    spread = (np.abs(merged.light.mean(2) - truth.mean(2)) / merged.sigma)[dark]
    assert 0.2 < np.median(spread) < 1.2


def test_what_moves_is_the_references_alone() -> None:
    truth = scene()
    places = [60, 80, 100]
    lights = []
    for place in places:
        light = truth.copy()
        cv2.circle(light, (place, 70), 14, (0.5, 0.12, 0.05), -1)
        lights.append(light)
    pixels = [frames(light, seed=place)[place] for place, light in enumerate(lights)]
    short, reference, long = exposed(pixels, response.srgb())
    merged = radiance.merge(reference, [short, long])
    for left in places:
        region = np.zeros(truth.shape[:2], np.uint8)
        cv2.circle(region, (left, 70), 14, 1, -1)
        inside = region > 0
        alone = error(reference.light(slice(None)), lights[1], inside)
        assert error(merged.light, lights[1], inside) < max(1.12 * alone, 0.03)


def test_a_shaken_bracket_is_aligned_through_its_exposures() -> None:
    truth = scene(3, (200, 260))
    moves = [(3.0, -2.0), (0.0, 0.0), (-4.0, 2.5)]
    lights = [
        cv2.warpAffine(truth, np.array([[1, 0, x], [0, 1, y]]), truth.shape[1::-1], flags=cv2.INTER_CUBIC)
        for x, y in moves
    ]
    pixels = [frames(np.maximum(light, 1e-3), seed=place)[place] for place, light in enumerate(lights)]
    short, reference, long = exposed(pixels, response.srgb())
    inner = np.s_[12:-12, 12:-12]
    merged, alone = radiance.merge(reference, [short, long]).light, reference.light(slice(None))
    assert error(merged[inner], truth[inner]) < 0.3 * error(alone[inner], truth[inner])


def test_a_frame_of_something_else_is_left_out() -> None:
    short, reference, long = exposed(frames(scene()), response.srgb())
    other = replace(long, name="other", pixels=np.ascontiguousarray(frames(scene(9))[2][::-1, ::-1]))
    merged = radiance.merge(reference, [short, other])
    assert merged.frames == 2
    assert "other: does not show" in merged.notes[0]
    with pytest.raises(BurstError, match="no other frame shows the same"):
        radiance.merge(reference, [other])


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(Settings(task="hdr", device="cpu", precision="float32"))


def bracket(pixels: list[np.ndarray], evs: tuple[float, ...] | None = EVS, reference: int | None = None) -> Bracket:
    names = tuple(f"{place}.png" for place in range(len(pixels)))
    return Bracket(names, tuple(Photo(one) for one in pixels), evs, reference)


def test_the_whole_way_of_a_bracket(models: Models) -> None:
    truth = scene()
    restored = pipeline.restore(bracket(frames(truth, 0.4)), models)
    light = restored.photo.pixels
    assert isinstance(restored.photo, Photo)
    assert restored.photo.encoding == "linear"
    assert restored.facts["reference"] == "1.png"
    assert restored.facts["ev"] == [-2.0, 0.0, 2.0]
    assert error(light * np.median(truth / light), truth) < 0.08


def test_noise_is_never_raised(models: Models) -> None:
    truth = scene()
    pixels = frames(truth)
    plain = replace(models.settings, light=Light(restored=False))
    merged = pipeline.restore(bracket(pixels), Models(plain)).photo.pixels
    quiet = pipeline.restore(bracket(pixels), models).photo.pixels
    assert error(quiet, truth) < error(merged, truth) < error(response.light_of(pixels[1], response.srgb()), truth)


def test_unknown_exposures_are_estimated_and_said(models: Models) -> None:
    restored = pipeline.restore(bracket(frames(scene()), None), models)
    assert np.allclose(restored.facts["ev"], EVS, atol=0.15)
    assert any("--ev sets them" in note for note in restored.photo.notes)


def test_exposures_that_do_not_fit_are_said(models: Models) -> None:
    notes = pipeline.restore(bracket(frames(scene()), (-5.0, 0.0, 5.0)), models).photo.notes
    assert any("do not fit the frames" in note for note in notes)


def test_order_does_not_matter(models: Models) -> None:
    pixels = frames(scene())
    first = pipeline.restore(bracket(pixels), models).photo.pixels
    other = pipeline.restore(bracket([pixels[2], pixels[0], pixels[1]], (2.0, -2.0, 0.0)), models).photo.pixels
    assert np.allclose(first, other, rtol=2e-3, atol=1e-4)


def test_frames_that_are_alike_or_all_white_are_no_bracket(models: Models) -> None:
    pixels = frames(scene())
    with pytest.raises(BurstError, match="exposed alike"):
        pipeline.restore(bracket([pixels[1]] * 3, None), models)
    white = [np.full_like(pixels[0], level) for level in (252, 254, 255)]
    with pytest.raises(BurstError, match="white nearly everywhere"):
        pipeline.restore(bracket(white), models)


def test_gathering_refuses_what_does_not_belong_together(tmp_path: Path) -> None:
    paths = [tmp_path / f"{place}.png" for place in range(3)]
    for path, pixels in zip(paths, frames(scene()), strict=True):
        write(Photo(pixels), path)
    assert brackets.gather(paths, read, EVS, 2).reference == 1
    assert brackets.gather(paths, read).evs is None
    with pytest.raises(UsageError, match="--ev: 2 exposures for 3 frames"):
        brackets.gather(paths, read, (0.0, 2.0))
    with pytest.raises(BurstError, match="exposed alike"):
        brackets.gather(paths, read, (1.0, 1.0, 1.0))
    write(Photo(np.zeros((8, 8, 3), np.uint8)), paths[2])
    with pytest.raises(BurstError, match="differ in size"):
        brackets.gather(paths, read)
    paths[2].write_bytes(b"nothing")
    assert len(brackets.gather(paths, read, EVS).notes) == 1


def test_where_nothing_is_clipped_one_photo_is_its_numbers() -> None:
    numbers = np.random.default_rng(0).integers(0, 250, (40, 50, 3), np.uint8)
    lifted = lift.lift(Photo(numbers, format="jpeg"), _must_not_be_asked)
    assert np.allclose(lifted.pixels, srgb_to_linear(numbers.astype(np.float32) / 255), atol=1e-6)


def _must_not_be_asked(picture: np.ndarray, clipped: np.ndarray) -> np.ndarray:
    raise AssertionError("nothing is clipped")


def test_a_network_is_asked_of_four_pictures_and_believed_in_part() -> None:
    asked = []

    def missing(picture: np.ndarray, clipped: np.ndarray) -> np.ndarray:
        asked.append(picture.shape)
        return (
            clipped * np.linspace(0, 4, picture.shape[1], dtype=np.float32)[:, None]
        )  # more to the right, whatever is shown

    picture, clipped = np.zeros((20, 31, 3), np.float32), np.ones((20, 31, 3), np.float32)
    answer = lift.steadied(missing)(picture, clipped)
    assert sorted(asked) == [(10, 15, 3)] * 2 + [(20, 31, 3)] * 2
    assert answer.shape == picture.shape
    assert np.allclose(answer, 0.85 * 2, atol=1e-5)


def test_only_clipped_samples_are_lifted() -> None:
    numbers = np.full((32, 32, 3), 200, np.uint8)
    numbers[8:24, 8:24, 0] = 255
    lifted = lift.lift(Photo(numbers), lambda picture, clipped: np.full_like(picture, 2.0)).pixels
    assert np.allclose(lifted[8:24, 8:24, 0], 4, atol=1e-4)
    assert np.allclose(lifted[..., 1:], srgb_to_linear(np.float32(200 / 255)), atol=1e-6)
    assert np.allclose(lifted[:8], srgb_to_linear(np.float32(200 / 255)), atol=1e-6)


def test_steps_are_smoothed_by_half_a_step_at_most_and_texture_is_left() -> None:
    slope = np.linspace(80, 90, 400, dtype=np.float32)
    stairs = np.tile(np.rint(slope).astype(np.uint8)[None, :, None], (40, 1, 3))
    smooth = lift.smoothed(stairs)
    assert np.abs(smooth - stairs).max() < 0.5
    inner = np.s_[:, 40:-40]
    assert np.abs(smooth[20, :, 0] - slope)[40:-40].mean() < 0.6 * np.abs(stairs[20, :, 0] - slope)[40:-40].mean()
    assert np.abs(np.diff(smooth[inner], axis=1)).max() < 0.6
    noise = np.random.default_rng(0).integers(60, 90, (40, 40, 3), np.uint8)
    assert np.array_equal(lift.smoothed(noise), noise)


def test_light_that_is_there_already_passes(models: Models) -> None:
    light = Photo(scene() * 20, "linear", format="exr")
    assert np.array_equal(pipeline.restore(light, models).photo.pixels, light.pixels)


def test_the_python_interface() -> None:
    numbers = np.full((48, 64, 3), 120, np.uint8)
    numbers[10:30, 10:30] = 255
    lifted = photofix.hdr(numbers, device="cpu", precision="float32")
    assert lifted.dtype == np.float32
    assert lifted[20, 20].min() >= 1
    assert np.allclose(lifted[40:, 40:], srgb_to_linear(np.float32(120 / 255)), atol=1e-6)
    merged = photofix.hdr([Photo(one) for one in frames(scene())], evs=EVS, device="cpu")
    assert isinstance(merged, Photo)
    assert error(merged.pixels, scene()) < 0.1


@pytest.mark.parametrize("operator", ["reinhard", "aces", "filmic", "mantiuk", "local"])
def test_every_tone_curve_fits_the_display(operator: tone.Operator) -> None:
    light = scene() * 8
    shown = tone.mapped(light, operator)
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert 0.05 < float(np.median(shown)) < 0.6
    # Brighter light is shown brighter, on the whole.
    order = np.corrcoef(np.log(tone.luminance(light)).ravel(), tone.luminance(shown).ravel())[0, 1]
    assert order > 0.7
    assert tone.mapped(light, operator, 1.0).mean() > shown.mean()


@pytest.mark.parametrize("operator", ["reinhard", "aces", "filmic", "mantiuk", "local"])
def test_gray_stays_gray_and_a_bright_light_becomes_white(operator: tone.Operator) -> None:
    gray = np.repeat(scene()[..., :1], 3, 2)
    shown = tone.mapped(gray, operator)
    assert np.abs(shown - shown.mean(2, keepdims=True)).max() < 1e-3
    gray[60:70, 60:70] = 1e4
    assert tone.mapped(gray, operator)[65, 65].min() > 0.9
    alone = tone.mapped(gray[..., :1], operator)
    assert alone.shape[2] == 1


def test_local_tones_have_no_halo() -> None:
    light = np.full((120, 160, 3), 0.05, np.float32)
    light[:, 80:] = 6
    shown = linear_to_srgb(tone.mapped(light, "local"))[60, :, 0]
    assert np.ptp(shown[:79]) < 0.03
    assert np.ptp(shown[81:]) < 0.03


def test_a_brighter_display_shows_more_light_and_the_same_shadows() -> None:
    light = scene() * 4
    plain, bright = (tone.mapped(light, "local", 0.0, peak) for peak in (1.0, 8.0))
    assert bright.max() > 2
    assert (bright >= plain - 1e-3).mean() > 0.99


def test_a_gain_map_is_read_by_libultrahdr(tmp_path: Path) -> None:
    light = Photo(cv2.GaussianBlur(scene() * 4, (0, 0), 2), "linear")
    shown = finish.finished(light, "jpeg", Finish())
    write(shown, tmp_path / "glowing.jpg")
    data = (tmp_path / "glowing.jpg").read_bytes()
    decoded = imagecodecs.ultrahdr_decode(data)[..., :3].astype(np.float32)
    wanted = tone.mapped(light.pixels, "local", 0.0, finish.HEADROOM)
    assert decoded.shape == wanted.shape
    assert decoded.max() > 1.5
    assert float(np.median(np.abs(np.log2((decoded + 0.02) / (wanted + 0.02))))) < 0.08
    plain = read(tmp_path / "glowing.jpg")
    assert isinstance(plain, Photo)
    assert np.abs(plain.pixels.astype(int) - shown.pixels).mean() < 2
    assert "gain map" in plain.notes[0]
    write(plain, tmp_path / "plain.jpg")
    assert b"GainMap" not in (tmp_path / "plain.jpg").read_bytes(), "there is none any more"
    assert b"hdrgm:Version" not in (tmp_path / "plain.jpg").read_bytes()
    again = read(tmp_path / "plain.jpg")
    assert isinstance(again, Photo)
    assert again.notes == ()


def test_a_pq_avif_says_so_and_comes_back(tmp_path: Path) -> None:
    light = Photo(cv2.GaussianBlur(scene() * 4, (0, 0), 2), "linear")
    shown = finish.finished(light, "avif", Finish(pq=True))
    assert write(shown, tmp_path / "bright.avif") == []
    again = read(tmp_path / "bright.avif")
    assert isinstance(again, Photo)
    assert any("BT.2100 PQ" in note for note in again.notes)
    data = (tmp_path / "bright.avif").read_bytes()
    assert b"colrnclx\x00\x09\x00\x10\x00\x09" in data
    decoded = imagecodecs.avif_decode(data)
    assert decoded.dtype == np.uint16
    assert np.abs(decoded.astype(float) / 1023 - shown.pixels / 65535).mean() < 0.01


def test_light_goes_to_files_that_hold_it_unchanged(tmp_path: Path) -> None:
    import OpenImageIO

    light = Photo(scene() * 9, "linear")
    for name, depth in (("a.exr", None), ("a.tif", 32), ("a.pfm", None)):
        ending = {"exr": "exr", "tif": "tiff", "pfm": "pfm"}[name[2:]]
        write(finish.finished(light, ending, Finish(depth=depth)), tmp_path / name)
        back = read(tmp_path / name)
        assert isinstance(back, Photo)
        assert back.encoding == "linear"
        assert np.array_equal(back.pixels, light.pixels)
    write(finish.finished(light, "hdr", Finish()), tmp_path / "a.hdr")
    assert np.allclose(read(tmp_path / "a.hdr").pixels, light.pixels, rtol=0.02, atol=0.02)  # type: ignore[union-attr]
    spec = OpenImageIO.ImageInput.open(str(tmp_path / "a.exr")).spec()
    assert spec.getattribute("chromaticities")[0] == pytest.approx(0.64)
    assert spec.getattribute("whiteLuminance") == 203


def test_light_above_white_is_denoised_where_it_can_be_seen_and_never_clipped() -> None:
    light = np.full((32, 32, 3), 0.5, np.float32)
    light[:4] = 300.0
    photo = Photo(light, encoding="linear")
    calls = []

    def halve(pixels: np.ndarray, sigma: object, strength: float = 1.0, progress: object = None) -> np.ndarray:
        calls.append(pixels)
        return pixels * np.float32(0.9)

    result = denoise.denoise(photo, halve, 0.1)
    assert result.pixels.max() == 300
    assert (result.pixels[8:] < 0.5).all()
    assert calls[0].max() < 2
    shown = denoise.displayed(photo)
    assert shown[8:].min() > 0.01


def display_p3() -> bytes:
    """A profile as phones write it: linear_srgb's bytes with Display P3's colorants (D50)."""
    icc = profile.linear_srgb(3)
    colorants = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
    for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True):
        (place,) = struct.unpack_from(">I", icc, icc.index(name) + 4)
        icc = icc[: place + 8] + struct.pack(">3i", *(round(part * 65536) for part in value)) + icc[place + 20 :]
    return icc


@pytest.mark.parametrize("ending", ["exr", "hdr", "tiff"])
def test_light_of_a_wide_profile_is_told_in_the_primaries_that_the_file_names(ending: str) -> None:
    light = Photo(np.array([[[1, 0, 0], [0.5, 0.5, 0.5]]], np.float32), "linear", metadata=Metadata(icc=display_p3()))
    told = finish.finished(light, ending, Finish(depth=32))
    # CSS Color 4 has this matrix: Display P3's red in linear sRGB.
    assert np.allclose(told.pixels[0, 0], [1.2249, -0.0420, -0.0196], atol=2e-3)
    assert np.allclose(told.pixels[0, 1], 0.5, atol=1e-3)
    assert told.metadata.icc != light.metadata.icc


def test_radiance_hdr_holds_no_negative_light(tmp_path: Path) -> None:
    light = np.full((8, 16, 3), [1.2, -0.04, -0.02], np.float32)
    light.flags.writeable = False
    write(Photo(light, "linear"), tmp_path / "red.hdr")
    back = read(tmp_path / "red.hdr")
    assert isinstance(back, Photo)
    assert np.allclose(back.pixels, light.clip(0), atol=0.01)


def test_light_of_an_srgb_profile_keeps_its_numbers() -> None:
    light = Photo(scene(), "linear", metadata=Metadata(icc=ImageCmsProfile(createProfile("sRGB")).tobytes()))
    assert finish.finished(light, "exr", Finish()).pixels is light.pixels


@pytest.mark.parametrize("icc", [b"", b"short", b"\xff" * 200, profile.linear_srgb(1)])
def test_profiles_without_primaries_change_nothing(icc: bytes) -> None:
    assert profile.to_srgb(icc) is None

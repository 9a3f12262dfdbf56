"""Another light for a photo: the physics with a shape that is known, and what must not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photofix import color, lights
from photofix.lights import Lights
from photofix.photo import Photo
from photofix.tasks import relight
from photofix.tasks.relight import Scene, Wish
from pictures import photo

SIDE = 64

#: The open sky, in harmonics.
SKY = np.array([3.544908, *[0.0] * 8], np.float32)


def ball(side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Normals (side, side, 3) of a ball before a wall that looks at the camera, and where (side, side) the ball is."""
    y, x = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    inside = x * x + y * y < 0.7
    x, y = x / 0.85, -y / 0.85
    normals = np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))], axis=2)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    return np.where(inside[:, :, None], normals, [0, 0, 1]).astype(np.float32), inside


def painted(light: Lights, side: int = SIDE) -> np.ndarray:
    """Light (side, side, 3) of a patterned ball before a gray wall that light does not reach."""
    normals, inside = ball(side)
    rows, columns = np.mgrid[:side, :side]
    albedo = (0.5 + 0.2 * np.sin(9 * rows / side) * np.cos(7 * columns / side))[:, :, None] * [0.9, 0.7, 0.6]
    shown = lights.shading(light, normals, np.broadcast_to(SKY, (side, side, 9)))
    return np.where(inside[:, :, None], albedo * shown, 0.2).astype(np.float32)


def known_ball(light: Lights) -> relight.Answer:
    """A network that sees the ball as it is, in some light from the left, and knows nothing of the wall."""

    def answer(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        normals, inside = ball()
        assert picture.shape == (3, SIDE, SIDE)
        # It is shown the picture's mirror image, too.
        seen = light if picture[:, :, : SIDE // 2].mean() >= picture[:, :, SIDE // 2 :].mean() else mirrored(light)
        shown = lights.shading(seen, normals, np.broadcast_to(SKY, (SIDE, SIDE, 9))) @ color.LUMINANCE
        error = np.where(inside, np.log(0.2), np.log(1.5))
        sky = np.broadcast_to(SKY, (SIDE, SIDE, 9))
        planes = [normals, sky, error[:, :, None], np.log(np.maximum(shown, 1e-3))[:, :, None]]
        maps = np.concatenate(planes, axis=2).transpose(2, 0, 1)
        return maps.astype(np.float32), lights.harmonics(seen)

    return answer


def mirrored(light: Lights) -> Lights:
    return Lights(light.directions * np.array([-1, 1, 1], np.float32), light.power)


def front() -> Lights:
    """Soft light that harmonics can tell."""
    return lights.together(lights.lamp(-20, 20, soft=1).times(0.7), lights.even().times(0.2))


def stored(light: np.ndarray, kind: str = "uint8") -> Photo:
    full = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    numbers = color.linear_to_srgb(light) * full
    return Photo((numbers if kind == "float32" else np.rint(numbers.clip(0, full))).astype(kind))


def scene(picture: Photo) -> Scene:
    return relight.scene(picture, known_ball(front()), SIDE, 16)


def changed(picture: Photo, wish: Wish, strength: float = 1.0) -> Photo:
    return relight.relit(picture, relight.plan(scene(picture), wish, strength))


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    """PSNR after one scale for all."""
    scale = (one * other).sum() / (one * one).sum()
    return -10 * float(np.log10(np.mean((color.linear_to_srgb(one * scale) - color.linear_to_srgb(other)) ** 2)))


@pytest.mark.parametrize("azimuth", [-80, 70])
def test_a_shape_that_is_known_is_relit_as_rendered(azimuth: float) -> None:
    wanted = lights.together(lights.lamp(azimuth, 20, soft=0.4).times(0.8), lights.even().times(0.2))
    picture, truth = stored(painted(front())), painted(wanted)
    out = color.srgb_to_linear(changed(picture, Wish(wanted, lamps=False)).pixels / 255)
    _, inside = ball()
    before = decibels(painted(front())[inside], truth[inside])
    assert decibels(out[inside], truth[inside]) > max(22, before + 6)


def test_light_that_is_there_changes_nothing() -> None:
    picture = stored(painted(front()))
    known = scene(picture)
    same = relight.relit(picture, relight.plan(known, Wish(like=picture), 1.0, known))
    np.testing.assert_array_equal(same.pixels, picture.pixels)


def test_a_wall_is_relit_as_one_or_not() -> None:
    """A network believes most of one wall, save a hole in the middle, and a few spots of the other."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    left = columns < SIDE // 2
    believed = np.where(left, (rows - 32) ** 2 + (columns - 16) ** 2 > 12**2, (rows % 16 < 4) & (columns % 16 < 4))
    walls = np.where(left, 90, 160) + np.random.default_rng(0).integers(-1, 2, (SIDE, SIDE))

    def answer(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        here = believed if picture[0, 0, 0] < 0.5 else believed[:, ::-1]
        maps = np.concatenate([np.zeros((2, SIDE, SIDE)), np.ones((1, SIDE, SIDE)), np.zeros((11, SIDE, SIDE))])
        maps[3], maps[12] = SKY[0], np.where(here, np.log(0.2), np.log(1.5))
        return maps.astype(np.float32), lights.harmonics(front())

    sure = relight.scene(Photo(np.dstack([walls.astype(np.uint8)] * 3)), answer, SIDE, 16).sure
    assert sure[4:-4, 4:28].min() > 0.9
    assert sure[4:-4, 36:-4].max() < 0.3


def test_what_is_not_known_stays() -> None:
    picture = stored(painted(front()))
    _, inside = ball()
    # Beyond the reach of the filter that follows edges.
    far = np.add.reduce([np.roll(inside, (dy, dx), (0, 1)) for dy in range(-5, 6) for dx in range(-5, 6)]) == 0
    out = changed(picture, Wish(lights.lamp(80, 10, soft=0.3))).pixels
    np.testing.assert_array_equal(out[far], picture.pixels[far])
    assert (out[inside] != picture.pixels[inside]).mean() > 0.8


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_depth_alpha_metadata_and_gray_stay(kind: str, channels: int) -> None:
    full = photo(kind, channels, alpha=True, size=(SIDE, SIDE))
    inside = replace(full, pixels=stored(painted(front())[:, :, :channels], kind).pixels)
    out = changed(inside, Wish(lights.lamp(60, 20)))
    assert out.pixels.dtype == inside.pixels.dtype
    assert out.pixels.shape == inside.pixels.shape
    assert out.metadata == inside.metadata
    np.testing.assert_array_equal(out.alpha, inside.alpha)
    assert np.abs(out.pixels.astype(float) - inside.pixels).max() > 0.05 * {"uint8": 255, "uint16": 65535}.get(kind, 1)


def test_no_strength_is_bit_for_bit_and_half_is_both_lights_at_once() -> None:
    picture = Photo(painted(front()), "linear")
    wish = Wish(lights.lamp(60, 20, soft=0.3))
    none, half, whole = (changed(picture, wish, strength).pixels for strength in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(none, picture.pixels)
    np.testing.assert_allclose(half, (picture.pixels + whole) / 2, rtol=1e-3, atol=1e-5)


def test_a_part_is_the_same_as_in_the_whole() -> None:
    picture = stored(np.kron(painted(front()), np.ones((5, 5, 1), np.float32)))
    how = relight.plan(scene(picture), Wish(lights.lamp(60, 20)), 1.0)
    part = (slice(37, 290), slice(11, 300))
    whole = relight.relit(picture, how).pixels
    np.testing.assert_array_equal(relight.relit(picture, how, part).pixels, whole[part])


def test_outside_of_the_mask_nothing_changes() -> None:
    picture = stored(painted(front()))
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[:, : SIDE // 2], mask[:, SIDE // 2] = 1, 0.5
    wish = Wish(lights.lamp(-60, 20), subject=mask)
    out = changed(picture, wish).pixels
    np.testing.assert_array_equal(out[:, SIDE // 2 + 1 :], picture.pixels[:, SIDE // 2 + 1 :])
    assert (out[:, : SIDE // 2] != picture.pixels[:, : SIDE // 2]).any()


def test_highlights_stay_white_and_nothing_is_cut_off() -> None:
    light = painted(front())
    light[SIDE // 2 - 6 : SIDE // 2 + 6, SIDE // 2 - 6 : SIDE // 2 + 6] = 1
    picture = stored(light)
    for azimuth in (-80, 0, 80, 180):
        out = changed(picture, Wish(lights.lamp(azimuth, 20, soft=0.3).times(3))).pixels
        spot = out[SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1]
        assert spot.min() > 215
        assert (out == 255).sum() <= (picture.pixels == 255).sum()


def test_light_that_turns_makes_a_smooth_film() -> None:
    picture = Photo(painted(front()), "linear")
    wish = Wish(lights.lamp(0, 15, soft=0.3), ambient=0.2)
    frames = [frame.pixels for frame in relight.film(picture, scene(picture), wish, 72, 1.0)]
    steps = [np.abs(after - before).max() for before, after in zip(frames, [*frames[1:], frames[0]], strict=True)]
    assert max(steps) < 0.12 * max(frame.max() for frame in frames)
    assert max(steps) < 6 * np.median(steps) + 1e-3


def test_the_side_that_a_lamp_stands_on_is_the_bright_one() -> None:
    picture = stored(painted(front()))
    _, inside = ball()
    half = SIDE // 2
    for azimuth, bright in ((-80, slice(0, half)), (80, slice(half, SIDE))):
        out = changed(picture, Wish(lights.lamp(azimuth, 0))).pixels.astype(float)
        share = np.where(inside, out.mean(2), 0)
        assert share[:, bright].sum() > 0.6 * share.sum()


def test_a_scene_s_light_keeps_the_exposure_and_most_of_its_color() -> None:
    picture = Photo(painted(front()), "linear")
    _, inside = ball()
    blue = np.ones((8, 16, 3), np.float32) * np.array([0.1, 0.2, 0.6], np.float32) * 40
    out = changed(picture, Wish(lights.of_panorama(blue), lamps=False)).pixels[inside]
    before = picture.pixels[inside]
    assert out.mean(0) @ color.LUMINANCE == pytest.approx(before.mean(0) @ color.LUMINANCE, rel=0.1)
    bluer = (out[:, 2].sum() / out[:, 0].sum()) / (before[:, 2].sum() / before[:, 0].sum())
    assert 1.8 < bluer < 3.2


def test_a_picture_without_a_shape_is_empty() -> None:
    def nothing(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        maps, light = known_ball(front())(picture)
        maps[12] = 0.4
        return maps, light

    picture = stored(painted(front()))
    assert relight.scene(picture, nothing, SIDE, 16).empty
    assert not scene(picture).empty


@pytest.mark.parametrize("size", [(40, 640), (1, 1), (333, 200)])
def test_any_size_is_shrunk_to_what_the_network_takes(size: tuple[int, int]) -> None:
    picture = relight.shrunk(photo("uint16", 1, size=size), 192, 16)
    assert picture.shape[2] == 3
    assert max(picture.shape[:2]) == 192
    assert min(picture.shape[:2]) % 16 == 0


def test_numbers_that_are_none_do_not_spread() -> None:
    light = painted(front())
    light[3, 4] = np.nan
    out = changed(Photo(light, "linear"), Wish(lights.lamp(60, 20))).pixels
    assert np.isfinite(np.delete(out.reshape(-1, 3), 3 * SIDE + 4, axis=0)).all()

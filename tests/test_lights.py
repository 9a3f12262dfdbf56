"""Light as directions: lamps, environments, harmonics, and what surfaces make of it."""

from __future__ import annotations

import numpy as np
import pytest

from photofix import environment, lamps, lights
from photofix.errors import UsageError
from photofix.lights import Lights

#: The open sky, in harmonics.
SKY = np.array([3.544908, *[0.0] * 8], np.float32)


def shading(light: Lights, *normals: np.ndarray) -> np.ndarray:
    """(n, 3): how bright open surfaces with these normals are."""
    facing = np.array([normals], np.float32)
    return lights.shading(light, facing, np.broadcast_to(SKY, (1, len(normals), 9)))[0]


@pytest.mark.parametrize("soft", [0.0, 0.3, 1.0])
def test_a_lamp_shows_what_faces_it_in_its_color(soft: float) -> None:
    light = lights.lamp(40, 20, (1.0, 0.5, 0.25), soft)
    toward = environment.direction(40, 20)
    np.testing.assert_allclose(shading(light, toward, -toward)[0], [1, 0.5, 0.25], rtol=1e-5)
    assert shading(light, -toward).max() < 0.05
    np.testing.assert_allclose(np.linalg.norm(light.directions, axis=1), 1, rtol=1e-5)


def test_the_softer_a_lamp_the_further_it_reaches_round() -> None:
    aside = environment.direction(95, 0)
    seen = [shading(lights.lamp(0, 0, soft=soft), aside)[0, 0] for soft in (0, 0.3, 0.6, 1)]
    assert seen == sorted(seen)
    assert seen[-1] > 0.1


def test_even_light_shows_every_open_surface_as_white() -> None:
    normals = np.random.default_rng(0).normal(size=(40, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_allclose(shading(lights.even(), *normals), 1, atol=0.01)


def test_what_hides_the_sky_takes_its_share_of_the_light() -> None:
    half = SKY.copy()
    half[[0, 3]] = 3.544908 / 2, 1.2  # as good as: only from the right
    toward = np.array([[[0, 0, 1]]], np.float32)
    left, right = (lights.shading(lights.lamp(side, 0), toward, half[None, None])[0, 0, 0] for side in (-60, 60))
    assert left < 0.1
    assert right > 0.45


def test_harmonics_there_and_back() -> None:
    wanted = np.zeros((9, 3), np.float32)
    wanted[0], wanted[3, 0], wanted[5, 2] = 3, 0.6, -0.4
    np.testing.assert_allclose(lights.harmonics(lights.of_harmonics(wanted)), wanted, atol=0.02)


def test_harmonics_and_directions_shade_alike() -> None:
    """A Lambertian surface sees no more than two bands (Ramamoorthi and Hanrahan 2001): pi, 2 pi / 3 and pi / 4."""
    wanted = np.random.default_rng(1).normal(0, 0.1, (9, 3)).astype(np.float32) + SKY[:, None]
    normals = np.random.default_rng(2).normal(size=(20, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    clamped = np.repeat([1, 2 / 3, 1 / 4], [1, 3, 5])[:, None] * wanted
    np.testing.assert_allclose(
        shading(lights.of_harmonics(wanted), *normals), lights.basis(normals) @ clamped, atol=0.03
    )


def test_a_panorama_shades_as_its_pixels_do() -> None:
    panorama = np.random.default_rng(3).gamma(0.3, 4, (16, 32, 3)).astype(np.float32)
    panorama[3, 20] = 200  # a sun
    toward, area = environment.directions(16, 32), environment.solid_angles(16, 32)
    normals = environment.direction(np.array([0.0, 90.0, 200.0]), np.array([0.0, 30.0, -20.0]))
    facing = np.maximum(toward @ normals.T, 0)
    exact = np.einsum("hwn,h,hwc->nc", facing, area, panorama) / np.pi
    np.testing.assert_allclose(shading(lights.of_panorama(panorama), *normals), exact, rtol=0.08)


@pytest.mark.parametrize("degrees", [30.0, -100.0])
def test_turning_light_is_turning_the_panorama(degrees: float) -> None:
    panorama = np.random.default_rng(4).gamma(0.5, 1, (36, 72, 3)).astype(np.float32)
    normals = environment.direction(np.array([0.0, 120.0]), np.array([0.0, 40.0]))
    turned = lights.of_panorama(environment.rotated(panorama, degrees))
    np.testing.assert_allclose(
        shading(lights.of_panorama(panorama, degrees), *normals), shading(turned, *normals), rtol=0.04
    )


def test_words_name_lamps() -> None:
    left = lamps.parse(["left"], 0)
    assert left.directions[0, 0] < -0.8
    one = lamps.parse(["45,30,#ff0000,2"], 0)
    np.testing.assert_allclose(one.directions[0], environment.direction(45, 30), atol=1e-6)
    np.testing.assert_allclose(one.power[0], [2 / 0.2126, 0, 0], rtol=1e-4)
    np.testing.assert_allclose(lamps.parse(["right,3"], 0).power.sum(0), 3, rtol=1e-5)


def test_several_lamps_share_one_exposure() -> None:
    two = lamps.parse(["left", "right"], 0)
    np.testing.assert_allclose(two.power.sum(0), 1, rtol=1e-5)
    key = lamps.parse(["left,1", "right,0.25"], 0).power
    assert key[0, 0] == pytest.approx(4 * key[1, 0])


@pytest.mark.parametrize(
    "word",
    [
        "up",
        "45",
        "45,x",
        "45,95",
        "nan,0",
        "45,30,#12345",
        "45,30,0",
        "45,30,1,2",
        "left,#000000",
        "left,#ff0000,#ffffff",
        "",
    ],
)
def test_words_that_name_none_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="--light"):
        lamps.parse([word], 0)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (lamps.Words(), "which light"),
        (lamps.Words("left", env="a.hdr"), "one kind"),
        (lamps.Words("left", rotate=3), "--rotate turns a panorama"),
        (lamps.Words("left", soft=1.5), "--soft 1.5"),
        (lamps.Words(env=np.full((8, 16, 3), np.nan)), "no number"),
        (lamps.Words("left", mask=np.zeros((3, 3, 3), np.uint8)), "give \\(H, W\\)"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(said: lamps.Words, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        lamps.wish(said)

"""Noise: what is put in is found again, and what is clean is left alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from photofix.noise import combine, estimate_profile, estimate_profiles, profile_for_iso, stabilise, unstabilise


def sensed(signal: np.ndarray, shot: float, read: float, seed: int = 0) -> np.ndarray:
    """Signal with Poisson-Gaussian noise, clipped at white."""
    rng = np.random.default_rng(seed)
    noisy = rng.poisson(np.maximum(signal, 0) / shot) * shot + rng.normal(0, np.sqrt(read), signal.shape)
    return np.minimum(noisy, 1).astype(np.float32)


def scene(size: int = 320) -> np.ndarray:
    """Four planes with gradients, edges, a textured quarter, and a clipped corner."""
    rows, columns = np.mgrid[:size, :size] / size
    plane = 0.02 + 0.6 * columns * (0.5 + 0.5 * rows)
    plane += 0.2 * ((rows * 7 + columns * 3) % 1 > 0.8)
    texture = np.random.default_rng(9).normal(0, 0.05, (size, size))
    plane += np.where((rows > 0.5) & (columns > 0.5), texture, 0)
    plane[:40, -40:] = 2
    return np.stack([plane * gain for gain in (0.5, 1, 1, 0.6)]).clip(0, 1)


def assert_close_profile(found: tuple[float, float], true: tuple[float, float], within: float) -> None:
    """The standard deviations that two profiles mean for dark, middle and bright signals agree."""
    for signal in (0.02, 0.1, 0.4):
        ratio = np.sqrt((found[0] * signal + found[1]) / (true[0] * signal + true[1]))
        assert 1 - within < ratio < 1 + within, f"at {signal}: {ratio:.3f} of the true noise"


@pytest.mark.parametrize("iso", [400, 1600, 6400, 25_600, 102_400])
def test_profile_of_a_mosaic_is_found(iso: int) -> None:
    profile = profile_for_iso(iso)
    assert_close_profile(estimate_profile(sensed(scene(), *profile)), profile, 0.15)


@pytest.mark.parametrize("profile", [(1e-3, 4e-5), (2e-4, 1e-5), (1e-2, 1e-3)])
def test_strong_read_noise_is_found(profile: tuple[float, float]) -> None:
    shot, read = estimate_profile(sensed(scene(), *profile))
    assert_close_profile((shot, read), profile, 0.15)
    assert 0.5 < read / profile[1] < 1.5


def deviations(profile: tuple[float, float]) -> np.ndarray:
    """The noise that a profile means for dark, middle and bright signals."""
    return np.sqrt(profile[0] * np.array([0.05, 0.2, 0.5]) + profile[1])


@pytest.mark.parametrize("iso", [800, 6400])
def test_flat_patches_and_gradients_give_the_same_answer(iso: int) -> None:
    """On several scenes of one camera."""
    profile = profile_for_iso(iso)
    for seed, gain in enumerate((0.4, 1.0, 1.5)):
        planes = sensed(np.minimum(scene() * gain, 1), *profile, seed=seed)
        found = [deviations(estimate_profile(planes, method)) for method in ("gradient", "flat")]
        np.testing.assert_allclose(found[0], found[1], rtol=0.15)
        np.testing.assert_allclose(found[0], deviations(profile), rtol=0.15)


def test_flat_patches_and_gradients_give_the_same_answer_on_photographs(shared: Path) -> None:
    """Photos of one simulated camera: the two ways agree on each, and the photos among each other, but for one that is
    textured all over."""
    profile, found = profile_for_iso(6400), []
    for seed, file in enumerate(sorted((shared / "photos" / "scenes-1").iterdir())[11::30]):
        light = (cv2.imread(str(file)).astype(np.float32) / 255) ** 2.2
        light = light[: len(light) // 2 * 2, : light.shape[1] // 2 * 2]
        planes = [light[::2, ::2, 2] / 2, light[::2, 1::2, 1], light[1::2, ::2, 1], light[1::2, 1::2, 0] / 1.6]
        noisy = sensed(np.stack(planes), *profile, seed=seed)
        gradient, flat = (deviations(estimate_profile(noisy, method)) for method in ("gradient", "flat"))
        np.testing.assert_allclose(flat, gradient, rtol=0.15, err_msg=file.name)
        found.append(gradient)
    off = np.abs(found / np.median(found, 0) - 1).max(1)
    assert np.mean(off < 0.15) > 0.9
    assert off.max() < 0.2


def test_colors_of_unlike_noise_are_told_apart() -> None:
    """Red was amplified twice as much; otherwise all share one profile."""
    profile, strong = profile_for_iso(3200), profile_for_iso(6400)
    even = sensed(scene(), *profile)
    assert len(set(estimate_profiles(even))) == 1
    even[0] = sensed(scene()[0], *strong)
    red, green, other_green, blue = estimate_profiles(even)
    assert green == other_green
    for found, true in ((red, strong), (green, profile), (blue, profile)):
        assert_close_profile(found, true, 0.15)


def test_profile_of_photographs(shared: Path) -> None:
    """A photo's finest texture counts as noise: the median photo must be right, single ones may be above."""
    ratios = []
    true = profile_for_iso(6400)
    for file in sorted((shared / "photos" / "scenes-0").iterdir())[3::30]:
        photo = cv2.imread(str(file))[:640, :960]
        photo = photo[: photo.shape[0] // 2 * 2, : photo.shape[1] // 2 * 2]
        linear = (photo[:, :, 1].astype(np.float32) / 255) ** 2.2
        planes = np.stack([linear[row::2, column::2] for row in (0, 1) for column in (0, 1)])
        shot, read = estimate_profile(sensed(planes, *true))
        ratios.append(np.sqrt((shot * 0.2 + read) / (true[0] * 0.2 + true[1])))
    assert 0.95 < np.median(ratios) < 1.1
    assert min(ratios) > 0.9


@pytest.mark.parametrize(
    "planes",
    [
        np.zeros((4, 200, 300)),
        np.ones((4, 200, 300)),
        np.full((4, 5, 7), 0.3),
        np.zeros((4, 1, 1)),
        np.random.default_rng(0).normal(0, 1e-7, (4, 64, 64)),
    ],
    ids=["black", "clipped", "tiny", "one sample", "almost nothing"],
)
def test_profile_of_mosaics_without_information_is_small(planes: np.ndarray) -> None:
    shot, read = estimate_profile(planes.astype(np.float32))
    assert 0 < shot <= profile_for_iso(100)[0]
    assert 0 <= read <= profile_for_iso(100)[1]


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_frames_of_one_brightness_have_their_noise_there(level: float) -> None:
    planes = np.random.default_rng(0).normal(level, 0.01, (4, 200, 200)).astype(np.float32)
    shot, read = estimate_profile(planes)
    assert np.sqrt(shot * level + read) == pytest.approx(0.01, rel=0.1)


def test_noise_rises_with_iso() -> None:
    assert profile_for_iso(6400) == pytest.approx((0.0016, 4.33e-6), rel=0.01)
    profiles = [profile_for_iso(iso) for iso in (50, 100, 800, 12_800, 409_600)]
    assert profiles == sorted(profiles)


def test_equal_profiles_need_no_gains() -> None:
    assert combine([(0.002, 1e-5)] * 4) == ((1, 1, 1, 1), (0.002, pytest.approx(1e-5)))


def test_gains_make_shot_noise_equal() -> None:
    profiles = [(0.002, 4e-5), (0.001, 1e-5), (0.001, 1e-5), (0.0015, 2.25e-5)]
    gains, (shot, read) = combine(profiles)
    for gain, (own_shot, own_read) in zip(gains, profiles, strict=True):
        assert gain <= 1
        assert gain * own_shot == pytest.approx(shot)
        assert gain**2 * own_read == pytest.approx(read)


def test_profiles_without_shot_noise_can_be_stabilised() -> None:
    _, (shot, read) = combine([(1e-12, 1e-4)] * 4)
    signal = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(unstabilise(stabilise(signal, shot, read)[0], shot, read) - signal).max() < 1e-5


@pytest.mark.parametrize("iso", [100, 6400, 102_400])
def test_stabilised_noise_is_even_and_comes_back(iso: int) -> None:
    shot, read = profile_for_iso(iso)
    for level in (0.1, 0.3, 0.6):
        stabilised, sigma = stabilise(sensed(np.full((200, 200), level), shot, read), shot, read)
        assert stabilised.std() == pytest.approx(sigma, rel=0.05)
    signal = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.abs(unstabilise(stabilise(signal, shot, read)[0], shot, read) - signal).max() < 2e-6

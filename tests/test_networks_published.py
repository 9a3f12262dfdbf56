"""The published denoisers: their released weights load and reach their published figures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from photofix.networks.dncnn import DnCNN
from photofix.networks.ffdnet import FFDNet
from photofix.networks.pmrid import ANCHOR, PMRID, SCALE, from_anchor, to_anchor

SIGMA = 25 / 255


def with_weights(network: nn.Module, file: Path) -> nn.Module:
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def pictures(folder: Path, channels: int) -> list[np.ndarray]:
    """(H, W, channels) uint8 RGB or gray."""
    flag = cv2.IMREAD_COLOR_RGB if channels == 3 else cv2.IMREAD_GRAYSCALE
    decoded = [cv2.imdecode(np.fromfile(file, np.uint8), flag) for file in sorted(folder.glob("*.webp"))]
    return [picture.reshape(*picture.shape[:2], channels) for picture in decoded]


def noisy(picture: np.ndarray, seed: int) -> Tensor:
    """(1, C, H, W): white noise of sigma 25, neither rounded nor clipped."""
    noise = np.random.default_rng(seed).normal(0, SIGMA, picture.shape)
    return torch.from_numpy((picture / 255 + noise).astype(np.float32).transpose(2, 0, 1)[None])


def psnr(answer: Tensor, picture: np.ndarray) -> float:
    """As the authors measure: on the answer rounded to 8 bits."""
    rounded = np.rint(answer[0].permute(1, 2, 0).numpy().clip(0, 1) * 255)
    return float(10 * np.log10(255**2 / np.mean((rounded - picture) ** 2)))


@pytest.mark.parametrize(
    ("file", "layers", "figure"), [("dncnn_25.pth", 17, 30.451), ("dncnn_gray_blind.pth", 20, 30.375)]
)
def test_gray_dncnn_reaches_its_figure_on_set12(shared: Path, file: str, layers: int, figure: float) -> None:
    network = with_weights(DnCNN(channels=1, layers=layers), shared / "published" / "denoise" / file)
    found = []
    for seed, picture in enumerate(pictures(shared / "eval" / "set12_gray", 1)):
        observed = noisy(picture, seed)
        found.append(psnr(observed - network(observed), picture))
    assert len(found) == 12
    assert np.mean(found) == pytest.approx(figure, abs=0.01)


def test_color_ffdnet_reaches_its_figure_on_cbsd68(shared: Path) -> None:
    network = with_weights(FFDNet(), shared / "published" / "denoise" / "ffdnet_color.pth")
    found = []
    for seed, picture in enumerate(pictures(shared / "eval" / "cbsd68", 3)):
        height, width = picture.shape[:2]
        observed = functional.pad(noisy(picture, seed), (0, width % 2, 0, height % 2), mode="replicate")
        answer = network(observed, torch.full_like(observed[:, :1], SIGMA))
        found.append(psnr(answer[:, :, :height, :width], picture))
    assert len(found) == 68
    assert np.mean(found) == pytest.approx(31.204, abs=0.01)


def test_color_dncnn_serves_several_noise_levels(shared: Path) -> None:
    network = with_weights(DnCNN(), shared / "published" / "denoise" / "dncnn_color_blind.pth")
    picture = pictures(shared / "eval" / "cbsd68", 3)[0][:160, :160]
    for factor in (0.6, 1.0, 2.0):  # sigma 15, 25, 50
        clean = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1)[None]
        observed = clean + factor * (noisy(picture, 0) - clean)
        assert psnr(observed - network(observed), picture) > psnr(observed, picture) + 6


def test_ffdnet_follows_its_noise_plane(shared: Path) -> None:
    """Away from the edge between two levels, each side is as if its level held everywhere."""
    network = with_weights(FFDNet(), shared / "published" / "denoise" / "ffdnet_color.pth")
    observed = noisy(pictures(shared / "eval" / "cbsd68", 3)[0][:96, :256], 0)
    low, high = (torch.full_like(observed[:, :1], factor * SIGMA) for factor in (0.5, 1.0))
    mixed = network(observed, torch.cat([low[..., :128], high[..., 128:]], dim=3))
    torch.testing.assert_close(mixed[..., :96], network(observed, low)[..., :96], atol=1e-5, rtol=0)
    torch.testing.assert_close(mixed[..., 160:], network(observed, high)[..., 160:], atol=1e-5, rtol=0)
    assert (network(observed, low) - network(observed, high)).abs().mean() > 0.01


def packed_mosaic(picture: np.ndarray) -> np.ndarray:
    """(4, H / 2, W / 2) float32 planes R, G, G, B of a phone that saw the (H, W, 3) sRGB picture."""
    linear = np.array([0.1, 0.2, 0.12], np.float32) * (picture / np.float32(255)) ** 2.2
    return np.stack([linear[::2, ::2, 0], linear[::2, 1::2, 1], linear[1::2, ::2, 1], linear[1::2, 1::2, 2]])


@pytest.mark.parametrize(("gain", "rise"), [(1.0, 3.0), (4.0, 6.0), (16.0, 9.0)])
def test_pmrid_denoises_a_mosaic(shared: Path, gain: float, rise: float) -> None:
    network = with_weights(PMRID(), shared / "published" / "denoise" / "pmrid.ckp")
    shot, read = ANCHOR[0] * gain, ANCHOR[1] * gain**2
    rng = np.random.default_rng(1)
    found = []
    for picture in pictures(shared / "eval" / "cbsd68", 3)[:4]:
        clean = packed_mosaic(picture[:320, :320])
        seen = rng.poisson(clean / shot) * shot + rng.normal(0, read**0.5, clean.shape)
        observed = torch.from_numpy(seen.clip(0, 1).astype(np.float32)[None])
        answer = from_anchor(network(to_anchor(observed, shot, read)), shot, read)[0].numpy()
        assert np.isfinite(answer).all()
        before, after = (10 * np.log10(1 / np.mean((x - clean) ** 2)) for x in (observed[0].numpy(), answer))
        found.append(after - before)
    assert np.mean(found) > rise


def test_the_anchor_transform_is_only_a_scale_at_the_reference() -> None:
    signal = torch.linspace(0, 1, 5)
    torch.testing.assert_close(to_anchor(signal, *ANCHOR), signal * SCALE)


@pytest.mark.parametrize("profile", [(1e-4, 1e-8), (4e-3, 5e-5)])
def test_the_anchor_transform_brings_the_reference_noise(profile: tuple[float, float]) -> None:
    shot, read = profile
    seen = torch.from_numpy(np.random.default_rng(0).normal(0.3, (shot * 0.3 + read) ** 0.5, 200_000))
    anchored = to_anchor(seen, shot, read) / SCALE
    expected = ANCHOR[0] * anchored.mean() + ANCHOR[1]
    assert anchored.var().item() == pytest.approx(expected.item(), rel=0.02)
    torch.testing.assert_close(from_anchor(to_anchor(seen, shot, read), shot, read), seen)


@pytest.mark.parametrize(
    ("network", "multiple", "conditions"), [(DnCNN(1, 3, 8), 1, 0), (FFDNet(1, 3, 8), 2, 1), (PMRID(), 16, 0)]
)
def test_sides_may_be_any_multiple(network: nn.Module, multiple: int, conditions: int) -> None:
    channels = 4 if isinstance(network, PMRID) else 1
    picture = torch.rand(1, channels, multiple * 3, multiple * 5)
    with torch.inference_mode():
        answer = network(picture, *[picture[:, :1]] * conditions)
    assert answer.shape == picture.shape
    assert torch.isfinite(answer).all()

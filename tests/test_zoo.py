"""A user's own checkpoint: in the network that is named, in the task's own, or in one that spandrel recognises.

spandrel needs torchvision for three functions of two of its networks. Where torchvision is absent, as it is beside a
torch for processors alone, stand-ins take their place: pip install --no-deps spandrel einops.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import golden
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import photofix
from photofix import weights, zoo
from photofix.errors import WeightsError
from photofix.job import Settings
from photofix.models import Models
from photofix.networks.dncnn import DnCNN
from photofix.networks.unet import UNet
from photofix.photo import Photo
from photofix.pipeline import restore

OWN = UNet(**weights.manifest()["denoise"].arguments)


@pytest.fixture
def spandrel(monkeypatch: pytest.MonkeyPatch) -> None:
    """spandrel, with stand-ins for what it needs of torchvision; the test is skipped where it is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("spandrel", "einops")):
        pytest.skip("needs spandrel: pip install --no-deps spandrel einops")
    if not importlib.util.find_spec("torchvision"):
        for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        functional = sys.modules["torchvision.transforms.functional"]
        for name in ("InterpolationMode", "normalize", "rotate"):
            monkeypatch.setattr(functional, name, None, raising=False)
    importlib.import_module("spandrel")


def made(name: str, **arguments: Any) -> nn.Module:
    """A network as spandrel has it, with parameters by formula."""
    network: nn.Module = getattr(importlib.import_module(f"spandrel.architectures.{name}"), name)(**arguments)
    return golden.fill(network)


def saved(path: Path, network: nn.Module, wrap: Callable[[Any], Any] = lambda state: state) -> Path:
    torch.save(wrap(network.state_dict()), path)
    return path


def settings(file: Path, **changes: Any) -> Settings:
    return Settings(weights=file, device="cpu", precision="float32", **changes)


PIXELS = np.rint(golden.picture(3, 70, 90)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)


def test_own_weights_go_into_the_tasks_own_network(tmp_path: Path) -> None:
    file = saved(tmp_path / "mine.pth", golden.fill(OWN), lambda state: {"params": state, "epoch": 9})
    models = Models(settings(file, sigma=20.0))
    assert models.get("denoise").entry.name == "denoise"
    assert models.get("denoise") is models.get("denoise")
    expected = photofix.denoise(PIXELS, sigma=20, device="cpu", precision="float32")
    assert not np.array_equal(restore(Photo(PIXELS), models).photo.pixels, np.asarray(expected))


def test_own_weights_for_finished_pictures_serve_raw_developed(tmp_path: Path) -> None:
    file = saved(tmp_path / "mine.pth", OWN)
    models = Models(settings(file, sigma=5.0))
    assert models.get("denoise", is_raw=True).entry.name == "denoise"
    photo = photofix.open(Path(__file__).parents[1] / "samples" / "noisy.dng")
    restored = restore(photo, Models(settings(file, sigma=0.0)))
    assert restored.facts["model"] == "denoise"


def test_a_named_network_takes_wrapped_and_prefixed_weights(tmp_path: Path) -> None:
    network = golden.fill(DnCNN(channels=3, layers=20))
    prefixed = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": prefixed}, tmp_path / "mine.pth")
    models = Models(settings(tmp_path / "mine.pth", model="dncnn-color-blind"))
    loaded = models.get("denoise").network.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in network.state_dict().items())


WRONG = [
    (DnCNN(channels=3, layers=17), r"6 of 40 keys are missing, as 'model\.34\.bias'"),
    (DnCNN(channels=3, layers=21), r"2 of 40 keys are not its own, as 'model\.40\.bias'"),
    (DnCNN(channels=1, layers=20), r"'model\.0\.weight' has the shape \(64, 1, 3, 3\), not \(64, 3, 3, 3\)"),
]


@pytest.mark.parametrize(("network", "complaint"), WRONG, ids=["fewer", "more", "other"])
def test_what_does_not_fit_a_named_network_is_said(tmp_path: Path, network: nn.Module, complaint: str) -> None:
    file = saved(tmp_path / "mine.pth", network)
    with pytest.raises(WeightsError, match=rf"mine\.pth: .* network of 'dncnn-color-blind': {complaint}"):
        Models(settings(file, model="dncnn-color-blind")).get("denoise")


def test_without_the_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    file = saved(tmp_path / "mine.pth", nn.Conv2d(3, 3, 3))
    with pytest.raises(WeightsError, match=r"mine\.pth: .*--model NAME .*pip install 'photofix\[zoo\]'"):
        Models(settings(file)).get("denoise")


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("NAFNet", {"width": 8, "enc_blk_nums": [1, 1], "middle_blk_num": 1, "dec_blk_nums": [1, 1]}),
    ("Compact", {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_conv": 2, "upscale": 1}),
    ("Compact", {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_conv": 2, "upscale": 1}),
    ("SCUNet", {"config": [1, 1, 1, 1, 1, 1, 1]}),
]


@pytest.mark.usefixtures("spandrel")
@pytest.mark.parametrize(("kind", "arguments"), KINDS, ids=[kind for kind, _ in KINDS])
def test_a_network_that_spandrel_recognises_runs(tmp_path: Path, kind: str, arguments: dict[str, Any]) -> None:
    network = made(kind, **arguments)
    file = saved(tmp_path / "mine.pth", network, lambda state: {"params_ema": state})
    models = Models(settings(file, sigma=5.0))
    assert models.get("denoise").entry.name.endswith(" of mine.pth")
    size = 64  # a multiple of what any of them needs
    restored = models.get("denoise")(PIXELS[:size, :size].astype(np.float32) / 255, 0.0)
    picture = torch.from_numpy(PIXELS[:size, :size].transpose(2, 0, 1)[None] / np.float32(255))
    gray = arguments.get("num_in_ch") == 1
    with torch.inference_mode():
        answer = network(picture.transpose(0, 1) if gray else picture)
    answer = answer[0] if isinstance(answer, tuple) else answer
    expected = (answer[:, 0] if gray else answer[0]).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(restored, expected, atol=2e-5 * np.abs(expected).max())
    assert restored.min() < 0 or restored.max() > 1, "nothing here shows that nothing is clamped"
    odd = restore(Photo(PIXELS[:33, :41]), models).photo.pixels
    assert odd.shape == (33, 41, 3)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("Compact", {"num_feat": 8, "num_conv": 2, "upscale": 4}, "makes pictures 4 times as large"),
    ("MixDehazeNet", {"embed_dims": [8, 16, 32, 16, 8]}, "called in a way that photofix does not know"),
    ("DRUNet", {"in_nc": 4, "out_nc": 3, "nc": [8, 8, 8, 8], "nb": 4}, "called in a way that photofix does not know"),
]


@pytest.mark.usefixtures("spandrel")
@pytest.mark.parametrize(("kind", "arguments", "complaint"), REFUSED, ids=[kind for kind, *_ in REFUSED])
def test_what_cannot_be_run_is_refused_in_words(
    tmp_path: Path, kind: str, arguments: dict[str, Any], complaint: str
) -> None:
    file = saved(tmp_path / "mine.pth", made(kind, **arguments))
    with pytest.raises(WeightsError, match=rf"mine\.pth: is a network of the kind .*{complaint}"):
        Models(settings(file)).get("denoise")


@pytest.mark.usefixtures("spandrel")
def test_a_kind_that_nobody_knows_is_said(tmp_path: Path) -> None:
    file = saved(tmp_path / "mine.pth", nn.Conv2d(3, 3, 3))
    with pytest.raises(WeightsError, match=r"mine\.pth: is of no kind of network that is recognised.*--model NAME"):
        Models(settings(file)).get("denoise")


@pytest.mark.usefixtures("spandrel")
def test_sides_that_a_network_needs_are_given_to_it() -> None:
    from spandrel import SizeRequirements

    seen: list[tuple[int, ...]] = []

    class Same(nn.Module):
        def forward(self, picture: Tensor) -> tuple[Tensor, str]:
            seen.append(tuple(picture.shape[2:]))
            return picture, "and more"

    picture = golden.picture(3, 20, 37)
    for needs, sides in [
        (SizeRequirements(minimum=32, multiple_of=8), (32, 40)),
        (SizeRequirements(multiple_of=16, square=True), (48, 48)),
        (SizeRequirements(), (20, 37)),
    ]:
        assert torch.equal(zoo.Fitted(Same(), needs)(picture), picture)
        assert seen.pop() == sides


@pytest.mark.usefixtures("spandrel")
def test_half_precision_is_not_chosen_for_what_nobody_measured(tmp_path: Path) -> None:
    file = saved(tmp_path / "mine.pth", made(*KINDS[1][:1], **KINDS[1][1]))
    assert Models(Settings(weights=file, device="cpu")).get("denoise").place.precision == torch.float32
    asked = Models(Settings(weights=file, device="cpu", precision="bfloat16")).get("denoise")
    assert asked.place.precision == torch.bfloat16
    assert np.isfinite(asked(PIXELS.astype(np.float32) / 255, 0.0)).all()

"""Published colorizers: the published code's answers where they are at hand, and what their weights do not change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import golden
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from photofix import model, weights
from photofix.device import Place
from photofix.errors import UsageError
from photofix.networks.colorizer_eccv16 import ColorizerECCV16
from photofix.networks.colorizer_siggraph17 import ColorizerSIGGRAPH17
from photofix.networks.ddcolor import DDColor
from photofix.photo import Photo
from photofix.restore_color import painter_of
from photofix.tasks import colorize
from photofix.tasks.colorize import Hints, Wishes

#: A small configuration of each; their answers are on record at every fourth row and column.
SMALL: dict[str, Callable[[], nn.Module]] = {
    "ddcolor": lambda: DDColor((1, 1, 2, 1), (8, 16, 24, 32), features=32, queries=6, layers=4),
    "colorizer_eccv16": lambda: ColorizerECCV16(width=4, colors=12),
    "colorizer_siggraph17": lambda: ColorizerSIGGRAPH17(width=4, colors=8),
}
ENTRIES = weights.manifest()


def filled(network: nn.Module, phase: float = golden.PHASE) -> nn.Module:
    """Parameters by formula; singular vectors by 200 power iterations, as the published answers were made."""
    golden.fill(network, phase)
    for module in network.modules():
        if hasattr(module, "weight_orig"):
            matrix = module.weight_orig.flatten(1)
            left = functional.normalize(torch.ones(len(matrix)), dim=0)
            for _ in range(200):
                right = functional.normalize(matrix.T @ left, dim=0)
                left = functional.normalize(matrix @ right, dim=0)
            module.weight_u.copy_(left)
            module.weight_v.copy_(right)
    return network


def small(name: str) -> nn.Module:
    network = filled(SMALL[name]())
    for parameter in network.parameters():
        if parameter.dim() == 4:  # By formula alone, chains as long as Zhang's answer nearly the same everywhere.
            parameter.mul_({"colorizer_eccv16": 4, "colorizer_siggraph17": 1.5}.get(name, 1))
    return network


def seen(name: str, side: int = 64) -> Tensor:
    """A picture as the network takes it: lightness, or gray in three planes."""
    gray = golden.picture(1, side, side + 32)
    return gray.expand(-1, 3, -1, -1) if name == "ddcolor" else 100 * gray


def answer_to(network: nn.Module, *planes: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(*planes)


@pytest.mark.parametrize("name", SMALL)
def test_small_configurations_answer_as_on_record(name: str) -> None:
    answer = answer_to(small(name), seen(name))[:, :, ::4, ::4]
    assert golden.distance(answer, golden.recorded(name)) < 1e-4


def test_ddcolor_answers_as_the_published_code(shared: Path) -> None:
    expected = golden.published(shared, "ddcolor_tiny")
    network = model.build(ENTRIES["ddcolor-tiny"])
    assert golden.state(network) == expected.state
    # The record's picture has three planes that differ, so it tells their order too.
    answer = answer_to(filled(network, expected.phase), expected.picture)
    assert answer.shape == (1, 2, 256, 256)
    assert golden.distance(answer[:, :, ::4, ::4], expected.answer) < 1e-4


@pytest.mark.parametrize("name", ["ddcolor-tiny", "ddcolor"])
def test_ddcolor_files_hold_as_many_bytes_as_the_networks_numbers(name: str) -> None:
    """What a file holds beyond the numbers is its bookkeeping: a few hundred bytes for each name."""
    with torch.device("meta"):
        state = model.build(ENTRIES[name]).state_dict()
    numbers = sum(values.numel() * values.element_size() for values in state.values())
    assert 200 < (ENTRIES[name].size - numbers) / len(state) < 600


def test_a_spectral_convolution_has_norm_one() -> None:
    """Whatever the size of its weights: no vector grows, and one keeps its length."""
    block = small("ddcolor").decoder.layers[0].conv[0]
    before = block(golden.picture(block.weight_v.numel() // 9, 8, 8))
    largest = torch.linalg.matrix_norm(block.weight_orig.flatten(1) / scale_of(block), ord=2)
    assert largest.item() == pytest.approx(1, abs=1e-3)
    block.weight_orig.mul_(7)
    torch.testing.assert_close(block(golden.picture(block.weight_v.numel() // 9, 8, 8)), before)


def scale_of(block: nn.Module) -> Tensor:
    """What a spectral convolution divides its weights by, seen from outside: by its answer to a single pixel."""
    pixel = torch.zeros(1, block.weight_v.numel() // 9, 3, 3)
    pixel[0, 0, 1, 1] = 1
    answer = block(pixel)[0, :, 1, 1]
    weights = block.weight_orig[:, 0, 1, 1]
    place = int(answer.abs().argmax())
    return weights[place] / answer[place]


@pytest.mark.parametrize("name", ["colorizer_eccv16", "colorizer_siggraph17"])
def test_zhangs_networks_answer_within_the_gamut(name: str) -> None:
    """With no color among the choices beyond 110, none is in the answer; siggraph17's tanh sees to that itself."""
    network = small(name)
    if name == "colorizer_eccv16":
        network.model_out.weight.clamp_(-1, 1)
    answer = answer_to(network, seen(name))
    assert answer.shape == (1, 2, 64, 96)
    assert answer.abs().max() <= 110
    assert answer.std() > 0


def test_eccv16_answers_the_mean_color_of_its_odds() -> None:
    """Of a plain picture whose every pixel chooses the same color, the answer is that color times 110."""
    network = small("colorizer_eccv16")
    network.model8[-1].weight.zero_()
    network.model8[-1].bias.copy_(torch.where(torch.arange(12) == 5, 50.0, 0.0))
    network.model_out.weight[:, 5] = torch.tensor([0.4, -0.7])[:, None, None]
    answer = answer_to(network, torch.full((1, 1, 32, 32), 60.0))
    torch.testing.assert_close(answer, torch.tensor([44.0, -77.0])[None, :, None, None].expand(1, 2, 32, 32))


def test_hints_change_the_answer_and_none_is_no_hint() -> None:
    network = small("colorizer_siggraph17")
    lightness = seen("colorizer_siggraph17")
    nothing = torch.zeros(1, 3, *lightness.shape[2:])
    plain = answer_to(network, lightness)
    assert torch.equal(plain, answer_to(network, lightness, nothing))
    hints = nothing.clone()
    hints[:, :, 30:34, 30:34] = torch.tensor([60.0, -20.0, 1.0])[:, None, None]
    moved = (answer_to(network, lightness, hints) - plain).abs().amax(1)[0]
    assert moved[24:40, 24:40].max() > 10 * moved[:, -8:].max()
    masked = hints.clone()
    masked[:, 2] = 0
    assert not torch.equal(answer_to(network, lightness, hints), answer_to(network, lightness, masked))


@pytest.mark.parametrize("name", ["colorizer_eccv16", "colorizer_siggraph17"])
def test_zhangs_key_names_are_those_of_their_code(name: str) -> None:
    """Not checked against the files, which are not at hand: names as in the code the authors publish."""
    (entry,) = (entry for entry in ENTRIES.values() if entry.network == name)
    state = golden.state(model.build(entry))
    expected = {
        "colorizer_eccv16": {
            "model1.0.weight": (64, 1, 3, 3),
            "model1.4.running_var": (64,),
            "model3.6.weight": (256,),
            "model8.0.weight": (512, 256, 4, 4),
            "model8.6.weight": (313, 256, 1, 1),
            "model_out.weight": (2, 313, 1, 1),
        },
        "colorizer_siggraph17": {
            "model1.0.weight": (64, 4, 3, 3),
            "model3.6.running_mean": (256,),
            "model8up.0.weight": (512, 256, 4, 4),
            "model3short8.0.bias": (256,),
            "model8.5.weight": (256,),
            "model9.3.weight": (128,),
            "model10.1.weight": (128, 128, 3, 3),
            "model_class.0.weight": (529, 256, 1, 1),
            "model_out.0.weight": (2, 128, 1, 1),
        },
    }[name]
    assert {key: state[key][0] for key in expected} == expected
    assert len(state) == {"colorizer_eccv16": 82, "colorizer_siggraph17": 107}[name]


@pytest.mark.parametrize("name", SMALL)
def test_sides_may_be_any_multiple(name: str) -> None:
    planes, multiple = (3, 32) if name == "ddcolor" else (1, 8)
    picture = torch.rand(2, planes, 2 * multiple, 3 * multiple)
    network = small(name)
    answer = answer_to(network, picture)
    assert answer.shape == (2, 2, 2 * multiple, 3 * multiple)
    torch.testing.assert_close(answer[1:], answer_to(network, picture[1:]), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", ["ddcolor-tiny", "ddcolor", "zhang-eccv16", "zhang-siggraph17"])
def test_colors_hang_on_the_whole_picture(name: str) -> None:
    entry = ENTRIES[name]
    assert (entry.task, entry.gives, entry.view) == ("colorize", "ab", "whole")
    # Shown at the side that it was trained at: a larger one has its things at another scale.
    assert 256 <= entry.tile <= 512


def test_ddcolor_weighs_the_whole_picture() -> None:
    """A change in one corner is seen in the other, which its convolutions alone do not reach."""
    network = small("ddcolor")
    picture = seen("ddcolor", side=512)
    touched = picture.clone()
    touched[:, :, :16, :16] = 0
    assert (answer_to(network, picture) != answer_to(network, touched))[:, :, -16:, -16:].any()


@pytest.mark.parametrize("name", SMALL)
def test_half_precision_answers_are_finite(name: str) -> None:
    answer = answer_to(small(name).bfloat16(), seen(name).bfloat16())
    assert torch.isfinite(answer).all()
    assert answer.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("ddcolor-tiny", "ddcolor"),
        ("zhang-eccv16", "colorizer_eccv16"),
        ("zhang-siggraph17", "colorizer_siggraph17"),
    ],
)
def test_photofix_colorize_runs_them(entry: str, name: str) -> None:
    """What each takes is what it gets: gray or lightness, and hints where it knows them."""
    place = Place(torch.device("cpu"), torch.float32, "test")
    painter = painter_of(model.ready(small(name), replace(ENTRIES[entry], tile=64), place))
    gray = Photo((golden.picture(1, 80, 120)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    colored = colorize.colorize(gray, painter, Wishes(saturation=5)).pixels
    assert colored.shape == (80, 120, 3)
    assert (colored.max(2) != colored.min(2)).mean() > 0.5
    hints = Hints(((60, 40, (120, 90, 90)),))
    if name != "colorizer_siggraph17":
        with pytest.raises(UsageError, match="takes none"):
            colorize.colorize(gray, painter, Wishes(hints=hints))
    else:
        assert (colorize.colorize(gray, painter, Wishes(saturation=5, hints=hints)).pixels != colored).any()

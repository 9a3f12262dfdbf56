"""The published networks for noise and blur: the published code's answers, key names, how far a pixel is felt."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import golden
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from photofix import model, weights
from photofix.networks import drunet, nafnet, restormer, scunet, swinir

ENTRIES = weights.manifest()

#: The published code's answers, and the entry whose network they are of.
PUBLISHED = {
    "drunet_color": "drunet-color",
    "scunet_color": "scunet-real",
    "swinir_color_denoise": "swinir-denoise-25",
    "nafnet_sidd_width32": "nafnet-sidd-32",
    "nafnet_gopro_width32": "nafnet-gopro-32",
    "restormer_denoise": "restormer-real",
    "restormer_motion_deblurring": "restormer-motion",
}

#: Entries whose files have the keys of another's.
ALIKE = {
    "swinir-denoise-15": "swinir-denoise-25",
    "swinir-denoise-50": "swinir-denoise-25",
    "restormer-denoise-15": "restormer-real",
    "restormer-denoise-25": "restormer-real",
    "restormer-denoise-50": "restormer-real",
    "restormer-denoise-blind": "restormer-real",
    "restormer-defocus": "restormer-motion",
    "nafnet-reds-64": "nafnet-gopro-64",
}

#: A small configuration of each, by the name of its recorded answer, and an entry of that network.
SMALL: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "drunet": (lambda: drunet.DRUNet(widths=(4, 6, 8, 10), blocks=1), "drunet-color"),
    "scunet": (lambda: scunet.SCUNet(width=8, blocks=(2, 1, 1, 2, 1, 1, 2), head_width=4), "scunet-real"),
    "swinir": (lambda: swinir.SwinIR(width=12, blocks=(2, 3), heads=3, trained_side=32), "swinir-denoise-25"),
    "nafnet": (lambda: nafnet.NAFNet(3, 4, (1, 2, 1, 1), 2, (1, 1, 2, 1)), "nafnet-sidd-32"),
    "restormer": (lambda: restormer.Restormer(3, 8, (1, 2, 1, 1), 1, (1, 2, 2, 4)), "restormer-real"),
    "restormer-centered": (
        lambda: restormer.Restormer(3, 8, (1, 1, 2, 1), 1, (1, 2, 2, 4), centered_norm=True),
        "restormer-motion",
    ),
}


def answer_to(network: nn.Module, picture: Tensor, entry: weights.Entry) -> Tensor:
    """The network's answer as a picture; a condition is the plane after the picture's own, or 0.1 where none is."""
    planes = [picture[:, : entry.takes.channels]]
    if entry.takes.conditions:
        level = picture[:, entry.takes.channels :]
        planes.append(level if level.numel() else torch.full_like(picture[:, :1], 0.1))
    with torch.inference_mode():
        answer: Tensor = network(*planes)
    return answer + planes[0] if entry.gives == "residual" else answer


def small(name: str) -> tuple[nn.Module, weights.Entry]:
    build, entry = SMALL[name]
    return golden.fill(build()), ENTRIES[entry]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_full_network_is_the_published_one(shared: Path, name: str) -> None:
    published, entry = golden.published(shared, name), ENTRIES[PUBLISHED[name]]
    network = model.build(entry)
    assert golden.state(network) == published.state
    answer = answer_to(golden.fill(network, published.phase), published.picture, entry)
    assert golden.distance(answer, published.answer) < 1e-4


@pytest.mark.parametrize("name", SMALL)
def test_a_small_network_answers_as_when_the_full_one_was_right(name: str) -> None:
    network, entry = small(name)
    answer = answer_to(network, golden.picture(3, entry.multiple, 2 * entry.multiple), entry)
    assert golden.distance(answer[..., :16, -16:], golden.recorded(name)) < 1e-4


@pytest.mark.parametrize(("name", "other"), ALIKE.items())
def test_entries_of_one_architecture_share_its_keys(name: str, other: str) -> None:
    with torch.device("meta"):
        assert golden.state(model.build(ENTRIES[name])) == golden.state(model.build(ENTRIES[other]))


@pytest.mark.parametrize("name", sorted({*PUBLISHED.values(), "nafnet-sidd-64", "nafnet-gopro-64", "nafnet-reds-64"}))
def test_a_file_of_the_known_size_holds_the_network(name: str) -> None:
    entry = ENTRIES[name]
    with torch.device("meta"):
        numbers = sum(values.nbytes for values in model.build(entry).state_dict().values())
    # Pickling adds names and little else.
    assert not entry.size or numbers < entry.size < 1.01 * numbers + 400_000


def test_gray_drunet_takes_one_plane_and_the_level() -> None:
    with torch.device("meta"):
        assert model.build(ENTRIES["drunet-gray"]).state_dict()["m_head.weight"].shape == (64, 2, 3, 3)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("times", [(1, 1), (1, 3), (3, 2)])
def test_sides_may_be_any_multiple(name: str, times: tuple[int, int]) -> None:
    network, entry = small(name)
    picture = golden.picture(3, *(entry.multiple * count for count in times))
    answer = answer_to(network, picture, entry)
    assert answer.shape == picture.shape
    assert torch.isfinite(answer).all()


@pytest.mark.parametrize("name", SMALL)
def test_pictures_of_a_batch_and_the_order_in_memory_change_nothing(name: str) -> None:
    network, entry = small(name)
    sides = (entry.multiple, 2 * entry.multiple)
    batch = torch.cat([golden.picture(3, *sides), torch.rand(1, 3, *sides, generator=torch.manual_seed(0))])
    alone = torch.cat([answer_to(network, one[None], entry) for one in batch])
    torch.testing.assert_close(answer_to(network, batch, entry), alone, atol=1e-5, rtol=1e-4)
    last = answer_to(copy.deepcopy(network).to(memory_format=torch.channels_last), last_in_memory(batch), entry)
    torch.testing.assert_close(last, alone, atol=1e-5, rtol=1e-4)


def last_in_memory(picture: Tensor) -> Tensor:
    return picture.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", SMALL)
def test_half_precision_is_near(name: str) -> None:
    """With weights by formula, rougher than trained ones, rounding shows by at most a twentieth of the answer."""
    network, entry = small(name)
    picture = golden.picture(3, entry.multiple, 2 * entry.multiple)
    full = answer_to(network, picture, entry)
    half = answer_to(copy.deepcopy(network).bfloat16(), picture.bfloat16(), entry).float()
    assert (half - full).square().mean() < full.square().mean() / 400


class Local(nn.Module):
    """Stands in for attention across channels: each pixel's values as they are, nothing from the others."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, features: Tensor) -> Tensor:
        value: Tensor = self.attention.qkv_dwconv(self.attention.qkv(features)).chunk(3, dim=1)[2]
        return value


def without_pooling(network: nn.Module) -> nn.Module:
    """The network with what weighs the whole picture taken out: what is left is its convolutions' reach."""
    for block in network.modules():
        if isinstance(block, nafnet._Block):
            block.sca = nn.Sequential()
        elif isinstance(block, restormer._Block):
            block.attn = Local(block.attn)
    return network


#: Networks as deep as the published ones, and narrow; the phases of the pixel that is felt farthest; a picture's width.
DEEP: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "drunet-color": (lambda: drunet.DRUNet(widths=(2, 2, 2, 2)), tuple(range(8)), 512),
    "swinir-denoise-25": (lambda: swinir.SwinIR(width=6, trained_side=16), (0, 3, 7), 400),
    "scunet-real": (lambda: scunet.SCUNet(width=4, head_width=2), (15, 16, 47, 48), 1024),
    "nafnet-sidd-32": (lambda: nafnet.NAFNet(width=2), tuple(range(16)), 768),
    "nafnet-gopro-32": (lambda: nafnet.NAFNet(3, 2, (1, 1, 1, 28), 1, (1, 1, 1, 1)), tuple(range(16)), 768),
    "restormer-real": (lambda: restormer.Restormer(width=4, heads=(1, 1, 1, 1)), tuple(range(8)), 768),
}


@pytest.mark.parametrize("name", DEEP)
def test_the_declared_reach_is_the_measured_one(name: str) -> None:
    """Not a number in a column makes one of all that hangs on it; for what weighs the whole, the rest of it counts."""
    build, phases, width = DEEP[name]
    entry = ENTRIES[name]
    # In float64 every convolution is the plain sum that it is by definition.
    network = without_pooling(golden.fill(build())).double()
    farthest = 0
    for phase in phases:
        column = width // 2 + phase
        picture = torch.full((1, 3, entry.multiple, width), 0.5, dtype=torch.float64)
        picture[..., column] = torch.nan
        columns = answer_to(network, picture, entry).isnan().any(2).any(1).nonzero()[:, 1]
        farthest = max(farthest, column - int(columns.min()), int(columns.max()) - column)
    assert farthest == entry.reach


@pytest.mark.parametrize("name", ["nafnet", "restormer", "restormer-centered"])
def test_what_weighs_the_whole_feels_a_pixel_from_the_other_end(name: str) -> None:
    network, entry = small(name)
    assert entry.tile >= 256
    assert far_change(network.double(), entry) > 1e-9
    assert far_change(without_pooling(network), entry) == 0


def far_change(network: nn.Module, entry: weights.Entry) -> float:
    """How much a pixel in the first column changes the answer at the last."""
    picture = golden.picture(3, 16, 512).double()
    changed = picture.clone()
    changed[..., 8, 0] += 0.5
    difference = answer_to(network, changed, entry) - answer_to(network, picture, entry)
    return float(difference[..., -1].abs().max())


@pytest.mark.parametrize("name", ["scunet", "swinir"])
def test_opposite_borders_do_not_see_each_other(name: str) -> None:
    """Shifted windows wrap around: what is masked has no influence at all."""
    network, entry = small(name)
    network = network.double()
    for transposed in (False, True):
        picture = golden.picture(3, 64, 320).double()
        changed = picture.clone()
        changed[..., 0] += 0.5
        one, other = (answer_to(network, p.mT if transposed else p, entry) for p in (picture, changed))
        difference = (one - other).mT if transposed else one - other
        assert difference[..., 0].abs().max() > 1e-3
        assert difference[..., -16:].abs().max() == 0


def test_swinir_masks_serve_any_size() -> None:
    """Those of few training windows, of many, and of a picture of the training size are the same."""
    picture = golden.picture(3, 32, 48)
    few, many = (golden.fill(swinir.SwinIR(width=12, blocks=(2,), heads=3, trained_side=side)) for side in (16, 64))
    np.testing.assert_array_equal(few(picture), many(picture))

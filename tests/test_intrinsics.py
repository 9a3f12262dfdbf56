"""The network that sees shape and light: what it answers, and in which shapes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from photofix.networks.intrinsics import ERROR, NORMAL, SHADING, VISIBILITY, Intrinsics


@pytest.fixture(scope="module")
def network() -> Intrinsics:
    torch.manual_seed(1)
    return Intrinsics().eval().requires_grad_(False)


def _picture(height: int, width: int) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(2))


def test_maps_are_as_large_as_the_picture_and_light_is_one(network: Intrinsics) -> None:
    maps, light = network(_picture(48, 80))
    assert maps.shape == (2, 14, 48, 80)
    assert light.shape == (2, 9, 3)
    assert [part.stop - part.start for part in (NORMAL, VISIBILITY, ERROR, SHADING)] == [3, 9, 1, 1]


def test_normals_have_length_one(network: Intrinsics) -> None:
    maps, _ = network(_picture(32, 32))
    torch.testing.assert_close(maps[:, NORMAL].norm(dim=1), torch.ones(2, 32, 32))


def test_a_network_that_knows_nothing_sees_the_camera_and_the_open_sky() -> None:
    network = Intrinsics().eval().requires_grad_(False)
    torch.nn.init.zeros_(network.tail.weight)
    torch.nn.init.zeros_(network.tail.bias)
    maps, _ = network(_picture(16, 16))
    open_sky = torch.tensor([math.sqrt(4 * math.pi), *[0.0] * 8])
    torch.testing.assert_close(maps[0, NORMAL, 3, 5], torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(maps[0, VISIBILITY, 3, 5], open_sky)


def test_the_same_picture_is_the_same_answer_alone_and_among_others(network: Intrinsics) -> None:
    pictures = _picture(32, 48)
    together, alone = network(pictures), network(pictures[1:])
    torch.testing.assert_close(together[0][1:], alone[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together[1][1:], alone[1], rtol=1e-4, atol=1e-4)
    assert torch.equal(network(pictures)[0], together[0])


def test_half_precision_answers_in_full(network: Intrinsics) -> None:
    maps, light = Intrinsics().to(torch.bfloat16)(_picture(16, 16).bfloat16())
    assert maps.dtype == light.dtype == torch.float32


def test_its_weights_stay_small(network: Intrinsics) -> None:
    assert 2 * sum(parameter.numel() for parameter in network.parameters()) < 6e6

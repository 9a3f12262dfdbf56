"""What the network of relight learns from samples of relight_scene: shape, what hides the sky, shading and light."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from photofix.color import LUMINANCE
from photofix.networks.intrinsics import ERROR, NORMAL, SHADING, VISIBILITY
from relight_scene import ASKED, MASK, NORMALS, SEEN
from relight_scene import SHADING as TRUE_SHADING
from transfer import spread

#: What a matte surface makes of the light of each harmonic (Ramamoorthi and Hanrahan 2001), over pi.
_MATTE = (1.0, *[2 / 3] * 3, *[1 / 4] * 5)

#: Logarithm of the error that is said of what is not known.
_UNKNOWN = 0.4

#: What becomes of each harmonic when left and right change places.
_MIRROR = (1, 1, 1, -1, -1, 1, 1, -1, 1)

#: How much the guess of how bright things are counts, beside how they differ.
_SCALE = 0.15


def loss(network: nn.Module, picture: Tensor, truth: Tensor, numbers: Tensor) -> Tensor:
    """The sum of what is wrong with each part of the answer; arguments as relight_scene describes samples."""
    with torch.autocast("cpu", torch.bfloat16):
        maps, light = network(picture)
    real = truth[:, MASK].amin((1, 2, 3)) < 0
    made = ~real
    wrong = parts(maps[made], light[made], truth[made], numbers[made])
    wrong["itself"] = 0.2 * itself_loss(maps, light, truth[:, MASK])
    if real.any():
        wrong["mirrored"] = 0.3 * real.float().mean() * mirrored_loss(maps[real], light[real])
    return sum(wrong.values(), torch.zeros(()))


def parts(maps: Tensor, light: Tensor, truth: Tensor, numbers: Tensor) -> dict[str, Tensor]:
    """What is wrong, by name."""
    mask = truth[:, MASK]
    wrong = _chord(maps[:, NORMAL], truth[:, NORMALS])
    said = maps[:, ERROR]
    return {
        "normals": mean(wrong, mask),
        # Laplace's likelihood: the error said is right where it is the mean of those that are made.
        "error": 0.3 * mean(wrong.detach() / said.exp() + said, mask) + 0.1 * mean((said - _UNKNOWN).abs(), 1 - mask),
        "shading": 0.8 * _shading_loss(maps[:, SHADING] - truth[:, TRUE_SHADING], mask),
        "arrives": arrives_loss(maps, truth, numbers[:, 27:].reshape(-1, ASKED, 3)),
        "light": 0.5 * light_loss(light, numbers[:, :27].reshape(-1, 9, 3)),
    }


def mean(values: Tensor, weight: Tensor) -> Tensor:
    """Over places that count, of all pictures together."""
    return (values * weight).sum() / (weight.expand_as(values).sum() + 1)


def _chord(found: Tensor, true: Tensor) -> Tensor:
    """(N, 1, h, w): how far two unit vectors are from each other, which for small angles is the angle."""
    return ((found - true).square().sum(1, keepdim=True) + 1e-4).sqrt()


def _shading_loss(wrong: Tensor, mask: Tensor) -> Tensor:
    offset = (wrong * mask).sum((1, 2, 3), keepdim=True) / (mask.sum((1, 2, 3), keepdim=True) + 1)
    return mean((wrong - offset).abs(), mask) + _SCALE * offset.abs().mean()


def harmonics(toward: Tensor) -> Tensor:
    """Real orthonormal spherical harmonics (..., 9) of unit vectors (..., 3)."""
    x, y, z = toward.unbind(-1)
    one = torch.full_like(x, 0.28209479)
    first = [0.48860251 * y, 0.48860251 * z, 0.48860251 * x]
    second = [1.0925484 * x * y, 1.0925484 * y * z, 0.31539157 * (3 * z * z - 1)]
    return torch.stack([one, *first, *second, 1.0925484 * x * z, 0.54627422 * (x * x - y * y)], -1)


def arrives_loss(maps: Tensor, truth: Tensor, toward: Tensor) -> Tensor:
    """How wrong single lights from some directions (N, ASKED, 3) would fall on the surface, at a quarter of pixels."""
    maps, truth = _quarter(maps, truth)
    mask, seen = truth[:, MASK], truth[:, SEEN]
    open_sky = torch.einsum("nchw,ndc->ndhw", maps[:, VISIBILITY], harmonics(toward))
    # A share below none or above all counts as such; a slope remains there, to learn along.
    open_sky = open_sky.clamp(0, 1) + 0.05 * (open_sky - open_sky.clamp(0, 1))
    facing = torch.einsum("nchw,ndc->ndhw", maps[:, NORMAL], toward).clamp(min=0)
    true_facing = torch.einsum("nchw,ndc->ndhw", truth[:, NORMALS], toward).clamp(min=0)
    hidden = mean((open_sky - seen).abs() * (true_facing + 0.05), mask)
    return hidden + 2 * mean((facing * open_sky - true_facing * seen).abs(), mask)


def _quarter(*planes: Tensor) -> list[Tensor]:
    """Every other pixel of every other row; from step to step others, since each has weights of its own."""
    row, column = (int(torch.randint(2, ())) for _ in range(2))
    return [part[:, :, row::2, column::2] for part in planes]


def light_loss(light: Tensor, true: Tensor) -> Tensor:
    """How wrong a matte ball would look under the light found, apart from how bright; and a little, how bright."""
    matte = light.new_tensor(_MATTE)[:, None]
    found, wanted = light * matte, true * matte
    sizes = [part.square().sum((1, 2), keepdim=True).add(1e-6).sqrt() for part in (found, wanted)]
    turned = (found / sizes[0] - wanted / sizes[1]).square().sum((1, 2)).add(1e-4).sqrt().mean()
    return turned + _SCALE * (sizes[0] / sizes[1]).log().abs().mean()


def itself_loss(maps: Tensor, light: Tensor, mask: Tensor) -> Tensor:
    """How far the shading said is from the one that normals, visibility and light give: photographs need no truth.

    Hard light has shading that nine numbers cannot tell, which is why this counts little.
    """
    maps, mask = _quarter(maps, mask)
    toward = _spread(32, maps.device)
    radiance = (harmonics(toward) @ (light @ light.new_tensor(LUMINANCE))[..., None])[..., 0].clamp(min=0)
    open_sky = torch.einsum("nchw,dc->ndhw", maps[:, VISIBILITY], harmonics(toward)).clamp(0, 1)
    facing = torch.einsum("nchw,dc->ndhw", maps[:, NORMAL], toward).clamp(min=0)
    found = (open_sky * facing * radiance[:, :, None, None]).sum(1, keepdim=True) * (4 / len(toward))
    # In photographs, where a shape is seen.
    counts = torch.where(mask < 0, (maps[:, ERROR] < -0.7).float(), mask).detach()
    return mean((maps[:, SHADING].clamp(min=-3) - (found + 0.05).log()).abs(), counts)


def mirrored_loss(maps: Tensor, light: Tensor) -> Tensor:
    """Photographs come in twos, (2 N, ...), the second mirrored: so must be what is seen in it."""
    flip = maps.new_tensor([-1, 1, 1, *_MIRROR, 1, 1])[:, None, None]
    first, second = maps[::2].flip(3) * flip, maps[1::2]
    counts = (second[:, ERROR] < -0.7).float().detach()
    shape = mean(_chord(first[:, NORMAL], second[:, NORMAL]), counts)
    other = mean((first[:, VISIBILITY] - second[:, VISIBILITY]).abs(), counts) * 0.3
    turned = light[::2] * light.new_tensor(_MIRROR)[:, None]
    return shape + other + light_loss(turned, light[1::2])


def _spread(count: int, device: torch.device) -> Tensor:
    return torch.from_numpy(spread(count)).float().to(device)

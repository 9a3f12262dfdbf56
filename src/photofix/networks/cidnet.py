"""HVI-CIDNet: brightness and color restored apart, in a color space made for the dark.

The idea: HSV splits brightness from color, but tears its hues apart at red, and its darkest colors are noise at full
saturation. HVI lays hue and saturation on a disc whose radius shrinks with the value, by a learned power; two U-Nets,
one for the intensity (I) and one for the disc (HV), tell each other what they see by attention across channels (Yan et
al., "HVI: A New Color Space for Low-light Image Enhancement", CVPR 2025). Takes an sRGB picture in [0, 1], encoded as
it is; gives the brightened picture, in [0, 1] by the way back from HVI.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

#: What keeps the transform from dividing by zero; the published network's, so that its answers are met.
TINY = 1e-8


class CIDNet(nn.Module):
    """Brightened picture.

    Args:
        widths: features at each of four levels, the finest first; the first two must be alike.
        heads: attention heads at the coarser three.
        saturation: what the answer's saturation is multiplied by; the authors measure their LOL-v1 networks at 1.3
            and the others at 1.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (36, 36, 72, 144),
        heads: tuple[int, ...] = (2, 4, 8),
        saturation: float = 1.0,
    ) -> None:
        super().__init__()
        full, half, quarter, eighth = widths
        self.HVE_block0 = _edge(3, full)
        self.HVE_block1 = _Down(full, half)
        self.HVE_block2 = _Down(half, quarter)
        self.HVE_block3 = _Down(quarter, eighth)
        self.HVD_block3 = _Up(eighth, quarter)
        self.HVD_block2 = _Up(quarter, half)
        self.HVD_block1 = _Up(half, full)
        self.HVD_block0 = _edge(full, 2)
        self.IE_block0 = _edge(1, full)
        self.IE_block1 = _Down(full, half)
        self.IE_block2 = _Down(half, quarter)
        self.IE_block3 = _Down(quarter, eighth)
        self.ID_block3 = _Up(eighth, quarter)
        self.ID_block2 = _Up(quarter, half)
        self.ID_block1 = _Up(half, full)
        self.ID_block0 = _edge(full, 1)
        levels = [*zip(widths[1:], heads, strict=True)]
        for place, (width, count) in enumerate([*levels, *reversed(levels)], start=1):
            self.add_module(f"HV_LCA{place}", _CrossAttention(width, count, residual=False))
            self.add_module(f"I_LCA{place}", _CrossAttention(width, count, residual=True))
        self.trans = _HVI(saturation)

    def forward(self, picture: Tensor) -> Tensor:
        """Brightened picture (N, 3, H, W) of one in [0, 1], H and W multiples of 8."""
        hvi = self.trans.from_rgb(picture)
        light_full, color_full = self.IE_block0(hvi[:, 2:]), self.HVE_block0(hvi)
        light, color = self.IE_block1(light_full), self.HVE_block1(color_full)
        light_half, color_half = self._exchange(1, light, color)
        light, color = self.IE_block2(light_half), self.HVE_block2(color_half)
        light_quarter, color_quarter = self._exchange(2, light, color)
        # As published: the coarsest level starts from what stood before the second exchange.
        light, color = self.IE_block3(light), self.HVE_block3(color)
        light, color = self._exchange(4, *self._exchange(3, light, color))
        light, color = self.ID_block3(light, light_quarter), self.HVD_block3(color, color_quarter)
        # As published: the intensity goes on from before the fifth exchange, the color from after it.
        color = self._exchange(5, light, color)[1]
        light, color = self.ID_block2(light, light_half), self.HVD_block2(color, color_half)
        light, color = self._exchange(6, light, color)
        light, color = self.ID_block1(light, light_full), self.HVD_block1(color, color_full)
        change = torch.cat([self.HVD_block0(color), self.ID_block0(light)], dim=1)
        return self.trans.to_rgb(hvi + change)

    def _exchange(self, place: int, light: Tensor, color: Tensor) -> tuple[Tensor, Tensor]:
        """Each branch's features after attending to the other's."""
        told_light = self.get_submodule(f"I_LCA{place}")(light, color)
        told_color = self.get_submodule(f"HV_LCA{place}")(color, light)
        return told_light, told_color


class _HVI(nn.Module):
    """RGB to the planes H, V (the disc of hue and saturation) and I (the value of HSV), and back."""

    def __init__(self, saturation: float) -> None:
        super().__init__()
        self.saturation = saturation
        self.density_k = nn.Parameter(torch.full([1], 0.2))

    def from_rgb(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to H and V in the unit disc and I in [0, 1]."""
        red, green, blue = picture.unbind(1)
        value = picture.amax(1)
        chroma = value - picture.amin(1)
        # HSV's hue in sixths of a turn (Smith 1978): where two channels are largest the earlier one counts.
        from_red, from_green, from_blue = (
            (first - second) / (chroma + TINY) for first, second in ((green, blue), (blue, red), (red, green))
        )
        hue = torch.where(value == green, 2 + from_green, 4 + from_blue)
        hue = torch.where(value == red, from_red, hue) * (math.pi / 3)
        radius = self._radius(value) * chroma / (value + TINY)
        return torch.stack([radius * hue.cos(), radius * hue.sin(), value], dim=1)

    def to_rgb(self, hvi: Tensor) -> Tensor:
        """The way back; what lies outside the color space is clamped to it, as published."""
        horizontal, vertical = hvi[:, 0].clamp(-1, 1), hvi[:, 1].clamp(-1, 1)
        value = hvi[:, 2].clamp(0, 1)
        radius = self._radius(value) + TINY
        horizontal, vertical = (horizontal / radius).clamp(-1, 1), (vertical / radius).clamp(-1, 1)
        hue = torch.atan2(vertical, horizontal) * (3 / math.pi)
        saturation = (horizontal**2 + vertical**2 + TINY).sqrt() * self.saturation
        return _from_hsv(hue, saturation.clamp(0, 1), value)

    def _radius(self, value: Tensor) -> Tensor:
        """Radius of the disc at a value in [0, 1]: 0 at black, 1 at full value."""
        return ((value * (math.pi / 2)).sin() + TINY) ** self.density_k


def _from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """RGB of HSV's planes, hue in sixths of a turn."""
    channels = []
    for place in (5, 3, 1):
        # Each channel falls and rises again along a trapezoid around the circle, red, green and blue a third apart.
        along = (hue + place) % 6
        channels.append(value * (1 - saturation * torch.minimum(along, 4 - along).clamp(0, 1)))
    return torch.stack(channels, dim=1)


def _edge(channels: int, width: int) -> nn.Sequential:
    """Into the features at full size, or out of them."""
    return nn.Sequential(nn.ReplicationPad2d(1), nn.Conv2d(channels, width, 3, bias=False))


class _Down(nn.Module):
    """Half the sides, corner pixels kept where they are."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), _Resize(0.5))
        self.prelu = nn.PReLU()

    def forward(self, features: Tensor) -> Tensor:
        answer: Tensor = self.prelu(self.down(features))
        return answer


class _Up(nn.Module):
    """Twice the sides, with what the encoder saw there."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.up_scale = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), _Resize(2.0))
        self.up = nn.Conv2d(2 * width, width, 1, bias=False)
        self.prelu = nn.PReLU()

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        answer: Tensor = self.prelu(self.up(torch.cat([self.up_scale(features), skip], dim=1)))
        return answer


class _Resize(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, features: Tensor) -> Tensor:
        return functional.interpolate(features, scale_factor=self.factor, mode="bilinear", align_corners=True)


class _CrossAttention(nn.Module):
    """One branch's features, told what the other's are; then a gated layer, added to them or in their place."""

    def __init__(self, width: int, heads: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.norm = _PlaneNorm(width, eps=1e-6)
        self.ffn = _ChannelAttention(width, heads)
        self.gdfn = _Gate(width)

    def forward(self, features: Tensor, other: Tensor) -> Tensor:
        features = features + self.ffn(self.norm(features), self.norm(other))
        enhanced: Tensor = self.gdfn(self.norm(features))
        return features + enhanced if self.residual else enhanced


class _PlaneNorm(nn.LayerNorm):
    """Each pixel's channels to mean 0 and variance 1."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _ChannelAttention(nn.Module):
    """One branch's channels ask, the other's answer: the cost grows with the pixels, not with their square."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.q = nn.Conv2d(width, width, 1, bias=False)
        self.q_dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.kv = nn.Conv2d(width, 2 * width, 1, bias=False)
        self.kv_dwconv = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width, bias=False)
        self.project_out = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, features: Tensor, other: Tensor) -> Tensor:
        key, value = self.kv_dwconv(self.kv(other)).chunk(2, dim=1)
        heads = (len(self.temperature), -1)
        query, key, value = (
            planes.flatten(2).unflatten(1, heads) for planes in (self.q_dwconv(self.q(features)), key, value)
        )
        alike = functional.normalize(query, dim=-1) @ functional.normalize(key, dim=-1).transpose(-2, -1)
        mixed = (alike * self.temperature).softmax(dim=-1) @ value
        answer: Tensor = self.project_out(mixed.flatten(1, 2).unflatten(2, features.shape[2:]))
        return answer


class _Gate(nn.Module):
    """Two halves of the features, each bent by a depthwise convolution of its own, multiplied."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(2.66 * width)
        self.project_in = nn.Conv2d(width, 2 * hidden, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.dwconv1 = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False)
        self.dwconv2 = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False)
        self.project_out = nn.Conv2d(hidden, width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        first, second = self.dwconv(self.project_in(features)).chunk(2, dim=1)
        first = self.dwconv1(first).tanh() + first
        second = self.dwconv2(second).tanh() + second
        answer: Tensor = self.project_out(first * second)
        return answer

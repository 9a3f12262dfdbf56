"""Retinexformer: a picture lit up by an estimate of its light, then freed of the noise that this brought out.

The idea: Retinex's split of a picture into things and light leaves out the noise and clipping of the dark. Here a few
convolutions estimate the light and light the picture up; a small transformer U-Net repairs what comes out, its
attention across channels guided by the features of the light (Cai et al., "Retinexformer: One-stage Retinex-based
Transformer for Low-light Image Enhancement", ICCV 2023). Takes an sRGB picture in [0, 1], encoded as it is; gives the
brightened picture in the same units, not clamped to them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Retinexformer(nn.Module):
    """Brightened picture.

    Args:
        width: features of the finest level, and of one attention head; each level has twice as many.
        blocks: attention blocks at each level, the finest first, the last at the bottom; each level halves the sides.
        stages: how often all of it is done.
    """

    def __init__(self, width: int = 40, blocks: tuple[int, ...] = (1, 2, 2), stages: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(*(_Stage(width, blocks) for _ in range(stages)))

    def forward(self, picture: Tensor) -> Tensor:
        """Brightened picture (N, 3, H, W) of one in [0, 1], H and W multiples of 2**(levels - 1)."""
        brightened: Tensor = self.body(picture)
        return brightened


class _Stage(nn.Module):
    def __init__(self, width: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.estimator = _Estimator(width)
        self.denoiser = _Denoiser(width, blocks)

    def forward(self, picture: Tensor) -> Tensor:
        features, gain = self.estimator(picture)
        brightened: Tensor = self.denoiser(picture * gain + picture, features)
        return brightened


class _Estimator(nn.Module):
    """Features of the light (N, width, H, W), and by how much more to light each pixel and channel (N, 3, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, width, 1)
        self.depth_conv = nn.Conv2d(width, width, 5, padding=2, groups=4)
        self.conv2 = nn.Conv2d(width, 3, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat([picture, picture.mean(1, keepdim=True)], dim=1)
        features = self.depth_conv(self.conv1(seen))
        return features, self.conv2(features)


class _Denoiser(nn.Module):
    """A U-Net whose every level is told of the light there."""

    def __init__(self, width: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(len(blocks))]
        steps = [(fine, 2 * fine, count) for fine, count in zip(widths[:-1], blocks[:-1], strict=True)]
        self.embedding = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.encoder_layers = nn.ModuleList(_Encoder(fine, coarse, width, count) for fine, coarse, count in steps)
        self.bottleneck = _GuidedBlocks(widths[-1], width, blocks[-1])
        self.decoder_layers = nn.ModuleList(
            _Decoder(fine, coarse, width, count) for fine, coarse, count in reversed(steps)
        )
        self.mapping = nn.Conv2d(width, 3, 3, padding=1, bias=False)

    def forward(self, picture: Tensor, light: Tensor) -> Tensor:
        features = self.embedding(picture)
        skips = []
        for encoder in self.encoder_layers:
            features, light, skip = encoder(features, light)
            skips.append(skip)
        features = self.bottleneck(features, light)
        for decoder in self.decoder_layers:
            features = decoder(features, *skips.pop())
        restored: Tensor = self.mapping(features) + picture
        return restored


class _Encoder(nn.ModuleList):
    """One level on the way down; a list, as the published key names have it."""

    def __init__(self, fine: int, coarse: int, head: int, count: int) -> None:
        halve, halve_light = (nn.Conv2d(fine, coarse, 4, 2, 1, bias=False) for _ in range(2))
        super().__init__([_GuidedBlocks(fine, head, count), halve, halve_light])

    def forward(self, features: Tensor, light: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Features and light at half the sides, and both as they are here."""
        guided, halve, halve_light = self
        features = guided(features, light)
        return halve(features), halve_light(light), (features, light)


class _Decoder(nn.ModuleList):
    """One level on the way up, with what the encoder saw there."""

    def __init__(self, fine: int, coarse: int, head: int, count: int) -> None:
        enlarge = nn.ConvTranspose2d(coarse, fine, 2, 2)
        fuse = nn.Conv2d(coarse, fine, 1, bias=False)
        super().__init__([enlarge, fuse, _GuidedBlocks(fine, head, count)])

    def forward(self, features: Tensor, skip: Tensor, light: Tensor) -> Tensor:
        enlarge, fuse, guided = self
        answer: Tensor = guided(fuse(torch.cat([enlarge(features), skip], dim=1)), light)
        return answer


class _GuidedBlocks(nn.Module):
    """Some blocks, one after the other."""

    def __init__(self, width: int, head: int, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_GuidedBlock(width, head) for _ in range(count))

    def forward(self, features: Tensor, light: Tensor) -> Tensor:
        for block in self.blocks:
            features = block(features, light)
        return features


class _GuidedBlock(nn.ModuleList):
    """Attention guided by the light, then layers for each pixel; both added to what came in."""

    def __init__(self, width: int, head: int) -> None:
        super().__init__([_GuidedAttention(width, head), _NormedFeedForward(width)])

    def forward(self, features: Tensor, light: Tensor) -> Tensor:
        attention, feed_forward = self
        features = features + attention(features, light)
        answer: Tensor = features + feed_forward(features)
        return answer


class _GuidedAttention(nn.Module):
    """Attention across the channels of each head; what is well lit counts for more."""

    def __init__(self, width: int, head: int) -> None:
        super().__init__()
        self.rescale = nn.Parameter(torch.ones(width // head, 1, 1))
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.proj = nn.Linear(width, width)
        self.pos_emb = nn.Sequential(_depthwise(width), nn.GELU(), _depthwise(width))

    def forward(self, features: Tensor, light: Tensor) -> Tensor:
        pixels = features.permute(0, 2, 3, 1)
        value = self.to_v(pixels)
        query, key = (
            functional.normalize(self._heads(asked), dim=-1) for asked in (self.to_q(pixels), self.to_k(pixels))
        )
        alike = (key @ query.transpose(-2, -1) * self.rescale).softmax(dim=-1)
        mixed = alike @ self._heads(value * light.permute(0, 2, 3, 1))
        planes = mixed.reshape_as(features).permute(0, 2, 3, 1)
        answer: Tensor = self.proj(planes).permute(0, 3, 1, 2) + self.pos_emb(value.permute(0, 3, 1, 2))
        return answer

    def _heads(self, pixels: Tensor) -> Tensor:
        """(N, H, W, width) to (N, heads, width / heads, H * W)."""
        batch, height, breadth, width = pixels.shape
        heads = len(self.rescale)
        return pixels.permute(0, 3, 1, 2).reshape(batch, heads, width // heads, height * breadth)


class _NormedFeedForward(nn.Module):
    """Layer normalisation across channels, then four times the channels and back, with a depthwise convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        chain = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.GELU(),
            _depthwise(4 * width),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 1, bias=False),
        )
        self.fn = nn.ModuleDict({"net": chain})

    def forward(self, features: Tensor) -> Tensor:
        normed = self.norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        answer: Tensor = self.fn["net"](normed)
        return answer


def _depthwise(width: int) -> nn.Conv2d:
    return nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)

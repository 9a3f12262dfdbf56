"""Restormer: a U-Net of transformer blocks that attend across channels, not pixels.

The idea: which channels go together is asked of the whole picture at once, so attention costs as little as a matrix
of channels by channels, and every pixel has a say in it (Zamir et al., "Restormer: Efficient Transformer for
High-Resolution Image Restoration", CVPR 2022). Takes a noisy or blurred picture in [0, 1]; gives what to add to it.

Every answer depends on all that the network sees, so a tile is not answered like the whole. Training went up to
pieces of 384 x 384 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Restormer(nn.Module):
    """Residual of a picture.

    Args:
        channels: planes of the picture.
        width: features at the finest level; each of the three others halves the sides and doubles the features.
        blocks: transformer blocks at each level, the finest first; on the way up as many again.
        refinement_blocks: blocks after the last level.
        heads: groups of channels, at each level, that attend within themselves.
        expansion: features inside a feed-forward block, as a multiple of those around it.
        centered_norm: whether layer norms take the mean away and add a bias (published: the deblurring networks) or
            only scale (the denoising ones).
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 48,
        blocks: Sequence[int] = (4, 6, 6, 8),
        refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        expansion: float = 2.66,
        centered_norm: bool = False,
    ) -> None:
        super().__init__()

        def stage(features: int, level: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(_Block(features, heads[level], expansion, centered_norm) for _ in range(count)))

        self.patch_embed = _Embedding(channels, width)
        self.encoder_level1 = stage(width, 0, blocks[0])
        self.down1_2 = _Down(width)
        self.encoder_level2 = stage(2 * width, 1, blocks[1])
        self.down2_3 = _Down(2 * width)
        self.encoder_level3 = stage(4 * width, 2, blocks[2])
        self.down3_4 = _Down(4 * width)
        self.latent = stage(8 * width, 3, blocks[3])
        self.up4_3 = _Up(8 * width)
        self.reduce_chan_level3 = nn.Conv2d(8 * width, 4 * width, 1, bias=False)
        self.decoder_level3 = stage(4 * width, 2, blocks[2])
        self.up3_2 = _Up(4 * width)
        self.reduce_chan_level2 = nn.Conv2d(4 * width, 2 * width, 1, bias=False)
        self.decoder_level2 = stage(2 * width, 1, blocks[1])
        self.up2_1 = _Up(2 * width)
        # The finest level keeps what both ways bring: twice the features.
        self.decoder_level1 = stage(2 * width, 0, blocks[0])
        self.refinement = stage(2 * width, 0, refinement_blocks)
        self.output = nn.Conv2d(2 * width, channels, 3, padding=1, bias=False)

    def forward(self, picture: Tensor) -> Tensor:
        """Residual (N, channels, H, W) of a picture in [0, 1], H and W multiples of 8."""
        full = self.encoder_level1(self.patch_embed(picture))
        half = self.encoder_level2(self.down1_2(full))
        quarter = self.encoder_level3(self.down2_3(half))
        eighth = self.latent(self.down3_4(quarter))
        features = self.reduce_chan_level3(torch.cat([self.up4_3(eighth), quarter], dim=1))
        features = self.decoder_level3(features)
        features = self.reduce_chan_level2(torch.cat([self.up3_2(features), half], dim=1))
        features = self.decoder_level2(features)
        features = self.decoder_level1(torch.cat([self.up2_1(features), full], dim=1))
        residual: Tensor = self.output(self.refinement(features))
        return residual


class _Block(nn.Module):
    """Attention, then a feed-forward part, each added to what came in."""

    def __init__(self, width: int, heads: int, expansion: float, centered_norm: bool) -> None:
        super().__init__()
        self.norm1 = _Norm(width, centered_norm)
        self.attn = _Attention(width, heads)
        self.norm2 = _Norm(width, centered_norm)
        self.ffn = _FeedForward(width, int(width * expansion))

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.attn(self.norm1(features))
        changed: Tensor = features + self.ffn(self.norm2(features))
        return changed


class _Attention(nn.Module):
    """Each channel becomes a mixture of the channels of its head that resemble it, over the whole picture."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(width, 3 * width, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False)
        self.project_out = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        count, width, height, breadth = features.shape
        qkv = self.qkv_dwconv(self.qkv(features)).permute(0, 2, 3, 1)
        split = qkv.reshape(count, height * breadth, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        # Likeness is the cosine over all pixels. Dividing by the norms afterwards leaves the pixels alone.
        norms = _norm(query).transpose(2, 3) * _norm(key)
        share = (query.transpose(2, 3) @ key / norms * self.temperature).softmax(dim=3)
        mixed = value @ share.transpose(2, 3)
        mixed = mixed.transpose(1, 2).reshape(count, height, breadth, width).permute(0, 3, 1, 2)
        changed: Tensor = self.project_out(mixed)
        return changed


def _norm(features: Tensor) -> Tensor:
    """(N, heads, 1, width) of (N, heads, pixels, width): lengths over the pixels."""
    return features.square().sum(dim=2, keepdim=True).sqrt().clamp_min(1e-12)


class _FeedForward(nn.Module):
    """Depthwise convolution of more features, half of which gate the other half."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(width, 2 * hidden, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project_out = nn.Conv2d(hidden, width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        gate, passed = self.dwconv(self.project_in(features)).chunk(2, dim=1)
        # A copy costs a tenth of what gelu costs on every other part of memory.
        gate = gate.contiguous(memory_format=torch.channels_last)
        changed: Tensor = self.project_out(functional.gelu(gate) * passed)
        return changed


class _Norm(nn.Module):
    """Layer norm over the channels of each pixel."""

    def __init__(self, width: int, centered: bool) -> None:
        super().__init__()
        self.body = _Scale(width, centered)

    def forward(self, features: Tensor) -> Tensor:
        weight, bias = self.body.weight, self.body.bias
        last = features.permute(0, 2, 3, 1)
        if bias is not None:
            last = functional.layer_norm(last, weight.shape, weight, bias)
        else:
            # x / std is (x - mean) / std + mean / std, and a layer norm is ten times as fast as var() alone.
            last, mean, scale = torch.native_layer_norm(last, weight.shape, weight, None, 1e-5)
            last.addcmul_((mean * scale).to(last.dtype), weight)
        return last.permute(0, 3, 1, 2)


class _Scale(nn.Module):
    """The parameters of a layer norm, under the names they have in the published files."""

    def __init__(self, width: int, with_bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if with_bias else None


class _Embedding(nn.Module):
    """The first convolution."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, 3, padding=1, bias=False)

    def forward(self, picture: Tensor) -> Tensor:
        features: Tensor = self.proj(picture)
        return features


class _Down(nn.Module):
    """Half the sides, twice the features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, width // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))

    def forward(self, features: Tensor) -> Tensor:
        coarser: Tensor = self.body(features)
        return coarser


class _Up(nn.Module):
    """Twice the sides, half the features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, 2 * width, 3, padding=1, bias=False), nn.PixelShuffle(2))

    def forward(self, features: Tensor) -> Tensor:
        finer: Tensor = self.body(features)
        return finer

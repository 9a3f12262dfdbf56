"""DDColor: colors for a gray picture, from a hundred learned color queries.

The idea: a ConvNeXt recognises what is there, a pixel decoder brings its features back to full size, and a transformer
lets color queries attend to three of the decoder's levels; each query's answer, correlated with the features of every
pixel, is a plane of where its color belongs, and a last 1 x 1 convolution makes a and b of these planes (Kang et al.,
"DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders", ICCV 2023). Takes a gray picture as three equal
sRGB planes in [0, 1], the neutral colors of its CIE lightness; gives the planes a and b of CIE Lab in their own units
(about -100 to 100), to be joined to the lightness. The authors run it at 256 x 256 or 512 x 512 and enlarge a and b.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Mean and standard deviation of ImageNet's RGB, by which the encoder was pretrained.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class DDColor(nn.Module):
    """The planes a and b.

    Args:
        depths: ConvNeXt blocks at each of the encoder's four levels (tiny: 3, 3, 9, 3; large: 3, 3, 27, 3).
        widths: features at these levels (tiny: 96, 192, 384, 768; large: 192, 384, 768, 1536).
        features: features of the pixel decoder; the queries have half as many, a multiple of their 8 heads.
        queries: color queries.
        layers: layers of the color decoder, which see the decoder's three levels in turn.
    """

    def __init__(
        self,
        depths: tuple[int, ...] = (3, 3, 9, 3),
        widths: tuple[int, ...] = (96, 192, 384, 768),
        features: int = 512,
        queries: int = 100,
        layers: int = 9,
    ) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"arch": _ConvNeXt(depths, widths)})
        self.decoder = _Decoder(widths, features, queries, layers)
        self.refine_net = nn.Sequential(nn.Sequential(_SpectralConv(queries + 3, 2, 1)))
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(DEVIATION).view(1, 3, 1, 1))

    def forward(self, gray: Tensor) -> Tensor:
        """a and b (N, 2, H, W) of a gray picture (N, 3, H, W) in [0, 1], H and W multiples of 32."""
        normed = (gray - self.mean) / self.std
        planes = self.decoder(self.encoder["arch"](normed))
        color: Tensor = self.refine_net(torch.cat([planes, normed], dim=1))
        return color


class _ConvNeXt(nn.Module):
    """Features at 1/4, 1/8, 1/16 and 1/32 of the sides (Liu et al., "A ConvNet for the 2020s", CVPR 2022)."""

    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        first = nn.Sequential(nn.Conv2d(3, widths[0], 4, 4), _PlaneNorm(widths[0], eps=1e-6))
        halvings = (
            nn.Sequential(_PlaneNorm(fine, eps=1e-6), nn.Conv2d(fine, coarse, 2, 2))
            for fine, coarse in itertools.pairwise(widths)
        )
        self.downsample_layers = nn.ModuleList([first, *halvings])
        self.stages = nn.ModuleList(
            nn.Sequential(*(_ConvNeXtBlock(width) for _ in range(depth)))
            for depth, width in zip(depths, widths, strict=True)
        )
        for level, width in enumerate(widths):
            self.add_module(f"norm{level}", _PlaneNorm(width, eps=1e-6))
        # Classifies nothing here: in the published files, and so that they load as they are.
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)

    def forward(self, picture: Tensor) -> list[Tensor]:
        features, seen = picture, []
        for level, (down, stage) in enumerate(zip(self.downsample_layers, self.stages, strict=True)):
            features = stage(down(features))
            seen.append(self.get_submodule(f"norm{level}")(features))
        return seen


class _ConvNeXtBlock(nn.Module):
    """A wide depthwise convolution, then two layers for each pixel, scaled by channel and added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full([width], 1e-6))
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)

    def forward(self, features: Tensor) -> Tensor:
        pixels = self.norm(self.dwconv(features).permute(0, 2, 3, 1))
        pixels = self.gamma * self.pwconv2(functional.gelu(self.pwconv1(pixels)))
        answer: Tensor = features + pixels.permute(0, 3, 1, 2)
        return answer


class _PlaneNorm(nn.LayerNorm):
    """Each pixel's channels to mean 0 and variance 1."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Decoder(nn.Module):
    """The encoder's features at four levels to a plane (N, queries, H, W) for each color query."""

    def __init__(self, widths: tuple[int, ...], features: int, queries: int, layers: int) -> None:
        super().__init__()
        eighth, quarter = features // 2, features // 2
        *skips, deepest = widths
        entering = [deepest, features, features]
        leaving = [features, features, quarter]
        self.layers = nn.ModuleList(
            _UpBlock(channels, skip, width)
            for channels, skip, width in zip(entering, reversed(skips), leaving, strict=True)
        )
        self.last_shuf = _Enlarge(quarter, quarter, 4, normed=False)
        self.color_decoder = _ColorDecoder(leaving, eighth, queries, layers)

    def forward(self, seen: list[Tensor]) -> Tensor:
        *skips, features = seen
        levels = []
        for layer, skip in zip(self.layers, reversed(skips), strict=True):
            features = layer(features, skip)
            levels.append(features)
        planes: Tensor = self.color_decoder(levels, self.last_shuf(features))
        return planes


class _UpBlock(nn.Module):
    """Twice the sides, joined with what the encoder saw there."""

    def __init__(self, channels: int, skip_channels: int, width: int) -> None:
        super().__init__()
        self.shuf = _Enlarge(channels, width, 2, normed=True)
        self.bn = nn.BatchNorm2d(skip_channels)
        convolution = _SpectralConv(width + skip_channels, width, 3, bias=False)
        self.conv = nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(width))

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        joined = torch.cat([self.shuf(features), self.bn(skip)], dim=1)
        answer: Tensor = self.conv(torch.relu(joined))
        return answer


class _Enlarge(nn.Module):
    """Channels unfolded into pixels, then a blur of 2 x 2 against the checkerboard that this can leave."""

    def __init__(self, channels: int, width: int, factor: int, normed: bool) -> None:
        super().__init__()
        self.factor = factor
        convolution = _SpectralConv(channels, width * factor**2, 1, bias=not normed)
        self.conv = nn.Sequential(convolution, *([nn.BatchNorm2d(width * factor**2)] if normed else []))

    def forward(self, features: Tensor) -> Tensor:
        unfolded = functional.pixel_shuffle(torch.relu(self.conv(features)), self.factor)
        return functional.avg_pool2d(functional.pad(unfolded, (1, 0, 1, 0), mode="replicate"), 2, 1)


class _SpectralConv(nn.Module):
    """A convolution divided by its weight's largest singular value (Miyato et al., ICLR 2018).

    The singular vectors stand in the published files; the value is found from them at each call, in float32.
    """

    def __init__(self, channels: int, width: int, side: int, bias: bool = True) -> None:
        super().__init__()
        like = nn.Conv2d(channels, width, side)
        self.padding = side // 2
        self.weight_orig = like.weight
        self.bias = like.bias if bias else None
        self.weight_u: Tensor
        self.weight_v: Tensor
        self.register_buffer("weight_u", functional.normalize(torch.ones(width), dim=0))
        self.register_buffer("weight_v", functional.normalize(torch.ones(channels * side**2), dim=0))

    def forward(self, features: Tensor) -> Tensor:
        matrix = self.weight_orig.flatten(1).float()
        largest = self.weight_u.float() @ (matrix @ self.weight_v.float())
        weight = (self.weight_orig / largest).to(features.dtype)
        return functional.conv2d(features, weight, self.bias, padding=self.padding)


class _ColorDecoder(nn.Module):
    """Color queries that attend to the pixel decoder's levels, then to each other, the coarsest level first."""

    def __init__(self, channels: list[int], width: int, queries: int, layers: int) -> None:
        super().__init__()
        self.query_feat = nn.Embedding(queries, width)
        self.query_embed = nn.Embedding(queries, width)
        self.level_embed = nn.Embedding(len(channels), width)
        self.input_proj = nn.ModuleList(nn.Conv2d(level, width, 1) for level in channels)
        self.transformer_cross_attention_layers = nn.ModuleList(_CrossAttention(width) for _ in range(layers))
        self.transformer_self_attention_layers = nn.ModuleList(_SelfAttention(width) for _ in range(layers))
        self.transformer_ffn_layers = nn.ModuleList(_FeedForward(width) for _ in range(layers))
        self.decoder_norm = nn.LayerNorm(width)
        self.color_embed = _Perceptron(width)

    def forward(self, levels: list[Tensor], pixels: Tensor) -> Tensor:
        """levels, three of (N, channels, h, w), and the pixels' features (N, width, H, W), to (N, queries, H, W)."""
        places = [_position(level, self.level_embed.embedding_dim) for level in levels]
        seen = [
            projection(level).flatten(2).transpose(1, 2) + embedding
            for projection, level, embedding in zip(self.input_proj, levels, self.level_embed.weight, strict=True)
        ]
        queries = self.query_feat.weight.expand(len(pixels), -1, -1)
        own = self.query_embed.weight
        for index, (cross, among, feed_forward) in enumerate(
            zip(
                self.transformer_cross_attention_layers,
                self.transformer_self_attention_layers,
                self.transformer_ffn_layers,
                strict=True,
            )
        ):
            level = index % len(levels)
            queries = feed_forward(among(cross(queries, own, seen[level], places[level]), own))
        colors = self.color_embed(self.decoder_norm(queries))
        return torch.einsum("nqc,nchw->nqhw", colors, pixels)


class _CrossAttention(nn.Module):
    """Queries attend to the places of a level; position counts for where they look, not for what they find."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(width, 8, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, own: Tensor, seen: Tensor, places: Tensor) -> Tensor:
        found, _ = self.multihead_attn(queries + own, seen + places, seen, need_weights=False)
        answer: Tensor = self.norm(queries + found)
        return answer


class _SelfAttention(nn.Module):
    """Queries attend to each other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, 8, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, own: Tensor) -> Tensor:
        found, _ = self.self_attn(queries + own, queries + own, queries, need_weights=False)
        answer: Tensor = self.norm(queries + found)
        return answer


class _FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, 8 * width)
        self.linear2 = nn.Linear(8 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor) -> Tensor:
        answer: Tensor = self.norm(queries + self.linear2(torch.relu(self.linear1(queries))))
        return answer


class _Perceptron(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(3))

    def forward(self, queries: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            queries = torch.relu(layer(queries))
        answer: Tensor = last(queries)
        return answer


def _position(level: Tensor, width: int) -> Tensor:
    """Sines and cosines (h * w, width) of each place's row, then of its column (Carion et al., "DETR", ECCV 2020)."""
    height, breadth = level.shape[2:]
    frequencies = 10000 ** -(torch.arange(0, width // 2, 2, device=level.device) / (width // 2))
    rows, columns = (
        torch.arange(1, size + 1, device=level.device)[:, None] * (2 * math.pi / (size + 1e-6)) * frequencies
        for size in (height, breadth)
    )
    waves = [torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1) for angle in (rows, columns)]
    by_row = waves[0][:, None].expand(-1, breadth, -1)
    by_column = waves[1][None].expand(height, -1, -1)
    return torch.cat([by_row, by_column], dim=2).flatten(0, 1).to(level.dtype)

"""IAT, the Illumination Adaptive Transformer: a camera's image pipeline with 91 thousand parameters.

The idea: undo a bad exposure as a camera would have made a good one. A local branch answers for every pixel what to
multiply it by and what to add; a global branch, ten learned queries that attend to the whole picture, answers one
3 x 3 color matrix and one gamma (Cui et al., "You Only Need 90K Parameters to Adapt Light: a Light Weight Transformer
for Image Enhancement and Exposure Correction", BMVC 2022). Takes an sRGB picture in [0, 1], encoded as it is; gives the
well-exposed picture, in [0, 1] save for what the gamma leaves of 1e-8.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: What is raised to gamma is kept in [LEAST, 1], as published: a negative number has no power.
LEAST = 1e-8


class IAT(nn.Module):
    """Well-exposed picture.

    Args:
        width: features of the local branch.
        blocks: blocks of each of its two halves.
        global_width: features of the global branch, a multiple of its four heads.
    """

    def __init__(self, width: int = 16, blocks: int = 3, global_width: int = 64) -> None:
        super().__init__()
        self.local_net = _Local(width, blocks)
        self.global_net = _Global(global_width)

    def forward(self, picture: Tensor, whole: Tensor | None = None) -> Tensor:
        """Well-exposed picture (N, 3, H, W) of one in [0, 1]; any H and W.

        whole, (N, 3, any, any), is the whole picture where `picture` is a tile of it, None where they are the same.
        """
        factor, offset = self.local_net(picture)
        matrix, gamma = self.global_net(picture if whole is None else whole)
        mixed = torch.einsum("nij,njhw->nihw", matrix, picture * factor + offset)
        exposed: Tensor = mixed.clamp(LEAST, 1) ** gamma[:, :, None, None]
        return exposed


class _Local(nn.Module):
    """What to multiply each pixel and channel by, 0 or more, and what to add, -1 to 1."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.mul_blocks = nn.Sequential(*(_LocalBlock(width) for _ in range(blocks)))
        self.add_blocks = nn.Sequential(*(_LocalBlock(width) for _ in range(blocks)))
        self.mul_end = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1), nn.ReLU())
        self.add_end = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1), nn.Tanh())

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        features = functional.leaky_relu(self.conv1(picture), 0.2)
        factor = self.mul_end(self.mul_blocks(features) + features)
        offset = self.add_end(self.add_blocks(features) + features)
        return factor, offset


class _LocalBlock(nn.Module):
    """A transformer's block whose attention is a 5 x 5 depthwise convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm1 = _Affine(width)
        self.conv1 = nn.Conv2d(width, width, 1)
        self.attn = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.conv2 = nn.Conv2d(width, width, 1)
        self.norm2 = _Affine(width)
        self.mlp = _Perceptron(nn.Conv2d(width, 4 * width, 1), nn.Conv2d(4 * width, width, 1))
        self.gamma_1 = nn.Parameter(torch.full((1, width, 1, 1), 1e-4))
        self.gamma_2 = nn.Parameter(torch.full((1, width, 1, 1), 1e-4))

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.pos_embed(features)
        features = features + self.gamma_1 * self.conv2(self.attn(self.conv1(self.norm1(features))))
        answer: Tensor = features + self.gamma_2 * self.mlp(self.norm2(features))
        return answer


class _Affine(nn.Module):
    """Channels mixed, scaled and shifted; stands where a transformer normalises, and looks at one pixel alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.color = nn.Parameter(torch.eye(width))
        self.alpha = nn.Parameter(torch.ones(1, 1, width))
        self.beta = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, features: Tensor) -> Tensor:
        weight = self.color * self.alpha[0, 0, :, None]
        return functional.conv2d(features, weight[:, :, None, None], self.beta[0, 0])


class _Perceptron(nn.Module):
    """Two layers, with a GELU between them."""

    def __init__(self, fc1: nn.Module, fc2: nn.Module) -> None:
        super().__init__()
        self.fc1 = fc1
        self.fc2 = fc2

    def forward(self, features: Tensor) -> Tensor:
        answer: Tensor = self.fc2(functional.gelu(self.fc1(features)))
        return answer


class _Global(nn.Module):
    """Color matrix (N, 3, 3) and gamma (N, 1) of a whole picture, each as a departure from a learned base."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma_base = nn.Parameter(torch.ones(1))
        self.color_base = nn.Parameter(torch.eye(3))
        self.conv_large = _Shrink(width)
        self.generator = _QueryBlock(width)
        self.gamma_linear = nn.Linear(width, 1)
        self.color_linear = nn.Linear(width, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        answers = self.generator(self.conv_large(picture))
        gamma = self.gamma_linear(answers[:, 0]) + self.gamma_base
        matrix = self.color_linear(answers[:, 1:]).view(-1, 3, 3) + self.color_base
        return matrix, gamma


class _Shrink(nn.Module):
    """A quarter of the sides, by two convolutions of stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Conv2d(3, width // 2, 3, 2, 1),
            nn.BatchNorm2d(width // 2),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, 2, 1),
            nn.BatchNorm2d(width),
        )

    def forward(self, picture: Tensor) -> Tensor:
        features: Tensor = self.proj(picture)
        return features


class _QueryBlock(nn.Module):
    """Features (N, width, H, W) to the answers (N, 10, width) of the queries."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm1 = nn.LayerNorm(width)
        self.attn = _QueryAttention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _Perceptron(nn.Linear(width, 4 * width), nn.Linear(4 * width, width))

    def forward(self, features: Tensor) -> Tensor:
        places = (features + self.pos_embed(features)).flatten(2).transpose(1, 2)
        answers = self.attn(self.norm1(places))
        total: Tensor = answers + self.mlp(self.norm2(answers))
        return total


class _QueryAttention(nn.Module):
    """Ten learned queries, one for gamma and nine for the matrix, attend to all places (N, places, width)."""

    def __init__(self, width: int, heads: int = 4, queries: int = 10) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Parameter(torch.ones(1, queries, width))
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, places: Tensor) -> Tensor:
        query = self.q.expand(len(places), -1, -1)
        parts = [
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, self.k(places), self.v(places))
        ]
        answers: Tensor = self.proj(functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))
        return answers

"""SwinIR: a chain of transformer blocks that attend within small windows, every other time shifted by half a window.

The idea: within 8 x 8 pixels each pixel gathers from those that resemble it; because the next windows lie across the
borders of the last, what is near finds its way everywhere (Liang et al., "SwinIR: Image Restoration Using Swin
Transformer", ICCV Workshops 2021). This is the network for restoration at the same size, with one published file for
each noise level. Takes a picture in [0, 1]; gives what to add to it.

For shifting, the picture is rolled: at its far ends windows then hold pixels from opposite borders, which must not
see each other. Published files hold the masks for that, of all windows of the training pieces; those of the first
window and of the last in each direction serve pictures of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Mean of the training pictures (DIV2K), red, green, blue.
MEAN = (0.4488, 0.4371, 0.4040)

#: What the masks of the published files add to the likeness of two pixels that must not see each other.
APART = -100.0


class SwinIR(nn.Module):
    """Residual of a picture.

    Args:
        channels: planes of the picture, 1 (gray) or 3 (RGB).
        width: features of every layer.
        blocks: transformer blocks in each group; a group ends in a convolution.
        heads: groups of features that attend each on their own.
        window: side of a window in pixels.
        expansion: features inside a feed-forward part, as a multiple of width.
        trained_side: side of the training pieces, for whose windows the published files hold masks.
    """

    mean: Tensor

    def __init__(
        self,
        channels: int = 3,
        width: int = 180,
        blocks: Sequence[int] = (6, 6, 6, 6, 6, 6),
        heads: int = 6,
        window: int = 8,
        expansion: int = 2,
        trained_side: int = 128,
    ) -> None:
        super().__init__()
        mean = torch.tensor(MEAN if channels == 3 else (0.0,) * channels).view(1, channels, 1, 1)
        self.register_buffer("mean", mean, persistent=False)
        self.conv_first = nn.Conv2d(channels, width, 3, padding=1)
        self.patch_embed = _Embedding(width)
        self.layers = nn.ModuleList(_Group(width, heads, count, window, expansion, trained_side) for count in blocks)
        self.norm = nn.LayerNorm(width)
        self.conv_after_body = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        """Residual (N, channels, H, W) of a picture in [0, 1], H and W multiples of the window's side."""
        shallow = self.conv_first(picture - self.mean)
        features = self.patch_embed(_channels_last(shallow))
        for layer in self.layers:
            features = layer(features)
        deep = self.conv_after_body(_channels_first(self.norm(features)))
        residual: Tensor = self.conv_last(deep + shallow)
        return residual


class _Embedding(nn.Module):
    """The norm before the first group, under the name it has in the published files."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        normed: Tensor = self.norm(features)
        return normed


class _Group(nn.Module):
    """Blocks whose windows are shifted every other time, and a convolution; added to what came in."""

    def __init__(self, width: int, heads: int, count: int, window: int, expansion: int, trained_side: int) -> None:
        super().__init__()
        blocks = (_Block(width, heads, window, index % 2 == 1, expansion, trained_side) for index in range(count))
        self.residual_group = _Blocks(blocks)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        changed = self.residual_group(features)
        return features + _channels_last(self.conv(_channels_first(changed)))


class _Blocks(nn.Module):
    """Blocks one after the other, under the name they have in the published files."""

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.blocks(features)
        return changed


class _Block(nn.Module):
    """Attention within windows, then each pixel's own channels; each added to what came in."""

    attn_mask: Tensor

    def __init__(self, width: int, heads: int, window: int, shifted: bool, expansion: int, trained_side: int) -> None:
        super().__init__()
        self.window, self.shift = window, window // 2 if shifted else 0
        self.norm1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _FeedForward(width, expansion * width)
        if shifted:
            self.register_buffer("attn_mask", _masks(trained_side // window, window))

    def forward(self, features: Tensor) -> Tensor:
        """(N, H, W, width) of the same shape."""
        features = features + self._attend(self.norm1(features))
        changed: Tensor = features + self.mlp(self.norm2(features))
        return changed

    def _attend(self, features: Tensor) -> Tensor:
        if self.shift:
            features = features.roll((-self.shift, -self.shift), dims=(1, 2))
        (count, height, breadth, width), side = features.shape, self.window
        grid = features.reshape(count, height // side, side, breadth // side, side, width)
        answer = torch.empty_like(grid)
        for rows, columns, mask in self._parts():
            part = grid[:, rows, :, columns]
            if part.numel():
                windows = part.transpose(2, 3)
                attended = self.attn(windows.reshape(-1, side**2, width), mask)
                answer[:, rows, :, columns] = attended.view(windows.shape).transpose(2, 3)
        answer = answer.view(features.shape)
        return answer.roll((self.shift, self.shift), dims=(1, 2)) if self.shift else answer

    def _parts(self) -> Iterator[tuple[slice, slice, Tensor | None]]:
        """Rows and columns of windows that share a mask."""
        if not self.shift:
            yield slice(None), slice(None), None
            return
        side = round(len(self.attn_mask) ** 0.5)
        masks = self.attn_mask.view(side, side, *self.attn_mask.shape[1:])
        for row, rows in ((0, slice(-1)), (-1, slice(-1, None))):
            for column, columns in ((0, slice(-1)), (-1, slice(-1, None))):
                yield rows, columns, masks[row, column]


class _Attention(nn.Module):
    """Each pixel of a window gathers from all of them, by likeness and by where they lie from each other."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", _offsets(window))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """(windows, pixels, width) of the same shape."""
        count, pixels, width = windows.shape
        split = self.qkv(windows).view(count, pixels, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        bias = bias[None] if mask is None else (bias + mask)[None]
        mixed = functional.scaled_dot_product_attention(query, key, value, bias)
        gathered: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return gathered


class _FeedForward(nn.Module):
    """Two linear layers around a soft rectifier."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.fc2(functional.gelu(self.fc1(features)))
        return changed


def _channels_last(features: Tensor) -> Tensor:
    return features.permute(0, 2, 3, 1)


def _channels_first(features: Tensor) -> Tensor:
    return features.permute(0, 3, 1, 2)


def _offsets(window: int) -> Tensor:
    """(pixels, pixels) of a window: which entry of the table says how two pixels lie from each other."""
    row, column = torch.arange(window).repeat_interleave(window), torch.arange(window).repeat(window)
    down, across = (axis[:, None] - axis[None] + window - 1 for axis in (row, column))
    return down * (2 * window - 1) + across


def _masks(side: int, window: int) -> Tensor:
    """(side * side, pixels, pixels) for as many windows: APART where two pixels come from opposite borders."""
    half = torch.arange(window) // (window - window // 2)
    row, column = half.repeat_interleave(window), half.repeat(window)
    masks = torch.zeros(side, side, window**2, window**2)
    masks[-1, :, row[:, None] != row] = APART
    masks[:, -1, column[:, None] != column] = APART
    return masks.flatten(0, 1)

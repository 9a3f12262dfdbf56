"""SCUNet: a U-Net whose blocks are half residual convolution, half attention within windows.

The idea: convolutions know what is near, attention what is alike; each block gives half of its channels to either and
mixes them (Zhang et al., "Practical Blind Image Denoising via Swin-Conv-UNet and Data Synthesis", Machine
Intelligence Research 2023). Takes a picture in [0, 1] with any noise; gives the denoised one.

The windows of every other block are shifted by half their side. For that the picture is rolled, and pixels from
opposite borders that meet in one window must not see each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class SCUNet(nn.Module):
    """Denoised picture.

    Args:
        channels: planes of the picture, 1 (gray) or 3 (RGB).
        width: features at the finest of four levels; each level halves the sides and doubles the features.
        blocks: blocks at each level on the way down (four) and up again (three).
        head_width: features that attend on their own.
        window: side of a window in pixels, at every level.
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        blocks: Sequence[int] = (4, 4, 4, 4, 4, 4, 4),
        head_width: int = 32,
        window: int = 8,
    ) -> None:
        super().__init__()

        def stage(features: int, count: int) -> list[_Block]:
            return [_Block(features, head_width, window, index % 2 == 1) for index in range(count)]

        half, quarter, eighth = 2 * width, 4 * width, 8 * width
        self.m_head = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False))
        self.m_down1 = nn.Sequential(*stage(width, blocks[0]), _down(width, half))
        self.m_down2 = nn.Sequential(*stage(half, blocks[1]), _down(half, quarter))
        self.m_down3 = nn.Sequential(*stage(quarter, blocks[2]), _down(quarter, eighth))
        self.m_body = nn.Sequential(*stage(eighth, blocks[3]))
        self.m_up3 = nn.Sequential(_up(eighth, quarter), *stage(quarter, blocks[4]))
        self.m_up2 = nn.Sequential(_up(quarter, half), *stage(half, blocks[5]))
        self.m_up1 = nn.Sequential(_up(half, width), *stage(width, blocks[6]))
        self.m_tail = nn.Sequential(nn.Conv2d(width, channels, 3, padding=1, bias=False))

    def forward(self, picture: Tensor) -> Tensor:
        """Denoised picture (N, channels, H, W) of one in [0, 1], H and W multiples of 8 windows (published: 64)."""
        full = self.m_head(picture)
        half = self.m_down1(full)
        quarter = self.m_down2(half)
        eighth = self.m_down3(quarter)
        features = self.m_up3(self.m_body(eighth) + eighth)
        features = self.m_up2(features + quarter)
        features = self.m_up1(features + half)
        denoised: Tensor = self.m_tail(features + full)
        return denoised


class _Block(nn.Module):
    """Half of the channels through convolutions, half through attention, mixed and added to what came in."""

    def __init__(self, width: int, head_width: int, window: int, shifted: bool) -> None:
        super().__init__()
        half = width // 2
        self.trans_block = _Transformer(half, head_width, window, shifted)
        self.conv1_1 = nn.Conv2d(width, width, 1)
        self.conv1_2 = nn.Conv2d(width, width, 1)
        self.conv_block = nn.Sequential(
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        near, alike = self.conv1_1(features).chunk(2, dim=1)
        near = self.conv_block(near) + near
        alike = self.trans_block(alike.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        changed: Tensor = features + self.conv1_2(torch.cat([near, alike], dim=1))
        return changed


class _Transformer(nn.Module):
    """Attention within windows, then each pixel's own channels; each added to what came in."""

    def __init__(self, width: int, head_width: int, window: int, shifted: bool) -> None:
        super().__init__()
        self.window, self.shift = window, window // 2 if shifted else 0
        self.ln1 = nn.LayerNorm(width)
        self.msa = _Attention(width, head_width, window)
        self.ln2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, features: Tensor) -> Tensor:
        """(N, H, W, width) of the same shape."""
        features = features + self._attend(self.ln1(features))
        changed: Tensor = features + self.mlp(self.ln2(features))
        return changed

    def _attend(self, features: Tensor) -> Tensor:
        if self.shift:
            features = features.roll((-self.shift, -self.shift), dims=(1, 2))
        (count, height, breadth, width), side = features.shape, self.window
        grid = features.reshape(count, height // side, side, breadth // side, side, width)
        answer = torch.empty_like(grid)
        for rows, columns, apart in self._parts(features.device):
            part = grid[:, rows, :, columns]
            if part.numel():
                windows = part.transpose(2, 3)
                attended = self.msa(windows.reshape(-1, side**2, width), apart)
                answer[:, rows, :, columns] = attended.view(windows.shape).transpose(2, 3)
        answer = answer.view(features.shape)
        return answer.roll((self.shift, self.shift), dims=(1, 2)) if self.shift else answer

    def _parts(self, device: torch.device) -> Iterator[tuple[slice, slice, Tensor | None]]:
        """Rows and columns of windows, and which of their pixels must not see each other."""
        if not self.shift:
            yield slice(None), slice(None), None
            return
        far = torch.arange(self.window, device=device) >= self.window - self.shift
        row, column = far.repeat_interleave(self.window), far.repeat(self.window)
        rows_apart, columns_apart = row[:, None] != row, column[:, None] != column
        yield slice(-1), slice(-1), None
        yield slice(-1, None), slice(-1), rows_apart
        yield slice(-1), slice(-1, None), columns_apart
        yield slice(-1, None), slice(-1, None), rows_apart | columns_apart


class _Attention(nn.Module):
    """Each pixel of a window gathers from all of them, by likeness and by where they lie from each other."""

    def __init__(self, width: int, head_width: int, window: int) -> None:
        super().__init__()
        self.window, self.heads = window, width // head_width
        self.embedding_layer = nn.Linear(width, 3 * width)
        self.relative_position_params = nn.Parameter(torch.zeros(self.heads, 2 * window - 1, 2 * window - 1))
        self.linear = nn.Linear(width, width)

    def forward(self, windows: Tensor, apart: Tensor | None) -> Tensor:
        """(windows, pixels, width) of the same shape."""
        count, pixels, width = windows.shape
        split = self.embedding_layer(windows).view(count, pixels, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        bias = self._bias() if apart is None else self._bias().masked_fill(apart, -torch.inf)
        mixed = functional.scaled_dot_product_attention(query, key, value, bias[None])
        gathered: Tensor = self.linear(mixed.transpose(1, 2).flatten(2))
        return gathered

    def _bias(self) -> Tensor:
        """(heads, pixels, pixels): what how two pixels lie from each other adds to their likeness."""
        place = torch.arange(self.window, device=self.relative_position_params.device)
        row, column = place.repeat_interleave(self.window), place.repeat(self.window)
        down, across = (axis[:, None] - axis + self.window - 1 for axis in (row, column))
        return self.relative_position_params[:, down, across]


def _down(width: int, coarser: int) -> nn.Conv2d:
    return nn.Conv2d(width, coarser, 2, 2, bias=False)


def _up(width: int, finer: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(width, finer, 2, 2, bias=False)

"""PMRID: a small U-Net for packed Bayer mosaics, and the transform that makes one network serve every ISO.

The idea: a sensor's noise has variance = shot * signal + read, so a linear map of the signal brings any sensor at any
ISO to the noise of one reference ISO, and a small network (depthwise separable convolutions, 1.03 million parameters)
has only that one noise to learn (Wang et al., "Practical Deep Raw Image Denoising on Mobile Devices", ECCV 2020).
Takes the planes R, G (of the red rows), G (of the blue rows), B after `to_anchor`; gives the denoised planes in the
same units, to be taken back by `from_anchor`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Shot and read noise (black = 0, white = 1) of the published network's reference, an OPPO Reno 10x at ISO 1600.
#: The authors fit, in numbers of a 10-bit sensor with 959 of them between black and white, shot = 5.995267e-4 ISO +
#: 8.68861e-3 and read = 7.11772e-7 ISO^2 + 6.514934e-4 ISO + 0.11492713; here divided by 959 and 959^2.
ANCHOR = (1.009313e-3, 3.239659e-6)

#: The network was trained on signals multiplied by this.
SCALE = 256.0


def to_anchor(signal: Tensor, shot: float, read: float) -> Tensor:
    """The signal in the units of the network: with the noise of the reference ISO, times SCALE.

    The "k-sigma transform": x / shot + read / shot^2 has a variance equal to its mean, whatever the profile; then
    the reference's own transform is undone. With shot, read = ANCHOR only SCALE is left: 0.5 -> 128.

    Args:
        signal: any shape, black = 0, white = 1, clipped there by the authors.
        shot: variance a unit of signal, above 0.
        read: variance at black.
    """
    ratio, offset = _anchoring(shot, read)
    return (signal * ratio + offset) * SCALE


def from_anchor(anchored: Tensor, shot: float, read: float) -> Tensor:
    """The signal (black = 0, white = 1) whose to_anchor() this is."""
    ratio, offset = _anchoring(shot, read)
    return (anchored / SCALE - offset) / ratio


def _anchoring(shot: float, read: float) -> tuple[float, float]:
    anchor_shot, anchor_read = ANCHOR
    return anchor_shot / shot, (read / shot**2 - anchor_read / anchor_shot**2) * anchor_shot


class PMRID(nn.Module):
    """Denoised packed mosaic: four encoder stages that halve the sides, four decoder stages, skips by addition."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = _Convolution(4, 16)
        self.enc1 = _encoder(16, 64, 2)
        self.enc2 = _encoder(64, 128, 2)
        self.enc3 = _encoder(128, 256, 4)
        self.enc4 = _encoder(256, 512, 4)
        self.encdec = _Separable(512, 64)
        self.dec1 = _DecoderStage(64, 256, 64)
        self.dec2 = _DecoderStage(64, 128, 32)
        self.dec3 = _DecoderStage(32, 64, 32)
        self.dec4 = _DecoderStage(32, 16, 16)
        self.out0 = _DecoderBlock(16)
        self.out1 = _Convolution(16, 4)

    def forward(self, mosaic: Tensor) -> Tensor:
        """Denoised planes (N, 4, H, W) of planes after to_anchor(); H and W multiples of 16."""
        full = torch.relu(self.conv0(mosaic))
        half = self.enc1(full)
        quarter = self.enc2(half)
        eighth = self.enc3(quarter)
        deepest = torch.relu(self.encdec(self.enc4(eighth)))
        features = self.dec1(deepest, eighth)
        features = self.dec2(features, quarter)
        features = self.dec3(features, half)
        features = self.dec4(features, full)
        denoised: Tensor = mosaic + self.out1(self.out0(features))
        return denoised


class _Convolution(nn.Module):
    """A plain 3 x 3 convolution, under the name it has in the published file."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        answer: Tensor = self.conv(features)
        return answer


class _Separable(nn.Module):
    """A convolution within each plane, then one across the planes of a pixel."""

    def __init__(self, channels: int, width: int, side: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, side, stride, side // 2, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        answer: Tensor = self.pointwise(self.depthwise(features))
        return answer


class _EncoderBlock(nn.Module):
    """A bottleneck of two 5 x 5 separable convolutions around a shortcut, projected where the shape changes."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _Separable(channels, width // 4, 5, stride)
        self.conv2 = _Separable(width // 4, width, 5)
        self.proj = _Separable(channels, width, 3, stride) if stride > 1 else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.conv2(torch.relu(self.conv1(features))) + self.proj(features))


def _encoder(channels: int, width: int, blocks: int) -> nn.Sequential:
    rest = (_EncoderBlock(width, width, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(_EncoderBlock(channels, width, stride=2), *rest)


class _DecoderBlock(nn.Module):
    """Two separable convolutions around a rectifier, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv0 = _Separable(width, width)
        self.conv1 = _Separable(width, width)

    def forward(self, features: Tensor) -> Tensor:
        answer: Tensor = features + self.conv1(torch.relu(self.conv0(features)))
        return answer


class _DecoderStage(nn.Module):
    """Twice the resolution, with what the encoder saw there added."""

    def __init__(self, channels: int, skip_channels: int, width: int) -> None:
        super().__init__()
        self.decode_conv = _DecoderBlock(channels)
        self.upsample = nn.ConvTranspose2d(channels, width, 2, 2)
        self.proj_conv = _Separable(skip_channels, width)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        answer: Tensor = self.upsample(self.decode_conv(features)) + torch.relu(self.proj_conv(skip))
        return answer

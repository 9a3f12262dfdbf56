"""FDN: deconvolution with a known kernel, ten Fourier steps whose priors are small convolutional networks.

Kruse, Rother and Schmidt, "Learning to Push the Limits of Efficient FFT-based Image Deconvolution", ICCV 2017.
Each step filters by the blur, by small filters and by what a convolutional network makes of the last step's answer, all
in one division of spectra. What was not observed, beyond the border, is filled in with what the last answer says.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, pad, softplus

#: Side of the filters in the denominator.
_SIDE = 5

#: The convolutions see the picture continued by this many pixels of its border.
_BORDER = 20


class FDN(nn.ModuleList):
    """The stages in their order, each of which starts from the picture that the one before it found."""

    def __init__(self, stages: int = 10, width: int = 32) -> None:
        super().__init__(Stage(width) for _ in range(stages))

    def forward(self, blurred: Tensor, known: Tensor, psf: Tensor, sigma: Tensor) -> Tensor:
        """Sharp pictures (N, 1, H, W) of blurred ones in [0, 1], continued beyond their border and made periodic.

        known, (1, 1, H, W), is 1 where they were observed, else 0. psf (1, 1, h, w) has odd sides and a sum of 1.
        sigma, (1, 1), is the noise's standard deviation in the pictures' units, 1 / 255 to 3 / 255 in training.
        """
        size = blurred.shape[2:]
        transfer = to_frequencies(psf, size)
        sharp, observed = blurred, blurred
        for number, stage in enumerate(self):
            if number:
                # Nothing was observed beyond the border: there the last answer, blurred again, stands for it.
                again = torch.fft.irfft2(torch.fft.rfft2(sharp) * transfer, size)
                observed = known * blurred + (1 - known) * again
            sharp = stage(sharp, observed, transfer, sigma * 255)
        return sharp


class Stage(nn.Module):
    """One step: the picture that explains what was observed and is near what a network takes it to be (equation 9).

    Its layers have the names of the published file, `lambda` among them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        for number, (given, answered) in enumerate(pairwise([1, *[width] * 5, 1]), 1):
            self.add_module(f"conv{number}", nn.Conv2d(given, answered, 3, padding=1))
        for number, given in enumerate((1, 16, 16), 1):
            self.add_module(f"dense{number}", nn.Linear(given, 16))
        self.add_module("lambda", nn.Linear(16, 1))
        self.x_out = Filters()

    def forward(self, sharp: Tensor, observed: Tensor, transfer: Tensor, sigma: Tensor) -> Tensor:
        size = sharp.shape[2:]
        weight = self._weight(sigma)[:, :, None, None]
        likely = torch.fft.rfft2(self._adjusted(sharp))
        explained = torch.fft.rfft2(observed) * transfer.conj()
        filters = to_frequencies(self.x_out(), size).abs().square().sum(0)
        found = (weight * explained + likely) / (weight * transfer.abs().square() + filters)
        return cast(Tensor, torch.fft.irfft2(found, size))

    def _weight(self, sigma: Tensor) -> Tensor:
        """How much an observation with this much noise counts: (N, 1)."""
        hidden = 1 / sigma.square()
        for number in (1, 2, 3):
            hidden = elu(self.get_submodule(f"dense{number}")(hidden))
        return softplus(self.get_submodule("lambda")(hidden))

    def _adjusted(self, sharp: Tensor) -> Tensor:
        """The network's word on the picture, filtered as the numerator wants it."""
        hidden = pad(sharp, [_BORDER] * 4, mode="replicate")
        for number in range(1, 6):
            hidden = elu(self.get_submodule(f"conv{number}")(hidden))
        answer: Tensor = self.get_submodule("conv6")(hidden)
        return answer[:, :, _BORDER:-_BORDER, _BORDER:-_BORDER]


class Filters(nn.Module):
    """Filters (24, 1, 5, 5): mixtures of the cosine basis without its constant, so that none sees the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.filter_weights = nn.Parameter(torch.eye(_SIDE**2 - 1))
        self.register_buffer("basis", _cosines(_SIDE), persistent=False)

    def forward(self) -> Tensor:
        filters: Tensor = cast(Tensor, self.basis) @ self.filter_weights
        return filters.T.reshape(-1, 1, _SIDE, _SIDE)


def _cosines(side: int) -> Tensor:
    """(side^2, side^2 - 1): the two-dimensional cosine basis (DCT-II, orthonormal), the constant left out."""
    place = torch.arange(side, dtype=torch.float64)
    waves = torch.cos(math.pi / side * (place[None, :] + 0.5) * place[:, None]) * math.sqrt(2 / side)
    waves[0] /= math.sqrt(2)
    return torch.einsum("ur,vc->rcuv", waves, waves).reshape(side**2, side**2)[:, 1:].float()


def to_frequencies(kernels: Tensor, size: torch.Size) -> Tensor:
    """The half spectrum (N, 1, H, W // 2 + 1) of kernels (N, 1, h, w) whose middle lies at (h // 2, w // 2)."""
    height, width = kernels.shape[2:]
    laid = pad(kernels, [0, size[1] - width, 0, size[0] - height])
    return cast(Tensor, torch.fft.rfft2(laid.roll((-(height // 2), -(width // 2)), (2, 3))))

"""Muon: momentum whose every step is made orthogonal (Jordan et al. 2024), for convolution kernels.

A kernel (out, in, h, w) is treated as a matrix (out, in * h * w). Five Newton-Schulz steps of the quintic
3.4445 X - 4.7750 X X' X + 2.0315 (X X')^2 X bring its singular values near 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """Args: lr, the spectral size of a step; momentum, Nesterov's; decay, so that no kernel outgrows norm 1 / decay."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float = 0.008, momentum: float = 0.95, decay: float = 0.3
    ) -> None:
        super().__init__(list(parameters), {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for kernel in group["params"]:
                state = self.state[kernel]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(kernel)
                state["momentum"].lerp_(kernel.grad, 1 - group["momentum"])
                ahead = kernel.grad.lerp(state["momentum"], group["momentum"])
                matrix = orthogonal(ahead.reshape(len(kernel), -1))
                scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                kernel.mul_(1 - group["lr"] * group["decay"])
                kernel.add_(matrix.reshape(kernel.shape), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest orthogonal matrix, roughly: singular values between about 0.7 and 1.2."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).float()
    x = (x / (x.norm() + 1e-12)).bfloat16()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    found: Tensor = (x.T if tall else x).to(matrix.dtype)
    return found

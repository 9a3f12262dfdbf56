"""Networks checked without their weights: parameters and pictures by formula, answers on record.

`fill` and `picture` follow the rule under which the published code's answers were recorded. Small configurations of
every network have their answers in tests/goldens/NAME.npz, written by `record` once the full one had matched the
published code's.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

RECORDED = Path(__file__).parent / "goldens"
PHASE = 0.37

#: A state dict in words: shape, type of numbers, and "parameter" or "buffer", by name.
State = dict[str, tuple[tuple[int, ...], str, str]]


@dataclass(frozen=True)
class Published:
    """A published network at full size: its state dict, a picture, and what the published code answers to it."""

    state: State
    phase: float
    picture: Tensor
    answer: np.ndarray


def published(shared: Path, name: str) -> Published:
    """The record of a network in the folder of test data."""
    record = json.loads((shared / "networks" / f"{name}.json").read_text())
    with np.load(shared / "networks" / f"{name}.npz") as file:
        answer = file["output"]
    state = {key: (tuple(shape), numbers, kind) for key, shape, numbers, kind in record["state_dict"]}
    return Published(state, record["phase"], picture(*record["input_shape"][1:]), answer)


def state(network: nn.Module) -> State:
    """The network's state dict in words."""
    kinds = {name: "parameter" for name, _ in network.named_parameters()}
    return {
        name: (tuple(values.shape), str(values.dtype).removeprefix("torch."), kinds.get(name, "buffer"))
        for name, values in network.state_dict().items()
    }


def fill(network: nn.Module, phase: float = PHASE) -> nn.Module:
    """The network with every parameter a sine of its own, and ready to answer; buffers stay as built."""
    with torch.no_grad():
        for place, (name, parameter) in enumerate(sorted(network.named_parameters())):
            count, shape = parameter.numel(), parameter.shape
            scale = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.1
            values = scale * np.sin(phase * (np.arange(count, dtype=np.float64) + 1) + 1.13 * (place + 1))
            if len(shape) == 1 and name.endswith("weight"):
                values = values + 1
            parameter.copy_(torch.from_numpy(values.astype(np.float32)).reshape(shape))
    return network.eval().requires_grad_(False)


def picture(channels: int, height: int, width: int) -> Tensor:
    """(1, channels, height, width) float32 in [0, 1]: a wave of its own in each plane."""
    plane, row, column = np.ogrid[:channels, :height, :width]
    waves = 0.5 + 0.5 * np.sin(0.21 * (plane + 1) * row + 0.13 * (plane + 2) * column + plane)
    return torch.from_numpy(waves.astype(np.float32)[None])


def distance(answer: Tensor, expected: np.ndarray) -> float:
    """The largest difference as a share of the largest expected value."""
    assert answer.shape == expected.shape
    return float(np.abs(answer.numpy() - expected).max() / np.abs(expected).max())


def record(name: str, answer: Tensor) -> None:
    """Write a small configuration's answer down, for `recorded`."""
    RECORDED.mkdir(exist_ok=True)
    np.savez_compressed(RECORDED / f"{name}.npz", output=answer.numpy())


def recorded(name: str) -> np.ndarray:
    """The answer that `record` wrote down."""
    with np.load(RECORDED / f"{name}.npz") as file:
        answer: np.ndarray = file["output"]
    return answer

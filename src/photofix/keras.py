"""Weights files of Keras (HDF5), with the keys and the order of axes that torch has.

Numbers are all that is read of such a file: nothing in it is run.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from photofix.errors import WeightsError

#: How such a file begins.
MAGIC = b"\x89HDF"


def read(path: Path) -> dict[str, Tensor]:
    """The state dict of a model of models: "0.conv1.weight" is of the first inner model that has weights.

    Convolutions come as (out, in, rows, columns), matrices as (out, in). The numbers that Keras puts behind a layer's
    name when another model has one of that name are left out.

    Raises:
        WeightsError: h5py is missing, or this is no such file; says what to do.
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f"{path}: is an HDF5 file, and h5py, which reads them, is not installed: pip install 'photofix[fdn]'"
        ) from error
    try:
        with h5py.File(path) as file:
            models = [file[_text(name)] for name in file.attrs["layer_names"]]
            weighty = [inner for inner in models if len(inner.attrs["weight_names"])]
            return {
                _key(number, _text(name)): _tensor(_text(name), np.asarray(inner[_text(name)]))
                for number, inner in enumerate(weighty)
                for name in inner.attrs["weight_names"]
            }
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path}: is an HDF5 file, but holds no weights that Keras wrote, or is damaged") from error


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _key(number: int, name: str) -> str:
    """'conv1_9/kernel:0' of the tenth inner model -> '9.conv1.weight'."""
    layer, variable = name.removesuffix(":0").rsplit("/", 1)
    return f"{number}.{re.sub(r'_[0-9]+$', '', layer)}.{'weight' if variable == 'kernel' else variable}"


def _tensor(name: str, values: np.ndarray) -> Tensor:
    if name.endswith("/kernel:0"):  # Keras keeps these as (rows, columns, in, out) and (in, out).
        values = values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))

"""A weights file to its state dict. Nothing in it is trusted to be more than tensors in plain containers.

A checkpoint of torch is a pickle, and a pickle is a program: it is read with weights_only, which refuses to run one.
"""

from __future__ import annotations

import json
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from photofix import keras
from photofix.errors import WeightsError

State = dict[str, Tensor]

#: Where the field's training scripts put the state dict, the one to prefer first (ema: averaged over the last steps).
WRAPPERS = (
    *("params_ema", "params-ema", "ema", "params", "state_dict", "model_state_dict"),
    *("model", "net", "network", "generator", "weights"),
)

#: What DataParallel and torch.compile put before every key.
PREFIXES = ("module.", "_orig_mod.")

#: What torch.load raises where the bytes are no checkpoint, or a damaged one.
_DAMAGED = (
    *(EOFError, LookupError, TypeError, ValueError, RuntimeError, AttributeError, AssertionError, ArithmeticError),
    *(pickle.UnpicklingError, struct.error, SafetensorError, zipfile.BadZipFile),
)


def read(path: Path, unwrap: str | None = None) -> State:
    """The state dict in a file of safetensors, of torch.save or of Keras, on the CPU.

    Args:
        unwrap: where in the file it is: "" at the top, "params", "model.ema"; None to look in the usual places.
    Raises:
        WeightsError: it cannot be read, holds something else or more than tensors; says what it is and what to do.
    """
    try:
        tree = _load(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _DAMAGED as error:
        raise WeightsError(f"{path}: is damaged, or no file of weights; get it again") from error
    state = _found(path, tree) if unwrap is None else _at(path, tree, unwrap)
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _load(path: Path) -> object:
    with path.open("rb") as file:
        head = file.read(512)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return load_file(path)
    if head.startswith(keras.MAGIC):
        return keras.read(path)
    if what := _not_weights(path, head):
        raise WeightsError(f"{path}: {what}")
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles that are not torch's: what is raised says it better
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch names the first thing in the pickle that is no tensor or plain container.
        if name := re.search(r"(?:GLOBAL|class) ([\w.]+)", str(error)):
            raise WeightsError(_untrusted(path, name[1])) from error
        raise


def _not_weights(path: Path, head: bytes) -> str:
    """What a file is that people take for weights, and what to do; nothing where it may be weights."""
    text = head.lstrip().lower()
    if not head:
        return "is empty; get it again"
    if text.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the weights: type git lfs pull, or download the file itself"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not weights: the server answered with a page; download the file itself"
    if text.startswith((b"{", b"[")):
        return "is a text in JSON, not weights: download the file itself"
    return _not_weights_zip(path) if head.startswith(b"PK") else ""


def _not_weights_zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(re.fullmatch(r"[^/]*/(code/.*|constants\.pkl)", name) for name in names):
        return (
            "is a TorchScript program, not weights. Where you trust its maker, save the weights alone, in Python:\n"
            '  import torch\n  torch.save(torch.jit.load("FILE", "cpu").state_dict(), "NEW.pth")'
        )
    if not any(name.endswith("data.pkl") for name in names):
        return "is a zip archive, not weights: unpack it and give the file inside"
    return ""


def _untrusted(path: Path, name: str) -> str:
    return (
        f"{path}: holds {name}, which is more than weights: to load it would be to run what its maker put in, so it is "
        "not loaded.\nWhere you trust its maker, save the weights alone, in Python:\n"
        '  import torch\n  held = torch.load("FILE", "cpu", weights_only=False)\n'
        '  torch.save(held["state_dict"], "NEW.pth")  # held.state_dict() where it is a whole network'
    )


def _at(path: Path, tree: object, unwrap: str) -> State:
    for key in unwrap.split(".") if unwrap else ():
        if not isinstance(tree, Mapping) or key not in tree:
            raise WeightsError(f"{path}: has no '{unwrap}', where its weights should be; it holds {_shown(tree)}")
        tree = tree[key]
    if not _is_state(tree):
        raise WeightsError(f"{path}: holds {_shown(tree)} where its weights should be")
    return tree


def _found(path: Path, tree: object) -> State:
    """The state dict at the top or, through any number of wrappers, below one of the usual keys."""
    within = tree
    while not _is_state(within):
        inner = [
            within[key] for key in WRAPPERS if isinstance(within, Mapping) and isinstance(within.get(key), Mapping)
        ]
        if not inner:
            raise WeightsError(
                f"{path}: holds no weights in a place that is known; it holds {_shown(within)}.\n"
                "Save its state dict alone, as torch.save(network.state_dict(), FILE)"
            )
        within = inner[0]
    return within


def _is_state(tree: object) -> TypeGuard[State]:
    """Whether it is a state dict: names to tensors, and at least one."""
    return (
        isinstance(tree, Mapping)
        and bool(tree)
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in tree.items())
    )


def _shown(tree: object) -> str:
    if not isinstance(tree, Mapping):
        return f"a {type(tree).__name__}"
    keys = ", ".join(json.dumps(str(key)) for key in list(tree)[:6])
    return f"the keys {keys}{', ...' if len(tree) > 6 else ''}" if tree else "nothing"

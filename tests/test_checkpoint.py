"""Weights files: what is found in them, and that nothing but weights gets out of them."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from photofix import checkpoint
from photofix.errors import WeightsError

NETWORK = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
STATE = dict(NETWORK.state_dict())


def saved(path: Path, content: object, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def same(state: checkpoint.State) -> bool:
    return state.keys() == STATE.keys() and all(torch.equal(state[key], STATE[key]) for key in STATE)


PREFIXED = {f"module.{key}": value for key, value in STATE.items()}
WRAPPED = [
    STATE,
    {"params": STATE},
    {"state_dict": STATE, "epoch": 3, "loss": [0.5]},
    {"params": {"0.weight": torch.zeros(1)}, "params_ema": STATE},
    {"epoch": 3, "model": {"params": STATE}, "optimizer": {"lr": 1e-4}},
    PREFIXED,
]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("content", WRAPPED, ids=lambda content: "+".join(list(content)[:2]))
def test_the_usual_wrappings_are_recognised(tmp_path: Path, content: dict[str, object], zipped: bool) -> None:
    assert same(checkpoint.read(saved(tmp_path / "w.pth", content, zipped)))


def test_prefixes_of_wrapping_modules_go(tmp_path: Path) -> None:
    assert same(checkpoint.read(saved(tmp_path / "compiled.pth", {f"_orig_mod.{k}": v for k, v in STATE.items()})))
    # One key without the prefix: then it is a name of the network's own.
    mixed = {**PREFIXED, "head": torch.zeros(1)}
    assert checkpoint.read(saved(tmp_path / "mixed.pth", mixed)).keys() == mixed.keys()


def test_safetensors_are_known_by_their_content(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "weights.pth")
    assert same(checkpoint.read(tmp_path / "weights.pth"))
    assert same(checkpoint.read(tmp_path / "weights.pth", ""))


def test_the_manifest_says_exactly_where(tmp_path: Path) -> None:
    both = saved(tmp_path / "both.pth", {"params_ema": {"other": torch.zeros(1)}, "g": {"params": STATE}})
    assert same(checkpoint.read(both, "g.params"))
    for unwrap, complaint in [
        ("params", "has no 'params'"),
        ("g.net", r"has no 'g\.net'"),
        ("", "holds the keys"),
        ("g", "holds the keys"),
    ]:
        with pytest.raises(WeightsError, match=complaint):
            checkpoint.read(both, unwrap)


class Danger:
    """Unpickled carelessly it leaves a folder behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_pickle_is_run(tmp_path: Path, zipped: bool) -> None:
    file = saved(tmp_path / "bad.pth", {"state_dict": STATE, "x": Danger(tmp_path / "trace")}, zipped)
    with pytest.raises(WeightsError, match=r"holds \w+\.mkdir, which is more than weights"):
        checkpoint.read(file)
    assert not (tmp_path / "trace").exists()
    torch.load(file, weights_only=False)
    assert (tmp_path / "trace").exists(), "the file was no danger at all"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "name"),
    [
        (NETWORK, r"torch\.nn\.modules\.container\.Sequential"),
        ({"state_dict": STATE, "args": argparse.Namespace(lr=1)}, r"argparse\.Namespace"),
        ({"params": STATE, "best": np.float64(31.5)}, r"numpy\S+scalar"),
    ],
    ids=["network", "options", "number"],
)
def test_what_is_more_than_weights_is_named_with_a_way_out(
    tmp_path: Path, content: object, name: str, zipped: bool
) -> None:
    with pytest.raises(WeightsError, match=f"holds {name}, which is more than weights") as caught:
        checkpoint.read(saved(tmp_path / "w.pth", content, zipped))
    assert 'torch.save(held["state_dict"], "NEW.pth")' in str(caught.value)


def test_the_way_out_works(tmp_path: Path) -> None:
    file = saved(tmp_path / "w.pth", {"state_dict": STATE, "args": argparse.Namespace(lr=1)})
    with pytest.raises(WeightsError) as caught:
        checkpoint.read(file)
    recipe = str(caught.value).split("in Python:\n")[1].replace("\n  ", "\n").strip()
    exec(recipe.replace("FILE", str(file)).replace("NEW.pth", str(tmp_path / "new.pth")))
    assert same(checkpoint.read(tmp_path / "new.pth"))


NOT_WEIGHTS = {
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
        "is a Git LFS pointer.*git lfs pull",
    ),
    "page": (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "is a web page.*download the file itself"),
    "error": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a web page"),
    "json": (b'{"error": "not found"}', "is a text in JSON"),
    "empty": (b"", "is empty"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file"),
    "noise": (bytes(range(256)) * 20, "is damaged, or no file of weights"),
    "pickle": (pickle.dumps(["a"]), "is damaged, or no file of weights"),
    "zip": (b"PK\x03\x04" + bytes(60), "is damaged, or no file of weights"),
}


@pytest.mark.parametrize("kind", NOT_WEIGHTS)
def test_what_is_taken_for_weights_is_called_what_it_is(tmp_path: Path, kind: str) -> None:
    content, complaint = NOT_WEIGHTS[kind]
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"w\.pth: {complaint}"):
        checkpoint.read(tmp_path / "w.pth")


def test_zips_that_are_no_checkpoints(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("net/weights.pth", b"x")
    with pytest.raises(WeightsError, match="is a zip archive, not weights: unpack it"):
        checkpoint.read(tmp_path / "packed.zip")
    # What torch.jit.save writes, as far as its names tell.
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        for name in ("data.pkl", "code/__torch__.py", "constants.pkl", "version"):
            archive.writestr(f"script/{name}", b"")
    with pytest.raises(WeightsError, match="is a TorchScript program") as caught:
        checkpoint.read(tmp_path / "script.pt")
    assert 'state_dict(), "NEW.pth")' in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 1}, {}, {"params": {}}, {"a": STATE}, {"params": [STATE]}, 3])
def test_no_state_dict_is_said_with_what_is_there(tmp_path: Path, content: object) -> None:
    with pytest.raises(WeightsError, match=r"holds no weights in a place that is known; it holds .*\n.*state_dict\(\)"):
        checkpoint.read(saved(tmp_path / "w.pth", content))


@pytest.mark.parametrize("name", ["folder", "absent"])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(WeightsError, match=f"{name}: cannot be read"):
        checkpoint.read(tmp_path / name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of one state dict in each form."""
    folder = tmp_path_factory.mktemp("whole")
    save_file(STATE, folder / "safetensors")
    saved(folder / "zip", STATE)
    saved(folder / "legacy", STATE, zipped=False)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@settings(deadline=None, max_examples=150)
@given(data=st.data(), form=st.sampled_from(["safetensors", "zip", "legacy"]))
def test_damaged_files_are_refused_in_words_or_read(
    data: st.DataObject, form: str, whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(whole[form])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    file = tmp_path_factory.getbasetemp() / "damaged.pth"
    file.write_bytes(content)
    with suppress(WeightsError):
        assert checkpoint.read(file)

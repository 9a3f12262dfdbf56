"""Every entry of the manifest: its network is here and can be built, its file can be named and checked."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import photofix
from photofix import checkpoint, model, weights
from photofix.cli import app
from photofix.entry import Entry
from photofix.errors import WeightsError
from photofix.model import NETWORKS

ENTRIES = weights.manifest()
NETWORK_FILES = {path.stem for path in (Path(photofix.__file__).parent / "networks").glob("[a-z]*.py")}

#: Each list of a published network's keys, and the entries whose files have these keys.
GOLDEN = {
    "ddcolor_tiny": ["ddcolor-tiny"],
    "drunet_color": ["drunet-color"],
    "hvi_cidnet": ["cidnet-lol"],
    "nafnet_gopro_width32": ["nafnet-gopro-32"],
    "nafnet_sidd_width32": ["nafnet-sidd-32"],
    "restormer_denoise": ["restormer-real", "restormer-denoise-blind"],
    "restormer_motion_deblurring": ["restormer-motion", "restormer-defocus"],
    "retinexformer_lol": ["retinexformer-lol"],
    "scunet_color": ["scunet-real"],
    "swinir_color_denoise": ["swinir-denoise-15", "swinir-denoise-25", "swinir-denoise-50"],
}


@pytest.fixture(params=ENTRIES)
def entry(request: pytest.FixtureRequest) -> Entry:
    return ENTRIES[request.param]


def shapes(entry: Entry) -> dict[str, tuple[int, ...]]:
    """The state dict of an entry's network, as shapes; none of it takes memory."""
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in model.build(entry).state_dict().items()}


def test_every_network_has_a_class_and_an_entry() -> None:
    assert set(NETWORKS) == NETWORK_FILES
    assert {entry.network for entry in ENTRIES.values()} == NETWORK_FILES


def test_a_network_can_be_built(entry: Entry) -> None:
    assert shapes(entry)
    assert sum(value.numel() for value in _built(entry).parameters()) > 1000


def _built(entry: Entry) -> torch.nn.Module:
    with torch.device("meta"):
        return model.build(entry)


def test_a_hash_is_well_formed_and_comes_with_the_size(entry: Entry) -> None:
    assert re.fullmatch("[0-9a-f]{64}|", entry.sha256)
    assert entry.size >= 0


def test_no_two_entries_share_a_file() -> None:
    hashes = [entry.sha256 for entry in ENTRIES.values() if entry.sha256]
    assert len(set(hashes)) == len(hashes)


def test_a_licence_and_the_training_data_are_named(entry: Entry) -> None:
    assert len(entry.licence) >= 3
    assert len(entry.trained_on) >= 4
    assert entry.embedded or "http" in entry.paper
    assert entry.best_for


def test_a_licence_that_forbids_commerce_is_marked(entry: Entry) -> None:
    if re.search(r"\bNC\b|non-?commercial|research only", entry.licence, re.IGNORECASE):
        assert not entry.commercial


#: Where the files of these are was not known to the commit: their sources are only where the user goes to fetch them.
BY_HAND = {"cidnet-lol", "retinexformer-lol"}

#: What a URL must hold to mean the same bytes tomorrow: a commit, a release's tag, or the file's own hash.
PINNED = r"/[0-9a-f]{40}/|/releases/download/[^/]+/|-[0-9a-f]{8,}\.\w+$"


def test_sources_are_pinned(entry: Entry) -> None:
    assert bool(entry.sources) != bool(entry.embedded)
    for source in entry.sources:
        pinned = re.fullmatch("[0-9a-f]{40}", source.revision) or re.search(PINNED, source.url)
        assert bool(pinned) != (entry.name in BY_HAND), source
        assert pinned or not entry.sha256, "what is not pinned is not fetched"
    for source in entry.sources:
        # A name that holds a hash holds the file's.
        if (named := re.search(r"-([0-9a-f]{8,})\.\w+$", source.url)) and entry.sha256:
            assert entry.sha256.startswith(named[1])


def test_tiles_are_possible(entry: Entry) -> None:
    assert entry.margin <= entry.reach or entry.view == "whole" or entry.tile
    assert not entry.tile or entry.tile >= 4 * entry.margin or entry.view == "whole"
    assert entry.tile % entry.multiple == 0


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if not entry.sha256])
def test_what_nobody_vouches_for_is_not_loaded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path))
    entry = ENTRIES[name]
    with pytest.raises(WeightsError, match=f"photofix models import FILE --as {name}"):
        weights.verified(entry)
    # Not even where a file of the name lies in the cache.
    place = weights._place(entry)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"anything")
    with pytest.raises(WeightsError, match="nobody vouches"):
        weights.verified(entry, offline=True)


def test_what_the_user_pinned_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped manifest and a file that the user brought: of a small network, so as not to write 100 MB."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path / "config")
    small = min((e for e in ENTRIES.values() if not e.sha256), key=lambda e: sum(map(_numel, shapes(e).values())))
    state = model.build(small).state_dict()
    for key in reversed(small.unwrap.split(".") if small.unwrap else []):
        state = {key: state}
    torch.save(state, tmp_path / "mine.pth")
    result = CliRunner().invoke(app, ["models", "import", str(tmp_path / "mine.pth"), "--as", small.name])
    assert result.exit_code == 0, result.output
    pinned = weights.manifest()[small.name]
    assert pinned.sha256 == hashlib.sha256((tmp_path / "mine.pth").read_bytes()).hexdigest()
    assert model.fits(pinned, checkpoint.read(weights.verified(pinned, offline=True), pinned.unwrap))


def _numel(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()


def test_the_published_lists_of_keys_are_all_known(shared: Path) -> None:
    assert {path.stem for path in (shared / "networks").glob("*.json")} == GOLDEN.keys()


@pytest.mark.parametrize(("golden", "name"), [(golden, name) for golden, names in GOLDEN.items() for name in names])
def test_keys_are_those_of_the_published_files(shared: Path, golden: str, name: str) -> None:
    listed = json.loads((shared / "networks" / f"{golden}.json").read_text("utf-8"))["state_dict"]
    assert shapes(ENTRIES[name]) == {key: tuple(shape) for key, shape, *_ in listed}


def test_published_files_load_into_their_entries(shared: Path) -> None:
    by_hash = {entry.sha256: entry for entry in ENTRIES.values() if entry.sha256}
    files = [path for path in sorted((shared / "published").rglob("*")) if path.is_file()]
    found = {path.name: by_hash.get(hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}
    assert [name for name, entry in found.items() if entry is None] == []
    for path in files:
        if entry := found[path.name]:
            assert path.stat().st_size == entry.size
            assert model.fits(entry, checkpoint.read(path, entry.unwrap)), entry.name

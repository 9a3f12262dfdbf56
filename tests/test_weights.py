"""The manifest's schema, and from a name to a verified file."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
from hub_server import Hub

from photofix import settings, weights
from photofix.entry import Entry
from photofix.errors import WeightsError

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TABLE = f"""
[net]
task = "denoise"
best_for = "tests"
network = "dncnn"
sources = [{{ url = "https://127.0.0.1:9/net.pth" }}]
size = {len(CONTENT)}
sha256 = "{SHA256}"
takes = {{ encoding = "srgb", channels = 3, conditions = ["sigma"] }}
gives = "noise"
reach = 20
margin = 10
multiple = 1
licence = "MIT"
commercial = true
trained_on = "nothing"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a config folder of the test's own; returns where both lie."""
    for variable in ("PHOTOFIX_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path / "config")
    return tmp_path


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server.running() as server:
        yield server


def written(path: Path, text: str = TABLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def entry_of(home: Path, text: str = TABLE) -> Entry:
    return weights.manifest(written(home / "extra.toml", text))["net"]


def served(home: Path, hub: Hub, content: bytes = CONTENT) -> Entry:
    return entry_of(home, TABLE.replace("https://127.0.0.1:9/net.pth", hub.put("/net.pth", content)))


#: Entries whose hash nobody vouches for: they wait for the user's own pin.
UNPINNED_NETWORKS = ("drunet-gray", "restormer-", "swinir-", "cidnet-", "retinexformer-")


def test_the_shipped_manifest_is_by_the_schema_and_every_hash_is_known() -> None:
    entries = weights.manifest()
    assert {"dncnn-25", "dncnn-gray-blind", "dncnn-color-blind", "ffdnet-color", "pmrid"} <= entries.keys()
    assert all(entry.licence and entry.margin <= entry.reach for entry in entries.values())
    for name, entry in entries.items():
        assert bool(entry.sha256) != name.startswith(UNPINNED_NETWORKS), name
        # Of Zhang's files the hash is known, which is what counts, but not the size.
        assert bool(entry.size) == bool(entry.sha256) or name.startswith("zhang-"), name


def test_embedded_files_are_what_the_shipped_manifest_promises() -> None:
    embedded = [entry for entry in weights.manifest().values() if entry.embedded]
    assert [weights.verified(entry, offline=True).stat().st_size for entry in embedded] == [e.size for e in embedded]


def test_the_published_files_are_what_the_manifest_promises(shared: Path) -> None:
    entries = weights.manifest()
    files = [
        file for task in ("denoise", "hdr", "low-light") for file in sorted((shared / "published" / task).iterdir())
    ]
    adopted = [weights.adopt(file, entries) for file in files]
    assert [[entry.name for entry in one] for one in adopted] == [
        ["dncnn-25"],
        ["dncnn-color-blind"],
        ["dncnn-gray-blind"],
        ["ffdnet-color"],
        ["pmrid"],
        ["expandnet"],
        ["iat-exposure"],
        ["iat-lol"],
        ["sci-difficult"],
        ["sci-easy"],
        ["sci-medium"],
        ["zero-dce"],
    ]
    for (entry,) in adopted:
        assert weights.verified(entry, offline=True).stat().st_size == entry.size


def test_a_manifest_adds_entries_and_changes_fields(home: Path) -> None:
    written(home / "config" / "weights.toml")
    changed = weights.manifest(written(home / "extra.toml", "[net]\nmargin = 5\nlicence = 'mine'\n"))["net"]
    assert (changed.margin, changed.licence, changed.reach) == (5, "mine", 20)
    assert weights.manifest()["net"].margin == 10


WRONG = [
    ("reach = 20\n", "", "reach is missing"),
    ("reach = 20", "reach = '20'", "reach must be a whole number"),
    ("reach = 20", "reach = -1", "reach must be at least 0"),
    ("reach = 20", "reach = true", "reach must be a whole number"),
    ("multiple = 1", "multiple = 0", "multiple must be at least 1"),
    ("commercial = true", "commercial = 1", "commercial must be true or false"),
    ("margin = 10", "margin = 10\ncolour = 1", "colour is not a field"),
    (SHA256, SHA256[:-1], "sha256 must be 64 digits"),
    (SHA256, SHA256[:-1] + "G", "sha256 must be 64 digits"),
    ("multiple = 1", "multiple = 1\nview = 'half'", "view must be tiles or whole"),
    ("multiple = 1", "multiple = 8\ntile = 100", "tile must be a multiple of 8, not 100"),
    ("multiple = 1", "multiple = 1\ntile = 0.5", "tile must be a whole number"),
    ("multiple = 1", "multiple = 1\nhalf = 1", "half must be true or false"),
    ("multiple = 1", "multiple = 1\nbytes_per_pixel = 1.5", "bytes_per_pixel must be a whole number"),
    ("multiple = 1", "multiple = 1\nseconds_per_megapixel = '2'", "seconds_per_megapixel must be a number"),
    ("multiple = 1", "multiple = 1\nseconds_per_megapixel = nan", "seconds_per_megapixel must be a number"),
    (
        '"noise"',
        '"sound"',
        "gives must be residual, noise, image, level, ab, odds, light, missing, stops, intrinsics or lightness",
    ),
    ("channels = 3", "channels = 2", "takes: channels must be 1, 3 or 4"),
    ('"srgb"', '"lab"', "takes: encoding must be"),
    ('["sigma"]', "[1]", "takes: conditions must be a list of sigma, motion, defocus, clipped, psf, exposure, hints"),
    ('network = "dncnn"', 'network = "../dncnn"', "network must be a module"),
    ("https://", "ftp://", "sources[0] url must be a web address"),
    ("{ url =", "{ file = 'a', url =", "sources[0] file is not a field"),
    ("{ url =", "{ addr =", "sources[0] hub is missing"),
    ("[{ url =", "[1, { url =", "sources[0] must be a table"),
    ("sources = ", "arguments = {}\nfigures = { a = 1 }\nsources = ", "figures must be texts"),
    ("[net]", "[net]\nembedded = '../net.pth'", "embedded must be a file's name"),
    (f'sha256 = "{SHA256}"', "embedded = 'net.safetensors'", "sha256 is missing"),
]


@pytest.mark.parametrize(("old", "new", "complaint"), WRONG, ids=[complaint for *_, complaint in WRONG])
def test_what_is_wrong_is_named_with_file_entry_and_field(home: Path, old: str, new: str, complaint: str) -> None:
    assert old in TABLE
    with pytest.raises(WeightsError, match=re.escape(f"extra.toml: [net] {complaint}")):
        entry_of(home, TABLE.replace(old, new, 1))


def test_what_an_entry_may_leave_out(home: Path) -> None:
    entry = entry_of(home)
    assert (entry.view, entry.tile, entry.half, entry.bytes_per_pixel, entry.seconds_per_megapixel) == (
        *("tiles", 0, True, 0, 0.0),
    )
    costs = "multiple = 8\ntile = 512\nhalf = false\nbytes_per_pixel = 900\nseconds_per_megapixel = 2\nview = 'whole'"
    entry = entry_of(home, TABLE.replace("multiple = 1", costs))
    assert (entry.view, entry.tile, entry.half, entry.bytes_per_pixel, entry.seconds_per_megapixel) == (
        *("whole", 512, False, 900, 2.0),
    )


@pytest.mark.parametrize(
    ("encoding", "gives"), [("gray", "ab"), ("lightness", "ab"), ("lightness", "odds"), ("srgb", "light")]
)
def test_colorizers_and_light_have_words(home: Path, encoding: str, gives: str) -> None:
    entry = entry_of(home, TABLE.replace('"srgb"', f'"{encoding}"').replace('"noise"', f'"{gives}"'))
    assert (entry.takes.encoding, entry.gives) == (encoding, gives)


def test_a_hub_source_needs_a_commit(home: Path) -> None:
    table = TABLE.replace('url = "https://127.0.0.1:9/net.pth"', 'hub = "a/b", file = "c/d.pth", revision = "REVISION"')
    assert entry_of(home, table.replace("REVISION", "a" * 40)).sources[0].file == "c/d.pth"
    for revision in ("main", "a" * 39):
        with pytest.raises(WeightsError, match=r"sources\[0\] revision must be a commit"):
            entry_of(home, table.replace("REVISION", revision))


@pytest.mark.parametrize("text", ["[net", "x = 1", "['../net']\ntask = 'a'", "\udcff"])
def test_a_file_that_is_no_manifest_is_refused(home: Path, text: str) -> None:
    (home / "extra.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match=r"extra\.toml"):
        weights.manifest(home / "extra.toml")


def test_a_name_that_is_nearly_right_is_guessed() -> None:
    with pytest.raises(WeightsError, match="did you mean 'dncnn-25'"):
        weights.find("dncn-25", weights.manifest())


def test_defaults_bear_the_tasks_name(home: Path) -> None:
    text = TABLE.replace("[net]", "[sharpen]") + TABLE.replace("[net]", "[sharpen-raw]")
    entries = weights.manifest(written(home / "extra.toml", text))
    assert weights.default_for("sharpen", False, entries).name == "sharpen"
    assert weights.default_for("sharpen", True, entries).name == "sharpen-raw"


def test_a_file_is_fetched_once_and_verified_at_every_load(home: Path, hub: Hub) -> None:
    entry = served(home, hub)
    assert weights.locate(entry) is None
    path = weights.verified(entry)
    assert path.read_bytes() == CONTENT
    assert path == weights.verified(entry) == weights.locate(entry)
    assert len(hub.requests) == 1


def test_a_tampered_file_is_fetched_anew_or_refused_offline(home: Path, hub: Hub) -> None:
    entry = served(home, hub)
    path = weights.verified(entry)
    path.write_bytes(b"X" + CONTENT[1:])
    with pytest.raises(WeightsError, match="is damaged") as caught:
        weights.verified(entry, offline=True)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in str(caught.value)
    assert SHA256 in str(caught.value)
    assert weights.verified(entry).read_bytes() == CONTENT


@pytest.mark.parametrize("switch", ["option", "PHOTOFIX_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_sends_no_request(home: Path, hub: Hub, switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = served(home, hub)
    if switch != "option":
        monkeypatch.setenv(switch, "1")
    with pytest.raises(WeightsError, match="photofix models import FILE"):
        weights.verified(entry, offline=switch == "option")
    assert hub.requests == []


def test_the_message_says_all_that_is_needed(home: Path, hub: Hub) -> None:
    entry = served(home, hub, b"something else")
    with pytest.raises(WeightsError) as caught:
        weights.verified(entry)
    parts = [
        entry.sources[0].url,
        str(home / "cache" / "weights"),
        SHA256,
        hashlib.sha256(b"something else").hexdigest(),
        "photofix models import FILE",
    ]
    assert [part for part in parts if part not in str(caught.value)] == []


def test_the_hub_is_where_hf_endpoint_says(home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setenv("HF_ENDPOINT", hub.address + "/")
    revision = "a" * 40
    hub.put(f"/b/c/resolve/{revision}/d.pth", CONTENT)
    source = f'hub = "b/c", file = "d.pth", revision = "{revision}"'
    entry = entry_of(home, TABLE.replace('url = "https://127.0.0.1:9/net.pth"', source))
    assert weights.verified(entry).read_bytes() == CONTENT


def test_a_file_by_hand_is_recognised_by_its_hash(home: Path) -> None:
    entry = entry_of(home)
    (home / "download (1)").write_bytes(CONTENT)
    assert weights.adopt(home / "download (1)", {"net": entry}) == [entry]
    assert weights.verified(entry, offline=True).read_bytes() == CONTENT
    assert [path.name for path in (home / "cache" / "weights").iterdir()] == [f"net-{SHA256[:12]}.pth"]


def test_a_file_that_nothing_knows_is_refused(home: Path) -> None:
    entry = entry_of(home)
    (home / "other").write_bytes(b"other")
    for name in ("", "net"):
        with pytest.raises(WeightsError, match=hashlib.sha256(b"other").hexdigest()):
            weights.adopt(home / "other", {"net": entry}, name)
    assert weights.locate(entry) is None


def test_a_cache_that_cannot_be_written_is_said(home: Path, hub: Hub) -> None:
    (home / "cache").write_bytes(CONTENT)
    entry = served(home, hub)
    with pytest.raises(WeightsError, match="Set PHOTOFIX_HOME"):
        weights.verified(entry)
    with pytest.raises(WeightsError, match="Set PHOTOFIX_HOME"):
        weights.adopt(home / "cache", {"net": entry})


UNPINNED = TABLE.replace(f'sha256 = "{SHA256}"\n', "").replace(f"size = {len(CONTENT)}\n", "")


def pinned(home: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The entry of a manifest shipped without its hash, after the user imported a file as it."""
    ships = written(home / "shipped.toml", UNPINNED)
    monkeypatch.setattr(weights, "shipped", lambda: ships)
    (home / "net.pth").write_bytes(CONTENT)
    weights.adopt(home / "net.pth", weights.manifest(), "net")
    return weights.manifest()["net"]


def test_an_entry_without_a_hash_is_not_loaded_until_it_is_pinned(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="photofix models import FILE --as net"):
        weights.verified(entry_of(home, UNPINNED))
    entry = pinned(home, monkeypatch)
    assert (entry.sha256, entry.size) == (SHA256, len(CONTENT))
    assert weights.verified(entry, offline=True).read_bytes() == CONTENT
    with pytest.raises(WeightsError, match="is not net"):
        weights.adopt(written(home / "other", "other"), weights.manifest(), "net")


def test_a_pin_does_no_harm_when_its_entry_is_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned(home, monkeypatch)
    written(home / "shipped.toml", TABLE.replace("[net]", "[newer]"))
    assert weights.manifest().keys() == {"newer"}


def test_a_pin_for_a_manifest_that_is_not_always_read_is_left_to_the_user(home: Path) -> None:
    entry = entry_of(home, UNPINNED)
    (home / "net.pth").write_bytes(CONTENT)
    with pytest.raises(WeightsError, match=f'under \\[net\\]:\nsha256 = "{SHA256}"'):
        weights.adopt(home / "net.pth", {"net": entry}, "net")
    assert not (home / "config").exists()


def test_settings_are_those_of_the_moment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.read() == settings.Settings(home / "cache", home / "config", False, "https://huggingface.co")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert not settings.read().offline
    monkeypatch.delenv("PHOTOFIX_HOME")
    assert settings.read().cache.name == "photofix"


def test_the_manifest_is_read_without_torch_or_the_hubs_client() -> None:
    heavy = "{'torch', 'numpy', 'huggingface_hub', 'httpx2', 'filelock', 'asyncio', 'rich'}"
    code = f"import sys; from photofix import weights; weights.manifest(); print({heavy} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"

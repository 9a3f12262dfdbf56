"""photofix models, as a user types it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import golden
import hub_server
import numpy as np
import pytest
import torch
from hub_server import Hub
from typer.testing import CliRunner, Result

from photofix import weights
from photofix.cli import app, models
from photofix.errors import UsageError, WeightsError
from photofix.model import CPU_TILE
from photofix.networks.dncnn import DnCNN
from photofix.photo import Photo
from photofix.read import read
from photofix.write import write

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MANIFEST = """
[net]
task = "sharpen"
best_for = "tests [bold]"
network = "dncnn"
sources = [{ url = "URL" }]
size = 7000
sha256 = "SHA256"
takes = { encoding = "srgb", channels = 3, conditions = ["sigma"] }
gives = "noise"
reach = 20
margin = 10
multiple = 1
licence = "CC BY-NC 4.0"
commercial = false
trained_on = "nothing"
figures = { "PSNR" = "30 dB" }
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server.running() as server:
        yield server


@pytest.fixture(autouse=True)
def home(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and a user's manifest in the config folder with one net that the server has."""
    for variable in ("PHOTOFIX_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path / "config")
    (tmp_path / "config").mkdir()
    text = MANIFEST.replace("SHA256", SHA256).replace("URL", hub.put("/net.pth", CONTENT))
    (tmp_path / "config" / "weights.toml").write_text(text, encoding="utf-8")
    return tmp_path


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(models.app, [*arguments])


def done(*arguments: str) -> str:
    """What a command that must succeed prints on stdout."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def net_line() -> list[str]:
    (line,) = [line for line in done("list").splitlines() if line.startswith("net\t")]
    return line.split("\t")


def test_list_is_tab_separated_where_there_is_no_terminal() -> None:
    names = [line.split("\t")[0] for line in done("list").splitlines()]
    assert names == [entry.name for entry in sorted(weights.manifest().values(), key=lambda entry: entry.task)]
    expected = ["net", "sharpen", "tests [bold]", "7000", "CC BY-NC 4.0", "NO", "to fetch", "PSNR: 30 dB"]
    assert net_line() == expected
    assert done("list", "--task", "sharpen").splitlines() == ["\t".join(expected)]


def shown(columns: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of the list on a terminal of so many columns."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    models.list_models()
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in screen.getvalue().splitlines()]


def test_list_is_a_table_on_a_wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(200, monkeypatch)
    (row,) = [line for line in lines if "sharpen" in line]
    assert all(part in row for part in ("tests [bold]", "CC BY-NC 4.0", "NO", "to fetch", "PSNR: 30 dB"))
    assert max(map(len, lines)) <= 200


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_list_is_in_paragraphs_on_a_narrow_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(columns, monkeypatch)
    place = lines.index("sharpen")
    assert re.match(r"  net +7 kB  to fetch   CC BY-NC", lines[place + 1])
    assert "CC BY-NC 4.0, commercial use: NO" in " ".join(line.strip() for line in lines[place + 1 : place + 3])
    assert "      tests [bold]" in lines[place:]
    assert "      PSNR: 30 dB" in lines[place:]
    assert max(map(len, lines)) <= columns
    tasks = [line for line in lines if not line.startswith(" ")]
    assert tasks == sorted({entry.task for entry in weights.manifest().values()})


def test_list_as_json_holds_every_field() -> None:
    (net,) = [entry for entry in json.loads(done("list", "--json")) if entry["name"] == "net"]
    assert (net["sha256"], net["takes"]["channels"], net["state"], net["path"]) == (SHA256, 3, "to fetch", None)


def test_an_unknown_task_is_a_usage_error() -> None:
    assert isinstance(run("list", "--task", "iron").exception, UsageError)


def test_info_says_licence_conditions_and_source(hub: Hub) -> None:
    text = done("info", "net")
    for part in ("not for commercial use", "srgb, 3 channels and sigma", SHA256, f"{hub.address}/net.pth", "30 dB"):
        assert part in text
    assert json.loads(done("info", "net", "--json"))["margin"] == 10


def test_info_says_what_it_costs_and_sees(home: Path) -> None:
    assert [line.split(":")[0] for line in done("info", "net").splitlines()].count("memory") == 1
    text = done("info", "net")
    for label, value in [
        ("time", models.UNKNOWN),
        ("memory", models.UNKNOWN),
        ("precision", "half"),
        ("sees", "tiles; reach 20"),
    ]:
        assert f"{label + ':':<13}{value}" in text
    manifest = home / "config" / "weights.toml"
    costs = "multiple = 8\ntile = 512\nhalf = false\nbytes_per_pixel = 2000\nseconds_per_megapixel = 2.5"
    manifest.write_text(manifest.read_text("utf-8").replace("multiple = 1", costs), encoding="utf-8")
    text = done("info", "net")
    for part in (
        "2.5 s a megapixel",
        "0.52 GB a tile of 512 x 512 (2000 bytes a pixel)",
        "float32: half precision is too coarse",
        "tiles of 512 pixels, as it weighs all it sees",
    ):
        assert part in text
    manifest.write_text(manifest.read_text("utf-8") + 'view = "whole"\n', encoding="utf-8")
    assert "the whole picture, shrunk to 512 pixels" in done("info", "net")


def test_the_tile_whose_memory_is_shown_is_the_one_that_is_run() -> None:
    assert models.TILE == CPU_TILE


def test_fetch_then_path_then_verify() -> None:
    assert isinstance(run("path", "net").exception, WeightsError)
    result = run("fetch", "net")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "is not for commercial use: CC BY-NC 4.0" in result.stderr
    path = Path(done("path", "net").strip())
    assert path.read_bytes() == CONTENT
    assert net_line()[6] == "cached"
    assert f"net\tright\t{path}" in done("verify").splitlines()


def test_fetch_by_task_and_in_silence(hub: Hub) -> None:
    assert run("fetch", "--task", "sharpen", "-q").output == ""
    assert hub.asked("GET", "/net.pth") == [""]


UNPINNED = MANIFEST.replace('sha256 = "SHA256"\n', "").replace("size = 7000\n", "")


def test_fetch_all_goes_on_after_a_failure_and_says_what_it_left_out(home: Path, hub: Hub) -> None:
    gone = MANIFEST.replace("[net]", "[gone]").replace("SHA256", "a" * 64).replace("URL", f"{hub.address}/gone.pth")
    unpinned = UNPINNED.replace("[net]", "[unknown]").replace("URL", f"{hub.address}/unknown.pth")
    manifest = home / "config" / "weights.toml"
    manifest.write_text(gone + unpinned + manifest.read_text("utf-8"), encoding="utf-8")
    result = run("fetch", "--all", "--task", "sharpen")
    assert isinstance(result.exception, WeightsError)
    assert str(result.exception).startswith("gone: no source gave its file")
    assert "left out, as nobody vouches for their hashes: unknown" in result.stderr
    assert net_line()[6] == "cached"
    assert hub.asked("GET", "/unknown.pth") == []


def test_a_licence_is_said_at_the_first_fetch_only() -> None:
    assert run("fetch", "net").stderr.count("not for commercial use") == 1
    assert "not for commercial use" not in run("fetch", "net").stderr


def test_a_model_is_fetched_when_it_is_first_used(home: Path, hub: Hub) -> None:
    """photofix denoise --model NAME: asked for once, checked, loaded, run; then run again without a request."""
    torch.save(golden.fill(DnCNN(channels=3, layers=3, width=8)).state_dict(), home / "small.pth")
    content = (home / "small.pth").read_bytes()
    text = MANIFEST.replace("[net]", "[small]").replace('"sharpen"', '"denoise"').replace("SHA256", digest(content))
    text = text.replace("7000", str(len(content))).replace("URL", hub.put("/small.pth", content))
    text = text.replace('conditions = ["sigma"]', "conditions = []").replace("reach = 20", "reach = 10")
    manifest = home / "config" / "weights.toml"
    arguments = "arguments = { channels = 3, layers = 3, width = 8 }\n"
    manifest.write_text(text + arguments, encoding="utf-8")
    write(Photo(np.full((40, 50, 3), 99, np.uint8)), home / "in.png")
    for name in ("one.png", "two.png"):
        words = ["denoise", str(home / "in.png"), str(home / name), "--model", "small", "--sigma", "5", "-v"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        assert ("not for commercial use" in result.stderr) == (name == "one.png")
        assert "model small" in result.stderr
    assert hub.asked("GET", "/small.pth") == [""]
    changed = read(home / "two.png")
    assert isinstance(changed, Photo)
    assert not np.array_equal(changed.pixels, np.full((40, 50, 3), 99))


@pytest.mark.parametrize("arguments", [[], ["net", "--all"], ["net", "--task", "sharpen"]])
def test_fetch_must_be_told_what(arguments: list[str]) -> None:
    assert isinstance(run("fetch", *arguments).exception, UsageError)


def test_fetch_offline_asks_nobody(hub: Hub) -> None:
    assert isinstance(run("fetch", "net", "--offline").exception, WeightsError)
    assert hub.requests == []


def test_verify_finds_the_damaged_and_fetches_nothing(hub: Hub) -> None:
    run("fetch", "net")
    Path(done("path", "net").strip()).write_bytes(b"X" + CONTENT[1:])
    result = run("verify")
    assert "net\tdamaged" in result.stdout
    assert "photofix models fetch net" in str(result.exception)
    assert len(hub.requests) == 1


def test_verify_of_what_is_not_here_fails_only_when_named() -> None:
    assert "net\tto fetch" in done("verify")
    assert isinstance(run("verify", "net").exception, WeightsError)


@pytest.mark.parametrize("command", ["path", "verify"])
def test_what_cannot_be_fetched_is_to_be_imported(command: str) -> None:
    found = run(command, "restormer-real").exception
    assert str(found).endswith("Type: photofix models import FILE --as restormer-real")
    assert str(run(command, "net").exception).endswith("Type: photofix models fetch net")


def test_import_recognises_a_file(home: Path, hub: Hub) -> None:
    (home / "net (1).pth").write_bytes(CONTENT)
    assert "not for commercial use" in run("import", str(home / "net (1).pth")).stderr
    assert Path(done("path", "net").strip()).read_bytes() == CONTENT
    assert hub.requests == []


def test_import_as_pins_only_what_fits(home: Path) -> None:
    manifest = home / "config" / "weights.toml"
    ships = manifest.read_text("utf-8")
    shipped = home / "shipped.toml"
    arguments = 'arguments = { channels = 1, layers = 3, width = 4 }\nunwrap = "params"\n'
    shipped.write_text(UNPINNED.replace("[net]", "[small]").replace("URL", "https://127.0.0.1:9/small.pth") + arguments)
    state = DnCNN(channels=1, layers=3, width=4).state_dict()
    torch.save({"params": state}, home / "right.pth")
    torch.save({"params": dict(list(state.items())[1:])}, home / "wrong.pth")
    (home / "page.pth").write_text("<!DOCTYPE html>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "shipped", lambda: shipped)
        assert "was not taken in" in str(run("import", str(home / "wrong.pth"), "--as", "small").exception)
        assert "is a web page" in str(run("import", str(home / "page.pth"), "--as", "small").exception)
        assert manifest.read_text("utf-8") == ships
        assert run("import", str(home / "right.pth"), "--as", "small").exit_code == 0
        assert Path(done("path", "small").strip()).read_bytes() == (home / "right.pth").read_bytes()


def test_import_of_a_file_that_is_not_there_or_not_known(home: Path) -> None:
    assert "no such file" in str(run("import", str(home / "none")).exception)
    (home / "other").write_bytes(b"other")
    assert "--as NAME" in str(run("import", str(home / "other")).exception)


def test_an_own_manifest_is_read_by_every_command(home: Path) -> None:
    text = (home / "config" / "weights.toml").read_text("utf-8").replace("[net]", "[mine]")
    (home / "own.toml").write_text(text, encoding="utf-8")
    for command in ("info", "fetch", "verify", "path"):
        assert run(command, "mine", "--manifest", str(home / "own.toml")).exit_code == 0, command
        assert "'mine'" in str(run(command, "mine").exception)


def test_the_commands_are_there_without_heavy_imports() -> None:
    heavy = "{'torch', 'numpy', 'huggingface_hub', 'httpx2', 'filelock'}"
    code = f"import sys; from photofix.cli import models; print({heavy} & sys.modules.keys())"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "set()"

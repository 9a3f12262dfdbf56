"""photofix models, as a user types it."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
from hub_server import Hub
from typer.testing import CliRunner, Result

from photofix import weights
from photofix.cli import models
from photofix.errors import UsageError, WeightsError

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
    assert [line.split("\t")[0] for line in done("list").splitlines()] == list(weights.manifest())
    expected = ["net", "sharpen", "tests [bold]", "7000", "CC BY-NC 4.0", "NO", "to fetch", "PSNR: 30 dB"]
    assert net_line() == expected
    assert done("list", "--task", "sharpen").splitlines() == ["\t".join(expected)]


def test_list_is_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "200")
    models.list_models()
    (row,) = [line for line in screen.getvalue().splitlines() if "sharpen" in line]
    assert "tests [bold]" in row
    assert "NO" in row


def test_list_as_json_holds_every_field() -> None:
    (net,) = [entry for entry in json.loads(done("list", "--json")) if entry["name"] == "net"]
    assert (net["sha256"], net["takes"]["channels"], net["state"], net["path"]) == (SHA256, 3, "to fetch", None)


def test_an_unknown_task_is_a_usage_error() -> None:
    assert isinstance(run("list", "--task", "iron").exception, UsageError)


def test_info_says_licence_conditions_and_source(hub: Hub) -> None:
    text = done("info", "net")
    for part in ("not for commercial use", "3 channels, srgb and sigma", SHA256, f"{hub.address}/net.pth", "30 dB"):
        assert part in text
    assert json.loads(done("info", "net", "--json"))["margin"] == 10


def test_fetch_then_path_then_verify() -> None:
    assert isinstance(run("path", "net").exception, WeightsError)
    result = run("fetch", "net")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "not for commercial use" in result.stderr
    path = Path(done("path", "net").strip())
    assert path.read_bytes() == CONTENT
    assert net_line()[6] == "cached"
    assert f"net\tright\t{path}" in done("verify").splitlines()


def test_fetch_by_task_and_in_silence(hub: Hub) -> None:
    assert run("fetch", "--task", "sharpen", "-q").output == ""
    assert hub.asked("GET", "/net.pth") == [""]


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


def test_import_recognises_a_file(home: Path, hub: Hub) -> None:
    (home / "net (1).pth").write_bytes(CONTENT)
    assert "not for commercial use" in run("import", str(home / "net (1).pth")).stderr
    assert Path(done("path", "net").strip()).read_bytes() == CONTENT
    assert hub.requests == []


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

"""The command line as a whole: help, version, errors and their exit statuses, and what the README says of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import photofix
from photofix.cli import app, status_of
from photofix.errors import DeviceError, PhotofixError, ReadError, UsageError, WeightsError, WriteError

PHOTOFIX = [sys.executable, "-m", "photofix"]
README = Path(__file__).resolve().parents[1] / "README.md"
HEAVY = ("torch", "cv2", "numpy", "rawpy", "tifffile", "PIL", "OpenImageIO", "imagecodecs", "huggingface_hub", "httpx2")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    tasks = {"denoise", "deblur", "hdr", "low-light", "colorize", "relight"}
    assert set(COMMANDS) == tasks | {"info", "compare", "doctor", "models"}
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("words", [["--help"], ["denoise", "--help"], ["--version"], ["models", "list"]])
def test_nothing_heavy_is_imported_for_help(words: list[str]) -> None:
    code = (
        "import sys\nfrom photofix.cli import app\n"
        f"try: app({words!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_importing_photofix_imports_nothing_heavy() -> None:
    code = f"import sys, photofix; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"photofix {photofix.__version__}\n")


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (["denose"], "denose"),
        (["denoise", "--sgima", "5"], "--sgima"),
        (["denoise", "--precision", "x"], "--precision"),
    ],
)
def test_wrong_words_are_a_usage_error(words: list[str], culprit: str) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert culprit in result.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError, 2), (WeightsError, 3), (DeviceError, 1), (ReadError, 1), (WriteError, 1), (PhotofixError, 1)],
)
def test_every_error_has_its_exit_status(error: type[PhotofixError], status: int) -> None:
    assert status_of(error("words")) == status


def test_an_error_is_one_line_on_standard_error() -> None:
    command = [*PHOTOFIX, "denoise", "a.jpg", "--sigma", "much"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "photofix: --sigma much: give a number or auto\n"


def test_what_cannot_be_printed_is_said() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PHOTOFIX, "models", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "photofix: standard output: No space left on device\n")


def test_a_closed_stream_is_none_that_others_stand_in_for() -> None:
    """Messages that cannot be said stay unsaid, and an output that goes nowhere is a failure."""
    refused = [*PHOTOFIX, "denoise", "a.jpg", "--sigma", "much"]
    done = subprocess.run(refused, preexec_fn=lambda: os.close(2), stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    listed = [*PHOTOFIX, "models", "list"]
    done = subprocess.run(listed, preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"photofix: standard output: not writable\n")
    piped = [*PHOTOFIX, "info", "-"]
    done = subprocess.run(piped, preexec_fn=lambda: os.close(0), stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"the file is empty" in done.stderr


def documented() -> list[list[str]]:
    """Every photofix command in a code block of the README, as words after `photofix`."""
    blocks = re.findall(r"```(?:\w*)\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    lines = [line.split(" #")[0] for block in blocks for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"\||&&|>", line)]
    return [words[1:] for words in map(str.split, parts) if words and words[0].endswith("photofix") and words[1:]]


def test_the_readme_documents_every_command_and_no_other() -> None:
    assert {words[0] for words in documented()} == set(COMMANDS)


@pytest.mark.parametrize("words", documented(), ids=" ".join)
def test_what_the_readme_types_is_understood(words: list[str]) -> None:
    command = COMMANDS[words[0]]
    while hasattr(command, "commands"):
        words = words[1:]
        command = command.commands[words[0]]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-") and word != "-"} <= options

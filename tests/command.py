"""A command of photofix, run in this process as a shell would run it."""

from __future__ import annotations

from typer.testing import CliRunner

from photofix.cli import app, status_of
from photofix.errors import PhotofixError


def command(*words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Exit status, standard output, standard error of `photofix WORDS`, errors told as main() tells them."""
    result = CliRunner().invoke(app, [*words], input=stdin)
    if isinstance(result.exception, PhotofixError):
        return status_of(result.exception), result.stdout_bytes, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.exit_code, result.stdout_bytes, result.stderr

"""The command line: options in, exit status out. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from photofix import __version__
from photofix.cli import colorize, compare, deblur, denoise, hdr, inspect, low_light, models, relight
from photofix.errors import PhotofixError, UsageError, WeightsError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(denoise.denoise)
app.command()(deblur.deblur)
app.command()(hdr.hdr)
app.command("low-light")(low_light.low_light)
app.command()(colorize.colorize)
app.command()(relight.relight)
app.command()(inspect.info)
app.command()(compare.compare)
app.command()(inspect.doctor)
app.add_typer(models.app, name="models")

#: Exit statuses, beside 0 (all done), 1 (some photos failed) and 130 (interrupted, which Typer gives).
USAGE, WEIGHTS = 2, 3


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"photofix {__version__}")
        raise typer.Exit


@app.callback()
def photofix(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Restore photos with neural networks: RAW to finished file, offline, any size, any number."""


def main() -> None:
    """Run the command line and leave with its exit status."""
    _stand_in_for_closed_streams()
    # A cluster's or a shell's polite end is treated as Ctrl-C is: unfinished files go, finished ones stay.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except PhotofixError as error:
        print(f"photofix: {error}", file=sys.stderr)
        raise SystemExit(status_of(error)) from error
    except OSError as error:
        print(f"photofix: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        sys.stdout = None  # what it still holds would fail once more at the end
        raise SystemExit(1) from error
    finally:
        # A tile that is begun is waited for: the impatient's further Ctrl-C would break the interpreter's own end.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _stand_in_for_closed_streams() -> None:
    """Streams that the caller closed (2>&-) are None: messages meant for one would go to another, into a picture."""
    # Standard output's is not to be written to either: no picture is lost in silence.
    for name, mode in (("stdin", "r"), ("stdout", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the process lives


def status_of(error: PhotofixError) -> int:
    """The exit status that an error leads to."""
    if isinstance(error, UsageError):
        return USAGE
    return WEIGHTS if isinstance(error, WeightsError) else 1


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt

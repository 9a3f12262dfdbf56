"""photofix models: what weights there are, and where their files lie."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from photofix import settings, weights
from photofix.errors import UsageError, WeightsError
from photofix.fetch import Progress, digest
from photofix.weights import Entry

app = typer.Typer(no_args_is_help=True, help="The networks' weights: list, fetch, verify, import.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Models' names.")]
ManifestFile = Annotated[Path | None, typer.Option("--manifest", metavar="FILE", help="Add a manifest of your own.")]
Task = Annotated[str, typer.Option(metavar="TASK", help="Only models for this task.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Offline = Annotated[bool, typer.Option(help="Send no request.")]


@app.command("list")
def list_models(task: Task = "", manifest: ManifestFile = None, as_json: Json = False) -> None:
    """List the models: a table on a terminal, else tab-separated lines."""
    entries = _of_task(task, weights.manifest(manifest))
    if as_json:
        _print_json([_described(entry) for entry in entries])
    elif sys.stdout.isatty():
        _print_table(entries)
    else:
        for entry in entries:
            size = str(entry.size) if entry.size else "unknown"
            typer.echo("\t".join([entry.name, entry.task, entry.best_for, size, *_last_columns(entry)]))


@app.command()
def info(name: Name, manifest: ManifestFile = None, as_json: Json = False) -> None:
    """Print all that is known of a model: what it takes and gives, licence, training data, figures, sources."""
    entry = weights.find(name, weights.manifest(manifest))
    if as_json:
        _print_json(_described(entry))
        return
    for label, value in _facts(entry):
        typer.echo(f"{label + ':':<13}{value}")


@app.command()
def fetch(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="Every model.")] = False,
    task: Task = "",
    manifest: ManifestFile = None,
    offline: Offline = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no messages.")] = False,
) -> None:
    """Put models' files into the cache, checked by their hash."""
    entries = weights.manifest(manifest)
    if bool(names) == (every or bool(task)):
        raise UsageError("which models? Type: photofix models fetch NAME..., --all or --task TASK")
    # One that nobody vouches for is not among "all": it would stop the others.
    chosen = [weights.find(name, entries) for name in names or ()] or [
        entry for entry in _of_task(task, entries) if entry.sha256
    ]
    for entry in chosen:
        with _bar(entry, quiet) as progress:
            path = weights.verified(entry, offline, progress)
        if not quiet:
            typer.echo(f"{entry.name}: {path}{_licence_note(entry)}", err=True)


@app.command()
def verify(names: Names = None, manifest: ManifestFile = None) -> None:
    """Check the files that are here against their hashes; nothing is fetched."""
    entries = weights.manifest(manifest)
    chosen = [weights.find(name, entries) for name in names] if names else list(entries.values())
    bad = []
    for entry in chosen:
        path = weights.locate(entry)
        wanted = bool(names or entry.embedded)
        right = path is not None and digest(path) == entry.sha256
        typer.echo(f"{entry.name}\t{'right' if right else 'damaged' if path else _state(entry)}\t{path or ''}".rstrip())
        if not right and (path or wanted):
            bad.append(entry.name)
    if bad:
        raise WeightsError(
            f"not as the manifest promises: {', '.join(bad)}\nType: photofix models fetch {' '.join(bad)}"
        )


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A weights file that you have.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="The model it is, if its hash is not known.")] = "",
    manifest: ManifestFile = None,
) -> None:
    """Take a weights file into the cache; it is recognised by its hash."""
    for entry in weights.adopt(file, weights.manifest(manifest), name):
        typer.echo(f"{entry.name}: {weights.locate(entry)}{_licence_note(entry)}", err=True)


@app.command()
def path(name: Name, manifest: ManifestFile = None) -> None:
    """Print where a model's file lies."""
    found = weights.locate(weights.find(name, weights.manifest(manifest)))
    if found is None:
        raise WeightsError(f"{name}: its file is not here. Type: photofix models fetch {name}")
    typer.echo(found)


def _of_task(task: str, entries: Mapping[str, Entry]) -> list[Entry]:
    tasks = sorted({entry.task for entry in entries.values()})
    if task and task not in tasks:
        raise UsageError(f"no model is for the task '{task}'; there are: {', '.join(tasks)}")
    return [entry for entry in entries.values() if task in ("", entry.task)]


def _print_table(entries: list[Entry]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", "task", "best for", "size", "licence", "commercial", "file", "figure")
    for entry in entries:
        table.add_row(*map(escape, [entry.name, entry.task, entry.best_for, _size(entry), *_last_columns(entry)]))
    Console().print(table)


def _last_columns(entry: Entry) -> list[str]:
    figure = next((f"{what}: {value}" for what, value in entry.figures.items()), "")
    return [entry.licence, "yes" if entry.commercial else "NO", _state(entry), figure]


def _facts(entry: Entry) -> Iterator[tuple[str, object]]:
    conditions = "".join(f" and {condition}" for condition in entry.takes.conditions)
    yield "name", entry.name
    yield "task", entry.task
    yield "best for", entry.best_for
    yield "network", f"{entry.network} {dict(entry.arguments) or ''}".rstrip()
    yield "takes", f"{entry.takes.channels} channels, {entry.takes.encoding}{conditions}"
    yield "gives", entry.gives
    yield "tiles", f"reach {entry.reach}, margin {entry.margin}, sides multiples of {entry.multiple} pixels"
    yield "licence", f"{entry.licence}{_licence_note(entry)}"
    yield "trained on", entry.trained_on
    yield "paper", entry.paper or "none"
    yield from (("figure", f"{what}: {value}") for what, value in entry.figures.items())
    yield "size", _size(entry)
    yield "sha256", entry.sha256 or f"unknown (photofix models import FILE --as {entry.name})"
    yield from (("source", source.address(settings.read().hub)) for source in entry.sources)
    yield "file", weights.locate(entry) or _state(entry)


def _described(entry: Entry) -> dict[str, object]:
    found = weights.locate(entry)
    return asdict(entry) | {"state": _state(entry), "path": str(found) if found else None}


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _state(entry: Entry) -> str:
    if weights.locate(entry):
        return "embedded" if entry.embedded else "cached"
    if entry.embedded:
        return "missing"
    return "to fetch" if entry.sha256 else "to import"


def _size(entry: Entry) -> str:
    return f"{entry.size / 1e6:.1f} MB" if entry.size else "unknown"


def _licence_note(entry: Entry) -> str:
    return "" if entry.commercial else f" (not for commercial use: {entry.licence})"


@contextmanager
def _bar(entry: Entry, quiet: bool) -> Iterator[Progress | None]:
    """A progress bar on stderr where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(entry.name, total=entry.size or None)
        yield lambda done, size: bars.update(bar, completed=done, total=size or None)

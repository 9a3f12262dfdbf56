"""photofix models: what weights there are, and where their files lie."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from photofix import settings, weights
from photofix.errors import UsageError, WeightsError
from photofix.fetch import digest
from photofix.weights import Entry

app = typer.Typer(no_args_is_help=True, help="The networks' weights: list, fetch, verify, import.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Models' names.")]
ManifestFile = Annotated[Path | None, typer.Option("--manifest", metavar="FILE", help="Add a manifest of your own.")]
Task = Annotated[str, typer.Option(metavar="TASK", help="Only models for this task.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Offline = Annotated[bool, typer.Option(help="Send no request.")]


#: Columns of a terminal from which on the list is one table.
WIDE = 160

#: Side of a tile whose memory is shown for networks that take any; what model.CPU_TILE is, which torch comes with.
TILE = 1024

UNKNOWN = "not measured"


@app.command("list")
def list_models(task: Task = "", manifest: ManifestFile = None, as_json: Json = False) -> None:
    """List the models by task on a terminal, else as tab-separated lines."""
    entries = _of_task(task, weights.manifest(manifest))
    if as_json:
        _print_json([_described(entry) for entry in entries])
    elif not sys.stdout.isatty():
        for entry in entries:
            size = str(entry.size) if entry.size else "unknown"
            typer.echo("\t".join([entry.name, entry.task, entry.best_for, size, *_last_columns(entry)]))
    elif shutil.get_terminal_size().columns >= WIDE:
        _print_table(entries)
    else:
        _print_paragraphs(entries)


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
    chosen = [weights.find(name, entries) for name in names or ()] or _of_task(task, entries)
    # One that nobody vouches for is not among "all": it would only fail.
    unknown = [] if names else [entry.name for entry in chosen if not entry.sha256]
    failures = []
    for entry in chosen:
        if entry.name not in unknown:
            try:
                _fetch(entry, offline, quiet)
            except WeightsError as error:
                failures.append(str(error))
    if unknown and not quiet:
        typer.echo(
            f"left out, as nobody vouches for their hashes: {', '.join(unknown)} (photofix models info)", err=True
        )
    if failures:
        raise WeightsError("\n".join(failures))


def _fetch(entry: Entry, offline: bool, quiet: bool) -> None:
    from photofix.cli import download

    if not quiet:
        _say_licence(entry)
    with download.bar(entry, visible=not quiet and sys.stderr.isatty()) as progress:
        path = weights.verified(entry, offline, progress)
    if not quiet:
        typer.echo(f"{entry.name}: {path}", err=True)


def _say_licence(entry: Entry) -> None:
    if notice := weights.licence_notice(entry):
        typer.echo(f"photofix: {notice}", err=True)


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
            bad.append(entry)
    if bad:
        remedies = "\n".join(f"Type: {_remedy(entry)}" for entry in bad)
        raise WeightsError(f"not as the manifest promises: {', '.join(entry.name for entry in bad)}\n{remedies}")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A weights file that you have.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="The model it is, if its hash is not known.")] = "",
    manifest: ManifestFile = None,
) -> None:
    """Take a weights file into the cache; it is recognised by its hash."""
    entries = weights.manifest(manifest)
    if name and not weights.find(name, entries).sha256:
        _check_fits(file, weights.find(name, entries))
    for entry in weights.adopt(file, entries, name):
        _say_licence(entry)
        typer.echo(f"{entry.name}: {weights.locate(entry)}", err=True)


def _check_fits(file: Path, entry: Entry) -> None:
    """Before a hash is pinned for good: that the file is one of the entry's network."""
    from photofix import checkpoint, model

    if not model.fits(entry, checkpoint.read(file, entry.unwrap)):
        raise WeightsError(f"{file}: does not hold weights for the network of '{entry.name}'; it was not taken in")


@app.command()
def path(name: Name, manifest: ManifestFile = None) -> None:
    """Print where a model's file lies."""
    entry = weights.find(name, weights.manifest(manifest))
    found = weights.locate(entry)
    if found is None:
        raise WeightsError(f"{name}: its file is not here. Type: {_remedy(entry)}")
    typer.echo(found)


def _remedy(entry: Entry) -> str:
    """What brings an entry's file here."""
    if entry.embedded:
        return "pip install --force-reinstall photofix"
    return f"photofix models fetch {entry.name}" if entry.sha256 else f"photofix models import FILE --as {entry.name}"


def _of_task(task: str, entries: Mapping[str, Entry]) -> list[Entry]:
    tasks = sorted({entry.task for entry in entries.values()})
    if task and task not in tasks:
        raise UsageError(f"no model is for the task '{task}'; there are: {', '.join(tasks)}")
    # Sorted by task; within one, as the manifest has them.
    return sorted((entry for entry in entries.values() if task in ("", entry.task)), key=lambda entry: entry.task)


def _print_table(entries: list[Entry]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", "task", "best for", "size", "licence", "commercial", "file", "figure")
    for _, group in groupby(entries, lambda entry: entry.task):
        for entry in group:
            table.add_row(*map(escape, [entry.name, entry.task, entry.best_for, _size(entry), *_last_columns(entry)]))
        table.add_section()
    Console().print(table)


def _print_paragraphs(entries: list[Entry]) -> None:
    """For a terminal too narrow for a table: a line of short facts for each model, and the words below it."""
    width = shutil.get_terminal_size().columns
    longest = max((len(entry.name) for entry in entries), default=0)
    for task, group in groupby(entries, lambda entry: entry.task):
        typer.secho(task, bold=True)
        for entry in group:
            licence, commercial, state, figure = _last_columns(entry)
            line = f"  {entry.name:<{longest}}  {_size(entry):>8}  {state:<9}  {licence}, commercial use: {commercial}"
            typer.echo(textwrap.fill(line, width, subsequent_indent=" " * 6))
            for words in filter(None, (entry.best_for, figure)):
                typer.echo(textwrap.fill(words, width, initial_indent=" " * 6, subsequent_indent=" " * 6))


def _last_columns(entry: Entry) -> list[str]:
    published = [what for what in entry.figures if "published" in what] or list(entry.figures)
    figure = f"{published[0]}: {entry.figures[published[0]]}" if published else ""
    return [entry.licence, "yes" if entry.commercial else "NO", _state(entry), figure]


def _facts(entry: Entry) -> Iterator[tuple[str, object]]:
    """The card: what it is for, where it comes from, what it costs, how good it is."""
    conditions = "".join(f" and {condition}" for condition in entry.takes.conditions)
    yield "name", entry.name
    yield "task", entry.task
    yield "best for", entry.best_for
    yield "paper", entry.paper or "none"
    yield "trained on", entry.trained_on
    yield "licence", f"{entry.licence}{_licence_note(entry)}"
    yield from (("figure", f"{what}: {value}") for what, value in entry.figures.items())
    yield "network", f"{entry.network} {dict(entry.arguments) or ''}".rstrip()
    yield (
        "takes",
        f"{entry.takes.encoding}, {entry.takes.channels} channel{'s' * (entry.takes.channels > 1)}{conditions}",
    )
    yield "gives", entry.gives
    yield "sees", _view(entry)
    yield "precision", "half, where the hardware has it" if entry.half else "float32: half precision is too coarse"
    yield (
        "time",
        f"{entry.seconds_per_megapixel:g} s a megapixel on one core" if entry.seconds_per_megapixel else UNKNOWN,
    )
    yield "memory", _memory(entry)
    yield "size", _size(entry)
    yield "sha256", entry.sha256 or f"unknown ({_remedy(entry)})"
    yield from (("source", source.address(settings.read().hub)) for source in entry.sources)
    yield "file", weights.locate(entry) or _state(entry)


def _view(entry: Entry) -> str:
    reach = f"reach {entry.reach}, margin {entry.margin}, sides multiples of {entry.multiple} pixels"
    if entry.view == "whole":
        return f"the whole picture{f', shrunk to {entry.tile} pixels' if entry.tile else ''}; {reach}"
    return f"tiles{f' of {entry.tile} pixels, as it weighs all it sees' if entry.tile else ''}; {reach}"


def _memory(entry: Entry) -> str:
    if not entry.bytes_per_pixel:
        return UNKNOWN
    side = entry.tile or TILE
    size = entry.bytes_per_pixel * side**2
    return f"{size / 1e9:.2g} GB a tile of {side} x {side} ({entry.bytes_per_pixel} bytes a pixel)"


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
    if not entry.size:
        return "unknown"
    return f"{entry.size / 1e6:.1f} MB" if entry.size >= 1e5 else f"{entry.size / 1e3:.0f} kB"


def _licence_note(entry: Entry) -> str:
    return "" if entry.commercial else " (not for commercial use)"

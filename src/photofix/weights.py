"""The manifest, and the way from a name in it to a verified file. Knows nothing of torch.

weights.toml ships with photofix. A user's own one in the config folder, then one named by --manifest, add entries;
where they name an entry that is known, the fields they give replace its fields.
"""

from __future__ import annotations

import difflib
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from photofix import entry as schema
from photofix import fetch, settings
from photofix.entry import Entry
from photofix.errors import WeightsError
from photofix.fetch import Pin, Progress, digest

__all__ = ["Entry", "adopt", "default_for", "find", "licence_notice", "locate", "manifest", "shipped", "verified"]


def shipped() -> Path:
    """The manifest that comes with photofix: in the wheel beside this file, in a source tree at its top."""
    package = Path(__file__).resolve().parent
    places = (package / "weights.toml", package.parents[1] / "weights.toml")
    for path in places:
        if path.is_file():
            return path
    raise WeightsError(f"weights.toml is missing ({places[0]}): photofix is damaged, install it anew")


def manifest(extra: Path | None = None) -> dict[str, Entry]:
    """Every entry by name: shipped, then the config folder's, then those of `extra`.

    Raises:
        WeightsError: a manifest cannot be read or is against the schema; names the file, the entry and the field.
    """
    own = settings.read().config / "weights.toml"
    tables: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in (shipped(), *([own] if own.is_file() else []), *([extra] if extra else [])):
        for name, table in _tables(path).items():
            if name not in tables and table.keys() <= {"sha256", "size"}:
                continue  # A pin of an entry that another version of photofix had.
            known = tables[name][1] if name in tables else {}
            tables[name] = (path, known | table)
    return {name: schema.read(path, name, table) for name, (path, table) in tables.items()}


def find(name: str, entries: Mapping[str, Entry]) -> Entry:
    """The entry of that name, or a WeightsError that guesses what was meant."""
    if name in entries:
        return entries[name]
    close = difflib.get_close_matches(name, entries, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    raise WeightsError(f"no model is called '{name}'{hint} See: photofix models list")


def default_for(task: str, raw: bool, entries: Mapping[str, Entry]) -> Entry:
    """The entry that a task runs when no --model is given: it bears the task's name."""
    return find(f"{task}-raw" if raw else task, entries)


def locate(entry: Entry) -> Path | None:
    """The entry's file on this machine, not yet verified, or None."""
    path = _place(entry)
    return path if path.is_file() else None


def verified(entry: Entry, offline: bool = False, progress: Progress | None = None) -> Path:
    """The entry's file, its SHA-256 matched just now; fetched first where that is needed and allowed.

    The hash is taken at every load: 60 MB take 0.1 s, far less than torch takes to start, and
    a note that a file was once right would not see what happened to it since.

    Raises:
        WeightsError: it cannot be had; names URL, path, the hash that was promised, and what to type next.
    """
    path = _place(entry)
    if not entry.sha256:
        raise WeightsError(f"{entry.name}: nobody vouches for its hash, so it is not loaded.\n{_by_hand(entry, path)}")
    actual = digest(path) if path.is_file() else ""
    if actual == entry.sha256:
        return path
    state = (
        f"{path}\n    is damaged: SHA-256 {actual}, promised {entry.sha256}" if actual else f"{path}\n    is not there"
    )
    if entry.embedded:
        raise WeightsError(f"{entry.name}: {state}.\nIt came with photofix: install photofix anew.")
    if offline or settings.read().offline:
        raise WeightsError(f"{entry.name}: {state}, and offline nothing is fetched.\n{_by_hand(entry, path)}")
    try:
        fetch.fetch(entry.sources, path, Pin(entry.sha256, entry.size), settings.read().hub, progress or _silent)
    except WeightsError as error:
        raise WeightsError(f"{entry.name}: no source gave its file.\n{error}\n{_by_hand(entry, path)}") from error
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def adopt(file: Path, entries: Mapping[str, Entry], name: str = "") -> list[Entry]:
    """Take a file that the user brought into the cache: as `name`, or as every entry that has its hash.

    An entry without a hash gets this file's, in the config folder's manifest: from then on that file is loaded.
    """
    if not file.is_file():
        raise WeightsError(f"{file}: there is no such file")
    actual = digest(file)
    matching = [entry for entry in entries.values() if entry.sha256 == actual]
    if name and find(name, entries) not in matching:
        matching = [_pinned(find(name, entries), file, actual)]
    if not matching:
        raise WeightsError(
            f"{file}: no entry has its SHA-256, {actual}.\n"
            "For a published entry without a hash type: photofix models import FILE --as NAME"
        )
    for entry in matching:
        if not entry.embedded:
            _copy(file, _place(entry))
    return matching


def licence_notice(entry: Entry) -> str:
    """That an entry is not for commercial use, in words, the first time; after that, and where it is, nothing.

    The cache remembers what was said; where it cannot be written, it is said again.
    """
    told = settings.read().cache / "licences-told"
    line = f"{entry.name}: {entry.licence}"
    if entry.commercial or (told.is_file() and line in told.read_text("utf-8").splitlines()):
        return ""
    with suppress(OSError):
        told.parent.mkdir(parents=True, exist_ok=True)
        with told.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    return f"model '{entry.name}' is not for commercial use: {entry.licence}"


def _unwritable(place: Path, error: OSError) -> WeightsError:
    return WeightsError(f"{place}: cannot be written: {error}. Set PHOTOFIX_HOME to a folder that can be written to.")


def _silent(done: int, size: int) -> None:
    """Progress that nobody watches."""


def _pinned(entry: Entry, file: Path, sha256: str) -> Entry:
    if entry.sha256:
        raise WeightsError(f"{file}: is not {entry.name}.\n  SHA-256 {sha256}\n  promised {entry.sha256}")
    own = settings.read().config / "weights.toml"
    pin = f'sha256 = "{sha256}"\nsize = {file.stat().st_size}\n'
    text = own.read_text("utf-8") if own.is_file() else ""
    if entry.name not in manifest() or entry.name in tomllib.loads(text):
        raise WeightsError(f"{entry.name}: write its hash into the manifest that has it, under [{entry.name}]:\n{pin}")
    own.parent.mkdir(parents=True, exist_ok=True)
    with own.open("a", encoding="utf-8") as manifest_file:
        manifest_file.write(f"\n# Pinned by photofix models import\n[{entry.name}]\n{pin}")
    return manifest()[entry.name]


def _copy(file: Path, place: Path) -> None:
    """Whole or not at all, whoever else does the same."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            shutil.copyfile(file, Path(folder) / place.name).replace(place)
    except OSError as error:
        raise _unwritable(place, error) from error


def _place(entry: Entry) -> Path:
    """Where the file is, or will be. The hash is part of the name, so a new version does not disturb the old one."""
    if entry.embedded:
        return Path(__file__).resolve().parent / "embedded" / entry.embedded
    source = entry.sources[0]
    ending = PurePosixPath(source.file or source.url).suffix
    return settings.read().cache / "weights" / f"{entry.name}-{entry.sha256[:12]}{ending}"


def _by_hand(entry: Entry, path: Path) -> str:
    addresses = "".join(f"\n  {source.address(settings.read().hub)}" for source in entry.sources)
    if not entry.sha256:
        return f"Download it from{addresses}\nand, if you trust it, type: photofix models import FILE --as {entry.name}"
    size = f", {entry.size} bytes" if entry.size else ""
    return (
        f"Wanted: SHA-256 {entry.sha256}{size}, as {path}, from{addresses}\n"
        f"Type: photofix models fetch {entry.name}\nor download it by other means and type: photofix models import FILE"
    )


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not a manifest that can be read: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
            raise WeightsError(f"{path}: '{name}' is not a table named in small letters, digits, dots and dashes")
    return tables

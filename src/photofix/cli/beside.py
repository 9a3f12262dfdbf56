"""Files that a task writes beside a photo's output: what was found in it, and films."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from photofix import write as writing
from photofix.batch import STREAM, Job
from photofix.errors import UsageError, WriteError
from photofix.job import Restored
from photofix.photo import Photo
from photofix.tasks.found_scene import NAMES
from photofix.write import SaveOptions


@dataclass(frozen=True)
class Extras:
    """What is written beside outputs.

    maps: the folder of what is found in photos. film: whether a film goes beside each output. named: files of some of
    what is found in one photo, by its name.
    """

    maps: Path | None = None
    film: bool = False
    named: Mapping[str, Path] = field(default_factory=dict)


NO_EXTRAS = Extras()


def check(extras: Extras, jobs: list[Job], overwrite: bool) -> None:
    """UsageError where two photos would share such a file, one is there already, or there is no place for it."""
    if extras.film and any(job.target == STREAM for job in jobs):
        raise UsageError("--turntable writes files beside the output: give an output file, not a pipe")
    for path in extras.named.values():
        writing.format_of(path)
    there = {job.target for job in jobs}
    for job in jobs:
        for path in _paths(extras, job):
            if path in there:
                raise UsageError(f"{path}: two pictures would share it: give them one at a time, or another name")
            if path.exists() and not overwrite:
                raise UsageError(f"{path}: exists already; give --overwrite, or another name")
            there.add(path)


def write(extras: Extras, job: Job, restored: Restored, saving: SaveOptions) -> None:
    """The files, of which each appears whole or not at all."""
    if extras.maps:
        _make(extras.maps)
        for name, make in restored.maps.items():
            writing.write(make(), _map(extras.maps, job, name))
    for name, path in extras.named.items():
        kind = "exr" if writing.format_of(path) in ("exr", "pfm") else "png"
        _make(path.parent)
        writing.write(restored.maps[f"{name}.{kind}"](), path)
    if restored.film:
        folder = _frames(job)
        _make(folder)
        writing.write_film(_written(restored.film, folder, job, saving), _film(job))


def _written(film: Iterator[Photo], folder: Path, job: Job, saving: SaveOptions) -> Iterator[Photo]:
    """The frames, each of them in a file once the next one is asked for."""
    ending = job.target.suffix
    for number, frame in enumerate(film, start=1):
        writing.write(frame, folder / f"{number:03d}{ending}", saving)
        yield frame


def _paths(extras: Extras, job: Job) -> Iterator[Path]:
    if extras.maps:
        yield from (_map(extras.maps, job, name) for name in NAMES)
    yield from extras.named.values()
    if extras.film:
        yield from (_film(job), _frames(job))


def _map(folder: Path, job: Job, name: str) -> Path:
    return folder / f"{'photo' if job.source == STREAM else job.source.stem}-{name}"


def _film(job: Job) -> Path:
    return job.target.with_name(f"{job.target.stem}-turntable.webp")


def _frames(job: Job) -> Path:
    return job.target.with_name(f"{job.target.stem}-turntable")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: this folder cannot be made ({error.strerror}); give another") from error

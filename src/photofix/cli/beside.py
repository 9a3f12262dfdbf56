"""Files that a task writes beside a photo's output: drawings of what was found in it, several answers, and films."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from photofix import write as writing
from photofix.batch import STREAM, Job
from photofix.cli.files import make_folder_for
from photofix.errors import UsageError
from photofix.job import Restored
from photofix.photo import Photo
from photofix.tasks.found_scene import NAMES
from photofix.write import SaveOptions


@dataclass(frozen=True)
class Drawing:
    """One picture of what was found in one photo, or of several answers for it; and the option that asks for it."""

    option: str
    path: Path


@dataclass(frozen=True)
class Extras:
    """What is written beside outputs.

    maps: the folder of what is found in photos. film: whether a film goes beside each output. named: files of some of
    what is found in one photo, by its name.
    """

    drawing: Drawing | None = None
    maps: Path | None = None
    film: bool = False
    named: Mapping[str, Path] = field(default_factory=dict)


NO_EXTRAS = Extras()


def check(extras: Extras, jobs: list[Job], overwrite: bool) -> None:
    """UsageError where such a file is a photo or another's, is there already, or has no place."""
    if extras.film and any(job.target == STREAM for job in jobs):
        raise UsageError("--turntable writes files beside the output: give an output file, not a pipe")
    for option, path in _chosen(extras).items():
        writing.format_of(path)
        spare_pictures(option, path, jobs)
        make_folder_for(path)
    there = _pictures(jobs)
    for job in jobs:
        for path in _paths(extras, job):
            if (real := os.path.realpath(path)) in there:
                raise UsageError(f"{path}: two pictures would share it: give them one at a time, or another name")
            if path.exists() and not overwrite:
                raise UsageError(
                    f"{path}: exists already, and what is there already is kept: give --overwrite, or another name"
                )
            there.add(real)


def spare_pictures(option: str, path: Path, jobs: list[Job]) -> None:
    """UsageError where the file is one of the photos that are read or written."""
    if os.path.realpath(path) in _pictures(jobs):
        raise UsageError(f"{option} {path}: is one of the photos; name a file of its own")


def _pictures(jobs: list[Job]) -> set[str]:
    files = (file for job in jobs for file in (job.source, *job.more, job.target) if file != STREAM)
    return {os.path.realpath(file) for file in files}


def write(extras: Extras, job: Job, restored: Restored, saving: SaveOptions) -> None:
    """The files, of which each appears whole or not at all."""
    drawn = restored.sheet if restored.psf is None else Photo(restored.psf)
    if extras.drawing and drawn:
        _write(drawn, extras.drawing.path)
    if extras.maps:
        for name, make in restored.maps.items():
            _write(make(), _map(extras.maps, job, name))
    for name, path in extras.named.items():
        kind = "exr" if writing.format_of(path) in ("exr", "pfm") else "png"
        _write(restored.maps[f"{name}.{kind}"](), path)
    if restored.film:
        writing.write_film(_written(restored.film, _frames(job), job, saving), _film(job))


def _written(film: Iterator[Photo], folder: Path, job: Job, saving: SaveOptions) -> Iterator[Photo]:
    """The frames, each of them in a file once the next one is asked for."""
    for number, frame in enumerate(film, start=1):
        _write(frame, folder / f"{number:03d}{job.target.suffix}", saving)
        yield frame


def _write(photo: Photo, path: Path, saving: SaveOptions = writing.AS_IS) -> None:
    make_folder_for(path)
    writing.write(photo, path, saving)


def _chosen(extras: Extras) -> dict[str, Path]:
    """The files whose names the user chose, by the options for them."""
    drawing = {extras.drawing.option: extras.drawing.path} if extras.drawing else {}
    return drawing | {f"--{name}": path for name, path in extras.named.items()}


def _paths(extras: Extras, job: Job) -> Iterator[Path]:
    yield from _chosen(extras).values()
    if extras.maps:
        yield from (_map(extras.maps, job, name) for name in NAMES)
    if extras.film:
        yield from (_film(job), _frames(job))


def _map(folder: Path, job: Job, name: str) -> Path:
    return folder / f"{'photo' if job.source == STREAM else job.source.stem}-{name}"


def _film(job: Job) -> Path:
    return job.target.with_name(f"{job.target.stem}-turntable.webp")


def _frames(job: Job) -> Path:
    return job.target.with_name(f"{job.target.stem}-turntable")

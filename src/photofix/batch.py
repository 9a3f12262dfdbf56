"""Many photos: every name is planned before any work, stages overlap, and a failure is that photo's alone."""

from __future__ import annotations

import glob
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from photofix.errors import PhotofixError, UsageError
from photofix.photo import Photo, RawPhoto

#: Endings that a scanned folder is searched for; a file that is named is read whatever its ending.
RAW_ENDINGS = frozenset(
    [
        "dng",
        "nef",
        "nrw",
        "cr2",
        "cr3",
        "crw",
        "arw",
        "srf",
        "sr2",
        "raf",
        "orf",
        "rw2",
        "pef",
        "srw",
        "3fr",
        "fff",
        "iiq",
        "rwl",
        "mos",
        "mrw",
        "kdc",
        "dcr",
    ]
)
PICTURE_ENDINGS = frozenset(
    [
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "png",
        "tif",
        "tiff",
        "webp",
        "avif",
        "exr",
        "hdr",
        "pic",
        "ppm",
        "pgm",
        "pnm",
        "pfm",
        "bmp",
        "gif",
    ]
)

STREAM = Path("-")


@dataclass(frozen=True)
class Job:
    """One photo: where it comes from and where it goes; STREAM is a standard stream."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Naming:
    """How outputs are named.

    output: a folder, or None for beside each input. template: fields {stem}, {task}, {ext} (with its dot) and {source}
    (the input's ending without it). format: the output's ending where it is not the input's.
    """

    task: str
    output: Path | None = None
    template: str | None = None
    format: str | None = None
    recursive: bool = False


def plan(inputs: Iterable[str], naming: Naming) -> list[Job]:
    """The jobs of some files, patterns and folders; a folder's inner structure is mirrored in the output folder.

    Raises:
        UsageError: two inputs would go to one output, an output would be one of the inputs, or nothing was found.
    """
    named = [(path, root) for word in inputs for path, root in _found(word, naming.recursive)]
    jobs = [Job(path, _target(path, root, naming)) for path, root in dict.fromkeys(named)]
    # In a folder that was worked on before, its outputs lie among the inputs.
    made = {job.target for job in jobs}
    scanned = {path for path, root in named if root is not None}
    jobs = [job for job in jobs if not (job.source in made and job.source in scanned)]
    if not jobs:
        raise UsageError("no pictures found: name files, patterns or folders (-r looks into subfolders)")
    check(jobs)
    return jobs


def check(jobs: list[Job]) -> None:
    """UsageError where two jobs share an output, or an output is an input."""
    sources: dict[Path, list[Path]] = defaultdict(list)
    for job in jobs:
        if job.target != STREAM:
            sources[_real(job.target)].append(job.source)
    for target, rivals in sources.items():
        if len(rivals) > 1:
            names = " and ".join(str(rival) for rival in rivals[:3])
            raise UsageError(
                f"{names} would all become {target}: give --name '{{stem}}-{{source}}{{ext}}' or another folder"
            )
    inputs = {_real(job.source) for job in jobs if job.source != STREAM}
    for target in sources.keys() & inputs:
        raise UsageError(f"{target} is an input and would be overwritten: give another output or --name")


def existing(jobs: list[Job]) -> list[Path]:
    """Outputs that are there already."""
    return [job.target for job in jobs if job.target != STREAM and job.target.exists()]


def _found(word: str, recursive: bool) -> Iterator[tuple[Path, Path | None]]:
    """Files that an input word means, each with the folder it was found by, or None where it was named."""
    path = Path(word)
    if path.is_dir():
        entries = sorted(path.rglob("*") if recursive else path.iterdir())
        yield from ((entry, path) for entry in entries if _is_picture(entry))
    elif not path.exists() and any(letter in word for letter in "*?["):
        yield from (
            (Path(match), None) for match in sorted(glob.glob(word, recursive=recursive)) if Path(match).is_file()
        )
    else:
        yield path, None


def _is_picture(path: Path) -> bool:
    # Dot files are not photos: among them are other programs' unfinished files and our own.
    return path.suffix[1:].lower() in RAW_ENDINGS | PICTURE_ENDINGS and path.is_file() and path.name[0] != "."


def _target(source: Path, root: Path | None, naming: Naming) -> Path:
    ending = naming.format or _ending_for(source)
    template = naming.template or ("{stem}{ext}" if naming.output else "{stem}-{task}{ext}")
    parts = {"stem": source.stem, "task": naming.task, "ext": f".{ending}", "source": source.suffix[1:]}
    try:
        name = template.format_map(parts)
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError(f"--name '{template}': the fields are {{stem}}, {{task}}, {{ext}} and {{source}}") from error
    if naming.output is None:
        return source.with_name(name)
    inner = source.parent.relative_to(root) if root else Path()
    return naming.output / inner / name


def _ending_for(source: Path) -> str:
    """An output keeps its input's ending where that can be written; RAW and the rest become PNG."""
    ending = source.suffix[1:]
    return ending if ending.lower() in PICTURE_ENDINGS - {"bmp", "gif"} else "png"


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


Stage = Literal["read", "restore", "write"]


@dataclass(frozen=True)
class Outcome:
    """What became of one job: done, skipped, or failed with a message; facts go to --json."""

    job: Job
    state: Literal["done", "skipped", "failed"]
    message: str = ""
    facts: dict[str, object] = field(default_factory=dict)
    error: PhotofixError | None = None


@dataclass(frozen=True)
class Steps:
    """The three stages of a job. read answers None for a photo that is to be skipped."""

    read: Callable[[Job], Photo | RawPhoto | None]
    restore: Callable[[Job, Photo | RawPhoto], tuple[Photo, dict[str, object]]]
    write: Callable[[Job, Photo], list[str]]


@dataclass(frozen=True)
class Workers:
    """How many photos are in each stage at a time."""

    read: int = 1
    restore: int = 1
    write: int = 1


def run(jobs: list[Job], steps: Steps, workers: Workers, fail_fast: bool = False) -> Iterator[Outcome]:
    """Work through the jobs, and yield what became of each as it ends.

    Each photo is taken through its stages by one thread; gates keep each stage to its workers, so that one photo is
    decoded and another encoded while a third is computed, and no more are held than that. When the consumer stops
    (Ctrl-C), photos not begun are dropped and those being written are finished.
    """
    stop = threading.Event()
    gates = {stage: threading.Semaphore(getattr(workers, stage)) for stage in ("read", "restore", "write")}
    with ThreadPoolExecutor(workers.read + workers.restore + workers.write) as pool:
        futures: list[Future[Outcome | None]] = [pool.submit(_one, job, steps, gates, stop) for job in jobs]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                if outcome is None:
                    continue
                yield outcome
                if outcome.state == "failed" and fail_fast:
                    break
        finally:
            stop.set()
            for future in futures:
                future.cancel()


def _one(job: Job, steps: Steps, gates: dict[str, threading.Semaphore], stop: threading.Event) -> Outcome | None:
    try:
        with gates["read"]:
            if stop.is_set():
                return None
            photo = steps.read(job)
        if photo is None:
            return Outcome(job, "skipped", "is done already")
        with gates["restore"]:
            if stop.is_set():
                return None
            restored, facts = steps.restore(job, photo)
        del photo
        with gates["write"]:
            notes = steps.write(job, restored)
        return Outcome(job, "done", "; ".join(notes), facts)
    except PhotofixError as error:
        return Outcome(job, "failed", str(error), error=error)
    except Exception as error:  # the one place that isolates a photo: a bug met on one is not to cost the others
        return Outcome(job, "failed", f"unexpected {type(error).__name__}: {error}")


def summary(outcomes: Iterable[Outcome]) -> str:
    """'11 done, 1 failed'."""
    counts = Counter(outcome.state for outcome in outcomes)
    return ", ".join(f"{counts[state]} {state}" for state in ("done", "skipped", "failed") if counts[state])

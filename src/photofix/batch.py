"""Many photos: every name is planned before any work, stages overlap, and a failure is that photo's alone."""

from __future__ import annotations

import glob
import os
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Literal

from photofix.errors import PhotofixError, UsageError, WeightsError
from photofix.job import Given
from photofix.photo import Negative, Photo
from photofix.write import FORMATS

#: Endings that a folder is searched for; a file that is named is read whatever its ending.
RAW_ENDINGS = frozenset((
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "gpr", "iiq", "kdc", "mef", "mos", "mrw", "nef",
    "nrw", "orf", "pef", "raf", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
))  # fmt: skip
WRITTEN_ENDINGS = frozenset(ending for held in FORMATS.values() for ending in held.endings)
_SEARCHED = RAW_ENDINGS | WRITTEN_ENDINGS | {"pbm", "pam"}

STREAM = Path("-")


@dataclass(frozen=True)
class Job:
    """One photo: where it comes from and where it goes; STREAM is a standard stream.

    more: the frames of a burst beside the source, which is its first.
    """

    source: Path
    target: Path
    more: tuple[Path, ...] = ()


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

    @property
    def name(self) -> str:
        """The template, or what stands for it: the input's own name where that is free."""
        return self.template or ("{stem}{ext}" if self.output else "{stem}-{task}{ext}")


@dataclass(frozen=True)
class _Found:
    """An input, and the folder that a search found it under: what lies between is mirrored. None: it was named."""

    path: Path
    root: Path | None = None


def plan(inputs: Iterable[str], naming: Naming) -> list[Job]:
    """The jobs of some files, patterns and folders; what lies below a folder is mirrored in the output folder.

    Raises:
        UsageError: two inputs would go to one output, an output would be one of the inputs, or nothing was found.
    """
    found = [one for word in inputs for one in _search(word, naming)]
    targets = {one: _target(one, naming) for one in found}
    # Names that say the task are our own: in a folder that was worked on before, they lie among the inputs.
    made = {_real(target) for target in targets.values()} if "{task}" in naming.name else set()
    jobs = {
        (_real(one.path), _real(target)): Job(one.path, target)
        for one, target in targets.items()
        if one.root is None or _real(one.path) not in made
    }
    if not jobs:
        raise UsageError("no pictures found: name files, patterns or folders (-r looks into subfolders)")
    check(list(jobs.values()))
    return list(jobs.values())


def frames(inputs: Iterable[str], naming: Naming) -> list[Path]:
    """The files of a burst, each once, in the order in which they are named or found."""
    return list(dict.fromkeys(one.path for word in inputs for one in _search(word, naming)))


def check(jobs: list[Job]) -> None:
    """UsageError where two jobs share an output, or an output is an input or no file at all."""
    sources: dict[Path, list[Path]] = defaultdict(list)
    for job in jobs:
        if job.target != STREAM:
            sources[_real(job.target)].append(job.source)
    _check_capitals(sources)
    inputs = {_real(path) for job in jobs for path in (job.source, *job.more) if path != STREAM}
    for target, rivals in sources.items():
        if target in inputs:
            raise UsageError(f"{target} is an input and would be overwritten: give another output or --name")
        if len(rivals) > 1:
            names = " and ".join(str(rival) for rival in rivals[:3])
            raise UsageError(
                f"{names} would become one file, {target}: give --name '{{stem}}-{{source}}{{ext}}' if their endings "
                "differ, else run them into different folders"
            )
        if target.exists() and not target.is_file():
            raise UsageError(f"{target} is no file that could be replaced: give another name (- is standard output)")


def _check_capitals(sources: dict[Path, list[Path]]) -> None:
    """UsageError where outputs that differ in capitals alone are one file, as on cards and many systems' disks."""
    alike: dict[str, list[Path]] = defaultdict(list)
    for target in sources:
        alike[str(target).casefold()].append(target)
    for first, *others in alike.values():
        if others and _ignores_capitals(first.parent):
            raise UsageError(
                f"{first} and {others[0]} are one file on this disk, which ignores capitals: run "
                f"{sources[first][0]} and {sources[others[0]][0]} into different folders"
            )


def _ignores_capitals(folder: Path) -> bool:
    """Whether a file in a folder, which need not be there yet, is found by other capitals too."""
    there = next(one for one in (folder, *folder.parents) if one.is_dir())
    with suppress(OSError), tempfile.NamedTemporaryFile(dir=there, prefix=".photofix-a") as probe:
        return Path(probe.name).with_name(Path(probe.name).name.swapcase()).exists()
    return False


def existing(jobs: list[Job]) -> list[Path]:
    """Outputs that are there already."""
    return [job.target for job in jobs if job.target != STREAM and job.target.exists()]


def is_pattern(word: str) -> bool:
    """Whether a word is a pattern, and not the name of a file that has such letters in it."""
    return any(letter in word for letter in "*?[") and not Path(word).exists()


def _search(word: str, naming: Naming) -> list[_Found]:
    """The files that an input word means."""
    path = Path(word)
    if path.is_dir():
        return [_Found(file, path) for file in _pictures(path, naming)]
    if not is_pattern(word):
        return [_Found(path)]
    root = Path(*takewhile(lambda part: not is_pattern(part), path.parts[:-1]))
    matches = [Path(match) for match in sorted(glob.glob(word, recursive=True))]
    # A pattern that nothing fits fails like a missing file: alone, and by its name.
    return [_Found(match, root) for match in matches if match.is_file()] or [_Found(path)]


def _pictures(folder: Path, naming: Naming) -> Iterator[Path]:
    """What a folder holds; neither hidden files nor what lies in an output folder inside it. For DNGs, RAW files only:
    cameras put a JPEG beside each. A folder that may not be looked into is told of as a photo would be that cannot be
    read: alone, and by its name."""
    searched = RAW_ENDINGS if naming.format == "dng" else _SEARCHED
    output = _real(naming.output) if naming.output else None
    closed: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        inner = (name for name in sorted(folders) if naming.recursive and not name.startswith("."))
        folders[:] = [name for name in inner if _real(Path(place, name)) != output]
        for path in (Path(place, name) for name in sorted(names) if not name.startswith(".")):
            if path.suffix[1:].lower() in searched and path.is_file():
                yield path
    yield from closed


def _target(found: _Found, naming: Naming) -> Path:
    source = found.path
    stem = "stdin" if source == STREAM else source.stem
    ending = naming.format or _ending_for(source)
    parts = {"stem": stem, "task": naming.task, "ext": f".{ending}", "source": source.suffix[1:]}
    try:
        name = naming.name.format_map(parts)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise UsageError(
            f"--name '{naming.template}': the fields are {{stem}}, {{task}}, {{ext}} and {{source}}"
        ) from error
    if naming.output is None:
        return source.parent / name
    return naming.output / (source.parent.relative_to(found.root) if found.root is not None else Path()) / name


def _ending_for(source: Path) -> str:
    """An output keeps its input's ending where that can be written; RAW, unless DNG is asked for, and the rest become
    PNG."""
    ending = source.suffix[1:]
    return ending if ending.lower() in WRITTEN_ENDINGS - RAW_ENDINGS else "png"


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


@dataclass(frozen=True)
class Outcome:
    """What became of one job: done, skipped, or failed with a message; facts go to --json."""

    job: Job
    state: Literal["done", "skipped", "failed"]
    message: str = ""
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Steps:
    """The three stages of a job. read answers None for a photo that is to be skipped."""

    read: Callable[[Job], Given | None]
    restore: Callable[[Job, Given], tuple[Photo | Negative, dict[str, object]]]
    write: Callable[[Job, Photo | Negative], list[str]]


@dataclass(frozen=True)
class Workers:
    """How many photos are in each stage at a time."""

    read: int = 1
    restore: int = 1
    write: int = 1


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """What a stage raises to leave a photo in its middle, once `stop` is set."""


def run(
    jobs: list[Job], steps: Steps, workers: Workers, stop: threading.Event, fail_fast: bool = False
) -> Generator[Outcome, None, None]:
    """Work through the jobs, and yield what became of each as it ends.

    Each photo is taken through its stages by one thread; gates keep each stage to its workers, so that one photo is
    decoded and another encoded while a third is computed, and no more are held than that. When the consumer closes
    (Ctrl-C) `stop` is set: photos not begun are dropped, and those being written are finished.

    Raises:
        WeightsError: no photo could be done without them. BrokenPipeError: nobody reads what is written.
    """
    gates = {stage: threading.Semaphore(getattr(workers, stage)) for stage in ("read", "restore", "write")}
    with ThreadPoolExecutor(workers.read + workers.restore + workers.write) as pool:
        try:
            for future in as_completed([pool.submit(_one, job, steps, gates, stop) for job in jobs]):
                outcome = future.result()
                if outcome is None:
                    continue
                yield outcome
                if outcome.state == "failed" and fail_fast:
                    break
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


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
    except Stopped:
        return None
    except (WeightsError, BrokenPipeError):
        raise
    except PhotofixError as error:
        return Outcome(job, "failed", str(error))
    except MemoryError:
        return Outcome(job, "failed", "takes more memory than there is: close other programs, or do it alone")
    except Exception as error:  # the one place that isolates a photo: a bug met on one is not to cost the others
        return Outcome(job, "failed", f"unexpected {error!r}: please report it")


def summary(outcomes: Iterable[Outcome]) -> str:
    """'11 done, 1 failed'."""
    counts = Counter(outcome.state for outcome in outcomes)
    return ", ".join(f"{counts[state]} {state}" for state in ("done", "skipped", "failed") if counts[state])

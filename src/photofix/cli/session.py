"""One run of a task over the photos of a command line: names, progress, messages, exit status."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import rich.progress
from rich.console import Console

from photofix import __version__, batch, pipeline
from photofix import read as reading
from photofix import write as writing
from photofix.batch import STREAM, Job, Naming, Outcome, Steps, Workers
from photofix.errors import ReadError, UsageError, WeightsError
from photofix.photo import Photo, RawPhoto
from photofix.write import SaveOptions


@dataclass(frozen=True)
class Files:
    """Which photos, and where to."""

    words: tuple[str, ...]
    files_from: str | None
    output: Path | None
    overwrite: bool
    skip_existing: bool
    recursive: bool
    template: str | None
    format: str | None


@dataclass(frozen=True)
class Manner:
    """How to go about it: workers a stage, when to stop, what to say."""

    workers: tuple[int, ...]
    fail_fast: bool
    json: str | None
    quiet: bool
    verbose: bool


def run(task: str, settings: pipeline.Settings, files: Files, saving: SaveOptions, manner: Manner) -> int:
    """Work through the photos; 0 all done, 1 some failed, 3 weights not to be had, 130 interrupted."""
    jobs = planned(task, files)
    if 0 in manner.workers:
        raise UsageError("--jobs: every stage needs at least one worker")
    models = pipeline.Models(settings)
    outcomes: list[Outcome] = []
    try:
        with _json_lines(manner.json) as report, _progress(len(jobs), manner.quiet) as shown:
            steps = _steps(task, models, files, saving, shown)
            for outcome in batch.run(jobs, steps, Workers(*manner.workers), manner.fail_fast):
                outcomes.append(outcome)
                shown.finish()
                _say(outcome, manner, shown.say)
                if report:
                    print(json.dumps(_record(outcome)), file=report, flush=True)
    except KeyboardInterrupt:
        print(f"photofix: interrupted; {batch.summary(outcomes) or 'nothing done'}", file=sys.stderr)
        return 130
    return _close(outcomes, len(jobs))


def planned(task: str, files: Files) -> list[Job]:
    """The jobs that the words mean; UsageError before any work where they cannot be done as asked."""
    words = [*files.words, *_listed(files.files_from)]
    if not words:
        raise UsageError("which photos? Type: photofix denoise IN [OUT], or photofix denoise --help")
    if files.format:
        writing.format_of(files.format)
    output = files.output
    if output is None and not files.files_from and len(words) > 1 and (len(words) == 2 or Path(words[-1]).is_dir()):
        output = Path(words.pop())
    if output is None and len(words) > 1 and files.files_from is None and not _beside(words):
        raise UsageError("several photos need a folder to go to: give -o FOLDER")
    jobs = _jobs(task, words, output, files)
    there = batch.existing(jobs)
    if there and not files.overwrite and not files.skip_existing:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more}: exists already; give --overwrite or --skip-existing")
    return jobs


def _beside(words: list[str]) -> bool:
    return all(Path(word).exists() or word == "-" for word in words)


def _jobs(task: str, words: list[str], output: Path | None, files: Files) -> list[Job]:
    single = len(words) == 1 and not Path(words[0]).is_dir() and not any(letter in words[0] for letter in "*?[")
    if single and (output is None or not _is_folder(output)):
        source = Path(words[0])
        target = output or (STREAM if source == STREAM or not sys.stdout.isatty() else None)
        if target == STREAM and sys.stdout.isatty():
            raise UsageError("standard output is a terminal: give an output file, or redirect it")
        if target is not None:
            if target != STREAM:
                writing.format_of(files.format or target)
            jobs = [Job(source, target)]
            batch.check(jobs)
            return jobs
    if output == STREAM or (output is not None and output.is_file()):
        raise UsageError(f"several photos cannot go into one file, {output}: give a folder")
    return batch.plan(words, Naming(task, output, files.template, files.format, files.recursive))


def _is_folder(path: Path) -> bool:
    return path != STREAM and (path.is_dir() or str(path).endswith("/"))


def _listed(files_from: str | None) -> list[str]:
    if files_from is None:
        return []
    try:
        text = sys.stdin.read() if files_from == "-" else Path(files_from).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--files-from {files_from}: cannot be read: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _steps(task: str, models: pipeline.Models, files: Files, saving: SaveOptions, shown: Progress) -> Steps:
    def read(job: Job) -> Photo | RawPhoto | None:
        if files.skip_existing and job.target != STREAM and _is_readable(job.target):
            return None
        if job.source == STREAM:
            return reading.read(sys.stdin.buffer.read(), "standard input")
        return reading.read(job.source)

    def restore(job: Job, photo: Photo | RawPhoto) -> tuple[Photo, dict[str, object]]:
        if job.target != STREAM:
            writing.check_limits(_shape(photo), writing.format_of(files.format or job.target))
        restored = pipeline.restore(photo, models, shown.of(job, photo))
        facts = restored.facts | {"notes": list(restored.photo.notes)}
        return restored.photo, facts

    def write(job: Job, photo: Photo) -> list[str]:
        history = f"photofix {__version__} {task}"
        chosen = replace(saving, format=files.format, history=history)
        if job.target == STREAM:
            name = files.format or "png"
            return writing.write_stream(photo, sys.stdout.buffer, replace(chosen, format=name))
        job.target.parent.mkdir(parents=True, exist_ok=True)
        return writing.write(photo, job.target, chosen)

    return Steps(read, restore, write)


def _is_readable(path: Path) -> bool:
    try:
        reading.read(path)
    except (ReadError, OSError):
        return False
    return True


def _shape(photo: Photo | RawPhoto) -> tuple[int, ...]:
    return photo.pixels.shape if isinstance(photo, Photo) else photo.mosaic.shape


class Progress:
    """What a terminal shows: photos done, megapixels a second, time left. Silent where there is no terminal."""

    def __init__(self, total: int, bar: rich.progress.Progress | None) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total, speed="", done=0) if bar else None
        self._pixels, self._started, self._done = 0, time.monotonic(), 0

    def of(self, job: Job, photo: Photo | RawPhoto) -> Callable[[int], None] | None:
        """The callback that a photo's tiles report to."""
        if self._bar is None or self._task is None:
            return None
        bar, task = self._bar, self._task
        height, width = _shape(photo)[:2]
        # A mosaic's tiles count packed pixels, one for four of the sensor's.
        scale = 4 if isinstance(photo, RawPhoto) else 1

        def advance(pixels: int) -> None:
            self._pixels += pixels * scale
            speed = f"{self._pixels / 1e6 / max(1e-3, time.monotonic() - self._started):.2f} MP/s"
            bar.update(task, advance=pixels * scale / (height * width), description=job.source.name, speed=speed)

        return advance

    def finish(self) -> None:
        """A photo has ended."""
        self._done += 1
        if self._bar is not None and self._task is not None:
            # Overlapping tiles and skipped photos make the parts inexact: the count of photos is what holds.
            self._bar.update(self._task, completed=max(self._done, self._bar.tasks[0].completed), done=self._done)

    def say(self, text: str) -> None:
        """A line for the user, above the bar."""
        if self._bar is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Progress]:
    if quiet or not sys.stderr.isatty():
        yield Progress(total, None)
        return
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.TextColumn("{task.fields[done]}/{task.total:.0f}"),
        rich.progress.TextColumn("{task.fields[speed]}"),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Progress(total, bar)


@contextmanager
def _json_lines(where: str | None) -> Iterator[TextIO | None]:
    if where is None:
        yield None
    elif where == "-":
        yield sys.stderr
    else:
        try:
            with Path(where).open("w", encoding="utf-8") as report:
                yield report
        except OSError as error:
            raise UsageError(f"--json {where}: cannot be written: {error}") from error


def _record(outcome: Outcome) -> dict[str, object]:
    names = {"source": str(outcome.job.source), "target": str(outcome.job.target), "state": outcome.state}
    return names | ({"message": outcome.message} if outcome.message else {}) | outcome.facts


def _say(outcome: Outcome, manner: Manner, say: Callable[[str], None]) -> None:
    """One line a photo, where there is something to say."""
    name = outcome.job.source
    if outcome.state == "failed":
        say(f"photofix: {outcome.message if str(name) in outcome.message else f'{name}: {outcome.message}'}")
    elif manner.quiet:
        return
    elif manner.verbose:
        done = ", ".join(f"{key} {value}" for key, value in outcome.facts.items() if value not in ("", [], None))
        say(f"{name} -> {outcome.job.target}: {'; '.join(filter(None, (done, outcome.message))) or outcome.state}")
    else:
        for note in filter(None, (*_notes(outcome), outcome.message if outcome.state == "done" else "")):
            say(f"{name}: {note}")


def _notes(outcome: Outcome) -> list[str]:
    notes = outcome.facts.get("notes", [])
    return notes if isinstance(notes, list) else []


def _close(outcomes: list[Outcome], planned: int) -> int:
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if not failed:
        return 0
    if planned > 1:
        print(f"photofix: {batch.summary(outcomes)} of {planned}. Failed:", file=sys.stderr)
        for outcome in failed:
            print(f"  {outcome.job.source}", file=sys.stderr)
    return 3 if any(isinstance(outcome.error, WeightsError) for outcome in failed) else 1

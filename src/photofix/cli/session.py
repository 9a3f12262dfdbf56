"""One run of a task over the photos of a command line: progress, messages, exit status."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from photofix import __version__, batch, brackets, pipeline, stage_files, weights
from photofix import read as reading
from photofix import write as writing
from photofix.batch import RAW_ENDINGS, STREAM, Job, Outcome, Steps, Workers
from photofix.brackets import Bracket
from photofix.cli import beside, download, options
from photofix.cli.beside import NO_EXTRAS, Extras
from photofix.cli.files import Files, format_for, make_folder_for, planned
from photofix.cli.progress import Progress
from photofix.errors import ReadError, UsageError
from photofix.finish import Finish, finished
from photofix.frames import Burst, gather
from photofix.job import Given, Settings
from photofix.models import Models
from photofix.olat import Stage, frames_of
from photofix.photo import Negative, Photo, RawPhoto
from photofix.write import SaveOptions

#: What messages call a photo that is read from there.
STDIN = "standard input"


@dataclass(frozen=True)
class Manner:
    """How to go about it: workers a stage, when to stop, what to say."""

    workers: Workers
    fail_fast: bool
    json: str | None
    quiet: bool
    verbose: bool

    @property
    def silent(self) -> bool:
        """Whether standard error is for errors alone, or for JSON alone."""
        return self.quiet or self.json == "-"


def manner_of(jobs: str, fail_fast: bool, json: str | None, quiet: bool, verbose: bool) -> Manner:
    """What the options of a run say."""
    workers = Workers(*options.numbers_of(jobs, "--jobs", "LOAD:RUN:SAVE", 1))
    return Manner(workers, fail_fast, json, quiet, verbose)


def saving_of(quality: int | None, bit_depth: int | None, strip_metadata: bool) -> SaveOptions:
    """What the options of the output say."""
    return SaveOptions(None, quality, options.depth_of(bit_depth), strip_metadata)


@dataclass(frozen=True)
class Work:
    """What is done to every photo.

    shown: where a task gives light, how formats that do not hold it show it. extras: files beside each output.
    """

    settings: Settings
    files: Files
    saving: SaveOptions
    shown: Finish | None = None
    extras: Extras = NO_EXTRAS


def run(work: Work, manner: Manner) -> int:
    """Work through the photos; 0 all done, 1 some failed, 130 interrupted.

    Raises:
        UsageError, DeviceError, WeightsError: before any photo is read.
    """
    jobs = planned(work.settings.task, work.files)
    _check_for_one(work, jobs)
    if manner.json:
        beside.spare_pictures("--json", Path(manner.json), jobs)
    beside.check(work.extras, jobs, work.files.overwrite or work.files.skip_existing)
    models = Models(_settings_for(work, jobs))
    progress = Progress(len(jobs), visible=not manner.silent and sys.stderr.isatty())
    _prepare(models, jobs, None if manner.silent else progress.say)
    outcomes: list[Outcome] = []
    stop = threading.Event()
    steps = _steps(work, models, progress, stop)
    try:
        with (
            _json_lines(manner.json) as report,
            progress.bar,
            closing(batch.run(jobs, steps, manner.workers, stop, manner.fail_fast)) as running,
        ):
            for outcome in running:
                outcomes.append(outcome)
                progress.finish(outcome.job)
                _tell(outcome, manner, progress.say, report)
    except KeyboardInterrupt:
        resume = f", {batch.summary(outcomes) or 'none done'} of {len(jobs)}; --skip-existing goes on from here"
        print(f"photofix: interrupted{resume if len(jobs) > 1 else ''}", file=sys.stderr)
        return 130
    return _close(outcomes, jobs, manner)


def _check_for_one(work: Work, jobs: list[Job]) -> None:
    """UsageError where several photos are to share what can only be one photo's."""
    given = [work.extras.drawing.option] if work.extras.drawing else []
    for option in [*given, *(["--hints"] if work.settings.wishes.hints else [])]:
        if len(jobs) > 1:
            raise UsageError(f"{option} belongs to one photo, and these are {len(jobs)}: give one at a time")


def _settings_for(work: Work, jobs: list[Job]) -> Settings:
    """The settings, with what DNG output means; UsageError for options that it has no place for, and the reverse."""
    settings, saving = work.settings, work.saving
    if all(format_for(job, work.files.format) != "dng" for job in jobs):
        if settings.dng:
            raise UsageError(
                f"--dng {settings.dng} is for DNG output: name one that ends in .dng, or give --format dng"
            )
        return settings
    if settings.task not in ("denoise", "low-light") or settings.lift.method != "network":
        raise UsageError(
            f"photofix {settings.task} works on developed pictures, and a DNG is not developed: save a TIFF or PNG"
        )
    without_place = {
        "--bit-depth": (saving.bit_depth not in (None, 16), "holds 16 bits"),
        "--quality": (saving.quality is not None, "is compressed without loss"),
        "--exposure": (settings.exposure != 0, "is not developed: brighten it where you develop it"),
        "--roi": (settings.roi is not None, "keeps the whole sensor: try settings with a PNG"),
    }
    for option, (given, reason) in without_place.items():
        if given:
            raise UsageError(f"{option}: a DNG {reason}; leave the option out")
    return replace(settings, dng=settings.dng or "cfa")


def _prepare(models: Models, jobs: list[Job], say: Callable[[str], None] | None) -> None:
    """Load the networks that the photos' names call for: what cannot be had is known before any photo is read."""
    merged = models.settings.task == "hdr" and all(job.more for job in jobs)
    if models.settings.method != "network" or merged or models.settings.relight.stage:
        return
    for is_raw in sorted({job.source.suffix[1:].lower() in RAW_ENDINGS for job in jobs}):
        network = models.called_for(is_raw)
        if network is None:
            continue
        if not models.settings.weights:
            _fetch(models.entry_for(*network), models.settings.offline, say)
        models.get(*network)


def _fetch(entry: weights.Entry, offline: bool, say: Callable[[str], None] | None) -> None:
    """Have the file here, with a bar while it comes, after its licence was said where that forbids something."""
    if say and (notice := weights.licence_notice(entry)):
        say(f"photofix: {notice}")
    if not weights.locate(entry):
        with download.bar(entry, visible=say is not None and sys.stderr.isatty()) as progress:
            weights.verified(entry, offline, progress)


def _steps(work: Work, models: Models, progress: Progress, stop: threading.Event) -> Steps:
    def read(job: Job) -> Given | None:
        if work.files.skip_existing and job.target != STREAM and _is_readable(job.target):
            return None
        if job.source == STREAM:
            return reading.read(sys.stdin.buffer.read(), STDIN)
        if work.files.stage:
            return stage_files.opened(job.source, work.files.stage)
        if job.more and work.files.bracket:
            return brackets.gather((job.source, *job.more), reading.read, work.files.evs, work.files.reference)
        if job.more:
            return gather((job.source, *job.more), reading.read, work.files.reference)
        return reading.read(job.source)

    def restore(job: Job, photo: Given) -> tuple[Photo | Negative, dict[str, object]]:
        sight = _sight(photo)
        height, width = (sight.pixels if isinstance(sight, Photo) else sight.mosaic).shape[:2]
        # A mosaic's tiles count packed pixels, one for four of the sensor's.
        scale = 4 if isinstance(sight, RawPhoto) else 1

        def tile_done(pixels: int) -> None:
            if stop.is_set():
                raise batch.Stopped
            share = pixels * scale / (height * width)
            progress.advance(job, pixels * scale, share / (len(photo.frames) if isinstance(photo, Stage) else 1))

        chosen = format_for(job, work.files.format)
        if not work.settings.roi:
            writing.check_limits((height, width), chosen)
        if chosen == "dng":
            writing.check_kind(sight.data is not None, chosen)
        make_folder_for(job.target)
        restored = pipeline.restore(photo, models, tile_done)
        beside.write(work.extras, job, restored, replace(work.saving, format=None))
        return restored.photo, restored.facts | {"notes": list(restored.photo.notes)}

    def write(job: Job, photo: Photo | Negative) -> list[str]:
        history = f"photofix {__version__} {work.settings.task}"
        chosen = format_for(job, work.files.format)
        saving = replace(work.saving, format=chosen, history=history)
        if work.shown and isinstance(photo, Photo):
            photo = finished(photo, chosen, work.shown)
        if job.target == STREAM:
            return writing.write_stream(photo, sys.stdout.buffer, saving)
        return writing.write(photo, job.target, saving)

    return Steps(read, restore, write)


def _sight(photo: Given) -> Photo | RawPhoto:
    """The photo, or the one of several whose size the result will have."""
    if isinstance(photo, Burst):
        return photo.reference
    if isinstance(photo, Bracket):
        return photo.photos[0]
    return next(frames_of(photo)).photo if isinstance(photo, Stage) else photo


def _is_readable(path: Path) -> bool:
    try:
        reading.read(path)
    except ReadError:
        return False
    return True


@contextmanager
def _json_lines(where: str | None) -> Iterator[TextIO | None]:
    if where is None or where == "-":
        yield sys.stderr if where else None
        return
    try:
        report = Path(where).open("w", encoding="utf-8")  # noqa: SIM115 - closed below, outside of the except
    except OSError as error:
        raise UsageError(f"--json {where}: cannot be written: {error.strerror}") from error
    with report:
        yield report


def _tell(outcome: Outcome, manner: Manner, say: Callable[[str], None], report: TextIO | None) -> None:
    if report:
        print(json.dumps(_record(outcome)), file=report, flush=True)
    if manner.json != "-":
        for line in _lines(outcome, manner):
            say(line)


def _record(outcome: Outcome) -> dict[str, object]:
    names = {"source": str(outcome.job.source), "target": str(outcome.job.target), "state": outcome.state}
    return names | ({"message": outcome.message} if outcome.message else {}) | outcome.facts


def _lines(outcome: Outcome, manner: Manner) -> list[str]:
    """What there is to say of a photo: why it failed, what was done if that is asked for, what was lost."""
    source, message = outcome.job.source, outcome.message
    name = STDIN if source == STREAM else str(source)
    if outcome.state == "failed":
        return [f"photofix: {message if name in message else f'{name}: {message}'}"]
    if manner.quiet:
        return []
    notes = outcome.facts.get("notes", [])
    lost = [*(notes if isinstance(notes, list) else []), *([message] if message else [])]
    if manner.verbose:
        facts = [f"{key} {value}" for key, value in outcome.facts.items() if key != "notes"]
        return [f"{name} -> {outcome.job.target}: {'; '.join(filter(None, (', '.join(facts), *lost)))}"]
    return [f"{name}: {note}" for note in lost if outcome.state == "done"]


def _close(outcomes: list[Outcome], jobs: list[Job], manner: Manner) -> int:
    """The last words, and the exit status."""
    bad = {outcome.job for outcome in outcomes if outcome.state == "failed"}
    if len(jobs) > 1 and manner.json != "-" and (bad or not manner.quiet):
        left = f", {len(jobs) - len(outcomes)} left out" if len(outcomes) < len(jobs) else ""
        names = [str(job.source) for job in jobs if job in bad]
        lines = [f"photofix: {batch.summary(outcomes)}{left}{'. Failed:' if bad else ''}", *names]
        print("\n  ".join(lines), file=sys.stderr)
    return 1 if bad else 0

"""Which photos the words of a command line mean, and where they go; settled before any work."""

from __future__ import annotations

import codecs
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from photofix import batch, brackets
from photofix.batch import STREAM, WRITTEN_ENDINGS, Job, Naming
from photofix.errors import UsageError, WriteError
from photofix.frames import FEWEST, MOST
from photofix.stage_files import StageFiles
from photofix.write import format_of


@dataclass(frozen=True)
class Files:
    """The words and options that name files, as they were typed.

    burst: they are frames that become one photo. bracket: so they are if there are several. stage: they are a folder
    that holds a light stage.
    """

    words: tuple[str, ...]
    files_from: str | None
    output: str | None
    overwrite: bool
    skip_existing: bool
    recursive: bool
    template: str | None
    format: str | None
    burst: bool = False
    reference: int | None = None
    bracket: bool = False
    evs: tuple[float, ...] | None = None
    stage: StageFiles | None = None


def planned(task: str, files: Files) -> list[Job]:
    """The jobs that the words mean; UsageError where they cannot be done as asked."""
    if files.overwrite and files.skip_existing:
        raise UsageError("--overwrite and --skip-existing contradict each other: leave one out")
    try:
        words, output = _inputs_and_output(task, files)
        merged = files.burst or (files.bracket and _several(words))
        if files.stage:
            jobs = [_stage(task, words, output, files)]
        else:
            jobs = [_burst(task, words, output, files)] if merged else _jobs(task, words, output, files)
        _check_output(jobs, output, files)
        for job in jobs:
            format_for(job, files.format)
        _check_existing(jobs, files)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
    return jobs


def format_for(job: Job, chosen: str | None) -> str:
    """The format of a job's output: --format, else what its name's ending says, PNG in a pipe."""
    if chosen is None:
        return "png" if job.target == STREAM else format_of(job.target)
    ending = job.target.suffix[1:].lower()
    if ending in WRITTEN_ENDINGS and format_of(ending) != format_of(chosen):
        raise UsageError(f"{job.target} and --format {chosen} contradict each other: leave one out")
    return format_of(chosen)


def _inputs_and_output(task: str, files: Files) -> tuple[list[str], str | None]:
    words, output = [*files.words, *_listed(files.files_from)], files.output
    if files.files_from is None and output is None and len(words) == 2 and not files.burst:
        output = words.pop()
    if not words and files.files_from:
        raise UsageError(f"--files-from {files.files_from}: names no photo")
    if not words:
        raise UsageError(f"which photos? Type: photofix {task} IN [OUT], or photofix {task} --help")
    if output is None and len(words) > 2 and not files.burst and not Path(words[-1]).is_file() and not files.files_from:
        raise UsageError(f"several photos, and {words[-1]} is none: to write there give -o {words[-1]}")
    if "-" in words and (len(words) > 1 or files.files_from == "-"):
        raise UsageError("standard input (-) is one photo: give it alone")
    if "-" in words and sys.stdin.isatty():
        raise UsageError("standard input is a terminal: give a file, or pipe one in")
    return words, output


def _listed(files_from: str | None) -> list[str]:
    if files_from is None:
        return []
    try:
        names = sys.stdin.buffer.read() if files_from == "-" else Path(files_from).read_bytes()
    except OSError as error:
        raise UsageError(f"--files-from {files_from}: cannot be read: {error.strerror}") from error
    # Editors on Windows put a mark before the first name; find -print0 parts names by zeros, as some hold line ends.
    text = os.fsdecode(names.removeprefix(codecs.BOM_UTF8))
    lines = text.split("\0") if "\0" in text else text.replace("\r\n", "\n").split("\n")
    return [line for line in lines if line.strip()]


def _jobs(task: str, words: list[str], output: str | None, files: Files) -> list[Job]:
    several = _several(words)
    if several and output is not None and (output == "-" or _is_file(output)):
        raise UsageError(f"several photos cannot go into one file, {output}: give a folder")
    if several or (output is None and not _streams(words[0], files)) or (output is not None and _is_folder(output)):
        folder = None if output is None else Path(output)
        return batch.plan(words, Naming(task, folder, files.template, files.format, files.recursive))
    job = Job(Path(words[0]), STREAM if output is None else Path(output))
    batch.check([job])
    return [job]


def _several(words: list[str]) -> bool:
    """Whether words can mean more than one photo."""
    return len(words) > 1 or Path(words[0]).is_dir() or batch.is_pattern(words[0])


def _burst(task: str, words: list[str], output: str | None, files: Files) -> Job:
    """The one job of a burst or bracket: its frames, and the file that they become, by default beside the first."""
    naming = Naming("burst" if files.burst else task, None, files.template, files.format, files.recursive)
    sources = batch.frames(words, naming)
    fewest, most = (FEWEST, MOST) if files.burst else (brackets.FEWEST, brackets.MOST)
    if not fewest <= len(sources) <= most:
        alone = "" if files.burst else "; --each lifts photos one by one"
        kind = "--burst" if files.burst else "a bracket"
        raise UsageError(f"{kind}: {len(sources)} frames; give {fewest} to {most} of one scene{alone}")
    if files.reference is not None and not 1 <= files.reference <= len(sources):
        raise UsageError(f"--reference {files.reference}: give a frame's number, 1 to {len(sources)}")
    if output is None or (output != "-" and _is_folder(output)):
        named = replace(naming, output=None if output is None else Path(output))
        target = batch.plan([str(sources[0])], named)[0].target
    else:
        target = Path(output)
    job = Job(sources[0], target, tuple(sources[1:]))
    batch.check([job])
    return job


def _stage(task: str, words: list[str], output: str | None, files: Files) -> Job:
    """The one job of a light stage: its folder, and the file that it becomes, by default beside the folder."""
    if len(words) > 1:
        raise UsageError("--lights: give one folder, of pictures each under one light, and the output with -o")
    folder = Path(words[0])
    if output is None or (output != "-" and _is_folder(output)):
        parent = Path(os.path.abspath(folder)).parent if output is None else Path(output)
        target = parent / f"{Path(os.path.abspath(folder)).name}-{task}.{files.format or 'png'}"
    else:
        target = Path(output)
    return Job(folder, target)


def _streams(word: str, files: Files) -> bool:
    """Whether one photo for which no output is named goes to standard output, and not beside its input."""
    return files.template is None and (word == "-" or not sys.stdout.isatty())


def _is_file(output: str) -> bool:
    path = Path(output)
    return path.is_file() or (path.suffix[1:].lower() in WRITTEN_ENDINGS and not _is_folder(output))


def _is_folder(output: str) -> bool:
    """Whether an output is a folder: it is one, says so with a slash, or is new and has no ending."""
    path = Path(output)
    if output == "-":
        return False
    return path.is_dir() or output.endswith(("/", os.sep)) or not (path.suffix or path.exists())


def _check_output(jobs: list[Job], output: str | None, files: Files) -> None:
    """UsageError where the one file that the output is cannot be it."""
    if jobs[0].target == STREAM and sys.stdout.isatty():
        raise UsageError("standard output is a terminal: give an output file, or redirect it")
    if files.template and output is not None and jobs[0].target == Path(output):
        raise UsageError(f"--name names outputs in a folder, and {output} is a file already: leave one out")


def _check_existing(jobs: list[Job], files: Files) -> None:
    there = batch.existing(jobs)
    if not there or files.overwrite or files.skip_existing:
        return
    if len(files.words) == 2 and files.output is None and there[0] == Path(files.words[1]):
        both = "-o FILE to merge both" if files.bracket else "-o FOLDER to restore both"
        hint = f"it is taken for the output of {files.words[0]}; give --overwrite, or {both}"
    else:
        hint = "give --overwrite or --skip-existing"
    more = f" and {len(there) - 1} more" if len(there) > 1 else ""
    raise UsageError(f"{there[0]}{more}: exists already; {hint}")


def make_folder_for(target: Path) -> None:
    """The folder of an output, there and open to us before the work and not after it.

    Raises:
        WriteError: it cannot be made, or nothing may be written into it.
    """
    if target == STREAM:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{target.parent}: this folder cannot be made ({error.strerror}); give another -o") from error
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise WriteError(f"{target.parent}: nothing may be written into this folder; give another -o")

"""Many photos: names planned before work, stages that overlap, failures that stay alone. No network takes part."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from photofix import batch
from photofix.batch import STREAM, Job, Naming, Outcome, Steps, Workers
from photofix.errors import ReadError, UsageError, WeightsError
from photofix.photo import Photo, RawPhoto

PIXEL = Photo(np.zeros((1, 1, 3), np.uint8))
JOBS = [Job(Path(f"{number}.png"), Path("out", f"{number}.png")) for number in range(6)]


@pytest.fixture
def shoot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a tree of empty files in shoot/."""
    monkeypatch.chdir(tmp_path)
    names = ("a.jpg", "b.PNG", "c.dng", "notes.txt", ".hidden.jpg", "day/a.jpg", "day/late/d.tif", ".trash/x.jpg")
    for name in names:
        path = Path("shoot", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path("shoot")


def named(jobs: list[Job]) -> dict[str, str]:
    return {str(job.source): str(job.target) for job in jobs}


def plan(
    *words: str, output: str | None = None, template: str | None = None, recursive: bool = False
) -> dict[str, str]:
    folder = None if output is None else Path(output)
    return named(batch.plan(words, Naming("denoise", folder, template, recursive=recursive)))


def test_a_folder_means_the_pictures_in_it(shoot: Path) -> None:
    assert plan(str(shoot)) == {
        "shoot/a.jpg": "shoot/a-denoise.jpg",
        "shoot/b.PNG": "shoot/b-denoise.PNG",
        "shoot/c.dng": "shoot/c-denoise.png",
    }


def test_a_tree_is_mirrored(shoot: Path) -> None:
    jobs = plan(str(shoot), output="out", recursive=True)
    assert jobs["shoot/day/a.jpg"] == "out/day/a.jpg"
    assert jobs["shoot/day/late/d.tif"] == "out/day/late/d.tif"
    assert len(jobs) == 5


@pytest.mark.usefixtures("shoot")
def test_an_output_folder_may_lie_above_the_photos() -> None:
    assert plan("shoot/day", output="shoot/..") == {"shoot/day/a.jpg": "shoot/../a.jpg"}


@pytest.mark.usefixtures("shoot")
def test_what_lies_in_the_output_folder_is_no_input() -> None:
    assert "shoot/day/a.jpg" not in plan("shoot", output="shoot/day", recursive=True)


def test_a_folder_that_may_not_be_looked_into_is_left_to_fail_alone(
    shoot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidding(path: str) -> object:
        if str(path).endswith("late"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", forbidding)
    jobs = plan(str(shoot), output="out", recursive=True)
    assert list(jobs) == ["shoot/a.jpg", "shoot/b.PNG", "shoot/c.dng", "shoot/day/a.jpg", "shoot/day/late"]


@pytest.mark.usefixtures("shoot")
def test_a_pattern_is_mirrored_below_its_fixed_part() -> None:
    assert plan("shoot/**/*.jpg", output="out") == {"shoot/a.jpg": "out/a.jpg", "shoot/day/a.jpg": "out/day/a.jpg"}


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(shoot: Path) -> None:
    (shoot / "a[1].jpg").touch()
    assert plan("shoot/a[1].jpg", output="out") == {"shoot/a[1].jpg": "out/a[1].jpg"}


@pytest.mark.usefixtures("shoot")
def test_what_is_not_there_is_planned_and_left_to_fail_alone() -> None:
    assert set(plan("shoot/a.jpg", "gone.jpg", "gone/*.jpg", output="out")) == {"shoot/a.jpg", "gone.jpg", "gone/*.jpg"}


@pytest.mark.usefixtures("shoot")
def test_a_photo_named_twice_is_done_once() -> None:
    jobs = plan("shoot/a.jpg", "shoot/../shoot/a.jpg", "shoot/a*.jpg", output="out")
    assert list(jobs.values()) == ["out/a.jpg"]


def test_outputs_of_a_run_before_are_not_inputs(shoot: Path) -> None:
    (shoot / "a-denoise.jpg").touch()
    assert "shoot/a-denoise.jpg" not in plan(str(shoot))
    (shoot / "clean").mkdir()
    (shoot / "clean" / "a.jpg").touch()
    assert "shoot/clean/a.jpg" not in plan(str(shoot), output="shoot/clean", recursive=True)


def test_a_photo_that_only_looks_like_an_output_is_an_input(shoot: Path) -> None:
    (shoot / "e-denoise.jpg").touch()
    assert plan(str(shoot))["shoot/e-denoise.jpg"] == "shoot/e-denoise-denoise.jpg"


def test_nothing_found_is_said(shoot: Path) -> None:
    (shoot / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no pictures found.*-r"):
        plan("shoot/empty")


@pytest.mark.usefixtures("shoot")
def test_names_follow_the_template() -> None:
    assert plan("shoot/c.dng", template="{stem}_{source}_{task}{ext}") == {"shoot/c.dng": "shoot/c_dng_denoise.png"}
    assert plan("shoot/c.dng", output="out", template="{task}/{stem}.tif") == {"shoot/c.dng": "out/denoise/c.tif"}


@pytest.mark.parametrize("template", ["{date}", "{stem", "{0}", "{stem.x}"])
def test_a_template_with_other_fields_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="the fields are"):
        plan("a.jpg", template=template)


def test_two_photos_that_would_become_one_file_are_refused(shoot: Path) -> None:
    (shoot / "a.jpeg").touch()
    with pytest.raises(UsageError, match=r"a\.jpeg and .*a\.jpg would become one file"):
        plan(str(shoot), output="out", template="{stem}.png")
    with pytest.raises(UsageError, match="would become one file"):
        plan("shoot", "shoot/day", output="out")


@pytest.mark.usefixtures("shoot")
def test_names_that_differ_in_capitals_are_one_on_some_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("shoot/a.jpg", "shoot/day/A.JPG")
    assert len(plan(*words, output="out/new")) == 2
    assert not list(Path().glob(".photofix*"))
    monkeypatch.setattr(batch, "_ignores_capitals", lambda folder: folder == Path("out/new").resolve())
    with pytest.raises(UsageError, match=r"run shoot/a\.jpg and shoot/day/A\.JPG into different folders"):
        plan(*words, output="out/new")
    assert len(plan(*words, "shoot/b.PNG")) == 3


@pytest.mark.parametrize(
    ("words", "output", "template"),
    [
        (["shoot"], "shoot", None),
        (["shoot"], None, "{stem}{ext}"),
        (["shoot/a.jpg"], "shoot/../shoot", None),
        (["shoot"], "link", None),
        (["link/a.jpg"], "shoot", None),
        (["picture.jpg"], "shoot", "a{ext}"),
        (["shoot/day/a.jpg", "shoot/a.jpg"], None, "../a{ext}"),
    ],
)
def test_an_input_is_never_an_output(shoot: Path, words: list[str], output: str | None, template: str | None) -> None:
    Path("link").symlink_to(shoot)
    Path("picture.jpg").symlink_to("shoot/a.jpg")
    with pytest.raises(UsageError, match="is an input and would be overwritten"):
        plan(*words, output=output, template=template)


def test_an_output_that_is_no_file_is_refused(shoot: Path) -> None:
    with pytest.raises(UsageError, match="is no file that could be replaced"):
        batch.check([Job(shoot / "a.jpg", shoot / "day")])


def test_streams_are_neither_rivals_nor_existing() -> None:
    jobs = [Job(Path("a.jpg"), STREAM), Job(STREAM, STREAM)]
    batch.check(jobs)
    assert batch.existing(jobs) == []


def pass_on(_job: Job, photo: Photo | RawPhoto) -> tuple[Photo, dict[str, object]]:
    assert isinstance(photo, Photo)
    return photo, {}


def steps(
    read: Callable[[Job], Photo | None] = lambda _: PIXEL,
    restore: Callable[[Job, Photo | RawPhoto], tuple[Photo, dict[str, object]]] = pass_on,
    write: Callable[[Job, Photo], list[str]] = lambda *_: [],
) -> Steps:
    return Steps(read, restore, write)


def run(jobs: list[Job], given: Steps, workers: Workers | None = None, fail_fast: bool = False) -> dict[Job, Outcome]:
    outcomes = batch.run(jobs, given, workers or Workers(), threading.Event(), fail_fast)
    return {outcome.job: outcome for outcome in outcomes}


def test_every_photo_goes_through_the_stages_in_order() -> None:
    seen: dict[Job, list[str]] = {job: [] for job in JOBS}

    def write(job: Job, _photo: Photo) -> list[str]:
        seen[job].append("write")
        return ["reduced", "clipped"]

    def read(job: Job) -> Photo:
        seen[job].append("read")
        return PIXEL

    def restore(job: Job, _photo: Photo | RawPhoto) -> tuple[Photo, dict[str, object]]:
        seen[job].append("restore")
        return PIXEL, {"tiles": 3}

    outcomes = run(JOBS, steps(read, restore, write))
    assert outcomes == {job: Outcome(job, "done", "reduced; clipped", {"tiles": 3}) for job in JOBS}
    assert all(stages == ["read", "restore", "write"] for stages in seen.values())


def test_one_photo_is_read_and_one_written_while_a_third_is_restored() -> None:
    """Each stage waits until the two others are at work: without overlap nobody would ever come."""
    meeting = threading.Barrier(3, timeout=10)

    def read(job: Job) -> Photo:
        if job == JOBS[2]:
            meeting.wait()
        return PIXEL

    def restore(job: Job, _photo: Photo | RawPhoto) -> tuple[Photo, dict[str, object]]:
        if job == JOBS[1]:
            meeting.wait()
        return PIXEL, {}

    def write(job: Job, _photo: Photo) -> list[str]:
        if job == JOBS[0]:
            meeting.wait()
        return []

    outcomes = run(JOBS[:3], steps(read, restore, write))
    assert [outcomes[job].state for job in JOBS[:3]] == ["done"] * 3


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stage_holds_no_more_photos_than_it_has_workers(workers: int) -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def restore(_job: Job, _photo: Photo | RawPhoto) -> tuple[Photo, dict[str, object]]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.01)
        with lock:
            inside -= 1
        return PIXEL, {}

    run(JOBS, steps(restore=restore), Workers(3, workers, 3))
    assert most == workers


def test_a_bad_photo_fails_alone() -> None:
    def read(job: Job) -> Photo:
        if job == JOBS[1]:
            raise ReadError("1.png: is damaged")
        if job == JOBS[2]:
            raise ZeroDivisionError
        if job == JOBS[3]:
            raise MemoryError
        return PIXEL

    outcomes = run(JOBS, steps(read))
    assert outcomes[JOBS[1]] == Outcome(JOBS[1], "failed", "1.png: is damaged")
    assert outcomes[JOBS[2]].message == "unexpected ZeroDivisionError(): please report it"
    assert outcomes[JOBS[3]].message.startswith("takes more memory than there is")
    assert [outcomes[job].state for job in JOBS].count("done") == 3
    assert batch.summary(outcomes.values()) == "3 done, 3 failed"


def test_what_read_answers_nothing_for_is_skipped() -> None:
    outcomes = run(JOBS, steps(lambda job: None if job == JOBS[0] else PIXEL))
    assert outcomes[JOBS[0]].state == "skipped"
    assert batch.summary(outcomes.values()) == "5 done, 1 skipped"


def test_fail_fast_begins_no_more_photos() -> None:
    def read(job: Job) -> Photo:
        raise ReadError(f"{job.source}: is damaged")

    outcomes = batch.run(JOBS, steps(read), Workers(), threading.Event(), fail_fast=True)
    assert [outcome.state for outcome in outcomes] == ["failed"]


@pytest.mark.parametrize("error", [WeightsError("not to be had"), BrokenPipeError()])
def test_what_no_photo_can_do_without_ends_the_run(error: Exception) -> None:
    def restore(_job: Job, _photo: Photo | RawPhoto) -> tuple[Photo, dict[str, object]]:
        raise error

    with pytest.raises(type(error)):
        run(JOBS, steps(restore=restore))


def test_closing_stops_photos_in_their_middle_and_begins_no_others() -> None:
    stop, begun, written = threading.Event(), [], []

    def restore(job: Job, _photo: Photo | RawPhoto) -> tuple[Photo, dict[str, object]]:
        begun.append(job)
        if job != JOBS[0]:
            assert stop.wait(10)
            raise batch.Stopped
        return PIXEL, {}

    def write(job: Job, _photo: Photo) -> list[str]:
        written.append(job)
        return []

    outcomes = batch.run(JOBS, steps(restore=restore, write=write), Workers(), stop)
    assert next(outcomes).job == JOBS[0]
    outcomes.close()
    assert stop.is_set()
    assert written == [JOBS[0]]
    assert len(begun) <= 2

"""photofix denoise, as a user types it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from dng import cfa_dng
from typer.testing import CliRunner

from photofix import read as reading
from photofix.batch import Job
from photofix.cli import app, status_of
from photofix.cli.files import Files, planned
from photofix.errors import PhotofixError, UsageError
from photofix.photo import Photo
from photofix.read import read
from photofix.write import SaveOptions, write
from pictures import EXIF, XMP, photo, profile

PHOTOFIX = [sys.executable, "-m", "photofix"]


@dataclass(frozen=True)
class Ran:
    """What a command left behind: exit status, standard output, standard error."""

    status: int
    out: bytes
    err: str


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with noisy.jpg, deep.png (16 bits, alpha, metadata) and bad.jpg in it; a cache of its own."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    write(Photo(noisy()), Path("noisy.jpg"))
    write(photo("uint16", 3, alpha=True, size=(48, 64)), Path("deep.png"))
    Path("bad.jpg").write_bytes(b"nothing of the kind")
    return work


def noisy(height: int = 48, width: int = 64) -> np.ndarray:
    """(H, W, 3) uint8: a ramp with noise of sigma 15."""
    ramp = np.linspace(60, 190, width)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 15, (height, width, 3))
    return np.clip(ramp + noise, 0, 255).astype(np.uint8)


def denoise(*words: str, stdin: bytes = b"") -> Ran:
    """Run `photofix denoise` in this process, its errors told as main() tells them."""
    result = CliRunner().invoke(app, ["denoise", *words], input=stdin)
    error = result.exception
    if isinstance(error, PhotofixError):
        return Ran(status_of(error), result.stdout_bytes, f"{result.stderr}photofix: {error}\n")
    assert error is None or isinstance(error, SystemExit), repr(error)
    return Ran(result.exit_code, result.stdout_bytes, result.stderr)


def picture(source: Path | str | bytes) -> Photo:
    found = read(source if isinstance(source, bytes) else Path(source))
    assert isinstance(found, Photo)
    return found


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.name.startswith(".")}


# Where the output goes


def test_one_photo_to_a_file() -> None:
    ran = denoise("noisy.jpg", "out.png")
    assert (ran.status, ran.out, ran.err) == (0, b"", "")
    assert picture("out.png").pixels.astype(int).std() < picture("noisy.jpg").pixels.astype(int).std()


@pytest.mark.parametrize("words", [["new"], ["-o", "new"], ["a.new/"], ["-o", "a.new/"], ["there"]])
def test_one_photo_to_a_folder_keeps_its_name(words: list[str]) -> None:
    Path("there").mkdir()
    assert denoise("noisy.jpg", *words).status == 0
    assert Path(words[-1], "noisy.jpg").is_file()


def test_without_an_output_a_redirected_stdout_gets_the_picture() -> None:
    ran = denoise("noisy.jpg")
    assert ran.status == 0
    assert picture(ran.out).format == "png"


def test_with_a_name_or_several_photos_outputs_lie_beside_the_inputs() -> None:
    assert denoise("noisy.jpg", "--name", "{stem}-clean{ext}").status == 0
    assert Path("noisy-clean.jpg").is_file()
    assert denoise("noisy.jpg", "deep.png", "noisy-clean.jpg").status == 0
    assert Path("noisy-denoise.jpg").is_file()


def test_a_tree_is_mirrored() -> None:
    for name in ("shoot/a.jpg", "shoot/day/b.jpg"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(Path("noisy.jpg").read_bytes())
    ran = denoise("shoot", "-r", "-o", "out", "--format", "png")
    assert (ran.status, ran.err) == (0, "photofix: 2 done\n")
    assert sorted(map(str, Path("out").rglob("*.png"))) == ["out/a.png", "out/day/b.png"]


def test_on_a_terminal_the_output_lies_beside_the_input_and_streams_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def files(*words: str) -> Files:
        return Files(words, None, None, False, False, False, None, None)

    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert planned("denoise", files("noisy.jpg")) == [Job(Path("noisy.jpg"), Path("noisy-denoise.jpg"))]
    with pytest.raises(UsageError, match="standard output is a terminal"):
        planned("denoise", files("noisy.jpg", "-"))
    with pytest.raises(UsageError, match="standard input is a terminal"):
        planned("denoise", files("-", "out.png"))


@pytest.mark.parametrize("source", ["list.txt", "-"])
@pytest.mark.parametrize(
    "names", ["\ufeffnoisy.jpg\r\n\nd\u00e9ep 1.png\n".encode(), b"d\xc3\xa9ep 1.png\0noisy.jpg\0"]
)
def test_names_come_from_a_list(source: str, names: bytes) -> None:
    Path("deep.png").rename("d\u00e9ep 1.png")
    Path("list.txt").write_bytes(names)
    assert denoise("--files-from", source, "-o", "out", stdin=names).status == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["d\u00e9ep 1.png", "noisy.jpg"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "which photos?"),
        (["--files-from", "/dev/null"], "names no photo"),
        (["--files-from", "gone.txt"], "gone.txt: cannot be read"),
        (["noisy.jpg", "deep.png"], "deep.png: exists already; it is taken for the output of noisy.jpg"),
        (["noisy.jpg", "deep.png", "out"], "give -o out"),
        (["noisy.jpg", "deep.png", "-o", "out.png"], "cannot go into one file, out.png"),
        (["noisy.jpg", "deep.png", "-o", "-"], "cannot go into one file, -"),
        (["noisy.jpg", "-", "-o", "out"], "give it alone"),
        (["noisy.jpg", "out.xyz"], "its ending names no picture format"),
        (["noisy.jpg", "out.png", "--format", "jpeg"], "contradict each other"),
        (["noisy.jpg", "out.png", "--name", "{stem}{ext}"], "out.png is a file already"),
        (["noisy.jpg", "out.png", "--overwrite", "--skip-existing"], "contradict each other"),
        (["noisy.jpg", "noisy.jpg", "--overwrite"], "is an input and would be overwritten"),
        (["noisy.jpg", "deep.png", "-o", ".", "--overwrite"], "is an input and would be overwritten"),
        (["noisy.jpg", "-o", "out", "--json", "noisy.jpg"], "is one of the photos"),
        (["noisy.jpg", "out.png", "--json", "gone/log"], "--json gone/log: cannot be written"),
        (["noisy.jpg", "out.png", "--roi", "1,2,3"], "give X,Y,W,H"),
        (["noisy.jpg", "out.png", "--jobs", "1:0:1"], "give LOAD:RUN:SAVE"),
        (["noisy.jpg", "out.png", "--sigma", "101"], "from 0 to 100"),
        (["noisy.jpg", "out.png", "--noise", "0.1"], "give SHOT,READ"),
        (["noisy.jpg", "out.png", "--noise", "a,b"], "give SHOT,READ"),
        (["noisy.jpg", "out.png", "--noise", "0,1e-5"], "shot above 0"),
        (["noisy.jpg", "out.png", "--noise", "nan,1e-5"], "shot above 0"),
        (["noisy.jpg", "out.png", "--noise", "0.01,1e-5", "--iso", "800"], "contradict each other"),
        (["noisy.jpg", "out.png", "--tile", "7"], "--tile 7"),
        (["noisy.jpg", "out.png", "--device", "tpu"], "unknown device 'tpu': give auto, cpu"),
        (["noisy.jpg", "out.png", "--bit-depth", "12"], "--bit-depth 12"),
        (["noisy.jpg", "x" * 300 + ".png"], "File name too long"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(folder: Path, words: list[str], message: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ran = denoise(*words)
    assert (ran.status, ran.out) == (2, b"")
    assert message in ran.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# What is in the output


def test_pipes_keep_depth_metadata_and_alpha() -> None:
    """Two runs in a row, as in `photofix denoise - - | photofix denoise - out.png`."""
    first = denoise("-", "-", "--strength", "0.5", stdin=Path("deep.png").read_bytes())
    assert denoise("-", "out.png", "--strength", "0", stdin=first.out).status == 0
    before, between, after = picture("deep.png"), picture(first.out), picture("out.png")
    assert np.array_equal(after.pixels, between.pixels)
    assert after.pixels.dtype == np.uint16
    assert not np.array_equal(after.pixels, before.pixels)
    assert after.alpha is not None
    assert before.alpha is not None
    assert np.array_equal(after.alpha, before.alpha)
    assert (after.metadata.exif, after.metadata.icc) == (EXIF, profile())
    assert after.metadata.xmp is not None
    assert after.metadata.xmp.count(b"photofix") >= 2
    assert b"dc:format" in XMP
    assert b"dc:format" in after.metadata.xmp


def test_what_is_wrong_with_a_piped_photo_is_said_once() -> None:
    assert denoise("-", "out.png", stdin=b"").err.startswith("photofix: standard input: the file is empty")
    assert denoise("-", "out.pgm", stdin=Path("deep.png").read_bytes()).err.startswith(
        "standard input: PNM has no alpha"
    )


def test_a_pipe_takes_the_format_it_is_told() -> None:
    assert picture(denoise("-", "--format", "tiff", stdin=Path("deep.png").read_bytes()).out).format == "tiff"


def test_a_region_is_cut_out() -> None:
    assert denoise("noisy.jpg", "part.png", "--roi", "8,4,40,30", "--sigma", "10").status == 0
    assert picture("part.png").pixels.shape == (30, 40, 3)
    ran = denoise("noisy.jpg", "outside.png", "--roi", "60,0,5,5")
    assert ran.status == 1
    assert "lies outside the picture of 64 x 48" in ran.err


def test_a_raw_file_is_developed_and_cut() -> None:
    mosaic = np.random.default_rng(0).normal(1500, 60, (64, 96)).astype(np.uint16)
    Path("in.dng").write_bytes(cfa_dng(mosaic))
    ran = denoise("in.dng", "out.png", "-v", "--iso", "1600")
    assert ran.status == 0
    assert "model denoise-raw" in ran.err
    assert denoise("in.dng", "part.png", "--iso", "1600", "--roi", "20,10,32,16").status == 0
    assert np.array_equal(picture("part.png").pixels, picture("out.png").pixels[10:26, 20:52])


def test_a_raw_files_noise_and_what_stays_of_it_are_the_users_to_say() -> None:
    mosaic = np.random.default_rng(0).normal(1500, 60, (64, 96)).astype(np.uint16)
    mosaic[30, 40] = 4000
    Path("in.dng").write_bytes(cfa_dng(mosaic))
    ran = denoise("in.dng", "out.png", "-v", "--noise", "0.0016,4e-6")
    assert "noise_profile [[0.0016, 4e-06]" in ran.err
    assert "healed {'hot': 1}" in ran.err
    assert "healed" not in denoise("in.dng", "as-is.png", "-v", "--noise", "0.0016,4e-6", "--no-heal").err
    assert denoise("in.dng", "grain.png", "--noise", "0.0016,4e-6", "--keep-grain", "1").status == 0
    clean, grainy = (picture(name).pixels[5:25, 5:90, 1].astype(float).std() for name in ("out.png", "grain.png"))
    assert grainy > 2 * clean


def test_strength_and_sigma_say_how_much() -> None:
    pixels = {}
    for name, words in {"none": "--strength 0", "half": "--strength 0.5", "full": "", "zero": "--sigma 0"}.items():
        assert denoise("noisy.jpg", f"{name}.png", "--sigma", "15", *words.split()).status == 0
        pixels[name] = picture(f"{name}.png").pixels.astype(int)
    original = picture("noisy.jpg").pixels
    assert np.array_equal(pixels["none"], original)
    assert np.array_equal(pixels["zero"], original)
    assert np.abs(pixels["half"] - (original + pixels["full"]) / 2).max() <= 1


# Done before, refused, replaced


def test_an_output_that_exists_is_refused_replaced_or_skipped() -> None:
    Path("out.png").write_bytes(b"half a fi")
    ran = denoise("noisy.jpg", "out.png")
    assert (ran.status, Path("out.png").read_bytes()) == (2, b"half a fi")
    assert "it is taken for the output of noisy.jpg" in ran.err
    Path("out").mkdir()
    Path("out/noisy.jpg").touch()
    assert "out/noisy.jpg: exists already; give --overwrite or --skip-existing" in denoise("noisy.jpg", "out").err
    assert denoise("noisy.jpg", "out.png", "--skip-existing").status == 0
    done = Path("out.png").stat().st_ino
    ran = denoise("noisy.jpg", "out.png", "--skip-existing", "-v")
    assert "is done already" in ran.err
    assert Path("out.png").stat().st_ino == done
    assert denoise("noisy.jpg", "out.png", "--overwrite").status == 0
    assert Path("out.png").stat().st_ino != done


# What goes wrong


def test_bad_and_missing_photos_fail_alone(folder: Path) -> None:
    ran = denoise("bad.jpg", "gone.jpg", "noisy.jpg", "-o", "out", "--format", "png")
    assert ran.status == 1
    assert "bad.jpg: is no picture that is known here" in ran.err
    assert "gone.jpg: there is no such file" in ran.err
    assert ran.err.endswith("photofix: 1 done, 2 failed. Failed:\n  bad.jpg\n  gone.jpg\n")
    assert [path.name for path in Path("out").iterdir()] == ["noisy.png"]
    assert leftovers(folder) == set()


def test_fail_fast_stops_at_the_first() -> None:
    ran = denoise("bad.jpg", "gone.jpg", "-o", "out", "--fail-fast", "--jobs", "1:1:1")
    assert ran.status == 1
    assert "photofix: 1 failed, 1 left out. Failed:\n" in ran.err


def test_a_folder_that_cannot_be_is_said_of_each_photo_before_it_is_restored() -> None:
    ran = denoise("noisy.jpg", "deep.png", "-o", "bad.jpg/out")
    assert ran.status == 1
    assert ran.err.count("bad.jpg/out: this folder cannot be made (Not a directory); give another -o") == 2


def test_a_format_that_is_too_small_is_said() -> None:
    write(Photo(np.zeros((1, 20_000, 3), np.uint8)), Path("wide.png"))
    ran = denoise("wide.png", "wide.webp")
    assert ran.status == 1
    assert "wide.png: WebP holds sides of at most 16,383 pixels" in ran.err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--device", "cuda:7"], 1, "device 'cuda:7' is not available here"),
        (["--weights", "bad.jpg"], 3, "bad.jpg: is damaged, or no file of weights"),
        (["--weights", "gone.pth"], 3, "gone.pth: cannot be read"),
        (["--model", "denose"], 3, "did you mean 'denoise'?"),
        (["--model", "ffdnet-color", "--offline"], 3, "offline nothing is fetched"),
        (["--manifest", "bad.jpg"], 3, "not a manifest"),
    ],
)
def test_what_no_photo_can_do_without_is_said_once_and_first(
    words: list[str], status: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_photos = []
    monkeypatch.setattr(reading, "read", lambda *source: read_photos.append(source))
    ran = denoise("noisy.jpg", "deep.png", "-o", "out", *words)
    assert ran.status == status
    assert ran.err.count(message) == 1
    assert ran.err.count("photofix: ") == 1
    assert read_photos == []


# What is said


def test_quiet_and_verbose() -> None:
    assert denoise("noisy.jpg", "deep.png", "-o", "quiet", "-q").err == ""
    ran = denoise("noisy.jpg", "deep.png", "bad.jpg", "-o", "bad", "-q")
    assert ran.err.count("\n") == 3
    ran = denoise("deep.png", "out.jpg", "-v", "--sigma", "5")
    assert ran.err.startswith("deep.png -> out.jpg: ")
    for part in ("model denoise", "sigma 5.0", "tiles 1", "device cpu", "JPEG holds 8 bits", "no alpha"):
        assert part in ran.err


def test_what_a_format_could_not_hold_is_said() -> None:
    assert denoise("deep.png", "out.jpg").err == (
        "deep.png: JPEG holds 8 bits: 16 reduced; JPEG has no alpha: dropped\n"
    )


@pytest.mark.parametrize("where", ["log.jsonl", "-"])
def test_a_line_of_json_a_photo(where: str) -> None:
    ran = denoise("noisy.jpg", "bad.jpg", "-o", "out", "--json", where)
    lines = Path(where).read_text("utf-8") if where != "-" else ran.err
    records = {record["source"]: record for record in map(json.loads, lines.splitlines())}
    assert ran.status == 1
    assert records["noisy.jpg"]["state"] == "done"
    assert records["noisy.jpg"]["target"] == "out/noisy.jpg"
    assert (records["noisy.jpg"]["width"], records["noisy.jpg"]["height"]) == (64, 48)
    assert records["bad.jpg"]["state"] == "failed"
    assert "no picture" in records["bad.jpg"]["message"]


def test_a_licence_that_forbids_commercial_use_is_said_once() -> None:
    Path("own.toml").write_text('[denoise]\ncommercial = false\nlicence = "CC BY-NC 4.0"\n', "utf-8")
    own = ("--manifest", "own.toml", "--overwrite", "-o", "out")
    notice = "model 'denoise' is not for commercial use: CC BY-NC 4.0"
    assert denoise("noisy.jpg", "deep.png", *own, "-q").err == ""
    record = json.loads(denoise("noisy.jpg", *own, "--json", "-").err)
    assert record["licence"] == "CC BY-NC 4.0"
    assert denoise("noisy.jpg", "deep.png", *own).err.count(notice) == 1
    assert notice not in denoise("noisy.jpg", "deep.png", *own).err
    Path("own.toml").write_text('[denoise]\ncommercial = false\nlicence = "ask us"\n', "utf-8")
    assert "ask us" in denoise("noisy.jpg", *own).err
    assert "licence" not in json.loads(denoise("noisy.jpg", "-o", "other", "--json", "-").err)


# The process: terminals, pipes, signals, full disks


def test_a_terminal_sees_a_bar_and_stdout_the_picture_alone() -> None:
    terminal, inner = os.openpty()
    with subprocess.Popen([*PHOTOFIX, "denoise", "deep.png", "-"], stdout=subprocess.PIPE, stderr=inner) as process:
        os.close(inner)
        assert process.stdout
        sent = process.stdout.read()
    shown = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert process.returncode == 0
    assert picture(sent).pixels.shape == (48, 64, 3)
    assert "0/1" in shown
    assert "MP/s" in shown


def test_a_full_disk_is_said_and_leaves_nothing(folder: Path) -> None:
    write(Photo(noisy(256, 256)), Path("large.png"))

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [*PHOTOFIX, "denoise", "large.png", "out.png", "--strength", "0.5"]
    done = subprocess.run(command, preexec_fn=small_files, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "out.png: cannot be written (File too large); check the folder and the space left" in done.stderr
    assert not Path("out.png").exists()
    assert leftovers(folder) == set()


def test_a_full_stream_is_said() -> None:
    with open("/dev/full", "wb") as full:
        command = [*PHOTOFIX, "denoise", "noisy.jpg", "-"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "photofix: noisy.jpg: the stream cannot be written (No space left on device)\n"


def test_a_reader_that_has_enough_is_no_error_to_speak_of() -> None:
    with subprocess.Popen(
        [*PHOTOFIX, "denoise", "deep.png", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def heed_interrupts() -> None:
    """What a shell's background job would ignore, and its children with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_whole_files_and_can_go_on(folder: Path, number: signal.Signals) -> None:
    write(Photo(np.tile(noisy(250, 250), (16, 16, 1))), Path("b.jpg"), SaveOptions(quality=60))
    Path("noisy.jpg").rename("a.jpg")
    words = ["a.jpg", "b.jpg", "-o", "out"]
    with subprocess.Popen(
        [*PHOTOFIX, "denoise", *words, "-v"], stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        assert process.stderr
        assert "a.jpg" in process.stderr.readline()
        for _ in range(3):  # as the impatient do
            process.send_signal(number)
            time.sleep(0.1)
        said = process.stderr.read()
    assert process.returncode == 130
    assert said == "photofix: interrupted, 1 done of 2; --skip-existing goes on from here\n"
    assert [path.name for path in Path("out").iterdir()] == ["a.jpg"]
    assert leftovers(folder) == set()
    Path("b.jpg").write_bytes(Path("a.jpg").read_bytes())
    assert denoise(*words, "--skip-existing").err == "photofix: 1 done, 1 skipped\n"

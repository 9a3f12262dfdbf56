"""photofix denoise with DNG output, as a user types it."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import rawpy
from dng import Calibration, cfa_dng
from test_cli_denoise import denoise, leftovers
from test_raw import opened, scene

from photofix.photo import Photo, RawPhoto
from photofix.read import read
from photofix.write import write

PROFILE = (2e-3, 1e-5)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a shoot in it: two RAW files, the JPEG beside one, and one in a subfolder."""
    monkeypatch.setenv("PHOTOFIX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shoot" / "later").mkdir(parents=True)
    for name, seed in (("a", 0), ("b", 1), ("later/c", 2)):
        data = cfa_dng(scene(seed=seed), Calibration(noise=PROFILE, active_area=(2, 4, 60, 82)))
        Path("shoot", f"{name}.dng").write_bytes(data)
    write(Photo(np.full((8, 8, 3), 90, np.uint8)), Path("shoot/a.jpg"))
    return tmp_path


def test_one_raw_file_to_a_dng() -> None:
    assert (denoise("shoot/a.dng", "out.dng").status, leftovers(Path())) == (0, set())
    before, after = opened(Path("shoot/a.dng").read_bytes()), opened(Path("out.dng").read_bytes())
    assert not np.array_equal(before.mosaic, after.mosaic)
    assert after.noise is not None
    assert after.noise[0][0] < before.noise[0][0]  # type: ignore[index]
    with rawpy.imread("out.dng") as copy, rawpy.imread("shoot/a.dng") as source:
        scale = copy.white_level // source.white_level
        assert np.array_equal(copy.raw_image[:2], source.raw_image[:2].astype(int) * scale), "masked rows stay"


def test_a_shoot_becomes_dngs_and_its_jpegs_are_left_alone() -> None:
    ran = denoise("shoot/", "-r", "-o", "clean/", "--format", "dng")
    assert ran.status == 0, ran.err
    made = {str(path) for path in Path("clean").rglob("*") if path.is_file()}
    assert made == {"clean/a.dng", "clean/b.dng", "clean/later/c.dng"}
    assert all(isinstance(read(Path(name)), RawPhoto) for name in made)


def test_readable_dngs_are_skipped_and_cut_ones_made_again() -> None:
    words = ("shoot/", "-o", "clean/", "--format", "dng")
    assert denoise(*words).status == 0
    whole = Path("clean/a.dng").read_bytes()
    Path("clean/a.dng").write_bytes(whole[:-500])
    assert denoise(*words).status == 2
    ran = denoise(*words, "--skip-existing")
    assert (ran.status, Path("clean/a.dng").read_bytes()) == (0, whole)
    assert "1 done, 1 skipped" in ran.err


def test_dngs_go_through_pipes() -> None:
    ran = denoise("-", "-", "--format", "dng", stdin=Path("shoot/a.dng").read_bytes())
    denoise("shoot/a.dng", "out.dng")
    assert (ran.status, ran.out) == (0, Path("out.dng").read_bytes())


def test_without_being_asked_raw_files_are_developed() -> None:
    assert denoise("shoot/a.dng", "-o", "clean/").status == 0
    assert isinstance(read(Path("clean/a.png")), Photo)


def test_linear_dngs_have_no_mosaic() -> None:
    assert denoise("shoot/a.dng", "out.dng", "--dng", "linear").status == 0
    assert isinstance(read(Path("out.dng")), Photo)


def test_strength_zero_leaves_every_number() -> None:
    assert denoise("shoot/a.dng", "out.dng", "--strength", "0").status == 0
    with rawpy.imread("out.dng") as copy, rawpy.imread("shoot/a.dng") as source:
        assert np.array_equal(copy.raw_image, source.raw_image)


def test_what_is_healed_goes_into_a_dng_without_a_network_too() -> None:
    samples = np.random.default_rng(0).integers(680, 720, (64, 80)).astype(np.uint16)
    samples[30, 40] = 4000
    Path("stuck.dng").write_bytes(cfa_dng(samples, Calibration(noise=PROFILE)))
    assert denoise("stuck.dng", "out.dng", "--strength", "0").status == 0
    photo = opened(Path("out.dng").read_bytes())
    assert photo.mosaic.max() / photo.white < 720 / 4095
    assert photo.noise == (PROFILE,) * 4


def test_strength_lies_between() -> None:
    mosaics = []
    for strength in ("0", "0.5", "1"):
        assert denoise("shoot/a.dng", "out.dng", "--strength", strength, "--overwrite").status == 0
        photo = opened(Path("out.dng").read_bytes())
        mosaics.append(photo.mosaic.astype(float) * 4095 / photo.white)
    none, half, full = mosaics
    inside = (none > 300) & (none < 3800)
    assert np.abs(half - (none + full) / 2)[inside].max() <= 1.5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("shoot/a.dng", "out.dng", "--bit-depth", "8"), "--bit-depth: a DNG holds 16 bits"),
        (("shoot/a.dng", "out.dng", "--bit-depth", "32"), "--bit-depth: a DNG holds 16 bits"),
        (("shoot/a.dng", "out.dng", "--quality", "80"), "--quality"),
        (("shoot/a.dng", "out.dng", "--exposure", "1"), "--exposure"),
        (("shoot/a.dng", "out.dng", "--roi", "0,0,8,8"), "--roi"),
        (("shoot/a.dng", "out.png", "--dng", "linear"), "--format dng"),
        (("shoot/a.dng", "out.dng", "--format", "png"), "contradict"),
    ],
)
def test_options_that_mean_nothing_there_are_refused(words: tuple[str, ...], told: str) -> None:
    ran = denoise(*words)
    assert ran.status == 2
    assert told in ran.err
    assert not Path("out.dng").exists()


def test_finished_pictures_are_refused_by_name() -> None:
    ran = denoise("shoot/a.jpg", "out.dng")
    assert ran.status == 1
    assert "shoot/a.jpg" in ran.err
    assert "finished picture" in ran.err


def test_stripped_dngs_say_nothing_of_the_photographer() -> None:
    assert denoise("shoot/a.dng", "out.dng", "--strip-metadata").status == 0
    assert "Zoë".encode() in Path("shoot/a.dng").read_bytes()
    assert "Zoë".encode() not in Path("out.dng").read_bytes()


def test_the_python_interface_writes_dngs() -> None:
    import photofix

    negative = photofix.denoise(photofix.open("shoot/a.dng"), dng="cfa")
    photofix.save(negative, "out.dng")
    data = io.BytesIO(Path("out.dng").read_bytes()).getvalue()
    assert isinstance(read(data), RawPhoto)

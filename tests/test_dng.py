"""DNG out: tifffile writes the sources, LibRaw, dcraw, ExifTool and tifffile read what photofix made of them.

With the identity in place of the network, a copy is its source: every sample, every tag that is still true.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
from dng import COLOR_MATRIX, Calibration, cfa_dng, linear_dng, odd_dng, with_exif
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kinds import LEVELS, filters, lossy, polynomial
from test_raw import QUAD, SAMPLE, XTRANS, libraw, opened, scene

from photofix import development, dng, grain, pipeline
from photofix import mosaic as mosaics
from photofix.errors import ReadError, UsageError, WriteError
from photofix.formats import dng as layout
from photofix.job import Settings
from photofix.kinds import BAYER_PATTERNS
from photofix.models import Models
from photofix.photo import Negative, Photo, RawPhoto
from photofix.raw import read_raw
from photofix.tasks import denoise
from photofix.write import SaveOptions, write, write_stream
from pictures import XMP

PROFILE = (1e-3, 1e-6)
PACKET = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>' + XMP + b'<?xpacket end="w"?>'


def unchanged(pixels: np.ndarray, *_: object) -> np.ndarray:
    """The identity in place of a network."""
    return pixels


def copied(data: bytes, notes: list[str] | None = None) -> bytes:
    """The DNG that comes out if the network answers what it was asked."""
    photo = opened(data)
    mosaic = denoise.denoise_raw(photo, unchanged, photo.noise or [PROFILE] * 4)
    return written(Negative(photo, *development.stored(photo, mosaic, photo.noise or [PROFILE] * 4)), notes)


def written(negative: Negative, notes: list[str] | None = None, history: str = "photofix 1.0 denoise") -> bytes:
    stream = io.BytesIO()
    said = dng.write(negative, stream, history)
    if notes is not None:
        notes += said
    return stream.getvalue()


def softened(data: bytes) -> Negative:
    """A negative whose samples all have fractions of sensor numbers."""
    photo = opened(data)
    mosaic = photo.mosaic.astype(np.float32) * 0.9 + 0.1 * photo.black[0]
    return Negative(photo, *development.stored(photo, mosaic, [(1e-3, 0.0)] * 4))


def sensor(data: bytes) -> np.ndarray:
    with rawpy.imread(io.BytesIO(data)) as opened_raw:
        return opened_raw.raw_image.copy()


def assert_same_photo(source: bytes, copy: bytes) -> None:
    """All that the sensor gave, the levels, and LibRaw's development."""
    assert np.array_equal(sensor(source), sensor(copy))
    first, second = opened(source), opened(copy)
    assert (first.pattern, first.black, first.white, first.noise) == (
        second.pattern,
        second.black,
        second.white,
        second.noise,
    )
    assert np.array_equal(libraw(source), libraw(copy))


@pytest.mark.parametrize("preview", [False, True], ids=["main", "sub-directory"])
@pytest.mark.parametrize("size", [(61, 83), (64, 80), (63, 80)])
@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
def test_copies_of_every_phase_and_size(pattern: str, size: tuple[int, int], preview: bool) -> None:
    calibration = Calibration(pattern, black=(100, 203, 300, 407), noise=(*PROFILE, 2e-3, 1e-6, 3e-3, 1e-6))
    source = cfa_dng(scene(*size), calibration, preview)
    assert_same_photo(source, copied(source))


@pytest.mark.parametrize(
    ("white", "top", "black"), [(1023, 1023, 64), (4095, 3500, 256), (16383, 16383, 512), (65535, 65535, 0)]
)
def test_copies_of_every_depth(white: int, top: int, black: int) -> None:
    source = cfa_dng(scene(top=top, black=black), Calibration(white=white, black=(black,)))
    assert_same_photo(source, copied(source))


@pytest.mark.parametrize(
    ("repeat", "black"), [((1, 2), (250, 260)), ((2, 1), (250, 260)), ((2, 2), (250, 260, 270, 280))]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_copies_of_black_patterns_and_byte_orders(repeat: tuple[int, int], black: tuple[int, ...], order: str) -> None:
    source = cfa_dng(scene(), Calibration(black=black, black_repeat=repeat, byteorder=order))
    copy = copied(source)
    assert copy[:2] == source[:2]
    assert_same_photo(source, copy)


def test_copies_of_black_that_varies_along_rows_and_columns() -> None:
    deltas = tuple(part for value in range(83) for part in (value % 3, 2))
    source = cfa_dng(scene(), Calibration(of_samples=((50715, "2i", 83, deltas, True),)))
    copy = copied(source)
    assert_same_photo(source, copy)
    assert raw_tags(copy)[50715].value == deltas


@pytest.mark.parametrize("area", [(4, 6, 60, 80), (3, 5, 60, 80), (0, 1, 61, 83)])
def test_masked_borders_and_crops_stay(area: tuple[int, int, int, int]) -> None:
    crop = ((50719, "H", 2, (2, 4), True), (50720, "H", 2, (60, 50), True), (50830, "I", 4, (4, 0, 60, 5), True))
    source = cfa_dng(scene(), Calibration(active_area=area, of_samples=crop))
    copy = copied(source)
    assert_same_photo(source, copy)
    tags = raw_tags(copy)
    assert tags[50829].value == area
    assert (tags[50719].value, tags[50720].value, tags[50830].value) == ((2, 4), (60, 50), (4, 0, 60, 5))


def raw_tags(data: bytes) -> tifffile.TiffTags:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return file.pages.first.pages[0].tags  # type: ignore[index]


def test_linearised_samples_are_stored_as_they_are_linear() -> None:
    codes = np.random.default_rng(0).integers(0, 1024, (64, 80)).astype(np.uint16)
    table = tuple((np.arange(1024) * 4).tolist())
    source = cfa_dng(codes, Calibration(of_samples=((50712, "H", 1024, table, True),)))
    copy = copied(source)
    assert_same_photo(source, copy)
    assert 50712 not in raw_tags(copy)


def opcodes(*numbers: int) -> bytes:
    """A list of opcodes with four bytes of parameters each (DNG specification, chapter 7)."""
    codes = [struct.pack(">4I", number, 0x01030000, 0, 4) + bytes([number] * 4) for number in numbers]
    return struct.pack(">I", len(codes)) + b"".join(codes)


def with_opcodes() -> bytes:
    lists = {51008: opcodes(4, 5), 51009: opcodes(9, 3), 51022: opcodes(1)}
    return cfa_dng(scene(), Calibration(of_samples=tuple((tag, 7, len(one), one, True) for tag, one in lists.items())))


def test_opcode_lists_go_on_where_they_apply() -> None:
    notes: list[str] = []
    tags = raw_tags(copied(with_opcodes(), notes))
    assert [tags[tag].value for tag in (51008, 51009, 51022)] == [opcodes(4, 5), opcodes(9, 3), opcodes(1)]
    assert not notes


def test_opcodes_for_the_cameras_own_numbers_do_not_outlive_them() -> None:
    notes: list[str] = []
    tags = raw_tags(written(softened(with_opcodes()), notes))
    assert [tags[tag].value for tag in (51008, 51009, 51022)] == [opcodes(5), opcodes(9, 3), opcodes(1)]
    assert any("OpcodeList1" in note for note in notes)


def test_opcodes_for_the_mosaic_do_not_outlive_it() -> None:
    notes: list[str] = []
    tags = raw_tags(written(replace(softened(with_opcodes()), linear=True), notes))
    assert [tag in tags for tag in (51008, 51009, 51022)] == [False, False, True]
    assert any("OpcodeList2" in note for note in notes)


@pytest.mark.parametrize("white", [1023, 4095, 16383])
def test_fractions_are_kept_and_levels_say_so(white: int) -> None:
    source = cfa_dng(scene(top=white, black=64), Calibration(white=white, black=(60, 62, 64, 66)))
    negative = softened(source)
    assert negative.scale == 4
    copy = opened(written(negative))
    assert (copy.white, copy.black) == (4 * white, (240, 248, 256, 264))
    assert np.array_equal(copy.mosaic, negative.samples)


def test_steps_are_no_finer_than_noise_asks_for() -> None:
    photo = opened(cfa_dng(scene()))
    mosaic = photo.mosaic * np.float32(0.99)
    span = photo.white - photo.black[0]
    for sigma, expected in ((0.1, 4), (1.2, 2), (2.5, 1)):
        assert development.stored(photo, mosaic, [(1e-3, (sigma / span) ** 2)] * 4)[1] == expected


def test_nothing_gets_brighter_than_the_brightest_sample() -> None:
    """LibRaw stretches to it."""
    photo = opened(cfa_dng(scene(top=3600)))
    samples, scale = development.stored(photo, photo.mosaic * np.float32(1.1), [PROFILE] * 4)
    assert samples.max() == scale * photo.mosaic.max()


def test_negative_develops_like_the_direct_path() -> None:
    """LibRaw's own development of the DNG, and ours of the RAW file, from the sample in the repository."""
    photo = opened(SAMPLE.read_bytes())
    direct = pipeline.restore(photo, Models(Settings())).photo
    negative = pipeline.restore(photo, Models(Settings(dng="cfa"))).photo
    assert isinstance(direct, Photo)
    assert isinstance(negative, Negative)
    assert not np.array_equal(negative.samples, photo.mosaic)
    developed = libraw(written(negative))
    assert np.abs(developed.astype(int) - direct.pixels).max() <= 1


def test_denoised_file_is_smaller_than_its_source() -> None:
    photo = opened(SAMPLE.read_bytes())
    negative = pipeline.restore(photo, Models(Settings(dng="cfa"))).photo
    assert isinstance(negative, Negative)
    assert len(written(negative)) < len(written(Negative(photo, photo.mosaic))) < len(photo.data)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_noise_profile_says_what_is_left(strength: float) -> None:
    """A denoiser that finds the clean picture to a tenth of the noise."""
    shot, read = 2e-3, 1e-5
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:200, :300]
    clean = (0.3 + 0.2 * np.sin(rows / 40) * np.cos(columns / 30)).astype(np.float32)
    noise = rng.normal(0, 1, clean.shape) * np.sqrt(shot * clean + read)
    photo = opened(cfa_dng(np.rint(256 + 3839 * (clean + noise)).astype(np.uint16), Calibration(noise=(shot, read))))
    assert photo.noise is not None
    mosaic = (256 + 3839 * (clean + (1 - strength * 0.9) * noise)).astype(np.float32)
    left = denoise.noise_left(photo, mosaic, photo.noise, strength)
    expected = (1 - strength) ** 2 + (2 * strength - strength**2) * 0.19  # 1 - 0.9^2: not orthogonal here
    assert left[0][0] / shot == pytest.approx(expected, abs=0.03)
    samples, scale = development.stored(photo, mosaic, photo.noise)
    again = opened(written(Negative(photo, samples, scale, noise=left))).noise
    assert again is not None
    assert again[3] == pytest.approx(left[3])


@pytest.mark.parametrize(("strength", "keep_grain"), [(1.0, 0.5), (1.0, 1.0), (0.6, 0.7), (0.6, 0.0)])
def test_noise_profile_knows_the_grain_that_is_kept(strength: float, keep_grain: float) -> None:
    """A denoiser that errs as the best would: its error has nothing to do with what it took, and is a third of the
    noise's variance. What is said to be left is compared with the clean picture."""
    rng, (shot, read) = np.random.default_rng(0), (2e-3, 1e-5)
    clean = np.full((4, 128, 160), 0.3, np.float32) / np.array([2, 1, 1, 1.5], np.float32)[:, None, None]
    deviation = np.sqrt(shot * clean + read)
    taken, error = (rng.normal(0, share**0.5, clean.shape) * deviation for share in (2 / 3, 1 / 3))
    data = cfa_dng(np.full((256, 320), 1000, np.uint16), Calibration(noise=(shot, read)))
    noisy = replace(opened(data), balance=(2.0, 1.0, 1.5))
    noisy = replace(noisy, mosaic=mosaics.to_mosaic((clean + taken + error).astype(np.float32), noisy))
    profile = [(shot, read)] * 4
    planes = mosaics.to_planes(noisy)
    change = -taken + keep_grain * grain.of_mosaic(taken.astype(np.float32), noisy.balance)
    restored = mosaics.to_mosaic((planes + strength * change).astype(np.float32), noisy)
    left = denoise.noise_left(noisy, restored, profile, strength, keep_grain)
    true = ((mosaics.to_planes(replace(noisy, mosaic=restored)) - clean) ** 2 / deviation**2).mean((1, 2))
    for plane, place in enumerate(mosaics.places(noisy.pattern)):
        assert left[place][0] / shot == pytest.approx(true[plane], abs=0.04)


def test_noise_profile_of_unchanged_samples_is_the_files() -> None:
    photo = opened(SAMPLE.read_bytes())
    restored = pipeline.restore(photo, Models(Settings(dng="cfa", strength=0)))
    assert isinstance(restored.photo, Negative)
    assert opened(written(restored.photo)).noise == photo.noise


def test_noise_profiles_go_back_to_their_planes() -> None:
    source = cfa_dng(scene(), Calibration("GBRG", noise=(3e-3, 3e-6, 1e-3, 1e-6, 2e-3, 2e-6)))
    negative = softened(source)
    assert isinstance(negative.photo, RawPhoto)
    assert negative.photo.noise is not None
    copy = opened(written(replace(negative, noise=negative.photo.noise)))
    assert copy.noise == negative.photo.noise


def test_digest_is_that_of_the_specification() -> None:
    """MD5 of the MD5s of tiles of at most 256 x 256."""
    samples = np.random.default_rng(0).integers(0, 65536, (300, 256)).astype(np.uint16)
    parts = [samples[:256].astype("<u2").tobytes(), samples[256:].astype("<u2").tobytes()]
    expected = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).digest()
    assert layout.digest(samples) == expected
    colors = np.dstack([samples[:100], samples[100:200]])
    planes = samples[:200].astype("<u2").tobytes()
    assert layout.digest(colors) == hashlib.md5(hashlib.md5(planes).digest()).digest()
    source = cfa_dng(scene())
    with tifffile.TiffFile(io.BytesIO(copied(source))) as file:
        assert bytes(file.pages.first.tags[51111].value) == layout.digest(sensor(source))


@pytest.mark.parametrize("shape", [(16, 16), (700, 530), (513, 1025), (40, 50, 3), (530, 20, 3), (33, 47, 1)])
def test_tiles_hold_every_number(shape: tuple[int, ...]) -> None:
    """tifffile puts them together, with a decoder other than the encoder's."""
    import imagecodecs

    samples = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    samples.ravel()[:64] = [0, 32768] * 32
    tags = layout.storage(samples)
    columns, rows = (int.from_bytes(tags[tag][1], "little") for tag in (322, 323))  # type: ignore[arg-type]
    tiles = [imagecodecs.ljpeg_decode(tile).reshape(rows, columns, -1) for tile in layout.encoded(samples)]
    across = -(-shape[1] // columns)
    whole = np.vstack([np.hstack(tiles[at : at + across]) for at in range(0, len(tiles), across)])
    assert np.array_equal(whole[: shape[0], : shape[1]].reshape(shape), samples)


def fractions(*values: float) -> tuple[int, ...]:
    return tuple(part for value in values for part in (round(value * 10000), 10000))


EXPOSURE = [
    (33434, 5, 1, struct.pack("<2I", 1, 250)),
    (33437, 5, 1, struct.pack("<2I", 28, 10)),
    (34855, 3, 1, struct.pack("<H", 3200)),
    (36864, 7, 4, b"0231"),
    (36867, 2, 20, b"2024:05:06 07:08:09\0"),
    (42034, 5, 4, struct.pack("<8I", 24, 1, 70, 1, 28, 10, 28, 10)),
    (42036, 2, 12, b"24-70 f/2.8\0"),
]
PLACE = [
    (0, 1, 4, bytes((2, 3, 0, 0))),
    (1, 2, 2, b"N\0"),
    (2, 5, 3, struct.pack("<6I", 48, 1, 12, 1, 0, 1)),
]


def rich_dng(order: str = "<") -> bytes:
    """A DNG with both illuminants, calibrations, exposure, lens, crops, EXIF, GPS and XMP."""
    matrix = tuple(part for value in COLOR_MATRIX for part in (value + 120, 10000))
    of_camera = (
        (700, "B", len(PACKET), PACKET, True),
        (50722, "2i", 9, matrix, True),
        (50723, "2i", 9, fractions(1, 0, 0, 0, 1.01, 0, 0, 0, 0.99), True),
        (50724, "2i", 9, fractions(1, 0, 0, 0, 1.02, 0, 0, 0, 0.98), True),
        (50727, "2I", 3, fractions(1, 1, 1), True),
        (50730, "2i", 1, (-35, 100), True),
        (50731, "2I", 1, (3, 2), True),
        (50732, "2I", 1, (4, 5), True),
        (50734, "2I", 1, (1, 1), True),
        (50735, "s", 0, "12345", True),
        (50736, "2I", 4, fractions(24, 70, 2.8, 2.8), True),
        (50779, "H", 1, 17, True),
        (50931, "s", 0, "com.example", True),
        (50936, "s", 0, "Example profile", True),
        (50964, "2i", 9, fractions(0.6, 0.2, 0.1, 0.3, 0.7, 0, 0, 0.1, 0.7), True),
    )
    of_samples = (
        (50718, "2I", 2, fractions(1, 1), True),
        (50719, "H", 2, (4, 4), True),
        (50720, "H", 2, (60, 48), True),
        (50733, "I", 1, 250, True),
        (50738, "2I", 1, (1, 1), True),
        (50780, "2I", 1, (1, 1), True),
        (51009, 7, len(opcodes(9)), opcodes(9), True),
    )
    calibration = Calibration(
        "GRBG", (250, 251, 252, 253), orientation=8, noise=PROFILE, active_area=(2, 4, 60, 82), byteorder=order,
        of_samples=of_samples, of_camera=of_camera,
    )  # fmt: skip
    data = cfa_dng(scene(), calibration)
    return data if order == ">" else with_exif(with_exif(data, EXPOSURE), PLACE, pointer=34853)


#: What says how samples lie in a file, or is true of one file only.
STORAGE = {
    *("SubfileType", "ImageWidth", "ImageHeight", "BitsPerSample", "Compression", "PhotometricInterpretation"),
    *("StripOffsets", "SamplesPerPixel", "RowsPerStrip", "StripByteCounts", "PlanarConfiguration", "XResolution"),
    *("YResolution", "ResolutionUnit", "SourceFile", "DNGBackwardVersion"),
}


def exiftool(path: Path, *options: str) -> str:
    if not shutil.which("exiftool"):
        pytest.skip("needs exiftool")
    return subprocess.run(["exiftool", *options, str(path)], capture_output=True, text=True, check=False).stdout


def tags_of(path: Path) -> dict[str, object]:
    groups = ("System:all", "File:all", "Composite:all", "ExifTool:all")
    return dict(json.loads(exiftool(path, "-j", "-a", "-n", *(f"--{group}" for group in groups)))[0])


@pytest.mark.parametrize("order", ["<", ">"])
def test_exiftool_finds_every_tag_again(tmp_path: Path, order: str) -> None:
    source, copy = tmp_path / "source.dng", tmp_path / "copy.dng"
    source.write_bytes(rich_dng(order))
    copy.write_bytes(copied(source.read_bytes()))
    before, after = tags_of(source), tags_of(copy)
    kept = {name: value for name, value in before.items() if name not in STORAGE}
    assert len(kept) > (45 if order == "<" else 35)
    assert {name: after.get(name) for name in kept} == kept
    assert {"HistoryParameters", "NewRawImageDigest", "PreviewImage"} <= after.keys() - before.keys()


def test_exiftool_and_libraw_find_nothing_to_complain_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "copy.dng"
    without_placeholders = with_exif(with_exif(cfa_dng(scene()), EXPOSURE), PLACE, pointer=34853)
    for data in (copied(without_placeholders), written(softened(rich_dng())), copied(SAMPLE.read_bytes())):
        path.write_bytes(data)
        assert exiftool(path, "-validate", "-warning", "-error", "-a").split() == ["Validate", ":", "OK"]
        libraw(data)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("linear", [False, True])
def test_dcraw_reads_the_same_numbers(tmp_path: Path, linear: bool) -> None:
    if not shutil.which("dcraw"):
        pytest.skip("needs dcraw")
    negative = replace(softened(cfa_dng(scene(600, 530))), linear=linear)
    path = tmp_path / "copy.dng"
    path.write_bytes(written(negative))
    ran = subprocess.run(["dcraw", "-D", "-4", "-c", str(path)], capture_output=True, check=True)
    assert ran.stderr == b""
    if not linear:
        numbers = np.frombuffer(ran.stdout[-negative.samples.nbytes :], ">u2").reshape(negative.samples.shape)
        assert np.array_equal(numbers, negative.samples)


def test_preview_shows_the_photo() -> None:
    copy = copied(SAMPLE.read_bytes())
    with rawpy.imread(io.BytesIO(copy)) as opened_raw:
        thumbnail = opened_raw.extract_thumb()
    import cv2

    small = cv2.imdecode(np.frombuffer(thumbnail.data, np.uint8), cv2.IMREAD_COLOR)
    large = cv2.resize((libraw(copy) >> 8).astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small[..., ::-1].astype(int) - large).mean() < 8


def test_a_mosaic_that_does_not_read_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = layout.encoded
    monkeypatch.setattr(layout, "encoded", lambda samples: encoded(samples ^ 1))
    with pytest.raises(WriteError, match="read back"):
        write(Negative(opened(cfa_dng(scene())), scene()), tmp_path / "out.dng")
    assert list(tmp_path.iterdir()) == []


def test_linear_dng_holds_the_cameras_colors() -> None:
    """A gray card: neutral as AsShotNeutral says, a quarter of white, in all three colors of every pixel."""
    samples = np.empty((64, 80), np.uint16)
    for place, neutral in enumerate((0.5, 1.0, 1.0, 0.65)):
        samples[place // 2 :: 2, place % 2 :: 2] = round(256 + 0.25 * neutral * (4095 - 256))
    photo = opened(cfa_dng(samples))
    copy = written(Negative(photo, photo.mosaic, linear=True))
    tags = raw_tags(copy)
    assert tags[262].value == 34892
    with tifffile.TiffFile(io.BytesIO(copy)) as file:
        page = file.pages.first.pages[0]  # type: ignore[index]
        segment = file.filehandle.read_segments(page.dataoffsets, page.databytecounts)
        first = next(iter(segment))[0]
    import imagecodecs

    colors = imagecodecs.ljpeg_decode(first).reshape(64, -1, 3)
    assert colors[20:40, 20:40].mean((0, 1)) / 65535 == pytest.approx((0.125, 0.25, 0.1625), abs=0.0002)
    assert np.abs(libraw(copy).astype(int) - libraw(photo.data))[8:-8, 8:-8].max() <= 8


@pytest.mark.parametrize("source", ["bayer", "xtrans"])
def test_linear_dng_develops_like_its_source(source: str) -> None:
    rows, columns = np.mgrid[:520, :530]
    samples = (600 + 400 * np.sin(rows / 60) * np.cos(columns / 70)).astype(np.uint16)
    data = cfa_dng(samples, Calibration("RGGB" if source == "bayer" else XTRANS, orientation=6))
    photo = read_raw(data, "source.dng")
    models = Models(Settings(strength=0, dng="linear"))
    negative = pipeline.restore(photo, models).photo
    assert isinstance(negative, Negative)
    first, second = libraw(data).astype(int), libraw(written(negative))
    assert first.shape == second.shape
    assert np.abs(first - second).mean() < 30


def test_mosaics_other_than_bayer_become_linear_and_say_so() -> None:
    photo = read_raw(cfa_dng(scene(520, 530), Calibration(XTRANS, noise=PROFILE)), "xtrans.dng")
    negative = pipeline.restore(photo, Models(Settings(dng="cfa", sigma=10))).photo
    assert isinstance(negative, Negative)
    assert any("without a mosaic" in note for note in negative.notes)
    assert raw_tags(written(negative))[262].value == 34892
    assert 51041 not in raw_tags(written(negative)), "nobody knows the noise of it"


def test_linear_sources_come_back_sample_for_sample() -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (61, 83, 3)).astype(np.uint16)
    data = linear_dng(samples, Calibration(white=65535, black=(0,)))
    photo = read_raw(data, "linear.dng")
    negative = pipeline.restore(photo, Models(Settings(dng="linear", strength=0))).photo
    assert isinstance(negative, Negative)
    assert np.array_equal(negative.samples, samples)
    assert np.array_equal(libraw(written(negative)), libraw(data))


def test_white_of_linear_sources_stays_white_above_their_black() -> None:
    """LibRaw would take nothing off white."""
    data = linear_dng(np.full((64, 80, 3), 4095, np.uint16), Calibration(neutral=(1.0, 1.0, 1.0)))
    photo = read_raw(data, "linear.dng")
    assert isinstance(photo, Photo)
    assert photo.pixels.min() == 65535
    assert as_linear(data).samples.min() == 65535


@pytest.mark.parametrize(
    ("area", "crop", "expected"),
    [
        ((4, 6, 60, 80), (2, 4, 60, 50), (2, 4, 60, 50)),
        ((3, 5, 60, 80), (2, 4, 60, 50), (1, 3, 60, 50)),
        ((3, 5, 60, 80), (0, 0, 75, 57), (0, 0, 74, 56)),
    ],
)
def test_crops_of_linear_dngs_count_from_what_is_there(
    area: tuple[int, ...], crop: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    tags = ((50719, "H", 2, crop[:2], True), (50720, "H", 2, crop[2:], True))
    photo = opened(cfa_dng(scene(), Calibration(active_area=area, of_samples=tags)))  # type: ignore[arg-type]
    found = raw_tags(written(Negative(photo, photo.mosaic, linear=True)))
    assert 50829 not in found
    assert (*found[50719].value[::2], *found[50720].value[::2]) == expected


@pytest.mark.parametrize(("origin", "size"), [((79, 4), (60, 50)), ((2, 4), (0, 50)), ((2, 4), (60,))])
def test_crops_of_nothing_are_left_out(origin: tuple[int, ...], size: tuple[int, ...]) -> None:
    tags = ((50719, "H", 2, origin, True), (50720, "H", len(size), size, True))
    photo = opened(cfa_dng(scene(), Calibration(active_area=(3, 5, 60, 80), of_samples=tags)))
    found = raw_tags(written(Negative(photo, photo.mosaic, linear=True)))
    assert 50719 not in found
    assert 50720 not in found


def as_linear(data: bytes) -> Negative:
    """The negative of a file without a Bayer mosaic, nothing changed."""
    photo = read_raw(data, "source.dng")
    negative = pipeline.restore(photo, Models(Settings(dng="linear", strength=0))).photo
    assert isinstance(negative, Negative)
    return negative


def test_lossy_sources_keep_their_light_and_lose_the_curve() -> None:
    """LibRaw has applied it."""
    data = lossy(polynomial((0.0, 0.0, 1.0)), table=False)
    copy = written(as_linear(data))
    assert 51009 not in raw_tags(copy)
    assert np.abs(libraw(copy).astype(int) - libraw(data)).max() <= 1


def test_monochrome_sources_stay_gray() -> None:
    samples = scene(64, 80)
    data = odd_dng(samples, "minisblack", LEVELS, Calibration(matrix=()), photometric_code=34892)
    copy = written(as_linear(data))
    assert (raw_tags(copy)[277].value, raw_tags(copy)[262].value) == (1, 34892)
    photo = read_raw(copy, "copy.dng")
    assert isinstance(photo, Photo)
    assert photo.pixels.shape == (64, 80, 1)
    light = (np.maximum(samples, 256) - 256.0) / (4095 - 256)
    assert photo.pixels[..., 0] / 65535 == pytest.approx(light, abs=0.001)


def test_four_colors_are_refused_by_name() -> None:
    to_camera = (0.4, 0.6, 0.1, -0.3, 1.1, 0.2, -0.1, 0.3, 0.9, 0.5, 0.8, -0.1)
    planes = (50710, "B", 4, bytes((1, 3, 4, 5)), True)
    calibration = Calibration(matrix=to_camera, neutral=(0.5, 1, 0.7, 0.8))
    data = odd_dng(scene(64, 80), "CFA", filters((3, 4, 5, 1), planes) + LEVELS, calibration)
    with pytest.raises(ReadError, match="4 colors"):
        as_linear(data)


def test_black_patterns_beyond_the_mosaics_are_developed_with_and_come_linear() -> None:
    black = tuple(range(240, 256))
    data = cfa_dng(scene(64, 80), Calibration(black=black, black_repeat=(4, 4)))
    assert isinstance(read_raw(data, "source.dng"), Photo)
    assert np.abs(libraw(written(as_linear(data))).astype(int) - libraw(data)).mean() < 150


def camera_file(calibration: Calibration, samples: np.ndarray, exif: bool = True) -> bytes:
    """What LibRaw takes for a Nikon D700's file, with a white balance; no DNG. Its visible area is smaller."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, byteorder="<") as writer:
        tags = [
            (271, "s", 0, "NIKON CORPORATION", True),
            (272, "s", 0, "NIKON D700", True),
            (274, "H", 1, calibration.orientation, True),
            (34664, "I", 1, 0, True),
            (34852, "I", 1, 0, True),
            *([(50728, "2I", 3, fractions(*calibration.neutral), True)] if calibration.neutral else []),
        ]
        writer.write(np.zeros((8, 12, 3), np.uint8), photometric="rgb", subfiletype=1, subifds=1, extratags=tags,
                     metadata=None, software=False)  # fmt: skip
        pattern = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes((0, 1, 1, 2)), True)]
        levels = [(50714, "H", 1, calibration.black[0], True), (50717, "H", 1, calibration.white, True)]
        writer.write(
            samples, photometric="CFA", subfiletype=0, extratags=pattern + levels, metadata=None, software=False
        )
    data = stream.getvalue()
    note = b"Nikon\0\2\x10\0\0II*\0" + struct.pack("<IHHHI4sI", 8, 1, 1, 7, 4, b"0210", 0)
    return with_exif(data, [*EXPOSURE[:5], (37500, 7, len(note), note)]) if exif else data


@pytest.mark.parametrize("neutral", [(0.5, 1.0, 0.65), None])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_camera_makers_files_become_dngs(
    tmp_path: Path, orientation: int, neutral: tuple[float, float, float] | None
) -> None:
    samples = scene(200, 304, top=16383, black=600)
    source = camera_file(Calibration(orientation=orientation, neutral=neutral, black=(600,), white=16383), samples)
    photo = opened(source)
    assert photo.mosaic.shape != samples.shape, "a border belongs to the test"
    copy = copied(source)
    assert np.array_equal(sensor(copy), samples)
    again = opened(copy)
    assert np.array_equal(again.mosaic, photo.mosaic)
    assert (again.pattern, again.black, again.white, again.iso) == (photo.pattern, photo.black, photo.white, 3200)
    difference = np.abs(development.develop(photo, photo.mosaic).pixels.astype(int) - libraw(copy))
    assert difference.max() <= 1
    path = tmp_path / "copy.dng"
    path.write_bytes(copy)
    tags = tags_of(path)
    assert (tags["UniqueCameraModel"], tags["ExposureTime"], tags["Orientation"]) == (
        "NIKON D700",
        1 / 250,
        orientation,
    )
    assert exiftool(path, "-validate", "-warning", "-a").split()[:3] == ["Validate", ":", "OK"]


def test_a_color_matrix_of_zeros_is_none() -> None:
    with pytest.raises(WriteError, match="color matrix"):
        copied(cfa_dng(scene(), Calibration(matrix=(0.0,) * 9)))


def test_without_any_color_matrix_no_dng_is_written() -> None:
    with tifffile.TiffFile(io.BytesIO(cfa_dng(scene()))) as file:
        field = file.pages.first.tags[50721].offset
    data = bytearray(cfa_dng(scene()))
    data[field : field + 2] = struct.pack("<H", 50739)  # another tag in its place
    with pytest.raises(WriteError, match="color matrix"):
        copied(bytes(data))


def test_white_balance_of_zeros_is_none() -> None:
    notes: list[str] = []
    copy = copied(cfa_dng(scene(), Calibration(neutral=(0.0, 1.0, 0.5))), notes)
    assert any("daylight" in note for note in notes)
    with tifffile.TiffFile(io.BytesIO(copy)) as file:
        assert 50728 not in file.pages.first.tags


def test_stripped_files_keep_their_colors_only() -> None:
    stream = io.BytesIO()
    dng.write(Negative(opened(rich_dng()), opened(rich_dng()).mosaic), stream, "line", strip=True)
    copy = stream.getvalue()
    with tifffile.TiffFile(io.BytesIO(copy)) as file:
        tags = file.pages.first.tags
        assert {50721, 50722, 50728, 50708, 271, 272, 274} <= set(tags.keys())
        assert not {700, 34665, 34853, 315, 306, 50735} & set(tags.keys())
    assert np.array_equal(libraw(copy), libraw(rich_dng()))


def test_quad_bayer_is_still_refused() -> None:
    with pytest.raises(ReadError, match=r"4 x 4"):
        read_raw(cfa_dng(scene(64, 64), Calibration(QUAD)), "quad.dng")


def test_finished_pictures_do_not_become_dngs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finished picture"):
        write(Photo(np.zeros((8, 8, 3), np.uint8)), tmp_path / "out.dng")
    negative = Negative(opened(cfa_dng(scene())), scene())
    with pytest.raises(UsageError, match="save it as DNG"):
        write(negative, tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["<", ">"]),
    st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 255)), min_size=1, max_size=6),
    st.booleans(),
)
def test_broken_sources_never_crash(order: str, changes: list[tuple[int, int]], linear: bool) -> None:
    data = bytearray(rich_dng(order))
    for position, value in changes:
        data[position] = value
    with contextlib.suppress(ReadError, WriteError):
        photo = read_raw(bytes(data), "broken.dng")
        samples = photo.mosaic if isinstance(photo, RawPhoto) else np.zeros((16, 16, 3), np.uint16)
        written(Negative(photo, samples, linear=linear))


def test_files_and_streams_get_the_same_bytes(tmp_path: Path) -> None:
    photo = opened(cfa_dng(scene()))
    negative, stream = Negative(photo, photo.mosaic), io.BytesIO()
    write(negative, tmp_path / "out.dng", SaveOptions(history="line"))
    write_stream(negative, stream, SaveOptions(history="line"))
    assert (tmp_path / "out.dng").read_bytes() == stream.getvalue() == written(negative, history="line")

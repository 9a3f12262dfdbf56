"""What is written is what is read: samples, metadata, names, limits, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import resource
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin

from photofix import metadata as meta
from photofix.color import srgb_to_linear
from photofix.errors import UsageError, WriteError
from photofix.formats import tiff
from photofix.photo import Metadata, Photo
from photofix.read import read
from photofix.write import FORMATS, SaveOptions, check_limits, converted, fit, format_of, write, write_stream
from pictures import EXIF, PICTURE_FORMATS, XMP, photo, profile, samples

#: Every format and depth that loses nothing, with the options that make it so.
LOSSLESS = [
    ("png", "uint8", SaveOptions()),
    ("png", "uint16", SaveOptions()),
    ("tif", "uint8", SaveOptions()),
    ("tif", "uint16", SaveOptions()),
    ("tif", "float32", SaveOptions()),
    ("webp", "uint8", SaveOptions(quality=100)),
    ("avif", "uint8", SaveOptions(quality=100)),
    ("pnm", "uint8", SaveOptions()),
    ("pnm", "uint16", SaveOptions()),
    ("pfm", "float32", SaveOptions()),
    ("exr", "float32", SaveOptions()),
]
DEPTH = {"uint8": 8, "uint16": 16, "float32": 32}
PAIRS = [
    (first, second)
    for first in LOSSLESS
    for second in LOSSLESS
    if first[1] != "float32" and DEPTH[first[1]] <= DEPTH[second[1]]
]
LIGHT = ("exr", "pfm", "hdr")


def saved(picture: Photo, path: Path, options: SaveOptions | None = None) -> Photo:
    """The picture after a trip to a file and back."""
    write(picture, path, options or SaveOptions())
    result = read(path)
    assert isinstance(result, Photo)
    return result


def stored_as(picture: Photo, ending: str) -> Photo:
    return replace(picture, encoding="linear") if ending in LIGHT else picture


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("ending", "kind", "options"), LOSSLESS)
def test_lossless_formats_give_back_every_sample(
    tmp_path: Path, ending: str, kind: str, options: SaveOptions, channels: int
) -> None:
    picture = stored_as(photo(kind, channels), ending)
    result = saved(picture, tmp_path / f"a.{ending}", options)
    expected = picture.pixels if FORMATS[format_of(ending)].gray else np.repeat(picture.pixels, 4 - channels, axis=2)
    assert result.pixels.dtype == expected.dtype
    assert np.array_equal(result.pixels, expected)
    assert result.encoding == picture.encoding
    assert result.alpha is None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ending", "kind", "options"), [case for case in LOSSLESS if case[0] in ("png", "tif", "webp")]
)
def test_alpha_survives_with_the_color_under_it(
    tmp_path: Path, ending: str, kind: str, options: SaveOptions, channels: int
) -> None:
    picture = photo(kind, channels, alpha=True)
    picture.alpha[:5] = 0  # type: ignore[index]
    result = saved(picture, tmp_path / f"a.{ending}", options)
    assert np.array_equal(result.pixels, np.broadcast_to(picture.pixels, result.pixels.shape))
    assert result.alpha is not None
    assert np.array_equal(result.alpha, picture.alpha)


def test_a_part_of_a_larger_array_is_saved_as_it_is(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    part = samples[3:20, 5:25, 1:2]
    for ending in ("png", "tif", "pgm"):
        back = saved(Photo(part), tmp_path / f"part.{ending}")
        np.testing.assert_array_equal(back.pixels, part)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_pair_of_lossless_formats_changes_nothing(
    tmp_path: Path, first: tuple[str, str, SaveOptions], second: tuple[str, str, SaveOptions]
) -> None:
    """8 and 16 bits survive any format at least as deep, linear light in float32 included."""
    picture = photo(first[1])
    between = saved(picture, tmp_path / f"a.{first[0]}", first[2])
    after = saved(between, tmp_path / f"b.{second[0]}", replace(second[2], bit_depth=DEPTH[second[1]]))
    result = saved(after, tmp_path / "c.png", SaveOptions(bit_depth=8 if first[1] == "uint8" else 16))
    assert np.array_equal(result.pixels, picture.pixels)


def test_exr_alpha_is_stored_multiplied_and_comes_back(tmp_path: Path) -> None:
    picture = replace(photo("float32", alpha=True), encoding="linear")
    picture = replace(picture, alpha=np.abs(picture.alpha) + np.float32(0.1))
    result = saved(picture, tmp_path / "a.exr")
    assert np.array_equal(result.alpha, picture.alpha)  # type: ignore[arg-type]
    np.testing.assert_allclose(result.pixels, picture.pixels, rtol=3e-7)


def test_radiance_holds_light_to_a_percent(tmp_path: Path) -> None:
    picture = Photo(np.abs(samples((8, 9, 3), "float32")) + np.float32(0.5), "linear")
    result = saved(picture, tmp_path / "a.hdr")
    np.testing.assert_allclose(result.pixels, picture.pixels, atol=0.01 * float(picture.pixels.max()))
    assert result.encoding == "linear"


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "avif"])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_metadata_survive(tmp_path: Path, ending: str, kind: str) -> None:
    result = saved(photo(kind, alpha=ending != "jpg"), tmp_path / f"a.{ending}").metadata
    assert result.icc == profile()
    assert result.xmp == XMP
    if ending == "tif":
        assert content(result.exif) == content(EXIF)
    else:
        assert result.exif == EXIF


#: A caption, "Ship" (IPTC-IIM 4.2, dataset 2:120); of an odd length.
IPTC = b"\x1c\x02\x78\0\4Ship"


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_iptc_and_density_survive_as_other_readers_see_them(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    plain = photo()
    scan = replace(plain, metadata=replace(plain.metadata, iptc=IPTC, density=(600.0, 300.0)))
    result = saved(scan, path).metadata
    assert (result.iptc, result.density) == (IPTC, (600, 300))
    assert (result.xmp, result.icc) == (XMP, profile())
    with Image.open(path) as image:
        records = IptcImagePlugin.getiptcinfo(image)
        assert records == {(2, 120): b"Ship"}
        assert image.info["dpi"] == (600, 300)
    stripped = saved(scan, path, SaveOptions(strip_metadata=True)).metadata
    assert (stripped.iptc, stripped.xmp, stripped.icc, stripped.density) == (None, None, profile(), (600, 300))


@pytest.mark.parametrize("ending", ["png", "webp", "avif", "exr"])
def test_iptc_without_a_place_is_said(tmp_path: Path, ending: str) -> None:
    scan = replace(photo(), metadata=Metadata(iptc=IPTC, density=(600.0, 300.0)))
    assert any("IPTC: left out" in note for note in write(scan, tmp_path / f"a.{ending}"))
    if ending == "png":
        with Image.open(tmp_path / "a.png") as image:
            assert image.info["dpi"] == pytest.approx((600, 300), abs=0.02)


def test_the_density_of_a_file_goes_before_the_one_in_its_exif(tmp_path: Path) -> None:
    """Programs that add EXIF to a scan put 72 there, which means nothing."""
    exif = Image.Exif()
    exif[282], exif[283], exif[296], exif[269] = 72, 72, 2, "Page 7"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", exif=exif, dpi=(600, 600))
    scan = read(tmp_path / "a.png")
    assert isinstance(scan, Photo)
    write(scan, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.get_resolution("INCH") == pytest.approx((600, 600), abs=0.02)
        assert file.pages.first.tags.valueof(269) == "Page 7"


def content(exif: bytes | None) -> meta.Directory:
    assert exif is not None
    return meta.read_directory(io.BytesIO(exif))


def test_the_shared_exif_block_says_what_it_is_meant_to() -> None:
    directory = content(EXIF)
    assert directory[271] == (2, b"Maker\0")
    assert directory[34665] == {33434: (5, b"\1\0\0\0\xfa\0\0\0")}
    assert directory[34853] == {1: (2, b"N\0")}


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_tiff_exif_is_what_other_readers_see(tmp_path: Path, kind: str) -> None:
    write(photo(kind), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages.first.tags
        assert tags.valueof(271) == "Maker"
        assert tags.valueof(34665)["ExposureTime"] == (1, 250)
        assert tags.valueof(34853)["GPSLatitudeRef"] == "N"
        assert np.array_equal(file.asarray(), photo(kind).pixels)


def test_big_tiff_keeps_exif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "_MOST_CLASSIC", 100)
    result = saved(photo("uint16"), tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    assert content(result.metadata.exif) == content(EXIF)
    assert np.array_equal(result.pixels, photo("uint16").pixels)


def test_pillow_reads_what_is_written(tmp_path: Path) -> None:
    """A second opinion on the metadata: not our own reader's."""
    for ending in ("jpg", "png", "webp", "avif", "tif"):
        write(photo(), tmp_path / f"a.{ending}")
        with Image.open(tmp_path / f"a.{ending}") as image:
            image.load()
            assert image.getexif()[271] == "Maker"
            assert image.getexif().get_ifd(34665)[33434] == pytest.approx(1 / 250)
            assert image.info["icc_profile"] == profile()


def test_strip_metadata_keeps_only_the_profile(tmp_path: Path) -> None:
    result = saved(photo(), tmp_path / "a.png", SaveOptions(strip_metadata=True, history="not kept"))
    assert result.metadata == Metadata(icc=profile())


def test_history_is_added_and_the_packet_kept(tmp_path: Path) -> None:
    once = saved(photo(), tmp_path / "a.png", SaveOptions(history='denoise "1" <2>'))
    twice = saved(once, tmp_path / "b.tif", SaveOptions(history="deblur"))
    assert twice.metadata.xmp is not None
    assert twice.metadata.xmp.startswith(XMP[: XMP.index(b"</rdf:RDF>")])
    assert twice.metadata.xmp.count(b"<rdf:li") == 2
    assert twice.metadata.xmp.count(b"<xmpMM:History>") == 1
    from xml.etree import ElementTree

    parameters = "{http://ns.adobe.com/xap/1.0/sType/ResourceEvent#}parameters"
    told = [
        entry.get(parameters) for entry in ElementTree.fromstring(twice.metadata.xmp).iter() if entry.get(parameters)
    ]
    assert told == ['denoise "1" <2>', "deblur"]


def test_history_without_a_packet_makes_one(tmp_path: Path) -> None:
    result = saved(Photo(samples((4, 5, 3), "uint8")), tmp_path / "a.jpg", SaveOptions(history="denoise"))
    assert result.metadata.xmp is not None
    assert b'stEvt:parameters="denoise"' in result.metadata.xmp


@pytest.mark.parametrize(
    ("picture", "ending", "words"),
    [
        (photo("uint16"), "jpg", "JPEG holds 8 bits: 16 reduced"),
        (photo("uint8", alpha=True), "jpg", "JPEG has no alpha: dropped"),
        (photo("uint16"), "avif", "AVIF holds 12 bits: 16 reduced"),
        (photo("float32"), "png", "clipped"),
        (photo("uint8"), "ppm", "PNM does not hold EXIF and XMP and ICC"),
        (replace(photo(), metadata=Metadata(icc=profile(gray=True))), "png", "its profile is for GRAY"),
        (replace(photo(), metadata=Metadata(xmp=b"x" * 70000)), "jpg", "more than JPEG holds"),
        (replace(photo(), metadata=Metadata(exif=EXIF + b"x" * 70000)), "jpg", "more than JPEG holds"),
    ],
)
def test_what_is_reduced_is_said(tmp_path: Path, picture: Photo, ending: str, words: str) -> None:
    assert any(words in note for note in write(picture, tmp_path / f"a.{ending}"))


@pytest.mark.parametrize(("ending", "kind", "options"), LOSSLESS)
def test_what_is_not_reduced_is_not_mentioned(tmp_path: Path, ending: str, kind: str, options: SaveOptions) -> None:
    picture = stored_as(replace(photo(kind), metadata=Metadata()), ending)
    assert write(picture, tmp_path / f"a.{ending}", options) == []


def test_depths_convert_exactly() -> None:
    all_8 = np.arange(256, dtype=np.uint8).reshape(16, 16)
    all_16 = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    wide, eight, floats = np.dtype(np.uint16), np.dtype(np.uint8), np.dtype(np.float32)
    assert np.array_equal(converted(all_8, wide)[0], all_8.astype(np.uint16) * 257)
    assert np.array_equal(converted(all_16, eight)[0], np.rint(all_16 / 257))
    assert np.array_equal(converted(converted(all_16, floats)[0], wide)[0], all_16)
    assert np.array_equal(converted(converted(all_8, floats)[0], eight)[0], all_8)


def test_clipping_counts_what_lies_outside() -> None:
    values = np.array([[-1, 0, 0.5, 1, 2, np.nan, 1.001, -np.inf]], np.float32)
    result, clipped = converted(values, np.dtype(np.uint8))
    assert result.tolist() == [[0, 0, 128, 255, 255, 0, 255, 0]]
    assert clipped == 4 / 8


def test_linear_light_goes_through_the_curve_both_ways(tmp_path: Path) -> None:
    picture = Photo(np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16, 1))
    light = saved(picture, tmp_path / "a.exr")
    np.testing.assert_allclose(light.pixels, srgb_to_linear(picture.pixels), atol=1e-6)
    back = saved(light, tmp_path / "b.tif")
    assert back.encoding == "srgb"
    np.testing.assert_allclose(back.pixels, picture.pixels, atol=1e-6)


def test_exr_holds_xmp(tmp_path: Path) -> None:
    assert saved(photo(), tmp_path / "a.exr").metadata == Metadata(xmp=XMP)


def test_exr_is_half_where_that_is_exact(tmp_path: Path) -> None:
    import OpenImageIO

    halves = Photo(samples((8, 9, 3), "float32").astype(np.float16).astype(np.float32), "linear")
    for picture, options, expected in (
        (halves, SaveOptions(), "half"),
        (halves, SaveOptions(bit_depth=32), "float"),
        (replace(halves, pixels=halves.pixels + np.float32(1e-4)), SaveOptions(), "float"),
        (replace(halves, pixels=halves.pixels + np.float32(1e-4)), SaveOptions(bit_depth=16), "half"),
    ):
        write(picture, tmp_path / "a.exr", options)
        assert str(OpenImageIO.ImageInput.open(str(tmp_path / "a.exr")).spec().format) == expected


def test_linear_profile_keeps_a_float_tiff_linear(tmp_path: Path) -> None:
    icc = bytearray(profile())
    place = next(
        int.from_bytes(icc[at + 4 : at + 8], "big") for at in range(132, 400, 12) if icc[at : at + 4] == b"rTRC"
    )
    icc[place : place + 12] = b"curv" + bytes(8)
    picture = Photo(samples((8, 9, 3), "float32"), "linear", metadata=Metadata(icc=bytes(icc)))
    result = saved(picture, tmp_path / "a.tif")
    assert result.encoding == "linear"
    assert np.array_equal(result.pixels, picture.pixels)
    reduced, notes = fit(picture, "png")
    assert reduced.metadata.icc is None
    assert any("not true of the new encoding" in note for note in notes)


@pytest.mark.parametrize(
    ("shape", "format_name", "fits"),
    [
        ((65535, 1, 3), "jpeg", True),
        ((65536, 1, 3), "jpeg", False),
        ((1, 16383, 3), "webp", True),
        ((1, 16384, 3), "webp", False),
        ((40000, 100, 3), "avif", False),
        ((20000, 20000, 3), "avif", False),
        ((70000, 70000, 3), "tiff", True),
    ],
)
def test_limits(shape: tuple[int, ...], format_name: str, fits: bool) -> None:
    if fits:
        check_limits(shape, format_name)
    else:
        with pytest.raises(UsageError, match="save it as PNG or TIFF"):
            check_limits(shape, format_name)


def test_format_of_knows_endings_and_names() -> None:
    assert format_of("a/b.JPG") == "jpeg"
    assert format_of(Path("x.tif")) == "tiff"
    assert format_of("tiff") == "tiff"
    for unknown in ("a.xyz", "nothing", "a/b"):
        with pytest.raises(UsageError, match=r"\.png"):
            format_of(unknown)


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"old")
    for failure, seen in (
        (OSError(28, "No space left on device"), WriteError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):

        def fail(*_: object, failure: BaseException = failure) -> None:
            raise failure

        monkeypatch.setattr("photofix.formats.png.write", fail)
        with pytest.raises(seen):
            write(photo(), target)
        assert target.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.png"]


@contextmanager
def full_disk() -> Iterator[None]:
    """Files end at 1000 bytes: within a test only, for what pytest says of it may go into a file, too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("format_name", PICTURE_FORMATS)
def test_a_full_disk_is_said_whoever_meets_it(format_name: str, tmp_path: Path) -> None:
    ending = FORMATS[format_name].endings[0]
    said = rf"a\.{ending}: cannot be written \(.+\); check the folder and the space left"
    with full_disk(), pytest.raises(WriteError, match=said):
        write(photo(size=(64, 64)), tmp_path / f"a.{ending}")
    assert not os.listdir(tmp_path)
    # A pipe's picture is made in a temporary folder: it is that one's disk which is full.
    with (
        full_disk(),
        pytest.raises(WriteError, match=rf"{tempfile.gettempdir()}.*\.{ending}: cannot be written"),
    ):
        write_stream(photo(size=(64, 64)), io.BytesIO(), SaveOptions(format=format_name))


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file"):
        write(photo(), tmp_path / "nowhere" / "a.png")


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "exr", "webp", "avif", "ppm"])
def test_files_have_the_usual_mode_and_any_name(tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"фото 写真 ü.{ending}"
    before = os.umask(0o027)
    try:
        write(photo(), target)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == [target.name]
    assert isinstance(read(target), Photo)


@pytest.mark.parametrize("format_name", PICTURE_FORMATS)
def test_a_stream_gets_the_same_bytes_as_a_file(tmp_path: Path, format_name: str) -> None:
    stream = io.BytesIO()
    stream.seek = None  # type: ignore[assignment, method-assign]
    write_stream(photo(), stream, SaveOptions(format=format_name))
    write(photo(), tmp_path / "a", SaveOptions(format=format_name))
    if format_name != "exr":  # which tells the time
        assert stream.getvalue() == (tmp_path / "a").read_bytes()
    result = read(stream.getvalue())
    assert isinstance(result, Photo)
    assert result.format == format_name


def test_jpeg_is_close_at_the_default_quality(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :64]
    smooth = np.stack([rows * 4, columns * 4, 255 - rows * 2 - columns * 2], axis=2).astype(np.uint8)
    result = saved(Photo(smooth), tmp_path / "a.jpg")
    assert np.abs(result.pixels.astype(int) - smooth).max() <= 6


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("blocks", ["xmp", "icc", "exif", "xmp icc", ""])
def test_avif_with_alpha_is_read_whatever_it_says_of_itself(tmp_path: Path, kind: str, blocks: str) -> None:
    whole = photo(kind, alpha=True)
    said = {name: getattr(whole.metadata, name) for name in blocks.split()}
    result = saved(replace(whole, metadata=Metadata(**said)), tmp_path / "a.avif", SaveOptions(quality=100))
    assert whole.alpha is not None
    assert result.alpha is not None
    assert np.abs(result.alpha.astype(int) - whole.alpha).max() <= (0 if kind == "uint8" else 8)
    assert result.metadata == Metadata(**said)


def test_avif_of_16_bits_keeps_12(tmp_path: Path) -> None:
    picture = photo("uint16")
    result = saved(picture, tmp_path / "a.avif", SaveOptions(quality=100))
    assert np.abs(result.pixels.astype(int) - picture.pixels).max() <= 9
    assert any("12 bits" in note for note in result.notes)

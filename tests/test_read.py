"""Files as the world makes them: every kind, orientation and oddity, read rightly or refused in words."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from photofix import metadata as meta
from photofix.errors import ReadError
from photofix.photo import Photo
from photofix.read import read
from photofix.write import FORMATS, SaveOptions, write_stream
from pictures import EXIF, PICTURE_FORMATS, XMP, photo, profile, samples


def opened(data: bytes | Path, name: str = "") -> Photo:
    result = read(data, name)
    assert isinstance(result, Photo)
    return result


def encoded(format_name: str, kind: str = "uint8", alpha: bool = False) -> bytes:
    stream = io.BytesIO()
    write_stream(photo(kind, alpha=alpha), stream, SaveOptions(format=format_name))
    return stream.getvalue()


def by_pillow(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def by_tifffile(array: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(
        stream, bigtiff=bool(options.pop("big", False)), byteorder=options.pop("order", None)
    ) as file:
        file.write(array, metadata=None, **options)
    return stream.getvalue()


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_orientation_is_applied_once(kind: str, orientation: int) -> None:
    """Pillow's exif_transpose is the reference; a second reading turns nothing."""
    colors = Image.fromarray(np.repeat(np.repeat(samples((3, 5, 3), "uint8"), 16, axis=0), 16, axis=1))
    exif = Image.Exif()
    exif[274], exif[271] = orientation, "Maker"
    xmp = b'<x:xmpmeta><rdf:RDF><rdf:Description tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>' % orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    data = by_pillow(colors, kind, exif=exif, **options, **({} if kind in ("TIFF", "PNG") else {"xmp": xmp}))
    with Image.open(io.BytesIO(data)) as image:
        reference = np.asarray(ImageOps.exif_transpose(image))
    result = opened(data)
    assert result.pixels.shape == reference.shape
    assert np.abs(result.pixels.astype(int) - reference).max() <= (2 if kind == "AVIF" else 0)
    assert meta.orientation(result.metadata.exif) == 1
    assert result.metadata.exif is not None
    assert b"Maker" in result.metadata.exif
    if result.metadata.xmp:
        assert b'tiff:Orientation="1"' in result.metadata.xmp
    stream = io.BytesIO()
    write_stream(result, stream, SaveOptions(format="png"))
    assert np.array_equal(opened(stream.getvalue()).pixels, result.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_turns_alpha_and_16_bits_alike(orientation: int) -> None:
    array = samples((5, 7, 4), "uint16")
    data = by_tifffile(
        array, photometric="rgb", extrasamples=["unassalpha"], extratags=[(274, 3, 1, orientation, True)]
    )
    result = opened(data)
    assert result.alpha is not None
    for channel in range(3):
        flat = Image.fromarray(array[..., channel])
        exif = flat.getexif()
        exif[274] = orientation
        assert np.array_equal(result.pixels[..., channel], np.asarray(ImageOps.exif_transpose(flat)))
    alpha = Image.fromarray(array[..., 3])
    alpha.getexif()[274] = orientation
    assert np.array_equal(result.alpha, np.asarray(ImageOps.exif_transpose(alpha)))


def test_the_thumbnail_of_a_turned_picture_goes_and_the_rest_stays_in_place() -> None:
    exif = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHIHH", 274, 3, 1, 6, 0) + struct.pack("<I", 26) + b"\0\0rest"
    result = meta.upright_exif(exif)
    assert result == exif[:18] + b"\1\0\0\0" + b"\0\0\0\0" + exif[26:]
    assert meta.upright_exif(result) == result


# TIFF


TIFFS: dict[str, tuple[np.ndarray, dict[str, object]]] = {
    "tiled": (samples((40, 50, 3), "uint16"), {"photometric": "rgb", "tile": (16, 16)}),
    "planar": (samples((3, 19, 23), "uint16"), {"photometric": "rgb", "planarconfig": "separate"}),
    "planar tiled": (
        samples((3, 40, 50), "uint8"),
        {"photometric": "rgb", "planarconfig": "separate", "tile": (16, 16)},
    ),
    "big": (samples((19, 23, 3), "uint8"), {"photometric": "rgb", "big": True}),
    "big-endian": (samples((19, 23, 3), "uint16"), {"photometric": "rgb", "order": ">"}),
    "big-endian big": (samples((19, 23), "float32"), {"photometric": "minisblack", "order": ">", "big": True}),
    **{
        name: (samples((19, 23, 3), "uint16"), {"photometric": "rgb", "compression": name, "predictor": predictor})
        for name, predictor in (("lzw", True), ("deflate", False), ("zstd", True), ("lzma", False), ("packbits", False))
    },
    "gray": (samples((19, 23), "uint8"), {"photometric": "minisblack"}),
    "one row": (samples((1, 23, 3), "uint8"), {"photometric": "rgb"}),
    "one pixel": (samples((1, 1), "uint8"), {"photometric": "minisblack"}),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_of_every_build(name: str) -> None:
    array, options = TIFFS[name]
    result = opened(by_tifffile(array, **options))
    expected = np.moveaxis(array, 0, -1) if "planar" in name else array.reshape(*array.shape[:2], -1)
    assert result.pixels.dtype == expected.dtype
    assert result.pixels.dtype.isnative
    assert np.array_equal(result.pixels, expected)
    assert result.notes == ()


def test_tiff_white_is_zero() -> None:
    array = samples((9, 9), "uint16")
    assert np.array_equal(opened(by_tifffile(array, photometric="miniswhite")).pixels[..., 0], 65535 - array)


def test_tiff_one_bit() -> None:
    array = samples((9, 13), "uint8") > 127
    result = opened(by_tifffile(array, photometric="minisblack"))
    assert np.array_equal(result.pixels[..., 0], array * np.uint8(255))


def test_tiff_half_and_double() -> None:
    array = samples((9, 13, 3), "float32")
    half = opened(by_tifffile(array.astype(np.float16), photometric="rgb"))
    assert np.array_equal(half.pixels, array.astype(np.float16).astype(np.float32))
    double = opened(by_tifffile(array.astype(np.float64), photometric="rgb"))
    assert np.array_equal(double.pixels, array)
    assert any("64-bit" in note for note in double.notes)


def test_tiff_palette_and_first_page() -> None:
    colors = samples((3, 256), "uint16")
    array = samples((9, 13), "uint8")
    result = opened(by_tifffile(array, photometric="palette", colormap=colors))
    assert np.array_equal(result.pixels, np.moveaxis(colors[:, array], 0, -1))
    narrow = opened(by_tifffile(array, photometric="palette", colormap=colors // 257 * np.uint16(257)))
    assert np.array_equal(narrow.pixels, np.moveaxis(colors[:, array] // 257, 0, -1))
    assert narrow.pixels.dtype == np.uint8
    pages = opened(by_tifffile(samples((4, 9, 13, 3), "uint8"), photometric="rgb"))
    assert np.array_equal(pages.pixels, samples((4, 9, 13, 3), "uint8")[0])
    assert pages.notes == ("first of 4 pages",)


def test_tiff_with_multiplied_alpha_is_divided() -> None:
    data = by_tifffile(np.full((3, 3, 4), (50, 100, 0, 100), np.uint8), photometric="rgb", extrasamples=["assocalpha"])
    result = opened(data)
    assert result.alpha is not None
    assert result.pixels[0, 0].tolist() == [128, 255, 0]
    assert any("divided" in note for note in result.notes)


def test_tiff_integers_of_32_bits_are_refused() -> None:
    with pytest.raises(ReadError, match="uint32"):
        read(by_tifffile(np.ones((9, 9), np.uint32), photometric="minisblack"))


def test_tiff_that_pillow_wrote_keeps_exif() -> None:
    exif = Image.Exif()
    exif.load(EXIF)
    result = opened(by_pillow(Image.fromarray(samples((9, 9, 3), "uint8")), "TIFF", exif=exif)).metadata.exif
    assert result is not None
    reread = Image.Exif()
    reread.load(result)
    assert reread[271] == "Maker"
    assert reread.get_ifd(34665)[33434] == pytest.approx(1 / 250)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["B", "I"])
def test_tiff_iptc_of_any_type_and_byte_order(order: str, kind: str) -> None:
    """Called numbers of 32 bits, the records are written as the bytes that they are."""
    records = b"\x1c\x02\x78\0\7Rowboat"
    value = records if kind == "B" else struct.unpack(f"{order}{len(records) // 4}I", records)
    tags = [(33723, {"B": 7, "I": 4}[kind], len(value), value, True)]
    data = by_tifffile(np.zeros((9, 9), np.uint8), photometric="minisblack", order=order, extratags=tags)
    assert opened(data).metadata.iptc == records


@pytest.mark.parametrize("orientation", [1, 6])
def test_density_by_inch_or_centimetre_turns_with_the_picture(orientation: int) -> None:
    turned = orientation == 6
    tags = [(274, 3, 1, orientation, True)]
    flat = np.zeros((9, 9), np.uint8)
    for unit, factor in (("INCH", 1), ("CENTIMETER", 2.54), ("NONE", 0)):
        data = by_tifffile(flat, photometric="minisblack", resolution=(200, 100), resolutionunit=unit, extratags=tags)
        density = opened(data).metadata.density
        wanted = (100 * factor, 200 * factor) if turned else (200 * factor, 100 * factor)
        assert density == (pytest.approx(wanted) if factor else None)


def test_jpeg_density_by_centimetre() -> None:
    data = by_pillow(Image.new("L", (9, 9)), "JPEG", dpi=(120, 120))
    place = data.index(b"JFIF\0") + 7
    assert opened(data).metadata.density == (120, 120)
    assert opened(data[:place] + b"\2" + data[place + 1 :]).metadata.density == pytest.approx((304.8, 304.8))
    assert opened(data[:place] + b"\0" + data[place + 1 :]).metadata.density is None


# Other oddities


@pytest.mark.parametrize("colors", [2, 4, 16, 256])
def test_png_palette(colors: int) -> None:
    image = Image.fromarray(samples((19, 23, 3), "uint8")).quantize(colors)
    result = opened(by_pillow(image, "PNG"))
    assert np.array_equal(result.pixels, np.asarray(image.convert("RGB")))
    assert result.notes == ("palette converted to RGB",)
    transparent = opened(by_pillow(image, "PNG", transparency=0))
    assert transparent.alpha is not None
    assert np.array_equal(transparent.alpha == 0, np.asarray(image) == 0)


def test_png_of_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(samples((19, 23), "uint8")).convert("1")
    assert np.array_equal(opened(by_pillow(image, "PNG")).pixels[..., 0], np.asarray(image) * np.uint8(255))


def test_png_with_metadata_behind_the_pixels() -> None:
    data = imagecodecs.png_encode(samples((9, 9, 3), "uint16"))
    xmp = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)
    chunks = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"eXIf", EXIF), (b"iTXt", xmp))
    )
    result = opened(data[:-12] + chunks + data[-12:])
    assert result.metadata.exif == EXIF
    assert result.metadata.xmp == XMP


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_animated_gives_the_first_frame(kind: str) -> None:
    frames = [Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (200, 100, 50)]
    result = opened(by_pillow(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert np.abs(result.pixels.astype(int) - 200).max() <= 3
    assert result.notes == ("first of 3 frames",)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str) -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 0], inks[8:, :, 3] = 255, 255
    result = opened(by_pillow(Image.fromarray(inks, "CMYK"), kind, **({"quality": 95} if kind == "JPEG" else {})))
    assert result.pixels.shape == (16, 16, 3)
    assert np.abs(result.pixels[0, 0].astype(int) - (0, 255, 255)).max() <= 3
    assert result.pixels[15, 15].max() <= 3
    assert any("CMYK converted to sRGB" in note for note in result.notes)
    assert result.metadata.icc is None


def test_cmyk_with_an_unusable_profile_is_converted_plainly() -> None:
    inks = Image.fromarray(np.zeros((16, 16, 4), np.uint8), "CMYK")
    for icc in (b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        result = opened(by_pillow(inks, "JPEG", icc_profile=icc))
        assert result.pixels.min() == 255
        assert any("damaged" in note for note in result.notes)


def test_pnm_of_every_kind() -> None:
    files = {
        b"P1\n# a comment\n3 2\n1 0 1\n010\n": [[0, 255, 0], [255, 0, 255]],
        b"P4\n3 2\n\xa0\x40": [[0, 255, 0], [255, 0, 255]],
        b"P2 2 1 255 7 200": [[7, 200]],
        b"P5\n2 1\n100\n\x64\x32": [[255, 128]],
        b"P5\n2 1 1023\n\x03\xff\x02\x00": [[65535, 32800]],
    }
    for data, expected in files.items():
        assert opened(data).pixels[..., 0].tolist() == expected
    assert opened(b"P3\n2 1 255\n1 2 3 4 5 6\n").pixels.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    pam = opened(b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n12345678")
    assert pam.pixels.tolist() == [[[49, 50, 51], [53, 54, 55]]]
    assert pam.alpha is not None
    assert pam.alpha.tolist() == [[52, 56]]
    pfm = opened(b"Pf\n1 2\n1.0\n" + struct.pack(">2f", 2, -1))
    assert pfm.pixels[..., 0].tolist() == [[-1], [2]]


@pytest.mark.parametrize(("bits", "scale"), [(10, 1023), (12, 4095)])
def test_avif_depths_fill_16_bits(bits: int, scale: int) -> None:
    array = samples((16, 16, 3), "uint16") >> (16 - bits)
    array[0, 0] = scale
    result = opened(imagecodecs.avif_encode(array, level=100, bitspersample=bits))
    assert result.pixels.max() == 65535
    assert np.abs(result.pixels / 65535 - array / scale).max() <= 2.5 / scale


def test_jpeg_gray_stays_gray() -> None:
    result = opened(by_pillow(Image.fromarray(samples((16, 16), "uint8")), "JPEG"))
    assert result.pixels.shape == (16, 16, 1)


def test_exr_with_other_channels(tmp_path: Path) -> None:
    import OpenImageIO

    array = samples((8, 9, 5), "float32")
    array[..., 3] = 1

    def stored(*names: str) -> Path:
        spec = OpenImageIO.ImageSpec(9, 8, len(names), "float")
        spec.channelnames = names
        output = OpenImageIO.ImageOutput.create("exr")
        output.open(str(tmp_path / "a.exr"), spec)
        output.write_image(array[..., : len(names)])
        output.close()
        return tmp_path / "a.exr"

    result = opened(stored("R", "G", "B", "A", "Z"))
    assert np.array_equal(result.pixels, array[..., :3])
    assert result.notes == ("channels left out: Z",)
    with pytest.raises(ReadError, match="no channels R, G, B or Y"):
        read(stored("N.x", "N.y"))


# What cannot be read


@pytest.mark.parametrize("format_name", PICTURE_FORMATS)
def test_a_wrong_ending_is_no_hindrance(tmp_path: Path, format_name: str) -> None:
    wrong = tmp_path / ("a.png" if format_name != "png" else "a.jpg")
    wrong.write_bytes(encoded(format_name))
    result = opened(wrong)
    assert result.format == format_name
    assert result.notes[0] == f"a {format_name.upper()} file in spite of its name"


@pytest.mark.parametrize("format_name", PICTURE_FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_truncated_files_are_refused(format_name: str, share: float) -> None:
    data = encoded(format_name, "float32" if FORMATS[format_name].linear else "uint8")
    with pytest.raises(ReadError, match="truncated"):
        read(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello world, this is no picture", "no picture that is known"),
        (b"GIF89a" + bytes(100), "GIF"),
        (b"\0\0\0\x18ftypheic" + bytes(100), "HEIF"),
        (b"<html><body>Not found</body></html>", "text file"),
        (b"\xff\xd8\xff", "truncated"),
    ],
)
def test_no_picture(data: bytes, words: str) -> None:
    with pytest.raises(ReadError, match=words) as caught:
        read(data, "name.jpg")
    assert "name.jpg" in str(caught.value)


@pytest.mark.parametrize("format_name", ["jpeg", "exr"])
def test_a_pipe_with_a_name_is_read(format_name: str, tmp_path: Path) -> None:
    data, path = encoded(format_name), tmp_path / "pipe.exr"
    os.mkfifo(path)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(path.write_bytes, data)
        assert np.array_equal(opened(path).pixels, opened(data).pixels)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        read(tmp_path / "nothing.png")
    with pytest.raises(ReadError, match="folder"):
        read(tmp_path)


def huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 40000, 40000, 16, 6, 0, 0, 0)
    data = encoded("png")
    return data[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + data[33:]


def huge_jpeg() -> bytes:
    data = bytearray(encoded("jpeg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65000, 65000)
    return bytes(data)


def huge_tiff() -> bytes:
    data = bytearray(by_tifffile(samples((9, 9, 3), "uint8"), photometric="rgb", compression="deflate"))
    for tag in (256, 257):
        place = data.index(struct.pack("<HH", tag, 4))
        data[place + 8 : place + 12] = struct.pack("<I", 60000)
    return bytes(data)


def huge_webp() -> bytes:
    data = bytearray(encoded("webp"))
    place = data.index(b"VP8X") + 12
    data[place : place + 6] = struct.pack("<I", 16382)[:3] * 2
    return bytes(data)


def huge_exr() -> bytes:
    data = encoded("exr")
    size = struct.pack("<4i", 0, 0, 22, 18)
    assert data.count(size) >= 2
    return data.replace(size, struct.pack("<4i", 0, 0, 39999, 39999))


@pytest.mark.parametrize("build", [huge_png, huge_jpeg, huge_tiff, huge_webp, huge_exr])
def test_huge_headers_are_refused_before_memory_is_taken(build: Callable[[], bytes]) -> None:
    import tracemalloc

    data = build()
    tracemalloc.start()
    with pytest.raises(ReadError, match=r"cannot hold|more than|truncated"):
        read(data)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "header", [b"P6\n60000 60000\n255\n", b"PF\n60000 60000\n-1\n", b"P6\n0 5\n255\n", b"P6\n5 5\n0\n"]
)
def test_impossible_pnm_headers(header: bytes) -> None:
    with pytest.raises(ReadError, match=r"cannot hold|more than|impossible"):
        read(header + bytes(75))


def test_profiles_are_kept_whatever_their_size() -> None:
    icc = profile() + bytes(200_000)
    data = by_pillow(Image.fromarray(samples((9, 9, 3), "uint8")), "JPEG", icc_profile=icc)
    assert opened(data).metadata.icc == icc


def test_real_files_read_as_other_libraries_read_them(shared: Path) -> None:
    import cv2

    for path in sorted(shared.glob("eval/polyu/*"))[:3]:
        with Image.open(path) as image:
            assert np.array_equal(opened(path).pixels, np.asarray(image))
    for path in sorted(shared.glob("environments/*.hdr"))[:2]:
        reference = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.allclose(
            opened(path).pixels[..., ::-1], reference, rtol=0.01, atol=0.01 * float(reference.max()) / 256
        )


# RAW files


CAMERA_FILES = {
    "DNG": by_tifffile(
        samples((9, 9), "uint16"), photometric="minisblack", extratags=[(50706, 1, 4, b"\1\4\0\0", True)]
    ),
    "mosaic": by_tifffile(samples((9, 9), "uint16"), photometric="cfa", extratags=[(33421, 3, 2, (2, 2), True)]),
    "CR2": b"II*\0\x10\0\0\0CR\2\0" + bytes(100),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100),
    "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(100),
    "ORF": b"IIRO\x08\0\0\0" + bytes(100),
    "RW2": b"IIU\0\x18\0\0\0" + bytes(100),
}


@pytest.mark.parametrize("kind", CAMERA_FILES)
def test_camera_files_go_to_the_raw_reader(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[bytes, str]] = []

    def fake(data: bytes, name: str) -> Photo:
        given.append((data, name))
        return photo()

    monkeypatch.setattr("photofix.raw.read_raw", fake)
    read(CAMERA_FILES[kind], "picture.tif")
    assert given == [(CAMERA_FILES[kind], "picture.tif")]


def test_a_mosaic_beneath_a_preview_makes_a_raw_file(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(samples((9, 9, 3), "uint8"), photometric="rgb", metadata=None, subifds=1)
        file.write(samples((9, 9), "uint16"), photometric="cfa", metadata=None)
    reached: list[str] = []
    monkeypatch.setattr("photofix.raw.read_raw", lambda _data, name: reached.append(name))
    read(stream.getvalue(), "picture.nef")
    assert reached == ["picture.nef"]

"""Kinds of RAW: each is done rightly or refused by name."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dng import Calibration, cfa_dng, odd_dng

from photofix.errors import ReadError
from photofix.kinds import Kind, Reported, kind_of
from photofix.photo import Photo, RawPhoto
from photofix.raw import read_raw

LEVELS = [(50713, "H", 2, (1, 1), True), (50714, "H", 1, (256,), True), (50717, "I", 1, 4095, True)]
#: ITU-R BT.709 primaries with D65: XYZ of red, green and blue.
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def mosaic(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(300, 4000, (64, 80), dtype=np.uint16)


def filters(codes: tuple[int, ...], *more: tuple) -> list[tuple]:
    side = round(len(codes) ** 0.5)
    return [(33421, "H", 2, (side, side), True), (33422, "B", len(codes), bytes(codes), True), *more]


def read(data: bytes) -> Photo | RawPhoto:
    return read_raw(data, "odd.dng")


# Built, and read by LibRaw


JPEG: dict[str, Any] = {"compression": "jpeg", "compressionargs": {"lossless": True, "bitspersample": 16}}
TILES, STRIPS = {"tile": (32, 32)}, {"rowsperstrip": 7}
STORED = [(order, layout) for order in "<>" for layout in ({}, TILES, STRIPS)] + [("<", JPEG), ("<", JPEG | TILES)]


@pytest.mark.parametrize(("byteorder", "layout"), STORED)
def test_bayer_mosaics_however_they_are_stored(byteorder: str, layout: dict[str, Any]) -> None:
    samples = mosaic()
    data = odd_dng(samples, "CFA", filters((0, 1, 1, 2)) + LEVELS, Calibration(byteorder=byteorder), **layout)
    photo = read(data)
    assert isinstance(photo, RawPhoto)
    assert np.array_equal(photo.mosaic, samples)
    assert (photo.pattern, photo.notes) == ("RGGB", ())


@pytest.mark.parametrize("balanced", [False, True])
def test_monochrome_sensors_are_gray_and_not_balanced(balanced: bool) -> None:
    """A quarter of the light is a quarter of the number, whatever the file says of white."""
    samples = np.full((64, 80), 256 + (4095 - 256) // 4, np.uint16)
    neutral = Calibration().neutral if balanced else None
    photo = read(odd_dng(samples, "minisblack", LEVELS, Calibration(neutral=neutral), photometric_code=34892))
    assert isinstance(photo, Photo)
    assert (photo.pixels.shape, photo.encoding) == ((64, 80, 1), "linear")
    assert photo.pixels / 65535 == pytest.approx(0.25, abs=0.001)
    assert photo.notes == ("monochrome RAW: developed by LibRaw first, then handled in linear light",)


@pytest.mark.parametrize("codes", [(3, 4, 5, 1), (0, 1, 3, 2)], ids=["CMYG", "RGBE"])
@pytest.mark.parametrize("light", [(0.3, 0.3, 0.3), (0.5, 0.2, 0.1), (0.1, 0.3, 0.5)])
def test_four_colors_show_the_light_that_was_there(codes: tuple[int, ...], light: tuple[float, ...]) -> None:
    to_camera = np.array([[0.4, 0.6, 0.1], [-0.3, 1.1, 0.2], [-0.1, 0.3, 0.9], [0.5, 0.8, -0.1]])
    white = to_camera @ XYZ @ np.ones(3)
    seen = dict(zip(sorted(codes), to_camera @ XYZ @ light / white.max(), strict=True))
    samples = np.tile(np.array([seen[code] for code in codes]).reshape(2, 2), (40, 40)) * 3839 + 256
    calibration = Calibration(matrix=tuple(to_camera.ravel()), neutral=tuple(white / white.max()))
    planes = (50710, "B", 4, bytes(sorted(codes)), True)
    photo = read(odd_dng(np.rint(samples).astype(np.uint16), "CFA", filters(codes, planes) + LEVELS, calibration))
    assert isinstance(photo, Photo)
    assert "four-color mosaic" in photo.notes[-1]
    color = photo.pixels[20:-20, 20:-20].mean((0, 1))
    np.testing.assert_allclose(color / color.sum(), np.divide(light, sum(light)), atol=0.005)


def test_filters_of_other_colors_are_not_taken_for_red_green_and_blue() -> None:
    """Cyan, magenta, magenta, yellow lie as RGGB does."""
    photo = read(odd_dng(mosaic(), "CFA", filters((3, 4, 4, 5)) + LEVELS))
    assert isinstance(photo, Photo)
    assert "other than Bayer" in photo.notes[-1]


def lossy(opcodes: bytes | None, table: bool) -> bytes:
    """A lossy DNG of a gray ramp, 8 bits."""
    ramp = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (256, 1))[:, :, None], 3, 2)
    tags: list[tuple] = [(50717, "H", 3, (65535,) * 3, True)]
    if opcodes:
        tags.append((51009, "B", len(opcodes), opcodes, True))
    if table:
        tags.append((50712, "H", 256, tuple(range(0, 65536, 257)), True))
    jpeg = {"compression": "jpeg", "compressionargs": {"level": 100}, "tile": (256, 256)}
    gray = Calibration(neutral=(1, 1, 1))
    return odd_dng(ramp, "rgb", tags, gray, photometric_code=34892, compression_code=34892, **jpeg)


def polynomial(coefficients: tuple[float, ...], areas: tuple[tuple[int, int], ...] = ((0, 1), (1, 1), (2, 1))) -> bytes:
    """OpcodeList2: a MapPolynomial for each (plane, planes)."""
    opcodes = struct.pack(">I", len(areas))
    for plane, planes in areas:
        body = struct.pack(">9I", 0, 0, 256, 256, plane, planes, 1, 1, len(coefficients) - 1)
        body += struct.pack(f">{len(coefficients)}d", *coefficients)
        opcodes += struct.pack(">4I", 8, 0x01030000, 0, len(body)) + body
    return opcodes


def test_lossy_dngs_follow_the_curve_of_their_opcodes() -> None:
    photo = read(lossy(polynomial((0, 0, 1)), table=False))
    assert isinstance(photo, Photo)
    assert "linear DNG" in photo.notes[-1]
    row = photo.pixels[128].sum(1) / photo.pixels[128, -1].sum()
    np.testing.assert_allclose(row[::32], (np.arange(0, 256, 32) / 255) ** 2, atol=0.01)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (lossy(None, table=False), "lossy DNG whose curve"),
        (lossy(polynomial((0, 0, 1), ((0, 3),)), table=False), "lossy DNG whose curve"),
        (lossy(polynomial((0, 1)), table=True), "lossy DNG whose curve"),
        (odd_dng(mosaic(), "CFA", filters((6, 0, 2, 1)) + LEVELS), "RGBW mosaic"),
        (odd_dng(mosaic(), "CFA", filters((6, 1, 6, 0, 1, 6, 0, 6, 6, 2, 6, 1, 2, 6, 1, 6)) + LEVELS), "RGBW mosaic"),
        (cfa_dng(mosaic(), Calibration("RRGGRRGGGGBBGGBB")), "every 4 x 4 samples (Quad Bayer"),
        (odd_dng((mosaic() / 4095).astype(np.float32), "CFA", filters((0, 1, 1, 2))), "floating-point DNG"),
        (odd_dng(np.ones((64, 80, 3), np.float16), "LINEAR_RAW", []), "floating-point DNG"),
        (odd_dng(mosaic(), "CFA", filters((0, 1, 1, 2)) + LEVELS, compression_code=52546), "JPEG XL"),
        (odd_dng(mosaic(), "CFA", filters((0, 1, 1, 2)) + LEVELS, compression="zlib"), "Deflate samples"),
        (odd_dng(mosaic(), "CFA", filters((0, 1, 1, 2)) + LEVELS, compression="lzw"), "LZW samples"),
        (odd_dng(mosaic(), "CFA", filters((0, 1, 1, 2)) + LEVELS, **JPEG, **STRIPS), "strips"),
    ],
    ids=["lossy", "one curve", "table", "RGBW", "4x4", "quad", "float", "half", "JPEG XL", "zlib", "LZW", "strips"],
)
def test_what_libraw_gets_wrong_is_refused_by_name(data: bytes, name: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(data)
    assert str(caught.value).startswith("odd.dng: ")
    assert name in str(caught.value)


def test_samples_that_libraw_leaves_empty_are_refused() -> None:
    ramp = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (256, 1))[:, :, None], 3, 2)
    data = odd_dng(ramp, "rgb", [], photometric_code=34892, compression="jpeg", tile=(256, 256))
    with pytest.raises(ReadError, match="finds nothing in its JPEG samples"):
        read(data)


@pytest.mark.parametrize("matrix", [(), (0.0,) * 9])
def test_a_dng_without_a_color_matrix_says_so(matrix: tuple[float, ...]) -> None:
    photo = read(cfa_dng(mosaic(), Calibration(matrix=matrix)))
    assert isinstance(photo, RawPhoto)
    assert photo.notes == ("the RAW file has no color matrix: colors are as its sensor sees them",)


# Of which no file is at hand: what LibRaw would report, and what follows

RGGB = Reported(False, ((0, 1), (3, 2)), "RGBG", "RGGB", 3)
STACKED = Reported(True, None, "RGBG", "", 3)
SEVERAL = ("the RAW file holds several frames (pixel shift or the like): the first of them",)


@pytest.mark.parametrize(
    ("reported", "start", "maker", "kind"),
    [
        (RGGB, b"II*\0", "Nikon", Kind("Bayer mosaic", "RGGB")),
        (replace(RGGB, frames=2), b"II*\0", "PENTAX", Kind("Bayer mosaic", "RGGB", SEVERAL)),
        (STACKED, b"II*\0", "SONY", Kind("sRAW or pixel-shift RAW")),
        (STACKED, b"II*\0", "Canon", Kind("sRAW")),
        (STACKED, b"MM\0*", "NIKON CORPORATION", Kind("sRAW")),
        (STACKED, b"FOVb", "", Kind("Foveon RAW")),
        (STACKED, b"II*\0", "", Kind("RAW without a mosaic")),
        (Reported(False, ((6,),), "GMCY", "", 1), b"II*\0", "Leica", Kind("monochrome RAW")),
        (Reported(False, ((0, 1), (2, 3)), "GMCY", "GMCY", 4), b"", "Canon", Kind("four-color mosaic")),
        (Reported(False, ((0, 1), (3, 2)), "RGBE", "RGEB", 4), b"MM\0*", "SONY", Kind("four-color mosaic")),
        (Reported(False, ((1,) * 6,) * 6, "RGBG", "", 3), b"FUJIFILM", "", Kind("X-Trans mosaic")),
        (Reported(False, ((0, 1), (2, 1)), "RGBG", "RGBG", 3), b"", "", Kind("mosaic other than Bayer")),
    ],
)  # fmt: skip
def test_kinds_of_camera_makers_files(reported: Reported, start: bytes, maker: str, kind: Kind) -> None:
    assert kind_of(reported, [], start, maker) == kind

"""RAW: tifffile and PiDNG write it, LibRaw reads it; the same mosaic gives LibRaw's own development, bit for bit."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import rawpy
from dng import Calibration, cfa_dng, linear_dng, with_exif
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from photofix import mosaic
from photofix.development import develop, srgb_profile
from photofix.errors import ReadError
from photofix.kinds import BAYER_PATTERNS
from photofix.libraw import DevelopSettings
from photofix.libraw import opened as open_in_libraw
from photofix.photo import Photo, RawPhoto
from photofix.raw import read_raw

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "noisy.dng"
XTRANS = "GBGGRGRGRBGBGBGGRGGRGGBGBGBRGRGRGGBG"
QUAD = "RRGGRRGGGGBBGGBB"


def scene(height: int = 61, width: int = 83, top: int = 4095, black: int = 256, seed: int = 0) -> np.ndarray:
    """A mosaic with gradients, noise, samples below black and clipped ones."""
    rows, columns = np.mgrid[:height, :width]
    signal = black + (top - black) * (0.5 + 0.6 * np.sin(rows / 9) * np.cos(columns / 13))
    noise = np.random.default_rng(seed).normal(0, 40, (height, width))
    return np.clip(signal + noise, 0, top).astype(np.uint16)


def opened(data: bytes) -> RawPhoto:
    photo = read_raw(data, "test.dng")
    assert isinstance(photo, RawPhoto)
    return photo


def libraw(data: bytes, exposure: float = 0.0, flip: int | None = None) -> np.ndarray:
    """LibRaw's own development, as its users call it."""
    with rawpy.imread(io.BytesIO(data)) as raw:
        return raw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            output_bps=16,
            gamma=(2.4, 12.92),
            bright=2.0**exposure,
            user_flip=flip,
        )


@pytest.mark.parametrize("preview", [False, True], ids=["main", "sub-directory"])
@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
def test_mosaic_and_calibration_are_the_files(pattern: str, preview: bool) -> None:
    samples = scene()
    photo = opened(cfa_dng(samples, Calibration(pattern, black=(100, 203, 300, 407)), preview))
    assert np.array_equal(photo.mosaic, samples)
    assert (photo.pattern, photo.black, photo.white) == (pattern, (100, 203, 300, 407), 4095)
    assert photo.camera == "Photofix Test Camera"
    assert photo.noise is None
    assert photo.iso is None


@pytest.mark.parametrize(("top", "left"), [(0, 1), (1, 0), (3, 5)])
def test_pattern_is_that_of_the_visible_area(top: int, left: int) -> None:
    samples = scene()
    photo = opened(cfa_dng(samples, Calibration("RGGB", active_area=(top, left, 60, 80))))
    # LibRaw begins at an even row and column.
    first_row, first_column = 60 - photo.mosaic.shape[0], 80 - photo.mosaic.shape[1]
    assert 0 <= first_row - top <= 1
    assert np.array_equal(photo.mosaic, samples[first_row:60, first_column:80])
    top, left = first_row - top, first_column - left
    letters = np.array([["R", "G"], ["G", "B"]])
    assert photo.pattern == "".join(
        letters[(top + row) % 2, (left + column) % 2] for row in (0, 1) for column in (0, 1)
    )


@pytest.mark.parametrize("size", [(61, 83), (64, 80), (64, 81)])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
def test_own_mosaic_gives_libraws_development(pattern: str, orientation: int, size: tuple[int, int]) -> None:
    data = cfa_dng(scene(*size), Calibration(pattern, black=(100, 203, 300, 407), orientation=orientation))
    photo = opened(data)
    assert np.array_equal(develop(photo, photo.mosaic).pixels, libraw(data))


@pytest.mark.parametrize(
    ("white", "top", "black"),
    [(4095, 4095, 256), (4095, 3500, 256), (4095, 2000, 0), (1023, 1023, 64), (16383, 15000, 512), (65535, 65000, 0)],
)
def test_levels_of_every_depth_develop_alike(white: int, top: int, black: int) -> None:
    data = cfa_dng(scene(top=top, black=black), Calibration(white=white, black=(black,)))
    photo = opened(data)
    for samples in (photo.mosaic, photo.mosaic.astype(np.float32), mosaic.to_mosaic(mosaic.to_planes(photo), photo)):
        assert np.array_equal(develop(photo, samples).pixels, libraw(data))


@pytest.mark.parametrize("exposure", [-1.0, 0.5, 3.0])
def test_exposure_is_a_gain_on_light(exposure: float) -> None:
    data = cfa_dng(scene(top=2000))
    photo = opened(data)
    brighter = develop(photo, photo.mosaic, DevelopSettings(exposure)).pixels
    assert np.array_equal(brighter, libraw(data, exposure))
    assert (brighter.mean() > develop(photo, photo.mosaic).pixels.mean()) == (exposure > 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation: int) -> None:
    """Exif 2.32, tag 274: where the stored first row and column lie in the upright picture."""
    samples = scene(60, 80)
    data = cfa_dng(samples, Calibration(orientation=orientation))
    stored = libraw(data, flip=0)
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(stored),
    }[orientation]
    photo = opened(data)
    developed = develop(photo, photo.mosaic)
    assert np.array_equal(developed.pixels, upright)
    assert developed.metadata.exif is not None
    exif = Image.Exif()
    exif.load(developed.metadata.exif)
    assert exif[274] == 1


def test_another_mosaic_does_not_move_the_white_point() -> None:
    """LibRaw stretches to the brightest sample: noise, or its absence, must not change the brightness of the rest."""
    samples = np.full((64, 64), 1500, np.uint16)
    samples[10, 10] = 3600
    photo = opened(cfa_dng(samples))
    smooth = np.full_like(samples, 1500)
    changed = develop(photo, smooth).pixels[40:, 40:]
    assert np.array_equal(changed, develop(photo, samples).pixels[40:, 40:])


def test_fractions_of_sensor_numbers_count() -> None:
    photo = opened(cfa_dng(np.full((64, 64), 300, np.uint16)))
    levels = {
        int(develop(photo, np.full((64, 64), 300 + part, np.float32)).pixels[32, 32, 1])
        for part in (0, 0.25, 0.5, 0.75)
    }
    assert len(levels) == 4


def test_negative_and_huge_values_are_clipped() -> None:
    photo = opened(cfa_dng(scene(64, 64)))
    wild = np.full((64, 64), -5000, np.float32)
    wild[:, 32:] = 1e6
    pixels = develop(photo, wild).pixels
    assert pixels[:, :24].max() == 0
    assert pixels[:, 40:].min() == 65535


def test_development_follows_the_srgb_curve_and_says_so() -> None:
    """A gray of a quarter of white is 0.5371 in sRGB (IEC 61966-2-1)."""
    samples = np.empty((64, 64), np.uint16)
    places = {0: 0.5, 1: 1.0, 2: 1.0, 3: 0.65}
    for place, neutral in places.items():
        samples[place // 2 :: 2, place % 2 :: 2] = round(256 + 0.25 * neutral * (4095 - 256))
    photo = opened(cfa_dng(samples))
    developed = develop(photo, samples)
    assert developed.pixels[20:40, 20:40] / 65535 == pytest.approx(0.5371, abs=0.001)
    assert developed.encoding == "srgb"
    assert developed.metadata.icc == srgb_profile()
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_without_white_balance_daylight_is_used_and_told() -> None:
    photo = opened(cfa_dng(scene(), Calibration(neutral=None)))
    developed = develop(photo, photo.mosaic)
    assert any("daylight" in note for note in developed.notes)
    assert developed.pixels.max() > 0


NEUTRAL_NOISE = (1e-3, 1e-6)


@pytest.mark.parametrize("in_main", [False, True])
@pytest.mark.parametrize("preview", [False, True])
def test_one_noise_profile_is_for_all_places(in_main: bool, preview: bool) -> None:
    calibration = Calibration(noise=NEUTRAL_NOISE, noise_in_main=in_main)
    assert opened(cfa_dng(scene(), calibration, preview)).noise == (NEUTRAL_NOISE,) * 4


@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_noise_profiles_of_planes_go_to_their_places(pattern: str, byteorder: str) -> None:
    of_color = {"R": (3e-3, 3e-6), "G": (1e-3, 1e-6), "B": (2e-3, 2e-6)}
    values = (*of_color["R"], *of_color["G"], *of_color["B"])
    photo = opened(cfa_dng(scene(), Calibration(pattern, noise=values, byteorder=byteorder)))
    assert photo.noise == tuple(of_color[letter] for letter in pattern)


@pytest.mark.parametrize("values", [(0.0, 1e-6), (float("nan"), 0.0), (1e-3, -1e-6), (1e-3, 1e-6) * 2])
def test_noise_profiles_that_make_no_sense_are_not_used(values: tuple[float, ...]) -> None:
    assert opened(cfa_dng(scene(), Calibration(noise=values))).noise is None


def test_exif_is_carried_over() -> None:
    entries = [
        (33434, 5, 1, struct.pack("<II", 1, 250)),
        (34855, 3, 1, struct.pack("<H", 3200)),
        (42036, 2, 9, b"50mm f/2\0"),
    ]
    data = with_exif(cfa_dng(scene(), Calibration(orientation=6)), entries)
    photo = opened(
        with_exif(data, [(1, 2, 2, b"N\0"), (2, 5, 3, struct.pack("<6I", 48, 1, 12, 1, 0, 1))], pointer=34853)
    )
    assert photo.iso == 3200
    assert photo.metadata.exif is not None
    exif = Image.Exif()
    exif.load(photo.metadata.exif)
    assert (exif[271], exif[272], exif[274]) == ("Photofix", "Test Camera", 1)
    details = exif.get_ifd(34665)
    assert (float(details[33434]), details[34855], details[42036]) == (0.004, 3200, "50mm f/2")
    assert exif.get_ifd(34853)[1] == "N"
    assert "Zoë".encode() in photo.metadata.exif
    assert 50721 not in exif, "calibration of the mosaic does not belong to the picture"


def test_linear_dng_is_developed_first() -> None:
    samples = np.repeat(scene()[:, :, None], 3, axis=2)
    photo = read_raw(linear_dng(samples), "linear.dng")
    assert isinstance(photo, Photo)
    assert (photo.encoding, photo.pixels.dtype, photo.pixels.shape) == ("linear", np.uint16, (61, 83, 3))
    assert any("linear light" in note for note in photo.notes)


def test_xtrans_is_developed_first() -> None:
    photo = read_raw(cfa_dng(scene(520, 530), Calibration(XTRANS)), "xtrans.dng")  # LibRaw wants 512 samples
    assert isinstance(photo, Photo)
    assert photo.encoding == "linear"
    assert any("X-Trans" in note for note in photo.notes)


def test_developing_first_is_in_linear_light() -> None:
    """Twice the light is twice the number."""
    bright, dark = (
        read_raw(linear_dng(np.full((64, 64, 3), 256 + light, np.uint16)), "flat.dng", DevelopSettings(0))
        for light in (1400, 700)  # what is red is not clipped
    )
    assert isinstance(bright, Photo)
    assert isinstance(dark, Photo)
    assert bright.pixels.mean() / dark.pixels.mean() == pytest.approx(2, rel=0.01)


def test_quad_bayer_is_refused() -> None:
    """LibRaw would take it for a 2 x 2 pattern."""
    with pytest.raises(ReadError, match=r"4 x 4.*linear"):
        read_raw(cfa_dng(scene(64, 64), Calibration(QUAD)), "quad.dng")


@pytest.mark.parametrize("kept", [0, 1, 7, 100, 400, 1200, 5000, -300])
def test_damaged_files_are_refused(kept: int) -> None:
    with pytest.raises(ReadError, match=r"^cut\.dng"):
        read_raw(cfa_dng(scene())[:kept], "cut.dng")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=6))
def test_broken_headers_never_crash(changes: list[tuple[int, int]]) -> None:
    data = bytearray(cfa_dng(scene(40, 50), Calibration(noise=NEUTRAL_NOISE)))
    for position, value in changes:
        data[position] = value
    try:
        photo = read_raw(bytes(data), "broken.dng")
    except ReadError:
        return
    assert isinstance(photo, Photo | RawPhoto)


@given(st.sampled_from(BAYER_PATTERNS), st.integers(1, 9), st.integers(1, 9))
def test_unpack_undoes_pack(pattern: str, height: int, width: int) -> None:
    samples = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    assert np.array_equal(mosaic.unpack(mosaic.pack(samples, pattern), pattern, (height, width)), samples)


@given(st.sampled_from(BAYER_PATTERNS), st.integers(2, 9), st.integers(2, 9))
def test_planes_are_of_one_color(pattern: str, height: int, width: int) -> None:
    letters = np.array(list(pattern)).reshape(2, 2)
    colors = np.tile(letters, (5, 5))[:height, :width]
    assert [set(plane.ravel()) for plane in mosaic.pack(colors, pattern)] == [{"R"}, {"G"}, {"G"}, {"B"}]


@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
def test_planes_lie_as_in_rggb(pattern: str) -> None:
    """In every cell: the first green is to the right of red, the second below it, blue below and right."""
    rows, columns = np.mgrid[:12, :14]
    inside = (slice(None), slice(1, 5), slice(1, 6))
    down, across = (mosaic.pack(part, pattern)[inside] for part in (rows, columns))
    assert [set((plane - down[0]).ravel()) for plane in down] == [{0}, {0}, {1}, {1}]
    assert [set((plane - across[0]).ravel()) for plane in across] == [{0}, {1}, {0}, {1}]


@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
def test_planes_have_black_at_zero_and_white_at_one(pattern: str) -> None:
    black = (100, 203, 300, 407)
    samples = np.empty((61, 83), np.uint16)
    for place, level in enumerate(black):
        samples[place // 2 :: 2, place % 2 :: 2] = level
    photo = opened(cfa_dng(samples, Calibration(pattern, black=black)))
    planes = mosaic.to_planes(photo)
    assert planes.dtype == np.float32
    assert not planes.any()
    assert mosaic.to_mosaic(planes + 1, photo) == pytest.approx(4095, abs=0.01)


def test_real_mosaic_develops(shared: Path) -> None:
    """One camera's mosaic of a color chart; only as BGGR does it show the colors of the chart."""
    samples = np.fromfile(shared / "eval" / "raw" / "bayer_1920x1080_uint16.raw", "<u2").reshape(1080, 1920)
    data = cfa_dng(samples, Calibration("BGGR", black=(0,), white=1020, neutral=None))
    photo = opened(data)
    pixels = develop(photo, photo.mosaic).pixels
    red, blue = pixels[350:375, 945:975].mean((0, 1)), pixels[350:375, 1060:1090].mean((0, 1))
    assert red[0] > 1.3 * red[2]
    assert blue[2] > 1.3 * blue[0]


def test_sample_is_what_it_says() -> None:
    photo = opened(SAMPLE.read_bytes())
    assert (photo.mosaic.shape, photo.pattern, photo.iso, photo.white) == ((512, 768), "RGGB", 6400, 4095)
    assert photo.noise is not None
    assert photo.noise[0] == pytest.approx((0.0016, 4.33e-6), rel=0.01)
    assert np.array_equal(develop(photo, photo.mosaic).pixels, libraw(SAMPLE.read_bytes()))


def test_a_mosaic_that_rawpy_does_not_know_is_refused() -> None:
    """Some cameras' have periods that it raises this error for, as soon as it is asked for the pattern."""
    whole = open_in_libraw(cfa_dng(scene()), "odd.dng")
    with pytest.raises(ReadError, match="a mosaic that rawpy does not know"), whole:
        raise NotImplementedError("filters: 97")

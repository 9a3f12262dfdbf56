"""DNG, the contents (DNG specification 1.4 to 1.7): a Negative -> a file that says all that its source said.

From a DNG every tag goes on that is still true; from a camera maker's file, what LibRaw knows of the camera. What is
not true any more is rewritten: levels, noise profile, digest, preview. docs/raw.md says which tag goes where and why.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from photofix import metadata as meta
from photofix import negative as libraw
from photofix.errors import WriteError
from photofix.formats import dng as layout
from photofix.formats.dng import longs, shorts
from photofix.metadata import Directory, Field
from photofix.negative import Calibration
from photofix.photo import Negative, RawPhoto
from photofix.raw import directories_of

#: TIFF and EXIF tags.
_MAKE, _MODEL, _SOFTWARE, _XMP, _IPTC, _EXIF, _GPS = 271, 272, 305, 700, 33723, 34665, 34853
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKER_NOTE, _LENS_MODEL = 254, 259, 262, 37500, 42036
_CFA, _LINEAR_RAW, _LOSSY_JPEG = 32803, 34892, 34892

#: DNG tags.
_CFA_REPEAT, _CFA_PATTERN, _PLANE_COLORS, _CFA_LAYOUT, _LINEARIZATION = 33421, 33422, 50710, 50711, 50712
_VERSION, _BACKWARD, _CAMERA = 50706, 50707, 50708
_BLACK_REPEAT, _BLACK, _BLACK_DELTA_H, _BLACK_DELTA_V, _WHITE = 50713, 50714, 50715, 50716, 50717
_CROP_ORIGIN, _CROP_SIZE, _MATRIX, _NEUTRAL, _WHITE_XY, _GREEN_SPLIT = 50719, 50720, 50721, 50728, 50729, 50733
_EXPOSURE, _PRIVATE, _ILLUMINANT, _RAW_ID, _ACTIVE_AREA, _MASKED_AREAS = 50730, 50740, 50778, 50781, 50829, 50830
_OPCODES_1, _OPCODES_2, _OPCODES_3, _NOISE, _DIGEST, _PREVIEW_SPACE = 51008, 51009, 51022, 51041, 51111, 50970

#: How samples lie in the file, which is our own affair: TIFF's tags, interleaving, JPEG XL's settings.
_STORAGE = {
    *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291),
    *(292, 293, 317, 318, 319, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347, *range(512, 522), 529, 530),
    *(531, 532, 50974, 50975, 52547, 52553, 52554, 52555),
}

#: What is true of the source file alone: its previews, digests and caches, the file that it was made from itself.
_GONE = {*range(50966, 50973), 50973, 50828, _DIGEST, 51112, 51113, 51114, _RAW_ID, 51182}

#: What belongs to the samples; some writers put it into the main directory together with them.
_OF_SAMPLES = {
    *(_CFA_REPEAT, _CFA_PATTERN, *range(_PLANE_COLORS, _CROP_SIZE + 1), _GREEN_SPLIT, 50737, 50738, 50780),
    *(_ACTIVE_AREA, _MASKED_AREAS, _OPCODES_1, _OPCODES_2, _OPCODES_3, _NOISE, 51125, 52525),
}

#: What of them describes a mosaic, or levels that demosaiced samples do not have.
_OF_MOSAIC = {
    *(_CFA_REPEAT, _CFA_PATTERN, *range(_PLANE_COLORS, _WHITE + 1), _GREEN_SPLIT, _ACTIVE_AREA, _MASKED_AREAS),
}

#: What --strip-metadata leaves out: who, where, when, with which copy of the camera.
_PERSONAL = {270, 305, 306, 315, 33432, *range(40091, 40096), _XMP, _IPTC, _EXIF, _GPS, _PRIVATE, 50735, 50827}

#: Opcodes of the first list that name places and no sample values: FixBadPixelsList, TrimBounds; and one for values.
_PLACES_ONLY = {5, 6}
_MAP_POLYNOMIAL = 8

#: LibRaw's numbers for how a picture is turned, as Exif 2.32's tag 274.
_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}

_RATIONAL, _SIGNED_RATIONAL, _FLOAT, _DOUBLE, _BYTE, _TEXT = 5, 10, 11, 12, 1, 2


def write(negative: Negative, stream: BinaryIO, history: str = "", strip: bool = False) -> list[str]:
    """Write a negative as a DNG.

    Args:
        history: one line for the processing history in XMP, or "".
        strip: leave out EXIF, XMP, GPS, names and serial numbers.
    Returns:
        what had to be left out, in words for the user.
    Raises:
        ReadError: the source cannot be developed, where that is needed. WriteError: the source has no color matrix.
    """
    data = negative.photo.data or b""
    sources = directories_of(data)
    is_dng = bool(sources) and _VERSION in sources[0]
    samples, scale, known = libraw.contents(negative)
    main, raw = _from_dng(sources) if is_dng else _from_calibration(negative, sources, known)
    notes = _check_colors(main, known)
    notes += _fit_opcodes(raw, sources, samples.ndim == 2, scale)
    _set_levels(raw, samples, scale, known)
    _set_noise(raw, negative)
    _set_exposure(main, negative.exposure)
    _set_versions(main)
    digest = layout.digest(samples)
    main |= {_DIGEST: (_BYTE, digest), _RAW_ID: (_BYTE, digest), _PREVIEW_SPACE: longs(2)}
    notes += _set_history(main, negative, history)
    if strip:
        main = {tag: field for tag, field in main.items() if tag not in _PERSONAL}
    _write_with_preview(stream, main, raw | layout.storage(samples), samples, _byte_order(data))
    return notes


def _write_with_preview(stream: BinaryIO, main: Directory, raw: Directory, samples: np.ndarray, order: str) -> None:
    """The preview is what LibRaw makes of the file: it is written twice, the first time in memory."""
    tiles, whole = layout.encoded(samples), io.BytesIO()
    layout.write(whole, main, raw, tiles, np.zeros((16, 16, 3), np.uint8), order)
    layout.write(stream, main, raw, tiles, libraw.preview(whole.getvalue(), samples), order)


def _byte_order(data: bytes) -> str:
    """The source's own: some tags (ProfileGainTableMap) hold numbers in it that no field type tells of."""
    return ">" if data[:2] == b"MM" else "<"


def _raw_directory(sources: list[Directory]) -> Directory:
    """The directory of the full-size samples; the main one where no other has them."""
    for directory in sources:
        photometric = meta.numbers(directory, _PHOTOMETRIC)
        if photometric in ((_CFA,), (_LINEAR_RAW,)) and meta.numbers(directory, _SUBFILE) in ((), (0,)):
            return directory
    return sources[0] if sources else {}


def _from_dng(sources: list[Directory]) -> tuple[Directory, Directory]:
    """The tags that go on, of the camera and of the samples."""
    dropped = _STORAGE | _GONE
    below = _raw_directory(sources)
    main = {tag: field for tag, field in sources[0].items() if tag not in dropped | _OF_SAMPLES}
    exif = main.get(_EXIF)
    if isinstance(exif, dict):
        main[_EXIF] = {tag: _standard(field) for tag, field in exif.items()}
    raw = {tag: field for tag, field in sources[0].items() if tag in _OF_SAMPLES}
    if below is not sources[0]:
        raw |= {tag: field for tag, field in below.items() if tag not in dropped}
    return main, raw


def _standard(field: Field | Directory) -> Field | Directory:
    """EXIF has fractions where some writers put floating-point numbers."""
    if not isinstance(field, tuple) or field[0] not in (_FLOAT, _DOUBLE):
        return field
    values = np.frombuffer(field[1], "<f4" if field[0] == _FLOAT else "<f8")
    return _rationals(values.tolist(), _RATIONAL) if np.isfinite(values).all() and (values >= 0).all() else field


def _from_calibration(negative: Negative, sources: list[Directory], known: Calibration) -> tuple[Directory, Directory]:
    """The tags of a DNG made from a camera maker's file."""
    described = _described(negative)
    maker, model = (described.get(tag, (_TEXT, b"Unknown\0")) for tag in (_MAKE, _MODEL))
    main = described | {
        meta.ORIENTATION: shorts(_ORIENTATIONS.get(known.flip, 1)),
        _MAKE: maker,
        _MODEL: model,
        _CAMERA: (_TEXT, _unique_model(maker, model)),
    }
    exif = main.get(_EXIF)
    if isinstance(exif, dict):
        note = exif.pop(_MAKER_NOTE, None)
        if isinstance(note, tuple):
            main[_PRIVATE] = (_BYTE, _private(note[1], negative.photo.data or b""))
        if known.lens:
            exif.setdefault(_LENS_MODEL, (_TEXT, known.lens.encode() + b"\0"))
    if sources and isinstance(sources[0].get(_XMP), tuple):
        main[_XMP] = sources[0][_XMP]
    if known.neutral:
        main[_NEUTRAL] = _rationals(known.neutral, _RATIONAL)
    return main, _mosaic_tags(known)


def _described(negative: Negative) -> Directory:
    """What a camera maker's file says in words: the fields that go into finished pictures too."""
    exif = negative.photo.metadata.exif
    try:
        described = meta.read_directory(io.BytesIO(exif)) if exif else {}
    except ValueError:
        described = {}
    return {tag: field for tag, field in described.items() if tag not in _STORAGE}


def _unique_model(maker: Field | Directory, model: Field | Directory) -> bytes:
    first, second = (field[1].rstrip(b"\0 ") if isinstance(field, tuple) else b"" for field in (maker, model))
    return (second if second.lower().startswith(first.split(b" ")[0].lower()) else first + b" " + second) + b"\0"


def _private(note: bytes, data: bytes) -> bytes:
    """A maker note as Adobe keeps it in DNGPrivateData: with its byte order, and the place that its offsets count
    from (DNG specification, DNGPrivateData; the layout is that of ExifTool's documentation)."""
    body = data[:2] + struct.pack(">I", max(0, data.find(note))) + note
    return b"Adobe\0MakN" + struct.pack(">I", len(body)) + body


def _mosaic_tags(known: Calibration) -> Directory:
    top, left, bottom, right = known.active
    tags: Directory = {_ACTIVE_AREA: longs(*known.active), _WHITE: longs(known.white)}
    tags |= {_CROP_ORIGIN: longs(0, 0), _CROP_SIZE: longs(right - left, bottom - top)}
    if known.pattern:
        tags |= {_CFA_REPEAT: shorts(2, 2), _CFA_PATTERN: (_BYTE, bytes(known.pattern))}
        tags |= {_BLACK_REPEAT: shorts(2, 2), _BLACK: _rationals(known.black, _RATIONAL)}
    return tags


def _check_colors(main: Directory, known: Calibration) -> list[str]:
    """A color matrix must be there; LibRaw's stands in where the file has none. A white balance of zeros is none."""
    notes = []
    if not known.colored:
        raise WriteError(
            "neither the file nor LibRaw has a color matrix of this camera, without which a DNG has no colors; "
            "save it as TIFF or PNG"
        )
    if _MATRIX not in main and known.matrix is not None:
        main |= {_MATRIX: _rationals(known.matrix.ravel().tolist(), _SIGNED_RATIONAL), _ILLUMINANT: shorts(21)}
    neutral = main.get(_NEUTRAL)
    if isinstance(neutral, tuple) and not known.balanced:
        notes.append("the RAW file has no white balance: daylight used")
        if known.neutral is None or 0 in _values(neutral):
            del main[_NEUTRAL]
    return notes


def _fit_opcodes(raw: Directory, sources: list[Directory], is_mosaic: bool, scale: int) -> list[str]:
    """Leave out the opcodes that do not apply any more.

    The first list is for samples as they were stored: with other numbers in the file, only what names places stays. The
    second is for linear values from black to white: with a mosaic's own layout, it stays with the mosaic; curves for
    lossy samples, LibRaw has applied. The third is for demosaiced colors, and always stays.
    """
    notes = []
    own_numbers = is_mosaic and scale == 1 and _LINEARIZATION not in raw
    if not _keep_opcodes(raw, _OPCODES_1, lambda number: own_numbers or (is_mosaic and number in _PLACES_ONLY)):
        notes.append("OpcodeList1 corrects samples as the camera stored them: what is not true any more left out")
    below = _raw_directory(sources)
    if not is_mosaic and meta.numbers(below, _PHOTOMETRIC) != (_LINEAR_RAW,) and _OPCODES_2 in raw:
        del raw[_OPCODES_2]
        notes.append("OpcodeList2 (such as lens shading) is for the mosaic: left out, and not applied")
    if meta.numbers(below, _COMPRESSION) == (_LOSSY_JPEG,):
        _keep_opcodes(raw, _OPCODES_2, lambda number: number != _MAP_POLYNOMIAL)
    return notes


def _keep_opcodes(raw: Directory, tag: int, wanted: Callable[[int], bool]) -> bool:
    """Whether all opcodes of a list (DNG specification, chapter 7; big-endian) are wanted; others are left out."""
    field = raw.get(tag)
    if not isinstance(field, tuple):
        return True
    kept, at, count = [], 4, int.from_bytes(field[1][:4], "big")
    while at + 16 <= len(field[1]):
        number, _, _, size = struct.unpack_from(">4I", field[1], at)
        if wanted(number):
            kept.append(field[1][at : at + 16 + size])
        at += 16 + size
    if len(kept) < count:
        raw[tag] = (field[0], struct.pack(">I", len(kept)) + b"".join(kept))
    if not kept:
        del raw[tag]
    return len(kept) >= count


def _set_levels(raw: Directory, samples: np.ndarray, scale: int, known: Calibration) -> None:
    """Black and white of what the file holds now."""
    if samples.ndim == 2:
        raw.pop(_LINEARIZATION, None)  # LibRaw has applied it
        raw.setdefault(_WHITE, longs(known.white))
        for tag in (_BLACK, _BLACK_DELTA_H, _BLACK_DELTA_V, _WHITE):
            field = raw.get(tag)
            if isinstance(field, tuple) and scale > 1:
                raw[tag] = _scaled(field, scale)
        return
    _crop_to_active(raw, known)
    for tag in _OF_MOSAIC:
        raw.pop(tag, None)
    raw |= {_BLACK: shorts(*[0] * samples.shape[2]), _WHITE: longs(*[65535] * samples.shape[2])}


def _crop_to_active(raw: Directory, known: Calibration) -> None:
    """The default crop counts from the active area, which is all that demosaiced samples have; LibRaw may begin it a
    row or column later, to begin with a whole pattern. One that lies outside of it is a mistake, and is left out."""
    area, origin, size = (raw.get(tag) for tag in (_ACTIVE_AREA, _CROP_ORIGIN, _CROP_SIZE))
    if not (isinstance(area, tuple) and isinstance(origin, tuple) and isinstance(size, tuple)):
        return
    top, left, bottom, right = known.active
    # Numbers that a damaged file lacks leave nothing to compare, and so no crop.
    shifts = [ours - theirs for ours, theirs in zip((top, left), _values(area), strict=False)][::-1]
    starts = [place - shift for place, shift in zip(_values(origin), shifts, strict=False)]
    ends = [start + length for start, length in zip(starts, _values(size), strict=False)]
    starts = [max(0.0, start) for start in starts]
    ends = [min(end, limit) for end, limit in zip(ends, (right - left, bottom - top), strict=False)]
    if len(ends) < 2 or any(end <= start for start, end in zip(starts, ends, strict=True)):
        del raw[_CROP_ORIGIN], raw[_CROP_SIZE]
        return
    raw[_CROP_ORIGIN] = _rationals(starts, _RATIONAL)
    raw[_CROP_SIZE] = _rationals([end - start for start, end in zip(starts, ends, strict=True)], _RATIONAL)


def _scaled(field: Field, scale: int) -> Field:
    kind, value = field
    if kind in (_RATIONAL, _SIGNED_RATIONAL):
        parts: tuple[int, ...] = struct.unpack(f"<{len(value) // 4}{'I' if kind == _RATIONAL else 'i'}", value)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return _rationals([Fraction(scale * above, below or 1) for above, below in pairs], kind)
    return longs(*(scale * round(number) for number in _values(field)))


def _values(field: Field) -> tuple[float, ...]:
    """The numbers of a SHORT, LONG or RATIONAL field."""
    kind, value = field
    if kind == _RATIONAL:
        pairs = np.frombuffer(value, "<u4").reshape(-1, 2).astype(float)
        return tuple((pairs[:, 0] / np.maximum(pairs[:, 1], 1)).tolist())
    return tuple(float(number) for number in meta.numbers({0: field}, 0))


def _rationals(values: Sequence[float | Fraction], kind: int) -> Field:
    """Fractions of at most nine digits above and below: exact for those that files have."""
    exact = [Fraction(value) for value in values]
    fractions = [one.limit_denominator(10**9 // (1 + int(abs(one)))) for one in exact]
    form = f"<{2 * len(fractions)}{'I' if kind == _RATIONAL else 'i'}"
    return kind, struct.pack(form, *(part for one in fractions for part in (one.numerator, one.denominator)))


def _set_noise(raw: Directory, negative: Negative) -> None:
    """NoiseProfile: a pair for each color in the order of CFAPlaneColor, or one where all are the same."""
    if negative.noise is None:
        return
    raw.pop(_NOISE, None)
    if not negative.noise:
        return
    pairs = list(negative.noise)
    if isinstance(negative.photo, RawPhoto):
        colors = meta.numbers(raw, _PLANE_COLORS) or (0, 1, 2)
        pairs = [_of_color("RGB"[color], negative.photo.pattern, pairs) for color in colors]
    if len(set(pairs)) == 1:
        pairs = pairs[:1]
    raw[_NOISE] = (_DOUBLE, np.array(pairs, "<f8").tobytes())


def _set_exposure(main: Directory, stops: float) -> None:
    """BaselineExposure: what the source says, and the stops by which it is to be brighter."""
    if not stops:
        return
    field = main.get(_EXPOSURE)
    parts = struct.unpack("<2i", field[1]) if isinstance(field, tuple) and len(field[1]) == 8 else (0, 1)
    main[_EXPOSURE] = _rationals([round(parts[0] / (parts[1] or 1) + stops, 2)], _SIGNED_RATIONAL)


def _of_color(letter: str, pattern: str, pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """The mean of the pairs of a color's places."""
    shot, read = np.mean([pair for pair, other in zip(pairs, pattern, strict=True) if other == letter], axis=0)
    return float(shot), float(read)


def _set_versions(main: Directory) -> None:
    """At least 1.4, which has NewRawImageDigest; readers need 1.4 at most: newer compressions are not used here."""
    least = bytes((1, 4, 0, 0))
    own, backward = (main.get(tag, (_BYTE, least)) for tag in (_VERSION, _BACKWARD))
    main[_VERSION] = (_BYTE, max(least, own[1] if isinstance(own, tuple) else least))
    main[_BACKWARD] = (_BYTE, min(least, backward[1] if isinstance(backward, tuple) else least))


def _set_history(main: Directory, negative: Negative, history: str) -> list[str]:
    field = main.get(_XMP)
    xmp = field[1] if isinstance(field, tuple) else negative.photo.metadata.xmp
    if history:
        longer = meta.with_history(xmp.rstrip(b"\0") if xmp else None, history)
        if longer is None:
            return ["its XMP is of a rare kind: no history added"]
        xmp = longer
    if xmp:
        main[_XMP] = (_BYTE, xmp)
    return []

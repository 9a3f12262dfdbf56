"""TIFF (revision 6.0, and BigTIFF), through tifffile; EXIF, which tifffile does not write, by photofix.metadata."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from photofix import metadata as meta
from photofix.formats.jpeg import from_cmyk
from photofix.formats.stored import check_size, joined, photo_of, widened
from photofix.photo import Metadata, Photo

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_XMP, _ICC = 700, 34675
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_UNCOMPRESSED, _JPEG = 1, 7
_ASSOCIATED = 1
#: About what a strip holds: enough to compress well, little enough to read a part.
_STRIP_BYTES = 1 << 18
#: A classic TIFF file counts bytes in 32 bits; some room is left for metadata and for what deflate cannot shrink.
_MOST_CLASSIC = 0xF000_0000


def read(stream: BinaryIO) -> Photo:
    """The first full picture of the file; floats are taken for sRGB-encoded unless the profile is linear."""
    import tifffile

    with tifffile.TiffFile(stream) as file:
        page, notes = _first_page(file)
        _check_page(stream, page)
        icc, xmp = (_block(page, tag) for tag in (_ICC, _XMP))
        iptc = meta.iptc_of(meta.read_directory(stream))
        metadata = Metadata(meta.exif_of_tiff(stream), xmp, icc, iptc, _density(page))
        samples, more = _samples(page)
        orientation = page.tags.valueof(meta.ORIENTATION, 1)
        colormap = page.colormap
    turn = orientation if orientation in range(1, 9) else 1
    if page.photometric == _CMYK:
        return _inks(samples, metadata, turn, notes + more)
    if page.photometric == _PALETTE:
        samples = _colors(np.asarray(colormap))[samples[..., 0]]
        more += ("palette converted to RGB",)
    channels = 3 if samples.shape[2] >= 3 else 1
    if samples.shape[2] > channels:
        samples, extra = _with_alpha(samples, page, channels)
        more += extra
    linear = samples.dtype == np.float32 and meta.icc_is_linear(icc)
    return photo_of(samples, metadata, notes + more, turn, "linear" if linear else "srgb")


def _colors(colormap: np.ndarray) -> np.ndarray:
    """(colors, 3) of a 16-bit palette; as uint8 where each is an 8-bit one widened."""
    colors = np.moveaxis(colormap, 0, -1)
    return colors.astype(np.uint8) if not (colors % 257).any() else colors


def _first_page(file: TiffFile) -> tuple[TiffPage, tuple[str, ...]]:
    """The first page that is no thumbnail or mask (bits 0 and 2 of NewSubfileType)."""
    pages = [file.pages[place] for place in range(min(len(file.pages), 1000))]
    whole = [page.aspage() for page in pages if not page.aspage().subfiletype & 5]
    return (whole or [pages[0].aspage()])[0], (f"first of {len(whole)} pages",) if len(whole) > 1 else ()


def _check_page(stream: BinaryIO, page: TiffPage) -> None:
    samples = page.samplesperpixel
    check_size(stream, page.imagewidth, page.imagelength, samples * max(1, page.bitspersample / 8))
    if page.imagedepth != 1 or page.dtype is None or not 1 <= samples <= 16:
        raise ValueError("its samples are of a kind that is not read here")
    size = stream.seek(0, io.SEEK_END)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not segments or any(not count or place + count > size for place, count in segments):
        raise ValueError("truncated: its end is missing")
    if (
        page.compression == _UNCOMPRESSED
        and 8 * sum(page.databytecounts) < page.imagewidth * page.imagelength * samples * page.bitspersample
    ):
        raise ValueError("truncated: fewer samples than its header says")
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK) and page.compression != _JPEG:
        raise ValueError(f"color space {page.tags.valueof(262)} is not read here; save it as RGB")


def _block(page: TiffPage, tag: int) -> bytes | None:
    value = page.tags.valueof(tag)
    return value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, (bytes, tuple)) else None


def _density(page: TiffPage) -> tuple[float, float] | None:
    """Dots per inch; without a unit they are but a ratio."""
    return meta.believed_density(*page.get_resolution("INCH")) if page.tags.valueof(296, 2) in (2, 3) else None


def _samples(page: TiffPage) -> tuple[np.ndarray, tuple[str, ...]]:
    """(H, W, C) uint8, uint16 or float32, black at 0; and what had to be changed for that."""
    samples = page.asarray(maxworkers=2, buffersize=1 << 24)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    samples = (
        samples.reshape(page.imagelength, page.imagewidth, -1)
        if page.planarconfig == 1
        else _interleaved(samples, page)
    )
    bits, notes = page.bitspersample, tuple[str, ...]()
    if samples.dtype.kind == "f":
        notes = ("64-bit samples reduced to 32",) if samples.dtype == np.float64 else ()
        samples = samples.astype(np.float32, copy=False)
    elif samples.dtype.kind not in "ub" or bits > 16:
        raise ValueError(f"samples of type {samples.dtype} are not read here; save them as 16-bit or float")
    elif page.photometric == _PALETTE:
        return samples, ()
    elif bits not in (8, 16):
        samples = widened(samples.astype(np.uint16), bits)
        notes = (f"{bits} bits widened to {8 * samples.itemsize}",) if bits > 1 else ()
    if page.photometric == _WHITE_IS_ZERO:
        samples = (1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max) - samples
    return samples, notes


def _interleaved(samples: np.ndarray, page: TiffPage) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(samples.reshape(-1, page.imagelength, page.imagewidth), 0, -1))


def _inks(samples: np.ndarray, metadata: Metadata, turn: int, notes: tuple[str, ...]) -> Photo:
    from PIL import Image

    if samples.dtype == np.uint16:
        samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
        notes += ("16-bit inks reduced to 8",)
    if samples.dtype != np.uint8 or samples.shape[2] < 4:
        raise ValueError("inks of a kind that is not read here; save it as RGB")
    return from_cmyk(Image.fromarray(np.ascontiguousarray(samples[..., :4]), "CMYK"), metadata, turn, notes)


def _with_alpha(samples: np.ndarray, page: TiffPage, channels: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Color and one alpha channel of samples that have more than color; not multiplied."""
    notes: tuple[str, ...] = (
        ("channels behind the first extra one left out",) if samples.shape[2] > channels + 1 else ()
    )
    samples = samples[..., : channels + 1]
    if not page.extrasamples or page.extrasamples[0] != _ASSOCIATED:
        return samples, notes
    alpha = samples[..., -1:].astype(np.float32)
    color = np.divide(samples[..., :-1], alpha, out=np.zeros(samples[..., :-1].shape, np.float32), where=alpha > 0)
    if samples.dtype != np.float32:
        most = np.iinfo(samples.dtype).max
        color = np.rint(np.clip(color, 0, 1) * most)
    return np.concatenate([color.astype(samples.dtype), samples[..., -1:]], axis=2), (*notes, "colors divided by alpha")


def write(photo: Photo, path: str) -> None:
    """Write 8, 16 or 32 (float) bits, deflated strip by strip, as BigTIFF where 4 GB might not do."""
    import tifffile

    samples, metadata = joined(photo), photo.metadata
    row_bytes = samples[0].nbytes
    blocks = ((_XMP, 1, metadata.xmp), (_ICC, 7, metadata.icc), (meta.IPTC, 7, metadata.iptc))
    big = samples.nbytes > _MOST_CLASSIC
    tifffile.imwrite(
        path,
        samples[..., 0] if samples.shape[2] == 1 else samples,
        bigtiff=big,
        byteorder="<",
        photometric="rgb" if photo.pixels.shape[2] == 3 else "minisblack",
        planarconfig="contig" if samples.shape[2] > 1 else None,
        extrasamples=None if photo.alpha is None else ["unassalpha"],
        compression="adobe_deflate",
        compressionargs={"level": 1},
        predictor=True,
        rowsperstrip=max(1, _STRIP_BYTES // row_bytes),
        resolution=metadata.density,
        resolutionunit="INCH" if metadata.density else None,
        metadata=None,
        software=False,
        extratags=[(tag, kind, len(block), block, True) for tag, kind, block in blocks if block],
    )
    if metadata.exif:
        with open(path, "r+b") as stream:
            meta.add_exif_to_tiff(stream, metadata.exif)

"""JPEG (ITU-T T.81), through Pillow."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from photofix import metadata as meta
from photofix.formats import ultrahdr
from photofix.formats.stored import check_size, photo_of
from photofix.photo import Metadata, Photo

if TYPE_CHECKING:
    from PIL import Image

#: Bytes that one segment of metadata can hold behind its name.
_MOST_EXIF, _MOST_XMP, _MOST_IPTC = 65533 - 6, 65533 - 29, 65533 - 27

#: Among Adobe's image resources (Photoshop File Formats Specification), IPTC's.
_IPTC = 0x0404


def read(stream: BinaryIO) -> Photo:
    """The picture; CMYK converted to sRGB."""
    from PIL.JpegImagePlugin import JpegImageFile

    with JpegImageFile(stream) as image:
        check_size(stream, *image.size, 4)
        info = image.info
        exif, said, icc = info.get("exif"), info.get("xmp"), info.get("icc_profile")
        xmp = ultrahdr.without_directory(said) if said else None
        glows = xmp != said or ultrahdr.is_marked(image.applist)
        notes = ("its gain map, which bright displays use, is left out",) if glows else ()
        iptc = info.get("photoshop", {}).get(_IPTC)
        metadata = Metadata(exif.removeprefix(b"Exif\0\0") if exif else None, xmp, icc, iptc, _density(image))
        image.load()
        if image.mode == "CMYK":
            return from_cmyk(image, metadata)
        return photo_of(np.asarray(image), metadata, notes)


def _density(image: Image.Image) -> tuple[float, float] | None:
    """What the JFIF header says (ITU-T T.871, 10.1), by inch or by centimetre."""
    inch = {1: 1, 2: 2.54}.get(image.info.get("jfif_unit", 0))
    across, down = image.info.get("jfif_density", (0, 0))
    return meta.believed_density(across * inch, down * inch) if inch else None


def from_cmyk(
    image: Image.Image, metadata: Metadata, orientation: int | None = None, notes: tuple[str, ...] = ()
) -> Photo:
    """Inks to sRGB: through the file's own profile where it has a sound one, else 255 minus ink, minus black."""
    from PIL import ImageCms

    note, converted = "CMYK converted to sRGB without a profile: colors are approximate", image.convert("RGB")
    if metadata.icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(metadata.icc))
            rendered = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            note, converted = "CMYK converted to sRGB through its profile", rendered or converted
        except (ImageCms.PyCMSError, OSError):
            note += " (its own is damaged)"
    return photo_of(np.asarray(converted), replace(metadata, icc=None), (*notes, note), orientation)


def write(photo: Photo, stream: BinaryIO, quality: int) -> list[str]:
    """Write 8-bit gray or RGB at full color resolution (4:4:4), with its gain map if it has one; returns what did not
    fit."""
    from PIL import Image

    notes, metadata = [], photo.metadata
    exif, xmp = metadata.exif, metadata.xmp
    gain = ultrahdr.gain_picture(photo.gain) if photo.gain else b""
    if gain:
        xmp = meta.with_description(xmp, ultrahdr.directory(len(gain))) or meta.with_description(
            None, ultrahdr.directory(len(gain))
        )
    if exif and len(exif) > _MOST_EXIF:
        notes.append(f"EXIF of {len(exif):,} bytes is more than JPEG holds: left out")
        exif = None
    if xmp and len(xmp) > _MOST_XMP:
        notes.append(f"XMP of {len(xmp):,} bytes is more than JPEG holds: left out")
        xmp = None
    if metadata.iptc and len(metadata.iptc) > _MOST_IPTC:
        notes.append(f"IPTC of {len(metadata.iptc):,} bytes is more than JPEG holds: left out")
        metadata = replace(metadata, iptc=None)
    pixels = photo.pixels[..., 0] if photo.pixels.shape[2] == 1 else photo.pixels
    blocks = {"exif": exif and b"Exif\0\0" + exif, "xmp": xmp, "icc_profile": metadata.icc}
    present: dict[str, Any] = {name: block for name, block in blocks.items() if block}
    if metadata.density:
        present["dpi"] = tuple(round(dots) for dots in metadata.density)
    if metadata.iptc:
        present["extra"] = _photoshop(metadata.iptc)
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "JPEG", quality=quality, subsampling=0, **present)
    stream.write(ultrahdr.joined(picture.getvalue(), gain) if gain else picture.getvalue())
    return notes


def _photoshop(iptc: bytes) -> bytes:
    """The segment APP13 that IPTC's records stand in, as a nameless image resource."""
    resource = struct.pack(">4sHHI", b"8BIM", _IPTC, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
    content = b"Photoshop 3.0\0" + resource
    return struct.pack(">HH", 0xFFED, 2 + len(content)) + content

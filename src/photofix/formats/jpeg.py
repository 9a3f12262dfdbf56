"""JPEG (ITU-T T.81), through Pillow."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from photofix import metadata as meta
from photofix.formats import ultrahdr
from photofix.formats.stored import check_size, photo_of
from photofix.photo import Metadata, Photo

if TYPE_CHECKING:
    from PIL import Image

#: Bytes that one segment of metadata can hold behind its name.
_MOST_EXIF, _MOST_XMP = 65533 - 6, 65533 - 29


def read(stream: BinaryIO) -> Photo:
    """The picture; CMYK converted to sRGB."""
    from PIL.JpegImagePlugin import JpegImageFile

    with JpegImageFile(stream) as image:
        check_size(stream, *image.size, 4)
        info = image.info
        exif, xmp, icc = info.get("exif"), info.get("xmp"), info.get("icc_profile")
        metadata = Metadata(exif.removeprefix(b"Exif\0\0") if exif else None, xmp, icc)
        image.load()
        if image.mode == "CMYK":
            return from_cmyk(image, metadata)
        return photo_of(np.asarray(image), metadata)


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
    pixels = photo.pixels[..., 0] if photo.pixels.shape[2] == 1 else photo.pixels
    blocks = {"exif": exif and b"Exif\0\0" + exif, "xmp": xmp, "icc_profile": metadata.icc}
    present = {name: block for name, block in blocks.items() if block}
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "JPEG", quality=quality, subsampling=0, **present)
    stream.write(ultrahdr.joined(picture.getvalue(), gain) if gain else picture.getvalue())
    return notes

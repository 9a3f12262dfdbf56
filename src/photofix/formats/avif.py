"""AVIF (AOMedia, 1.1): pixels of any depth through OpenCV; metadata are read by Pillow, which has 8 bits only."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from photofix.errors import WriteError
from photofix.formats.stored import check_size, joined, photo_of, widened
from photofix.photo import Metadata, Photo

#: Transfer characteristics of pictures for bright displays.
_BRIGHT = {16: "PQ", 18: "HLG"}


def read(stream: BinaryIO) -> Photo:
    """The picture, 10 and 12 bits as uint16 over its full range; of a sequence the first frame."""
    from PIL.AvifImagePlugin import AvifImageFile

    with AvifImageFile(stream) as image:
        check_size(stream, *image.size, 8)
        exif, xmp, icc = (image.info.get(key) for key in ("exif", "xmp", "icc_profile"))
        frames = image.n_frames
        notes: tuple[str, ...] = (f"first of {frames} frames",) if frames > 1 else ()
    stream.seek(0)
    data = stream.read()
    samples = _decoded(data, frames)
    if samples.dtype == np.uint16:
        bits = 12 if data[data.find(b"av1C") + 6] & 0x20 else 10
        samples = widened(samples, bits)
        notes += (f"{bits} bits widened to 16",)
    transfer = _transfer(data)
    if transfer in _BRIGHT:
        notes += (f"its numbers are BT.2100 {_BRIGHT[transfer]}, and taken for an ordinary picture's",)
    return photo_of(samples, Metadata(exif and exif.removeprefix(b"Exif\0\0"), xmp, icc), notes)


def _transfer(data: bytes) -> int | None:
    """The transfer characteristics (ITU-T H.273) of the color box (ISO/IEC 14496-12, 12.1.5), where there is one."""
    box = data.find(b"colrnclx")
    return int.from_bytes(data[box + 10 : box + 12], "big") if box >= 0 else None


def _decoded(data: bytes, frames: int) -> np.ndarray:
    """(H, W) or (H, W, C) as stored.

    OpenCV tells AVIF by a file's first 500 bytes, and takes some that have alpha and XMP for none. imagecodecs reads
    these; of sequences it gives pixels that are freed already.
    """
    import cv2
    import imagecodecs

    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError(error.err) from error
    if decoded is not None:
        return decoded if decoded.ndim == 2 else decoded[..., [2, 1, 0, 3][: decoded.shape[2]]]
    if frames > 1:
        raise ValueError("its pixels cannot be decoded")
    return np.asarray(imagecodecs.avif_decode(data))


def write_pq(photo: Photo, stream: BinaryIO, quality: int) -> list[str]:
    """Write uint16 RGB in BT.2100's perceptual quantizer at 10 bits, tagged as such (CICP 9/16/9); returns what did not
    fit."""
    import imagecodecs

    samples = ((photo.pixels.astype(np.uint32) * 1023 + 32767) // 65535).astype(np.uint16)
    codec = imagecodecs.AVIF
    stream.write(
        imagecodecs.avif_encode(
            samples,
            level=quality,
            speed=6,
            bitspersample=10,
            pixelformat=codec.PIXEL_FORMAT.YUV444,
            primaries=codec.COLOR_PRIMARIES.BT2020,
            transfer=codec.TRANSFER_CHARACTERISTICS.PQ,
            matrix=codec.MATRIX_COEFFICIENTS.BT2020_NCL,
        )
    )
    lost = [name.upper() for name in ("exif", "xmp") if getattr(photo.metadata, name)]
    return [f"an AVIF for bright displays is written without {' and '.join(lost)}"] if lost else []


def write(photo: Photo, stream: BinaryIO, quality: int) -> None:
    """Write gray or RGB with or without alpha: uint8 at 8 bits, uint16 at 12; quality 100 means lossless."""
    import cv2

    samples, depth = joined(photo), 8
    if samples.dtype == np.uint16:
        samples, depth = ((samples.astype(np.uint32) * 4095 + 32767) // 65535).astype(np.uint16), 12
    order = {1: [0], 2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[samples.shape[2]]
    metadata = photo.metadata
    blocks = {
        cv2.IMAGE_METADATA_EXIF: metadata.exif,
        cv2.IMAGE_METADATA_XMP: metadata.xmp,
        cv2.IMAGE_METADATA_ICCP: metadata.icc,
    }
    present = {kind: np.frombuffer(block, np.uint8) for kind, block in blocks.items() if block}
    options = [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_SPEED, 8]
    try:
        done, encoded = cv2.imencodeWithMetadata(".avif", samples[..., order], [*present], [*present.values()], options)
    except cv2.error as error:
        raise WriteError(f"the AVIF encoder failed ({error.err}); choose another format, such as PNG") from error
    if not done:
        raise WriteError("the AVIF encoder failed; choose another format, such as PNG")
    stream.write(encoded.tobytes())

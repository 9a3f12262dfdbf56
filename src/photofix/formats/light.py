"""OpenEXR and Radiance HDR: light-linear floats, through OpenImageIO."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from photofix.errors import WriteError
from photofix.formats.stored import check_size, joined, photo_of
from photofix.photo import Metadata, Photo

#: Rec. 709's red, green, blue and white as OpenEXR's standard attribute states them, and its whiteLuminance: what 1
#: means in cd/m2, here a display's paper white (ITU-R BT.2408).
_BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
_WHITE_NITS = 203.0


def read_exr(stream: BinaryIO) -> Photo:
    """An OpenEXR file's R, G, B or Y, and A, of its first part."""
    return _read(stream, ".exr")


def read_hdr(stream: BinaryIO) -> Photo:
    """A Radiance picture; its numbers as they are (EXPOSURE is not divided out)."""
    return _read(stream, ".hdr")


def _read(stream: BinaryIO, ending: str) -> Photo:
    """OpenImageIO reads files by name, from Python: bytes go through a temporary one, and so does a misleading name."""
    path = getattr(stream, "name", None)
    if isinstance(path, str) and path.lower().endswith(ending):
        return _read_light(stream, path)
    with tempfile.TemporaryDirectory(prefix="photofix-") as folder:
        copy = Path(folder, "picture" + ending)
        copy.write_bytes(stream.read())
        return _read_light(stream, str(copy))


def _read_light(stream: BinaryIO, path: str) -> Photo:
    import OpenImageIO

    source = OpenImageIO.ImageInput.open(path)
    if source is None:
        raise ValueError(OpenImageIO.geterror())
    try:
        spec = source.spec()
        check_size(stream, spec.width, spec.height, 4 * spec.nchannels)
        places, notes = _light_channels(list(spec.channelnames))
        if spec.deep:
            raise ValueError("deep pictures are not read")
        samples = source.read_image(0, 0, min(places), max(places) + 1, "float")
        if samples is None:
            raise ValueError(source.geterror())
    finally:
        source.close()
    samples = samples[..., [place - min(places) for place in places]] if len(places) != samples.shape[2] else samples
    if len(places) in (2, 4):
        _divide_by_alpha(samples)
    xmp = spec.get_string_attribute("XMP").encode() or None
    return photo_of(samples, Metadata(xmp=xmp), notes, spec.get_int_attribute("Orientation", 1), "linear")


def _light_channels(names: list[str]) -> tuple[list[int], tuple[str, ...]]:
    color = next(
        (wanted for wanted in (["R", "G", "B"], ["Y"]) if set(wanted) <= set(names)), names if len(names) == 1 else []
    )
    if not color:
        raise ValueError(f"no channels R, G, B or Y, but {', '.join(names)[:200]}")
    used = color + ["A"] * ("A" in names and "A" not in color)
    left = [name for name in names if name not in used]
    return [names.index(name) for name in used], (f"channels left out: {', '.join(left)[:200]}",) if left else ()


def _divide_by_alpha(samples: np.ndarray) -> None:
    """OpenEXR's colors are multiplied by alpha (its technical introduction); ours are not."""
    alpha = samples[..., -1:]
    with np.errstate(over="ignore", invalid="ignore"):
        np.divide(samples[..., :-1], alpha, out=samples[..., :-1], where=alpha > 0)


def write(photo: Photo, path: Path, kind: str, half: bool) -> None:
    """Write float32 gray or RGB, with or without alpha, as OpenEXR of 16 or 32 bits or as Radiance HDR."""
    import OpenImageIO

    samples = joined(photo)
    if photo.alpha is not None:
        samples[..., :-1] *= samples[..., -1:]
    if kind == "hdr":
        samples = np.maximum(samples, 0)  # its bytes know no sign: a negative would come back as bright light
    height, width, channels = samples.shape
    spec = OpenImageIO.ImageSpec(width, height, channels, "half" if half else "float")
    if kind == "exr":
        spec.channelnames = {1: ("Y",), 2: ("Y", "A"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}[channels]
        spec.alpha_channel = channels - 1 if photo.alpha is not None else -1
        spec["compression"] = "zip:1"
        spec.attribute("chromaticities", OpenImageIO.TypeDesc("float[8]"), _BT709)
        spec["whiteLuminance"] = _WHITE_NITS
        if photo.metadata.xmp:
            spec["XMP"] = photo.metadata.xmp.decode("utf-8", "replace")
    output = OpenImageIO.ImageOutput.create(kind)
    if output is None:
        raise WriteError(OpenImageIO.geterror())
    if not (output.open(str(path), spec) and output.write_image(samples) and output.close()):
        raise WriteError(f"cannot be written ({output.geterror().strip()}); check the folder and the space left")

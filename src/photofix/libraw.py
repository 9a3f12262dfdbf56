"""LibRaw: a RAW file open in it, and how it is to develop."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photofix.errors import ReadError

if TYPE_CHECKING:
    import rawpy

#: IEC 61966-2-1 as LibRaw takes it (power, slope at black); its own default is BT.709, which no sRGB profile fits.
SRGB_CURVE = (2.4, 12.92)
LINEAR_CURVE = (1.0, 1.0)


@dataclass(frozen=True)
class DevelopSettings:
    """How a mosaic becomes a picture, apart from what the file says.

    exposure: in EV, 0 = as exposed; a gain on linear light, clipped at white.
    """

    exposure: float = 0.0


AS_EXPOSED = DevelopSettings()


@contextmanager
def opened(data: bytes, name: str) -> Iterator[rawpy.RawPy]:
    """LibRaw with the file open; its failures, then or later, as ReadError."""
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            yield raw
    except NotImplementedError as error:
        raise ReadError(f"{name}: a mosaic that rawpy does not know ({error}); convert it to DNG") from error
    except (rawpy.LibRawError, OSError) as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ReadError(
            f"{name}: LibRaw cannot read it ({reason.lower()}): it may be damaged or cut short (copy it again), "
            "or of a camera newer than this LibRaw (update rawpy, or convert it to DNG)"
        ) from error


def parameters_of(settings: DevelopSettings, camera_balance: bool, curve: tuple[float, float]) -> rawpy.Params:
    """16 bits in sRGB's primaries, with the file's own balance where it has one; no brightening of LibRaw's own."""
    import rawpy

    return rawpy.Params(
        use_camera_wb=camera_balance,
        output_color=rawpy.ColorSpace.sRGB,
        output_bps=16,
        no_auto_bright=True,
        bright=2.0**settings.exposure,
        gamma=curve,
    )


def is_colored(raw: rawpy.RawPy) -> bool:
    """Whether it is known what the sensor's colors are, from the file or from LibRaw; gray ones have none."""
    return raw.num_colors == 1 or bool(raw.color_matrix.any() or raw.rgb_xyz_matrix.any())


def fix_white(parameters: rawpy.Params, raw: rawpy.RawPy) -> None:
    """White above black, where LibRaw is wrong: it takes the lowest black of four colors off, of which a file without a
    mosaic has three."""
    black = raw.black_level_per_channel
    lowest = min(black[: raw.num_colors])
    if lowest > min(black):
        parameters.user_sat = raw.white_level - lowest


def white_balance(raw: rawpy.RawPy) -> tuple[bool, tuple[str, ...]]:
    """Whether the file has a white balance, and what to tell the user if not.

    LibRaw would then balance by the picture's own average, which denoising and cropping change.
    """
    red, green, blue = raw.camera_whitebalance[:3]
    if red > 0 and green > 0 and blue > 0:
        return True, ()
    return False, ("the RAW file has no white balance: daylight used",)

"""photofix: restore photos with neural networks.

    photo = photofix.open("in.dng")
    photofix.save(photofix.denoise(photo), "out.png")

Nothing heavy is imported until one of these is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from photofix.photo import Negative, Photo, RawPhoto

    Image = TypeVar("Image", Photo, np.ndarray)

__all__ = ["colorize", "deblur", "denoise", "hdr", "low_light", "open", "relight", "save"]
__version__ = "0.1.0"


def open(path: str | Path) -> Photo | RawPhoto:
    """The photo in a file: a Photo, or, for a RAW file with a Bayer mosaic, a RawPhoto.

    Raises:
        ReadError: it cannot be read; the message says why.
    """
    from photofix.read import read

    return read(Path(path))


def save(
    photo: Photo | Negative,
    path: str | Path,
    *,
    quality: int | None = None,
    bit_depth: Literal[8, 16, 32] | None = None,
) -> list[str]:
    """Write a photo in the format that the path's ending names (for a Negative .dng); returns what that format made
    smaller, in words.

    Raises:
        WriteError: it cannot be written. UsageError: no format has that ending, or it is not developed yet.
    """
    from photofix.write import SaveOptions, write

    return write(photo, Path(path), SaveOptions(quality=quality, bit_depth=bit_depth))


def denoise(
    image: Photo | RawPhoto | np.ndarray,
    *,
    sigma: float | np.ndarray | Literal["auto"] = "auto",
    strength: float = 1.0,
    keep_grain: float = 0.0,
    iso: int | Literal["auto"] = "auto",
    noise: tuple[float, float] | None = None,
    heal: bool = True,
    model: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | Literal["auto", "none"] = "auto",
    dng: Literal["cfa", "linear"] | None = None,
) -> Photo | Negative | np.ndarray:
    """The image without its noise: a Photo for a Photo or RawPhoto, an array of the same shape and dtype for an array.

    Args:
        image: a photo, or an array (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16 or float32, display-referred sRGB
            with white at 255, 65535 or 1 (not clipped); a fourth channel is alpha and is passed on.
        sigma: the noise's standard deviation in 8-bit units, 0-100; "auto" measures it; an (H, W) array is a map.
        strength: 0 returns the input, 1 what the network says, between them a blend.
        keep_grain: 0-1, the share of the luminance noise that stays; color noise goes all the same.
        iso, noise: of a RAW photo, the sensitivity that its noise is taken from, or its (shot, read) as in a DNG's
            NoiseProfile: variance = shot * signal + read with black 0 and white 1; by default what the file says, else
            what the mosaic shows.
        heal: whether a RAW photo's stuck photosites, stripes and drifting black are corrected.
        model, weights: another network of the manifest, other weights for it.
        device: auto, cpu, cuda, cuda:1, mps. precision: auto, float32, bfloat16, float16. tile: auto, none, or pixels.
        dng: for RAW: not to be developed but saved as a DNG, with its mosaic (cfa) or without (linear).
    Raises:
        UsageError, DeviceError, WeightsError: what was asked for is not possible; the message says what is.
    """
    from photofix import pipeline
    from photofix.job import Settings

    settings = Settings(
        model=model,
        weights=Path(weights) if weights else None,
        device=device,
        precision=precision,
        tile=tile,
        strength=strength,
        keep_grain=keep_grain,
        iso=iso,
        noise=noise,
        heal=heal,
        dng=dng,
    )
    return pipeline.restore_any(image, settings, sigma)


def deblur(
    image: Photo | RawPhoto | np.ndarray,
    *,
    psf: str | np.ndarray | None = None,
    method: Literal["plug-and-play", "wiener", "richardson-lucy"] = "plug-and-play",
    mode: Literal["auto", "motion", "defocus"] = "auto",
    sigma: float | Literal["auto"] = "auto",
    strength: float = 1.0,
    model: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | Literal["auto", "none"] = "auto",
) -> Photo | np.ndarray:
    """The image without its blur: a Photo for a Photo or RawPhoto, an array of the same shape and dtype for an array.

    Args:
        image: as for denoise; a RawPhoto is denoised and developed first.
        psf: the blur, the same everywhere, where it is known: in the words of --psf ("motion:20,30", "disk:3.5", a
            file), or as an array (h, w) of numbers that are not negative: how a point of light at (h // 2, w // 2) is
            spread. "auto": it is found first.
        method: how a known blur is undone. Without psf a network finds the blur.
        mode: what blurred the picture, where it is not known but can be told.
        sigma, strength, model, weights, device, precision, tile: as for denoise; sigma is one number.
    Raises:
        UsageError, DeviceError, WeightsError: what was asked for is not possible; the message says what is.
    """
    from photofix import pipeline
    from photofix import psf as kernels
    from photofix.errors import UsageError
    from photofix.job import KnownBlur, Settings
    from photofix.photo import Negative

    if psf is None and method != "plug-and-play":
        raise UsageError(f"method {method} undoes a blur that is known: give psf")
    known: KnownBlur | None = None
    if isinstance(psf, str) and psf == "auto":
        known = KnownBlur("auto", method)
    elif psf is not None:
        kernel = kernels.parse(psf) if isinstance(psf, str) else kernels.checked(psf)
        known = KnownBlur(kernels.rows(kernel), method)
    settings = Settings(
        task="deblur",
        blur=known,
        mode=mode,
        model=model,
        weights=Path(weights) if weights else None,
        device=device,
        precision=precision,
        tile=tile,
        strength=strength,
    )
    restored = pipeline.restore_any(image, settings, sigma)
    assert not isinstance(restored, Negative)
    return restored


def hdr(
    image: Photo | RawPhoto | np.ndarray | Sequence[Photo | RawPhoto],
    *,
    evs: Sequence[float] | None = None,
    reference: int | None = None,
    strength: float = 1.0,
    lift: bool = True,
    smooth: bool = True,
    model: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Photo | np.ndarray:
    """The light of a scene, linear float32 with white at 1 and what is brighter above it.

    Args:
        image: one photo, whose clipped parts a network lifts, or an array as for denoise (alpha is not taken); or the
            2 to 9 frames of a bracket, which are merged.
        evs: of a bracket, how much more light each frame got, in EV; None for what EXIF says, else what they show.
        reference: of a bracket, the number of the frame to keep to where things move, from 0.
        strength: the share of what the network says that is done. lift: whether it is asked at all. smooth: whether the
            steps of 8 bits in flat areas of one photo are smoothed, by half a step at most.
        model, weights, device, precision: as for denoise.
    Returns:
        a Photo for photos, an array (H, W) or (H, W, 3) for an array.
    Raises:
        BurstError: the frames are no bracket. UsageError, DeviceError, WeightsError: as for denoise.
    """
    from photofix import pipeline
    from photofix.job import Light, Settings

    settings = Settings(
        task="hdr",
        light=Light(lifted=lift, smooth=smooth),
        model=model,
        weights=Path(weights) if weights else None,
        device=device,
        precision=precision,
        strength=strength,
    )
    return pipeline.light_of(image, settings, evs, reference)


def low_light(
    image: Photo | RawPhoto | np.ndarray,
    *,
    exposure: float | Literal["auto"] = "auto",
    method: Literal["network", "gamma", "clahe"] = "network",
    strength: float = 1.0,
    iso: int | Literal["auto"] = "auto",
    noise: tuple[float, float] | None = None,
    model: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | Literal["auto", "none"] = "auto",
    dng: Literal["cfa", "linear"] | None = None,
) -> Photo | Negative | np.ndarray:
    """The dark image made bright: a Photo for a Photo or RawPhoto, an array of the same shape and dtype for an array.

    Args:
        image: as for denoise; a RawPhoto is denoised and developed first.
        exposure: stops by which it is brightened; "auto" judges how many it lacks.
        method: the embedded networks; or, to compare with, each value to the power of 0.4, or CLAHE.
        strength: 0 returns the input, 1 the bright image, between them a blend.
        iso, noise, model, weights, device, precision, tile: as for denoise.
        dng: for RAW: not to be developed but saved as a DNG, denoised, its exposure said and not applied.
    Raises:
        UsageError, DeviceError, WeightsError: what was asked for is not possible; the message says what is.
    """
    from photofix import pipeline
    from photofix.job import Lift, Settings

    settings = Settings(
        task="low-light",
        lift=Lift(exposure, method),
        model=model,
        weights=Path(weights) if weights else None,
        device=device,
        precision=precision,
        tile=tile,
        strength=strength,
        iso=iso,
        noise=noise,
        dng=dng,
    )
    return pipeline.restore_any(image, settings, "auto")


def colorize(
    image: Photo | np.ndarray,
    *,
    hints: str | Path | Sequence[tuple[float, float, str]] | None = None,
    palette: str | Path | None = None,
    saturation: float = 1.0,
    temperature: float | None = None,
    take: int = 1,
    recolor: bool = False,
    model: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Photo | np.ndarray:
    """The black-and-white image in color: a Photo for a Photo; for an array (H, W), (H, W, 3) or (H, W, 4) one of the
    same dtype with three channels, or four where the fourth, alpha, was there.

    Args:
        image: as for denoise; three channels may be toned, as sepia is. The output has the same CIE lightness.
        hints: known colors: points (x, y, "#rrggbb") in pixels, or a file of them or of strokes, as --hints takes.
        palette: a photo whose colors are wanted. saturation: what chroma is multiplied with.
        temperature: 0 for the likeliest color, 1 for the mean of all; None for the network's own.
        take: which of the plausible colorings, from 1, the most likely one.
        recolor: an image in color loses its color first; else it is refused.
        model, weights, device, precision: as for denoise.
    Raises:
        PhotofixError: the image is in color. UsageError, DeviceError, WeightsError: what was asked for is not possible.
    """
    from photofix import hints as files
    from photofix import pipeline
    from photofix.job import Settings
    from photofix.photo import Negative
    from photofix.tasks.colorize import Hints, Wishes

    if isinstance(hints, str | Path):
        known = files.parse(Path(hints))
    else:
        known = Hints(tuple(files.point(given, f"hint {number}:") for number, given in enumerate(hints or (), 1)))
    wishes = Wishes(
        hints=None if hints is None else known,
        palette=files.palette(Path(palette)) if palette else None,
        saturation=saturation,
        temperature=temperature,
        take=take,
        recolor=recolor,
    )
    own = Path(weights) if weights else None
    settings = Settings(task="colorize", wishes=wishes, model=model, weights=own, device=device, precision=precision)
    painted = pipeline.restore_any(image, settings, "auto")
    assert not isinstance(painted, Negative)
    return painted


def relight(
    image: Photo | RawPhoto | np.ndarray,
    *,
    light: str | Sequence[str] | None = None,
    env: str | Path | np.ndarray | None = None,
    rotate: float = 0.0,
    match: str | Path | Photo | None = None,
    ambient: float = 0.1,
    soft: float = 0.3,
    mask: np.ndarray | None = None,
    strength: float = 1.0,
    model: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Photo | np.ndarray:
    """The image in another light: a Photo for a Photo or RawPhoto, an array of the same shape and dtype for an array.

    Args:
        image: as for denoise; a RawPhoto is denoised and developed first.
        light: a lamp or several, in the words of --light ("left", "45,30,#ffd9b0,1.5"). env: an equirectangular
            panorama, as a file or as linear light (H, W, 3), turned to the right by `rotate` degrees. match: a photo
            whose light is wanted. One of the three.
        ambient: the share of even light beside lamps. soft: how large they are, from 0, a point, to 1, half of the sky.
        mask: (H, W) of bool, uint8, uint16 or float32 in the image's size: what is relit; None: all of it.
        strength: 0 returns the input, 1 the new light, between them both lights at once.
        model, weights, device, precision: as for denoise.
    Raises:
        UsageError, DeviceError, WeightsError: what was asked for is not possible; the message says what is.
    """
    from photofix import lamps, pipeline
    from photofix.job import Relight, Settings
    from photofix.photo import Negative

    wish = lamps.wish(lamps.Words(light, env, rotate, match, ambient, soft, mask))
    own = Path(weights) if weights else None
    asked = Relight(wish)
    settings = Settings(
        task="relight", relight=asked, model=model, weights=own, device=device, precision=precision, strength=strength
    )
    finished = pipeline.restore_any(image, settings, "auto")
    assert not isinstance(finished, Negative)
    return finished

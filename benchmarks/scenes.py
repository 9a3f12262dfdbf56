"""Pictures of any size for measuring speed and memory: one photo, continued by its mirror images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from photofix.photo import Photo
from photofix.write import SaveOptions, write
from pictures import lossless


def truth(megapixels: float) -> np.ndarray:
    """(H, W, 3) uint8 in the proportion 2 : 3, sides even, of at most that many megapixels."""
    photo = lossless("cbsd68", 1)[0]
    height = int((megapixels * 1e6 / 1.5) ** 0.5) // 2 * 2
    width = int(height * 1.5) // 2 * 2
    pair = np.concatenate([photo, photo[:, ::-1]], axis=1)
    four = np.concatenate([pair, pair[::-1]])
    return np.tile(four, (-(-height // four.shape[0]), -(-width // four.shape[1]), 1))[:height, :width]


def noisy(megapixels: float, sigma: float) -> np.ndarray:
    """The same with white noise of that level in 8-bit units, uint8."""
    rng, picture = np.random.default_rng(0), truth(megapixels)
    for row in picture:  # one at a time: noise for all of a large picture would take gigabytes
        row[:] = np.rint(row + rng.normal(0, sigma, row.shape)).clip(0, 255)
    return picture


def make(file: Path, megapixels: float, sigma: float) -> None:
    """Save such a picture as the file's name says; a TIFF has 16 bits, a DNG a mosaic of 12."""
    picture = noisy(megapixels, sigma)
    if file.suffix == ".dng":
        _save_dng(picture, file)
    elif file.suffix == ".tif":
        write(Photo(picture.astype(np.uint16) * 257), file)
    else:
        save(picture, file)


def save(picture: np.ndarray, file: Path) -> None:
    """Save an (H, W, 3) uint8 picture, at quality 95 if the format asks for one."""
    write(Photo(picture), file, SaveOptions(quality=95) if file.suffix == ".jpg" else SaveOptions())


def _save_dng(picture: np.ndarray, file: Path) -> None:
    """The smallest DNG that LibRaw develops: an RGGB mosaic with its levels, color matrix and white balance."""
    mosaic = picture[:, :, 1].astype(np.uint16)
    mosaic[::2, ::2], mosaic[1::2, 1::2] = picture[::2, ::2, 0], picture[1::2, 1::2, 2]
    matrix = (6596, -2079, -562, -4782, 13016, 1933, -970, 1581, 5181)
    tags = [
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, bytes((0, 1, 1, 2)), True),  # CFAPattern
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50708, "s", 0, "Photofix Benchmark", True),  # UniqueCameraModel
        (50714, "H", 1, 256, True),  # BlackLevel
        (50717, "I", 1, 4095, True),  # WhiteLevel
        (50721, "2i", 9, tuple(part for value in matrix for part in (value, 10000)), True),  # ColorMatrix1
        (50728, "2I", 3, (1, 2, 1, 1, 13, 20), True),  # AsShotNeutral
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1: D65
    ]
    tifffile.imwrite(file, 256 + mosaic * 12, photometric="CFA", metadata=None, extratags=tags)

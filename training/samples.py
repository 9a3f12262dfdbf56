"""Write the repository's sample files: a simulated camera's RAW file and JPEG of clean photographs.

    python training/samples.py PHOTOS_FOLDER samples

The camera stands at ISO 6400: the photograph is taken back to linear camera colors, sampled through a Bayer mosaic,
given shot and read noise, rounded to 12 bits and written as a DNG. The JPEG is such a DNG of another scene, developed.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pidng.core import RAW2DNG, DNGTags, Tag
from PIL import ExifTags, Image

import degrade
from degrade import Camera
from photofix.development import develop
from photofix.metadata import add_exif_to_tiff
from photofix.noise import profile_for_iso
from photofix.photo import RawPhoto
from photofix.raw import read_raw
from photofix.tasks.low_light import camera_curve

ISO = 6400
BLACK, WHITE = 256, 4095
WIDTH, HEIGHT = 768, 512


@dataclass(frozen=True)
class Scene:
    """A photograph of the training set (CC0 or public domain) and what the sample says of it."""

    photo: str
    title: str
    exposure_time: float
    seed: int


KITTEN = Scene("scenes-1/budgie_backgrounds_0376.jpg", "Kitten on a lawn", 1 / 500, 1)
SKYLINE = Scene("scenes-0/budgie_backgrounds_0213.jpg", "Singapore at dusk", 1 / 60, 2)


def write_samples(photos: Path, folder: Path) -> None:
    """noisy.dng and noisy.jpg in the folder; the same bytes every time."""
    folder.mkdir(exist_ok=True)
    (folder / "noisy.dng").write_bytes(simulated_dng(photos, KITTEN))
    raw = read_raw(simulated_dng(photos, SKYLINE), "skyline")
    assert isinstance(raw, RawPhoto)
    developed = Image.fromarray((develop(raw, raw.mosaic).pixels >> 8).astype(np.uint8))
    developed.save(folder / "noisy.jpg", quality=92, subsampling="4:2:0", exif=_exif(SKYLINE))


def simulated_dng(photos: Path, scene: Scene) -> bytes:
    """The scene through the simulated camera, as a DNG with calibration, noise profile and EXIF."""
    rng = np.random.default_rng(scene.seed)
    camera = _camera()
    signal = degrade.sense(degrade.mosaic(degrade.to_camera(_clean(photos / scene.photo), camera)), camera, rng)
    mosaic = np.clip(np.rint(BLACK + signal * (WHITE - BLACK)), 0, WHITE).astype(np.uint16)
    writer = RAW2DNG()
    writer.options(_tags(camera), path="")
    stream = io.BytesIO(writer.convert(mosaic))
    add_exif_to_tiff(stream, _exif(scene).removeprefix(b"Exif\0\0"))
    return stream.getvalue()


def _camera() -> Camera:
    drawn = degrade.draw_camera(np.random.default_rng(0), (1e-3, 1e-2))
    shot, read = profile_for_iso(ISO)
    return Camera(drawn.rgb_to_camera, red_gain=2.1, blue_gain=1.6, exposure=1.0, shot=shot, read=read)


def _clean(path: Path) -> np.ndarray:
    """The middle of a photograph, float32 sRGB, with the tone curve that to_camera takes off again."""
    photo = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    top, left = (photo.shape[0] - HEIGHT) // 2, (photo.shape[1] - WIDTH) // 2
    photo = photo[top : top + HEIGHT, left : left + WIDTH]
    return camera_curve(photo)


def _tags(camera: Camera) -> DNGTags:
    neutral = np.array([1 / camera.red_gain, 1, 1 / camera.blue_gain])
    color_matrix = neutral[:, None] * camera.rgb_to_camera @ np.linalg.inv(degrade.RGB_TO_XYZ)
    tags = DNGTags()
    tags.set(Tag.ImageWidth, WIDTH)
    tags.set(Tag.ImageLength, HEIGHT)
    tags.set(Tag.TileWidth, WIDTH)
    tags.set(Tag.TileLength, HEIGHT)
    tags.set(Tag.BitsPerSample, 12)
    tags.set(Tag.SamplesPerPixel, 1)
    tags.set(Tag.PhotometricInterpretation, 32803)  # color filter array
    tags.set(Tag.CFARepeatPatternDim, [2, 2])
    tags.set(Tag.CFAPattern, [0, 1, 1, 2])
    tags.set(Tag.BlackLevel, BLACK)
    tags.set(Tag.WhiteLevel, WHITE)
    tags.set(Tag.ColorMatrix1, [[round(value * 10000), 10000] for value in color_matrix.ravel()])
    tags.set(Tag.CalibrationIlluminant1, 21)  # D65
    tags.set(Tag.AsShotNeutral, [[round(value * 10000), 10000] for value in neutral])
    tags.set(Tag.NoiseProfile, [camera.shot, camera.read])
    tags.set(Tag.UniqueCameraModel, "Photofix Simulated Camera")
    return tags


def _exif(scene: Scene) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = scene.title
    exif[ExifTags.Base.Make] = "Photofix"
    exif[ExifTags.Base.Model] = "Simulated Camera"
    exif[ExifTags.Base.DateTime] = "2026:01:01 12:00:00"
    exif[ExifTags.Base.Orientation] = 1
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExposureTime] = scene.exposure_time
    details[ExifTags.Base.FNumber] = 4.0
    details[ExifTags.Base.ISOSpeedRatings] = ISO
    details[ExifTags.Base.DateTimeOriginal] = "2026:01:01 12:00:00"
    details[ExifTags.Base.FocalLength] = 50.0
    details[ExifTags.Base.LensModel] = "Simulated 50 mm"
    return exif.tobytes()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of training photographs")
    parser.add_argument("folder", type=Path, help="where to write")
    arguments = parser.parse_args()
    write_samples(arguments.photos, arguments.folder)

"""Noise as it comes about: white and Gaussian, or made by a sensor and carried through a camera's own development.

Everything is drawn per patch from a numpy generator and works on float32 (H, W, 3) pictures, sRGB-encoded in [0, 1].
The camera follows "Unprocessing Images for Learned Raw Denoising" (Brooks et al., CVPR 2019): invert the development,
add shot and read noise, develop again; here the second development also sharpens, reduces noise and writes a JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from photofix.color import LUMINANCE
from photofix.noise import stabilise
from photofix.tasks.low_light import camera_curve

#: XYZ to camera matrices of four cameras with unlike dyes (Brooks et al. 2019 use these four); only mixtures are used.
_XYZ_TO_CAMERA = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
    ]
)
#: Linear sRGB to XYZ (IEC 61966-2-1).
RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


@dataclass(frozen=True)
class Camera:
    """One imagined camera and exposure: how the scene reaches the mosaic, and how noisy it is there."""

    rgb_to_camera: np.ndarray
    red_gain: float
    blue_gain: float
    exposure: float
    shot: float
    read: float


def draw_camera(rng: np.random.Generator, shot_range: tuple[float, float], exposure: float = 1.0) -> Camera:
    """A camera with shot noise in the range (variance = shot * signal + read, white = 1)."""
    mixture = rng.dirichlet(np.ones(len(_XYZ_TO_CAMERA)))
    matrix = np.tensordot(mixture, _XYZ_TO_CAMERA, 1) @ RGB_TO_XYZ
    shot = float(np.exp(rng.uniform(*np.log(shot_range))))
    # Read variance grows almost with the square of the gain (Brooks et al. fit 2.18 log shot + 1.2 to real phones);
    # wider here, since large sensors read with less noise.
    read = float(np.exp(2.18 * np.log(shot) + rng.normal(0.9, 1.2)))
    return Camera(
        (matrix / matrix.sum(1, keepdims=True)).astype(np.float32),
        rng.uniform(1.4, 2.6),
        rng.uniform(1.3, 2.4),
        exposure,
        shot,
        read,
    )


def to_camera(photo: np.ndarray, camera: Camera) -> np.ndarray:
    """Linear camera colors (H, W, 3) of a photo: tone curve, gamma, color matrix and white balance inverted."""
    linear = srgb_to_linear(inverse_smoothstep(photo)) @ camera.rgb_to_camera.T
    gains = np.array([1 / camera.red_gain, 1, 1 / camera.blue_gain], dtype=np.float32)
    # Highlights keep their value in every channel, so that clipped white is white before the balance too.
    weight = np.clip((photo.mean(2, keepdims=True) - 0.9) / 0.1, 0, 1) ** 2
    return np.clip(linear * np.maximum(gains, weight) * camera.exposure, 0, 1)


def mosaic(linear: np.ndarray) -> np.ndarray:
    """The RGGB mosaic (H, W) of linear camera colors (H, W, 3)."""
    out = linear[:, :, 1].copy()
    out[::2, ::2], out[1::2, 1::2] = linear[::2, ::2, 0], linear[1::2, 1::2, 2]
    return out


def sense(signal: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Signal with shot (Poisson) and read (Gaussian) noise, clipped at white; may be negative."""
    shot = rng.poisson(np.maximum(signal, 0) / camera.shot) * camera.shot
    return np.minimum(shot + rng.normal(0, np.sqrt(camera.read), signal.shape), 1).astype(np.float32)


def pattern_noise(camera: Camera, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Row and column offsets of the readout, noticeable only at high gain; (H, W) of a mosaic."""
    strength = np.sqrt(camera.read) * min(1.0, camera.shot / 0.01) * rng.uniform(0, 0.3)
    rows, columns = rng.normal(0, strength, (shape[0], 1)), rng.normal(0, strength / 2, (1, shape[1]))
    return (rows + columns).astype(np.float32)


def pack(plane: np.ndarray) -> np.ndarray:
    """An (H, W) RGGB mosaic as four planes (4, H / 2, W / 2): R, G beside R, G beside B, B."""
    return np.stack([plane[::2, ::2], plane[::2, 1::2], plane[1::2, ::2], plane[1::2, 1::2]])


def raw_pair(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stabilised noisy and clean packed planes (4, h, w) and the noise level plane (1, h, w), for the raw network."""
    if rng.random() < 0.4:
        photo = soften(photo, rng)
    camera = draw_camera(rng, (1e-5, 4e-2), exposure=float(np.exp(rng.uniform(np.log(0.1), 0))))
    clean = mosaic(to_camera(photo, camera))
    noisy = sense(clean, camera, rng)
    if rng.random() < 0.3:
        noisy = np.minimum(noisy + pattern_noise(camera, clean.shape, rng), 1)
    # The profile that a user's file carries is never exact.
    shot, read = camera.shot * np.exp(rng.normal(0, 0.05)), camera.read * np.exp(rng.normal(0, 0.1))
    planes, level = stabilise(pack(noisy), shot, read)
    target, _ = stabilise(pack(clean), shot, read)
    return planes, target, np.full((1, *planes.shape[1:]), level, np.float32)


def camera_pair(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A noisy photo out of a camera, and the same without noise and compression."""
    side = photo.shape[0]
    if rng.random() < 0.5:
        photo = dim(photo, rng)
    # Digital zoom makes the grain itself wide, now and then; a lens makes the scene soft and leaves the grain fine.
    zoomed = rng.random() < 0.15
    if zoomed:
        photo = _part(photo, int(side / rng.uniform(1.2, 2.4)) // 2 * 2, rng)
    elif rng.random() < 0.8:
        photo = soften(photo, rng)
    camera = draw_camera(rng, (2e-5, 1.2e-2))
    colors = to_camera(photo, camera)
    clean = mosaic(colors)
    noisy = sense(clean, camera, rng)
    demosaic = rng.choice([cv2.COLOR_BayerRGGB2BGR, cv2.COLOR_BayerRGGB2BGR_EA])
    look = _draw_look(rng)
    quiet, loud = (look.develop(_demosaic(plane, demosaic), camera) for plane in (clean, noisy))
    # The truth has not been through the mosaic: photos this sharp come out of one with colored specks, which a lens
    # and an optical filter spare a camera, and which would teach that specks belong to the picture.
    target = look.develop(colors, camera)
    observed = target + look.reduce_noise(loud - quiet, target)
    target, observed = (look.sharpen(picture) for picture in (target, observed))
    if zoomed:
        target, observed = (_resize(picture, side) for picture in (target, observed))
    elif rng.random() < 0.2:
        target, observed = (_resize(picture, side // 2) for picture in (target, observed))
    return compress(np.clip(observed, 0, 1), rng), np.clip(target, 0, 1)


def grain_pair(photo: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A photo with noise of any grain, as it comes out of cameras unlike those of camera_pair, and the same without.

    Every camera has a noise reduction of its own; no two leave the same spectrum. An estimator that has seen one kind
    reads the noise's strength from the octave that is easiest to read, and misses all other kinds.
    """
    if rng.random() < 0.5:
        photo = dim(photo, rng)
    if rng.random() < 0.7:
        photo = soften(photo, rng)
    look = _any_look(rng)
    color = np.float32(np.exp(rng.uniform(np.log(0.03), 0)))
    noise: np.ndarray = rng.normal(0, 1, photo.shape).astype(np.float32)
    luminance = (noise @ LUMINANCE)[:, :, None]
    noise = luminance + color * (noise - luminance)
    # Brighter places may have more noise or less: the sensor gives them more, gamma and tone curve take most of it.
    curve = np.exp(rng.normal(0, 0.35, 4))
    noise *= np.interp(photo @ LUMINANCE, np.linspace(0, 1, 4), curve).astype(np.float32)[:, :, None]
    noise = look.sharpen(look.reduce_noise(noise, photo))
    noise *= np.float32((0.5 + 45 * rng.random() ** 2.5) / 255 / coarse_deviation(noise))
    clean = look.sharpen(photo)
    return compress(np.clip(clean + noise, 0, 1), rng), np.clip(clean, 0, 1)


def stranger_pair(photo: np.ndarray, rng: np.random.Generator, frames: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A photo out of a camera that is for measuring only, and the mean of many, as photos of a tripod give it.

    Its noise reduction is none of those that are trained on: a bilateral filter (Tomasi and Manduchi 1998) or non-local
    means (Buades et al. 2005) of the developed picture, and a median over its color. What is left depends on the scene.
    """
    photo = soften(dim(photo, rng) if rng.random() < 0.5 else photo, rng)
    camera = draw_camera(rng, (2e-4, 6e-3))
    signal = mosaic(to_camera(photo, camera))
    look = replace(_draw_look(rng), sharpening=rng.uniform(0, 0.8))
    patchwise, strength, seed = rng.random() < 0.5, rng.uniform(0.5, 1.5), int(rng.integers(2**31))
    developed = [
        look.develop(_demosaic(sense(signal, camera, rng), cv2.COLOR_BayerRGGB2BGR_EA), camera) for _ in range(frames)
    ]
    strength *= float(np.std(developed[0] - developed[1])) / 2**0.5
    quiet = [look.sharpen(_quieted(picture, strength, patchwise)) for picture in developed]
    # All JPEGs are of the same quality.
    files = [compress(np.clip(picture, 0, 1), np.random.default_rng(seed)) for picture in quiet]
    return files[0], np.asarray(np.mean(files, axis=0, dtype=np.float32))


def _quieted(picture: np.ndarray, strength: float, patchwise: bool) -> np.ndarray:
    """strength: the deviation, with white at 1, up to which differences are taken for noise."""
    if patchwise:
        levels = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
        levels = cv2.fastNlMeansDenoisingColored(levels, None, 255 * strength, 510 * strength, 3, 11)
        quiet = levels.astype(np.float32) / 255
    else:
        quiet = cv2.bilateralFilter(picture, 7, 2 * strength, 2)
    luminance, rest = (quiet @ LUMINANCE)[:, :, None], quiet - (quiet @ LUMINANCE)[:, :, None]
    return luminance + cv2.medianBlur(rest, 5)


def coarse_deviation(noise: np.ndarray) -> float:
    """The sigma of white noise that is as strong as (H, W, 3) noise is at four pixels."""
    means = cv2.resize(noise, (noise.shape[1] // 4, noise.shape[0] // 4), interpolation=cv2.INTER_AREA)
    return 4 * float(np.sqrt(np.mean(np.square(means))))


def dim(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photo as dull and dark as it is where cameras are noisy: indoors, on gray days, in the evening."""
    flat = photo.mean(axis=(0, 1)) + rng.uniform(0.3, 1) * (photo - photo.mean(axis=(0, 1)))
    return (flat * np.float32(rng.uniform(0.3, 1))).astype(np.float32)


def soften(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of a photo as large as the whole: as soft, pixel by pixel, as a lens leaves it on a full-size sensor."""
    side = photo.shape[0]
    soft = _resize(_part(photo, int(side / np.exp(rng.uniform(np.log(1.1), np.log(5)))), rng), side)
    return _blur(soft, rng.uniform(0.3, 1.2)) if rng.random() < 0.3 else soft


@dataclass(frozen=True)
class Quieting:
    """Noise reduction as cameras do it, octave by octave: the finest noise is quieted most.

    What is left is coarse: grain some pixels wide, blotches of color many pixels wide.
    """

    kept: float  # part of the finest octave that is left; 1 leaves all
    octaves: float  # how many octaves are quieted, each less than the one before

    def of(self, noise: np.ndarray) -> np.ndarray:
        if self.kept == 1:
            return noise
        left, finer = np.zeros_like(noise), noise
        for octave in range(int(np.ceil(self.octaves))):
            coarser = _blur(noise, 0.6 * 2**octave).reshape(noise.shape)
            left += np.float32(self.kept ** (1 - octave / self.octaves)) * (finer - coarser)
            finer = coarser
        return left + finer


@dataclass(frozen=True)
class _Look:
    """How a camera finishes a picture."""

    tone: float  # 0 = plain sRGB, 1 = full S-curve
    luminance: Quieting  # the camera's own noise reduction
    chroma: Quieting
    near_edges: float  # part of that reduction which edges are spared
    sharpening: float

    def develop(self, linear: np.ndarray, camera: Camera) -> np.ndarray:
        balanced = linear * np.array([camera.red_gain, 1, camera.blue_gain], np.float32) / camera.exposure
        rgb = np.clip(balanced, 0, 1) @ np.linalg.inv(camera.rgb_to_camera).T.astype(np.float32)
        encoded = linear_to_srgb(np.clip(rgb, 0, 1))
        return encoded + self.tone * (camera_curve(encoded) - encoded)

    def reduce_noise(self, noise: np.ndarray, scene: np.ndarray) -> np.ndarray:
        luminance = (noise @ LUMINANCE)[:, :, None]
        left = self.luminance.of(luminance) + self.chroma.of(noise - luminance)
        edges = np.clip(8 * cv2.morphologyEx(_blur(scene @ LUMINANCE, 1), cv2.MORPH_GRADIENT, np.ones((3, 3))), 0, 1)
        return left + np.float32(self.near_edges) * edges[:, :, None] * (noise - left)

    def sharpen(self, picture: np.ndarray) -> np.ndarray:
        return picture if not self.sharpening else picture + self.sharpening * (picture - _blur(picture, 1.0))


def _draw_look(rng: np.random.Generator) -> _Look:
    quieted = rng.random() < 0.7
    luminance = Quieting(float(np.exp(rng.uniform(np.log(0.15), 0))), rng.uniform(1, 5))
    chroma = Quieting(
        luminance.kept * float(np.exp(rng.uniform(np.log(0.1), 0))), luminance.octaves + rng.uniform(0, 2)
    )
    return _Look(
        tone=rng.uniform(0.3, 1),
        luminance=luminance if quieted else Quieting(1, 1),
        chroma=chroma if quieted else Quieting(1, 1),
        near_edges=rng.uniform(0, 1) if quieted and rng.random() < 0.5 else 0.0,
        sharpening=rng.uniform(0.2, 1.2) if rng.random() < 0.5 else 0.0,
    )


def _any_look(rng: np.random.Generator) -> _Look:
    """Noise reduction of any strength and reach, in most cameras one that spares edges and texture."""
    luminance, chroma = (
        Quieting(float(np.exp(rng.uniform(np.log(0.01), 0))), octaves=rng.uniform(1.5, 6)) for _ in range(2)
    )
    return _Look(
        tone=0.0,
        luminance=luminance if rng.random() < 0.85 else Quieting(1, 1),
        chroma=chroma,
        near_edges=rng.uniform(0, 1) if rng.random() < 0.7 else 0.0,
        sharpening=rng.uniform(0.1, 1.0) if rng.random() < 0.5 else 0.0,
    )


def _part(photo: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    top, left = rng.integers(0, photo.shape[0] - side + 1, 2)
    return photo[top : top + side, left : left + side]


def _resize(picture: np.ndarray, side: int) -> np.ndarray:
    method = cv2.INTER_CUBIC if side > picture.shape[0] else cv2.INTER_AREA
    return np.clip(cv2.resize(picture, (side, side), interpolation=method), 0, 1)


def _demosaic(plane: np.ndarray, method: int) -> np.ndarray:
    # OpenCV demosaics integers: a pedestal keeps what lies below black.
    levels = np.clip((plane * 0.9 + 0.08) * 65535 + 0.5, 0, 65535).astype(np.uint16)
    return (cv2.cvtColor(levels, method)[:, :, ::-1].astype(np.float32) / 65535 - 0.08) / 0.9


def compress(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    levels = (picture[:, :, ::-1] * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.15:
        return levels[:, :, ::-1].astype(np.float32) / 255
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if rng.random() < 0.5 else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    settings = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 100)), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", levels, settings)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "OpenCV cannot read what it wrote"
    return decoded[:, :, ::-1].astype(np.float32) / 255


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1; 0.5 -> 0.2140."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1; 0.2140 -> 0.5."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-8) ** (1 / 2.4) - 0.055).astype(
        np.float32
    )


def inverse_smoothstep(encoded: np.ndarray) -> np.ndarray:
    """The picture before the tone curve 3 x^2 - 2 x^3 (Brooks et al. 2019, equation 4); 0.5 -> 0.5."""
    return 0.5 - np.sin(np.arcsin(1 - 2 * np.clip(encoded, 0, 1)) / 3)

"""One photo: read -> task -> write. Start reading here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from photofix import burst, checkpoint, device, model, negative, noise, raw, sensor, weights, zoo
from photofix.burst import FrameNoise, Method
from photofix.device import Place
from photofix.errors import UsageError
from photofix.frames import Burst
from photofix.model import Model, Tile
from photofix.mosaic import part_of_planes, places, to_planes
from photofix.networks.level import CELL
from photofix.noise import SigmaAt
from photofix.photo import Negative, Photo, RawPhoto
from photofix.tasks import deblur, denoise
from photofix.tiles import Part, Progress, count

Auto = Literal["auto"]
Task = Literal["denoise", "deblur"]
Shown = TypeVar("Shown", Photo, Negative, Photo | Negative)


@dataclass(frozen=True)
class Roi:
    """A part of the upright picture, in pixels from its top left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class KnownBlur:
    """A blur that is known, and how it is undone.

    psf: the rows of the kernel, as photofix.psf makes it.
    """

    psf: tuple[tuple[float, ...], ...]
    method: deblur.Method = "plug-and-play"


@dataclass(frozen=True)
class Settings:
    """What to do with a photo; the same for all photos of a run.

    sigma: noise level in 8-bit units, 0-100, or auto. noise: (shot, read) of a RAW file, with black 0 and white 1;
    iso: sensitivity that they are taken from, or auto (the file's own noise profile, else an estimate). heal: whether
    stuck photosites, stripes and drifting black of a sensor are corrected. keep_grain: share of the luminance noise
    that stays. exposure: EV by which a RAW file is developed brighter. dng: a RAW file is not developed: its mosaic, or
    linear, its demosaiced colors, go into a DNG.
    method: how the frames of a burst become one photo. Noise levels are those of one frame. blur: what deblurring is to
    undo, where it is known.
    """

    task: Task = "denoise"
    model: str | None = None
    weights: Path | None = None
    manifest: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: Tile = "auto"
    strength: float = 1.0
    sigma: float | Auto = "auto"
    iso: int | Auto = "auto"
    noise: tuple[float, float] | None = None
    heal: bool = True
    keep_grain: float = 0.0
    exposure: float = 0.0
    roi: Roi | None = None
    offline: bool = False
    dng: Literal["cfa", "linear"] | None = None
    method: Method = "network"
    blur: KnownBlur | None = None


@dataclass(frozen=True)
class Restored:
    """A finished photo, or the negative that was asked for, and what was done: model, device, noise level, tiles,
    seconds."""

    photo: Photo | Negative
    facts: dict[str, object] = field(default_factory=dict)


_WHICH_BLUR = """deblurring needs to know the blur, or a network that finds it. Give, with nothing to download,
  --psf motion:20,30   a move of 20 pixels at 30 degrees; also disk:R, gauss:S, X,Y;X,Y;..., or a kernel's picture
or a published network, which is fetched
  --model nafnet-gopro-32   for motion blur; photofix models list --task deblur shows them all"""


class Models:
    """The models of one run: each is loaded when the first photo needs it, and then kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.place = device.choose(settings.device, settings.precision)
        self._entries = weights.manifest(settings.manifest)
        self._loaded: dict[str, Model] = {}
        self._lock = threading.Lock()

    def entry_for(self, task: str, is_raw: bool) -> weights.Entry:
        """The network that the settings name, or the task's own for this kind of photo."""
        name = self.settings.model
        entry = weights.find(name, self._entries) if name else weights.default_for(task, is_raw, self._entries)
        if entry.task != task:
            raise UsageError(
                f"model '{entry.name}' is for {entry.task}, not {task}: see photofix models list --task {task}"
            )
        return entry

    def get(self, task: str, is_raw: bool = False) -> Model:
        """The model for a task and kind of photo, with the user's weights where given.

        Where the user names no model, own weights go into the network that they fit: the task's own for this kind of
        photo, that for finished pictures, or one that spandrel recognises.
        """
        own = self.settings.weights
        if not own or self.settings.model:
            return self._load(self.entry_for(task, is_raw), own)
        with self._lock:
            key = f"{task}, raw" if is_raw else task
            if key not in self._loaded:
                self._loaded[key] = self._recognised(task, is_raw, own)
            return self._loaded[key]

    def helper(self, task: str, is_raw: bool = False) -> Model:
        """A model that another task needs beside its own."""
        return self._load(weights.default_for(task, is_raw, self._entries), None)

    def called_for(self, is_raw: bool) -> tuple[str, bool]:
        """Which network the settings' task runs first on such a photo: its task, and whether it is one for RAW.

        Raises:
            UsageError: of the psf and the network that deblurring needs, one is missing or does not go with the other.
        """
        if self.settings.task == "denoise":
            return "denoise", is_raw
        name, known = self.settings.model, self.settings.blur
        if known and known.method != "plug-and-play" and name:
            raise UsageError(f"--method {known.method} needs no network: leave --model out")
        if name is None:
            if not (known or self.settings.weights or "deblur" in self._entries):
                raise UsageError(_WHICH_BLUR)
            return "denoise" if known else "deblur", False
        entry = weights.find(name, self._entries)
        if known and entry.task == "denoise" and "sigma" not in entry.takes.conditions:
            raise UsageError(
                f"model '{name}' cannot be told how much to denoise, as a known blur needs: choose another"
            )
        if entry.task != "denoise" and ("psf" in entry.takes.conditions) != bool(known):
            verb = "finds the blur by itself: leave --psf out" if known else "must be told the blur: give --psf"
            raise UsageError(f"model '{name}' {verb}, or choose another model")
        return "denoise" if known and entry.task == "denoise" else "deblur", False

    def place_for(self, entry: weights.Entry) -> Place:
        """Where it runs; in float32 where half precision would cost its answer too much and nobody asked for it."""
        if "psf" in entry.takes.conditions:
            return device.in_full(self.place, f"the Fourier transforms of {entry.name} know no half precision")
        if entry.half or self.settings.precision != "auto":
            return self.place
        return device.in_full(self.place, f"half precision is too coarse for {entry.name}")

    def _recognised(self, task: str, is_raw: bool, own: Path) -> Model:
        state = checkpoint.read(own)
        for kind in dict.fromkeys((is_raw, False)):
            entry = self.entry_for(task, kind)
            if model.fits(entry, state):
                return model.load(entry, own, self.place_for(entry), self.settings.tile, own=True)
        network, entry = zoo.recognised(state, own, task)
        return model.ready(network, entry, self.place_for(entry), self.settings.tile)

    def _load(self, entry: weights.Entry, own: Path | None) -> Model:
        with self._lock:
            if entry.name not in self._loaded:
                path = own or weights.verified(entry, self.settings.offline)
                place, tile = self.place_for(entry), self.settings.tile
                self._loaded[entry.name] = model.load(entry, path, place, tile, own=path == own)
            return self._loaded[entry.name]


def restore(photo: Photo | RawPhoto | Burst, models: Models, progress: Progress | None = None) -> Restored:
    """Restore one photo, or the one that a burst becomes, as the run's settings say.

    RAW comes back developed, or as a Negative where a DNG is wanted.
    """
    started = time.perf_counter()
    if isinstance(photo, Burst):
        restored = _restore_burst(photo, models, progress)
    else:
        restored = _TASKS[models.settings.task](photo, models, progress)
    result = restored.photo
    height, width = (result.pixels if isinstance(result, Photo) else result.samples).shape[:2]
    facts: dict[str, object] = {"width": width, "height": height}
    return replace(restored, facts=facts | restored.facts | {"seconds": round(time.perf_counter() - started, 3)})


def _denoise(photo: Photo | RawPhoto, models: Models, progress: Progress | None) -> Restored:
    settings = models.settings
    if isinstance(photo, RawPhoto) and models.get("denoise", True).entry.takes.encoding == "stabilised":
        return _restore_raw(photo, models, progress)
    if settings.dng:
        return _restore_linear(photo, models, progress)
    # A network for finished pictures was asked for: develop first.
    shown = _shown(photo, settings) if isinstance(photo, RawPhoto) else _exposed(photo, settings)
    return _restore_picture(cropped(shown, settings.roi), models, progress)


def _deblur(photo: Photo | RawPhoto, models: Models, progress: Progress | None) -> Restored:
    """A finished picture; RAW is denoised as a mosaic and developed first."""
    settings = models.settings
    if isinstance(photo, RawPhoto):
        # Two halves of the work; a mosaic's progress counts packed pixels, one for four of the picture's.
        shown, progress = _restore_raw(photo, models, _part(progress, 2)).photo, _part(progress, 8)
        assert isinstance(shown, Photo)
    else:
        shown = cropped(_exposed(photo, settings), settings.roi)
    notes: list[str] = []
    network = replace(models.get(*models.called_for(False)), note=notes.append)
    if settings.blur is None:
        restored = deblur.blind(shown, network, settings.strength, progress)
        return Restored(_noted(restored, notes), _facts(network, shown.pixels.shape, None))
    _, typical = noise_level(shown, models, progress)
    blur = deblur.Known(np.array(settings.blur.psf, np.float32), max(typical, deblur.LEAST))
    restored = deblur.deblur(shown, blur, solver(network, settings.blur.method), settings.strength, progress)
    facts = _facts(network, shown.pixels.shape, round(typical * 255, 2)) | {"method": settings.blur.method}
    if settings.blur.method != "plug-and-play":
        del facts["model"]
    return Restored(_noted(restored, notes), facts | {"psf": "{1} x {0}".format(*blur.psf.shape)})


def _part(progress: Progress | None, whole: int) -> Progress | None:
    return progress and (lambda pixels: progress(pixels // whole))


def solver(network: Model, method: deblur.Method) -> deblur.Solve:
    """What undoes a known blur: the method, with a denoiser or as a network that was trained for it."""
    if method == "wiener":
        return deblur.wiener
    if method == "richardson-lucy":
        return deblur.richardson_lucy
    if "psf" in network.entry.takes.conditions:
        return lambda frame, sigma, progress: network.deconvolved(frame.planes, frame.known, frame.psf, sigma, progress)
    return deblur.plug_and_play(network)


_TASKS: dict[Task, Callable[[Photo | RawPhoto, Models, Progress | None], Restored]] = {
    "denoise": _denoise,
    "deblur": _deblur,
}


def _restore_linear(photo: Photo | RawPhoto, models: Models, progress: Progress | None) -> Restored:
    """RAW without a Bayer mosaic, as a negative: denoised in the camera's colors, white-balanced for the network."""
    if isinstance(photo, RawPhoto):
        raise UsageError("this model takes finished pictures, not a mosaic: leave --model out, or save a TIFF")
    if photo.data is None:
        raise UsageError("a DNG is made of a RAW file, and this is a finished picture: save it as TIFF or PNG")
    colors, gains = negative.camera_colors(photo)
    unit = gains / np.float32(65535)
    restored = _restore_picture(replace(photo, pixels=colors * unit), models, progress)
    assert isinstance(restored.photo, Photo)
    samples = np.rint(restored.photo.pixels / unit).clip(0, 65535).astype(np.uint16)
    left = None if np.array_equal(samples, colors) else ()
    kind = ("a DNG without a mosaic is written",) if models.settings.dng == "cfa" else ()
    return replace(restored, photo=Negative(photo, samples, noise=left, notes=restored.photo.notes + kind))


def _restore_picture(
    photo: Photo, models: Models, progress: Progress | None, level: tuple[float | SigmaAt, float] | None = None
) -> Restored:
    """level: the noise, and its typical value, where they are known."""
    notes: list[str] = []
    network = replace(models.get("denoise"), note=notes.append)
    if network.entry.takes.encoding != "srgb":
        raise UsageError(
            f"model '{network.entry.name}' takes RAW mosaics only: leave --model out for finished pictures"
        )
    sigma, typical = level or noise_level(photo, models, progress)
    settings = models.settings
    restored = denoise.denoise(photo, network, sigma, settings.strength, progress, settings.keep_grain)
    return Restored(_noted(restored, notes), _facts(network, photo.pixels.shape, round(typical * 255, 2)))


def _noted(photo: Shown, notes: list[str]) -> Shown:
    """The photo with the notes, each once."""
    return replace(photo, notes=(*photo.notes, *dict.fromkeys(notes)))


def noise_level(photo: Photo, models: Models, progress: Progress | None = None) -> tuple[float | SigmaAt, float]:
    """What to tell the network of a picture's noise, and its typical value; both with white at 1."""
    given = models.settings.sigma
    if given != "auto":
        return given / 255, given / 255
    # A cell is a thousandth of its pixels: beside them it does not count as progress, but it is heard from.
    levels = models.helper("noise-level").levels(denoise.displayed(photo), CELL, progress)
    estimate = denoise.smooth(levels, CELL)
    return estimate.sigma(), estimate.typical


def _restore_raw(photo: RawPhoto, models: Models, progress: Progress | None) -> Restored:
    notes: list[str] = []
    settings = models.settings
    # The network that other tasks are told of is not this one.
    network = (models.get if settings.task == "denoise" else models.helper)("denoise", True)
    network = replace(network, note=notes.append, part=_wanted(photo, settings.roi))
    profiles = noise_profile(photo, settings.iso, settings.noise)
    # A burst's frames were healed before they were merged.
    heal = settings.heal and photo.averaged is None
    healed, flaws = sensor.heal(photo, profiles) if heal else (photo, sensor.Flaws())
    mosaic = denoise.denoise_raw(healed, network, profiles, settings.strength, progress, settings.keep_grain)
    left = _left(photo, profiles)
    shown = _finished(photo, *raw.stored(photo, mosaic, left), left, settings)
    if settings.sigma != "auto" and settings.task == "denoise":
        notes.append("--sigma is for finished pictures; for RAW give --iso or --noise")
    height, width = photo.mosaic.shape
    facts = _facts(network, (height // 2, width // 2, 4), None)
    facts |= {"noise_profile": [list(pair) for pair in profiles]}
    if flaws:
        facts["healed"] = {name: round(much, 2) for name, much in asdict(flaws).items() if much}
    return Restored(_noted(shown, notes), facts)


def _restore_burst(frames: Burst, models: Models, progress: Progress | None) -> Restored:
    """The frames merged, and what is left of their noise taken out, unless the merging is to stand alone."""
    settings = models.settings
    if settings.dng and isinstance(frames.reference, Photo):
        raise UsageError("a burst becomes a DNG only if its frames have a Bayer mosaic: save it as TIFF or PNG")
    frame_noise = _frame_noise(frames.reference, models)
    merged = burst.merge(_healed(frames, settings), frame_noise, settings.method, progress)
    if settings.method != "network":
        restored = Restored(_unrestored(merged.photo, settings), {"model": f"none ({settings.method})"})
    elif isinstance(merged.photo, RawPhoto):
        restored = _denoise(merged.photo, models, progress)
    else:
        level = burst.thinned(frame_noise.sigma, merged.count)
        region = _exposed(cropped(merged.photo, settings.roi), settings)
        restored = _restore_picture(region, models, progress, (_shifted(level, settings.roi), frame_noise.typical))
    facts = {"frames": merged.frames, "reference": frames.reference_name, "averaged": round(merged.typical, 1)}
    noted = _noted(restored.photo, [*frames.notes, *merged.notes])
    return replace(restored, photo=noted, facts=restored.facts | facts)


def _frame_noise(reference: Photo | RawPhoto, models: Models) -> FrameNoise:
    if isinstance(reference, RawPhoto):
        profiles = noise_profile(reference, models.settings.iso, models.settings.noise)
        return FrameNoise(tuple(profiles[place] for place in places(reference.pattern)))
    return FrameNoise((), *noise_level(reference, models))


def _healed(frames: Burst, settings: Settings) -> Burst:
    """The burst without its sensor's flaws, which would be found in the merged photo no more."""
    if not settings.heal or not isinstance(frames.reference, RawPhoto):
        return frames
    profiles = noise_profile(frames.reference, settings.iso, settings.noise)

    def heal(photo: Photo | RawPhoto) -> Photo | RawPhoto:
        if not isinstance(photo, RawPhoto):
            return photo
        healed = sensor.heal(photo, profiles)[0].mosaic
        return replace(photo, mosaic=np.rint(healed).clip(0, 65535).astype(np.uint16, copy=False))

    return replace(frames, reference=heal(frames.reference), photos=tuple(map(heal, frames.photos)))


def _shifted(level: SigmaAt, roi: Roi | None) -> SigmaAt:
    """A picture's noise level, for the region alone."""
    if roi is None:
        return level
    return lambda rows, columns: level(
        slice(rows.start + roi.y, rows.stop + roi.y), slice(columns.start + roi.x, columns.stop + roi.x)
    )


def _unrestored(photo: Photo | RawPhoto, settings: Settings) -> Photo | Negative:
    """A merged photo as it is, developed or a negative."""
    if not isinstance(photo, RawPhoto):
        return cropped(_exposed(photo, settings), settings.roi)
    profiles = _left(photo, noise_profile(photo, settings.iso, settings.noise))
    return _finished(photo, *raw.stored(photo, photo.mosaic, profiles), profiles, settings)


def _left(photo: RawPhoto, profiles: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """The noise of a photo's places: one frame's, less what averaging took."""
    if photo.averaged is None:
        return profiles
    share = float(np.mean(1 / photo.averaged))
    return [(shot * share, read * share) for shot, read in profiles]


def _finished(
    photo: RawPhoto, samples: np.ndarray, scale: int, profiles: Sequence[tuple[float, float]], settings: Settings
) -> Photo | Negative:
    """Developed from the numbers that a DNG would hold, or the negative with these."""
    mosaic = samples / np.float32(scale)
    if settings.dng is None:
        return cropped(_developed(photo, mosaic, settings), settings.roi)
    left: tuple[tuple[float, float], ...] | None = None
    if settings.strength and samples is not photo.mosaic:
        left = denoise.noise_left(photo, mosaic, profiles, settings.strength)
    elif photo.averaged is not None:
        left = tuple(profiles)
    return Negative(photo, samples, scale, settings.dng == "linear", left, photo.notes)


def _wanted(photo: RawPhoto, roi: Roi | None) -> Part | None:
    """What of a mosaic's planes the region needs: the network runs over the tiles there, and LibRaw over all."""
    if roi is None or photo.aspect != 1:
        return None
    _check_region(roi, *raw.upright_size(photo))
    rows, columns = slice(roi.y, roi.y + roi.height), slice(roi.x, roi.x + roi.width)
    return part_of_planes(photo.pattern, *raw.decisive(photo, rows, columns))


def noise_profile(
    photo: RawPhoto, iso: int | Auto, given: tuple[float, float] | None = None
) -> Sequence[tuple[float, float]]:
    """(shot, read) of a mosaic's four places: as the user says, else as the file says, else as the mosaic shows."""
    if given:
        return [given] * 4
    if iso != "auto":
        return [noise.profile_for_iso(iso)] * 4
    return photo.noise or _estimated(photo)


def noise_source(photo: RawPhoto) -> str:
    """Where the noise profile of a RAW file is from when the user says nothing."""
    if photo.noise:
        return "the file's own noise profile"
    profiles = noise_profile(photo, "auto")
    if photo.iso and profiles[0] == noise.profile_for_iso(photo.iso):
        return f"a typical sensor's at ISO {photo.iso}: the mosaic is too finely textured to tell"
    return "estimated from the mosaic"


def _estimated(photo: RawPhoto) -> list[tuple[float, float]]:
    of_planes = noise.estimate_profiles(to_planes(photo))
    by_place = dict(zip(places(photo.pattern), of_planes, strict=True))
    return [_plausible(by_place[place], photo.iso) for place in range(4)]


def _plausible(profile: tuple[float, float], iso: int | None) -> tuple[float, float]:
    """An estimate, unless it is far above what any sensor shows at that ISO: then fine texture was taken for noise."""
    if not iso:
        return profile
    typical = noise.profile_for_iso(iso)
    excess = (0.2 * profile[0] + profile[1]) / (0.2 * typical[0] + typical[1])
    return typical if excess > 6 else profile


def _shown(photo: RawPhoto, settings: Settings) -> Photo:
    """The photo developed as it is, healed."""
    if settings.heal and photo.averaged is None:
        healed = sensor.heal(photo, noise_profile(photo, settings.iso, settings.noise))[0]
        return _developed(photo, healed.mosaic, settings)
    return _developed(photo, photo.mosaic, settings)


def _developed(photo: RawPhoto, mosaic: np.ndarray, settings: Settings) -> Photo:
    return raw.develop(photo, mosaic, raw.DevelopSettings(exposure=settings.exposure))


def _exposed(photo: Photo, settings: Settings) -> Photo:
    """RAW files that come developed, in linear light, are brightened here; finished pictures are left as they are."""
    if photo.format != "raw" or not settings.exposure:
        return photo
    bright = photo.pixels.astype(np.float32) * np.float32(2**settings.exposure)
    return replace(photo, pixels=np.rint(bright.clip(0, 65535)).astype(np.uint16))


def _facts(network: Model, shape: tuple[int, ...], sigma: float | None) -> dict[str, object]:
    tiling = network.tiling(shape[0], shape[1])
    facts: dict[str, object] = {"device": str(network.place), "model": network.entry.name}
    facts["tiles"] = count(shape[0], shape[1], tiling)
    if not network.entry.commercial:
        facts |= {"licence": network.entry.licence}
    return facts if sigma is None else facts | {"sigma": sigma}


def cropped(photo: Photo, roi: Roi | None) -> Photo:
    """The part of a photo inside the region; UsageError where it lies outside."""
    if roi is None:
        return photo
    _check_region(roi, *photo.pixels.shape[:2])
    part = (slice(roi.y, roi.y + roi.height), slice(roi.x, roi.x + roi.width))
    return replace(photo, pixels=photo.pixels[part], alpha=None if photo.alpha is None else photo.alpha[part])


def _check_region(roi: Roi, height: int, width: int) -> None:
    if (
        roi.x < 0
        or roi.y < 0
        or roi.width < 1
        or roi.height < 1
        or roi.x + roi.width > width
        or roi.y + roi.height > height
    ):
        raise UsageError(
            f"--roi {roi.x},{roi.y},{roi.width},{roi.height} lies outside the picture of {width} x {height}"
        )


def restore_any(
    image: Photo | RawPhoto | np.ndarray, settings: Settings, sigma: float | np.ndarray | Auto
) -> Photo | Negative | np.ndarray:
    """`restore` for the Python interface: photos and bare arrays, a number or a map of sigma in 8-bit units."""
    if not isinstance(image, np.ndarray):
        return _restore_with(image, settings, sigma)
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,), (4,)) or image.size == 0:
        raise UsageError(f"an image has the shape (H, W), (H, W, 3) or (H, W, 4), not {image.shape}")
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise UsageError(f"an image is uint8, uint16 or float32, not {image.dtype}: convert it first")
    pixels = np.atleast_3d(image)[:, :, :3]
    finished = _restore_with(Photo(np.ascontiguousarray(pixels)), settings, sigma)
    assert isinstance(finished, Photo)
    restored = finished.pixels
    if image.shape[2:] == (4,):
        return np.concatenate([restored, image[:, :, 3:]], axis=2)
    return restored.reshape(image.shape)


@lru_cache(maxsize=1)
def _kept_models(settings: Settings) -> Models:
    """A caller in a loop gives the same settings each time: the networks are then loaded once."""
    return Models(settings)


def _restore_with(photo: Photo | RawPhoto, settings: Settings, sigma: float | np.ndarray | Auto) -> Photo | Negative:
    if isinstance(sigma, np.ndarray) and settings.task != "denoise":
        raise UsageError("a map of sigma is for denoising: give a number or 'auto'")
    if not isinstance(sigma, np.ndarray):
        return restore(photo, _kept_models(replace(settings, sigma=sigma))).photo
    if not isinstance(photo, Photo) or sigma.shape != photo.pixels.shape[:2]:
        raise UsageError(f"a map of sigma, here {sigma.shape}, has a finished picture's height and width")
    levels = (sigma / 255).astype(np.float32)
    network = _kept_models(settings).get("denoise")
    return denoise.denoise(
        photo, network, lambda rows, columns: levels[rows, columns], settings.strength, keep_grain=settings.keep_grain
    )

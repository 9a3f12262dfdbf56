"""A light stage measured: `python benchmarks/light_stage.py real|rendered [--picture OUT]`.

"real" are three objects and a chrome ball under twelve lights: sums against sums in double precision of what another
library reads, and photometric stereo's residual. "rendered" are glossy and matte balls on a floor, with the shadows
that they cast: what a stage of so many lights makes of a panorama, against a picture under every pixel of it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

import photofix
from photofix import environment, light_stage, lights, photometric_stereo, stage_files
from photofix.color import linear_to_srgb
from photofix.light_stage import Wanted
from photofix.olat import Stage
from photofix.photo import Photo
from pictures import DATA, load
from tables import markdown

REAL = DATA / "eval" / "photometric_stereo_uw"

#: Balls: x, y, z, radius, albedo and gloss. The floor lies at y = -1, and the camera far away on z.
BALLS = (
    (-1.1, -0.3, 0.0, 0.7, (0.75, 0.25, 0.15), 0.0),
    (0.35, -0.1, -0.4, 0.9, (0.8, 0.75, 0.65), 0.25),
    (1.35, -0.6, 0.5, 0.4, (0.15, 0.35, 0.7), 0.5),
)
WIDTH, HEIGHT, TILT = 320, 200, 20.0

#: Rows of the panoramas that the truth is rendered with, light by light.
ROWS = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["real", "rendered"])
    parser.add_argument("--picture", type=Path, help="where a picture of what was rendered goes")
    arguments = parser.parse_args()
    if arguments.table == "real":
        real()
    else:
        rendered(arguments.picture)


def real() -> None:
    rows = []
    for name in ("buddha", "cat", "owl"):
        stage = stage_files.opened(REAL / name, stage_files.StageFiles(None, REAL / "chrome", linear=True))
        weights = np.random.default_rng(0).uniform(0, 1, (len(stage.frames), 3))
        apart = np.abs(light_stage.relit(stage, weights).pixels - (expected := _summed(stage, weights)))
        off = float((apart / np.maximum(expected, 1 / 255)).max())
        rows.append([name, f"{off:.1e}", f"{photometric_stereo.surface(stage).residual:.2%}"])
    print(markdown(["", "sum, farthest off", "stereo's residual"], rows))


def _summed(stage: Stage, weights: np.ndarray) -> np.ndarray:
    pictures = [load(path).astype(np.float64) / 255 for path in stage.frames]
    return np.asarray(sum(picture * weight for picture, weight in zip(pictures, weights, strict=True)))


def rendered(picture: Path | None) -> None:
    panoramas = [DATA / "environments" / f"{name}.hdr" for name in ("lobby", "park", "venice", "workshop")]
    small = {path.stem: _small(environment.read_panorama(path)) for path in panoramas}
    truths = {name: _under(panorama) for name, panorama in small.items()}
    rows, shown = [], []
    for count in (32, 128, 512):
        with tempfile.TemporaryDirectory() as folder:
            stage = _stage(Path(folder), count)
            found = {name: _exposed(stage, small[name], truth) for name, truth in truths.items()}
            rows.append([f"{count} lights", *(f"{_psnr(found[name], truths[name]):.1f}" for name in truths)])
            if picture and count == 128:
                shown = [_lamp(stage), found["park"], truths["park"], found["lobby"], truths["lobby"]]
    print(markdown(["PSNR, dB", *truths], rows))
    if picture:
        strip = np.hstack([one / np.quantile(one, 0.98) * 0.8 for one in shown])
        photofix.save(Photo(strip.astype(np.float32), "linear"), picture, quality=88)


def _stage(folder: Path, count: int) -> Stage:
    """Pictures under lights that are spread evenly over the sphere."""
    steps = np.arange(count) + 0.5
    y, around = 1 - 2 * steps / count, steps * np.pi * (3 - 5**0.5)
    flat = np.sqrt(1 - y * y)
    directions = np.stack([flat * np.sin(around), y, flat * np.cos(around)], 1)
    paths = [folder / f"{number}.exr" for number in range(count)]
    scene = Scene()
    for path, toward in zip(paths, directions, strict=True):
        photofix.save(Photo(scene.lit(toward).astype(np.float32), "linear"), path, bit_depth=32)
    return Stage(tuple(paths), directions, np.ones((count, 3)))


def _lamp(stage: Stage) -> np.ndarray:
    weights, _ = light_stage.weights(stage, Wanted(lights.lamp(55, 35)))
    return light_stage.relit(stage, weights).pixels


def _exposed(stage: Stage, panorama: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The stage's answer, as bright as the truth: exposure is the photographer's."""
    found = light_stage.relit(stage, light_stage.weights(stage, Wanted(panorama=panorama))[0]).pixels
    return np.asarray(found * (found * truth).sum() / (found**2).sum())


def _small(panorama: np.ndarray) -> np.ndarray:
    energy = panorama * environment.solid_angles(*panorama.shape[:2])[:, None, None]
    area = environment.solid_angles(ROWS, 2 * ROWS)[:, None, None]
    small = cv2.resize(energy, (2 * ROWS, ROWS), interpolation=cv2.INTER_AREA) / area
    return np.asarray(small / small.mean(), np.float32)


def _under(panorama: np.ndarray) -> np.ndarray:
    """The scene under every pixel of a panorama."""
    scene, total = Scene(), np.zeros((HEIGHT, WIDTH, 3))
    energy = panorama * environment.solid_angles(*panorama.shape[:2])[:, None, None]
    directions = environment.directions(*panorama.shape[:2])
    for toward, power in zip(directions.reshape(-1, 3), energy.reshape(-1, 3), strict=True):
        total += scene.lit(toward) * power
    return total


class Scene:
    """The balls and the floor, as an orthographic camera sees them from a little above."""

    def __init__(self) -> None:
        x, y = np.meshgrid((np.arange(WIDTH) - WIDTH / 2) / 80, (HEIGHT / 2 - np.arange(HEIGHT)) / 80 - 0.3)
        tilt = np.radians(TILT)
        self.ahead = np.array([0, -np.sin(tilt), -np.cos(tilt)])
        up = np.array([0, np.cos(tilt), -np.sin(tilt)])
        start = x[..., None] * np.array([1.0, 0, 0]) + y[..., None] * up - 8 * self.ahead
        depth = (-1 - start[..., 1]) / self.ahead[1]
        self.place = start + depth[..., None] * self.ahead
        checks = (np.floor(self.place[..., 0] * 2) + np.floor(self.place[..., 2] * 2)) % 2
        self.albedo = (0.25 + 0.35 * checks)[..., None] * np.ones(3)
        self.normals, self.gloss = np.zeros_like(self.place) + np.array([0, 1.0, 0]), np.zeros_like(depth)
        for ball in BALLS:
            near = _hit(start, self.ahead, ball)
            seen = near < depth
            depth = np.where(seen, near, depth)
            self.place = np.where(
                seen[..., None], start + np.nan_to_num(near, posinf=0)[..., None] * self.ahead, self.place
            )
            self.normals = np.where(seen[..., None], (self.place - np.array(ball[:3])) / ball[3], self.normals)
            self.albedo = np.where(seen[..., None], np.array(ball[4]), self.albedo)
            self.gloss = np.where(seen, ball[5], self.gloss)

    def lit(self, toward: np.ndarray) -> np.ndarray:
        """(H, W, 3) under light from a direction, with shadows; Blinn's highlights."""
        facing = np.maximum(self.normals @ toward, 0) * (toward[1] > 0)
        start = self.place + 1e-4 * self.normals
        for ball in BALLS:
            facing = np.where(np.isfinite(_hit(start, toward, ball)), 0, facing)
        halfway = toward - self.ahead
        shine = self.gloss * np.maximum(self.normals @ halfway / max(np.linalg.norm(halfway), 1e-6), 0) ** 40
        return np.asarray(facing[..., None] * (self.albedo + 4 * shine[..., None]))


def _hit(start: np.ndarray, ahead: np.ndarray, ball: tuple[float, float, float, float, object, float]) -> np.ndarray:
    """How far ahead (H, W) rays meet a ball; infinity where they miss it."""
    to = start - np.array(ball[:3])
    along = to @ ahead
    inside = along**2 - (to**2).sum(-1) + ball[3] ** 2
    distance = -along - np.sqrt(np.maximum(inside, 0))
    return np.where((inside > 0) & (distance > 1e-6), distance, np.inf)


def _psnr(answer: np.ndarray, truth: np.ndarray) -> float:
    """Of sRGB values, the truth's brightest percent at white."""
    top = float(np.quantile(truth, 0.99))
    shown = [linear_to_srgb((one / top).clip(0, 1)) for one in (answer, truth)]
    return -10 * float(np.log10(np.mean((shown[0] - shown[1]) ** 2)))


if __name__ == "__main__":
    main()

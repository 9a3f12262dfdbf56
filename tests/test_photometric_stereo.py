"""Normals and albedo of a scene from its pictures under known lights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spheres import ALBEDO, LIGHTS, matte, normals, save

from photofix import photometric_stereo
from photofix.errors import UsageError
from photofix.olat import Stage

SPHERE = normals()
#: Where most lights reach, and the edge's half pixels do not count.
SEEN = SPHERE[..., 2] > 0.5


def stage_of(folder: Path, pictures: list[np.ndarray], colors: np.ndarray | None = None, ending: str = "exr") -> Stage:
    paths = save(folder, "sphere", pictures, ending)
    return Stage(tuple(paths), LIGHTS, np.ones((len(LIGHTS), 3)) if colors is None else colors)


def mean_error(found: photometric_stereo.Surface) -> float:
    cosine = (found.normals * SPHERE).sum(2)[SEEN]
    return float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())


def test_a_matte_sphere_is_found_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photometric_stereo, "_ROWS", 11)
    found = photometric_stereo.surface(stage_of(tmp_path, [matte(toward) for toward in LIGHTS]))
    assert mean_error(found) < 0.05
    assert found.albedo[24, 14] == pytest.approx(ALBEDO, rel=1e-3)
    assert found.albedo[24, 34] == pytest.approx(0.4 * ALBEDO, rel=1e-3)
    assert found.residual < 0.003  # half floats, and edges where few lights reach
    assert not found.normals[0, 0].any()


def test_colors_of_the_lights_are_divided_out(tmp_path: Path) -> None:
    colors = np.random.default_rng(5).uniform(0.5, 2, (len(LIGHTS), 3))
    pictures = [matte(toward) * color for toward, color in zip(LIGHTS, colors, strict=True)]
    found = photometric_stereo.surface(stage_of(tmp_path, pictures, colors))
    assert mean_error(found) < 0.05
    assert found.albedo[24, 14] == pytest.approx(ALBEDO, rel=1e-3)


def test_highlights_and_cast_shadows_are_left_out(tmp_path: Path) -> None:
    """A gloss that the lights show in other places, and a shadow over a part of two of the pictures."""
    pictures = []
    for number, toward in enumerate(LIGHTS):
        halfway = toward + np.array([0, 0, 1])
        light = matte(toward) + 0.3 * np.maximum(SPHERE @ halfway / np.linalg.norm(halfway), 0)[..., None] ** 60
        light[18:30, 18:30] *= number not in (1, 4)
        pictures.append(light)
    robust = photometric_stereo.surface(stage_of(tmp_path, pictures))
    flat = np.linalg.lstsq(LIGHTS, np.stack([one.mean(2) for one in pictures]).reshape(8, -1), rcond=None)[0]
    plain = (flat / np.maximum(np.linalg.norm(flat, axis=0), 1e-9)).T.reshape(48, 48, 3)
    plainly = mean_error(photometric_stereo.Surface(plain, plain, 0.0))
    assert mean_error(robust) < 0.5 * plainly


def test_clipped_samples_are_left_out(tmp_path: Path) -> None:
    colors = np.ones((len(LIGHTS), 3))
    colors[3] = 3
    pictures = [(matte(toward) * color[0]).clip(0, 1) for toward, color in zip(LIGHTS, colors, strict=True)]
    assert (pictures[3] == 1).any(2)[SEEN].mean() > 0.2
    assert mean_error(photometric_stereo.surface(stage_of(tmp_path, pictures, colors, "png"))) < 0.3


@pytest.mark.parametrize("count", [2, 3])
def test_lights_in_a_plane_are_refused(count: int, tmp_path: Path) -> None:
    paths = save(tmp_path, "sphere", [matte(LIGHTS[0])] * count)
    flat = np.array([[0, 0, 1.0], [1, 0, 0], [0.6, 0, 0.8]])[:count]
    with pytest.raises(UsageError, match="three lights or more"):
        photometric_stereo.surface(Stage(tuple(paths), flat, np.ones((count, 3))))

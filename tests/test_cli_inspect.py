"""photofix info on RAW files: everything that the sensor is said or found to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from dng import Calibration, cfa_dng
from typer.testing import CliRunner

from photofix.cli import app
from pictures import profile, samples


def told(path: Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["info", str(path), "--json", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


def sensor(light: float = 1500, hot: int = 0, stripes: float = 0, drift: float = 0) -> np.ndarray:
    """A whole sensor: a gray wall (20, 30)-(280, 400) within a masked border; read noise of 8 numbers."""
    rng, (height, width) = np.random.default_rng(0), (300, 420)
    signal = np.zeros((height, width))
    signal[20:280, 30:400] = light * np.linspace(0.7, 1.3, 370)
    noisy = rng.poisson(signal / 2) * 2 + rng.normal(512, 8, signal.shape)
    noisy += rng.normal(0, stripes, (height, 1)) + drift * np.linspace(-1, 1, height)[:, None]
    for _ in range(hot):
        noisy[rng.integers(30, 270), rng.integers(40, 390)] = 15_000
    return np.clip(np.rint(noisy), 0, 16_383).astype(np.uint16)


BORDER = Calibration(black=(512,), white=16_383, active_area=(20, 30, 280, 400), noise=(2 / 15_871, (8 / 15_871) ** 2))


def test_a_sound_sensor(tmp_path: Path) -> None:
    path = tmp_path / "sound.dng"
    path.write_bytes(cfa_dng(sensor(), BORDER))
    facts = told(path)
    assert (facts["width"], facts["height"], facts["white balance"]) == (370, 260, "2 1 1.54")
    assert (facts["mosaic"], facts["black"], facts["white"]) == ("RGGB", "512 512 512 512", "16383")
    assert facts["margins"] == "top 20, left 30, bottom 20, right 20; 4 masked"
    assert facts["noise"] == "shot 0.000126 read 2.54e-07 (the file's own noise profile)"
    assert (facts["stuck"], facts["banding"], facts["black drift"]) == ("0 hot, 0 dead", "none seen", "none seen")


def test_a_sensor_with_flaws(tmp_path: Path) -> None:
    path = tmp_path / "flawed.dng"
    path.write_bytes(cfa_dng(sensor(30, hot=7, stripes=5, drift=20), BORDER))
    facts = told(path)
    assert facts["stuck"] == "7 hot, 0 dead"
    rows, columns = (float(part.split()[1]) for part in facts["banding"].split(", "))
    assert rows == pytest.approx(5, rel=0.4)
    assert columns == 0
    assert float(facts["black drift"].split()[-1]) == pytest.approx(20 * 260 / 300, abs=4)


def test_a_finished_picture(tmp_path: Path) -> None:
    path = tmp_path / "wrong.jpg"
    tifffile.imwrite(path, samples((3, 19, 23, 3), "uint16"), photometric="rgb", iccprofile=profile())
    facts = told(path)
    assert (facts["width"], facts["height"], facts["bits"]) == (23, 19, 16)
    assert facts["size"] == "23 x 19 (0.0 megapixels)"
    assert facts["profile"] == "sRGB built-in"
    assert facts["notes"] == "a TIFF file in spite of its name; first of 3 pages"
    assert 0 <= facts["sigma"] <= 100


def test_where_the_noise_profile_is_from(tmp_path: Path) -> None:
    path = tmp_path / "estimated.dng"
    samples = sensor()[20:280, 30:400].copy()
    path.write_bytes(cfa_dng(samples, Calibration(black=(512,), white=16_383)))
    facts = told(path)
    assert facts["margins"] == "none"
    assert facts["noise"].endswith("(estimated from the mosaic)")
    samples[::2, ::2] = 512 + np.random.default_rng(0).poisson((samples[::2, ::2] - 512.0) / 16) * 16
    path.write_bytes(cfa_dng(samples, Calibration(black=(512,), white=16_383)))
    assert told(path)["noise"].startswith("R shot")

"""FDN: its published weights load, and reach their published figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from photofix import keras
from photofix.errors import WeightsError
from photofix.networks.fdn import FDN, to_frequencies

FILE = "published/deblur/fdn_sigma_1.0-3.0.hdf5"


def test_a_spectrum_convolves_around_the_middle() -> None:
    picture = torch.zeros(1, 1, 9, 12)
    picture[0, 0, 4, 5] = 1
    kernel = torch.arange(1.0, 16).reshape(1, 1, 3, 5)
    spread = torch.fft.irfft2(torch.fft.rfft2(picture) * to_frequencies(kernel, picture.shape[2:]), picture.shape[2:])
    torch.testing.assert_close(spread[0, 0, 3:6, 3:8], kernel[0, 0])


def test_its_filters_do_not_see_the_mean() -> None:
    filters = FDN(stages=1)[0].x_out()
    assert filters.shape == (24, 1, 5, 5)
    flat = filters.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(24), atol=1e-5, rtol=0)
    assert flat.sum(1).abs().max() < 1e-5


def test_the_published_file_has_its_keys(shared: Path) -> None:
    pytest.importorskip("h5py")
    FDN().load_state_dict(keras.read(shared / FILE))


def test_the_published_weights_undo_a_blur(shared: Path) -> None:
    pytest.importorskip("h5py")
    network = FDN().eval()
    network.load_state_dict(keras.read(shared / FILE))
    rows, columns = np.mgrid[:64, :64]
    sharp = torch.from_numpy(np.where((rows // 9 + columns // 11) % 2, 0.3, 0.7).astype(np.float32))[None, None]
    psf = torch.full((1, 1, 1, 5), 0.2)
    spread = torch.fft.irfft2(torch.fft.rfft2(sharp) * to_frequencies(psf, sharp.shape[2:]), sharp.shape[2:])
    noisy = spread + torch.randn(sharp.shape, generator=torch.Generator().manual_seed(0)) * 1.5 / 255
    with torch.inference_mode():
        answer = network(noisy, torch.ones_like(sharp), psf, torch.tensor([[1.5 / 255]]))
    before, after = ((part - sharp).square().mean().log10() * -10 for part in (noisy, answer))
    assert after > before + 4  # A checkerboard is no photo; the published figure is measured in benchmarks/deblur.py.


def test_other_hdf5_is_called_what_it_is(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.hdf5", "w") as file:
        file["numbers"] = [1, 2, 3]
    with pytest.raises(WeightsError, match="no weights that Keras wrote"):
        keras.read(tmp_path / "w.hdf5")

"""The others: BM3D (PyPI bm3d), as its authors advise for each kind of noise, and PMRID.

BM3D takes about a minute per megapixel, so its answers are kept beside this file under the hash of what they depend on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from photofix.noise import stabilise
from pictures import DATA

CACHE = Path(__file__).resolve().parent / ".cache"

#: Rows: the sum of the four packed planes, and three differences between them; orthonormal, so noise stays white.
_ACROSS_PLANES = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32) / 2


def bm3d_color(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """CBM3D of an (H, W, 3) picture, float32 with white at 1, or BM3D of a gray one (H, W); sigma in 8-bit units."""
    return _kept("color", noisy, round(sigma, 1) / 255, _bm3d_color)


def bm3d_planes(noisy: np.ndarray, shot: float, read: float) -> np.ndarray:
    """BM3D of each packed plane (4, h, w) by itself, its noise made even first."""
    return _stabilised(noisy, shot, read, lambda even, level: _kept("planes", even, level, _bm3d_planes))


def bm3d_joint(noisy: np.ndarray, shot: float, read: float) -> np.ndarray:
    """BM3D of the four packed planes together: patches are matched on their sum, which is the least noisy."""
    return _stabilised(noisy, shot, read, lambda even, level: _kept("joint", even, level, _bm3d_joint))


def bm3d_stabilised(noisy: np.ndarray, shot: float, read: float) -> np.ndarray:
    """CBM3D of an (H, W, 3) picture in linear light, its noise made even first."""
    return _stabilised(noisy, shot, read, lambda even, level: _kept("color", even, level, _bm3d_color))


def pmrid(noisy: np.ndarray, shot: float, read: float) -> np.ndarray:
    """PMRID's published network on packed planes (4, h, w), clipped as its authors do."""
    import torch

    from photofix.networks.pmrid import PMRID, from_anchor, to_anchor

    network = PMRID()
    network.load_state_dict(torch.load(DATA / "published" / "denoise" / "pmrid.ckp", map_location="cpu"))
    height, width = noisy.shape[1:]
    padded = np.pad(noisy.clip(0, 1), ((0, 0), (0, -height % 16), (0, -width % 16)), "symmetric")
    with torch.inference_mode():
        answer = from_anchor(network(to_anchor(torch.from_numpy(padded)[None], shot, read)), shot, read)
    return np.asarray(answer[0, :, :height, :width].numpy())


def _stabilised(
    noisy: np.ndarray, shot: float, read: float, denoise: Callable[[np.ndarray, float], np.ndarray]
) -> np.ndarray:
    even, level = stabilise(noisy, shot, read)
    # In units of the noise, and from where the transform is defined: 2 sqrt(x / shot + 3/8 + read / shot^2).
    black = 2 * np.sqrt(0.375 + read / shot**2)
    return _exact_inverse(denoise(even, level) / level + black, read / shot**2) * shot


def _exact_inverse(root: np.ndarray, read_in_electrons: float) -> np.ndarray:
    """The signal in electrons whose noisy transform is `root` in the mean (Makitalo and Foi, IEEE TIP 2013).

    Their closed form; the algebraic inverse of a mean would be too dark.
    """
    root = np.maximum(root, 2 * np.sqrt(0.375 + max(read_in_electrons, 0.0)))
    a = np.sqrt(1.5)
    signal = root**2 / 4 + a / (4 * root) - 11 / (8 * root**2) + 5 * a / (8 * root**3) - 1 / 8 - read_in_electrons
    return np.asarray(signal, dtype=np.float32)


def _bm3d_color(noisy: np.ndarray, sigma: float) -> np.ndarray:
    import bm3d

    return np.asarray(bm3d.bm3d_rgb(noisy, sigma) if noisy.ndim == 3 else bm3d.bm3d(noisy, sigma))


def _bm3d_planes(even: np.ndarray, sigma: float) -> np.ndarray:
    import bm3d

    return np.stack([bm3d.bm3d(plane, sigma) for plane in even])


def _bm3d_joint(even: np.ndarray, sigma: float) -> np.ndarray:
    import bm3d

    across = np.tensordot(_ACROSS_PLANES, even, 1).transpose(1, 2, 0)
    return np.tensordot(_ACROSS_PLANES.T, bm3d.bm3d(across, sigma).transpose(2, 0, 1), 1)


def _kept(way: str, noisy: np.ndarray, sigma: float, denoise: Callable[[np.ndarray, float], np.ndarray]) -> np.ndarray:
    """What `denoise` answers, float32: from the cache if it was asked before."""
    words = f"{way} {version('bm3d')} {sigma:.8g} {noisy.shape} {noisy.dtype}"
    key = hashlib.sha256(words.encode() + np.ascontiguousarray(noisy).tobytes()).hexdigest()
    file = CACHE / f"{key}.npy"
    if file.exists():
        return np.asarray(np.load(file))
    answer = np.asarray(denoise(noisy, sigma), dtype=np.float32)
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    unfinished = file.with_suffix(".unfinished")
    with unfinished.open("wb") as stream:
        np.save(stream, answer)
    unfinished.replace(file)
    return answer

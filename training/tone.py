"""What the tone network learns from, and by what: python training/train.py training/recipes/low-light.toml."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import dark
from photofix.networks.tone import FOLD, SIDE

#: Half the window of the guided filter in cells of the network, its regularisation in stops squared, and the light that
#: is as good as black beside white. The filter is tasks/low_light.py's.
RADIUS, SMOOTH, BLACK = 2, 0.5, 2.0**-7

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


def sample(photo: np.ndarray, rng: np.random.Generator) -> Sample:
    """Seen and clean light (6, 144, 144), the sRGB-encoded target (3, 144, 144); stops wanted and true, flat (3,)."""
    scene = dark.scene(dark.well_exposed(framed(photo, rng), rng), rng)
    # A user may want another exposure than the right one, and then the picture as bright as that makes it.
    more = rng.uniform(-2, 1) if rng.random() < 0.25 else 0.0
    target = dark.linear_to_srgb((dark.srgb_to_linear(scene.target) * np.float32(2**more)).clip(0, 1))
    light = np.concatenate([scene.seen, scene.light], 2)
    exposure = np.array([scene.exposure + more, scene.exposure, scene.flat], np.float32)
    return _planes(light), _planes(target), exposure


def framed(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Most of an (H, W, 3) uint8 photo, mirrored or not, squeezed into the square that the network is shown."""
    height, width = (int(size * rng.uniform(0.55, 1)) for size in photo.shape[:2])
    top, left = rng.integers(0, photo.shape[0] - height + 1), rng.integers(0, photo.shape[1] - width + 1)
    part = cv2.resize(photo[top : top + height, left : left + width], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return (part[:, ::-1] if rng.random() < 0.5 else part).astype(np.float32) / 255


def _planes(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def loss(network: nn.Module, light: Tensor, target: Tensor, exposure: Tensor) -> Tensor:
    """How far pictures brightened as the network says are from the targets, and its exposures from the true ones.

    Half of a batch is told the exposure, within what is known of it; the others go by what the network says.
    """
    seen, clean = light[:, :3].contiguous(memory_format=torch.channels_last), light[:, 3:]
    wanted, true, flat = exposure[:, :1], exposure[:, 1:2], exposure[:, 2:]
    with torch.autocast("cpu", torch.bfloat16):
        judged = network(seen)[:, :1].float()
        own = torch.arange(len(light))[:, None] % 2 == 0
        told = torch.where(own, judged.detach() + wanted - true, wanted)
        stops = network(seen, told).float()
    bright = shown(clean, seen, stops, told)
    # What a sensor sees gets a camera's curve once it is bright: tasks/low_light.py's.
    bright = torch.where(flat[:, :, None, None] > 0, bright * bright * (3 - 2 * bright), bright)
    error = (bright - target).abs().mean((1, 2, 3))
    missed = (judged - true).abs()[:, 0]
    total: Tensor = (error + 0.04 * missed).mean()
    return total


def shown(clean: Tensor, seen: Tensor, stops: Tensor, exposure: Tensor) -> Tensor:
    """The clean light (N, 3, H, W) brightened by stops that follow the edges of what was seen; sRGB-encoded."""
    slope, offset = guided(brightness(seen, exposure), stops)
    gain = slope * brightness(clean, exposure) + offset
    lifted = clean * gain.exp2()
    # What passes white is white; a little of it still counts, so that there is a way back.
    lifted = torch.where(lifted < 1, lifted, 1 + 0.02 * (lifted - 1))
    return torch.where(lifted < 0.0031308, 12.92 * lifted, 1.055 * lifted.clamp(min=1e-5) ** (1 / 2.4) - 0.055)


def brightness(light: Tensor, exposure: Tensor) -> Tensor:
    """Stops (N, 1, H, W) of how bright light will about be."""
    return (light.mean(1, keepdim=True) * exposure[:, :, None, None].exp2() + BLACK).log2()


def guided(guide: Tensor, stops: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and offset (N, 3, H, W) of the stops, in every window a line over the guide."""
    guide = functional.avg_pool2d(guide, FOLD)
    mean, square = _box(guide), _box(guide * guide)
    slope = (_box(guide * stops) - mean * _box(stops)) / (square - mean * mean + SMOOTH)
    line = _box(torch.cat([slope, _box(stops) - slope * mean], 1))
    wide = functional.interpolate(line, scale_factor=FOLD, mode="bilinear")
    return wide[:, :3], wide[:, 3:]


def _box(planes: Tensor) -> Tensor:
    """Means over windows, along one axis and then the other."""
    for size, padding in (((2 * RADIUS + 1, 1), (RADIUS, 0)), ((1, 2 * RADIUS + 1), (0, RADIUS))):
        planes = functional.avg_pool2d(planes, size, 1, padding, count_include_pad=False)
    return planes

"""A network with its weights in, on a device, at a precision: pictures in, pictures out, of any size."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from photofix import checkpoint, tiles
from photofix.device import Place, free_memory
from photofix.errors import DeviceError, PhotofixError, WeightsError
from photofix.noise import SigmaAt
from photofix.photo import white
from photofix.tiles import Part, Progress, Tiling
from photofix.weights import Entry

#: --tile: what fits and is fast, the whole picture at once, or a side in pixels.
Tile = int | Literal["auto", "none"]

#: Side of a tile where nothing limits it: on a processor larger ones leave the cache, smaller ones pay for overlap.
CPU_TILE = 1024
GPU_TILE = 1536

#: Side of a tile, in cells, for networks that answer once a cell. As in training: such a network's answer hangs on how
#: far away the zeros beyond the border are, and over a larger piece it is 6 % too high.
CELLS = 6

#: Bytes that a tile's pixel needs where the manifest does not say: more than any plain convolution network's.
UNMEASURED = 4000

#: The network that each kind of model module defines.
NETWORKS = {
    "unet": "UNet",
    "level": "Level",
    "tone": "Tone",
    "dncnn": "DnCNN",
    "ffdnet": "FFDNet",
    "pmrid": "PMRID",
    "drunet": "DRUNet",
    "scunet": "SCUNet",
    "nafnet": "NAFNet",
    "restormer": "Restormer",
    "swinir": "SwinIR",
    "fdn": "FDN",
    "sci": "SCI",
    "zero_dce": "ZeroDCE",
    "iat": "IAT",
    "cidnet": "CIDNet",
    "retinexformer": "Retinexformer",
    "ddcolor": "DDColor",
    "colorizer": "Colorizer",
    "colorizer_eccv16": "ColorizerECCV16",
    "colorizer_siggraph17": "ColorizerSIGGRAPH17",
    "expandnet": "ExpandNet",
    "intrinsics": "Intrinsics",
    "dpr": "DPR",
}


def _unheard(words: str) -> None:
    """Notes that nobody asked for."""


@dataclass(frozen=True)
class Model:
    """A network ready to run.

    entry says what it takes and gives; tile is the user's wish; note is told what the user should know of an answer,
    the same words perhaps more than once; part is what is wanted of a picture: the rest of an answer means nothing;
    told is the condition, "motion" or "defocus", that the user says holds.
    """

    network: nn.Module
    entry: Entry
    place: Place
    tile: Tile = "auto"
    note: Callable[[str], None] = _unheard
    part: Part | None = None
    told: str = ""

    def __call__(
        self, pixels: np.ndarray, sigma: float | SigmaAt, strength: float = 1.0, progress: Progress | None = None
    ) -> np.ndarray:
        """Restore pixels (H, W, C): uint8 or uint16 over their full range, or float32 with white at 1.

        Args:
            sigma: standard deviation of the noise with white at 1: one for all, or a function that gives the
                (h, w) float32 map of some rows and columns.
            strength: share of the change that is made.
            progress: told how many pixels are done after each tile.
        Returns:
            an array of the same shape and dtype. Where the network changes nothing the numbers are the input's own.
        Raises:
            DeviceError: memory is short even for the smallest tile, or for a picture that has to be seen whole.
        """

        def residual(rows: slice, columns: slice) -> np.ndarray:
            level = sigma(rows, columns) if callable(sigma) else sigma
            return self._residual(pixels[rows, columns], level)

        restored = np.empty_like(pixels) if self.part is None else pixels.copy()
        for top, band in self._bands(residual, pixels, progress):
            rows = slice(top, top + len(band))
            restored[rows] = _add(pixels[rows], band, strength)
        return restored

    def answer(
        self, pixels: np.ndarray, progress: Progress | None = None, beside: np.ndarray | None = None
    ) -> np.ndarray:
        """What the network says of pixels (H, W, C) encoded as it takes them: (H, W, K) float32, as it gives them.

        Args:
            beside: (H, W, L) float32, the planes that condition it; None where it takes none.
        Raises:
            DeviceError: as for restoring.
        """

        def part(rows: slice, columns: slice) -> np.ndarray:
            return self._answer(pixels[rows, columns], None if beside is None else beside[rows, columns])

        return np.concatenate([band for _, band in self._bands(part, pixels, progress)])

    def deconvolved(
        self, planes: np.ndarray, known: np.ndarray, psf: np.ndarray, sigma: float, progress: Progress | None = None
    ) -> np.ndarray:
        """Planes (C, H, W), each a gray picture, without a blur that a network is told: float32.

        Args:
            known: (1, H, W) where they were observed. psf: (h, w) with a sum of 1. sigma: their noise, white at 1.
        """
        given = (planes[:, None], known[None].astype(np.float32), psf[None, None])
        tensors = (torch.from_numpy(np.ascontiguousarray(part)).to(self.place.device) for part in given)
        answer = self._run(*tensors, torch.tensor([[sigma]], device=self.place.device))
        if progress:
            progress(planes[0].size)
        return np.asarray(answer[:, 0].cpu().numpy())

    def wanted_exposure(self, light: np.ndarray) -> tuple[float, float]:
        """For a network that says such a thing, of a picture made small, (S, S, 3) in linear light: the stops that it
        lacks, and the logarithm of the odds that it lacks any."""
        stops, odds = self._run(self._picture(light))[0].tolist()
        return stops, odds

    def stops(self, light: np.ndarray, exposure: float) -> np.ndarray:
        """By how much such a network brightens each place of it for an exposure in stops: (h, w, 3) float32."""
        wanted = torch.tensor([[exposure]], dtype=torch.float32, device=self.place.device)
        return np.asarray(self._run(self._picture(light), wanted)[0].permute(1, 2, 0).float().cpu().numpy())

    def _picture(self, light: np.ndarray) -> Tensor:
        return _to_tensor(light, self.place, self.entry.multiple)

    def whole(self, *planes: np.ndarray) -> np.ndarray:
        """The answer (K, h, w) float32 to planes (C, H, W) of a picture seen whole, sides multiples of `multiple`."""
        return self.wholes(*planes)[0]

    def wholes(self, *planes: np.ndarray) -> tuple[np.ndarray, ...]:
        """As whole(), of a network that answers with several things, all of them."""
        sides = planes[0].shape[1:]
        self._check_view((slice(0, sides[0]), slice(0, sides[1])), (sides[0], sides[1]))
        tensors = (torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in planes)
        answers = self._answers(*(tensor.to(self.place.device)[None] for tensor in tensors))
        return tuple(np.asarray(answer[0].float().cpu().numpy()) for answer in answers)

    def kept(self, name: str) -> np.ndarray:
        """Numbers that came with the weights, and are none of its own, as float32."""
        return np.asarray(self.network.get_buffer(name).float().cpu().numpy())

    def tiling(self, height: int, width: int) -> Tiling:
        """How a picture of this size is cut: not at all where the network must see it whole."""
        multiple, margin = self.entry.multiple, self.entry.margin
        chosen = 0 if self.tile == "none" or self.entry.view == "whole" else self.tile
        side = self._best_tile() if chosen == "auto" else chosen
        if side == 0 or max(height, width) <= side:
            return Tiling(0, margin, multiple=multiple)
        side = max(side, 4 * margin)
        return Tiling(side, margin, multiple=multiple, least=min(side, self.entry.tile))

    def levels(self, pixels: np.ndarray, cell: int, progress: Progress | None = None) -> np.ndarray:
        """For a network that answers once a cell: (ceil(H / cell), ceil(W / cell)) float32.

        progress: told how many cells are done after each tile.
        """

        def answer(rows: slice, columns: slice) -> np.ndarray:
            part = pixels[tuple(slice(axis.start * cell, axis.stop * cell) for axis in (rows, columns))]
            picture = _fit_channels(_to_tensor(part, self.place, CELLS * cell), self.entry.takes.channels)
            found = self._run(picture)[0].permute(1, 2, 0).float().cpu().numpy()
            return found[: rows.stop - rows.start, : columns.stop - columns.start]

        height, width = (-(-size // cell) for size in pixels.shape[:2])
        margin = self.entry.margin // cell
        bands = tiles.run(answer, height, width, Tiling(CELLS, margin, fade=0, multiple=1), progress)
        return np.concatenate([band[:, :, 0] for _, band in bands])

    def _bands(
        self, part: Callable[[slice, slice], np.ndarray], pixels: np.ndarray, progress: Progress | None
    ) -> Iterator[tuple[int, np.ndarray]]:
        height, width = pixels.shape[:2]

        def checked(rows: slice, columns: slice) -> np.ndarray:
            self._check_view((rows, columns), (height, width))
            return part(rows, columns)

        # A processor that runs the network has no time left for the tile before; beside another device it is idle.
        beside = self.place.device.type != "cpu"
        return tiles.run(checked, height, width, self.tiling(height, width), progress, self.part, ahead=beside)

    def _answer(self, pixels: np.ndarray, beside: np.ndarray | None) -> np.ndarray:
        """The network's own words on a tile (h, w, C): (h, w, K) float32."""
        height, width = pixels.shape[:2]
        given = [part for part in (pixels, beside) if part is not None]
        planes = [_to_tensor(part, self.place, self.entry.multiple) for part in given]
        found = self._run(*planes)[0, :, :height, :width]
        return np.ascontiguousarray(found.permute(1, 2, 0).float().cpu().numpy())

    def _residual(self, pixels: np.ndarray, sigma: float | np.ndarray) -> np.ndarray:
        """What to add to a tile (h, w, C): (h, w, C) float32."""
        height, width, channels = pixels.shape
        picture = _fit_channels(_to_tensor(pixels, self.place, self.entry.multiple), self.entry.takes.channels)
        answer = self._run(picture, *self._conditions(picture, sigma)).float()
        residual = {"residual": answer, "noise": -answer, "image": answer - picture}[self.entry.gives]
        residual = residual.flatten(0, 1) if residual.shape[:2].numel() == channels else residual.mean(1)
        return np.ascontiguousarray(residual[:, :height, :width].permute(1, 2, 0).cpu().numpy())

    def _conditions(self, picture: Tensor, sigma: float | np.ndarray) -> list[Tensor]:
        """The planes that follow the picture, as one tensor; none for a network that is told nothing."""
        said = {word: sigma if word == "sigma" else float(word == self.told) for word in self.entry.takes.conditions}
        planes = [_plane(value, picture, self.place) for value in said.values()]
        return [torch.cat(planes, dim=1)] if planes else []

    def _run(self, *planes: Tensor) -> Tensor:
        """The network's answer, or the first of several."""
        return self._answers(*planes)[0]

    def _answers(self, *planes: Tensor) -> tuple[Tensor, ...]:
        """What the network answers, checked finite; redone in float32 where half precision overflowed."""
        with torch.inference_mode():
            answers = _several(self.network(*(plane.to(self.place.precision) for plane in planes)))
            if all(torch.isfinite(answer).all() for answer in answers):
                return answers
            answers = _several(copy.deepcopy(self.network).float()(*planes))
        if not all(torch.isfinite(answer).all() for answer in answers):
            raise PhotofixError(
                f"network '{self.entry.name}' answered with values that are not numbers: does the picture hold any?"
            )
        return answers

    def _check_view(self, seen: tuple[slice, slice], size: tuple[int, int]) -> None:
        """Say or refuse what costs quality: a network that weighs all it sees, given less of the picture than it needs.

        Tiles are chosen large enough, but the user can ask for smaller ones, and memory that runs out halves them.
        """
        sides = tuple(axis.stop - axis.start for axis in seen)
        # A processor's memory does not run out in an error: the system ends whoever asked. So it is asked first.
        missing = sides != size or self.bytes_per_pixel * size[0] * size[1] > free_memory(self.place.device)
        if self.entry.view == "whole" and missing:
            raise DeviceError(
                f"network '{self.entry.name}' must see the whole picture, and {size[1]} x {size[0]} pixels do not fit "
                "into the free memory: close other programs, make the picture smaller, or choose another --model"
            )
        if any(side < min(self.entry.tile, whole) for side, whole in zip(sides, size, strict=True)):
            self.note(
                f"model '{self.entry.name}' keeps its quality in tiles of {self.entry.tile} pixels or more; "
                "it ran in smaller ones, as --tile asks or for want of memory"
            )

    def _best_tile(self) -> int:
        fastest = CPU_TILE if self.place.device.type == "cpu" else GPU_TILE
        fits = (free_memory(self.place.device) / 2 / self.bytes_per_pixel) ** 0.5
        return int(min(self.entry.tile or fastest, max(128, fits)) // 8 * 8)

    @property
    def bytes_per_pixel(self) -> int:
        """Memory for each pixel of a tile, beyond the weights, at this precision."""
        measured = self.entry.bytes_per_pixel or UNMEASURED
        return measured * 2 if self.entry.half and self.place.precision == torch.float32 else measured


def load(entry: Entry, path: Path, place: Place, tile: Tile = "auto", own: bool = False) -> Model:
    """The entry's network with the weights of a verified file, or of the user's own, at the place's precision.

    own: nothing says where in the file the state dict is: it is looked for in the usual places.
    """
    state = checkpoint.read(path, None if own else entry.unwrap)
    network = build(entry)
    if wrong := mismatch(network, state):
        raise WeightsError(f"{path}: does not hold weights for the network of '{entry.name}': {wrong}")
    network.load_state_dict(state)
    return ready(network, entry, place, tile)


def build(entry: Entry) -> nn.Module:
    """The entry's network as built, without its weights."""
    module = importlib.import_module(f"photofix.networks.{entry.network}")
    network: nn.Module = getattr(module, NETWORKS[entry.network])(**entry.arguments)
    return network


def ready(network: nn.Module, entry: Entry, place: Place, tile: Tile = "auto") -> Model:
    """A network with its weights in, moved to its place and set to answer."""
    network = network.eval().requires_grad_(False).to(place.device, place.precision)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stub leaves it out
    return Model(network, entry, place, tile)


def fits(entry: Entry, state: checkpoint.State) -> bool:
    """Whether a state dict is one of the entry's network; no memory is taken for it."""
    with torch.device("meta"):
        return not mismatch(build(entry), state)


def mismatch(network: nn.Module, state: checkpoint.State) -> str:
    """What a state dict lacks or has too much for a network, in words; nothing where it fits."""
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    for keys, complaint in (
        (wanted.keys() - given.keys(), "are missing"),
        (given.keys() - wanted.keys(), "are not its own"),
    ):
        if keys:
            return f"{len(keys)} of {len(wanted)} keys {complaint}, as '{min(keys)}'"
    return next(
        (f"'{key}' has the shape {given[key]}, not {shape}" for key, shape in wanted.items() if given[key] != shape), ""
    )


def _several(answer: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def _to_tensor(pixels: np.ndarray, place: Place, multiple: int) -> Tensor:
    """(h, w, C) numbers of a file as (1, C, H, W) float32 on the device, continued by reflection to the multiple."""
    below, right = (-size % multiple for size in pixels.shape[:2])
    if below or right:
        # "symmetric" repeats: unlike "reflect" it also continues a picture narrower than what is missing.
        pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), "symmetric")
    # A copy: what a decoder gave may be read-only, which torch does not accept.
    scale = white(pixels.dtype)
    if place.device.type == "mps":  # which has no unsigned 16-bit numbers
        pixels = pixels.astype(np.float32)
    tensor = torch.from_numpy(np.array(pixels, order="C")).to(place.device).permute(2, 0, 1)[None]
    return tensor.to(torch.float32, memory_format=torch.channels_last) / scale


def _fit_channels(picture: Tensor, wanted: int) -> Tensor:
    """(1, C, H, W) for a network of other channels: gray as three alike, or each color as a gray picture of its own."""
    if picture.shape[1] == wanted:
        return picture
    return picture.expand(-1, wanted, -1, -1) if picture.shape[1] == 1 else picture.transpose(0, 1)


def _plane(sigma: float | np.ndarray, picture: Tensor, place: Place) -> Tensor:
    if not isinstance(sigma, np.ndarray):
        return torch.full_like(picture[:, :1], sigma)
    below, right = (have - size for have, size in zip(picture.shape[2:], sigma.shape, strict=True))
    padded = np.pad(sigma, ((0, below), (0, right)), "symmetric").astype(np.float32)
    return torch.from_numpy(padded).to(place.device).expand(len(picture), 1, -1, -1)


def _add(pixels: np.ndarray, residual: np.ndarray, strength: float) -> np.ndarray:
    scale = np.float32(white(pixels.dtype) * strength)
    if pixels.dtype == np.float32:
        return pixels + residual * scale
    exact_sum = residual * scale
    exact_sum += pixels
    np.rint(exact_sum, out=exact_sum)
    return exact_sum.clip(0, white(pixels.dtype)).astype(pixels.dtype)

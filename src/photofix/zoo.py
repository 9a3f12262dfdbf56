"""Networks that photofix has no file for: with the extra photofix[zoo], spandrel knows many by the names of their keys.

It gets a state dict that was read here, and gives a module; its own way of calling it, which clamps, is only what the
module is checked against.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from photofix.entry import Entry, Takes
from photofix.errors import WeightsError

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

#: Nothing says how far such a network sees: tiles of this side lose this much at a cut.
TILE, MARGIN = 512, 64

#: Side of the picture that a network is tried on.
TRIAL = 64

#: What spandrel raises where the keys look like a network's that it knows, and then are not.
_MISTAKEN = (LookupError, RuntimeError, TypeError, ValueError, AttributeError, AssertionError)


def recognised(state: dict[str, Tensor], file: Path, task: str) -> tuple[nn.Module, Entry]:
    """The network that a state dict is of, weights in, in float32 on the CPU, and what is known of it.

    Raises:
        WeightsError: the extra is missing, or this is no network that makes one picture of the same size from one.
    """
    descriptor = _descriptor(state, file, task)
    if complaint := _complaint(descriptor):
        raise WeightsError(f"{file}: is a network of the kind {descriptor.architecture.name}, {complaint}")
    network = Fitted(descriptor.model.eval(), descriptor.size_requirements)
    if not _answers_as_called(network, descriptor):
        kind = descriptor.architecture.name
        raise WeightsError(f"{file}: is a network of the kind {kind}, called in a way that photofix does not know")
    return network, _entry(descriptor, file, task)


class Fitted(nn.Module):
    """A network of spandrel's, shown pictures of the sides that it needs; nothing is clamped."""

    def __init__(self, network: nn.Module, needs: Any) -> None:
        super().__init__()
        self.network, self.needs = network, needs

    def forward(self, picture: Tensor) -> Tensor:
        """(N, C, H, W), white at 1, to the same shape; H and W at least 1."""
        height, width = picture.shape[2:]
        right, below = self.needs.get_padding(width, height)
        answer = self.network(functional.pad(picture, (0, right, 0, below), mode="replicate"))
        # Some answer with more than the picture, which comes first.
        shown: Tensor = answer[0] if isinstance(answer, tuple | list) else answer
        return shown[..., :height, :width]


def _descriptor(state: dict[str, Tensor], file: Path, task: str) -> ImageModelDescriptor[nn.Module]:
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError as error:
        raise WeightsError(
            f"{file}: does not fit the network of {task}. Say which it is for with --model NAME (photofix models list) "
            f"or, for one of the many others that spandrel recognises, type: pip install 'photofix[zoo]' ({error})"
        ) from error
    try:
        descriptor = ModelLoader().load_from_state_dict(state)
    except UnsupportedModelError as error:
        raise WeightsError(
            f"{file}: is of no kind of network that is recognised; say which it is for with --model NAME "
            "(photofix models list)"
        ) from error
    except _MISTAKEN as error:
        raise WeightsError(f"{file}: looks like a network that spandrel knows, but is not: {error}") from error
    if not isinstance(descriptor, ImageModelDescriptor):
        raise WeightsError(
            f"{file}: is a network of the kind {descriptor.architecture.name}, which fills holes; photofix has none"
        )
    return descriptor


def _complaint(descriptor: ImageModelDescriptor[nn.Module]) -> str:
    channels = (descriptor.input_channels, descriptor.output_channels)
    if descriptor.scale != 1:
        return f"which makes pictures {descriptor.scale} times as large; photofix keeps their size"
    if descriptor.purpose != "Restoration":
        return f"which is for {descriptor.purpose}, not for restoring whole pictures"
    if channels not in ((1, 1), (3, 3)):
        return f"which takes {channels[0]} channels and gives {channels[1]}; gray or RGB to the same is what can be run"
    return ""


def _answers_as_called(network: Fitted, descriptor: ImageModelDescriptor[nn.Module]) -> bool:
    """Whether the module alone does what spandrel's call does, but for the clamp."""
    picture = torch.rand(1, descriptor.input_channels, TRIAL, TRIAL, generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            answer = network(picture)
    except _MISTAKEN:
        return False
    expected = descriptor(picture)
    return answer.shape == expected.shape and torch.allclose(answer.clamp(0, 1), expected, atol=1e-4)


def _entry(descriptor: ImageModelDescriptor[nn.Module], file: Path, task: str) -> Entry:
    return Entry(
        name=f"{descriptor.architecture.name} of {file.name}",
        task=task,
        best_for="what it was trained for",
        network="",
        arguments={},
        embedded="",
        sources=(),
        unwrap="",
        size=0,
        sha256="",
        takes=Takes("srgb", descriptor.input_channels, ()),
        gives="image",
        reach=MARGIN,
        margin=MARGIN,
        multiple=descriptor.size_requirements.multiple_of,
        view="tiles",
        tile=TILE,
        # Nobody measured how its answer fares in half precision: --precision bfloat16 is for who did.
        half=False,
        bytes_per_pixel=0,
        seconds_per_megapixel=0.0,
        licence="not known",
        commercial=True,
        trained_on="not known",
        paper="",
        figures={},
    )

"""Which device, which precision, and how much memory there is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from photofix.errors import DeviceError, UsageError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Place:
    """Where a network runs and at what precision; why says how it was chosen, for the user."""

    device: torch.device
    precision: torch.dtype
    why: str

    def __str__(self) -> str:
        return f"{self.device}, {str(self.precision).removeprefix('torch.')} ({self.why})"


def choose(device: str = "auto", precision: str = "auto") -> Place:
    """The place for the words of the command line: auto, cpu, cuda, cuda:1, mps; auto, float32, bfloat16, float16.

    An explicit device that is not there is a DeviceError: nothing falls back in silence. Other words: UsageError.
    """
    chosen, why = (_best_device(), "chosen by auto") if device == "auto" else (_named_device(device), "as asked")
    if precision not in ("auto", *PRECISIONS):
        raise UsageError(f"unknown precision {precision!r}: give auto, {', '.join(PRECISIONS)}")
    dtype = _best_precision(chosen) if precision == "auto" else PRECISIONS[precision]
    return Place(chosen, dtype, why)


def in_full(place: Place, reason: str) -> Place:
    """The same device in float32; where it was not before, for that reason."""
    if place.precision == torch.float32:
        return place
    return Place(place.device, torch.float32, f"{place.why}; {reason}")


def available() -> list[torch.device]:
    """Every device that networks can run on here, the best first."""
    cuda = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    mps = [torch.device("mps")] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, torch.device("cpu")]


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory ran out, and nothing else."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # The CPU's allocator raises a plain RuntimeError; these words are its own.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def native_half(device: torch.device) -> list[torch.dtype]:
    """Half precisions that the device computes in hardware, the one to prefer first."""
    if device.type == "cuda":
        return [torch.bfloat16, torch.float16] if torch.cuda.is_bf16_supported(False) else [torch.float16]
    if device.type == "mps":
        return [torch.float16]
    features = torch.cpu.get_capabilities()
    return [torch.bfloat16] if features.get("avx512_bf16") or features.get("amx_bf16") else []


def _best_device() -> torch.device:
    return available()[0]


def _best_precision(device: torch.device) -> torch.dtype:
    return next(iter(native_half(device)), torch.float32)


def _named_device(name: str) -> torch.device:
    try:
        device = torch.device("cuda:0" if name == "cuda" else name)
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"unknown device {name!r}: give auto, cpu, cuda, cuda:1 or mps") from error
    if device not in available():
        names = ", ".join(str(one) for one in available())
        hint = "" if device.type != "cuda" or torch.version.cuda else " (this build of torch has no CUDA)"
        raise DeviceError(
            f"device '{name}' is not available here{hint}; there is: {names}. Give one of them or --device auto"
        )
    return device

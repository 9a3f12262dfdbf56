"""What can go wrong and is expected to: each error says what happened, where, and what to do next."""

from __future__ import annotations


class PhotofixError(Exception):
    """Any failure that is the input's, the machine's or the user's, not a bug. `str(error)` is the whole message."""


class UsageError(PhotofixError):
    """Options that contradict each other, or names that cannot work; found before any photo is touched."""


class ReadError(PhotofixError):
    """A picture that cannot be read."""


class BurstError(PhotofixError):
    """Frames that do not make one burst."""


class WriteError(PhotofixError):
    """A picture that cannot be written."""


class DeviceError(PhotofixError):
    """A device that was asked for and is not there, or that ran out of memory at the smallest tile."""


class WeightsError(PhotofixError):
    """Weights that cannot be had: unknown, not fetched, or not the bytes the manifest promises."""

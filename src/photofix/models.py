"""The networks of a run: which one a photo calls for, loaded once, with the weights that the user wants in it."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

from photofix import checkpoint, device, model, weights, zoo
from photofix.device import Place
from photofix.errors import UsageError
from photofix.job import KnownBlur, Settings
from photofix.model import Model


class Models:
    """The models of one run: each is loaded when the first photo needs it, and then kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.place = device.choose(settings.device, settings.precision)
        self._entries = weights.manifest(settings.manifest)
        self._loaded: dict[str, Model] = {}
        self._lock = threading.Lock()

    def entry_for(self, task: str, is_raw: bool) -> weights.Entry:
        """The network that the settings name, or the task's own for this kind of photo."""
        name = self.settings.model
        entry = weights.find(name, self._entries) if name else weights.default_for(task, is_raw, self._entries)
        if entry.task != task:
            raise UsageError(
                f"model '{entry.name}' is for {entry.task}, not {task}: see photofix models list --task {task}"
            )
        return entry

    def get(self, task: str, is_raw: bool = False) -> Model:
        """The model for a task and kind of photo, with the user's weights where given.

        Where the user names no model, own weights go into the network that they fit: the task's own for this kind of
        photo, that for finished pictures, or one that spandrel recognises.
        """
        own = self.settings.weights
        if not own or self.settings.model:
            return self._load(self.entry_for(task, is_raw), own)
        with self._lock:
            key = f"{task}, raw" if is_raw else task
            if key not in self._loaded:
                self._loaded[key] = self._recognised(task, is_raw, own)
            return self._loaded[key]

    def helper(self, task: str, is_raw: bool = False) -> Model:
        """A model that another task needs beside its own."""
        return self._load(weights.default_for(task, is_raw, self._entries), None)

    def asked(self, settings: Settings) -> Models:
        """The same networks, for work with other settings on the way."""
        others = copy.copy(self)
        others.settings = settings
        return others

    def called_for(self, is_raw: bool) -> tuple[str, bool] | None:
        """Which network the settings' task runs first on such a photo: its task, and whether it is one for RAW.

        None where the task is done without one.

        Raises:
            UsageError: of the blur and the network that deblurring needs, one is missing or does not go with the other.
        """
        task, blur = self.settings.task, self.settings.blur
        if task == "deblur":
            return self._for_known_blur(blur) if blur else self._for_blur()
        if task == "low-light" and self.settings.lift.method != "network":
            return None
        return task, is_raw and task == "denoise"

    def _for_known_blur(self, known: KnownBlur) -> tuple[str, bool] | None:
        name = self.settings.model
        if self.settings.mode != "auto":
            raise UsageError(f"--mode {self.settings.mode} is for a blur that is not known: leave it out, or --psf")
        if self.settings.show_psf and known.psf != "auto":
            raise UsageError("--show-psf draws a blur that was found, and here it is known: leave it out, or --psf")
        if known.method != "plug-and-play":
            if name or self.settings.weights:
                raise UsageError(
                    f"--method {known.method} needs no network: leave {'--model' if name else '--weights'} out"
                )
            return None
        entry = weights.find(name or "denoise", self._entries)
        if entry.task == "denoise" and "sigma" not in entry.takes.conditions:
            raise UsageError(
                f"model '{name}' cannot be told how much to denoise, as a known blur needs: choose another"
            )
        if entry.task != "denoise" and "psf" not in entry.takes.conditions:
            raise UsageError(f"model '{name}' finds the blur by itself: leave --psf out, or choose another model")
        return "denoise" if entry.task == "denoise" else "deblur", False

    def _for_blur(self) -> tuple[str, bool]:
        name, mode = self.settings.model, self.settings.mode
        if name and "psf" in weights.find(name, self._entries).takes.conditions:
            raise UsageError(f"model '{name}' must be told the blur: give --psf, or choose another model")
        # Own weights may be of a network that nobody knows before the file is read.
        own = self.settings.weights and not name
        entry = self.get("deblur").entry if own else self.entry_for("deblur", False)
        if mode != "auto" and mode not in entry.takes.conditions:
            raise UsageError(
                f"model '{entry.name}' cannot be told what blurred a picture: leave --mode out, or choose another model"
            )
        return "deblur", False

    def place_for(self, entry: weights.Entry) -> Place:
        """Where it runs; in float32 where half precision would cost its answer too much and nobody asked for it."""
        if "psf" in entry.takes.conditions:
            return device.in_full(self.place, f"the Fourier transforms of {entry.name} know no half precision")
        if entry.half or self.settings.precision != "auto":
            return self.place
        return device.in_full(self.place, f"half precision is too coarse for {entry.name}")

    def _recognised(self, task: str, is_raw: bool, own: Path) -> Model:
        state = checkpoint.read(own)
        for kind in dict.fromkeys((is_raw, False)):
            entry = self.entry_for(task, kind)
            if model.fits(entry, state):
                return model.load(entry, own, self.place_for(entry), self.settings.tile, own=True)
        network, entry = zoo.recognised(state, own, task)
        return model.ready(network, entry, self.place_for(entry), self.settings.tile)

    def _load(self, entry: weights.Entry, own: Path | None) -> Model:
        with self._lock:
            if entry.name not in self._loaded:
                path = own or weights.verified(entry, self.settings.offline)
                place, tile = self.place_for(entry), self.settings.tile
                self._loaded[entry.name] = model.load(entry, path, place, tile, own=path == own)
            return self._loaded[entry.name]

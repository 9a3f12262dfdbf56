"""What a terminal shows of a run: photos done, megapixels a second, time left."""

from __future__ import annotations

import time

import rich.progress
from rich.console import Console
from rich.table import Column
from rich.text import Text

from photofix.batch import Job

#: Letters of a photo's name that are shown, so that long ones leave room for the bar.
_NAME = 40


class Progress:
    """A bar on standard error, and the lines above it. Without a bar the lines alone."""

    def __init__(self, photos: int, visible: bool) -> None:
        columns = (
            rich.progress.TextColumn("{task.description}", markup=False, table_column=Column(max_width=_NAME)),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.fields[done]}/{task.total:.0f}"),
            rich.progress.TextColumn("{task.fields[speed]}"),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        # Standard output is the picture's: rich would turn what is written there into lines above the bar.
        self.bar = rich.progress.Progress(
            *columns, console=console, transient=True, redirect_stdout=False, disable=not visible
        )
        self._task = self.bar.add_task("", total=photos, done=0, speed="")
        self._shares: dict[Job, float] = {}
        self._done, self._pixels, self._started = 0, 0.0, time.monotonic()

    def advance(self, job: Job, pixels: float, share: float) -> None:
        """Some pixels more of a photo are done, and that share of it. Tiles overlap, so shares may pass one."""
        share = min(share, 1 - self._shares.get(job, 0))
        self._shares[job] = self._shares.get(job, 0) + share
        self._pixels += pixels
        speed = f"{self._pixels / 1e6 / max(1e-3, time.monotonic() - self._started):.2f} MP/s"
        self.bar.update(self._task, advance=share, description=job.source.name, speed=speed)

    def finish(self, job: Job) -> None:
        """A photo has ended, in whichever way."""
        self._done += 1
        self.bar.update(self._task, advance=1 - self._shares.pop(job, 0), done=self._done)

    def say(self, text: str) -> None:
        """A line for the user, above the bar."""
        self.bar.console.print(Text(text), soft_wrap=True)

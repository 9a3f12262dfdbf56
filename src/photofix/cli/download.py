"""What a terminal shows while a weights file comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from photofix.entry import Entry
from photofix.fetch import Progress


@contextmanager
def bar(entry: Entry, visible: bool) -> Iterator[Progress | None]:
    """A bar on standard error, to be told bytes so far and in all."""
    columns = (
        TextColumn("{task.description}", markup=False),
        *(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()),
    )
    with Bars(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, disable=not visible
    ) as bars:
        task = bars.add_task(entry.name, total=entry.size or None)
        yield lambda done, size: bars.update(task, completed=done, total=size or None)

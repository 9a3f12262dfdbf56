"""Put a weights file on disk: download, check, rename. The only file that uses the internet.

A file appears under its own name only after its SHA-256 matched. Two processes that want the same file take turns by
a lock, so the second finds it done. A cut download from a URL goes on where it was, in the same run and in the next:
the hash at the end says whether the pieces belong together, so no ETag has to be kept, and a mirror can finish what
another began.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photofix.errors import WeightsError

if TYPE_CHECKING:
    import httpx2

#: Told (bytes so far, bytes in all or 0 where not known).
Progress = Callable[[int, int], None]

#: Seconds to wait for a connection, and for the next bytes of one that stands.
CONNECT_TIMEOUT, READ_TIMEOUT = 4.0, 15.0

#: Seconds without a new byte after which a source is given up, and the first wait between tries (it doubles).
PATIENCE, FIRST_WAIT = 6.0, 0.25

#: Answers that may be other ones a moment later: timeout, too many requests, and a server in trouble.
PASSING = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Source:
    """One place that has a file: a pinned URL, or a file of a Hub repository ("owner/name") at a 40-hex revision."""

    url: str = ""
    hub: str = ""
    file: str = ""
    revision: str = ""

    def address(self, endpoint: str) -> str:
        """The URL, on the Hub at this endpoint."""
        return self.url or f"{endpoint}/{self.hub}/resolve/{self.revision}/{self.file}"


@dataclass(frozen=True)
class Pin:
    """What a file must be: its SHA-256 in lower-case hex, its size in bytes (0: not known)."""

    sha256: str
    size: int = 0


def digest(path: Path) -> str:
    """SHA-256 of a file in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(sources: Sequence[Source], destination: Path, pin: Pin, endpoint: str, progress: Progress) -> None:
    """Put the promised file at destination, from the first source that gives it.

    Raises:
        WeightsError: no source gave it; a line for each says why.
    """
    # Imported here as it brings asyncio along, which every other command starts faster without.
    from filelock import FileLock

    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(destination.name + ".part")
    with FileLock(f"{destination}.lock"):
        if destination.is_file() and digest(destination) == pin.sha256:
            return
        failures = []
        for source in sources:
            failure = _try(source, part, pin, endpoint, progress)
            if not failure:
                part.replace(destination)
                return
            failures.append(f"  {source.address(endpoint)}\n    {failure}")
    raise WeightsError("\n".join(failures))


def _try(source: Source, part: Path, pin: Pin, endpoint: str, progress: Progress) -> str:
    """Download into part. Returns what went wrong, or nothing when part is the promised file."""
    import httpx2

    begun = part.exists()
    try:
        if source.url:
            _from_url(source.url, part, pin.size, progress)
        else:
            _from_hub(source, part, pin.size, endpoint, progress)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        return _reason(error)
    actual, size = digest(part), part.stat().st_size
    if actual == pin.sha256:
        return ""
    part.unlink()
    if begun:  # Perhaps only the old piece was wrong: once more, from the start.
        return _try(source, part, pin, endpoint, progress)
    return f"gave other bytes: SHA-256 {actual}, {size} bytes"


def _from_url(url: str, part: Path, size: int, progress: Progress) -> None:
    import httpx2

    timeout = httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    # Compressed on its way, a file could not be continued at a byte of its own.
    headers = {"Accept-Encoding": "identity", "User-Agent": "photofix"}
    with httpx2.Client(follow_redirects=True, timeout=timeout, headers=headers) as client:
        _persist(lambda: _continue(client, url, part, size, progress), lambda: _size(part))


def _continue(client: httpx2.Client, url: str, part: Path, size: int, progress: Progress) -> None:
    """One request for what part still lacks."""
    start = _size(part)
    if size and start >= size:
        return
    with client.stream("GET", url, headers={"Range": f"bytes={start}-"} if start else {}) as response:
        if response.status_code == 416:  # Part is longer than the file: it is of another one.
            part.unlink()
        response.raise_for_status()
        # A server that knows no ranges answers 200 and sends all of it.
        with part.open("ab" if response.status_code == 206 else "wb") as file:
            for piece in response.iter_bytes():
                file.write(piece)
                progress(file.tell(), size)
                if size and file.tell() > size:  # Not the file: the hash will say so, the rest is not needed.
                    return


def _from_hub(source: Source, part: Path, size: int, endpoint: str, progress: Progress) -> None:
    """By huggingface-hub, which goes on within a run where it was cut, but checks no hash."""
    staging = part.with_name(part.name + ".hub")
    try:
        _persist(lambda: _hub_download(source, staging, size, endpoint, progress).replace(part), lambda: 0)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _hub_download(source: Source, staging: Path, size: int, endpoint: str, progress: Progress) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(
            source.hub,
            source.file,
            revision=source.revision,
            local_dir=staging,
            cache_dir=staging,  # The user's own Hub cache may hold a damaged copy, which would be taken as it is.
            force_download=True,  # Else an unreachable endpoint is tried for 23 seconds.
            etag_timeout=CONNECT_TIMEOUT,
            token=False,
            endpoint=endpoint,
            library_name="photofix",
            tqdm_class=_reporter(progress, size),
        )
    except ValueError as error:  # How a forced download wraps the failure of its first request.
        raise error.__cause__ if isinstance(error.__cause__, Exception) else error from None
    return Path(path)


def _reporter(progress: Progress, size: int) -> type[Any]:
    """A progress bar for huggingface-hub that draws nothing and tells `progress`."""
    from huggingface_hub.utils.tqdm import tqdm

    class Reporter(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            progress(int(self.n), size)

    return Reporter


def _persist(attempt: Callable[[], object], arrived: Callable[[], int]) -> None:
    """Try again after failures that may pass, until PATIENCE seconds brought no more bytes than had arrived before."""
    import httpx2

    most, since, wait = arrived(), time.monotonic(), FIRST_WAIT
    while True:
        try:
            attempt()
            return
        except httpx2.HTTPError as error:
            if arrived() > most:
                most, since, wait = arrived(), time.monotonic(), FIRST_WAIT
            pause = max(wait, _asked_wait(error))
            if not _may_pass(error) or time.monotonic() + pause - since > PATIENCE:
                raise
        time.sleep(pause)
        wait *= 2


def _may_pass(error: httpx2.HTTPError) -> bool:
    import httpx2

    response = getattr(error, "response", None)
    return isinstance(error, httpx2.TransportError) if response is None else response.status_code in PASSING


def _asked_wait(error: httpx2.HTTPError) -> float:
    """Seconds of a Retry-After header; its other form, a date, is not worth a parser here."""
    response = getattr(error, "response", None)
    value = response.headers.get("Retry-After", "") if response is not None else ""
    return float(value) if value.isdecimal() else 0.0


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"answered HTTP {response.status_code} {response.reason_phrase}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

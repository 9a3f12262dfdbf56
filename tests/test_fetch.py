"""Downloads, by the real clients from a server on the loopback."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
from hub_server import Hub

from photofix import fetch
from photofix.errors import WeightsError
from photofix.fetch import Pin, Source

CONTENT = bytes(range(256)) * 4000  # 1 MB
PIN = Pin(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
REVISION = "0123456789abcdef0123456789abcdef01234567"
IN_REPOSITORY = f"/owner/nets/resolve/{REVISION}/weights/net.bin"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    # Else the Hub's client asks the real Hub which program it runs in.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    with hub_server.running() as server:
        yield server


def get(hub: Hub, destination: Path, *sources: Source, pin: Pin = PIN) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    fetch.fetch(sources, destination, pin, hub.address, lambda done, size: told.append((done, size)))
    return told


def both(hub: Hub, content: bytes = CONTENT) -> list[tuple[Source, str]]:
    """The same content as a plain URL and in a Hub repository: (source, path on the server)."""
    url = hub.put("/net.bin", content)
    hub.put(IN_REPOSITORY, content)
    return [
        (Source(url=url), "/net.bin"),
        (Source(hub="owner/nets", file="weights/net.bin", revision=REVISION), IN_REPOSITORY),
    ]


@pytest.fixture(params=["url", "hub"])
def place(request: pytest.FixtureRequest, hub: Hub) -> tuple[Source, str]:
    return both(hub)[request.param == "hub"]


def left(folder: Path) -> set[str]:
    """What lies in a folder besides locks."""
    return {path.name for path in folder.rglob("*") if path.suffix != ".lock"}


def test_the_right_file_arrives_alone_and_progress_ends_at_its_size(
    hub: Hub, place: tuple[Source, str], tmp_path: Path
) -> None:
    told = get(hub, tmp_path / "cache" / "net.bin", place[0])
    assert (tmp_path / "cache" / "net.bin").read_bytes() == CONTENT
    assert left(tmp_path / "cache") == {"net.bin"}
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


def test_a_file_that_is_there_and_right_costs_no_request(hub: Hub, place: tuple[Source, str], tmp_path: Path) -> None:
    (tmp_path / "net.bin").write_bytes(CONTENT)
    get(hub, tmp_path / "net.bin", place[0])
    assert hub.requests == []


def test_a_tampered_file_of_the_same_size_is_replaced(hub: Hub, place: tuple[Source, str], tmp_path: Path) -> None:
    (tmp_path / "net.bin").write_bytes(b"x" + CONTENT[1:])
    get(hub, tmp_path / "net.bin", place[0])
    assert (tmp_path / "net.bin").read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_nothing_is_left(hub: Hub, place: tuple[Source, str], tmp_path: Path) -> None:
    source, path = place
    hub.files[path] = wrong = b"x" + CONTENT[1:]
    with pytest.raises(WeightsError, match=hashlib.sha256(wrong).hexdigest()) as caught:
        get(hub, tmp_path / "net.bin", source)
    assert source.address(hub.address) in str(caught.value)
    assert left(tmp_path) == set()


def test_the_next_mirror_is_asked(hub: Hub, tmp_path: Path) -> None:
    url, repository = (source for source, _ in both(hub))
    broken = Source(url=hub.put("/broken.bin", b"<html>gone</html>"))
    get(hub, tmp_path / "net.bin", Source(url=f"{hub.address}/none"), broken, repository, url)
    assert (tmp_path / "net.bin").read_bytes() == CONTENT
    assert hub.asked("GET", "/net.bin") == []


def test_every_failed_source_is_named(hub: Hub, tmp_path: Path) -> None:
    sources = [Source(url=f"{hub.address}/{name}") for name in ("one", "two")]
    with pytest.raises(WeightsError) as caught:
        get(hub, tmp_path / "net.bin", *sources)
    assert str(caught.value).count("HTTP 404") == 2
    assert "/one" in str(caught.value)
    assert "/two" in str(caught.value)


def test_not_found_is_not_asked_again(hub: Hub, place: tuple[Source, str], tmp_path: Path) -> None:
    source, path = place
    del hub.files[path]
    with pytest.raises(WeightsError, match="HTTP 404"):
        get(hub, tmp_path / "net.bin", source)
    assert len([where for _, where, _ in hub.requests if where == path]) == 1


def test_a_busy_server_is_asked_again(hub: Hub, place: tuple[Source, str], tmp_path: Path) -> None:
    source, path = place
    hub.busy[path] = 2
    get(hub, tmp_path / "net.bin", source)
    assert (tmp_path / "net.bin").read_bytes() == CONTENT


def test_a_server_that_stays_busy_is_given_up(
    hub: Hub, place: tuple[Source, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "PATIENCE", 1.0)
    source, path = place
    hub.busy[path] = 1000
    with pytest.raises(WeightsError, match="HTTP 503"):
        get(hub, tmp_path / "net.bin", source)
    assert 2 <= 1000 - hub.busy[path] <= 4


def test_a_cut_connection_goes_on_where_it_was(
    hub: Hub, place: tuple[Source, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The Hub's client keeps whole chunks only, of 10 MB by default.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)
    source, path = place
    hub.cut[path] = [300_000]
    told = get(hub, tmp_path / "net.bin", source)
    assert (tmp_path / "net.bin").read_bytes() == CONTENT
    assert hub.asked("GET", path) == ["", "bytes=300000-"]
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_the_next_run_goes_on_where_the_last_was_cut(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PATIENCE", 0.0)
    source, path = both(hub)[0]
    hub.cut[path] = [400_000, 0]
    with pytest.raises(WeightsError, match="closed"):
        get(hub, tmp_path / "net.bin", source)
    assert not (tmp_path / "net.bin").exists()
    hub.cut.clear()
    get(hub, tmp_path / "net.bin", source)
    assert (tmp_path / "net.bin").read_bytes() == CONTENT
    assert hub.asked("GET", path)[-1] == "bytes=400000-"


def test_a_piece_of_something_else_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    source, path = both(hub)[0]
    (tmp_path / "net.bin.part").write_bytes(b"x" * 1000)
    get(hub, tmp_path / "net.bin", source)
    assert (tmp_path / "net.bin").read_bytes() == CONTENT
    assert hub.asked("GET", path) == ["bytes=1000-", ""]


def test_a_piece_longer_than_the_file_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    source, _ = both(hub)[0]
    (tmp_path / "net.bin.part").write_bytes(CONTENT + b"x")
    get(hub, tmp_path / "net.bin", source)
    assert (tmp_path / "net.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(hub: Hub, tmp_path: Path) -> None:
    source, path = both(hub)[0]
    hub.ranges, hub.cut[path] = False, [500_000]
    get(hub, tmp_path / "net.bin", source)
    assert (tmp_path / "net.bin").read_bytes() == CONTENT


def test_an_endless_answer_is_not_read_to_its_end(hub: Hub, tmp_path: Path) -> None:
    source = Source(url=hub.put("/huge.bin", CONTENT * 30))
    with pytest.raises(WeightsError, match="gave other bytes") as caught:
        get(hub, tmp_path / "net.bin", source)
    assert int(str(caught.value).split(", ")[-1].split()[0]) < 2 * len(CONTENT)


@pytest.mark.parametrize("kind", ["url", "hub"])
def test_an_unreachable_endpoint_is_given_up_in_seconds(kind: str, tmp_path: Path, hub: Hub) -> None:
    closed = "http://127.0.0.1:9"
    source = Source(url=f"{closed}/net.bin") if kind == "url" else both(hub)[1][0]
    begun = time.monotonic()
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:9.*\n.*refused"):
        fetch.fetch([source], tmp_path / "net.bin", PIN, closed, lambda *_: None)
    assert time.monotonic() - begun < 10


FETCH = """
import sys, pathlib
from photofix import fetch
url, sha256, size, destination = sys.argv[1:]
pin = fetch.Pin(sha256, int(size))
fetch.fetch([fetch.Source(url=url)], pathlib.Path(destination), pin, "", lambda done, size: None)
"""


def test_two_processes_at_once_download_once(hub: Hub, tmp_path: Path) -> None:
    source, path = both(hub)[0]
    command = [sys.executable, "-c", FETCH, source.url, PIN.sha256, str(PIN.size), str(tmp_path / "net.bin")]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(30) for process in running] == [0, 0]
    assert (tmp_path / "net.bin").read_bytes() == CONTENT
    assert len(hub.asked("GET", path)) == 1
    assert left(tmp_path) == {"net.bin"}

"""A server on the loopback that speaks as much of the Hub's protocol as a download needs, and misbehaves on request."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """Files by path ("/file.bin", or "/owner/name/resolve/REVISION/file.bin"), faults by path, and what was asked.

    busy: answer the next N requests for a path with 503.
    cut: end the next body of a path after N bytes, promising more.
    ranges: whether Range is understood.
    requests: (method, path, Range header) of every request, in order.
    """

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    busy: Counter[str] = field(default_factory=Counter)
    cut: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def put(self, path: str, content: bytes) -> str:
        """Serve content at path; returns the URL."""
        self.files[path] = content
        return self.address + path

    def asked(self, method: str, path: str) -> list[str]:
        """The Range header of each such request."""
        return [span for verb, where, span in self.requests if (verb, where) == (method, path)]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, with_body: bool) -> None:
        hub, span = self.server.hub, self.headers.get("Range", "")
        hub.requests.append((self.command, self.path, span))
        if hub.busy[self.path] > 0:
            hub.busy[self.path] -= 1
            return self._head(503, 0)
        if self.path not in hub.files:
            return self._head(404, 0, {"X-Error-Code": "EntryNotFound"} if "/resolve/" in self.path else {})
        content = hub.files[self.path]
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and hub.ranges else 0
        if span and start >= len(content):
            return self._head(416, 0)
        self._head(206 if start else 200, len(content) - start, self._file_headers(content, start))
        if with_body:
            self._body(content[start:])
        return None

    def _file_headers(self, content: bytes, start: int) -> dict[str, str]:
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if "/resolve/" in self.path:
            headers["X-Repo-Commit"] = self.path.split("/resolve/")[1].split("/")[0]
            headers["X-Linked-Size"] = str(len(content))
            headers["X-Linked-Etag"] = f'"{hashlib.sha256(content).hexdigest()}"'
        return headers

    def _head(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, content: bytes) -> None:
        cuts = self.server.hub.cut.get(self.path)
        if cuts:
            content = content[: cuts.pop(0)]
            self.close_connection = True
        with suppress(ConnectionError):  # A client may have seen enough.
            self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    hub: Hub


@contextmanager
def running() -> Iterator[Hub]:
    """A hub on a free port, served until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.hub = Hub(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.hub
        finally:
            server.shutdown()
            thread.join()

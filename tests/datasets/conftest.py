"""An archive on this machine that can be told to behave as badly as real ones do."""

import hashlib
import http.server
import json
import socket
import struct
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from pyg_hep.datasets import web


@dataclass
class Page:
    """What an address serves, and what goes wrong with the first requests, in turn."""

    body: bytes
    misbehaviour: list[str] = field(default_factory=list)
    ranges: bool = True


class Archive(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.closing = threading.Event()

    @property
    def host(self):
        return f"http://127.0.0.1:{self.server_port}"

    def ranges(self, path):
        """The Range headers of the requests for a path."""
        return [asked for requested, asked in self.requests if requested == path]

    def add(self, path, body, *misbehaviour, ranges=True):
        self.pages[path] = Page(body, list(misbehaviour), ranges)
        return self.host + path

    def add_zenodo(self, record, files):
        """The listing of a record, and its files."""
        listing = []
        for name, body in files.items():
            url = self.add(f"/api/records/{record}/files/{name}/content", body)
            checksum = f"md5:{hashlib.md5(body).hexdigest()}"
            listing.append({"key": name, "size": len(body), "checksum": checksum, "links": {"self": url}})
        self.add(f"/api/records/{record}", json.dumps({"id": record, "files": listing}).encode())

    def add_cern(self, record, files, index=True):
        """The portal's listing, in an index (with running numbers as keys) or not, and the files."""
        listing = []
        for number, (name, body) in enumerate(files.items()):
            self.add(f"/eos/opendata/test/{record}/{name}", body)
            listing.append(
                {
                    "key": f"test_file_index.json_{number}" if index else name,
                    "size": len(body),
                    "checksum": f"adler32:{zlib.adler32(body):x}",
                    "uri": f"root://eospublic.cern.ch//eos/opendata/test/{record}/{name}",
                    "availability": "online",
                }
            )
        metadata = {"recid": str(record)}
        metadata |= {"_file_indices": [{"key": "i.json", "files": listing}]} if index else {"files": listing}
        self.add(f"/api/records/{record}", json.dumps({"id": str(record), "metadata": metadata}).encode())


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        page = self.server.pages.get(self.path)
        if page is None:
            self.send_error(404)
            return
        how = page.misbehaviour.pop(0) if page.misbehaviour else ""
        if how.isdigit():
            self.send_error(int(how))
            return
        body = bytes(len(page.body)) if how == "wrong" else page.body
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and page.ranges else 0
        if first and first >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        if first:
            shift = 5 if how == "shifted" else 0
            self.send_header("Content-Range", f"bytes {first + shift}-{len(body) - 1}/{len(body)}")
        rest = body[first:]
        if how != "no length":
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        sent = rest[: len(rest) // 2] if how in ("drop", "truncate", "stall") else rest
        with suppress(OSError):
            if how == "slow":
                for start in range(0, len(sent), 1 << 16):
                    self.wfile.write(sent[start : start + (1 << 16)])
                    time.sleep(0.05)
            else:
                self.wfile.write(sent)
            if how == "stall":
                self.server.closing.wait(30)
            if how == "drop":  # a reset instead of an orderly end, once what was sent has arrived
                time.sleep(0.1)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()


@pytest.fixture
def archive(monkeypatch):
    """A server of this machine; repetitions do not wait."""
    monkeypatch.setattr(web, "BACKOFF", 0.001)
    monkeypatch.setattr(web, "TIMEOUT", (5.0, 1.0))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Archive() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()

"""Files over HTTP into a folder: parallel, resumed and verified. Which files these are is not decided here."""

from __future__ import annotations

import hashlib
import re
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import requests
from filelock import FileLock
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from pyg_hep.datasets.web import StoppedError, TemporaryError, get, patiently, reason
from pyg_hep.errors import DownloadError

# What a broken connection loses at most, and so small that a slow one gets further every time.
_BLOCK = 1 << 16


class _Adler32:
    """zlib's checksum with the interface of hashlib's."""

    def __init__(self) -> None:
        self._value = zlib.adler32(b"")

    def update(self, block: bytes) -> None:
        self._value = zlib.adler32(block, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


_DIGESTS: Any = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256, "adler32": _Adler32}


@dataclass(frozen=True)
class RemoteFile:
    """A file of an archive.

    Args:
        name: name without a folder, under which the file is stored.
        url: its address.
        checksum: ``"md5:..."``, ``"sha1:..."``, ``"sha256:..."`` or ``"adler32:..."``; None where none is published.
        size: in bytes; None where it is unknown.

    Raises:
        DownloadError: for a name that could lead out of a folder, or an unknown kind of checksum.
    """

    name: str
    url: str
    checksum: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        # Names come from a server: none may decide where on this machine something is written.
        if not self.name.isprintable() or self.name in ("", ".", "..") or set(self.name) & set("/\\"):
            raise DownloadError(f"{self.url} is listed as {self.name!r}, which is not a plain file name: refused")
        if self.checksum is not None and self.checksum.partition(":")[0] not in _DIGESTS:
            raise DownloadError(f"{self.name} ({self.url}): checksum {self.checksum!r} is of an unknown kind")


def locked(folder: Path) -> FileLock:
    """Keeps other processes, such as those of a distributed training, from filling the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / ".lock")


class _Transfer:
    """One file on its way: ``<name>.part`` and the checksum of what is in it."""

    def __init__(self, file: RemoteFile, folder: Path, retries: int, stop: threading.Event, advance: Callable):
        self.file, self.folder, self.retries, self.stop, self.advance = file, folder, retries, stop, advance
        self.target, self.part = folder / file.name, folder / f"{file.name}.part"
        self.kind, _, self.expected = (file.checksum or "").partition(":")
        self.response: requests.Response | None = None
        self.done = 0
        self._start_over()

    def _start_over(self) -> None:
        self.advance(-self.done)
        self.done = 0
        self.digest = _DIGESTS[self.kind]() if self.kind else None

    def _take(self, block: bytes) -> None:
        self.done += len(block)
        if self.digest is not None:
            self.digest.update(block)
        self.advance(len(block))

    def _take_file(self, path: Path) -> None:
        with path.open("rb") as handle:
            while block := handle.read(_BLOCK):
                if self.stop.is_set():
                    raise StoppedError
                self._take(block)

    def _problem(self) -> str | None:
        """What is wrong with the bytes taken, if anything."""
        if self.file.size is not None and self.done != self.file.size:
            return f"it has {self.done} bytes instead of {self.file.size}"
        found = self.digest.hexdigest() if self.digest is not None else ""
        if found != self.expected.lower().zfill(len(found)):  # archives drop the zeros in front of an adler32
            return f"its {self.kind} is {found} instead of {self.expected}"
        return None

    def run(self) -> Path:
        """Bring the file to its name, or raise."""
        if self.stop.is_set():
            raise StoppedError
        try:
            if self.target.is_file():
                self._take_file(self.target)
                if self._problem() is None:
                    return self.target
                self.target.unlink()
                self._start_over()
            for _ in range(2):  # what arrived damaged is fetched once more, from its first byte
                with self.part.open("a+b") as handle, requests.Session() as session:
                    if not self.done:
                        self._take_file(self.part)
                    patiently(lambda: self._receive(session, handle), self.retries, self.stop, lambda: self.done)
                problem = self._problem()
                if problem is None:
                    return self.part.replace(self.target)
                self.part.unlink()
                self._start_over()
            raise DownloadError(f"it arrived damaged twice: {problem}")
        except OSError as error:
            problem = str(error) if isinstance(error, DownloadError) else reason(error)
            raise DownloadError(
                f"cannot download {self.file.name} (address {self.file.url}): {problem}; "
                f"try again later, or fetch the file by hand and put it into {self.folder}"
            ) from None

    def _receive(self, session: requests.Session, handle: BinaryIO) -> None:
        """Ask for the bytes that are missing and append them."""
        size = self.file.size
        if self.done and self.done == size:
            return
        if size is not None and self.done > size:
            self._empty(handle)
        headers = {"Accept-Encoding": "identity"}
        if self.done:
            headers["Range"] = f"bytes={self.done}-"
        with get(session, self.file.url, headers) as self.response:
            end = self._end(self.response)
            if end is None:
                self._empty(handle)
                raise TemporaryError(f"host {urlsplit(self.file.url).netloc} cannot go on at the byte asked for")
            if self.response.status_code == 200:
                self._empty(handle)
            try:
                for block in self.response.iter_content(_BLOCK) if self.done != end else ():
                    if self.stop.is_set():
                        raise StoppedError
                    handle.write(block)
                    self._take(block)
                    if size is not None and self.done > size:
                        return
            except (requests.RequestException, HTTPError) as error:
                raise TemporaryError(f"the connection broke after {self.done} bytes: {reason(error)}") from error
            finally:
                handle.flush()
        if 0 <= end != self.done:
            raise TemporaryError(f"the connection ended after {self.done} of {end} bytes")

    def _end(self, response: requests.Response) -> int | None:
        """Bytes that the file has once the answer was read, -1 if unknown; None if it can't be appended."""
        if response.status_code == 200:
            length = response.headers.get("Content-Length", "")
            return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else -1
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        total = int(match[3]) if match and match[3] != "*" else self.file.size
        if match is None or (self.file.size is not None and total != self.file.size):
            return None
        if response.status_code == 416:
            return total if total == self.done else None
        if match[1] is None or int(match[1]) != self.done:
            return None
        return total if total is not None else int(match[2]) + 1

    def _empty(self, handle: BinaryIO) -> None:
        handle.truncate(0)
        self._start_over()

    def interrupt(self) -> None:
        """Wake a thread that waits for the server."""
        with suppress(Exception):  # it may be done at this very moment, and old versions of urllib3 can't
            self.response.raw.shutdown()  # type: ignore[union-attr]


def download_files(files: Sequence[RemoteFile], folder: str | Path, workers: int = 4, retries: int = 5) -> list[Path]:
    """Fetch files into a folder; those that are there and sound are left alone.

    A file appears under its name when its size and checksum are right. What an interruption leaves as
    ``<name>.part`` is gone on with by the next call.

    Args:
        files: what to fetch.
        folder: where to; it is made when needed.
        workers: files fetched at the same time.
        retries: attempts, without a byte of progress between them, before giving up.

    Returns:
        The paths, in the order of ``files``.

    Raises:
        DownloadError: when a file cannot be fetched or is not what the archive says.
    """
    folder = Path(folder).expanduser()
    names = [file.name for file in files]
    for file in files:
        if names.count(file.name) > 1:
            raise DownloadError(f"{file.name} (address {file.url}) is listed more than once; fetch it by itself")
    stop, bar_lock = threading.Event(), threading.Lock()
    total = sum(file.size or 0 for file in files) or None

    def advance(num_bytes: int) -> None:
        with bar_lock:
            bar.update(num_bytes)

    bar = tqdm(total=total, unit="B", unit_scale=True, desc=f"Downloading into {folder.name}", disable=None)
    with locked(folder), bar, ThreadPoolExecutor(workers) as pool:
        transfers = [_Transfer(file, folder, retries, stop, advance) for file in files]
        futures = [pool.submit(transfer.run) for transfer in transfers]
        try:
            finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            # After a failure or Ctrl-C the other threads end too, each leaving its part for the next call.
            stop.set()
            for transfer in transfers:
                transfer.interrupt()
        errors = [error for future in finished if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
    return [future.result() for future in futures]

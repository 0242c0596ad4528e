"""HTTP requests that are repeated while that may help; what is fetched and where it goes is not known here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import requests

from pyg_hep.errors import DownloadError

TIMEOUT = (10.0, 30.0)
"""Seconds to connect, and to wait for the next bytes."""
BACKOFF = 1.0
"""Seconds before the first repetition; doubled every time, at most a minute."""
_Result = TypeVar("_Result")


class TemporaryError(Exception):
    """What may go better when it is tried again."""

    def __init__(self, problem: str, pause: float = 0.0):
        super().__init__(problem)
        self.pause = pause


class StoppedError(Exception):
    """Another file failed, or the user interrupted."""


def reason(error: BaseException) -> str:
    """The operating system's own words, which requests hides under several layers."""
    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for inner in reversed(chain):
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
    return " ".join(str(chain[-1]).split())[:200] or type(chain[-1]).__name__


def get(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """Open an address; the answer is a success, or 416 to a range."""
    host = urlsplit(url).netloc
    try:
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise TemporaryError(f"cannot reach host {host}: {reason(error)}") from error
    except (requests.RequestException, ValueError) as error:
        raise DownloadError(f"{url} is not an address that can be opened: {reason(error)}") from None
    status = response.status_code
    if response.ok or (status == 416 and "Range" in headers):
        return response
    response.close()
    answer = f"host {host} answers {status} {response.reason}"
    if status in (408, 429) or status >= 500:
        pause = response.headers.get("Retry-After", "")
        raise TemporaryError(answer, min(float(pause), 60.0) if pause.isdigit() else 0.0)
    raise DownloadError(answer)


def patiently(
    action: Callable[[], _Result], retries: int, stop: threading.Event, progress: Callable[[], int] = lambda: 0
) -> _Result:
    """Repeat what fails for a passing reason; what gets further every time may go on for ever."""
    failures, furthest = 0, progress()
    while not stop.is_set():
        try:
            return action()
        except TemporaryError as problem:
            failures = 0 if progress() > furthest else failures + 1
            furthest = max(furthest, progress())
            if failures > retries:
                raise DownloadError(str(problem)) from None
            stop.wait(max(problem.pause, min(BACKOFF * 2 ** (failures - 1), 60.0)))
    raise StoppedError

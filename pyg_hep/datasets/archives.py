"""What public archives hold: the files of a record of Zenodo or of the CERN Open Data portal."""

from __future__ import annotations

import re
import threading
from typing import Any
from urllib.parse import quote

import requests
from urllib3.exceptions import HTTPError

from pyg_hep.datasets.download import RemoteFile
from pyg_hep.datasets.web import TemporaryError, get, patiently, reason
from pyg_hep.errors import ConfigError, DownloadError


def _record_number(record: int | str, host: str) -> int:
    text = re.sub(r"^(?:(?:https?://)?(?:dx\.)?doi\.org/|doi:)?10\.5281/zenodo\.", "", str(record).strip())
    if not text.isdigit():
        raise ConfigError(f"{record!r} is not the number of a record of {host} (such as 2603256)")
    return int(text)


def _json(url: str, what: str, retries: int) -> Any:
    try:
        with requests.Session() as session:
            return patiently(lambda: _read_json(session, url), retries, threading.Event())
    except DownloadError as error:
        raise DownloadError(f"cannot list {what} (address {url}): {error}; try again later") from None


def _read_json(session: requests.Session, url: str) -> Any:
    with get(session, url, {"Accept": "application/json"}) as response:
        try:
            return response.json()
        except requests.exceptions.JSONDecodeError:
            raise DownloadError("the answer is not JSON") from None
        except (requests.RequestException, HTTPError) as error:
            raise TemporaryError(f"the connection broke: {reason(error)}") from error


def _malformed(what: str, url: str, error: Exception) -> DownloadError:
    return DownloadError(f"cannot list {what} (address {url}): unexpected content ({error!r}); try again later")


def zenodo_files(record: int | str, host: str = "https://zenodo.org", retries: int = 3) -> list[RemoteFile]:
    """List the files of a Zenodo record.

    Args:
        record: number of the record, or its DOI (``10.5281/zenodo.2603256``).
        host: the archive's address.
        retries: attempts before giving up.

    Raises:
        ConfigError: when that is no record number.
        DownloadError: when the archive cannot be reached or has no such record.
    """
    record = _record_number(record, host)
    what, url = f"record {record}", f"{host.rstrip('/')}/api/records/{record}"
    content = _json(url, what, retries)
    try:
        return [RemoteFile(f["key"], f["links"]["self"], f.get("checksum"), f.get("size")) for f in content["files"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise _malformed(what, url, error) from None


def cern_open_data_files(
    record: int | str, host: str = "https://opendata.cern.ch", retries: int = 3
) -> list[RemoteFile]:
    """List the files of a record of the CERN Open Data portal, those of its file indices included.

    Args:
        record: number of the record.
        host: the portal's address.
        retries: attempts before giving up.

    Raises:
        ConfigError: when that is no record number.
        DownloadError: when the portal cannot be reached, has no such record, or keeps its files on tape.
    """
    host, record = host.rstrip("/"), _record_number(record, host)
    what, url = f"record {record}", f"{host}/api/records/{record}"
    content = _json(url, what, retries)
    try:
        metadata = content["metadata"]
        indices = metadata.get("_file_indices") or []
        entries = [*(metadata.get("files") or []), *(entry for index in indices for entry in index.get("files") or [])]
        if any(entry.get("availability") not in (None, "", "online") for entry in entries):
            raise DownloadError(f"files of {what} are on tape: request them at {host}/record/{record}, then try again")
        unique = {entry["uri"]: entry for entry in entries}
        names = [uri.rsplit("/", 1)[-1] for uri in unique]  # "key" is a running number inside an index
        return [
            RemoteFile(
                name if names.count(name) == 1 else "_".join(uri.split("/")[-2:]),
                _portal_address(uri, host),
                _portal_checksum(entry.get("checksum")),
                entry.get("size"),
            )
            for name, (uri, entry) in zip(names, unique.items(), strict=True)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise _malformed(what, url, error) from None


def _portal_address(uri: str, host: str) -> str:
    """The portal serves what its storage calls root://eospublic.cern.ch//eos/opendata/... under its own name."""
    return f"{host}/{quote(re.sub('^root://[^/]+/+', '', uri))}" if uri.startswith("root://") else uri


def _portal_checksum(checksum: str | None) -> str | None:
    """Some records give an adler32 without saying so."""
    return f"adler32:{checksum}" if checksum and re.fullmatch("[0-9a-fA-F]{1,8}", checksum) else checksum or None

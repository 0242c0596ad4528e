"""``RemoteDataset``: an ``EventDataset`` that fetches its files first. Which ones is said in ``named.py``."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

from pyg_hep.datasets.archives import zenodo_files
from pyg_hep.datasets.download import RemoteFile, download_files, locked
from pyg_hep.datasets.event_dataset import EventDataset
from pyg_hep.errors import ConfigError, DownloadError, nearest
from pyg_hep.readers import Card, load_card

CardLike = str | Path | Mapping[str, Any] | Card


@dataclass(frozen=True)
class Wanted:
    """Files of one record.

    Args:
        record: number of the record.
        patterns: names, or patterns such as ``*.root``.
        at_most: take the first so many (in the order of their names) of what a pattern matches.
    """

    record: int
    patterns: tuple[str, ...]
    at_most: int | None = None

    def __post_init__(self) -> None:
        if self.at_most is not None and self.at_most < 1:
            raise ConfigError(f"max_files={self.at_most!r} is not possible: it takes at least one file")

    def select(self, listing: list[RemoteFile] | None) -> list[RemoteFile] | None:
        """The wanted ones of a record's files; None when it takes a listing to know them."""
        if listing is None:
            if any("*" in pattern for pattern in self.patterns):
                return None
            return [RemoteFile(name, "") for name in self.patterns[: self.at_most]]
        chosen: list[RemoteFile] = []
        for pattern in self.patterns:
            found = sorted((f for f in listing if fnmatchcase(f.name, pattern)), key=lambda f: f.name)
            if not found:
                raise DownloadError(f"record {self.record} has no file {pattern}: {nearest(pattern, _names(listing))}")
            chosen += found
        return chosen[: self.at_most]


def _names(listing: list[RemoteFile]) -> list[str]:
    return [file.name for file in listing]


class RemoteDataset(EventDataset):
    """Downloads what is missing to ``root/raw/<record>`` before the files are converted.

    ``root/raw/<record>.json`` keeps the record's listing (name, address, checksum, size of every file), so that
    nothing is asked of the archive again once the files are there.

    Args:
        root: folder for the files and the processed data.
        card: dataset card.
        wanted: process -> its files.
        host: address of the archive; None for its own.
        options: further options of :class:`EventDataset`.

    Raises:
        DownloadError: when a file cannot be fetched or is not what the archive says.
    """

    list_record: ClassVar[Callable[..., list[RemoteFile]]] = staticmethod(zenodo_files)

    def __init__(
        self,
        root: str | Path,
        card: CardLike,
        wanted: Mapping[str, Sequence[Wanted]],
        host: str | None,
        options: Mapping[str, Any],
    ):
        card = load_card(card)  # a mistake in it must not show up after hours of downloading
        self._wanted, self._host = wanted, host
        self.root = str(Path(root).expanduser())
        if self._missing():
            self.download()
        files = {
            process: [path for item in items for file in self._selected(item) for path in self._read_from(item, file)]
            for process, items in wanted.items()
        }
        super().__init__(root, card, files, **options)

    @property
    def raw_file_names(self) -> list[str]:
        """Files of the archive, relative to ``root/raw``."""
        return [f"{item.record}/{file.name}" for item in self._items() for file in self._selected(item)]

    def download(self) -> None:
        """Fetch the files that are missing.

        Raises:
            DownloadError: when the archive cannot be reached, or a file is not what it says.
        """
        with locked(Path(self.raw_dir)):
            missing = self._missing()  # another process may have fetched them meanwhile
            for item in {item.record: item for item in missing}.values():
                self._list(item)
            for item in missing:
                files = [file for file in self._selected(item) if not self._is_there(item, file)]
                download_files(files, self._folder_of(item))
                for file in files:
                    self._unpack(item, file)

    def _download(self) -> None:
        """PyG's hook; everything was downloaded before the files were named."""

    def _items(self) -> list[Wanted]:
        return [item for items in self._wanted.values() for item in items]

    def _folder_of(self, item: Wanted) -> Path:
        return Path(self.raw_dir) / str(item.record)

    def _list(self, item: Wanted) -> None:
        try:
            listing = self.list_record(item.record, **({} if self._host is None else {"host": self._host}))
        except DownloadError as error:
            if item.select(None) is None:
                raise DownloadError(f"{error}, or read files you have by EventDataset(..., files=[...])") from None
            names = ", ".join(item.patterns)
            raise DownloadError(f"{error}, or fetch by hand into {self._folder_of(item)}: {names}") from None
        content = {"record": item.record, "files": [dataclasses.asdict(file) for file in listing]}
        path = Path(self.raw_dir) / f"{item.record}.json"
        partial = path.with_suffix(f".partial-{os.getpid()}")
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        partial.replace(path)

    def _selected(self, item: Wanted) -> list[RemoteFile]:
        listing = self._listing(item.record)
        return item.select(listing) or []

    def _listing(self, record: int) -> list[RemoteFile] | None:
        try:
            content = json.loads((Path(self.raw_dir) / f"{record}.json").read_text(encoding="utf-8"))
            return [RemoteFile(**file) for file in content["files"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _missing(self) -> list[Wanted]:
        return [item for item in self._items() if not self._is_complete(item)]

    def _is_complete(self, item: Wanted) -> bool:
        try:
            files = self._selected(item)
        except DownloadError:  # the record changed since it was listed
            return False
        return bool(files) and all(self._is_there(item, file) for file in files)

    def _is_there(self, item: Wanted, file: RemoteFile) -> bool:
        """Whether it need not be fetched. A file gets its name only after its checksum was right."""
        path = self._folder_of(item) / file.name
        return path.is_file() and file.size in (None, path.stat().st_size)

    def _read_from(self, item: Wanted, file: RemoteFile) -> list[Path]:
        """What is read of a downloaded file: itself, or what was in it."""
        return [self._folder_of(item) / file.name]

    def _unpack(self, item: Wanted, file: RemoteFile) -> None:
        """Nothing to do where files are read as they come."""

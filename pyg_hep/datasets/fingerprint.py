"""What shaped a processed data set, as one hash: a changed option can never be served a stale cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_hep.errors import ConfigError, ReaderError, nearest
from pyg_hep.identity import callable_digest
from pyg_hep.readers import Card
from pyg_hep.readers.files import input_files, split_tree, stem_of, with_tree
from pyg_hep.readers.formats import FORMATS
from pyg_hep.readers.opening import friend_path
from pyg_hep.readers.partitions import partition_keys
from pyg_hep.readers.source import is_remote
from pyg_hep.schema import SCHEMA_VERSION

_PROBE = 1 << 16


@dataclass(frozen=True)
class SourceFile:
    """One input file, or ``file:tree``, with its process and the label its events get where the card reads none."""

    path: str
    process: str
    label: int


FilesOfProcess = str | Path | Sequence[str | Path]
Files = FilesOfProcess | Mapping[str, FilesOfProcess | Mapping[str, Any]]


def source_files(files: Files, reader: str | None = None) -> list[SourceFile]:
    """List the files of every process.

    Args:
        files: a path, a list of paths (every file its own process, named by its stem), or a mapping of process
            to path or paths, or to ``{"files": path or paths, "tree": tree}``. The label is the position of the
            process. A folder or a pattern stands for its files, and each may end in ``:tree``, see
            :func:`pyg_hep.readers.files.input_files`.
        reader: the format of the files, a card's ``reader``, whose endings are looked for in folders.

    Raises:
        ConfigError: when there is no file, or for an unknown key beside ``files`` and ``tree``.
        ReaderError: for a folder or pattern without a file.
    """
    if isinstance(files, Mapping):
        named = {str(process): input_files(_paths(str(process), paths), reader) for process, paths in files.items()}
    else:
        every = input_files(files, reader)
        stems = [stem_of(path) for path in every]
        named = {
            stem if stems.count(stem) == 1 else f"{stem}_{position}": [path]
            for position, (stem, path) in enumerate(zip(stems, every, strict=True))
        }
    result = [
        SourceFile(path, process, label) for label, (process, every) in enumerate(named.items()) for path in every
    ]
    empty = [process for process, paths in named.items() if not paths]
    if not result or empty:
        raise ConfigError(f"no input file given{' for ' + ', '.join(empty) if empty else ''}")
    return result


def _paths(process: str, files: FilesOfProcess | Mapping[str, Any]) -> FilesOfProcess:
    """Files of a process as paths, each with its tree where the process has one."""
    if not isinstance(files, Mapping):
        return files
    for key in files:
        if key not in ("files", "tree"):
            raise ConfigError(f"files of {process!r}: unknown key {key!r}, {nearest(str(key), ('files', 'tree'))}")
    paths, tree = files.get("files"), files.get("tree")
    if not paths or not (tree is None or (isinstance(tree, str) and tree)):
        raise ConfigError(f"files of {process!r}: expected {{'files': paths, 'tree': name}}, found {dict(files)!r:.80}")
    every = [paths] if isinstance(paths, (str, Path)) else list(paths)
    return [path if tree is None else with_tree(path, tree) for path in every]


def _file_identity(path: str) -> list[Any]:
    """Size and a hash of both ends (a ROOT file's UUID is in its head); an address stands for itself."""
    if is_remote(path):
        return [path]
    path, tree = split_tree(path)
    try:
        with Path(path).open("rb") as file:
            head = file.read(_PROBE)
            size = file.seek(0, 2)
            file.seek(max(size - _PROBE, 0))
            identity = [size, hashlib.sha256(head + file.read(_PROBE)).hexdigest()]
            return identity if tree is None else [*identity, tree]
    except OSError as error:
        raise ReaderError(f"{path}: {error.strerror or error}") from None


def _file_state(path: str) -> list[Any]:
    """Identity and time of the last change, which tells of one between both ends; it shapes a cache's name only."""
    identity = _file_identity(path)
    return identity if is_remote(path) else [*identity, Path(split_tree(path)[0]).stat().st_mtime_ns]


def _beside(path: str, card: Card) -> list[Any]:
    """What shapes the events of a file beside its own content: the files of friends, and the names of its folders."""
    place = split_tree(path)[0]
    others = [friend_path(place, friend)[0] for friend in card.friends.values()]
    content: list[Any] = [_file_state(other) for other in others if other != place]
    keys = partition_keys(place) if FORMATS[card.reader].partitioned else {}
    return content + ([sorted((key, repr(value)) for key, value in keys.items())] if keys else [])


def file_number(path: str) -> int:
    """A number made of a file's size and both ends (or of an address), the same wherever and whenever it was written.

    Trees that paths name have numbers of their own. With the entry it names an event without numbers of its own, and so
    decides its split.
    """
    content = json.dumps(_file_identity(path)).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "little", signed=True)


def reading_part(card: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a card's content that shapes what is stored, as plain JSON.

    Splits, cross sections and the like act when the data set is used, so changing them converts nothing.
    """
    content = {k: v for k, v in card.items() if k not in ("description", "splits", "files", "records")}
    if "weight" in content:
        used_later: tuple[str, ...] = ("cross_section", "luminosity")
        used_later = used_later if content["weight"].get("negative") == "drop" else (*used_later, "negative")
        content["weight"] = {k: v for k, v in content["weight"].items() if k not in used_later}
    result: dict[str, Any] = json.loads(json.dumps(content))
    return result


def fingerprint(card: Card, files: list[SourceFile], pre_transform: Any, pre_filter: Any) -> str:
    """Hash of the card, the files' content and times of change, and the pre-processing.

    Raises:
        ConfigError: for pre-processing that cannot be told from other pre-processing.
        ReaderError: when a local file is missing.
    """
    content = {
        "schema": SCHEMA_VERSION,
        "card": reading_part(card.as_dict()),
        "files": [[f.process, f.label, *_file_state(f.path), *_beside(f.path, card)] for f in files],
        "pre_transform": None if pre_transform is None else callable_digest(pre_transform),
        "pre_filter": None if pre_filter is None else callable_digest(pre_filter),
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return f"{card.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

"""What shaped a processed data set, as one hash: a changed option can never be served a stale cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers import Card
from pyg_hep.readers.source import is_remote
from pyg_hep.schema import SCHEMA_VERSION

_PROBE = 1 << 16


@dataclass(frozen=True)
class SourceFile:
    """One input file with its process and the label its events get where the card reads none."""

    path: str
    process: str
    label: int


Files = str | Path | Sequence[str | Path] | Mapping[str, str | Path | Sequence[str | Path]]


def source_files(files: Files) -> list[SourceFile]:
    """List the files of every process.

    Args:
        files: a path, a list of paths (every file its own process, named by its stem), or a mapping of process
            to path or paths. The label is the position of the process.

    Raises:
        ConfigError: when there is no file.
    """
    if isinstance(files, Mapping):
        named = {str(k): [v] if isinstance(v, (str, Path)) else list(v) for k, v in files.items()}
    else:
        paths = [files] if isinstance(files, (str, Path)) else list(files)
        stems = [Path(p).stem for p in paths]
        named = {
            stem if stems.count(stem) == 1 else f"{stem}_{position}": [path]
            for position, (stem, path) in enumerate(zip(stems, paths, strict=True))
        }
    result = [
        SourceFile(str(path), process, label) for label, (process, paths) in enumerate(named.items()) for path in paths
    ]
    empty = [process for process, paths in named.items() if not paths]
    if not result or empty:
        raise ConfigError(f"no input file given{' for ' + ', '.join(empty) if empty else ''}")
    return result


def _file_identity(path: str) -> list[Any]:
    """Size and a hash of both ends (a ROOT file's UUID is in its head); an address stands for itself."""
    if is_remote(path):
        return [path]
    try:
        with Path(path).open("rb") as file:
            head = file.read(_PROBE)
            size = file.seek(0, 2)
            file.seek(max(size - _PROBE, 0))
            return [size, hashlib.sha256(head + file.read(_PROBE)).hexdigest()]
    except OSError as error:
        raise ReaderError(f"{path}: {error.strerror or error}") from None


def file_number(path: str) -> int:
    """A number made of a file's content (or of an address), the same wherever the file lies."""
    content = json.dumps(_file_identity(path)).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "little", signed=True)


def _callable_identity(function: Any) -> Any:
    """A description of a transform or filter that changes with its code and its arguments."""
    if function is None:
        return None
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType):
        closure = [repr(cell.cell_contents) for cell in function.__closure__ or ()]
        return [function.__qualname__, code.co_code.hex(), repr(code.co_consts), closure]
    state = {k: repr(v) for k, v in sorted(getattr(function, "__dict__", {}).items())}
    forward = getattr(type(function), "forward", None) or type(function).__call__
    return [type(function).__qualname__, state, forward.__code__.co_code.hex()]


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
    """Hash of the card, the files' content and the pre-processing.

    Raises:
        ReaderError: when a local file is missing.
    """
    content = {
        "schema": SCHEMA_VERSION,
        "card": reading_part(card.as_dict()),
        "files": [[f.process, f.label, *_file_identity(f.path)] for f in files],
        "pre_transform": _callable_identity(pre_transform),
        "pre_filter": _callable_identity(pre_filter),
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return f"{card.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

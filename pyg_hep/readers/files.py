"""Input files as a user names them: paths, patterns, folders and addresses."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from pyg_hep.errors import ReaderError
from pyg_hep.readers.formats import FORMATS
from pyg_hep.readers.source import is_remote

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def input_files(paths: Paths, reader: str | None = None) -> list[str]:
    """The files that paths, patterns and folders stand for.

    ``~`` is the home folder; ``*``, ``?``, ``[...]`` and ``**`` (any folders between) work as in a shell. A folder
    stands for the files directly in it, ``folder/**`` also for those in its folders, where their name has an ending
    of the format. Hidden ones are left out. Addresses, and paths that are neither, stay as they are.

    Args:
        paths: one or several.
        reader: name of the format, as in a card; None knows the endings of all formats.

    Raises:
        ReaderError: for a folder or pattern without a file; names it.
    """
    every = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    formats = FORMATS.values() if reader is None else [FORMATS[reader]]
    endings = tuple(sorted({ending for form in formats for ending in form.endings}))
    return [file for path in every for file in _files_of(os.fspath(path), endings)]


def _files_of(path: str, endings: tuple[str, ...]) -> list[str]:
    if is_remote(path):
        return [path]
    path = os.path.expanduser(path)  # noqa: PTH111, which leaves "~unknown" and a trailing "/**" as they are
    here = Path(path)
    if here.is_dir():
        return _in_folder(here, endings)
    if not glob.has_magic(path) or here.exists():
        return [path]
    files: set[str] = set()
    anything = here.name == "**"  # alone at the end it asks for no name: what lies beside the data is not meant
    # Path.glob finds hidden files too.
    for match in map(Path, glob.iglob(path, recursive=True)):  # noqa: PTH207
        if match.is_file():
            files |= {str(match)} if not anything or match.name.lower().endswith(endings) else set()
        elif not anything:
            files |= set(_listed(match, endings))
    if not files:
        raise ReaderError(f"{path}: no file matches this pattern")
    return sorted(files)


def _in_folder(folder: Path, endings: tuple[str, ...]) -> list[str]:
    files = _listed(folder, endings)
    if not files:
        deeper = any(inside.is_dir() for inside in folder.iterdir())
        hint = f"; for those in its folders give '{folder}/**'" if deeper else ""
        raise ReaderError(f"{folder}: no file with the ending {' or '.join(endings)} in this folder{hint}")
    return files


def _listed(folder: Path, endings: tuple[str, ...]) -> list[str]:
    inside = [path for path in folder.iterdir() if path.name.lower().endswith(endings) and path.name[0] != "."]
    return sorted(str(path) for path in inside if path.is_file())

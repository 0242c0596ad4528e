"""Input files as a user names them: paths, patterns, folders and addresses, each with a tree of its own where given."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers.formats import FORMATS
from pyg_hep.readers.source import is_remote

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def input_files(paths: Paths, reader: str | None = None) -> list[str]:
    """The files that paths, patterns and folders stand for.

    ``~`` is the home folder; ``*``, ``?``, ``[...]`` and ``**`` (any folders between) work as in a shell. A folder
    stands for the files directly in it, ``folder/**`` also for those in its folders, where their name has an ending
    of the format; a folder of Parquet files is one partitioned data set, all of which is read. Hidden files, and what
    Spark writes beside the data (``_SUCCESS``), are left out. Addresses, and paths that are neither, stay as they are.
    Any of them may end in ``:tree``, the tree of these files: ``data/*.root:Events``.

    Args:
        paths: one or several.
        reader: name of the format, as in a card; None knows the endings of all formats.

    Raises:
        ReaderError: for a folder or pattern without a file; names it.
    """
    every = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    formats = FORMATS.values() if reader is None else [FORMATS[reader]]
    endings = tuple(sorted({ending for form in formats for ending in form.endings}))
    deep = reader is not None and FORMATS[reader].partitioned
    return [file for path in every for file in _files_of(os.fspath(path), endings, deep)]


def split_tree(path: str) -> tuple[str, str | None]:
    """``file.root:tree`` as file and tree, which is None where the path names none.

    A path that is there is a path, whatever is in its name. An address names a tree only behind ``.root``, as a colon
    may stand before its port.
    """
    place, _, tree = path.rpartition(":")
    if not place or not tree or tree.startswith("//") or glob.has_magic(tree):
        return path, None
    if is_remote(path):
        return (place, tree) if is_remote(place) and place.lower().endswith(".root") else (path, None)
    here, whole = os.path.expanduser(place), os.path.expanduser(path)  # noqa: PTH111, as below
    if os.path.exists(whole):  # noqa: PTH110, which a path of any length is no error for
        return path, None
    named = place.lower().endswith(".root") or os.path.exists(here)  # noqa: PTH110
    if named or (glob.has_magic(place) and not glob.glob(whole, recursive=True)):  # noqa: PTH207
        return place, tree
    return path, None


def with_tree(path: str | os.PathLike[str], tree: str) -> str:
    """A path that names its tree; one that names a tree already keeps it.

    Raises:
        ConfigError: for an address that cannot name a tree.
    """
    text = os.fspath(path)
    if split_tree(text)[1] is not None:
        return text
    if is_remote(text) and not text.lower().endswith(".root"):
        raise ConfigError(f"{text}: an address that does not end in .root takes its tree from the card's key 'tree'")
    return f"{text}:{tree}"


def stem_of(path: str | os.PathLike[str]) -> str:
    """The name of a file without folder and ending, with the tree where the path names one: ``a_Events``."""
    place, tree = split_tree(os.fspath(path))
    return Path(place).stem + ("" if tree is None else "_" + tree.replace("/", "_"))


def _files_of(path: str, endings: tuple[str, ...], deep: bool) -> list[str]:
    if is_remote(path):
        return [path]
    place, tree = split_tree(path)
    files = _local_files(place, endings, deep)
    return files if tree is None else [f"{file}:{tree}" for file in files]


def _local_files(path: str, endings: tuple[str, ...], deep: bool) -> list[str]:
    path = os.path.expanduser(path)  # noqa: PTH111, which leaves "~unknown" and a trailing "/**" as they are
    here = Path(path)
    if here.is_dir():
        return _in_folder(here, endings, deep)
    if not glob.has_magic(path) or here.exists():
        return [path]
    files: set[str] = set()
    anything = here.name == "**"  # alone at the end it asks for no name: what lies beside the data is not meant
    # Path.glob finds hidden files too.
    for match in map(Path, glob.iglob(path, recursive=True)):  # noqa: PTH207
        if match.is_file():
            files |= {str(match)} if not anything or _is_data(match, endings) else set()
        elif not anything:
            files |= set(_listed(match, endings, deep))
    if not files:
        raise ReaderError(f"{path}: no file matches this pattern")
    return sorted(files)


def _in_folder(folder: Path, endings: tuple[str, ...], deep: bool) -> list[str]:
    files = _listed(folder, endings, deep)
    if not files:
        deeper = any(inside.is_dir() for inside in folder.iterdir())
        hint = f"; for those in its folders give '{folder}/**'" if deeper else ""
        raise ReaderError(f"{folder}: no file with the ending {' or '.join(endings)} in this folder{hint}")
    return files


def _listed(folder: Path, endings: tuple[str, ...], deep: bool) -> list[str]:
    files = [str(path) for path in folder.iterdir() if path.is_file() and _is_data(path, endings)]
    if deep:
        inner = [path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"]
        files += [file for path in inner for file in _listed(path, endings, deep)]
    return sorted(files)


def _is_data(path: Path, endings: tuple[str, ...]) -> bool:
    # Spark and Dask write _metadata and _temporary beside the data.
    beside = path.name[0] == "." or (path.name[0] == "_" and path.name.endswith((".parquet", ".pq")))
    return path.name.lower().endswith(endings) and not beside

"""What Python's modules say: their syntax trees, and which installed package they belong to."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.metadata
import platform
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from pyg_hep.errors import ConfigError

_PYTHON = f"Python {platform.python_version()}"


def source_tree(name: str) -> str:
    """A module's syntax tree without docstrings.

    Raises:
        ConfigError: when the module or its source is not there.
    """
    path = _source(name)
    if path is None or path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"the module {name!r} has no source file that could be hashed: move the code into a file")
    state = path.stat()
    return _tree(path, (state.st_mtime_ns, state.st_size))


@functools.cache
def _tree(path: Path, stamp: tuple[int, int]) -> str:
    """The tree of a file as it is at the time; a study asks for those of the library for each of its methods."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            node.body = node.body[documented:]
    return ast.dump(tree)


def _source(name: str) -> Path | None:
    """File of a module, imported or, of this library, not."""
    if name not in sys.modules and name.partition(".")[0] == "pyg_hep":
        path = Path(__file__).parent.parent.joinpath(*name.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    try:
        module = sys.modules.get(name) or importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"the module {name!r} cannot be imported: {error}") from None
    return _file(module)


def _file(module: ModuleType) -> Path | None:
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return next((Path(place) for place in places if place), None)


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def version_of(module: str) -> str | None:
    """Version of the installed package, or of the Python, that a module belongs to; None for code of one's own."""
    top = module.partition(".")[0]
    if top == "pyg_hep" or top not in sys.modules:
        return None
    return _version_of_top(top)


@functools.cache
def _version_of_top(top: str) -> str | None:
    path = _file(sys.modules[top])
    if path is None:
        return _PYTHON if top in sys.stdlib_module_names or top in sys.builtin_module_names else None
    if {"site-packages", "dist-packages"} & set(path.parts):
        versions = [f"{name} {importlib.metadata.version(name)}" for name in sorted(_distributions().get(top, ()))]
        return ", ".join(versions) or None
    return _PYTHON if path.resolve().is_relative_to(Path(sysconfig.get_path("stdlib")).resolve()) else None


def modules_of(room: str) -> list[str]:
    """Names of all modules in a room of the library, imported or not.

    Raises:
        ConfigError: when there is no such room.
    """
    root = Path(__file__).parent
    paths = sorted((root / room).rglob("*.py")) or [root / f"{room}.py"]
    if not paths[0].is_file():
        raise ConfigError(f"{room!r} is no room of pyg_hep")
    parts = [path.relative_to(root.parent).with_suffix("").parts for path in paths]
    return [".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]

"""Digests of code: what a callable computes, with all that it refers to, and what modules say.

Neither depends on the process: no addresses, no hash randomisation, no order of imports.
"""

from __future__ import annotations

import copyreg
import dis
import enum
import functools
import hashlib
import importlib
import struct
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.modules import modules_of, source_tree, version_of

_PLAIN = (type(None), bool, int, str, bytes, bytearray, complex, type(Ellipsis), type(NotImplemented))
# Of a class: what says nothing of what it does, or says again what its functions say.
_NOT_CODE = {
    "__abstractmethods__", "__annotate_func__", "__annotations__", "__annotations_cache__", "__dataclass_fields__",
    "__dataclass_params__", "__dict__", "__doc__", "__firstlineno__", "__module__", "__orig_bases__",
    "__parameters__", "__slotnames__", "__static_attributes__", "__weakref__", "_abc_impl",
}  # fmt: skip
_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)

Content = tuple[Any, ...]
"""Nested tuples of strings and numbers; their ``repr`` is hashed."""


def callable_digest(function: object) -> str:
    """Digest of a function, method, class or callable object that changes with everything that it computes with.

    That is its bytecode with names, constants, defaults and closure; the global values, functions, classes and
    modules that it refers to, recursively; of an object its class and its state (what pickle would keep), tensors
    and arrays by content and dtype. What comes with Python or an installed package counts by name and version.

    Raises:
        ConfigError: for what cannot be hashed (an open file, a lock, a generator); names it.
    """
    return _hash(_Description(function).content())


def code_digest(modules: Iterable[str] | None = None, rooms: Iterable[str] | None = None) -> str:
    """Digest of modules as syntax trees, without docstrings and comments.

    Args:
        modules: dotted names, of this library or not. Those of Python and of installed packages count by version.
        rooms: rooms of the library (``"training"``, ``"loader"``): all modules in them. With neither, all modules of
            the library that are imported.

    Raises:
        ConfigError: for a module without source, such as a notebook's ``__main__``.
    """
    names = set(modules or ()).union(*(modules_of(room) for room in rooms or ()))
    if modules is None and rooms is None:
        names = {name for name in sys.modules if name.partition(".")[0] == "pyg_hep"}
    return _hash(tuple((name, version_of(name) or source_tree(name)) for name in sorted(names)))


def _hash(content: Content) -> str:
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()


class _Description:
    """What a callable refers to, as :data:`Content`.

    Functions and classes that can be found by their name are described once, under it, however many refer to them;
    all else is described where it stands. What contains itself is marked by how far up it stands.
    """

    def __init__(self, root: object):
        self.root = root
        self.name = getattr(root, "__qualname__", type(root).__qualname__)
        self._waiting: dict[str, Any] = {}
        self._above: list[int] = []
        self._trail: list[str] = []

    def content(self) -> Content:
        """The callable, and everything of a name that it needs."""
        named: dict[str, Content] = {}
        try:
            root = self._of(self.root)
            while waiting := {name: value for name, value in self._waiting.items() if name not in named}:
                for name, value in waiting.items():
                    with self._within(name):
                        named[name] = self._code_of(value)
        except RecursionError:
            raise ConfigError(f"{self.name} cannot be identified: what it refers to is nested too deeply") from None
        return (root, tuple(sorted(named.items())))

    @contextmanager
    def _within(self, place: str) -> Iterator[None]:
        self._trail.append(place)
        yield
        self._trail.pop()  # after an exception it still says where

    def _refused(self, value: object) -> ConfigError:
        where = " of ".join(reversed(self._trail)) or "it"
        return ConfigError(
            f"{self.name} cannot be identified, so what is made with it could not be found again: {where} is "
            f"{type(value).__module__}.{type(value).__qualname__}, which cannot be hashed"
        )

    def _of(self, value: Any) -> Content:
        kind = type(value)
        if kind in _PLAIN:
            return (kind.__name__, repr(value))
        if kind is float:
            return ("float", value.hex())
        if id(value) in self._above:
            return ("above", len(self._above) - self._above.index(id(value)))
        self._above.append(id(value))
        try:
            return self._nested(value)
        finally:
            self._above.pop()

    def _nested(self, value: Any) -> Content:
        if isinstance(value, type | types.FunctionType):
            return self._named(value)
        if isinstance(value, types.ModuleType):
            return ("module", value.__name__, version_of(value.__name__) or source_tree(value.__name__))
        if isinstance(value, types.CodeType):
            return self._bytecode(value)
        if isinstance(value, types.MethodType):
            return ("method", self._of(value.__func__), self._of(value.__self__))
        if isinstance(value, types.BuiltinFunctionType):
            owner = value.__self__
            if owner is None or isinstance(owner, types.ModuleType):
                return ("builtin", str(value.__module__), value.__qualname__, str(version_of(str(value.__module__))))
            return ("builtin method", value.__name__, self._of(owner))
        if isinstance(value, _DESCRIPTORS):
            return ("builtin method", value.__name__, self._of(value.__objclass__))
        if isinstance(value, _SLOTS):
            return ("slot", value.__name__)
        if isinstance(value, staticmethod | classmethod):
            return (type(value).__name__, self._of(value.__func__))
        if isinstance(value, functools.cached_property):
            return ("cached property", self._of(value.func))
        if isinstance(value, property):
            return ("property", *(self._of(part) for part in (value.fget, value.fset, value.fdel)))
        if isinstance(value, enum.Enum):
            return ("enum", self._of(type(value)), value.name, self._of(value.value))
        return self._data(value)

    def _data(self, value: Any) -> Content:
        kind = type(value)
        if isinstance(value, PurePath):
            return ("path", kind.__name__, str(value))
        if isinstance(value, struct.Struct):  # no pickle keeps it
            return ("struct", value.format)
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray | np.generic):
            values = np.asarray(value)
            content = self._of(values.tolist()) if values.dtype.hasobject else hashlib.sha256(values.tobytes()).digest()
            return ("array", kind.__name__, str(values.dtype.descr), values.shape, content)
        if isinstance(value, set | frozenset):
            return ("set", self._of(kind), tuple(sorted(map(self._of, value), key=repr)))
        if kind in (list, tuple):
            return (kind.__name__, *self._items(enumerate(value), "entry"))
        if isinstance(value, types.MappingProxyType) or kind is dict:
            return ("dict", *((self._of(key), *self._items([(key, v)], "entry")) for key, v in value.items()))
        if hasattr(value, "__wrapped__"):  # functools.cache and the like
            return ("wrapper", self._of(kind), self._of(value.__wrapped__))
        return self._object(value)

    def _items(self, items: Iterable[tuple[Any, Any]], word: str) -> Iterator[Content]:
        for name, value in items:
            with self._within(f"{word} {name!r}"):
                yield self._of(value)

    def _tensor(self, value: torch.Tensor) -> Content:
        try:
            dense = value.detach().to_dense() if value.layout != torch.strided else value.detach()
            # A copy, as a tensor of one value may have any stride, and such a one has no bytes to view.
            flat = torch.empty(dense.numel(), dtype=dense.dtype).copy_(dense.reshape(-1))
            content = flat.view(torch.uint8).numpy().tobytes()
        except (RuntimeError, NotImplementedError):  # quantised, meta
            raise self._refused(value) from None
        kind = (type(value).__name__, str(value.dtype), str(value.layout))
        return ("tensor", *kind, tuple(value.shape), hashlib.sha256(content).digest())

    def _object(self, value: Any) -> Content:
        """Class and state of any other object, as pickle would keep it."""
        try:
            registered = copyreg.dispatch_table.get(type(value))
            kept = registered(value) if registered else value.__reduce_ex__(2)
        except Exception:  # whatever a class raises that cannot be pickled
            raise self._refused(value) from None
        if isinstance(kept, str):
            return ("object", self._of(type(value)), kept)
        make, arguments, *rest = kept
        state, entries, pairs = (*rest, None, None, None)[:3]
        content = [self._of(type(value)), self._of(make), self._of(tuple(arguments))]
        for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
            if isinstance(part, Mapping):
                names = sorted(part, key=repr)
                with self._within(type(value).__qualname__):
                    values = self._items(((name, part[name]) for name in names), "attribute")
                    content.append(("state", *zip(map(repr, names), values, strict=True)))
            else:
                content.append(self._of(part))
        content += [self._of(list(part or ())) for part in (entries, pairs)]
        return ("object", *content)

    def _named(self, value: type | types.FunctionType) -> Content:
        """A function or class: by its name, and kept for :meth:`content`, where the name leads back to it."""
        module = "__main__" if value.__module__ == "__mp_main__" else str(value.__module__)
        version = version_of(module)
        target: Any = sys.modules.get(str(value.__module__))
        for part in value.__qualname__.split("."):
            target = getattr(target, part, None)
        name = f"{module}.{value.__qualname__}"
        if version is not None and (target is value or isinstance(value, type)):
            return ("installed", name, version)
        if target is not value:
            return self._code_of(value)
        self._waiting.setdefault(name, value)
        return ("name", name)

    def _code_of(self, value: Any) -> Content:
        return self._class(value) if isinstance(value, type) else self._function(value)

    def _class(self, value: type) -> Content:
        content: list[Any] = [value.__qualname__, *(self._of(base) for base in value.__bases__)]
        if issubclass(value, enum.Enum):
            content += [(member.name, self._of(member.value)) for member in value]
            own = {k: v for k, v in vars(value).items() if isinstance(v, types.FunctionType | property | classmethod)}
        else:
            own = {k: v for k, v in vars(value).items() if k not in _NOT_CODE}
        with self._within(value.__qualname__):
            content += zip(sorted(own), self._items(((k, own[k]) for k in sorted(own)), "attribute"), strict=True)
        return ("class", *content)

    def _function(self, value: types.FunctionType) -> Content:
        content = [value.__qualname__, self._bytecode(value.__code__)]
        with self._within(value.__qualname__):
            parts = {"default": value.__defaults__, "keyword default": value.__kwdefaults__, **vars(value)}
            content += zip(parts, self._items(parts.items(), "part"), strict=True)
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
                with self._within(f"variable {name!r}"):
                    content.append((name, self._of(cell.cell_contents) if _is_filled(cell) else "empty"))
            # A decorator of an installed package keeps the name of what it decorates; its own code has a version.
            version = version_of(str(value.__globals__.get("__name__")))
            content.append(version or tuple(self._references(value.__code__, value.__globals__)))
        return ("function", *content)

    def _bytecode(self, code: types.CodeType) -> Content:
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        caught = getattr(code, "co_exceptiontable", b"")
        return ("code", code.co_code, caught, names, counts, tuple(self._of(const) for const in code.co_consts))

    def _references(self, code: types.CodeType, scope: Mapping[str, Any]) -> Iterator[Content]:
        """The global values that bytecode loads, and what it imports."""
        steps = list(dis.get_instructions(code))
        for position, step in enumerate(steps):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                name, value, after = step.argval, scope.get(step.argval, _MISSING), position + 1
                while _is_own(value) and steps[after].opname in ("LOAD_ATTR", "LOAD_METHOD"):
                    name, value = f"{name}.{steps[after].argval}", getattr(value, steps[after].argval, _MISSING)
                    after += 1
                yield (name, *self._referred(name, value))
            elif step.opname == "IMPORT_NAME":
                level, parts = (earlier.argval for earlier in steps[position - 2 : position])
                try:
                    package = scope.get("__package__") if level else None
                    module = importlib.import_module("." * level + step.argval, package)
                except ImportError:
                    yield (step.argval, "missing")
                    continue
                for part in parts if parts and _is_own(module) else ():
                    yield (part, *self._referred(f"{step.argval}.{part}", getattr(module, part, _MISSING)))
                if not parts or not _is_own(module):
                    yield (step.argval, *self._referred(step.argval, module))
        for const in code.co_consts:
            if isinstance(const, types.CodeType):
                yield from self._references(const, scope)

    def _referred(self, name: str, value: Any) -> Content:
        if value is _MISSING:
            return ("missing",)  # a builtin, or nothing yet
        with self._within(f"global {name!r}"):
            return (self._of(value),)


_MISSING: Any = object()


def _is_own(value: object) -> bool:
    return isinstance(value, types.ModuleType) and version_of(value.__name__) is None


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not _MISSING
    except ValueError:
        return False

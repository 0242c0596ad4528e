"""Parts of a backbone by name: what is frozen, starts anew, or learns at a rate of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from pyg_hep.errors import ConfigError, nearest

EVERYTHING = "backbone"
"""The name that means all of a backbone."""


def stages(backbone: nn.Module) -> dict[str, list[nn.Module]]:
    """Parts of a backbone in order of depth: its own ``stages()``, or its child modules as they were made."""
    own: Any = getattr(backbone, "stages", None)
    if callable(own):
        return {name: list(modules) for name, modules in own().items()}
    return {name: [child] for name, child in backbone.named_children()}


def parts(backbone: nn.Module, names: Sequence[str], what: str) -> list[nn.Module]:
    """Modules of a backbone by the names of its stages or modules.

    Args:
        backbone: the backbone.
        names: names such as ``decoder`` or ``layers.1``, or patterns such as ``layers.*`` and ``layers.[01]``;
            ``backbone`` is everything.
        what: what is done with them, for the message: ``freeze``.

    Returns:
        Every module once, none inside of another one.

    Raises:
        ConfigError: for a name that nothing has.
    """
    if EVERYTHING in names:
        return [backbone]
    known: dict[str, list[nn.Module]] = {name: [module] for name, module in backbone.named_modules() if name}
    known |= stages(backbone)
    chosen: list[nn.Module] = []
    for pattern in names:
        matches = [name for name in known if fnmatchcase(name, pattern)]
        if not matches:
            kind = type(backbone).__name__
            raise ConfigError(f"{kind} has no part {pattern!r} to {what}: {nearest(pattern, [*known, EVERYTHING])}")
        chosen += [module for name in matches for module in known[name]]
    inside = {id(child) for module in chosen for child in module.modules() if child is not module}
    return [m for m in {id(module): module for module in chosen}.values() if id(m) not in inside]


def reset(backbone: nn.Module, names: Sequence[str]) -> None:
    """Give parts of a backbone new initial values.

    Raises:
        ConfigError: for a name that nothing has, or a module with parameters but no ``reset_parameters``.
    """
    for module in parts(backbone, names, "reset"):
        _reset(module)


def _reset(module: nn.Module) -> None:
    own: Any = getattr(module, "reset_parameters", None)
    if callable(own):
        own()
        return
    if next(module.parameters(recurse=False), None) is not None:
        raise ConfigError(f"a {type(module).__name__} has no reset_parameters() to start anew")
    for child in module.children():
        _reset(child)


def identities(modules: Iterable[nn.Module]) -> set[int]:
    """Identities of all parameters of some modules."""
    return {id(p) for module in modules for p in module.parameters()}

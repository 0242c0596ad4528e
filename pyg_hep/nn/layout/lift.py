"""Arguments of a layer's message functions, where a layout calls them itself: PyG's ``_i`` and ``_j``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from torch import Tensor
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError

Lift = Callable[[Tensor], Tensor]


@lru_cache(maxsize=256)
def _names(kind: type, function: str) -> tuple[str, ...]:
    return tuple(inspect.signature(getattr(kind, function)).parameters)[1:]  # without self


def message_arguments(
    layer: MessagePassing, function: str, columns: dict[str, Any], to_target: Lift, to_source: Lift
) -> dict[str, Any]:
    """What ``layer.message`` or ``layer.edge_update`` is called with.

    Args:
        layer: the layer.
        function: ``"message"`` or ``"edge_update"``.
        columns: columns of objects, and values of pairs.
        to_target: from a column of objects to one of pairs, of the target i.
        to_source: the same of the source j.

    Raises:
        ConfigError: for an argument that no column is for, or a layer that does not sum.
    """
    if function == "message" and layer.aggr not in ("sum", "add"):
        raise ConfigError(f"{type(layer).__name__} aggregates by {layer.aggr!r}; complete graphs sum messages")
    arguments = {}
    for name in _names(type(layer), function):  # type: ignore[arg-type]  # classes are hashable
        column, end = name[:-2], name[-2:]
        if end in ("_i", "_j") and column in columns:
            arguments[name] = (to_target if end == "_i" else to_source)(columns[column])
        elif name in columns:
            arguments[name] = columns[name]
        else:
            raise ConfigError(f"{type(layer).__name__}.{function} asks for {name!r}, which no column is for")
    return arguments

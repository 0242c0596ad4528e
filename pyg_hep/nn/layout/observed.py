"""Whether somebody wants to see the messages of a layer."""

from __future__ import annotations

from torch_geometric.nn import MessagePassing

_HOOKS = ("propagate", "message", "aggregate", "message_and_aggregate", "edge_update")


def is_observed(layer: MessagePassing) -> bool:
    """Whether an explainer or a message-passing hook is set on ``layer``: a fused path has no messages to show."""
    return bool(layer.explain) or any(
        getattr(layer, f"_{name}_forward{when}_hooks") for name in _HOOKS for when in ("", "_pre")
    )

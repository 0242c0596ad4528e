"""Heads: from the representation of events or objects to the outputs of a task; no loss lives here."""

from __future__ import annotations

from torch import Tensor, nn

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.nn.representation import Representation

LEVELS = ("graph", "nodes")
"""What a head reads of a representation: events or objects."""


class LinearHead(nn.Module):
    r"""One linear layer on the representation: :math:`W h + b`.

    Args:
        in_channels: the backbone's ``out_channels``.
        out_channels: number of outputs (classes).
        level: ``"graph"``: one row per event; ``"nodes"``: one per object.

    Raises:
        ConfigError: for a width below 1 or an unknown level.

    Source: Ho et al., arXiv:2412.10665, section III B (the final linear layer).
    """

    def __init__(self, in_channels: int, out_channels: int, level: str = "graph"):
        super().__init__()
        if in_channels < 1 or out_channels < 1:
            raise ConfigError(f"LinearHead: widths must be at least 1, found {in_channels} and {out_channels}")
        if level not in LEVELS:
            raise ConfigError(f"a representation has no level {level!r}: {nearest(level, LEVELS)}")
        self.in_channels, self.out_channels, self.level = in_channels, out_channels, level
        self.linear = nn.Linear(in_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.linear.reset_parameters()

    def forward(self, representation: Representation) -> Tensor:
        """Outputs, shape ``[B, out_channels]``, or ``[*N, out_channels]`` of the objects."""
        return self.linear(representation.graph if self.level == "graph" else representation.nodes)

    def __repr__(self) -> str:
        level = "" if self.level == "graph" else f", level={self.level!r}"
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}{level})"


def reset_head(head: LinearHead, out_channels: int | None = None) -> LinearHead:
    """A freshly initialised head on the same backbone, for another task; the given one stays as it is.

    Args:
        head: the head to replace.
        out_channels: number of outputs of the new one; None keeps it.
    """
    new = LinearHead(head.in_channels, head.out_channels if out_channels is None else out_channels, head.level)
    return new.to(device=head.linear.weight.device, dtype=head.linear.weight.dtype)

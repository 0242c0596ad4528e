"""``ClassNode``: a node of its own in every event, which attends to all objects and stands for the event."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ClassNode(nn.Module):
    r"""A learned vector for every event, moved by the event's columns where there are any.

    .. math:: c = v + W u

    Args:
        channels: width of the nodes.
        event_channels: width of the event columns ``u``; v is the bias of their map.

    Source: Devlin et al., arXiv:1810.04805, section 3 (the token [CLS]).
    """

    def __init__(self, channels: int, event_channels: int = 0):
        super().__init__()
        self.vector = nn.Parameter(torch.empty(channels))
        self.columns = nn.Linear(event_channels, channels, bias=False) if event_channels else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        nn.init.normal_(self.vector, std=0.02)
        if self.columns is not None:
            self.columns.reset_parameters()

    def forward(self, u: Tensor | None, num_events: int) -> Tensor:
        """Class nodes ``[B, D]`` of event columns ``[B, G]``."""
        vector = self.vector.expand(num_events, -1)
        return vector if self.columns is None else vector + self.columns(u)

    def __repr__(self) -> str:
        event_channels = 0 if self.columns is None else self.columns.in_features
        return f"{type(self).__name__}({self.vector.numel()}, event_channels={event_channels})"

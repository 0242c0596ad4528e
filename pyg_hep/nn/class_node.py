"""``ClassNode``: a node of its own in every event, which attends to all others and stands for the event."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ClassNode(nn.Module):
    """A learned vector that joins every event as its last node.

    Args:
        channels: width of the nodes.

    Source: Devlin et al., arXiv:1810.04805, section 3 (the token [CLS]).
    """

    def __init__(self, channels: int):
        super().__init__()
        self.vector = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vector anew."""
        nn.init.normal_(self.vector, std=0.02)

    @staticmethod
    def places(counts: Tensor, event: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the objects, shape ``[N]``, and of the class nodes, shape ``[B]``, once these have joined."""
        own = counts.cumsum(0) + torch.arange(counts.numel(), device=counts.device)
        return torch.arange(event.numel(), device=event.device) + event, own

    def join(self, x: Tensor, objects: Tensor, own: Tensor) -> Tensor:
        """Rows ``[N + B, D]`` of the objects' rows ``[N, D]``."""
        everything = x.new_empty(x.size(0) + own.numel(), x.size(1))
        everything = everything.index_copy(0, objects, x)
        return everything.index_copy(0, own, self.vector.to(x.dtype).expand(own.numel(), -1))

    @staticmethod
    def edges(edge_index: Tensor, event: Tensor, objects: Tensor, own: Tensor) -> Tensor:
        """Given edges between objects, and those between each object and the class node of its event, both ways."""
        between = torch.stack([objects, own[event]])
        return torch.cat([objects[edge_index], between, between.flip(0)], dim=1)

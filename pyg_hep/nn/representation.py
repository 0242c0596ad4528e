"""What every backbone returns; no layer lives here."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from pyg_hep.nn.layout import Layout


class Representation(NamedTuple):
    """Latent description of a batch of events.

    Args:
        nodes: one row per object, shape ``[N, D]`` (``[B, n, D]`` on padded events).
        graph: one row per event, shape ``[B, D]``.
        layout: of the objects, for heads that move information between them.
    """

    nodes: Tensor
    graph: Tensor
    layout: Layout

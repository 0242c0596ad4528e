"""What every backbone returns; no layer lives here."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Representation(NamedTuple):
    """Latent description of a batch of events.

    Args:
        nodes: one row per object, shape ``[N, D]`` (``[B, n, D]`` on padded events).
        graph: one row per event, shape ``[B, D]``.
    """

    nodes: Tensor
    graph: Tensor

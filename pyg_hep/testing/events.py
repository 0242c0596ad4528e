"""Random event graphs with the columns of the schema, for tests and benchmarks of models; no physics in them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_hep.schema import Level, ObjectType


def random_events(
    counts: Sequence[int] | Tensor | None = None,
    num_events: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """A batch of random events in raw columns, without edges.

    Args:
        counts: objects of each event; None draws 2 + Poisson(5) for ``num_events`` events, as many as a
            hadron collider's selected events have.
        num_events: number of events, where ``counts`` is None; 8 by default.
        seed: of the random numbers.
        dtype: of the floating-point columns (a graph stores float32; tests of accuracy take float64).

    Returns:
        A PyG ``Batch`` with the schema's columns (``p4``, ``kind``, ``charge``, ``btag``, ``level``, ``y`` and
        ``weight``), ``batch`` and ``ptr``.
    """
    generator = torch.Generator().manual_seed(seed)
    if counts is None:
        mean = torch.full((8 if num_events is None else num_events,), 5.0)
        counts = 2 + torch.poisson(mean, generator=generator).long()
    counts = [int(n) for n in counts]
    return Batch.from_data_list([_random_event(n, generator, dtype) for n in counts])


def _random_event(n: int, generator: torch.Generator, dtype: torch.dtype) -> Data:
    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator, dtype=torch.float64)

    pt = 20.0 - 40.0 * uniform(0.0, 1.0).clamp(max=1 - 1e-9).neg().log1p()
    phi = uniform(-math.pi, math.pi - 1e-6)
    p4 = torch.stack([pt, uniform(-2.5, 2.5), phi, uniform(0.0, 10.0)], dim=-1)
    kind = torch.randint(int(ObjectType.MET) + 1, (n,), generator=generator)
    charged = (kind == ObjectType.ELECTRON) | (kind == ObjectType.MUON) | (kind == ObjectType.TAU)
    sign = 2 * torch.randint(2, (n,), generator=generator) - 1
    btag = (kind == ObjectType.JET) & (uniform(0.0, 1.0) < 0.3)
    return Data(
        p4=p4.to(dtype),
        kind=kind,
        charge=torch.where(charged, sign, 0).to(dtype),
        btag=btag.to(dtype),
        level=torch.full((n,), int(Level.RECO)),
        y=torch.randint(2, (1,), generator=generator),
        weight=torch.ones(1, dtype=dtype),
        num_nodes=n,
    )


def with_features(batch: Data) -> Data:
    """A copy with ``x``, shape ``[N, 7]``: pt, eta, phi, pt cosh eta [GeV, rad], b-tag, charge, kind."""
    pt, eta, phi, _ = batch.p4.unbind(-1)
    columns = [pt, eta, phi, pt * eta.cosh(), batch.btag, batch.charge, batch.kind.to(pt.dtype)]
    batch = batch.clone()
    batch.x = torch.stack(columns, dim=-1)
    return batch

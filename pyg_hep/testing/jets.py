"""Random jets of two or more classes, for tests and examples of what learns from jets; little physics in them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.schema import ObjectType

_KINDS = (ObjectType.CHARGED_HADRON, ObjectType.NEUTRAL_HADRON, ObjectType.PHOTON, ObjectType.ELECTRON, ObjectType.MUON)


def random_jets(
    num_jets: int = 0,
    counts: Sequence[int] | None = None,
    num_classes: int = 2,
    seed: int = 0,
) -> EventDataset:
    """Jets around random axes, pT 500 to 1000 GeV; of a higher class, those with particles farther from the axis.

    Args:
        num_jets: how many, of 1 + Poisson(8) particles each.
        counts: particles of each jet, in place of ``num_jets``.
        num_classes: of the label, which takes turns.
        seed: of the random numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    if counts is None:
        counts = (1 + torch.poisson(torch.full((num_jets,), 8.0), generator=generator)).long().tolist()
    sizes = torch.tensor(list(counts))
    jets, total = len(sizes), int(sizes.sum())
    of, y = torch.repeat_interleave(torch.arange(jets), sizes), torch.arange(jets) % num_classes
    share = torch.rand(total, generator=generator).log().neg() + 1e-3
    pt = (500.0 + 500.0 * torch.rand(jets, generator=generator))[of] * share
    pt = pt / torch.zeros(jets).index_add(0, of, share)[of]
    width = 0.05 + 0.15 * y[of]
    axis = torch.stack(
        [2.0 * torch.rand(jets, generator=generator) - 1.0, math.tau * torch.rand(jets, generator=generator)], dim=1
    )
    place = axis[of] + width.unsqueeze(1) * torch.randn(total, 2, generator=generator)
    phi = torch.remainder(place[:, 1] + math.pi, math.tau) - math.pi
    p4 = torch.stack([pt, place[:, 0], phi.clamp(-3.1415925, 3.1415925), torch.zeros(total)], dim=1)
    numbers = torch.tensor([int(kind) for kind in _KINDS])
    kind = numbers[torch.randint(len(_KINDS), (total,), generator=generator)]
    neutral = (kind == int(ObjectType.NEUTRAL_HADRON)) | (kind == int(ObjectType.PHOTON))
    sign = 2.0 * torch.randint(2, (total,), generator=generator) - 1.0
    nodes = {"p4": p4, "kind": kind, "charge": torch.where(neutral, 0.0, sign)}
    return EventDataset.from_columns(nodes, sizes, {"y": y}, [f"class {k}" for k in range(num_classes)])

"""``MaskParticles``: whole particles, or a whole level of an event, are hidden."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform

from pyg_hep.errors import ConfigError
from pyg_hep.schema import Level
from pyg_hep.transforms.complete_graph import node_counts
from pyg_hep.transforms.random_transform import RandomTransform


@functional_transform("mask_particles")
class MaskParticles(RandomTransform):
    r"""Draw which particles a model does not see (functional name: ``mask_particles``).

    With the probability ``whole_level`` all particles of one level of the event, generated or reconstructed, each as
    likely; otherwise each of its n particles with the probability 1/n, drawn until one is hidden at least: the first
    hidden one is number k with

    .. math:: P(k) = \frac{(1 - 1/n)^{k-1} / n}{1 - (1 - 1/n)^n}

    and those behind it are drawn freely. An event with one level has no whole level to hide: what is left would say
    nothing of it.

    :meth:`hidden` gives the flags ``[N]``; as a transform it leaves them as ``data.hidden``.

    Args:
        whole_level: probability of hiding a whole level of an event that has both.

    Raises:
        ConfigError: for a probability outside [0, 1].

    Source: Wildridge et al., arXiv:2412.07867, section 3.3. (The code of one of its authors hides nothing in 43 % of
    the events.)
    """

    def __init__(self, whole_level: float = 0.5):
        if not 0.0 <= whole_level <= 1.0:
            raise ConfigError(f"MaskParticles: whole_level must be a probability, found {whole_level}")
        self.whole_level = whole_level

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        return {"whole_level": self.whole_level}

    def hidden(self, data: Data, generator: torch.Generator | None = None) -> Tensor:
        """True at the particles that are hidden, shape ``[N]``."""
        counts, level = node_counts(data), data.level
        events, nodes, device = counts.numel(), level.numel(), level.device
        drawn = torch.rand(3, events, device=device, dtype=torch.float64, generator=generator)
        each = torch.rand(nodes, device=device, dtype=torch.float64, generator=generator)
        event = torch.repeat_interleave(torch.arange(events, device=device), counts, output_size=nodes)
        generated = level == int(Level.GEN)
        of_level = torch.zeros(events, device=device, dtype=torch.int64).index_add(0, event, generated.long())
        whole = (drawn[0] < self.whole_level) & (of_level > 0) & (of_level < counts)
        place = torch.arange(nodes, device=device) - (counts.cumsum(0) - counts)[event]
        first = _first_hidden(counts, drawn[1])[event]
        alone = (place == first) | ((place > first) & (each * counts[event] < 1.0))
        return torch.where(whole[event], generated == (drawn[2] < 0.5)[event], alone)

    def forward(self, data: Data, generator: torch.Generator | None = None) -> Data:
        """Return ``data`` with ``hidden``."""
        data.hidden = self.hidden(data, generator)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(whole_level={self.whole_level})"


def _first_hidden(counts: Tensor, drawn: Tensor) -> Tensor:
    """Place of the first hidden particle of each event, by the inverse of its distribution from even numbers."""
    n = counts.clamp(min=2).double()  # of one particle it is the first
    log_not = torch.log1p(-1.0 / n)
    place = (torch.log1p(drawn * torch.expm1(n * log_not)) / log_not).floor().long()
    return torch.minimum(place, (counts - 1).clamp(min=0))

"""Training steps on jets: ``PointEdgeTransformer`` against PET v2, ``EventTransformer`` against ParticleTransformer.

PET v2 is the size S that its package calls small, a classifier, without and with the features of pairs of neighbours
that the package leaves out unless asked (``--local-interaction``). ParticleTransformer has its published size and
four features of pairs. Ours have as many layers, and the width that makes up the same number of parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peers
import torch
from jets import Padded, parameters, training_ratios
from timing import row
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.inputs.pairs import PARTICLE
from pyg_hep.kinematics import to_cartesian
from pyg_hep.nn import Backbone, EventTransformer, PointEdgeTransformer

HEADS = 8
OURS: dict[str, Callable[[], Backbone]] = {
    # As many neighbours as theirs; neither has columns of jets.
    "PointEdgeTransformer": lambda: PointEdgeTransformer.omnilearn(
        in_channels=4, event_channels=0, hidden_channels=168, heads=HEADS
    ),
    "EventTransformer": lambda: EventTransformer(
        7, hidden_channels=152, num_layers=8, heads=HEADS, pooling="class", pair_columns=PARTICLE
    ),
}


class _Logits(nn.Module):
    """PET v2, of whose outputs only the classes count."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Logits; labels would be for the generator's head, which a classifier lacks."""
        out: Tensor = self.model(x, None)["y_pred"]
        return out


def _pet_inputs(batch: Batch, padded: Padded, mask: Tensor) -> tuple[Tensor, ...]:
    """Direction, ln pT (its mask: not zero) and another column, ``[B, n, 4]``."""
    pt, eta, phi, _ = batch.p4.unbind(1)
    return (padded(torch.stack([eta, phi, pt.log(), batch.x[:, 0]], dim=1)),)


def _particle_inputs(batch: Batch, padded: Padded, mask: Tensor) -> tuple[Tensor, ...]:
    """Columns, four-momenta (px, py, pz, E) and mask, each ``[B, C, n]``."""
    return padded(batch.x).transpose(1, 2), padded(to_cartesian(batch.p4)).transpose(1, 2), mask.unsqueeze(1)


def _pet(local: bool) -> dict[str, Any]:
    package, version = peers.omnilearned()
    from omnilearned.network import PET2

    size = {"base_dim": 128, "num_transformers": 8, "num_transformers_head": 2, "num_heads": HEADS, "num_tokens": 4}
    theirs = _Logits(PET2(4, use_int=False, local_int=local, num_classes=2, K=10, **size))
    values = training_ratios(OURS["PointEdgeTransformer"](), theirs, _pet_inputs, within=0.01)
    name = "point_edge_transformer_vs_omnilearned" + ("_local_interaction" if local else "")
    peer = f"{package}'s PET v2 small, {parameters(theirs):,} parameters, local interaction {'on' if local else 'off'}"
    return row(name, values, "ratio", peer, version, 1)


def _particle_transformer() -> dict[str, Any]:
    package, version = peers.weaver()
    from weaver.nn.model.ParticleTransformer import ParticleTransformer

    theirs = ParticleTransformer(7, 2, pair_input_dim=4, use_pre_activation_pair=False, num_heads=HEADS)
    values = training_ratios(OURS["EventTransformer"](), theirs, _particle_inputs, within=0.05)
    peer = f"{package}'s ParticleTransformer, {parameters(theirs):,} parameters"
    return row("event_transformer_pairs_vs_particle_transformer", values, "ratio", peer, version, 1)


def run() -> list[dict[str, Any]]:
    """Measure."""
    torch.manual_seed(0)
    return [_pet(local=False), _pet(local=True), _particle_transformer()]


if __name__ == "__main__":
    for line in run():
        print(line)

"""Training step of ``GraphNetwork`` against the same network written plainly, and against PyG's ``MetaLayer``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
import torch_geometric
from timing import row
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import MetaLayer
from torch_geometric.utils import scatter

from pyg_hep.nn import GraphNetwork
from pyg_hep.testing import random_events, with_features
from pyg_hep.testing.reference import PlainBlock, PlainGraphNetwork
from pyg_hep.transforms import CompleteGraph

EVENTS, BATCHES, REPEATS, CLASSES = 512, 4, 8, 12


class _Edge(nn.Module):
    def __init__(self, mlp: nn.Module):
        super().__init__()
        self.mlp = mlp

    def forward(self, src: Tensor, dst: Tensor, edge_attr: Tensor, u: Tensor, batch: Tensor) -> Tensor:
        return self.mlp(torch.cat([dst, src, edge_attr, u[batch]], dim=1))


class _Node(_Edge):
    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, u: Tensor, batch: Tensor) -> Tensor:
        received = scatter(edge_attr, edge_index[1], dim=0, dim_size=x.size(0), reduce="sum")
        return self.mlp(torch.cat([x, received, u[batch]], dim=1))


class _Global(_Edge):
    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, u: Tensor, batch: Tensor) -> Tensor:
        x_sum = scatter(x, batch, dim=0, dim_size=u.size(0), reduce="sum")
        y_sum = scatter(edge_attr, batch[edge_index[0]], dim=0, dim_size=u.size(0), reduce="sum")
        return self.mlp(torch.cat([x_sum, y_sum, u], dim=1))


class _MetaLayerBlock(nn.Module):
    """PyG's own graph network block around the MLPs of a plain one."""

    def __init__(self, block: PlainBlock):
        super().__init__()
        self.layer = MetaLayer(_Edge(block.edge_mlp), _Node(block.node_mlp), _Global(block.global_mlp))

    def forward(
        self, x: Tensor, edge_index: Tensor, y: Tensor, z: Tensor, batch: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        return self.layer(x, edge_index, y, z, batch)


def _plain(model: GraphNetwork, meta_layer: bool) -> PlainGraphNetwork:
    plain = PlainGraphNetwork()
    plain.load_state_dict(model.state_dict())
    if meta_layer:
        plain.blocks = nn.ModuleList(_MetaLayerBlock(block) for block in plain.blocks)
    return plain


def _train_step(represent: Callable[[Batch], Tensor], model: nn.Module) -> Callable[[Batch, Tensor], float]:
    """One optimiser step on a batch, and its wall time in seconds."""
    torch.manual_seed(0)
    head = nn.Linear(64, CLASSES)
    optimiser = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=1e-4)

    def step(batch: Batch, target: Tensor) -> float:
        start = time.perf_counter()
        optimiser.zero_grad()
        graph = represent(batch)
        F.cross_entropy(head(graph), target).backward()
        optimiser.step()
        return time.perf_counter() - start

    return step


def run() -> list[dict[str, Any]]:
    """Measure on one thread, the contestants in turn on the same batches.

    The events have 2 + Poisson(5) objects, 512 of them in a batch. The peers get the edges and edge features of
    each batch ready-made; ours makes them inside the measured time. Both peers use ``torch.nn.Linear``.

    Returns:
        Rows with the median ratio of the times of a pair of steps, theirs over ours, and its range.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(0)
        ours = GraphNetwork.ho()
        peers = {name: _plain(ours, name == "metalayer") for name in ("plain", "metalayer")}
        steps = {"ours": _train_step(lambda batch: ours(batch).graph, ours)}
        for name, model in peers.items():
            steps[name] = _train_step(
                lambda b, model=model: model(b.x, b.edge_index, b.edge_attr, b.batch, b.num_graphs)[1], model
            )
        batches = [with_features(random_events(num_events=EVENTS, seed=seed)) for seed in range(BATCHES)]
        complete = [CompleteGraph()(batch.clone()) for batch in batches]
        target = torch.randint(CLASSES, (EVENTS,), generator=torch.Generator().manual_seed(0))
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for repeat in range(-1, REPEATS):  # the first round warms up and does not count
            for k in range(BATCHES):
                for name, step in steps.items():
                    used = step(batches[k] if name == "ours" else complete[k], target)
                    if repeat >= 0:
                        seconds[name].append(used)
    finally:
        torch.set_num_threads(threads)
    peers_by_row = {
        "plain": ("plain_message_passing", "concatenate and index_add in torch", torch.__version__),
        "metalayer": ("pyg_metalayer", "torch_geometric.nn.MetaLayer, same MLPs", torch_geometric.__version__),
    }
    rows = []
    for name, (suffix, peer, version) in peers_by_row.items():
        ratios = [t / o for t, o in zip(seconds[name], seconds["ours"], strict=True)]
        rows.append(row(f"graph_network_vs_{suffix}", ratios, "ratio", peer, version, 1))
    return rows


if __name__ == "__main__":
    for line in run():
        print(line)

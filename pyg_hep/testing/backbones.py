"""``BackboneTests``: what any backbone must prove, as a class to inherit, and the assertions behind it.

A test class states how its model is built and inherits the rest::

    class TestMyBackbone(BackboneTests):
        @classmethod
        def build(cls) -> nn.Module:
            return MyBackbone(in_channels=7)
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from pyg_hep.errors import ConfigError
from pyg_hep.schema import NODE_COLUMNS, OPTIONAL_NODE_COLUMNS
from pyg_hep.testing.events import random_events, with_features
from pyg_hep.transforms.complete_graph import CompleteGraph

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
"""Allowed difference relative to the largest value. In float32 about fifty layers of width 64 to 256 leave
errors of a few 1e-6; in float64 they leave a few 1e-15."""

_COUNTS = (4, 1, 7, 2, 12)


def assert_close(found: Tensor, expected: Tensor, what: str, tolerance: float | None = None) -> None:
    """Compare relative to the largest expected value; ``what`` opens the message."""
    assert found.shape == expected.shape, f"{what}: shape {tuple(found.shape)} against {tuple(expected.shape)}"
    found, expected = found.detach(), expected.detach()
    assert bool(found.isfinite().all()), f"{what}: not finite"
    if expected.numel() == 0:
        return
    allowed = (TOLERANCE[expected.dtype] if tolerance is None else tolerance) * float(expected.abs().max())
    difference = float((found - expected).abs().max())
    assert difference <= allowed, f"{what}: differs by {difference:.3g}, allowed {allowed:.3g}"


def node_columns(batch: Data) -> list[str]:
    """Names of the columns with one row per object."""
    return [name for name in (*NODE_COLUMNS, *OPTIONAL_NODE_COLUMNS, "x") if name in batch]


def permute_objects(batch: Batch, seed: int = 0) -> tuple[Batch, Tensor]:
    """A copy with the objects of each event in random order, and the old place of each object, shape ``[N]``."""
    generator = torch.Generator().manual_seed(seed)
    starts, counts = batch.ptr[:-1].tolist(), batch.ptr.diff().tolist()
    parts = [torch.randperm(n, generator=generator) + k for k, n in zip(starts, counts, strict=True)]
    order = torch.cat(parts)
    batch = batch.clone()
    for name in node_columns(batch):
        batch[name] = batch[name][order]
    return batch, order


def single_event(batch: Batch, number: int) -> Data:
    """One event of a batch as a ``Data`` of its node columns."""
    start, end = batch.ptr[number : number + 2].tolist()
    return Data(**{name: batch[name][start:end] for name in node_columns(batch)}, num_nodes=end - start)


def outputs_and_gradients(model: nn.Module, batch: Data) -> dict[str, Tensor]:
    """Outputs, and gradients of a fixed random projection of them, by parameter and for the features ``x``."""
    batch = batch.clone()
    batch.x = batch.x.detach().requires_grad_()
    model.zero_grad(set_to_none=True)
    nodes, graph = model(batch)
    generator = torch.Generator().manual_seed(1)
    # Normalised outputs have constant sums of squares; a projection keeps every gradient alive.
    total = sum(
        (out * torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out)).sum() for out in (nodes, graph)
    )
    assert isinstance(total, Tensor)
    total.backward()
    gradients = {f"gradient of {k}": p.grad for k, p in model.named_parameters() if p.grad is not None}
    found = {"nodes": nodes.detach(), "graph": graph.detach(), "gradient of x": batch.x.grad, **gradients}
    return {name: value.clone() for name, value in found.items() if value is not None}


def assert_permutation_invariant(model: nn.Module, batch: Batch) -> None:
    """Reordering the objects of an event reorders ``nodes`` and leaves ``graph`` alone."""
    permuted, order = permute_objects(batch)
    with torch.no_grad():
        before, after = model(batch), model(permuted)
    assert_close(after.graph, before.graph, "graph of reordered objects")
    assert_close(after.nodes, before.nodes[order], "nodes of reordered objects")


def assert_batch_equals_single(model: nn.Module, batch: Batch) -> None:
    """A batch gives what its events give one by one."""
    with torch.no_grad():
        together = model(batch)
        for number in range(batch.num_graphs):
            alone = model(single_event(batch, number))
            start, end = batch.ptr[number : number + 2].tolist()
            assert_close(together.graph[number : number + 1], alone.graph, f"graph of event {number}")
            assert_close(together.nodes[start:end], alone.nodes, f"nodes of event {number}")


def assert_paths_agree(model: nn.Module, batch: Batch) -> None:
    """Without edges (fused path) and with the edges of the complete graph: same outputs, same gradients."""
    fused = outputs_and_gradients(model, batch)
    sparse = outputs_and_gradients(model, CompleteGraph()(batch.clone()))
    assert fused.keys() == sparse.keys(), f"gradients only on one path: {sorted(fused.keys() ^ sparse.keys())}"
    for name, value in sparse.items():
        assert_close(fused[name], value, f"{name}, fused against sparse")


def assert_events_independent(model: nn.Module, batch: Batch) -> None:
    """Changing one event of a batch changes nothing in the others, and something in itself."""
    changed = batch.clone()
    start, end = batch.ptr[0:2].tolist()
    for name in ("x", "p4"):
        values = changed[name].clone()
        values[start:end] = values[start:end] * 0.5 + 0.1
        changed[name] = values
    with torch.no_grad():
        before, after = model(batch), model(changed)
    assert_close(after.graph[1:], before.graph[1:], "graph of the other events")
    assert_close(after.nodes[end:], before.nodes[end:], "nodes of the other events")
    assert not torch.equal(after.graph[0], before.graph[0]), "the changed event has the same representation"


class BackboneTests:
    """Inherit, give :meth:`build`, and pytest runs these tests on the model.

    The model reads batches without ``edge_index`` as complete graphs (that is the contract), and
    ``x`` of :meth:`events` has 7 columns unless a subclass makes another view.
    """

    @classmethod
    def build(cls) -> nn.Module:
        """The backbone, freshly initialised, in float32."""
        raise ConfigError(f"{cls.__name__} must say how its model is built: override build()")

    @classmethod
    def events(cls, dtype: torch.dtype = torch.float64, counts: tuple[int, ...] = _COUNTS) -> Batch:
        """Random events with the features that the model reads."""
        batch: Any = with_features(random_events(counts, seed=3, dtype=dtype))
        return batch

    def _model(self, dtype: torch.dtype = torch.float64) -> Any:
        torch.manual_seed(0)
        return self.build().to(dtype).eval()

    def test_outputs_have_one_row_per_object_and_one_per_event(self) -> None:
        """Shapes of the contract."""
        model, batch = self._model(), self.events()
        nodes, graph = model(batch)
        assert nodes.shape[0] == batch.num_nodes
        assert graph.shape == (batch.num_graphs, model.out_channels)

    def test_order_of_objects_does_not_matter(self) -> None:
        """Invariance of the event, equivariance of the objects."""
        assert_permutation_invariant(self._model(), self.events())

    def test_batch_equals_event_by_event(self) -> None:
        """Batching is bookkeeping only; single events come as ``Data``."""
        assert_batch_equals_single(self._model(), self.events())

    def test_events_of_a_batch_do_not_influence_each_other(self) -> None:
        """No leak from event to event."""
        assert_events_independent(self._model(), self.events())

    def test_fused_and_sparse_path_agree_in_float64(self) -> None:
        """Outputs and gradients to 1e-10."""
        assert_paths_agree(self._model(), self.events())

    def test_fused_and_sparse_path_agree_in_float32(self) -> None:
        """Outputs and gradients to the relative bound."""
        assert_paths_agree(self._model(torch.float32), self.events(torch.float32))

    def test_events_of_one_object_have_outputs_and_gradients(self) -> None:
        """A batch without any edge."""
        model, batch = self._model(), self.events(counts=(1, 1, 1))
        assert_paths_agree(model, batch)
        assert_batch_equals_single(model, batch)

    def test_config_is_json_and_builds_the_same_model(self) -> None:
        """A model can be made again from its configuration and its weights."""
        model, batch = self._model(), self.events()
        arguments = json.loads(json.dumps(model.config()))
        again = type(model)(**arguments).to(torch.float64).eval()
        again.load_state_dict(model.state_dict())
        assert again.config() == model.config()
        with torch.no_grad():
            assert torch.equal(again(batch).graph, model(batch).graph)

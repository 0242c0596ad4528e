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
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError
from pyg_hep.testing.inputs import EVENT_INPUTS, NODE_INPUTS, padded, random_inputs, with_edges

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


def permute_objects(batch: Batch, seed: int = 0) -> tuple[Batch, Tensor]:
    """A copy with the objects of each event in random order, and the old place of each object, shape ``[N]``."""
    generator = torch.Generator().manual_seed(seed)
    starts, counts = batch.ptr[:-1].tolist(), batch.ptr.diff().tolist()
    parts = [torch.randperm(n, generator=generator) + k for k, n in zip(starts, counts, strict=True)]
    order = torch.cat(parts)
    batch = batch.clone()
    for name in NODE_INPUTS:
        if name in batch:
            batch[name] = batch[name][order]
    return batch, order


def single_event(batch: Batch, number: int) -> Data:
    """One event of a batch as a ``Data``."""
    start, end = batch.ptr[number : number + 2].tolist()
    columns = {name: batch[name][start:end] for name in NODE_INPUTS if name in batch}
    columns |= {name: batch[name][number : number + 1] for name in EVENT_INPUTS if name in batch}
    return Data(**columns, num_nodes=end - start)


def outputs_and_gradients(model: nn.Module, batch: Data, form: str = "complete") -> dict[str, Tensor]:
    """Outputs, and gradients of a fixed random projection of them: by parameter, and of ``x``, ``p4`` and ``u``.

    Args:
        model: the backbone.
        batch: packed model input.
        form: which layout it is given in: ``"complete"``, ``"edges"`` or ``"padded"`` (NaN in the padding, and
            places without an object must come out as zeros).
    """
    batch = batch.clone()
    for name in ("x", "p4", "u"):
        if name in batch:
            batch[name] = batch[name].detach().requires_grad_()
    model.zero_grad(set_to_none=True)
    forms = {"complete": lambda: batch, "edges": lambda: with_edges(batch), "padded": lambda: padded(batch)}
    input = forms[form]()
    out = model(input)
    nodes, graph = out.nodes, out.graph
    if form == "padded":
        assert not nodes[~input.mask].any(), "padding comes out as something else than zeros"
        nodes = nodes[input.mask]
    generator = torch.Generator().manual_seed(1)
    # Normalised outputs have constant sums of squares; a projection keeps every gradient alive.
    total = sum(
        (out * torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out)).sum() for out in (nodes, graph)
    )
    assert isinstance(total, Tensor)
    total.backward()
    gradients = {f"gradient of {k}": p.grad for k, p in model.named_parameters() if p.grad is not None}
    inputs = {f"gradient of {k}": batch[k].grad for k in ("x", "p4", "u") if k in batch}
    values = {"nodes": nodes.detach(), "graph": graph.detach(), **inputs, **gradients}
    return {name: value.clone() for name, value in values.items() if value is not None}


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


def assert_layouts_agree(model: nn.Module, batch: Batch) -> None:
    """Edges of the complete graph, complete graphs without edges, padded events: same outputs, same gradients."""
    expected = outputs_and_gradients(model, batch, "edges")
    for form in ("complete", "padded"):
        values = outputs_and_gradients(model, batch, form)
        assert values.keys() == expected.keys(), f"gradients only in one: {sorted(values.keys() ^ expected.keys())}"
        for name, value in expected.items():
            assert_close(values[name], value, f"{name}, {form} against edges")


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


def assert_stages_cover(model: Any) -> None:
    """Every parameter of the model is in exactly one stage."""
    names = {id(p): name for name, p in model.named_parameters()}
    listed = [id(p) for parts in model.stages().values() for part in parts for p in part.parameters()]
    missing = sorted(name for key, name in names.items() if key not in listed)
    assert not missing, f"in no stage: {', '.join(missing)}"
    twice = sorted(name for key, name in names.items() if listed.count(key) > 1)
    assert not twice, f"in two stages: {', '.join(twice)}"


class BackboneTests:
    """Inherit, give :meth:`build`, and pytest runs these tests on the model.

    The model reads batches without ``edge_index`` as complete graphs (that is the contract);
    its ``in_channels``, ``event_channels`` and ``id_channels`` say what :meth:`events` makes for it.
    """

    @classmethod
    def build(cls) -> nn.Module:
        """The backbone, freshly initialised, in float32."""
        raise ConfigError(f"{cls.__name__} must say how its model is built: override build()")

    @classmethod
    def events(cls, dtype: torch.dtype = torch.float64, counts: tuple[int, ...] = _COUNTS) -> Batch:
        """Random events in the columns that the model reads: ``x``, ``p4``; ``u``, ``ids``, ``time`` if it has them."""
        model: Any = cls.build()
        widths = model.in_channels, model.event_channels, model.id_channels
        return random_inputs(counts, *widths, seed=3, dtype=dtype, time=getattr(model, "takes_time", False))

    def _model(self, dtype: torch.dtype = torch.float64) -> Any:
        torch.manual_seed(0)
        return self.build().to(dtype).eval()

    def test_outputs_have_one_row_per_object_and_one_per_event(self) -> None:
        """Shapes of the contract."""
        model, batch = self._model(), self.events()
        out = model(batch)
        assert out.nodes.shape[0] == batch.num_nodes
        assert out.graph.shape == (batch.num_graphs, model.out_channels)
        assert out.layout.num_events == batch.num_graphs

    def test_order_of_objects_does_not_matter(self) -> None:
        """Invariance of the event, equivariance of the objects."""
        assert_permutation_invariant(self._model(), self.events())

    def test_batch_equals_event_by_event(self) -> None:
        """Batching is bookkeeping only; single events come as ``Data``."""
        assert_batch_equals_single(self._model(), self.events())

    def test_events_of_a_batch_do_not_influence_each_other(self) -> None:
        """No leak from event to event."""
        assert_events_independent(self._model(), self.events())

    def test_layouts_agree_in_float64(self) -> None:
        """Outputs and gradients to 1e-10, on events of 1 to 30 objects."""
        assert_layouts_agree(self._model(), self.events(counts=tuple(range(1, 31))))

    def test_layouts_agree_in_float32(self) -> None:
        """Outputs and gradients to the relative bound."""
        assert_layouts_agree(self._model(torch.float32), self.events(torch.float32))

    def test_events_of_one_object_have_outputs_and_gradients(self) -> None:
        """A batch without any edge."""
        model, batch = self._model(), self.events(counts=(1, 1, 1))
        assert_layouts_agree(model, batch)
        assert_batch_equals_single(model, batch)

    def test_edge_features_of_the_input_are_not_read(self) -> None:
        """Geometry comes from the four-vectors that the model sees."""
        model, batch = self._model(), with_edges(self.events())
        other = batch.clone()
        other.edge_attr = torch.ones_like(batch.edge_attr)
        with torch.no_grad():
            assert torch.equal(model(batch).graph, model(other).graph)

    def test_event_columns_and_ids_change_the_outputs(self) -> None:
        """Where the model has them."""
        model, batch = self._model(), self.events()
        with torch.no_grad():
            before = model(batch).graph
            for name in {"u", "ids", "time"} & set(batch.keys()):
                other = batch.clone()
                other[name] = other[name].roll(1, 0)
                assert not torch.allclose(model(other).graph, before), f"{name} changes nothing"

    def test_every_parameter_is_in_one_stage(self) -> None:
        """Freezing, resetting and layer-wise rates go by stages."""
        assert_stages_cover(self._model())

    def test_reset_draws_every_stage_anew(self) -> None:
        """No matrix stays as it was."""
        model = self._model()
        before = {name: p.detach().clone() for name, p in model.named_parameters() if p.dim() > 1}
        model.reset_parameters()
        same = [name for name, p in model.named_parameters() if name in before and torch.equal(p, before[name])]
        assert not same, f"not drawn anew: {', '.join(same)}"

    def test_heads_of_events_and_objects(self) -> None:
        """``make_head`` gives one row per event or per object."""
        model, batch = self._model(), self.events()
        out = model(batch)
        for level, rows in (("graph", batch.num_graphs), ("nodes", batch.num_nodes)):
            assert model.make_head(level, 3).to(torch.float64)(out).shape == (rows, 3)

    def test_explainable_is_the_model(self) -> None:
        """The same numbers in the form that PyG's explainers call."""
        model, batch = self._model(), with_edges(self.events())
        columns = {name: batch[name] for name in ("p4", "batch", "u", "ids", "time") if name in batch}
        with torch.no_grad():
            assert_close(model.explainable()(batch.x, batch.edge_index, **columns), model(batch).graph, "explainable")

    def test_an_explainer_finds_masks_of_objects_and_edges(self) -> None:
        """An explainer of PyG reaches the objects, and the edges of a model that passes messages."""
        model, batch = self._model(), with_edges(self.events(counts=(4, 1, 6)))
        columns = {name: batch[name] for name in ("p4", "batch", "u", "ids", "time") if name in batch}
        messages = any(isinstance(part, MessagePassing) for part in model.modules())
        explainer = Explainer(
            model.explainable(), GNNExplainer(epochs=3), explanation_type="model",
            node_mask_type="object", edge_mask_type="object" if messages else None,
            model_config={"mode": "regression", "task_level": "graph", "return_type": "raw"},
        )  # fmt: skip
        explanation = explainer(batch.x, batch.edge_index, **columns)
        assert explanation.node_mask.shape == (batch.num_nodes, 1)
        if messages:
            assert explanation.edge_mask.shape == (batch.edge_index.size(1),)
            assert float(explanation.edge_mask.std()) > 0

    def test_config_is_json_and_builds_the_same_model(self) -> None:
        """A model can be made again from its configuration and its weights."""
        model, batch = self._model(), self.events()
        arguments = json.loads(json.dumps(model.config()))
        again = type(model)(**arguments).to(torch.float64).eval()
        again.load_state_dict(model.state_dict())
        assert again.config() == model.config()
        with torch.no_grad():
            assert torch.equal(again(batch).graph, model(batch).graph)

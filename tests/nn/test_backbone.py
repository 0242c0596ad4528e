from __future__ import annotations

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.explain import DummyExplainer, Explainer

from pyg_hep.errors import ConfigError
from pyg_hep.nn import (
    DeepSets,
    DenseNetwork,
    EventTransformer,
    GraphNetwork,
    IdTables,
    LinearHead,
    ParticleNet,
    PointEdgeTransformer,
)
from pyg_hep.nn.class_node import ClassNode
from pyg_hep.testing import padded, random_inputs, with_edges
from pyg_hep.testing.backbones import assert_close

BACKBONES = {
    "graph network": lambda **more: GraphNetwork(7, hidden_channels=16, num_steps=2, **more),
    "transformer": lambda **more: EventTransformer(7, hidden_channels=16, num_layers=2, heads=2, **more),
    "transformer with class node": lambda **more: EventTransformer(
        7, hidden_channels=16, num_layers=2, heads=2, pooling="class", pair_columns=["ln_kt"], **more
    ),
    "point-edge transformer": lambda **more: PointEdgeTransformer(
        7, hidden_channels=16, num_layers=1, class_layers=1, heads=2, neighbours=3, layer_scale=0.5, **more
    ),
    "ParticleNet": lambda **more: ParticleNet(
        7, channels=((8, 8), (8, 8)), hidden_channels=16, neighbours=3, **more
    ).eval(),
    "deep sets": lambda **more: DeepSets(7, phi_channels=(8, 8), f_channels=(16,), **more),
    "dense network": lambda **more: DenseNetwork(7, objects=5, widths=(16, 16, 16), **more),
}


@pytest.fixture(params=list(BACKBONES))
def build(request):
    torch.manual_seed(0)
    return BACKBONES[request.param]


def test_padded_form_exports_with_dynamic_sizes(build):
    class Dense(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x, p4, u, ids, mask):
            return self.model(Data(x=x, p4=p4, u=u, ids=ids, mask=mask)).graph

    def inputs(counts, places, seed):
        batch = random_inputs(counts, event_channels=2, id_channels=(3, 4), seed=seed)
        form = padded(batch, places, fill=0.0)
        return batch, (form.x, form.p4, form.u, form.ids.clamp(min=0), form.mask)

    model = build(event_channels=2, id_channels=(3, 4)).eval()
    events, places = torch.export.Dim("events"), torch.export.Dim("objects")
    sizes = {0: events, 1: places}
    _, example = inputs([4, 6, 3], 6, seed=1)
    program = torch.export.export(Dense(model), example, dynamic_shapes=(sizes, sizes, {0: events}, sizes, sizes))
    batch, other = inputs([7, 2, 5, 9, 1], 10, seed=2)
    assert_close(program.module()(*other), model(batch).graph, "exported program on other sizes")


def test_explainers_may_look_through_a_head(build):
    model, head = build(), LinearHead(16, 2)
    batch = with_edges(random_inputs((4, 6)))
    with torch.no_grad():
        logits = model.explainable(head)(batch.x, batch.edge_index, p4=batch.p4, batch=batch.batch)
        assert_close(logits, head(model(batch)), "explainable logits")
    explainer = Explainer(
        model.explainable(head), DummyExplainer(), explanation_type="model", node_mask_type="attributes",
        model_config={"mode": "multiclass_classification", "task_level": "graph", "return_type": "raw"},
    )  # fmt: skip
    explanation = explainer(batch.x, batch.edge_index, p4=batch.p4, batch=batch.batch)
    assert explanation.node_mask.shape == (10, 7)
    with pytest.raises(ConfigError, match="must hand on the four-vectors"):
        model.explainable()(batch.x, batch.edge_index)


def test_one_event_without_a_batch_vector_is_explainable(build):
    model, batch = build(), with_edges(random_inputs((5,)))
    with torch.no_grad():
        alone = model.explainable()(batch.x, batch.edge_index, p4=batch.p4)
    assert_close(alone, model(batch).graph, "one event")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.__delattr__("u"), "no column 'u'; apply a view first"),
        (lambda b: b.__delattr__("ids"), "no column 'ids'"),
        (lambda b: b.__setattr__("u", b.u[:, :1]), r"'u' has shape \(2, 1\), expected \(2, 2\)"),
        (lambda b: b.__setattr__("ids", b.ids[:, 0]), r"'ids' has shape \(7,\), expected \(7, 1\)"),
        (lambda b: b.__setattr__("ids", b.ids + 2), r"numbers from 2 to 4, its table the rows 0 to 2"),
        (lambda b: b.__setattr__("p4", b.p4[:, :3]), r"'p4' has shape \(7, 3\), expected \(7, 4\)"),
    ],
)
def test_missing_or_wrong_columns_are_named(build, change, message):
    batch = random_inputs((4, 3), event_channels=2, id_channels=(3,))
    batch.ids[:3, 0] = torch.arange(3)
    change(batch)
    with pytest.raises(ConfigError, match=message):
        build(event_channels=2, id_channels=(3,))(batch)


def test_columns_that_a_model_has_no_channels_for_are_not_looked_at(build):
    model = build()
    batch, plain = random_inputs((4, 3), event_channels=2, id_channels=(3,)), random_inputs((4, 3))
    with torch.no_grad():
        assert torch.equal(model(batch).graph, model(plain).graph)


def test_stages_are_named_by_depth(build):
    names = list(build(id_channels=(3,)).stages())
    assert names[0] == "encoder"
    assert names[1].startswith("layers.0")
    assert names[-1] == "decoder"


def test_shared_steps_are_one_stage():
    assert list(GraphNetwork.ho().stages()) == ["encoder", "layers.0", "decoder"]
    assert [name for name in GraphNetwork.ho(shared_steps=False).stages() if "." in name] == [
        f"layers.{k}" for k in range(4)
    ]
    assert list(EventTransformer(7, norm_first=False, num_layers=1).stages()) == ["encoder", "layers.0"]


def test_tables_are_summed():
    torch.manual_seed(0)
    tables = IdTables((3, 5), 4)
    ids = torch.tensor([[0, 4], [2, 1]])
    expected = tables.tables[0].weight[ids[:, 0]] + tables.tables[1].weight[ids[:, 1]]
    torch.testing.assert_close(tables(ids), expected)
    assert repr(tables) == "IdTables([3, 5])"
    with pytest.raises(ConfigError, match="at least 1 row"):
        IdTables((3, 0), 4)


def test_class_nodes_are_moved_by_the_columns_of_their_event():
    torch.manual_seed(0)
    node, u = ClassNode(4, 2), torch.randn(3, 2)
    torch.testing.assert_close(node(u, 3), node.vector + u @ node.columns.weight.T)
    assert repr(node) == "ClassNode(4, event_channels=2)"

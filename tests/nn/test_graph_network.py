from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import GraphNetwork, Layout, LinearHead, Representation
from pyg_hep.testing.backbones import BackboneTests, assert_close, assert_layouts_agree, outputs_and_gradients
from pyg_hep.testing.events import random_events, with_features
from pyg_hep.testing.reference import PlainGraphNetwork
from pyg_hep.transforms import CompleteGraph


class TestGraphNetwork(BackboneTests):
    @classmethod
    def build(cls):
        return GraphNetwork.ho()


class TestGraphNetworkWithSeparateSteps(BackboneTests):
    @classmethod
    def build(cls):
        return GraphNetwork.ho(shared_steps=False, hidden_channels=16, num_layers_mlp=2, num_steps=3)


class TestGraphNetworkWithPairColumns(BackboneTests):
    @classmethod
    def build(cls):
        columns = ["d_eta", "d_phi", "d_r", "ln_kt", "ln_mass"]
        return GraphNetwork.ho(hidden_channels=16, num_layers_mlp=2, num_steps=2, pair_columns=columns)


class TestGraphNetworkWithEventColumnsAndIds(BackboneTests):
    @classmethod
    def build(cls):
        return GraphNetwork(9, event_channels=3, id_channels=(4, 6), hidden_channels=16, num_layers_mlp=2, num_steps=2)


class TestGraphNetworkWithOneLayer(BackboneTests):
    @classmethod
    def build(cls):
        return GraphNetwork.ho(hidden_channels=8, num_layers_mlp=1, num_steps=1)


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def plain_twin(model):
    sizes = ("in_channels", "hidden_channels", "num_layers_mlp", "num_steps", "shared_steps")
    plain = PlainGraphNetwork(**{name: model.config()[name] for name in sizes}).to(next(model.parameters()).dtype)
    plain.load_state_dict(model.state_dict())

    class OnBatches(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.plain = plain

        def forward(self, batch):
            edges = CompleteGraph()(batch.clone())
            nodes, graph = plain(batch.x, edges.edge_index, edges.edge_attr, batch.batch, batch.num_graphs)
            return Representation(nodes, graph, Layout.of(batch))

        def named_parameters(self, *args, **kwargs):
            return plain.named_parameters()

    return OnBatches()


@pytest.mark.parametrize(("shared_steps", "alone", "with_head"), [(True, 134464, 135244), (False, 371392, 372172)])
def test_parameter_counts_are_those_of_the_published_settings(shared_steps, alone, with_head):
    # Counted by hand from Ho et al., arXiv:2412.10665, section III B: 7 (16) MLPs of 4 linear layers, LayerNorm.
    model = GraphNetwork.ho(shared_steps)
    assert parameters(model) == alone
    assert parameters(model, LinearHead(model.out_channels, 12)) == with_head


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shared_steps", [True, False])
def test_equals_concatenate_and_scatter(shared_steps, dtype):
    torch.manual_seed(0)
    model = GraphNetwork.ho(shared_steps).to(dtype)
    batch = with_features(random_events(num_events=12, seed=5, dtype=dtype))
    found, expected = outputs_and_gradients(model, batch), outputs_and_gradients(plain_twin(model), batch)
    assert found.keys() == expected.keys()
    assert len(found) == 4 + len(list(model.parameters()))  # nodes, graph, x, p4
    for name, value in expected.items():
        assert_close(found[name], value, name)


def test_events_without_objects_are_events():
    torch.manual_seed(0)
    model = GraphNetwork.ho().double()
    batch = with_features(random_events([0, 3, 0, 1, 0], seed=1, dtype=torch.float64))
    assert_layouts_agree(model, batch)
    graph = model(batch).graph
    assert graph.shape == (5, 64)
    assert_close(graph[0], graph[4], "two empty events")


def test_given_edges_are_used():
    torch.manual_seed(0)
    model = GraphNetwork.ho().double()
    batch = CompleteGraph()(with_features(random_events([5, 6], seed=1, dtype=torch.float64)))
    complete = model(batch).graph
    half = batch.clone()
    half.edge_index, half.edge_attr = batch.edge_index[:, ::2], None
    assert not torch.allclose(model(half).graph, complete)


def test_reads_the_view_of_its_preset():
    batch = random_events(num_events=4, seed=2)
    torch.manual_seed(0)
    model = GraphNetwork.ho()
    expected = model(with_features(batch)).graph
    assert_close(model(View(model.preset).to(batch.p4.dtype)(batch)).graph, expected, "preset view")


def test_encode_is_everything_before_the_decoder():
    torch.manual_seed(0)
    model, batch = GraphNetwork.ho(), with_features(random_events(num_events=4, seed=2))
    latent, out = model.encode(batch), model(batch)
    assert torch.equal(latent.nodes, out.nodes)
    assert torch.equal(model.decoder(latent.graph), out.graph)
    assert not torch.allclose(latent.graph, out.graph)


def test_hooks_see_messages_and_leave_the_numbers_alone():
    torch.manual_seed(0)
    model = GraphNetwork.ho().double()
    batch = with_features(random_events([4, 2], seed=1, dtype=torch.float64))
    expected, seen = model(batch).graph, []
    handle = model.blocks[0].register_message_forward_hook(lambda module, inputs, out: seen.append(out.shape))
    assert_close(model(batch).graph, expected, "graph with a hook")
    assert seen == [(14, 64)] * 4  # 4 rounds, 4 * 3 + 2 * 1 edges
    handle.remove()
    model(batch)
    assert len(seen) == 4


def test_autocast_gives_nearly_the_same_numbers():
    torch.manual_seed(0)
    model, batch = GraphNetwork.ho(), with_features(random_events(num_events=6, seed=1))
    expected = model(batch).graph
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(batch).graph
    # 8 bits of mantissa, 0.4 % per product, in about fifty layers of normalised values.
    assert_close(found.float(), expected, "graph in bfloat16", tolerance=0.15)
    found.float().sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_reset_draws_every_matrix_anew():
    torch.manual_seed(0)
    model = GraphNetwork.ho(hidden_channels=8)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.reset_parameters()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == ("norm" in name or "bias" in name)  # biases begin at 0


def test_repr():
    assert repr(GraphNetwork.ho()) == "GraphNetwork(7, 64, num_steps=4, shared_steps=True)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.__delattr__("x"), "no column 'x'"),
        (lambda b: b.__delattr__("p4"), "no column 'p4'"),
        (lambda b: b.__setattr__("x", b.x[:, :5]), r"'x' has shape \(7, 5\), expected \(7, 7\)"),
    ],
)
def test_missing_or_wrong_columns_are_named(change, message):
    batch = with_features(random_events([4, 3]))
    change(batch)
    with pytest.raises(ConfigError, match=message):
        GraphNetwork.ho()(batch)


@pytest.mark.parametrize("name", ["in_channels", "hidden_channels", "num_layers_mlp", "num_steps"])
def test_numbers_below_one_are_rejected(name):
    with pytest.raises(ConfigError, match="must be at least 1, found 0"):
        GraphNetwork.ho(**{name: 0})


def test_single_event_as_batch_and_as_data_agree():
    torch.manual_seed(0)
    model = GraphNetwork.ho().double()
    event = with_features(random_events([6], seed=1, dtype=torch.float64))
    batch = Batch.from_data_list([event.get_example(0)])
    batch.x = event.x
    assert_close(model(batch).graph, model(event).graph, "batch of one")

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.data import Batch, Data

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.inputs.pairs import PARTICLE
from pyg_hep.nn import EventTransformer
from pyg_hep.nn.event_transformer import POOLING
from pyg_hep.nn.transformer_layer import TransformerLayer
from pyg_hep.testing import random_events, random_inputs, with_features
from pyg_hep.testing.backbones import (
    BackboneTests,
    assert_batch_equals_single,
    assert_close,
    assert_layouts_agree,
    outputs_and_gradients,
)
from pyg_hep.transforms import CompleteGraph


def small(**kwargs) -> EventTransformer:
    return EventTransformer(7, hidden_channels=24, num_layers=2, heads=4, **kwargs)


class TestEventTransformer(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small()


class TestWithPairBias(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(pair_columns=PARTICLE, pooling="attention")


class TestWithClassNode(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(pair_columns=PARTICLE, pooling="class", norm_first=False, activation="relu")


class TestWithEventColumnsInTheClassNode(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(pair_columns=PARTICLE, pooling="class", event_channels=2)


class TestWithEventColumnsAsTokenAndIds(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(pair_columns=PARTICLE, event_channels=3, id_channels=(4, 6))


class TestWithClassNodeOfIds(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return small(pooling="class", id_channels=(4, 6), class_ids=(3, 0), embedding_bias=False)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("pooling", POOLING)
def test_layouts_agree_on_events_of_1_to_30_objects(pooling, dtype):
    torch.manual_seed(0)
    model = small(pooling=pooling, pair_columns=PARTICLE).to(dtype)
    batch = random_inputs(range(1, 31), seed=4, dtype=dtype)
    assert_layouts_agree(model, batch)


@pytest.mark.parametrize("norm_first", [True, False])
def test_equals_torchs_encoder(norm_first):
    torch.manual_seed(0)
    model = EventTransformer(
        7, hidden_channels=24, num_layers=2, heads=4, norm_first=norm_first, activation="relu"
    ).double()
    theirs = nn.TransformerEncoderLayer(24, 4, 96, 0.0, batch_first=True, norm_first=norm_first).double()
    norm = nn.LayerNorm(24).double() if norm_first else None
    twin = nn.TransformerEncoder(theirs, 2, norm, enable_nested_tensor=False)
    for mine, other in zip(model.layers, twin.layers, strict=True):
        pairs = {
            "self_attn.in_proj_weight": mine.attention.qkv.weight, "self_attn.in_proj_bias": mine.attention.qkv.bias,
            "self_attn.out_proj.weight": mine.attention.out.weight, "self_attn.out_proj.bias": mine.attention.out.bias,
            "linear1.weight": mine.inner.weight, "linear1.bias": mine.inner.bias,
            "linear2.weight": mine.outer.weight, "linear2.bias": mine.outer.bias,
            "norm1.weight": mine.attention_norm.weight, "norm1.bias": mine.attention_norm.bias,
            "norm2.weight": mine.feed_forward_norm.weight, "norm2.bias": mine.feed_forward_norm.bias,
        }  # fmt: skip
        other.load_state_dict({name: value.detach() for name, value in pairs.items()})
    batch = with_features(random_events((3, 1, 9, 5), seed=2, dtype=torch.float64))
    mask = torch.arange(9) < batch.ptr.diff().unsqueeze(1)
    padded = torch.zeros(4, 9, 24, dtype=torch.float64)
    padded[mask] = model.embedding(batch.x)
    expected = twin(padded, src_key_padding_mask=~mask)[mask]
    assert_close(model(batch).nodes, expected, "objects against torch.nn.TransformerEncoder")


def kept_bytes(call) -> int:
    """Memory of everything that autograd keeps for the backward pass, each storage once."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        call()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def test_memory_for_the_backward_pass_grows_no_faster_than_that_of_a_padded_encoder():
    model = small(pooling="mean")
    layer = nn.TransformerEncoderLayer(
        model.hidden_channels,
        model.heads,
        model.feed_forward,
        0.0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
    encoder = nn.TransformerEncoder(layer, model.num_layers, enable_nested_tensor=False)
    embedding = nn.Linear(model.in_channels, model.hidden_channels)
    ours, padded = [], []
    for largest in (8, 16, 32, 64, 128):
        number = torch.randint(largest // 2, largest + 1, (16,), generator=torch.Generator().manual_seed(0))
        batch = random_events(number, seed=0)
        batch.x = torch.randn(batch.num_nodes, model.in_channels)
        mask = torch.arange(int(number.max())) < number.unsqueeze(1)
        features = torch.zeros(*mask.shape, model.in_channels)
        features[mask] = batch.x
        ours.append(kept_bytes(lambda batch=batch: model(batch)))
        padded.append(kept_bytes(lambda x=features, m=mask: encoder(embedding(x), src_key_padding_mask=~m)))
    growth = [[b - a for a, b in pairwise([0, *kept])] for kept in (ours, padded)]
    assert all(mine <= theirs for mine, theirs in zip(*growth, strict=True)), growth


@pytest.mark.parametrize("pooling", POOLING)
def test_events_without_objects_and_a_batch_of_one(pooling):
    torch.manual_seed(0)
    model = small(pooling=pooling).double()
    batch = random_inputs((0, 3, 0, 1, 0), seed=1, dtype=torch.float64)
    assert_layouts_agree(model, batch)
    assert_batch_equals_single(model, random_inputs((4,), seed=1, dtype=torch.float64))
    graph = model(batch).graph
    assert_close(graph[0], graph[4], "two empty events")
    nothing = model(with_features(random_events((0, 0), dtype=torch.float64)))
    assert nothing.nodes.shape == (0, 24)
    assert bool(nothing.graph.isfinite().all())


def test_given_edges_are_used():
    torch.manual_seed(0)
    model = small().double()
    batch = CompleteGraph()(with_features(random_events((4, 6), seed=1, dtype=torch.float64)))
    complete = model(batch).nodes
    batch.edge_index = batch.edge_index[:, batch.edge_index[1] != 0]  # object 0 hears of itself only
    found = model(batch).nodes
    assert not torch.allclose(found[0], complete[0])
    assert_close(found[4:], complete[4:], "the other event")


def test_a_hook_on_messages_takes_the_sparse_path():
    torch.manual_seed(0)
    model, batch = small().double(), with_features(random_events((4, 6), seed=1, dtype=torch.float64))
    expected, seen = model(batch), []
    handle = model.layers[0].attention.register_message_forward_hook(lambda *arguments: seen.append(1))
    found = model(batch)
    handle.remove()
    assert seen
    assert_close(found.graph, expected.graph, "with a hook")


def test_dropout_changes_training_and_not_evaluation():
    torch.manual_seed(0)
    model, batch = small(dropout=0.5), with_features(random_events((4, 6), seed=1))
    assert not torch.equal(model(batch).graph, model(batch).graph)
    model.eval()
    assert torch.equal(model(batch).graph, model(batch).graph)


@pytest.mark.parametrize("objects", [0, 40])
def test_relu_and_dropout_of_the_feed_forward_network(objects):
    """What the layer does in one go is torch's ReLU and then its dropout, with the same random numbers."""
    layer = TransformerLayer(12, 2, 48, dropout=0.3, activation="relu").double()
    given = torch.randn(objects, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inner = []
    layer.inner.register_forward_hook(lambda module, inputs, out: inner.append((out, out.detach().clone())))

    def separately(x):
        return layer.outer(F.dropout(F.relu(layer.inner(x)), 0.3))

    results = []
    for function in (separately, layer._feed_forward):
        torch.manual_seed(2)
        x = given.clone().requires_grad_()
        out = function(x)
        results.append((out, *torch.autograd.grad(out.square().sum(), [x, *layer.inner.parameters()])))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)
    assert all(torch.equal(out, before) for out, before in inner)  # a hook's array is not written to
    layer.eval()
    assert torch.equal(layer._feed_forward(given), layer.outer(F.relu(layer.inner(given))))


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (lambda: EventTransformer.kishimoto(), 10_523_648),
        (lambda: EventTransformer.bumblebee(), 56_791_296),
        (lambda: EventTransformer.abasov(20, 5), 10_440),
        (lambda: EventTransformer.abasov(125, 1), 758_500),
    ],
)
def test_published_sizes(model, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in model().parameters()) == parameters


@pytest.mark.parametrize("name", ["kishimoto", "abasov"])
def test_published_models_read_their_view(name):
    torch.manual_seed(0)
    model = getattr(EventTransformer, name)(num_layers=1, **({"hidden_channels": 16} if name == "kishimoto" else {}))
    batch = View(model.preset)(random_events((4, 6), seed=1))
    assert model.eval()(batch).graph.shape == (2, model.out_channels)


def test_mean_of_objects_and_sum():
    torch.manual_seed(0)
    batch = with_features(random_events((4, 6), seed=1))
    for pooling in ("mean", "sum"):
        nodes, graph, _ = small(pooling=pooling)(batch)
        expected = nodes[4:].mean(0) if pooling == "mean" else nodes[4:].sum(0)
        assert_close(graph[1], expected, pooling)


def test_all_parameters_get_a_gradient():
    torch.manual_seed(0)
    model = small(pooling="attention", pair_columns=PARTICLE)
    found = outputs_and_gradients(model, with_features(random_events((4, 6), seed=1)))
    assert {f"gradient of {name}" for name, _ in model.named_parameters()} <= set(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "max"}, "no pooling 'max'"),
        ({"heads": 5}, "5 heads do not divide a width of 24"),
        ({"num_layers": 0}, "num_layers must be at least 1"),
        ({"activation": "gelo"}, "did you mean 'gelu'"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"pair_columns": ["ln_dr"]}, "no pair column 'ln_dr'"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(ConfigError, match=message):
        EventTransformer(**{"in_channels": 7, "hidden_channels": 24, "heads": 4, **arguments})


def test_a_missing_column_is_named():
    with pytest.raises(ConfigError, match="EventTransformer: the input has no column 'x'"):
        small()(random_events((4,)))


def test_repr():
    assert repr(small()) == "EventTransformer(7, 24, num_layers=2, heads=4, pooling='mean')"


@pytest.mark.parametrize("pooling", ["mean", "class"])
def test_compiles_without_graph_breaks(pooling):
    torch.manual_seed(0)
    model = small(pooling=pooling).double()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    for counts in ((3, 1, 9), (12, 4)):
        batch = with_features(random_events(counts, seed=2, dtype=torch.float64))
        found, expected = (outputs_and_gradients(one, batch) for one in (compiled, model))
        for name, value in expected.items():
            assert_close(found[f"gradient of _orig_mod.{name[12:]}" if name not in found else name], value, name)


def test_class_node_of_ids_is_an_object_of_which_nothing_else_is_seen():
    """The event's representation is that of an object with these ids, hidden columns and no momentum."""
    torch.manual_seed(0)
    sizes = {"hidden_channels": 16, "num_layers": 2, "heads": 2, "id_channels": (6, 3), "embedding_bias": False}
    model = EventTransformer(5, pooling="class", class_ids=(5, 1), **sizes).double().eval()
    plain = EventTransformer(5, pooling="mean", **sizes).double().eval()
    plain.load_state_dict(model.state_dict())  # the class node has no weights of its own
    batch = random_inputs((4, 6), in_channels=5, id_channels=(6, 3), seed=1, dtype=torch.float64)
    graph = model(batch).graph
    for event, (start, stop) in enumerate(((0, 4), (4, 10))):
        one = Data(
            x=torch.cat([batch.x[start:stop], torch.zeros(1, 5, dtype=torch.float64)]),
            p4=torch.cat([batch.p4[start:stop], torch.zeros(1, 4, dtype=torch.float64)]),
            ids=torch.cat([batch.ids[start:stop], torch.tensor([[5, 1]])]),
        )
        whole = Batch.from_data_list([one])
        torch.testing.assert_close(graph[event], plain(whole).nodes[-1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_ids": (5, 1)}, 'class_ids go with pooling="class"'),
        ({"class_ids": (6, 1), "pooling": "class"}, r"class_ids \[6, 1\] are no rows of tables of the sizes \[6, 3\]"),
        ({"class_ids": (5,), "pooling": "class"}, r"class_ids \[5\] are no rows"),
        ({"class_ids": (5, 1), "pooling": "class", "event_channels": 2}, "without event columns"),
    ],
)
def test_class_ids_that_cannot_be(arguments, message):
    with pytest.raises(ConfigError, match=message):
        EventTransformer(5, id_channels=(6, 3), **arguments)

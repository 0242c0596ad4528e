from __future__ import annotations

import math

import pytest
import torch
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError
from pyg_hep.nn import DeepSets, DenseNetwork, EventTransformer, GraphNetwork, ParticleNet, PointEdgeTransformer
from pyg_hep.nn.conv import MultiHeadAttention
from pyg_hep.nn.layout import Complete, Edges, Layout, Padded
from pyg_hep.nn.layout.base import angular
from pyg_hep.testing import padded, random_inputs, with_edges

COUNTS = (3, 0, 5, 1, 12)
N, B = sum(COUNTS), len(COUNTS)


def layouts():
    """The same events in every form: name, layout, packed rows to its form, and back."""
    counts = torch.tensor(COUNTS)
    complete = Complete.of_counts(counts)
    mask = torch.arange(13) < counts.unsqueeze(1)

    def pad(rows):
        empty = math.nan if rows.is_floating_point() else -5
        return rows.new_full((*mask.shape, *rows.shape[1:]), empty).index_put((mask,), rows)

    same = (lambda rows: rows, lambda rows: rows)
    return {
        "edges": (Edges(complete.graphs.edge_index, counts, N), *same),
        "complete": (complete, *same),
        "padded": (Padded(mask), pad, lambda places: places[mask]),
    }


def rows(columns=3, seed=0, number=N):
    return torch.randn(number, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


EVENT = torch.repeat_interleave(torch.arange(B), torch.tensor(COUNTS))
NAMES = ["edges", "complete", "padded"]


@pytest.fixture(params=NAMES)
def form(request):
    return layouts()[request.param]


def test_spread_gives_every_object_the_row_of_its_event(form):
    layout, _, back = form
    u = rows(number=B)
    assert torch.equal(back(layout.spread(u)), u[EVENT])


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_pool_is_over_the_objects_of_each_event(form, how):
    layout, to, _ = form
    x = rows()
    expected = torch.zeros(B, 3, dtype=torch.float64).index_add(0, EVENT, x)
    if how == "mean":
        expected = expected / torch.tensor(COUNTS).clamp(min=1).unsqueeze(1)
    torch.testing.assert_close(layout.pool(to(x), how), expected)
    with pytest.raises(ConfigError, match="a layout cannot pool by 'max'"):
        layout.pool(to(x), "max")


def test_softmax_sums_to_one_in_every_event_with_objects(form):
    layout, to, back = form
    x = rows()
    weight = layout.softmax(to(x))
    assert bool(weight.isfinite().all())
    torch.testing.assert_close(back(weight)[3:8], x[3:8].softmax(0))
    torch.testing.assert_close(layout.pool(weight)[:, 0], (torch.tensor(COUNTS) > 0).double())


def test_joined_nodes_part_again(form):
    layout, to, back = form
    x, own = rows(), rows(seed=1, number=B)
    everything, joined = layout.join(to(x), own)
    assert joined.counts.tolist() == [n + 1 for n in COUNTS]
    objects, nodes = joined.part(everything)
    assert torch.equal(back(objects), x)
    assert torch.equal(nodes, own)


def test_a_joined_node_hears_of_all_objects_and_is_heard_without_a_bias(form):
    layout, to, back = form
    torch.manual_seed(0)
    layer = MultiHeadAttention(4, 2).double()
    x, own, p4 = rows(4), rows(4, seed=1, number=B), rows(2, seed=2)

    def make(target, source):
        return torch.cat([target[..., :1] * source[..., 1:], source[..., :1] + 3.0 + 0 * target[..., :1]], dim=-1)

    everything, joined = layout.join(layout.clean(to(x)), own)
    objects, nodes = joined.part(layer(everything, joined, joined.bias(make, layout.clean(to(p4)))))
    # Event 2 by hand: objects 3 to 7 and the node.
    h, columns = torch.cat([x[3:8], own[2:3]]), p4[3:8]
    q, k, v = layer.qkv(h).view(6, 3, 2, 2).unbind(1)
    bias = torch.zeros(6, 6, 2, dtype=torch.float64)
    bias[:5, :5] = make(columns.unsqueeze(1), columns.unsqueeze(0))
    weight = (torch.einsum("ihd,jhd->ijh", q, k) / math.sqrt(2) + bias).softmax(1)
    expected = layer.out(torch.einsum("ijh,jhd->ihd", weight, v).flatten(1))
    torch.testing.assert_close(back(objects)[3:8], expected[:5])
    torch.testing.assert_close(nodes[2], expected[5])


class Difference(MessagePassing):
    """A layer of the plainest kind: each object hears how others differ from it."""

    edge_updater_type = {"x": torch.Tensor, "extra": torch.Tensor}
    propagate_type = {"x": torch.Tensor, "edge": torch.Tensor}

    def __init__(self, aggr="sum"):
        super().__init__(aggr=aggr)

    def forward(self, x, extra, layout):
        return layout.propagate(self, x=x, edge=layout.edge_update(self, x=x, extra=extra))

    def edge_update(self, x_i, x_j, extra):
        return (x_j - x_i) * extra

    def message(self, x_i, x_j, edge):
        return edge + x_i * x_j


def test_messages_of_any_layer_are_those_of_its_equation(form):
    layout, to, back = form
    x = rows()
    extra = layout.pairs(lambda i, j: i[..., :1] + 2 * j[..., :1], layout.clean(to(x)))
    out = back(Difference()(layout.clean(to(x)), extra, layout))
    event = x[3:8]
    i, j = event.unsqueeze(1), event.unsqueeze(0)
    values = (j - i) * (i[..., :1] + 2 * j[..., :1]) + i * j
    values[range(5), range(5)] = 0
    torch.testing.assert_close(out[3:8], values.sum(1))
    assert not out[8].any()  # alone in its event
    torch.testing.assert_close(back(layout.sum(extra))[8], torch.zeros(1, dtype=torch.float64))


@pytest.mark.parametrize("name", ["complete", "padded"])
def test_what_a_complete_graph_cannot_do_is_said(name):
    layout, to, _ = layouts()[name]
    x = layout.clean(to(rows()))
    extra = layout.pairs(lambda i, j: i - j, x)
    with pytest.raises(ConfigError, match="Difference aggregates by 'max'; complete graphs sum messages"):
        Difference("max")(x, extra, layout)
    with pytest.raises(ConfigError, match="Difference.edge_update asks for 'extra'"):
        layout.edge_update(Difference(), x=x)


@pytest.mark.parametrize("k", [1, 4, 20])
def test_neighbours_are_the_nearest(form, k):
    layout, to, back = form
    points, x = rows(2), rows(seed=1)
    points[4] = points[3]  # two objects at one place
    near = layout.neighbours(k, to(points))
    extra = near.pairs(lambda i, j: 1 + 0 * (i + j), layout.clean(to(x)))
    out = back(Difference()(layout.clean(to(x)), extra, near))
    expected, first = torch.zeros_like(x), 0
    for count in COUNTS:
        for i in range(first, first + count):
            others = [j for j in range(first, first + count) if j != i]
            others.sort(key=lambda j, i=i: float((points[i] - points[j]).norm()))
            for j in others[:k]:
                expected[i] += x[j] - x[i] + x[i] * x[j]
        first += count
    torch.testing.assert_close(out, expected)
    with pytest.raises(ConfigError, match="k=0"):
        layout.neighbours(0, to(points))


def test_neighbours_in_eta_and_phi_are_found_across_phi_of_pi(form):
    layout, to, _ = form
    points = torch.zeros(N, 2, dtype=torch.float64)
    points[3:8] = torch.tensor([[0.0, 3.1], [0.0, -3.1], [0.0, 2.9], [0.5, 3.1], [0.0, 0.0]])
    near = layout.neighbours(1, to(points), angular)
    sources = near.pairs(lambda i, j: j + 0 * i, layout.clean(to(torch.arange(N).double().unsqueeze(1))))
    heard = near.sum(sources)
    heard = heard[layout.mask] if isinstance(layout, Padded) else heard
    assert heard[3:8, 0].tolist() == [4, 3, 3, 3, 5]
    assert heard[8] == 0  # alone in its event


def test_degree_is_how_many_objects_each_one_hears_of(form):
    layout, to, back = form
    others = torch.tensor([n - 1 for n in COUNTS for _ in range(n)])
    assert back(layout.degree()).tolist() == others.tolist()
    assert back(layout.neighbours(2, to(rows(2))).degree()).tolist() == others.clamp(max=2).tolist()


def test_attention_to_neighbours_is_the_same_in_all_forms():
    torch.manual_seed(0)
    layer, x, points = MultiHeadAttention(4, 2).double(), rows(4), rows(2, seed=1)
    values = []
    for layout, to, back in layouts().values():
        near, h = layout.neighbours(2, to(points)), layout.clean(to(x))
        own = rows(4, seed=2, number=B)
        everything, joined = near.join(h, own)
        values.append((back(layer(h, near)), *joined.part(layer(everything, joined))))
        values[-1] = (values[-1][0], back(values[-1][1]), values[-1][2])
    for other in values[1:]:
        for a, b in zip(other, values[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_rows_of_objects_and_of_pairs_are_those_that_exist(form):
    layout, to, _ = form
    of_objects = layout.object_rows()
    x = layout.clean(to(rows()))
    places = x.flatten(0, -2)
    assert torch.equal(places if of_objects is None else places[of_objects], rows())
    near = layout.neighbours(4, to(rows(2, seed=1)))
    sources = near.pairs(lambda i, j: j + 0 * i, layout.clean(to(torch.arange(1.0, N + 1).unsqueeze(1))))
    of_pairs, flat = near.pair_rows(), sources.flatten(0, -2)
    found = flat if of_pairs is None else flat[of_pairs]
    assert len(found) == sum(n * min(n - 1, 4) for n in COUNTS)
    assert bool((found > 0).all())
    assert float(near.sum(sources).sum()) == float(found.sum())


@pytest.mark.parametrize("number", [1, 4, 20])
def test_leading_objects_are_in_order_with_zeros_behind_them(form, number):
    layout, to, _ = form
    x, key = rows(), rows(1, seed=1)[:, 0]
    key[4] = key[3] = key[:8].max() + 1.0  # equal ones keep their order
    expected, first = torch.zeros(B, number, 3, dtype=torch.float64), 0
    for event, count in enumerate(COUNTS):
        order = sorted(range(first, first + count), key=lambda i: -float(key[i]))[:number]
        expected[event, : len(order)] = x[order]
        first += count
    found = layout.leading(layout.clean(to(x)), layout.clean(to(key)), number)
    assert torch.equal(found, expected)


def test_jets_of_an_event_and_events_of_jets(form):
    layout, to, back = form
    x, number = rows(), torch.tensor([0, 1, 0, -1, 2, 2, 0, 3, 1] + [5] * 12)
    jets = layout.regroup(to(number), 3)
    expected = torch.zeros(B, 3, 3, dtype=torch.float64)
    for i, (event, group) in enumerate(zip(EVENT.tolist(), number.tolist(), strict=True)):
        if 0 <= group < 3:
            expected[event, group] += x[i]
    pooled = jets.pool(layout.clean(to(x)))
    torch.testing.assert_close(pooled, expected)
    assert jets.counts.tolist() == [[2, 1, 0], [0, 0, 0], [1, 0, 2], [0, 1, 0], [0, 0, 0]]
    torch.testing.assert_close(jets.pool(layout.clean(to(x)), "mean")[2, 2], x[4:6].mean(0))
    torch.testing.assert_close(jets.layout.pool(pooled), expected.sum(1))
    assert jets.layout.counts.tolist() == [2, 0, 2, 1, 0]
    of_objects = back(jets.spread(pooled))
    torch.testing.assert_close(of_objects[:3], expected[0][number[:3]])
    assert not of_objects[3].any()
    with pytest.raises(ConfigError, match="size=0"):
        layout.regroup(to(number), 0)


def test_layouts_of_inputs():
    packed = random_inputs(COUNTS)
    assert type(Layout.of(packed)) is Complete
    assert type(Layout.of(with_edges(packed))) is Edges
    assert type(Layout.of(padded(packed))) is Padded
    layer = MultiHeadAttention(4, 2)
    layer.explain = True
    assert type(Layout.of(packed, [layer])) is Edges
    with pytest.raises(ConfigError, match="give a batch without a mask"):
        Layout.of(padded(packed), [layer])


@pytest.mark.parametrize(
    "model",
    [
        GraphNetwork(7, event_channels=2, id_channels=(3,), num_steps=1),
        EventTransformer(7, hidden_channels=16, heads=2, pooling="class", event_channels=2, id_channels=(3,)),
        EventTransformer(7, hidden_channels=16, heads=2, pooling="attention", pair_columns=["d_r"]),
        PointEdgeTransformer(7, hidden_channels=16, heads=2, event_channels=2, id_channels=(3,), num_layers=1),
        ParticleNet(7, channels=((8, 8), (6,)), neighbours=4, event_channels=2, id_channels=(3,)),
        DeepSets(7, event_channels=2, momentum_weighted=True),
        DenseNetwork(7, objects=4, event_channels=2, id_channels=(3,)),
    ],
)
def test_nothing_waits_for_the_device(model):
    """Whatever asks a device for numbers fails on torch's device without any: counts come from the loader."""
    batch = random_inputs((3, 1, 9), event_channels=2, id_channels=(3,))
    kept = batch._store.__dict__["_num_nodes"]
    batch = batch.to("meta")
    batch._store.__dict__["_num_nodes"] = kept
    model = model.to("meta")
    out = model(batch)
    out.graph.sum().backward()
    assert out.graph.shape == (3, model.out_channels)
    near = out.layout.neighbours(2, batch.p4)
    assert near.edge_index.shape == (2, 3 * 2 + 0 + 9 * 2)
    assert out.layout.regroup(batch.ids[:, 0], 3).pool(out.nodes).shape == (3, 3, model.out_channels)
    batch.edge_index = torch.zeros(2, 5, dtype=torch.int64, device="meta")
    assert model(batch).graph.shape == (3, model.out_channels)

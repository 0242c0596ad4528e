from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.explain import Explainer, GNNExplainer

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import ParticleNet
from pyg_hep.nn.layout.base import angular
from pyg_hep.testing import padded, random_inputs, with_edges
from pyg_hep.testing.backbones import BackboneTests, assert_close, outputs_and_gradients, single_event


def small(in_channels=7, **kwargs) -> ParticleNet:
    sizes = {"channels": ((8, 8), (8, 6)), "neighbours": 3, "hidden_channels": 10, "dropout": 0.0}
    return ParticleNet(in_channels, **{**sizes, **kwargs})


def trained(model, seed=5):
    """The model, whose normalisations have seen a batch."""
    made = model.in_channels, model.event_channels, model.id_channels
    model.train()(random_inputs((9, 2, 14), *made, seed=seed))
    return model.eval()


class TestParticleNet(BackboneTests):
    @classmethod
    def build(cls) -> nn.Module:
        return trained(small(event_channels=2, id_channels=(4, 6)))


def test_published_numbers_of_parameters():
    # By hand, with seven columns and two classes. Blocks: layers (2 x 7 x 64 + 2 x 64 x 64 and so on), two numbers per
    # normalised channel, shortcut. "366k" and "26k" in arXiv:1902.08570.
    with torch.device("meta"):
        full, lite = ParticleNet.full(), ParticleNet.lite()
    blocks = (
        2 * 7 * 64 + 2 * 64**2 + 3 * 128 + 7 * 64 + 128,
        2 * 64 * 128 + 2 * 128**2 + 3 * 256 + 64 * 128 + 256,
        2 * 128 * 256 + 2 * 256**2 + 3 * 512 + 128 * 256 + 512,
    )
    assert [sum(p.numel() for p in block.parameters()) for block in full.blocks] == list(blocks)
    for model, expected in ((full, 2 * 7 + sum(blocks) + 257 * 256 + 257 * 2), (lite, 26_416)):
        found = sum(p.numel() for part in (model, model.make_head("graph", 2)) for p in part.parameters())
        assert found == expected
    assert (full.neighbours, lite.neighbours, full.dropout) == (16, 7, 0.1)
    assert full.in_channels == View(full.preset).channels.x


def by_hand(model, x, p4):
    """Objects of one jet after the blocks, in training or evaluation of the whole batch being this jet."""
    x = model.norm(x)
    for number, block in enumerate(model.blocks):
        points = x.detach() if number else p4[:, 1:3]
        apart = [
            [float((a - b).norm()) if number else float(torch.hypot(a[0] - b[0], turned(a[1] - b[1]))) for b in points]
            for a in points
        ]
        others = [sorted((distance, j) for j, distance in enumerate(row) if j != i) for i, row in enumerate(apart)]
        near = [[j for _, j in row[: model.neighbours]] for row in others]
        pairs = [(i, j) for i, row in enumerate(near) for j in row]
        h = torch.stack([torch.cat([x[i], x[j] - x[i]]) for i, j in pairs])
        for linear, norm in zip(block.linears, block.norms, strict=True):
            h = F.relu(norm(F.linear(h, linear.weight)))
        mean = torch.stack([part.mean(0) for part in h.split([len(row) for row in near])])
        own = x if block.shortcut is None else block.shortcut_norm(F.linear(x, block.shortcut.weight))
        x = F.relu(own + mean)
    return x


def turned(angle):
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


@pytest.mark.parametrize("training", [True, False])
def test_is_the_network_worked_out_pair_by_pair(training):
    torch.manual_seed(0)
    model = trained(small(channels=((8, 8), (8, 8)))).double().train(training)
    assert model.blocks[1].shortcut is None
    batch = random_inputs((9,), seed=1, dtype=torch.float64)
    expected = by_hand(copy.deepcopy(model), batch.x, batch.p4)
    out = model(batch)
    torch.testing.assert_close(out.nodes, F.relu(model.dense.linear(expected)))
    torch.testing.assert_close(out.graph, F.relu(model.dense.linear(expected.mean(0, keepdim=True))))


def test_training_sees_only_what_exists_in_all_layouts():
    # Jets shorter than k, a particle alone, padding: outputs, gradients and what the normalisations keep.
    torch.manual_seed(0)
    model = small(event_channels=1, id_channels=(3,)).double().train()
    batch = random_inputs((2, 6, 1, 4, 9), 7, 1, (3,), seed=1, dtype=torch.float64)
    found, kept = {}, {}
    for form in ("edges", "complete", "padded"):
        copied = copy.deepcopy(model)
        found[form] = outputs_and_gradients(copied, batch, form)
        kept[form] = dict(copied.named_buffers())
    assert len(kept["edges"]) == 3 * 7
    assert float((kept["edges"]["norm.running_mean"] - 0.1 * batch.x.mean(0)).abs().max()) < 1e-12
    for form in ("complete", "padded"):
        for values, expected in ((found[form], found["edges"]), (kept[form], kept["edges"])):
            assert values.keys() == expected.keys()
            for name, value in expected.items():
                # The gradient of a shift that only the normalisation behind it sees is zero but for rounding.
                torch.testing.assert_close(
                    values[name], value, rtol=1e-9, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
                )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("counts", [(1,), (1, 1, 2), (120, 1), (0, 4, 0)])
def test_jets_of_one_particle_and_of_many(counts, training):
    torch.manual_seed(0)
    model, batch = trained(small(event_channels=2)).train(training), random_inputs(counts, 7, 2, seed=1)
    out = copy.deepcopy(model)(batch)
    assert bool(out.nodes.isfinite().all() and out.graph.isfinite().all())
    assert_close(copy.deepcopy(model)(padded(batch)).graph, out.graph, "padded")
    if not training:
        assert_close(out.graph[-1:], model(single_event(batch, len(counts) - 1)).graph, "the last one alone")


def test_one_row_leaves_the_normalisations_as_they_are():
    model = trained(small()).train()
    before = {name: value.clone() for name, value in model.named_buffers()}
    batch = random_inputs((1,), seed=1)
    out = model(batch).graph
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    assert torch.equal(out, model.eval()(batch).graph)


def test_missing_neighbours_are_left_out_of_the_mean():
    torch.manual_seed(0)
    few, many = trained(small(neighbours=3)), small(neighbours=50)
    many.load_state_dict(few.state_dict())
    batch = random_inputs((4, 3, 2, 1), seed=2)
    assert_close(many.eval()(batch).graph, few(batch).graph, "k of all there are, and k far beyond")
    batch = random_inputs((9,), seed=2)
    assert not torch.allclose(many(batch).graph, few(batch).graph)


def test_a_mask_of_edges_counts_where_the_two_are_neighbours():
    torch.manual_seed(0)
    model = trained(small(channels=((8, 8),), neighbours=2)).double()
    batch = with_edges(random_inputs((6, 3), seed=1, dtype=torch.float64))
    near = model.layout(batch).neighbours(2, batch.p4[:, 1:3], angular)
    assert torch.equal(batch.edge_index[:, near.origins()], near.edge_index)
    pairs = {tuple(pair) for pair in near.edge_index.T.tolist()}
    for given in (batch.edge_index, batch.edge_index[:, ::2]):  # given edges need not be complete
        explainer = Explainer(
            model.explainable(), GNNExplainer(epochs=2), explanation_type="model", edge_mask_type="object",
            model_config={"mode": "regression", "task_level": "graph", "return_type": "raw"},
        )  # fmt: skip
        mask = explainer(batch.x, given, p4=batch.p4, batch=batch.batch).edge_mask
        counted = {tuple(pair) for pair in given[:, mask > 0].T.tolist()}
        assert counted == pairs & {tuple(pair) for pair in given.T.tolist()}


def test_all_parameters_get_a_gradient_and_runs_repeat():
    torch.manual_seed(0)
    model = small(event_channels=2, id_channels=(4,), dropout=0.3).train()
    batch = random_inputs((6, 9, 1), 7, 2, (4,), seed=1)
    values = []
    for _ in range(2):
        torch.manual_seed(1)
        values.append(outputs_and_gradients(copy.deepcopy(model), batch))
    one, two = values
    assert {f"gradient of {name}" for name, _ in model.named_parameters()} <= set(one)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(bool(one[f"gradient of {name}"].any()) for name, _ in model.named_parameters())


def test_reset_forgets_what_the_normalisations_have_seen():
    model = trained(small())
    model.reset_parameters()
    for name, value in model.named_buffers():
        assert bool((value == (1 if "var" in name else 0)).all()), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"neighbours": 0}, "neighbours must be at least 1, found 0"),
        ({"channels": ()}, "blocks must be at least 1, found 0"),
        ({"channels": ((8, 0),)}, r"widths must be at least 1, found 7 and \[8, 0\]"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), found 1.0"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(ConfigError, match=message):
        small(**arguments)


def test_repr():
    assert repr(small()) == "ParticleNet(7, 10, neighbours=3)"

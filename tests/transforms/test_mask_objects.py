import pytest
import torch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs.pairs import PARTICLE
from pyg_hep.nn import EventTransformer, GraphNetwork
from pyg_hep.schema import Level
from pyg_hep.testing.events import random_events
from pyg_hep.transforms import CompleteGraph, MaskObjects, NodeFeatures
from pyg_hep.transforms.node_features import KIND_COLUMNS, PRESETS


def kind_columns():
    return [name in KIND_COLUMNS for name in PRESETS["abasov"]]


def test_every_variable_is_hidden_by_itself_and_the_kind_as_one():
    torch.manual_seed(0)
    batch = random_events((5,) * 2_000)
    hidden = MaskObjects(probability=0.3)(batch).masked
    kind = torch.tensor(kind_columns())
    assert hidden.shape == (10_000, 13)
    assert torch.equal(hidden[:, kind].any(dim=1), hidden[:, kind].all(dim=1))
    variables = torch.cat([hidden[:, ~kind], hidden[:, kind][:, :1]], dim=1).double()
    torch.testing.assert_close(variables.mean(0), torch.full((8,), 0.3).double(), atol=5 * 0.0046, rtol=0)
    together = (variables.T @ variables) / 10_000
    apart = together[~torch.eye(8, dtype=torch.bool)]
    torch.testing.assert_close(apart, torch.full_like(apart, 0.09), atol=5 * 0.0029, rtol=0)


def test_whole_objects():
    torch.manual_seed(0)
    hidden = MaskObjects(whole=True)(random_events((5,) * 400)).masked
    assert torch.equal(hidden.any(dim=1), hidden.all(dim=1))
    assert 0.25 < float(hidden[:, 0].double().mean()) < 0.35


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("name", ["transformer", "graph_network"])
def test_hidden_variables_leave_no_trace_in_the_output(edges, name):
    torch.manual_seed(0)
    model = (
        EventTransformer(13, hidden_channels=16, num_layers=1, heads=2, pair_columns=PARTICLE) if name == "transformer"
        else GraphNetwork(13, hidden_channels=16, num_steps=1)
    ).double()  # fmt: skip
    batch = random_events((4, 6), dtype=torch.float64)
    if edges:
        batch = CompleteGraph()(batch)
    batch = MaskObjects(whole=True, probability=0.5)(batch)
    hidden = batch.masked[:, 0]
    assert 0 < int(hidden.sum()) < 10
    other = batch.clone()
    other.p4[hidden] = other.p4[hidden] * 0.5 + 1.0
    other.kind[hidden] = 1
    other.btag[hidden] = 1.0 - other.btag[hidden]
    if edges:
        other = CompleteGraph()(other)
    outputs = [model(NodeFeatures("abasov")(one)) for one in (batch, other)]
    assert torch.equal(outputs[0].graph, outputs[1].graph)
    assert torch.equal(outputs[0].nodes, outputs[1].nodes)


def test_generated_objects_are_targets_of_which_kind_and_charge_are_known():
    batch = random_events((6, 4))
    batch.level[::2] = int(Level.GEN)
    batch.pdg_id = torch.tensor([6, 11, 24, 11, -6, 11, -24, 11, 6, 11])
    view = PRESETS["abasov_truth"]
    hidden = MaskObjects("abasov_truth", probability=0.0, generated=True)(batch).masked
    known = torch.tensor([name == "charge" or name in KIND_COLUMNS for name in view])
    assert hidden[::2, ~known].all()
    assert not hidden[::2, known].any()
    assert not hidden[1::2].any()
    seen = NodeFeatures("abasov_truth")(MaskObjects("abasov_truth", probability=0.0, generated=True)(batch))
    assert not seen.p4[::2].any()
    assert seen.x[:, view.index("is_top")].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert seen.x[:, view.index("is_w")].tolist() == [0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    del batch.pdg_id
    assert not NodeFeatures(["is_w", "is_top"])(batch).x.any()


def test_hidden_features_are_zero_and_the_others_stay():
    torch.manual_seed(0)
    batch = random_events((4, 6))
    plain, masked = NodeFeatures("abasov")(batch).x, NodeFeatures("abasov")(MaskObjects()(batch))
    assert torch.equal(masked.x[~masked.masked], plain[~masked.masked])
    assert not masked.x[masked.masked].any()
    assert torch.equal(batch.p4, random_events((4, 6)).p4)


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="probability must lie in"):
        MaskObjects(probability=2.0)
    with pytest.raises(ConfigError, match="no published view 'abasow'"):
        MaskObjects("abasow")
    with pytest.raises(ConfigError, match="the mask has 13 columns, the view that the model reads 7"):
        NodeFeatures("ho")(MaskObjects()(random_events((3,))))


def test_repr():
    assert repr(MaskObjects()) == "MaskObjects(13 columns, probability=0.3, whole=False)"

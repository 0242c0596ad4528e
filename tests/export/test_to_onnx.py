"""What an exported file says is what the model says, whatever the sizes and whatever stands in the padding."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from pyg_hep.errors import ConfigError, ExportError, OutputError
from pyg_hep.export import Inference, PaddedEvents, run_onnx, to_onnx
from pyg_hep.inputs import View
from pyg_hep.inputs.pairs import PARTICLE
from pyg_hep.nn import DeepSets, DenseNetwork, EventTransformer, GraphNetwork, ParticleNet, PointEdgeTransformer
from pyg_hep.objectives import Classification, MaskedObjects, MultiLabel, Regression
from pyg_hep.training import EventModel

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

LARGEST = 12
NAMES = ["ttH", "tt+bb", "0"]  # such names are no identifiers


def everything_view():
    """Objects relative to their event, ids, event columns and a selection of nodes."""
    columns = ("log_pt", "d_eta", "log_rest_energy", "mass", "pz", "is_lepton")
    return View(columns, events=("num_nodes", "total_eta"), ids=("kind", "btag"), select={"level": "reco"})


def make(kind, **options):
    torch.manual_seed(3)
    view = everything_view() if options.pop("everything", False) else View("ho")
    widths = {"event_channels": view.channels.u, "id_channels": view.channels.ids}
    widths |= {} if kind in (DeepSets, DenseNetwork) else {"hidden_channels": 16}
    backbone = kind(view.channels.x, **widths, **options)
    model = EventModel(backbone, Classification(3, class_names=NAMES), view, metadata={"card": "simulated_events"})
    model.view.fit(PaddedEvents.random(500, LARGEST, seed=7).packed())
    return model


MODELS = {
    "graph_network": lambda: make(GraphNetwork),
    "graph_network_everything": lambda: make(GraphNetwork, everything=True, num_steps=2, shared_steps=False),
    "transformer_pairs": lambda: make(EventTransformer, num_layers=2, heads=4, pair_columns=PARTICLE),
    "point_edge_transformer": lambda: make(
        PointEdgeTransformer, everything=True, num_layers=1, heads=4, neighbours=4, layer_scale=0.5
    ),
    "particle_net_everything": lambda: make(
        ParticleNet, everything=True, channels=((8, 8), (8, 8), (16,)), neighbours=4
    ),
    "deep_sets_momentum_weighted": lambda: make(DeepSets, momentum_weighted=True),
    "dense_network_everything": lambda: make(DenseNetwork, everything=True, objects=5, widths=(16, 16)),
    **{
        f"transformer_{pooling}_everything": lambda pooling=pooling: make(
            EventTransformer, num_layers=2, heads=4, pair_columns=PARTICLE, pooling=pooling, everything=True
        )
        for pooling in ("class", "attention", "sum", "mean")
    },
}


@pytest.fixture(autouse=True)
def _seed():
    # Tolerances and differences below hold for most random weights, not for all.
    torch.manual_seed(3)


def compare(model, content, events, tolerance=1e-5):
    """File against the packed model in PyTorch, and how many numbers were compared."""
    expected = Inference(model).predict(events)
    found = run_onnx(content, events.columns, events.mask)
    assert list(found) == list(expected)
    for name, column in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], column.numpy(), rtol=0, atol=tolerance, err_msg=name)
    return sum(values.size for values in found.values())


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory):
    model = MODELS[request.param]()
    return model, to_onnx(model, tmp_path_factory.mktemp("export") / "model.onnx").path


def test_ten_thousand_events_agree_from_one_object_to_the_largest(exported):
    model, path = exported
    compared, ends = 0, torch.zeros(2)
    for seed in range(20):  # in parts, for all pairs of all of them take gigabytes
        events = PaddedEvents.random(500, LARGEST, seed=seed)
        counts = events.mask.sum(dim=1)
        ends += torch.stack([(counts == 1).sum(), (counts == LARGEST).sum()])
        assert bool(events.nodes["p4"][~events.mask].isnan().all())  # what stands in the padding does not matter
        compared += compare(model, path, events)
    assert compared == 30_000
    assert bool((ends > 100).all())


@pytest.mark.parametrize(("number", "places"), [(1, 1), (1, 50), (7, 1), (3, 2)])
def test_any_number_of_events_and_places(exported, number, places):
    model, path = exported
    assert compare(model, path, PaddedEvents.random(number, places, seed=number)) == 3 * number


def test_more_padding_and_an_event_without_objects_change_nothing(exported):
    model, path = exported
    events = PaddedEvents.random(5, 6, seed=2)
    wide = events.widened(9)
    mask = wide.mask.clone()
    mask[2] = False
    wide = wide._replace(mask=mask)
    alone, beside = run_onnx(path, events.columns, events.mask), run_onnx(path, wide.columns, wide.mask)
    for name, values in alone.items():
        np.testing.assert_allclose(np.delete(beside[name], 2), np.delete(values, 2), atol=1e-6)
        assert np.isfinite(beside[name]).all()
    compare(model, path, wide)


def test_opset_is_17_and_ir_version_8(exported):
    file = onnx.load(exported[1])
    assert [(entry.domain, entry.version) for entry in file.opset_import] == [("", 17)]
    assert file.ir_version == 8


def test_inputs_are_those_that_the_view_reads_with_free_sizes(tmp_path):
    plain = to_onnx(MODELS["transformer_pairs"](), tmp_path / "a.onnx")
    assert plain.inputs == {
        "p4": "float32 [events, objects, 4]",
        "kind": "int64 [events, objects]",
        "charge": "float32 [events, objects]",
        "btag": "float32 [events, objects]",
        "mask": "bool [events, objects]",
    }
    assert plain.outputs == dict.fromkeys(NAMES, "float32 [events]")
    assert plain.difference <= 1e-5
    assert plain.events > 200
    everything = to_onnx(MODELS["graph_network_everything"](), tmp_path / "b.onnx")
    assert set(everything.inputs) == {"p4", "kind", "btag", "level", "mask"}


def test_metadata_say_what_the_numbers_are_and_where_they_come_from(exported):
    model, path = exported
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(metadata["class_names"]) == json.loads(metadata["outputs"]) == NAMES
    assert json.loads(metadata["view"]) == json.loads(json.dumps(model.view.config()))
    assert metadata["card"] == "simulated_events"
    assert metadata["objective"] == "Classification"
    assert {"torch", "onnx", "pyg_hep"} <= set(json.loads(metadata["versions"]))
    assert metadata["git"]
    assert "p4" in json.loads(metadata["inputs"])


def test_card_of_the_training_is_named(tmp_path):
    model = MODELS["graph_network"]()
    model.metadata = {"data": {"card": {"name": "my_card"}, "digest": "abc"}, "git": "0123", "versions": {"torch": "2"}}
    metadata = {e.key: e.value for e in onnx.load(to_onnx(model, tmp_path / "m.onnx").path).metadata_props}
    assert metadata["card"] == "my_card"
    assert metadata["data_digest"] == "abc"
    assert json.loads(metadata["trained_with"]) == {"versions": {"torch": "2"}, "git": "0123"}


def test_shipped_network_agrees(tmp_path):
    model = EventModel.from_pretrained("ho-multiclass")
    path = to_onnx(model, tmp_path / "ho.onnx").path
    events = PaddedEvents.random(500, LARGEST, seed=5)
    compare(model, path, events)
    found = run_onnx(path, events.columns, events.mask)
    assert list(found) == model.objective.class_names
    np.testing.assert_allclose(sum(found.values()), 1.0, atol=1e-5)


def test_the_model_stays_as_it_is(tmp_path):
    model = MODELS["graph_network"]().double().train()
    before = {name: values.clone() for name, values in model.state_dict().items()}
    compare(model, to_onnx(model, tmp_path / "m.onnx").path, PaddedEvents.random(50, 9, seed=1))
    assert model.training
    for name, values in model.state_dict().items():
        assert values.dtype == before[name].dtype
        assert torch.equal(values, before[name])


def test_labels_and_numbers_have_names_and_units(tmp_path):
    labels = EventModel(GraphNetwork.ho(hidden_channels=8), MultiLabel(3, [0], class_names=["n_jets", "higgs", "top"]))
    numbers = EventModel(EventTransformer(7, hidden_channels=8, num_layers=1, heads=2, preset="ho"), Regression(2))
    numbers.objective.mean.copy_(torch.tensor([172.5, -3.0]))
    numbers.objective.scale.copy_(torch.tensor([40.0, 2.0]))
    # 1e-5 for values up to 1, and of the largest, about 200, for numbers in their units.
    for model, names, tolerance in ((labels, ["n_jets", "higgs", "top"], 1e-5), (numbers, ["y[0]", "y[1]"], 2e-3)):
        model.view.fit(PaddedEvents.random(500, LARGEST, seed=7).packed())
        exported = to_onnx(model, tmp_path / "m.onnx")
        assert list(exported.outputs) == names
        compare(model, exported.path, PaddedEvents.random(200, 9, seed=1), tolerance)


def own_columns():
    events = PaddedEvents.random(40, 8, seed=4)
    nodes = {**events.nodes, "d0": torch.randn(40, 8), "covariance": torch.randn(40, 8, 3)}
    return events._replace(nodes=nodes, events={"rho": torch.rand(40), "shape": torch.rand(40, 2)})


def test_columns_of_ones_own_go_in_by_name(tmp_path):
    view = View(("log_pt", "d0", "covariance[2]"), events=("rho", "shape[1]"))
    model = EventModel(GraphNetwork(3, event_channels=2, hidden_channels=8), Classification(2), view)
    with pytest.raises(ExportError, match=r"no column 'd0'.*example="):
        to_onnx(model, tmp_path / "m.onnx")
    events = own_columns()
    exported = to_onnx(model, tmp_path / "m.onnx", example=events.packed())
    assert exported.inputs["covariance"] == "float32 [events, objects, 3]"
    assert exported.inputs["rho"] == "float32 [events]"
    assert exported.inputs["shape"] == "float32 [events, 2]"
    compare(model, exported.path, events)
    before = run_onnx(exported.path, events.columns, events.mask)["1"]
    for name in ("d0", "covariance", "rho", "shape"):
        moved = {**events.columns, name: events.columns[name] + 1}
        assert abs(run_onnx(exported.path, moved, events.mask)["1"] - before).max() > 1e-5, name


class Forgetful(GraphNetwork):
    """Counts the events of the trace and remembers them as a number."""

    def forward(self, input):
        made = super().forward(input)
        return made._replace(graph=made.graph + float(made.graph.size(0)))


def test_a_file_that_says_something_else_is_not_written(tmp_path):
    model = EventModel(Forgetful(7, hidden_channels=8), Classification(2), "ho")
    nn.init.normal_(model.objective.heads["logits"].linear.weight)
    with pytest.raises(ExportError, match=r"the prediction '\d' is .* in PyTorch for an event of \d+ objects"):
        to_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_one_sentence(tmp_path):
    pretraining = EventModel(GraphNetwork.ho(hidden_channels=8), MaskedObjects())
    with pytest.raises(ExportError, match="MaskedObjects predicts nothing of its own"):
        to_onnx(pretraining, tmp_path / "m.onnx")
    clash = EventModel(GraphNetwork.ho(hidden_channels=8), Classification(2, class_names=["charge", "other"]))
    with pytest.raises(ExportError, match="'charge' is a column and a prediction"):
        to_onnx(clash, tmp_path / "m.onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write .*file/m.onnx"):
        to_onnx(MODELS["graph_network"](), tmp_path / "file" / "m.onnx")
    with pytest.raises(ConfigError):
        to_onnx(MODELS["graph_network"](), tmp_path / "m.onnx", example=[1, 2])
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(ExportError, match=r"does not load .*no\.onnx"):
        run_onnx(tmp_path / "no.onnx", {}, torch.ones(1, 1, dtype=torch.bool))
    path = to_onnx(MODELS["graph_network"](), tmp_path / "m.onnx").path
    with pytest.raises(ExportError, match="takes 'p4', which the events do not have"):
        run_onnx(path, {}, torch.ones(1, 1, dtype=torch.bool))

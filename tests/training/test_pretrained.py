import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.training import EventModel, Optimisation


@pytest.fixture
def model():
    torch.manual_seed(0)
    view = View.ho(constants=[(1.0, 2.0)] * 7)
    return EventModel(GraphNetwork.ho(), Classification(5), view, Optimisation(learning_rate=3e-4), {"card": "x"})


def test_a_saved_model_is_the_same_model(model, tmp_path, batch):
    model.save_pretrained(tmp_path / "model")
    again = EventModel.from_pretrained(tmp_path / "model")
    assert torch.equal(model.eval()(batch)["logits"], again.eval()(batch)["logits"])
    assert again.config() == model.config()
    assert again.optimisation.learning_rate == 3e-4
    assert again.metadata == {"card": "x"}
    assert again.load_report.new == again.load_report.skipped == []


@pytest.fixture
def batch(nanoaod, tmp_path):
    from pyg_hep.datasets import EventDataset

    return next(iter(EventLoader(EventDataset(tmp_path / "data", "simulated_events", nanoaod), 50)))


def test_new_objective_keeps_the_backbone_and_reports_the_rest(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    new = EventModel.from_pretrained(tmp_path / "model", Classification(2))
    for name, values in model.backbone.state_dict().items():
        assert torch.equal(values, new.backbone.state_dict()[name])
    assert new.objective.num_classes == 2
    assert all(n.startswith("objective.") for n in new.load_report.new + new.load_report.skipped)
    assert "new: objective" in str(new.load_report)
    assert torch.equal(new.view.mean, model.view.mean)


def test_folder_holds_no_pickle(model, tmp_path):
    folder = model.save_pretrained(tmp_path / "model")
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert set(load_file(folder / "model.safetensors")) == set(model.state_dict())
    assert json.loads((folder / "config.json").read_text())["backbone"]["class"] == "GraphNetwork"


def test_saving_again_replaces_and_a_failure_keeps_the_old(model, tmp_path, monkeypatch):
    folder = model.save_pretrained(tmp_path / "model")
    before = (folder / "model.safetensors").read_bytes()

    def fail(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save_pretrained(folder)
    assert (folder / "model.safetensors").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_missing_damaged_or_foreign_model_is_one_sentence(model, tmp_path):
    with pytest.raises(ConfigError, match="no pretrained model in"):
        EventModel.from_pretrained(tmp_path / "nothing")
    folder = model.save_pretrained(tmp_path / "model")
    content = json.loads((folder / "config.json").read_text())

    def rewrite(**changes):
        (folder / "config.json").write_text(json.dumps({**content, **changes}))

    rewrite(format=99)
    with pytest.raises(ConfigError, match="format"):
        EventModel.from_pretrained(folder)
    rewrite(backbone={"class": "GraphNetworks", "arguments": {}})
    with pytest.raises(ConfigError, match="did you mean 'GraphNetwork'"):
        EventModel.from_pretrained(folder)
    rewrite(backbone={"class": "GraphNetwork", "arguments": {"width": 3}})
    with pytest.raises(ConfigError, match="backbone cannot be made"):
        EventModel.from_pretrained(folder)
    rewrite()
    weights = load_file(folder / "model.safetensors")
    name = next(iter(model.backbone.state_dict()))
    save_file({k: v for k, v in weights.items() if k != f"backbone.{name}"}, folder / "model.safetensors")
    with pytest.raises(ConfigError, match=r"lacks 'backbone\."):
        EventModel.from_pretrained(folder)
    save_file({**weights, f"backbone.{name}": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(ConfigError, match="has shape"):
        EventModel.from_pretrained(folder)
    (folder / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match="no pretrained model"):
        EventModel.from_pretrained(folder)


def test_classes_from_outside_must_be_given(model, tmp_path):
    class Own(GraphNetwork):
        pass

    own = EventModel(Own(**GraphNetwork.ho().config()), Classification(2), View.ho())
    folder = own.save_pretrained(tmp_path / "own")
    with pytest.raises(ConfigError, match=r"'Own'.*classes="):
        EventModel.from_pretrained(folder)
    assert isinstance(EventModel.from_pretrained(folder, classes=[Own]).backbone, Own)

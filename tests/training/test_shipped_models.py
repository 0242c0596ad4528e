"""The trained networks that come with the package."""

import json
from pathlib import Path

import pytest
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.generation import generate_particles
from pyg_hep.kinematics import invariant_mass
from pyg_hep.loader import EventLoader
from pyg_hep.objectives import Classification, MultiLabel
from pyg_hep.simulation import simulate
from pyg_hep.testing import random_events
from pyg_hep.testing.jets import random_jets
from pyg_hep.training import EventModel, predict, shipped_models

NAMES = ["ho-multiclass", "ho-multiclass-published", "ho-multilabel", "ho-transformer", "omnilearn-small"]


def doubled(batch):
    """The same in double precision."""
    return batch.apply(lambda x: x.double() if x.is_floating_point() else x)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Events of two processes that no one confuses, made with seeds that no pretraining used."""
    for package in ("pythia8mc", "fastjet"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("samples")
    return {
        process: simulate(process, 300, 999, folder / f"{process}.root", workers=1, progress=False)
        for process in ("ggF", "ttH")
    }


def test_each_has_weights_and_a_model_card():
    assert list(shipped_models()) == NAMES
    for name, folder in shipped_models().items():
        card = (folder / "README.md").read_text(encoding="utf-8")
        paper = "arXiv:2502.14652" if name == "omnilearn-small" else "arXiv:2412.10665"
        for words in (f"# {name}", "## Training", "## Measured", "## Limits", paper):
            assert words in card, (name, words)
        assert (folder / "model.safetensors").stat().st_size < 1_700_000


def test_predictions_are_those_of_the_day_they_were_trained():
    # Made by the code before views and layouts (1635e29) in double precision, as processors round single precision
    # differently by several 1e-6; a change here is a drift.
    stored = json.loads(Path(__file__).with_name("shipped_predictions.json").read_text(encoding="utf-8"))
    batch = doubled(random_events(**stored["events"]))
    assert {*stored["logits"], *stored["outputs"]} == set(shipped_models())
    for name, logits in stored["logits"].items():
        model = EventModel.from_pretrained(name).eval().double()
        with torch.no_grad():
            torch.testing.assert_close(
                model(batch)["logits"], torch.tensor(logits, dtype=torch.float64), rtol=1e-6, atol=1e-6
            )


def test_outputs_for_jets_are_those_of_the_day_they_were_trained():
    stored = json.loads(Path(__file__).with_name("shipped_predictions.json").read_text(encoding="utf-8"))
    jets = random_jets(**stored["jets"])
    batch = doubled(next(iter(EventLoader(jets, len(jets)))))
    for name, outputs in stored["outputs"].items():
        model = EventModel.from_pretrained(name).eval().double()
        with torch.no_grad():
            found = model(batch)
        assert set(found) == set(outputs)
        for output, values in outputs.items():
            expected = torch.tensor(values, dtype=torch.float64)
            torch.testing.assert_close(found[output], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["ho-multiclass", "ho-transformer"])
def test_multi_class_networks_tell_processes_apart(files, tmp_path, name):
    model = EventModel.from_pretrained(name)
    processes = model.metadata["processes"]
    assert len(processes) == model.objective.num_classes == 12
    data = EventDataset(tmp_path, model.metadata["card"], files)
    found = predict(model, data)  # numbers of the classes are those of the model
    # One of twelve at random is 8 %; few jets against many jets is easier than the average of all pairs (43 %).
    assert (found.probability.argmax(axis=1) == found.y).mean() > 0.35


def test_multi_label_network_counts_top_quarks(files, tmp_path):
    model = EventModel.from_pretrained("ho-multilabel")
    assert isinstance(model.objective, MultiLabel)
    data = EventDataset(tmp_path, model.metadata["card"], files)
    batch = next(iter(EventLoader(data, len(data))))
    tops = model(batch)["logits"][:, 1].detach()
    assert abs(float(tops[batch.y[:, 1] == 0].mean())) < 0.7
    assert float(tops[batch.y[:, 1] == 2].mean()) > 1.4


def test_small_omnilearn_makes_jets():
    pytest.importorskip("torchdiffeq")
    model = EventModel.from_pretrained("omnilearn-small")
    jets = {
        "y": torch.tensor([0, 8]), "total_pt": torch.tensor([700.0, 700.0]), "total_eta": torch.zeros(2),
        "total_mass": torch.tensor([60.0, 173.0]), "num_nodes": torch.tensor([30, 40]),
    }  # fmt: skip
    made = generate_particles(model, jets, calls=16)
    masses = [float(invariant_mass(*made[k].p4)) for k in range(2)]
    # Particles of which nobody told the mass of the jet have one near it.
    assert masses[0] == pytest.approx(60.0, rel=0.35)
    assert masses[1] == pytest.approx(173.0, rel=0.35)


def test_a_new_task_starts_from_them_and_other_names_are_one_sentence():
    model = EventModel.from_pretrained("ho-multilabel", Classification(2))
    assert model.load_report is not None
    assert all(name.startswith("objective.") for name in model.load_report.new)
    with pytest.raises(
        ConfigError,
        match=f"no such folder, nor one of {', '.join(NAMES)}",
    ):
        EventModel.from_pretrained("ho-multiclas")

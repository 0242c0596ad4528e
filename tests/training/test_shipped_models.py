"""The trained networks that come with the package."""

import json
from pathlib import Path

import pytest
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.objectives import Classification, MultiLabel
from pyg_hep.simulation import simulate
from pyg_hep.testing import random_events
from pyg_hep.training import EventModel, predict, shipped_models


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
    assert set(shipped_models()) == {"ho-multiclass", "ho-multiclass-published", "ho-multilabel"}
    for name, folder in shipped_models().items():
        card = (folder / "README.md").read_text(encoding="utf-8")
        for words in ("## Training", "## Measured", "## Limits", "arXiv:2412.10665"):
            assert words in card, (name, words)
        assert (folder / "model.safetensors").stat().st_size < 700_000


def test_predictions_are_those_of_the_day_they_were_trained():
    # Made by the code before views and layouts (1635e29) in double precision, as processors round single precision
    # differently by several 1e-6; a change here is a drift.
    stored = json.loads(Path(__file__).with_name("shipped_predictions.json").read_text(encoding="utf-8"))
    batch = random_events(**stored["events"]).apply(lambda x: x.double() if x.is_floating_point() else x)
    assert set(stored["logits"]) == set(shipped_models())
    for name, logits in stored["logits"].items():
        model = EventModel.from_pretrained(name).eval().double()
        with torch.no_grad():
            torch.testing.assert_close(
                model(batch)["logits"], torch.tensor(logits, dtype=torch.float64), rtol=1e-6, atol=1e-6
            )


def test_multi_class_network_tells_processes_apart(files, tmp_path):
    model = EventModel.from_pretrained("ho-multiclass")
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
    from pyg_hep.loader import EventLoader

    batch = next(iter(EventLoader(data, len(data))))
    tops = model(batch)["logits"][:, 1].detach()
    assert abs(float(tops[batch.y[:, 1] == 0].mean())) < 0.7
    assert float(tops[batch.y[:, 1] == 2].mean()) > 1.4


def test_a_new_task_starts_from_them_and_other_names_are_one_sentence():
    model = EventModel.from_pretrained("ho-multilabel", Classification(2))
    assert model.load_report is not None
    assert all(name.startswith("objective.") for name in model.load_report.new)
    with pytest.raises(
        ConfigError, match=r"no such folder, nor one of ho-multiclass, ho-multiclass-published, ho-multilabel"
    ):
        EventModel.from_pretrained("ho-multiclas")

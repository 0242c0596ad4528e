import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_hep.loader import EventLoader
from pyg_hep.objectives import Classification
from pyg_hep.studies.omnilearn.figures import FIGURES, TABLE_I
from pyg_hep.studies.omnilearn.recipes import KINDS, SIZES, methods, networks, pretrainings
from pyg_hep.studies.omnilearn.report import PUBLISHED, TITLES
from pyg_hep.studies.omnilearn.samples import Jets, leading, spectrum_weights
from pyg_hep.studies.omnilearn.substructure import COLUMNS, EventTable, observables
from pyg_hep.studies.place import Place
from pyg_hep.testing.jets import random_jets
from pyg_hep.training import EventModel
from pyg_hep.training.predict import Predictions

JETS = Jets(Place("omnilearn", Path("samples"), Path("cache"), Path("output")), 40)


@pytest.mark.parametrize("size", SIZES)
def test_every_method_is_a_row_of_table_1_and_every_baseline_is_trained_beside_it(size):
    study = SIZES[size]
    study.check()
    few, every = methods(study, pretrainings(study, JETS))
    for compared in (few, every):
        labels = [method.label for method in compared]
        assert len(set(labels)) == len(labels)
        assert set(labels) <= set(TITLES)
        assert all(method.baseline is None or method.baseline in labels for method in compared)
    assert {method.label for method in (*few, *every)} == set(TITLES)
    assert {label for label, _ in PUBLISHED} <= set(TITLES)


def test_pretrainings_have_names_and_objectives_of_their_own():
    jobs = pretrainings(SIZES["small"], JETS)
    assert [job.kind for job in jobs] == list(KINDS)
    assert jobs[0].name == "joint-160000x5-256"
    assert [job.name for job in jobs[4:]] == ["joint_short-160000x1-256", "top_fast-40000x10-256"]
    long, short = ({str(job.network().objective.config()) for job in part} for part in (jobs[:4] + jobs[5:], jobs[4:5]))
    assert len(long) == 5
    assert short < long


def test_workers_get_jobs_methods_and_figures():
    few, every = methods(SIZES["small"], pretrainings(SIZES["small"], JETS))
    again = pickle.loads(pickle.dumps([*few, *every]))
    assert [method.label for method in again] == [method.label for method in (*few, *every)]
    assert pickle.loads(pickle.dumps(FIGURES)).keys() == FIGURES.keys()


def test_networks_read_their_views():
    jets = random_jets(6).with_columns(**{name: np.arange(6.0) for name in COLUMNS})
    batch = next(iter(EventLoader(jets, 6)))
    for name, (backbone, view) in networks(SIZES["small"]).items():
        model = EventModel(backbone, Classification(2), view).eval()
        assert model(batch)["logits"].shape == (6, 2), name


def test_figures_of_table_1_with_weights_and_without():
    # Of four signal and four background jets, half of the signal is above one background jet of weight 3.
    score = np.array([0.9, 0.8, 0.4, 0.3, 0.85, 0.2, 0.1, 0.05])
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    weight = np.array([1, 1, 1, 1, 3, 1, 1, 1.0])
    tested = Predictions({"QCD": 1 - score, "top": score}, y, weight, ["QCD", "top"])
    values = {name: figure(tested)(np.ones(8)) for name, figure in FIGURES.items()}
    assert set(values) == {*TABLE_I, *(f"{name}_unweighted" for name in TABLE_I)}
    assert values["rejection_50"] == pytest.approx(2.0)
    assert values["rejection_50_unweighted"] == pytest.approx(4.0)
    assert values["auc_unweighted"] == pytest.approx(1 - 3 / 16)
    assert values["auc"] == pytest.approx(1 - 3 * 3 / (4 * 6))
    assert values["accuracy_unweighted"] == pytest.approx(5 / 8)


def test_spectra_agree_with_the_weights():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(4000) % 2
    pt = 500 + 500 * torch.rand(4000, generator=generator) ** (1.0 + y)
    weight = spectrum_weights(pt, y)
    assert torch.equal(weight[y == 1], torch.ones(2000))
    plain = pt[y == 0].mean() - pt[y == 1].mean()
    matched = np.average(pt[y == 0], weights=weight[y == 0]) - float(pt[y == 1].mean())
    assert plain > 70
    # Within a bin of a tenth of the jets the spectra still differ.
    assert abs(matched) < 5


def test_the_leading_particles_of_all_kinds_together_are_kept():
    card = leading("jetclass", 40)
    assert card.limits[0].at_most == 40
    assert set(card.limits[0].objects) == set(card.objects)


def test_substructure_is_worked_out_once(tmp_path, monkeypatch):
    pytest.importorskip("fastjet")
    jets = random_jets(12)
    table = observables(jets, tmp_path)
    assert table.shape == (12, len(COLUMNS))
    assert np.isfinite(table).all()
    monkeypatch.setattr("pyg_hep.studies.omnilearn.substructure.jet_observables", None)
    assert np.array_equal(observables(jets, tmp_path), table)
    batch = next(iter(EventLoader(jets.with_columns(**dict(zip(COLUMNS, table.T, strict=True))), 12)))
    np.testing.assert_allclose(EventTable()(batch), table, rtol=1e-6)

import dataclasses
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, roc_auc_score

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import Recipe, SummaryVariables, Task, learning_curve
from pyg_hep.evaluation.learning_curves import (
    REPLICAS,
    _figures,
    balanced_subset,
    class_balance,
    execute_all,
    gain,
    plan,
    summarise,
)
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

SETTINGS = TrainingSettings(epochs=2, batch_size=64, progress=False, checkpoints=False, tensorboard=False)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    files = {}
    for i, name in enumerate(("background", "signal")):
        branches = random_nanoaod(700 + 200 * i, seed=i)
        branches["MET_pt"] = branches["MET_pt"] * (1 + 9 * i)
        files[name] = write_nanoaod(folder / f"{name}.root", branches)
    return Task("met", *(EventDataset(folder, "simulated_events", files, split=s) for s in ("train", "val", "test")))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return EventModel(GraphNetwork.ho(), Classification(2))


def test_subsets_have_as_many_events_of_every_class_and_depend_on_the_seed(task):
    subset = balanced_subset(task.train, 100, seed=1)
    assert np.bincount(subset.y.numpy()).tolist() == [100, 100]
    assert torch.equal(subset.positions, balanced_subset(task.train, 100, seed=1).positions)
    assert not torch.equal(subset.positions, balanced_subset(task.train, 100, seed=2).positions)
    assert set(subset.positions.tolist()) <= set(task.train.positions.tolist())


def test_too_few_events_is_one_sentence(task):
    with pytest.raises(ConfigError, match="100000 events of class 0 asked for"):
        balanced_subset(task.train, 100_000, seed=1)


def test_class_balance_gives_every_class_the_same_sum():
    y, weight = np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 3.0, 5.0])
    balanced = class_balance(y, weight)
    assert np.bincount(y, weights=balanced).tolist() == pytest.approx([2.0, 2.0])


def test_curve_has_every_method_with_errors_and_the_same_training_events(task, model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    curve, records = learning_curve(
        task, tmp_path / "model", [60, 120], [1, 2], output=tmp_path / "runs", scratch=model, settings=SETTINGS
    )
    assert set(curve) == {60, 120}
    for row in curve.values():
        assert set(row) == {"scratch", "finetuned", "trees", "gain"}
        for method in ("scratch", "finetuned", "trees"):
            assert row[method]["runs"] == 2
            assert 0 < row[method]["accuracy_error"] < 0.2
            assert 0 <= row[method]["accuracy"] <= 1
    assert len(records) == 2 * 2 * 3
    # Boosted trees see the missing momentum at once: 1 against 10 times 40 GeV.
    assert curve[120]["trees"]["accuracy"] > 0.75
    assert (tmp_path / "runs" / "met" / "finetuned-120-2" / "model" / "config.json").is_file()


def test_several_processes_give_the_same_figures(task, model, tmp_path):
    options = {"scratch": model, "settings": SETTINGS, "trees": False}
    here, _ = learning_curve(task, None, [60], [1, 2], output=tmp_path / "a", **options)
    there, _ = learning_curve(task, None, [60], [1, 2], output=tmp_path / "b", workers=2, **options)
    assert here[60]["scratch"]["accuracy"] == pytest.approx(there[60]["scratch"]["accuracy"], abs=0.02)
    assert set(there[60]) == {"scratch"}


def test_processes_end_with_an_error(task, model, tmp_path):
    before = set(multiprocessing.active_children())
    with pytest.raises(ConfigError, match="100000 events of class 0"):
        learning_curve(
            task, None, [100_000, 60], [1, 2, 3], output=tmp_path, scratch=model, settings=SETTINGS, workers=2
        )
    assert not set(multiprocessing.active_children()) - before


def record(task, method, seed, shift):
    rng = np.random.default_rng(seed)
    y = task.test.y.numpy()
    score = np.clip(0.5 + shift * (2 * y - 1) + rng.normal(0, 0.2, len(y)), 0, 1)
    probability = np.stack([1 - score, score], axis=1)
    weight = class_balance(y, np.ones(len(y)))
    return {"method": method, "seed": seed, "size": 1, **_figures(y, probability, weight)}


def test_figures_of_a_record_are_those_of_scikit_learn(task):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    score = np.round(rng.normal(y, 1.0), 1)  # with ties
    weight = rng.uniform(0.5, 2.0, 500)
    probability = 1 / (1 + np.exp(-np.stack([-score, score], axis=1)))
    found = _figures(y, probability, weight)
    assert found["auc"] == pytest.approx(roc_auc_score(y, score, sample_weight=weight))
    assert found["accuracy"] == pytest.approx(accuracy_score(y, score > 0, sample_weight=weight))
    assert {len(values) for values in found["replicas"].values()} == {REPLICAS}


def test_error_is_spread_over_seeds_and_test_events_in_quadrature(task):
    records = [record(task, "scratch", seed, 0.1) for seed in range(4)]
    row = summarise(records, "scratch")
    values = [r["accuracy"] for r in records]
    assert row["accuracy"] == pytest.approx(np.mean(values))
    assert row["accuracy_std"] == pytest.approx(np.std(values, ddof=1))
    test = np.std(np.mean([r["replicas"]["accuracy"] for r in records], axis=0))
    assert row["accuracy_error"] == pytest.approx(np.hypot(np.std(values, ddof=1) / 2, test))
    # Events scored independently by four runs: their mean has half of the binomial error. Within the 7 % of 100
    # replicas, three times over.
    binomial = np.sqrt(row["accuracy"] * (1 - row["accuracy"]) / len(task.test))
    assert test == pytest.approx(binomial / 2, rel=0.25)


def test_test_events_shared_by_identical_runs_are_not_averaged_away(task):
    same = record(task, "scratch", 0, 0.1)
    row = summarise([same, {**same, "seed": 1}, {**same, "seed": 2}], "scratch")
    binomial = np.sqrt(row["accuracy"] * (1 - row["accuracy"]) / len(task.test))
    assert row["accuracy_error"] == pytest.approx(binomial, rel=0.25)


def test_gain_is_the_mean_paired_difference(task):
    records = [record(task, "scratch", seed, 0.05) for seed in range(3)]
    records += [record(task, "finetuned", seed, 0.15) for seed in range(3)]
    difference = gain(records)
    pairs = [records[3 + i]["accuracy"] - records[i]["accuracy"] for i in range(3)]
    assert difference["pairs"] == 3
    assert difference["accuracy"] == pytest.approx(np.mean(pairs))
    assert difference["accuracy"] > 2 * difference["accuracy_error"] > 0


def test_gain_of_a_method_over_itself_has_no_error(task):
    records = [record(task, "scratch", seed, 0.05) for seed in range(3)]
    same = gain([*records, *({**r, "method": "same"} for r in records)], "same")
    assert same["accuracy"] == same["accuracy_error"] == same["auc_error"] == 0.0


def test_gain_without_a_common_seed_is_one_sentence():
    records = [{"method": "scratch", "seed": 1}, {"method": "finetuned", "seed": 2}]
    with pytest.raises(ConfigError, match="no seed has a training by 'finetuned' and one by 'scratch'"):
        gain(records)


def test_recipes_side_by_side_leave_complete_records(task, model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    settings = dataclasses.replace(SETTINGS, epochs=1)
    recipes = [
        Recipe("scratch", settings, scratch=model, augment={}),
        Recipe("frozen", settings, Optimisation(frozen=("backbone",)), tmp_path / "model", probe=True),
        Recipe("decoder", settings, Optimisation(), tmp_path / "model", reset=("decoder",)),
    ]
    records = list(execute_all(plan([task], recipes, [60], [1], tmp_path / "runs")))
    assert [r["method"] for r in records] == ["scratch", "frozen", "decoder"]
    for found in records:
        assert len(found["val_accuracy"]) == len(found["elapsed"]) == found["epochs"] == 1
        assert found["elapsed"][0] > 0
        assert found["test_events"] == len(task.test)
    before = model.backbone.state_dict()
    frozen, decoder = (
        EventModel.from_pretrained(tmp_path / "runs" / "met" / f"{name}-60-1" / "model").backbone.state_dict()
        for name in ("frozen", "decoder")
    )
    assert all(torch.equal(frozen[k], before[k]) for k in before)
    assert not torch.equal(decoder["decoder.layers.0.weight"], before["decoder.layers.0.weight"])


def test_digest_follows_what_shapes_a_training_and_nothing_else(tmp_path):
    one = Recipe("a", SETTINGS, pretrained=tmp_path / "first" / "model")
    same = Recipe("a", dataclasses.replace(SETTINGS, progress=True, seed=7), pretrained=Path("other/first/model"))
    assert one.digest == same.digest
    others = [
        dataclasses.replace(one, pretrained=tmp_path / "second" / "model"),
        dataclasses.replace(one, settings=dataclasses.replace(SETTINGS, epochs=3)),
        dataclasses.replace(one, optimisation=Optimisation(learning_rate=1e-3)),
        dataclasses.replace(one, probe=True),
        dataclasses.replace(one, augment={"reflect": False}),
        dataclasses.replace(one, reset=("decoder",)),
        dataclasses.replace(one, changes={"dropout": 0.1}),
        dataclasses.replace(one, variables=SummaryVariables(charges=False)),
    ]
    assert len({recipe.digest for recipe in [one, *others]}) == 9


def test_digest_of_a_recipe_stays_the_same_from_one_release_to_the_next(tmp_path):
    # Records of trainings that took hours are found by it: an option that is added later must not enter by default.
    recipe = Recipe("a", SETTINGS, Optimisation(learning_rate=1e-3), pretrained=tmp_path / "first" / "model")
    assert recipe.digest == "02fcd8e0"


def test_a_recipe_without_a_model_is_one_sentence(task, tmp_path):
    with pytest.raises(ConfigError, match="'bad' names neither a pretrained model nor"):
        list(execute_all(plan([task], [Recipe("bad", SETTINGS)], [60], [1], tmp_path)))


def test_fine_tuning_without_a_model_is_left_out(task, model, tmp_path):
    settings = dataclasses.replace(SETTINGS, epochs=1)
    curve, _ = learning_curve(task, None, [60], [1], output=tmp_path, scratch=model, settings=settings, trees=False)
    assert set(curve[60]) == {"scratch"}
    assert curve[60]["scratch"]["accuracy_std"] == 0.0

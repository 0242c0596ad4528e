from dataclasses import replace
from pathlib import Path

import pytest

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.studies.bumblebee import recipes, samples
from pyg_hep.studies.bumblebee.recipes import SIZES, TABLES, folder_of, network, plan_ablation, plan_tops
from pyg_hep.studies.bumblebee.variables import TopVariables
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import Run
from pyg_hep.testing.dilepton import dilepton_events, write_dilepton_nanoaod


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    folder = tmp_path_factory.mktemp("bumblebee")
    for seed, name in enumerate(("ttbar", "toponium")):
        (folder / "samples" / "events").mkdir(parents=True, exist_ok=True)
        write_dilepton_nanoaod(folder / "samples" / "events" / f"{name}.root", 200 - 150 * seed, seed)
    return Place("bumblebee", folder / "samples", folder / "cache", folder / "output")


def test_every_baseline_is_a_method_of_the_study(place: Place):
    for study in SIZES.values():
        study.check()
        for runs in (plan_tops(study, place), plan_ablation(study, place)):
            labels = {run.method.label for run in runs}
            assert {run.method.baseline for run in runs} - {None} <= labels
            assert len({(run.method.label, run.size, run.seed) for run in runs}) == len(runs)


def test_the_published_size_is_that_of_the_paper():
    parameters = sum(p.numel() for p in network(SIZES["published"], smooth=False).backbone.parameters())
    assert parameters == pytest.approx(57e6, rel=0.02)


def test_an_ablation_lacks_one_table_and_nothing_else():
    full = network(SIZES["small"], smooth=True)
    for table in TABLES.values():
        if table is not None:
            model = network(SIZES["small"], smooth=True, without=table)
            assert set(full.view.ids) - set(model.view.ids) == {table}
            assert model.view.columns == full.view.columns


def test_recipes_differ_in_what_they_say(place: Place):
    keys = {run.method.label: run.method.arguments() for run in plan_tops(SIZES["small"], place)}
    assert keys["supervised"]["method"]["learned"][0]["arguments"]["generated_only"] is True
    assert [trial.get("rate", 1.0) for trial in keys["supervised"]["trials"]] == [0.5, 1.0, 2.0]
    assert keys["masked"]["learned"][0]["arguments"]["generated_only"] is False
    assert keys["masked"]["model"]["view"] != keys["published"]["model"]["view"]
    assert [part["class"] for part in keys["masked_flow"]["learned"]] == ["MaskedFourVectors", "TopFlow"]
    assert len({str(of.get("method", of)["optimisation"]) for of in keys.values() if "learned" in str(of)}) == 1


def test_signal_and_background_stand_in_the_proportion_of_the_sample(place: Place):
    train, _, _ = samples.toponium(place)
    assert isinstance(train, EventDataset)
    assert samples.ratio(train) == pytest.approx(4, rel=0.5)  # 200 to 50
    with pytest.raises(ConfigError, match="no event of class 1"):
        samples.ratio(samples.pairs(place)[0])


def test_the_networks_of_the_same_seed_are_fine_tuned(place: Place):
    study = replace(SIZES["small"], finetuning=[recipes.Size(40, 2, 1)], ceilings=("truth",))
    tops = plan_tops(study, place)
    runs = recipes.plan_finetuning(study, place, tops)
    tuned = {run.seed: run.method.method.pretrained for run in runs if run.method.label == "finetuned"}
    assert tuned == {seed: folder_of(tops, study.pretrained, seed) for seed in (1, 2)}
    assert tuned[1] != tuned[2]
    assert {type(run) for run in runs} == {Run}
    with pytest.raises(ConfigError, match="seed 9"):
        folder_of(tops, study.pretrained, 9)


@pytest.mark.parametrize(
    "change",
    [{"pretrained": "maskd"}, {"recipes": ("masked",)}, {"sizes": []}, {"finetuning": []}],
    ids=["pretrained", "recipes", "sizes", "finetuning"],
)
def test_a_study_that_cannot_be_trained_is_refused(change):
    with pytest.raises(ConfigError):
        replace(SIZES["small"], **change).check()


def test_true_variables_of_top_pairs_are_those_of_the_generated_level():
    from pyg_hep.analysis.tops import generated_tops
    from pyg_hep.loader import EventLoader

    batch = next(iter(EventLoader(dilepton_events(30, seed=2), 30)))
    made = TopVariables(("m_ttbar", "c_han"))(batch)
    truth = generated_tops(batch)
    assert (made[:, 0] == truth.m_ttbar).all()
    assert (made[:, 1] == truth.c_han).all()
    with pytest.raises(PygHepError, match="m_ttbar"):
        TopVariables(("m_tt",))


def test_folders_of_a_missing_sample_name_the_command(tmp_path: Path):
    with pytest.raises(ConfigError, match="--preset bumblebee"):
        samples.pairs(Place("bumblebee", tmp_path, tmp_path, tmp_path))

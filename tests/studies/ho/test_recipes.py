from dataclasses import replace
from pathlib import Path

import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.nn import EventTransformer
from pyg_hep.objectives import Classification, MaskedObjects, Regression
from pyg_hep.studies.earlier import read_earlier
from pyg_hep.studies.ho.recipes import GROUPS, KINDS, SIZES, Learned, label_then, methods, pretrainings
from pyg_hep.studies.place import Place

PLACE = Place("ho", Path("samples"), Path("cache"), Path("output"))
RESULTS = Path(__file__).resolve().parents[3] / "examples" / "results"


def every_method(study):
    return {group: methods(group, study, pretrainings(study, PLACE)) for group in GROUPS}


def test_every_baseline_is_a_method_of_the_study():
    for study in SIZES.values():
        every = [method for group in every_method(study).values() for method in group]
        labels = {method.label for method in every}
        assert all(method.baseline is None or method.baseline in labels for method in every)


def test_no_group_has_two_methods_of_one_label():
    for group in every_method(SIZES["small"]).values():
        assert len({method.label for method in group}) == len(group)


def test_the_methods_published_earlier_are_those_of_today():
    labels = {method.label for group in every_method(SIZES["small"]).values() for method in group}
    then = read_earlier(RESULTS / "ho" / "48ebf3f" / "runs.jsonl", label_then)
    assert labels >= {record["label"] for record in then}


def test_pretrainings_are_named_as_the_networks_that_come_with_the_package():
    names = [job.name for job in pretrainings(SIZES["small"], PLACE)]
    longest = ["summary_transformer-better-188000x4-256", "multiclass-better-47000x14-256"]
    assert names[:2] == longest
    shipped = {"multiclass-better-47000x14-256", "multiclass-published-47000x13-64", "multilabel-published-47000x4-64"}
    assert shipped <= set(names)


def test_every_kind_of_pretraining_is_a_network_of_its_own():
    jobs = {job.learned.objective: job for job in pretrainings(SIZES["small"], PLACE)}
    assert set(jobs) == set(KINDS)
    made = {kind: job.network() for kind, job in jobs.items()}
    assert made["summary"].view.channels.u == made["variables"].objective.find(Regression).num_targets == 131
    assert made["masked"].objective.find(MaskedObjects).whole
    assert isinstance(made["transformer"].backbone, EventTransformer)
    for kind, model in made.items():
        assert (model.objective.find(Classification) is None) == (kind == "multilabel")
        assert model.metadata["card"] == ("ho_multilabel" if kind == "multilabel" else "simulated_events")
    with pytest.raises(ConfigError, match="'summery' is not possible: did you mean 'summary'"):
        Learned("summery", "better", 1, 1, 1)


def test_kinds_are_compared_at_equal_events_seen_and_the_best_at_several():
    study = SIZES["small"]
    compared = {group: every_method(study)[group] for group in ("kinds", "seen")}
    assert {method.variant for method in compared["kinds"]} == {"better-12000x8"}
    assert {method.name for method in compared["kinds"]} == set(KINDS[2:])
    seen = {method.variant: method.columns["pretraining_epochs"] for method in compared["seen"]}
    assert seen == {"probe": 4, "probe-47000x14": 14, "probe-3000x16": 16, "probe-12000x8": 8}


def test_a_pretraining_that_the_tables_compare_cannot_be_left_out():
    study = replace(SIZES["small"], pretraining=[Learned("multiclass", "published", 47_000, 13, 64)])
    with pytest.raises(ConfigError, match="compare a pretraining multiclass, better"):
        study.largest("multiclass", "better")

from dataclasses import replace
from pathlib import Path

import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.studies.earlier import read_earlier
from pyg_hep.studies.ho.recipes import GROUPS, SIZES, Learned, label_then, methods, pretrainings
from pyg_hep.studies.place import Place

PLACE = Place("ho", Path("samples"), Path("cache"), Path("output"))
RESULTS = Path(__file__).resolve().parents[3] / "examples" / "results"


def test_every_baseline_is_a_method_of_the_study():
    for study in SIZES.values():
        every = [method for group in methods(study, pretrainings(study, PLACE)).values() for method in group]
        labels = {method.label for method in every}
        assert all(method.baseline is None or method.baseline in labels for method in every)


def test_no_group_has_two_methods_of_one_label():
    study = SIZES["small"]
    listed = methods(study, pretrainings(study, PLACE))
    assert tuple(listed) == GROUPS
    for group in listed.values():
        assert len({method.label for method in group}) == len(group)


def test_the_methods_published_earlier_are_those_of_today():
    study = SIZES["small"]
    labels = {method.label for group in methods(study, pretrainings(study, PLACE)).values() for method in group}
    then = read_earlier(RESULTS / "ho" / "48ebf3f" / "runs.jsonl", label_then)
    assert labels == {record["label"] for record in then}


def test_pretrainings_are_named_as_the_networks_that_come_with_the_package():
    names = [job.name for job in pretrainings(SIZES["small"], PLACE)]
    assert names[0] == "multiclass-better-47000x14-256"  # the longest first
    assert {"multiclass-published-47000x13-64", "multilabel-published-47000x4-64"} <= set(names)


def test_a_pretraining_that_the_tables_compare_cannot_be_left_out():
    study = replace(SIZES["small"], pretraining=[Learned("multiclass", "published", 47_000, 13, 64)])
    with pytest.raises(ConfigError, match="compare a pretraining multiclass, better"):
        study.largest("multiclass", "better")

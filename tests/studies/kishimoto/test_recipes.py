from pathlib import Path

from pyg_hep.studies.earlier import read_earlier
from pyg_hep.studies.kishimoto.recipes import SIZES, label_then, methods, pretrainings
from pyg_hep.studies.place import Place

PLACE = Place("kishimoto", Path("samples"), Path("cache"), Path("output"))
RESULTS = Path(__file__).resolve().parents[3] / "examples" / "results"


def test_every_baseline_is_a_method_of_the_study_and_no_two_have_one_label():
    for study in SIZES.values():
        study.check()
        every = methods(study, pretrainings(study, PLACE))
        labels = [method.label for method in every]
        assert len(set(labels)) == len(labels)
        assert all(method.baseline is None or method.baseline in labels for method in every)


def test_the_first_pretrained_method_is_the_largest_with_augmentation():
    study = SIZES["small"]
    assert methods(study, pretrainings(study, PLACE))[1].label == "pretrained/60000"


def test_the_methods_published_earlier_are_those_of_today():
    study = SIZES["small"]
    labels = {method.label for method in methods(study, pretrainings(study, PLACE))}
    then = read_earlier(RESULTS / "kishimoto" / "23a25f7" / "runs.jsonl", label_then)
    later = {"trees/mean", *(f"pretrained/60000-{way}" for way in ("probe", "stacked", "mean", "all"))}
    assert labels == {record["label"] for record in then} | later


def test_pretrainings_keep_their_names():
    names = {job.name for job in pretrainings(SIZES["small"], PLACE)}
    assert {"replaced_object-60000x40-128-adamw", "replaced_object-6000x40-128-adamw-no_augmentation"} < names

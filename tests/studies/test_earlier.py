import json
from pathlib import Path

import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.studies import Records
from pyg_hep.studies.abasov import recipes as abasov
from pyg_hep.studies.earlier import against_earlier, print_earlier, read_earlier
from pyg_hep.studies.ho import recipes as ho
from pyg_hep.studies.kishimoto import recipes as kishimoto

RESULTS = Path(__file__).resolve().parents[2] / "examples" / "results"
PUBLISHED = {
    "ho": ("48ebf3f", ho.label_then, 250), "kishimoto": ("23a25f7", kishimoto.label_then, 174),
    "abasov": ("e342a7c", abasov.label_then, 67),
}  # fmt: skip


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_deviations_are_in_spreads_over_the_seeds_then(tmp_path, capsys):
    then = [{"task": "a", "method": "old", "size": 10, "seed": seed, "auc": auc} for seed, auc in ((1, 0.6), (2, 0.8))]
    then += [{"task": "a", "method": "trees", "size": 10, "seed": 1, "auc": 0.5}]
    earlier = read_earlier(lines(tmp_path / "runs.jsonl", then), lambda name: {"old": "scratch/x"}.get(name, name))
    now = {"task": "a", "method": "scratch", "variant": "x", "size": 10, "seed": 1, "figures": ["auc"], "auc": 0.75}
    trees = {**now, "method": "trees", "variant": "", "auc": 0.6}
    rows = against_earlier([now, trees, {**now, "size": 20}], earlier)
    assert [row["method"] for row in rows] == ["scratch/x", "trees"]
    # Mean 0.7, standard deviation of 0.6 and 0.8: 0.1414.
    assert rows[0]["deviation"] == pytest.approx(0.05 / 0.02**0.5)
    assert rows[1]["earlier_std"] is rows[1]["deviation"] is None
    print_earlier(rows, tmp_path)
    assert "1 of 1 within 3 spreads over seeds" in capsys.readouterr().out


def test_no_file_is_nothing_and_damage_one_sentence(tmp_path):
    assert read_earlier(tmp_path / "nothing.jsonl") == []
    (tmp_path / "runs.jsonl").write_text('{"task": "a", "method": "b"}\nrubbish\n')
    with pytest.raises(ConfigError, match="line 2, is no record"):
        read_earlier(tmp_path / "runs.jsonl")


@pytest.mark.parametrize("study", list(PUBLISHED))
def test_records_published_earlier_are_as_they_were_and_stand_apart(study):
    commit, labels, number = PUBLISHED[study]
    folder = RESULTS / study / commit
    rows = read_earlier(folder / "runs.jsonl", labels)
    assert len(rows) == number
    assert all(row["git"] for row in rows)
    with pytest.raises(ConfigError, match="published earlier"):
        Records(folder / "runs.jsonl")
    assert commit in (RESULTS / "README.md").read_text()


def test_methods_named_by_one_word_then_have_the_labels_of_today():
    assert [ho.label_then(name) for name in (
        "scratch", "scratch_better", "better", "multiclass@3000", "better@12000", "frozen_backbone",
        "better-random_head", "better-multilabel", "trees", "multilabel",
    )] == [
        "scratch", "scratch/better", "multiclass/better", "multiclass/3000", "multiclass/better-12000",
        "multiclass/frozen_backbone", "multiclass/better-random_head", "multilabel/better", "trees", "multilabel",
    ]  # fmt: skip
    assert [kishimoto.label_then(name) for name in (
        "scratch", "scratch-tuned", "pretrained@60000-tuned", "pretrained@6000-no_augmentation", "masked_kinds@60000",
    )] == [
        "scratch", "scratch/tuned", "pretrained/60000-tuned", "pretrained/6000-no_augmentation", "masked_kinds/60000",
    ]  # fmt: skip
    assert [abasov.label_then(name) for name in (
        "trees_of_objects", "trees", "scratch-125-5h", "pretrained_truth-16-1h",
    )] == ["trees/objects", "trees", "scratch/125-5h", "pretrained_truth/16-1h"]  # fmt: skip

import pytest

from pyg_hep.simulation.samples import HO_TASKS
from pyg_hep.studies.ho.cost import figure1
from pyg_hep.studies.ho.report import over_trees, power_of_ten, side_by_side, summarise_gains

PUBLISHED = {task: {"multiclass": {1000: [5.0, 0.1]}} for task in HO_TASKS}


class Fixed:
    """Records in memory."""

    def __init__(self, records):
        self.records = records

    def select(self, **columns):
        return [r for r in self.records if all(r[k] == v for k, v in columns.items())]


def test_sizes_are_powers_of_ten_where_they_are():
    assert [power_of_ten(size) for size in (1000, 10_000, 40)] == ["1e3", "1e4", "40"]


@pytest.mark.parametrize("error", [0.01, None])
def test_a_mean_gain_has_an_error_where_every_gain_has_one(error):
    gain = {"accuracy": 0.03, "accuracy_error": 0.01, "pairs": 2}
    table = {task: {1000: {"scratch": {}, "multiclass": {"gain": gain}}} for task in HO_TASKS}
    table["WH_ZH"][1000]["multiclass"]["gain"] = {**gain, "accuracy_error": error}
    summary = summarise_gains(table, [1000], PUBLISHED)
    mean = summary["gain_1e3_mean"]
    assert mean["value"] == pytest.approx(3.0)
    assert mean["published"] == 5.0
    # Five tasks with one percentage point each.
    assert mean["error"] == (None if error is None else pytest.approx(5**0.5 / 5))
    assert summary["gain_1e3/WH_ZH"]["error"] == (None if error is None else pytest.approx(1.0))


def record(task, method, seed, accuracy, **more):
    replicas = {"accuracy": [accuracy, accuracy + 0.01]}
    return {"task": task, "method": method, "variant": "", "size": 1000, "seed": seed, "accuracy": accuracy,
            "replicas": replicas, **more}  # fmt: skip


def fold(task, method, area, variant="", k=0):
    return {"task": f"{task}-fold-{k}", "method": method, "variant": variant, "size": 600, "seed": 1, "auc": area}


def test_the_method_of_the_folds_is_compared_with_the_better_trees_whatever_is_best_in_the_test_events():
    records = []
    for task in HO_TASKS:
        for seed in (1, 2):
            records += [record(task, "trees", seed, 0.6), record(task, "trees", seed, 0.62, variant="mean")]
            records += [record(task, "trees", seed, 0.64, variant="on_trees"), record(task, "scratch", seed, 0.5)]
            records += [record(task, "multiclass", seed, value, variant=v) for v, value in (("a", 0.65), ("b", 0.7))]
        records += [fold(task, "multiclass", 0.71, "a"), fold(task, "multiclass", 0.69, "a", k=1)]
        records += [fold(task, "multiclass", 0.69, "b"), fold(task, "trees", 0.9)]
    records += [fold("WH_ZH", "multiclass", 0.99, "one_task")]
    summary = over_trees(Fixed(records), [1000])
    row = summary["over_trees_1e3_mean"]
    assert row["value"] == pytest.approx(3.0)
    assert (row["method"], row["rival"]) == ("multiclass/a", "trees/mean")
    assert row["error"] == pytest.approx(0.0, abs=1e-9)
    assert summary["over_trees_1e3/WH_ZH"]["value"] == pytest.approx(3.0)
    assert summary["over_trees_on_trees_1e3_mean"]["value"] == pytest.approx(1.0)
    assert over_trees(Fixed([r for r in records if "fold" not in r["task"]]), [1000]) == {}
    # One task lacks trees of the same seed: no mean of that rival.
    without = [r for r in records if (r["task"], r["variant"]) != ("WH_ZH", "on_trees")]
    assert not any("on_trees" in key for key in over_trees(Fixed(without), [1000]))
    assert summary["over_scratch_1e3_mean"]["value"] == pytest.approx(15.0)
    # Of two sizes the other has no trees at all.
    assert over_trees(Fixed(records), [10_000]) == {}


def test_every_method_stands_beside_the_rivals_in_the_mean(capsys):
    records = []
    for task, more in zip(HO_TASKS, range(5), strict=True):
        for seed in (1, 2):
            records += [record(task, "trees", seed, 0.6), record(task, "multiclass", seed, 0.6 + more / 100)]
        records += [record(task, "scratch", 1, 0.5)]
    for one in records:
        one["auc"] = one["accuracy"] + 0.1
        one["replicas"] = {name: [one[name], one[name] + 0.01] for name in ("accuracy", "auc")}
    means = side_by_side(Fixed(records), [1000])[1000]
    assert means["multiclass"]["trees"]["accuracy"]["value"] == pytest.approx(2.0)
    assert means["multiclass"]["trees"]["accuracy"]["error"] == pytest.approx(0.0, abs=1e-9)
    assert means["multiclass"]["scratch"]["auc"] == {"value": pytest.approx(12.0), "error": None}  # one seed
    assert set(means["trees"]) == {"scratch"}
    assert "+2.00 +- 0.00, +2.00 +- 0.00" in capsys.readouterr().out


def timed(task, method, variant, seconds, probe=0.0):
    return {"task": task, "method": method, "variant": variant, "size": 1000, "seed": 1, "val_accuracy": [0.9],
            "elapsed": [seconds], "epochs": 1, "best_epoch": 0, "probe_seconds": probe}  # fmt: skip


def test_pretraining_pays_by_the_mean_saving_per_task_with_the_probe_counted(tmp_path):
    # 10 s against 1 s with a probe of 1 s, and 2 s against 1 s: 8 s and 1 s saved, 4.5 s per task.
    times = {"ttH_cp": (10.0, 1.0, 1.0), "WH_ZH": (2.0, 1.0, 0.0)}
    records = [timed(task, "scratch", "better", base) for task, (base, _, _) in times.items()]
    records += [timed(task, "multiclass", "better", tuned, probe) for task, (_, tuned, probe) in times.items()]
    pretrained = [{"objective": "multiclass", "recipe": "better", "seconds": 90.0}]
    (row,) = figure1(Fixed(records), dict(zip(times, "ab", strict=True)), pretrained, tmp_path).values()
    assert row["break_even_tasks"] == pytest.approx(90 / 4.5)
    assert row["ratios"]["ttH_cp"][1000]["seconds"] == pytest.approx(0.2)
    assert row["ratios"]["ttH_cp"][1000]["seconds_error"] is None
    assert (tmp_path / "figure1_better.png").is_file()

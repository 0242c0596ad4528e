import pytest

from pyg_hep.simulation.samples import HO_TASKS
from pyg_hep.studies.ho.gains import by_events_seen, over_trees, power_of_ten, side_by_side, summarise_gains

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


def test_the_gain_of_probes_against_events_seen_is_a_line_in_the_logarithm(tmp_path, capsys):
    records = [record(task, "scratch", seed, 0.5) for task in HO_TASKS for seed in (1, 2)]
    for events, epochs, variant, gain in (
        (1_000, 2, "probe-1000x2", 0.02), (1_000, 8, "probe-1000x8", 0.04), (8_000, 2, "probe", 0.05),
    ):  # fmt: skip
        columns = {"variant": variant, "pretraining_events": events, "pretraining_epochs": epochs}
        records += [record(task, "net", seed, 0.5 + gain, **columns) for task in HO_TASKS for seed in (1, 2)]
    # Neither a fine-tuned network nor a probe of one task is a point.
    more = {"pretraining_events": 1, "pretraining_epochs": 1}
    records += [record(task, "net", 1, 0.9, **{**more, "variant": "better"}) for task in HO_TASKS]
    records += [record("WH_ZH", "net", 1, 0.9, **{**more, "variant": "probe-1x1"})]
    seen = by_events_seen(Fixed(records), [1000, 10_000], tmp_path)
    assert list(seen) == [1000]
    assert {n: row["value"] for n, row in seen[1000]["points"].items()} == pytest.approx(
        {24_000: 2.0, 96_000: 4.0, 192_000: 5.0}
    )
    assert seen[1000]["points"][96_000]["passes"] == 8
    assert seen[1000]["per_doubling"]["value"] == pytest.approx(1.0)
    assert seen[1000]["per_doubling"]["error"] == pytest.approx(0.0, abs=1e-6)
    assert seen[1000]["next"] == {"events_seen": 384_000, "value": pytest.approx(6.0)}
    assert (tmp_path / "events_seen_1000.png").is_file()
    assert "+6.00 expected of 384,000 events" in capsys.readouterr().out
    # Two points make no line.
    two = [r for r in records if r["variant"] != "probe"]
    assert "next" not in by_events_seen(Fixed(two), [1000], tmp_path)[1000]

import pytest

from pyg_hep.studies.ho.cost import figure1


class Fixed:
    """Records in memory."""

    def __init__(self, records):
        self.records = records

    def select(self, **columns):
        return [r for r in self.records if all(r[k] == v for k, v in columns.items())]


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

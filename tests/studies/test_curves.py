import multiprocessing

import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.studies import FineTuned, FromScratch, Size, Trees, learning_curve
from pyg_hep.training import TrainingSettings

SETTINGS = TrainingSettings(epochs=2, batch_size=64, progress=False, checkpoints=False, tensorboard=False)


def test_curve_has_every_method_with_errors_and_the_same_training_events(task, model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    methods = [FromScratch(model, settings=SETTINGS), FineTuned(tmp_path / "model", settings=SETTINGS), Trees()]
    curve, records = learning_curve(task, methods, [Size(60, 2), Size(120, (1, 3))], output=tmp_path / "runs")
    assert set(curve) == {60, 120}
    for row in curve.values():
        assert list(row) == ["scratch", "finetuned", "trees"]
        for method in row:
            assert row[method]["runs"] == 2
            assert 0 < row[method]["accuracy_error"] < 0.2
            assert 0 <= row[method]["accuracy"] <= 1
            assert ("gain" in row[method]) == (method != "scratch")
    assert len(records) == 2 * 2 * 3
    assert [r["seed"] for r in records if r["size"] == 120 and r["method"] == "trees"] == [1, 3]
    # Boosted trees see the missing momentum at once: 1 against 10 times 40 GeV.
    assert curve[120]["trees"]["accuracy"] > 0.75
    assert (tmp_path / "runs" / "met" / "finetuned-120-3" / "model" / "config.json").is_file()


def test_several_processes_give_the_same_figures(task, model, tmp_path):
    methods, sizes = [FromScratch(model, settings=SETTINGS)], [Size(60, 2)]
    here, _ = learning_curve(task, methods, sizes, output=tmp_path / "a")
    there, _ = learning_curve(task, methods, sizes, output=tmp_path / "b", workers=2)
    assert here[60]["scratch"]["accuracy"] == pytest.approx(there[60]["scratch"]["accuracy"], abs=0.02)
    assert set(there[60]) == {"scratch"}


def test_processes_end_with_an_error(task, model, tmp_path):
    before = set(multiprocessing.active_children())
    methods, sizes = [FromScratch(model, settings=SETTINGS)], [Size(100_000, 3), Size(60, 3)]
    with pytest.raises(ConfigError, match="100000 events of class 0"):
        learning_curve(task, methods, sizes, output=tmp_path, workers=2)
    assert not set(multiprocessing.active_children()) - before


def test_one_seed_gives_figures_without_errors(task, model, tmp_path):
    curve, _ = learning_curve(task, [Trees(baseline=None)], [Size(60)], output=tmp_path)
    assert curve[60]["trees"]["accuracy_error"] is None
    assert curve[60]["trees"]["accuracy_std"] is None

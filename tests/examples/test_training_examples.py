"""Every training script end to end, at a size that takes seconds."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import uproot

from pyg_hep.readers import read_events
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.testing.formats import write_top_tagging

ROOT = Path(__file__).resolve().parents[2]
SHORT = ["--training.epochs", "1", "--training.accelerator", "cpu"]


@pytest.fixture(scope="session")
def succeed(run_example):
    def succeed(script, *arguments, cwd, apart=False):
        done = run_example(script, *arguments, cwd=cwd, apart=apart)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return succeed


@pytest.fixture(scope="module")
def folder(tmp_path_factory, succeed):
    """Two random classes, a pretrained model and a fine-tuned one."""
    folder = tmp_path_factory.mktemp("examples")
    for i, name in enumerate(("signal", "background")):
        branches = random_nanoaod(900, seed=i)
        branches["MET_pt"] = branches["MET_pt"] * (1 + 4 * i)
        write_nanoaod(folder / f"{name}.root", branches)
    succeed("pretrain.py", "--data", "signal.root", "background.root", *SHORT, cwd=folder, apart=True)
    succeed(
        "finetune.py", "--signal", "signal.root", "--background", "background.root", "--events_per_class", "100",
        "--seeds", "[1,2]", *SHORT, cwd=folder, apart=True,
    )  # fmt: skip
    return folder


def test_pretraining_leaves_model_figures_plots_and_record(folder):
    run = folder / "runs" / "pretrain"
    names = {p.name for p in run.iterdir()}
    assert {"results.json", "config.yaml", "environment.json", "loss.png", "confusion.png", "model"} <= names
    results = json.loads((run / "results.json").read_text())
    assert 0 < results["test"]["accuracy_error"] < 0.1
    assert results["parameters"] == 134_464 + 130
    selected = len(read_events([folder / "signal.root", folder / "background.root"], "cms_nanoaod"))
    assert sum(results["events"].values()) == selected > 1700


def test_classes_of_a_card_name_the_axes_of_the_plots(succeed, tmp_path):
    write_top_tagging(tmp_path / "train.h5", 150)
    succeed("pretrain.py", "--card", "top_tagging", "--data", "train.h5", *SHORT, cwd=tmp_path)
    run = tmp_path / "runs" / "pretrain"
    assert json.loads((run / "results.json").read_text())["classes"] == ["QCD", "top"]
    assert (run / "confusion.png").is_file()


def test_fine_tuning_finds_the_model_and_compares_with_scratch_and_trees(folder):
    run = folder / "runs" / "finetune"
    results = json.loads((run / "results.json").read_text())
    assert results["pretrained"] == "runs/pretrain/model"
    methods = {"scratch", "finetuned", "trees", "probe", "stacked", "mean"}
    assert set(results["folds"]) == methods
    assert all(0.0 <= mean <= 1.0 and error >= 0.0 for mean, error in results["folds"].values())
    for method in methods:
        assert {"accuracy", "accuracy_error", "auc", "auc_error"} <= set(results["task"][method])
    for plot in ("roc.png", "loss.png", "score.png"):
        assert (run / plot).stat().st_size > 5000


def test_scores_are_joined_to_their_events(succeed, folder):
    model = folder / "runs" / "finetune" / "task" / "finetuned-100-1" / "model"
    stdout = succeed("predict.py", "--model", model, "--data", "signal.root", "--names", "[bkg,sig]", cwd=folder)
    assert "of 900 events selected" in stdout
    scores = uproot.open(folder / "runs" / "predict" / "signal.root")["Events"].arrays(library="np")
    source = uproot.open(folder / "signal.root")["Events"].arrays(["run", "luminosityBlock", "event"], library="np")
    for name in ("run", "luminosityBlock", "event"):
        assert np.array_equal(scores[name], source[name])
        assert scores[name].dtype == source[name].dtype
    chosen = scores["selected"]
    assert 0 < chosen.sum() <= 900
    assert np.allclose(scores["score_bkg"][chosen] + scores["score_sig"][chosen], 1, atol=1e-6)
    assert np.all(np.isnan(scores["score_sig"][~chosen]))


def test_real_cms_files_go_straight_into_training(succeed, cms_2015, cms_v12, tmp_path):
    stdout = succeed("pretrain.py", "--data", cms_2015, cms_v12, *SHORT, "--training.batch_size", "64", cwd=tmp_path)
    assert "% negative" in stdout
    results = json.loads((tmp_path / "runs" / "pretrain" / "results.json").read_text())
    assert results["classes"] == [cms_2015.stem, cms_v12.stem]
    assert sum(results["events"].values()) == 327


def test_detector_comparison_draws_both_files(succeed, cms_v12, folder):
    stdout = succeed("compare_detector.py", "--cms", cms_v12, "--simulated", "signal.root", cwd=folder)
    assert "200 events" in stdout
    assert (folder / "runs" / "compare_detector" / "detector.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("script", "arguments", "status", "message"),
    [
        ("pretrain.py", ["--data", "nothing.root"], 1, "nothing.root"),
        ("pretrain.py", ["--data", "text.root"], 1, "text.root: cannot read"),
        ("pretrain.py", ["--data", "signal.root", "--card", "cms_nanoao"], 1, "did you mean 'cms_nanoaod'"),
        ("pretrain.py", ["--data", "signal.root"], 1, "at least two classes"),
        ("pretrain.py", ["--data", "signal.root", "--trainin.epochs", "1"], 2, "did you mean 'training.epochs'"),
        ("pretrain.py", [], 2, "data"),
        ("finetune.py", ["--signal", "signal.root", "--background", "nothing.root"], 1, "nothing.root"),
        (
            "finetune.py",
            ["--signal", "signal.root", "--background", "background.root", "--pretrained", "nowhere"],
            1,
            "no pretrained model in nowhere",
        ),
        (
            "finetune.py",
            ["--signal", "signal.root", "--background", "background.root", "--events_per_class", "100000"],
            1,
            "the smaller class has",
        ),
        ("predict.py", ["--model", "nowhere", "--data", "signal.root"], 1, "no pretrained model in nowhere"),
        ("compare_detector.py", ["--cms", "nothing.root", "--simulated", "signal.root"], 1, "nothing.root"),
        ("quickstart.py", ["--sedes", "[1]"], 2, "did you mean 'seeds'"),
    ],
)
def test_bad_input_is_one_sentence_and_a_status(run_example, folder, script, arguments, status, message):
    (folder / "text.root").write_text("no ROOT file\n" * 100)
    done = run_example(script, *arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_every_shipped_configuration_runs(succeed, folder):
    # Cards, such as that of own_columns.py, are configurations of data and not of one of these scripts.
    for config in sorted((ROOT / "examples" / "configs").glob("*_ho.yaml")):
        script = config.stem.partition("_")[0] + ".py"
        arguments = {
            "pretrain": ["--data", "signal.root", "background.root", "--output", f"runs/{config.stem}"],
            "finetune": [
                *("--signal", "signal.root", "--background", "background.root"),
                *("--output", f"runs/{config.stem}", "--seeds", "[1]", "--events_per_class", "100"),
                *("--workers", "1", "--folds", "0"),
            ],
        }[config.stem.partition("_")[0]]
        succeed(script, "--config", config, *arguments, *SHORT, cwd=folder)


@pytest.mark.slow
def test_quickstart_at_a_reduced_size(succeed, tmp_path):
    stdout = succeed(
        *("quickstart.py", "--pretraining_events", 150, "--task_events", 400, "--events_per_class", 40),
        *("--seeds", "[1,2]", "--pretraining.epochs", 1, "--training.epochs", 2, "--workers", 1),
        cwd=tmp_path,
    )
    run = tmp_path / "runs" / "quickstart"
    results = json.loads((run / "results.json").read_text())
    assert set(results["tasks"]) == {"WH_ZH", "stop_ttH"}
    for name, task in results["tasks"].items():
        shipped = [f"{way}/shipped" for way in ("finetuned", "probe", "stacked", "mean")]
        for method in ("scratch", "finetuned", "trees", *shipped):
            assert {"accuracy", "accuracy_error", "auc", "auc_error"} <= set(task[method])
            assert f"{method} " in stdout
        assert task["mean/shipped"]["baseline"] == "trees"
        assert f"roc_{name}.png" in {p.name for p in run.iterdir()}
    assert results["seconds"] > 0
    assert "stop_ttH" in stdout
    samples = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs" / "samples").iterdir()}
    script = runpy.run_path(str(ROOT / "examples" / "quickstart.py"))
    wanted = [(process, "pretraining", 150) for process in script["PRETRAINING"]]
    wanted += [(process, "tasks", 400) for process in {p for pair in script["TASKS"].values() for p in pair}]
    assert {script["sample"](*what, tmp_path / "runs" / "samples", 1) for what in wanted} == set(samples)
    assert {p: p.stat().st_mtime_ns for p in samples} == samples  # simulated once

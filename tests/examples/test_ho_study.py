"""The whole study of Ho et al. at a size that takes a minute or two, and what its tables hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyg_hep.simulation.samples import CONTROLS, HO_PRETRAINING, HO_TASKS
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

PRETRAINING = [
    {"objective": objective, "recipe": recipe, "events": events, "epochs": 1, "batch": batch}
    for objective, recipe, events, batch in (
        ("multiclass", "published", 20, 64), ("multiclass", "published", 40, 64), ("multiclass", "better", 20, 128),
        ("multiclass", "better", 40, 128), ("multilabel", "published", 40, 64),
        ("summary", "better", 40, 128), ("summary", "better", 20, 128), ("variables", "better", 40, 128),
    )
]  # fmt: skip
STUDY = {
    "pretraining": PRETRAINING, "sizes": [{"events": 40, "seeds": 2}, {"events": 60, "seeds": 1}], "other_seeds": 1,
    "larger": ["scratch", "multiclass", "trees"], "best": "summary", "trainings": 2, "forest": 20,
    "epochs": 1, "patience": 2, "better_epochs": 1, "scratch_epochs": 1, "batch_size": 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def call(study_of):
    return study_of("ho", STUDY)


@pytest.fixture(scope="module")
def study(tmp_path_factory, call) -> Path:
    """Samples of random events whose missing momentum tells the process, and a finished study of them."""
    folder = tmp_path_factory.mktemp("study")
    downstream = {process for pair in HO_TASKS.values() for process in pair}
    files = [("pretraining", p, 60) for p in HO_PRETRAINING]
    files += [(part, p, 130) for part in ("finetuning", "test") for p in downstream]
    files += [("control", f"{p}_{chain}", 260) for p in CONTROLS for chain in ("lhe", "native")]
    for seed, (part, name, events) in enumerate(files):
        branches = random_nanoaod(events, seed=seed, truth=True)
        branches["MET_pt"] = branches["MET_pt"] * (1 + sum(map(ord, name)) % 7)
        path = folder / "runs" / "ho" / "samples" / part / f"{name}.root"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nanoaod(path, branches)
    return call.finish(folder)


def test_every_table_is_complete(study: Path):
    report = json.loads((study / "ho.json").read_text())
    for task in HO_TASKS:
        row = report["table1"][task]["40"]
        assert {"scratch", "multiclass", "multilabel", "trees", "scratch/better", "multiclass/better"} <= set(row)
        assert row["multiclass/better"]["baseline"] == "scratch/better"
        for method in ("multiclass", "multilabel", "multiclass/better"):
            for figure in ("accuracy", "auc"):
                assert 0 < row[method]["gain"][f"{figure}_error"] < 0.3
            assert row[method]["runs"] == 2
        single = report["table1"][task]["60"]
        assert set(single) == {"scratch", "multiclass", "trees"}
        assert single["scratch"]["auc_error"] is single["multiclass"]["gain"]["accuracy_error"] is None
    first = report["table1"]["WH_ZH"]["40"]
    assert {
        f"multiclass/{variant}"
        for variant in ("20", "better-20", "frozen_backbone", "new_decoder", "better-random_head", "better-layer_decay")
    } <= set(first)
    assert "multilabel/better" in first
    ways = ("better", "probe", "stacked", "mean", "all", "better-40x1", "probe-20x1")
    assert {
        *(f"summary/{way}" for way in ways),
        "variables/better-40x1",
        "trees",
        "trees/mean",
        "trees/on_trees",
    } <= set(first)
    assert "multiclass/better-random_head" not in report["table1"]["ttH_cp"]["40"]  # the ablation has two tasks
    for task in HO_TASKS:
        row = report["table3"][task]
        assert set(row) == {"scratch", "multiclass", "multilabel"}
        for method, found in row.items():
            assert found["networks"] == 2
            for stage in ("before_decoder", "after_decoder"):
                assert 0 < found[stage][0] <= 1 + 1e-9
            assert ("before_decoder_different_networks" in found) == (method == "scratch")
    for method in ("multiclass", "better"):
        cost = report["figure1"][method]
        assert set(cost["ratios"]) == set(HO_TASKS)
        assert cost["pretraining_hours"] > 0
        assert cost["size"] == {"multiclass": 60, "better": 40}[method]
        # The better recipe fits its head beforehand, and that is part of its cost.
        probes = [row["probe_seconds"] for rows in cost["ratios"].values() for row in rows.values()]
        assert all(seconds > 0 for seconds in probes) == (method == "better")
    assert set(report["events_seen"]["40"]["points"]) == {"240", "480"}  # twelve processes
    assert set(report["control"]) == set(CONTROLS)
    for rows in report["control"].values():
        assert set(rows) == {"scratch/better", "summary/better", "trees"}
        assert 0 < rows["trees"]["auc"] < 1
    assert {record["model"] for record in report["pretraining"]} == {
        *(f"multiclass-{r}-{size}x1-{batch}" for r, batch in (("published", 64), ("better", 128)) for size in (20, 40)),
        "multilabel-published-40x1-64",
        "summary-better-40x1-128",
        "summary-better-20x1-128",
        "variables-better-40x1-128",
    }


def test_summary_has_the_fixed_keys_with_value_error_and_published_figure(study: Path):
    summary = json.loads((study / "ho.json").read_text())["summary"]
    keys = {f"gain_40/{task}{ending}" for task in HO_TASKS for ending in ("", "_better", "_multilabel")}
    keys |= {"gain_40_mean", "gain_40_mean_better", "gain_40_mean_multilabel", "over_trees_40_mean"}
    keys |= {f"over_{rival}_40/{task}" for rival in ("trees", "trees_on_trees") for task in HO_TASKS}
    assert keys | {"gain_60_mean", "gain_40/WH_ZH_better-random_head"} <= set(summary)
    assert all(set(row) >= {"value", "error", "published"} for row in summary.values())
    assert all(summary[key]["error"] > 0 for key in keys)
    assert summary["gain_60_mean"]["error"] is None  # one seed


def test_output_prints_the_published_figures_beside_and_leaves_plots_and_the_record_of_the_run(study: Path):
    text = (study / "stdout").read_text()
    for words in ("Table I, accuracy", "Table I, auc", "Table III", "Figure 1", "(0.90 +- 0.07)", "control: ttH"):
        assert words in text
    names = {path.name for path in (study / "runs" / "ho").iterdir()}
    plots = {"gain_multiclass_40.png", "gain_better_40.png", "figure1_multiclass.png", "figure1_better.png"}
    assert plots | {"results.json", "config.yaml", "environment.json"} <= names


def test_a_finished_study_does_nothing_again(call, study: Path):
    lines = (study / "records" / "runs.jsonl").read_text().splitlines()
    (study / "records" / "runs.jsonl").write_text("\n".join(lines[:-1]) + '\n{"task": "cut sh')
    done = call(study, "--stage", "pretrain")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "0 networks to pretrain" in done.stdout
    assert "with other data" not in done.stdout
    done = call(study, "--stage", "finetune")
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"1 trainings to do, {len(lines) - 1} recorded" in done.stdout
    assert len((study / "records" / "runs.jsonl").read_text().splitlines()) == len(lines)


def test_all_records_are_reported_whatever_plan_they_are_of(call, study: Path, tmp_path: Path):
    planned = json.loads((study / "ho.json").read_text())
    fewer = json.dumps({**STUDY, "trainings": 3, "best": "multiclass"})  # the plan of another study
    options = ["--groups", "[table1, folds]", "--study", fewer, "--summary", str(tmp_path / "ho.json")]
    done = call(study, "--stage", "recorded", *options)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "ho.json").read_text())
    assert report["table1"] == planned["table1"]
    assert report["summary"] == planned["summary"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "finetune", "--groups", "[tabel1]"], "'tabel1' is not possible: did you mean 'table1'"),
        (
            ["--stage", "pretrain", "--models", "[multiclass-better-41x1-128]"],
            "did you mean 'multiclass-better-40x1-128'",
        ),
        (["--study", '{"size": [1]}'], "'size' is not possible: did you mean 'sizes'"),
        (["--study", '{"sizes": [{"events": 9, "seed": 1}]}'], "'seed' is not possible: did you mean 'seeds'"),
        (["--study", '{"sizes": [{"seeds": 1}]}'], "an entry of sizes lacks 'events'"),
        (["--study", '{"sizes": [40]}'], "sizes is a list of {events, seeds, epochs, batch, rate}, found 40"),
        (["--stage", "finetune", "--output", "elsewhere"], "no pretrained network in"),
        (["--samples", "nowhere"], "python examples/simulate.py --preset ho makes it"),
    ],
)
def test_bad_options_end_with_one_sentence(call, study: Path, tmp_path: Path, arguments: list[str], message: str):
    done = call(study, "--records", str(tmp_path / "runs.jsonl"), *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_networks_that_come_with_the_package_are_not_trained_again(call, tmp_path: Path):
    done = call(
        tmp_path, "--stage", "pretrain", "--study", "{}", "--models", "[multiclass-better-47000x14-256]", apart=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "multiclass-better-47000x14-256 comes with the package" in done.stdout
    assert "0 networks to pretrain" in done.stdout
    model = tmp_path / "runs" / "ho" / "pretrained" / "multiclass-better-47000x14-256" / "model"
    assert (model / "model.safetensors").is_file()

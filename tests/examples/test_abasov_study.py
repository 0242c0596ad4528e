"""The whole study of Abasov et al. at a size that takes a minute, and what its tables hold."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from pyg_hep.simulation.samples import ABASOV_GROUPS, ABASOV_NEW_PHYSICS
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

STUDY = {
    "variants": ["16-1h", "20-5h"], "compared": ["16-1h"], "truth_variant": "16-1h",
    "pretraining_epochs": 1, "pretraining_batch": 64,
    "sizes": [
        {"events": 20, "seeds": 2, "epochs": 1, "batch": 64, "rate": 1e-3},
        {"events": 0, "seeds": 1, "epochs": 1, "batch": 32, "rate": 1e-3},
    ],
    "patience": 2, "augment": True, "trainings": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def call(study_of):
    return study_of("abasov", STUDY)


def write(path: Path, events: int, seed: int, tops: int) -> None:
    """Random events with so many generated top quarks, each with its W boson, and missing momentum to match."""
    branches = random_nanoaod(events, seed=seed)
    quality = {"Electron": ("cutBased", 4), "Muon": ("pfRelIso04_all", 0.05)}
    for name, (column, value) in quality.items():
        branches[name] = ak.with_field(branches[name], ak.full_like(branches[name].pt, value), column)
    branches["MET_pt"] = branches["MET_pt"] * (1 + tops)
    rng = np.random.default_rng(seed)
    counts = np.full(events, 2 * tops)
    mother = np.tile(np.concatenate([np.full(tops, -1), np.arange(tops)]), events).astype(np.int32)
    number = np.tile([6, -6, 6, -6][:tops] + [24, -24, 24, -24][:tops], events).astype(np.int32)
    momenta = {k: rng.exponential(80, 2 * tops * events).astype(np.float32) for k in ("pt", "eta", "phi", "mass")}
    momenta |= {"eta": rng.normal(size=2 * tops * events).astype(np.float32)}
    momenta |= {"phi": rng.uniform(-3, 3, 2 * tops * events).astype(np.float32)}
    columns = {**momenta, "pdgId": number, "genPartIdxMother": mother}
    branches["GenPart"] = ak.zip({k: ak.unflatten(v, counts) for k, v in columns.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nanoaod(path, branches)


@pytest.fixture(scope="module")
def study(tmp_path_factory, call) -> Path:
    folder = tmp_path_factory.mktemp("abasov")
    samples = folder / "runs" / "abasov" / "samples"
    files = [("groups", p, tops) for tops, group in ABASOV_GROUPS.items() for p in group]
    files += [("new_physics", p, 1) for p in ABASOV_NEW_PHYSICS]
    for seed, (part, name, tops) in enumerate(files):
        write(samples / part / f"{name}.root", 120, seed, tops)
    return call.finish(folder)


def test_every_table_is_complete(study: Path):
    report = json.loads((study / "abasov.json").read_text())
    assert len(report["level2"]) == 2
    trees = {"trees/objects", "trees", "trees/charges"}
    compared = trees | {"scratch/16-1h", "pretrained/16-1h", "pretrained_truth/16-1h"}
    few, all_events = report["level2"].values()
    ways = {f"pretrained/16-1h-{way}" for way in ("probe", "stacked", "mean", "all")} | {"trees/mean"}
    assert set(few) == compared | ways
    assert set(all_events) == compared - {"pretrained_truth/16-1h"} | {"scratch/20-5h", "pretrained/20-5h"}
    for rows, seeds in ((few, 2), (all_events, 1)):
        for method, row in rows.items():
            assert row["auc_error"] is None if seeds == 1 else 0 < row["auc_error"] < 0.3
            assert ("gain" in row) == (method.startswith("pretrained") or method in ways)
            for name in ("over_trees_of_objects", "over_trees"):
                assert (name in row) == (not method.startswith("trees"))
    assert set(report["level1"]) == {"masked-16-1hx1-64", "masked-20-5hx1-64", "truth-16-1hx1-64"}
    truth = report["level1"]["truth-16-1hx1-64"]
    assert {
        f"{place} {name}" for place in ("leading", "second") for name in ("jet", "lepton", "W boson", "top quark")
    } == set(truth)
    assert set(truth["leading top quark"]) == {"pt", "eta", "phi", "px", "py", "pz", "energy"}
    assert "leading top quark" not in report["level1"]["masked-16-1hx1-64"]
    assert len(report["best"]["auc_per_class"]) == 5
    assert report["entropy"]["events"] == [120, 120]
    assert report["entropy"]["auc_error"] > 0


def test_summary_has_the_fixed_key_with_value_error_and_published_figure(study: Path):
    summary = json.loads((study / "abasov.json").read_text())["summary"]
    assert {"value", "error", "published"} <= set(summary["mean_ovr_auc"])
    assert summary["mean_ovr_auc"]["method"].startswith("pretrained")
    assert summary["mean_ovr_auc"]["published"] in (0.9128, 0.9121)
    assert summary["mean_ovr_auc"]["error"] is None  # one seed
    assert summary["entropy_auc"]["error"] > 0


def test_output_leaves_plots_and_the_record_of_the_run(study: Path):
    names = {path.name for path in (study / "runs" / "abasov").iterdir()}
    plots = {"level1_loss.png", "level1_truth-16-1hx1-64.png", "level2_auc.png", "level2_confusion.png", "entropy.png"}
    assert plots | {"view_level2.png", "results.json", "config.yaml"} <= names


def test_a_finished_study_does_nothing_again(call, study: Path):
    done = call(study, "--stage", "finetune")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "0 trainings to do" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "nowhere", "--output", "x"], "simulate.py --preset abasov makes it"),
        (["--study", '{"variants": ["16-1"]}'], "did you mean '16-1h'"),
    ],
)
def test_bad_options_end_with_one_sentence(call, study: Path, tmp_path: Path, arguments: list[str], message: str):
    done = call(study, "--records", str(tmp_path / "runs.jsonl"), *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr

"""The whole study of Bumblebee at a size that takes a minute, and what its tables hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyg_hep.studies.bumblebee.recipes import TABLES
from pyg_hep.testing.dilepton import write_dilepton_nanoaod

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "bumblebee_study.py"
SIZE = {"epochs": 1, "batch": 64, "rate": 1e-3}
STUDY = {
    "width": 16, "layers": 1, "heads": 2, "copies": 2, "ceilings": ["truth"], "tasks": ["toponium"],
    "recipes": ["supervised", "masked", "masked_flow"], "tuned": ["supervised"], "trials": [{}, {"dropout": 0.1}],
    "sizes": [{"events": 200, "seeds": 1, **SIZE}], "finetuning": [{"events": 200, "seeds": 1, **SIZE}],
    "ablation": [{"events": 200, "seeds": 1, **SIZE}],
}  # fmt: skip


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    options = ["--records", "records/runs.jsonl", "--summary", "bumblebee.json", "--study", json.dumps(STUDY)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options, *arguments],
        capture_output=True, text=True, cwd=folder, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bumblebee")
    events = folder / "runs" / "bumblebee" / "samples" / "events"
    events.mkdir(parents=True)
    for seed, (name, number) in enumerate({"ttbar": 2000, "toponium": 300}.items()):
        write_dilepton_nanoaod(events / f"{name}.root", number, seed)
    done = call(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "stdout").write_text(done.stdout)
    return folder


def test_every_table_is_complete(study: Path):
    report = json.loads((study / "bumblebee.json").read_text())
    (tops,) = report["tops"].values()
    classical = {"ellipse", "smeared_ellipse", "neutrino_weighting", "visible_mass", "constant", "trees"}
    assert set(tops) == classical | set(STUDY["recipes"])
    assert tops["constant"]["corrected_width"] is None
    assert tops["constant"]["slope"] == 0
    assert tops["ellipse"]["fallback"] > 0 == tops["visible_mass"]["fallback"]
    assert all(row["rms"] > 0 and row["rms_error"] > 0 for row in tops.values())
    assert set(report["ablation"]) == set(TABLES)
    (rows,) = report["toponium"].values()
    ceilings = {"trees/m_ttbar truth", "trees/m_ttbar+c_hel+c_han truth"}
    assert set(rows) == ceilings | {"trees", "trees/objects", "dense", "supervised", "finetuned", "finetuned/full rate"}
    (best,) = (name for name, row in rows.items() if row["best"])
    assert best.startswith("finetuned")
    assert rows["trees"]["finetuned_over"]["auc"] == pytest.approx(rows[best]["auc"] - rows["trees"]["auc"])
    assert report["summary"]["toponium_auc"]["published"] == 0.877
    assert {"toponium_auc", "mtt_width/masked", "mtt_rms/trees"} < set(report["summary"])


def test_figures_are_written(study: Path):
    for name in ("figure2c", "figure3", "roc_toponium"):
        assert (study / "runs" / "bumblebee" / f"{name}.png").stat().st_size > 10_000


def test_what_is_finished_is_not_done_again(study: Path):
    lines = (study / "records" / "runs.jsonl").read_text()
    done = call(study, "--stage", "all")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("0 trainings to do") == 3
    assert (study / "records" / "runs.jsonl").read_text() == lines

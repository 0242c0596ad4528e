"""The whole study of Bumblebee at a size that takes a minute, and what its tables hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyg_hep.studies.bumblebee.recipes import TABLES
from pyg_hep.testing.dilepton import write_dilepton_nanoaod

SIZE = {"epochs": 1, "batch": 64, "rate": 1e-3}
STUDY = {
    "width": 16, "layers": 1, "heads": 2, "copies": 2, "ceilings": ["truth"], "tasks": ["toponium"],
    "recipes": ["supervised", "masked", "masked_flow"], "tuned": ["supervised"], "trials": [{}, {"dropout": 0.1}],
    "sizes": [{"events": 200, "seeds": 1, **SIZE}], "finetuning": [{"events": 200, "seeds": 1, **SIZE}],
    "ablation": [{"events": 200, "seeds": 1, **SIZE}],
}  # fmt: skip


@pytest.fixture(scope="module")
def call(study_of):
    return study_of("bumblebee", STUDY)


@pytest.fixture(scope="module")
def study(tmp_path_factory, call) -> Path:
    folder = tmp_path_factory.mktemp("bumblebee")
    events = folder / "runs" / "bumblebee" / "samples" / "events"
    events.mkdir(parents=True)
    for seed, (name, number) in enumerate({"ttbar": 2000, "toponium": 300}.items()):
        write_dilepton_nanoaod(events / f"{name}.root", number, seed)
    return call.finish(folder)


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


def test_what_is_finished_is_not_done_again(call, study: Path):
    lines = (study / "records" / "runs.jsonl").read_text()
    for stage in ("tops", "ablation", "finetune"):
        done = call(study, "--stage", stage)
        assert done.returncode == 0, done.stderr[-3000:]
        assert "0 trainings to do" in done.stdout
    assert (study / "records" / "runs.jsonl").read_text() == lines


def test_a_report_on_all_records_is_that_of_their_plan_and_refuses_those_of_two_codes(call, study: Path):
    path = study / "records" / "runs.jsonl"
    expected = json.loads((study / "bumblebee.json").read_text())
    done = call(study, "--stage", "recorded", "--summary", "recorded.json")
    assert done.returncode == 0, done.stderr[-3000:]
    made = json.loads((study / "recorded.json").read_text())
    assert made["summary"] == expected["summary"]
    assert made["runs"] == expected["runs"]
    lines = path.read_text().splitlines()
    record = next(r for r in map(json.loads, lines) if (r["task"], r["method"]) == ("tops", "masked"))
    record |= {"seed": 2, "code": "other", "key": "other"}
    (study / "mixed.jsonl").write_text("\n".join([*lines, json.dumps(record)]) + "\n")
    done = call(study, "--stage", "recorded", "--records", "mixed.jsonl")
    assert done.returncode == 1
    assert "tops masked by different code" in done.stderr

"""The whole study of OmniLearn at a size that takes seconds, and what its tables hold."""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from pathlib import Path

import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.simulation.boosted.processes import CLASSES
from pyg_hep.testing.formats import write_jetclass

pytest.importorskip("fastjet")
pytest.importorskip("torchdiffeq")

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "omnilearn_study.py"
STUDY = {
    "network": {"hidden_channels": 8, "num_layers": 1, "heads": 4, "neighbours": 2, "local_layers": 1},
    "transformer": {"hidden_channels": 8, "num_layers": 1, "heads": 2},
    "particles": 40, "jets": 150, "epochs": 1, "batch_size": 64, "ema": 0.5, "trials": [],
    "sizes": [{"events": events, "seeds": 1, "epochs": 1, "batch": 32} for events in (20, 40)],
    "generated": 30, "calls": [2, 4], "jet_steps": 5, "two_sample_epochs": 1,
}  # fmt: skip
BOTH = {"scratch", "finetuned", "finetuned/log_pt", "finetuned/masked", "finetuned/top_fast"}


def main(folder: Path, *arguments: str) -> None:
    """The script's own, in this process."""
    spec = importlib.util.spec_from_file_location("omnilearn_study", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    options = ["--records", "records/runs.jsonl", "--summary", "omnilearn.json", "--workers", "1"]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of packages, as in a script
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["omnilearn_study.py", *options, "--study", json.dumps(STUDY), *arguments])
        script.main()


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("omnilearn")
    samples = folder / "runs" / "omnilearn" / "samples"
    for part in ("pretraining", "top_tagging/fast", "top_tagging/full"):
        (samples / part).mkdir(parents=True)
    # Every file has jets of all classes; a fifth of them are tops or QCD.
    for seed, name in enumerate(CLASSES):
        write_jetclass(samples / "pretraining" / f"{name}.root", 30, seed)
    for seed, detector in enumerate(("fast", "full"), start=20):
        for name in ("QCD", "top"):
            write_jetclass(samples / "top_tagging" / detector / f"{name}.root", 400, 2 * seed + (name == "top"))
    main(folder)
    return folder


def test_every_row_of_table_1_is_there(study: Path):
    report = json.loads((study / "omnilearn.json").read_text())
    assert {record["kind"] for record in report["pretraining"]} == {
        "joint", "joint_flow", "joint_log_pt", "masked", "joint_short", "top_fast",
    }  # fmt: skip
    few, every = report["table1"]["10 %"], report["table1"]["100 %"]
    assert set(few) == BOTH | {"no_finetuning", "no_finetuning/top_fast"}
    assert set(every) == BOTH | {
        "trees", "dense/substructure", "dense/constituents", "efn", "pfn", "particle_net", "particle_net/lite",
        "event_transformer",
    }  # fmt: skip
    for row in (*few.values(), *every.values()):
        for name in ("auc", "accuracy", "rejection_50", "rejection_80"):
            assert row[name] > 0
            assert row[f"{name}_unweighted"] > 0
            assert row[f"{name}_error"] is not None
    assert every["particle_net"]["published"]["auc"] == 0.961
    assert every["trees"]["published"] is None
    assert few["finetuned"]["gain"]["auc"] == pytest.approx(few["finetuned"]["auc"] - few["scratch"]["auc"])
    claims = report["claims"]["finetuned_10percent_over_particle_net_100percent"]
    assert claims["auc"] == pytest.approx(few["finetuned"]["auc"] - every["particle_net"]["auc"])


def test_jets_are_made_by_both_generators_and_judged(study: Path):
    rows = json.loads((study / "omnilearn.json").read_text())["generation"]
    long = ("velocity", "flow", "velocity, ln pT")
    expected = [(generator, calls, "made") for generator in long for calls in (2, 4)]
    expected += [("velocity, short", 4, "made"), *((generator, 4, "true") for generator in long)]
    assert [(r["generator"], r["calls"], r["columns"]) for r in rows] == expected
    for row in rows:
        assert {"pt", "mass", "multiplicity", "tau21"} < set(row["distances"])
        assert all(d["floor"] > 0 and d["error"] > 0 for d in row["distances"].values())
        assert 0 <= row["two_sample"]["auc"] <= 1
        assert row["jets"] == row["two_sample"]["jets"] >= 10
        assert row["jets_per_s"] > 0


def test_summary_has_the_figures_that_others_read(study: Path):
    summary = json.loads((study / "omnilearn.json").read_text())["summary"]
    assert set(summary) == {"top_auc_10percent_finetuned", "top_auc_100percent_scratch", "two_sample_auc"}
    assert all({"value", "error", "published", "jets"} <= set(row) for row in summary.values())


def test_figures_are_written(study: Path):
    for name in ("pretraining", "table1", "generation_calls", "generation"):
        assert (study / "runs" / "omnilearn" / f"{name}.png").stat().st_size > 10_000


def test_what_is_finished_is_not_done_again(study: Path, capsys):
    lines = {path.name: path.read_text() for path in (study / "records").glob("*.jsonl")}
    assert set(lines) == {"runs.jsonl", "generation.jsonl", "pretraining.jsonl"}
    main(study)
    printed = capsys.readouterr().out
    for words in ("0 networks to pretrain", "0 samples of jets to make", "0 trainings to do", "Table I"):
        assert words in printed
    assert {path.name: path.read_text() for path in (study / "records").glob("*.jsonl")} == lines


def test_a_part_of_the_study_trains_only_that(study: Path, capsys):
    part = STUDY | {
        "kinds": [],
        "rows": ["scratch", "pfn"],
        "sizes": [{**size, "seeds": [2]} for size in STUDY["sizes"]],
    }
    main(study, "--study", json.dumps(part), "--stage", "top_tagging", "--records", "part/runs.jsonl")
    assert "3 trainings to do" in capsys.readouterr().out
    records = [json.loads(line) for line in (study / "part" / "runs.jsonl").read_text().splitlines()]
    assert sorted((r["method"], r["size"], r["seed"]) for r in records) == [
        ("pfn", 40, 2), ("scratch", 20, 2), ("scratch", 40, 2),
    ]  # fmt: skip


def test_the_report_of_all_records_needs_no_jets(study: Path):
    main(study, "--stage", "recorded", "--samples", "nowhere", "--summary", "recorded.json", "--output", "recorded")
    made, before = (json.loads((study / name).read_text()) for name in ("recorded.json", "omnilearn.json"))
    for part in ("table1", "claims", "generation", "summary", "pretraining"):
        assert made[part] == before[part]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", '{"calls": [3]}'], "calls are even numbers"),
        (["--study", '{"sizes": []}'], "sizes are two, the smaller first"),
        (["--study", '{"tagging": {"learning_rat": 1}}'], "did you mean 'learning_rate'"),
        (["--study", '{"trials": [{"rates": 1}]}'], "did you mean 'rate'"),
        (["--study", '{"kinds": ["joints"]}'], "did you mean 'joint'"),
        (["--study", '{"kinds": [], "rows": ["scratches"]}', "--stage", "report"], "did you mean 'scratch'"),
        (["--samples", "nowhere", "--output", "x"], "simulate.py --preset omnilearn makes it"),
    ],
)
def test_bad_options_end_with_one_sentence(study: Path, arguments: list[str], message: str):
    with pytest.raises(ConfigError, match=message):
        main(study, *arguments)

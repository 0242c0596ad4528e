"""The whole study of Kishimoto et al. at a size that takes a minute, and what its tables hold."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.simulation.samples import KISHIMOTO_COLLISIONS, KISHIMOTO_TASKS
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

STUDY = {
    "network": {"hidden_channels": 16, "num_layers": 1, "heads": 2, "feed_forward": 16},
    "unlabelled": [{"events": 100, "epochs": 1}, {"events": 200, "epochs": 1}], "batch_size": 32,
    "sizes": [{"events": events, "seeds": 2, "epochs": 1, "batch": 32} for events in (20, 30)], "gain_events": 30,
    "pretraining_dropout": 0.0, "reset_layers": 1, "augment_tasks": True,
    "tuned": {"optimiser": "adamw", "learning_rate": 1e-3}, "trainings": 2,
}  # fmt: skip
QUALITY = {
    "Electron": {"cutBased": 4},
    "Muon": {"looseId": True, "pfRelIso04_all": 0.05},
    "Tau": {"idDeepTau2018v2p5VSjet": 6},
    "Jet": {"jetId": 6},
}
CROSS_SECTION = {"ttbar": 500.0, "singletop_t": 100.0, "Wjet": 300.0, "Zjet": 20.0}


@pytest.fixture(scope="module")
def call(study_of):
    return study_of("kishimoto", STUDY)


def write(path: Path, events: int, seed: int) -> None:
    """Random events whose objects are of the quality that the card asks for, with the generator's cross section."""
    branches = random_nanoaod(events, seed=seed)
    for name, columns in QUALITY.items():
        for column, value in columns.items():
            branches[name] = ak.with_field(branches[name], ak.full_like(branches[name].pt, value), column)
        if name == "Muon":
            branches[name] = ak.with_field(branches[name], branches[name].pt > 0, "looseId")
    branches["MET_pt"] = branches["MET_pt"] * (1 + sum(map(ord, path.stem)) % 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nanoaod(path, branches)
    with uproot.update(path) as file:
        section = CROSS_SECTION.get(path.stem, 1.0)
        file["Runs"] = {"genCrossSection": np.array([section]), "genEventCount": np.array([events])}


@pytest.fixture(scope="module")
def study(tmp_path_factory, call) -> Path:
    folder = tmp_path_factory.mktemp("kishimoto")
    samples = folder / "runs" / "kishimoto" / "samples"
    files = [("pretraining", p, 900) for p in KISHIMOTO_COLLISIONS]
    signals = dict.fromkeys(signal for signal, _ in KISHIMOTO_TASKS.values())
    files += [(part, p, 1500) for part in ("finetuning", "test") for p in ("ttbar", *signals)]
    for seed, (part, name, events) in enumerate(files):
        write(samples / part / f"{name}.root", events, seed)
    return call.finish(folder)


def test_every_figure_is_complete(study: Path):
    report = json.loads((study / "kishimoto.json").read_text())
    basic = {"scratch", "pretrained/200", "trees"}
    for task in KISHIMOTO_TASKS:
        rows = report["figure4"][task]
        assert set(rows["40"]) == basic
        assert set(rows["60"]) == basic | {
            "pretrained/100", "pretrained/100-no_augmentation", "pretrained/200-no_augmentation", "masked_kinds/200",
            "scratch/tuned", "pretrained/200-tuned", "trees/mean",
            *(f"pretrained/200-{way}" for way in ("probe", "stacked", "mean", "all")),
        }  # fmt: skip
        assert rows["60"]["pretrained/200-tuned"]["baseline"] == "scratch/tuned"
        for size in ("40", "60"):
            for method in basic - {"scratch"}:
                assert rows[size][method]["gain"]["pairs"] == 2
                assert 0 < rows[size][method]["gain"]["auc_error"] < 0.5
        for name in ("with augmentation", "without augmentation"):
            assert set(report["figure5"][task][name]) == {"100", "200"}
    assert set(report["figure3"]) == {
        f"replaced_object-{size}x1-32-adamw{ending}" for size in (100, 200) for ending in ("", "-no_augmentation")
    }


def test_summary_has_four_gains_with_value_error_and_published_figure(study: Path):
    summary = json.loads((study / "kishimoto.json").read_text())["summary"]
    assert set(summary) == {f"auc_gain/{task}" for task in KISHIMOTO_TASKS}
    for row in summary.values():
        assert {"value", "error", "published"} <= set(row)
        assert row["size"] == 60
        assert row["error"] > 0


def test_the_mixture_follows_cross_section_times_selected_fraction(study: Path):
    lines = (study / "records" / "pretraining.jsonl").read_text().splitlines()
    mixture = json.loads(lines[0])["mixture"]
    assert set(mixture) == set(KISHIMOTO_COLLISIONS)
    for process, row in mixture.items():
        assert row["generated"] == 900
        assert row["pb"] == pytest.approx(CROSS_SECTION[process] * row["selected"] / 900)
    assert sum(row["share"] for row in mixture.values()) == pytest.approx(1.0)
    # Files of this test are alike: about as many events of each are selected.
    assert mixture["ttbar"]["share"] == pytest.approx(500 / 920, abs=0.06)


def test_output_leaves_plots_and_the_record_of_the_run(study: Path):
    text = (study / "stdout").read_text()
    for words in ("Figure 3", "Figure 4", "Figure 5", "trees", "The paper:"):
        assert words in text
    names = {path.name for path in (study / "runs" / "kishimoto").iterdir()}
    plots = {f"figure{k}_{task}.png" for k in (4, 5) for task in KISHIMOTO_TASKS}
    assert plots | {"figure3_100.png", "figure3_200.png", "results.json", "config.yaml"} <= names


def test_a_finished_study_does_nothing_again(call, study: Path):
    before = (study / "records" / "runs.jsonl").read_text()
    for stage, message in (("pretrain", "0 networks to pretrain"), ("finetune", "0 trainings to do")):
        done = call(study, "--stage", stage)
        assert done.returncode == 0, done.stderr[-2000:]
        assert message in done.stdout
    assert (study / "records" / "runs.jsonl").read_text() == before


def test_own_collisions_take_the_place_of_the_mixture(call, study: Path):
    own = study / "runs" / "kishimoto" / "samples" / "pretraining" / "ttbar.root"
    study_of_one = {**STUDY, "unlabelled": [{"events": 100, "epochs": 1}], "objectives": []}
    done = call(
        study, "--stage", "pretrain", "--output", "own", "--records", "own/runs.jsonl", "--collisions", f"[{own}]",
        "--study", json.dumps(study_of_one),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2 networks to pretrain" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "pretrain", "--samples", "nowhere", "--output", "x"], "simulate.py --preset kishimoto makes it"),
        (["--study", '{"gain_events": 7}'], "gain_events=7 is none of the sizes [500, 1500, 5000]"),
        (["--study", '{"unlabelled": [{"events": 100}]}'], "an entry of unlabelled lacks 'epochs'"),
        (["--study", '{"pretraining": {"learning_rat": 1e-3}}'], "did you mean 'learning_rate'"),
        (["--study", '{"objectives": ["masked_kind"]}'], "did you mean 'masked_kinds'"),
        (["--stage", "finetune", "--output", "elsewhere"], "no pretrained network in"),
    ],
)
def test_bad_options_end_with_one_sentence(call, study: Path, tmp_path: Path, arguments: list[str], message: str):
    done = call(study, "--records", str(tmp_path / "runs.jsonl"), *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr

"""Tables and plots of the study of OmniLearn, made from its records, beside the published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.evaluation import plots
from pyg_hep.studies.omnilearn.figures import TABLE_I
from pyg_hep.studies.omnilearn.generation import COMPARED, MADE, NAMES, Generation
from pyg_hep.studies.omnilearn.recipes import Study
from pyg_hep.studies.pretraining import losses
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import compare, gain, resampled_errors, with_error

SHARES = ("10 %", "100 %")

# arXiv:2404.16091, table I: ATLAS top tagging, not weighted, 4 and 40 million jets. AUC, accuracy, rejection at 50 and
# 80 %.
PUBLISHED: dict[tuple[str, str], tuple[float, float, float, float]] = {
    ("efn", "100 %"): (0.901, 0.819, 26.6, 6.12),
    ("dense/substructure", "100 %"): (0.938, 0.863, 51.5, 10.5),
    ("dense/constituents", "100 %"): (0.942, 0.868, 67.7, 12.0),
    ("pfn", "100 %"): (0.954, 0.882, 108.0, 15.9),
    ("particle_net", "100 %"): (0.961, 0.894, 153.7, 20.4),
    ("scratch", "10 %"): (0.959, 0.890, 146.5, 19.4),
    ("finetuned", "10 %"): (0.961, 0.894, 172.1, 20.8),
    ("scratch", "100 %"): (0.964, 0.898, 201.4, 23.6),
    ("finetuned", "100 %"): (0.965, 0.899, 207.3, 24.1),
}
TITLES = {
    "trees": "boosted trees, substructure", "dense/substructure": "dense network, substructure (hlDNN)",
    "dense/constituents": "dense network, constituents (DNN)", "efn": "energy-flow network",
    "pfn": "particle-flow network", "particle_net": "ParticleNet", "particle_net/lite": "ParticleNet-Lite",
    "event_transformer": "transformer with pair bias", "scratch": "PET from scratch",
    "finetuned": "PET, jointly pretrained", "finetuned/log_pt": "PET, jointly pretrained, noise on ln pT",
    "finetuned/masked": "PET, classes and masked particles",
    "finetuned/top_fast": "PET, tops of the fast simulation", "no_finetuning": "as pretrained, Tbqq against QCD",
    "no_finetuning/top_fast": "tops of the fast simulation, as trained",
}  # fmt: skip
"""Rows of table I."""
CURVES = ("scratch", "finetuned", "finetuned/log_pt", "finetuned/masked", "finetuned/top_fast")
_LABELS = {
    "pt": "jet $p_T$ [GeV]", "mass": "jet mass [GeV]", "multiplicity": "particles", "tau21": r"$\tau_{21}$",
    "e2": "$e_2$", "d2": "$\\ln(1 + D_2)$",
}  # fmt: skip


def make(
    study: Study,
    tagging: Records,
    generated: Records,
    pretrained: Sequence[Mapping[str, Any]],
    jobs: Sequence[Generation],
    output: Path,
) -> dict[str, Any]:
    """Print every table, write the plots, and return all figures with their errors."""
    report: dict[str, Any] = {"pretraining": list(pretrained), "runs": len(tagging)}
    if pretrained:
        plots.plot_losses({record["kind"]: losses(record) for record in pretrained}, output / "pretraining.png")
    report["table1"] = table1(study, tagging, output)
    report["claims"] = claims(study, tagging)
    report["generation"] = generation(generated, jobs, output)
    report["summary"] = summary(study, report["table1"], report["generation"])
    return report


def table1(study: Study, records: Records, output: Path) -> dict[str, Any]:
    """Table I, twice: with the weights that make the pT spectra agree, and without, as published.

    Errors are of trainings and of resampled test jets, of a single training of the latter alone.

    Returns:
        Share of the jets -> label -> figures with errors, ``published``, and the gain over a network from scratch.
    """
    table: dict[str, Any] = {}
    for share, size in zip(SHARES, study.sizes, strict=True):
        mine = records.select(task="top_tagging", size=size.events)
        rows = compare(mine)
        of_test_jets = resampled_errors(mine)
        for label, row in rows.items():
            if row["runs"] == 1:
                row |= of_test_jets[label]
            row["jets"] = 2 * size.events
            row["published"] = dict(zip(TABLE_I, PUBLISHED.get((label, share), ()), strict=False)) or None
        table[share] = {label: rows[label] for label in TITLES if label in rows}
    for ending, what in (("", "jets weighted to one pT spectrum"), ("_unweighted", "all jets the same, as published")):
        print(f"\nTable I, {what}: AUC, accuracy, 1/background efficiency at 50 and 80 % [published]")
        for rows in table.values():
            for label, row in rows.items():
                cells = [_cell(row, f"{name}{ending}") for name in TABLE_I]
                published = " ".join(f"{value:g}" for value in (row["published"] or {}).values())
                trained = "0" if label.startswith("no_finetuning") else f"{row['jets']:,d}"
                print(
                    f"{TITLES[label]:42s}{trained:>9s}" + "".join(f"{cell:>20s}" for cell in cells), f" [{published}]"
                )
    curves = {
        TITLES[label]: {row["jets"]: (row["auc"], row["auc_error"]) for row in _rows(table, label)} for label in CURVES
    }
    reference = [row["auc"] for row in _rows(table, "particle_net")]
    if any(curves.values()):
        plots.plot_curves(
            {name: points for name, points in curves.items() if points}, output / "table1.png", "AUC, top tagging",
            horizontal="jets to train on", reference=reference[0] if reference else None,
        )  # fmt: skip
    return table


def _rows(table: Mapping[str, Any], label: str) -> list[dict[str, Any]]:
    return [rows[label] for rows in table.values() if label in rows]


def _cell(row: Mapping[str, Any], name: str) -> str:
    digits = 1 if name.startswith("rejection") else 4
    return with_error(row[name], row[f"{name}_error"], digits)


def claims(study: Study, records: Records) -> dict[str, Any]:
    """What pretraining gains with a tenth of the jets over none, and over ParticleNet with all, paired by test jet."""
    few, all_of_them = (records.select(task="top_tagging", size=size.events) for size in study.sizes)
    mine = [r for r in few if (r["method"], r["variant"]) == ("finetuned", "")]
    others = {
        "finetuned_10percent_over_scratch_10percent": [r for r in few if r["method"] == "scratch"],
        "finetuned_10percent_over_particle_net_100percent": [
            r for r in all_of_them if (r["method"], r["variant"]) == ("particle_net", "")
        ],
    }
    found = {name: gain(mine, baseline) for name, baseline in others.items() if mine and baseline}
    if found:
        print("\nFine-tuned on 10 % of the jets, difference in AUC")
    for name, row in found.items():
        print(f"{name.partition('over_')[2]:32s}{with_error(row['auc'], row['auc_error'], 4, sign=True)}")
    return found


def generation(records: Records, jobs: Sequence[Generation], output: Path) -> list[dict[str, Any]]:
    """Distances over their floors, two-sample AUC and rate of every generator, and plots."""
    rows = [dict(record) for record in records.records]
    if not rows:
        return rows
    names = list(rows[0]["distances"])
    print("\nGenerated jets: W1 (efps: Frechet distance) over that of true from true jets; two-sample AUC (floor)")
    print(f"{'':28s}{'jets/s':>9s}" + "".join(f"{name:>14s}" for name in names) + f"{'AUC':>18s}{'floor':>18s}")
    for row in rows:
        cells = [_over_floor(row["distances"][name]) for name in names]
        auc, floor = (
            with_error(row["two_sample"][name], row["two_sample"][error], 3)
            for name, error in (("auc", "error"), ("floor", "floor_error"))
        )
        name = f"{row['generator']}, {row['calls']} calls, {row['columns']} jets"
        print(f"{name:28s}{row['jets_per_s']:9.1f}" + "".join(f"{c:>14s}" for c in cells) + f"{auc:>18s}{floor:>18s}")
    if "efps" not in names:
        print("Frechet distances on energy-flow polynomials were not measured: the package energyflow is not there")
    curves = {
        name: {
            row["calls"]: (row["two_sample"]["auc"], row["two_sample"]["error"])
            for row in rows
            if (row["generator"], row["columns"]) == (name, MADE)
        }
        for name in NAMES.values()
    }
    drawn = {name: points for name, points in curves.items() if points}
    plots.plot_curves(
        drawn, output / "generation_calls.png", "two-sample AUC", horizontal="calls of the network", reference=0.5
    )  # fmt: skip
    most = max((job.calls for job in jobs), default=0)
    _histograms([job for job in jobs if job.columns == MADE and job.calls == most], output)
    return rows


def _over_floor(distance: Mapping[str, float]) -> str:
    floor = distance["floor"]
    return with_error(distance["value"] / floor, distance["error"] / floor, 1) if floor else "no floor"


def _histograms(jobs: Sequence[Generation], output: Path) -> None:
    """Observables of made jets beside those of true ones, as far as the samples are in the output folder."""
    samples: dict[str, np.ndarray] = {}
    for job in jobs:
        if job.file.is_file():
            with np.load(job.file, allow_pickle=False) as arrays:
                samples |= {"true jets": arrays["true"], f"{NAMES[job.kind]}, {job.calls} calls": arrays["made"]}
    if not samples:
        print(f"no samples of jets in {output}: histograms are not drawn (--stage generate without records makes them)")
        return
    columns = {
        _LABELS[name]: {key: table[:, k] for key, table in samples.items()} for k, name in enumerate(COMPARED)
    }  # fmt: skip
    plots.compare_histograms(columns, output / "generation.png", ratio="made / true")


def summary(study: Study, table: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures that others read: without weights, as published; of the generators the better at most calls.

    ``published`` is of ATLAS's jets, of which 100 % are 40 million.
    """
    found: dict[str, Any] = {}
    for key, share, label in (
        ("top_auc_10percent_finetuned", "10 %", "finetuned"),
        ("top_auc_100percent_scratch", "100 %", "scratch"),
    ):
        row = table.get(share, {}).get(label)
        if row:
            found[key] = {
                "value": row["auc_unweighted"], "error": row["auc_unweighted_error"],
                "published": PUBLISHED[label, share][0], "runs": row["runs"], "jets": row["jets"],
            }  # fmt: skip
    most = [row for row in rows if row["columns"] == MADE and row["calls"] == max(study.calls)]
    if most:
        best = min(most, key=lambda row: abs(row["two_sample"]["auc"] - 0.5))
        found["two_sample_auc"] = {
            "value": best["two_sample"]["auc"], "error": best["two_sample"]["error"], "published": None,
            "floor": best["two_sample"]["floor"], "jets": best["two_sample"]["jets"], "calls": best["calls"],
            "generator": best["generator"],
        }  # fmt: skip
    return found

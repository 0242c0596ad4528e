"""Tables and plots of the study of Kishimoto et al., made from its records, beside the published findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyg_hep.evaluation import plots
from pyg_hep.simulation.samples import KISHIMOTO_TASKS
from pyg_hep.studies.earlier import against_earlier, print_earlier, read_earlier
from pyg_hep.studies.kishimoto.recipes import Study, label_then
from pyg_hep.studies.pretraining import losses
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import compare, gain, with_error

TITLES = {
    "Hplus_tb": r"H+ to tb", "Hplus_HW": r"H+ to HW", "ttH_single_lepton": "ttH, 1 lepton",
    "ttH_dilepton": "ttH, 2 leptons",
}  # fmt: skip
LARGEST_QUOTED = 30_000
"""Training events up to which the paper's gain is quoted."""
# The paper prints its figures 4 and 5 without numbers: there are none to put beside ours.
FINDINGS = (
    "The paper: pretraining raises the AUC of all four tasks; more unlabelled events raise the gain; augmentation "
    "raises it on average, within one standard deviation of ten runs."
)


def make(
    study: Study, records: Records, pretrained: Sequence[Mapping[str, Any]], output: Path, earlier: Path
) -> dict[str, Any]:
    """Print every figure of the paper as a table, write the plots, and return all figures with their errors."""
    largest = f"pretrained/{study.unlabelled[-1].events}"
    report: dict[str, Any] = {"pretraining": list(pretrained), "runs": len(records)}
    report["figure3"] = figure3(study, pretrained, output)
    report["figure4"] = figure4(study, records, largest, output)
    report["figure5"] = figure5(study, records, output)
    report["summary"] = summary(report["figure4"], largest)
    print(f"\n{FINDINGS}")
    report["earlier"] = against_earlier(records.records, read_earlier(earlier / "runs.jsonl", label_then))
    print_earlier(report["earlier"], earlier)
    return report


def summary(figure4: Mapping[str, Any], largest: str) -> dict[str, Any]:
    """Gain of the largest pretraining at the largest size that the paper quotes.

    ``error`` is the standard deviation of the gain over the runs, as in the paper; None of one run.
    """
    rows = {}
    for task, of_size in figure4.items():
        sizes = [size for size, row in of_size.items() if size <= LARGEST_QUOTED and "gain" in row.get(largest, {})]
        if sizes:
            row = of_size[max(sizes)][largest]["gain"]
            rows[f"auc_gain/{task}"] = {
                "value": row["auc"], "error": row["auc_std"], "error_of_mean": row["auc_error"], "runs": row["pairs"],
                "size": max(sizes), "published": None,
            }  # fmt: skip
    return rows


def figure3(study: Study, pretrained: Sequence[Mapping[str, Any]], output: Path) -> dict[str, Any]:
    """Losses of the smallest and the largest pretraining, with and without augmentation, by epoch."""
    result = {}
    print("\nFigure 3, last losses of the pretraining: training, validation")
    for events in (study.unlabelled[0].events, study.unlabelled[-1].events):
        mine = [r for r in pretrained if (r["objective"], r["events"]) == ("replaced_object", events)]
        histories = {}
        for record in sorted(mine, key=lambda r: not r["augmented"]):
            name = f"{events:,d} events, {'with' if record['augmented'] else 'without'} augmentation"
            histories[name] = losses(record)
            result[record["model"]] = record["loss"]
            last = histories[name][-1]
            print(f"{name:44s}{last['train_loss']:8.4f}{last['val_loss']:8.4f}")
        if histories:
            plots.plot_losses(histories, output / f"figure3_{events}.png")
    return result


def figure4(study: Study, records: Records, largest: str, output: Path) -> dict[str, Any]:
    """AUC against training events with and without pretraining; every figure with what it adds to its baseline.

    The baseline is the training from scratch with the same optimiser; that of the tuned one is the published one.
    Sizes are those of the paper: signal and background together.
    """
    table: dict[str, Any] = {}
    print("\nFigure 4, AUC [%] of a training from scratch, and what other methods add to it (paired by seed and event)")
    sizes = [2 * size.events for size in study.sizes]
    print(f"{'':16s}{'':32s}" + "".join(f"{size:>20,d}" for size in sizes))
    for task in KISHIMOTO_TASKS:
        of_size = {size: records.select(task=task, size=size // 2) for size in sizes}
        table[task] = {size: compare(mine) for size, mine in of_size.items() if mine}
        for size, row in table[task].items():
            if {"scratch", "scratch/tuned"} <= set(row):
                untuned = [r for r in of_size[size] if (r["method"], r["variant"]) == ("scratch", "")]
                tuned = [r for r in of_size[size] if (r["method"], r["variant"]) == ("scratch", "tuned")]
                row["scratch/tuned"] |= {"baseline": "scratch", "gain": gain(tuned, untuned)}
        for name in dict.fromkeys(name for rows in table[task].values() for name in rows):
            cells = [_cell(table[task].get(size, {}).get(name)) for size in sizes]
            print(f"{TITLES[task]:16s}{name:32s}" + "".join(f"{cell:>20s}" for cell in cells))
        curves = {
            title: {size: (row[name]["auc"], row[name]["auc_std"]) for size, row in table[task].items() if name in row}
            for name, title in (("scratch", "from scratch"), (largest, "pretrained"), ("trees", "boosted trees"))
        }
        _curves(curves, output / f"figure4_{task}.png", f"AUC, {TITLES[task]}", "training events", None)
    return table


def figure5(study: Study, records: Records, output: Path) -> dict[str, Any]:
    """Gain in AUC against unlabelled events, with and without augmentation, at one size of the tasks."""
    table: dict[str, Any] = {}
    size = study.gain_events
    print(f"\nFigure 5, gain in AUC [percentage points] at {2 * size:,d} training events, by unlabelled events")
    print(f"{'':16s}{'':24s}" + "".join(f"{one.events:>20,d}" for one in study.unlabelled))
    for task in KISHIMOTO_TASKS:
        scratch = records.select(task=task, size=size, method="scratch", variant="")
        if not scratch:
            continue
        table[task] = {}
        for augmented, name in ((True, "with augmentation"), (False, "without augmentation")):
            columns = {"task": task, "size": size, "method": "pretrained", "augmented": augmented, "tuned": False}
            of_events = {one.events: records.select(**columns, unlabelled=one.events) for one in study.unlabelled}
            table[task][name] = {events: gain(mine, scratch) for events, mine in of_events.items() if mine}
            cells = [_cell({"gain": row}) for row in table[task][name].values()]
            print(f"{TITLES[task]:16s}{name:24s}" + "".join(f"{cell:>20s}" for cell in cells))
        curves = {
            name: {events: (row["auc"], row["auc_std"]) for events, row in rows.items()}
            for name, rows in table[task].items()
        }
        _curves(curves, output / f"figure5_{task}.png", f"gain in AUC, {TITLES[task]}", "unlabelled events", 0.0)
    return table


def _cell(row: Mapping[str, Any] | None) -> str:
    """A figure or a gain with its error, in percent."""
    if not row:
        return ""
    source = row.get("gain", row)
    return with_error(source["auc"], source["auc_error"], scale=100, sign="gain" in row)


def _curves(
    curves: Mapping[str, Mapping[int, tuple[float, float | None]]],
    path: Path,
    label: str,
    horizontal: str,
    reference: float | None,
) -> None:
    drawn = {name: points for name, points in curves.items() if points}
    if drawn:
        plots.plot_curves(drawn, path, label, horizontal=horizontal, reference=reference)

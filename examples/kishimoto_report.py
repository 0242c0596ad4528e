"""Tables and plots of kishimoto_study.py, made from the records of its trainings, beside the published findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study import losses

from pyg_hep.evaluation import RunRecords, plots
from pyg_hep.evaluation.learning_curves import gain, summarise
from pyg_hep.simulation.samples import KISHIMOTO_TASKS

TITLES = {
    "Hplus_tb": r"H+ to tb", "Hplus_HW": r"H+ to HW", "ttH_single_lepton": "ttH, 1 lepton",
    "ttH_dilepton": "ttH, 2 leptons",
}  # fmt: skip
# The paper prints its figures 4 and 5 without numbers: there are none to put beside ours.
FINDINGS = (
    "The paper: pretraining raises the AUC of all four tasks; more unlabelled events raise the gain; augmentation "
    "raises it on average, within one standard deviation of ten runs."
)


def make(study: Any, records: RunRecords, pretrained: RunRecords, output: Path) -> dict[str, Any]:
    """Print every figure of the paper as a table, write the plots, and return all figures with their errors."""
    largest = f"pretrained@{study.pretraining_sizes[-1]}"
    report: dict[str, Any] = {"pretraining": pretrained.records, "runs": len(records)}
    report["figure3"] = figure3(study, pretrained, output)
    report["figure4"] = figure4(study, records, largest, output)
    report["figure5"] = figure5(study, records, output)
    report["summary"] = {}
    for task, rows in report["figure4"].items():
        # At the largest fine-tuning size up to 3e4; the standard deviation is that of the gain over the runs.
        run = [size for size, row in rows.items() if size <= 30_000 and "gain" in row.get(largest, {})]
        if run:
            row = rows[max(run)][largest]["gain"]
            report["summary"][f"auc_gain/{task}"] = {
                "value": row["auc"], "error": row["auc_std"], "error_of_mean": row["auc_error"], "runs": row["pairs"],
                "size": max(run), "published": None,
            }  # fmt: skip
    print(f"\n{FINDINGS}")
    return report


def figure3(study: Any, pretrained: RunRecords, output: Path) -> dict[str, Any]:
    """Losses of the smallest and the largest pretraining, with and without augmentation, by epoch."""
    result = {}
    print("\nFigure 3, last losses of the pretraining: training, validation")
    for size in (study.pretraining_sizes[0], study.pretraining_sizes[-1]):
        histories = {}
        for augmented in (True, False):
            for record in pretrained.select(objective="replaced_object", events=size, augmented=augmented):
                name = f"{size:,d} events, {'with' if augmented else 'without'} augmentation"
                histories[name] = losses(record)
                result[record["model"]] = record["loss"]
                last = histories[name][-1]
                print(f"{name:44s}{last['train_loss']:8.4f}{last['val_loss']:8.4f}")
        if histories:
            plots.plot_losses(histories, output / f"figure3_{size}.png")
    return result


def figure4(study: Any, records: RunRecords, largest: str, output: Path) -> dict[str, Any]:
    """AUC against training events with and without pretraining; every figure with what it adds to its baseline.

    The baseline is the training from scratch with the same optimiser; that of the tuned one is the published one.
    """
    table: dict[str, Any] = {}
    print("\nFigure 4, AUC [%] of a training from scratch, and what other methods add to it (paired by seed and event)")
    print(f"{'':16s}{'':28s}" + "".join(f"{size:>20,d}" for size in study.sizes))
    for task in KISHIMOTO_TASKS:
        table[task] = {}
        for size in study.sizes:
            mine = records.select(task=task, size=size // 2)
            row = {method: summarise(mine, method) for method in dict.fromkeys(r["method"] for r in mine)}
            for method in row:
                tuned = method.endswith("-tuned") and method != "scratch-tuned"
                baseline = "scratch-tuned" if tuned else "scratch"
                if method != "scratch" and baseline in row:
                    row[method]["gain"] = gain(mine, method, baseline)
            if row:
                table[task][size] = row
        for method in dict.fromkeys(m for rows in table[task].values() for m in rows):
            cells = [_cell(table[task].get(size, {}).get(method)) for size in study.sizes]
            print(f"{TITLES[task]:16s}{method:28s}" + "".join(f"{cell:>20s}" for cell in cells))
        curves = {
            name: {s: (row[m]["auc"], row[m]["auc_std"]) for s, row in table[task].items() if m in row}
            for m, name in (("scratch", "from scratch"), (largest, "pretrained"), ("trees", "boosted trees"))
        }
        _curves(curves, output / f"figure4_{task}.png", f"AUC, {TITLES[task]}", "training events", None)
    return table


def figure5(study: Any, records: RunRecords, output: Path) -> dict[str, Any]:
    """Gain in AUC against unlabelled events, with and without augmentation, at one size of the tasks."""
    table: dict[str, Any] = {}
    size = study.gain_size
    print(f"\nFigure 5, gain in AUC [percentage points] at {size:,d} training events, by unlabelled events")
    print(f"{'':16s}{'':24s}" + "".join(f"{events:>20,d}" for events in study.pretraining_sizes))
    for task in KISHIMOTO_TASKS:
        mine = records.select(task=task, size=size // 2)
        methods = {r["method"] for r in mine}
        if "scratch" not in methods:
            continue
        table[task] = {}
        for ending, name in (("", "with augmentation"), ("-no_augmentation", "without augmentation")):
            table[task][name] = {
                events: gain(mine, method)
                for events in study.pretraining_sizes
                if (method := f"pretrained@{events}{ending}") in methods
            }
            cells = [_cell({"gain": row}) for row in table[task][name].values()]
            print(f"{TITLES[task]:16s}{name:24s}" + "".join(f"{cell:>20s}" for cell in cells))
        curves = {
            name: {n: (row["auc"], row["auc_std"]) for n, row in rows.items()} for name, rows in table[task].items()
        }
        _curves(curves, output / f"figure5_{task}.png", f"gain in AUC, {TITLES[task]}", "unlabelled events", 0.0)
    return table


def _cell(row: Mapping[str, Any] | None) -> str:
    """A figure or a gain with its error, in percent."""
    if not row:
        return ""
    source = row.get("gain", row)
    return f"{100 * source['auc']:{'+' if 'gain' in row else ''}.2f} +- {100 * source['auc_error']:.2f}"


def _curves(
    curves: Mapping[str, Mapping[int, tuple[float, float]]],
    path: Path,
    label: str,
    horizontal: str,
    reference: float | None,
) -> None:
    drawn = {name: points for name, points in curves.items() if points}
    if drawn:
        plots.plot_curves(drawn, path, label, horizontal=horizontal, reference=reference)

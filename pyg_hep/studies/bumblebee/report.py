"""Tables and figures of the study of Bumblebee, made from its records, beside the published ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.evaluation import plots
from pyg_hep.evaluation.plots.style import looks
from pyg_hep.studies.bumblebee.masses import SHARES
from pyg_hep.studies.bumblebee.recipes import BASELINES, recipes
from pyg_hep.studies.execution import EFFICIENCIES
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import compare, gain, label, resampled_errors, with_error

PUBLISHED = {"toponium": 0.877, "initial_state": 0.625}
"""AUC of the paper, section 5; the gain in width over its supervised transformer is 10 to 20 %."""
COLUMNS = {
    "corrected_width": "width/slope [GeV]", "width": "P84-P16 [GeV]", "slope": "slope", "relative_width": "rel. width",
    "rms": "rel. RMS", "bias": "rel. bias", "fallback": "fallback",
    "covered": "within 68 %",
}  # fmt: skip


def make(records: Mapping[str, Records], output: Path) -> dict[str, Any]:
    """Print every table, write the plots, and return all figures with their errors."""
    report: dict[str, Any] = {"runs": {name: len(of) for name, of in records.items()}}
    report["tops"] = tops(records["tops"], output)
    report["gains"] = gains(records["tops"], output)
    report["ablation"] = ablation(records["ablation"], output)
    for task in PUBLISHED:
        report[task] = discrimination(task, records["finetune"], output)
    report["summary"] = summary(report)
    return report


def table(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Figures by method, None where one is infinite or undefined.

    Of a single training, and of methods that no seed changes, the error is that of the test events alone.
    """
    with np.errstate(invalid="ignore"):  # the corrected width of a constant is infinite, and has no error
        result, of_test_events = compare(rows), resampled_errors(rows)
    for name, row in result.items():
        if row["runs"] == 1:
            row |= of_test_events[name]
        for figure in (column.removesuffix("_error") for column in of_test_events[name]):
            for column in (figure, f"{figure}_error", f"{figure}_std"):
                row[column] = row[column] if row[column] is not None and math.isfinite(row[column]) else None
    return result


def tops(records: Records, output: Path) -> dict[int, Any]:
    """The table of every method by labelled events, and figure 2C of the largest."""
    tables: dict[int, Any] = {}
    for size in sorted({r["size"] for r in records.records}):
        tables[size] = table(records.select(size=size))
        print(f"\nm(ttbar), {size:,d} labelled events; errors of trainings and test events, of one training the latter")
        print(f"{'trainings':24s}" + "".join(f"{text:>20s}" for text in COLUMNS.values()))
        for name, row in tables[size].items():
            cells = [_cell(row, figure) for figure in COLUMNS]
            print(f"{name:20s}{row['runs']:4d}" + "".join(f"{cell:>20s}" for cell in cells))
    if tables:
        _by_bin(tables[max(tables)], output)
    return tables


def _cell(row: Mapping[str, Any], figure: str) -> str:
    if row[figure] is None:
        return "-" if figure == "covered" else "infinite"
    digits = 1 if figure in ("corrected_width", "width") else 3
    return with_error(row[figure], row[f"{figure}_error"], digits)


def _by_bin(rows: Mapping[str, Mapping[str, Any]], output: Path) -> None:
    """Width, width over slope and median response by true mass."""
    panels = {
        "P84 - P16 [GeV]": lambda row, k: row[f"width_{k}"],
        "(P84 - P16) / slope [GeV]": lambda row, k: row[f"width_{k}"] / row["slope"],
        "median estimate / truth": lambda row, k: row[f"median_{k}"] / row[f"truth_{k}"],
    }
    with plots.png_figure(output / "figure2c.png", size=(15, 5.5)) as figure:
        for axes, (text, value) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            for (name, row), (colour, marker, style) in zip(rows.items(), looks(len(rows)), strict=True):
                if text.startswith("(") and row["corrected_width"] is None:
                    continue  # infinite
                bins = range(len(SHARES) - 1)
                heights = [value(row, k) for k in bins]
                axes.plot([row[f"truth_{k}"] for k in bins], heights, f"{marker}{style}", color=colour, label=name)
            axes.set(xlabel="true $m(t\\bar{t})$ [GeV]", ylabel=text)
        plots.place_legend(axes, fontsize=10)


def gains(records: Records, output: Path) -> dict[int, Any]:
    """Relative gain of every recipe in slope-corrected width, by labelled events.

    Over the supervised transformer (published: 10 to 20 % in width, section 5), and over what learns the same from
    random weights where that is another one.
    """
    result: dict[int, Any] = {}
    curves: dict[str, dict[int, tuple[float, float | None]]] = {}
    pairs = [(name, "supervised") for name in recipes() if name != "supervised"]
    pairs += [pair for pair in BASELINES.items() if pair not in pairs]
    for size in sorted({r["size"] for r in records.records}):
        for name, over in pairs:
            mine, baseline = (records.select(size=size, method=method) for method in (name, over))
            seeds = {r["seed"] for r in mine} & {r["seed"] for r in baseline}
            if not seeds:
                continue
            mine, baseline = ([r for r in rows if r["seed"] in seeds] for rows in (mine, baseline))
            if not all(math.isfinite(r["corrected_width"]) and r["slope"] > 0 for r in (*mine, *baseline)):
                print(f"{size:>8,d} labelled events: {name} or {over} has learned nothing")
                continue
            row = _gain(mine, baseline)
            key = name if over == "supervised" else f"{name} over {over}"
            result.setdefault(size, {})[key] = row
            curves.setdefault(key, {})[size] = (100 * row["gain"], 100 * row["error"])
            print(
                f"{size:>8,d} labelled events: {name} is narrower than {over} by "
                f"{with_error(row['gain'], row['error'], 1, 100, sign=True)} % in width/slope, {row['pairs']} trainings"
            )
    if curves:
        plots.plot_curves(
            curves, output / "gains.png", "gain in width/slope [%]", horizontal="labelled events", reference=0.0
        )
    return result


def _gain(mine: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Gain, its error and the number of pairs of trainings; records of the same seeds."""
    logarithms = [_logarithms(rows) for rows in (mine, baseline)]
    row = gain(*logarithms)
    value = -math.expm1(row["corrected_width"])
    error = row["corrected_width_error"]
    if error is None:  # one training of each: the error of the test events, which both share
        pair = [rows[0]["replicas"]["corrected_width"] for rows in logarithms]
        error = float(np.std(np.subtract(*pair)))
    return {"gain": value, "error": error * (1 - value), "pairs": row["pairs"]}


def _logarithms(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records of the logarithm of the corrected width: a difference is a relative gain."""
    return [
        {
            **r, "corrected_width": math.log(r["corrected_width"]),
            "replicas": {"corrected_width": np.log(r["replicas"]["corrected_width"]).tolist()},
        }
        for r in records
    ]  # fmt: skip


def ablation(records: Records, output: Path) -> dict[str, Any]:
    """Best validation loss without each table of the embedding, as figure 3: mean and spread over seeds."""
    result: dict[str, Any] = {}
    for record in records.records:
        result.setdefault(record["variant"], []).append(min(record["val_loss"]))
    rows: dict[str, Any] = {
        name: {
            "val_loss": float(np.mean(losses)), "runs": len(losses),
            "spread": float(np.std(losses, ddof=1)) if len(losses) > 1 else None,
        }
        for name, losses in result.items()
    }  # fmt: skip
    if rows:
        print("\nAblation: best validation loss (squared error in standard deviations) without each embedding")
        for name, row in rows.items():
            print(f"{name:20s}{with_error(row['val_loss'], row['spread'], 4)}   ({row['runs']} trainings)")
        with plots.png_figure(output / "figure3.png", size=(7, 4)) as figure:
            axes = figure.subplots()
            spread = [row["spread"] or 0.0 for row in rows.values()]
            axes.barh(range(len(rows)), [row["val_loss"] for row in rows.values()], xerr=spread, capsize=4)
            axes.set_yticks(range(len(rows)), ["all" if n == "full" else f"without {n}" for n in rows])
            axes.yaxis.minorticks_off()
            axes.set(xlabel="best validation loss")
    return rows


def discrimination(task: str, records: Records, output: Path) -> dict[int, Any]:
    """AUC of every method by size, its difference to the supervised transformer and to trees, and the ROC curves."""
    tables: dict[int, Any] = {}
    for size in sorted({r["size"] for r in records.select(task=task)}):
        mine = records.select(task=task, size=size)
        tables[size] = table(mine)
        best = chosen_by_validation(mine)
        tuned = [r for r in mine if label(r) == best]
        print(f"\n{task}, {size:,d} training events: AUC (published {PUBLISHED[task]}); {best} less the method")
        # Of one training the errors are those of the test events, which all methods share.
        for name, row in tables[size].items():
            row["best"] = name == best
            if name != best and tuned:
                others = [r for r in mine if label(r) == name]
                over = gain(tuned, others)
                if over["auc_error"] is None:
                    over["auc_error"] = float(
                        np.std(np.subtract(tuned[0]["replicas"]["auc"], others[0]["replicas"]["auc"]))
                    )
                row["finetuned_over"] = over
            text = with_error(over["auc"], over["auc_error"], 4, sign=True) if "finetuned_over" in row else ""
            print(f"{name:50s}{with_error(row['auc'], row['auc_error'], 4):>20s}{text:>22s}")
    if tables:
        _roc(tables[max(tables)], records.select(task=task, size=max(tables)), output / f"roc_{task}.png")
    return tables


def chosen_by_validation(records: Sequence[Mapping[str, Any]]) -> str | None:
    """Of the fine-tuned networks that with the lowest validation loss, mean over seeds; None where there is none."""
    losses: dict[str, list[float]] = {}
    for record in records:
        if record["method"] == "finetuned":
            losses.setdefault(label(record), []).append(min(record["val_loss"]))
    return min(losses, key=lambda name: float(np.mean(losses[name])), default=None)


def _roc(rows: Mapping[str, Any], records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Background rejection by signal efficiency, mean of the trainings, as figures 2A and 2B."""
    with plots.png_figure(path, size=(9, 7)) as figure:
        axes = figure.subplots()
        for (name, row), (colour, _, style) in zip(rows.items(), looks(len(rows)), strict=True):
            background = np.mean([r["roc"] for r in records if label(r) == name], axis=0)
            area = with_error(row["auc"], row["auc_error"], 4).replace("+-", "$\\pm$")
            keep = background > 0
            axes.plot(EFFICIENCIES[keep], 1 / background[keep], style, color=colour, label=f"{name}: {area}")
        axes.plot(EFFICIENCIES, 1 / EFFICIENCIES, ":", color="grey", linewidth=1.2, label="random")
        axes.set(xlabel="signal efficiency", ylabel="background rejection", yscale="log", xlim=(0, 1), ylim=(0.8, None))
        plots.place_legend(axes, fontsize=9, title="AUC", title_fontsize=10)


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that others read, each beside the published one; those of m(ttbar) with most labelled events."""
    rows: dict[str, Any] = {}
    if report["tops"]:
        for method, row in report["tops"][max(report["tops"])].items():
            for key, figure in (("mtt_width", "corrected_width"), ("mtt_rms", "rms")):
                rows[f"{key}/{method}"] = {"value": row[figure], "error": row[f"{figure}_error"], "published": None}
    for size, by_recipe in report["gains"].items():
        for name, row in by_recipe.items():
            rows[f"mtt_gain/{name}/{size}"] = {"value": row["gain"], "error": row["error"], "published": [0.1, 0.2]}
    for task, published in PUBLISHED.items():
        if report[task]:
            of_methods = report[task][max(report[task])]
            best = next((name for name, row in of_methods.items() if row.get("best")), None)
            for key, name in {"auc": best, "mass_only_auc": "trees/m_ttbar network"}.items():
                if name in of_methods:
                    row = of_methods[name]
                    rows[f"{task}_{key}"] = {
                        "value": row["auc"], "error": row["auc_error"],
                        "published": published if key == "auc" else None,
                    }  # fmt: skip
    return rows

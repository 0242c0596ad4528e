"""Tables and plots of the study of Ho et al., made from the records of its trainings, beside the published figures."""

from __future__ import annotations

import importlib.resources
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pyg_hep.evaluation import ensemble_cka, plots
from pyg_hep.simulation.samples import CONTROLS, HO_TASKS
from pyg_hep.studies.earlier import against_earlier, print_earlier, read_earlier
from pyg_hep.studies.execution import trained
from pyg_hep.studies.ho.cost import figure1
from pyg_hep.studies.ho.recipes import HoPretraining, label_then
from pyg_hep.studies.plan import Run
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import compare, gain, label, with_error
from pyg_hep.training import represent

TITLES = {
    "ttH_cp": "ttH CP even vs odd", "fcnc_tHq": "FCNC vs tHq", "ttW_ttt": "ttW vs ttt", "stop_ttH": "stop vs ttH",
    "WH_ZH": "WH vs ZH",
}  # fmt: skip
ORDER = ("scratch", "multiclass", "multilabel", "trees", "scratch/better", "multiclass/better")
RIVALS = {"trees": ("trees", "trees/mean"), "trees_on_trees": ("trees/on_trees",), "scratch": ("scratch",)}
"""What networks are set against, by the names in the keys of the summary; of several the better one."""
CROSS_CHAIN = ("fcnc_tHq",)  # tasks whose two classes come from different generator chains


def make(
    stages: Sequence[str],
    runs: Sequence[Run],
    records: Records,
    pretrained: Sequence[Mapping[str, Any]],
    output: Path,
    cka_models: int = 3,
) -> dict[str, Any]:
    """Print what is asked for, write the plots, and return every figure with its error."""
    content = importlib.resources.files("pyg_hep.studies.ho") / "published.yaml"
    published = yaml.safe_load(content.read_text(encoding="utf-8"))
    report: dict[str, Any] = {"pretraining": list(pretrained), "runs": len(records)}
    if "table1" in stages:
        report |= table1(records, published["table1"], output)
    if "table3" in stages:
        report["table3"] = table3(runs, published["table3"], cka_models)
    if "figure1" in stages:
        report["figure1"] = figure1(records, TITLES, pretrained, output)
    return report


def published_pretrainings(
    jobs: Sequence[HoPretraining], pretrained: Sequence[Mapping[str, Any]], earlier: Path
) -> list[dict[str, Any]]:
    """Records, published earlier, of networks that come with the package and were not trained here."""
    there = {record["model"] for record in pretrained}
    then = {record["model"]: record for record in read_earlier(earlier / "pretraining.jsonl")}
    return [
        {**then[job.name], **job.columns(), "published_earlier": True}
        for job in jobs
        if job.name in then and job.name not in there
    ]


def beside_earlier(records: Records, earlier: Path) -> list[dict[str, Any]]:
    """Every figure beside the one published earlier, as a table and as rows."""
    rows = against_earlier(records.records, read_earlier(earlier / "runs.jsonl", label_then))
    print_earlier(rows, earlier)
    return rows


def table1(records: Records, published: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Accuracy from scratch and gains, in the layout of the paper's table I, with AUC, trees and other recipes."""
    sizes = sorted({r["size"] for r in records.records if r["task"] in HO_TASKS})
    compared = {task: {size: compare(records.select(task=task, size=size)) for size in sizes} for task in HO_TASKS}
    table = {task: {size: row for size, row in rows.items() if row} for task, rows in compared.items()}
    trained_ones = dict.fromkeys(name for rows in table.values() for row in rows.values() for name in row)
    names = [name for name in ORDER if name in trained_ones] + [name for name in trained_ones if name not in ORDER]
    for figure in ("accuracy", "auc"):
        print(f"\nTable I, {figure} [%]: baseline, and what other methods add to it (paired; in brackets the paper's)")
        print(f"{'':22s}{'':64s}" + "".join(f"{size:>28,d}" for size in sizes))
        for task, rows in table.items():
            for name in names:
                of_size = {size: rows[size][name] for size in rows if name in rows[size]}
                papers = published[task].get(name, {}) if figure == "accuracy" else {}
                cells = [_cell(of_size.get(size), figure, papers.get(size)) for size in sizes]
                if of_size:
                    baselines = {f" - {row['baseline']}" for row in of_size.values() if "gain" in row}
                    print(f"{TITLES[task]:22s}{name + ''.join(baselines):64s}" + "".join(f"{c:>28s}" for c in cells))
    means = side_by_side(records, sizes)
    summary = summarise_gains(table, sizes, published) | over_trees(records, sizes)
    for key, row in summary.items():
        paper = f" (paper {row['published']:+.2f})" if row["published"] is not None else ""
        print(f"{key:48s} {with_error(row['value'], row['error'], sign=True)}{paper}")
    _plot_table1(table, sizes, output)
    return {"table1": table, "means": means, "control": control(records), "summary": summary}


def control(records: Records) -> dict[str, Any]:
    """What classifiers tell apart that have the same process from both generator chains before them."""
    result = {}
    for process in CONTROLS:
        result[process] = compare(records.select(task=f"control_{process}"))
        for name, row in result[process].items():
            text = with_error(row["auc"], row["auc_error"], scale=100)
            print(
                f"control: {process} from both generator chains, AUC of {name} {text} % (50: no artefact); "
                f"bears on {CROSS_CHAIN[0]}"
            )
    return result


def _cell(row: Mapping[str, Any] | None, figure: str, paper: Sequence[float] | None) -> str:
    """A baseline's figure or a method's gain, with its error, in percent."""
    if row is None:
        return ""
    source = row.get("gain", row)
    text = with_error(source[figure], source[f"{figure}_error"], scale=100, sign="gain" in row)
    return text + (f" ({paper[0]:g})" if paper else "")


def power_of_ten(size: int) -> str:
    """``1e3`` for 1,000, and other numbers as they are: how the keys of the summary name a size."""
    return f"1e{round(math.log10(size))}" if math.log10(size) % 1 == 0 else str(size)


def summarise_gains(table: Mapping[str, Any], sizes: Sequence[int], published: Mapping[str, Any]) -> dict[str, Any]:
    """Gains in percentage points of accuracy by task and their mean, for both recipes and every pretraining size.

    The five tasks have different test events: errors of the mean add in quadrature. A mean has an error where every
    gain has one.
    """
    summary: dict[str, Any] = {}
    for size in sizes:
        names = dict.fromkeys(name for rows in table.values() for name in rows.get(size, {}) if name != "trees")
        for name in names:
            gains = {task: rows[size][name]["gain"] for task, rows in table.items()
                     if "gain" in rows.get(size, {}).get(name, {})}  # fmt: skip
            ending = "" if name == "multiclass" else "_" + name.removeprefix("multiclass/").replace("/", "-")
            papers = {task: published[task].get(name, {}).get(size, [None])[0] for task in gains}
            for task, row in gains.items():
                summary[f"gain_{power_of_ten(size)}/{task}{ending}"] = {
                    "value": 100 * row["accuracy"], "error": _percent(row["accuracy_error"]),
                    "published": papers[task], "runs": row["pairs"],
                }  # fmt: skip
            if gains and len(gains) == len(table):
                paper = None if None in papers.values() else float(np.mean(list(papers.values())))
                mean = _mean(list(gains.values()))
                summary[f"gain_{power_of_ten(size)}_mean{ending}"] = {**mean, "published": paper}
    return summary


def over_trees(records: Records, sizes: Sequence[int]) -> dict[str, Any]:
    """Gain in accuracy over boosted trees, by task and in the mean over the tasks, of one method for all tasks.

    The method is that of the group ``folds`` with the highest AUC in its folds of training events, mean over the tasks,
    where it was trained for all of them; test events have no part in the choice. Its rivals are the better of one
    training of the trees and the mean of several (by test events, to their favour), the trees on trees, and the
    published training from scratch.

    Returns:
        Rows ``over_trees_1e3_mean``, ``over_trees_1e3/WH_ZH`` and so on, ``over_trees_on_trees_...`` and
        ``over_scratch_...``; none without the trainings of the folds.
    """
    method = best_in_folds(records)
    if method is None:
        return {}
    summary: dict[str, Any] = {}
    for size in sizes:
        for name, rivals in RIVALS.items():
            compared = {rival: rows for rival in rivals if (rows := against(records, method, rival, size))}
            if not compared:
                continue
            rival = min(compared, key=lambda one: _mean(list(compared[one].values()))["value"])
            about = {"published": None, "method": method, "rival": rival}
            for task, row in compared[rival].items():
                summary[f"over_{name}_{power_of_ten(size)}/{task}"] = {
                    "value": 100 * row["accuracy"], "error": _percent(row["accuracy_error"]), "runs": row["pairs"],
                    **about,
                }  # fmt: skip
            summary[f"over_{name}_{power_of_ten(size)}_mean"] = {**_mean(list(compared[rival].values())), **about}
    return summary


def against(records: Records, method: str, rival: str, size: int) -> dict[str, dict[str, Any]]:
    """Gain of one method over another by task, both by their labels; nothing where a task has no seed of both."""
    rows = {}
    for task in HO_TASKS:
        mine, theirs = (
            [record for record in records.select(task=task, size=size) if label(record) == name]
            for name in (method, rival)
        )
        if not {record["seed"] for record in mine} & {record["seed"] for record in theirs}:
            return {}
        rows[task] = gain(mine, theirs)
    return rows


def side_by_side(records: Records, sizes: Sequence[int]) -> dict[int, Any]:
    """Print and return what every method gains over the rivals in the mean over the tasks, in percentage points.

    Returns:
        Size -> method -> rival -> ``accuracy`` and ``auc`` with their errors, of what was trained for all tasks.
    """
    result: dict[int, Any] = {}
    for size in sizes:
        labels = dict.fromkeys(label(r) for r in records.records if r["task"] in HO_TASKS and r["size"] == size)
        rivals = [name for names in RIVALS.values() for name in names if name in labels]
        print(
            f"\nMean over the tasks at {size:,d} per class, accuracy and AUC less those of a rival [percentage points]"
        )
        print(f"{'':36s}" + "".join(f"{name:>34s}" for name in rivals))
        result[size] = {}
        for name in labels:
            gains = {rival: against(records, name, rival, size) for rival in rivals if rival != name}
            means = {
                rival: {figure: _mean(list(rows.values()), figure) for figure in ("accuracy", "auc")}
                for rival, rows in gains.items()
                if rows
            }
            if means:
                result[size][name] = means
                cells = [_both(means.get(rival)) for rival in rivals]
                print(f"{name:36s}" + "".join(f"{cell:>34s}" for cell in cells))
    return result


def _both(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else ", ".join(with_error(r["value"], r["error"], sign=True) for r in row.values())


def best_in_folds(records: Records) -> str | None:
    """Label of the network method with the highest AUC in its folds, mean over the tasks; None where none has all."""
    areas: dict[str, dict[str, list[float]]] = {}
    for record in records.records:
        task, is_fold, _ = record["task"].partition("-fold-")
        if is_fold and record["method"] != "trees":
            areas.setdefault(label(record), {}).setdefault(task, []).append(record["auc"])
    means = {
        name: float(np.mean([np.mean(values) for values in of_task.values()]))
        for name, of_task in areas.items()
        if set(of_task) == set(HO_TASKS)
    }
    return max(means, key=means.__getitem__) if means else None


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _mean(gains: Sequence[Mapping[str, Any]], figure: str = "accuracy") -> dict[str, Any]:
    """Mean gain in a figure over tasks in percentage points, with its error where every gain has one."""
    errors = [row[f"{figure}_error"] for row in gains]
    error = None if None in errors else 100 * math.hypot(*errors) / len(errors)
    return {"value": 100 * float(np.mean([row[figure] for row in gains])), "error": error}


def _plot_table1(table: Mapping[str, Any], sizes: Sequence[int], output: Path) -> None:
    for size in sizes:
        for name in ("multiclass", "multilabel", "multiclass/better"):
            gains = {
                TITLES[task]: (rows[size][name]["gain"]["accuracy"], rows[size][name]["gain"]["accuracy_error"])
                for task, rows in table.items()
                if "gain" in rows.get(size, {}).get(name, {})
            }
            if gains:
                plots.plot_gains(gains, output / f"gain_{name.rpartition('/')[2]}_{size}.png")


def table3(runs: Sequence[Run], published: Mapping[str, Any], cka_models: int) -> dict[str, Any]:
    """CKA with the baseline before and after the decoder, as in the paper's table III, from the saved networks.

    Args:
        runs: of the study; those whose networks lie in their folders count.
        published: the paper's table.
        cka_models: networks of each kind, at the largest size that has two.
    """
    table: dict[str, Any] = {}
    print("\nTable III, linear CKA with the baseline on the test events (in brackets the paper's)")
    for task in HO_TASKS:
        kinds: dict[str, dict[int, list[Any]]] = {}
        for method in ("scratch", "multiclass", "multilabel"):
            mine = [run for run in runs if run.task.name == task and run.method.label == method]
            for size in sorted({run.size for run in mine}, reverse=True):
                models = [model for run in mine if run.size == size and (model := trained(run)) is not None]
                if len(models) > 1:
                    test = mine[0].task.test
                    kinds.setdefault(method, {})[size] = [represent(model, test) for model in models[:cka_models]]
                    break
        if "scratch" not in kinds:
            print(f"{TITLES[task]:22s} no two baselines: --stage finetune makes them")
            continue
        table[task] = {}
        ((size, base),) = kinds["scratch"].items()
        for method, of_size in kinds.items():
            if size not in of_size:
                continue
            row: dict[str, Any] = {"size": size, "networks": len(of_size[size])}
            for stage, name in enumerate(("before_decoder", "after_decoder")):
                first, second = ([part[stage] for part in parts] for parts in (base, of_size[size]))
                row[name] = ensemble_cka(first, second)
                if method == "scratch":
                    row[f"{name}_different_networks"] = ensemble_cka(first)
            table[task][method] = row
            cells = [f"{key.replace('_', ' ')} {with_error(*value, digits=3)}"
                     for key, value in row.items() if key not in ("size", "networks")]  # fmt: skip
            print(f"{TITLES[task]:22s}{method:12s}{'; '.join(cells)} ({with_error(*published[task][method])})")
    return table

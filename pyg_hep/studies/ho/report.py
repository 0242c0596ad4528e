"""Tables and plots of the study of Ho et al., made from the records of its trainings, beside the published figures."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pyg_hep.evaluation import ensemble_cka, plots
from pyg_hep.simulation.samples import CONTROLS, HO_TASKS
from pyg_hep.studies.earlier import against_earlier, print_earlier, read_earlier
from pyg_hep.studies.execution import trained
from pyg_hep.studies.ho.cost import figure1
from pyg_hep.studies.ho.gains import by_events_seen, over_trees, side_by_side, summarise_gains
from pyg_hep.studies.ho.recipes import HoPretraining, label_then
from pyg_hep.studies.plan import Run
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import compare, with_error
from pyg_hep.training import represent

TITLES = {
    "ttH_cp": "ttH CP even vs odd", "fcnc_tHq": "FCNC vs tHq", "ttW_ttt": "ttW vs ttt", "stop_ttH": "stop vs ttH",
    "WH_ZH": "WH vs ZH",
}  # fmt: skip
ORDER = ("scratch", "multiclass", "multilabel", "trees", "scratch/better", "multiclass/better")
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
    seen = by_events_seen(records, sizes, output)
    return {"table1": table, "means": means, "events_seen": seen, "control": control(records), "summary": summary}


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

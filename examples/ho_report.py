"""Tables and plots of ho_study.py, made from the records of its trainings, beside the published figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import RunRecords, break_even, cost_ratio, ensemble_cka, plots
from pyg_hep.evaluation.learning_curves import gain, summarise
from pyg_hep.simulation.samples import CONTROLS, HO_TASKS
from pyg_hep.training import EventModel, represent

PUBLISHED = Path(__file__).parent / "published" / "ho.yaml"
TITLES = {
    "ttH_cp": "ttH CP even vs odd", "fcnc_tHq": "FCNC vs tHq", "ttW_ttt": "ttW vs ttt", "stop_ttH": "stop vs ttH",
    "WH_ZH": "WH vs ZH",
}  # fmt: skip
ORDER = ("scratch", "multiclass", "multilabel", "trees", "scratch_better", "better")
CROSS_CHAIN = ("fcnc_tHq",)  # tasks whose two classes come from different generator chains


def baseline_of(method: str) -> str:
    """What a method is compared with: fine-tuning of the better recipe with the better training from scratch."""
    return "scratch_better" if method.startswith("better") else "scratch"


def make(
    wanted: Sequence[str],
    study: Any,
    records: RunRecords,
    pretrained: RunRecords,
    tests: Mapping[str, EventDataset],
    output: Path,
) -> dict[str, Any]:
    """Print what is asked for, write the plots, and return every figure with its error."""
    published = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
    report: dict[str, Any] = {"pretraining": pretrained.records, "runs": len(records)}
    if "table1" in wanted:
        report |= table1(records, study.sizes, published["table1"], output)
    if "table3" in wanted:
        report["table3"] = table3(study, records, published["table3"], tests, output)
    if "figure1" in wanted:
        report["figure1"] = figure1(records, study.sizes, published["cost"], pretrained, output)
    return report


def table1(records: RunRecords, sizes: Sequence[int], published: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Accuracy from scratch and gains, in the layout of the paper's table I, with AUC, trees and other recipes."""
    table: dict[str, Any] = {}
    found = dict.fromkeys(r["method"] for r in records.records if not r["task"].startswith("control"))
    methods = [m for m in ORDER if m in found] + [m for m in found if m not in ORDER]
    for task in HO_TASKS:
        table[task] = {}
        for size in sizes:
            mine = records.select(task=task, size=size)
            row: dict[str, Any] = {}
            seeds = {method: {r["seed"] for r in mine if r["method"] == method} for method in methods}
            for method in methods:
                if seeds[method]:
                    row[method] = summarise(mine, method)
                    baseline = "scratch" if method == "scratch_better" else baseline_of(method)
                    if method != baseline and seeds[method] & seeds.get(baseline, set()):
                        row[method]["gain"] = gain(mine, method, baseline)
            if row:
                table[task][size] = row
    for figure in ("accuracy", "auc"):
        print(f"\nTable I, {figure} [%]: baseline, and what other methods add to it (paired; in brackets the paper's)")
        print(f"{'':22s}{'':30s}" + "".join(f"{size:>28,d}" for size in sizes))
        for task, rows in table.items():
            for method in methods:
                cells = []
                for size in sizes:
                    row = rows.get(size, {}).get(method)
                    cells.append(_cell(row, figure, published[task].get(method, {}).get(size)) if row else "")
                if any(cells):
                    label = method if method == "scratch" else f"{method} - {baseline_of(method)}"
                    print(f"{TITLES[task]:22s}{label:30s}" + "".join(f"{cell:>28s}" for cell in cells))
    control = {}
    for process in CONTROLS:
        rows = records.select(task=f"control_{process}")
        control[process] = {m: summarise(rows, m) for m in dict.fromkeys(r["method"] for r in rows)}
        for method, row in control[process].items():
            print(
                f"control: {process} from both generator chains, AUC of {method} "
                f"{100 * row['auc']:.2f} +- {100 * row['auc_error']:.2f} % (50: no artefact); bears on {CROSS_CHAIN[0]}"
            )
    summary = summarise_gains(table, sizes, published)
    for key, value in summary.items():
        print(
            f"{key:40s} {value['value']:+.2f} +- {value['error']:.2f}"
            + (f" (paper {value['published']:+.2f})" if value["published"] is not None else "")
        )
    _plot_table1(table, sizes, output)
    return {"table1": table, "control": control, "summary": summary}


def _cell(row: Mapping[str, Any], figure: str, paper: Sequence[float] | None) -> str:
    """A baseline's figure or a method's gain, with its error, in percent."""
    source = row.get("gain", row)
    text = f"{100 * source[figure]:{'+' if 'gain' in row else ''}.2f} +- {100 * source[figure + '_error']:.2f}"
    return text + (f" ({paper[0]:g})" if paper and figure == "accuracy" else "")


def summarise_gains(table: Mapping[str, Any], sizes: Sequence[int], published: Mapping[str, Any]) -> dict[str, Any]:
    """Gains in percentage points of accuracy by task and their mean, for both recipes and every pretraining size.

    The five tasks have different test events: errors of the mean add in quadrature.
    """
    summary: dict[str, Any] = {}
    methods = dict.fromkeys(m for rows in table.values() for row in rows.values() for m in row)
    for size in sizes:
        power = f"1e{round(math.log10(size))}" if math.log10(size) % 1 == 0 else str(size)
        for method in methods:
            if method in ("scratch", "scratch_better", "trees"):
                continue
            found = {t: rows[size][method]["gain"] for t, rows in table.items()
                     if "gain" in rows.get(size, {}).get(method, {})}  # fmt: skip
            ending = {"multiclass": "", "better": "_better"}.get(method, f"_{method}")
            papers = {t: published[t].get(method, {}).get(size, [None])[0] for t in found}
            for task, row in found.items():
                summary[f"gain_{power}/{task}{ending}"] = {
                    "value": 100 * row["accuracy"], "error": 100 * row["accuracy_error"], "published": papers[task],
                    "runs": row["pairs"],
                }  # fmt: skip
            if len(found) == len(table):
                paper = None if None in papers.values() else float(np.mean(list(papers.values())))
                summary[f"gain_{power}_mean{ending}"] = {
                    "value": 100 * float(np.mean([row["accuracy"] for row in found.values()])),
                    "error": 100 * math.hypot(*(row["accuracy_error"] for row in found.values())) / len(found),
                    "published": paper,
                }  # fmt: skip
    return summary


def _plot_table1(table: Mapping[str, Any], sizes: Sequence[int], output: Path) -> None:
    for size in sizes:
        for method in ("multiclass", "multilabel", "better"):
            gains = {
                TITLES[task]: (rows[size][method]["gain"]["accuracy"], rows[size][method]["gain"]["accuracy_error"])
                for task, rows in table.items()
                if "gain" in rows.get(size, {}).get(method, {})
            }
            if gains:
                plots.plot_gains(gains, output / f"gain_{method}_{size}.png")


def table3(
    study: Any, records: RunRecords, published: Mapping[str, Any], tests: Mapping[str, EventDataset], output: Path
) -> dict[str, Any]:
    """CKA with the baseline before and after the decoder, as in the paper's table III, from the saved networks."""
    table: dict[str, Any] = {}
    print("\nTable III, linear CKA with the baseline on the test events (in brackets the paper's)")
    for task, test in tests.items():
        kinds: dict[str, dict[int, list[Any]]] = {}
        for method in ("scratch", "multiclass", "multilabel"):
            for size in sorted(study.sizes, reverse=True):
                found = [output / "runs" / task / f"{method}-{size}-{r['seed']}" / "model"
                         for r in records.select(task=task, method=method, size=size)]  # fmt: skip
                kept = [folder for folder in found if folder.is_dir()][: study.cka_models]
                models = [EventModel.from_pretrained(folder) for folder in kept]
                if len(models) > 1:
                    kinds.setdefault(method, {})[size] = [represent(model, test) for model in models]
                    break
        if "scratch" not in kinds:
            print(f"{TITLES[task]:22s} no two baselines in {output / 'runs' / task}: --stage finetune makes them")
            continue
        table[task] = {}
        ((size, base),) = kinds["scratch"].items()
        for method, found in kinds.items():
            if size not in found:
                continue
            row: dict[str, Any] = {"size": size, "networks": len(found[size])}
            for stage, name in enumerate(("before_decoder", "after_decoder")):
                first, second = ([part[stage] for part in parts] for parts in (base, found[size]))
                row[name] = ensemble_cka(first, second)
                if method == "scratch":
                    row[f"{name}_different_networks"] = ensemble_cka(first)
            table[task][method] = row
            paper = published[task][method]
            cells = [
                f"{k.replace('_', ' ')} {v[0]:.3f} +- {v[1]:.3f}"
                for k, v in row.items()
                if k not in ("size", "networks")
            ]
            print(f"{TITLES[task]:22s}{method:12s}{'; '.join(cells)} ({paper[0]:.2f} +- {paper[1]:.2f})")
    return table


def figure1(
    records: RunRecords, sizes: Sequence[int], published: Mapping[str, Any], pretrained: RunRecords, output: Path
) -> dict[str, Any]:
    """Cost of fine-tuning until 99 % of the baseline's accuracy, over that of the baseline; and the break-even."""
    result: dict[str, Any] = {}
    print("\nFigure 1, cost of fine-tuning to 99 % of the baseline's final accuracy over the baseline's whole training")
    for method in ("multiclass", "better"):
        ratios: dict[str, dict[int, Any]] = {}
        for task in HO_TASKS:
            for size in sizes:
                tuned = records.select(task=task, method=method, size=size)
                base = records.select(task=task, method=baseline_of(method), size=size)
                if {r["seed"] for r in tuned} & {r["seed"] for r in base}:
                    row = cost_ratio(tuned, base)
                    ratios.setdefault(task, {})[size] = row
                    print(f"{method:12s}{TITLES[task]:22s}{size:>10,d}: wall time {row['seconds']:.3f} +- "
                          f"{row['seconds_error']:.3f}, events {row['events']:.3f} +- {row['events_error']:.3f}, "
                          f"reached in {row['reached']} of {row['runs']}, "
                          f"baseline {row['baseline_seconds']:.0f} s")  # fmt: skip
        if not ratios:
            continue
        result[method] = {"ratios": ratios}
        largest = max(size for rows in ratios.values() for size in rows)
        rows = [found[largest] for found in ratios.values() if largest in found]
        base, ratio = (float(np.mean([row[k] for row in rows])) for k in ("baseline_seconds", "seconds"))
        name = f"multiclass-{'better' if method == 'better' else 'published'}-"  # the largest costs most
        cost = max((r["seconds"] for r in pretrained.records if r["model"].startswith(name)), default=math.nan)
        result[method] |= {
            "pretraining_hours": cost / 3600, "baseline_hours": base / 3600, "finetuning_over_baseline": ratio,
            "break_even_tasks": break_even(cost, base, ratio), "size": largest,
        }  # fmt: skip
        print(f"{method}: pretraining {cost / 3600:.2f} h, baseline {base / 3600:.4f} h at {largest:,d} per class, "
              f"ratio {ratio:.2f}: pays above {result[method]['break_even_tasks']:.0f} tasks "
              f"(paper: 45.5 h, 2.94 h at 10^7, 0.38, 41)")  # fmt: skip
        curves = {TITLES[t]: {s: (r["seconds"], r["seconds_error"]) for s, r in rows.items()}
                  for t, rows in ratios.items()}  # fmt: skip
        plots.plot_curves(
            curves, output / f"figure1_{method}.png", "cost of fine-tuning / cost from scratch", reference=1.0,
            logarithmic=True,
        )  # fmt: skip
    return result

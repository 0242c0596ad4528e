"""Figure 1 of Ho et al.: what fine-tuning costs, over what training from scratch costs, and when pretraining pays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.evaluation import break_even, cost_ratio, plots
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import with_error

VARIANTS = {"published": ("", "scratch", ""), "better": ("better", "scratch", "better")}
"""Recipe -> variant of the fine-tuning, and method and variant of what it is compared with."""


def figure1(
    records: Records, titles: Mapping[str, str], pretrained: Sequence[Mapping[str, Any]], output: Path
) -> dict[str, Any]:
    """Cost of fine-tuning, its probe included, until 99 % of the baseline's accuracy, over that of the baseline.

    Args:
        records: of the trainings.
        titles: of the tasks.
        pretrained: records of the pretrainings; the largest of a recipe counts, where its time is known.
        output: folder of the plots.
    """
    result: dict[str, Any] = {}
    print("\nFigure 1, cost of fine-tuning to 99 % of the baseline's final accuracy over the baseline's whole training")
    for recipe, (variant, method, baseline) in VARIANTS.items():
        ratios: dict[str, dict[int, Any]] = {}
        for task in titles:
            for size in sorted({r["size"] for r in records.select(task=task)}):
                tuned = records.select(task=task, method="multiclass", variant=variant, size=size)
                base = records.select(task=task, method=method, variant=baseline, size=size)
                if {r["seed"] for r in tuned} & {r["seed"] for r in base}:
                    ratios.setdefault(task, {})[size] = cost_ratio(tuned, base)
                    _print(recipe, titles[task], size, ratios[task][size])
        if ratios:
            name = "multiclass" if recipe == "published" else recipe
            result[name] = {"ratios": ratios, **_break_even(recipe, ratios, pretrained)}
            curves = {titles[task]: {size: (row["seconds"], row["seconds_error"]) for size, row in rows.items()}
                      for task, rows in ratios.items()}  # fmt: skip
            plots.plot_curves(
                curves, output / f"figure1_{name}.png", "cost of fine-tuning / cost from scratch", reference=1.0,
                logarithmic=True,
            )  # fmt: skip
    return result


def _print(recipe: str, title: str, size: int, row: Mapping[str, Any]) -> None:
    seconds, events = (with_error(row[key], row[f"{key}_error"], 3) for key in ("seconds", "events"))
    print(f"{recipe:12s}{title:22s}{size:>10,d}: wall time {seconds}, events {events}, probe "
          f"{row['probe_seconds']:.2f} s, reached in {row['reached']} of {row['runs']}, "
          f"baseline {row['baseline_seconds']:.0f} s")  # fmt: skip


def _break_even(
    recipe: str, ratios: Mapping[str, Mapping[int, Any]], pretrained: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What pretraining costs and a task saves at the largest size, and how many tasks that makes."""
    largest = max(size for rows in ratios.values() for size in rows)
    rows = [row[largest] for row in ratios.values() if largest in row]
    seconds = [r["seconds"] for r in pretrained
               if (r["objective"], r["recipe"]) == ("multiclass", recipe)]  # fmt: skip
    cost = max(seconds, default=None)  # the largest costs most
    baseline = float(np.mean([row["baseline_seconds"] for row in rows]))
    savings = [row["saved_seconds"] for row in rows]
    saved = float(np.mean(savings))
    tasks = None if cost is None else break_even(cost, savings)
    result = {
        "pretraining_hours": None if cost is None else cost / 3600, "baseline_hours": baseline / 3600,
        "saved_hours": saved / 3600,
        "finetuning_over_baseline": float(np.mean([row["seconds"] for row in rows])),
        "break_even_tasks": None if tasks is None or math.isinf(tasks) else tasks, "size": largest,
    }  # fmt: skip
    pays = "pretraining time unknown"
    if cost is not None and tasks is not None:
        when = "never pays" if math.isinf(tasks) else f"pays above {tasks:.0f} tasks"
        pays = f"pretraining {cost / 3600:.2f} h, {when}"
    print(
        f"{recipe}: {pays}, {saved:.0f} s saved of {baseline:.0f} s per task at {largest:,d} per class "
        "(paper: 45.5 h, 2.94 h at 10^7, ratio 0.38, 41 tasks)"
    )
    return result

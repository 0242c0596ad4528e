"""Level 1 of Abasov et al.: errors of the hidden variables, object by object, and the losses of the pretrainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import plots
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.objectives import MaskedObjects
from pyg_hep.studies.abasov.recipes import AbasovPretraining
from pyg_hep.studies.pretraining import losses
from pyg_hep.training import EventModel

OBJECTS = {"jet": "is_jet", "lepton": "is_lepton", "W boson": "is_w", "top quark": "is_top"}


def level1(jobs: Sequence[AbasovPretraining], pretrained: Sequence[Mapping[str, Any]], output: Path) -> dict[str, Any]:
    """Error of every hidden variable of the two leading objects of each sort, in its standard deviations."""
    result = {}
    histories = {record["model"]: losses(record) for record in pretrained}
    if histories:
        plots.plot_losses(histories, output / "level1_loss.png")
    for job in jobs:
        model = EventModel.from_pretrained(job.folder)
        table = reconstruction(model, job.test())
        result[job.name] = table
        print(
            f"\nLevel 1, {job.name}: root mean square error of hidden variables, in standard deviations of all objects"
        )
        columns = [name for name in model.view.columns if any(name in row for row in table.values())]
        print(f"{'':24s}" + "".join(f"{name:>9s}" for name in columns))
        for name, row in table.items():
            print(f"{name:24s}" + "".join(f"{row[c]['rmse']:9.3f}" if c in row else f"{'':9s}" for c in columns))
        _plot_level1(table, columns, output / f"level1_{job.name}.png")
    return result


@torch.no_grad()
def reconstruction(model: EventModel, events: EventDataset) -> dict[str, dict[str, dict[str, float]]]:
    """Object and rank -> hidden variable -> ``rmse``, that of the best constant (``spread``), and their number."""
    objective = model.objective
    assert isinstance(objective, MaskedObjects)
    model.eval()
    generator = torch.Generator().manual_seed(0)  # what is hidden
    kinds = View(list(OBJECTS.values()))
    parts: dict[tuple[str, str], list[np.ndarray]] = {}
    for batch in EventLoader(events, 2048):
        step = objective.step(batch, model, generator, training=False)
        error, hidden = step.outputs["error"].double(), step.targets["hidden"]
        value = model.view(batch).x[:, objective.places].double()
        for name, is_kind in zip(OBJECTS, kinds.values(batch).T, strict=True):
            rank = _rank(batch, is_kind > 0)
            for k, place in enumerate(("leading", "second")):
                for c, variable in enumerate(objective.kinematics):
                    rows = (rank == k) & hidden[:, c]
                    both = torch.stack([error[rows, c], value[rows, c]], dim=1).numpy()
                    parts.setdefault((f"{place} {name}", variable), []).append(both)
    table: dict[str, dict[str, dict[str, float]]] = {}
    for (name, column), pieces in parts.items():
        values = np.concatenate(pieces)
        if len(values) > 1:
            table.setdefault(name, {})[column] = {
                "rmse": float(np.sqrt((values[:, 0] ** 2).mean())), "spread": float(values[:, 1].std()),
                "objects": len(values),
            }  # fmt: skip
    return table


def _rank(batch: Any, chosen: torch.Tensor) -> torch.Tensor:
    """Place of each chosen object in its event by falling pt, -1 for the others, shape ``[N]``."""
    rank = torch.full_like(batch.kind, -1)
    rows = torch.nonzero(chosen)[:, 0]
    order = rows[np.lexsort((-batch.p4[rows, 0].numpy(), batch.batch[rows].numpy()))]
    event = batch.batch[order]
    first = torch.searchsorted(event, event)
    rank[order] = torch.arange(len(order)) - first
    return rank


def _plot_level1(table: Mapping[str, Any], columns: Sequence[str], path: Path) -> None:
    with plots.png_figure(path, size=(11, 7)) as figure:
        axes = figure.subplots()
        width = 0.8 / max(len(columns), 1)
        for k, column in enumerate(columns):
            at = [i for i, row in enumerate(table.values()) if column in row]
            heights = [row[column]["rmse"] for row in table.values() if column in row]
            axes.bar(np.array(at) + (k - len(columns) / 2 + 0.5) * width, heights, width, label=column)
        axes.set_xticks(range(len(table)), list(table), rotation=30, ha="right")
        axes.xaxis.minorticks_off()
        axes.margins(y=0.25)  # room for the legend
        axes.set(ylabel="error of hidden variable [std.]", ylim=(0, None))
        axes.legend(fontsize=12, ncols=4)

"""Tables and plots of abasov_study.py, made from the records of its trainings and its saved networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from study import losses

from pyg_hep.analysis import prediction_entropy
from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import RunRecords, classification_report, plots
from pyg_hep.evaluation.learning_curves import gain, summarise
from pyg_hep.loader import EventLoader
from pyg_hep.metrics import bootstrap, jensen_shannon, roc_auc
from pyg_hep.objectives import MaskedObjects
from pyg_hep.training import EventModel, predict, represent
from pyg_hep.transforms.node_features import COLUMNS

PUBLISHED = {"16-1h": 0.9128, "20-5h": 0.9121, "125-1h": 0.9172, "125-5h": 0.9169}
"""Mean one-vs-rest AUC of the slides, 8.2 million events."""
CLASSES = ("0 t", "1 t", "2 t", "3 t", "4 t")
OBJECTS = {"jet": "is_jet", "lepton": "is_lepton", "W boson": "is_w", "top quark": "is_top"}
VIEWED = 2_000  # events of the views: t-SNE takes long beyond


def make(
    runs: Sequence[Any],
    records: RunRecords,
    pretrained: RunRecords,
    jobs: Sequence[Any],
    searched: Sequence[EventDataset],
    output: Path,
) -> dict[str, Any]:
    """Print every table, write the plots, and return all figures with their errors."""
    report: dict[str, Any] = {"pretraining": pretrained.records, "runs": len(records)}
    report["level1"] = level1(jobs, pretrained, output)
    report["level2"], sizes = level2(records, output)
    most = max(sizes)
    best = max(
        (m for m in report["level2"][most] if not m.startswith("trees")), key=lambda m: report["level2"][most][m]["auc"]
    )  # fmt: skip
    folder = next(r.output for r in runs if r.recipe.name == best and r.size == most and r.seed == 1) / "model"
    task = runs[0].task
    model = EventModel.from_pretrained(folder)
    report["best"] = classes(model, best, task.test, output)
    report["entropy"] = entropy(model, searched, output)
    views(model, [job for job in jobs if job.variant in best], task.test, output)
    tuned = {m: row for m, row in report["level2"][most].items() if m.startswith("pretrained")}
    name = max(tuned, key=lambda m: tuned[m]["auc"])
    report["summary"] = {
        "mean_ovr_auc": {
            "value": tuned[name]["auc"], "error": tuned[name]["auc_error"], "method": name, "size": most,
            "published": PUBLISHED.get(name.partition("-")[2]),
        },
        "entropy_auc": {
            "value": report["entropy"]["auc"], "error": report["entropy"]["auc_error"], "published": None,
        },
    }  # fmt: skip
    for key, row in report["summary"].items():
        paper = "" if row["published"] is None else f" (slides {row['published']})"
        print(f"{key}: {row['value']:.4f} +- {row['error']:.4f}{paper}")
    return report


def level1(jobs: Sequence[Any], pretrained: RunRecords, output: Path) -> dict[str, Any]:
    """Error of every hidden variable of the two leading objects of each sort, in its standard deviations."""
    result = {}
    histories = {record["model"]: losses(record) for record in pretrained.records}
    if histories:
        plots.plot_losses(histories, output / "level1_loss.png")
    for job in jobs:
        model = EventModel.from_pretrained(job.place.model(job.name))
        table = reconstruction(model, job.data()[2])
        result[job.name] = table
        print(
            f"\nLevel 1, {job.name}: root mean square error of hidden variables, in standard deviations of all objects"
        )
        columns = list(model.objective.kinematics)
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
    torch.manual_seed(0)  # what is hidden
    sums: dict[tuple[str, str], list[np.ndarray]] = {}
    for batch in EventLoader(events, 2048):
        task = objective.corrupt(batch)
        truth = objective.targets(task)
        error = objective.errors(model(task), truth["kinematics"]).double()
        value = ((truth["kinematics"] - objective.mean) / objective.scale).double()
        for name, column in OBJECTS.items():
            rank = _rank(batch, COLUMNS[column](batch) > 0)
            for k, place in enumerate(("leading", "second")):
                for c, variable in enumerate(objective.kinematics):
                    rows = (rank == k) & truth["hidden"][:, c]
                    found = torch.stack([error[rows, c], value[rows, c]], dim=1).numpy()
                    sums.setdefault((f"{place} {name}", variable), []).append(found)
    table: dict[str, dict[str, dict[str, float]]] = {}
    for (name, column), parts in sums.items():
        rows = np.concatenate(parts)
        if len(rows) > 1:
            table.setdefault(name, {})[column] = {
                "rmse": float(np.sqrt((rows[:, 0] ** 2).mean())), "spread": float(rows[:, 1].std()),
                "objects": len(rows),
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
        axes.set(ylabel="error of hidden variable [std.]", ylim=(0, None))
        axes.legend(fontsize=12, ncols=4)


def level2(records: RunRecords, output: Path) -> tuple[dict[int, Any], list[int]]:
    """Mean one-vs-rest AUC and accuracy by training size; gains over the same variant from scratch and over trees."""
    table: dict[int, Any] = {}
    sizes = sorted({r["size"] for r in records.records})
    for size in sizes:
        mine = records.select(size=size)
        table[size] = {method: summarise(mine, method) for method in dict.fromkeys(r["method"] for r in mine)}
        print(f"\nLevel 2, {size:,d} training events per class: mean one-vs-rest AUC, accuracy [%] (slides: AUC)")
        for method, row in table[size].items():
            kind, _, variant = method.partition("-")
            text = f"{method:28s}{row['auc']:.4f} +- {row['auc_error']:.4f}{100 * row['accuracy']:8.2f}"
            if kind.startswith("pretrained") and f"scratch-{variant}" in table[size]:
                row["gain"] = gain(mine, method, f"scratch-{variant}")
                text += f"   gain in AUC {row['gain']['auc']:+.4f} +- {row['gain']['auc_error']:.4f}"
            for trees in ("trees_of_objects", "trees"):
                if not kind.startswith("trees") and trees in table[size]:
                    over = row[f"over_{trees}"] = gain(mine, method, trees)
                    text += f"   over {trees} {over['auc']:+.4f} +- {over['auc_error']:.4f}"
            print(text + (f" ({PUBLISHED[variant]})" if kind == "scratch" else ""))
    curves: dict[str, dict[int, tuple[float, float]]] = {}
    for size, rows in table.items():
        for method, row in rows.items():
            curves.setdefault(method, {})[size] = (row["auc"], row["auc_error"])
    plots.plot_curves(curves, output / "level2_auc.png", "mean one-vs-rest AUC")
    return table, sizes


def classes(model: EventModel, name: str, test: EventDataset, output: Path) -> dict[str, Any]:
    """AUC of every class against the rest, and the confusion matrix, of the best network."""
    found = predict(model, test)
    report = classification_report(found.y, found.probability, found.weight, replicas=100)
    print(f"\n{name}: AUC of each class against the rest")
    for k, text in enumerate(CLASSES):
        print(f"{text}  {report['auc_per_class'][k]:.4f} +- {report['auc_per_class_error'][k]:.4f}")
    plots.plot_confusion(found.y, found.probability, CLASSES, output / "level2_confusion.png", found.weight)
    return {"method": name, "test_events": len(found.y), **report}


def entropy(model: EventModel, searched: Sequence[EventDataset], output: Path) -> dict[str, Any]:
    """Entropy of the predictions for events with and without the mediator, which no training has seen."""
    standard, mediator = (predict(model, events).probability for events in searched)
    values = [prediction_entropy(p) for p in (standard, mediator)]
    y = np.repeat([0, 1], [len(v) for v in values])
    score = np.concatenate(values)
    edges = np.linspace(0, np.log2(len(CLASSES)), 31)

    def figures(y: np.ndarray, score: np.ndarray, w: np.ndarray) -> np.ndarray:
        counts = [np.histogram(score[y == k], edges, weights=w[y == k])[0] for k in (0, 1)]
        return np.array([roc_auc(y, score, w), jensen_shannon(*counts)])

    value, error = bootstrap(figures, y, score, np.ones(len(y)), replicas=200, seed=0)
    samples = {"single top": 0, "single top with mediator": 1}
    columns = {"entropy [bit]": {name: values[k] for name, k in samples.items()}}
    for c, text in enumerate(CLASSES):
        columns[f"probability of {text}"] = {name: (standard, mediator)[k][:, c] for name, k in samples.items()}
    plots.compare_histograms(columns, output / "entropy.png")
    result = {
        "auc": float(value[0]), "auc_error": float(error[0]), "jensen_shannon": float(value[1]),
        "jensen_shannon_error": float(error[1]), "events": [len(v) for v in values],
        "mean_entropy": [float(v.mean()) for v in values],
    }  # fmt: skip
    print(
        f"\nEntropy, mediator against Standard Model: AUC {result['auc']:.4f} +- {result['auc_error']:.4f}, "
        f"Jensen-Shannon {result['jensen_shannon']:.4f} +- {result['jensen_shannon_error']:.4f} bit, "
        f"mean {result['mean_entropy'][1]:.3f} against {result['mean_entropy'][0]:.3f} bit"
    )
    return result


def views(model: EventModel, jobs: Sequence[Any], test: EventDataset, output: Path) -> None:
    """Two-dimensional views of the events' representation by the best classifier and by its level 1."""
    some = test.index_select(torch.linspace(0, len(test) - 1, min(VIEWED, len(test))).long())
    y = some.column("y").numpy()
    networks = {"level2": model, **{job.name: EventModel.from_pretrained(job.place.model(job.name)) for job in jobs}}
    for name, network in networks.items():
        points = represent(network, some)[1]
        points = (points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 1e-6)
        flat = {"PCA": PCA(2, random_state=0), "t-SNE": TSNE(2, random_state=0, perplexity=min(30, len(y) / 4))}
        with plots.png_figure(output / f"view_{name}.png", size=(12, 6)) as figure:
            for axes, (how, reduction) in zip(figure.subplots(1, 2), flat.items(), strict=True):
                place = reduction.fit_transform(points)
                for k, text in enumerate(CLASSES):
                    axes.scatter(*place[y == k].T, s=6, alpha=0.6, label=text)
                axes.set(title=how, xticks=[], yticks=[])
            axes.legend(fontsize=12, markerscale=3)

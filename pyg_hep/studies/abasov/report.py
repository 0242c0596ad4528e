"""Level 2 of Abasov et al. and the search by entropy: tables and plots made from records and saved networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from pyg_hep.analysis import prediction_entropy
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import classification_report, plots
from pyg_hep.metrics import bootstrap, jensen_shannon, roc_auc
from pyg_hep.studies.abasov.level1 import level1
from pyg_hep.studies.abasov.recipes import AbasovPretraining, label_then
from pyg_hep.studies.earlier import against_earlier, print_earlier, read_earlier
from pyg_hep.studies.execution import trained
from pyg_hep.studies.plan import Run
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import compare, gain, label, with_error
from pyg_hep.training import EventModel, predict, represent

PUBLISHED = {"16-1h": 0.9128, "20-5h": 0.9121, "125-1h": 0.9172, "125-5h": 0.9169}
"""Mean one-vs-rest AUC of the slides, 8.2 million events."""
CLASSES = ("0 t", "1 t", "2 t", "3 t", "4 t")
VIEWED = 2_000  # events of the views: t-SNE takes long beyond


def make(
    runs: Sequence[Run],
    records: Records,
    pretrained: Sequence[Mapping[str, Any]],
    jobs: Sequence[AbasovPretraining],
    searched: Sequence[EventDataset],
    output: Path,
    earlier: Path,
) -> dict[str, Any]:
    """Print every table, write the plots, and return all figures with their errors.

    Raises:
        ConfigError: when no network of the largest size is trained, or the best of them is not in its folder.
    """
    report: dict[str, Any] = {"pretraining": list(pretrained), "runs": len(records)}
    report["level1"] = level1(jobs, pretrained, output)
    report["level2"] = level2(records, output)
    best = best_run(runs, report["level2"])
    model = trained(best)
    if model is None:
        raise ConfigError(
            f"{best.output} has not the network of its record: --stage finetune makes it, without a record"
        )
    report["best"] = classes(model, best.method.label, best.task.test, output)
    report["entropy"] = entropy(model, searched, output)
    views(model, [job for job in jobs if job.variant == best.method.variant], best.task.test, output)
    most = max(report["level2"])
    tuned = {name: row for name, row in report["level2"][most].items() if name.startswith("pretrained")}
    name = max(tuned, key=lambda m: tuned[m]["auc"])
    report["summary"] = {
        "mean_ovr_auc": {
            "value": tuned[name]["auc"], "error": tuned[name]["auc_error"], "method": name, "size": most,
            "runs": tuned[name]["runs"], "published": PUBLISHED.get(name.partition("/")[2]),
        },
        "entropy_auc": {
            "value": report["entropy"]["auc"], "error": report["entropy"]["auc_error"], "published": None,
        },
    }  # fmt: skip
    for key, row in report["summary"].items():
        paper = "" if row["published"] is None else f" (slides {row['published']})"
        print(f"{key}: {with_error(row['value'], row['error'], 4)}{paper}")
    report["earlier"] = against_earlier(records.records, read_earlier(earlier / "runs.jsonl", label_then))
    print_earlier(report["earlier"], earlier)
    return report


def best_run(runs: Sequence[Run], table: Mapping[int, Mapping[str, Any]]) -> Run:
    """The first training of the network with the highest AUC at the largest size.

    Raises:
        ConfigError: when there is none.
    """
    if not table:
        raise ConfigError("no training of level 2 has a record: --stage finetune makes them")
    most = max(table)
    networks = {name: row["auc"] for name, row in table[most].items() if not name.startswith("trees")}
    best = max(networks, key=lambda name: networks[name], default="")
    mine = [run for run in runs if (run.method.label, run.size) == (best, most)]
    if not mine:
        raise ConfigError(f"no network of level 2 is trained with {most} events per class: --stage finetune does it")
    return mine[0]


def level2(records: Records, output: Path) -> dict[int, Any]:
    """Mean one-vs-rest AUC and accuracy by training size; gains over the same variant from scratch and over trees."""
    table: dict[int, Any] = {}
    for size in sorted({r["size"] for r in records.records}):
        mine = records.select(size=size)
        table[size] = compare(mine)
        print(f"\nLevel 2, {size:,d} training events per class: mean one-vs-rest AUC, accuracy [%] (slides: AUC)")
        for name, row in table[size].items():
            kind, _, variant = name.partition("/")
            text = f"{name:28s}{with_error(row['auc'], row['auc_error'], 4)}{100 * row['accuracy']:8.2f}"
            if "gain" in row:
                text += f"   gain in AUC {with_error(row['gain']['auc'], row['gain']['auc_error'], 4, sign=True)}"
            for trees in ("trees/objects", "trees"):
                if kind != "trees" and trees in table[size]:
                    over = gain(*([r for r in mine if label(r) == one] for one in (name, trees)))
                    row[f"over_{trees.replace('/', '_of_')}"] = over
                    text += f"   over {trees} {with_error(over['auc'], over['auc_error'], 4, sign=True)}"
            print(text + (f" ({PUBLISHED[variant]})" if kind == "scratch" else ""))
    curves: dict[str, dict[int, tuple[float, float | None]]] = {}
    for size, rows in table.items():
        for name, row in rows.items():
            curves.setdefault(name, {})[size] = (row["auc"], row["auc_error"])
    plots.plot_curves(curves, output / "level2_auc.png", "mean one-vs-rest AUC")
    return table


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
    mean = [float(v.mean()) for v in values]
    result = {
        "auc": float(value[0]), "auc_error": float(error[0]), "jensen_shannon": float(value[1]),
        "jensen_shannon_error": float(error[1]), "events": [len(v) for v in values],
        "mean_entropy": mean,
    }  # fmt: skip
    print(
        f"\nEntropy, mediator against Standard Model: AUC {result['auc']:.4f} +- {result['auc_error']:.4f}, "
        f"Jensen-Shannon {result['jensen_shannon']:.4f} +- {result['jensen_shannon_error']:.4f} bit, "
        f"mean {mean[1]:.3f} against {mean[0]:.3f} bit"
    )
    return result


def views(model: EventModel, jobs: Sequence[AbasovPretraining], test: EventDataset, output: Path) -> None:
    """Two-dimensional views of the events' representation by the best classifier and by its level 1."""
    some = test.index_select(torch.linspace(0, len(test) - 1, min(VIEWED, len(test))).long())
    y = some.column("y").numpy()
    networks = {"level2": model, **{job.name: EventModel.from_pretrained(job.folder) for job in jobs}}
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

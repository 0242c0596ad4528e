"""Figures of a task against the number of training events, from scratch and fine-tuned, over several seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from tqdm import tqdm

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation.baseline import SummaryVariables, boosted_trees
from pyg_hep.evaluation.report import classification_report
from pyg_hep.loader import EventLoader
from pyg_hep.metrics import accuracy, roc_auc
from pyg_hep.objectives import Classification
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, finetune, predict, pretrain
from pyg_hep.workers import run_in_processes

METHODS = ("scratch", "finetuned", "trees")


@dataclass(frozen=True)
class Task:
    """A classification task: the same test events for every run, touched once by each.

    Args:
        name: of the task.
        train: training events, from which every seed draws its own random subset.
        val: validation events, for early stopping.
        test: test events.
    """

    name: str
    train: EventDataset
    val: EventDataset
    test: EventDataset


@dataclass(frozen=True)
class Run:
    """One training: a task, a method of :data:`METHODS`, a size (events per class) and a seed."""

    task: Task
    method: str
    size: int
    seed: int
    output: Path
    settings: TrainingSettings
    scratch: EventModel | None = None
    pretrained: Path | None = None
    scratch_optimisation: Optimisation = field(default_factory=Optimisation)
    finetune_optimisation: Optimisation = field(default_factory=lambda: Optimisation(backbone_learning_rate=1e-5))
    threads: int | None = None


def balanced_subset(dataset: EventDataset, per_class: int, seed: int) -> EventDataset:
    """The same number of random events of every class.

    Raises:
        ConfigError: when a class has fewer.
    """
    y = dataset.column("y").numpy()
    rng = np.random.default_rng([seed, per_class])
    chosen = []
    for label in range(dataset.num_classes):
        rows = np.flatnonzero(y == label)
        if len(rows) < per_class:
            raise ConfigError(f"{per_class} events of class {label} asked for, {dataset!r} has {len(rows)}")
        chosen.append(rng.choice(rows, per_class, replace=False))
    return dataset.index_select(np.sort(np.concatenate(chosen)))


def class_balance(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Event weights scaled such that every class has the same sum."""
    sums = np.bincount(y, weights=weight)
    return weight * (len(y) / (len(sums) * sums))[y]


def execute(run: Run) -> dict[str, Any]:
    """Train and test one run; returns its record with the probabilities of the test events."""
    if run.threads is not None:
        torch.set_num_threads(run.threads)
    train = balanced_subset(run.task.train, run.size, run.seed)
    # As many validation events as a user with this budget would spare: a quarter of the training events.
    available = int(np.bincount(run.task.val.column("y").numpy()).min())
    val = balanced_subset(run.task.val, min(max(run.size // 4, 250), available), run.seed)
    record: dict[str, Any] = {"task": run.task.name, "method": run.method, "size": run.size, "seed": run.seed}
    if run.method == "trees":
        probability, y, weight = _trees(train, run.task.test, run.seed)
    else:
        objective = Classification(run.task.train.num_classes, class_weights="balanced")
        if run.method == "finetuned":
            if run.pretrained is None:
                raise ConfigError("fine-tuning needs a pretrained model")
            options = {"settings": run.settings, "optimisation": run.finetune_optimisation}
            result = finetune(run.pretrained, objective, train, val, output=run.output, **options)  # type: ignore
        else:
            assert run.scratch is not None
            lightning.seed_everything(run.seed, workers=True, verbose=False)
            backbone = type(run.scratch.backbone)(**run.scratch.backbone.config())
            model = EventModel(backbone, objective, run.scratch.features, run.scratch_optimisation)
            result = pretrain(model, train, val, output=run.output, settings=run.settings)
        tested = predict(result.model, run.task.test)
        probability, y, weight = tested.probability, tested.y, tested.weight
        record |= {"epochs": len(result.history), "best_epoch": result.best_epoch, "seconds": result.seconds}
        record["history"] = result.history
    weight = class_balance(y, weight)
    record["accuracy"] = float(accuracy(y, probability, weight))
    record["auc"] = float(roc_auc(y, _score(probability, "auc"), weight))
    record["probability"] = probability.astype(np.float32)
    return record


def _trees(train: EventDataset, test: EventDataset, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    variables = SummaryVariables()

    def table(dataset: EventDataset) -> np.ndarray:
        return np.concatenate([variables(batch) for batch in EventLoader(dataset, 8192)])

    y, weight = train.column("y").numpy(), train.column("weight").numpy()
    model = boosted_trees(table(train), y, class_balance(y, weight), seed=seed)
    return model.predict_proba(table(test)), test.column("y").numpy(), test.column("weight").numpy()


def execute_all(runs: Sequence[Run], workers: int = 1) -> Iterator[dict[str, Any]]:
    """Records of all runs as they end, in this process or on ``workers`` processes with one thread each."""
    with tqdm(total=len(runs), desc="Training", unit="run", disable=None) as bar:
        results: Iterator[tuple[int, dict[str, Any]]] = enumerate(map(execute, runs))
        if workers > 1:
            results = run_in_processes(execute, runs, workers, import_main=True)
        for _, record in results:
            yield record
            bar.update()


def summarise(records: Sequence[dict[str, Any]], test: EventDataset, method: str) -> dict[str, float]:
    r"""Mean figures of one method over its seeds, with errors.

    .. math:: \sigma^2 = s^2 / n + \sigma_\text{test}^2

    with the standard deviation s over the n seeds and the bootstrap error of the test events.
    """
    mine = [r for r in records if r["method"] == method]
    y = test.column("y").numpy()
    weight = class_balance(y, test.column("weight").numpy())
    # The test events' error is that of a typical run; averaging runs does not reduce it.
    test_error = classification_report(y, mine[0]["probability"], weight)
    result: dict[str, float] = {"runs": len(mine)}
    for figure in ("accuracy", "auc"):
        values = np.array([r[figure] for r in mine])
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        result[figure] = float(values.mean())
        result[f"{figure}_std"] = spread
        result[f"{figure}_error"] = math.hypot(spread / math.sqrt(len(values)), test_error[f"{figure}_error"])
    return result


def gain(records: Sequence[dict[str, Any]], test: EventDataset, method: str = "finetuned") -> dict[str, float]:
    """Difference of accuracy and AUC of a method to training from scratch, paired by seed and test event.

    Runs of one seed share their training events and all share the test events, so most of the spread cancels: the
    error is the standard deviation of the paired differences over the root of their number, in quadrature with the
    bootstrap error of the difference over test events.
    """
    y = test.column("y").numpy()
    weight = class_balance(y, test.column("weight").numpy())
    scratch = {r["seed"]: r for r in records if r["method"] == "scratch"}
    pairs = [(scratch[r["seed"]], r) for r in records if r["method"] == method and r["seed"] in scratch]
    rng = np.random.default_rng(0)
    result: dict[str, float] = {"pairs": len(pairs)}
    for figure, function in (("accuracy", accuracy), ("auc", roc_auc)):
        values = np.array([b[figure] - a[figure] for a, b in pairs])
        first, second = (_score(r["probability"], figure) for r in pairs[0])
        resampled = []
        for _ in range(100):
            w = weight * rng.poisson(1.0, len(weight))
            resampled.append(function(y, second, w) - function(y, first, w))
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        result[figure] = float(values.mean())
        result[f"{figure}_error"] = math.hypot(spread / math.sqrt(len(values)), float(np.std(resampled)))
    return result


def _score(probability: np.ndarray, figure: str) -> np.ndarray:
    return probability[:, 1] if figure == "auc" and probability.shape[1] == 2 else probability


def learning_curve(
    task: Task,
    pretrained: str | Path | None,
    sizes: Sequence[int],
    seeds: Sequence[int],
    *,
    output: str | Path,
    scratch: EventModel,
    settings: TrainingSettings,
    scratch_optimisation: Optimisation | None = None,
    finetune_optimisation: Optimisation | None = None,
    trees: bool = True,
    workers: int = 1,
) -> tuple[dict[int, dict[str, dict[str, float]]], list[dict[str, Any]]]:
    """Scratch, fine-tuned and boosted-tree figures of a task at several training sizes.

    Every seed draws its own training subset, shared by all methods, and its own initial weights.

    Args:
        task: the task.
        pretrained: folder of the pretrained model; None leaves the fine-tuned row out.
        sizes: training events per class.
        seeds: of the runs.
        output: folder of the runs.
        scratch: its backbone and features are what is trained from scratch; its weights are not used.
        settings: of every run (its seed is replaced).
        scratch_optimisation: from scratch; the published one by default.
        finetune_optimisation: fine-tuning; the published one by default.
        trees: add boosted trees on summary variables.
        workers: processes that train at the same time.

    Returns:
        size -> method -> figures with errors (``finetuned`` also has ``gain``), and the records of all runs.
    """
    methods = ["scratch", *(["finetuned"] if pretrained is not None else []), *(["trees"] if trees else [])]
    runs = [
        Run(
            task=task,
            method=method,
            size=size,
            seed=seed,
            output=Path(output) / task.name / f"{method}-{size}-{seed}",
            settings=replace(settings, seed=seed),
            scratch=scratch,
            pretrained=Path(pretrained) if pretrained is not None else None,
            scratch_optimisation=scratch_optimisation or Optimisation(),
            finetune_optimisation=finetune_optimisation or Optimisation(backbone_learning_rate=1e-5),
            threads=1 if workers > 1 else None,
        )
        for size in sizes
        for seed in seeds
        for method in methods
    ]
    records = list(execute_all(runs, workers))
    curve: dict[int, dict[str, dict[str, float]]] = {}
    for size in sizes:
        mine = sorted((r for r in records if r["size"] == size), key=lambda r: (r["method"], r["seed"]))
        curve[size] = {method: summarise(mine, task.test, method) for method in methods}
        if "finetuned" in methods:
            curve[size]["gain"] = gain(mine, task.test)
    return curve, records

"""Figures of a task against the number of training events, for recipes side by side, over several seeds."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
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
from pyg_hep.evaluation.object_variables import ObjectVariables
from pyg_hep.evaluation.records import RunRecords
from pyg_hep.loader import EventLoader
from pyg_hep.metrics import accuracy, roc_auc
from pyg_hep.objectives import Classification
from pyg_hep.training import EventModel, FitResult, Optimisation, TrainingSettings, finetune, predict, pretrain
from pyg_hep.workers import run_in_processes

FIGURES = ("accuracy", "auc")
"""What every run records of its test events, as fractions."""

RECORD_KEY = ("task", "method", "size", "seed", "recipe")
"""Entries that tell the record of one run from others."""

REPLICAS = 100
"""Resamplings of the test events; those of all runs of a task are the same, so that differences are paired."""


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
class Recipe:
    """One way to train for a task.

    Args:
        name: of the method in records and tables.
        settings: length and size of the training; the seed is replaced by that of the run.
        optimisation: learning rates and what is frozen.
        pretrained: folder of the model that is fine-tuned; None trains ``scratch`` from random weights.
        scratch: model whose backbone and features are trained from scratch; its weights are not used.
        reset: parts of the pretrained backbone that start anew.
        changes: arguments of the pretrained backbone in place of its own, see :func:`~pyg_hep.training.finetune`.
        probe: fit the new head to the frozen representation first.
        augment: arguments of :class:`~pyg_hep.transforms.LorentzAugment` for the training events; None for none.
        trees: boosted trees instead of a network.
        variables: what makes the trees' table from a raw batch, :class:`SummaryVariables` as it comes by default.
    """

    name: str
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    optimisation: Optimisation = field(default_factory=Optimisation)
    pretrained: Path | None = None
    scratch: EventModel | None = None
    reset: tuple[str, ...] = ()
    changes: Mapping[str, Any] | None = None
    probe: bool = False
    augment: Mapping[str, Any] | None = None
    trees: bool = False
    variables: SummaryVariables | ObjectVariables | None = None

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits of everything that shapes a training; a pretrained model enters by its name.

        Only what differs from the defaults enters, so that a new option leaves the digests of old records alone;
        where a training runs, and what it prints and logs, does not.
        """
        content = _changed(replace(self, scratch=None, pretrained=None))
        content |= {"optimisation": _changed(self.optimisation), "settings": _changed(self.settings)}
        for name in ("accelerator", "devices", "strategy", "seed", "progress", "resume", "checkpoints", "tensorboard"):
            content["settings"].pop(name, None)
        if self.pretrained is not None:
            content["pretrained"] = self.pretrained.parent.name
        if self.scratch is not None:
            content["scratch"] = [self.scratch.backbone.config(), self.scratch.features.columns]
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def _changed(options: Any) -> dict[str, Any]:
    """Fields of a data class that do not have their default value, by name."""
    changed = {}
    for field_ in dataclasses.fields(options):
        factory = field_.default_factory
        default = field_.default if factory is dataclasses.MISSING else factory()
        if (value := getattr(options, field_.name)) != default:
            changed[field_.name] = value
    return changed


@dataclass(frozen=True)
class Run:
    """One training: a task, a recipe, a size (training events per class) and a seed."""

    task: Task
    recipe: Recipe
    size: int
    seed: int
    output: Path
    threads: int | None = None

    @property
    def key(self) -> tuple[str, str, int, int, str]:
        """What tells this run from others in a list of records: those of another recipe of the same name included."""
        return self.task.name, self.recipe.name, self.size, self.seed, self.recipe.digest


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
    """Train and test one run.

    Returns:
        Its record: names, sizes, figures, their ``replicas`` under resampled test events, and, of a network, epochs,
        seconds, ``val_accuracy`` and ``elapsed`` (seconds) after every epoch, all plain JSON; besides ``history``
        and ``probability``, arrays for plots.
    """
    if run.threads is not None:
        torch.set_num_threads(run.threads)
    train = balanced_subset(run.task.train, run.size, run.seed)
    # As many validation events as a user with this budget would spare: a quarter of the training events.
    available = int(np.bincount(run.task.val.column("y").numpy()).min())
    val = balanced_subset(run.task.val, min(max(run.size // 4, 250), available), run.seed)
    record: dict[str, Any] = dict(zip(RECORD_KEY, run.key, strict=True))
    if run.recipe.trees:
        probability, y, weight = _trees(train, run.task.test, run.recipe.variables or SummaryVariables(), run.seed)
    else:
        result = _train(run, train, val)
        tested = predict(result.model, run.task.test)
        probability, y, weight = tested.probability, tested.y, tested.weight
        record |= {"epochs": len(result.history), "best_epoch": result.best_epoch, "seconds": result.seconds}
        record |= {"val_accuracy": [epoch["val_accuracy"] for epoch in result.history]}
        record |= {"elapsed": [epoch["seconds"] for epoch in result.history], "history": result.history}
    record |= {"val_events": len(val), "test_events": len(y), "probability": probability.astype(np.float32)}
    return record | _figures(y, probability, class_balance(y, weight))


def _train(run: Run, train: EventDataset, val: EventDataset) -> FitResult:
    recipe = run.recipe
    settings = replace(recipe.settings, seed=run.seed)
    objective = Classification(run.task.train.num_classes, class_weights="balanced", augment=recipe.augment)
    if recipe.pretrained is not None:
        return finetune(
            recipe.pretrained, objective, train, val, output=run.output, settings=settings,
            optimisation=recipe.optimisation, reset=recipe.reset, changes=recipe.changes, probe=recipe.probe,
        )  # fmt: skip
    if recipe.scratch is None:
        raise ConfigError(f"the recipe {recipe.name!r} names neither a pretrained model nor one to train from scratch")
    lightning.seed_everything(run.seed, workers=True, verbose=False)
    backbone = type(recipe.scratch.backbone)(**recipe.scratch.backbone.config())
    model = EventModel(backbone, objective, recipe.scratch.features, recipe.optimisation)
    return pretrain(model, train, val, output=run.output, settings=settings)


def _figures(y: np.ndarray, probability: np.ndarray, weight: np.ndarray) -> dict[str, Any]:
    """Every figure, and its values under the Poisson weights of :data:`REPLICAS` resamplings of the test events."""
    right = (probability.argmax(axis=1) == y).astype(np.int64)
    score = probability[:, 1] if probability.shape[1] == 2 else probability
    if score.ndim == 1:
        score = np.unique(score, return_inverse=True)[1]  # ranks need no sorting in the replicas

    def figures(w: np.ndarray) -> list[float]:
        return [float(accuracy(np.ones_like(right), right, w)), float(roc_auc(y, score, w))]

    # The same random numbers for every run of a task: replica k of two runs saw the same events.
    rng = np.random.default_rng(0)
    replicas = [figures(weight * rng.poisson(1.0, len(weight))) for _ in range(REPLICAS)]
    values = dict(zip(FIGURES, figures(weight), strict=True))
    columns = dict(zip(FIGURES, np.round(replicas, 6).T.tolist(), strict=True))
    return {**values, "replicas": columns}


def _trees(
    train: EventDataset, test: EventDataset, variables: SummaryVariables | ObjectVariables, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def finish(runs: Sequence[Run], records: RunRecords, workers: int = 1, note: Mapping[str, Any] | None = None) -> None:
    """Train every run that has no record yet; the record of each is written, and a line printed, as it ends.

    Args:
        runs: all runs of a study.
        records: those that are finished, with the key :data:`RECORD_KEY`.
        workers: processes that train at the same time, one thread each.
        note: further entries of every new record, such as the commit and the date.

    Raises:
        ConfigError: for a pretrained model that is not there.
    """
    waiting = [run for run in runs if run.key not in records]
    for run in waiting:
        if run.recipe.pretrained is not None and not run.recipe.pretrained.is_dir():
            raise ConfigError(f"no pretrained network in {run.recipe.pretrained}: --stage pretrain makes it")
    print(f"{len(waiting)} trainings to do, {len(records)} recorded in {records.path}")
    for record in execute_all(waiting, workers):
        records.append({**record, **(note or {})})
        print(f"{record['task']} {record['method']} {record['size']} seed {record['seed']}: "
              f"accuracy {record['accuracy']:.4f}, AUC {record['auc']:.4f}", flush=True)  # fmt: skip


def mean_and_error(values: Sequence[float], replicas: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    r"""Mean over runs, its error, and the standard deviation of the runs.

    .. math:: \sigma^2 = s^2 / n + \sigma_\text{test}^2

    with the standard deviation s over the n runs, and that of the runs' mean over resampled test events: all runs
    share those, so averaging runs does not reduce it.

    Args:
        values: a figure, or a paired difference, of every run.
        replicas: the same under every resampling, one list per run.
    """
    n = len(values)
    spread = float(np.std(values, ddof=1)) if n > 1 else 0.0
    test = float(np.std(np.mean(replicas, axis=0)))
    return float(np.mean(values)), math.hypot(spread / math.sqrt(n), test), spread


def summarise(records: Sequence[Mapping[str, Any]], method: str) -> dict[str, float]:
    """Mean figures of one method over its seeds, with errors as :func:`mean_and_error` has them."""
    mine = [r for r in records if r["method"] == method]
    result: dict[str, float] = {"runs": len(mine)}
    for figure in FIGURES:
        value, error, spread = mean_and_error([r[figure] for r in mine], [r["replicas"][figure] for r in mine])
        result |= {figure: value, f"{figure}_error": error, f"{figure}_std": spread}
    return result


def gain(
    records: Sequence[Mapping[str, Any]], method: str = "finetuned", baseline: str = "scratch"
) -> dict[str, float]:
    """Mean difference of two methods, paired by seed and test event, with errors as :func:`mean_and_error` has them.

    Runs of one seed share their training events and all share the test events, so most of the spread cancels.

    Raises:
        ConfigError: when no seed has both.
    """
    first = {r["seed"]: r for r in records if r["method"] == baseline}
    pairs = [(first[r["seed"]], r) for r in records if r["method"] == method and r["seed"] in first]
    if not pairs:
        raise ConfigError(f"no seed has a training by {method!r} and one by {baseline!r}")
    result: dict[str, float] = {"pairs": len(pairs)}
    for figure in FIGURES:
        values = [b[figure] - a[figure] for a, b in pairs]
        replicas = [np.subtract(b["replicas"][figure], a["replicas"][figure]) for a, b in pairs]
        value, error, spread = mean_and_error(values, replicas)
        result |= {figure: value, f"{figure}_error": error, f"{figure}_std": spread}
    return result


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
    recipes = [Recipe("scratch", settings, scratch_optimisation or Optimisation(), scratch=scratch)]
    if pretrained is not None:
        optimisation = finetune_optimisation or Optimisation(backbone_learning_rate=1e-5)
        recipes.append(Recipe("finetuned", settings, optimisation, pretrained=Path(pretrained)))
    if trees:
        recipes.append(Recipe("trees", trees=True))
    runs = plan([task], recipes, sizes, seeds, Path(output), threads=1 if workers > 1 else None)
    records = list(execute_all(runs, workers))
    curve: dict[int, dict[str, dict[str, float]]] = {}
    for size in sizes:
        mine = sorted((r for r in records if r["size"] == size), key=lambda r: (r["method"], r["seed"]))
        curve[size] = {recipe.name: summarise(mine, recipe.name) for recipe in recipes}
        if pretrained is not None:
            curve[size]["gain"] = gain(mine)
    return curve, records


def plan(
    tasks: Sequence[Task],
    recipes: Sequence[Recipe],
    sizes: Sequence[int],
    seeds: Sequence[int],
    output: Path,
    threads: int | None = None,
) -> list[Run]:
    """One run per task, recipe, size and seed, each with a folder of its own; one seed of all tasks comes first."""
    return [
        Run(task, recipe, size, seed, output / task.name / f"{recipe.name}-{size}-{seed}", threads)
        for size in sizes
        for seed in seeds
        for task in tasks
        for recipe in recipes
    ]

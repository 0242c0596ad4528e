"""Fine-tune a pretrained network for a task of your own, and see what the pretraining is worth.

    python examples/finetune.py --signal a.root --background b.root

trains, on the same events: a network from scratch; boosted trees on event variables; and the pretrained network
fine-tuned, as a linear probe, stacked under the trees (which then see its representation and class probabilities
too), and the mean of stack and fine-tuned network. Says which of them cross-validation on the training events
recommends, prints accuracy and AUC on test events that none of them saw, and saves the fine-tuned model of every
seed. Without --pretrained the newest model of examples/pretrain.py or examples/quickstart.py is taken.
"""

from dataclasses import replace
from pathlib import Path

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.evaluation import plots
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.studies import (
    FineTuned,
    FromScratch,
    LinearProbe,
    Mean,
    Method,
    Size,
    StackedTrees,
    Task,
    Trees,
    cross_validate,
    learning_curve,
)
from pyg_hep.studies.statistics import with_error
from pyg_hep.training import EventModel, Optimisation, TrainingSettings

KNOWN = ("runs/pretrain/model", "runs/quickstart/pretrain/model")


def find_pretrained(given: str | None) -> Path | None:
    """The folder given, or the newest of those that the other examples write."""
    if given is not None:
        return None if given == "none" else Path(given)
    found = [Path(folder) for folder in KNOWN if (Path(folder) / "config.json").is_file()]
    if found:
        newest = max(found, key=lambda folder: (folder / "config.json").stat().st_mtime)
        print(f"pretrained model: {newest}")
        return newest
    print(f"no pretrained model in {' or '.join(KNOWN)} (examples/pretrain.py makes one): from scratch only")
    return None


def main() -> None:
    """Read files, train all methods, test once, report."""
    parser = command.Options(__doc__)
    parser.add_argument("--signal", nargs="+", required=True, help="files, folders or patterns of the signal (class 1)")
    parser.add_argument(
        "--background", nargs="+", required=True, help="files, folders or patterns of the background (class 0)"
    )
    parser.add_argument("--pretrained", type=str | None, default=None, help="folder of a model, or 'none'")
    parser.add_argument("--card", type=str | None, default=None, help="default: the pretrained model's, or cms_nanoaod")
    parser.add_argument("--output", default="runs/finetune", help="folder for everything this run writes")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument("--events_per_class", type=int | None, default=None, help="training events; default: all")
    parser.add_argument("--seeds", type=list[int], default=[1, 2, 3], help="one training of each method per seed")
    parser.add_argument("--folds", type=int, default=3, help="of the recommendation; 0 for none")
    parser.add_argument("--workers", type=int, default=2, help="trainings at the same time, one thread each")
    parser.add_argument("--training", type=TrainingSettings, default=TrainingSettings(batch_size=256, patience=10))
    parser.add_argument("--optimisation", type=Optimisation, default=Optimisation(backbone_learning_rate=1e-5))
    parser.add_argument("--scratch", type=Optimisation, default=Optimisation())
    options = parser.parse_args()
    chosen = parser.instantiate(options)
    output = command.start_run(options.output, parser, options)

    pretrained = find_pretrained(options.pretrained)
    model = EventModel.from_pretrained(pretrained) if pretrained is not None else None
    card = options.card or (model.metadata.get("card") if model is not None else None) or "cms_nanoaod"
    files = {"background": options.background, "signal": options.signal}
    train, val, test = (
        EventDataset(options.cache, card, files, split=s, verbose=False) for s in ("train", "val", "test")
    )
    print("\n".join(train.report.lines()))
    if model is None:
        everything = EventModel(GraphNetwork.ho(), Classification(2))
    else:
        everything = EventModel(model.backbone, Classification(2), model.view)
    task = Task("task", train, val, test)
    size = options.events_per_class or task.most
    if size > task.most:
        raise ConfigError(f"--events_per_class {size}: the smaller class has {task.most} training events")
    print(f"{size} training events of each class, {len(test)} test events, seeds {options.seeds}")
    settings = replace(chosen.training, progress=False, tensorboard=True)
    methods: list[Method] = [FromScratch(everything, settings=settings, optimisation=chosen.scratch), Trees()]
    if pretrained is not None:
        tuned = FineTuned(pretrained, settings=settings, optimisation=chosen.optimisation)
        stacked = StackedTrees(pretrained=pretrained)
        methods += [tuned, LinearProbe(pretrained), stacked, Mean((tuned, stacked))]
    point, folds = Size(size, tuple(options.seeds)), {}
    if options.folds:
        folds = cross_validate(
            task, methods, point, output=output / "folds", number=options.folds, workers=options.workers
        )
        print(f"recommended by {options.folds} folds of the training events: {next(iter(folds))}; AUC in them:")
        print("  " + ", ".join(f"{name} {with_error(mean, error, 4)}" for name, (mean, error) in folds.items()))
    curve, records = learning_curve(task, methods, [point], output=output, workers=options.workers)
    figures = curve[size]
    for method, row in figures.items():
        cells = [f"{name} {with_error(row[name], row[f'{name}_error'], 4)}" for name in ("accuracy", "auc")]
        print(f"{method:10s} {'   '.join(cells)}")
        if "gain" in row:
            text = with_error(row["gain"]["accuracy"], row["gain"]["accuracy_error"], 4, sign=True)
            print(f"{'':10s} accuracy {text} over {row['baseline']} (paired)")
    first = {r["method"]: r for r in records if r["seed"] == options.seeds[0]}
    y, weight = test.y.numpy(), test.weight.numpy()
    runs = {m: [(y, r["probability"][:, 1], weight) for r in records if r["method"] == m] for m in first}
    plots.plot_roc(runs, output / "roc.png", areas={m: (figures[m]["auc"], figures[m]["auc_error"]) for m in runs})
    plots.plot_losses({m: r["history"] for m, r in first.items() if "history" in r}, output / "loss.png")
    best = first["finetuned" if "finetuned" in first else "scratch"]
    plots.plot_scores(y, best["probability"][:, 1], ["background", "signal"], output / "score.png", weight)
    command.write_results(
        output,
        {
            "task": figures,
            "folds": folds,
            "events_per_class": size,
            "test_events": len(test),
            "seeds": options.seeds,
            "pretrained": str(pretrained),
            "card": str(card),
        },
    )
    print(f"models saved in {output / 'task'}")


if __name__ == "__main__":
    command.run(main)

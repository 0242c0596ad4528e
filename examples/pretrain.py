"""Pretrain a graph network to tell physics processes apart (Ho et al., arXiv:2412.10665).

Files come from examples/simulate.py or are anybody's NanoAOD. Each file is a process of its own, or say
NAME=FILE to put several files into one. The trained model is saved to OUTPUT/model.

    python examples/pretrain.py --data ttbar=a.root ttbar=b.root WH=c.root --training.epochs 20
"""

from pathlib import Path

import lightning

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import classification_report, plots
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, predict, pretrain


def main() -> None:
    """Read files, train, test once, report."""
    parser = command.Options(__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="files, folders or patterns, PATH or NAME=PATH")
    parser.add_argument("--card", default="cms_nanoaod", help="dataset card: a path or a shipped name")
    parser.add_argument("--output", default="runs/pretrain", help="folder for everything this run writes")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument("--shared_steps", type=bool, default=True, help="message-passing steps share their MLPs")
    parser.add_argument("--class_weights", type=str | None, default="balanced", help="'balanced' or null")
    parser.add_argument("--training", type=TrainingSettings, default=TrainingSettings())
    parser.add_argument("--optimisation", type=Optimisation, default=Optimisation())
    options = parser.parse_args()
    files = command.parse_files(options.data, options.card)
    chosen = parser.instantiate(options)
    settings, optimisation = chosen.training, chosen.optimisation
    output = command.start_run(options.output, parser, options)

    train, val, test = (
        EventDataset(options.cache, options.card, files, split=split, verbose=False)
        for split in ("train", "val", "test")
    )
    print("\n".join(train.report.lines()))
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    model = EventModel(
        GraphNetwork.ho(shared_steps=options.shared_steps),
        Classification(train.num_classes, class_weights=options.class_weights),
        optimisation=optimisation,
        metadata={"card": str(options.card), "classes": train.class_names},
    )
    result = pretrain(model, train, val, output=output, settings=settings)

    tested = predict(result.model, test)
    factors = model.objective.class_factors.numpy()
    report = classification_report(tested.y, tested.probability, tested.weight * factors[tested.y])
    print(f"best epoch {result.best_epoch}, {result.seconds:.0f} s; {len(test)} test events:")
    print(f"accuracy {report['accuracy']:.4f} +- {report['accuracy_error']:.4f}")
    print(f"auc      {report['auc']:.4f} +- {report['auc_error']:.4f}")
    print(f"model saved to {output / 'model'}")
    plots.plot_losses({"pretraining": result.history}, output / "loss.png")
    plots.plot_confusion(tested.y, tested.probability, train.class_names, output / "confusion.png", tested.weight)
    command.write_results(
        output,
        {
            "test": report,
            "events": {"train": len(train), "val": len(val), "test": len(test)},
            "classes": train.class_names,
            "best_epoch": result.best_epoch,
            "seconds": result.seconds,
            "seed": settings.seed,
            "parameters": sum(p.numel() for p in model.parameters()),
            "model": str(Path(output) / "model"),
        },
    )


if __name__ == "__main__":
    command.run(main)

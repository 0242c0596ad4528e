"""What is a pretrained graph network worth beside one trained from scratch, and beside boosted trees? In ten minutes.

Simulates collisions with Pythia 8 (kept in --samples, made once), pretrains the graph network of Ho et al.
(arXiv:2412.10665) on six processes, and trains WH against ZH, and stop pairs against ttH (no stop event is in any
pretraining), at 1,000 events per class and several seeds: the network from scratch and fine-tuned; boosted trees on
event variables; and the network that comes with the package, pretrained on twelve processes ("shipped"), fine-tuned,
as a linear probe, stacked under the trees, and the mean of the last two. Writes results, models and plots to --output.
"""

import hashlib
import inspect
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import lightning

from pyg_hep import command, simulation
from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import plots
from pyg_hep.nn import GraphNetwork
from pyg_hep.objectives import Classification
from pyg_hep.readers import load_card
from pyg_hep.studies import FineTuned, FromScratch, LinearProbe, Mean, Size, StackedTrees, Task, Trees, learning_curve
from pyg_hep.studies.statistics import label, with_error
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, pretrain

PRETRAINING = ("ttbar", "WH", "ZH", "ttH", "ggF", "VBF")
TASKS = {"WH_ZH": ("WH", "ZH"), "stop_ttH": ("stop", "ttH")}  # the signal first
# Pretraining needs no test events; the tasks draw from a pool several times as large as a training of 1,000 events.
SPLITS = {
    "pretraining": {"train": 0.9, "val": 0.1},
    "tasks": {"train": 0.4, "val": 0.1, "test": 0.5},
}
SHIPPED = "ho-transformer"  # its pretraining events were simulated with other seeds
SEEDS_OF_SAMPLES = {"pretraining": 1, "tasks": 8}


def sample(process: str, purpose: str, events: int, folder: Path, workers: int | None) -> Path:
    """A simulated file, made once: its name holds a hash of everything that shaped it."""
    seed = SEEDS_OF_SAMPLES[purpose]
    room = Path(inspect.getfile(simulation)).parent
    code = b"".join(path.read_bytes() for path in sorted(room.glob("*.py")))
    key = hashlib.sha256(code + json.dumps([process, events, seed]).encode()).hexdigest()[:12]
    path = folder / f"{process}-{purpose}-{key}.root"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        simulation.simulate(process, events, seed, path, workers=workers)
    return path


def main() -> None:
    """Simulate, pretrain, train both tasks, report."""
    started = time.perf_counter()
    parser = command.Options(__doc__)
    parser.add_argument("--output", default="runs/quickstart", help="folder for everything this run writes")
    parser.add_argument("--samples", default="runs/samples", help="folder for simulated files")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument("--pretraining_events", type=int, default=10_000, help="per process")
    parser.add_argument("--task_events", type=int, default=12_000, help="per class, all splits")
    parser.add_argument("--events_per_class", type=int, default=1_000, help="training events of the tasks")
    parser.add_argument("--seeds", type=list[int], default=[1, 2, 3, 4, 5], help="trainings of each kind")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument(
        "--pretraining", type=TrainingSettings, default=TrainingSettings(epochs=14, batch_size=256, threads=1)
    )
    parser.add_argument(
        "--training", type=TrainingSettings, default=TrainingSettings(epochs=12, batch_size=64, threads=1)
    )
    # Learning rates and schedule are for ten minutes, not the published ones: 12 epochs of 1e-4 teach a network of
    # this depth nothing, from scratch or not. The same for both kinds of training but for the pretrained layers.
    short = Optimisation(learning_rate=1e-3, schedule="cosine", warmup_epochs=1.0)
    parser.add_argument("--pretrain_optimisation", type=Optimisation, default=short)
    parser.add_argument("--scratch", type=Optimisation, default=short)
    parser.add_argument("--finetune", type=Optimisation, default=replace(short, backbone_learning_rate=3e-4))
    options = parser.parse_args()
    chosen = parser.instantiate(options)
    output = command.start_run(options.output, parser, options)
    samples = Path(options.samples)
    card = load_card("simulated_events")
    cards = {purpose: replace(card, splits=splits) for purpose, splits in SPLITS.items()}

    files = {p: sample(p, "pretraining", options.pretraining_events, samples, options.workers) for p in PRETRAINING}
    task_files = {
        process: sample(process, "tasks", options.task_events, samples, options.workers)
        for process in sorted({p for pair in TASKS.values() for p in pair})
    }
    simulated = time.perf_counter() - started

    train, val = (EventDataset(options.cache, cards["pretraining"], files, split=split) for split in ("train", "val"))
    lightning.seed_everything(chosen.pretraining.seed, workers=True, verbose=False)
    model = EventModel(
        GraphNetwork.ho(),
        Classification(train.num_classes, class_weights="balanced"),
        optimisation=chosen.pretrain_optimisation,
        metadata={"card": card.name, "processes": train.process_names},
    )
    result = pretrain(model, train, val, output=output / "pretrain", settings=chosen.pretraining)
    print(f"pretrained on {len(train)} events of {len(PRETRAINING)} processes in {result.seconds:.0f} s")
    plots.plot_losses({"pretraining": result.history}, output / "pretraining_loss.png")

    settings = replace(chosen.training, progress=False, tensorboard=False, checkpoints=False)
    methods = [
        FromScratch(result.model, settings=settings, optimisation=chosen.scratch),
        FineTuned(output / "pretrain" / "model", settings=settings, optimisation=chosen.finetune),
        Trees(),
        FineTuned(SHIPPED, settings=settings, optimisation=chosen.finetune, variant="shipped"),
        probe := LinearProbe(SHIPPED, variant="shipped"),
        stacked := StackedTrees(pretrained=SHIPPED, variant="shipped", baseline="trees"),
        Mean((probe, stacked), variant="shipped", baseline="trees"),
    ]
    size = Size(options.events_per_class, tuple(options.seeds))
    tasks = {}
    for name, (signal, background) in TASKS.items():
        classes = {background: task_files[background], signal: task_files[signal]}
        task = Task(name, *(EventDataset(options.cache, cards["tasks"], classes, split=s) for s in SPLITS["tasks"]))
        curve, records = learning_curve(task, methods, [size], output=output / "tasks", workers=options.workers)
        figures = curve[options.events_per_class]
        tasks[name] = {**figures, "gain": figures["finetuned"]["gain"], "test_events": len(task.test)}
        y, weight = task.test.y.numpy(), task.test.weight.numpy()
        first = {label(r): r for r in records if r["seed"] == options.seeds[0]}
        runs = {m: [(y, r["probability"][:, 1], weight) for r in records if label(r) == m] for m in first}
        areas = {m: (figures[m]["auc"], figures[m]["auc_error"]) for m in runs}
        plots.plot_roc(runs, output / f"roc_{name}.png", areas=areas)
        plots.plot_scores(y, runs["finetuned"][0][1], [background, signal], output / f"score_{name}.png", weight)
        plots.plot_losses({m: r["history"] for m, r in first.items() if "history" in r}, output / f"loss_{name}.png")

    print(f"\n{options.events_per_class} training events per class, {len(options.seeds)} seeds; accuracy and AUC in %")
    print(f"{'task':10s} {'method':18s} {'accuracy':>14s} {'AUC':>14s}")
    for name, figures in tasks.items():
        for text, row in ((method.label, figures[method.label]) for method in methods):
            lines = {text: row, f"  over {row.get('baseline')}": row.get("gain")}
            for line, of in ((line, of) for line, of in lines.items() if of is not None):
                cells = [with_error(of[k], of[f"{k}_error"], 2, 100, of is not row) for k in ("accuracy", "auc")]
                print(f"{name:10s} {line:18s} {cells[0]:>14s} {cells[1]:>14s}")
    print("errors: spread over seeds and test events; over: the difference, paired on the same events")
    drawn = {n: {m.label: (f[m.label]["auc"], f[m.label]["auc_error"]) for m in methods} for n, f in tasks.items()}
    plots.plot_methods(drawn, output / "methods.png", "AUC [%]", reference="trees")
    seconds = time.perf_counter() - started
    results = {"tasks": tasks, "events_per_class": options.events_per_class, "seeds": options.seeds}
    results |= {"seconds": seconds, "seconds_simulation": simulated, "seconds_pretraining": result.seconds}
    results |= {"pretraining_events": {"train": len(train), "val": len(val)}, "pretraining_processes": PRETRAINING}
    command.write_results(output, results)
    print(f"{seconds:.0f} s ({simulated:.0f} s of simulation); results, models and plots in {output}")


if __name__ == "__main__":
    command.run(main)

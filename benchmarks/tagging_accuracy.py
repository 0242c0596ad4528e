"""AUC of our jet taggers beside their peers' on identical jets: the same training, validation and test jets.

    python examples/simulate.py --preset omnilearn --jets 20000 --output runs/omnilearn/samples
    python benchmarks/tagging_accuracy.py

Top against QCD of the study of OmniLearn (its full detector), 5,000 jets of each class, 5 passes, batches of 128, two
seeds. Each is trained with three learning rates (the peers' published one and two others), of which that with the
least validation loss counts; peers with their own optimisers and schedules, ours with AdamW and a cosine. All
transformers have width 64 and 4 layers, ParticleNet its published size. Finished trainings are lines of --records and
not done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from peer_taggers import Peer

from pyg_hep import command
from pyg_hep.objectives import Classification
from pyg_hep.studies.execution import finish
from pyg_hep.studies.methods import FromScratch, Method
from pyg_hep.studies.omnilearn import recipes
from pyg_hep.studies.omnilearn.samples import Jets
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import plan
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import gain, label, summarise, with_error
from pyg_hep.studies.task import Size
from pyg_hep.training import EventModel, TrainingSettings

SIZE = Size(5_000, 2, 5, 128)
FACTORS = {"": (1 / 3, 1.0, 3.0), "omnilearned": (0.1, 1 / 3, 1.0), "omnilearned/local_interaction": (0.1, 1 / 3, 1.0)}
"""On the learning rate; Lion's published one is the largest of three, its package's default the smallest."""
PAIRS = {
    "particle_net": ("weaver/particle_net",),
    "event_transformer": ("weaver/particle_transformer",),
    "scratch": ("omnilearned", "omnilearned/local_interaction"),
}
"""Ours -> the peers it is compared with."""


def methods() -> list[Method]:
    """All networks, each with its three rates."""
    study = recipes.SIZES["small"]
    networks = recipes.networks(study)
    settings = TrainingSettings(patience=None, progress=False, checkpoints=False, tensorboard=False)
    optimisation = replace(recipes.TAGGING, **{**study.tagging, **study.scratch})
    every: list[Method] = []
    for name, theirs in PAIRS.items():
        backbone, view = networks[name]
        model = EventModel(backbone, Classification(2), view)
        for factor in FACTORS[""]:
            rates = replace(optimisation, learning_rate=factor * optimisation.learning_rate)
            every.append(FromScratch(
                model, settings=settings, optimisation=rates, name=name, columns={"factor": factor}
            ))  # fmt: skip
        for peer in theirs:
            title, _, variant = peer.partition("/")
            every += [
                Peer(name=title, variant=variant, factor=factor, columns={"factor": factor})
                for factor in FACTORS.get(peer, FACTORS[""])
            ]
    return every


def best_rates(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every network and seed the training whose rate has the least validation loss."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault((label(record), record["seed"]), []).append(record)
    return [min(group, key=lambda r: float(np.nanmin(r["val_loss"]))) for group in groups.values()]


def main() -> None:
    """Train what has no record, print the table."""
    folder = Path(__file__).parent / "results"
    parser = command.Options(__doc__)
    parser.add_argument("--samples", default="runs/omnilearn/samples", help="folder of the files of simulate.py")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted jets")
    parser.add_argument("--output", default="runs/tagging_accuracy", help="folder for what trainings leave behind")
    parser.add_argument("--records", default=str(folder / "tagging_accuracy.jsonl"), help="finished trainings")
    parser.add_argument("--workers", type=int, default=2, help="trainings at the same time, one thread each")
    options = parser.parse_args()
    command.start_run(options.output, parser, options)
    place = Place("omnilearn", Path(options.samples), Path(options.cache), Path(options.output), threads=1)
    task = Jets(place, recipes.SIZES["small"].particles).top_tagging()
    # One folder for each rate: runs of one label and seed would write into the same.
    runs = [
        run
        for k, method in enumerate(methods())
        for run in plan([task], [method], [SIZE], place.runs / str(k), place.threads)
    ]
    records = Records(options.records)
    finish(sorted(runs, key=lambda run: run.seed), records, options.workers, command.note())
    records.keep(run.key for run in runs)
    best = best_rates(records.records)
    print(f"\n{'':34s}{'AUC':>20s}{'rejection at 50 %':>20s}{'less the peer, AUC':>24s}  factors of the rate")
    for name, theirs in PAIRS.items():
        for one in (name, *theirs):
            mine = [r for r in best if label(r) == one]
            cells = [_mean(mine, "auc", 4), _mean(mine, "rejection_50", 1)]
            ours = [r for r in best if label(r) == name]
            difference = gain(ours, mine) if one != name else None
            last = with_error(difference["auc"], difference["auc_error"], 4, sign=True) if difference else ""
            factors = ", ".join(f"{r['factor']:.2g}" for r in mine)
            print(f"{one:34s}" + "".join(f"{cell:>20s}" for cell in cells) + f"{last:>24s}  {factors}")


def _mean(rows: Sequence[dict[str, Any]], name: str, digits: int) -> str:
    """Mean over seeds, with its bootstrap error and spread over seeds."""
    row = summarise(rows)
    return with_error(row[name], row[f"{name}_error"], digits)


if __name__ == "__main__":
    command.run(main)

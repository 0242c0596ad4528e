"""AUC of our jet taggers beside their peers' on identical jets: the same training, validation and test jets.

    python examples/simulate.py --preset omnilearn --jets 20000 --output runs/omnilearn/samples
    python benchmarks/tagging_accuracy.py

Top against QCD of the study of OmniLearn (its full detector), 2,000 jets of each class, 5 passes, batches of 128, two
seeds. The learning rate of each is the one of three (the peers' published one and two others) with the least
validation loss after a pass; peers have their own optimisers and schedules, ours AdamW and a cosine. All transformers
have width 64 and 4 layers, ParticleNet its published size. Finished trainings are lines of --records and not done
again; --only trains some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from peer_taggers import Peer

from pyg_hep import command
from pyg_hep.objectives import Classification
from pyg_hep.studies.execution import finish
from pyg_hep.studies.methods import FromScratch, Method, Tunable
from pyg_hep.studies.omnilearn import recipes
from pyg_hep.studies.omnilearn.samples import Jets
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import plan
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import gain, label, summarise, with_error
from pyg_hep.studies.task import Size
from pyg_hep.studies.tuned import Tuned
from pyg_hep.training import EventModel, TrainingSettings

SIZE = Size(2_000, 2, 5, 128)
RATES = (1 / 3, 1.0, 3.0)
"""Factors on the learning rate."""
OF_PEERS = {"omnilearned": (0.1, 1 / 3, 1.0), "omnilearned/local_interaction": (0.1, 1 / 3, 1.0)}
"""In place of those: Lion's published rate is the largest of three, its package's default the smallest."""
SHARE = 0.2
"""Of the epochs, of the training with each rate."""
PAIRS = {
    "particle_net": ("weaver/particle_net",),
    "event_transformer": ("weaver/particle_transformer",),
    "scratch": ("omnilearned", "omnilearned/local_interaction"),
}
"""Ours -> the peers it is compared with."""


def methods() -> list[Method]:
    """All networks, each tuned by its three rates."""
    study = recipes.SIZES["small"]
    networks = recipes.networks(study)
    settings = TrainingSettings(patience=None, progress=False, checkpoints=False, tensorboard=False)
    optimisation = replace(recipes.TAGGING, **{**study.tagging, **study.scratch})
    every: list[Method] = []
    for name, theirs in PAIRS.items():
        backbone, view = networks[name]
        model = EventModel(backbone, Classification(2), view)
        trainings: list[Tunable] = [FromScratch(model, settings=settings, optimisation=optimisation, name=name)]
        for peer in theirs:
            title, _, variant = peer.partition("/")
            trainings.append(Peer(name=title, variant=variant))
        for training in trainings:
            rates = tuple({"rate": rate} for rate in OF_PEERS.get(training.label, RATES))
            every.append(Tuned.of(training, rates, SHARE))
    return every


def main() -> None:
    """Train what has no record, print the table."""
    folder = Path(__file__).parent / "results"
    parser = command.Options(__doc__)
    parser.add_argument("--samples", default="runs/omnilearn/samples", help="folder of the files of simulate.py")
    parser.add_argument("--cache", default="runs/cache", help="folder for converted jets")
    parser.add_argument("--output", default="runs/tagging_accuracy", help="folder for what trainings leave behind")
    parser.add_argument("--records", default=str(folder / "tagging_accuracy.jsonl"), help="finished trainings")
    parser.add_argument("--workers", type=int, default=2, help="trainings at the same time, one thread each")
    parser.add_argument("--only", nargs="+", help="networks to train, by their names in the table")
    options = parser.parse_args()
    command.start_run(options.output, parser, options)
    place = Place("omnilearn", Path(options.samples), Path(options.cache), Path(options.output), threads=1)
    task = Jets(place, recipes.SIZES["small"].particles).top_tagging()
    every = methods()
    command.check_names(options.only or (), [method.label for method in every])
    runs = sorted(plan([task], every, [SIZE], place.runs, place.threads), key=lambda run: run.seed)
    asked = [run for run in runs if not options.only or run.method.label in options.only]
    records = Records(options.records)
    finish(asked, records, options.workers, command.note())
    records.keep(run.key for run in runs)
    print(f"\n{'':34s}{'AUC':>20s}{'rejection at 50 %':>20s}{'less the peer, AUC':>24s}  rates")
    for name, theirs in PAIRS.items():
        ours = [r for r in records.records if label(r) == name]
        for one in (name, *theirs):
            mine = [r for r in records.records if label(r) == one]
            if not mine:
                continue
            cells = [_mean(mine, "auc", 4), _mean(mine, "rejection_50", 1)]
            difference = gain(ours, mine) if one != name and ours else None
            last = with_error(difference["auc"], difference["auc_error"], 4, sign=True) if difference else ""
            rates = ", ".join(f"{r['tuned']['trial']['rate']:.2g}" for r in mine)
            print(f"{one:34s}" + "".join(f"{cell:>20s}" for cell in cells) + f"{last:>24s}  {rates}")


def _mean(rows: Sequence[dict[str, Any]], name: str, digits: int) -> str:
    """Mean over seeds, with its bootstrap error and spread over seeds."""
    row = summarise(rows)
    return with_error(row[name], row[f"{name}_error"], digits)


if __name__ == "__main__":
    command.run(main)

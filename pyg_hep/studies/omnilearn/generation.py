"""Jets made by the pretrained networks, at several numbers of calls, judged beside true ones; each is made once."""

from __future__ import annotations

import functools
import importlib.util
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.evaluation import energy_flow_polynomials, generation_report, two_sample_auc
from pyg_hep.generation import DDIM, FlowMidpoint, JetGenerator, Sampler, generate_particles, jet_columns
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.studies.omnilearn.recipes import FLOW, JOINT, LOG_PT, SHORT, Study
from pyg_hep.studies.omnilearn.samples import Jets
from pyg_hep.studies.omnilearn.substructure import observables
from pyg_hep.studies.pretraining import record_all
from pyg_hep.studies.records import Records, code_digest, data_digest, key_of, weights_digest
from pyg_hep.training import EventModel, process

SAMPLERS: dict[str, type[Sampler]] = {JOINT: DDIM, FLOW: FlowMidpoint, LOG_PT: DDIM, SHORT: DDIM}
"""Pretraining -> how jets come out of noise."""
NAMES = {JOINT: "velocity", FLOW: "flow", LOG_PT: "velocity, ln pT", SHORT: "velocity, short"}
COMPARED = ("pt", "mass", "multiplicity", "tau21", "e2", "d2")
"""Observables whose distances are recorded."""
MADE, TRUE = "made", "true"
"""Columns of the jets: of a :class:`~pyg_hep.generation.JetGenerator`, or of true jets (particles alone are made)."""
_LEARNED = 50_000  # jets from which the generator of columns learns
_SEED = 1


@dataclass(frozen=True)
class Generation:
    """Jets of one network.

    Args:
        jets: where true ones are.
        study: how many are made, and how the generator of columns is trained.
        kind: pretraining of the network, a key of :data:`SAMPLERS`.
        folder: of the network.
        calls: of the network for each jet.
        columns: :data:`MADE` or :data:`TRUE`.
    """

    jets: Jets
    study: Study
    kind: str
    folder: Path
    calls: int
    columns: str = MADE

    @property
    def label(self) -> str:
        """Parametrisation, calls and columns as one name."""
        return f"{NAMES[self.kind]}-{self.calls}-{self.columns}"

    @property
    def file(self) -> Path:
        """Observables of made and of true jets, for plots."""
        return self.jets.place.output / "generated" / f"{self.label}.npz"

    @cached_property
    def key(self) -> str:
        """What tells its record from all others: weights, jets, numbers, and the code."""
        return key_of({
            "label": self.label, "weights": weights_digest(self.folder), "jets": self.study.generated,
            "steps": self.study.jet_steps, "epochs": self.study.two_sample_epochs,
            "data": data_digest(*self.jets.ten_classes()),
            "code": code_digest(__name__, "pyg_hep.evaluation.two_sample"),
        })  # fmt: skip

    def truth(self) -> tuple[EventDataset, EventDataset]:
        """Test jets whose classes (and columns) the made ones have, and twice as many others to judge them by."""
        test = self.jets.ten_classes()[2]
        number = min(self.study.generated, len(test) // 3)
        rows = torch.randperm(len(test), generator=torch.Generator().manual_seed(_SEED))
        asked, others = rows[:number].sort().values, rows[number : 3 * number].sort().values
        return test.index_select(asked), test.index_select(others)


def generations(study: Study, jets: Jets, folders: Mapping[str, Path]) -> list[Generation]:
    """The generators at every number of calls; at the largest also from the columns of true jets.

    The one that was trained briefly makes jets with the largest alone.

    Args:
        study: how much is made.
        jets: where true ones are.
        folders: pretraining -> folder of the network; of those in :data:`SAMPLERS`.
    """
    kinds = [kind for kind in SAMPLERS if kind in folders]
    most = max(study.calls)
    jobs = [(kind, calls, MADE) for kind in kinds for calls in study.calls if kind != SHORT or calls == most]
    jobs += [(kind, most, TRUE) for kind in kinds if kind != SHORT]
    return [Generation(jets, study, kind, folders[kind], calls, columns) for kind, calls, columns in jobs]


def run(job: Generation) -> dict[str, Any]:
    """Make jets and judge them; the record is plain JSON."""
    with process.isolated(job.jets.place.threads):
        model = EventModel.from_pretrained(job.folder)
        asked, reference = job.truth()
        table = _table(job, model, asked)
        start = time.perf_counter()
        made = generate_particles(model, table, job.calls, SAMPLERS[job.kind], seed=_SEED)
        seconds = time.perf_counter() - start
        place = job.jets.place
        found = [observables(part, place.cache, COMPARED) for part in (made, reference)]
        one, other = (dict(zip(COMPARED, table.T, strict=True)) for table in found)
        if importlib.util.find_spec("energyflow") is not None:
            one["efps"], other["efps"] = _polynomials(made), _polynomials(reference)
        distances = generation_report(one, other)
        test = two_sample_auc(
            reference, made, epochs=job.study.two_sample_epochs, seed=_SEED, threads=place.threads
        )  # fmt: skip
    job.file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(job.file, made=found[0], true=found[1])
    return {
        "key": job.key, "generator": NAMES[job.kind], "calls": job.calls, "columns": job.columns, "jets": len(made),
        "seconds": seconds, "jets_per_s": len(made) / seconds, "threads": torch.get_num_threads(),
        "clipped": float(made.column("clipped").sum() / max(len(made.p4), 1)),
        "distances": {name: distance.as_dict() for name, distance in distances.items()},
        "two_sample": test.as_dict(), "weights": weights_digest(job.folder),
    }  # fmt: skip


def _table(job: Generation, model: EventModel, asked: EventDataset) -> Mapping[str, Any]:
    """Columns of the jets to make."""
    true = jet_columns(model.view, asked)
    if job.columns == TRUE:
        return true
    generator = _column_generator(job.jets, job.study.jet_steps, json.dumps(model.view.config()))
    return generator.sample(true["y"], seed=_SEED)


# It is the same for every number of calls, and for both networks: a minute each.
@functools.lru_cache(1)
def _column_generator(jets: Jets, steps: int, view_config: str) -> JetGenerator:
    """Trained on training jets, of which it makes what the view with these arguments says of a jet."""
    view, train = View(**json.loads(view_config)), jets.ten_classes()[0]
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(_SEED))[:_LEARNED]
    with process.isolated():
        process.seed_everything(_SEED)
        names = [*view.events, *(() if "num_nodes" in view.events else ("num_nodes",))]
        generator = JetGenerator(names, num_classes=train.num_classes)
        generator.fit(jet_columns(view, train.index_select(rows.sort().values)), steps)
    return generator


def _polynomials(jets: EventDataset) -> np.ndarray:
    return np.concatenate([energy_flow_polynomials(b.p4, ptr=b.ptr) for b in EventLoader(jets, 2048)])


def generate_missing(
    jobs: Sequence[Generation], records: Records, workers: int, note: Mapping[str, Any]
) -> None:  # fmt: skip
    """Make what has no record yet; the record of each is written and printed as it ends.

    Args:
        jobs: what is made.
        records: of what was made.
        workers: processes at the same time.
        note: further entries of every new record, such as the commit and the date.
    """
    todo = [job for job in jobs if job.key not in records]
    print(f"{len(todo)} samples of jets to make, {len(jobs) - len(todo)} recorded in {records.path}")
    record_all(run, todo, records, workers, note)

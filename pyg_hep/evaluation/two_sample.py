"""``two_sample_auc``: how well a fixed classifier tells generated from true jets, and true jets from one another."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_hep.datasets import EventDataset, as_events
from pyg_hep.errors import PygHepError
from pyg_hep.inputs import View
from pyg_hep.loader import EventLoader
from pyg_hep.metrics import bootstrap, roc_auc
from pyg_hep.nn import DeepSets
from pyg_hep.objectives import Classification
from pyg_hep.training import EventModel, Optimisation, TrainingSettings, predict, pretrain, process

COLUMNS = ("d_eta", "d_phi", "d_r", "log_pt", "log_relative_pt", "relative_pt")
JET = ("total_pt", "total_eta", "total_mass", "num_nodes")
"""What the classifier sees of a particle, and of a jet."""

SHARES = (0.5, 0.1, 0.4)
"""Of the jets of either sample: to train, to choose the epoch, to measure."""

FEWEST = 10
"""Jets of a sample; the third of the shares then has four of them."""


@dataclass(frozen=True)
class TwoSample:
    """How well generated jets are told from true ones.

    Args:
        auc: of generated against true jets; 0.5 where no difference is found.
        error: statistical, from resampled test jets.
        floor: the same of true against other true jets, of the same number.
        floor_error: statistical.
        jets: in each of the samples.
    """

    auc: float
    error: float
    floor: float
    floor_error: float
    jets: int

    def as_dict(self) -> dict[str, float | int]:
        """For ``results.json``."""
        return dict(vars(self))


def two_sample_auc(
    truth: Any,
    generated: Any,
    *,
    epochs: int = 20,
    seed: int = 0,
    replicas: int = 200,
    threads: int | None = None,
) -> TwoSample:
    r"""Classifier two-sample test of jets: area under the curve of a network trained to tell them apart.

    The network is always the same: a particle-flow network (:class:`~pyg_hep.nn.DeepSets`) with layers of 64, 64 and
    128 for the particles and 64 and 64 for the jet, which sees :data:`COLUMNS` of the particles and :data:`JET` of
    their sum, standardised on its training jets; neither kinds nor charges. It is trained with Adam, 1e-3 falling along
    a cosine, batches of 128 and balanced classes, in ``epochs`` passes of which that with the lowest validation loss
    counts. Half of the jets of either sample train, a tenth validates, and the AUC is that of the other four tenths.

    Samples have the same number of jets, half of the truth or, if they are fewer, all generated ones: bring twice as
    many true jets. The other half of the truth against the first is the floor: what the network makes of chance.

    Args:
        truth: true jets, an ``EventDataset`` or a subset of one, at least twice :data:`FEWEST`.
        generated: jets to judge, at least :data:`FEWEST`.
        epochs: passes over the training jets.
        seed: of the choice of jets, the initial weights and the resampling.
        replicas: resamplings of the test jets for the errors.
        threads: torch's threads; None leaves them.

    Raises:
        PygHepError: for too few jets, and jets without particles.

    Source: Lopez-Paz and Oquab, arXiv:1610.06545; of generated jets Krause and Shih, arXiv:2106.05285.
    """
    clouds = _Clouds.of(truth, "true"), _Clouds.of(generated, "generated")
    jets = min(len(clouds[0].counts) // 2, len(clouds[1].counts))
    if jets < FEWEST:
        raise PygHepError(
            f"a test of two samples needs {2 * FEWEST} true and {FEWEST} generated jets, "
            f"got {len(clouds[0].counts)} and {len(clouds[1].counts)}"
        )
    rng = np.random.default_rng(seed)
    order = torch.from_numpy(rng.permutation(len(clouds[0].counts))[: 2 * jets])
    chosen = torch.from_numpy(rng.permutation(len(clouds[1].counts))[:jets])
    one, other = clouds[0].select(order[:jets]), clouds[0].select(order[jets:])
    options: dict[str, Any] = {"epochs": epochs, "seed": seed, "replicas": replicas, "threads": threads}
    auc, error = _area(one, clouds[1].select(chosen), **options)
    floor, floor_error = _area(one, other, **options)
    return TwoSample(auc, error, floor, floor_error, jets)


@dataclass(frozen=True)
class _Clouds:
    """Jets without anything but momenta and weights, packed."""

    p4: Tensor
    counts: Tensor
    weight: Tensor

    @classmethod
    def of(cls, jets: Any, which: str) -> _Clouds:
        batches = list(EventLoader(as_events(jets), 8192))
        made = cls(
            torch.cat([batch.p4 for batch in batches]),
            torch.cat([batch.ptr.diff() for batch in batches]),
            torch.cat([batch.weight for batch in batches]),
        )
        if bool((made.counts < 1).any()):
            raise PygHepError(f"{int((made.counts < 1).sum())} of the {which} jets have no particle")
        return made

    def select(self, jets: Tensor) -> _Clouds:
        first = self.counts.cumsum(0) - self.counts
        counts = self.counts[jets]
        start = torch.repeat_interleave(first[jets] - (counts.cumsum(0) - counts), counts)
        return _Clouds(self.p4[start + torch.arange(len(start))], counts, self.weight[jets])


def _dataset(one: _Clouds, other: _Clouds) -> EventDataset:
    """The jets of both as two classes."""
    y = torch.cat([torch.zeros_like(one.counts), torch.ones_like(other.counts)])
    events = {"y": y, "weight": torch.cat([one.weight, other.weight])}
    return EventDataset.from_columns(
        {"p4": torch.cat([one.p4, other.p4])}, torch.cat([one.counts, other.counts]), events, ["first", "second"]
    )


def _area(
    one: _Clouds, other: _Clouds, *, epochs: int, seed: int, replicas: int, threads: int | None
) -> tuple[float, float]:
    """AUC of the second sample against the first, and its error."""
    jets = len(one.counts)
    ends = [*np.cumsum([0, *(round(share * jets) for share in SHARES[:2])]).tolist(), jets]
    parts = [torch.arange(first, last) for first, last in itertools.pairwise(ends)]
    train, val, test = (_dataset(one.select(rows), other.select(rows)) for rows in parts)
    settings = TrainingSettings(
        epochs=epochs, batch_size=128, seed=seed, threads=threads, accelerator="cpu", progress=False,
        checkpoints=False, tensorboard=False,
    )  # fmt: skip
    with process.isolated(threads), tempfile.TemporaryDirectory() as folder:
        process.seed_everything(seed)
        backbone = DeepSets(
            len(COLUMNS), event_channels=len(JET), phi_channels=(64, 64, 128), f_channels=(64, 64)
        )  # fmt: skip
        model = EventModel(
            backbone, Classification(2, class_weights="balanced"), View(COLUMNS, events=JET),
            Optimisation("adam", learning_rate=1e-3, schedule="cosine"),
        )  # fmt: skip
        tested = predict(pretrain(model, train, val, output=Path(folder), settings=settings).model, test)
    score = np.unique(tested.probability[:, 1], return_inverse=True)[1]
    value, error = bootstrap(roc_auc, tested.y, score, tested.weight, replicas=replicas, seed=seed)
    return float(value), float(error)

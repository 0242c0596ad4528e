"""What a dileptonic event is to the reconstruction of its tops: two leptons, two jets, missing momentum; no methods."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_hep.analysis.tops.momenta import Floats, Ints, Mask
from pyg_hep.datasets.event_keys import hash_events
from pyg_hep.errors import PygHepError
from pyg_hep.kinematics import to_cartesian
from pyg_hep.loader import EventLoader
from pyg_hep.schema import NO_IDENTITY, OPTIONAL_EVENT_COLUMNS, Level, ObjectType

_BATCH = 16_384


class Reason(enum.IntEnum):
    """Why an event has no tops."""

    NONE = 0
    LEPTONS = 1
    JETS = 2
    MET = 3
    NOT_FINITE = 4
    NO_SOLUTION = 5

    @property
    def sentence(self) -> str:
        """For a report."""
        return (
            "reconstructed",
            "other than two leptons of opposite charge",
            "fewer than two jets",
            "not one missing transverse momentum",
            "values that are not finite",
            "no solution",
        )[self]


@dataclass(frozen=True)
class DileptonEvents:
    """Events with one positive and one negative lepton, two jets to be the b quarks', and missing momentum.

    Args:
        antilepton: (px, py, pz, E) [GeV] of the positive lepton, shape ``[N, 4]``.
        lepton: the same of the negative lepton.
        jets: the two candidates for the b quarks, shape ``[N, 2, 4]``, in any order: a pairing of 0 takes the first
            with the antilepton for the top, a pairing of 1 the second.
        met: missing transverse momentum (x, y) [GeV], shape ``[N, 2]``.
        key: number of each event, ``[N]``, from which its random numbers are made; its place by default.
        reason: :class:`Reason` why an event cannot be used, ``[N]``; worked out from the values by default.
        source: the event graphs that these are of, for methods that need more than two jets.

    Raises:
        PygHepError: for arrays of other shapes.
    """

    antilepton: Floats
    lepton: Floats
    jets: Floats
    met: Floats
    key: Ints = None  # type: ignore[assignment]
    reason: Ints = None  # type: ignore[assignment]
    source: Any = None

    def __post_init__(self) -> None:
        size = len(np.asarray(self.met))
        shapes = {"antilepton": (size, 4), "lepton": (size, 4), "jets": (size, 2, 4), "met": (size, 2)}
        for name, shape in shapes.items():
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.shape != shape:
                raise PygHepError(f"{name} of {size} dileptonic events has shape {shape}, got {values.shape}")
            object.__setattr__(self, name, values)
        if self.key is None:
            object.__setattr__(self, "key", np.arange(size))
        if self.reason is None:
            object.__setattr__(self, "reason", np.zeros(size, np.int64))
        finite = np.ones(size, bool)
        for name in shapes:
            values = getattr(self, name)
            finite &= np.isfinite(values).all(tuple(range(1, values.ndim)))
        object.__setattr__(self, "reason", np.where((self.reason == 0) & ~finite, Reason.NOT_FINITE, self.reason))

    def __len__(self) -> int:
        return len(self.met)

    @property
    def usable(self) -> Mask:
        """Events that have all of it, shape ``[N]``."""
        return self.reason == Reason.NONE

    def __getitem__(self, rows: Any) -> DileptonEvents:
        """Some of the events, without their graphs."""
        values = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "source"}
        return replace(self, **values, source=None)

    def chunks(self, size: int) -> Iterator[tuple[slice, DileptonEvents]]:
        """Consecutive events, at most ``size`` at a time: their places and themselves."""
        for first in range(0, len(self), size):
            rows = slice(first, first + size)
            yield rows, self[rows]

    @classmethod
    def from_graphs(cls, events: Any) -> DileptonEvents:
        """Dileptonic events of event graphs; only reconstructed objects count (level ``RECO``).

        The leptons are electrons and muons; an event has to have two, of opposite charge. The jets are the b-tagged
        ones, of more than two those with the highest ``btag_score`` where the graphs keep one, else with the highest
        pt; where fewer than two are tagged, the untagged jets of highest pt join them. Other events stay in their
        place and are marked with a :class:`Reason`, the first that applies.

        Args:
            events: an ``EventDataset``, a ``Subset`` or ``ConcatDataset`` of such, a PyG ``Batch``, or one ``Data``.

        Raises:
            ConfigError: for data sets that are none of ours.
        """
        parts, first = [], 0
        for batch in graph_batches(events, _BATCH):
            parts.append(_of_batch(batch, first))
            first += len(parts[-1])
        columns = [f.name for f in fields(cls) if f.name != "source"]
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in columns}, source=events)


def graph_batches(source: Any, batch_size: int, device: Any = None) -> Iterator[Batch]:
    """Event graphs some at a time, in their order.

    Args:
        source: an ``EventDataset``, a ``Subset`` or ``ConcatDataset`` of such, a PyG ``Batch`` (all at once), or one
            ``Data``.
        batch_size: events at a time.
        device: where they go; None leaves them.
    """
    if isinstance(source, Data):
        whole = source if isinstance(source, Batch) else Batch.from_data_list([source])
        yield whole if device is None else whole.to(device)
    else:
        yield from EventLoader(source, batch_size, device=device)


def with_masses(events: Any, m_ttbar: Any, weight: Any, needs: str) -> tuple[DileptonEvents, Floats, Floats]:
    """Events that something is fitted to, with their true masses [GeV] and weights, ``[N]`` each.

    Args:
        events: as :func:`~pyg_hep.analysis.reconstruct_tops` takes them.
        m_ttbar: true mass [GeV], shape ``[N]``.
        weight: of the events, ``[N]``; None is 1.
        needs: beginning of the sentence that refuses events of which none can be used.

    Raises:
        PygHepError: for other than one mass per event, or without an event that can be used.
    """
    if not isinstance(events, DileptonEvents):
        events = DileptonEvents.from_graphs(events)
    truth = np.asarray(m_ttbar, np.float64)
    if truth.shape != (len(events),):
        raise PygHepError(f"{len(events)} events need as many true masses, got shape {truth.shape}")
    if not events.usable.any():
        raise PygHepError(f"{needs} at least one dileptonic event")
    return events, truth, np.ones(len(events)) if weight is None else np.asarray(weight, np.float64)


def _of_batch(batch: Any, first: int) -> DileptonEvents:
    """Events of one batch, the first of which is number ``first`` of all."""
    size, of = int(batch.num_graphs), batch.batch
    reconstructed = batch.level == int(Level.RECO)
    p4 = to_cartesian(batch.p4.detach().double()).cpu()
    is_lepton = reconstructed & ((batch.kind == int(ObjectType.ELECTRON)) | (batch.kind == int(ObjectType.MUON)))
    masks = {
        "antilepton": is_lepton & (batch.charge > 0),
        "lepton": is_lepton & (batch.charge < 0),
        "jets": reconstructed & (batch.kind == int(ObjectType.JET)),
        "met": reconstructed & (batch.kind == int(ObjectType.MET)),
    }
    rank = batch.p4[:, 0]
    if "btag_score" in batch:
        rank = torch.where(batch.btag > 0, batch.btag_score, rank)
    order = _sorted_by(of, batch.btag, rank)
    found, counts = {}, {}
    for name, mask in masks.items():
        most = 2 if name == "jets" else 1
        found[name] = _first(p4, of, mask, order, most, size)
        counts[name] = torch.bincount(of[mask], minlength=size).cpu().numpy()
    neutral = torch.bincount(of[is_lepton & (batch.charge == 0)], minlength=size).cpu().numpy()
    reason = np.where(counts["met"] != 1, Reason.MET, Reason.NONE)
    reason = np.where(counts["jets"] < 2, Reason.JETS, reason)
    reason = np.where((counts["antilepton"] != 1) | (counts["lepton"] != 1) | (neutral > 0), Reason.LEPTONS, reason)
    key = np.arange(first, first + size)
    if all(name in batch for name in OPTIONAL_EVENT_COLUMNS):
        identity = [batch[name].reshape(-1).cpu().numpy() for name in OPTIONAL_EVENT_COLUMNS]
        key = np.where(identity[-1] == NO_IDENTITY, key, hash_events(*identity))
    return DileptonEvents(
        found["antilepton"][:, 0], found["lepton"][:, 0], found["jets"], found["met"][:, 0, :2], key, reason
    )


def _sorted_by(of: Tensor, tagged: Tensor, rank: Tensor) -> Tensor:
    """Places of the nodes event by event, tagged ones first, then by falling rank."""
    order = torch.argsort(rank, descending=True, stable=True)
    order = order[torch.argsort((tagged[order] > 0).long(), descending=True, stable=True)]
    return order[torch.argsort(of[order], stable=True)]


def _first(p4: Tensor, of: Tensor, mask: Tensor, order: Tensor, most: int, size: int) -> Floats:
    """The first ``most`` nodes of every event within the mask, shape ``[size, most, 4]``, NaN where there are fewer."""
    places = order[mask[order]]
    event = of[places].cpu()
    counts = torch.bincount(event, minlength=size)
    number = torch.arange(len(event)) - (torch.cumsum(counts, 0) - counts)[event]
    result = torch.full((size, most, 4), torch.nan, dtype=torch.float64)
    kept = number < most
    result[event[kept], number[kept]] = p4[places.cpu()[kept]]
    return result.numpy()

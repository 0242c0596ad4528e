"""One file and one card to events: the columns of the schema, chunk by chunk, with a report of what was done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import awkward as ak
import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers import objects
from pyg_hep.readers.card import Card
from pyg_hep.readers.plan import plan_file
from pyg_hep.readers.report import ReadReport
from pyg_hep.readers.root import RootTree, flat
from pyg_hep.schema import Level


@dataclass
class EventColumns:
    """Events as flat columns.

    Attributes:
        nodes: columns with one row per node (pt, eta, phi, mass, kind, charge, btag, level, ...).
        counts: nodes of each event.
        events: columns with one row per event (y, weight, entry, and the identity where the file has it).
    """

    nodes: dict[str, np.ndarray]
    counts: np.ndarray
    events: dict[str, np.ndarray]

    def to_awkward(self) -> ak.Array:
        """One record per event; its ``objects`` are momenta that the ``vector`` package understands."""
        nodes = ak.unflatten(ak.zip(self.nodes, with_name="Momentum4D"), self.counts)
        return ak.zip({"objects": nodes, **self.events}, depth_limit=1)


class FileReader:
    """Reads events of one file through a card.

    Args:
        path: the file.
        card: the card.
        label: the label of the file's events where the card reads none from a branch.

    Raises:
        ReaderError: when the file cannot be read or lacks what the card requires.
    """

    def __init__(self, path: str | os.PathLike[str], card: Card, label: int = 0):
        self.card, self.label = card, label
        self.report = ReadReport()
        self.source = RootTree(path, card.tree)
        try:
            self.plan = plan_file(self.source, card, self.report)
        except ReaderError:
            self.source.close()
            raise
        self.path = self.source.path

    def __enter__(self) -> FileReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.source.close()

    @property
    def has_identity(self) -> bool:
        """Whether the events carry run, luminosity block and event number."""
        return bool(self.plan.identity)

    def identity(self) -> dict[str, np.ndarray]:
        """Run, luminosity block and event number of every entry; empty where the file has none."""
        branches = self.plan.identity
        arrays = self.source.read(branches.values(), 0, self.source.num_entries) if branches else {}
        return {column: ak.to_numpy(arrays[branch]) for column, branch in branches.items()}

    def chunks(self, step_size: str | int = "100 MB") -> list[tuple[int, int]]:
        """Ranges of entries that hold at most ``step_size`` of what is read."""
        total = self.source.num_entries
        step = self.source.entries_per_chunk(self.plan.branches, step_size) if total else 1
        return [(start, min(start + step, total)) for start in range(0, total, step)]

    def read(self, start: int, stop: int) -> tuple[EventColumns, ReadReport]:
        """Events of entries ``start`` to ``stop``.

        Raises:
            ReaderError: for damaged content, and for invalid values under ``on_invalid: error``.
        """
        report = ReadReport(entries=stop - start)
        arrays = self.source.read(self.plan.branches, start, stop)
        where = f"{self.path}: entries {start} to {stop}"
        num_events = stop - start
        kept = np.ones(num_events, dtype=bool)
        events = self._event_columns(arrays, start, stop)
        self._drop(~np.isfinite(events["weight"]), str(self.plan.weight), kept, where, report)
        collections = {
            name: objects.read_collection(name, plan, arrays, num_events, where)
            for name, plan in self.plan.objects.items()
        }
        for collection in collections.values():
            for branch, bad in objects.invalid_objects(collection).items():
                invalid = np.zeros(num_events, dtype=bool)
                invalid[collection.event[bad]] = True
                self._drop(invalid, branch, kept, where, report)
        for collection in collections.values():
            report.clipped_masses += objects.clip_masses(collection)
            objects.apply_cuts(collection)
        objects.remove_overlaps(collections)
        for collection in collections.values():
            objects.order_and_limit(collection)
        nodes, counts, numbers = self._nodes(collections, num_events)
        names = {name: flat(arrays[name], where)[0] for name in self.plan.event_columns}
        for cut in self.card.selection:
            kept &= np.broadcast_to(cut.evaluate({**names, **numbers}).astype(bool), kept.shape)
            report.cutflow[cut.text] = int(kept.sum())
        # A graph without a node is no graph.
        kept &= counts > 0
        kept_nodes = np.repeat(kept, counts)
        report.selected = int(kept.sum())
        result = EventColumns(
            {name: values[kept_nodes] for name, values in nodes.items()},
            counts[kept],
            {name: values[kept] for name, values in events.items()},
        )
        return result, report

    def _drop(self, invalid: np.ndarray, branch: str, kept: np.ndarray, where: str, report: ReadReport) -> None:
        """Take invalid events out of ``kept``, each counted once, or raise where the card says so."""
        if not invalid.any():
            return
        if self.card.on_invalid == "error":
            raise ReaderError(
                f"{where}, column {branch!r}: {int(invalid.sum())} events with NaN, infinite or impossible "
                "values (on_invalid: error)"
            )
        report.invalid[branch] += int((invalid & kept).sum())
        kept &= ~invalid

    def _event_columns(self, arrays: Mapping[str, ak.Array], start: int, stop: int) -> dict[str, np.ndarray]:
        def values(branch: str) -> np.ndarray:
            column, counts = flat(arrays[branch], f"{self.path}: branch {branch!r}")
            if counts is not None:
                raise ReaderError(f"{self.path}: branch {branch!r} holds lists, not one value per event")
            return column

        size = stop - start
        label, weight = self.plan.label, self.plan.weight
        columns: dict[str, np.ndarray] = {
            "y": np.full(size, self.label, np.int64) if label is None else values(label).astype(np.int64),
            "weight": np.ones(size, np.float32) if weight is None else values(weight).astype(np.float32),
            "entry": np.arange(start, stop, dtype=np.int64),
        }
        for column, branch in self.plan.identity.items():
            # The bits of an unsigned 64-bit number are kept, not its value.
            columns[column] = values(branch).astype(np.uint64).view(np.int64)
        return columns

    def _nodes(
        self, collections: Mapping[str, objects.Collection], num_events: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
        """Node columns of all objects event by event in the card's order, node counts, counts for cuts."""
        per_object = {name: np.bincount(c.event, minlength=num_events) for name, c in collections.items()}
        numbers = {f"n_{name}": np.zeros(num_events, dtype=np.int64) for name in self.card.objects}
        numbers |= {f"n_{name}": counts for name, counts in per_object.items()}
        counts = np.sum(list(per_object.values()), axis=0)
        numbers["n_objects"] = counts
        numbers["n_btag"] = np.zeros(num_events, dtype=np.int64)
        total = int(counts.sum())
        nodes = {name: np.zeros(total, np.float32) for name in ("pt", "eta", "phi", "mass", "charge", "btag")}
        nodes["kind"] = np.zeros(total, np.int8)
        nodes["level"] = np.full(total, Level.RECO, np.int8)
        if self.card.keep_btag_score:
            nodes["btag_score"] = np.zeros(total, np.float32)
        first_node = np.cumsum(counts) - counts
        for name, collection in collections.items():
            mine = per_object[name]
            first = np.cumsum(mine) - mine
            place = first_node[collection.event] + np.arange(len(collection.event)) - first[collection.event]
            first_node = first_node + mine
            for column in ("pt", "eta", "mass", "charge"):
                nodes[column][place] = collection.columns[column]
            nodes["phi"][place] = objects.wrap_phi(collection.columns["phi"])
            nodes["kind"][place] = collection.plan.definition.kind
            btag = collection.plan.btag
            if btag is not None:
                score = collection.columns[btag.column]
                nodes["btag"][place] = score > btag.above
                numbers["n_btag"] += np.bincount(collection.event[score > btag.above], minlength=num_events)
                if self.card.keep_btag_score:
                    nodes["btag_score"][place] = score
        return nodes, counts, numbers

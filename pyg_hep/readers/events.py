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
from pyg_hep.readers.columns import Column, per_event
from pyg_hep.readers.formats import FORMATS
from pyg_hep.readers.labels import COMPUTED
from pyg_hep.readers.momenta import Collection, evaluate, pdg_ids, read_collection
from pyg_hep.readers.plan import ObjectPlan, plan_file
from pyg_hep.readers.report import ReadReport
from pyg_hep.schema import OPTIONAL_EVENT_COLUMNS

Collections = Mapping[str, Collection]


@dataclass
class EventColumns:
    """Events as flat columns.

    Attributes:
        nodes: columns with one row per node (pt, eta, phi, mass, kind, charge, btag, level, ...).
        counts: nodes of each event.
        events: columns with one row per event (y, weight, entry, the card's ``keep``, and the identity where the
            file has it).
    """

    nodes: dict[str, np.ndarray]
    counts: np.ndarray
    events: dict[str, np.ndarray]

    def to_awkward(self) -> ak.Array:
        """One record per event; its ``objects`` are momenta that the ``vector`` package understands."""
        nodes = ak.unflatten(ak.zip(self.nodes, with_name="Momentum4D"), self.counts)
        return ak.zip({"objects": nodes, **self.events}, depth_limit=1)

    def select(self, kept: np.ndarray) -> EventColumns:
        """The events for which a mask is true."""
        of_kept = np.repeat(kept, self.counts)
        return EventColumns(
            {name: values[of_kept] for name, values in self.nodes.items()},
            self.counts[kept],
            {name: values[kept] for name, values in self.events.items()},
        )


class _Selection:
    """Which events of a chunk are still in, and why the others are not."""

    def __init__(self, card: Card, size: int, where: str, report: ReadReport):
        self.kept = np.ones(size, dtype=bool)
        self.card, self.where, self.report = card, where, report

    def drop_invalid(self, invalid: np.ndarray, column: str) -> None:
        """Take out events with impossible values, each counted once, or raise where the card says so."""
        if not invalid.any():
            return
        if self.card.on_invalid == "error":
            raise ReaderError(
                f"{self.where}, column {column!r}: {int(invalid.sum())} events with NaN, infinite or impossible "
                "values (on_invalid: error)"
            )
        self.report.invalid[column] += int((invalid & self.kept).sum())
        self.kept &= ~invalid


class FileReader:
    """Reads events of one file through a card.

    Args:
        path: the file.
        card: the card.
        label: the label of the file's events where the card says nothing of labels.

    Raises:
        ReaderError: when the file cannot be read or lacks what the card requires.
    """

    def __init__(self, path: str | os.PathLike[str], card: Card, label: int = 0):
        self.card, self.label = card, label
        self.report = ReadReport()
        self.source = FORMATS[card.reader].open(os.fspath(path), card.tree)
        try:
            self.plan = plan_file(self.source, card, self.report)
            self.num_entries = self.source.num_entries_of(self.plan.branches)
        except BaseException:
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
        arrays = self.source.read(branches.values(), 0, self.num_entries) if branches else {}
        return {
            column: per_event(arrays[branch], f"{self.path}: column {branch!r}") for column, branch in branches.items()
        }

    def chunks(self, step_size: str | int = "100 MB") -> list[tuple[int, int]]:
        """Ranges of entries that hold at most ``step_size`` of what is read."""
        return self.source.chunks(self.plan.branches, step_size)

    def read(self, start: int, stop: int) -> tuple[EventColumns, ReadReport]:
        """Events of entries ``start`` to ``stop``.

        Raises:
            ReaderError: for damaged content, and for invalid values under ``on_invalid: error``.
        """
        report = ReadReport(entries=stop - start)
        arrays = self.source.read(self.plan.branches, start, stop)
        where = f"{self.path}: entries {start} to {stop}"
        size = stop - start
        selection = _Selection(self.card, size, where, report)
        names = self._numbers_of_events(arrays, selection)
        events = {"weight": self._weights(arrays, selection), "entry": np.arange(start, stop, dtype=np.int64)}
        events |= self._identity(arrays, where, size)
        collections = self._collections(self.plan.objects, arrays, names, selection)
        truth = self._collections(self.plan.truth, arrays, names, selection)
        objects.remove_overlaps(collections)
        for collection in (*collections.values(), *truth.values()):
            objects.order_and_limit(collection)
        objects.apply_limits(collections, self.card.limits)
        nodes, counts, counted = self._nodes(collections, truth, size)
        names |= counted
        for cut in self.card.selection:
            selection.kept &= np.broadcast_to(evaluate(cut, names, where).astype(bool), size)
            report.cutflow[cut.text] = int(selection.kept.sum())
        events["y"] = self._labels(names, truth, selection)
        for name, expression in self.card.keep.items():
            events[name] = _as_float32(evaluate(expression, names, where), size)
            selection.drop_invalid(~np.isfinite(events[name]), expression.text)
        # A graph without a node is no graph.
        selection.kept &= counts > 0
        report.selected = int(selection.kept.sum())
        return EventColumns(nodes, counts, events).select(selection.kept), report

    def _numbers_of_events(self, arrays: Mapping[str, Column], selection: _Selection) -> dict[str, np.ndarray]:
        """Event columns by the names that expressions use."""
        names = {}
        for name, column in self.plan.columns.items():
            where = f"{selection.where}, column {column.text!r}"
            names[name] = per_event(column.take(arrays, where), where)
            if names[name].dtype.kind == "f":
                selection.drop_invalid(np.isnan(names[name]), column.text)
        return names

    def _weights(self, arrays: Mapping[str, Column], selection: _Selection) -> np.ndarray:
        column = self.plan.weight
        if column is None:
            selection.report.sum_of_weights = float(len(selection.kept))
            return np.ones(len(selection.kept), np.float32)
        where = f"{selection.where}, column {column.text!r}"
        with np.errstate(over="ignore"):
            weights = per_event(column.take(arrays, where), where).astype(np.float32)
        selection.drop_invalid(~np.isfinite(weights), column.text)
        finite = np.where(np.isfinite(weights), weights, 0)
        selection.report.sum_of_weights = float(finite.sum(dtype=np.float64))
        # The other policies are the loss's: metrics and yields need the weights as they are.
        if self.card.weight.negative == "drop":
            negative = weights < 0
            selection.report.negative_weights += int((negative & selection.kept).sum())
            selection.kept &= ~negative
        return weights

    def _identity(self, arrays: Mapping[str, Column], where: str, size: int) -> dict[str, np.ndarray]:
        """Run, luminosity block and event number; 0 where the card names no branch for one of them."""
        if not self.plan.identity:
            return {}
        result = {column: np.zeros(size, np.int64) for column in OPTIONAL_EVENT_COLUMNS}
        for column, branch in self.plan.identity.items():
            values = per_event(arrays[branch], f"{where}, column {branch!r}")
            if values.dtype.kind not in "iu":
                raise ReaderError(f"{where}, column {branch!r}: expected integers, found {values.dtype}")
            # The bits of an unsigned 64-bit number are kept, not its value.
            result[column] = values.astype(np.uint64).view(np.int64)
        return result

    def _collections(
        self,
        plans: Mapping[str, ObjectPlan],
        arrays: Mapping[str, Column],
        names: Mapping[str, np.ndarray],
        selection: _Selection,
    ) -> dict[str, Collection]:
        """Objects that pass their cuts; events with impossible ones are dropped."""
        result = {}
        report = selection.report
        for name, plan in plans.items():
            collection = read_collection(plan, arrays, names, len(selection.kept), selection.where)
            cutflow = report.object_cutflow(name)
            cutflow["read"] += len(collection.event)
            generated = objects.is_generated(collection)
            if not generated:
                self._drop_invalid(collection, selection)
                report.clipped_masses += objects.clip_masses(collection)
            objects.apply_cuts(collection, selection.where, cutflow)
            if generated:
                self._drop_invalid(collection, selection)
                report.clipped_masses += objects.clip_masses(collection)
            result[name] = collection
        return result

    @staticmethod
    def _drop_invalid(collection: Collection, selection: _Selection) -> None:
        for column, bad in objects.invalid_objects(collection).items():
            invalid = np.zeros(len(selection.kept), dtype=bool)
            invalid[collection.event[bad]] = True
            selection.drop_invalid(invalid, column)

    def _labels(self, names: Mapping[str, np.ndarray], truth: Collections, selection: _Selection) -> np.ndarray:
        label, size, where = self.card.label, len(selection.kept), selection.where
        if label is None:
            return np.full(size, self.label, np.int64)
        if label.computed is not None:
            return COMPUTED[label.computed].make(truth, size)
        if label.multilabel:
            labels = np.stack([_as_float32(evaluate(e, names, where), size) for e in label.multilabel.values()], axis=1)
            for text, column in zip((e.text for e in label.multilabel.values()), labels.T, strict=True):
                selection.drop_invalid(~np.isfinite(column), text)
            return labels
        if label.value is not None:
            values = np.broadcast_to(evaluate(label.value, names, where), size)
            bad = selection.kept & ~((values >= 0) & (values == np.floor(values)) & (values < 2**31))
            if bad.any():
                found = values[bad][0]
                raise ReaderError(f"{where}, column {label.value.text!r}: label {found} is no non-negative integer")
            return np.where(selection.kept, values, 0).astype(np.int64)
        passed = [np.broadcast_to(evaluate(e, names, where), size).astype(bool) for e in label.classes.values()]
        chosen = np.stack([*passed, np.ones(size, dtype=bool)]).argmax(axis=0)
        none = chosen == len(passed)
        selection.report.unlabelled += int((none & selection.kept).sum())
        selection.kept &= ~none
        return chosen.astype(np.int64)

    def _nodes(
        self, collections: Collections, truth: Collections, num_events: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
        """Node columns of all objects event by event in the card's order, node counts, counts for expressions."""
        card = self.card
        numbers = {f"n_{name}": np.zeros(num_events, dtype=np.int64) for name in (*card.objects, *card.truth)}
        for name, collection in (*collections.items(), *truth.items()):
            numbers[f"n_{name}"] = np.bincount(collection.event, minlength=num_events)
        counts = np.sum([numbers[f"n_{name}"] for name in card.objects], axis=0)
        numbers["n_objects"] = counts
        numbers["n_btag"] = np.zeros(num_events, dtype=np.int64)
        total = int(counts.sum())
        nodes = {name: np.zeros(total, np.float32) for name in ("pt", "eta", "phi", "mass", "charge", "btag")}
        nodes["kind"] = np.zeros(total, np.int8)
        nodes["level"] = np.zeros(total, np.int8)
        nodes |= {"btag_score": np.zeros(total, np.float32)} if card.keep_btag_score else {}
        nodes |= {"pdg_id": np.zeros(total, np.int32)} if card.keep_pdg_id else {}
        first_node = np.cumsum(counts) - counts
        for name, collection in collections.items():
            mine = numbers[f"n_{name}"]
            first = np.cumsum(mine) - mine
            place = first_node[collection.event] + np.arange(len(collection.event)) - first[collection.event]
            first_node = first_node + mine
            definition = collection.plan.definition
            for column in ("pt", "eta", "mass", "charge", "btag"):
                nodes[column][place] = collection.columns[column]
            nodes["phi"][place] = objects.wrap_phi(collection.columns["phi"])
            nodes["kind"][place] = definition.kind
            nodes["level"][place] = definition.level
            tagged = collection.columns["btag"] > 0
            numbers["n_btag"] += np.bincount(collection.event[tagged], minlength=num_events)
            btag = collection.plan.btag
            if card.keep_btag_score and btag is not None:
                nodes["btag_score"][place] = collection.columns[btag.column]
            if card.keep_pdg_id:
                nodes["pdg_id"][place] = pdg_ids(collection)
        return nodes, counts, numbers


def _as_float32(values: np.ndarray, size: int) -> np.ndarray:
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which is looked for
        return np.broadcast_to(values, size).astype(np.float32)

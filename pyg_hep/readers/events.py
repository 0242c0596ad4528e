"""One file and one card to events: the columns of the schema, chunk by chunk, with a report of what was done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers import objects
from pyg_hep.readers.card import Card
from pyg_hep.readers.columns import Column, FileColumn, event_value, once_per_event, per_event
from pyg_hep.readers.evaluation import Columns, as_float32, evaluate, evaluate_number, value_of
from pyg_hep.readers.event_ids import RowCheck
from pyg_hep.readers.labels import COMPUTED
from pyg_hep.readers.momenta import Collection, read_collection
from pyg_hep.readers.nodes import count_objects, node_columns
from pyg_hep.readers.object_plan import ObjectPlan
from pyg_hep.readers.opening import open_source
from pyg_hep.readers.plan import plan_file
from pyg_hep.readers.report import ReadReport
from pyg_hep.schema import OPTIONAL_EVENT_COLUMNS

if TYPE_CHECKING:
    import awkward as ak

Collections = Mapping[str, Collection]
# What vector calls coordinates beside pt, eta, phi and mass; its momenta hold each component once.
_MORE_COORDINATES = frozenset(
    ("x", "y", "z", "t", "rho", "theta", "tau", "px", "py", "pz", "E", "e", "energy", "M", "m")
)


@dataclass
class EventColumns:
    """Events as flat columns.

    Attributes:
        nodes: columns with one row per node (pt, eta, phi, mass, kind, charge, btag, level, ...).
        counts: nodes of each event.
        events: columns with one row per event (y, weight, entry, the card's ``keep``, and the identity where the
            file has it).
        left_out: selected events that are not here because their weight is negative (``negative: drop``); expected
            yields count them.
    """

    nodes: dict[str, np.ndarray]
    counts: np.ndarray
    events: dict[str, np.ndarray]
    left_out: EventColumns | None = None

    def to_awkward(self) -> ak.Array:
        """One record per event; its ``objects`` are momenta that the ``vector`` package understands.

        They are plain records where a kept column has the name of one more coordinate (``energy``, ``tau``, ...),
        which that package refuses.
        """
        import awkward as ak

        name = None if _MORE_COORDINATES & set(self.nodes) else "Momentum4D"
        nodes = ak.unflatten(ak.zip(self.nodes, depth_limit=1, with_name=name), self.counts)
        return ak.zip({"objects": nodes, **self.events}, depth_limit=1)

    def select(self, kept: np.ndarray) -> EventColumns:
        """The events for which a mask is true."""
        of_kept = np.repeat(kept, self.counts)
        return EventColumns(
            {name: values[of_kept] for name, values in self.nodes.items()},
            self.counts[kept],
            {name: values[kept] for name, values in self.events.items()},
            self.left_out,
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
        if count := int((invalid & self.kept).sum()):
            self.report.invalid[column] += count
        self.kept &= ~invalid


class FileReader:
    """Reads events of one file through a card.

    Args:
        path: the file, or ``file.root:tree``.
        card: the card.
        label: the label of the file's events where the card says nothing of labels.

    Attributes:
        report: what the file lacks.
        shapes: column that the card keeps -> shape of one row, as far as events that were read have told.

    Raises:
        ReaderError: when the file cannot be read or lacks what the card requires.
    """

    def __init__(self, path: str | os.PathLike[str], card: Card, label: int = 0):
        self.card, self.label = card, label
        self.report = ReadReport()
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.source = open_source(path, card)
        try:
            self.plan = plan_file(self.source, card, self.report)
            self.num_entries = self.source.num_entries_of(self.plan.branches)
        except BaseException:
            self.source.close()
            raise
        self.path = self.source.path
        made_of = [column for plan in self.plan.objects.values() for column in plan.columns.values()]
        self._rows = RowCheck(self.source, made_of, tuple(self.plan.identity.values()), card.source)

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
        arrays = self.source.read(self.plan.branches | self._rows.branches, start, stop)
        where = f"{self.path}: entries {start} to {stop}"
        if self.card.group_by is None:
            self._rows.check(arrays, start, stop)
        size = stop - start
        selection = _Selection(self.card, size, where, report)
        names = self._values_of_events(arrays, selection)
        events = {"weight": self._weights(arrays, names, selection), "entry": np.arange(start, stop, dtype=np.int64)}
        events |= self._identity(arrays, where, size)
        collections = self._collections(self.plan.objects, arrays, names, selection)
        truth = self._collections(self.plan.truth, arrays, names, selection)
        # From here on an event that is dropped is one that is not selected.
        report.invalid_weights = float(_weights_in(events["weight"], ~selection.kept))
        objects.remove_overlaps(collections)
        for name, collection in (*collections.items(), *truth.items()):
            objects.order_and_limit(collection)
            objects.check_kinds(collection, selection.kept, where)
            objects.check_met(name, collection, selection.kept, where)
        objects.apply_limits(collections, self.card.limits)
        numbers = count_objects(self.card, collections, truth, size)
        names |= numbers | self._columns_of_objects({**collections, **truth}, numbers)
        for name, expression in self.plan.late.items():
            names[name] = value_of(expression, names, where)
        for cut in self.card.selection:
            selection.kept &= np.broadcast_to(evaluate_number(cut, names, where).astype(bool), size)
            report.cutflow[cut.text] = int(selection.kept.sum())
        events["y"] = self._labels(names, truth, selection)
        events |= self._kept(names, selection)
        # A graph without a node is no graph.
        selection.kept &= numbers["n_objects"] > 0
        nodes, shapes = node_columns(self.card, collections, numbers, where)
        self._note_shapes(shapes | {name: events[name].shape[1:] for name in self.card.keep}, where)
        everything = EventColumns(nodes, numbers["n_objects"], events)
        negative = self._negative(events["weight"], selection)
        report.selected_weights = float(_weights_in(events["weight"], selection.kept | negative))
        report.selected = int(selection.kept.sum())
        chunk = everything.select(selection.kept)
        chunk.left_out = everything.select(negative) if negative.any() else None
        return chunk, report

    def _negative(self, weights: np.ndarray, selection: _Selection) -> np.ndarray:
        """Mask of the selected events that are left out for their negative weight, where the card says so."""
        # The other policies are the loss's: metrics and yields need the weights as they are.
        if self.card.weight.negative != "drop":
            return np.zeros(len(weights), dtype=bool)
        negative = (weights < 0) & selection.kept
        selection.report.negative_weights += int(negative.sum())
        selection.kept &= ~negative
        return negative

    def _note_shapes(self, shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
        """Remember the shapes of what the card keeps, which must be the same in all of the file."""
        for name, shape in shapes.items():
            before = self.shapes.setdefault(name, shape)
            if shape != before:
                raise ReaderError(f"{where}, column {name!r}: has the shape {shape}, the events before have {before}")

    def _values_of_events(self, arrays: Mapping[str, Column], selection: _Selection) -> dict[str, np.ndarray | Column]:
        """Event columns by the names that expressions use."""
        names: dict[str, np.ndarray | Column] = {}
        for name, column in self.plan.columns.items():
            if not isinstance(column, FileColumn):
                # What is wrong with it shows in what it is made of; absent values are NaN, and no fault.
                names[name] = value_of(column, names, selection.where)
                continue
            where = f"{selection.where}, column {column.text!r}"
            part = column.take(arrays, selection.where)
            if name not in self.plan.lists:
                part = once_per_event(part, where)
            names[name] = event_value(part, where)
            if name not in self.plan.only_kept:
                selection.drop_invalid(_holds_nan(part), column.text)
        return names

    def _columns_of_objects(
        self, collections: Collections, numbers: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray | Column]:
        """Columns of the selected objects that expressions over events read, as ``jet.pt``."""
        result: dict[str, np.ndarray | Column] = {}
        for name, columns in self.plan.of_objects.items():
            collection, counts = collections.get(name), numbers[f"n_{name}"]
            for column in columns:
                # An optional object that the file lacks has no elements in any event.
                values = np.zeros(0, np.float32) if collection is None else collection.columns[column]
                if values.ndim > 1:
                    raise ReaderError(f"{self.path}: {name}.{column} has several values per object, one is needed")
                result[f"{name}.{column}"] = Column(values, counts)
            result[name] = result[f"{name}.pt"] if "pt" in columns else Column(np.zeros(int(counts.sum())), counts)
        return result

    def _weights(self, arrays: Mapping[str, Column], names: Columns, selection: _Selection) -> np.ndarray:
        column, size = self.plan.weight, len(selection.kept)
        if column is None:
            selection.report.sum_of_weights = float(size)
            return np.ones(size, np.float32)
        where = f"{selection.where}, column {column.text!r}"
        if isinstance(column, FileColumn):
            values = per_event(column.take(arrays, selection.where), where)
        else:
            values = evaluate_number(column, names, selection.where)
        if values.dtype.kind == "U":
            raise ReaderError(f"{where}: expected numbers, found text")
        weights = as_float32(values, size)
        selection.drop_invalid(~np.isfinite(weights), column.text)
        selection.report.sum_of_weights = float(_weights_in(weights, np.ones(size, dtype=bool)))
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
        names: Columns,
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
                self._drop_invalid(objects.not_finite_objects(collection), collection, selection)
                report.clipped_masses += objects.clip_masses(collection)
            objects.apply_cuts(collection, selection.where, cutflow)
            self._drop_invalid(objects.invalid_objects(collection), collection, selection)
            if generated:
                report.clipped_masses += objects.clip_masses(collection)
            self._drop_invalid(objects.invalid_kept(collection), collection, selection)
            result[name] = collection
        return result

    @staticmethod
    def _drop_invalid(found: Mapping[str, np.ndarray], collection: Collection, selection: _Selection) -> None:
        for column, bad in found.items():
            invalid = np.zeros(len(selection.kept), dtype=bool)
            invalid[collection.event[bad]] = True
            selection.drop_invalid(invalid, column)

    def _labels(self, names: Columns, truth: Collections, selection: _Selection) -> np.ndarray:
        label, size, where = self.card.label, len(selection.kept), selection.where
        if label is None:
            return np.full(size, self.label, np.int64)
        if label.computed is not None:
            return COMPUTED[label.computed].make(truth, size)
        if label.numbers:
            columns = [as_float32(evaluate_number(e, names, where), size) for e in label.numbers.values()]
            for expression, column in zip(label.numbers.values(), columns, strict=True):
                selection.drop_invalid(~np.isfinite(column), expression.text)
            return np.stack(columns, axis=1)
        if label.value is not None:
            values = np.broadcast_to(evaluate_number(label.value, names, where), size)
            if values.dtype.kind == "f":
                selection.drop_invalid(np.isnan(values), label.value.text)
            bad = selection.kept & ~((values >= 0) & (values == np.floor(values)) & (values < 2**31))
            if bad.any():
                found = values[bad][0]
                raise ReaderError(f"{where}, column {label.value.text!r}: label {found} is no non-negative integer")
            return np.where(selection.kept, values, 0).astype(np.int64)
        passed = [np.broadcast_to(evaluate_number(e, names, where), size).astype(bool) for e in label.classes.values()]
        chosen = np.stack([*passed, np.ones(size, dtype=bool)]).argmax(axis=0)
        none = chosen == len(passed)
        selection.report.unlabelled += int((none & selection.kept).sum())
        selection.kept &= ~none
        return chosen.astype(np.int64)

    def _kept(self, names: Columns, selection: _Selection) -> dict[str, np.ndarray]:
        """The event columns that the card keeps, each with one number or a vector per event."""
        result = {}
        for name, expression in self.card.keep.items():
            values = as_float32(evaluate(expression, names, selection.where), len(selection.kept))
            bad = ~np.isfinite(values)
            selection.drop_invalid(bad.any(axis=1) if bad.ndim > 1 else bad, expression.text)
            result[name] = values
        return result


def _holds_nan(column: Column) -> np.ndarray:
    """Mask of the entries with a NaN among their values."""
    values, counts = column.values, column.counts
    if values.dtype.kind != "f":
        return np.zeros(len(column), dtype=bool)
    bad = np.isnan(values).reshape(len(values), -1).any(axis=1)
    if counts is None:
        return bad
    result = np.zeros(len(counts), dtype=bool)
    result[np.repeat(np.arange(len(counts)), counts)[bad]] = True
    return result


def _weights_in(weights: np.ndarray, mask: np.ndarray) -> np.float64:
    """Sum of the finite weights of the events in ``mask``."""
    result: np.float64 = weights[mask & np.isfinite(weights)].sum(dtype=np.float64)
    return result

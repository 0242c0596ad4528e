"""From the columns of one chunk to collections of objects with (pt, eta, phi, mass) in GeV; selection comes later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.card import KINEMATICS, MOTHER
from pyg_hep.readers.columns import Column, once_per_event, per_event, per_object, vector_per_object
from pyg_hep.readers.evaluation import as_float32, evaluate, evaluate_number
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.object_plan import ObjectPlan
from pyg_hep.readers.units import Units
from pyg_hep.schema import DEFAULT_MASS, ObjectType

# Differences E^2 - p^2 of float32 values are rounding below this fraction of E^2.
_ROUNDING = 16 * np.finfo(np.float32).eps
KEPT = "keep "
"""Prefix of the columns of a collection that are stored with the nodes; no column of a file has a blank in its name."""
KIND = "kind of object"
"""Column of a collection with the kind of each object, -1 where the card's map has none."""
_LEPTON_PDG = {ObjectType.ELECTRON: -11, ObjectType.MUON: -13, ObjectType.TAU: -15}


@dataclass
class Collection:
    """Objects of one definition, sorted by event; ``event`` is the event of each object within the chunk."""

    plan: ObjectPlan
    columns: dict[str, np.ndarray]
    event: np.ndarray

    def select(self, kept: np.ndarray) -> None:
        """Keep the objects that a mask or an index array names."""
        self.columns = {name: values[kept] for name, values in self.columns.items()}
        self.event = self.event[kept]


def read_collection(
    plan: ObjectPlan,
    arrays: Mapping[str, Column],
    event_columns: Mapping[str, np.ndarray | Column],
    num_events: int,
    where: str,
) -> Collection:
    """Flat columns of one collection; missing kinematics take the kind's default.

    Args:
        plan: what is read.
        arrays: what was read.
        event_columns: one value per event, for definitions that use them.
        num_events: events of the chunk.
        where: file and entries, for messages.

    Raises:
        ReaderError: when the columns of the collection have different lengths, or hold no numbers.
    """
    columns, counts = _raw_columns(plan, arrays, where)
    collection = Collection(plan, columns, np.repeat(np.arange(num_events), counts))
    # Mothers are positions in the file's list: they are looked up before anything is left out.
    _add_mothers(collection, counts, where)
    _remove_padding(collection, arrays, where)
    columns = collection.columns
    definition = plan.definition
    units = Units(definition)
    columns |= units.of_file(columns, where)
    for name in definition.define:
        _define(name, collection, event_columns, where, (), units)
    _to_polar(collection)
    _add_defaults(collection, where)
    for name, expression in definition.keep.items():
        values = evaluate(expression, _names(expression, collection, event_columns, where), where)
        columns[KEPT + name] = as_float32(values, len(collection.event))
    return collection


def _raw_columns(
    plan: ObjectPlan, arrays: Mapping[str, Column], where: str
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    counts: np.ndarray | None = None
    first = ""
    for name, column in plan.columns.items():
        read = vector_per_object if name in plan.only_kept else per_object
        part, place = column.take(arrays, where), f"{where}, column {column.text!r}"
        if plan.definition.kind is ObjectType.MET:
            # Rows of a table repeat it, and an event has it once.
            part = once_per_event(part, place)
        values, found = read(part, place)
        if counts is None:
            counts, first = found, column.text
        else:
            _same_counts(first, counts, column.text, found, where)
        as_numbers = {*plan.momentum, "charge", "pdg_id"} | ({plan.btag.column} if plan.btag else set())
        if (name in plan.momentum and values.dtype.kind == "b") or (name in as_numbers and values.dtype.kind == "U"):
            raise ReaderError(f"{where}, column {column.text!r}: expected numbers, found {values.dtype}")
        columns[name] = values
    assert counts is not None
    if plan.counter is not None:
        stated = arrays[plan.counter]
        if stated.counts is None and stated.values.ndim == 1 and stated.values.dtype.kind in "iu":
            _same_counts(plan.counter, stated.values, first, counts, where)
    return columns, counts


def _same_counts(name: str, counts: np.ndarray, other: str, others: np.ndarray, where: str) -> None:
    if not np.array_equal(counts, others):
        event = int(np.flatnonzero(counts != others)[0])
        raise ReaderError(
            f"{where}, columns {name!r} and {other!r}: they disagree on the number of objects, first in entry {event} "
            f"of the chunk ({counts[event]} and {others[event]})"
        )


def _add_mothers(collection: Collection, counts: np.ndarray, where: str) -> None:
    mother = collection.plan.definition.mother
    expressions = (*collection.plan.cuts, *collection.plan.definition.keep.values())
    wanted = {name for e in expressions for name in e.names if name.startswith(MOTHER)}
    if mother is None or not wanted:
        return
    position = _integers(collection, mother, where)
    first = (np.cumsum(counts) - counts)[collection.event]
    has = position >= 0
    if np.any(position >= counts[collection.event]):
        raise ReaderError(f"{where}, column {mother!r}: a mother lies outside the event's list")
    row = np.where(has, first + position, 0)
    for name in wanted:
        values = collection.columns[name.removeprefix(MOTHER)]
        has_row = has.reshape(-1, *[1] * (values.ndim - 1))
        collection.columns[name] = np.where(has_row, values[row] if len(values) else values, 0)


def _remove_padding(collection: Collection, arrays: Mapping[str, Column], where: str) -> None:
    plan = collection.plan
    present = plan.definition.present
    if present is not None:
        kept = evaluate_number(present, collection.columns, where).astype(bool)
        collection.select(np.broadcast_to(kept, collection.event.shape))
        return
    column = plan.columns[plan.momentum[0]]
    array = column.take(arrays, where)
    if array.counts is None and array.values.ndim > 1:
        collection.select(np.any([collection.columns[name] != 0 for name in plan.momentum], axis=0))


def _define(
    name: str,
    collection: Collection,
    event_columns: Mapping[str, np.ndarray | Column],
    where: str,
    waiting: tuple[str, ...],
    units: Units,
) -> None:
    definition = collection.plan.definition
    if name in collection.columns:
        return
    if name in waiting:
        raise ReaderError(f"definitions go in a circle: {' -> '.join((*waiting, name))}")
    expression = definition.define[name]
    for needed in expression.names & set(definition.define):
        _define(needed, collection, event_columns, where, (*waiting, name), units)
    names = _names(expression, collection, event_columns, where)
    if set(names) == expression.names:  # else it is a definition that nothing reads
        values = evaluate_number(expression, names, where)
        values = units.of_defined(name, expression, values, names)
        collection.columns[name] = np.broadcast_to(values, collection.event.shape)


def _names(
    expression: Expression, collection: Collection, event_columns: Mapping[str, np.ndarray | Column], where: str
) -> dict[str, np.ndarray]:
    """What an expression reads: columns of the collection, else those of the objects' events."""
    names = {name: collection.columns[name] for name in expression.names if name in collection.columns}
    for name in expression.names & (set(event_columns) - set(names)):
        value = event_columns[name]
        value = per_event(value, f"{where}, column {name!r}") if isinstance(value, Column) else value
        names[name] = value[collection.event]
    return names


def _to_polar(collection: Collection) -> None:
    """(px, py, pz, E) to (pt, eta, phi, mass); massive where only the energy is known."""
    columns = collection.columns
    with np.errstate(all="ignore"):
        if "pt" not in columns:
            px, py = columns["px"].astype(np.float64), columns["py"].astype(np.float64)
            columns["pt"], columns["phi"] = np.hypot(px, py), np.arctan2(py, px)
            if "pz" in columns:
                columns["eta"] = np.arcsinh(columns["pz"] / columns["pt"])
        if "energy" in columns and "mass" not in columns:
            energy = columns["energy"].astype(np.float64)
            if "pz" in columns:
                momentum = np.hypot(columns["pt"], columns["pz"].astype(np.float64))
            else:
                momentum = columns["pt"] * np.cosh(columns["eta"].astype(np.float64))
            square = (energy - momentum) * (energy + momentum)
            mass = np.copysign(np.sqrt(np.abs(square)), square)
            # Rounding, not a mass below zero: marked as slightly negative, which is clipped and counted.
            rounding = (square < 0) & (square > -_ROUNDING * energy**2)
            columns["mass"] = np.where(rounding, -np.finfo(np.float32).tiny, mass)


def _add_defaults(collection: Collection, where: str) -> None:
    columns, kind = collection.columns, collection.plan.definition.kind
    size = len(collection.event)
    columns[KIND] = _kinds(collection, where)
    if kind is ObjectType.MET:
        columns["eta"] = columns["mass"] = np.zeros(size, dtype=np.float32)
    if "mass" not in columns:
        columns["mass"] = np.zeros(size, dtype=np.float32)
        for with_mass, mass in DEFAULT_MASS.items():
            columns["mass"][columns[KIND] == with_mass] = mass
    columns.setdefault("charge", np.zeros(size, dtype=np.float32))
    for name in KINEMATICS:
        with np.errstate(over="ignore"):
            columns[name] = columns[name].astype(np.float64 if name == "phi" else np.float32, copy=False)
    _add_btag(collection, where)


def _add_btag(collection: Collection, where: str) -> None:
    btag, size = collection.plan.btag, len(collection.event)
    if btag is None:
        collection.columns["btag"] = np.zeros(size, dtype=np.float32)
        return
    score = collection.columns[btag.column]
    if btag.above is not None:
        tagged = score > btag.above
    else:
        tagged = (_integers(collection, btag.column, where) >> (btag.bit or 0)) & 1 == 1
    collection.columns["btag"] = tagged.astype(np.float32)


def _integers(collection: Collection, name: str, where: str) -> np.ndarray:
    values = collection.columns[name]
    if values.dtype.kind not in "iu":
        column = collection.plan.columns.get(name)
        text = name if column is None else column.text
        raise ReaderError(f"{where}, column {text!r}: expected integers, found {values.dtype}")
    return values.astype(np.int64)


def pdg_ids(collection: Collection) -> np.ndarray:
    """PDG numbers as the file has them, else what kind and charge say, else 0."""
    columns = collection.columns
    if "pdg_id" in columns:
        return columns["pdg_id"].astype(np.int32)
    kinds = columns[KIND]
    result = np.where(kinds == ObjectType.PHOTON, 22, 0).astype(np.int32)
    for kind, number in _LEPTON_PDG.items():
        of_kind = kinds == kind
        result[of_kind] = number * np.sign(columns["charge"][of_kind])
    return result


def _kinds(collection: Collection, where: str) -> np.ndarray:
    kind = collection.plan.definition.kind
    if isinstance(kind, ObjectType):
        return np.full(len(collection.event), kind, np.int8)
    values = collection.columns[kind.column]
    kinds = np.full(len(values), -1 if kind.default is None else kind.default, np.int8)
    for code, mapped in kind.map.items():
        kinds[values == (code if values.dtype.kind == "U" else _number(code, kind.column, where))] = mapped
    return kinds


def _number(code: str, column: str, where: str) -> float:
    try:
        return float(code)
    except ValueError:
        raise ReaderError(f"{where}, column {column!r}: holds numbers, but kind.map has the text {code!r}") from None

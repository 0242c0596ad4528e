"""What is done with the objects of a chunk: validity, cuts, overlap removal, ordering, largest numbers.

Everything works on flat numpy columns with one count per event; nothing loops over events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pyg_hep.errors import ReaderError, nearest
from pyg_hep.readers.card import KINEMATICS, KindColumn, Limit
from pyg_hep.readers.evaluation import evaluate_number
from pyg_hep.readers.momenta import KEPT, KIND, Collection
from pyg_hep.schema import Level, ObjectType

# float32(pi) lies above pi and float32(-pi) below -pi: the interval [-pi, pi) is that of float32.
_PI32 = np.float32(np.pi)
# Half-precision storage leaves small negative masses (down to -0.34 GeV seen); beyond this they are errors.
_LOWEST_MASS = -1.0
# Beyond these no collider has made a value: what lies there is damaged. GeV, 1, rad, GeV, e.
_LARGEST = {"pt": 1e5, "eta": 20.0, "phi": 4 * np.pi, "mass": 1e5, "charge": 100.0}


def wrap_phi(phi: np.ndarray) -> np.ndarray:
    """Azimuth as float32 in [-float32(pi), float32(pi))."""
    wide = phi.astype(np.float64)
    wrapped = (wide - 2 * np.pi * np.floor((wide + np.pi) / (2 * np.pi))).astype(np.float32)
    return np.where(wrapped >= _PI32, -_PI32, wrapped)


def invalid_objects(collection: Collection) -> dict[str, np.ndarray]:
    """Branch -> mask of the objects whose value cannot be.

    That is NaN in any column, an infinite or impossibly large momentum, pt < 0, or a mass below -1 GeV. What is only
    kept is left to :func:`invalid_kept`.
    """
    result = {}
    btag = collection.plan.btag
    for column, values in collection.columns.items():
        if column in collection.plan.only_kept or column.startswith(KEPT):
            continue
        bad = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
        if column in KINEMATICS:
            bad |= _impossible(column, values)
        if btag is not None and column == btag.column:
            bad |= ~np.isfinite(values)
        if bad.any():
            where = collection.plan.columns.get(column)
            result[column if where is None else where.text] = bad
    return result


def not_finite_objects(collection: Collection) -> dict[str, np.ndarray]:
    """Branch -> mask of the objects whose value is NaN or infinite, of which no cut can tell anything.

    Finite values that cannot be, such as 999.9 for no pseudorapidity, are left to the cuts, and so is what the reader
    made of them, which need not be finite.
    """
    columns, plan = collection.columns, collection.plan
    stand_in = np.zeros(len(collection.event), dtype=bool)
    for column in set(KINEMATICS) & set(plan.columns):
        stand_in |= np.isfinite(columns[column]) & _impossible(column, columns[column])
    result = {}
    for column, where in {**dict.fromkeys(columns), **plan.columns}.items():
        if column in plan.only_kept or column.startswith(KEPT) or columns[column].dtype.kind != "f":
            continue
        finite = column in KINEMATICS or (plan.btag is not None and column == plan.btag.column)
        bad = ~np.isfinite(columns[column]) if finite else np.isnan(columns[column])
        if where is None:
            bad &= ~stand_in
        if bad.any():
            result[column if where is None else where.text] = bad
    return result


def _impossible(column: str, values: np.ndarray) -> np.ndarray:
    """Mask of the values that a column of the four-momentum, or the charge, cannot have."""
    bad: np.ndarray = ~(np.abs(values) <= _LARGEST[column])
    if column == "pt":
        bad |= values < 0
    if column == "mass":
        bad |= values < _LOWEST_MASS
    return bad


def invalid_kept(collection: Collection) -> dict[str, np.ndarray]:
    """Expression -> mask of the objects for which it is not finite, of those that are stored with the nodes."""
    result = {}
    for name, expression in collection.plan.definition.keep.items():
        bad = ~np.isfinite(collection.columns[KEPT + name])
        result[expression.text] = bad.any(axis=1) if bad.ndim > 1 else bad
    return result


def clip_masses(collection: Collection) -> int:
    """Set small negative masses, rounding of the stored format, to 0; return how many there were."""
    mass = collection.columns["mass"]
    negative = (mass < 0) & (mass >= _LOWEST_MASS)
    collection.columns["mass"] = np.where(negative, 0, mass)
    return int(negative.sum())


def apply_cuts(collection: Collection, where: str, cutflow: Counter[str] | None = None) -> None:
    """Keep the objects that pass every cut of the plan; ``cutflow`` counts what is left after each."""
    kept = np.ones(len(collection.event), dtype=bool)
    for cut in collection.plan.cuts:
        kept &= evaluate_number(cut, collection.columns, where).astype(bool)
        if cutflow is not None:
            cutflow[cut.text] += int(kept.sum())
    collection.select(kept)


def check_kinds(collection: Collection, kept: np.ndarray, where: str) -> None:
    """Raise where the card's map has no kind for an object that passed the cuts, in events that are ``kept``.

    Raises:
        ReaderError: names the column and the number or text.
    """
    kind = collection.plan.definition.kind
    unknown = (collection.columns[KIND] < 0) & kept[collection.event]
    if isinstance(kind, KindColumn) and unknown.any():
        code = collection.columns[kind.column][unknown][0]
        code = int(code) if code.dtype.kind == "f" and code == np.floor(code) else code
        raise ReaderError(
            f"{where}, column {kind.column!r}: the card's kind.map has no kind for {str(code)!r} "
            f"({nearest(str(code), kind.map)}); give 'default', or a cut that removes such objects"
        )


def check_met(name: str, collection: Collection, kept: np.ndarray, where: str) -> None:
    """Raise where one of the events that are ``kept`` has several missing transverse momenta.

    Raises:
        ReaderError: says how to choose one.
    """
    if collection.plan.definition.kind is not ObjectType.MET:
        return
    most = int(np.bincount(collection.event[kept[collection.event]]).max(initial=0))
    if most > 1:
        raise ReaderError(
            f"{where}, object {name!r}: an event has {most} missing transverse momenta; choose one of the terms by its "
            "position, as in columns: {px: 'mpx[-1]', py: 'mpy[-1]'}, by a cut, or by at_most: 1"
        )


def remove_overlaps(collections: Mapping[str, Collection]) -> None:
    """Apply every overlap removal, each against the objects that themselves survived theirs.

    Raises:
        ReaderError: when two definitions wait for each other.
    """
    done: set[str] = set()

    def settle(name: str, waiting: tuple[str, ...]) -> None:
        if name in done:
            return
        if name in waiting:
            raise ReaderError(f"overlap removal goes in a circle: {' -> '.join((*waiting, name))}")
        collection = collections[name]
        overlap = collection.plan.definition.overlap
        if overlap is not None:
            close = np.zeros(len(collection.event), dtype=bool)
            for other in overlap.objects:
                if other in collections:
                    settle(other, (*waiting, name))
                    close |= _close_to(collection, collections[other], overlap.delta_r)
            collection.select(~close)
        done.add(name)

    for name in collections:
        settle(name, ())


def _close_to(collection: Collection, others: Collection, delta_r: float) -> np.ndarray:
    """Mask of the objects with another one of the same event within ``delta_r``."""
    close = np.zeros(len(collection.event), dtype=bool)
    first = np.searchsorted(others.event, collection.event, side="left")
    count = np.searchsorted(others.event, collection.event, side="right") - first
    # One pass over the k-th other object of every event: few others, no pair list.
    for k in range(int(count.max(initial=0))):
        has = np.flatnonzero(count > k)
        other = first[has] + k
        d_eta = collection.columns["eta"][has] - others.columns["eta"][other]
        d_phi = wrap_phi(collection.columns["phi"][has] - others.columns["phi"][other])
        close[has] |= np.hypot(d_eta, d_phi) < delta_r
    return close


def order_and_limit(collection: Collection) -> None:
    """Order the objects of each event by falling pt, or as in the file, and keep the leading ``at_most``."""
    definition = collection.plan.definition
    pt, event = collection.columns["pt"], collection.event
    if definition.order == "pt" and np.any((pt[1:] > pt[:-1]) & (event[1:] == event[:-1])):
        collection.select(np.lexsort((-pt, event)))
    if definition.at_most is not None:
        event = collection.event
        rank = np.arange(len(event)) - np.searchsorted(event, event, side="left")
        if np.any(rank >= definition.at_most):
            collection.select(rank < definition.at_most)


def apply_limits(collections: Mapping[str, Collection], limits: Sequence[Limit]) -> None:
    """Of all objects that a limit names, keep the leading ones in pt of each event."""
    for limit in limits:
        mine = [collections[name] for name in limit.objects if name in collections]
        if not mine:
            continue
        event = np.concatenate([c.event for c in mine])
        order = np.lexsort((-np.concatenate([c.columns["pt"] for c in mine]), event))
        rank = np.empty(len(event), dtype=np.int64)
        rank[order] = np.arange(len(event)) - np.searchsorted(event[order], event[order], side="left")
        kept = np.split(rank < limit.at_most, np.cumsum([len(c.event) for c in mine])[:-1])
        for collection, mask in zip(mine, kept, strict=True):
            collection.select(mask)


def is_generated(collection: Collection) -> bool:
    """Whether the objects are generated ones, of which only the selected are looked at.

    Lists of generated particles hold beams and incoming partons at infinite pseudorapidity.
    """
    return collection.plan.definition.level is Level.GEN

"""From the arrays of one chunk to the objects of its events: validity, cuts, overlap removal, ordering.

Everything works on flat numpy columns with one count per event; nothing loops over events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import awkward as ak
import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.plan import ObjectPlan
from pyg_hep.readers.root import flat
from pyg_hep.schema import DEFAULT_MASS, ObjectType

# float32(pi) lies above pi and float32(-pi) below -pi: the interval [-pi, pi) is that of float32.
_PI32 = np.float32(np.pi)
# Half-precision storage leaves small negative masses (down to -0.34 GeV seen); beyond this they are errors.
_LOWEST_MASS = -1.0


def wrap_phi(phi: np.ndarray) -> np.ndarray:
    """Azimuth as float32 in [-float32(pi), float32(pi))."""
    wide = phi.astype(np.float64)
    wrapped = (wide - 2 * np.pi * np.floor((wide + np.pi) / (2 * np.pi))).astype(np.float32)
    return np.where(wrapped >= _PI32, -_PI32, wrapped)


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
    name: str, plan: ObjectPlan, arrays: Mapping[str, ak.Array], num_events: int, path: str
) -> Collection:
    """Flat columns of one collection; missing kinematics take the kind's default.

    Raises:
        ReaderError: when the columns of the collection have different lengths.
    """
    columns: dict[str, np.ndarray] = {}
    counts: np.ndarray | None = None
    first = ""
    for column, branch in plan.columns.items():
        values, found = flat(arrays[branch], f"{path}: branch {branch!r}")
        if found is None:
            found = np.ones(num_events, dtype=np.int64)
        if counts is None:
            counts, first = found, branch
        elif not np.array_equal(counts, found):
            event = int(np.flatnonzero(counts != found)[0])
            raise ReaderError(
                f"{path}: {first!r} and {branch!r} disagree on the number of objects, first in entry {event} "
                f"of the chunk ({counts[event]} and {found[event]})"
            )
        columns[column] = values
    assert counts is not None
    size = len(columns["pt"])
    kind = plan.definition.kind
    columns.setdefault("eta", np.zeros(size, dtype=np.float32))
    if kind is ObjectType.MET:
        columns["eta"] = np.zeros(size, dtype=np.float32)
    columns.setdefault("mass", np.full(size, DEFAULT_MASS.get(kind, 0.0), dtype=np.float32))
    columns.setdefault("charge", np.zeros(size, dtype=np.float32))
    return Collection(plan, columns, np.repeat(np.arange(num_events), counts))


def invalid_objects(collection: Collection) -> dict[str, np.ndarray]:
    """Branch -> mask of the objects whose value cannot be: NaN, infinite, pt < 0, mass below -1 GeV."""
    result = {}
    for column in ("pt", "eta", "phi", "mass", "charge"):
        values = collection.columns[column]
        bad = ~np.isfinite(values)
        if column == "pt":
            bad |= values < 0
        if column == "mass":
            bad |= values < _LOWEST_MASS
        if bad.any():
            result[collection.plan.columns.get(column, column)] = bad
    btag = collection.plan.btag
    if btag is not None and (bad := np.isnan(collection.columns[btag.column])).any():
        result[collection.plan.columns[btag.column]] = bad
    return result


def clip_masses(collection: Collection) -> int:
    """Set small negative masses, rounding of the stored format, to 0; return how many there were."""
    mass = collection.columns["mass"]
    negative = mass < 0
    collection.columns["mass"] = np.where(negative, 0, mass)
    return int(negative.sum())


def apply_cuts(collection: Collection) -> None:
    """Keep the objects that pass every cut of the plan."""
    kept = np.ones(len(collection.event), dtype=bool)
    for cut in collection.plan.cuts:
        kept &= cut.evaluate(collection.columns).astype(bool)
    collection.select(kept)


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
    """Order the objects of each event by falling pt and keep at most as many as the definition says."""
    pt, event = collection.columns["pt"], collection.event
    if np.any((pt[1:] > pt[:-1]) & (event[1:] == event[:-1])):
        collection.select(np.lexsort((-pt, event)))
    at_most = collection.plan.definition.at_most
    if at_most is not None:
        event = collection.event
        rank = np.arange(len(event)) - np.searchsorted(event, event, side="left")
        if np.any(rank >= at_most):
            collection.select(rank < at_most)

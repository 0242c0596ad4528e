"""The arrays that the simulation passes on: generated particles, collections of objects, chunks of events.

Only containers and their concatenation live here; physics is in the modules that fill them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GeneratedEvents:
    """Event records of B generated events with P entries in all, entry by entry in flat arrays.

    Attributes:
        count: number of events B.
        event: event of every entry, sorted, shape ``[P]``.
        pdg_id: PDG number, shape ``[P]``.
        status: status code of the generator, positive for final particles, shape ``[P]``.
        mother: position of the first mother in these arrays, shape ``[P]``.
        daughter1: position of the first daughter, shape ``[P]``; with ``daughter2`` a closed range where
            the entry decayed.
        daughter2: position of the last daughter, shape ``[P]``.
        px: with ``py``, ``pz``, ``energy`` and ``mass`` the four-vector in GeV, shape ``[P]`` each.
        info: one number per event, shape ``[B]`` each: id1, id2, x1, x2, scale [GeV] and weight.
        vertex: where every entry was produced, (x, y, z) in mm, shape ``[P, 3]``; None unless the generator was asked
            for it.
    """

    count: int
    event: Ints
    pdg_id: Ints
    status: Ints
    mother: Ints
    daughter1: Ints
    daughter2: Ints
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    mass: Floats
    info: dict[str, Array]
    vertex: Floats | None = None


class Momenta(Protocol):
    """What can be clustered: event, sorted, and four-vector in GeV of every particle, shape ``[V]`` each."""

    @property
    def event(self) -> Ints:
        """Event of every particle."""

    @property
    def px(self) -> Floats:
        """Momentum in GeV; with ``py``, ``pz`` and ``energy``."""

    @property
    def py(self) -> Floats:
        """See ``px``."""

    @property
    def pz(self) -> Floats:
        """See ``px``."""

    @property
    def energy(self) -> Floats:
        """See ``px``."""


class Rows:
    """A data class of arrays, all with a row for each object."""

    def select(self, keep: Array) -> Self:
        """The objects where ``keep`` (mask or positions) says so."""
        return type(self)(*(getattr(self, name)[keep] for name in self._names()))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """One after the other, in the order given."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls._names()))

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(column.name for column in dataclasses.fields(cls))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Collection:
    """Objects of one kind, event by event: ``counts`` of shape ``[B]`` and one array per quantity, ``[N]``."""

    counts: Ints
    fields: dict[str, Array]

    @staticmethod
    def from_unsorted(event: Ints, count: int, order: Array | None, fields: dict[str, Array]) -> Collection:
        """Sort objects by event and within an event by rising ``order`` (None keeps their order).

        Args:
            event: event of every object, shape ``[N]``.
            count: number of events B.
            order: sorting key, shape ``[N]``.
            fields: quantities, shape ``[N]`` each.
        """
        keys = (event,) if order is None else (order, event)
        position = np.lexsort(keys)
        counts = np.bincount(event, minlength=count).astype(np.int64)
        return Collection(counts, {name: values[position] for name, values in fields.items()})


@dataclass
class EventColumns:
    """B events as they are written: ``scalars`` with one value per event, ``collections`` of objects."""

    scalars: dict[str, Array] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)

    @staticmethod
    def concatenate(parts: list[EventColumns]) -> EventColumns:
        """One after the other, in the order given; all parts must have the same columns."""
        first = parts[0]
        scalars = {name: np.concatenate([part.scalars[name] for part in parts]) for name in first.scalars}
        collections = {}
        for name, collection in first.collections.items():
            members = [part.collections[name] for part in parts]
            fields = {key: np.concatenate([m.fields[key] for m in members]) for key in collection.fields}
            collections[name] = Collection(np.concatenate([m.counts for m in members]), fields)
        return EventColumns(scalars, collections)

"""What a node of an event graph is, and which columns a graph stores with which type and unit.

No logic lives here: readers fill these columns, storage keeps them, loaders batch them, models view them.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

SCHEMA_VERSION = 3
"""Goes into every cache fingerprint: raise it when the meaning of a stored column changes."""


class ObjectType(enum.IntEnum):
    """Kinds of reconstructed (or generated) objects, the values of the node column ``kind``.

    PARTICLE is a constituent of which a file does not say what it is.
    """

    JET = 0
    ELECTRON = 1
    MUON = 2
    TAU = 3
    PHOTON = 4
    MET = 5
    CHARGED_HADRON = 6
    NEUTRAL_HADRON = 7
    PARTON = 8
    NEUTRINO = 9
    CLASS = 10
    PARTICLE = 11


class Level(enum.IntEnum):
    """Where a node comes from, the values of the node column ``level``."""

    RECO = 0
    GEN = 1


DEFAULT_MASS: dict[ObjectType, float] = {
    ObjectType.ELECTRON: 0.000510999,
    ObjectType.MUON: 0.105658,
    ObjectType.TAU: 1.77686,
}
"""Mass in GeV that a kind takes where a file stores none (PDG 2024); every other kind takes 0."""


class Column(NamedTuple):
    """One stored column: shape after the leading dimension, type in the graph, type on disk, unit, meaning."""

    shape: tuple[int, ...]
    dtype: str
    stored: str
    unit: str
    meaning: str


NODE_COLUMNS: dict[str, Column] = {
    "p4": Column((4,), "float32", "float32", "GeV, 1, rad, GeV", "(pt, eta, phi in [-pi, pi), mass)"),
    "kind": Column((), "int64", "int8", "", "ObjectType"),
    "charge": Column((), "float32", "float32", "e", "electric charge, 0 where undefined"),
    "btag": Column((), "float32", "float32", "", "b-tagging decision at the card's working point"),
    "level": Column((), "int64", "int8", "", "Level"),
}
"""Columns with one row per node, present in every graph."""

OPTIONAL_NODE_COLUMNS: dict[str, Column] = {
    "btag_score": Column((), "float32", "float32", "", "b-tagging discriminant, where the card keeps it"),
    "pdg_id": Column((), "int64", "int32", "", "PDG Monte Carlo number, where truth is kept"),
}
"""Columns with one row per node, present where the card asks for them."""

EVENT_COLUMNS: dict[str, Column] = {
    "y": Column((), "int64", "int64", "", "label"),
    "weight": Column((), "float32", "float32", "", "event weight"),
}
"""Columns with one row per event, present in every graph."""

OPTIONAL_EVENT_COLUMNS: dict[str, Column] = {
    "run_number": Column((), "int64", "int64", "", "run, together with the next two the hard event's name"),
    "luminosity_block": Column((), "int64", "int64", "", "luminosity block"),
    "event_number": Column((), "int64", "int64", "", "event number, the 64 bits of the file's unsigned number"),
}
"""Columns with one row per event, present where any file has them."""

NO_IDENTITY = -1
"""Value of these three for the events of a file without them, beside files that have them. No generator or experiment
counts runs below 0."""

"""The file formats a card can name: how each is opened and how it names its columns.

The library behind a format is imported when a file of it is opened: uproot alone takes as long as all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyg_hep.readers.source import Source


@dataclass(frozen=True)
class Format:
    """How a kind of file names things.

    Args:
        open: makes the source of a path and a tree name.
        patterns: how a collection's column is named, tried in this order; ``@`` is the collection, ``{}`` the column.
        names: column of the library -> name in the files, where the two differ.
        met_pt: name of the missing transverse momentum's magnitude.
        counter: the branch with the number of objects, checked against the lists where a file has it.
        identity: columns that identify an event -> branch.
        endings: of the names of its files, small letters.
        partitioned: a folder of such files is one data set, with its folders; ``key=value`` in their names is a column.
    """

    open: Callable[[str, str | None], Source]
    patterns: tuple[str, ...] = ("@_{}", "@.{}")
    names: Mapping[str, str] = field(default_factory=dict)
    met_pt: str = "pt"
    counter: str | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    endings: tuple[str, ...] = (".root",)
    partitioned: bool = False

    @property
    def has_trees(self) -> bool:
        """Whether a file holds several trees, of which one is read."""
        return ".root" in self.endings


def _root(path: str, tree: str | None) -> Source:
    from pyg_hep.readers.root import RootSource

    return RootSource(path, tree)


def _hdf5(path: str, tree: str | None) -> Source:
    from pyg_hep.readers.hdf5 import HDF5Source

    return HDF5Source(path)


def _npz(path: str, tree: str | None) -> Source:
    from pyg_hep.readers.arrays import NpzSource

    return NpzSource(path)


def _parquet(path: str, tree: str | None) -> Source:
    from pyg_hep.readers.parquet import ParquetSource

    return ParquetSource(path)


def _csv(path: str, tree: str | None) -> Source:
    from pyg_hep.readers.delimited import CSVSource

    return CSVSource(path)


_DELPHES_NAMES = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass", "charge": "Charge", "energy": "E"}
_DELPHES_NAMES |= {"px": "Px", "py": "Py", "pz": "Pz", "pdg_id": "PID"}

FORMATS: dict[str, Format] = {
    "nanoaod": Format(
        lambda path, tree: _root(path, tree or "Events"),
        names={"pdg_id": "pdgId"},
        counter="n@",
        identity={"run_number": "run", "luminosity_block": "luminosityBlock", "event_number": "event"},
    ),
    "delphes": Format(
        lambda path, tree: _root(path, tree or "Delphes"), ("@.{}",), _DELPHES_NAMES, "MET", counter="@_size"
    ),
    "root": Format(_root),
    "hdf5": Format(_hdf5, ("@/{}",), endings=(".h5", ".hdf5", ".hdf")),
    "npz": Format(_npz, ("@_{}",), endings=(".npz",)),
    "parquet": Format(_parquet, endings=(".parquet", ".pq"), partitioned=True),
    "csv": Format(_csv, endings=(".csv", ".csv.gz", ".tsv", ".tsv.gz")),
}
"""Value of a card's key ``reader`` -> its format."""

"""ROOT files through uproot: trees and RNTuples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from pyg_hep.errors import ReaderError, nearest
from pyg_hep.readers.baskets import single_basket_columns
from pyg_hep.readers.branches import root_classes
from pyg_hep.readers.columns import Column
from pyg_hep.readers.flat import flat_column
from pyg_hep.readers.pages import ntuple_columns
from pyg_hep.readers.root_names import has_values, ntuple_names, tree_names
from pyg_hep.readers.source import NoColumnError, Source, is_remote, reading

# A page of 8 million equal bits, the most that ROOT writes, becomes 200,000 times smaller.
_MOST_NUMBERS_PER_BYTE = 1_000_000
_SMALL = 10_000_000  # bytes
# A file of up to so many entries is read whole, by whoever looks into it first.
_FEW = 1000


class RootSource(Source):
    """One tree or RNTuple of one ROOT file.

    Branches of split objects have their own names (``Jet.PT``, not ``Jet/Jet.PT``); fields of objects in one branch and
    of an RNTuple's records and collections have dots between levels (``muon.fP.fX``).

    Args:
        path: a local path or an address uproot can open.
        tree: name of the tree; None takes the only one of the file.

    Raises:
        ReaderError: when the file is missing, cannot be read, or lacks the tree.
    """

    def __init__(self, path: str | os.PathLike[str], tree: str | None = None):
        super().__init__(path)
        self._whole: dict[str, Column] = {}
        with reading(self.path, "the file"):
            self._file = uproot.open(self.path, **self._options())
        try:
            self._check_length()
            with reading(self.path, "the list of its content"):
                classes = {key.split(";")[0]: name for key, name in self._file.classnames(recursive=True).items()}
            self.tree_name = self._only_tree(classes) if tree is None else tree
            if self.tree_name not in classes:
                raise ReaderError(f"{self.path}: no tree {tree!r} in the file, {nearest(self.tree_name, classes)}")
            with reading(self.path, f"tree {self.tree_name!r}"):
                self._tree = self._file[self.tree_name]
                self.num_entries = int(self._tree.num_entries)
                self._is_ntuple = "RNTuple" in type(self._tree).__name__
                self._check_pages()
                self._places = ntuple_names(self._tree) if self._is_ntuple else tree_names(self._tree)
                self.branches = frozenset(self._places)
        except BaseException:
            self.close()
            raise

    def _options(self) -> dict[str, Any]:
        """Of ``uproot.open``: nothing is read twice, and a small file is mapped, not opened anew for every basket.

        What a mapped file loses while it is read kills the process; a large one is read for long enough to fear that.
        """
        options: dict[str, Any] = {"object_cache": None, "array_cache": None, "custom_classes": root_classes()}
        if not is_remote(self.path) and Path(self.path).stat().st_size < _SMALL:
            options["handler"] = uproot.source.file.MemmapSource
        return options

    def _check_length(self) -> None:
        """A transfer that stopped early may still hold all that is read; the file says how long it was."""
        if not is_remote(self.path):
            size, stated = Path(self.path).stat().st_size, int(self._file.file.fEND)
            if size < stated:
                raise ReaderError(f"{self.path}: the file is incomplete, it has {size} of {stated} bytes")

    def _check_pages(self) -> None:
        """Uproot makes room for as many numbers as the pages of an RNTuple state, whatever their size in the file."""
        if self._is_ntuple:
            pages = (page for cluster in self._tree.page_link_list for column in cluster for page in column.pages)
            if any(page.num_elements > _MOST_NUMBERS_PER_BYTE * page.locator.num_bytes for page in pages):
                raise ReaderError(f"{self.path}: a page states more numbers than it can hold: the file is damaged")

    def _only_tree(self, classes: Mapping[str, str]) -> str:
        trees = [name for name, kind in classes.items() if kind == "TTree" or kind.endswith("RNTuple")]
        if len(trees) != 1:
            found = ", ".join(trees) or "none"
            raise ReaderError(f"{self.path}: say which tree with the card's key 'tree'; the file has {found}")
        return trees[0]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def num_entries_of(self, branches: Iterable[str]) -> int:
        """Entries of the tree, which each of its branches must have."""
        if not self._is_ntuple:
            for name in branches:
                with reading(self.path, f"column {name!r}"):
                    found = int(self._tree[self._places[name].key].num_entries)
                if found != self.num_entries:
                    raise ReaderError(
                        f"{self.path}: column {name!r} has {found} entries, the tree has {self.num_entries}: "
                        "the file is damaged or incomplete"
                    )
        return self.num_entries

    def bytes_per_entry(self, branches: Iterable[str]) -> float:
        """Uncompressed bytes of the branches as the file states them; an RNTuple does not."""
        names = sorted(branches)
        if not self.num_entries or not names:
            return 0.0
        if self._is_ntuple:
            return self.bytes_of_sample(names, self.num_entries)
        branches_of = [self._tree[key] for key in {self._places[name].key for name in names}]
        total = sum(branch.uncompressed_bytes + 4 * self.num_entries for branch in branches_of)
        return float(total / self.num_entries)

    def _arrays(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        """Columns; those of a file of few entries are kept, as probes and sizes ask for most of them before."""
        if (start, stop) != (0, self.num_entries) or self.num_entries > _FEW:
            return self._fresh(names, start, stop)
        self._whole |= self._fresh([name for name in names if name not in self._whole], start, stop)
        return {name: self._whole[name] for name in names}

    def _fresh(self, names: list[str], start: int, stop: int) -> dict[str, Column]:
        places = {name: self._places[name] for name in names}
        columns: dict[str, Column] = {}
        # An address is read by one request for all columns, not by one for each.
        if (start, stop) == (0, self.num_entries) and not is_remote(self.path):
            if self._is_ntuple:
                columns = ntuple_columns(self._tree, places, self.num_entries)
            else:
                keys = [place.key for place in places.values() if not place.fields]
                baskets = single_basket_columns(self._tree, keys, self.num_entries)
                columns = {name: baskets[p.key] for name, p in places.items() if not p.fields and p.key in baskets}
        others = {name: place for name, place in places.items() if name not in columns}
        if others:
            arrays = self._read({place.key for place in others.values()}, start, stop)
            for name, place in others.items():
                array = arrays[place.outer]
                for field in place.fields:
                    array = array[field]
                columns[name] = flat_column(array)
        return columns

    def _read(self, keys: set[str], start: int, stop: int) -> dict[str, ak.Array]:
        options: dict[str, Any] = {"entry_start": start, "entry_stop": stop, "library": "ak", "how": dict}
        try:
            if self._is_ntuple:
                # Not by filter_name, in which * and ? have a meaning.
                return dict(self._tree.arrays(filter_field=lambda field: field.path in keys, **options))
            for key in keys:
                self._check_branch(key)
            return dict(self._tree.arrays(sorted(keys), **options))
        except uproot.interpretation.identify.UnknownInterpretation:
            raise NoColumnError("uproot does not know how its type is written") from None
        except uproot.interpretation.objects.CannotBeAwkward:
            raise NoColumnError("it holds objects that are no records of numbers, text or lists of them") from None

    def _check_branch(self, key: str) -> None:
        """Say why a sound branch cannot be a column, where uproot's own words would read like damage."""
        try:
            branch = self._tree[key]
        except uproot.exceptions.KeyInFileError:
            raise NoColumnError("another branch of the same name hides it") from None
        interpretation = branch.interpretation
        if isinstance(interpretation, uproot.interpretation.grouped.AsGrouped):
            inside = ", ".join(sorted(name for name, place in self._places.items() if place.key.startswith(f"{key}/")))
            raise NoColumnError(f"it holds no values but the columns {inside:.200}")
        if type(interpretation) is not uproot.interpretation.numerical.AsDtype and not has_values(branch):
            raise NoColumnError("it holds objects without a number or text in them")

    def sum_of_generator_weights(self) -> float | None:
        """``genEventSumw`` of NanoAOD's tree ``Runs``; None for collision data and other files."""
        with reading(self.path, "tree 'Runs'"):
            if "Runs" not in {key.split(";")[0] for key in self._file.keys(recursive=False)}:
                return None
            runs = self._file["Runs"]
            names = runs.keys()
            for name in ("genEventSumw", "genEventSumw_"):
                if name in names:
                    return float(np.sum(runs[name].array(library="np"), dtype=np.float64))
        return None

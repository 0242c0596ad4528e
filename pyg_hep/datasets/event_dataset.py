"""``EventDataset``: collider files as an ``InMemoryDataset`` of event graphs on memory-mapped columns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset

from pyg_hep.datasets.conversion import convert
from pyg_hep.datasets.fingerprint import Files, fingerprint, reading_part, source_files
from pyg_hep.datasets.open_data import (
    ChangedStorage,
    ColumnsInMemory,
    Storage,
    checked_nodes,
    content_digest,
    event_values,
    number_of_classes,
)
from pyg_hep.datasets.storage import MANIFEST, EventStorage
from pyg_hep.datasets.yields import expected_yields
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.readers import Card, ReadReport, load_card
from pyg_hep.transforms.complete_graph import CompleteGraph, complete_edges, edge_features

_COMPLETE_GRAPH = CompleteGraph()


class EventDataset(InMemoryDataset):
    """Events (or jets) of collider files as PyG graphs.

    The files are converted once; the result is kept under ``root/processed/<card>-<hash of everything that
    shaped it>`` and opened, memory-mapped, from then on.

    Args:
        root: folder for the processed data.
        card: dataset card: a path, a shipped name, a mapping or a :class:`~pyg_hep.readers.Card`.
        files: a path, a list of paths (label = position in the list), or a mapping of process name to path or
            paths (label = position of the process). Folders, ``*``, ``**`` and ``~`` stand for their files; any path
            may end in ``:tree``, and ``{"files": paths, "tree": tree}`` says it of all paths of a process. None
            takes the files that the card names, or else opens what ``root`` holds for this card.
        split: None for all events, or a split of the card (``"train"``, ``"val"``, ``"test"``): events are
            assigned by a hash of run, luminosity block and event number, so an event never changes its split.
        transform: applied to every graph on access.
        pre_transform: applied to every graph before it is stored; must keep the columns.
        pre_filter: graphs for which it is false are not stored.
        force_reload: convert again.
        executor: a ``concurrent.futures.Executor`` for the conversion; None converts in this process, where 200 files
            or more are first looked into, and small ones read, by up to eight processes, as many as there are cores.
        on_error: ``"raise"``, or ``"skip"`` to leave out unreadable files: they are printed and recorded.
        verbose: when files are converted, say on standard error what reading left out: dropped events, weights, cuts
            or objects that files lack. :attr:`report` holds it in any case, and the environment variable
            ``PYG_HEP_QUIET`` silences all data sets.

    Raises:
        ConfigError: for an unusable card, split or option.
        ReaderError: when files cannot be read or no event is left.
    """

    def __init__(
        self,
        root: str | Path,
        card: str | Path | Mapping[str, Any] | Card,
        files: Files | None = None,
        split: str | None = None,
        transform: Callable[[Data], Any] | None = _COMPLETE_GRAPH,
        pre_transform: Callable[[Data], Any] | None = None,
        pre_filter: Callable[[Data], Any] | None = None,
        force_reload: bool = False,
        executor: Executor | None = None,
        on_error: str = "raise",
        verbose: bool = True,
    ):
        if on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error={on_error!r} is not possible, {nearest(on_error, ('raise', 'skip'))}")
        self.card = load_card(card)
        if split is not None and split not in self.card.splits:
            raise ConfigError(f"no split {split!r} in {self.card.source}: {nearest(split, self.card.splits)}")
        processed = Path(root).expanduser() / "processed"
        if files is None and self.card.files:
            files = self.card.files
        if files is None:
            self._folder = _only_folder(processed, self.card)
            self._sources = []
        else:
            self._sources = source_files(files, self.card.reader)
            self._folder = processed / fingerprint(self.card, self._sources, pre_transform, pre_filter)
        self._executor, self._on_error, self._verbose = executor, on_error, verbose
        super().__init__(str(root), transform, pre_transform, pre_filter, force_reload=force_reload)
        self._executor = None  # an executor can't be pickled to a worker, and is not needed any more
        self.storage: Storage = EventStorage(self._folder)
        if split is not None:
            self._indices = self._split_indices(split)

    @property
    def raw_file_names(self) -> list[str]:
        """The input files lie where the user keeps them, never under ``root``."""
        return []

    @property
    def processed_file_names(self) -> list[str]:
        """The manifest is written last: where it is, the rest is complete."""
        return [MANIFEST]

    @property
    def processed_dir(self) -> str:
        """Folder of this data set's storage, named by its fingerprint."""
        return str(self._folder)

    def _process(self) -> None:
        # PyG's own check compares file names only, and its marker files are pickles.
        if not self._sources:
            return
        complete = (self._folder / MANIFEST).is_file()
        if complete and self._on_error == "raise" and EventStorage(self._folder).manifest["skipped"]:
            self.force_reload = True  # an earlier call was content without some files, this one is not
        if self.force_reload or not complete:
            self.process()

    def process(self) -> None:
        """Convert the files; :attr:`report` says what was read, dropped and skipped."""
        convert(
            self._sources,
            self.card,
            self._folder,
            executor=self._executor,
            on_error=self._on_error,
            pre_transform=self.pre_transform,
            pre_filter=self.pre_filter,
            force=self.force_reload,
            verbose=self._verbose,
        )

    def _split_indices(self, split: str) -> np.ndarray:
        first = 0.0
        for name, fraction in self.card.splits.items():
            if name == split:
                break
            first += fraction
        key = EventStorage(self._folder).split_key
        indices = np.flatnonzero((key >= first) & (key < first + self.card.splits[split]))
        if not len(indices):
            raise ConfigError(f"the split {split!r} of {self.card.source} holds none of {len(key)} events")
        return indices

    @property
    def process_names(self) -> list[str]:
        """Processes in the order given; that of the labels where the card says nothing of them."""
        return list(self.storage.manifest["processes"])

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, or of the labels of a multi-label card; a number where nothing names a class."""
        names = list(self.storage.manifest["class_names"])
        return names + [str(number) for number in range(len(names), self.num_classes)]

    def expected_yields(self) -> dict[str, float]:
        r"""Events expected of every process in the card's luminosity.

        .. math:: N = \sigma L \sum_\mathrm{selected} w \Big/ \sum_\mathrm{all} w

        Both sums count the same files and events. Selected is what passes the card and ``pre_filter``, also where it
        is not stored because its weight is negative (``negative: drop``) or because it was there before
        (``duplicates: drop``). All is what the generator made where the files say so (``Runs.genEventSumw``), else what
        was read; the share of events that hold impossible values is taken out of it. Files that were skipped are in
        neither. Multiply a weight of a process by ``yield / sum_of_weights_per_process`` to normalise it.

        Raises:
            ConfigError: when the card lacks the luminosity or a cross section.
        """
        if self.storage.manifest.get("replaced_weights"):
            raise ConfigError(f"{self!r} has other weights than its files: no yields can be worked out")
        return expected_yields(self.card, self.storage.manifest)

    @property
    def digest(self) -> str:
        """Hash of what this data set holds: columns, events, order and names of the classes; not where it lies."""
        rows = [] if self._indices is None else [self.positions]
        return content_digest(self.storage.digest, *rows, *self.class_names)

    def with_columns(self, *, class_names: Sequence[str] | None = None, **columns: Any) -> EventDataset:
        """The same events with other, or further, event columns: ``with_columns(weight=w, y=labels)``.

        The objects are shared with this data set, which stays as it is. OmniFold's weights and pseudo labels are of
        this kind. A weight that is replaced leaves no expected yields.

        Args:
            class_names: of the classes or labels of ``y``; None keeps them.
            columns: one row per event of this (sub)set, arrays or tensors; shape ``[N]`` or ``[N, k]``.

        Raises:
            ConfigError: for another length, numbers that are not finite, a reserved name, or a label outside the
                classes.
        """
        storage, rows = self.storage, self.positions
        values = {
            name: event_values(name, column, len(rows), storage.event_columns.get(name))
            for name, column in columns.items()
        }
        changes: dict[str, Any] = {}
        if class_names is not None or "y" in values:
            y = values.get("y", storage.column("y", rows))
            names = list(class_names) if class_names is not None else list(storage.manifest["class_names"])
            changes = {"class_names": names, "num_classes": number_of_classes(y, names)}
        if "weight" in values:
            changes["replaced_weights"] = True
        result = copy.copy(self)
        result.storage, result._indices = ChangedStorage(storage, rows, values, changes), None  # type: ignore[assignment]
        return result

    @classmethod
    def from_columns(
        cls,
        nodes: Mapping[str, Any],
        counts: Any,
        events: Mapping[str, Any] | None = None,
        class_names: Sequence[str] = (),
        transform: Callable[[Data], Any] | None = _COMPLETE_GRAPH,
        card: Card | None = None,
    ) -> EventDataset:
        """A data set of events in memory, such as generated ones.

        Args:
            nodes: columns with one row per object: ``p4`` (pt [GeV], eta, phi in [-pi, pi), mass [GeV]) and any other;
                ``kind`` is a particle, ``level`` reconstructed, ``charge`` and ``btag`` 0 where they are not given.
            counts: objects of each event, shape ``[N]``.
            events: columns with one row per event; ``y`` is 0 and ``weight`` 1 where they are not given.
            class_names: of the classes.
            transform: as for the class.
            card: what the events are like; an empty one by default.

        Raises:
            ConfigError: for columns that cannot be those of events.
        """
        sizes = torch.as_tensor(counts).long().reshape(-1)
        if bool((sizes < 0).any()) or not len(sizes):
            raise ConfigError("counts must be the numbers of objects of at least one event, none of them negative")
        columns = {"y": torch.zeros(len(sizes), dtype=torch.int64), "weight": torch.ones(len(sizes))}
        columns |= {name: event_values(name, values, len(sizes)) for name, values in (events or {}).items()}
        names = list(class_names)
        manifest = {
            "processes": names, "class_names": names, "num_classes": number_of_classes(columns["y"], names),
            "report": ReadReport().as_dict(), "replaced_weights": True, "skipped": {},
        }  # fmt: skip
        dataset = cls.__new__(cls)
        dataset._folder, dataset._sources = Path(), []
        dataset._indices = None  # type: ignore[assignment]
        dataset.root, dataset.transform, dataset.force_reload, dataset.log = "", transform, False, True
        dataset.pre_transform = dataset.pre_filter = dataset._data = dataset.slices = dataset._data_list = None
        dataset._executor, dataset._on_error, dataset._verbose = None, "raise", True
        dataset.card = Card("columns", {}) if card is None else card
        dataset.storage = ColumnsInMemory(checked_nodes(nodes, int(sizes.sum())), sizes, columns, manifest)
        return dataset

    @property
    def report(self) -> ReadReport:
        """What the conversion read, dropped and skipped."""
        return ReadReport.from_dict(self.storage.manifest["report"])

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return int(self.storage.manifest["num_classes"])

    @property
    def positions(self) -> Tensor:
        """Rows of the storage that this (subset of the) data set holds, shape ``[len(self)]``."""
        if self._indices is None:
            return torch.arange(self.storage.num_events)
        return torch.as_tensor(np.asarray(self._indices, dtype=np.int64))

    @property
    def num_nodes(self) -> int:
        """Nodes of all events of this (subset of the) data set."""
        return int(self.storage.counts(self.positions).sum())

    @property
    def data(self) -> Any:
        """None: the events lie in files, and a change to a copy of them would be lost without a word."""
        # Python asks __getattr__ next, whose message says what to take instead.
        raise AttributeError

    def to(self, device: int | str | torch.device) -> EventDataset:
        """The data set itself for the CPU, where its files are mapped.

        Raises:
            ConfigError: for any other device.
        """
        if torch.device(device).type != "cpu":
            raise ConfigError(
                f"an EventDataset stays in its files: EventLoader(..., device={str(device)!r}) puts its batches there"
            )
        return self

    def column(self, name: str) -> Tensor:
        """A per-event column (``y``, ``weight``, ``event_number``, ...) of the events of this (sub)set.

        Raises:
            ConfigError: when there is no such column.
        """
        columns = self.storage.event_columns
        if name not in columns:
            raise ConfigError(f"no event column {name!r} in {self!r}: {nearest(name, columns)}")
        return self.storage.column(name, self.positions)

    def __getattr__(self, key: str) -> Any:
        # dataset.y and friends, as PyG data sets have them, without a loop over events.
        storage = self.__dict__.get("storage")
        if storage is not None and key in storage.event_columns:
            return self.column(key)
        if storage is not None and key in storage.node_columns:
            return storage.gather(self.positions)[0][key]
        hint = ""
        if key == "data":
            hint = ": its columns are dataset.p4, dataset.y, ..., its graphs dataset[i]; change them with a transform"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}{hint}")

    def len(self) -> int:
        """Events in the storage."""
        return self.storage.num_events

    def get(self, idx: int) -> Data:
        """Graph of one row of the storage; its tensors are copies."""
        nodes, events, counts = self.storage.gather(torch.tensor([int(idx)]))
        return Data.from_dict({**nodes, **events, "num_nodes": int(counts)})

    def __getitems__(self, positions: Sequence[int]) -> list[Any]:
        """Graphs of several positions at once, for PyTorch's ``DataLoader``: what ``dataset[i]`` gives, sooner.

        Graphs of one call are slices of common tensors.
        """
        kind = type(self)
        if kind.get is not EventDataset.get or kind.__getitem__ is not EventDataset.__getitem__:
            return [self[i] for i in positions]
        nodes, events, counts = self.storage.gather(self.positions[torch.as_tensor(positions, dtype=torch.int64)])
        sizes = counts.tolist()
        columns: dict[str, Sequence[Any]] = {name: values.split(sizes) for name, values in nodes.items()}
        columns |= {name: values.split([1] * len(sizes)) for name, values in events.items()}
        columns["num_nodes"] = sizes
        transform = self.transform
        if type(transform) is CompleteGraph:  # it may see all events at once, other transforms see one
            edge_index, num_edges = complete_edges(counts)
            features = edge_features(nodes["p4"], edge_index)
            edge_index -= torch.repeat_interleave(counts.cumsum(0) - counts, num_edges)
            edges = num_edges.tolist()
            columns["edge_index"] = [part.contiguous() for part in edge_index.split(edges, dim=1)]
            columns["edge_attr"] = features.split(edges)
            transform = None
        graphs = (Data.from_dict(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))
        return [data if transform is None else transform(data) for data in graphs]

    def index_select(self, idx: Any) -> EventDataset:
        """Subset by slice (of integers or fractions), list, tuple, array or tensor of positions or booleans."""
        if isinstance(idx, slice):
            size = len(self)
            start, stop = (round(v * size) if isinstance(v, float) else v for v in (idx.start, idx.stop))
            chosen = np.arange(size)[start : stop : idx.step]
        elif isinstance(idx, (Tensor, np.ndarray, Sequence)) and not isinstance(idx, str):
            chosen = np.asarray(idx).reshape(-1)
            if chosen.dtype == bool:
                if len(chosen) != len(self):
                    raise IndexError(f"{len(chosen)} booleans for {len(self)} events")
                chosen = np.flatnonzero(chosen)
            elif not len(chosen):
                chosen = chosen.astype(np.int64)
            elif chosen.dtype.kind not in "iu":
                raise IndexError(f"positions must be integers or booleans, found {chosen.dtype}")
        else:
            raise IndexError(f"a data set is indexed by positions, found {type(idx).__name__}")
        result = copy.copy(self)
        result._indices = self.positions.numpy()[chosen]
        return result

    def copy(self, idx: Any = None) -> EventDataset:
        """The data set, or a subset; the stored columns never change, so they are shared."""
        return self.index_select(slice(None) if idx is None else idx)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.card.name}, {len(self)})"


def _only_folder(processed: Path, card: Card) -> Path:
    wanted = reading_part(card.as_dict())
    folders = [p for p in sorted(processed.glob(f"{card.name}-*")) if (p / MANIFEST).is_file()]
    found = [p for p in folders if reading_part(EventStorage(p).manifest["card"]) == wanted]
    if len(found) != 1:
        what = "no processed data set" if not found else f"{len(found)} processed data sets"
        raise ConfigError(f"{what} of the card {card.name!r} in {processed}: say which files with files=[...]")
    return found[0]

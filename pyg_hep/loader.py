"""``EventLoader``: whole batches straight from the column storage, without a loop over events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset
from torch_geometric.data import Batch, Data
from torch_geometric.data.storage import AttrType

from pyg_hep.datasets import EventDataset, as_events
from pyg_hep.errors import ConfigError
from pyg_hep.transforms.complete_graph import CompleteGraph, complete_edges, edge_features


class EventSampler:
    """Order of the events in one epoch, for one of several shares of it.

    Shares take turns, so that batch k of all of them together is a batch of the whole order. Shuffled shares are
    equally long: what does not divide is filled with events that are there already, which :attr:`fillers` counts;
    others are uneven, and no event is in two. Lightning calls :meth:`set_epoch`.
    """

    def __init__(self, size: int, shuffle: bool, seed: int, shard: tuple[int, int] = (0, 1)):
        self.size, self.shuffle, self.seed, self.shard = size, shuffle, seed, shard
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The next order is that of ``epoch``."""
        self.epoch = epoch

    @property
    def fillers(self) -> int:
        """Events at the end of this share that only make it as long as the others, 0 or 1."""
        number, shares = self.shard
        return int(self.shuffle and len(self) * shares - self.size >= shares - number)

    def __len__(self) -> int:
        number, shares = self.shard
        return -(-self.size // shares) if self.shuffle else len(range(number, self.size, shares))

    def order(self) -> Tensor:
        """Positions of this epoch, shape ``[len(self)]``."""
        number, shares = self.shard
        if not self.shuffle:
            return torch.arange(number, self.size, shares)
        generator = torch.Generator().manual_seed((self.seed + 0x9E3779B9 * self.epoch) % 2**63)
        everything = torch.randperm(self.size, generator=generator)
        if shares == 1:  # the most common case, and gathering millions of positions takes longer than the rest
            return everything
        # Of fewer events than shares, some fill several places.
        places = torch.arange(number, len(self) * shares, shares)
        return everything[places % max(self.size, 1)]


class EventLoader:
    """Iterate over batches of an :class:`~pyg_hep.datasets.EventDataset`.

    Each batch is a PyG ``Batch``: what PyG's ``DataLoader`` makes of the same events, value for value, made by
    slicing whole columns. The data set's own ``transform`` is not applied.

    Args:
        dataset: the events: an ``EventDataset``, or a ``Subset`` or ``ConcatDataset`` of PyTorch of such.
        batch_size: events in a batch.
        shuffle: another order in every epoch.
        edges: add ``edge_index`` and ``edge_attr`` of the complete graph. Without them the library's models know
            that the graph is complete and take the faster path.
        transform: applied to every batch.
        device: where batches are put.
        drop_last: leave out the last batch when it is smaller.
        seed: of the order; None takes torch's own.
        shard: number of this share of the events, and of all shares. A share of a shuffled order that is one event
            short is filled with one of weight 0.

    Raises:
        ConfigError: for a data set that is none of ours, one with a transform that would be lost, or a share that is
            none.
    """

    def __init__(
        self,
        dataset: EventDataset | Subset[Any] | ConcatDataset[Any],
        batch_size: int,
        shuffle: bool = False,
        edges: bool = False,
        transform: Callable[[Batch], Any] | None = None,
        device: str | torch.device | None = None,
        drop_last: bool = False,
        seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
    ):
        dataset = as_events(dataset)
        if dataset.transform is not None and not isinstance(dataset.transform, CompleteGraph):
            raise ConfigError(
                f"EventLoader does not apply the data set's transform {dataset.transform!r}: give it to the "
                "loader (transform=...), which applies it to whole batches, or set dataset.transform = None"
            )
        if batch_size < 1:
            raise ConfigError(f"batch_size must be positive, found {batch_size}")
        if not 0 <= shard[0] < shard[1]:
            raise ConfigError(f"shard={shard} is none: the number of a share, from 0, and the number of shares")
        self.dataset, self.batch_size, self.edges = dataset, batch_size, edges
        self.transform, self.device, self.drop_last = transform, device, drop_last
        self._rows = dataset.positions
        seed = torch.initial_seed() % 2**63 if seed is None else seed
        self.sampler = EventSampler(len(self._rows), shuffle, seed, shard)
        # Lightning looks at a loader's batch_sampler, after its sampler.
        self.batch_sampler = None
        self._started: tuple[int, int] = (0, 0)
        self._resume: tuple[int, int] | None = None

    def __len__(self) -> int:
        events = len(self.sampler)
        return events // self.batch_size if self.drop_last else -(-events // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self.sampler.epoch
        rows = self._rows[self.sampler.order()]
        first = 0
        if self._resume is not None and self._resume[0] == epoch:
            first = self._resume[1] if self._resume[1] < len(self) else 0
        self._resume = None
        # Without a set_epoch in between, the next pass still gets an order of its own.
        self.sampler.set_epoch(epoch + 1)
        for number in range(first, len(self)):
            self._started = (epoch, number + 1)
            last = (number + 1) * self.batch_size >= len(rows)
            part = rows[number * self.batch_size : (number + 1) * self.batch_size]
            yield self.collate(part, self.sampler.fillers if last else 0)

    def state_dict(self) -> dict[str, int]:
        """Epoch and number of batches handed out in it: enough to go on with the next batch."""
        return {"epoch": self._started[0], "batches": self._started[1], "seed": self.sampler.seed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue where ``state`` was taken."""
        self.sampler.seed = state["seed"]
        self.sampler.set_epoch(state["epoch"])
        self._resume = (state["epoch"], state["batches"])

    def collate(self, rows: Tensor, fillers: int = 0) -> Batch:
        """The batch of some rows of the storage, in this order; the last ``fillers`` of them have weight 0."""
        nodes, events, counts = self.dataset.storage.gather(rows)
        if fillers:
            events["weight"][-fillers:] = 0.0
        size = len(rows)
        ptr = torch.zeros(size + 1, dtype=torch.int64)
        torch.cumsum(counts, 0, out=ptr[1:])
        columns: dict[str, Any] = {**nodes, **events, "num_nodes": len(nodes["kind"])}
        slices = dict.fromkeys(nodes, ptr) | {name: torch.arange(size + 1) for name in events}
        nothing = torch.zeros(size, dtype=torch.int64)
        increments = dict.fromkeys(slices, nothing)
        if self.edges:
            edge_index, num_edges = complete_edges(counts)
            edge_ptr = torch.zeros(size + 1, dtype=torch.int64)
            torch.cumsum(num_edges, 0, out=edge_ptr[1:])
            columns |= {"edge_index": edge_index, "edge_attr": edge_features(nodes["p4"], edge_index)}
            slices |= {"edge_index": edge_ptr, "edge_attr": edge_ptr}
            increments |= {"edge_index": ptr[:-1], "edge_attr": nothing}
        columns["batch"] = torch.repeat_interleave(torch.arange(size), counts, output_size=len(nodes["kind"]))
        columns["ptr"] = ptr
        batch = Batch(_base_cls=Data)
        store = batch._store
        for name, values in columns.items():
            if self.device is not None and isinstance(values, Tensor):
                values = values.to(self.device, non_blocking=True)
            store._mapping[name] = values
        # What PyG's collate leaves behind, so that to_data_list() and batch[i] work.
        store.__dict__["_num_nodes"] = counts.tolist()
        # Where every event has one object, PyG could not tell columns of objects from those of events.
        known: defaultdict[AttrType, set[str]] = defaultdict(set)
        store.__dict__["_cached_attr"] = known
        known[AttrType.NODE] |= {*nodes, "batch"}
        known[AttrType.OTHER] |= {*events, "ptr", "num_nodes"}
        batch.__dict__["_num_graphs"] = size
        batch.__dict__["_slice_dict"], batch.__dict__["_inc_dict"] = slices, increments
        return batch if self.transform is None else self.transform(batch)

"""Data sets that no file holds as they are: other event columns, events from arrays, several data sets as one.

Each is a storage: what :class:`~pyg_hep.datasets.EventDataset` asks of its files, answered from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pyg_hep.datasets.column_file import content_hash
from pyg_hep.datasets.storage import node_rows
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.kinematics import PI
from pyg_hep.readers.kept import check_column_name
from pyg_hep.schema import (
    EVENT_COLUMNS,
    NODE_COLUMNS,
    OPTIONAL_EVENT_COLUMNS,
    OPTIONAL_NODE_COLUMNS,
    Column,
    Level,
    ObjectType,
)

_OF_INPUTS = ("u", "ids")
"""What a model's input calls its own columns."""


class Storage(Protocol):
    """Events in columns, wherever they are."""

    manifest: dict[str, Any]
    num_events: int
    digest: str
    node_columns: dict[str, Column]
    event_columns: dict[str, Column]

    def gather(self, events: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Node columns, event columns and nodes of some events, in the order given."""

    def counts(self, events: Tensor) -> Tensor:
        """Nodes of some events."""

    def column(self, name: str, events: Tensor) -> Tensor:
        """An event column of some events."""


def content_digest(*parts: str | bytes | Tensor) -> str:
    """One hash of texts and tensors."""
    total = content_hash()
    for part in parts:
        if isinstance(part, Tensor):
            values = part.contiguous().numpy()
            total.update(f"{values.dtype} {values.shape}".encode())
            total.update(values.tobytes())
        else:
            total.update(part if isinstance(part, bytes) else part.encode())
    return total.hexdigest()


class ChangedStorage:
    """Some events of a storage with other, or further, event columns; the objects are shared.

    Args:
        base: the storage.
        rows: its events, shape ``[N]``.
        columns: event columns, one row for each of ``rows``.
        manifest: entries in place of those of the storage.
    """

    def __init__(self, base: Storage, rows: Tensor, columns: Mapping[str, Tensor], manifest: Mapping[str, Any]):
        self.base, self.rows, self.columns = base, rows, dict(columns)
        self.manifest = {**base.manifest, **manifest}
        self.num_events = len(rows)
        self.node_columns = base.node_columns
        self.event_columns = base.event_columns | {name: _described(values) for name, values in columns.items()}
        parts = [part for name in sorted(columns) for part in (name, columns[name])]
        self.digest = content_digest(base.digest, rows, *parts, json.dumps(manifest, sort_keys=True))

    def gather(self, events: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Columns of some events, in the order given."""
        nodes, columns, counts = self.base.gather(self.rows[events])
        return nodes, columns | {name: values[events] for name, values in self.columns.items()}, counts

    def counts(self, events: Tensor) -> Tensor:
        """Nodes of some events."""
        return self.base.counts(self.rows[events])

    def column(self, name: str, events: Tensor) -> Tensor:
        """An event column of some events."""
        return self.columns[name][events] if name in self.columns else self.base.column(name, self.rows[events])


class JoinedStorage:
    """Events of several storages one after another.

    Args:
        parts: storages and their events.
        manifest: of all of them together.
    """

    def __init__(self, parts: Sequence[tuple[Storage, Tensor]], manifest: Mapping[str, Any]):
        self.parts = list(parts)
        self.manifest = dict(manifest)
        self.starts = torch.tensor([0, *(len(rows) for _, rows in parts)]).cumsum(0)
        self.num_events = int(self.starts[-1])
        self.node_columns, self.event_columns = parts[0][0].node_columns, parts[0][0].event_columns
        self.digest = content_digest(*(part for storage, rows in parts for part in (storage.digest, rows)))

    def _of(self, events: Tensor) -> list[tuple[Storage, Tensor, Tensor]]:
        """For each part its storage, its rows and their places among ``events``."""
        part = torch.searchsorted(self.starts, events, right=True) - 1
        pieces = []
        for number, (storage, rows) in enumerate(self.parts):
            places = torch.nonzero(part == number)[:, 0]
            if len(places):
                pieces.append((storage, rows[events[places] - self.starts[number]], places))
        return pieces

    def gather(self, events: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Columns of some events, in the order given."""
        pieces = self._of(events)
        if len(pieces) == 1:
            return pieces[0][0].gather(pieces[0][1])
        if not pieces:
            storage, rows = self.parts[0]
            return storage.gather(rows[:0])
        made = [storage.gather(rows) for storage, rows, _ in pieces]
        order = torch.cat([places for _, _, places in pieces]).argsort()
        counts = torch.cat([counts for _, _, counts in made])
        first = (counts.cumsum(0) - counts)[order]
        counts = counts[order]
        rows = node_rows(first, counts)
        nodes = {name: torch.cat([part[0][name] for part in made])[rows] for name in self.node_columns}
        return nodes, {name: torch.cat([part[1][name] for part in made])[order] for name in self.event_columns}, counts

    def counts(self, events: Tensor) -> Tensor:
        """Nodes of some events."""
        counts = torch.zeros_like(events)
        for storage, rows, places in self._of(events):
            counts[places] = storage.counts(rows)
        return counts

    def column(self, name: str, events: Tensor) -> Tensor:
        """An event column of some events."""
        described = self.event_columns[name]
        values = torch.zeros(len(events), *described.shape, dtype=getattr(torch, described.dtype))
        for storage, rows, places in self._of(events):
            values[places] = storage.column(name, rows)
        return values


class ColumnsInMemory:
    """Events given as arrays.

    Args:
        nodes: columns with one row per node.
        counts: nodes of each event, shape ``[N]``.
        events: columns with one row per event.
        manifest: names of classes and processes.
    """

    def __init__(
        self, nodes: Mapping[str, Tensor], counts: Tensor, events: Mapping[str, Tensor], manifest: Mapping[str, Any]
    ):
        self.nodes, self.events, self.manifest = dict(nodes), dict(events), dict(manifest)
        self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.num_events = len(counts)
        self.node_columns = {name: _described(values) for name, values in nodes.items()}
        self.event_columns = {name: _described(values) for name, values in events.items()}
        columns = {**self.nodes, **self.events}
        self.digest = content_digest(
            self.offsets, *(part for name in sorted(columns) for part in (name, columns[name]))
        )

    def gather(self, events: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Columns of some events, in the order given."""
        counts = self.counts(events)
        rows = node_rows(self.offsets[events], counts)
        nodes = {name: values[rows] for name, values in self.nodes.items()}
        return nodes, {name: values[events] for name, values in self.events.items()}, counts

    def counts(self, events: Tensor) -> Tensor:
        """Nodes of some events."""
        return self.offsets[events + 1] - self.offsets[events]

    def column(self, name: str, events: Tensor) -> Tensor:
        """An event column of some events."""
        return self.events[name][events]


def _described(values: Tensor) -> Column:
    kind = str(values.dtype).removeprefix("torch.")
    return Column(tuple(values.shape[1:]), kind, kind, "", "")


def _check_name(name: str, of_schema: Mapping[str, Column]) -> None:
    """Accept the schema's own names of such columns, and those that a card could give.

    Raises:
        ConfigError: for a name that PyG or a model's input gives another meaning.
    """
    if name in of_schema:
        return
    if name in _OF_INPUTS:
        raise ConfigError(f"{name!r} cannot name a column: the input of a model has one of its own")
    try:
        check_column_name(name)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def event_values(name: str, values: Any, rows: int, described: Column | None = None) -> Tensor:
    """A column that a user gives, checked: one row per event, finite, of the type of the stored one where there is one.

    Raises:
        ConfigError: for another length or shape, what is not finite, or a reserved name.
    """
    _check_name(name, EVENT_COLUMNS | OPTIONAL_EVENT_COLUMNS)
    column = torch.as_tensor(np.asarray(values) if not isinstance(values, Tensor) else values).detach().cpu()
    if column.dim() == 0 or len(column) != rows:
        found = len(column) if column.dim() else "one number"
        raise ConfigError(f"the column {name!r} needs one row for each of {rows} events, found {found}")
    if column.is_floating_point():
        column = column.float()
        if not bool(column.isfinite().all()):
            bad = int((~column.isfinite()).reshape(rows, -1).any(dim=1).sum())
            raise ConfigError(f"the column {name!r} is not finite in {bad} of {rows} events")
    else:
        column = column.long()
    if name == "weight":
        column = column.float()
        described = EVENT_COLUMNS["weight"]
    if described is not None and name != "y" and tuple(column.shape[1:]) != tuple(described.shape):
        raise ConfigError(
            f"the column {name!r} has rows of shape {tuple(column.shape[1:])}, expected {described.shape}"
        )
    return column.clone()


def checked_nodes(nodes: Mapping[str, Any], total: int) -> dict[str, Tensor]:
    """Node columns that a user gives, completed by ``kind`` (particle), ``level`` (reconstructed), charge and b-tag 0.

    Raises:
        ConfigError: for columns that cannot be those of objects.
    """
    if "p4" not in nodes:
        raise ConfigError(f"objects need the column 'p4', found {', '.join(nodes) or 'none'}")
    columns: dict[str, Tensor] = {}
    for name, values in nodes.items():
        _check_name(name, NODE_COLUMNS | OPTIONAL_NODE_COLUMNS)
        column = torch.as_tensor(np.asarray(values) if not isinstance(values, Tensor) else values).detach().cpu()
        if column.dim() == 0 or len(column) != total:
            raise ConfigError(
                f"the column {name!r} needs one row for each of {total} objects, found {tuple(column.shape)}"
            )
        column = column.float() if column.is_floating_point() or name in ("charge", "btag") else column.long()
        if column.is_floating_point() and not bool(column.isfinite().all()):
            raise ConfigError(f"the column {name!r} is not finite at {int((~column.isfinite()).sum())} places")
        columns[name] = column.clone()
    p4 = columns["p4"]
    if p4.dim() != 2 or p4.size(1) != 4:
        raise ConfigError(f"the column 'p4' needs rows (pt, eta, phi, mass), found the shape {tuple(p4.shape)}")
    for bad, what in (
        (p4[:, 0] < 0, "negative transverse momentum"),
        (p4[:, 3] < 0, "negative mass"),
        ((p4[:, 2] < -PI) | (p4[:, 2] >= PI), "azimuth outside [-pi, pi)"),
    ):
        if bool(bad.any()):
            raise ConfigError(f"{int(bad.sum())} of {total} objects have a {what}")
    defaults = {
        "kind": torch.full((total,), int(ObjectType.PARTICLE)),
        "charge": torch.zeros(total),
        "btag": torch.zeros(total),
        "level": torch.full((total,), int(Level.RECO)),
    }
    columns = {name: columns.get(name, defaults.get(name, p4)) for name in NODE_COLUMNS} | columns
    for name, kinds in (("kind", ObjectType), ("level", Level)):
        known = torch.tensor([int(member) for member in kinds])
        if not bool(torch.isin(columns[name], known).all()):
            raise ConfigError(f"the column {name!r} holds numbers that are no {kinds.__name__}")
    return columns


def same_columns(first: Storage, other: Storage) -> None:
    """Refuse to join data sets with other columns or classes.

    Raises:
        ConfigError: says what differs.
    """
    for what, one, two in (
        ("objects", first.node_columns, other.node_columns),
        ("events", first.event_columns, other.event_columns),
    ):
        shapes = [{name: (tuple(c.shape), c.dtype) for name, c in columns.items()} for columns in (one, two)]
        for name in sorted({*shapes[0], *shapes[1]}):
            if name not in shapes[0] or name not in shapes[1]:
                hint = nearest(name, shapes[0] if name not in shapes[0] else shapes[1])
                raise ConfigError(
                    f"data sets of other columns cannot be one: only one of them has {name!r} of {what}; {hint}"
                )
            if shapes[0][name] != shapes[1][name]:
                raise ConfigError(
                    f"data sets of other columns cannot be one: {name!r} is {shapes[0][name]} and {shapes[1][name]}"
                )
    names = [list(storage.manifest["class_names"]) for storage in (first, other)]
    if names[0] != names[1]:
        raise ConfigError(
            f"data sets of other classes cannot be one: {', '.join(names[0])} and {', '.join(names[1])}; "
            "with_columns(y=..., class_names=[...]) gives both the same"
        )


def number_of_classes(y: Tensor, names: Sequence[str]) -> int:
    """Classes of labels; the number of labels where there are several, or of numbers to estimate."""
    if y.dim() > 1 or y.is_floating_point():
        width = y.size(1) if y.dim() > 1 else 1
        if names and len(names) != width:
            raise ConfigError(f"{width} numbers per event need as many names, found {', '.join(names)}")
        return width
    if len(y) and int(y.min()) < 0:
        raise ConfigError(f"a label is {int(y.min())}: classes are numbered from 0")
    classes = int(y.max()) + 1 if len(y) else 0
    if names and classes > len(names):
        raise ConfigError(f"a label is {classes - 1}, but only {len(names)} classes are named: {', '.join(names)}")
    return max(classes, len(names))

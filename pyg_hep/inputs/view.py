"""``View``: what a model sees of a batch of events, and the way back to four-vectors."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs.columns import KIND_COLUMNS, NODE_COLUMNS, event_column, node_column, stored_name
from pyg_hep.inputs.inverses import derivation, momenta
from pyg_hep.inputs.presets import preset
from pyg_hep.inputs.raw import RawColumns
from pyg_hep.loader import EventLoader
from pyg_hep.transforms.complete_graph import node_counts
from pyg_hep.transforms.select_nodes import SelectNodes

HIDDEN = "hidden"
"""The id column that says whether anything of an object is hidden (1) or not (0)."""

_NEVER_VARIES = 1e-6


class Channels(NamedTuple):
    """Widths of a model input: node columns ``x``, event columns ``u``, and the size of each embedding table."""

    x: int
    u: int = 0
    ids: tuple[int, ...] = ()


class View(nn.Module):
    r"""Raw columns in, model input out: everything that a model may see, and nothing else of the batch.

    .. math:: x_{if} = (c_{if} - \text{mean}_f) / \text{scale}_f

    The result is a new PyG ``Batch`` with ``x`` ``[N, F]``, ``p4`` ``[N, 4]`` (pt [GeV], eta, phi, mass [GeV]; all
    geometry of pairs and neighbours is made of it), ``ids`` ``[N, K]`` where there are id columns, ``u`` ``[B, G]``
    where there are event columns, ``time`` and ``edge_index`` where the batch has them, ``batch`` and ``ptr``. Means
    and scales are buffers: they travel with every state dict.

    Args:
        columns: columns of objects, or the name of a published view. A defined column
            (:data:`~pyg_hep.inputs.columns.NODE_COLUMNS`, :func:`register_column`), a stored column by its name, or one
            number of a stored one that has several (``covariance[2]``).
        events: columns of events, likewise (:data:`~pyg_hep.inputs.columns.EVENT_COLUMNS`).
        ids: integer columns for embedding tables: names with a table of their own (``kind``, ``level``, ``btag``, and
            ``hidden``, which says whether anything of an object is hidden), or a mapping of names to table sizes.
            Every table gets one more row for a hidden id.
        select: nodes that the model sees, as :class:`~pyg_hep.transforms.SelectNodes` takes them:
            ``{"level": "reco"}``. The same in training, validation and prediction.
        constants: mean and scale of each column of objects, then of events, which :meth:`measure` leaves alone;
            None has them measured. Those of a published view come with its name.

    Raises:
        ConfigError: for an unknown name, or constants of another length.
    """

    mean: Tensor
    scale: Tensor
    event_mean: Tensor
    event_scale: Tensor

    def __init__(
        self,
        columns: str | Sequence[str] = "ho",
        events: Sequence[str] = (),
        ids: Sequence[str] | Mapping[str, int] = (),
        select: Mapping[str, Any] | None = None,
        constants: Sequence[tuple[float, float]] | None = None,
    ):
        super().__init__()
        if isinstance(columns, str):
            published = preset(columns)
            columns = published.columns
            if constants is None and not events:
                constants = published.constants
            events, ids = tuple(events) or published.events, ids or published.ids
        self.columns, self.events = tuple(columns), tuple(events)
        self.ids = {name: _table_size(name, ids) for name in ids}
        for name in (*self.columns, *self.events):
            stored_name(name)
        if len(set(self.columns)) < len(self.columns) or len(set(self.events)) < len(self.events) or not self.columns:
            raise ConfigError(f"a view needs different columns, found {', '.join((*self.columns, *self.events))}")
        self._select = None if select is None else SelectNodes(**select)
        F, G = len(self.columns), len(self.events)
        self.constants = None if constants is None else [(float(m), float(s)) for m, s in constants]
        if self.constants is not None and len(self.constants) != F + G:
            raise ConfigError(f"{F} columns and {G} event columns need as many constants, found {len(self.constants)}")
        pairs = torch.tensor(self.constants or [(0.0, 1.0)] * (F + G))
        for name, values in (("", pairs[:F]), ("event_", pairs[F:])):
            self.register_buffer(f"{name}mean", values[:, 0].clone())
            self.register_buffer(f"{name}scale", values[:, 1].clone())

    @classmethod
    def ho(cls, **kwargs: Any) -> View:
        """Ho et al., arXiv:2412.10665, section III B: seven columns; other arguments as for the class."""
        return cls("ho", **kwargs)

    @classmethod
    def kishimoto(cls, **kwargs: Any) -> View:
        """Kishimoto et al., section 3: eleven columns; other arguments as for the class."""
        return cls("kishimoto", **kwargs)

    @classmethod
    def abasov(cls, truth: bool = False, **kwargs: Any) -> View:
        """Abasov et al.: thirteen columns, or the sixteen with charge and generated particles."""
        return cls("abasov_truth" if truth else "abasov", **kwargs)

    @classmethod
    def bumblebee(cls, smooth: bool = False, **kwargs: Any) -> View:
        """Bumblebee, arXiv:2412.07867, section 3.2: five-vectors, with tables of particle, level and mask.

        Args:
            smooth: ln pt, and sine and cosine of phi, in place of pt and phi.
            kwargs: other arguments as for the class; ``ids=("particle_id", "level")`` leaves out one table.
        """
        published = preset("bumblebee")
        parts = {"pt": ("log_pt",), "phi": ("sin_phi", "cos_phi")} if smooth else {}
        columns = [part for name in published.columns for part in parts.get(name, (name,))]
        return cls(columns, **{"ids": published.ids, **kwargs})

    @classmethod
    def omnilearn(cls, **kwargs: Any) -> View:
        """OmniLearn, arXiv:2502.14652: 13 columns relative to the jet, four of the jet, with published constants."""
        return cls("omnilearn", **kwargs)

    @property
    def channels(self) -> Channels:
        """Widths and table sizes of the model input."""
        return Channels(len(self.columns), len(self.events), tuple(size + 1 for size in self.ids.values()))

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON; measured means and scales are in the state dict."""
        return {
            "columns": list(self.columns),
            "events": list(self.events),
            "ids": self.ids,
            "select": None if self._select is None else self._select.config(),
            "constants": self.constants,
        }

    def forward(self, batch: Data, hidden: Mapping[str, Tensor] | None = None) -> Batch:
        """The model input of a batch, or of one event.

        Args:
            batch: raw columns.
            hidden: column (of ``columns`` or ``ids``) -> True at the objects where it must not be seen, ``[N]``: it
                is 0, the mean, there, the last row of an id's table; and so is ``p4`` where a column made of the
                momentum is hidden. Sums over an event leave such objects out; event variables
                (``summary_...``) leave out all of which anything is hidden.

        Raises:
            ConfigError: when the batch lacks a column, or ``hidden`` names one that the view does not have.
        """
        if self._select is not None:
            if hidden:
                keep = self._select.keep(batch)
                hidden = {name: flags[keep] for name, flags in hidden.items()}
            batch = self._select(batch)
        blank = self._momentum_hidden(hidden)
        raw = self._raw(batch, blank, _any(hidden))
        made = Batch(_base_cls=Data)
        for name, values in self._inputs(raw, hidden, blank).items():
            made[name] = values
        for name in ("time", "edge_index"):
            if name in batch and batch[name] is not None:
                made[name] = batch[name]
        nodes = made.x.size(0)
        made.batch = raw.event
        made.ptr = batch.ptr if "ptr" in batch else torch.tensor([0, nodes], device=made.x.device)
        made.num_nodes = nodes
        kept = batch._store.__dict__.get("_num_nodes")
        if kept is not None:  # on the host, so that nothing waits for a device
            made._store.__dict__["_num_nodes"] = kept
        made.__dict__["_num_graphs"] = raw.counts.numel()
        return made

    def add_to(self, data: Data) -> Data:
        """``data`` itself, raw columns and label included, with ``x`` (and ``u``): a transform for PyG's own models.

        ``dataset.transform = Compose([view.add_to, CompleteGraph()])``. All nodes stay, whatever ``select`` says.
        """
        data = copy.copy(data)
        raw = self._raw(data)
        for name, values in self._inputs(raw, None, None).items():
            if name != "p4":
                data[name] = values
        return data

    def dense(self, columns: Mapping[str, Tensor], mask: Tensor, hidden: Mapping[str, Tensor] | None = None) -> Data:
        """The same for padded events, in operations that export to other formats.

        Args:
            columns: stored columns, of objects ``[B, n]`` (``p4`` ``[B, n, 4]``) and of events ``[B]``.
            mask: True where there is an object, shape ``[B, n]``. What stands elsewhere does not matter.
            hidden: as for :meth:`forward`, each ``[B, n]``.

        Returns:
            ``x`` ``[B, n, F]``, ``p4`` ``[B, n, 4]``, ``ids`` ``[B, n, K]``, ``u`` ``[B, G]`` and ``mask`` ``[B, n]``,
            zero where there is no object.
        """
        if self._select is not None:
            mask = mask & self._select.keep(columns)
        blank = self._momentum_hidden(hidden)
        counts, partly = mask.sum(dim=1), _any(hidden)
        raw = RawColumns(columns, self.mean.dtype, None, counts, mask=mask, hidden=blank, partly_hidden=partly)
        made = self._inputs(raw, hidden, blank)
        empty = ~mask.unsqueeze(-1)
        made = {name: values if name == "u" else values.masked_fill(empty, 0) for name, values in made.items()}
        if "time" in columns:
            made["time"] = columns["time"]
        return Data(**made, mask=mask)

    def selected(self, batch: Data) -> Data:
        """The nodes of a raw batch that the model sees: itself without ``select``."""
        return batch if self._select is None else self._select(batch)

    def values(self, batch: Data) -> Tensor:
        """Columns of the objects of a raw batch in physical units, shape ``[N, F]``; every node counts."""
        return self._node_values(self._raw(batch))

    def event_values(self, batch: Data) -> Tensor:
        """Columns of the events of a raw batch in physical units, shape ``[B, G]``; every node counts."""
        return self._event_values(self._raw(batch))

    def _raw(self, batch: Data, hidden: Tensor | None = None, partly: Tensor | None = None) -> RawColumns:
        counts, event = node_counts(batch), batch.batch
        if event is None:
            events = torch.arange(counts.numel(), device=counts.device)
            event = torch.repeat_interleave(events, counts, output_size=batch["p4"].size(0))
        return RawColumns(batch, self.mean.dtype, event, counts, hidden=hidden, partly_hidden=partly)

    def _node_values(self, raw: RawColumns) -> Tensor:
        return torch.stack([node_column(name).forward(raw).to(raw.dtype) for name in self.columns], dim=-1)

    def _event_values(self, raw: RawColumns) -> Tensor:
        return torch.stack([event_column(name).forward(raw).to(raw.dtype) for name in self.events], dim=-1)

    def _inputs(self, raw: RawColumns, hidden: Mapping[str, Tensor] | None, blank: Tensor | None) -> dict[str, Tensor]:
        hidden = hidden or {}
        x = (self._node_values(raw) - self.mean) / self.scale
        if any(name in self.columns for name in hidden):
            seen = torch.zeros_like(x[..., 0], dtype=torch.bool)
            x = x.masked_fill(torch.stack([hidden.get(name, seen) for name in self.columns], dim=-1), 0.0)
        p4 = raw.p4 if blank is None else raw.p4.masked_fill(blank.unsqueeze(-1), 0.0)
        made = {"x": x, "p4": p4}
        if self.ids:
            made["ids"] = torch.stack([self._id(raw, name, size, hidden) for name, size in self.ids.items()], dim=-1)
        if self.events:
            made["u"] = (self._event_values(raw) - self.event_mean) / self.event_scale
        return made

    def _id(self, raw: RawColumns, name: str, size: int, hidden: Mapping[str, Tensor]) -> Tensor:
        if name == HIDDEN:
            flags = _any(hidden)
            return torch.zeros_like(raw.p4[..., 0], dtype=torch.int64) if flags is None else flags.to(torch.int64)
        number = node_column(name).forward(raw).to(torch.int64)
        if number.device.type == "cpu" and number.numel() and not torch.compiler.is_exporting():
            low, high = int(number.min()), int(number.max())
            if low < 0 or high >= size:
                raise ConfigError(
                    f"the id column {name!r} holds {low if low < 0 else high}: its table has 0 to {size - 1}"
                )
        return number.masked_fill(hidden[name], size) if name in hidden else number

    def _momentum_hidden(self, hidden: Mapping[str, Tensor] | None) -> Tensor | None:
        """Objects of which a column made of the momentum is hidden."""
        blank: Tensor | None = None
        for name, flags in (hidden or {}).items():
            if name not in self.columns and name not in self.ids:
                raise ConfigError(f"cannot hide {name!r}: {nearest(name, [*self.columns, *self.ids])}")
            if name in self.columns and node_column(name).momentum:
                blank = flags if blank is None else blank | flags
        return blank

    @torch.no_grad()
    def fit(self, batch: Data) -> None:
        """Take mean and standard deviation of the nodes, and of the events, of a raw batch; constants stay.

        Rare flags (a b-tag, a charge) are scaled up like everything else: left at 0 and 1 beside standardised momenta,
        a network finds them late. A column that never varies keeps its scale.
        """
        if self.constants is not None:
            return
        batch = self.selected(batch)
        raw = self._raw(batch)
        self._standardise("", self._node_values(raw).double())
        if self.events:
            self._standardise("event_", self._event_values(raw).double())

    def _standardise(self, prefix: str, values: Tensor) -> None:
        mean, scale = values.mean(dim=0), values.std(dim=0)
        if not bool(mean.isfinite().all()):
            names = self.columns if prefix == "" else self.events
            bad = next(name for name, value in zip(names, mean.isfinite().tolist(), strict=True) if not value)
            raise ConfigError(f"the column {bad!r} has no finite mean on the training events")
        getattr(self, f"{prefix}mean").copy_(mean)
        getattr(self, f"{prefix}scale").copy_(torch.where(scale >= _NEVER_VARIES, scale, 1.0))

    def measure(self, dataset: Any, events: int = 20_000) -> None:
        """Mean and scale on at most so many events, evenly spread over a data set: enough for a per-mille precision.

        Args:
            dataset: an ``EventDataset``, or a subset of one.
            events: at most so many are read.
        """
        positions = torch.linspace(0, len(dataset) - 1, min(len(dataset), events)).long()
        subset = torch.utils.data.Subset(dataset, positions.tolist())
        self.fit(next(iter(EventLoader(subset, len(positions)))))

    def physical(self, x: Tensor) -> Tensor:
        """Node columns in physical units, the inverse of the standardisation, shape ``[..., F]``."""
        return x * self.scale + self.mean

    def to_p4(
        self, made: Data, known: Mapping[str, Tensor] | None = None, columns: Sequence[str] | None = None
    ) -> Tensor:
        """Four-vectors (pt [GeV], eta, phi [rad], mass [GeV]) from ``x`` and ``u`` of a model input.

        Args:
            made: a model input, or anything with ``x``, and ``u``, ``batch`` (packed) where the view has event columns.
            known: further quantities in physical units, by name, of objects: ``{"mass": ..., "total_phi": ...}``.
            columns: of objects, which alone are read; None reads all.

        Returns:
            Shape ``[N, 4]`` (``[B, n, 4]`` where padded). Momenta and masses are not negative, phi is in [-pi, pi).

        Raises:
            ConfigError: when the view does not determine a momentum.
        """
        x = self.physical(made["x"])
        quantities = {name: x[..., k] for k, name in enumerate(self.columns) if name in NODE_COLUMNS}
        read = [name for name in quantities if name not in KIND_COLUMNS and (columns is None or name in columns)]
        quantities = {name: quantities[name] for name in read}
        if self.events:
            u = made["u"] * self.event_scale + self.event_mean
            packed = x.dim() == 2
            for k, name in enumerate(self.events):
                quantities[name] = u[made["batch"], k] if packed else u[:, k].unsqueeze(1).expand(x.shape[:2])
        return momenta({**quantities, **(known or {})})

    @property
    def determines_momentum(self) -> bool:
        """Whether :meth:`to_p4` needs nothing besides the view's own columns."""
        try:
            derivation({*self.columns, *self.events})
        except ConfigError:
            return False
        return True

    def extra_repr(self) -> str:
        """Columns, for ``repr``."""
        parts = [", ".join(self.columns)]
        parts += [f"events={', '.join(self.events)}"] if self.events else []
        parts += [f"ids={', '.join(self.ids)}"] if self.ids else []
        return "; ".join(parts)


def _any(hidden: Mapping[str, Tensor] | None) -> Tensor | None:
    """Objects of which any column is hidden; None where there are no flags."""
    flags = list((hidden or {}).values())
    return torch.stack(flags).any(dim=0) if flags else None


def _table_size(name: str, ids: Sequence[str] | Mapping[str, int]) -> int:
    if isinstance(ids, Mapping):
        if ids[name] < 1:
            raise ConfigError(f"the table of the id column {name!r} needs a size of at least 1, found {ids[name]}")
        return int(ids[name])
    if name == HIDDEN:
        return 2
    size = node_column(name).size
    if size is None:
        known = [HIDDEN, *(key for key, column in NODE_COLUMNS.items() if column.size is not None)]
        raise ConfigError(
            f"the id column {name!r} needs the size of its table, ids={{{name!r}: size}}; {nearest(name, known)}"
        )
    return size

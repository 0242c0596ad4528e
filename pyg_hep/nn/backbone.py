"""``Backbone``: what every model of this room provides to objectives and training."""

from __future__ import annotations

import abc
import inspect
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError
from pyg_hep.nn.explainable import Explainable
from pyg_hep.nn.heads import LinearHead
from pyg_hep.nn.layout import Layout
from pyg_hep.nn.representation import Representation


class Columns(NamedTuple):
    """What a backbone takes of its input: ``[*N, F]``, ``[*N, 4]``, ``[B, G]``, ``[*N, K]``, ``[B]``; or None."""

    x: Tensor
    p4: Tensor
    u: Tensor | None
    ids: Tensor | None
    time: Tensor | None


class Backbone(nn.Module, abc.ABC):
    """A model that represents events; tasks, heads and losses are none of its business.

    Every argument of the constructor is kept as an attribute of its name.

    Attributes:
        in_channels: width of the node features ``x``.
        event_channels: width of the event columns ``u``.
        id_channels: sizes of the tables of the integer columns ``ids``.
        out_channels: width of the representation.
        preset: name of the published view that it reads, or None.
        takes_time: whether it looks at the ``time`` of an input that has one, how far its events are noised.
    """

    in_channels: int
    event_channels: int = 0
    id_channels: tuple[int, ...] = ()
    out_channels: int
    preset: str | None = None
    takes_time: bool = False

    @abc.abstractmethod
    def forward(self, input: Data) -> Representation:
        """Represent events.

        Args:
            input: packed: ``x`` [N, F], ``p4`` (pt [GeV], eta, phi [rad], mass [GeV]) [N, 4], ``batch`` and ``ptr`` of
                a PyG ``Batch``, and ``edge_index`` where the graphs are not complete. Padded: ``x`` [B, n, F], ``p4``
                [B, n, 4] and ``mask`` [B, n]. Both: ``u`` [B, G] and ``ids`` of the shape of ``x`` where the backbone
                has event or id channels; ``time`` [B], from 0 (not noised) to 1, may be there for one that takes it.
                Everything else is not looked at, ``edge_attr`` included: what is said of
                pairs is made from ``p4``.
        """

    @abc.abstractmethod
    def stages(self) -> dict[str, list[nn.Module]]:
        """Parts in order of depth, by name: ``encoder``, ``layers.0``, ``layers.1``, ..., ``decoder``.

        Every parameter is in exactly one stage.
        """

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON: ``type(model)(**model.config())`` has the same architecture."""
        return {name: _plain(getattr(self, name)) for name in inspect.signature(type(self)).parameters}

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for parts in self.stages().values():
            for part in parts:
                part.reset_parameters()  # type: ignore[operator]

    def make_head(self, level: str, width: int) -> nn.Module:
        """A new head, called with a :class:`~pyg_hep.nn.Representation`; a linear layer unless a backbone has better.

        Args:
            level: ``"graph"``: one row per event; ``"nodes"``: one per object.
            width: number of outputs.
        """
        return LinearHead(self.out_channels, width, level)

    def explainable(self, head: nn.Module | None = None) -> nn.Module:
        """This model in the form that ``torch_geometric.explain`` wants, see :class:`~pyg_hep.nn.Explainable`.

        Args:
            head: applied to the representation; None explains the events' representation itself.
        """
        return Explainable(self, head)

    def columns(self, input: Data, layout: Layout) -> Columns:
        """The columns that this backbone reads, checked, zero in the padding.

        Raises:
            ConfigError: when the input lacks one of them, or has it with another width.
        """
        shape = tuple(input.x.shape[:-1]) if "x" in input and input.x.dim() > 1 else ()
        expected: dict[str, tuple[int, ...]] = {"x": (*shape, self.in_channels), "p4": (*shape, 4)}
        if self.event_channels:
            expected["u"] = (layout.num_events, self.event_channels)
        if self.id_channels:
            expected["ids"] = (*shape, len(self.id_channels))
        if self.takes_time and "time" in input:
            expected["time"] = (layout.num_events,)
        values: dict[str, Tensor | None] = dict.fromkeys(Columns._fields)
        for name, size in expected.items():
            value = input[name]
            if tuple(value.shape) != size:
                raise ConfigError(f"{type(self).__name__}: {name!r} has shape {tuple(value.shape)}, expected {size}")
            values[name] = value if name in ("u", "time") else layout.clean(value)
        return Columns(**values)  # type: ignore[arg-type]

    def layout(self, input: Data, layers: Any = ()) -> Layout:
        """The layout of an input, see :meth:`Layout.of`, once it is known to have all columns.

        Raises:
            ConfigError: when it lacks one.
        """
        reads = {"x": True, "p4": True, "u": self.event_channels > 0, "ids": bool(self.id_channels)}
        for name, read in reads.items():
            if read and name not in input:
                raise ConfigError(f"{type(self).__name__}: the input has no column {name!r}; apply a view first")
        return Layout.of(input, layers)


def _plain(value: Any) -> Any:
    """Tuples, and those in them, as lists."""
    return [_plain(part) for part in value] if isinstance(value, tuple) else value

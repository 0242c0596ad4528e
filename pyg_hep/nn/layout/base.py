"""``Layout``: the operations that a layer or a backbone may use, whatever the form of its input."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.kinematics import delta_phi

if TYPE_CHECKING:
    from pyg_hep.nn.layout.groups import Groups

PairValues = Tensor | list[Tensor]
"""One row of numbers for each pair of objects, in the form of the layout that made them; for its own use only."""

MakePairs = Callable[[Tensor, Tensor], Tensor]
"""From columns of target i and source j, ``[..., C]`` each and broadcast, to numbers of the pair, ``[..., F]``."""

Distances = Callable[[Tensor], Tensor]
"""From coordinates ``[..., n, C]`` to distances of all pairs, ``[..., n, n]``, one by one of the pair alone."""

POOLS = ("sum", "mean")

Self = TypeVar("Self", bound="Layout")


class Layout(abc.ABC):
    """Objects of events and who hears of whom.

    There are three: :class:`~pyg_hep.nn.layout.Edges` (edges as given, through the layer's own ``propagate`` and
    ``edge_updater``, which explainers and hooks see), :class:`~pyg_hep.nn.layout.Complete` (complete graphs, packed,
    without ever making what is not needed) and :class:`~pyg_hep.nn.layout.Padded` (complete graphs, padded, in
    operations that export to other formats). They agree to rounding errors, gradients included.

    Objects are the rows of ``[N, D]`` (packed) or the places of ``[B, n, D]`` (padded); both are written
    ``[*N, D]`` here. An event hears of itself only: ``i`` is the target of a pair, ``j`` its source.

    Attributes:
        counts: objects of each event, shape ``[B]``, int64, on the device of the columns.
    """

    counts: Tensor

    @staticmethod
    def of(input: Data, layers: Sequence[MessagePassing] = ()) -> Layout:
        """The layout of a model's input.

        Args:
            input: padded where it has a ``mask`` of shape ``[B, n]``; else packed with ``batch`` and ``ptr`` (or one
                event without them), along its ``edge_index`` where it has one, else complete graphs.
            layers: layers that will run on it: when an explainer or a message-passing hook observes one of them,
                complete graphs are laid out as edges, for only these have messages to show.

        Raises:
            ConfigError: for padded input with an observed layer.
        """
        from pyg_hep.nn.layout.choice import choose  # knows all layouts, each of which is one of this class

        return choose(input, layers)

    @property
    def num_events(self) -> int:
        """Events of the batch."""
        return self.counts.numel()

    def clean(self, x: Tensor) -> Tensor:
        """``x`` of shape ``[*N, D]``, zero where there is no object."""
        return x

    def object_rows(self) -> Tensor | None:
        """Places ``[*N]``, counted one after another, that hold an object, shape ``[M]``; None where all do."""
        return None

    def pair_rows(self) -> Tensor | None:
        """The same of the pairs that :meth:`propagate` sees: which of them are pairs; None where all are."""
        return None

    @abc.abstractmethod
    def leading(self, x: Tensor, key: Tensor, number: int) -> Tensor:
        """The objects of each event with the largest keys, in their order; of equal ones the first counts.

        Args:
            x: columns of objects, shape ``[*N, D]``.
            key: finite, shape ``[*N]``; no gradient passes through the order.
            number: of objects.

        Returns:
            Shape ``[B, number, D]``, zeros where an event has fewer.
        """

    @abc.abstractmethod
    def spread(self, rows: Tensor) -> Tensor:
        """From events to their objects: ``[B, D]`` to ``[*N, D]``."""

    def pool(self, x: Tensor, how: str = "sum") -> Tensor:
        """From objects to their events, by ``"sum"`` or ``"mean"``: ``[*N, D]`` to ``[B, D]``; zeros without objects.

        Raises:
            ConfigError: for another name.
        """
        if how not in POOLS:
            raise ConfigError(f"a layout cannot pool by {how!r}: {nearest(how, POOLS)}")
        total = self._total(x)
        return total if how == "sum" else total / self.counts.clamp(min=1).unsqueeze(-1).to(x.dtype)

    @abc.abstractmethod
    def _total(self, x: Tensor) -> Tensor:
        """Sums over the objects of each event."""

    @abc.abstractmethod
    def softmax(self, x: Tensor) -> Tensor:
        """Softmax over the objects of each event, column by column: ``[*N, D]`` to the same."""

    @abc.abstractmethod
    def join(self: Self, x: Tensor, rows: Tensor) -> tuple[Tensor, Self]:
        """Let every event have one more node, its last, which hears of all objects and is heard by all.

        Args:
            x: the objects, shape ``[*N, D]``.
            rows: the new nodes, shape ``[B, D]``.

        Returns:
            Objects and new nodes together, and the layout of them all. A layout is joined once.
        """

    @abc.abstractmethod
    def part(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Undo :meth:`join`: the objects in the form before, and the joined nodes, ``[B, D]``."""

    @abc.abstractmethod
    def pairs(self, make: MakePairs, columns: Tensor) -> PairValues:
        """Numbers of every pair that :meth:`edge_update` and :meth:`propagate` see.

        Args:
            make: from the columns of target and source to the numbers of the pair.
            columns: of the objects, shape ``[*N, C]``.
        """

    @abc.abstractmethod
    def bias(self, make: MakePairs, columns: Tensor) -> PairValues:
        """Numbers of every pair that :meth:`attend` sees, objects with themselves included.

        Pairs with a joined node have zeros. Arguments as for :meth:`pairs`.
        """

    @abc.abstractmethod
    def edge_update(self, layer: MessagePassing, **columns: Any) -> PairValues:
        """What ``layer.edge_update`` makes of every pair.

        Args:
            layer: its ``edge_update`` takes ``name_i`` and ``name_j`` for a column ``name`` of target and source, and
                other arguments under their own names, as in PyG. It declares the columns in ``edge_updater_type``,
                and those of its messages in ``propagate_type``.
            columns: columns of objects ``[*N, D]`` and values of pairs.
        """

    @abc.abstractmethod
    def propagate(self, layer: MessagePassing, **columns: Any) -> Tensor:
        """Sum of what ``layer.message`` sends to each target, shape ``[*N, D]``; arguments as :meth:`edge_update`."""

    @abc.abstractmethod
    def sum(self, values: PairValues) -> Tensor:
        """Sum of the values of all pairs of each target, shape ``[*N, D]``."""

    @abc.abstractmethod
    def degree(self) -> Tensor:
        """Of how many objects each one hears, itself left out on complete graphs, shape ``[*N]``, int64."""

    @abc.abstractmethod
    def collect(self, layer: MessagePassing, **columns: Tensor) -> Tensor:
        """Sum of what ``layer.message`` sends from the objects of each event to the event, shape ``[B, D]``.

        Args:
            layer: its ``message`` takes ``name_j`` for a column ``name`` of objects.
            columns: shape ``[*N, C]`` each.
        """

    @abc.abstractmethod
    def attend(self, layer: Any, qkv: Tensor, bias: PairValues | None = None) -> Tensor:
        """Dot-product attention from each object to those that it hears of, and to itself.

        Args:
            layer: the :class:`~pyg_hep.nn.conv.MultiHeadAttention`, for its heads, its dropout and its messages.
            qkv: queries, keys and values side by side, shape ``[*N, 3 D]``.
            bias: of :meth:`bias`, one column for each head.

        Returns:
            Shape ``[*N, D]``.
        """

    @abc.abstractmethod
    def neighbours(self, k: int, points: Tensor, distance: Distances | None = None) -> Layout:
        r"""The layout in which each object hears of its ``k`` nearest others, or all where there are fewer.

        Who hears of whom so far does not matter: neighbours are looked for in the whole event. Of equally near ones
        the first count. No gradient passes through the choice.

        Args:
            k: number of neighbours.
            points: coordinates, shape ``[*N, C]``.
            distance: Euclidean by default; :func:`~pyg_hep.nn.layout.base.angular` for (eta, phi).

        Raises:
            ConfigError: for k below 1.
        """

    @abc.abstractmethod
    def regroup(self, number: Tensor, size: int) -> Groups:
        """Groups of objects within each event, such as its jets.

        Args:
            number: group of each object within its event, shape ``[*N]``; outside 0 to ``size - 1``: in none.
            size: groups of an event at most, so that nobody has to ask a device how many there are.
        """


def check_k(k: int) -> None:
    """Raise ConfigError for a number of neighbours below 1."""
    if k < 1:
        raise ConfigError(f"an object needs at least 1 neighbour, found k={k}")


def nearest_first(distance: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """Distances along the last dimension from the smallest on, infinite ones where not allowed, and their places.

    A stable sort: of equal distances (two hidden objects are at the same place) the first counts in every layout.
    """
    ordered, places = distance.masked_fill(~allowed, torch.inf).sort(dim=-1, stable=True)
    return ordered, places


def distances(points: Tensor) -> Tensor:
    """Distances of all pairs ``[..., n, n]`` of ``[..., n, C]``, the same to the last digit in any block."""
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")


def angular(points: Tensor) -> Tensor:
    """Distances Delta R of all pairs ``[..., n, n]`` of (eta, phi [rad]) ``[..., n, 2]``, across phi = pi too."""
    eta, phi = points.unbind(-1)
    d_phi = delta_phi(phi.unsqueeze(-1), phi.unsqueeze(-2))
    return ((eta.unsqueeze(-1) - eta.unsqueeze(-2)) ** 2 + d_phi**2).sqrt()

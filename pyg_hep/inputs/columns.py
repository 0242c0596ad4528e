"""What a model can read, column by column: definitions by name, and how a user adds one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs.inverses import Inverse, add_inverse, side
from pyg_hep.inputs.particle_ids import SIZE, particle_ids
from pyg_hep.inputs.raw import RawColumns
from pyg_hep.inputs.summary_variables import SummaryVariables, is_in_gev
from pyg_hep.kinematics import delta_phi, hypot
from pyg_hep.schema import Level, ObjectType

Definition = Callable[[RawColumns], Tensor]

_SMALLEST = 1e-3
"""Masses and missing energies can be 0: below 1 MeV a logarithm stays where it is."""


@dataclass(frozen=True)
class ViewColumn:
    """How a column of a model's input is made.

    Args:
        forward: from the stored columns to one number per object, ``[N]`` or ``[B, n]``, or per event, ``[B]``.
        momentum: whether it is made of the object's four-vector, which is hidden where the column is.
        size: entries of its embedding table, for columns of integers 0 to size - 1.
    """

    forward: Definition
    momentum: bool = False
    size: int | None = None


def _p4(component: int) -> Definition:
    return lambda raw: raw.p4[..., component]


def _cartesian(component: int) -> Definition:
    return lambda raw: raw.cartesian[..., component]


def _total(component: int) -> Definition:
    return lambda raw: raw.total[..., component]


def _log(column: Definition) -> Definition:
    return lambda raw: column(raw).clamp(min=_SMALLEST).log()


def _is_kind(*kinds: ObjectType) -> Definition:
    def column(raw: RawColumns) -> Tensor:
        kind = raw["kind"]
        flag = kind == int(kinds[0])
        for number in kinds[1:]:
            flag = flag | (kind == int(number))
        return flag.to(raw.dtype)

    return column


def _is_jet(tagged: bool) -> Definition:
    return lambda raw: ((raw["kind"] == int(ObjectType.JET)) & ((raw["btag"] > 0) == tagged)).to(raw.dtype)


def _is_particle(number: int) -> Definition:
    """Flag of a generated particle (of either charge) by its PDG number; 0 where no truth is kept."""

    def column(raw: RawColumns) -> Tensor:
        if "pdg_id" not in raw:
            return torch.zeros_like(raw.p4[..., 0])
        return (raw["pdg_id"].abs() == number).to(raw.dtype)

    return column


def _energy_massless(raw: RawColumns) -> Tensor:
    return raw.p4[..., 0] * raw.p4[..., 1].cosh()


def _d_eta(raw: RawColumns) -> Tensor:
    return raw.p4[..., 1] - raw.spread(raw.total[..., 1])


def _outward_d_eta(raw: RawColumns) -> Tensor:
    # A jet seen from the other side is the same jet: positive points away from eta = 0.
    return _d_eta(raw) * raw.spread(side(raw.total[..., 1]))


def _d_phi(raw: RawColumns) -> Tensor:
    return delta_phi(raw.p4[..., 2], raw.spread(raw.total[..., 2]))


def _total_energy(raw: RawColumns) -> Tensor:
    pt, eta, _, mass = raw.total.unbind(-1)
    return hypot(pt * eta.cosh(), mass)


def _log_rest(part: Definition, total: Definition) -> Definition:
    """ln(1 - part / total), cut off where one object carries all but 1e-5 of its event."""
    return lambda raw: torch.log1p(-(part(raw) / raw.spread(total(raw).clamp(min=_SMALLEST))).clamp(0.0, 1 - 1e-5))


def _share(part: Definition, total: Definition) -> Definition:
    """The part over the total."""
    return lambda raw: part(raw) / raw.spread(total(raw).clamp(min=_SMALLEST))


def _log_share(part: Definition, total: Definition) -> Definition:
    """ln(part / total)."""
    return lambda raw: _log(part)(raw) - raw.spread(_log(total)(raw))


def _summary(name: str) -> Definition:
    """An event variable: ln(1 + v / GeV) of momenta and masses, others as they are; 0 where it is undefined."""
    in_gev = is_in_gev(name)

    def column(raw: RawColumns) -> Tensor:
        values = raw.summary[name].nan_to_num(nan=0.0)
        return values.log1p() if in_gev else values

    return column


def _momentum(forward: Definition) -> ViewColumn:
    return ViewColumn(forward, momentum=True)


NODE_COLUMNS: dict[str, ViewColumn] = {
    "pt": _momentum(_p4(0)),
    "eta": _momentum(_p4(1)),
    "phi": _momentum(_p4(2)),
    "mass": _momentum(_p4(3)),
    "px": _momentum(_cartesian(0)),
    "py": _momentum(_cartesian(1)),
    "pz": _momentum(_cartesian(2)),
    "energy": _momentum(_cartesian(3)),
    "energy_massless": _momentum(_energy_massless),
    "log_pt": _momentum(_log(_p4(0))),
    "log_mass": _momentum(_log(_p4(3))),
    "log_energy": _momentum(_log(_cartesian(3))),
    "sin_phi": _momentum(lambda raw: raw.p4[..., 2].sin()),
    "cos_phi": _momentum(lambda raw: raw.p4[..., 2].cos()),
    "d_eta": _momentum(_d_eta),
    "outward_d_eta": _momentum(_outward_d_eta),
    "d_phi": _momentum(_d_phi),
    "d_r": _momentum(lambda raw: hypot(_d_eta(raw), _d_phi(raw))),
    "log_rest_pt": _momentum(_log_rest(_p4(0), _total(0))),
    "log_rest_energy": _momentum(_log_rest(_cartesian(3), _total_energy)),
    "relative_pt": _momentum(_share(_p4(0), _total(0))),
    "log_relative_pt": _momentum(_log_share(_p4(0), _total(0))),
    "log_relative_energy": _momentum(_log_share(_cartesian(3), _total_energy)),
    **{f"is_{kind.name.lower()}": ViewColumn(_is_kind(kind)) for kind in ObjectType},
    "is_lepton": ViewColumn(_is_kind(ObjectType.ELECTRON, ObjectType.MUON)),
    "is_light_jet": ViewColumn(_is_jet(tagged=False)),
    "is_b_jet": ViewColumn(_is_jet(tagged=True)),
    "is_w": ViewColumn(_is_particle(24)),
    "is_top": ViewColumn(_is_particle(6)),
    "kind": ViewColumn(lambda raw: raw["kind"].to(raw.dtype), size=max(ObjectType) + 1),
    "level": ViewColumn(lambda raw: raw["level"].to(raw.dtype), size=len(Level)),
    "btag": ViewColumn(lambda raw: raw["btag"].to(raw.dtype), size=2),
    "particle_id": ViewColumn(lambda raw: particle_ids(raw).to(raw.dtype), size=SIZE),
}
"""Column of an object -> how it is made; momenta, masses and energies in GeV. ``d_eta``, ``d_phi`` and ``d_r`` are
relative to the sum of the event's four-vectors (the axis of a jet), ``outward_d_eta`` is ``d_eta`` times the sign of
the axis's eta (-1 at 0), ``relative_pt`` is pt / total pt, ``log_rest_pt`` is ln(1 - pt / total pt)."""

_SUMMARY = {f"summary_{name}": name for name in SummaryVariables().names}
SUMMARY = tuple(_SUMMARY)
"""Names of all event variables as columns of events."""

EVENT_COLUMNS: dict[str, ViewColumn] = {
    "num_nodes": ViewColumn(lambda raw: raw.counts.to(raw.dtype)),
    "total_pt": ViewColumn(_total(0)),
    "total_eta": ViewColumn(_total(1)),
    "total_phi": ViewColumn(_total(2)),
    "total_mass": ViewColumn(_total(3)),
    "total_energy": ViewColumn(_total_energy),
    **{column: ViewColumn(_summary(name)) for column, name in _SUMMARY.items()},
}
"""Column of an event -> how it is made; ``total`` is the sum of its objects that the model sees (a jet). Those that
begin with ``summary_`` are what boosted trees are handed, :class:`~pyg_hep.inputs.SummaryVariables`: ln(1 + v / GeV) of
momenta and masses, others as they are, 0 where they are undefined."""

KIND_COLUMNS = ("kind", "particle_id", *(name for name in NODE_COLUMNS if name.startswith("is_")))
"""Columns that tell what an object is."""

_STORED = re.compile(r"(?P<name>\w+)(?:\[(?P<position>\d+)\])?")


def register_column(
    name: str,
    forward: Definition,
    inverse: Inverse | None = None,
    *,
    per: str = "node",
    momentum: bool = True,
    size: int | None = None,
) -> None:
    """Add a column that views can name, in this process; register it again before loading a model that reads it.

    ``forward`` gets the stored columns (:class:`~pyg_hep.inputs.RawColumns`): ``raw["d0"]``, ``raw.p4``,
    ``raw.of_event("rho")``; written once, it works on packed ``[N]`` and padded ``[B, n]`` events.

    Args:
        name: of the column.
        forward: makes it, one number per object or event.
        inverse: what :meth:`~pyg_hep.inputs.View.to_p4` learns from it.
        per: ``"node"`` or ``"event"``.
        momentum: whether it is made of the object's four-vector, which is then hidden with it; say False of a
            column that has nothing to do with it.
        size: for integers 0 to size - 1: entries of the embedding table, where a view takes it as an id.

    Raises:
        ConfigError: for a name that the library defines, or another kind of column.
    """
    tables = {"node": NODE_COLUMNS, "event": EVENT_COLUMNS}
    if per not in tables:
        raise ConfigError(f"per={per!r} is not possible: {nearest(per, tables)}")
    if _STORED.fullmatch(name) is None or "[" in name:
        raise ConfigError(f"a column needs a plain name of letters, digits and _, found {name!r}")
    if name in _BUILT_IN:
        raise ConfigError(f"the column {name!r} is the library's own: take another name")
    tables[per][name] = ViewColumn(forward, momentum and per == "node", size)
    if inverse is not None:
        add_inverse(inverse)


_BUILT_IN = frozenset(NODE_COLUMNS) | frozenset(EVENT_COLUMNS)


def node_column(name: str) -> ViewColumn:
    """The definition of a column of objects; a name of none is a stored column, or one of its numbers (``cov[2]``).

    Raises:
        ConfigError: for what is no name.
    """
    if name in NODE_COLUMNS:
        return NODE_COLUMNS[name]
    stored, position = stored_name(name)

    def forward(raw: RawColumns) -> Tensor:
        if stored not in raw:
            known = [*NODE_COLUMNS, *raw.names]
            raise ConfigError(f"no column {name!r}, defined or stored: {nearest(name, known)}")
        return _numbers(raw[stored], name, position, raw.p4.dim() - 1).to(raw.dtype)

    return ViewColumn(forward)


def event_column(name: str) -> ViewColumn:
    """The definition of a column of events, as :func:`node_column` has it for objects."""
    if name in EVENT_COLUMNS:
        return EVENT_COLUMNS[name]
    stored, position = stored_name(name)

    def forward(raw: RawColumns) -> Tensor:
        if stored not in raw:
            known = [*EVENT_COLUMNS, *raw.names]
            raise ConfigError(f"no event column {name!r}, defined or stored: {nearest(name, known)}")
        column = raw.of_event(stored)
        if column.size(0) != raw.counts.numel():
            raise ConfigError(f"{stored!r} is a column of objects, not of events: name it in columns=[...]")
        return _numbers(column, name, position, 1).to(raw.dtype)

    return ViewColumn(forward)


def stored_name(name: str) -> tuple[str, int | None]:
    """Name of a stored column, and the position of the number that is taken of it.

    Raises:
        ConfigError: for a text that is neither ``name`` nor ``name[position]``.
    """
    match = _STORED.fullmatch(name)
    if match is None:
        raise ConfigError(f"{name!r} is no column: a name, or name[position] of a stored one")
    return match["name"], None if match["position"] is None else int(match["position"])


def _numbers(column: Tensor, name: str, position: int | None, dim: int) -> Tensor:
    """One number of each row of a stored column, whose rows begin after ``dim`` dimensions."""
    width = column.shape[dim:]
    if position is None and not width:
        return column
    if position is None:
        if tuple(width) == (1,):
            return column[..., 0]
        raise ConfigError(f"the column {name!r} holds {tuple(width)} numbers a row: name one of them, {name}[0]")
    if len(width) != 1 or position >= width[0]:
        raise ConfigError(f"{name!r}: the column holds {tuple(width)} numbers a row, there is no position {position}")
    return column[..., position]

"""``NodeFeatures``: the view of the stored columns that a model reads as ``x``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.kinematics import to_cartesian
from pyg_hep.schema import ObjectType
from pyg_hep.transforms.complete_graph import edge_features

Column = Callable[[Data], Tensor]


def _cartesian(component: int) -> Column:
    return lambda data: to_cartesian(data.p4)[..., component]


def _stored(name: str) -> Column:
    return lambda data: data[name].to(data.p4.dtype)


def _is_kind(*kinds: ObjectType) -> Column:
    def column(data: Data) -> Tensor:
        found = data.kind == int(kinds[0])
        for kind in kinds[1:]:
            found = found | (data.kind == int(kind))
        return found.to(data.p4.dtype)

    return column


def _is_jet(tagged: bool) -> Column:
    return lambda data: ((data.kind == int(ObjectType.JET)) & ((data.btag > 0) == tagged)).to(data.p4.dtype)


def _is_particle(number: int) -> Column:
    """Flag of a generated particle (of either charge) by its PDG number; 0 where no truth is kept."""

    def column(data: Data) -> Tensor:
        if "pdg_id" not in data:
            return torch.zeros_like(data.p4[:, 0])
        return (data.pdg_id.abs() == number).to(data.p4.dtype)

    return column


def _log(column: Column) -> Column:
    # Masses and missing energies can be 0: below 1 MeV the logarithm stays where it is.
    return lambda data: column(data).clamp(min=1e-3).log()


def _energy_massless(data: Data) -> Tensor:
    return data.p4[:, 0] * data.p4[:, 1].cosh()


COLUMNS: dict[str, Column] = {
    "pt": lambda data: data.p4[:, 0],
    "eta": lambda data: data.p4[:, 1],
    "phi": lambda data: data.p4[:, 2],
    "mass": lambda data: data.p4[:, 3],
    "px": _cartesian(0),
    "py": _cartesian(1),
    "pz": _cartesian(2),
    "energy": _cartesian(3),
    "energy_massless": _energy_massless,
    "log_pt": _log(lambda data: data.p4[:, 0]),
    "log_mass": _log(lambda data: data.p4[:, 3]),
    "log_energy": _log(_cartesian(3)),
    "sin_phi": lambda data: data.p4[:, 2].sin(),
    "cos_phi": lambda data: data.p4[:, 2].cos(),
    **{name: _stored(name) for name in ("charge", "btag", "btag_score", "kind", "level")},
    **{f"is_{kind.name.lower()}": _is_kind(kind) for kind in ObjectType},
    "is_lepton": _is_kind(ObjectType.ELECTRON, ObjectType.MUON),
    "is_light_jet": _is_jet(tagged=False),
    "is_b_jet": _is_jet(tagged=True),
    "is_w": _is_particle(24),
    "is_top": _is_particle(6),
}
"""Feature name -> how it is made from the stored columns, shape ``[N]``; momenta and energies in GeV."""

PRESETS: dict[str, tuple[str, ...]] = {
    "ho": ("pt", "eta", "phi", "energy_massless", "btag", "charge", "kind"),
    "kishimoto": (
        "log_energy", "eta", "sin_phi", "cos_phi", "log_mass", "charge",
        "is_lepton", "is_tau", "is_light_jet", "is_b_jet", "is_met",
    ),
    "abasov": (
        "pt", "eta", "phi", "px", "py", "pz", "energy",
        "is_light_jet", "is_b_jet", "is_electron", "is_muon", "is_tau", "is_met",
    ),
    "abasov_truth": (
        "pt", "eta", "phi", "px", "py", "pz", "energy", "charge",
        "is_light_jet", "is_b_jet", "is_electron", "is_muon", "is_tau", "is_met", "is_w", "is_top",
    ),
}  # fmt: skip
"""Published views.

``ho``: Ho et al., arXiv:2412.10665, section III B (E = pt cosh eta, kind as an integer). ``kishimoto``: Kishimoto et
al., "A study of foundation models for event classification in collider physics", section 3. ``abasov``: Abasov et al.,
"Developing foundational transformer models for unified top-quark physics analysis", the universal set of variables
(the kind of an object one by one, which the slides leave open). ``abasov_truth``: the same with the charge and flags of
generated W bosons and top quarks, for events that have them as targets (card ``abasov_truth``).
"""

KIND_COLUMNS = ("kind", *(name for name in COLUMNS if name.startswith("is_")))
"""Columns that tell what an object is."""


def check_columns(columns: str | Sequence[str]) -> tuple[str, ...]:
    """The columns of a published view, or those given, if all are known.

    Raises:
        ConfigError: for an unknown name.
    """
    if isinstance(columns, str):
        if columns not in PRESETS:
            raise ConfigError(f"no published view {columns!r}: {nearest(columns, PRESETS)}")
        columns = PRESETS[columns]
    for name in columns:
        if name not in COLUMNS:
            raise ConfigError(f"no feature column {name!r}: {nearest(name, COLUMNS)}")
    return tuple(columns)


@functional_transform("node_features")
class NodeFeatures(BaseTransform):
    r"""Make the feature matrix ``x`` from named columns (functional name: ``node_features``).

    .. math:: x_{if} = (c_{if} - \text{mean}_f) / \text{scale}_f

    Features that a batch marks as hidden (``masked``, see :class:`~pyg_hep.transforms.MaskObjects`) become 0, and
    the four-vectors ``p4`` of objects of which more than the kind is hidden, zeros. Works on one ``Data`` and on a
    ``Batch`` alike.

    Args:
        columns: names from :data:`COLUMNS`, or the name of a published view (:data:`PRESETS`).
        mean: subtracted from each column; 0 by default.
        scale: each column is divided by it; 1 by default.

    Raises:
        ConfigError: for an unknown name, or constants of another length.
    """

    def __init__(
        self,
        columns: str | Sequence[str] = "ho",
        mean: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
    ):
        self.columns = check_columns(columns)
        self.mean = tuple(float(v) for v in mean) if mean is not None else (0.0,) * len(self.columns)
        self.scale = tuple(float(v) for v in scale) if scale is not None else (1.0,) * len(self.columns)
        if not len(self.columns) == len(self.mean) == len(self.scale):
            raise ConfigError(
                f"{len(self.columns)} columns need as many means and scales, "
                f"found {len(self.mean)} and {len(self.scale)}"
            )

    @classmethod
    def ho(cls) -> NodeFeatures:
        """The view of Ho et al., arXiv:2412.10665, section III B, unscaled."""
        return cls("ho")

    @property
    def num_features(self) -> int:
        """Width of ``x``."""
        return len(self.columns)

    def config(self) -> dict[str, Any]:
        """Arguments that make this view again, as plain JSON."""
        return {"columns": list(self.columns), "mean": list(self.mean), "scale": list(self.scale)}

    def raw(self, data: Data) -> Tensor:
        """Unscaled feature matrix, shape ``[N, F]``."""
        return torch.stack([COLUMNS[name](data) for name in self.columns], dim=-1)

    def fitted(self, data: Data) -> NodeFeatures:
        """The same view with mean and standard deviation of the nodes of ``data`` (a batch of training events).

        Rare flags (a b-tag, a charge) are scaled up like everything else: left at 0 and 1 beside standardised
        momenta, a network finds them late. A column that never varies keeps its scale.
        """
        raw = self.raw(data).double()
        scale = raw.std(dim=0)
        scale[scale < 1e-6] = 1.0
        return NodeFeatures(self.columns, raw.mean(dim=0).tolist(), scale.tolist())

    def forward(self, data: Data) -> Data:
        """Return ``data`` with ``x``.

        Raises:
            ConfigError: when ``masked`` is of another view.
        """
        x = self.raw(data)
        x = (x - x.new_tensor(self.mean)) / x.new_tensor(self.scale)
        if "masked" in data:
            if data.masked.shape != x.shape:
                raise ConfigError(
                    f"the mask has {data.masked.size(1)} columns, the view that the model reads {x.size(1)}: "
                    "mask the columns of that view"
                )
            x = x.masked_fill(data.masked, 0.0)
            momentum = [name not in KIND_COLUMNS for name in self.columns]
            data.p4 = data.p4.masked_fill(data.masked[:, momentum].any(dim=1, keepdim=True), 0.0)
            if data.edge_index is not None and data.edge_attr is not None:
                data.edge_attr = edge_features(data.p4, data.edge_index)
        data.x = x
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.columns)})"

"""``MaskObjects``: features of objects are hidden, one by one or all of an object at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.schema import Level
from pyg_hep.transforms.node_features import KIND_COLUMNS, check_columns


@functional_transform("mask_objects")
class MaskObjects(BaseTransform):
    """Choose which features of which objects a model does not see (functional name: ``mask_objects``).

    Adds the node column ``masked``, shape ``[N, F]``, True where a feature is hidden. The view that makes ``x``
    (:class:`~pyg_hep.transforms.NodeFeatures` with the same columns) puts 0 there, the mean of a standardised
    column, and takes the four-vector of every object with a hidden feature off the batch, so that edges made later
    carry nothing of it. The columns that tell the kind of an object are hidden together: they are one variable.

    Args:
        columns: those of the view, or its name.
        probability: of hiding a variable of an object (or, with ``whole``, the object).
        whole: hide whole objects, all of their variables at once.
        hide: columns that can be hidden, some of ``columns``; None is all of them.
        generated: hide all of generated objects (the column ``level``), always, but for their kind and charge: they
            are targets, of which a model knows that they are there.

    Raises:
        ConfigError: for an unknown column or a probability outside [0, 1].

    Source: Abasov et al., "Developing foundational transformer models for unified top-quark physics analysis"
    (reconstruction of masked variables: 30 %).
    """

    def __init__(
        self,
        columns: str | Sequence[str] = "abasov",
        probability: float = 0.3,
        whole: bool = False,
        hide: Sequence[str] | None = None,
        generated: bool = False,
    ):
        if not 0.0 <= probability <= 1.0:
            raise ConfigError(f"MaskObjects: probability must lie in [0, 1], found {probability}")
        self.columns = check_columns(columns)
        self.probability, self.whole = probability, whole
        if hide is not None and not hide:
            raise ConfigError("MaskObjects: hide names no column; None hides all")
        for name in hide or ():
            if name not in self.columns:
                raise ConfigError(f"MaskObjects cannot hide {name!r}: {nearest(name, self.columns)}")
        self.hide = None if hide is None else tuple(hide)
        self.generated = generated
        self._target = torch.tensor([name != "charge" and name not in KIND_COLUMNS for name in self.columns])
        self._can_be_hidden = torch.tensor([hide is None or name in hide for name in self.columns])
        kind = [name for name in self.columns if name in KIND_COLUMNS]
        variables = [name for name in self.columns if name not in kind] + (["kind"] if kind else [])
        self._variable = torch.tensor([variables.index("kind" if name in kind else name) for name in self.columns])
        self._variables = len(variables)

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        hide = None if self.hide is None else list(self.hide)
        config = {"columns": list(self.columns), "probability": self.probability, "whole": self.whole, "hide": hide}
        return config | {"generated": self.generated}

    def forward(self, data: Data) -> Data:
        """Return ``data`` with ``masked``."""
        objects, device = data.p4.size(0), data.p4.device
        hidden = torch.rand(objects, 1 if self.whole else self._variables, device=device) < self.probability
        hidden = hidden.expand(-1, self._variables)[:, self._variable.to(device)]
        data.masked = hidden & self._can_be_hidden.to(device)
        if self.generated:
            truth = (data.level == int(Level.GEN)).unsqueeze(1)
            data.masked = torch.where(truth, self._target.to(device), data.masked)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.columns)} columns, probability={self.probability}, whole={self.whole})"

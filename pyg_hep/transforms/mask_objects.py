"""``MaskObjects``: features of objects are hidden, one by one or all of an object at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.schema import Level
from pyg_hep.transforms.random_transform import RandomTransform


@functional_transform("mask_objects")
class MaskObjects(RandomTransform):
    """Draw which columns of which objects a model does not see (functional name: ``mask_objects``).

    :meth:`hidden` gives what :class:`~pyg_hep.inputs.View` takes as ``hidden``: column -> True where it must not be
    seen, shape ``[N]``. Columns of one group (those that tell the kind of an object) are hidden together: they are one
    variable. As a transform it leaves the same as ``data.hidden``.

    Args:
        columns: names of a view's columns.
        probability: of hiding a variable of an object (or, with ``whole``, the object).
        whole: hide whole objects, all of their variables at once.
        hide: columns that can be hidden, some of ``columns``; None is all of them.
        together: columns that are one variable.
        generated: columns that are hidden of all generated objects (the column ``level``), always: they are targets,
            of which a model knows no more than that they are there.

    Raises:
        ConfigError: for an unknown column or a probability outside [0, 1].

    Source: Abasov et al., "Developing foundational transformer models for unified top-quark physics analysis"
    (reconstruction of masked variables: 30 %).
    """

    def __init__(
        self,
        columns: Sequence[str],
        probability: float = 0.3,
        whole: bool = False,
        hide: Sequence[str] | None = None,
        together: Sequence[str] = (),
        generated: Sequence[str] = (),
    ):
        if not 0.0 <= probability <= 1.0:
            raise ConfigError(f"MaskObjects: probability must lie in [0, 1], found {probability}")
        self.columns = tuple(columns)
        self.probability, self.whole = probability, whole
        if hide is not None and not hide:
            raise ConfigError("MaskObjects: hide names no column; None hides all")
        for name in (*(hide or ()), *generated):
            if name not in self.columns:
                raise ConfigError(f"MaskObjects cannot hide {name!r}: {nearest(name, self.columns)}")
        self.hide = None if hide is None else tuple(hide)
        self.together, self.generated = tuple(together), tuple(generated)
        alone = [name for name in self.columns if name not in self.together]
        self.variables = [[name] for name in alone]
        if len(alone) < len(self.columns):
            self.variables.append([name for name in self.columns if name in self.together])

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON."""
        hide = None if self.hide is None else list(self.hide)
        config = {"columns": list(self.columns), "probability": self.probability, "whole": self.whole, "hide": hide}
        return config | {"together": list(self.together), "generated": list(self.generated)}

    def hidden(self, data: Data, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Column -> where it is hidden, shape ``[N]``."""
        objects, device = data.p4.size(0), data.p4.device
        drawn = torch.rand(objects, 1 if self.whole else len(self.variables), device=device, generator=generator)
        flags = (drawn < self.probability).expand(-1, len(self.variables))
        truth = data.level == int(Level.GEN) if self.generated else None
        hidden = {}
        for number, variable in enumerate(self.variables):
            for name in variable:
                flag = flags[:, number] if self.hide is None or name in self.hide else torch.zeros_like(flags[:, 0])
                hidden[name] = flag if truth is None else torch.where(truth, name in self.generated, flag)
        return hidden

    def forward(self, data: Data, generator: torch.Generator | None = None) -> Data:
        """Return ``data`` with ``hidden``."""
        data.hidden = self.hidden(data, generator)
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.columns)} columns, probability={self.probability}, whole={self.whole})"

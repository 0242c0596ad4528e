"""Event variables of top pairs for trees: the ceilings that a discrimination of top pairs is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.analysis import reconstruct_tops
from pyg_hep.analysis.tops import METHODS, generated_tops
from pyg_hep.errors import PygHepError, nearest
from pyg_hep.studies.records import weights_digest

COLUMNS = ("m_ttbar", "c_hel", "c_han")
TRUTH = "truth"


class TopVariables:
    """Turns a raw batch into columns of its top pairs, true or reconstructed, NaN where there are none.

    Args:
        columns: of :data:`COLUMNS`.
        method: ``"truth"``, a method of :data:`~pyg_hep.analysis.tops.METHODS`, or ``"network"`` with a model.
        model: folder of a trained model, of the method ``"network"``.

    Raises:
        PygHepError: for an unknown column or method; names the nearest.
    """

    def __init__(self, columns: Sequence[str], method: str = TRUTH, model: str | Path | None = None):
        for name, valid in (*((column, COLUMNS) for column in columns), (method, (TRUTH, *METHODS))):
            if name not in valid:
                raise PygHepError(f"{name!r} is not possible: {nearest(name, valid)}")
        self.columns, self.method, self.model = tuple(columns), method, model

    def config(self) -> dict[str, Any]:
        """What shapes the columns: of a model a digest of its weights."""
        weights = None if self.model is None else weights_digest(Path(self.model))
        return {"columns": list(self.columns), "method": self.method, "weights": weights}

    def __call__(self, batch: Any) -> np.ndarray:
        """The columns, ``[B, K]``."""
        if self.method == TRUTH:
            found = generated_tops(batch)
        else:
            options: dict[str, Any] = {} if self.model is None else {"model": self.model}
            found = reconstruct_tops(batch, self.method, **options)
        return np.column_stack([getattr(found, name) for name in self.columns])

"""``Denoiser``: what generation needs of whatever was trained to remove noise; no network lives here."""

from __future__ import annotations

import abc
from typing import Protocol

from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.generation.diffused_columns import DiffusedColumns
from pyg_hep.generation.parametrisation import Parametrisation
from pyg_hep.generation.samplers import Sampler
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone


class Model(Protocol):
    """A view and a backbone."""

    view: View
    backbone: Backbone


class Denoiser(abc.ABC):
    """Something that says, of noised objects, what their noise is.

    Attributes:
        diffused: the columns that are noised, once there is a view.
        process: what outputs mean, and the schedule of the noise.
        num_classes: of the label; 0 for none.
    """

    diffused: DiffusedColumns
    process: Parametrisation
    num_classes: int

    @abc.abstractmethod
    def denoise(self, model: Model, noised: Batch, label: Tensor | None) -> Tensor:
        """Outputs ``[N, K]`` for a noised model input.

        Args:
            model: view and backbone.
            noised: as :meth:`DiffusedColumns.noised` makes it.
            label: class of each event, ``[B]``; -1 where it is hidden, None where it is hidden everywhere.
        """

    def sample(
        self, model: Model, made: Batch, label: Tensor | None, z: Tensor, calls: int, sampler: Sampler
    ) -> Tensor:
        """Columns ``[N, K]`` of new objects in events of which columns of the event and number of objects are known.

        Args:
            model: view and backbone.
            made: model input of the events; nothing of its objects is read.
            label: as for :meth:`denoise`.
            z: normal numbers, ``[N, K]``.
            calls: of the backbone.
            sampler: from noise to data.
        """
        events = made.num_graphs

        def output(noised: Tensor, t: Tensor) -> Tensor:
            return self.denoise(model, self.diffused.noised(model.view, made, noised, t.expand(events)), label)

        return sampler(output, z, calls)

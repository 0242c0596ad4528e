"""``Inference``: view, backbone and objective of a trained model on padded columns, as an exporter traces them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError, ExportError
from pyg_hep.nn import Representation
from pyg_hep.objectives import NodeColumn

if TYPE_CHECKING:
    from pyg_hep.export.padded_events import PaddedEvents
    from pyg_hep.training import EventModel


class Inference(nn.Module):
    """A copy of a trained model, on the CPU and in evaluation mode, that takes padded columns one by one.

    ``forward(*columns, mask)`` gives the predictions, ``[B]`` each, in the order of :attr:`outputs`.

    Args:
        model: the trained model; it stays as it is.
    """

    def __init__(self, model: EventModel):
        super().__init__()
        self.view = copy.deepcopy(model.view)
        self.backbone = copy.deepcopy(model.backbone)
        self.objective = copy.deepcopy(model.objective)
        self.inputs: tuple[str, ...] = ()
        self.outputs: tuple[str, ...] = ()
        self.cpu().eval()

    def represent(self, batch: Batch, hidden: Mapping[str, Tensor] | None = None) -> Representation:
        """Representation of a packed batch: what an objective asks of a model."""
        representation: Representation = self.backbone(self.view(batch, hidden))
        return representation

    @torch.no_grad()
    def predict(self, events: PaddedEvents) -> dict[str, Tensor | NodeColumn]:
        """Predictions of the same events, packed: the numbers that PyTorch users see."""
        return self.objective.predict(self.view.selected(events.packed()), self)

    @torch.no_grad()
    def prepare(self, events: PaddedEvents) -> None:
        """Find the stored columns that the view reads, and the names of the predictions.

        Raises:
            ExportError: for an objective that predicts nothing of an event, or a name that is input and output.
            ConfigError: when the events lack a column.
        """
        columns = _Recorded(events.columns)
        self.backbone(self.view.dense(columns, events.mask))
        self.inputs = tuple(name for name in columns if name in columns.read)
        try:
            predictions = self._decoded(columns, events.mask)
        except ConfigError as error:
            raise ExportError(str(error)) from None
        self.outputs = tuple(predictions)
        both = sorted({*self.inputs, "mask"} & set(self.outputs))
        if both:
            raise ExportError(f"{both[0]!r} is a column and a prediction: give the classes or numbers other names")

    def _decoded(self, columns: Mapping[str, Tensor], mask: Tensor) -> dict[str, Tensor]:
        return self.objective.decode(self.objective(self.backbone(self.view.dense(columns, mask))))

    def forward(self, *columns: Tensor) -> tuple[Tensor, ...]:
        """Predictions of the columns :attr:`inputs`, with the mask last."""
        *values, mask = columns
        return tuple(self._decoded(dict(zip(self.inputs, values, strict=True)), mask).values())

    def arguments(self, events: PaddedEvents, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """What of padded events the model takes (or of it, ``names``), the mask last."""
        every = {**events.columns, "mask": events.mask}
        names = (*self.inputs, "mask") if names is None else names
        for name in names:
            if name not in every:
                raise ConfigError(f"the events have no column {name!r}")
        # Storage has numbers of 32 bits with a fraction, integers of 64; so has the exported file.
        return {name: every[name].float() if every[name].is_floating_point() else every[name] for name in names}


class _Recorded(Mapping[str, Tensor]):
    """Columns that remember which of them were read."""

    def __init__(self, columns: Mapping[str, Tensor]):
        self.columns, self.read = columns, set[str]()

    def __getitem__(self, name: str) -> Tensor:
        value = self.columns[name]
        self.read.add(name)
        return value

    def __contains__(self, name: Any) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

"""What stops a training before it spoils its weights."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.errors import TrainingError


def check_finite(loss: Tensor, batch: Batch, step: int, epoch: int) -> None:
    """Stop at a loss that is not finite, before it changes a weight.

    Raises:
        TrainingError: names step, epoch and the first events of the batch.
    """
    if bool(loss.isfinite()):
        return
    events = "without numbers"
    if "event_number" in batch:
        numbers = batch.event_number.tolist()
        events = ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
    raise TrainingError(f"the loss is {float(loss)} in step {step} (epoch {epoch + 1}), events {events}")

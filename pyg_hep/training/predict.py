"""Outputs and representations of a trained model for a whole data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pyg_hep.datasets import EventDataset
from pyg_hep.loader import EventLoader
from pyg_hep.training.event_model import EventModel


@dataclass
class Predictions:
    """Class probabilities [N, C], labels [N] and event weights [N], in the data set's order."""

    probability: np.ndarray
    y: np.ndarray
    weight: np.ndarray


@torch.no_grad()
def predict(
    model: EventModel, dataset: EventDataset, batch_size: int = 4096, device: str | torch.device | None = None
) -> Predictions:
    """Class probabilities of a classifier.

    Args:
        model: trained with an objective whose outputs hold ``logits``.
        dataset: the events.
        batch_size: events at a time.
        device: where to compute; None stays where the model is.
    """
    if device is not None:
        model = model.to(device)
    model.eval()
    loader = EventLoader(dataset, batch_size, device=model.device)
    logits = torch.cat([model(batch)["logits"].float().cpu() for batch in loader])
    return Predictions(
        logits.double().softmax(dim=-1).numpy(), dataset.column("y").numpy(), dataset.column("weight").numpy()
    )


@torch.no_grad()
def represent(
    model: EventModel, dataset: EventDataset, batch_size: int = 4096, device: str | torch.device | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What the decoder of a backbone gets and what it makes of it, one row per event.

    Args:
        model: whose backbone has a ``decoder``, as :class:`~pyg_hep.nn.GraphNetwork` has. Of another backbone both
            are the event's representation.
        dataset: the events.
        batch_size: events at a time.
        device: where to compute; None stays where the model is.

    Returns:
        Two arrays of shape ``[N, D]``, float32, in the data set's order.
    """
    if device is not None:
        model = model.to(device)
    model.eval()
    before: list[torch.Tensor] = []
    after: list[torch.Tensor] = []
    decoder = getattr(model.backbone, "decoder", None)
    # A hook, and not a call of the backbone's parts: fused paths and subclasses stay what they are.
    handle = decoder.register_forward_pre_hook(lambda _, inputs: before.append(inputs[0])) if decoder else None
    try:
        after.extend(model.represent(batch).graph for batch in EventLoader(dataset, batch_size, device=model.device))
    finally:
        if handle is not None:
            handle.remove()
    first, last = (torch.cat(parts).float().cpu().numpy() for parts in (before or after, after))
    return first, last

"""What a trained model says of a whole data set, and how it represents it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_hep.datasets import EventDataset, as_events
from pyg_hep.errors import ConfigError, nearest
from pyg_hep.loader import EventLoader
from pyg_hep.nn import modes
from pyg_hep.objectives import Classification, NodeColumn
from pyg_hep.readers import load_card
from pyg_hep.training.event_model import EventModel

_SELECTS = ("reader", "objects", "limits", "selection", "columns")
"""Entries of a card that say which events and objects a model sees."""


@dataclass
class Predictions:
    """What a model says of events, in the data set's order, and what is true of them.

    Args:
        columns: name -> one row per event: class probabilities by the names of the classes, numbers in their units.
        y: labels; class numbers are those of the model, whatever the order of the data set's classes. ``[N]`` or
            ``[N, K]``.
        weight: event weights ``[N]``.
        class_names: of the model's classes, in their order; empty where there are none.
        node_columns: name -> one row per object that the model sees.
        offsets: rows of event i in the node columns are ``offsets[i]`` to ``offsets[i + 1]``, ``[N + 1]``.
    """

    columns: dict[str, np.ndarray]
    y: np.ndarray
    weight: np.ndarray
    class_names: list[str] = field(default_factory=list)
    node_columns: dict[str, np.ndarray] = field(default_factory=dict)
    offsets: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))

    @property
    def probability(self) -> np.ndarray:
        """Class probabilities ``[N, C]`` of a classifier, float64.

        Raises:
            ConfigError: for a model that tells no classes apart.
        """
        if not self.class_names:
            raise ConfigError(
                f"this model tells no classes apart: its predictions are the columns {', '.join(self.columns)}"
            )
        return np.stack([self.columns[name] for name in self.class_names], axis=1).astype(np.float64)


@torch.no_grad()
def predict(
    model: EventModel,
    dataset: Any,
    batch_size: int = 4096,
    device: str | torch.device | None = None,
    labels: bool = True,
) -> Predictions:
    """What the objective of a model predicts for every event of a data set, on this process alone.

    Args:
        model: a trained model; its modes are as before afterwards.
        dataset: the events: an ``EventDataset``, a ``Subset`` or ``ConcatDataset`` of such.
        batch_size: events at a time.
        device: where to compute; None stays where the model is.
        labels: compare the classes of the data set with the model's. False for data whose true classes are not known:
            ``y`` is -1.

    Raises:
        ConfigError: when the data set has a class that the model does not know, or the objective predicts nothing.

    Warns:
        UserWarning: when the card of the data set selects other objects or events than the one of the training.
    """
    events = as_events(dataset)
    names, classes = model_classes(model), model.objective.find(Classification)
    y = events.column("y")
    if names and not labels:
        y = torch.full_like(y, -1)
    elif classes is not None and names and classes.class_names is not None:  # without names it knows numbers only
        y = matched_labels(events, names)
    _compare_cards(model, events)
    parts: dict[str, list[Tensor]] = {}
    node_parts: dict[str, list[Tensor]] = {}
    counts: list[Tensor] = [torch.zeros(1, dtype=torch.int64)]
    with evaluating(model, device):
        for batch in EventLoader(events, batch_size, device=model.device):
            batch = model.view.selected(batch)
            counts.append(batch.ptr.diff().cpu())
            for name, values in model.predict(batch).items():
                if isinstance(values, NodeColumn):
                    node_parts.setdefault(name, []).append(_plain(values.values))
                else:
                    parts.setdefault(name, []).append(_plain(values))
    return Predictions(
        {name: torch.cat(values).numpy() for name, values in parts.items()},
        y.numpy(),
        events.column("weight").numpy(),
        [name for name in names if name in parts],
        {name: torch.cat(values).numpy() for name, values in node_parts.items()},
        torch.cat(counts).cumsum(0).numpy(),
    )


def _plain(values: Tensor) -> Tensor:
    values = values.detach().cpu()
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def own_card(model: EventModel, source: str) -> dict[str, Any]:
    """The card that a model was trained with, without what only makes labels: data need not have it.

    Args:
        model: a trained model.
        source: where it is from, for the message.

    Raises:
        ConfigError: when the model says nothing of its card.
    """
    card = model.metadata.get("data", {}).get("card") or model.metadata.get("card")
    if card is None:
        raise ConfigError(f"{source} does not say which card its events were made with: give it with --card")
    return {key: value for key, value in load_card(card).as_dict().items() if key not in ("label", "truth")}


def model_classes(model: EventModel) -> list[str]:
    """Names of the classes that a model tells apart, in its order; empty where its labels are no classes."""
    objective = model.objective.find(Classification)
    return list(objective.names) if objective is not None and objective.target == "y" else []


def matched_labels(events: EventDataset, names: list[str]) -> Tensor:
    """Labels of events with the class numbers of a model.

    Args:
        events: the events.
        names: classes of the model, in its order.

    Raises:
        ConfigError: when there are events of a class that the model does not know.
    """
    y, own = events.column("y"), events.class_names
    if own == names or y.is_floating_point() or y.dim() > 1:
        return y
    unknown = [own[number] for number in y.unique().tolist() if own[number] not in names]
    if unknown:
        raise ConfigError(
            f"{events!r} has events of the class {unknown[0]!r}, which the model does not know: "
            f"{nearest(unknown[0], names)}"
        )
    numbers = torch.tensor([names.index(name) if name in names else -1 for name in own])
    return numbers[y]


def _compare_cards(model: EventModel, events: EventDataset) -> None:
    """Say where the objects or cuts of the data are not those of the training."""
    trained: Mapping[str, Any] = model.metadata.get("data", {}).get("card") or {}
    if not trained.get("objects"):  # none, or events that were made in Python
        return
    try:  # as this version of the library writes it
        trained = load_card(trained).as_dict()
    except ConfigError as error:
        warnings.warn(f"the card that the model was trained with cannot be read any more: {error}", stacklevel=3)
        return
    now = events.card.as_dict()
    different = [name for name in _SELECTS if now.get(name) != trained.get(name)]
    if different:
        warnings.warn(
            f"the events of {events.card.source} have other {' and '.join(different)} than those that the model was "
            "trained on: its predictions may not be meant for them",
            stacklevel=3,
        )


@contextlib.contextmanager
def evaluating(model: EventModel, device: str | torch.device | None = None) -> Iterator[None]:
    """Evaluation mode inside; every module has its own mode again afterwards.

    Args:
        model: the model.
        device: where it is put, and stays; None leaves it.
    """
    if device is not None:
        model.to(device)
    with modes.evaluating(model):
        yield


@torch.no_grad()
def represent(
    model: EventModel, dataset: Any, batch_size: int = 4096, device: str | torch.device | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What the decoder of a backbone gets and what it makes of it, one row per event.

    Args:
        model: whose backbone has a ``decoder``, as :class:`~pyg_hep.nn.GraphNetwork` has. Of another backbone both
            are the event's representation.
        dataset: the events, as for :func:`predict`.
        batch_size: events at a time.
        device: where to compute; None stays where the model is.

    Returns:
        Two arrays of shape ``[N, D]``, float32, in the data set's order.
    """
    events = as_events(dataset)
    before: list[Tensor] = []
    after: list[Tensor] = []
    decoder = getattr(model.backbone, "decoder", None)
    with evaluating(model, device):
        # A hook, and not a call of the backbone's parts: fused paths and subclasses stay what they are.
        handle = decoder.register_forward_pre_hook(lambda _, inputs: before.append(inputs[0])) if decoder else None
        try:
            loader = EventLoader(events, batch_size, device=model.device)
            after.extend(model.represent(batch).graph for batch in loader)
        finally:
            if handle is not None:
                handle.remove()
    first, last = (torch.cat(parts).float().cpu().numpy() for parts in (before or after, after))
    return first, last

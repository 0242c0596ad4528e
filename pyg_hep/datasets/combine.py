"""Several data sets as one, and PyTorch's subsets of data sets as data sets."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from pyg_hep.datasets.event_dataset import EventDataset
from pyg_hep.datasets.open_data import JoinedStorage, same_columns
from pyg_hep.errors import ConfigError
from pyg_hep.readers import ReadReport


def concatenate(datasets: Sequence[Any]) -> EventDataset:
    """Several data sets as one, their events one after another; nothing is copied.

    Args:
        datasets: data sets (or subsets of such) with the same columns and class names.

    Raises:
        ConfigError: when there is none, or columns or classes differ.
    """
    parts = [as_events(dataset) for dataset in datasets]
    if not parts:
        raise ConfigError("there is no data set to concatenate")
    if len(parts) == 1:
        return parts[0]
    for part in parts[1:]:
        same_columns(parts[0].storage, part.storage)
    processes = list(dict.fromkeys(name for part in parts for name in part.process_names))
    manifest = {
        "processes": processes,
        "class_names": parts[0].storage.manifest["class_names"],
        "num_classes": max(part.num_classes for part in parts),
        "report": ReadReport().as_dict(),
        "replaced_weights": True,
        "skipped": {},
    }
    result = copy.copy(parts[0])
    result._indices = None  # type: ignore[assignment]
    result.storage = JoinedStorage([(part.storage, part.positions) for part in parts], manifest)
    return result


def as_events(dataset: Any) -> EventDataset:
    """The ``EventDataset`` that a data set is, or that a ``Subset`` or ``ConcatDataset`` of PyTorch is made of.

    Raises:
        ConfigError: for any other data set.
    """
    if isinstance(dataset, EventDataset):
        return dataset
    if isinstance(dataset, torch.utils.data.Subset):
        return as_events(dataset.dataset).index_select(torch.as_tensor(dataset.indices))
    if isinstance(dataset, torch.utils.data.ConcatDataset):
        return concatenate(dataset.datasets)
    raise ConfigError(
        f"events are an EventDataset, or a Subset or ConcatDataset of some, found {type(dataset).__name__}"
    )

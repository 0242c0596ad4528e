"""What stops a training before it spoils its weights: a loss that is not finite, splits of different classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError, TrainingError
from pyg_hep.objectives.meters import is_distributed

_IDENTITY = ("run_number", "luminosity_block", "event_number")
_NAMED = 3
"""Events that a message names."""


def check_finite(loss: Tensor, batch: Batch, step: int, epoch: int = 0) -> None:
    """Stop when the loss of a batch is not a number, on all processes of a distributed job alike.

    Args:
        loss: a scalar.
        batch: the events it was made of, raw columns.
        step: optimiser steps taken before.
        epoch: current epoch, from 0.

    Raises:
        TrainingError: names step, epoch and event numbers, and the column where one of them is not finite.
    """
    good = torch.isfinite(loss.detach())
    if is_distributed():
        everywhere = good.to(torch.int32)
        torch.distributed.all_reduce(everywhere, torch.distributed.ReduceOp.MIN)
        if bool(good) and not bool(everywhere):
            raise TrainingError(f"the loss of another process is not finite at step {step} (epoch {epoch + 1})")
    if not bool(good):
        raise TrainingError(f"the loss is {float(loss)} at step {step} (epoch {epoch + 1}), {describe(batch)}")


def describe(batch: Batch) -> str:
    """Events of a batch in words: those with a column that is not finite, else the first ones."""
    rows, column = torch.arange(batch.num_graphs), ""
    for name, values in batch.to_dict().items():
        if isinstance(values, Tensor) and values.is_floating_point() and values.dim():
            bad = ~torch.isfinite(values.reshape(len(values), -1)).all(dim=1)
            if bool(bad.any()):
                of_events = len(values) == batch.num_graphs
                rows = (bad.nonzero()[:, 0] if of_events else batch.batch[bad].unique()).cpu()
                column = f" with {name} that is not finite"
                break
    names = [name for name in _IDENTITY if name in batch]
    shown = rows[:_NAMED].tolist()
    texts = [":".join(str(int(batch[name][row])) for name in names) or f"number {row} of the batch" for row in shown]
    more = f" and {len(rows) - len(shown)} more" if len(rows) > len(shown) else ""
    return f"event{'s' if len(rows) > 1 else ''}{column} {', '.join(texts)}{more}"


def finite(model: nn.Module) -> bool:
    """Whether every parameter of a model is a number."""
    return all(bool(torch.isfinite(p).all()) for p in model.parameters())


def check_splits(train: EventDataset, val: EventDataset | None) -> None:
    """Training and validation events must name the same classes in the same order.

    Raises:
        ConfigError: when they differ.
    """
    if val is not None and val.class_names != train.class_names:
        raise ConfigError(
            f"training events have the classes {', '.join(train.class_names)}, "
            f"validation events {', '.join(val.class_names)}"
        )

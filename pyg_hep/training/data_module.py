"""Events of a training for the trainer; the one place where a loader learns of other processes."""

from __future__ import annotations

import lightning

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.loader import EventLoader


class EventData(lightning.LightningDataModule):
    """Loaders of training and validation events, each process with its own share.

    A training share that is one event short is filled with an event of weight 0; validation shares may be uneven.

    Args:
        train: training events.
        val: validation events.
        batch_size: events in a step of each process; validation takes four times as many.
        seed: of the order.
    """

    def __init__(self, train: EventDataset, val: EventDataset | None, batch_size: int, seed: int):
        super().__init__()
        self.train, self.val, self.batch_size, self.seed = train, val, batch_size, seed

    @property
    def shard(self) -> tuple[int, int]:
        """Number of this process and of all."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def train_dataloader(self) -> EventLoader:
        """A share of the training events, in another order every epoch."""
        return EventLoader(self.train, self.batch_size, shuffle=True, seed=self.seed, shard=self.shard)

    def val_dataloader(self) -> EventLoader | list[EventLoader]:
        """A share of the validation events; no loader where there are none.

        Raises:
            ConfigError: when there are fewer than processes.
        """
        if self.val is None:
            return []
        if len(self.val) < self.shard[1]:
            raise ConfigError(f"{len(self.val)} validation events are too few for {self.shard[1]} processes")
        return EventLoader(self.val, 4 * self.batch_size, shard=self.shard)

"""Records to ``InMemoryDataset``: fingerprinted conversion, column storage, splits."""

from pyg_hep.datasets.event_dataset import EventDataset
from pyg_hep.datasets.storage import EventStorage

__all__ = ["EventDataset", "EventStorage"]

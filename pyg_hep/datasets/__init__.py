"""Records to ``InMemoryDataset``: fingerprinted conversion, column storage, splits, downloads."""

from pyg_hep.datasets.combine import as_events, concatenate
from pyg_hep.datasets.event_dataset import EventDataset
from pyg_hep.datasets.named import (
    ATLASTopTagging,
    CMSOpenData2016,
    JetClass,
    JetDataset,
    LHCOlympics,
    TopTagging,
    ZJets,
)
from pyg_hep.datasets.storage import EventStorage

__all__ = [
    "ATLASTopTagging",
    "CMSOpenData2016",
    "EventDataset",
    "EventStorage",
    "JetClass",
    "JetDataset",
    "LHCOlympics",
    "TopTagging",
    "ZJets",
    "as_events",
    "concatenate",
]

"""Events of the study of Abasov et al.: groups by the number of top quarks, and events of the search."""

from __future__ import annotations

from pyg_hep.datasets import EventDataset
from pyg_hep.simulation.samples import ABASOV_GROUPS, ABASOV_NEW_PHYSICS
from pyg_hep.studies.place import Place

CARDS = {"masked": "abasov_nanoaod", "truth": "abasov_truth"}
SPLITS = {"train": 0.7, "val": 0.1, "test": 0.2}


def groups(place: Place, card: str) -> list[EventDataset]:
    """Training, validation and test events of all five groups."""
    files = place.files("groups", [process for group in ABASOV_GROUPS.values() for process in group])
    return place.splits(card, files, SPLITS)


def searched(place: Place) -> list[EventDataset]:
    """Single top quarks in the Standard Model, and with a dark-matter mediator: no training has seen them."""
    files = (place.files("new_physics", [name]) for name in ABASOV_NEW_PHYSICS)
    return [place.splits(CARDS["masked"], file, {"test": 1.0})[0] for file in files]

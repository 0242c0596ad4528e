"""Events of the study of Bumblebee, all split 70/15/15 by the hard event."""

from __future__ import annotations

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.studies.place import Place

SPLITS = {"train": 0.7, "val": 0.15, "test": 0.15}
TOPS, INITIAL_STATE = "dileptonic_ttbar", "dileptonic_ttbar_initial_state"


def pairs(place: Place) -> list[EventDataset]:
    """Training, validation and test events of ttbar, both levels."""
    return place.splits(TOPS, place.files("events", ["ttbar"]), SPLITS)


def toponium(place: Place, signal: str = "toponium") -> list[EventDataset]:
    """The same with a signal beside, which is class 1; 10 events of ttbar for one, as the preset makes them."""
    return place.splits(TOPS, place.files("events", ["ttbar", signal]), SPLITS)


def initial_state(place: Place) -> list[EventDataset]:
    """Events of ttbar from two quarks (class 0) or two gluons (class 1)."""
    return place.splits(INITIAL_STATE, list(map(str, place.files("events", ["ttbar"]).values())), SPLITS)


def ratio(events: EventDataset) -> float:
    """Events of class 0 for one of class 1.

    Raises:
        ConfigError: when there is no event of class 1.
    """
    signal = int((events.column("y") == 1).sum())
    if not signal:
        raise ConfigError(f"{events!r} has no event of class 1")
    return (len(events) - signal) / signal

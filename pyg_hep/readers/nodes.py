"""From the collections of a chunk to columns with one row per node, event by event in the card's order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers import objects
from pyg_hep.readers.card import Card
from pyg_hep.readers.momenta import KEPT, KIND, Collection, pdg_ids

Collections = Mapping[str, Collection]


def count_objects(card: Card, collections: Collections, truth: Collections, num_events: int) -> dict[str, np.ndarray]:
    """Counts that expressions over events can use: ``n_<object>``, ``n_objects``, ``n_btag``, each ``[num_events]``."""
    numbers = {f"n_{name}": np.zeros(num_events, dtype=np.int64) for name in (*card.objects, *card.truth)}
    for name, collection in (*collections.items(), *truth.items()):
        numbers[f"n_{name}"] = np.bincount(collection.event, minlength=num_events)
    numbers["n_objects"] = np.sum([numbers[f"n_{name}"] for name in card.objects], axis=0)
    numbers["n_btag"] = np.zeros(num_events, dtype=np.int64)
    for collection in collections.values():
        tagged = collection.columns["btag"] > 0
        numbers["n_btag"] += np.bincount(collection.event[tagged], minlength=num_events)
    return numbers


def node_columns(
    card: Card, collections: Collections, numbers: Mapping[str, np.ndarray], where: str
) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, ...]]]:
    """Columns of all nodes.

    Args:
        card: the order of the objects, and what is kept.
        collections: the selected objects.
        numbers: what :func:`count_objects` gave.
        where: file and entries, for messages.

    Returns:
        Column -> values of all nodes; kept column -> shape of one row, for those that an object of the file has.

    Raises:
        ReaderError: when two objects keep one column in different shapes.
    """
    counts = numbers["n_objects"]
    total = int(counts.sum())
    shapes = _kept_shapes(collections, where)
    nodes = {name: np.zeros(total, np.float32) for name in ("pt", "eta", "phi", "mass", "charge", "btag")}
    nodes["kind"] = np.zeros(total, np.int8)
    nodes["level"] = np.zeros(total, np.int8)
    nodes |= {"btag_score": np.zeros(total, np.float32)} if card.keep_btag_score else {}
    nodes |= {"pdg_id": np.zeros(total, np.int32)} if card.keep_pdg_id else {}
    for name in card.node_columns():
        nodes[name] = np.full((total, *shapes.get(name, ())), card.fill.get(name, 0.0), np.float32)
    first_node = np.cumsum(counts) - counts
    for name, collection in collections.items():
        mine = numbers[f"n_{name}"]
        first = np.cumsum(mine) - mine
        place = first_node[collection.event] + np.arange(len(collection.event)) - first[collection.event]
        first_node = first_node + mine
        definition = collection.plan.definition
        for column in ("pt", "eta", "mass", "charge", "btag"):
            nodes[column][place] = collection.columns[column]
        nodes["phi"][place] = objects.wrap_phi(collection.columns["phi"])
        nodes["kind"][place] = collection.columns[KIND]
        nodes["level"][place] = definition.level
        btag = collection.plan.btag
        if card.keep_btag_score and btag is not None:
            nodes["btag_score"][place] = collection.columns[btag.column]
        if card.keep_pdg_id:
            nodes["pdg_id"][place] = pdg_ids(collection)
        for column in definition.keep:
            nodes[column][place] = collection.columns[KEPT + column]
    return nodes, shapes


def _kept_shapes(collections: Collections, where: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    owner: dict[str, str] = {}
    for name, collection in collections.items():
        for column in collection.plan.definition.keep:
            shape = collection.columns[KEPT + column].shape[1:]
            before = shapes.setdefault(column, shape)
            if shape != before:
                raise ReaderError(
                    f"{where}, column {column!r}: {name} keeps the shape {shape}, {owner[column]} the shape {before}"
                )
            owner.setdefault(column, name)
    return shapes

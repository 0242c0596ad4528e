"""Fields of RNTuples that hold numbers or lists of numbers, read without awkward: small files open sooner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pyg_hep.readers.columns import Column
from pyg_hep.readers.root_names import Place

_LEAF, _COLLECTION, _RECORD = "LEAF", "COLLECTION", "RECORD"


def ntuple_columns(ntuple: Any, places: Mapping[str, Place], entries: int) -> dict[str, Column]:
    """Those of ``places`` that are numbers, or one level of lists of numbers, all entries of them.

    The others are left to uproot, which says what is wrong with them.

    Args:
        ntuple: uproot's RNTuple.
        places: name -> place.
        entries: of the RNTuple.
    """
    columns = {}
    offsets: dict[int, np.ndarray] = {}
    for name, place in places.items():
        try:
            column = _column(ntuple, place.number, entries, offsets)
        except Exception:  # decompressors and uproot raise anything; uproot reads it again
            continue
        if column is not None:
            columns[name] = column
    return columns


def _column(ntuple: Any, number: int, entries: int, offsets: dict[int, np.ndarray]) -> Column | None:
    record = ntuple.field_records[number]
    if _role(record) == _COLLECTION and len(ntuple._related_ids[number]) == 1:
        (number,) = ntuple._related_ids[number]  # the numbers of a list are a field without a name
        record = ntuple.field_records[number]
    # What has a fixed shape, counts others or stands for another field is more than its own numbers.
    if _role(record) != _LEAF or record.repetition or "RNTupleCardinality" in record.type_name:
        return None
    collections = []
    above = number
    while record.parent_field_id != above:
        above = record.parent_field_id
        record = ntuple.field_records[above]
        if _role(record) == _COLLECTION:
            if record.type_name.startswith("std::optional") or len(ntuple._related_ids[above]) != 1:
                return None
            collections.append(above)
        elif _role(record) != _RECORD:
            return None
    if len(collections) > 1:
        return None
    values = _numbers(ntuple, number)
    if values is None:
        return None
    if not collections:
        return Column(values) if len(values) == entries else None
    (collection,) = collections
    if collection not in offsets:
        found = _numbers(ntuple, collection)
        if found is None:
            return None
        offsets[collection] = found
    edges = offsets[collection].astype(np.int64, copy=False)
    counts = np.diff(edges)
    if len(counts) != entries or edges[0] != 0 or edges[-1] != len(values) or (counts < 0).any():
        return None
    return Column(values, counts)


def _role(record: Any) -> str:
    return str(record.struct_role.name)


def _numbers(ntuple: Any, number: int) -> np.ndarray | None:
    """The only column of a field that all clusters have; of the sizes of lists, where each begins and the last ends."""
    columns = ntuple._column_records_dict.get(number, ())
    if len(columns) != 1 or columns[0].first_element_index or ntuple.field_records[number].source_field_id is not None:
        return None
    values: np.ndarray = ntuple.read_cluster_range(columns[0].idx, 0, len(ntuple.cluster_summaries))
    return values if values.dtype.kind in "iuf" else None

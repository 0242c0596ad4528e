"""Files to awkward records in the schema, chunk by chunk. Nothing here touches torch.

awkward and the libraries behind the formats are imported when a file is read: data sets that are converted need none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.card import Card
from pyg_hep.readers.card_parser import load_card, shipped_cards
from pyg_hep.readers.events import EventColumns, FileReader
from pyg_hep.readers.files import Paths, input_files
from pyg_hep.readers.report import ReadReport
from pyg_hep.schema import NO_IDENTITY, OPTIONAL_EVENT_COLUMNS

if TYPE_CHECKING:
    import awkward as ak

__all__ = [
    "Card",
    "EventColumns",
    "FileReader",
    "ReadReport",
    "ReaderError",
    "iterate_events",
    "load_card",
    "read_events",
    "shipped_cards",
]


def iterate_events(
    paths: Paths,
    card: str | Path | Mapping[str, Any] | Card,
    step_size: str | int = "100 MB",
    report: ReadReport | None = None,
) -> Iterator[ak.Array]:
    """Read files through a card, one chunk at a time.

    Args:
        paths: one file or several, folders and patterns too (:func:`~pyg_hep.readers.files.input_files`); where the
            card names no label, the label is the position of the file.
        card: a card's path, shipped name, content or :class:`Card`.
        step_size: memory of what one chunk reads, or a number of entries.
        report: counts are added to it.

    Yields:
        One record per selected event: ``objects`` (pt [GeV], eta, phi, mass [GeV], kind, charge, btag, level, and what
        the card's objects keep), ``y``, ``weight``, ``entry``, what the card keeps, and ``run_number``,
        ``luminosity_block``, ``event_number`` where there.

    Raises:
        ConfigError: when the card cannot be used.
        ReaderError: when a file cannot be read; names file, entries and column.
    """
    card = load_card(card)
    for position, path in enumerate(input_files(paths, card.reader)):
        with FileReader(path, card, label=position) as reader:
            if report is not None:
                report.add(reader.report)
            for start, stop in reader.chunks(step_size):
                events, counted = reader.read(start, stop)
                if report is not None:
                    report.add(counted)
                yield events.to_awkward()


def read_events(
    paths: Paths, card: str | Path | Mapping[str, Any] | Card, report: ReadReport | None = None
) -> ak.Array:
    """All events of :func:`iterate_events` in one array.

    Beside files that have run, luminosity block and event number, events of files without them have -1 in all three.

    Raises:
        ReaderError: also when there is no event at all.
    """
    import awkward as ak

    chunks = list(iterate_events(paths, card, report=report))
    if not chunks:
        raise ReaderError(f"no event in {paths}")
    identity = [name for name in OPTIONAL_EVENT_COLUMNS if any(name in chunk.fields for chunk in chunks)]
    for name in identity:
        chunks = [
            chunk if name in chunk.fields else ak.with_field(chunk, np.full(len(chunk), NO_IDENTITY, np.int64), name)
            for chunk in chunks
        ]
    return ak.concatenate(chunks)

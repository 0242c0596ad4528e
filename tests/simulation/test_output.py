from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.simulation.columns import Collection, EventColumns
from pyg_hep.simulation.output import EventWriter


def columns(first: int, counts: list[int]) -> EventColumns:
    n, total = len(counts), sum(counts)
    return EventColumns(
        {
            "event": np.arange(first, first + n, dtype=np.uint64),
            "genWeight": np.full(n, -2.0, dtype=np.float32),
            "run": np.ones(n, dtype=np.uint32),
            "luminosityBlock": np.ones(n, dtype=np.uint32),
        },
        {
            "Jet": Collection(
                np.array(counts), {"pt": np.arange(total, dtype=np.float32), "id": np.zeros(total, np.int32)}
            )
        },
    )


def test_file_holds_ttrees_with_nanoaod_names_and_jagged_branches(tmp_path: Path):
    path = tmp_path / "new" / "a.root"
    with EventWriter(path) as writer:
        writer.write(columns(0, [2, 0]))
        writer.write(columns(2, [1]))
        writer.finish(3.0, 0.5, 4)
    with uproot.open(path) as file:
        assert file.classnames() == {"Events;1": "TTree", "Runs;1": "TTree"}
        tree = file["Events"]
        assert tree.keys()[:3] == ["run", "luminosityBlock", "event"]
        assert {name: tree.typenames()[name] for name in ("run", "event", "genWeight", "Jet_pt", "Jet_id")} == {
            "run": "uint32_t",
            "event": "uint64_t",
            "genWeight": "float",
            "Jet_pt": "float[]",
            "Jet_id": "int32_t[]",
        }
        events = tree.arrays()
        runs = file["Runs"].arrays(library="np")
    assert events.Jet_pt.to_list() == [[0.0, 1.0], [], [0.0]]
    assert ak.all(events.nJet == ak.num(events.Jet_pt))
    assert events.event.to_list() == [0, 1, 2]
    assert (runs["genEventCount"][0], runs["genEventSumw"][0], runs["genEventSumw2"][0]) == (3, -6.0, 12.0)
    assert (runs["genCrossSection"][0], runs["genCrossSectionError"][0], runs["genEventFailed"][0]) == (
        3.0,
        0.5,
        4,
    )


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_no_part_and_the_old_file_alone(tmp_path: Path, error: type[BaseException]):
    path = tmp_path / "a.root"
    path.write_bytes(b"old")
    seen = []

    def write_half_a_file() -> None:
        with EventWriter(path) as writer:
            writer.write(columns(0, [1] * 10_000))
            seen.extend(sorted(p.name for p in tmp_path.iterdir()))
            raise error

    with pytest.raises(error):
        write_half_a_file()
    assert seen == ["a.root", "a.root.part"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.root"]
    assert path.read_bytes() == b"old"


def test_collections_are_sorted_by_event_and_key():
    made = Collection.from_unsorted(
        np.array([2, 0, 2, 0]), 3, -np.array([5.0, 1.0, 7.0, 3.0]), {"pt": np.array([5.0, 1.0, 7.0, 3.0])}
    )
    assert made.counts.tolist() == [2, 0, 2]
    assert made.fields["pt"].tolist() == [3.0, 1.0, 7.0, 5.0]

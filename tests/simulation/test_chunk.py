from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyg_hep.errors import PygHepError
from pyg_hep.simulation.chunk import CHUNK_SIZE, Chunk, make_chunk
from pyg_hep.simulation.lhe import HardEvents


def test_seeds_differ_by_process_chunk_and_variant_and_are_valid_for_pythia():
    seeds = [
        Chunk(process, seed, number, 1, False).generator_seed(variant, attempt)
        for process in ("ttbar", "ttH")
        for seed in (1, 2**70)
        for number in (0, 1)
        for variant in (0, 1)
        for attempt in (0, 1)
    ]
    assert len(set(seeds)) == 32
    assert all(1 <= seed <= 900_000_000 for seed in seeds)
    # stable from run to run: a process's name enters by its CRC-32, not by Python's salted hash
    assert Chunk("ttbar", 1, 0, 1, False).generator_seed(0, 0) == 812440478


def test_event_numbers_continue_from_chunk_to_chunk():
    result = make_chunk(Chunk("WH", 1, 3, 50, False))
    assert result.columns.scalars["event"].tolist() == list(range(3 * CHUNK_SIZE, 3 * CHUNK_SIZE + 50))
    assert set(result.columns.scalars["luminosityBlock"].tolist()) == {4}
    assert set(result.columns.scalars["run"].tolist()) == {1}
    assert result.failed == 0


def test_a_hard_event_that_fails_is_counted_and_replaced_by_another(tmp_path: Path, lhe_text: Callable[..., str]):
    blocks = lhe_text(8).split("<event>")
    blocks[3] = blocks[3].replace(" 501 ", " 777 ", 1)  # a colour line without an end
    (tmp_path / "a.lhe").write_text("<event>".join(blocks))
    (part,) = HardEvents([tmp_path / "a.lhe"]).write_slices(tmp_path, 8, CHUNK_SIZE)
    result = make_chunk(Chunk("ttW", 1, 0, 8, False, part))
    numbers = result.columns.scalars["event"].tolist()
    assert len(numbers) == 8
    assert result.failed == 3
    assert 2 not in numbers
    assert set(numbers) == {0, 1, 3, 4, 5, 6, 7}


def test_numbers_follow_the_hard_events_past_a_failure(tmp_path: Path, lhe_text: Callable[..., str]):
    path = tmp_path / "a.lhe"
    path.write_text(lhe_text(30))
    energies = [float(line.split()[9]) for line in path.read_text().splitlines() if line.startswith("2 -1")]
    (part,) = HardEvents([path]).write_slices(tmp_path, 30, CHUNK_SIZE)
    scalars = make_chunk(Chunk("ttW", 1, 0, 30, False, part)).columns.scalars
    order = np.argsort(scalars["event"])
    np.testing.assert_allclose(scalars["Generator_x1"][order], np.array(energies) / 6500.0, rtol=1e-6)


def test_only_failures_is_one_sentence(tmp_path: Path, lhe_text: Callable[..., str]):
    (tmp_path / "a.lhe").write_text(lhe_text(2).replace("\n2 -1 0 0 501 ", "\n2 -1 0 0 777 "))
    (part,) = HardEvents([tmp_path / "a.lhe"]).write_slices(tmp_path, 2, CHUNK_SIZE)
    with pytest.raises(PygHepError, match="cannot shower 2 of the 2 hard events of chunk 0"):
        make_chunk(Chunk("ttW", 1, 0, 2, False, part))

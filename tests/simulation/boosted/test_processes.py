from __future__ import annotations

import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.readers import load_card
from pyg_hep.simulation.boosted.processes import CLASSES, JET_PROCESSES, find_jet_process


def test_every_class_has_a_process_and_the_order_of_the_card():
    assert {name for name in JET_PROCESSES if not name.startswith("resonance")} == set(CLASSES)
    assert all(process.label in CLASSES for process in JET_PROCESSES.values())
    assert tuple(load_card("jetclass").label.classes) == CLASSES


def test_shares_add_up_and_acceptances_are_probabilities():
    for process in JET_PROCESSES.values():
        assert sum(share for share, _ in process.channels) == pytest.approx(1.0)
        assert len(process.acceptance) in (0, 10)
        assert all(0 < value <= 1 for value in process.acceptance)


def test_an_unknown_process_names_the_nearest():
    with pytest.raises(ConfigError, match="unknown process of jets 'Hbbb'; did you mean 'Hbb'"):
        find_jet_process("Hbbb")

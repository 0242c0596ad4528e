from __future__ import annotations

import numpy as np
import pytest

from pyg_hep.simulation.boosted.processes import JET_PROCESSES
from pyg_hep.simulation.boosted.truth import matched_jets
from pyg_hep.simulation.columns import Collection


def truth(rows: list[tuple[int, int, float, float]]) -> Collection:
    """One event from (pdgId, mother, eta, phi)."""
    number, mother, eta, phi = zip(*rows, strict=True)
    fields = {
        "pdgId": np.array(number, dtype=np.int32), "genPartIdxMother": np.array(mother, dtype=np.int32),
        "eta": np.array(eta, dtype=np.float32), "phi": np.array(phi, dtype=np.float32),
    }  # fmt: skip
    return Collection(np.array([len(rows)]), fields)


TOP = [(6, -1, 0.0, 0.0), (24, 0, 0.1, 0.0), (5, 0, 0.2, 0.1), (2, 1, 0.3, 0.0), (-1, 1, -0.4, 0.2)]
LEPTONIC = [*TOP[:3], (-11, 1, 0.3, 0.0), (12, 1, 2.5, 2.0)]


def match(name: str, rows: list[tuple[int, int, float, float]], *axes: tuple[float, float]) -> list[bool]:
    eta, phi = np.array(axes).T
    return matched_jets(JET_PROCESSES[name], truth(rows), np.zeros(len(axes), dtype=np.int64), eta, phi).tolist()


def test_a_jet_matches_that_holds_all_products_and_no_other():
    assert match("Tbqq", TOP, (0.0, 0.0), (0.6, 0.0), (0.0, 3.0)) == [True, False, False]
    # across phi = pi
    turned = [(n, m, eta, phi + np.pi - 0.1) for n, m, eta, phi in TOP]
    assert match("Tbqq", turned, (0.0, -np.pi + 0.05)) == [True]


def test_neutrinos_need_not_be_within_the_jet_and_classes_do_not_mix():
    assert match("Tbl", LEPTONIC, (0.0, 0.0)) == [True]
    assert match("Tbqq", LEPTONIC, (0.0, 0.0)) == [False]
    assert match("Tbl", TOP, (0.0, 0.0)) == [False]
    assert match("Wqq", TOP, (0.0, 0.0)) == [True]
    assert match("Hbb", TOP, (0.0, 0.0)) == [False]


def test_a_jet_of_two_particles_needs_all_products_of_one():
    # One quark of each of two W bosons is no W.
    rows = [
        (24, -1, 0.0, 0.0),
        (-24, -1, 0.0, 3.0),
        (2, 0, 0.1, 0.0),
        (-1, 0, 0.0, 1.5),
        (1, 1, 0.2, 0.1),
        (-2, 1, 0.0, 3.0),
    ]
    assert match("Wqq", rows, (0.0, 0.0), (0.0, 3.0)) == [False, False]


def test_only_partons_of_the_hard_process_make_a_jet_of_quarks_and_gluons():
    rows = [(23, -1, 0.0, 3.0), (21, -1, 0.1, 0.0), (12, 0, 0.0, 2.0), (-12, 0, 0.0, -2.0)]
    assert match("QCD", rows, (0.0, 0.0), (0.0, 3.0)) == [True, False]
    assert match("QCD", TOP, (0.0, 0.0)) == [False]


@pytest.mark.parametrize("name", ["H4q", "Hqql"])
def test_products_are_found_through_a_chain(name: str):
    leptons = name == "Hqql"
    rows = [(25, -1, 0.0, 0.0), (24, 0, 0.0, 0.1), (-24, 0, 0.0, -0.1), (2, 1, 0.1, 0.0), (-1, 1, 0.2, 0.0)]
    rows += [(13, 2, -0.1, 0.0), (-14, 2, -0.2, 0.0)] if leptons else [(1, 2, -0.1, 0.0), (-2, 2, -0.2, 0.0)]
    assert match(name, rows, (0.0, 0.0), (0.75, 0.0)) == [True, False]

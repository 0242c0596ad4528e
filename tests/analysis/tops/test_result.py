import numpy as np
import pytest

from pyg_hep.analysis.tops import DileptonEvents, TopPairs
from pyg_hep.errors import PygHepError
from pyg_hep.spin import lepton_directions, spin_axes

from .partons import as_events, mass

NAMES = ("antilepton", "b", "neutrino", "lepton", "antib", "antineutrino")


def test_true_daughters_give_the_exact_tops(pairs):
    found = TopPairs.from_daughters(*(pairs[name] for name in NAMES))
    np.testing.assert_array_equal(found.top, pairs["antilepton"] + pairs["b"] + pairs["neutrino"])
    np.testing.assert_array_equal(found.antitop, pairs["lepton"] + pairs["antib"] + pairs["antineutrino"])
    everything = sum(pairs[name] for name in NAMES)
    np.testing.assert_allclose(found.m_ttbar, mass(everything), rtol=1e-12)
    np.testing.assert_allclose(found.pt_ttbar, 0.0, atol=1e-4)  # the file has no radiation
    assert found.valid.all()
    assert found.reasons == {"reconstructed": 4000}


def test_spin_observables_are_those_of_the_tops(pairs):
    found = TopPairs.from_daughters(*(pairs[name] for name in NAMES))
    # The file has the correlations of the Standard Model: 3 <c_hel> of all its events is 0.201.
    assert abs(3 * found.c_hel.mean() - 0.201) < 3 * 3 * found.c_hel.std() / np.sqrt(len(found))
    plus, minus = lepton_directions(found.top, found.antitop, found.antilepton, found.lepton)
    k = spin_axes(found.top, found.antitop).k
    np.testing.assert_allclose(found.c_han, found.c_hel - 2 * (plus * k).sum(1) * (minus * k).sum(1))


def test_spin_observables_need_tops_with_a_rest_frame(toys):
    vectors = [toys[name].copy() for name in NAMES]
    vectors[2][4] = np.nan
    for vector in vectors[:3]:
        vector[7] = [30.0, 0.0, 40.0, 50.0]  # all along one line: a top without mass
    found = TopPairs.from_daughters(*vectors)
    assert list(np.flatnonzero(np.isnan(found.c_hel))) == [4, 7]
    assert found.valid[7]


def test_true_neutrinos_and_pairing_give_the_exact_tops_too(toys):
    events = as_events(toys)
    swapped = DileptonEvents(events.antilepton, events.lepton, events.jets[:, ::-1], events.met)
    for given, pairing in ((events, 0), (swapped, 1)):
        neutrinos = toys["neutrino"][:, :3], toys["antineutrino"][:, :3]
        found = TopPairs.from_neutrinos(given, *neutrinos, np.full(50, pairing))
        np.testing.assert_allclose(mass(found.top), 172.5)
        np.testing.assert_allclose(mass(found.antitop), 172.5)
        np.testing.assert_array_equal(found.b, toys["b"])


def test_rows_that_are_not_finite_are_not_valid_and_empty(toys):
    vectors = [toys[name].copy() for name in NAMES]
    vectors[2][4] = np.nan
    found = TopPairs.from_daughters(*vectors)
    assert list(np.flatnonzero(~found.valid)) == [4]
    assert np.isnan(found.antitop[4]).all()
    assert found[:4].valid.all()
    assert len(found[:4]) == 4


def test_other_shapes_and_columns_are_refused(toys):
    vectors = [toys[name] for name in NAMES]
    with pytest.raises(PygHepError, match=r"neutrino of 50 top pairs has shape \(50, 4\), got \(50, 3\)"):
        TopPairs.from_daughters(*vectors[:2], vectors[2][:, :3], *vectors[3:])
    with pytest.raises(PygHepError, match="no column 'wait'"):
        TopPairs.from_daughters(*vectors, wait=1.0)
    with pytest.raises(PygHepError, match="fallback for 50 events has 3"):
        TopPairs.from_daughters(*vectors).or_else(TopPairs.from_daughters(*(v[:3] for v in vectors)))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_hep.errors import ReaderError
from pyg_hep.readers import objects
from pyg_hep.readers.card import Limit, ObjectDefinition, Overlap
from pyg_hep.readers.momenta import Collection
from pyg_hep.readers.plan import ObjectPlan
from pyg_hep.schema import ObjectType

PI32 = np.float32(np.pi)


def collection(pt, eta, phi, event, *, kind=ObjectType.JET, overlap=None, at_most=None, cuts=()):
    definition = ObjectDefinition(kind, ("X",), overlap=overlap, at_most=at_most)
    columns = {"pt": pt, "eta": eta, "phi": phi, "mass": np.zeros(len(pt)), "charge": np.zeros(len(pt))}
    columns = {k: np.asarray(v, dtype=np.float32) for k, v in columns.items()}
    return Collection(ObjectPlan(definition, {}, tuple(cuts), None), columns, np.asarray(event))


@given(st.floats(-1e4, 1e4))
def test_wrapped_azimuth_is_in_the_float32_interval_and_the_same_angle(phi):
    wrapped = objects.wrap_phi(np.array([phi]))[0]
    assert -PI32 <= wrapped < PI32
    # One ulp of float32 at pi, and the rounding of a float64 turn count at 1e4.
    assert abs(np.exp(1j * float(wrapped)) - np.exp(1j * phi)) < 5e-7


def test_azimuth_at_the_ends_of_the_interval():
    ends = np.array([np.pi, -np.pi, PI32, -PI32, 3.1416015625])  # the last one is what half precision makes of pi
    wrapped = objects.wrap_phi(ends)
    assert np.all((wrapped >= -PI32) & (wrapped < PI32))


@pytest.mark.parametrize(
    ("column", "value"), [("pt", np.nan), ("pt", np.inf), ("pt", -1), ("eta", np.nan), ("phi", -np.inf), ("mass", -1.5)]
)
def test_impossible_values_are_found(column, value):
    jets = collection([30, 40], [0, 1], [0, 1], [0, 0])
    jets.columns[column][1] = value
    (mask,) = objects.invalid_objects(jets).values()
    assert mask.tolist() == [False, True]


def test_small_negative_mass_is_rounding_and_becomes_zero():
    jets = collection([30, 40], [0, 1], [0, 1], [0, 0])
    jets.columns["mass"][:] = [-0.34, 5]  # -0.34 GeV is the lowest seen in CMS files
    assert objects.invalid_objects(jets) == {}
    assert objects.clip_masses(jets) == 1
    assert jets.columns["mass"].tolist() == [0, 5]


def reference_overlap(jets, leptons, delta_r):
    """Plain double loop."""
    kept = []
    for i in range(len(jets.event)):
        close = False
        for k in range(len(leptons.event)):
            if jets.event[i] == leptons.event[k]:
                d_phi = np.angle(np.exp(1j * float(jets.columns["phi"][i] - leptons.columns["phi"][k])))
                close |= np.hypot(jets.columns["eta"][i] - leptons.columns["eta"][k], d_phi) < delta_r
        kept.append(not close)
    return np.array(kept)


def test_overlap_removal_equals_a_double_loop():
    rng = np.random.default_rng(3)
    event_a, event_b = np.sort(rng.integers(0, 50, 300)), np.sort(rng.integers(0, 50, 200))
    jets = collection(
        rng.uniform(20, 50, 300),
        rng.normal(0, 1, 300),
        rng.uniform(-3.14, 3.14, 300),
        event_a,
        overlap=Overlap(("lepton",), 0.7),
    )
    leptons = collection(rng.uniform(20, 50, 200), rng.normal(0, 1, 200), rng.uniform(-3.14, 3.14, 200), event_b)
    expected = reference_overlap(jets, leptons, 0.7)
    pt = jets.columns["pt"]
    assert 0 < expected.sum() < 300
    objects.remove_overlaps({"jet": jets, "lepton": leptons})
    assert jets.columns["pt"].tolist() == pt[expected].tolist()


def test_overlap_counts_only_objects_that_survive_their_own_removal():
    # The tau falls to the electron, so the jet beside the tau stays.
    electron = collection([30], [0.0], [0.0], [0])
    tau = collection([40], [0.3], [0.0], [0], overlap=Overlap(("electron",), 0.4))
    jet = collection([50], [0.6], [0.0], [0], overlap=Overlap(("tau",), 0.4))
    objects.remove_overlaps({"jet": jet, "tau": tau, "electron": electron})
    assert len(tau.event) == 0
    assert len(jet.event) == 1


def test_circular_overlap_removal_is_an_error():
    a = collection([30], [0.0], [0.0], [0], overlap=Overlap(("b",)))
    b = collection([30], [0.0], [0.0], [0], overlap=Overlap(("a",)))
    with pytest.raises(ReaderError, match="a -> b -> a"):
        objects.remove_overlaps({"a": a, "b": b})


def test_objects_are_ordered_by_pt_within_events_and_limited():
    jets = collection([10, 30, 20, 5, 50, 40], np.zeros(6), np.zeros(6), [0, 0, 0, 1, 1, 1], at_most=2)
    objects.order_and_limit(jets)
    assert jets.columns["pt"].tolist() == [30, 20, 50, 40]
    assert jets.event.tolist() == [0, 0, 1, 1]


def test_limit_holds_for_several_kinds_together():
    electrons = collection([50, 20], [0, 0], [0, 0], [0, 1], kind=ObjectType.ELECTRON)
    muons = collection([60, 40, 30], [0, 0, 0], [0, 0, 0], [0, 0, 1], kind=ObjectType.MUON)
    objects.apply_limits({"electron": electrons, "muon": muons}, [Limit(("electron", "muon"), 2)])
    assert electrons.columns["pt"].tolist() == [50, 20]
    assert muons.columns["pt"].tolist() == [60, 30]

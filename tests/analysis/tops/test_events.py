import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset
from torch_geometric.data import Batch, Data

from pyg_hep.analysis.tops import DileptonEvents, Reason, reconstruct_tops
from pyg_hep.datasets import EventDataset
from pyg_hep.errors import PygHepError
from pyg_hep.schema import Level, ObjectType

JET, ELECTRON, MUON, MET = (int(k) for k in (ObjectType.JET, ObjectType.ELECTRON, ObjectType.MUON, ObjectType.MET))


def graph(objects, scores=None, **event):
    """Objects (kind, pt, charge, btag, level); eta and phi differ from object to object."""
    n = len(objects)
    pt = torch.tensor([float(o[1]) for o in objects])
    eta, phi = torch.linspace(-1.0, 1.0, n), torch.linspace(-3.0, 2.0, n)
    columns = {} if scores is None else {"btag_score": torch.tensor(scores)}
    return Data(
        p4=torch.stack([pt, eta, phi, torch.full((n,), 0.1)], dim=1),
        kind=torch.tensor([o[0] for o in objects]),
        charge=torch.tensor([float(o[2]) for o in objects]),
        btag=torch.tensor([float(o[3]) for o in objects]),
        level=torch.tensor([o[4] if len(o) > 4 else int(Level.RECO) for o in objects]),
        y=torch.zeros(1, dtype=torch.int64),
        weight=torch.ones(1),
        num_nodes=n,
        **columns,
        **event,
    )


LEPTONS = [(ELECTRON, 50, 1, 0), (MUON, 40, -1, 0)]
B_JETS = [(JET, 50, 0, 1), (JET, 40, 0, 1)]
NOTHING_ELSE = [(MET, 60, 0, 0)]


def jets_of(*jets, scores=None):
    """pt of the chosen jets, for jets (pt, btag)."""
    objects = LEPTONS + [(JET, pt, 0, tag) for pt, tag in jets] + NOTHING_ELSE
    if scores is not None:
        scores = [0.0, 0.0, *scores, 0.0]
    events = DileptonEvents.from_graphs(graph(objects, scores))
    return [round(float(x)) for x in np.hypot(events.jets[0, :, 0], events.jets[0, :, 1])]


def test_which_jets_are_the_b_quarks():
    assert jets_of((90, 0), (35, 1), (60, 1)) == [60, 35]
    assert jets_of((90, 0), (35, 1), (60, 1), (80, 1)) == [80, 60]
    assert jets_of((90, 0), (35, 1), (95, 0)) == [35, 95]
    assert jets_of((90, 0), (35, 0), (95, 0)) == [95, 90]


def test_a_stored_score_chooses_between_tagged_jets_only():
    assert jets_of((90, 1), (35, 1), (60, 1), scores=[0.5, 0.9, 0.8]) == [35, 60]
    assert jets_of((90, 0), (35, 1), (60, 0), scores=[0.1, 0.9, 0.2]) == [35, 90]


def test_leptons_by_charge_and_missing_momentum():
    events = DileptonEvents.from_graphs(graph([*LEPTONS, *B_JETS, *NOTHING_ELSE]))
    assert events.usable.all()
    assert np.hypot(*events.antilepton[0, :2]) == pytest.approx(50.0)
    assert np.hypot(*events.lepton[0, :2]) == pytest.approx(40.0)
    assert np.hypot(*events.met[0]) == pytest.approx(60.0)
    assert events.met.dtype == np.float64


UNUSABLE = {
    Reason.LEPTONS: [
        [LEPTONS[0], *B_JETS, *NOTHING_ELSE],
        [LEPTONS[0], LEPTONS[0], *B_JETS, *NOTHING_ELSE],
        [*LEPTONS, (ELECTRON, 20, 1, 0), *B_JETS, *NOTHING_ELSE],
        [(ELECTRON, 50, 1, 0), (ELECTRON, 40, -1, 0, int(Level.GEN)), *B_JETS, *NOTHING_ELSE],
        [LEPTONS[0], *NOTHING_ELSE],
    ],
    Reason.JETS: [[*LEPTONS, *B_JETS[:1], *NOTHING_ELSE], [*LEPTONS, *NOTHING_ELSE]],
    Reason.MET: [[*LEPTONS, *B_JETS]],
}


def test_other_events_stay_in_their_place_with_a_reason():
    good = [*LEPTONS, *B_JETS, *NOTHING_ELSE]
    graphs, expected = [graph(good)], [Reason.NONE]
    for reason, several in UNUSABLE.items():
        for objects in several:
            graphs += [graph(objects), graph(good)]
            expected += [reason, Reason.NONE]
    events = DileptonEvents.from_graphs(Batch.from_data_list(graphs))
    assert list(events.reason) == expected
    pairs = reconstruct_tops(Batch.from_data_list(graphs), "visible_mass")
    np.testing.assert_array_equal(pairs.valid, events.usable)
    assert np.isnan(pairs.top[~pairs.valid]).all()
    assert pairs.reasons == {
        "reconstructed": 9,
        "other than two leptons of opposite charge": 5,
        "fewer than two jets": 2,
        "not one missing transverse momentum": 1,
    }


def test_generated_objects_do_not_count():
    gen = [(JET, 500, 0, 1, int(Level.GEN)), (MUON, 90, 1, 0, int(Level.GEN)), (MET, 9, 0, 0, int(Level.GEN))]
    events = DileptonEvents.from_graphs(graph(LEPTONS + B_JETS + NOTHING_ELSE + gen))
    assert events.usable.all()
    assert np.hypot(*events.jets[0, 0, :2]) == pytest.approx(50.0)


def dataset(size, first=0):
    graphs = [graph([*LEPTONS, (JET, 50 + k, 0, 1), (JET, 40, 0, k % 2), *NOTHING_ELSE]) for k in range(size)]
    batch = Batch.from_data_list(graphs)
    nodes = {name: batch[name] for name in ("p4", "kind", "charge", "btag", "level")}
    number = np.arange(first, first + size)
    events = {"run_number": number * 0 + 7, "luminosity_block": number * 0 + 1, "event_number": number}
    return EventDataset.from_columns(nodes, [5] * size, events)


def test_data_sets_subsets_and_batches_are_the_same_events():
    events = dataset(12)
    whole = reconstruct_tops(events, copies=5)
    some = [9, 2, 5]
    part = reconstruct_tops(Subset(events, some), copies=5)
    np.testing.assert_array_equal(part.top, whole.top[some])
    batch = reconstruct_tops(Batch.from_data_list([events[k] for k in some]), copies=5)
    np.testing.assert_array_equal(batch.top, whole.top[some])
    both = reconstruct_tops(ConcatDataset([events, dataset(3, first=100)]), copies=5)
    np.testing.assert_array_equal(both.top[:12], whole.top)
    assert len(both) == 15


def test_the_graphs_stay_at_hand_for_networks():
    events = dataset(4)
    assert DileptonEvents.from_graphs(events).source is events
    assert DileptonEvents.from_graphs(events)[1:].source is None


def test_arrays_of_other_shapes_are_refused():
    four = np.ones((3, 4))
    with pytest.raises(PygHepError, match=r"jets of 3 dileptonic events has shape \(3, 2, 4\), got \(3, 3, 4\)"):
        DileptonEvents(four, four, np.ones((3, 3, 4)), np.ones((3, 2)))

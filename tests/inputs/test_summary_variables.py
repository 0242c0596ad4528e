"""Event variables against hand-computed events, a loop over events with ``vector``, and their symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import vector
from torch_geometric.data import Batch, Data

from pyg_hep.errors import PygHepError
from pyg_hep.evaluation import SummaryVariables
from pyg_hep.kinematics import reflect_z, rotate_phi
from pyg_hep.schema import Level, ObjectType
from pyg_hep.testing.events import random_events

JET, ELECTRON, MUON, PHOTON, MET = (
    ObjectType.JET,
    ObjectType.ELECTRON,
    ObjectType.MUON,
    ObjectType.PHOTON,
    ObjectType.MET,
)


def event(*objects: tuple) -> Data:
    """One event of (kind, pt, eta, phi, mass, charge, btag, level) rows; the last three may be left out."""
    rows = [(*o, *(0, 0, Level.RECO)[len(o) - 5 :]) for o in objects]
    columns = torch.tensor(rows, dtype=torch.float64).T
    return Data(
        kind=columns[0].long(),
        p4=columns[1:5].T.float(),
        charge=columns[5].float(),
        btag=columns[6].float(),
        level=columns[7].long(),
        num_nodes=len(rows),
    )


def variables(*events: Data) -> dict[str, np.ndarray]:
    summary = SummaryVariables()
    return dict(zip(summary.names, summary(Batch.from_data_list(list(events))).T, strict=True))


Z_EVENT = event(
    (JET, 60, 1.0, 0.5, 5, 0, 1),
    (MUON, 45, 0.0, 0.0, 0, -1),
    (MUON, 46.2, 0.0, math.pi - 1e-6, 0, 1),
    (ELECTRON, 20, 1.0, 1.0, 0, -1),
    (MET, 30, 0.0, 1.0, 0),
)


def test_names_are_unique_and_name_the_columns():
    summary = SummaryVariables()
    table = summary(random_events(num_events=3))
    assert table.dtype == np.float32
    assert table.shape == (3, len(summary.names))
    assert len(set(summary.names)) == len(summary.names)


def test_hand_computed_dilepton_event():
    v = {name: column[0] for name, column in variables(Z_EVENT).items()}
    assert (v["n_jet"], v["n_b_jet"], v["n_muon"], v["n_electron"], v["n_photon"]) == (1, 1, 2, 1, 0)
    assert v["ht"] == pytest.approx(60)
    assert v["st"] == pytest.approx(60 + 45 + 46.2 + 20 + 30)
    assert v["pt_sum_lepton"] == pytest.approx(111.2)
    assert v["met"] == pytest.approx(30)
    # Back to back and massless: m = 2 sqrt(pt1 pt2); the electron makes no pair of the same flavour.
    assert v["m_z_candidate"] == pytest.approx(2 * math.sqrt(45 * 46.2), rel=1e-5)
    assert v["n_same_flavour_opposite_charge"] == 1
    assert v["n_same_charge"] == 1  # the negative muon and the electron
    assert v["lepton_charge"] == -1
    assert v["lepton1_pt"] == pytest.approx(46.2)
    # mT^2 = 2 pt MET (1 - cos dphi) of the leading lepton.
    assert v["mt_lepton_met"] == pytest.approx(math.sqrt(2 * 46.2 * 30 * (1 - math.cos(math.pi - 1))), rel=1e-5)
    assert v["dphi_jet_met"] == pytest.approx(0.5, abs=1e-5)
    assert v["dr_lb_min"] == pytest.approx(0.5, abs=1e-5)


def test_variables_of_absent_objects_are_undefined_and_counts_are_zero():
    v = {name: column[0] for name, column in variables(event((JET, 50, 0.3, 0.1, 4))).items()}
    assert (v["n_muon"], v["n_photon"], v["n_b_jet"]) == (0, 0, 0)
    for name in ("m_jj", "jet2_pt", "lepton1_pt", "m_yy", "met", "m_z_candidate", "dr_lj_min", "m_bqq_near_top"):
        assert math.isnan(v[name]), name
    assert v["jet1_mass"] == pytest.approx(4)


def test_pairs_closest_to_a_mass_are_found_among_all():
    # Massless, back to back in pairs: (0, 1) has 2 * 40.185 = 80.37 GeV, all others are further from the W.
    jets = event((JET, 200, 1, 2.0, 0), (JET, 40.185, 0, 0, 0), (JET, 40.185, 0, -math.pi, 0), (JET, 30, -2, 1, 0))
    v = variables(jets)
    assert v["m_jj_near_80"][0] == pytest.approx(80.37, rel=1e-5)
    assert v["m_jj"][0] > 100
    assert v["dr_jj_near_80"][0] == pytest.approx(math.pi, rel=1e-5)


def test_hadronic_top_is_put_together_from_a_b_jet_and_two_others():
    # t -> b W at rest in the transverse plane: each jet's energy from two-body kinematics, masses neglected.
    top, w = 172.6, 80.37
    momentum = (top**2 - w**2) / (2 * top)
    energy_w = math.hypot(w, momentum)
    # W -> q q along its direction of flight (+x): one quark forward, one backward.
    forward, backward = (energy_w + momentum) / 2, (energy_w - momentum) / 2
    decay = event(
        (JET, momentum, 0, -math.pi, 0, 0, 1),
        (JET, forward, 0, 0, 0),
        (JET, backward, 0, -math.pi, 0),
        (JET, 400, 1.5, 1.5, 0),
    )
    v = variables(decay)
    assert v["m_bqq_near_top"][0] == pytest.approx(top, rel=1e-5)
    assert v["m_qq_in_top"][0] == pytest.approx(w, rel=1e-5)


def test_event_shapes_have_their_textbook_values():
    back_to_back = event((JET, 50, 0, 0, 0), (JET, 50, 0, -math.pi, 0))
    # Six equal momenta along the axes: isotropic (along z approximately, at a very large eta).
    eta = 12.0
    small = 50 / math.cosh(eta)
    axes = [(JET, 50, 0, k * math.pi / 2 - math.pi, 0) for k in range(4)]
    isotropic = event(*axes, (JET, small, eta, 0, 0), (JET, small, -eta, 0, 0))
    v = variables(back_to_back, isotropic)
    np.testing.assert_allclose(v["sphericity"], [0, 1], atol=1e-5)
    np.testing.assert_allclose(v["aplanarity"], [0, 0.5], atol=1e-5)
    np.testing.assert_allclose(v["transverse_sphericity"], [0, 1], atol=1e-5)


def test_variables_agree_with_a_loop_over_events_in_vector():
    batch = random_events(num_events=200, seed=3)
    table = dict(zip(SummaryVariables().names, SummaryVariables()(batch).T, strict=True))
    for k in range(200):
        rows = slice(int(batch.ptr[k]), int(batch.ptr[k + 1]))
        columns = dict(zip(("pt", "eta", "phi", "mass"), batch.p4[rows].double().numpy().T, strict=True))
        objects, kind = vector.array(columns), batch.kind[rows].numpy()
        jets = objects[kind == JET]
        jets = jets[np.argsort(-jets.pt)]
        visible = objects[kind != MET]
        assert table["n_jet"][k] == len(jets)
        assert table["ht"][k] == pytest.approx(jets.pt.sum(), rel=1e-5)
        if len(visible):
            total = visible.sum()
            # float32 result of float64 sums; m^2 of the inputs' rounding relative to E^2.
            assert table["m_visible"][k] == pytest.approx(total.mass, rel=1e-4, abs=1e-2)
            assert table["pt_visible"][k] == pytest.approx(total.rho, rel=1e-4, abs=1e-3)
        jets = jets[:8]
        if len(jets) >= 2:
            i, j = np.triu_indices(len(jets), 1)
            mass, distance = (jets[i] + jets[j]).mass, jets[i].deltaR(jets[j])
            assert table["m_jj"][k] == pytest.approx((jets[0] + jets[1]).mass, rel=1e-4)
            assert table["m_jj_max"][k] == pytest.approx(mass.max(), rel=1e-4)
            assert table["m_jj_min"][k] == pytest.approx(mass.min(), rel=1e-4)
            assert table["dr_jj_min"][k] == pytest.approx(distance.min(), abs=1e-5)
            assert table["dr_jj_mean"][k] == pytest.approx(distance.mean(), abs=1e-5)
            assert table["m_jj_near_125"][k] == pytest.approx(mass[np.abs(mass - 125.2).argmin()], rel=1e-4)


def test_variables_know_neither_the_order_of_objects_nor_their_neighbours():
    batch = random_events(num_events=50, seed=4)
    table = SummaryVariables()(batch)
    generator = torch.Generator().manual_seed(0)
    single = []
    for data in batch.to_data_list():
        order = torch.randperm(data.num_nodes, generator=generator)
        for name in ("p4", "kind", "charge", "btag", "level"):
            data[name] = data[name][order]
        single.append(SummaryVariables()(Batch.from_data_list([data]))[0])
    # Sums in another order differ by float32 rounding of results; undefined stays undefined.
    np.testing.assert_allclose(np.stack(single), table, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", [reflect_z, lambda p4: rotate_phi(p4, 1.234)], ids=["reflection", "rotation"])
def test_variables_do_not_change_under_the_symmetries_of_the_detector(change):
    batch = random_events(num_events=100, seed=5)
    table = SummaryVariables()(batch)
    batch.p4 = change(batch.p4)
    # A rotated azimuth is rounded to 2e-7 rad.
    np.testing.assert_allclose(SummaryVariables()(batch), table, rtol=2e-3, atol=2e-3)


def test_without_charges_no_column_depends_on_them():
    summary = SummaryVariables(charges=False)
    batch = random_events(num_events=200, seed=6)
    table, with_charges = summary(batch), SummaryVariables()
    assert set(summary.names) - set(with_charges.names) == {"n_same_flavour"}
    assert {"lepton_charge", "lepton_charge_abs", "n_same_charge"} <= set(with_charges.names) - set(summary.names)
    before = with_charges(batch)
    batch.charge = -batch.charge * (torch.arange(batch.num_nodes) % 2)
    np.testing.assert_array_equal(summary(batch), table)
    assert not np.array_equal(with_charges(batch), before, equal_nan=True)
    v = {name: column[0] for name, column in zip(summary.names, summary(Batch.from_data_list([Z_EVENT])).T[:, None],
                                                 strict=True)}  # fmt: skip
    assert v["n_same_flavour"] == 1
    assert v["m_z_candidate"] == pytest.approx(2 * math.sqrt(45 * 46.2), rel=1e-5)


def test_generator_level_objects_are_left_out():
    with_truth = event(*[(JET, 50, 0.5, 0.1, 4), (JET, 70, 0.5, 2.1, 4, 0, 1, Level.GEN), (MET, 90, 0, 0, 0, 0, 0, 1)])
    alone = event((JET, 50, 0.5, 0.1, 4))
    summary = SummaryVariables()
    np.testing.assert_array_equal(summary(Batch.from_data_list([with_truth])), summary(Batch.from_data_list([alone])))


def test_batch_without_a_raw_column_is_an_error():
    batch = random_events(num_events=2)
    del batch.btag
    with pytest.raises(PygHepError, match="'btag'"):
        SummaryVariables()(batch)
    with pytest.raises(PygHepError, match="at least 4 jets"):
        SummaryVariables(jets=2)

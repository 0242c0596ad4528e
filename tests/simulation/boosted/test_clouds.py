from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyg_hep.simulation.boosted.clouds import MOST, find_jets, jet_columns, select_jets
from pyg_hep.simulation.boosted.detectors import FAST
from pyg_hep.simulation.boosted.particle_flow import Constituents


def cloud(number: int, axes: list[tuple[float, float]], total: float, seed: int = 1) -> Constituents:
    """``number`` particles of ``total`` GeV about every axis (eta, phi), all in the first of two events."""
    rng = np.random.default_rng(seed)
    pt = np.concatenate([(x := rng.exponential(1.0, number)) * total / x.sum() for _ in axes])
    eta = np.concatenate([eta + rng.normal(0, 0.1, number) for eta, _ in axes])
    phi = np.concatenate([phi + rng.normal(0, 0.1, number) for _, phi in axes])
    size = pt.size
    return Constituents(
        event=np.zeros(size, dtype=np.int64), px=pt * np.cos(phi), py=pt * np.sin(phi), pz=pt * np.sinh(eta),
        energy=pt * np.cosh(eta), charge=np.tile([1, 0], size)[:size], kind=np.tile([0, 2], size)[:size],
        d0=rng.normal(size=size), d0_error=np.ones(size), dz=rng.normal(size=size), dz_error=np.ones(size),
        pile_up=np.zeros(size, dtype=bool),
    )  # fmt: skip


def test_jets_are_sums_of_their_particles_within_the_range():
    found = cloud(50, [(0.0, 0.0), (-1.0, 2.8), (2.4, 1.5)], 700.0)
    event, p4, members = find_jets(found, 2, FAST)
    assert event.tolist() == [0, 0]  # the third is beyond abs(eta) 2
    for k in range(2):
        mine = members.event == k
        sums = [getattr(members, name)[mine].sum() for name in ("px", "py", "pz", "energy")]
        assert p4[k] == pytest.approx(sums)
    soft, hard = (find_jets(cloud(50, [(0.0, 0.0)], total), 2, FAST)[0].size for total in (450.0, 1200.0))
    assert soft == hard == 0


def test_grooming_takes_soft_particles_away_and_keeps_the_rest():
    found = cloud(50, [(0.0, 0.0)], 700.0)
    _, p4, all_members = find_jets(found, 2, FAST)
    _, groomed, members = find_jets(found, 2, replace(FAST, soft_drop=(0.1, 0.0)))
    assert 1 <= members.event.size < all_members.event.size
    assert set(members.px) < set(all_members.px)
    assert 500 < np.hypot(*groomed[0, :2]) < np.hypot(*p4[0, :2])


def test_the_128_hardest_particles_are_written_by_falling_pt():
    _, p4, members = find_jets(cloud(300, [(-0.5, 3.1)], 700.0), 2, FAST)
    columns = jet_columns("Hgg", p4, members)
    part, scalars = columns.collections["part"], columns.scalars
    assert part.counts.tolist() == [MOST] == scalars["jet_nparticles"].tolist()
    pt = np.hypot(part.fields["px"], part.fields["py"])
    assert (np.diff(pt) <= 0).all()
    np.testing.assert_allclose(pt, np.sort(np.hypot(members.px, members.py))[::-1][:MOST], rtol=1e-6)
    assert scalars["label_Hgg"].tolist() == [1.0]
    assert sum(float(scalars[name][0]) for name in scalars if name.startswith("label_")) == 1.0
    # Differences to the axis: wrapped in azimuth, away from the centre of the detector positive in eta.
    assert np.abs(part.fields["dphi"]).max() < 1.0
    eta = np.arcsinh(part.fields["pz"] / pt)
    np.testing.assert_allclose(part.fields["deta"], -(eta - scalars["jet_eta"][0]), atol=1e-5)
    assert all(values.dtype == np.float32 for values in part.fields.values())


def test_selected_jets_keep_their_particles():
    event, p4, members = find_jets(cloud(50, [(0.0, 0.0), (-1.0, 2.8)], 700.0), 2, FAST)
    _, one, its = select_jets(np.array([False, True]), event, p4, members)
    assert one.tolist() == p4[1:].tolist()
    assert set(its.event) == {0}
    assert its.px.tolist() == members.px[members.event == 1].tolist()

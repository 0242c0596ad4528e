"""Observables of small jets by brute force: sums over pairs and triples, clustering one pair at a time."""

import itertools
import math
import sys
import warnings

import numpy as np
import pytest
import torch

from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.evaluation import jet_observables
from pyg_hep.evaluation.jets import OBSERVABLES
from pyg_hep.kinematics import from_cartesian, to_cartesian

NAMES = ("pt", "mass", "multiplicity", "e2", "e3", "d2")


def jets(counts, seed=0, mass=0.0):
    """Packed particles around (eta, phi) = (0.7, pi): azimuths on both sides of the seam."""
    generator = torch.Generator().manual_seed(seed)
    n = sum(counts)
    pt = 1.0 + 50.0 * torch.rand(n, generator=generator, dtype=torch.float64) ** 3
    eta, phi = (0.3 * torch.randn(n, generator=generator, dtype=torch.float64) for _ in range(2))
    phi = torch.remainder(phi, 2 * math.pi) - math.pi
    p4 = torch.stack([pt, eta + 0.7, phi, torch.full_like(pt, mass)], dim=-1)
    return p4, np.concatenate([[0], np.cumsum(counts)])


def plain(p4):
    """(pt, y, phi) of each particle of one jet, from Cartesian components."""
    px, py, pz, energy = to_cartesian(p4).numpy().T
    return list(zip(np.hypot(px, py), 0.5 * np.log((energy + pz) / (energy - pz)), np.arctan2(py, px), strict=True))


def distance(a, b):
    d_phi = abs(a[2] - b[2])
    return math.hypot(a[1] - b[1], min(d_phi, 2 * math.pi - d_phi))


def correlation(particles, n, beta):
    total = sum(p[0] for p in particles)
    return sum(
        math.prod(p[0] / total for p in some)
        * math.prod(distance(a, b) for a, b in itertools.combinations(some, 2)) ** beta
        for some in itertools.combinations(particles, n)
    )


def subjettiness(particles, n, beta, radius):
    """kT, winner-takes-all: the nearest pair becomes one of its summed pT in the direction of the harder one."""
    axes = list(particles)
    while len(axes) > n:
        pairs = itertools.combinations(range(len(axes)), 2)
        i, j = min(pairs, key=lambda ij: min(axes[ij[0]][0], axes[ij[1]][0]) * distance(axes[ij[0]], axes[ij[1]]))
        hard = axes[i] if axes[i][0] > axes[j][0] else axes[j]
        merged = (axes[i][0] + axes[j][0], *hard[1:])
        axes = [a for k, a in enumerate(axes) if k not in (i, j)] + [merged]
    total = sum(p[0] for p in particles)
    return sum(p[0] * min(distance(p, a) for a in axes) ** beta for p in particles) / (total * radius**beta)


@pytest.mark.parametrize(("beta", "mass"), [(1.0, 0.0), (2.0, 0.0), (0.5, 0.14)])
def test_observables_are_those_of_brute_force(beta, mass):
    counts = [2, 5, 9, 12, 3]
    p4, ptr = jets(counts, mass=mass)
    found = jet_observables(p4, ptr=ptr, names=OBSERVABLES, beta=beta, radius=0.8)
    assert tuple(found) == OBSERVABLES
    for k, (first, last) in enumerate(itertools.pairwise(ptr)):
        particles = plain(p4[first:last])
        total = from_cartesian(to_cartesian(p4[first:last]).sum(0))
        e2, e3 = (correlation(particles, n, beta) for n in (2, 3))
        tau = [subjettiness(particles, n, beta, 0.8) for n in (1, 2, 3)]
        expected = {
            "pt": total[0].item(),
            "mass": total[3].item(),
            "multiplicity": counts[k],
            "e2": e2,
            "e3": e3,
            "d2": e3 / e2**3,
            "tau1": tau[0],
            "tau2": tau[1],
            "tau3": tau[2],
            "tau21": tau[1] / tau[0],
            "tau32": tau[2] / tau[1] if tau[1] > 1e-12 else 0.0,
        }
        assert {n: v[k] for n, v in found.items()} == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_padded_and_packed_jets_in_any_order_are_the_same():
    p4, ptr = jets([4, 30, 1, 11])
    packed = jet_observables(p4, ptr=ptr)
    padded, mask = torch.full((4, 30, 4), math.nan, dtype=torch.float64), torch.zeros(4, 30, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    for k, (first, last) in enumerate(itertools.pairwise(ptr)):
        slots = torch.randperm(30, generator=generator)[: last - first]
        padded[k, slots], mask[k, slots] = p4[first:last], True
    for name, values in jet_observables(padded, mask).items():
        np.testing.assert_allclose(values, packed[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_extreme_jets():
    """None, one, two and 300 particles, some without energy."""
    p4, ptr = jets([0, 1, 2, 300, 4])
    p4[ptr[4] :, 0] = torch.tensor([0.0, 20.0, 10.0, 0.0])
    found = jet_observables(p4, ptr=ptr, names=OBSERVABLES)
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["multiplicity"].tolist() == [0, 1, 2, 300, 4]
    assert all(values[0] == 0 for values in found.values())
    assert found["pt"][1] == pytest.approx(p4[0, 0].item())
    for name in ("mass", "e2", "e3", "d2", "tau1", "tau21"):
        assert found[name][1] == pytest.approx(0.0, abs=1e-6), name
    assert found["e3"][2] == pytest.approx(0.0, abs=1e-15)
    assert found["tau2"][2] == 0.0
    assert found["tau1"][2] > 0.0
    # Particles without energy are counted and change nothing else.
    bare = jet_observables(p4[ptr[4] + 1 : ptr[4] + 3], ptr=[0, 2], names=OBSERVABLES)
    for name in set(OBSERVABLES) - {"multiplicity"}:
        assert found[name][4] == pytest.approx(bare[name][0], rel=1e-9, abs=1e-9), name


def test_of_no_jets_and_of_no_energy():
    assert all(v.shape == (0,) for v in jet_observables(torch.zeros(0, 4), ptr=[0], names=OBSERVABLES).values())
    nothing = jet_observables(torch.zeros(1, 3, 4), torch.ones(1, 3, dtype=torch.bool), names=OBSERVABLES)
    assert {name: values[0] for name, values in nothing.items() if values[0]} == {"multiplicity": 3.0}


def test_fastjet_neither_warns_nor_changes_warnings(capfd):
    look = warnings.formatwarning
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jet_observables(jets([5])[0], ptr=[0, 5], names=["tau21"])
    assert warnings.formatwarning is look
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_computed_is_said(monkeypatch):
    p4, ptr = jets([5])
    with pytest.raises(ConfigError, match="no observable 'tau_21' of jets: did you mean 'tau21'"):
        jet_observables(p4, ptr=ptr, names=["tau_21"])
    with pytest.raises(PygHepError, match="positive numbers, got beta=0"):
        jet_observables(p4, ptr=ptr, beta=0)
    monkeypatch.setitem(sys.modules, "fastjet", None)
    with pytest.raises(ConfigError, match=r"needs the package fastjet: pip install 'pyg_hep\[simulation\]'"):
        jet_observables(p4, ptr=ptr, names=["tau21"])
    assert tuple(jet_observables(p4, ptr=ptr, names=NAMES)) == NAMES  # the others do not need it

import itertools
import math
import sys

import numpy as np
import pytest
import torch

from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.evaluation import energy_flow_polynomials, jet_observables


def test_polynomials_are_sums_over_particles():
    """energyflow's order begins: no edge, one to four edges on one pair, two edges in a chain."""
    pytest.importorskip("energyflow", reason="pip install --no-deps energyflow wasserstein wurlitzer")
    generator = torch.Generator().manual_seed(0)
    p4 = torch.rand(9, 4, generator=generator, dtype=torch.float64) * torch.tensor([50.0, 1.0, 1.0, 0.3])
    p4[8, 0] = 0.0  # without energy
    ptr = [0, 5, 5, 6, 9]
    found = energy_flow_polynomials(p4, ptr=ptr)
    assert found.shape == (4, 36)
    assert not found[1].any()
    for k, (first, last) in enumerate(itertools.pairwise(ptr)):
        pt, eta, phi, mass = p4[first:last].numpy().T
        y = np.arcsinh(pt * np.sinh(eta) / np.hypot(pt, mass))
        z = pt / max(pt.sum(), 1e-9)
        r = np.hypot(y[:, None] - y, phi[:, None] - phi)
        pairs = [(z * z[:, None] * r**power).sum() for power in (1, 2, 3, 4)]
        chain = np.einsum("i,j,k,ij,jk", z, z, z, r, r)
        expected = [float(last > first), *pairs, chain]
        np.testing.assert_allclose(found[k, :6], expected, rtol=1e-9, atol=1e-12)
    # Each pair is counted twice.
    np.testing.assert_allclose(found[:, 1], 2 * jet_observables(p4, ptr=ptr, names=["e2"])["e2"], atol=1e-12)
    assert energy_flow_polynomials(p4, ptr=ptr, degree=1).shape == (4, 2)
    assert energy_flow_polynomials(torch.zeros(0, 4), ptr=[0], degree=2).shape == (0, 5)


def test_what_cannot_be_computed_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "energyflow", None)
    with pytest.raises(ConfigError, match="pip install --no-deps energyflow wasserstein wurlitzer"):
        energy_flow_polynomials(torch.ones(2, 4), ptr=[0, 2])
    with pytest.raises(PygHepError, match="degree is 0 to 10"):
        energy_flow_polynomials(torch.ones(2, 4), ptr=[0, 2], degree=11)
    with pytest.raises(PygHepError, match="exponent positive"):
        energy_flow_polynomials(torch.ones(2, 4), ptr=[0, 2], beta=-math.inf)

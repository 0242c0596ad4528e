import numpy as np
import torch

from pyg_hep.loader import EventLoader
from pyg_hep.objectives.top_coordinates import ETAS, absolute, measured_anchors, momenta, readable, relative
from pyg_hep.testing.dilepton import dilepton_daughters, dilepton_events
from pyg_hep.transforms.dileptonic import UNMEASURED, unmeasured_daughters


def test_numbers_are_relative_to_what_is_measured_by_hand():
    true = dilepton_daughters(20, seed=1)
    batch = next(iter(EventLoader(dilepton_events(20, seed=1), 20)))
    values, anchors = momenta(unmeasured_daughters(batch)[0]), measured_anchors(batch)
    eta = {name: np.arcsinh(p[:, 2] / np.hypot(p[:, 0], p[:, 1])) for name, p in true.items()}
    np.testing.assert_allclose(values[:, 6:8].numpy(), true["neutrino"][:, :2], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(anchors[:, :2].numpy(), true["antilepton"][:, :2], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(anchors[:, 5].numpy(), eta["lepton"], rtol=1e-3, atol=1e-3)
    numbers = relative(values, anchors).numpy()
    for k, name in enumerate(UNMEASURED):
        own = eta["lepton" if name.startswith("anti") else "antilepton"]
        np.testing.assert_allclose(numbers[:, 3 * k + 2], eta[name] - own, rtol=1e-3, atol=1e-3)
    total = (true["neutrino"] + true["antineutrino"])[:, :2]
    np.testing.assert_allclose(numbers[:, 6:8], total - anchors[:, 6:].numpy(), rtol=1e-3, atol=2e-2)
    half = 0.5 * (true["neutrino"] - true["antineutrino"])[:, :2]
    np.testing.assert_allclose(numbers[:, 9:11], half, rtol=1e-3, atol=2e-2)


def test_the_way_back_is_exact_and_volumes_stay():
    generator = torch.Generator().manual_seed(0)
    values, anchors = (torch.randn(3, 5, n, dtype=torch.float64, generator=generator) for n in (12, 8))
    torch.testing.assert_close(absolute(relative(values, anchors), anchors), values)
    jacobian = torch.autograd.functional.jacobian(lambda x: relative(x, anchors[0, 0]), values[0, 0])
    assert abs(abs(float(torch.linalg.det(jacobian))) - 1.0) < 1e-12


def test_a_network_reads_numbers_of_order_one():
    batch = next(iter(EventLoader(dilepton_events(200, seed=1), 200)))
    spread = readable(measured_anchors(batch)).std(dim=0)
    assert ((spread > 0.3) & (spread < 3.0)).all()
    assert list(range(12))[ETAS] == [2, 5, 8, 11]

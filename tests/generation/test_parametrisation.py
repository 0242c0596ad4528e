import pytest
import torch

from pyg_hep.errors import PygHepError
from pyg_hep.generation import CosineSchedule, FlowVelocity, LinearPath, NoisePrediction, VPrediction

KINDS = [
    VPrediction(),
    FlowVelocity(),
    NoisePrediction(),
    VPrediction(LinearPath()),
    FlowVelocity(CosineSchedule()),
    NoisePrediction(CosineSchedule(-6, 6)),
]


@pytest.fixture
def sample():
    generator = torch.Generator().manual_seed(1)
    x, noise = (torch.randn(64, 5, 3, dtype=torch.float64, generator=generator) for _ in range(2))
    return x, noise, 0.02 + 0.96 * torch.rand(64, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_data_and_noise_follow_from_the_target_and_back(kind, sample):
    x, noise, t = sample
    z, target = kind.noised(x, noise, t), kind.target(x, noise, t)
    # Both divide by as little as 0.02.
    close = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(kind.to_data(target, z, t), x, **close)
    torch.testing.assert_close(kind.to_noise(target, z, t), noise, **close)
    torch.testing.assert_close(kind.from_data(x, z, t), target, **close)
    torch.testing.assert_close(kind.from_noise(noise, z, t), target, **close)


def test_targets_are_the_published_ones(sample):
    """FACTS_JETS 1 and 2: v = alpha eps - sigma x, x_hat = alpha z - sigma v, eps_hat = alpha v + sigma z; eps - x."""
    x, noise, t = sample
    kind, s = VPrediction(), CosineSchedule()
    alpha, sigma = (f(t)[:, None, None] for f in (s.alpha, s.sigma))
    v, z = torch.randn_like(x), torch.randn_like(x)
    torch.testing.assert_close(kind.target(x, noise, t), alpha * noise - sigma * x)
    torch.testing.assert_close(kind.to_data(v, z, t), alpha * z - sigma * v)
    torch.testing.assert_close(kind.to_noise(v, z, t), alpha * v + sigma * z)
    flow, time = FlowVelocity(), t[:, None, None]
    torch.testing.assert_close(flow.noised(x, noise, t), (1 - time) * x + time * noise)
    torch.testing.assert_close(flow.target(x, noise, t), noise - x)
    torch.testing.assert_close(flow.to_data(v, z, t), z - time * v)
    torch.testing.assert_close(flow.to_noise(v, z, t), z + (1 - time) * v)
    assert torch.equal(NoisePrediction().target(x, noise, t), noise)


@pytest.mark.parametrize("kind", [VPrediction(), FlowVelocity(), VPrediction(LinearPath())], ids=repr)
def test_both_ends_are_finite_and_say_what_they_can(kind, sample):
    x, noise, _ = sample
    for end in (0.0, 1.0):
        t = torch.tensor(end, dtype=torch.float64)
        z, target = kind.noised(x, noise, t), kind.target(x, noise, t)
        torch.testing.assert_close(kind.to_data(target, z, t), x)
        torch.testing.assert_close(kind.to_noise(target, z, t), noise)


def test_one_time_for_all_per_jet_and_per_packed_particle_agree(sample):
    x, noise, t = sample
    kind = VPrediction()
    expected = kind.noised(x, noise, t)
    packed = kind.noised(x.reshape(-1, 3), noise.reshape(-1, 3), t.repeat_interleave(5))
    assert torch.equal(packed.reshape(x.shape), expected)
    assert torch.equal(kind.noised(x[:1], noise[:1], t[0]), expected[:1])
    assert torch.equal(kind.noised(x, noise, t[:, None, None]), expected)
    with pytest.raises(PygHepError, match=r"times of shape \[63\] do not fit data of shape \[64, 5, 3\]"):
        kind.target(x, noise, t[1:])
    with pytest.raises(PygHepError, match="do not fit"):
        kind.to_data(x[:, 0, 0], noise[:, 0, 0], t[:, None])

"""The ideal network of normal data is known in closed form, and in one dimension quantiles flow to quantiles."""

import itertools
import math
import sys

import pytest
import torch

from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.generation import (
    DDIM,
    CosineSchedule,
    FlowMidpoint,
    FlowVelocity,
    LinearPath,
    NoisePrediction,
    VPrediction,
)

NORMAL = ([1.0], [2.0], [0.5])
WIDE = ([1.0], [-1.0], [3.0])
MIXTURE = ([0.6, 0.4], [-1.5, 1.0], [0.4, 0.7])
SAMPLERS = [
    DDIM(),
    DDIM(NoisePrediction()),
    DDIM(FlowVelocity()),
    FlowMidpoint(),
    FlowMidpoint(VPrediction(LinearPath())),
]
Z = torch.linspace(-2.5, 2.5, 41, dtype=torch.float64)[:, None]


def ideal(parametrisation, law):
    """Outputs for E[x|z] and E[eps|z] where x has a mixture of normal distributions (weights, means, widths)."""
    weight, mean, width = (torch.tensor(values, dtype=torch.float64) for values in law)

    def denoise(z, t):
        alpha, sigma = parametrisation.schedule.alpha(t), parametrisation.schedule.sigma(t)
        variance = (alpha * width) ** 2 + sigma**2
        distance = z[..., None] - alpha * mean
        share = torch.softmax(weight.log() - 0.5 * variance.log() - 0.5 * distance**2 / variance, -1)
        x = (share * (mean + alpha * width**2 * distance / variance)).sum(-1)
        noise = (share * sigma * distance / variance).sum(-1)
        return parametrisation.target(x, noise, t)

    return denoise


def exact(schedule, law, z):
    """Data whose quantile at t = 0 is that of the noise at t = 1, by bisection."""
    weight, mean, width = law

    def quantile(x, t):
        alpha, sigma = (f(torch.tensor(t, dtype=torch.float64)).item() for f in (schedule.alpha, schedule.sigma))
        parts = zip(weight, mean, width, strict=True)
        return sum(w * torch.special.ndtr((x - alpha * m) / math.hypot(alpha * s, sigma)) for w, m, s in parts)

    wanted = quantile(z, 1.0)
    low, high = torch.full_like(z, -50.0), torch.full_like(z, 50.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = quantile(middle, 0.0) < wanted
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


def error(sampler, law, calls):
    parametrisation = sampler.parametrisation
    found = sampler(ideal(parametrisation, law), Z, calls)
    return (found - exact(parametrisation.schedule, law, Z)).abs().max().item()


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
@pytest.mark.parametrize("law", [NORMAL, WIDE, MIXTURE], ids=["normal", "wide", "mixture"])
def test_the_error_falls_at_second_order(sampler, law):
    errors = [error(sampler, law, calls) for calls in (32, 64, 128, 256)]
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert errors[-1] < 2e-4
    if law is MIXTURE:
        assert all(1.8 < order < 2.2 for order in orders), orders
    else:  # one order more: for a single normal distribution the leading term adds up to 0 over the path
        assert all(2.8 < order < 3.2 for order in orders), orders


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_noise_becomes_the_normal_distribution_of_the_data(sampler):
    """mu + s z, up to the steps and to the 4.5e-5 of noise that the published schedule leaves."""
    found = sampler(ideal(sampler.parametrisation, NORMAL), Z, 128)
    torch.testing.assert_close(found, 2.0 + 0.5 * Z, rtol=0.0, atol=3e-4)


@pytest.mark.parametrize("sampler", SAMPLERS[:4], ids=repr)
def test_data_that_are_one_point_need_one_step(sampler):
    kind = sampler.parametrisation
    found = sampler(lambda z, t: kind.from_data(torch.full_like(z, 3.0), z, t), Z, 2)
    left = kind.schedule.sigma(torch.tensor(0.0)).item()
    torch.testing.assert_close(found, torch.full_like(Z, 3.0), rtol=0.0, atol=4.0 * left + 1e-12)


@pytest.mark.parametrize("sampler", [DDIM(), FlowMidpoint()], ids=repr)
@pytest.mark.parametrize("calls", [2, 4, 18, 64, 98, 254])
def test_the_number_of_calls_is_exact(sampler, calls):
    times = []

    def denoise(z, t):
        times.append(t.item())
        assert t.shape == ()
        return torch.zeros_like(z)

    sampler(denoise, torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), calls)
    expected = [1.0 - k / calls for k in range(calls)]
    assert times == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("calls", [0, 1, -2, 7, 63, 64.0, True])
def test_other_numbers_of_calls_are_refused(calls):
    with pytest.raises(PygHepError, match="even number of at least 2 is needed"):
        DDIM()(lambda z, t: z, torch.zeros(2, 1), calls)


@pytest.mark.parametrize("sampler", [DDIM(), FlowMidpoint()], ids=repr)
def test_padding_stays_zero_whatever_the_network_says_there(sampler):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(6, 4, 3, generator=generator)
    mask = torch.arange(4) < torch.tensor([4, 3, 1, 2, 4, 0])[:, None]
    seen = []

    def denoise(noised, t):
        seen.append(noised[~mask].abs().max().item())
        return torch.where(mask[..., None], 0.3 * noised, math.nan)

    found = sampler(denoise, z, 8, mask)
    assert (found[~mask] == 0).all()
    assert max(seen) == 0.0
    assert torch.equal(found[mask], sampler(lambda noised, t: 0.3 * noised, z, 8)[mask])
    for wrong in (mask.float(), mask.T, mask[:5]):
        with pytest.raises(PygHepError, match="mask of booleans"):
            sampler(denoise, z, 8, wrong)


def test_both_samplers_agree_on_the_linear_path():
    kind = FlowVelocity()
    found = [sampler(ideal(kind, MIXTURE), Z, 16) for sampler in (DDIM(kind), FlowMidpoint(kind))]
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sampler", [DDIM(), FlowMidpoint()], ids=repr)
def test_the_result_has_the_type_of_the_noise_and_no_gradient(sampler):
    layer = torch.nn.Linear(1, 1)
    found = sampler(lambda z, t: layer(z), Z.float(), 4)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    with pytest.raises(PygHepError, match="float32 or float64"):
        sampler(lambda z, t: z, Z.half(), 4)
    with pytest.raises(PygHepError, match=r"output has shape \[41\], the noised data \[41, 1\]"):
        sampler(lambda z, t: z[:, 0], Z, 4)


def test_a_flow_is_on_the_linear_path_and_needs_torchdiffeq(monkeypatch):
    with pytest.raises(ConfigError, match="linear path"):
        FlowMidpoint(VPrediction(CosineSchedule()))
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    with pytest.raises(ConfigError, match=r"pip install 'pyg_hep\[generation\]'"):
        FlowMidpoint()

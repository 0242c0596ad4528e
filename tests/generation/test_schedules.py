import math

import pytest
import torch

from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.generation import CosineSchedule, LinearPath

T = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)


def test_cosine_schedule_is_the_published_log_snr():
    """FACTS_JETS 1: -2 ln tan(a t + b), b = atan(e^-10), a = atan(e^10) - b; alpha^2 = sigmoid(log-SNR)."""
    b = math.atan(math.exp(-10))
    published = -2.0 * torch.log(torch.tan((math.atan(math.exp(10)) - b) * T + b))
    schedule = CosineSchedule()
    # At t = 1 the tangent of the formula itself has lost five digits.
    torch.testing.assert_close(schedule.log_snr(T), published, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(schedule.alpha(T) ** 2, torch.sigmoid(published), rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(schedule.sigma(T) ** 2, torch.sigmoid(-published), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("low", "high"), [(-20.0, 20.0), (-6.0, 14.0)])
def test_bounds_are_reached_at_the_ends(low, high):
    schedule = CosineSchedule(low, high)
    ends = torch.tensor([0.0, 1.0])
    torch.testing.assert_close(schedule.log_snr(ends), torch.tensor([high, low]), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(schedule.alpha(T) ** 2 + schedule.sigma(T) ** 2, torch.ones_like(T))
    # Rounding puts a time outside [0, 1]: it stays at the bound.
    beyond = schedule.log_snr(torch.tensor([-0.1, 1.1]))
    assert torch.equal(beyond, schedule.log_snr(ends))
    assert repr(schedule) == f"CosineSchedule(low={low}, high={high})"


def test_linear_path_and_its_ends():
    path = LinearPath()
    assert torch.equal(path.alpha(T), 1.0 - T)
    assert torch.equal(path.sigma(T), T)
    torch.testing.assert_close(path.log_snr(T[1:-1]), 2.0 * torch.log((1.0 - T[1:-1]) / T[1:-1]))
    assert path.log_snr(torch.tensor([0.0, 1.0])).tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize("schedule", [CosineSchedule(), LinearPath()])
def test_shapes_types_and_falling(schedule):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        for shape in ((), (5,), (2, 3, 1)):
            t = torch.full(shape, 0.25, dtype=dtype)
            for values in (schedule.alpha(t), schedule.sigma(t), schedule.log_snr(t)):
                assert values.shape == shape
                assert values.dtype == dtype
    assert (schedule.log_snr(T[1:-1]).diff() < 0).all()
    single, double = schedule.alpha(T.float()), schedule.alpha(T.float().double())
    torch.testing.assert_close(single.double(), double, rtol=3e-7, atol=1e-12)  # alpha = 4.5e-5 keeps its digits


def test_what_cannot_be_used_is_said():
    with pytest.raises(ConfigError, match="log-SNR falls"):
        CosineSchedule(3.0, 3.0)
    with pytest.raises(ConfigError, match="finite"):
        CosineSchedule(-math.inf, 20.0)
    with pytest.raises(PygHepError, match="floating-point number"):
        LinearPath().alpha(torch.tensor([0, 1]))

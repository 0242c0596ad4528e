"""Noise schedules: how much signal and how much noise there is at a time; they know neither networks nor samplers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from pyg_hep.errors import ConfigError, PygHepError


class Schedule(ABC):
    r"""Amounts of signal and noise in :math:`z_t = \alpha(t) x + \sigma(t) \epsilon`, data at t = 0, noise at t = 1.

    All methods take times of any shape and floating type and give the same shape and type. Times outside [0, 1],
    where rounding may put them, are those of the nearer end. Half precision is computed in float32.
    """

    def alpha(self, t: Tensor) -> Tensor:
        """Amount of signal, falling with t."""
        time, dtype = _time(t)
        return self._alpha(time).to(dtype)

    def sigma(self, t: Tensor) -> Tensor:
        """Amount of noise, rising with t."""
        time, dtype = _time(t)
        return self._sigma(time).to(dtype)

    def log_snr(self, t: Tensor) -> Tensor:
        r"""Logarithm of the signal-to-noise ratio, :math:`\ln (\alpha^2 / \sigma^2)`, falling with t."""
        time, dtype = _time(t)
        return (2.0 * (self._alpha(time).log() - self._sigma(time).log())).to(dtype)

    @abstractmethod
    def _alpha(self, t: Tensor) -> Tensor:
        """Signal at times in [0, 1], float32 or float64."""

    @abstractmethod
    def _sigma(self, t: Tensor) -> Tensor:
        """Noise at times in [0, 1], float32 or float64."""


class CosineSchedule(Schedule):
    r"""The published schedule of OmniLearn: a quarter turn at constant speed that stops short of both ends.

    .. math:: \ln\mathrm{SNR}(t) = -2 \ln \tan(a t + b), \quad b = \arctan e^{-h/2},\;
        a = \arctan e^{-l/2} - b, \qquad \alpha^2 = \operatorname{sigmoid}(\ln\mathrm{SNR}),\;
        \sigma^2 = \operatorname{sigmoid}(-\ln\mathrm{SNR})

    which is :math:`\alpha = \cos(at + b)`, :math:`\sigma = \sin(at + b)`, so that
    :math:`\alpha^2 + \sigma^2 = 1`. With the published bounds :math:`\alpha = 1 - 10^{-9}` and
    :math:`\sigma = e^{-10} = 4.5 \cdot 10^{-5}` at t = 0, and the other way round at t = 1: neither is ever 0.

    Args:
        low: log-SNR l at t = 1.
        high: log-SNR h at t = 0.

    Raises:
        ConfigError: for bounds that are not finite or not in order.

    Source: Mikuni and Nachman, arXiv:2502.14652; the schedule: Salimans and Ho, arXiv:2202.00512.
    """

    def __init__(self, low: float = -20.0, high: float = 20.0):
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"the log-SNR falls from a finite high bound to a lower one, got high={high}, low={low}")
        self.low, self.high = float(low), float(high)
        self._first = math.atan(math.exp(-0.5 * self.high))
        self._turn = math.atan(math.exp(-0.5 * self.low)) - self._first
        # What is left to a right angle at t = 1: from there alpha is a sine, exact in float32 where a cosine is not.
        self._last = math.atan(math.exp(0.5 * self.low))

    def __repr__(self) -> str:
        return f"CosineSchedule(low={self.low}, high={self.high})"

    def _alpha(self, t: Tensor) -> Tensor:
        return torch.sin(self._turn * (1.0 - t) + self._last)

    def _sigma(self, t: Tensor) -> Tensor:
        return torch.sin(self._turn * t + self._first)


class LinearPath(Schedule):
    r"""The straight path of flow matching, :math:`\alpha = 1 - t` and :math:`\sigma = t`.

    At t = 0 there is no noise and the log-SNR is +infinity, at t = 1 no signal and it is -infinity: a network that
    is told the log-SNR instead of the time needs a bounded schedule.

    Source: Lipman et al., arXiv:2210.02747; Liu et al., arXiv:2209.03003.
    """

    def __repr__(self) -> str:
        return "LinearPath()"

    def _alpha(self, t: Tensor) -> Tensor:
        return 1.0 - t

    def _sigma(self, t: Tensor) -> Tensor:
        return t


def _time(t: Tensor) -> tuple[Tensor, torch.dtype]:
    if not t.is_floating_point():
        raise PygHepError(f"a time is a floating-point number between 0 and 1, got a tensor of {t.dtype}")
    half = t.dtype in (torch.float16, torch.bfloat16)
    return (t.float() if half else t).clamp(0.0, 1.0), t.dtype

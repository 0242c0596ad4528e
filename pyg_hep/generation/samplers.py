"""Samplers: from noise to data in a given number of calls of a network; they know nothing of the network."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.generation.parametrisation import FlowVelocity, Parametrisation, VPrediction
from pyg_hep.generation.schedules import LinearPath

Denoise = Callable[[Tensor, Tensor], Tensor]
"""``denoise(z, t) -> output``: noised data ``[B, ...]`` and one time ``[]`` for all to an output like z."""


class Sampler(ABC):
    """From noise at t = 1 to data at t = 0 in equal steps of two calls each.

    Nothing is drawn: the same starting noise gives the same data.

    Args:
        parametrisation: what the outputs mean, and the schedule of the noise.
    """

    def __init__(self, parametrisation: Parametrisation):
        self.parametrisation = parametrisation

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.parametrisation!r})"

    @torch.no_grad()
    def __call__(self, denoise: Denoise, z: Tensor, calls: int, mask: Tensor | None = None) -> Tensor:
        """Data ``[B, ...]`` made from noise.

        Args:
            denoise: called exactly ``calls`` times with noised data like ``z`` and a time of shape ``[]``; it gives the
                network's output, of the shape of ``z``.
            z: normal numbers ``[B, ...]``, drawn by the caller; float32 or float64.
            calls: how often the network is called: an even number, two for each step.
            mask: True where there is a particle, a leading part of the shape of ``z`` such as ``[B, n]`` for
                ``[B, n, F]``. All else is 0 at every step and in the result, whatever the network says there.

        Raises:
            PygHepError: for a number of calls, noise, mask or output that cannot be used.
        """
        if isinstance(calls, bool) or not isinstance(calls, int) or calls < 2 or calls % 2:
            raise PygHepError(
                f"the sampler takes two calls a step: an even number of at least 2 is needed, got {calls}"
            )
        if z.dtype not in (torch.float32, torch.float64):
            raise PygHepError(f"steps are made in float32 or float64, got noise of {z.dtype}")
        keep = None
        if mask is not None:
            if mask.dtype != torch.bool or mask.dim() > z.dim() or mask.shape != z.shape[: mask.dim()]:
                raise PygHepError(
                    f"a mask of booleans over the leading shape of the noise {list(z.shape)} is needed, "
                    f"got {mask.dtype} of shape {list(mask.shape)}"
                )
            keep = mask.reshape((*mask.shape, *(1,) * (z.dim() - mask.dim())))

        def masked(values: Tensor) -> Tensor:
            # Not a product: an output may be NaN where there is no particle.
            return values if keep is None else torch.where(keep, values, 0.0)

        def output(noised: Tensor, t: Tensor) -> Tensor:
            values = denoise(noised, t)
            if values.shape != z.shape:
                raise PygHepError(f"the output has shape {list(values.shape)}, the noised data {list(z.shape)}")
            return masked(values)

        return self._integrate(output, masked(z), calls // 2)

    @abstractmethod
    def _integrate(self, output: Denoise, z: Tensor, steps: int) -> Tensor:
        """Data from noise in so many steps, each with two calls."""


class DDIM(Sampler):
    r"""The deterministic sampler of diffusion, second order by a midpoint.

    A step from t to s holds data and noise fixed while their amounts change: first those seen at t, to the middle
    m = (t + s) / 2, then those seen there, over the whole step:

    .. math:: z_m = \alpha_m \hat x(z_t) + \sigma_m \hat\epsilon(z_t), \qquad
        z_s = z_t + (\alpha_s - \alpha_t)\, \hat x(z_m) + (\sigma_s - \sigma_t)\, \hat\epsilon(z_m)

    Exact where all data are one point; else the error falls as the square of the number of steps. The last step ends
    at t = 0 of the schedule, where 4.5e-5 of the noise is left in the published one. On :class:`LinearPath` this is
    :class:`FlowMidpoint`.

    The code of the paper takes only the noise from the middle and solves for the data at t, which divides by the
    amount of signal, 4.5e-5 at t = 1: it needs its hundreds of steps (data of N(2, 0.5^2) are off by 0.2 at 64 calls
    and by 3e-3 at 256, here by 1e-5 and 2e-7).

    Args:
        parametrisation: :class:`VPrediction` on the published schedule by default; any other will do, except those
            that give no data at t = 1 (:class:`NoisePrediction` where no signal is left there).

    Source: Song, Meng and Ermon, arXiv:2010.02502 (DDIM); with a midpoint Mikuni and Nachman, arXiv:2502.14652.
    """

    def __init__(self, parametrisation: Parametrisation | None = None):
        super().__init__(VPrediction() if parametrisation is None else parametrisation)

    def _integrate(self, output: Denoise, z: Tensor, steps: int) -> Tensor:
        seen = self.parametrisation
        alpha, sigma = seen.schedule.alpha, seen.schedule.sigma
        times = _times(z, steps)
        for t, s in itertools.pairwise(times):
            middle = 0.5 * (t + s)
            first = output(z, t)
            half = alpha(middle) * seen.to_data(first, z, t) + sigma(middle) * seen.to_noise(first, z, t)
            second = output(half, middle)
            x, noise = seen.to_data(second, half, middle), seen.to_noise(second, half, middle)
            z = z + (alpha(s) - alpha(t)) * x + (sigma(s) - sigma(t)) * noise
        return z


class FlowMidpoint(Sampler):
    r"""The flow :math:`dz/dt = \hat\epsilon - \hat x` on the linear path, by the midpoint rule of torchdiffeq.

    .. math:: z_s = z_t + (s - t)\, u\big(z_t + \tfrac{s - t}{2} u(z_t, t), \tfrac{t + s}{2}\big)

    The error falls as the square of the number of steps. The velocity is never asked for at t = 0.

    Args:
        parametrisation: on :class:`LinearPath`; :class:`FlowVelocity` by default, whose output is the velocity.

    Raises:
        ConfigError: for another path, and without the package torchdiffeq.

    Source: Lipman et al., arXiv:2210.02747; torchdiffeq of R. T. Q. Chen.
    """

    def __init__(self, parametrisation: Parametrisation | None = None):
        super().__init__(FlowVelocity() if parametrisation is None else parametrisation)
        if not isinstance(self.parametrisation.schedule, LinearPath):
            raise ConfigError(f"the flow is that of the linear path, got {self.parametrisation!r}")
        self._odeint = _odeint()

    def _integrate(self, output: Denoise, z: Tensor, steps: int) -> Tensor:
        seen = self.parametrisation
        direct = isinstance(seen, FlowVelocity)

        def velocity(t: Tensor, noised: Tensor) -> Tensor:
            value = output(noised, t)
            return value if direct else seen.to_noise(value, noised, t) - seen.to_data(value, noised, t)

        times = _times(z, steps)
        # The grid as an option keeps only the ends of the path in memory.
        options = {"grid_constructor": lambda f, y, t: times}
        return self._odeint(velocity, z, times[[0, -1]], method="midpoint", options=options)[-1]


def _times(z: Tensor, steps: int) -> Tensor:
    """Ends of equal steps from 1 to 0, shape ``[steps + 1]``."""
    return torch.linspace(1.0, 0.0, steps + 1, dtype=z.dtype, device=z.device)


def _odeint() -> Callable[..., Any]:
    """A package that few need."""
    try:
        from torchdiffeq import odeint
    except ImportError:
        raise ConfigError("sampling a flow needs the package torchdiffeq: pip install 'pyg_hep[generation]'") from None
    return odeint

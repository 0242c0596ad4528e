"""Parametrisations: what a network's output says about data and noise, and what it is trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from pyg_hep.errors import PygHepError
from pyg_hep.generation.schedules import CosineSchedule, LinearPath, Schedule


class Parametrisation(ABC):
    r"""A network's output as a combination of data and noise, :math:`o = p(t) x + q(t) \epsilon`.

    Together with :math:`z = \alpha x + \sigma \epsilon` that can be solved for both:

    .. math:: \hat x = (q z - \sigma o) / d, \quad \hat\epsilon = (\alpha o - p z) / d, \qquad d = \alpha q - \sigma p

    Data, noise, z and outputs have one shape ``[B, ...]``. Times have shape ``[]`` (one for all) or a leading part of
    that shape: ``[B]`` for one per jet of padded particles ``[B, n, F]``, ``[N]`` for packed ones ``[N, F]``.

    Args:
        schedule: amounts of signal and noise.
    """

    def __init__(self, schedule: Schedule):
        self.schedule = schedule

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.schedule!r})"

    @abstractmethod
    def weights(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The coefficients p of the data and q of the noise."""

    def noised(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        r"""Noised data :math:`z = \alpha x + \sigma \epsilon`.

        Raises:
            PygHepError: for a shape of the times that does not fit; so do all methods below.
        """
        alpha, sigma = self._amounts(t, x)
        return alpha * x + sigma * noise

    def target(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network is trained to give for :meth:`noised` data."""
        p, q = self.weights(*self._amounts(t, x))
        return p * x + q * noise

    def to_data(self, output: Tensor, z: Tensor, t: Tensor) -> Tensor:
        r"""The data :math:`\hat x` that an output stands for."""
        alpha, sigma = self._amounts(t, z)
        p, q = self.weights(alpha, sigma)
        return (q * z - sigma * output) / (alpha * q - sigma * p)

    def to_noise(self, output: Tensor, z: Tensor, t: Tensor) -> Tensor:
        r"""The noise :math:`\hat\epsilon` that an output stands for."""
        alpha, sigma = self._amounts(t, z)
        p, q = self.weights(alpha, sigma)
        return (alpha * output - p * z) / (alpha * q - sigma * p)

    def from_data(self, x: Tensor, z: Tensor, t: Tensor) -> Tensor:
        """The output that stands for given data; without noise (sigma = 0) there is none, and it is not finite."""
        alpha, sigma = self._amounts(t, z)
        return self.target(x, (z - alpha * x) / sigma, t)

    def from_noise(self, noise: Tensor, z: Tensor, t: Tensor) -> Tensor:
        """The output that stands for given noise; without signal (alpha = 0) there is none, and it is not finite."""
        alpha, sigma = self._amounts(t, z)
        return self.target((z - sigma * noise) / alpha, noise, t)

    def _amounts(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        fits = t.dim() <= like.dim() and all(n in (1, m) for n, m in zip(t.shape, like.shape, strict=False))
        if not fits:
            raise PygHepError(f"times of shape {list(t.shape)} do not fit data of shape {list(like.shape)}")
        t = t.reshape((*t.shape, *(1,) * (like.dim() - t.dim()))) if t.dim() else t
        return self.schedule.alpha(t), self.schedule.sigma(t)


class VPrediction(Parametrisation):
    r"""The velocity of diffusion, :math:`v = \alpha \epsilon - \sigma x`.

    With :math:`\alpha^2 + \sigma^2 = 1`: :math:`\hat x = \alpha z - \sigma v` and
    :math:`\hat\epsilon = \alpha v + \sigma z`, finite at both ends.

    Args:
        schedule: the published :class:`CosineSchedule` by default.

    Source: Salimans and Ho, arXiv:2202.00512; for jets Mikuni and Nachman, arXiv:2502.14652.
    """

    def __init__(self, schedule: Schedule | None = None):
        super().__init__(CosineSchedule() if schedule is None else schedule)

    def weights(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Of the data -sigma, of the noise alpha."""
        return -sigma, alpha


class FlowVelocity(Parametrisation):
    r"""The velocity of flow matching, :math:`u = \epsilon - x`; on the linear path :math:`u = dz/dt`.

    There :math:`\hat x = z - t u` and :math:`\hat\epsilon = z + (1 - t) u`, finite at both ends.

    Args:
        schedule: :class:`LinearPath` by default.

    Source: Lipman et al., arXiv:2210.02747.
    """

    def __init__(self, schedule: Schedule | None = None):
        super().__init__(LinearPath() if schedule is None else schedule)

    def weights(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Of the data -1, of the noise 1."""
        return -torch.ones_like(alpha), torch.ones_like(sigma)


class NoisePrediction(Parametrisation):
    r"""The noise itself: :math:`\hat\epsilon = o`, :math:`\hat x = (z - \sigma o) / \alpha`, not finite at alpha = 0.

    Args:
        schedule: :class:`CosineSchedule` by default, whose signal never ends.

    Source: Ho, Jain and Abbeel, arXiv:2006.11239.
    """

    def __init__(self, schedule: Schedule | None = None):
        super().__init__(CosineSchedule() if schedule is None else schedule)

    def weights(self, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Of the data 0, of the noise 1."""
        return torch.zeros_like(alpha), torch.ones_like(sigma)

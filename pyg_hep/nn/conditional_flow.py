"""``ConditionalFlow``: a normalising flow of a few numbers, given a representation; layers are those of zuko."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyg_hep.errors import ConfigError


class ConditionalFlow(nn.Module):
    r"""Density of K numbers, given a context: a chain of coupling transforms to normal numbers.

    .. math:: \log p(x|c) = \sum_k \log \mathcal{N}(z_k; 0, 1) + \log \left| \det \frac{\partial z}{\partial x} \right|,
        \qquad z = f(x; c)

    Each transform maps a part of the numbers by monotonic rational-quadratic splines on [-5, 5] (the identity outside),
    whose knots a perceptron makes of the other numbers and the context. Density and samples cost the same.

    Args:
        context: width of the context.
        masks: of each transform, True at the numbers that it leaves as they are and reads; K of each.
        hidden_channels: widths of the perceptrons' hidden layers.
        bins: of a spline.

    Raises:
        ConfigError: without the package zuko.

    Source: Durkan et al., arXiv:1906.04032 (neural spline flows).
    """

    def __init__(
        self,
        context: int,
        masks: Sequence[Sequence[bool]],
        hidden_channels: Sequence[int] = (128, 128),
        bins: int = 8,
    ):
        super().__init__()
        coupling, transforms, lazy = _zuko()
        shapes = [(bins,), (bins,), (bins - 1,)]
        features = len(masks[0])
        self.features = features
        self.transforms = lazy.LazyComposedTransform(
            *(
                coupling.GeneralCouplingTransform(
                    features,
                    context,
                    torch.tensor(mask),
                    univariate=transforms.MonotonicRQSTransform,
                    shapes=shapes,
                    hidden_features=tuple(hidden_channels),
                )
                for mask in masks
            )
        )

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Normal numbers z ``[..., K]`` and the log density ``[...]`` of numbers x, given contexts ``[..., C]``."""
        z, log_det = self.transforms(context).call_and_ladj(x)
        return z, _log_normal(z) + log_det

    def inverse(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers x ``[..., K]`` and their log density ``[...]``: samples where z is drawn from normal numbers."""
        x, log_det = self.transforms(context).inv.call_and_ladj(z)
        return x, _log_normal(z) - log_det


def _log_normal(z: Tensor) -> Tensor:
    return -0.5 * (z**2).sum(dim=-1) - 0.5 * z.size(-1) * math.log(2.0 * math.pi)


def _zuko() -> tuple[Any, Any, Any]:
    """Modules of a package that few need.

    Importing it switches off the checks of the arguments of torch's own distributions, in the whole process.
    """
    try:
        names = ("zuko.flows.coupling", "zuko.transforms", "zuko.lazy")
        coupling, transforms, lazy = (importlib.import_module(name) for name in names)
    except ImportError:
        raise ConfigError("a normalising flow needs the package zuko: pip install 'pyg_hep[flow]'") from None
    return coupling, transforms, lazy

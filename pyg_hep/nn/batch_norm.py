"""``BatchNorm``: torch's batch normalisation of rows, which also takes a batch of one row or none."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    r"""Batch normalisation of rows, the same for each of them.

    .. math:: y_c = \gamma_c \, \frac{x_c - \mu_c}{\sqrt{\sigma_c^2 + 10^{-5}}} + \beta_c

    In training the mean and variance are those of the rows given, so that whoever calls it hands over what is there,
    never padding; in evaluation those that trainings have left, whatever else is in the batch. Fewer than two rows
    have no variance: they are normalised as in evaluation and leave no trace.

    Source: Ioffe and Szegedy, arXiv:1502.03167.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Rows ``[M, C]``, normalised."""
        if self.training and x.size(0) < 2:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


def normalised(norm: nn.Module, x: Tensor, rows: Tensor | None) -> Tensor:
    """``norm`` of those places of ``x`` ``[*N, C]`` that count, zero at the others.

    Args:
        norm: of rows ``[M, C]``.
        x: places, shape ``[*N, C]``.
        rows: which of the places, as a list, count, see :meth:`~pyg_hep.nn.layout.Layout.object_rows`; None for all.
    """
    places = x.flatten(0, -2)
    if rows is None:
        return norm(places).view(x.shape)
    return scattered(norm(places.index_select(0, rows)), rows, places.size(0)).view(x.shape)


def scattered(x: Tensor, rows: Tensor, number: int) -> Tensor:
    """Rows ``[M, C]`` at the places ``rows`` of ``[number, C]``, zeros elsewhere."""
    return x.new_zeros(number, x.size(1)).index_copy(0, rows, x)

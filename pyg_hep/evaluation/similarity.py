r"""Centered kernel alignment: how similar two networks represent the same events; no network runs here.

The linear kernel only: Kornblith et al., arXiv:1905.00414.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pyg_hep.errors import PygHepError
from pyg_hep.metrics import as_array


def linear_cka(a: ArrayLike, b: ArrayLike, batch_size: int | None = None) -> float:
    r"""Similarity of two representations of the same events, 0 to 1.

    .. math:: \mathrm{CKA}(A, B) = \frac{\lVert B^\top A \rVert_F^2}
        {\lVert A^\top A \rVert_F \, \lVert B^\top B \rVert_F}

    with the columns of A and B centred. It does not change under rotations and a common scale of either side.
    With ``batch_size`` the three terms are averages over batches of the unbiased estimator of the Hilbert-Schmidt
    independence criterion,

    .. math:: \mathrm{HSIC}_1(K, L) = \frac{1}{n (n - 3)} \left( \operatorname{tr} K L
        + \frac{1^\top K 1 \, 1^\top L 1}{(n - 1)(n - 2)} - \frac{2}{n - 2} 1^\top K L 1 \right)

    of :math:`K = A A^\top` and :math:`L = B B^\top` with their diagonals set to 0. Its value does not depend on
    the size of the batches, whereas the exact one is biased upwards where events are few: for independent normal
    columns by about D / (N + D).

    Args:
        a: shape ``[N, D]``.
        b: shape ``[N, E]``, the same events in the same order.
        batch_size: events of a batch, at least 4; a last batch of fewer than 4 is left out.

    Raises:
        PygHepError: for shapes that do not fit, fewer than 4 events, or a representation that never varies.

    Source: Kornblith et al., arXiv:1905.00414, section 3; the minibatch form: Nguyen et al., arXiv:2010.15327,
    equation 2, with the estimator of Song et al., J. Mach. Learn. Res. 13 (2012) 1393. Used as in Ho et al.,
    arXiv:2412.10665, section IV B.
    """
    x, y = (np.asarray(as_array(values), dtype=np.float64) for values in (a, b))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise PygHepError(f"CKA compares [N, D] with [N, E] of the same events, found {x.shape} and {y.shape}")
    if len(x) < 4 or (batch_size is not None and batch_size < 4):
        raise PygHepError(f"CKA needs at least 4 events (in a batch), found {len(x)} and batch_size={batch_size}")
    # Centring all events at once changes no term of the batches, and keeps their numbers small.
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    if batch_size is None:
        cross, own_x, own_y = (float(((p.T @ q) ** 2).sum()) for p, q in ((x, y), (x, x), (y, y)))
    else:
        starts = [k for k in range(0, len(x), batch_size) if len(x) - k >= 4]
        terms = [_unbiased(x[k : k + batch_size], y[k : k + batch_size]) for k in starts]
        cross, own_x, own_y = np.mean(terms, axis=0)
    if not (own_x > 0 and own_y > 0):
        raise PygHepError("CKA is undefined: a representation is the same for all events")
    return float(cross / np.sqrt(own_x * own_y))


def _unbiased(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """HSIC_1 of (x, y), (x, x) and (y, y) in one batch, without its n x n matrices.

    With the diagonal d of a Gram matrix taken out: tr K L = ||X^T Y||^2 - d_K d_L, 1^T K 1 = |sum x|^2 - sum d_K,
    and K 1 = X (sum x) - d_K.
    """
    n = len(x)

    def term(p: np.ndarray, q: np.ndarray) -> float:
        d_p, d_q = (p**2).sum(axis=1), (q**2).sum(axis=1)
        rows_p, rows_q = p @ p.sum(axis=0) - d_p, q @ q.sum(axis=0) - d_q
        trace = ((p.T @ q) ** 2).sum() - d_p @ d_q
        rest = rows_p.sum() * rows_q.sum() / ((n - 1) * (n - 2)) - 2.0 / (n - 2) * (rows_p @ rows_q)
        return float((trace + rest) / (n * (n - 3)))

    return term(x, y), term(x, x), term(y, y)


def ensemble_cka(
    first: Sequence[ArrayLike], second: Sequence[ArrayLike] | None = None, batch_size: int | None = None
) -> tuple[float, float]:
    r"""Mean and standard deviation of the CKA over all pairs of two ensembles of networks.

    .. math:: \mathrm{CKA}(A, B) = \frac{1}{n^2} \sum_{ij} \mathrm{CKA}(A_i, B_j)

    Args:
        first: representations of the same events by each network, shape ``[N, D]`` each.
        second: those of the other ensemble. None compares the first with itself: then only different networks
            are paired (the paper's equation 1 would count each network's perfect similarity with itself).
        batch_size: as for :func:`linear_cka`.

    Raises:
        PygHepError: when there is no pair, and as :func:`linear_cka`.

    Source: Ho et al., arXiv:2412.10665, equation 1 and section IV B.
    """
    if second is None:
        pairs = [(a, b) for i, a in enumerate(first) for b in first[:i]]
    else:
        pairs = [(a, b) for a in first for b in second]
    if not pairs:
        raise PygHepError("the CKA of ensembles needs at least one pair of networks")
    values = [linear_cka(a, b, batch_size) for a, b in pairs]
    return float(np.mean(values)), float(np.std(values))

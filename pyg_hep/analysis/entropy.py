"""How uncertain a classifier is of an event: new physics looks like none of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyg_hep.errors import PygHepError
from pyg_hep.metrics import as_array


def prediction_entropy(probability: ArrayLike) -> NDArray[np.float64]:
    r"""Entropy of the predicted class probabilities of each event, in bits.

    .. math:: H = -\sum_c p_c \log_2 p_c

    0 for a certain prediction, :math:`\log_2 C` for a uniform one. The classifier is used as it is: events that it
    was not trained for need no label and no training of their own.

    Args:
        probability: class probabilities, shape ``[N, C]``; rows sum to 1.

    Returns:
        Shape ``[N]``.

    Raises:
        PygHepError: for another shape, a probability outside [0, 1], or rows that do not sum to 1 within 1e-3
            (logits, say).

    Source: Abasov et al., "Developing foundational transformer models for unified top-quark physics analysis"
    (application to the search for new physics); Shannon, Bell Syst. Tech. J. 27 (1948) 379.
    """
    p = as_array(probability).astype(np.float64)
    if p.ndim != 2:
        raise PygHepError(f"probabilities of shape [N, C] have an entropy, got {p.shape}")
    if p.size and not (np.all((p >= 0) & (p <= 1)) and np.allclose(p.sum(axis=1), 1.0, atol=1e-3)):
        raise PygHepError("class probabilities must lie in [0, 1] and sum to 1 for each event; logits need a softmax")
    logarithm = np.log2(p, where=p > 0, out=np.zeros_like(p))  # p log p is 0 at 0
    return np.maximum(-(p * logarithm).sum(axis=1), 0.0)

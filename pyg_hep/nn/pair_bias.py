"""``PairBias``: what two objects have to do with each other, as a bias on the attention between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from pyg_hep.inputs.pairs import check_pair_columns, pair_features


class PairBias(nn.Module):
    r"""A perceptron from features of a pair of objects to one number for each attention head.

    .. math:: b_{ij} = W_2 \operatorname{GELU}(W_1 f_{ij} + b_1)

    Args:
        columns: names of :data:`~pyg_hep.inputs.pairs.PAIR_COLUMNS`;
            :data:`~pyg_hep.inputs.pairs.PARTICLE` is the input of the Particle Transformer.
        heads: number of heads.
        hidden_channels: width of the hidden layer.

    Raises:
        ConfigError: for an unknown column.

    Source: Qu et al., arXiv:2202.03772, section 3 (who take three hidden layers and batch normalisation).
    """

    def __init__(self, columns: Sequence[str], heads: int, hidden_channels: int = 64):
        super().__init__()
        self.columns = check_pair_columns(columns)
        self.inner = nn.Linear(len(self.columns), hidden_channels)
        # The same number for all pairs would cancel in the softmax.
        self.outer = nn.Linear(hidden_channels, heads, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.inner.reset_parameters()
        self.outer.reset_parameters()

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Biases between four-vectors (pt [GeV], eta, phi [rad], mass [GeV]).

        Args:
            target: of i, shape ``[..., 4]``.
            source: of j; the two shapes are broadcast.

        Returns:
            Shape ``[..., heads]``.
        """
        out: Tensor = self.outer(F.gelu(self.inner(pair_features(target, source, self.columns))))
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.columns)}; {self.outer.out_features})"

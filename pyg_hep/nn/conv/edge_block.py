"""``EdgeConvolutionBlock``: the block of ParticleNet, a perceptron of pairs with batch normalisation and a shortcut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Optional

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from pyg_hep.errors import ConfigError
from pyg_hep.nn.batch_norm import BatchNorm, normalised, scattered
from pyg_hep.nn.layout import Edges, Layout


class EdgeConvolutionBlock(MessagePassing):
    r"""Mean over neighbours of a perceptron of the object and of the difference to the neighbour, with a shortcut.

    .. math::
        e_{ij} &= W_1 [x_i, x_j - x_i], \qquad
        e \leftarrow W_l \operatorname{ReLU}(\mathrm{BN}_{l-1}(e)), \qquad
        m_{ij} = \operatorname{ReLU}(\mathrm{BN}_L(e_{ij}))

        x'_i &= \operatorname{ReLU}\Big(\mathrm{BN}(W_s x_i)
            + \frac{1}{|\mathcal{N}(i)|} \sum_{j \in \mathcal{N}(i)} m_{ij}\Big)

    for target i and source j. The mean is over the neighbours that there are; an object without any has its shortcut
    only, which is :math:`x_i` itself where the width stays. In training the normalisations see the pairs, and the
    objects, that exist. The first layer is linear in both objects, so it acts on objects, once, and not on pairs:
    :math:`W_1 [x_i, x_j - x_i] = (A - B) x_i + B x_j` with its blocks A and B.

    An explainer's mask of a given edge weights the message of that pair wherever the two are neighbours.

    Args:
        in_channels: width of the objects before.
        channels: widths of the layers, the last is that of the objects after.

    Raises:
        ConfigError: for no layer or a width below 1.

    Source: Qu and Gouskos, arXiv:1902.08570; Wang et al., arXiv:1801.07829.
    """

    propagate_type = {"target": Tensor, "source": Tensor, "rows": Optional[Tensor]}  # noqa: UP045

    def __init__(self, in_channels: int, channels: Sequence[int]):
        super().__init__(aggr="sum")
        if not channels or min(in_channels, *channels) < 1:
            raise ConfigError(
                f"EdgeConvolutionBlock: widths must be at least 1, found {in_channels} and {list(channels)}"
            )
        self.in_channels, self.channels, self.out_channels = in_channels, tuple(channels), channels[-1]
        widths = [2 * in_channels, *channels]
        # What a bias would add, the normalisation behind it takes away.
        self.linears = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(widths))
        self.norms = nn.ModuleList(BatchNorm(width) for width in channels)
        self.shortcut = self.shortcut_norm = None
        if in_channels != self.out_channels:
            self.shortcut = nn.Linear(in_channels, self.out_channels, bias=False)
            self.shortcut_norm = BatchNorm(self.out_channels)
        self._edges_of_mask: Tensor | None = None

    def reset_parameters(self) -> None:
        """Draw the weights anew, forget what the normalisations have seen."""
        super().reset_parameters()
        for part in (*self.linears, *self.norms, self.shortcut, self.shortcut_norm):
            if part is not None:
                part.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """New objects, ``[*N, D]``, of objects ``[*N, C]``; ``layout`` says who is whose neighbour."""
        itself, difference = self.linears[0].weight.chunk(2, dim=1)  # type: ignore[operator]
        columns = {"target": F.linear(x, itself - difference), "source": F.linear(x, difference)}
        if self.explain and isinstance(layout, Edges):
            self._edges_of_mask = layout.origins()
        rows = layout.pair_rows() if self.training else None
        received = layout.propagate(self, **columns, rows=rows)
        mean = received / layout.degree().clamp(min=1).unsqueeze(-1).to(x.dtype)
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = normalised(self.shortcut_norm, self.shortcut(x), layout.object_rows() if self.training else None)
        return layout.clean(F.relu(x + mean))

    def message(self, target_i: Tensor, source_j: Tensor, rows: Tensor | None) -> Tensor:
        """What the target makes of a source, ``[..., D]``, of what both contribute to the first layer.

        Args:
            target_i: of the target, shape ``[..., D_1]``, or one that can be broadcast.
            source_j: of the source.
            rows: which of the pairs count, as a list; None for all. Others have zeros.
        """
        h = target_i + source_j
        shape, h = h.shape[:-1], h.flatten(0, -2)
        number = h.size(0)
        h = h if rows is None else h.index_select(0, rows)
        for k, norm in enumerate(self.norms):
            # In place: the gradient of the normalisation needs its input, not its output.
            h = F.relu(norm(h if k == 0 else self.linears[k](h)), inplace=True)
        h = h if rows is None else scattered(h, rows, number)
        return h.view(*shape, self.out_channels)

    def explain_message(self, inputs: Tensor, dim_size: int | None) -> Tensor:
        """Messages times the mask of the given edge between the same two; those along no given edge as they are."""
        mask, edges = self._edge_mask, self._edges_of_mask
        if mask is None or edges is None:
            raise ConfigError("EdgeConvolutionBlock: an explanation needs a mask of edges and a layout of edges")
        mask = mask.sigmoid() if self._apply_sigmoid else mask
        return inputs * F.pad(mask, (0, 1), value=1.0).index_select(0, edges).unsqueeze(-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {list(self.channels)})"

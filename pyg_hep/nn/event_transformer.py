"""``EventTransformer``: the attention encoder on events as complete graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn.aggr import AttentionalAggregation
from torch_geometric.utils import add_remaining_self_loops

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.nn.backbone import Backbone, host_counts, model_columns
from pyg_hep.nn.buckets import SizeBuckets
from pyg_hep.nn.class_node import ClassNode
from pyg_hep.nn.conv.attention import MultiHeadAttention
from pyg_hep.nn.pair_bias import PairBias
from pyg_hep.nn.representation import Representation
from pyg_hep.nn.transformer_layer import TransformerLayer
from pyg_hep.transforms.complete_graph import complete_edges

POOLING = ("sum", "mean", "attention", "class")

Attend = Callable[[MultiHeadAttention, Tensor], Tensor]


class EventTransformer(Backbone):
    r"""Transformer encoder in which every object of an event attends to every one, itself included.

    .. math:: h_i = W x_i + b, \qquad h \leftarrow \mathrm{Layer}(h) \quad (\text{num\_layers times}), \qquad
        h_\text{event} = \mathrm{pool}_i \, h_i

    There is no positional encoding: the order of the objects does not matter. A batch without ``edge_index`` is a
    batch of complete graphs and takes the fused path, as long as no explainer and no message-passing hook is set;
    in a batch with ``edge_index`` objects attend along its edges and to themselves. Under ``torch.compile`` the fused
    path has no graph breaks as long as there are neither ``pair_columns`` nor dropout.

    Args:
        in_channels: width of the node features ``x``.
        hidden_channels: width of everything inside, and of the output.
        num_layers: number of layers.
        heads: attention heads, a divisor of ``hidden_channels``.
        feed_forward: width of the hidden layers; None takes four times ``hidden_channels``.
        dropout: see :class:`~pyg_hep.nn.TransformerLayer`.
        norm_first: norms before attention and feed-forward (and one at the end), or after, as at first published.
        activation: ``"gelu"`` or ``"relu"``.
        pooling: from objects to the event: ``"sum"``, ``"mean"``, ``"attention"`` (mean weighted by a learned
            softmax) or ``"class"`` (a node of its own in every event). Of an event without objects the first
            three make zeros.
        pair_columns: features of pairs that bias the attention, made from ``p4``, see
            :class:`~pyg_hep.nn.PairBias`; None for none.
        preset: name of the :class:`~pyg_hep.inputs.View` view that ``x`` is made by.

    Raises:
        ConfigError: for a number below 1 or an unknown name.

    Source: Vaswani et al., arXiv:1706.03762.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 128,
        num_layers: int = 4,
        heads: int = 8,
        feed_forward: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: str = "gelu",
        pooling: str = "mean",
        pair_columns: Sequence[str] | None = None,
        preset: str | None = None,
    ):
        super().__init__()
        feed_forward = 4 * hidden_channels if feed_forward is None else feed_forward
        sizes = {"in_channels": in_channels, "num_layers": num_layers, "feed_forward": feed_forward}
        for name, value in sizes.items():
            if value < 1:
                raise ConfigError(f"EventTransformer: {name} must be at least 1, found {value}")
        if pooling not in POOLING:
            raise ConfigError(f"no pooling {pooling!r}: {nearest(pooling, POOLING)}")
        self.in_channels, self.hidden_channels, self.out_channels = in_channels, hidden_channels, hidden_channels
        self.num_layers, self.heads, self.feed_forward = num_layers, heads, feed_forward
        self.dropout, self.norm_first, self.activation = dropout, norm_first, activation
        self.pooling, self.preset = pooling, preset
        self.embedding = nn.Linear(in_channels, hidden_channels)
        self.class_node = ClassNode(hidden_channels) if pooling == "class" else None
        self.pair_bias = None if pair_columns is None else PairBias(pair_columns, heads)
        self.layers = nn.ModuleList(
            TransformerLayer(hidden_channels, heads, feed_forward, dropout, norm_first, activation)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_channels) if norm_first else None
        gate = nn.Linear(hidden_channels, 1, bias=False)  # a bias would cancel in the softmax
        self.gate = AttentionalAggregation(gate) if pooling == "attention" else None

    @classmethod
    def bumblebee(cls, in_channels: int, **kwargs: Any) -> EventTransformer:
        """Bumblebee: 8 layers, width 768, 16 heads, feed-forward 3072, about 57 million parameters.

        Args:
            in_channels: width of the node features.
            kwargs: other arguments of the class, in place of the published ones.

        Source: arXiv:2412.07867, section 3.
        """
        sizes = {"hidden_channels": 768, "num_layers": 8, "heads": 16, "feed_forward": 3072}
        return cls(in_channels, **{**sizes, **kwargs})

    @classmethod
    def kishimoto(cls, **kwargs: Any) -> EventTransformer:
        """Kishimoto et al.: 8 layers, width 256, feed-forward 2048, 10.5 million parameters, the view ``kishimoto``.

        Layers are those of torch's ``TransformerEncoderLayer`` as it comes (norm last, ReLU, dropout 0.1); the
        paper gives "approximately 11 M" parameters and no number of heads; 8 are taken.

        Args:
            kwargs: other arguments of the class, in place of the published ones.

        Source: Kishimoto et al., "A study of foundation models for event classification in collider physics",
        section 4.
        """
        sizes = {"in_channels": 11, "hidden_channels": 256, "num_layers": 8, "heads": 8, "feed_forward": 2048}
        layer = {"dropout": 0.1, "norm_first": False, "activation": "relu"}
        return cls(**{**sizes, **layer, "preset": "kishimoto", **kwargs})

    @classmethod
    def abasov(cls, width: int = 125, heads: int = 5, **kwargs: Any) -> EventTransformer:
        """Abasov et al.: width and heads 16/1, 20/5, 125/1 or 125/5, the view ``abasov``.

        The slides give no number of layers ("small" and "large" differ in it too): 2 up to a width of 20, else 4.

        Args:
            width: of the embedding.
            heads: attention heads.
            kwargs: other arguments of the class, in place of the published ones.

        Source: Abasov et al., "Developing foundational transformer models for unified top-quark physics analysis".
        """
        layers = 2 if width <= 20 else 4
        sizes = {"in_channels": 13, "hidden_channels": width, "num_layers": layers, "heads": heads}
        return cls(**{**sizes, "preset": "abasov", **kwargs})

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON: ``EventTransformer(**model.config())`` has the same architecture."""
        names = ("in_channels", "hidden_channels", "num_layers", "heads", "feed_forward", "dropout", "norm_first")
        config = {name: getattr(self, name) for name in (*names, "activation", "pooling", "preset")}
        return config | {"pair_columns": None if self.pair_bias is None else list(self.pair_bias.columns)}

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for part in self.children():
            for one in part if isinstance(part, nn.ModuleList) else [part]:
                one.reset_parameters()  # type: ignore[operator]

    def forward(self, batch: Data) -> Representation:
        """Represent a batch of events (or one event).

        Args:
            batch: ``x`` of shape ``[N, in_channels]``, ``p4`` (pt [GeV], eta, phi [rad], mass [GeV]) of shape
                ``[N, 4]``, ``batch`` and ``ptr`` of a PyG ``Batch``, and optionally ``edge_index``.

        Returns:
            ``nodes``: the final objects, shape ``[N, D]``; ``graph``: the events, shape ``[B, D]``.

        Raises:
            ConfigError: when the batch lacks a column or has one of another width.
        """
        x, p4 = model_columns(self, batch, self.in_channels)
        counts = host_counts(batch)
        on_device = counts.to(x.device, non_blocking=True)
        event = torch.repeat_interleave(
            torch.arange(counts.numel(), device=x.device), on_device, output_size=x.size(0)
        )  # fmt: skip
        x = self.embedding(x)
        edge_index, real = batch.edge_index, None
        if self.class_node is not None:
            objects, own = self.class_node.places(on_device, event)
            x = self.class_node.join(x, objects, own)
            p4 = p4.new_zeros(x.size(0), 4).index_copy(0, objects, p4)
            real = p4.new_zeros(x.size(0), 1).index_fill(0, objects, 1.0)
            if edge_index is not None:
                edge_index = self.class_node.edges(edge_index, event, objects, own)
            counts = counts + 1
        if edge_index is None and not any(layer.attention.is_observed for layer in self._layers()):
            plain = self.pair_bias is None and not (self.training and self.dropout)
            if torch.compiler.is_compiling() and plain:
                ptr = F.pad(counts.cumsum(0), (1, 0))
                attend: Attend = lambda attention, h: attention.forward_packed(h, ptr)  # noqa: E731
            else:
                attend = self._in_blocks(SizeBuckets.of(counts, x.device), p4, real)
        else:
            if edge_index is None:
                edge_index, _ = complete_edges(counts.to(x.device))
            attend = self._along(add_remaining_self_loops(edge_index, num_nodes=x.size(0))[0], p4, real)
        for layer in self._layers():
            x = layer(x, attend)
        x = x if self.norm is None else self.norm(x)
        if self.class_node is not None:
            return Representation(x[objects], x[own])
        return Representation(x, self._pool(x, event, counts.numel(), on_device))

    def forward_dense(self, features: Tensor, mask: Tensor, p4: Tensor) -> Representation:
        """The same network on padded complete events, in operations that export to other formats.

        Args:
            features: shape ``[B, n, in_channels]``.
            mask: True where there is an object, shape ``[B, n]``.
            p4: (pt [GeV], eta, phi [rad], mass [GeV]), shape ``[B, n, 4]``.

        Returns:
            ``nodes`` of shape ``[B, n, D]``, zero where there is no object; ``graph`` of shape ``[B, D]``.
        """
        # What stands in the padding must not matter, NaN included.
        hidden = ~mask.unsqueeze(-1)
        x = self.embedding(features.masked_fill(hidden, 0.0))
        p4 = p4.masked_fill(hidden, 0.0)
        real, taken = mask.unsqueeze(-1).to(x.dtype), mask
        if self.class_node is not None:
            x = torch.cat([x, self.class_node.vector.to(x.dtype).expand(x.size(0), 1, -1)], dim=1)
            p4, real = (torch.cat([part, torch.zeros_like(part[:, :1])], dim=1) for part in (p4, real))
            taken = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        else:
            # An event without objects attends to one place of padding, so that no softmax is empty.
            first = torch.arange(mask.size(1), device=mask.device) == 0
            taken = mask | (first & ~mask.any(dim=1, keepdim=True))
        bias = None
        if self.pair_bias is not None:
            bias = self.pair_bias(p4.unsqueeze(2), p4.unsqueeze(1)) * (real.unsqueeze(2) * real.unsqueeze(1))
        for layer in self._layers():
            x = layer(x, lambda attention, h: attention.forward_dense(h, taken, bias))
        x = x if self.norm is None else self.norm(x)
        if self.class_node is not None:
            return Representation(x[:, :-1].masked_fill(hidden, 0.0), x[:, -1])
        x = x.masked_fill(hidden, 0.0)
        if self.gate is not None:
            gate = self.gate.gate_nn(x).masked_fill(hidden, -torch.inf)
            graph = (gate.softmax(dim=1).nan_to_num() * x).sum(dim=1)
        else:
            graph = x.sum(dim=1)
            if self.pooling == "mean":
                graph = graph / mask.sum(dim=1, keepdim=True).clamp(min=1).to(x.dtype)
        return Representation(x, graph)

    def _layers(self) -> list[TransformerLayer]:
        return cast(list[TransformerLayer], list(self.layers))

    def _in_blocks(self, buckets: SizeBuckets, p4: Tensor, real: Tensor | None) -> Attend:
        """Attention of complete events, by the fused path."""
        bias: list[Tensor] | None = None
        if self.pair_bias is not None:
            bias = [self.pair_bias(block.unsqueeze(2), block.unsqueeze(1)) for block in buckets.spread(p4)]
            if real is not None:
                flags = [block.unsqueeze(2) * block.unsqueeze(1) for block in buckets.spread(real)]
                bias = [b * flag for b, flag in zip(bias, flags, strict=True)]
        return lambda attention, x: attention.forward_complete(x, buckets, bias)

    def _along(self, edge_index: Tensor, p4: Tensor, real: Tensor | None) -> Attend:
        """Attention along edges."""
        bias: Tensor | None = None
        if self.pair_bias is not None:
            source, target = edge_index
            bias = self.pair_bias(p4[target], p4[source])
            if real is not None:
                bias = bias * (real[target] * real[source])
        return lambda attention, x: attention(x, edge_index, bias)

    def _pool(self, x: Tensor, event: Tensor, num_events: int, counts: Tensor) -> Tensor:
        """From objects ``[N, D]`` to events ``[B, D]``."""
        if self.gate is not None:
            pooled: Tensor = self.gate(x, event, dim_size=num_events)
            return pooled
        total = x.new_zeros(num_events, x.size(1)).index_add(0, event, x)
        return total if self.pooling == "sum" else total / counts.clamp(min=1).unsqueeze(-1).to(x.dtype)

    def __repr__(self) -> str:
        sizes = f"{self.in_channels}, {self.hidden_channels}, num_layers={self.num_layers}, heads={self.heads}"
        return f"{type(self).__name__}({sizes}, pooling={self.pooling!r})"

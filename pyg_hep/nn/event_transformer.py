"""``EventTransformer``: the attention encoder on events as complete graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs import View
from pyg_hep.nn.backbone import Backbone
from pyg_hep.nn.class_node import ClassNode
from pyg_hep.nn.id_tables import IdTables
from pyg_hep.nn.layout import Layout
from pyg_hep.nn.pair_bias import PairBias
from pyg_hep.nn.representation import Representation
from pyg_hep.nn.transformer_layer import TransformerLayer

POOLING = ("sum", "mean", "attention", "class")


class EventTransformer(Backbone):
    r"""Transformer encoder in which every object of an event attends to every one, itself included.

    .. math:: h_i = W x_i + b + \textstyle\sum_k T_k[n_{ik}], \qquad
        h \leftarrow \mathrm{Layer}(h) \quad (\text{num\_layers times}), \qquad
        h_\text{event} = \mathrm{pool}_i \, h_i

    There is no positional encoding: the order of the objects does not matter. Along the ``edge_index`` of an input
    that has one, objects attend to the sources of their edges and to themselves. Event columns u join as a node
    :math:`v + W_u u` of every event: the class node with the pooling ``"class"``, else a token that objects attend
    to and that is not pooled. Under ``torch.compile`` complete graphs have no graph breaks as long as there are
    neither ``pair_columns`` nor dropout.

    Args:
        in_channels: width of the node features ``x``.
        event_channels: width of the event columns ``u``.
        id_channels: sizes of the tables T of the integer columns ``ids``.
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
        class_ids: for the pooling ``"class"``: the class node is an object of which only these ids are seen, the sum
            of their rows of the tables, in place of a learned vector. A model that was pretrained without a class
            node gets one so without new weights.
        embedding_bias: b of the embedding; without it an object whose columns are all hidden has the embedding 0,
            and its tables say the rest.
        preset: name of the published view that ``x`` is made by.

    Raises:
        ConfigError: for a number below 1 or an unknown name.

    Source: Vaswani et al., arXiv:1706.03762.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        event_channels: int = 0,
        id_channels: Sequence[int] = (),
        hidden_channels: int = 128,
        num_layers: int = 4,
        heads: int = 8,
        feed_forward: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: str = "gelu",
        pooling: str = "mean",
        pair_columns: Sequence[str] | None = None,
        class_ids: Sequence[int] | None = None,
        embedding_bias: bool = True,
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
        self.in_channels, self.event_channels, self.id_channels = in_channels, event_channels, tuple(id_channels)
        self.hidden_channels, self.out_channels = hidden_channels, hidden_channels
        self.num_layers, self.heads, self.feed_forward = num_layers, heads, feed_forward
        self.dropout, self.norm_first, self.activation = dropout, norm_first, activation
        self.pooling, self.embedding_bias, self.preset = pooling, embedding_bias, preset
        self.pair_columns = None if pair_columns is None else tuple(pair_columns)
        self.class_ids = None if class_ids is None else tuple(class_ids)
        self._check_class_ids()
        self.embedding = nn.Linear(in_channels, hidden_channels, bias=embedding_bias)
        self.id_tables = IdTables(self.id_channels, hidden_channels) if self.id_channels else None
        joins = self.class_ids is None and (pooling == "class" or event_channels > 0)
        self.class_node = ClassNode(hidden_channels, event_channels) if joins else None
        self.pair_bias = None if self.pair_columns is None else PairBias(self.pair_columns, heads)
        self.layers = nn.ModuleList(
            TransformerLayer(hidden_channels, heads, feed_forward, dropout, norm_first, activation)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_channels) if norm_first else None
        # A bias would cancel in the softmax.
        self.gate = nn.Linear(hidden_channels, 1, bias=False) if pooling == "attention" else None

    @classmethod
    def bumblebee(cls, in_channels: int = 5, **kwargs: Any) -> EventTransformer:
        """Bumblebee: 8 layers, width 768, 16 heads, feed-forward 3072, 57 million parameters, the view ``bumblebee``.

        An object is the sum of a linear embedding of its five-vector, which is 0 where that is hidden, and a row of
        each table: particle, level, hidden or not. The paper gives no feed-forward width and no place of the norms:
        four times the width, and before attention and feed-forward, as in the code of one of its authors.

        Args:
            in_channels: width of the node features, 6 for ``View.bumblebee(smooth=True)``.
            kwargs: other arguments of the class, in place of the published ones. A view without one of the tables
                needs ``id_channels=view.channels.ids``. A classification is learned by the class node:
                ``pooling="class", class_ids=CLASS_IDS`` of :mod:`pyg_hep.inputs.particle_ids`.

        Source: arXiv:2412.07867, sections 3.1 to 3.3.
        """
        sizes = {"hidden_channels": 768, "num_layers": 8, "heads": 16, "feed_forward": 3072, "dropout": 0.05}
        tables = {"id_channels": View("bumblebee").channels.ids, "embedding_bias": False}
        return cls(in_channels, **{**sizes, **tables, "preset": "bumblebee", **kwargs})

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

    def _check_class_ids(self) -> None:
        if self.class_ids is None:
            return
        if self.pooling != "class" or self.event_channels:
            raise ConfigError('EventTransformer: class_ids go with pooling="class", and without event columns')
        fit = len(self.class_ids) == len(self.id_channels) and all(
            0 <= number < size for number, size in zip(self.class_ids, self.id_channels, strict=True)
        )
        if not fit:
            raise ConfigError(
                f"EventTransformer: class_ids {list(self.class_ids)} are no rows of tables of the sizes "
                f"{list(self.id_channels)}"
            )

    def _own_node(self, u: Tensor | None, layout: Layout) -> Tensor | None:
        """What joins the objects of each event, ``[B, D]``."""
        if self.class_node is not None:
            return self.class_node(u, layout.num_events)
        if self.class_ids is None or self.id_tables is None:
            return None
        ids = torch.tensor([self.class_ids], device=self.embedding.weight.device)
        return self.id_tables(ids).expand(layout.num_events, -1)

    def stages(self) -> dict[str, list[nn.Module]]:
        """Everything before the layers, the layers, and what comes after them, where anything does."""
        stages: dict[str, list[nn.Module | None]] = {
            "encoder": [self.embedding, self.id_tables, self.class_node, self.pair_bias],
            **{f"layers.{k}": [layer] for k, layer in enumerate(self.layers)},
            "decoder": [self.norm, self.gate],
        }
        present = {name: [part for part in parts if part is not None] for name, parts in stages.items()}
        return {name: parts for name, parts in present.items() if parts}

    def forward(self, input: Data) -> Representation:
        """Represent events, see :meth:`Backbone.forward`: final objects, and what they are pooled to.

        Raises:
            ConfigError: when the input lacks a column or has one of another width.
        """
        layers = cast(list[TransformerLayer], list(self.layers))
        objects = layout = self.layout(input, [layer.attention for layer in layers])
        x, p4, u, ids, _ = self.columns(input, layout)
        x = self.embedding(x)
        if self.id_tables is not None:
            x = x + self.id_tables(ids)
        own_node = self._own_node(u, objects)
        if own_node is not None:
            x, layout = objects.join(x, own_node)
        bias = None if self.pair_bias is None else layout.bias(self.pair_bias, p4)
        for layer in layers:
            x = layer(x, layout, bias)
        x = x if self.norm is None else self.norm(x)
        if own_node is None:
            return Representation(objects.clean(x), self._pool(x, objects), objects)
        x, own = layout.part(x)
        return Representation(objects.clean(x), own if self.pooling == "class" else self._pool(x, objects), objects)

    def _pool(self, x: Tensor, layout: Layout) -> Tensor:
        """From objects ``[*N, D]`` to events ``[B, D]``."""
        if self.gate is not None:
            return layout.pool(layout.softmax(self.gate(x)) * x)
        return layout.pool(x, self.pooling)

    def __repr__(self) -> str:
        sizes = f"{self.in_channels}, {self.hidden_channels}, num_layers={self.num_layers}, heads={self.heads}"
        return f"{type(self).__name__}({sizes}, pooling={self.pooling!r})"

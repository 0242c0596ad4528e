"""``JetGenerator``: columns and multiplicity of jets of a class, the first half of making jets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_hep.errors import ConfigError, TrainingError, nearest
from pyg_hep.generation.parametrisation import Parametrisation, VPrediction
from pyg_hep.generation.samplers import DDIM
from pyg_hep.nn.modes import evaluating
from pyg_hep.nn.time_embedding import TimeEmbedding

COUNTS = ("num_nodes",)
"""Whole numbers: half a unit to each side is filled evenly, and rounded away again."""


class JetGenerator(nn.Module):
    r"""A small diffusion model of a few numbers of a jet (pT, eta, mass, multiplicity), given its class.

    .. math:: h = W z + c, \quad c = h(t) + W_l[y], \qquad
        h \leftarrow h + \mathrm{MLP}(\mathrm{LN}(h + c)) \; (\text{num\_layers times}), \qquad v = W' \mathrm{LN}(h)

    of standardised numbers. A multiplicity is spread over half a unit to each side; samples are rounded, and all
    numbers stay within the range of the jets that were learned from.

    Args:
        columns: names of the numbers; ``num_nodes`` should be one of them.
        num_classes: of the label; 0 for none.
        hidden_channels: width.
        num_layers: number of residual layers.

    Raises:
        ConfigError: for columns that are none or twice the same, or widths below 1.

    Source: Mikuni and Nachman, arXiv:2502.14652 (a residual network of width 256 on (pT, eta, mass, multiplicity)).
    """

    mean: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self,
        columns: Sequence[str] = ("total_pt", "total_eta", "total_mass", "num_nodes"),
        num_classes: int = 0,
        hidden_channels: int = 256,
        num_layers: int = 3,
    ):
        super().__init__()
        if not columns or len(set(columns)) < len(columns):
            raise ConfigError(f"JetGenerator needs different columns, found {', '.join(columns)}")
        if min(hidden_channels, num_layers) < 1 or num_classes < 0:
            raise ConfigError(
                f"JetGenerator: hidden_channels={hidden_channels}, num_layers={num_layers} and "
                f"num_classes={num_classes} cannot be"
            )
        self.columns, self.num_classes = tuple(columns), num_classes
        self.hidden_channels, self.num_layers = hidden_channels, num_layers
        self.process: Parametrisation = VPrediction()
        size, width = len(self.columns), hidden_channels
        for name, value in (("mean", 0.0), ("scale", 1.0), ("low", 0.0), ("high", 0.0)):
            self.register_buffer(name, torch.full((size,), value))
        self.first = nn.Linear(size, width)
        self.time = TimeEmbedding(width)
        self.label = nn.Embedding(num_classes, width) if num_classes else None
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in range(num_layers)
        )
        self.norm, self.last = nn.LayerNorm(width), nn.Linear(width, size)

    def config(self) -> dict[str, Any]:
        """Constructor arguments, as plain JSON; what was learned, ranges included, is in the state dict."""
        names = ("num_classes", "hidden_channels", "num_layers")
        return {"columns": list(self.columns), **{name: getattr(self, name) for name in names}}

    def forward(self, z: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        """Velocities ``[N, G]`` of noised numbers ``[N, G]`` at times ``[N]``, in jets of the classes ``[N]``.

        Raises:
            ConfigError: without classes where the generator has some.
        """
        condition = self.time(time)
        if self.label is not None:
            if y is None:
                raise ConfigError(f"JetGenerator has {self.num_classes} classes: say which, y=")
            condition = condition + self.label(y)
        h = self.first(z) + condition
        for layer in self.layers:
            h = h + layer(h + condition)
        out: Tensor = self.last(self.norm(h))
        return out

    def fit(
        self,
        jets: Mapping[str, Any],
        steps: int = 4_000,
        batch_size: int = 512,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> list[float]:
        """Learn from jets, with AdamW and a cosine schedule; a minute on a CPU, so that it needs no trainer.

        Args:
            jets: columns ``[N]`` by name, ``y`` where there are classes and ``weight`` where jets have any:
                :func:`jet_columns` of a data set gives them. Others are not looked at.
            steps: of the optimiser.
            batch_size: jets of each, drawn with replacement.
            learning_rate: at the start.
            seed: of the random numbers.

        Returns:
            The loss of every step.

        Raises:
            ConfigError: for columns that are missing, not finite or never vary, negative weights, or other classes.
            TrainingError: when the loss is not finite.
        """
        values, y = self._table(jets)
        weight = torch.as_tensor(jets["weight"]).to(values) if "weight" in jets else values.new_ones(len(values))
        if bool((weight < 0).any()) or not float(weight.sum()) > 0:
            raise ConfigError("JetGenerator draws jets by their weights, which must not be negative")
        scale = values.double().std(dim=0)
        if not bool((scale > 0).all()):
            raise ConfigError(f"{self.columns[int(scale.argmin())]!r} is the same in all jets")
        for name, column in (
            ("mean", values.mean(0)),
            ("scale", scale),
            ("low", values.amin(0)),
            ("high", values.amax(0)),
        ):
            getattr(self, name).copy_(column)
        device = self.mean.device
        generator = torch.Generator().manual_seed(seed)
        whole = torch.tensor([name in COUNTS for name in self.columns])
        optimiser = torch.optim.AdamW(self.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        losses: list[float] = []
        self.train()
        for _ in range(steps):
            rows = torch.multinomial(weight, batch_size, replacement=True, generator=generator)
            spread = torch.rand(batch_size, len(self.columns), generator=generator) - 0.5
            x = (values[rows] + spread * whole).to(device)
            x = (x - self.mean) / self.scale
            noise = torch.randn(tuple(x.shape), generator=generator).to(x)
            time = torch.rand(batch_size, generator=generator).to(x)
            output = self(self.process.noised(x, noise, time), time, None if y is None else y[rows].to(device))
            loss = F.mse_loss(output, self.process.target(x, noise, time))
            if not bool(loss.isfinite()):
                raise TrainingError(f"JetGenerator: the loss is not finite at step {len(losses) + 1}")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        self.eval()
        return losses

    def _table(self, jets: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
        """The numbers ``[N, G]`` and the classes of jets."""
        names = [*self.columns, *(("y",) if self.num_classes else ())]
        for name in names:
            if name not in jets:
                raise ConfigError(f"the jets have no column {name!r}: {nearest(name, [str(key) for key in jets])}")
        values = torch.stack([torch.as_tensor(jets[name]).reshape(-1).float().cpu() for name in self.columns], dim=1)
        bad = [name for name, column in zip(self.columns, values.unbind(1), strict=True) if not column.isfinite().all()]
        if bad:
            raise ConfigError(f"the jets' column {bad[0]!r} is not finite")
        return values, self._classes(jets["y"]) if self.num_classes else None

    def _classes(self, y: Any) -> Tensor:
        labels = torch.as_tensor(y).reshape(-1).cpu()
        if labels.is_floating_point() or not bool(((labels >= 0) & (labels < self.num_classes)).all()):
            raise ConfigError(f"y must hold classes from 0 to {self.num_classes - 1}")
        return labels.long()

    @torch.no_grad()
    def sample(self, y: Any, calls: int = 64, batch_size: int = 8192, seed: int = 0) -> dict[str, Tensor]:
        """New jets, in the form that :func:`generate_particles` takes.

        Args:
            y: class of each, ``[N]``; their number where there are no classes.
            calls: of the network, an even number.
            batch_size: jets at a time.
            seed: of the noise.

        Returns:
            The columns ``[N]`` by name, and ``y`` where there are classes.

        Raises:
            ConfigError: for classes that there are not, or a generator that has not learned yet.
        """
        if not bool((self.high > self.low).all()):
            raise ConfigError("this JetGenerator has not learned from any jets yet: fit it first")
        labels = self._classes(y) if self.num_classes else None
        number = len(labels) if labels is not None else int(y)
        noise = torch.randn(number, len(self.columns), generator=torch.Generator().manual_seed(seed))
        sampler, parts = DDIM(self.process), []
        with evaluating(self):
            for rows in torch.arange(number).split(batch_size):
                known = None if labels is None else labels[rows].to(self.mean.device)

                def output(z: Tensor, t: Tensor, known: Tensor | None = known) -> Tensor:
                    return self(z, t.expand(len(z)), known)

                z = sampler(output, noise[rows].to(self.mean), calls)
                parts.append((z * self.scale + self.mean).clamp(self.low, self.high).cpu())
        values = torch.cat(parts) if parts else noise
        made = {name: values[:, k] for k, name in enumerate(self.columns)}
        made = {name: column.round().long() if name in COUNTS else column for name, column in made.items()}
        return made if labels is None else {**made, "y": labels}

"""Jet taggers of other packages as ways to train for a task: each with its own optimiser and schedule.

They see what ours see through the view ``omnilearn``: the 13 columns of the particles, the four of the jet where they
have a place for them, directions and four-momenta.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import peers
import torch
from jets import Padded, padding
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_hep import command
from pyg_hep.datasets import EventDataset
from pyg_hep.inputs import View
from pyg_hep.kinematics import to_cartesian
from pyg_hep.loader import EventLoader
from pyg_hep.studies.methods import Fitted, Tunable, balanced_labels
from pyg_hep.studies.task import Size, Task
from pyg_hep.training import process

WIDTH, LAYERS, HEADS, NEIGHBOURS, COLUMNS = 64, 4, 4, 6, 13
"""Of the transformers, as of ours in the study at its small size."""
Step = Callable[[], None]
Schedule = Callable[[torch.optim.Optimizer, int, int], tuple[Step, Step]]
"""Of an optimiser, steps per epoch and epochs: what is called after each step, and after each epoch."""


class _Padded(nn.Module):
    """A peer that takes padded columns, from a packed input to logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """Logits, ``[B, 2]``."""
        return self.logits(batch, *padding(batch.ptr.diff()))

    def logits(self, batch: Batch, padded: Padded, mask: Tensor) -> Tensor:
        """Logits of what ``padded`` makes of columns, ``[N, C]`` to ``[B, n, C]``."""
        raise NotImplementedError


class WeaverParticleNet(_Padded):
    """weaver-core's ParticleNet, published size, without fusion as published."""

    def __init__(self) -> None:
        peers.weaver()
        from weaver.nn.model.ParticleNet import ParticleNet

        blocks = [(16, (width,) * 3) for width in (64, 128, 256)]
        super().__init__(ParticleNet(COLUMNS, 2, conv_params=blocks, fc_params=[(256, 0.1)], use_fusion=False))

    def logits(self, batch: Batch, padded: Padded, mask: Tensor) -> Tensor:
        """Of directions relative to the jet and columns."""
        x = padded(batch.x).transpose(1, 2)
        out: Tensor = self.model(x[:, :2].contiguous(), x.contiguous(), mask.unsqueeze(1))
        return out


class WeaverParticleTransformer(_Padded):
    """weaver-core's ParticleTransformer, of our width, layers and heads."""

    def __init__(self) -> None:
        peers.weaver()
        from weaver.nn.model.ParticleTransformer import ParticleTransformer

        sizes = {"embed_dims": (WIDTH, 4 * WIDTH, WIDTH), "num_heads": HEADS, "num_layers": LAYERS}
        super().__init__(ParticleTransformer(COLUMNS, 2, pair_input_dim=4, use_pre_activation_pair=False, **sizes))

    def logits(self, batch: Batch, padded: Padded, mask: Tensor) -> Tensor:
        """Of columns and four-momenta (px, py, pz, E)."""
        out: Tensor = self.model(
            padded(batch.x).transpose(1, 2), padded(to_cartesian(batch.p4)).transpose(1, 2), mask.unsqueeze(1)
        )  # fmt: skip
        return out


class OmniLearned(_Padded):
    """PET v2 of the package omnilearned, of our width, layers and neighbours, with its dropout of 0.1.

    Args:
        local: with the features of pairs of neighbours.
    """

    def __init__(self, local: bool) -> None:
        peers.omnilearned()
        from omnilearned.network import PET2

        sizes = {"base_dim": WIDTH, "num_transformers": LAYERS, "num_heads": HEADS, "K": NEIGHBOURS}
        more = {"conditional": True, "cond_dim": 4, "add_info": True, "add_dim": COLUMNS - 4, "feature_drop": 0.0}
        super().__init__(PET2(4, use_int=False, local_int=local, mlp_drop=0.1, attn_drop=0.1, **sizes, **more))

    def logits(self, batch: Batch, padded: Padded, mask: Tensor) -> Tensor:
        """Of direction, ln pT and ln E; the other columns as additional information, those of the jet as condition."""
        pt, eta, _, mass = batch.p4.unbind(1)
        energy = ((pt * eta.cosh()) ** 2 + mass**2).sqrt()
        # Its features of pairs take the third column for ln(pT / GeV), so this one is not standardised; and directions
        # in units of their spread would make these features wrong.
        x = torch.stack([batch.x[:, 0] * 0.215, batch.x[:, 1] * 0.215, pt.log(), energy.log()], dim=1)
        other = batch.x[:, [k for k in range(COLUMNS) if k not in (0, 1, 3, 5)]]
        out: Tensor = self.model(padded(x), None, cond=batch.u, add_info=padded(other))["y_pred"]
        return out


def _flat_decay(optimiser: torch.optim.Optimizer, steps: int, epochs: int) -> tuple[Step, Step]:
    """weaver-core's: constant, then down to 1 % over the last 30 % of the epochs."""
    falling = max(1, int(0.3 * epochs))
    schedule = torch.optim.lr_scheduler.MultiStepLR(
        optimiser, list(range(epochs - falling, epochs)), gamma=0.01 ** (1 / falling)
    )  # fmt: skip
    return lambda: None, schedule.step


def _cosine(optimiser: torch.optim.Optimizer, steps: int, epochs: int) -> tuple[Step, Step]:
    """omnilearned's: a cosine over all steps."""
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * epochs)
    return schedule.step, lambda: None


def _ranger(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    from weaver.utils.nn.optimizer.ranger import Ranger

    optimiser: torch.optim.Optimizer = Ranger(model.parameters(), lr=rate)
    return optimiser


def _lion(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    from pytorch_optimizer import Lion

    return Lion(model.parameters(), lr=rate, betas=(0.95, 0.98), weight_decay=0.3)


@dataclass(frozen=True)
class Recipe:
    """How a peer is made and trained: network, optimiser, schedule, published rate, norm of clipped gradients."""

    network: Callable[[], nn.Module]
    optimiser: Callable[[nn.Module, float], torch.optim.Optimizer]
    schedule: Schedule
    rate: float
    clip: float | None = None


RECIPES = {
    "weaver/particle_net": Recipe(WeaverParticleNet, _ranger, _flat_decay, 5e-3),
    "weaver/particle_transformer": Recipe(WeaverParticleTransformer, _ranger, _flat_decay, 1e-3),
    "omnilearned": Recipe(lambda: OmniLearned(local=False), _lion, _cosine, 5e-4, 1.0),
    "omnilearned/local_interaction": Recipe(lambda: OmniLearned(local=True), _lion, _cosine, 5e-4, 1.0),
}
"""Label -> recipe. Rates: of weaver-core's command line and of ParticleTransformer's scripts; of arXiv:2510.24066."""


@dataclass(frozen=True)
class Trained:
    """A network at its epoch of least validation loss, figures of every epoch, and seconds."""

    network: nn.Module
    history: list[dict[str, float]]
    seconds: float


@dataclass(frozen=True)
class Peer(Tunable):
    """One of :data:`RECIPES`.

    Args:
        factor: on the rate of the recipe.
        epochs: passes over the training jets.
        batch_size: jets in a step.
    """

    factor: float = 1.0
    epochs: int = 5
    batch_size: int = 128
    versions: tuple[tuple[str, str], ...] = field(default_factory=lambda: (peers.WEAVER, peers.OMNILEARNED))

    def at(self, size: Size) -> Self:
        """With the epochs and batches of a size."""
        return replace(self, epochs=size.epochs or self.epochs, batch_size=size.batch or self.batch_size)

    def shortened(self, share: float) -> Self:
        """With this share of the epochs, at least one."""
        return replace(self, epochs=max(1, round(share * self.epochs)))

    def trial(self, settings: Mapping[str, float]) -> Self:
        """With another rate; nothing else of a peer's recipe is changed."""
        command.check_names(settings, ["rate"])
        return replace(self, factor=settings.get("rate", 1.0) * self.factor)

    def learn(self, task: Task, seed: int, output: Path) -> Trained:
        """Train."""
        recipe = RECIPES[self.label]
        with process.isolated():
            process.seed_everything(seed)
            model, view = recipe.network(), View("omnilearn")
            optimiser = recipe.optimiser(model, self.factor * recipe.rate)
            loader = EventLoader(task.train, self.batch_size, shuffle=True, seed=seed)
            after_step, after_epoch = recipe.schedule(optimiser, len(loader), self.epochs)
            scale = _class_weights(task.train)
            start, history, best = time.perf_counter(), [], copy.deepcopy(model.state_dict())
            for _ in range(self.epochs):
                model.train()
                for batch in loader:
                    optimiser.zero_grad()
                    _loss(model(view(batch)), batch, scale).backward()
                    if recipe.clip is not None:
                        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
                    optimiser.step()
                    after_step()
                after_epoch()
                loss = _validation_loss(model, view, task.val, scale)
                history.append({"val_loss": loss, "seconds": time.perf_counter() - start})
                if loss <= min(epoch["val_loss"] for epoch in history):
                    best = copy.deepcopy(model.state_dict())
            model.load_state_dict(best)
        return Trained(model, history, history[-1]["seconds"])

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Train and test."""
        trained = self.learn(task, seed, output)
        with process.isolated():
            probability = _probability(trained.network, View("omnilearn"), task.test)
        kept = int(np.argmin([epoch["val_loss"] for epoch in trained.history]))
        fitted = Fitted.of_probability(probability, task.test)
        return replace(fitted, history=trained.history, best_epoch=kept, seconds=trained.seconds)


def _class_weights(dataset: EventDataset) -> Tensor:
    """Factor of each class that makes their sums the same, with the mean 1, as in ours."""
    y, balanced = balanced_labels(dataset)
    weight = dataset.column("weight").numpy()
    return torch.tensor([balanced[y == k].sum() / weight[y == k].sum() for k in (0, 1)], dtype=torch.float32)


def _loss(logits: Tensor, batch: Batch, scale: Tensor) -> Tensor:
    weight = batch.weight.float() * scale[batch.y]
    losses = nn.functional.cross_entropy(logits, batch.y, reduction="none")
    return (weight * losses).sum() / weight.sum()


@torch.no_grad()
def _outputs(model: nn.Module, view: View, dataset: EventDataset) -> list[tuple[Tensor, Batch]]:
    model.eval()
    return [(model(view(batch)), batch) for batch in EventLoader(dataset, 512)]


def _validation_loss(model: nn.Module, view: View, dataset: EventDataset, scale: Tensor) -> float:
    outputs = _outputs(model, view, dataset)
    sums = [float((batch.weight * scale[batch.y]).sum()) for _, batch in outputs]
    losses = [float(_loss(logits, batch, scale)) for logits, batch in outputs]
    return float(np.average(losses, weights=sums))


def _probability(model: nn.Module, view: View, dataset: EventDataset) -> np.ndarray[Any, Any]:
    out: np.ndarray[Any, Any] = torch.cat([o.softmax(dim=1) for o, _ in _outputs(model, view, dataset)]).numpy()
    return out

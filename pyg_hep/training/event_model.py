"""``EventModel``: the one Lightning module, a view, a backbone and an objective with their optimisation."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.inputs import View
from pyg_hep.nn import Backbone, Representation
from pyg_hep.objectives import Loss, Metric, NodeColumn, Objective
from pyg_hep.objectives.meters import is_distributed
from pyg_hep.training import checkpoints
from pyg_hep.training.guards import check_finite
from pyg_hep.training.optimisation import Optimisation
from pyg_hep.training.pretrained import LoadReport, find_folder, load_folder, rebuild, save_folder


class EventModel(lightning.LightningModule):
    """A view of the events, a backbone that represents them and an objective that trains it.

    Args:
        backbone: a model of :mod:`pyg_hep.nn`, or any other with its contract.
        objective: what it is trained for.
        view: what the backbone sees: a :class:`~pyg_hep.inputs.View`, the name of a published one, or None for that
            of the backbone's preset.
        optimisation: optimiser, learning rates, schedule.
        metadata: plain JSON kept with the weights (the card, the processes, ...).

    Raises:
        ConfigError: when no view is given and the backbone has none of its own, or their widths differ.
    """

    def __init__(
        self,
        backbone: Backbone,
        objective: Objective,
        view: View | str | None = None,
        optimisation: Optimisation | None = None,
        metadata: dict[str, Any] | None = None,
    ):
        super().__init__()
        view = backbone.preset if view is None else view
        if view is None:
            raise ConfigError(f"say what {type(backbone).__name__} sees: view=View([...])")
        self.view: View = View(view) if isinstance(view, str) else view
        self.backbone: Backbone = backbone
        self.objective: Objective = objective
        self._check_widths()
        objective.bind(backbone, self.view)
        self.optimisation = optimisation or Optimisation()
        self.metadata = dict(metadata or {})
        self.seed = 0
        self.load_report: LoadReport | None = None
        self._sums: dict[str, dict[str, Tensor]] = {"train": {}, "val": {}}
        self._meters: list[Metric] = []

    def _check_widths(self) -> None:
        channels = self.view.channels
        for name, width in (("in_channels", channels.x), ("event_channels", channels.u), ("id_channels", channels.ids)):
            own = getattr(self.backbone, name, width)
            if own != width:
                raise ConfigError(
                    f"{type(self.backbone).__name__} has {name}={own}, the view gives {width} "
                    f"({self.view.extra_repr()})"
                )

    def represent(self, batch: Batch, hidden: Mapping[str, Tensor] | None = None) -> Representation:
        """Representation of a batch of raw columns: the view, then the backbone.

        Args:
            batch: raw columns.
            hidden: columns that the model does not see, see :class:`~pyg_hep.inputs.View`.
        """
        representation: Representation = self.backbone(self.view(batch, hidden))
        return representation

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Outputs of the heads for a batch of raw columns (``logits`` of shape ``[B, C]`` for classification)."""
        outputs: dict[str, Tensor] = self.objective(self.represent(batch))
        return outputs

    def predict(self, batch: Batch) -> dict[str, Tensor | NodeColumn]:
        """What the objective says of a batch, by name."""
        return self.objective.predict(self.view.selected(batch), self, self.generator(0, training=False))

    def explainable(self) -> torch.nn.Module:
        """Backbone and first head as ``torch_geometric.explain`` wants them: ``(x, edge_index, p4, batch, ...)``.

        The arguments are columns of ``model.view(batch)``; the result is the head's output.
        """
        return self.backbone.explainable(next(iter(self.objective.heads.values())))

    def generator(self, step: int, training: bool) -> torch.Generator:
        """Random numbers of one batch: the same for a validation batch in every epoch.

        Keyed by seed, epoch (in training), process and step, so that no two processes draw the same.
        """
        key = (self.seed, self.current_epoch if training else -1, self.global_rank, step)
        digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
        return torch.Generator(self.device).manual_seed(int.from_bytes(digest, "little") >> 1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch, over the events of all processes."""
        batch = self.view.selected(batch)
        step = self.objective.step(batch, self, self.generator(batch_idx, training=True), training=True)
        self._add("train", step.losses)
        loss = global_mean(step.losses)
        check_finite(loss, batch, self.global_step, self.current_epoch)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """After the last batch of an epoch, log its loss."""
        if self.trainer.is_last_batch:
            self._log_losses("train")

    def on_validation_epoch_start(self) -> None:
        """New figures."""
        self._meters, self._sums["val"] = self.objective.meters(), {}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Sums of the loss, and what the figures need of one batch."""
        batch = self.view.selected(batch)
        step = self.objective.step(batch, self, self.generator(batch_idx, training=False), training=False)
        self._add("val", step.losses)
        for meter in self._meters:
            meter.update(step.outputs, step.targets)

    def on_validation_epoch_end(self) -> None:
        """Log loss and figures of the events of all processes."""
        self._log_losses("val")
        for meter in self._meters:
            self.log_dict({f"val_{k}": v for k, v in meter.compute().items()}, rank_zero_only=False)
            meter.reset()

    def _add(self, part: str, losses: Mapping[str, Loss]) -> None:
        """Add a batch to numerators and denominators, in float64."""
        sums = self._sums[part]
        for name, loss in losses.items():
            pair = torch.stack([loss.numerator.detach().double(), loss.denominator.double()])
            sums[name] = sums[name] + pair if name in sums else pair

    def _log_losses(self, part: str) -> None:
        """Log the ratio of the sums of all processes, reduced once."""
        sums, self._sums[part] = self._sums[part], {}
        names = self._loss_names(list(sums))
        if not names:
            return
        nothing = torch.zeros(2, dtype=torch.float64, device=self.device)
        table = torch.stack([sums.get(name, nothing) for name in names])
        if is_distributed():
            torch.distributed.all_reduce(table)
        terms = (table[:, 0] / table[:, 1].clamp(min=torch.finfo(torch.float64).tiny)).tolist()
        self.log(f"{part}_loss", sum(terms), on_step=False, on_epoch=True, prog_bar=True, batch_size=1)
        if len(names) > 1:
            figures = {f"{part}_{name}": term for name, term in zip(names, terms, strict=True)}
            self.log_dict(figures, on_step=False, on_epoch=True, batch_size=1)

    @staticmethod
    def _loss_names(names: list[str]) -> list[str]:
        """Names of the terms on any process: one without events has none of its own."""
        if not is_distributed():
            return names
        everywhere: list[list[str]] = [[] for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather_object(everywhere, names)
        return max(everywhere, key=len)

    def configure_optimizers(self) -> Any:
        """Optimiser and schedules from the configuration."""
        epochs = self.trainer.max_epochs or 1
        steps = max(int(self.trainer.estimated_stepping_batches) // max(epochs, 1), 1)
        optimiser, schedules = self.optimisation.make(self.backbone, self.objective, epochs, steps)
        return [optimiser], schedules

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep all that inference needs, and the state of the random numbers."""
        checkpoint.update(checkpoints.save_state(self))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of the random numbers where a training goes on."""
        checkpoints.load_state(checkpoint, training=self._trainer is not None and self.trainer.training)

    def config(self) -> dict[str, Any]:
        """Everything but the weights, as plain JSON."""
        parts: dict[str, Backbone | Objective] = {"backbone": self.backbone, "objective": self.objective}
        return {
            **{k: {"class": type(v).__name__, "arguments": v.config()} for k, v in parts.items()},
            "view": self.view.config(),
            "optimisation": dataclasses.asdict(self.optimisation),
            "metadata": self.metadata,
        }

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``config.json`` and ``model.safetensors`` into ``folder``, both or neither."""
        return save_folder(Path(folder), self.config(), self.state_dict())

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        source: str | Path,
        objective: Objective | None = None,
        optimisation: Optimisation | None = None,
        classes: Sequence[type] = (),
    ) -> EventModel:
        """A model with new weights from what :meth:`config` gave.

        Args:
            config: the configuration.
            source: where it is from, for messages.
            objective: in place of the configuration's.
            optimisation: in place of the configuration's.
            classes: backbones and objectives from outside the library that it may name.

        Raises:
            ConfigError: when it is incomplete or names an unknown class.
        """
        backbone = rebuild(config, "backbone", classes)
        task = rebuild(config, "objective", classes) if objective is None else objective
        try:
            view = View(**config["view"])
            saved = {**config["optimisation"], "frozen": tuple(config["optimisation"]["frozen"])}
            return cls(backbone, task, view, optimisation or Optimisation(**saved), config["metadata"])
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{source}: the configuration is incomplete ({error})") from None

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        objective: Objective | None = None,
        optimisation: Optimisation | None = None,
        classes: Sequence[type] = (),
    ) -> EventModel:
        """Load what :meth:`save_pretrained` wrote.

        Args:
            folder: the folder, or the name of a model that comes with the package: ``ho-multiclass`` and
                ``ho-multilabel``, the networks of Ho et al., arXiv:2412.10665, ``ho-transformer``, a transformer
                pretrained as the first and better at all of its tasks, and ``omnilearn-small``, a small one of
                OmniLearn, arXiv:2502.14652, all pretrained on simulated events (see the model card in their folder,
                :func:`pyg_hep.training.shipped_models`).
            objective: a new task; its heads are new, view and backbone are loaded.
            optimisation: a new optimiser configuration.
            classes: backbones and objectives from outside the library that the folder may name.

        Returns:
            The model; ``load_report`` says which parameters were loaded, are new, or were left in the file.

        Raises:
            ConfigError: when the folder does not hold such a model, or names an unknown class.
        """
        folder = find_folder(folder)
        config, weights = load_folder(folder)
        model = cls.from_config(config, folder, objective, optimisation, classes)
        prefixes = None if objective is None else ("backbone.", "view.")
        model.load_report = LoadReport.load(model, weights, folder, prefixes)
        return model

    @classmethod
    def from_checkpoint(cls, path: str | Path, classes: Sequence[type] = ()) -> EventModel:
        """The model of a checkpoint of a training, ready to predict, the same as :meth:`from_pretrained` gives.

        Args:
            path: ``best.ckpt`` or ``last.ckpt`` of a training's folder, or any other that the trainer wrote.
            classes: as for :meth:`from_pretrained`.

        Raises:
            ConfigError: when there is no such checkpoint, it is truncated, or names an unknown class.
        """
        return checkpoints.load_model(cls, path, classes)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> EventModel:  # type: ignore[override]
        """Lightning's name for :meth:`from_checkpoint`; arguments are Lightning's where there are any."""
        if set(kwargs) - {"classes"} or args:
            loaded: EventModel = super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
            return loaded
        return cls.from_checkpoint(checkpoint_path, **kwargs)


def global_mean(losses: Mapping[str, Loss]) -> Tensor:
    r"""Sum of the terms, each :math:`\sum_i w_i l_i / \sum_i |w_i|` over the events of all processes.

    The result on each process is scaled such that the average of the gradients, which distributed training takes, is
    the gradient of the global mean.
    """
    numerators = torch.stack([loss.numerator for loss in losses.values()])
    denominators = torch.stack([loss.denominator.to(numerators.dtype) for loss in losses.values()])
    processes = 1
    if is_distributed():
        processes = torch.distributed.get_world_size()
        torch.distributed.all_reduce(denominators)
    return processes * (numerators / denominators.clamp(min=torch.finfo(numerators.dtype).tiny)).sum()

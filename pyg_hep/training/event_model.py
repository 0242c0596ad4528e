"""``EventModel``: the one Lightning module, a backbone with an objective and an optimiser configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_hep.errors import ConfigError
from pyg_hep.nn import Backbone, Representation
from pyg_hep.objectives import Objective
from pyg_hep.training.optimisation import Optimisation
from pyg_hep.training.pretrained import LoadReport, find_folder, load_folder, rebuild, save_folder
from pyg_hep.transforms.complete_graph import edge_features
from pyg_hep.transforms.node_features import NodeFeatures


class EventModel(lightning.LightningModule):
    """A backbone that represents events and an objective that trains it.

    Args:
        backbone: a model of :mod:`pyg_hep.nn`, or any other with its contract.
        objective: what it is trained for.
        features: the view the backbone reads: a :class:`~pyg_hep.transforms.NodeFeatures`, the name of a
            published view, or None for the one of the backbone's preset.
        optimisation: optimiser, learning rates, schedule.
        metadata: plain JSON kept with the weights (the card, the processes, ...).

    Raises:
        ConfigError: when no view is given and the backbone has none of its own.
    """

    def __init__(
        self,
        backbone: Backbone,
        objective: Objective,
        features: NodeFeatures | str | None = None,
        optimisation: Optimisation | None = None,
        metadata: dict[str, Any] | None = None,
    ):
        super().__init__()
        if features is None:
            features = backbone.preset
            if features is None:
                raise ConfigError(f"say which features {type(backbone).__name__} reads: features=NodeFeatures(...)")
        self.features = NodeFeatures(features) if isinstance(features, str) else features
        self.backbone: Backbone = backbone
        self.objective: Objective = objective
        objective.heads(backbone)
        self.optimisation = optimisation or Optimisation()
        self.metadata = dict(metadata or {})
        self.load_report: LoadReport | None = None
        self._validation: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def represent(self, batch: Batch) -> Representation:
        """Representation of a batch of raw columns: features, then the backbone."""
        representation: Representation = self.backbone(self.features(batch))
        return representation

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Outputs of the heads for a batch of raw columns (``logits`` of shape ``[B, C]`` for classification)."""
        outputs: dict[str, Tensor] = self.objective(self.represent(batch))
        return outputs

    def _task(self, batch: Batch, augment: bool) -> Batch:
        """Augmented and corrupted events; edges that came with the batch follow the new four-vectors."""
        task = self.objective.corrupt(self.objective.augment(batch) if augment else batch)
        if task is not batch and task.edge_index is not None:
            task.edge_attr = edge_features(task.p4, task.edge_index)
        return task

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        task = self._task(batch, augment=True)
        terms = self.objective.loss(self.represent(task), task)
        loss = torch.stack(list(terms.values())).sum()
        size = int(batch.num_graphs)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=size, prog_bar=True)
        if len(terms) > 1:
            self.log_dict({f"train_{k}": v for k, v in terms.items()}, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss of one batch; outputs are kept for the figures of the whole validation set."""
        task = self._task(batch, augment=False)
        representation = self.represent(task)
        terms = self.objective.loss(representation, task)
        size = int(batch.num_graphs)
        self.log("val_loss", torch.stack(list(terms.values())).sum(), batch_size=size, prog_bar=True, sync_dist=True)
        if len(terms) > 1:
            self.log_dict({f"val_{k}": v for k, v in terms.items()}, batch_size=size, sync_dist=True)
        self._validation.append((self.objective(representation), self.objective.targets(task)))

    def on_validation_epoch_end(self) -> None:
        """Log the objective's figures."""
        pairs, self._validation = self._validation, []
        if pairs:
            outputs, targets = ({k: torch.cat([p[i][k] for p in pairs]) for k in pairs[0][i]} for i in (0, 1))
            figures = self.objective.metrics(outputs, targets)  # type: ignore[arg-type]
            self.log_dict({f"val_{k}": v for k, v in figures.items()}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Optimiser and schedule from the configuration."""
        epochs = self.trainer.max_epochs or 1
        steps = max(int(self.trainer.estimated_stepping_batches) // max(epochs, 1), 1)
        optimiser, schedule = self.optimisation.make(self.backbone, self.objective, epochs, steps)
        rule = {"scheduler": schedule, "interval": "step"}
        if self.optimisation.schedule == "plateau":
            rule |= {"interval": "epoch", "monitor": "val_loss"}
        return {"optimizer": optimiser, "lr_scheduler": rule}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of the random numbers, so that a resumed run goes on as if never stopped."""
        checkpoint["torch_rng_state"] = torch.get_rng_state()
        if torch.cuda.is_available():
            checkpoint["cuda_rng_states"] = torch.cuda.get_rng_state_all()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of the random numbers."""
        torch.set_rng_state(checkpoint["torch_rng_state"].cpu())
        if torch.cuda.is_available() and "cuda_rng_states" in checkpoint:
            torch.cuda.set_rng_state_all([s.cpu() for s in checkpoint["cuda_rng_states"]])

    def config(self) -> dict[str, Any]:
        """Everything but the weights, as plain JSON."""
        parts: dict[str, Backbone | Objective] = {"backbone": self.backbone, "objective": self.objective}
        return {
            **{k: {"class": type(v).__name__, "arguments": v.config()} for k, v in parts.items()},
            "features": self.features.config(),
            "optimisation": dataclasses.asdict(self.optimisation),
            "metadata": self.metadata,
        }

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``config.json`` and ``model.safetensors`` into ``folder``, both or neither."""
        return save_folder(Path(folder), self.config(), self.state_dict())

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
                ``ho-multilabel``, the networks of Ho et al., arXiv:2412.10665, pretrained on simulated events
                (see the model card in their folder, :func:`pyg_hep.training.shipped_models`).
            objective: a new task; its heads are new, the backbone is loaded.
            optimisation: a new optimiser configuration.
            classes: backbones and objectives from outside the library that the folder may name.

        Returns:
            The model; ``load_report`` says which parameters were loaded, are new, or were left in the file.

        Raises:
            ConfigError: when the folder does not hold such a model, or names an unknown class.
        """
        folder = find_folder(folder)
        config, weights = load_folder(folder)
        backbone = rebuild(config, "backbone", classes)
        same_task = objective is None
        task = rebuild(config, "objective", classes) if objective is None else objective
        try:
            features = NodeFeatures(**config["features"])
            saved = {**config["optimisation"], "frozen": tuple(config["optimisation"]["frozen"])}
            model = cls(backbone, task, features, optimisation or Optimisation(**saved), config["metadata"])
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{folder}: config.json is incomplete ({error})") from None
        model.load_report = LoadReport.load(model, weights, folder, prefix=None if same_task else "backbone.")
        return model

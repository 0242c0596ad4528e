"""Checkpoints: written whole or not at all, read with one sentence for what is wrong, complete for inference."""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback

from pyg_hep.errors import ConfigError, OutputError
from pyg_hep.training.pretrained import LoadReport
from pyg_hep.training.settings import PLACE, TrainingSettings

if TYPE_CHECKING:
    from pyg_hep.training.event_model import EventModel

MODEL, RUN = "pyg_hep", "pyg_hep_run"
"""Keys under which a checkpoint has the configuration of the model, and what the run was made of."""

_MAY_CHANGE = (*PLACE, "epochs", "patience")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there: a broken-off write leaves the last one whole.

    Lightning's own writes to the system's temporary folder, from where a move to another disk is a copy.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            OutputError: when it cannot be written; names the file.
        """
        target = Path(path)
        partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb", buffering=0) as file:  # with a buffer, a full disk is a RuntimeError of torch
                torch.save(checkpoint, file)
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError as error:
            raise OutputError(f"cannot write the checkpoint {target}: {error.strerror or error}") from None
        finally:
            partial.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint, on the CPU unless said otherwise; nothing is unpickled."""
        return read(path, map_location or "cpu")


def read(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Content of a checkpoint.

    Raises:
        ConfigError: when it is not there, truncated, or no checkpoint of this library.
    """
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"no checkpoint {path}") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        raise ConfigError(f"the checkpoint {path} is truncated or none: take another, or train anew") from None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ConfigError(f"{path} is no checkpoint of a training")
    return content


def save_state(model: EventModel) -> dict[str, Any]:
    """What a checkpoint keeps besides the weights: all that makes the model again, and the random states."""
    kept: dict[str, Any] = {MODEL: model.config(), "torch_rng_state": torch.get_rng_state()}
    if torch.cuda.is_available():
        kept["cuda_rng_states"] = torch.cuda.get_rng_state_all()
    return kept


def load_state(checkpoint: Mapping[str, Any], training: bool) -> None:
    """Take up the random states of a checkpoint, where a training goes on in the middle of an epoch."""
    if not training:
        return
    torch.set_rng_state(checkpoint["torch_rng_state"].cpu())
    if torch.cuda.is_available() and "cuda_rng_states" in checkpoint:
        torch.cuda.set_rng_state_all([state.cpu() for state in checkpoint["cuda_rng_states"]])


def load_model(kind: type[EventModel], path: str | Path, classes: Sequence[type] = ()) -> EventModel:
    """The model of a checkpoint, ready to predict.

    Args:
        kind: ``EventModel``.
        path: the checkpoint.
        classes: backbones and objectives from outside the library that it may name.

    Raises:
        ConfigError: when there is no such checkpoint, it is truncated, or names an unknown class.
    """
    content = read(path)
    if MODEL not in content:
        raise ConfigError(f"{path} holds no model of this library")
    model = kind.from_config(content[MODEL], path, classes=classes)
    model.load_report = LoadReport.load(model, content["state_dict"], Path(path), None)
    return model.eval()


def run_identity(model: EventModel, settings: TrainingSettings, train: str, val: str | None) -> dict[str, Any]:
    """What a training is made of, as plain JSON: two runs with the same are the same but for place and length.

    Args:
        model: before or during training.
        settings: of the training.
        train: digest of the training events.
        val: digest of the validation events.
    """
    content = model.config()
    for part in ("backbone", "objective"):
        content[f"{part}.class"] = content[part]["class"]
        content[part] = content[part]["arguments"]
    content.pop("metadata")
    kept = {k: v for k, v in dataclasses.asdict(settings).items() if k not in _MAY_CHANGE}
    optimisation = {k: list(v) if isinstance(v, tuple) else v for k, v in content.pop("optimisation").items()}
    return {**content, "optimisation": optimisation, "settings": kept, "events": {"train": train, "val": val}}


class RunIdentity(Callback):
    """Keeps in every checkpoint what the run was made of, for :func:`check_resume`."""

    def __init__(self, identity: dict[str, Any]) -> None:
        self.identity = identity

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the identity."""
        checkpoint[RUN] = self.identity


def check_resume(path: Path, identity: Mapping[str, Any]) -> None:
    """A run goes on only as what it began as: data, model, optimisation and settings are compared.

    Epochs, patience and everything about place and progress may change.

    Raises:
        ConfigError: says what differs; or when the checkpoint cannot be read.
    """
    before = read(path).get(RUN)
    if before is None:
        raise ConfigError(f"{path} does not say what its run was made of: it is of another training")
    differences = _differences(before, dict(identity))
    if differences:
        raise ConfigError(
            f"cannot go on with {path}, a run of something else: {'; '.join(differences)} (resume=False trains anew)"
        )


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            line
            for key in keys
            for line in _differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
        ]
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        before, now = list(before), list(now)
    return [] if before == now else [f"{name} was {before!r} and is {now!r}"]

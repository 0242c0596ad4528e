"""The format in which trained models travel: a folder with JSON and safetensors; nothing is ever unpickled."""

from __future__ import annotations

import importlib
import importlib.resources
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from pyg_hep import __version__
from pyg_hep.errors import ConfigError, nearest

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FORMAT = 2
"""Of a model folder; 1 had no view, and was never released."""
_ROOMS = {"backbone": "pyg_hep.nn", "objective": "pyg_hep.objectives"}


@dataclass(frozen=True)
class LoadReport:
    """Which parameters came from the file, which are new, and which of the file were not used."""

    loaded: list[str]
    new: list[str]
    skipped: list[str]

    @classmethod
    def load(
        cls, model: nn.Module, weights: dict[str, Tensor], folder: Path, prefixes: tuple[str, ...] | None
    ) -> LoadReport:
        """Copy weights into a model.

        Args:
            model: the model.
            weights: the file's content.
            folder: for messages.
            prefixes: copy only names that begin with one of them; None copies all and leaves nothing out.

        Raises:
            ConfigError: when a parameter that should be loaded is missing or has another shape.
        """
        state = model.state_dict()
        wanted = [name for name in state if prefixes is None or name.startswith(prefixes)]
        for name in wanted:
            if name not in weights:
                raise ConfigError(f"{folder}: {WEIGHTS} lacks {name!r}")
            if weights[name].shape != state[name].shape:
                found, expected = tuple(weights[name].shape), tuple(state[name].shape)
                raise ConfigError(f"{folder}: {name!r} has shape {found} instead of {expected}")
        if any(weights[name].dtype == torch.float64 for name in wanted):
            model.double()  # as it was trained
        model.load_state_dict({name: weights[name] for name in wanted}, strict=False)
        new = [name for name in state if name not in wanted]
        return cls(wanted, new, [name for name in weights if name not in wanted])

    def __str__(self) -> str:
        text = f"{len(self.loaded)} tensors loaded"
        if self.new:
            text += f", new: {', '.join(self.new)}"
        if self.skipped:
            text += f", not used: {', '.join(self.skipped)}"
        return text


def save_folder(folder: Path, config: dict[str, Any], state: dict[str, Tensor]) -> Path:
    """Write a model folder next to its place and swap it in."""
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    retired = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        content = {"format": FORMAT, "pyg_hep": __version__, **config}
        (partial / CONFIG).write_text(json.dumps(content, indent=1), encoding="utf-8")
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in state.items()}
        safetensors.torch.save_file(tensors, partial / WEIGHTS)
        if folder.exists():
            folder.rename(retired)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)
    return folder


def shipped_models() -> dict[str, Path]:
    """Trained models that come with the package: name -> folder, each with its model card ``README.md``."""
    root = importlib.resources.files("pyg_hep") / "weights"
    folders = sorted(Path(str(root)).glob(f"*/{CONFIG}"))
    return {path.parent.name: path.parent for path in folders}


def find_folder(model: str | Path) -> Path:
    """The folder of a model, given itself or by the name of a shipped one. A folder that is there goes first.

    Raises:
        ConfigError: when it is neither.
    """
    folder = Path(model)
    if folder.is_dir():
        return folder
    shipped = shipped_models()
    if str(model) not in shipped:
        raise ConfigError(f"no pretrained model in {folder}: no such folder, nor one of {', '.join(shipped)}")
    return shipped[str(model)]


def load_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights of a model folder.

    Raises:
        ConfigError: when it does not hold a model.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = safetensors.torch.load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise ConfigError(f"no pretrained model in {folder}: {Path(str(error.filename)).name} is missing") from None
    except (OSError, ValueError, SafetensorError) as error:
        raise ConfigError(f"no pretrained model in {folder}: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ConfigError(f"{folder}: {CONFIG} is not of a format that this version reads")
    return config, weights


def rebuild(config: dict[str, Any], part: str, classes: Sequence[type]) -> Any:
    """Make the backbone or the objective that a configuration names, from the library or from ``classes``.

    Raises:
        ConfigError: for a class that is neither.
    """
    room = importlib.import_module(_ROOMS[part])
    known = {name: getattr(room, name) for name in room.__all__} | {c.__name__: c for c in classes}
    try:
        name, arguments = config[part]["class"], config[part]["arguments"]
        if name not in known:
            raise ConfigError(f"no {part} {name!r}: {nearest(name, known)}; give your own with classes=[...]")
        return known[name](**_with_parts(arguments, {c.__name__: c for c in classes}))
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{CONFIG}: the {part} cannot be made ({error})") from None


def _with_parts(arguments: Any, own: dict[str, type]) -> Any:
    """Arguments of an objective that is made of others, those of classes from outside the library made already."""
    if not isinstance(arguments, dict):
        return arguments
    if set(arguments) == {"class", "arguments"} and arguments["class"] in own:
        return own[arguments["class"]](**_with_parts(arguments["arguments"], own))
    return {name: _with_parts(value, own) for name, value in arguments.items()}

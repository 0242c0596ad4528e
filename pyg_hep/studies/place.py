"""``Place``: where a study finds its samples and puts its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError
from pyg_hep.readers import load_card
from pyg_hep.readers.card import Card
from pyg_hep.readers.files import split_tree


@dataclass(frozen=True)
class Place:
    """Folders of a study, and the threads of each of its trainings.

    Args:
        preset: whose samples they are, as ``examples/simulate.py --preset`` names them.
        samples: folder of the simulated files.
        cache: folder for converted events.
        output: folder for networks, tables and plots.
        threads: of a training; None leaves the process alone.
    """

    preset: str
    samples: Path
    cache: Path
    output: Path
    threads: int | None = None

    @property
    def runs(self) -> Path:
        """Folder of the trainings of tasks."""
        return self.output / "runs"

    def model(self, name: str) -> Path:
        """Folder of a pretrained model."""
        return self.output / "pretrained" / name / "model"

    def files(self, part: str, processes: Sequence[str]) -> dict[str, Path]:
        """Process -> its simulated file in one part of the samples."""
        return {process: self.samples / part / f"{process}.root" for process in processes}

    def splits(
        self, card: str | Card, files: Mapping[str, Path] | Sequence[str], fractions: Mapping[str, float]
    ) -> list[EventDataset]:
        """The splits of some files, in the order of ``fractions``, read through a card or one of that name.

        Raises:
            ConfigError: when a file is not there.
        """
        every = files.values() if isinstance(files, Mapping) else files
        paths = [Path(split_tree(str(path))[0]) for path in every]
        for path in paths:
            if not path.is_file():
                raise ConfigError(f"{path} is not there: python examples/simulate.py --preset {self.preset} makes it")
        made = replace(load_card(card), splits=dict(fractions))
        return [EventDataset(self.cache, made, files, split=split) for split in fractions]

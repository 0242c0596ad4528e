"""What a pretrained network says of tops as it is: a method without any training."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.studies.methods import Fitted, Method
from pyg_hep.studies.records import weights_digest
from pyg_hep.studies.task import Task
from pyg_hep.training import EventModel, predict
from pyg_hep.training.pretrained import find_folder


@dataclass(frozen=True)
class ClassScore(Method):
    r"""Score of a pretrained classifier for one of its classes against another, with no fine-tuning.

    .. math:: s = P(\text{signal}) / (P(\text{signal}) + P(\text{background}))

    Args:
        pretrained: folder of the model.
        signal: class of the model that stands for class 1 of the task.
        background: class of the model that stands for class 0.
    """

    pretrained: str | Path = field(metadata={"argument": False})
    signal: str = "Tbqq"
    background: str = "QCD"
    name: str = field(default="no_finetuning", kw_only=True)

    def fit(self, task: Task, seed: int, output: Path) -> Fitted:
        """Test; nothing is trained, and seeds make no difference.

        Raises:
            ConfigError: when the model knows no such class.
        """
        scores = predict(EventModel.from_pretrained(self.pretrained), task.test, labels=False).columns
        for name in (self.signal, self.background):
            if name not in scores:
                raise ConfigError(f"{self.pretrained} tells no class {name!r} apart: {nearest(name, scores)}")
        share = scores[self.signal].astype(float) / (scores[self.signal] + scores[self.background]).clip(1e-30)
        return Fitted.of_probability(np.stack([1.0 - share, share], axis=1), task.test)

    def weights(self) -> str:
        """Digest of the pretrained model."""
        return weights_digest(find_folder(self.pretrained))

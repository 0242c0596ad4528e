"""Jets of the study of OmniLearn: ten classes to pretrain on and to generate, tops and QCD of two detectors to tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pyg_hep.datasets import EventDataset
from pyg_hep.readers import load_card
from pyg_hep.readers.card import Card, Limit
from pyg_hep.readers.files import input_files
from pyg_hep.simulation.boosted.processes import CLASSES
from pyg_hep.studies.omnilearn.figures import FIGURES
from pyg_hep.studies.omnilearn.substructure import COLUMNS, observables
from pyg_hep.studies.place import Place
from pyg_hep.studies.task import Task

CARD, TOPS = "jetclass", "jetclass_top_tagging"
PRETRAINING = {"train": 0.81, "val": 0.06, "test": 0.13}
TAGGING = {"train": 0.7, "val": 0.1, "test": 0.2}
_BINS = 10


def leading(name: str, particles: int) -> Card:
    """A card of jets of which the leading particles in pT are kept, and no other."""
    card = load_card(name)
    return replace(card, limits=(Limit(tuple(card.objects), particles),))


@dataclass(frozen=True)
class Jets:
    """Where the jets of the study are.

    Args:
        place: of the study, with the simulated files.
        particles: of a jet, the leading ones in pT.
        jetclass: files, folders or patterns of JetClass in place of the simulated ten classes.
        atlas: those of the ATLAS top-tagging set in place of the full simulation.
    """

    place: Place
    particles: int
    jetclass: tuple[str, ...] = ()
    atlas: tuple[str, ...] = ()

    def ten_classes(self) -> list[EventDataset]:
        """Training, validation and test jets of the ten classes of JetClass."""
        card = leading(CARD, self.particles)
        if self.jetclass:
            return self.place.splits(card, input_files(self.jetclass, card.reader), PRETRAINING)
        return self.place.splits(card, self._simulated("pretraining", CLASSES), PRETRAINING)

    def tops(self, detector: str) -> list[EventDataset]:
        """Training, validation and test jets: QCD (class 0) and top (class 1) as a detector (fast, full) sees them."""
        if detector == "full" and self.atlas:
            card = leading("atlas_top_tagging", self.particles)
            return self.place.splits(card, input_files(self.atlas, card.reader), TAGGING)
        files = self._simulated(f"top_tagging/{detector}", ["QCD", "top"])
        return self.place.splits(leading(TOPS, self.particles), files, TAGGING)

    def _simulated(self, part: str, names: Sequence[str]) -> list[str]:
        """Files whose jets say themselves of which class they are."""
        return [str(path) for path in self.place.files(part, names).values()]

    def top_tagging(self) -> Task:
        """Tops of the other detector, with substructure, and weights that make the pT spectra of both classes agree."""
        parts = []
        for part in self.tops("full"):
            columns = dict(zip(COLUMNS, observables(part, self.place.cache).T, strict=True))
            if not self.atlas:  # its files have such weights
                pt, y = torch.from_numpy(columns["jet_pt"]), part.column("y")
                columns["weight"] = part.column("weight") * spectrum_weights(pt, y)
            parts.append(part.with_columns(**columns))
        return Task("top_tagging", *parts, figures=FIGURES)


def spectrum_weights(pt: Tensor, y: Tensor) -> Tensor:
    r"""Weights with which class 0 has the pT spectrum of class 1.

    .. math:: w = \frac{n_1(b) / n_1}{n_0(b) / n_0} \; (y = 0), \qquad w = 1 \; (y = 1)

    in bins b that hold a tenth of class 1 each, the first and the last open. ATLAS top tagging comes with such weights.

    Args:
        pt: of the jets in GeV, ``[N]``.
        y: 0 or 1, ``[N]``.
    """
    values, signal = pt.double().numpy(), y.numpy() == 1
    edges = np.quantile(values[signal], np.arange(1, _BINS) / _BINS) if signal.any() else np.zeros(0)
    bins = np.digitize(values, edges)
    one, zero = (np.bincount(bins[mine], minlength=_BINS) / max(mine.sum(), 1) for mine in (signal, ~signal))
    ratio = np.divide(one, zero, out=np.ones(_BINS), where=zero > 0)
    return torch.from_numpy(np.where(signal, 1.0, ratio[bins])).float()

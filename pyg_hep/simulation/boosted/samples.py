"""The jets of OmniLearn: pretraining on ten classes, fine-tuning on tops of two detectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyg_hep.simulation.boosted.processes import CLASSES
from pyg_hep.simulation.boosted.runner import simulate_jets
from pyg_hep.simulation.samples import Sample


@dataclass(frozen=True)
class JetSample(Sample):
    """One file of jets, with the detector that sees them; ``process`` and ``events`` are those of jets."""

    detector: str = "fast"

    def simulate(self, folder: Path, workers: int | None = None, progress: bool = True) -> Path:
        """Simulate the file, whatever is there; returns its path."""
        path = folder / f"{self.name}.root"
        return simulate_jets(
            self.process, self.events, self.seed, path, self.detector, workers, progress, mpi=self.mpi,
            settings=self.settings,
        )  # fmt: skip


def omnilearn_samples(events: int, lhe_dir: Path | None = None) -> list[Sample]:
    """The jets for OmniLearn, arXiv:2404.16091: ``pretraining/``, ``top_tagging/fast/`` and ``top_tagging/full/``.

    No collision of one part is in another. The tops of both detectors are those of a resonance of 2 TeV, and the QCD
    jets beside them have their pT spectrum. Training, validation and test are cut by the splits of the cards
    ``jetclass`` and ``jetclass_top_tagging``.

    Args:
        events: jets of each of the ten classes in ``pretraining/``; the files of ``top_tagging/`` have 1.5 times as
            many, so that 20,000 give 42,000 jets for the training of a tagger.
        lhe_dir: not used: Pythia has all of these processes.
    """
    samples: list[Sample] = [JetSample(f"pretraining/{label}", label, events, 501) for label in CLASSES]
    for detector, seed in (("fast", 502), ("full", 503)):
        for name in ("top", "QCD"):
            samples.append(
                JetSample(
                    f"top_tagging/{detector}/{name}", f"resonance_{name}", round(1.5 * events), seed, detector=detector
                )
            )
    return samples

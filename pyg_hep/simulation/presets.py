"""The sets of simulated files by their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyg_hep.simulation.boosted.samples import omnilearn_samples
from pyg_hep.simulation.samples import Sample, abasov_samples, bumblebee_samples, ho_samples, kishimoto_samples

PRESETS: dict[str, Callable[[int, Path | None], list[Sample]]] = {
    "ho": ho_samples,
    "kishimoto": kishimoto_samples,
    "abasov": abasov_samples,
    "bumblebee": bumblebee_samples,
    "omnilearn": omnilearn_samples,
}
"""Value of ``--preset`` of ``examples/simulate.py`` -> its samples."""

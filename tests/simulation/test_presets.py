from __future__ import annotations

from pyg_hep.simulation.presets import PRESETS


def test_every_study_has_a_preset():
    assert set(PRESETS) == {"ho", "kishimoto", "abasov", "bumblebee", "omnilearn"}
    for name in ("kishimoto", "bumblebee", "omnilearn"):  # those that need no LHE files
        names = [sample.name for sample in PRESETS[name](100, None)]
        assert len(names) == len(set(names)) > 2

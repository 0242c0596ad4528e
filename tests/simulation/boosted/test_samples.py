from __future__ import annotations

from pathlib import Path

from pyg_hep.simulation.boosted.processes import CLASSES
from pyg_hep.simulation.boosted.samples import JetSample, omnilearn_samples


def test_the_preset_has_ten_classes_of_one_size_and_tops_of_two_detectors():
    samples = {sample.name: sample for sample in omnilearn_samples(100)}
    assert [name.split("/")[1] for name in samples if name.startswith("pretraining/")] == list(CLASSES)
    assert {sample.events for name, sample in samples.items() if name.startswith("pretraining/")} == {100}
    for detector in ("fast", "full"):
        for name in ("top", "QCD"):
            sample = samples[f"top_tagging/{detector}/{name}"]
            assert isinstance(sample, JetSample)
            assert (sample.detector, sample.events, sample.process) == (detector, 150, f"resonance_{name}")
    seeds = {name.rsplit("/", 1)[0]: sample.seed for name, sample in samples.items()}
    assert len(set(seeds.values())) == 3


def test_a_file_is_made_once_and_again_for_another_detector(tmp_path: Path):
    made = JetSample("a/Wqq", "Wqq", 5, 1).make(tmp_path, 1, progress=False)
    first = made.stat().st_mtime_ns
    assert JetSample("a/Wqq", "Wqq", 5, 1).make(tmp_path, 1, progress=False).stat().st_mtime_ns == first
    other = JetSample("a/Wqq", "Wqq", 5, 1, detector="full")
    assert other.recipe()["detector"] == "full"
    assert other.recipe() != JetSample("a/Wqq", "Wqq", 5, 1).recipe()

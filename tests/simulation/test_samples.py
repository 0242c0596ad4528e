from __future__ import annotations

from pathlib import Path

import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.simulation.samples import (
    ABASOV_GROUPS,
    CONTROLS,
    HO_PRETRAINING,
    HO_TASKS,
    KISHIMOTO_COLLISIONS,
    KISHIMOTO_TASKS,
    Sample,
    abasov_samples,
    bumblebee_samples,
    ho_samples,
    kishimoto_samples,
)


@pytest.fixture
def lhe_dir(tmp_path: Path) -> Path:
    names = ("tHq", "ttyy", "ttW", "tttW", "tttj", "tttt", "ttH_cp_even", "ttH_cp_odd", "tq")
    for name in names:
        (tmp_path / f"{name}.lhe").write_text(name)
    return tmp_path


def test_preset_has_every_process_of_the_paper_in_parts_without_common_hard_events(lhe_dir: Path):
    samples = ho_samples(100, lhe_dir)
    names = [sample.name for sample in samples]
    assert len(names) == len(set(names)) == 12 + 10 + 10 + 4
    assert {n for n in names if n.startswith("pretraining/")} == {f"pretraining/{p}" for p in HO_PRETRAINING}
    for part in ("finetuning", "test"):
        assert {n.split("/")[1] for n in names if n.startswith(part)} == {p for pair in HO_TASKS.values() for p in pair}
    by_process: dict[str, list[Sample]] = {}
    for sample in samples:
        if not sample.name.startswith("control/"):
            by_process.setdefault(sample.process, []).append(sample)
    for found in by_process.values():
        for k, one in enumerate(found):
            for other in found[:k]:
                assert one.seed != other.seed
                if one.lhe:
                    assert one.lhe_part[1] <= other.lhe_part[0] or other.lhe_part[1] <= one.lhe_part[0]


def test_controls_are_the_same_process_from_both_chains(lhe_dir: Path):
    samples = {sample.name: sample for sample in ho_samples(100, lhe_dir)}
    for process, file in CONTROLS.items():
        native, lhe = (samples[f"control/{process}_{chain}"] for chain in ("native", "lhe"))
        assert native.process == lhe.process == process
        assert not native.lhe
        assert [path.name for path in lhe.lhe] == [f"{file}.lhe"]
        # Fixed scales, narrow tops and the densities of the LHE files.
        assert any("factorFixScale" in line for line in native.settings)
        assert "6:mWidth = 0.01" in native.settings


def test_kishimoto_has_collisions_and_every_task_with_seeds_of_their_own():
    samples = kishimoto_samples(1_000)
    names = {sample.name for sample in samples}
    assert {f"pretraining/{process}" for process in KISHIMOTO_COLLISIONS} <= names
    for part in ("finetuning", "test"):
        assert {f"{part}/{signal}" for signal, _ in KISHIMOTO_TASKS.values()} | {f"{part}/ttbar"} <= names
    seeds = {sample.name.split("/")[0]: sample.seed for sample in samples}
    assert len(set(seeds.values())) == 3
    assert {s.name: s.events for s in samples}["pretraining/Wjet"] == 2_000


def test_abasov_has_five_groups_of_one_size_and_untrained_hard_events_for_the_search(lhe_dir: Path):
    (lhe_dir / "tq_phi.lhe").write_text("tq_phi")
    samples = {sample.name: sample for sample in abasov_samples(300, lhe_dir)}
    for group in ABASOV_GROUPS.values():
        assert sum(samples[f"groups/{process}"].events for process in group) == 300
    trained, searched = samples["groups/singletop_t"], samples["new_physics/tq"]
    assert trained.lhe == searched.lhe
    assert trained.lhe_part[1] <= searched.lhe_part[0]
    assert {s.seed for n, s in samples.items() if n.startswith("groups")}.isdisjoint({searched.seed})
    (lhe_dir / "tq_phi.lhe").unlink()
    with pytest.raises(ConfigError, match=r"'singletop_phi' needs tq_phi\.lhe"):
        abasov_samples(300, lhe_dir)


def test_bumblebee_has_one_background_two_signals_and_a_control_where_the_file_is(lhe_dir: Path):
    samples = {sample.name: sample for sample in bumblebee_samples(1000)}
    assert {name: sample.events for name, sample in samples.items()} == {
        "events/ttbar": 1000,
        "events/toponium": 125, "events/toponium_threshold": 125,
    }  # fmt: skip
    assert all("24:onIfAny = 11 13" in sample.settings and not sample.lhe for sample in samples.values())
    # The scale and the densities of the LHE file, without which 3<c_hel> is 0.224 instead of 0.200.
    assert any("factorFixScale" in line for line in samples["events/ttbar"].settings)
    with pytest.raises(ConfigError, match=r"'ttbar_dilepton' needs ttbar_dilepton\.lhe"):
        bumblebee_samples(1000, lhe_dir)
    (lhe_dir / "ttbar_dilepton.lhe").write_text("hard events")
    control = bumblebee_samples(1000, lhe_dir)[-1]
    assert control.name == "control/ttbar_dilepton"
    assert control.seed not in {sample.seed for sample in samples.values()}


def test_a_missing_lhe_file_is_named(lhe_dir: Path):
    (lhe_dir / "tttj.lhe").unlink()
    with pytest.raises(ConfigError, match=r"'ttt' needs tttj\.lhe or tttj\.lhe\.gz, and neither is in"):
        ho_samples(100, lhe_dir)
    with pytest.raises(ConfigError, match="'tHq' needs hard events: give the folder"):
        ho_samples(100, None)


def test_a_sample_is_made_once_and_again_when_its_recipe_changes(tmp_path: Path):
    made = [Sample("part/WH", "WH", 20, seed).make(tmp_path, 1, progress=False) for seed in (1, 1)]
    first = made[0].read_bytes(), made[0].stat().st_mtime_ns
    assert made[0] == made[1] == tmp_path / "part" / "WH.root"
    assert (made[1].read_bytes(), made[1].stat().st_mtime_ns) == first
    again = Sample("part/WH", "WH", 20, 2).make(tmp_path, 1, progress=False)
    assert again.stat().st_mtime_ns != first[1]
    (tmp_path / "part" / "WH.json").write_text("{")  # a damaged note is no note
    before = again.stat().st_mtime_ns
    Sample("part/WH", "WH", 20, 2).make(tmp_path, 1, progress=False)
    assert again.stat().st_mtime_ns != before

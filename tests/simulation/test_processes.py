"""Names, and cross sections against those measured for the project with the same settings (a table of
Pythia 8.317 leading-order cross sections at 13 TeV, m_t = 172.5 GeV)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyg_hep.errors import ConfigError
from pyg_hep.simulation.generator import Generator, generator_settings
from pyg_hep.simulation.processes import PROCESSES, find_process
from pyg_hep.simulation.slha import stop_spectrum

HARD_PROCESS_ONLY = [
    *(f"PartonLevel:{part} = off" for part in ("ISR", "FSR", "Remnants")),
    "HadronLevel:all = off",
    "Check:event = off",
]

TABLE = {
    "ggF": 25.3,
    "VBF": 3.50,
    "WH": 1.12,
    "ZH": 0.604,
    "ttH": 0.352,
    "ttbar": 517.0,
    "singletop_t": 151.0,
    "dijet": 6.2e4,
    "Wjet": 136.0,
    "Zjet": 55.0,
    "fcnc": 128.0,
    "toponium_threshold": 80.0,
}

# The table's values of these three (6.7, 0.113 and 1.67 pb) are off by 9, -17 and -8 %: it does not give the
# spectrum of the stop (0.114 pb is what 600 GeV gives; Ho et al. have 582 GeV), and the other two lie two
# standard deviations of a run of 300 events away. Here stand means of nine runs of 2,000 events with other seeds.
OWN = {"singletop_s": 7.29, "stop": 0.1373, "toponium": 1.77}


def hard_cross_sections(name: str, folder: Path, events: int, spectrum: str | None = None) -> list[tuple[float, float]]:
    process = PROCESSES[name]
    slha = folder / "spectrum.slha"
    slha.write_text(spectrum or stop_spectrum())
    found = []
    for variant in process.variants:
        lines = generator_settings(process, 5, False, None, slha if process.slha else None)
        generator = Generator([*lines, *variant, *HARD_PROCESS_ONLY])
        generator.batch(events)
        found.append(generator.cross_section)
    return found


def test_process_names_are_the_published_ones():
    expected = (
        "ggF VBF WH ZH ttH tHq singletop_t singletop_s ttbar ttyy ttW ttt tttt ttH_cp_even ttH_cp_odd fcnc stop "
        "dijet Wjet Zjet Hplus_tb Hplus_HW ttbar_dilepton toponium toponium_threshold singletop_phi lhco_signal"
    )
    assert set(PROCESSES) == set(expected.split())


def test_every_process_is_native_or_says_which_hard_events_it_needs():
    lhe_only = {name for name, process in PROCESSES.items() if process.lhe}
    assert lhe_only == {name for name, process in PROCESSES.items() if not process.native}
    expected = "tHq ttyy ttW ttt tttt ttH_cp_even ttH_cp_odd ttbar_dilepton singletop_phi"
    assert lhe_only == set(expected.split())


def test_unknown_process_names_the_nearest():
    with pytest.raises(ConfigError, match="unknown process 'ttbarr'; did you mean 'ttbar'"):
        find_process("ttbarr")


@pytest.mark.parametrize("name", TABLE)
def test_cross_section_is_within_5_percent_of_the_table(name: str, tmp_path: Path):
    # 10,000 weighted points: statistical error below 1 % (ttH has few accepted points per try, but the same error)
    events = 3000 if name == "ttH" else 10_000
    for value, error in hard_cross_sections(name, tmp_path, events):
        assert error < 0.012 * value
        assert value == pytest.approx(TABLE[name], rel=0.05)


@pytest.mark.parametrize("name", OWN)
def test_cross_section_where_the_table_cannot_be_reproduced(name: str, tmp_path: Path):
    # 4 %: Pythia's own error (1 %) understates the spread between seeds (up to 2 % of these)
    ((value, _),) = hard_cross_sections(name, tmp_path, 5000)
    assert value == pytest.approx(OWN[name], rel=0.04)


def test_stop_of_600_gev_has_the_cross_section_of_the_table(tmp_path: Path):
    heavier = stop_spectrum().replace("2000006  582.0", "2000006  600.0")
    ((value, _),) = hard_cross_sections("stop", tmp_path, 5000, heavier)
    assert value == pytest.approx(0.113, rel=0.05)


@pytest.mark.parametrize(("name", "mother", "daughters"), [
    ("Hplus_tb", 37, {5, 6}),
    ("Hplus_HW", 37, {24, 35}),
    ("Hplus_HW", 35, {15}),
    ("lhco_signal", 34, {9900601, 9900602}),
    ("stop", 2000006, {1000006, 25}),
    ("stop", 1000006, {1000022, 6}),
    ("toponium", 36, {6}),
])  # fmt: skip
def test_forced_decays_are_the_only_ones(name: str, mother: int, daughters: set[int], tmp_path: Path):
    slha = tmp_path / "spectrum.slha"
    slha.write_text(stop_spectrum())
    process = PROCESSES[name]
    lines = generator_settings(process, 3, False, None, slha if process.slha else None)
    events, worked = Generator([*lines, *HARD_PROCESS_ONLY]).batch(50)
    assert events is not None
    assert worked.all()
    mothers = np.flatnonzero((np.abs(events.pdg_id) == mother) & (np.abs(events.status) == 22))
    assert mothers.size >= 50
    of_mother = np.isin(events.mother, mothers) & np.isin(np.abs(events.status), (22, 23))
    assert set(np.abs(events.pdg_id[of_mother]).tolist()) == daughters


def test_fcnc_halves_differ_in_which_top_decays_to_a_higgs_boson():
    seen = []
    for variant in PROCESSES["fcnc"].variants:
        lines = generator_settings(PROCESSES["fcnc"], 3, False, None, None)
        events, _ = Generator([*lines, *variant, *HARD_PROCESS_ONLY]).batch(40)
        assert events is not None
        higgs = np.flatnonzero((events.pdg_id == 25) & (np.abs(events.status) == 22))
        assert higgs.size == 40  # exactly one in every event
        seen.append(set(events.pdg_id[events.mother[higgs]].tolist()))
    assert seen == [{6}, {-6}]

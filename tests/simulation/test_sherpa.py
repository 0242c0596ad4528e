from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import uproot
import yaml

from pyg_hep.errors import PygHepError
from pyg_hep.simulation import PROCESSES, sherpa, simulate


def program(folder: Path, body: str) -> None:
    """A program with Sherpa's name and command line."""
    path = folder / "Sherpa"
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_every_run_card_is_shipped_and_leaves_the_rest_to_pythia():
    for process, names in sherpa.RUN_CARDS.items():
        assert not PROCESSES[process].native
        for name in names:
            path = Path(sherpa.__file__).parent / "run_cards" / f"{name}.yaml"
            card = yaml.safe_load(path.read_text())
            assert card["SHOWER_GENERATOR"] == "None"
            assert card["EVENT_OUTPUT"].startswith("LHEF")
            assert card["PARTICLE_DATA"][6] == {"Mass": 172.5, "Width": 0}
            assert "EVENTS" not in card


def test_a_program_on_the_path_makes_the_hard_events(tmp_path: Path, lhe_text: Callable[..., str], monkeypatch, capsys):
    hard = tmp_path / "hard.lhe"
    hard.write_text(lhe_text(30, colours=False))
    program(tmp_path, f'echo "$@" > "{tmp_path}/called"\ncp "{hard}" events.lhe\n')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = simulate("ttW", 20, 5, tmp_path / "a.root", workers=1)
    assert (tmp_path / "called").read_text().split("ttW.yaml ")[1].strip() == "EVENTS: 20 RANDOM_SEED: 6"
    with uproot.open(path) as file:
        assert sorted(file["Events"]["event"].array(library="np").tolist()) == list(range(20))
    assert "random leading-colour flows given to the events of events.lhe" in capsys.readouterr().err


def test_a_failure_ends_with_the_program_s_last_words(tmp_path: Path, monkeypatch):
    program(tmp_path, "echo 'the integration did not converge' >&2\nexit 3\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(PygHepError, match=r"ttt[Wj]\.yaml with status 3: the integration did not converge"):
        simulate("ttt", 5, 1, tmp_path / "a.root", progress=False)
    assert not (tmp_path / "a.root").exists()


@pytest.mark.slow
def test_the_real_program_gives_the_cross_section_of_the_project_s_file(tmp_path: Path):
    if shutil.which("Sherpa") is None:
        pytest.skip("the program Sherpa is not on the PATH")
    path = simulate("ttW", 200, 1, tmp_path / "a.root", workers=1, progress=False)
    with uproot.open(path) as file:
        runs = {k: v[0] for k, v in file["Runs"].arrays(library="np").items()}
    # README of the LHE files: 0.4209 pb
    assert abs(runs["genCrossSection"] - 0.4209) < 4 * runs["genCrossSectionError"] < 0.2
    assert np.isfinite(runs["genEventSumw"])

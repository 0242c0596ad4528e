from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uproot

if any(importlib.util.find_spec(name) is None for name in ("pythia8mc", "fastjet")):
    pytest.skip("pythia8mc and fastjet are not installed", allow_module_level=True)

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "simulate.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=300)


def test_help_lists_every_process_and_option():
    from pyg_hep.simulation import PROCESSES

    done = run("--help")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for name, process in PROCESSES.items():
        row = next(line for line in lines if line.startswith(f"  {name} "))
        assert process.description in row
        assert ("[needs --lhe]" in row) == bool(process.lhe)
    for option in ("--process", "--events", "--seed", "--workers", "--mpi", "--lhe", "--output"):
        assert option in done.stdout


def test_one_file_per_process_and_one_line_each(tmp_path: Path):
    done = run("--process", "WH", "ZH", "--events", "30", "--output", str(tmp_path / "made"), "--workers", "1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for name, line in zip(("WH", "ZH"), lines, strict=True):
        for part in (f"{name}.root: 30 events", "events/s", "cross section", "pb", "0 failed (0.00%)"):
            assert part in line
        with uproot.open(tmp_path / "made" / f"{name}.root") as file:
            assert file["Events"].num_entries == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--process", "WHH"], "unknown process 'WHH'; did you mean 'WH'"),
        (["--process", "ttW"], "give LHE files with p p -> t tbar W"),
        (["--process", "ttW", "tttt", "--lhe", "a.lhe"], "--lhe goes with a single --process"),
        (["--process", "ttW", "--lhe", "no-such-file.lhe"], "no-such-file.lhe does not exist"),
    ],
)
def test_bad_input_is_one_sentence_on_standard_error(arguments: list[str], message: str, tmp_path: Path):
    done = run(*arguments, "--events", "5", "--output", str(tmp_path))
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal to a process group")
def test_interrupt_exits_130_with_a_sentence_and_leaves_no_file_and_no_process(tmp_path: Path):
    command = [sys.executable, SCRIPT, "--process", "ttbar", "--events", "500000", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--quiet", "--output", str(tmp_path)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    part = tmp_path / "ttbar.root.part"
    deadline = time.monotonic() + 60
    while not part.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2.0)  # the workers are under way
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "interrupted: what was finished is kept"
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 20  # a terminated worker's group lives until it is reaped
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline, "worker processes are still there"
        time.sleep(0.2)


def test_jets_of_a_preset_say_how_many_are_of_their_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from pyg_hep.simulation.boosted.samples import JetSample

    spec = importlib.util.spec_from_file_location("simulate_example", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "PRESETS", {"jets": lambda jets, _: [JetSample("part/Wqq", "Wqq", jets, 1)]})
    arguments = ["--preset", "jets", "--jets", "5", "--output", str(tmp_path), "--workers", "1", "--quiet"]
    monkeypatch.setattr(sys, "argv", ["simulate.py", *arguments])
    script.main()
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert "part/Wqq.root: 5 events" in line
    assert line.endswith("of the leading jets in range are of the class")
    assert (tmp_path / "part" / "Wqq.json").is_file()
    with uproot.open(tmp_path / "part" / "Wqq.root") as file:
        assert file["tree"].num_entries == 5

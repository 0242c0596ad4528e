"""Runs a user's own Sherpa for hard processes that Pythia lacks; the events come back as Les Houches files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from pyg_hep.errors import PygHepError

PROGRAM = "Sherpa"
HOW_TO_GET_IT = (
    "or put the program Sherpa 3 on the PATH (pip install sherpa-mc in a CPython 3.12 environment, or "
    "https://sherpa-team.gitlab.io)"
)
RUN_CARDS: dict[str, tuple[str, ...]] = {
    "tHq": ("tHq",),
    "ttyy": ("ttyy",),
    "ttW": ("ttW",),
    "ttt": ("tttW", "tttj"),
    "tttt": ("tttt",),
}
"""Process -> its run cards in the folder ``run_cards``; each makes one file, and files are mixed by cross section."""


def find_sherpa(process: str) -> str | None:
    """The program, where there is one and a run card for this process."""
    return shutil.which(PROGRAM) if process in RUN_CARDS else None


def make_hard_events(process: str, events: int, seed: int, folder: Path) -> list[Path]:
    """Run Sherpa with the shipped run cards of a process.

    Integration comes first: seconds for two tops and a W, many minutes for four tops.

    Args:
        process: a key of :data:`RUN_CARDS`.
        events: hard events in every file.
        seed: of Sherpa's random numbers.
        folder: where it works.

    Returns:
        One LHE file per run card.

    Raises:
        PygHepError: when Sherpa fails; with its last words.
    """
    program = find_sherpa(process)
    if program is None:
        raise PygHepError(f"no program {PROGRAM} on the PATH, or no run card for {process!r}")
    made = []
    for name in RUN_CARDS[process]:
        place = folder / name
        place.mkdir(parents=True)
        card = Path(__file__).parent / "run_cards" / f"{name}.yaml"
        # Sherpa takes 1 to 900,000,000 as a seed, like Pythia.
        command = [program, str(card), f"EVENTS: {events}", f"RANDOM_SEED: {seed % 900_000_000 + 1}"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, errors="replace", check=False)
        found = sorted(place.glob("events*.lhe*"))
        if done.returncode or not found:
            words = " ".join((done.stderr or done.stdout).split()[-40:])
            raise PygHepError(f"{program} failed on {card.name} with status {done.returncode}: {words}")
        made.append(found[0])
    return made

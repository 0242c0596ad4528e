"""Samples that several tests share, made once per session in this process, and a writer of small LHE files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.simulation import simulate

SHARED_LHE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "lhe"


@pytest.fixture(scope="session", autouse=True)
def _packages() -> None:
    """Skip, naming the package, where the extra ``simulation`` is not installed."""
    for package in ("pythia8mc", "fastjet"):
        pytest.importorskip(package)


def load(path: Path) -> ak.Array:
    with uproot.open(path) as file:
        return file["Events"].arrays()


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], ak.Array]:
    """Events of a native process without multiparton interactions, seed 1, one worker."""
    made: dict[tuple[str, int], ak.Array] = {}

    def make(process: str, events: int) -> ak.Array:
        if (process, events) not in made:
            path = tmp_path_factory.mktemp("samples") / f"{process}.root"
            simulate(process, events, 1, path, workers=1, progress=False)
            made[process, events] = load(path)
        return made[process, events]

    return make


@pytest.fixture(scope="session")
def ttbar(sample: Callable[[str, int], ak.Array]) -> ak.Array:
    return sample("ttbar", 4000)


@pytest.fixture
def lhe_text() -> Callable[..., str]:
    """Text of an LHE file with u ubar -> t tbar (or c cbar -> t tbar) events of random direction."""

    def make(
        events: int, quark: int = 2, cross_section: float = 10.0, seed: int = 1, beam: float = 6500.0,
        colours: bool = True, weights: list[float] | None = None, comment: str = "",
    ) -> str:  # fmt: skip
        rng = np.random.default_rng(seed)
        lines = ['<LesHouchesEvents version="1.0">', "<init>"]
        lines += [
            f"2212 2212 {beam} {beam} 0 0 93300 93300 3 1",
            f"{cross_section} 0.1 {cross_section} 1",
            "</init>",
        ]
        for k in range(events):
            energy = 200.0 + 100.0 * rng.random()  # of each top in their rest frame, in GeV
            p = np.sqrt(energy**2 - 172.5**2)
            cos, phi = rng.uniform(-1, 1), rng.uniform(-np.pi, np.pi)
            sin = np.sqrt(1 - cos**2)
            x, y, z = p * sin * np.cos(phi), p * sin * np.sin(phi), p * cos
            a, b = (501, 502) if colours else (0, 0)
            weight = 1.0 if weights is None else weights[k]
            rows = [
                f"{quark} -1 0 0 {a} 0 0 0 {energy!r} {energy!r} 0 0 9",
                f"{-quark} -1 0 0 0 {b} 0 0 {-energy!r} {energy!r} 0 0 9",
                f"6 1 1 2 {a} 0 {x!r} {y!r} {z!r} {energy!r} 172.5 0 9",
                f"-6 1 1 2 0 {b} {-x!r} {-y!r} {-z!r} {energy!r} 172.5 0 9",
            ]
            header = f"4 1 {weight} 172.5 -1 0.11"
            lines += ["<event>", header, *(row.replace("np.float64(", "").replace(")", "") for row in rows)]
            lines += [comment] * bool(comment) + ["</event>"]
        return "\n".join([*lines, "</LesHouchesEvents>"]) + "\n"

    return make


@pytest.fixture
def shared_lhe() -> Callable[[str], Path]:
    """Path of one of the large LHE files, where they are."""

    def find(name: str) -> Path:
        path = SHARED_LHE / f"{name}.lhe.gz"
        if not path.exists():
            pytest.skip(f"../shared/data/lhe/{name}.lhe.gz is not there")
        return path

    return find

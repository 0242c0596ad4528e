"""Small input files with random content, for tests and benchmarks of whatever reads or batches events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

COLLECTIONS: dict[str, tuple[float, tuple[str, ...]]] = {
    "Jet": (4.0, ("btagDeepFlavB",)),
    "Electron": (0.4, ("charge",)),
    "Muon": (0.4, ("charge",)),
    "Tau": (0.3, ("charge",)),
    "Photon": (0.2, ()),
}
"""Collection -> mean number of objects per event, columns beside the four-momentum."""


def random_nanoaod(num_events: int, seed: int = 0, truth: bool = False) -> dict[str, ak.Array]:
    """Branches of NanoAOD's names and types with random content: falling pt, central eta, no physics.

    With ``truth`` there are up to three Higgs bosons, top quarks, W and Z bosons in ``GenPart``.
    """
    rng = np.random.default_rng(seed)
    branches: dict[str, ak.Array] = {}
    for name, (mean, extra) in COLLECTIONS.items():
        counts = rng.poisson(mean, num_events)
        total = int(counts.sum())
        columns = {
            "pt": 15 + rng.exponential(40, total),
            "eta": rng.normal(0, 1.3, total),
            "phi": rng.uniform(-np.pi, np.pi, total),
            "mass": rng.exponential(5, total) if name == "Jet" else np.zeros(total),
        }
        columns = {k: v.astype(np.float32) for k, v in columns.items()}
        if "charge" in extra:
            columns["charge"] = rng.choice([-1, 1], total).astype(np.int32)
        if "btagDeepFlavB" in extra:
            columns["btagDeepFlavB"] = rng.uniform(0, 1, total).astype(np.float32)
        order = np.lexsort((-columns["pt"], np.repeat(np.arange(num_events), counts)))
        record = ak.zip({k: ak.unflatten(v[order], counts) for k, v in columns.items()})
        branches[name] = record
    branches["MET_pt"] = rng.exponential(40, num_events).astype(np.float32)
    branches["MET_phi"] = rng.uniform(-np.pi, np.pi, num_events).astype(np.float32)
    branches["genWeight"] = np.ones(num_events, dtype=np.float32)
    branches["run"] = np.ones(num_events, dtype=np.uint32)
    branches["luminosityBlock"] = (1 + np.arange(num_events) // 1000).astype(np.uint32)
    branches["event"] = np.arange(num_events, dtype=np.uint64)
    if truth:
        counts = rng.integers(0, 4, num_events)
        total = int(counts.sum())
        particles = {
            "pt": rng.exponential(100, total).astype(np.float32),
            "eta": rng.normal(0, 1.5, total).astype(np.float32),
            "phi": rng.uniform(-np.pi, np.pi, total).astype(np.float32),
            "mass": np.full(total, 125.0, dtype=np.float32),
            "pdgId": rng.choice([25, 6, -6, 24, -24, 23], total).astype(np.int32),
            "status": np.full(total, 22, dtype=np.int32),
            "genPartIdxMother": np.full(total, -1, dtype=np.int32),
        }
        branches["GenPart"] = ak.zip({k: ak.unflatten(v, counts) for k, v in particles.items()})
    return branches


def write_nanoaod(
    path: str | Path, branches: Mapping[str, ak.Array] | int, seed: int = 0, tree: str = "Events"
) -> Path:
    """Write branches (or that many random events) as a TTree with NanoAOD's layout: ``nJet``, ``Jet_pt``, ..."""
    if isinstance(branches, int):
        branches = random_nanoaod(branches, seed)
    path = Path(path)
    with uproot.recreate(path) as file:
        types = {
            name: ak.type(values).content if isinstance(values, ak.Array) else values.dtype
            for name, values in branches.items()
        }
        file.mktree(tree, types, counter_name=lambda name: f"n{name}", field_name=lambda o, i: f"{o}_{i}")
        file[tree].extend(dict(branches))
    return path

"""Toy dileptonic top pairs at both levels, with the masses of tops and W bosons right; no matrix element, no shower."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_hep.datasets import EventDataset
from pyg_hep.kinematics import from_cartesian
from pyg_hep.loader import EventLoader
from pyg_hep.schema import Level, ObjectType
from pyg_hep.testing.files import write_nanoaod

Floats = NDArray[np.float64]
TOP, W = 172.5, 80.4
NAMES = ("b", "antilepton", "neutrino", "antib", "lepton", "antineutrino")


def dilepton_daughters(num_events: int, seed: int = 0) -> dict[str, Floats]:
    """(px, py, pz, E) [GeV] of the six daughters by name, shape ``[N, 4]`` each; all of them massless."""
    rng = np.random.default_rng(seed)
    events: dict[str, Floats] = {}
    for names in (NAMES[:3], NAMES[3:]):
        momentum = rng.normal(scale=[80.0, 80.0, 200.0], size=(num_events, 3))
        top = np.column_stack([momentum, np.sqrt(TOP**2 + (momentum**2).sum(1))])
        events[names[0]], w = _decay(top, TOP, W, rng)
        events[names[1]], events[names[2]] = _decay(w, W, 0.0, rng)
    return events


def dilepton_events(num_events: int, seed: int = 0, resolution: float = 0.1) -> EventDataset:
    """Dileptonic events as the card ``dileptonic_ttbar`` makes them: two leptons, two to four jets, MET; six partons.

    Args:
        num_events: number of events.
        seed: of the random numbers.
        resolution: relative smearing of the jets, of which the missing momentum gets its share.
    """
    rng = np.random.default_rng([seed, 1])
    true = dilepton_daughters(num_events, seed)
    flavour = rng.integers(0, 2, (num_events, 2))  # of antilepton and lepton: electron or muon
    kinds = np.where(flavour == 0, int(ObjectType.ELECTRON), int(ObjectType.MUON))
    numbers = 11 + 2 * flavour
    size = np.zeros(num_events)
    jets = [true[n] * (1 + resolution * rng.normal(size=num_events).clip(-3, 3))[:, None] for n in ("b", "antib")]
    lost = sum((j - true[n])[:, :2] for j, n in zip(jets, ("b", "antib"), strict=True))
    missing = (true["neutrino"] + true["antineutrino"])[:, :2] - lost + rng.normal(scale=6.0, size=(num_events, 2))
    met = np.column_stack([missing, size, np.hypot(*missing.T)])
    more = rng.integers(0, 3, num_events)
    soft = rng.normal(scale=[30.0, 30.0, 60.0], size=(2, num_events, 3))
    light = [np.column_stack([p, np.sqrt((p**2).sum(1))]) for p in soft]
    jet, parton, neutrino = int(ObjectType.JET), int(ObjectType.PARTON), int(ObjectType.NEUTRINO)
    # Four-vector, kind, charge, b-tag, PDG number, level; None of a light jet that an event may lack.
    rows = [
        (true["antilepton"], kinds[:, 0], 1, 0, -numbers[:, 0], Level.RECO),
        (true["lepton"], kinds[:, 1], -1, 0, numbers[:, 1], Level.RECO),
        (jets[0], jet, 0, 1, 0, Level.RECO),
        (jets[1], jet, 0, 1, 0, Level.RECO),
        (light[0], jet, 0, 0, 0, Level.RECO),
        (light[1], jet, 0, 0, 0, Level.RECO),
        (met, int(ObjectType.MET), 0, 0, 0, Level.RECO),
        (true["b"], parton, 0, 1, 5, Level.GEN),
        (true["antib"], parton, 0, 1, -5, Level.GEN),
        (true["antilepton"], kinds[:, 0], 1, 0, -numbers[:, 0], Level.GEN),
        (true["lepton"], kinds[:, 1], -1, 0, numbers[:, 1], Level.GEN),
        (true["neutrino"], neutrino, 0, 0, numbers[:, 0] + 1, Level.GEN),
        (true["antineutrino"], neutrino, 0, 0, -numbers[:, 1] - 1, Level.GEN),
    ]
    there = np.ones((num_events, len(rows)), bool)
    there[:, 4], there[:, 5] = more > 0, more > 1
    columns = [
        np.stack([np.broadcast_to(np.asarray(row[k]), num_events) for row in rows], 1)[there] for k in range(1, 6)
    ]
    p4 = from_cartesian(torch.from_numpy(np.stack([row[0] for row in rows], 1)[there])).float()
    nodes: dict[str, Tensor] = {"p4": p4}
    for name, column in zip(("kind", "charge", "btag", "pdg_id", "level"), columns, strict=True):
        whole = name in ("kind", "pdg_id", "level")
        nodes[name] = torch.from_numpy(column.astype(np.int64 if whole else np.float32))
    return EventDataset.from_columns(nodes, there.sum(1), transform=None)


def write_dilepton_nanoaod(path: Path, num_events: int, seed: int = 0) -> Path:
    """The events of :func:`dilepton_events` as NanoAOD with ``GenPart``, of two gluons or of a quark pair in turn."""
    (batch,) = EventLoader(dilepton_events(num_events, seed), num_events)
    columns = {name: batch[name].numpy() for name in ("p4", "kind", "charge", "btag", "pdg_id", "level")}
    of = batch.batch.numpy()
    reconstructed = columns["level"] == int(Level.RECO)

    def collection(rows: NDArray[np.bool_], **more: NDArray[np.generic]) -> ak.Array:
        momentum = {n: columns["p4"][rows, k] for k, n in enumerate(("pt", "eta", "phi", "mass"))}
        counts = np.bincount(of[rows], minlength=num_events)
        return ak.zip({name: ak.unflatten(values, counts) for name, values in {**momentum, **more}.items()})

    branches: dict[str, ak.Array] = {}
    for name, kind in (("Electron", ObjectType.ELECTRON), ("Muon", ObjectType.MUON), ("Jet", ObjectType.JET)):
        rows = reconstructed & (columns["kind"] == int(kind))
        more = {"charge": columns["charge"][rows].astype(np.int32)}
        branches[name] = collection(rows, **({"btagDeepFlavB": columns["btag"][rows]} if name == "Jet" else more))
    met = reconstructed & (columns["kind"] == int(ObjectType.MET))
    branches["MET_pt"], branches["MET_phi"] = columns["p4"][met, 0], columns["p4"][met, 2]
    # Top, antitop, W+, W- and the daughters in the order of dilepton_events, with their mothers.
    mothers = np.array([-1, -1, 0, 1, 0, 1, 2, 3, 2, 3], np.int32)
    daughters = columns["pdg_id"][~reconstructed].reshape(num_events, 6)
    numbers = np.concatenate([np.tile([6, -6, 24, -24], (num_events, 1)), daughters], axis=1)
    momenta = np.zeros((num_events, 10, 4), np.float32)
    momenta[:, 4:] = columns["p4"][~reconstructed].reshape(num_events, 6, 4)
    particles = {n: momenta[..., k] for k, n in enumerate(("pt", "eta", "phi", "mass"))}
    particles |= {"pdgId": numbers.astype(np.int32), "genPartIdxMother": np.tile(mothers, (num_events, 1))}
    branches["GenPart"] = ak.zip({name: ak.from_regular(values) for name, values in particles.items()})
    gluons = np.arange(num_events) % 2 == 0
    branches["Generator_id1"] = np.where(gluons, 21, 2).astype(np.int32)
    branches["Generator_id2"] = np.where(gluons, 21, -2).astype(np.int32)
    for name in ("genWeight", "spinWeight"):
        branches[name] = np.ones(num_events, np.float32)
    branches["run"] = np.ones(num_events, np.uint32)
    branches["luminosityBlock"] = np.ones(num_events, np.uint32)
    branches["event"] = np.arange(num_events, dtype=np.uint64)
    return write_nanoaod(path, branches)


def _decay(mother: Floats, mass: float, heavy: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A massless daughter and one of the mass ``heavy``, isotropic in the rest frame of the mother."""
    direction = rng.normal(size=(len(mother), 3))
    p = direction * ((mass**2 - heavy**2) / (2 * mass) / np.sqrt((direction**2).sum(1)))[:, None]
    energy = np.sqrt((p**2).sum(1))
    first, second = np.column_stack([p, energy]), np.column_stack([-p, np.sqrt(energy**2 + heavy**2)])
    return _boosted(first, mother, mass), _boosted(second, mother, mass)


def _boosted(p: Floats, mother: Floats, mass: float) -> Floats:
    along = (p[:, :3] * mother[:, :3]).sum(1)
    factor = (p[:, 3] + along / (mother[:, 3] + mass)) / mass
    return np.column_stack([p[:, :3] + factor[:, None] * mother[:, :3], (p[:, 3] * mother[:, 3] + along) / mass])

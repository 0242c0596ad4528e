"""Files in the exact formats of public data sets with random content, for tests of cards and readers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

Arrays = Mapping[str, Any]


def random_jets(num_jets: int, seed: int = 0, most: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Constituents of jets of about 600 GeV, zero-padded, by falling pt, and labels 0 or 1.

    Jets of label 1 have constituents of three directions, those of label 0 of one.

    Returns:
        (E, px, py, pz) [GeV] of massless constituents, shape ``[num_jets, most, 4]``, and labels, ``[num_jets]``.
    """
    rng = np.random.default_rng(seed)
    label = np.arange(num_jets) % 2
    counts = np.clip(rng.poisson(40, num_jets), 1, most)
    pt = np.sort(rng.exponential(1, (num_jets, most)), axis=1)[:, ::-1]
    used = np.arange(most) < counts[:, None]
    pt = np.where(used, pt, 0)
    pt *= 600 / pt.sum(axis=1, keepdims=True)
    prong = rng.integers(0, 3, (num_jets, most)) * label[:, None]
    axis = rng.normal(0, 1, (num_jets, 1))
    eta = axis + 0.3 * np.cos(2 * np.pi * prong / 3) * label[:, None] + rng.normal(0, 0.05, pt.shape)
    phi = rng.uniform(-np.pi, np.pi, (num_jets, 1)) + 0.3 * np.sin(2 * np.pi * prong / 3) * label[:, None]
    phi = phi + rng.normal(0, 0.05, pt.shape)
    momenta = np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=-1)
    return np.where(used[..., None], momenta, 0), label


def write_jetclass(path: Path, num_jets: int, seed: int = 0) -> Path:
    """JetClass ROOT file: tree ``tree`` with ``part_*``, ``jet_*`` and ten one-hot labels."""
    rng = np.random.default_rng(seed)
    momenta, _ = random_jets(num_jets, seed)
    used = momenta[..., 0] > 0
    counts = used.sum(axis=1)
    flat = momenta[used].astype(np.float32)
    kind = rng.choice(5, len(flat), p=[0.6, 0.12, 0.25, 0.015, 0.015])
    flags = ("isChargedHadron", "isNeutralHadron", "isPhoton", "isElectron", "isMuon")
    columns = dict(zip(("energy", "px", "py", "pz"), flat.T, strict=True))
    columns |= {name: (kind == k).astype(np.float32) for k, name in enumerate(flags)}
    charged = np.isin(kind, (0, 3, 4))
    columns["charge"] = np.where(charged, rng.choice([-1, 1], len(flat)), 0).astype(np.float32)
    for name, width in (("d0val", 0.1), ("d0err", 0.0), ("dzval", 0.2), ("dzerr", 0.0)):
        columns[name] = np.where(charged, rng.normal(0, width, len(flat)) if width else 0.05, 0).astype(np.float32)
    names = ("QCD", "Hbb", "Hcc", "Hgg", "H4q", "Hqql", "Zqq", "Wqq", "Tbqq", "Tbl")
    branches: dict[str, Any] = {f"part_{n}": ak.unflatten(np.ascontiguousarray(v), counts) for n, v in columns.items()}
    label = np.arange(num_jets) % 10
    branches |= {f"label_{name}": (label == k).astype(np.float32) for k, name in enumerate(names)}
    branches["jet_nparticles"] = counts.astype(np.float32)
    with uproot.recreate(path) as file:
        types = {n: ak.type(v).content if isinstance(v, ak.Array) else v.dtype for n, v in branches.items()}
        file.mktree("tree", types)
        file["tree"].extend(branches)
    return path


def write_top_tagging(path: Path, num_jets: int, seed: int = 0) -> Path:
    """Top-tagging reference set: the HDF5 table that pandas writes, with its compression where it is there."""
    import h5py

    momenta, label = random_jets(num_jets, seed)
    record = np.dtype([("index", "<i8"), ("values_block_0", "<f4", (804,)), ("values_block_1", "<i8", (2,))])
    table = np.zeros(num_jets, record)
    table["index"] = np.arange(num_jets)
    table["values_block_0"][:, :800] = momenta.reshape(num_jets, 800)
    table["values_block_0"][:, 800:] = momenta.sum(axis=1) * label[:, None]
    table["values_block_1"][:, 1] = label
    with h5py.File(path, "w") as file:
        group = file.create_group("table")
        group.create_dataset("table", data=table, chunks=(min(64, num_jets),), compression="gzip")
    return path


def write_atlas_top_tagging(path: Path, num_jets: int, seed: int = 0) -> Path:
    """ATLAS top-tagging set: ``fjet_clus_*`` and ``fjet_*`` in MeV, ``labels``, ``weights``."""
    import h5py

    momenta, label = random_jets(num_jets, seed)
    momenta *= 1000
    with np.errstate(all="ignore"):
        energy, px, py, pz = np.moveaxis(momenta, -1, 0)
        pt = np.hypot(px, py)
        columns = {"pt": pt, "eta": np.where(pt > 0, np.arcsinh(pz / pt), 0), "phi": np.arctan2(py, px), "E": energy}
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(f"fjet_clus_{name}", data=values.astype(np.float32), chunks=True, compression="gzip")
        file["fjet_pt"] = np.hypot(px.sum(axis=1), py.sum(axis=1)).astype(np.float32)
        file["labels"] = label.astype(np.int64)
        file["weights"] = rng.uniform(0.1, 2, num_jets).astype(np.float32)
    return path


def write_lhc_olympics(path: Path, num_events: int, seed: int = 0) -> Path:
    """LHC Olympics R&D particles: 700 times (pt, eta, phi), then the label, as pandas stores a plain frame."""
    import h5py

    momenta, label = random_jets(num_events, seed, most=700)
    with np.errstate(all="ignore"):
        pt = np.hypot(momenta[..., 1], momenta[..., 2])
        eta = np.where(pt > 0, np.arcsinh(momenta[..., 3] / pt), 0)
        phi = np.arctan2(momenta[..., 2], momenta[..., 1])
    rows = np.concatenate([np.stack([pt, eta, phi], axis=-1).reshape(num_events, 2100), label[:, None]], axis=1)
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group["axis0"] = np.arange(2101)
        group["axis1"] = np.arange(num_events)
        group["block0_items"] = np.arange(2101)
        group.create_dataset("block0_values", data=rows, chunks=(min(32, num_events), 2101), compression="gzip")
    return path


def write_lhc_olympics_features(path: Path, num_events: int, seed: int = 0) -> Path:
    """LHC Olympics R&D features: px, py, pz, m and tau1 to tau3 of two jets, then the label."""
    import h5py

    rng = np.random.default_rng(seed)
    rows = np.zeros((num_events, 15))
    phi = rng.uniform(-np.pi, np.pi, num_events)
    pt = rng.uniform(1200, 2000, num_events)
    for jet in (0, 1):
        sign = 1 - 2 * jet
        rows[:, 7 * jet] = sign * pt * np.cos(phi)
        rows[:, 7 * jet + 1] = sign * pt * np.sin(phi)
        rows[:, 7 * jet + 2] = pt * np.sinh(rng.normal(0, 0.8, num_events))
        rows[:, 7 * jet + 3] = rng.uniform(20, 500, num_events)
        rows[:, 7 * jet + 4 : 7 * jet + 7] = np.sort(rng.uniform(0, 300, (num_events, 3)), axis=1)[:, ::-1]
    rows[:, 14] = np.arange(num_events) % 2
    with h5py.File(path, "w") as file:
        file.create_group("df")["block0_values"] = rows
    return path


PID_CODES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
"""Numbers of photon, pi+, pi-, K0L, e-, e+, mu-, mu+, K+, K-, p, pbar, n, nbar in the Z + jets files."""


def write_z_jets(path: Path, num_jets: int, seed: int = 0) -> Path:
    """OmniFold Z + jets archive: jets, particles and substructure at generator and detector level."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}
    for level, most in (("gen", 60), ("sim", 50)):
        counts = rng.integers(3, most, num_jets)
        used = np.arange(most) < counts[:, None]
        pt = np.where(used, rng.exponential(0.06, used.shape), 0)
        shift = rng.normal(0, 0.1, (*used.shape, 2))
        code = rng.choice(PID_CODES, used.shape)
        particles = np.stack([pt, shift[..., 0], shift[..., 1], code], axis=-1) * used[..., None]
        arrays[f"{level}_particles"] = particles.astype(np.float32)
        jets = [100 * pt.sum(axis=1), rng.normal(0, 1, num_jets), rng.uniform(0, 2 * np.pi, num_jets)]
        arrays[f"{level}_jets"] = np.stack([*jets, rng.uniform(5, 30, num_jets)], axis=1)
        arrays[f"{level}_mults"] = counts.astype(np.float64)
        for name in ("lhas", "widths", "ang2s", "tau2s", "sdms", "zgs"):
            arrays[f"{level}_{name}"] = rng.uniform(0, 0.5, num_jets)
    arrays["gen_Zs"] = rng.uniform(200, 300, (num_jets, 3))
    np.savez_compressed(path, **arrays)
    return path


def write_delphes(path: Path, num_events: int, seed: int = 0, tops: int = 2) -> Path:
    """The branches of Delphes output by their names, with ``tops`` top quarks per event in ``Particle``.

    ROOT's split classes cannot be written by uproot: branches are plain lists here.
    """
    rng = np.random.default_rng(seed)
    branches: dict[str, Any] = {}

    def add(collection: str, counts: np.ndarray, **columns: np.ndarray) -> None:
        for name, values in columns.items():
            branches[f"{collection}.{name}"] = ak.unflatten(values, counts)
        branches[f"{collection}_size"] = counts.astype(np.int32)

    for name, mean in (("Jet", 5.0), ("Electron", 0.6), ("Muon", 0.6), ("Photon", 0.3)):
        counts = rng.poisson(mean, num_events)
        total = int(counts.sum())
        columns = {
            "PT": (15 + rng.exponential(50, total)).astype(np.float32),
            "Eta": rng.normal(0, 1.2, total).astype(np.float32),
            "Phi": rng.uniform(-np.pi, np.pi, total).astype(np.float32),
        }
        if name == "Jet":
            columns["Mass"] = rng.uniform(2, 20, total).astype(np.float32)
            columns["BTag"] = rng.integers(0, 4, total).astype(np.uint32)
        elif name == "Photon":
            columns["E"] = (columns["PT"] * np.cosh(columns["Eta"])).astype(np.float32)
        else:
            columns["Charge"] = rng.choice([-1, 1], total).astype(np.int32)
        add(name, counts, **columns)
    ones = np.ones(num_events, dtype=np.int64)
    met = {"MET": rng.exponential(40, num_events), "Eta": rng.normal(0, 1, num_events)}
    met["Phi"] = rng.uniform(-np.pi, np.pi, num_events)
    add("MissingET", ones, **{n: v.astype(np.float32) for n, v in met.items()})
    add("Event", ones, Number=np.arange(num_events), Weight=rng.choice([1.0, -1.0], num_events, p=[0.9, 0.1]))
    # Two incoming gluons, then every top quark twice: as it is made and as it decays.
    size = 2 + 2 * tops
    pdg = np.array([21, 21, *[6, -6, 6, -6][:tops], *[6, -6, 6, -6][:tops]])
    mother = np.array([-1, -1, *[0] * tops, *range(2, 2 + tops)])
    pt = np.where(pdg == 21, 0, 100.0)
    eta = np.where(pdg == 21, 999.9, 0.5)
    truth = {"PID": pdg, "M1": mother, "Status": np.where(pdg == 21, 21, 22)}
    columns = {n: np.tile(v, num_events).astype(np.int32) for n, v in truth.items()}
    columns |= {n: np.tile(v, num_events).astype(np.float32) for n, v in {"PT": pt, "Eta": eta, "Phi": 0 * pt}.items()}
    add("Particle", np.full(num_events, size), **columns)
    with uproot.recreate(path) as file:
        types = {n: ak.type(v).content if isinstance(v, ak.Array) else v.dtype for n, v in branches.items()}
        file.mktree("Delphes", types, counter_name=lambda name: f"n_{name}")
        file["Delphes"].extend(branches)
    return path


def write_spanet(path: Path, num_events: int, seed: int = 0) -> Path:
    """SPANet's format: ``INPUTS/Source`` with ten slots and a mask, ``TARGETS``."""
    import h5py

    rng = np.random.default_rng(seed)
    counts = rng.integers(6, 11, num_events)
    used = np.arange(10) < counts[:, None]
    columns = {
        "pt": np.sort(rng.exponential(60, used.shape), axis=1)[:, ::-1] + 20,
        "eta": rng.normal(0, 1, used.shape),
    }
    columns |= {"phi": rng.uniform(-np.pi, np.pi, used.shape), "mass": rng.uniform(2, 15, used.shape)}
    columns["btag"] = rng.integers(0, 2, used.shape).astype(np.float64)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[f"INPUTS/Source/{name}"] = np.where(used, values, 0).astype(np.float32)
        file["INPUTS/Source/MASK"] = used
        order = np.argsort(rng.uniform(size=(num_events, 6)), axis=1)
        for position, name in enumerate(("t1/b", "t1/q1", "t1/q2", "t2/b", "t2/q1", "t2/q2")):
            file[f"TARGETS/{name}"] = order[:, position]
    return path


WRITERS = {
    "jetclass": (write_jetclass, ".root"),
    "top_tagging": (write_top_tagging, ".h5"),
    "atlas_top_tagging": (write_atlas_top_tagging, ".h5"),
    "lhc_olympics": (write_lhc_olympics, ".h5"),
    "lhc_olympics_features": (write_lhc_olympics_features, ".h5"),
    "z_jets": (write_z_jets, ".npz"),
    "ho_delphes": (write_delphes, ".root"),
    "abasov_delphes": (write_delphes, ".root"),
    "spanet_ttbar": (write_spanet, ".h5"),
}
"""Shipped card -> what writes a file it reads, called with (path, events, seed), and the suffix."""

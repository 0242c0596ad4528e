"""Damaged files end in a ReaderError, a counted drop or physical values: never a crash, a hang or a half-written cache.

Damaged bytes are read by a second interpreter (this file, run as a script) with limits of memory and time, because
the C libraries behind the formats could end it. Damage of the content is made by reading, changing and writing files.
"""

from __future__ import annotations

import faulthandler
import gzip
import json
import os
import pickle
import resource
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ReaderError
from pyg_hep.readers import FileReader, ReadReport, iterate_events, load_card, read_events
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.testing.formats import WRITERS

EVENTS, STEP, SECONDS, MEMORY = 30, 13, 30, 4 << 30
COLLECTIONS = ("Jet", "Electron", "Muon", "Photon")


# Files: every format as a dictionary of columns that can be changed and written again


def nanoaod_columns(seed):
    events = random_nanoaod(EVENTS, seed)
    lists = {f"{name}_{field}": events[name][field] for name in COLLECTIONS for field in events[name].fields}
    return lists | {name: values for name, values in events.items() if not isinstance(values, ak.Array)}


def flat_columns(seed):
    events = random_nanoaod(EVENTS, seed)
    columns = {"MET_px": events["MET_pt"], "MET_py": 0 * events["MET_pt"], "EventWeight": events["genWeight"]}
    for name in COLLECTIONS:
        o = events[name]
        p4 = {"Px": o.pt * np.cos(o.phi), "Py": o.pt * np.sin(o.phi), "Pz": o.pt * np.sinh(o.eta)}
        p4["E"] = np.sqrt(p4["Px"] ** 2 + p4["Py"] ** 2 + p4["Pz"] ** 2 + 1)
        columns |= {f"{name}_{field}": values for field, values in p4.items()}
    return columns | {"Jet_btag": events["Jet"].btagDeepFlavB}


def load(path, tree):
    if path.suffix == ".root":
        with uproot.open(path) as file:
            columns = file[tree].arrays(library="ak", how=dict)
        return {k: v if v.ndim > 1 else ak.to_numpy(v) for k, v in columns.items() if not k.startswith("n_")}
    if path.suffix == ".npz":
        return dict(np.load(path))
    if path.suffix == ".parquet":
        columns = ak.from_parquet(path)
        return {k: v if (v := columns[k]).ndim > 1 else ak.to_numpy(v).copy() for k in columns.fields}
    import h5py

    columns = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: columns.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return columns


def save(path, columns, tree):
    if path.suffix == ".npz":
        np.savez_compressed(path, **columns)
    elif path.suffix == ".parquet":
        ak.to_parquet(ak.zip(columns, depth_limit=1), path, row_group_size=STEP)
    elif path.suffix == ".root":
        with uproot.recreate(path) as file:
            if tree == "RNTuple":
                file["Events"] = columns
                return path
            types = {k: str(ak.type(v).content) if isinstance(v, ak.Array) else v.dtype for k, v in columns.items()}
            file.mktree(tree, types, counter_name=lambda name: f"n_{name}").extend(columns)
    else:
        import h5py

        with h5py.File(path, "w") as file:
            for name, values in columns.items():
                file[name] = values
    return path


@dataclass(frozen=True)
class Case:
    """A format, and where in its first object the damage goes."""

    card: Any
    pt: str
    at: tuple[int, ...] = ()  # position within what an entry stores
    impossible: tuple[tuple[str, tuple[int, ...], float], ...] = ()
    weight: str = ""
    tree: str = ""
    suffix: str = ".root"
    columns: Any = None
    make: Any = None  # writes the file itself; then its content is not changed in other ways than by bytes

    def write(self, folder, seed=1):
        if self.make is not None:
            path = folder / f"good{seed}{self.suffix}"
            self.make(path, jets_of_a_file(seed))
            return path
        if isinstance(self.card, str) and self.card in WRITERS:
            write, suffix = WRITERS[self.card]
            return write(folder / f"good{seed}{suffix}", EVENTS, seed)
        path = folder / f"good{seed}{self.suffix}"
        return save(path, self.columns(seed), self.tree) if self.columns else write_nanoaod(path, EVENTS, seed)

    def field(self, columns, name):
        """A column, or a field of a table."""
        table, _, field = name.rpartition("/")
        return columns[name] if name in columns else columns[table][field]

    def changed(self, columns, name, at, value):
        """The columns with one value of the first object set, and the event it belongs to."""
        values, event = self.field(columns, name), 3
        if isinstance(values, np.ndarray):
            values[(event, *at)] = value
        else:
            flat, counts = ak.to_numpy(ak.flatten(values)).copy(), ak.num(values)
            event, flat[0] = int(np.flatnonzero(counts)[0]), value
            columns[name] = ak.unflatten(flat, counts)
        return columns, event


# Layouts of people's own files


def jets_of_a_file(seed):
    """Columns of jagged jets, one to six in an event."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 7, EVENTS)
    values = {"pt": rng.exponential(50, counts.sum()) + 20, "eta": rng.normal(0, 1, counts.sum())}
    values |= {"phi": rng.uniform(-3, 3, counts.sum()), "mass": rng.uniform(1, 9, counts.sum())}
    return {name: ak.unflatten(column.astype(np.float32), counts) for name, column in values.items()}


def padded(jets):
    six = {name: ak.fill_none(ak.pad_none(values, 6, clip=True), 0) for name, values in jets.items()}
    return {f"jet_{name}": ak.to_numpy(values).astype(np.float32) for name, values in six.items()}


def make_fixed_tree(path, jets):
    with uproot.recreate(path) as file:
        columns = padded(jets)
        file.mktree("t", {name: (v.dtype, v.shape[1:]) for name, v in columns.items()}).extend(columns)


def make_ntuple(columns_of):
    def make(path, jets):
        with uproot.recreate(path) as file:
            file["t"] = columns_of(jets)

    return make


def nested(jets):
    momentum = ak.zip({name: jets[name] for name in ("eta", "phi", "mass")})
    return {"jet": ak.zip({"pt": jets["pt"], "p": momentum}, depth_limit=2)}


def make_structs(path, jets):
    ak.to_parquet(ak.zip({"jet": ak.zip(jets, depth_limit=1)}, depth_limit=1), path, row_group_size=STEP)


def make_fixed_parquet(path, jets):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {k: pa.FixedSizeListArray.from_arrays(pa.array(v.ravel()), 6) for k, v in padded(jets).items()}
    pq.write_table(pa.table(columns), path, row_group_size=STEP)


def make_dictionaries(path, jets):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {f"jet_{k}": pa.array(v.tolist(), pa.large_list(pa.float32())) for k, v in jets.items()}
    # Few different numbers, some of them missing, as a writer encodes them.
    columns["jet_mass"] = pa.array([[None if j % 5 == 4 else 2.5 for j in range(len(v))] for v in jets["pt"].tolist()])
    pq.write_table(pa.table(columns), path, row_group_size=STEP, use_dictionary=True)


def make_csv(path, jets):
    lines = ["jet_pt,jet_eta,jet_phi,jet_mass,process"]
    lines += [",".join(f"{jets[k][i, 0]:.6g}" for k in jets) + f",{'ttH' if i % 2 else 'QCD'}" for i in range(EVENTS)]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def make_variable_length(path, jets):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in jets.items():
            data = file.create_dataset(f"jet/{name}", (EVENTS,), h5py.vlen_dtype("f4"))
            for event, row in enumerate(values):
                data[event] = ak.to_numpy(row)


def make_links(virtual):
    def make(path, jets):
        h5py = pytest.importorskip("h5py")
        target = path.with_name("target.h5")  # by its full path: copies of the file lie elsewhere
        with h5py.File(target, "w") as file:
            for name, values in padded(jets).items():
                file[name.replace("_", "/")] = values
        with h5py.File(path, "w") as file:
            if not virtual:
                file["jet"] = h5py.ExternalLink(str(target), "/jet")
            for name in jets if virtual else ():
                layout = h5py.VirtualLayout((EVENTS, 6), "f4")
                layout[...] = h5py.VirtualSource(str(target), f"jet/{name}", (EVENTS, 6))
                file.create_virtual_dataset(f"jet/{name}", layout)

    return make


def make_inputs(path, jets):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in padded(jets).items():
            for inputs in ("Jets", "Leptons"):
                file[f"INPUTS/{inputs}/{name[4:]}"] = values
        for inputs in ("Jets", "Leptons"):
            file[f"INPUTS/{inputs}/MASK"] = padded(jets)["jet_pt"] > 0
        file["INPUTS/Met/met"], file["INPUTS/Met/phi"] = np.ones(EVENTS), np.zeros(EVENTS)


def own(reader, collection="jet", **columns):
    return {"name": "own", "reader": reader, "objects": {"jet": {"kind": "jet", "collection": collection} | columns}}


DEEPER = {name: f"p.{name}" for name in ("eta", "phi", "mass")}
OWN = {
    "fixed_tree": Case(own("root"), "", make=make_fixed_tree),
    "fixed_ntuple": Case(own("root"), "", make=make_ntuple(padded)),
    "nested_ntuple": Case(own("root", columns=DEEPER), "", make=make_ntuple(nested)),
    "structs": Case(own("parquet"), "", suffix=".parquet", make=make_structs),
    "fixed_parquet": Case(own("parquet"), "", suffix=".parquet", make=make_fixed_parquet),
    "dictionaries": Case(own("parquet"), "", suffix=".parquet", make=make_dictionaries),
    "csv": Case(own("csv"), "", suffix=".csv", make=make_csv),
    "csv_gz": Case(own("csv"), "", suffix=".csv.gz", make=make_csv),
    "variable_length": Case(own("hdf5"), "", suffix=".h5", make=make_variable_length),
    "virtual": Case(own("hdf5"), "", suffix=".h5", make=make_links(virtual=True)),
    "link": Case(own("hdf5"), "", suffix=".h5", make=make_links(virtual=False)),
    "inputs": Case("spanet", "", suffix=".h5", make=make_inputs),
}  # fmt: skip

JET = {"kind": "jet", "collection": "Jet", "btag": [{"column": "btagDeepFlavB", "above": 0.2, "era": "none"}]}
PARQUET = {
    "name": "parquet",
    "reader": "parquet",
    "objects": {
        "jet": JET,
        "muon": {"kind": "muon", "collection": "Muon"},
        "met": {"kind": "met", "collection": "MET"},
    },
    "identity": {"run_number": "run", "luminosity_block": "luminosityBlock", "event_number": "event"},
    "weight": {"branch": "genWeight", "required": True},
}
POLAR = (("Jet_mass", (), -5.0),)
TABLE, ROWS = "table/table/values_block_0", "df/block0_values"
CASES = {
    "nanoaod": Case("cms_nanoaod", "Jet_pt", (), POLAR, "genWeight", "Events"),
    "rntuple": Case("cms_nanoaod", "Jet_pt", (), POLAR, "genWeight", "RNTuple", ".root", nanoaod_columns),
    "delphes": Case("abasov_delphes", "Jet.PT", (), (), "Event.Weight",
                    "Delphes"),
    "jetclass": Case("jetclass", "part_px", (), (("part_energy", (), 0.0),), "", "tree"),
    "flat": Case("flat_ntuple", "Jet_Px", (), (("Jet_E", (), 0.0),), "EventWeight", "events", ".root", flat_columns),
    "top_tagging": Case("top_tagging", TABLE, (1,), ((TABLE, (0,), 0.0),), suffix=".h5"),
    "atlas": Case("atlas_top_tagging", "fjet_clus_pt", (0,), (("fjet_clus_pt", (0,), -5e3), ("fjet_clus_E", (0,), 0.0)),
                  "weights", suffix=".h5"),
    "olympics": Case("lhc_olympics", ROWS, (0,), ((ROWS, (0,), -5.0),), suffix=".h5"),
    "olympics_features": Case("lhc_olympics_features", ROWS, (0,), ((ROWS, (3,), -5.0),), suffix=".h5"),
    "omnifold": Case("z_jets", "sim_particles", (0, 0), (("sim_particles", (0, 0), -5.0),), suffix=".npz"),
    "spanet": Case("spanet_ttbar", "INPUTS/Source/pt", (0,),
                   (("INPUTS/Source/pt", (0,), -5.0), ("INPUTS/Source/mass", (0,), -5.0)), suffix=".h5"),
    "parquet": Case(PARQUET, "Jet_pt", (), POLAR, "genWeight", suffix=".parquet", columns=nanoaod_columns),
    "records": Case(PARQUET, "Jet", weight="genWeight", suffix=".parquet", columns=lambda s: random_nanoaod(EVENTS, s)),
}  # fmt: skip
CHANGEABLE = [name for name in CASES if name != "records"]
CASES |= OWN


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """Format -> an undamaged file."""
    folder = tmp_path_factory.mktemp("good")
    for name in CASES:
        (folder / name).mkdir()
    return {name: case.write(folder / name) for name, case in CASES.items()}


def physical(events):
    """Whether all that comes out could be stored and trained on."""
    nodes = events.nodes
    pi = np.float32(np.pi)
    return (
        all(np.isfinite(v).all() for v in (*nodes.values(), *events.events.values()))
        and bool(np.all(nodes["pt"] >= 0) and np.all(np.abs(nodes["eta"]) <= 20) and np.all(nodes["mass"] >= 0))
        and bool(np.all((nodes["phi"] >= -pi) & (nodes["phi"] < pi)) and np.all(events.counts > 0))
    )


# Damaged bytes

MUTATIONS = (*["cut"] * 3, *["byte"] * 6, *["bit"] * 3, *["run"] * 3, *["zeros"] * 3)


def damaged(content, kind, seed):
    """A copy with one kind of damage at a random place."""
    rng, result = np.random.default_rng(seed), bytearray(content)
    # Headers and directories lie at both ends, and a byte of them does more than one of the numbers between.
    place = (lambda: rng.integers(len(content)), lambda: rng.integers(600), lambda: -rng.integers(1, 3000))[seed % 3]
    at = int(place()) % len(content)
    if kind == "cut":
        return bytes(result[: int(rng.integers(len(content)))])
    if kind == "bit":
        result[at] ^= 1 << int(rng.integers(8))
    else:
        size = {"byte": 1, "run": 16, "zeros": 512}[kind]
        size = min(size, len(content) - at)
        result[at : at + size] = bytes(size) if kind == "zeros" else rng.bytes(size)
    return bytes(result)


def outcome(path, good_path, card, root):
    """What reading a file ends in; with ``root``, what the conversion of a good and this file does, too."""
    result, place = "physical", ""
    try:
        with FileReader(path, load_card(card)) as reader:
            chunks = reader.chunks(STEP)
            place = "entries"
            for start, stop in chunks:
                events, report = reader.read(start, stop)
                if not physical(events):
                    return f"unphysical values: {report}"
                result = "drop" if report.invalid or report.unlabelled or result == "drop" else "physical"
    except ReaderError as error:
        message = str(error)
        if str(path) not in message or (place and not ("entries" in message and "column" in message)):
            return f"the error says not where: {message}"
        result = "error"
    if root:
        expected = sum(len(events) for events in iterate_events(good_path, card))
        try:
            EventDataset(root / "raise", card, {"all": [good_path, path]})
        except ReaderError:
            if [p for p in (root / "raise").rglob("*") if p.suffix in (".json", ".npy")]:
                return "a conversion that failed left files"
        dataset = EventDataset(root / "skip", card, {"all": [good_path, path]}, on_error="skip")
        skipped = [files for note, files in dataset.report.notes.items() if note.startswith("skipped: ")]
        if result == "error" and (skipped != [[str(path)]] or len(dataset) != expected):
            return f"skipping the file kept {len(dataset)} events of {expected}, {dataset.report.notes}"
    return result


@pytest.fixture(scope="session")
def outcomes(good, tmp_path_factory):
    """Format and number of the mutation -> what reading it ended in."""
    folder = tmp_path_factory.mktemp("damaged")
    tasks = []
    for name, case in CASES.items():
        content = good[name].read_bytes()
        for number, kind in enumerate(MUTATIONS):
            path = folder / f"{name}-{number}{case.suffix if case.make else good[name].suffix}"
            path.write_bytes(damaged(content, kind, 100 * list(CASES).index(name) + number))
            root = folder / f"{name}-{number}" if number % 6 == 0 else None
            tasks.append([str(path), str(good[name]), case.card, root and str(root)])
    (folder / "tasks.json").write_text(json.dumps(tasks))
    results: dict[str, str] = {}
    while len(results) < len(tasks):
        done = len(results)
        script = [sys.executable, __file__, str(folder / "tasks.json"), str(done)]
        process = subprocess.run(script, capture_output=True, text=True, check=False)
        for (path, *_), line in zip(tasks[done:], process.stdout.splitlines(), strict=False):
            results[path] = json.loads(line)
        if len(results) < len(tasks):
            results[tasks[len(results)][0]] = f"exit status {process.returncode}: {process.stderr[-2000:]}"
    return {Path(path).name.partition(".")[0]: result for path, result in results.items()}


def _main(tasks, first):
    # Beyond these limits a file of a few kB does something it must not. The libraries themselves take some GB.
    if Path("/proc/self/statm").exists():
        limit = MEMORY + int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for path, good_path, card, root in json.loads(Path(tasks).read_text())[int(first) :]:
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            result = outcome(Path(path), Path(good_path), card, Path(root) if root else None)
        except Exception as error:
            result = f"{type(error).__module__}.{type(error).__name__}: {error}"
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(result), flush=True)


def test_new_layouts_are_read_undamaged(good):
    assert len(OWN) * len(MUTATIONS) >= 200
    for name, case in OWN.items():
        expected = "drop" if name == "dictionaries" else "physical"  # of events with a missing mass
        assert outcome(good[name], good[name], case.card, None) == expected, name


@pytest.mark.parametrize("number", range(len(MUTATIONS)))
@pytest.mark.parametrize("name", CASES)
def test_damaged_bytes_are_an_error_a_drop_or_physical_values(outcomes, name, number):
    assert outcomes[f"{name}-{number}"] in ("error", "drop", "physical")


def test_most_damage_is_noticed(outcomes):
    # Not all of it: trees and HDF5 files have no checksums, and what lies in unread columns does not matter.
    assert np.mean([result == "error" for result in outcomes.values()]) > 0.5


@pytest.mark.parametrize("name", CASES)
def test_empty_file_is_an_error_that_names_it(name, good, tmp_path):
    path = tmp_path / f"empty{good[name].suffix}"
    path.touch()
    assert outcome(path, good[name], CASES[name].card, tmp_path / "root") == "error"


@pytest.mark.parametrize("other", ["nanoaod", "olympics", "omnifold", "parquet"])
@pytest.mark.parametrize("name", ["nanoaod", "olympics", "omnifold", "parquet"])
def test_file_of_another_format_is_an_error_that_names_it(name, other, good, tmp_path):
    if name == other:
        pytest.skip("the same format")
    path = tmp_path / f"other{good[name].suffix}"
    path.write_bytes(good[other].read_bytes())
    assert outcome(path, good[name], CASES[name].card, None) == "error"


# Damaged content


def rewritten(case, good_path, tmp_path, change):
    columns = load(good_path, "Events" if case.tree == "RNTuple" else case.tree)
    changed = change(columns)
    return save(tmp_path / f"bad{good_path.suffix}", columns if changed is None else changed, case.tree)


def entries(path, card):
    """Entries that are kept, and the report."""
    report = ReadReport()
    events = list(iterate_events(path, card, STEP, report))
    return np.concatenate([ak.to_numpy(e.entry) for e in events]).tolist(), report


IMPOSSIBLE = [(name, CASES[name].pt, CASES[name].at, v) for name in CHANGEABLE for v in (np.nan, np.inf, -np.inf, 1e30)]
IMPOSSIBLE += [(name, *values) for name in CHANGEABLE for values in CASES[name].impossible]
IMPOSSIBLE += [(name, CASES[name].weight, (), v) for name in CHANGEABLE if CASES[name].weight for v in (np.nan, np.inf)]
# Finite values of objects that the card's cuts remove: their events lose the object and stay.
REMOVED_BY_CUTS = {("nanoaod", "Jet_pt"), ("rntuple", "Jet_pt"), ("delphes", "Jet.PT"), ("delphes", "Jet.Mass")}


@pytest.mark.parametrize(("name", "column", "at", "value"), IMPOSSIBLE)
def test_impossible_value_drops_its_event_and_is_counted(name, column, at, value, good, tmp_path):
    case, event = CASES[name], []

    def change(columns):
        result, changed = case.changed(columns, column, at, value)
        event.append(changed)
        return result

    path = rewritten(case, good[name], tmp_path, change)
    expected, _ = entries(good[name], case.card)
    found, report = entries(path, case.card)
    if (name, column, value) in {(*place, -5.0) for place in REMOVED_BY_CUTS}:
        assert set(expected) - set(found) <= {event[0]}
        assert not report.invalid
        return
    assert found == [entry for entry in expected if entry != event[0]]
    assert sum(report.invalid.values()) == 1


@pytest.mark.parametrize(("name", "column"), [("nanoaod", "Jet_pt"), ("rntuple", "Jet_pt"), ("delphes", "Jet.PT")])
def test_a_negative_momentum_that_a_cut_removes_drops_no_event(name, column, good, tmp_path):
    # Files fill what is absent with such numbers.
    path = rewritten(
        CASES[name], good[name], tmp_path, lambda columns: CASES[name].changed(columns, column, (), -5.0)[0]
    )
    assert sum(entries(path, CASES[name].card)[1].invalid.values()) == 0


def removed(case, columns):
    name = case.pt if case.pt in columns else case.pt.rpartition("/")[0]
    return {key: values for key, values in columns.items() if key != name}


def text_for_numbers(case, columns):
    values, (table, _, field) = case.field(columns, case.pt), case.pt.rpartition("/")
    text = np.full(values.shape, b"12.5") if isinstance(values, np.ndarray) else ak.Array(["12.5"] * EVENTS)
    if case.pt in columns:
        return columns | {case.pt: text}
    kinds = columns[table].dtype
    result = np.zeros(EVENTS, [(n, "S4", kinds[n].shape) if n == field else (n, kinds[n]) for n in kinds.names])
    return columns | {table: result}


def no_entries(case, columns):
    return {name: values[:0] for name, values in columns.items()}


@pytest.mark.parametrize("change", [removed, text_for_numbers, no_entries])
@pytest.mark.parametrize("name", CHANGEABLE)
def test_file_without_usable_content_is_an_error_and_leaves_no_data_set(name, change, good, tmp_path):
    case = CASES[name]
    path = rewritten(case, good[name], tmp_path, lambda columns: change(case, columns))
    with pytest.raises(ReaderError, match=r"bad\."):
        read_events(path, case.card)
    with pytest.raises(ReaderError, match=r"bad|no event of"):
        EventDataset(tmp_path / "root", case.card, path)
    assert not [p for p in (tmp_path / "root").rglob("*") if p.suffix in (".json", ".npy")]
    if change is not no_entries:  # which is no reason to skip a file
        assert outcome(path, good[name], case.card, tmp_path / "more") == "error"


@pytest.mark.parametrize("name", CHANGEABLE)
def test_event_without_any_object_is_no_damage(name, good, tmp_path):
    def change(columns):
        for key, values in columns.items():
            single = key.startswith(("Event", "MissingET"))  # lists of one in Delphes
            left = np.where(np.arange(EVENTS) == 3, int(single), 1000)
            if not isinstance(values, np.ndarray):
                columns[key] = values[ak.local_index(values) < left]
            elif key.endswith("_size") or key.removeprefix("n") in (*COLLECTIONS, "Tau"):
                columns[key] = np.minimum(values, left)
            elif values.ndim > 1 or values.dtype.names:
                values[3] = np.zeros((), values.dtype)

    case = CASES[name]
    expected, _ = entries(good[name], case.card)
    found, report = entries(rewritten(case, good[name], tmp_path, change), case.card)
    assert not report.invalid
    assert set(expected) - set(found) <= {3}


DISAGREE = {
    "nanoaod": ("nJet", "Jet_eta"),
    "rntuple": ("Jet_eta",),
    "delphes": ("Jet_size", "Jet.Eta", "Particle.PID"),
    "jetclass": ("part_py",),
    "flat": ("Jet_Py",),
    "atlas": ("labels", "fjet_clus_eta"),
    "omnifold": ("gen_mults", "sim_particles"),
    "spanet": ("TARGETS/t1/b", "INPUTS/Source/eta", "INPUTS/Source/MASK"),
    "parquet": ("Jet_eta", "Muon_phi"),
}


@pytest.mark.parametrize(("name", "column"), [(n, c) for n, cs in DISAGREE.items() for c in cs])
def test_columns_that_disagree_on_their_lengths_are_an_error_that_names_them(name, column, good, tmp_path):
    def change(columns):
        values = columns[column]
        if column in ("nJet", "Jet_size"):
            columns[column] = values + (np.arange(EVENTS) == 3)
        else:  # a list or a row less
            columns[column] = values[:, :-1] if values.ndim == 2 else values[:-1]

    case = CASES[name]
    path = rewritten(case, good[name], tmp_path, change)
    with pytest.raises(ReaderError, match=rf"bad\..*{column}"):
        read_events(path, case.card)
    assert outcome(path, good[name], case.card, tmp_path / "root") == "error"


@pytest.mark.parametrize("name", ["nanoaod", "rntuple", "parquet"])
def test_duplicated_event_is_dropped_and_counted_where_the_card_says_so(name, good, tmp_path):
    def change(columns):
        columns["event"][7] = columns["event"][5]

    path = rewritten(CASES[name], good[name], tmp_path, change)
    card = load_card(CASES[name].card).as_dict()
    kept = len(EventDataset(tmp_path / "keep", card, path))
    dataset = EventDataset(tmp_path / "drop", card | {"duplicates": "drop"}, path)
    assert (len(dataset), dataset.report.duplicates) == (kept - 1, 1)
    with pytest.raises(ReaderError, match="1 events were there before"):
        EventDataset(tmp_path / "error", card | {"duplicates": "error"}, path)
    assert not list((tmp_path / "error").rglob("*.npy"))


# What only HDF5 files and archives can do


class Attack:
    """What a pickle does when it is loaded: make a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("kind", ["soft", "external", "raw", "virtual"])
def test_links_are_followed_to_hdf5_files_that_are_there_and_to_nothing_else(kind, there, good, tmp_path):
    h5py = pytest.importorskip("h5py")
    path, name, target = tmp_path / "bad.h5", "fjet_clus_pt", tmp_path / "target.h5"
    path.write_bytes(good["atlas"].read_bytes())
    if there:
        target.write_bytes(good["atlas"].read_bytes())
    with h5py.File(path, "r+") as file:
        shape = file[name].shape
        del file[name]
        if kind == "soft":
            file[name] = h5py.SoftLink("/etc/passwd")
        elif kind == "external":
            file[name] = h5py.ExternalLink(target.name, name)
        elif kind == "raw":
            file.create_dataset(name, shape, "f4", external=str(target))
        else:
            layout = h5py.VirtualLayout(shape, "f4")
            layout[...] = h5py.VirtualSource(target.name, name, shape)
            file.create_virtual_dataset(name, layout)
    followed = there and kind in ("external", "virtual")
    assert outcome(path, good["atlas"], "atlas_top_tagging", tmp_path / "root") == ("physical" if followed else "error")


def test_pickles_are_never_loaded(good, tmp_path):
    h5py = pytest.importorskip("h5py")
    attack = Attack(tmp_path / "attacked")
    path = tmp_path / "table.h5"
    path.write_bytes(good["top_tagging"].read_bytes())
    with h5py.File(path, "r+") as file:  # as pandas and PyTables keep what HDF5 has no type for
        for item in (file["table"], file["table/table"]):
            item.attrs["values_block_0_kind"] = np.void(pickle.dumps(attack))
    assert outcome(path, good["top_tagging"], "top_tagging", tmp_path / "root") == "physical"
    path = tmp_path / "objects.npz"
    columns = dict(np.load(good["omnifold"]))
    np.savez(path, **columns | {"gen_lhas": np.array([attack] * EVENTS, dtype=object)})
    assert outcome(path, good["omnifold"], "z_jets", tmp_path / "npz") == "error"
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("shape", [(1 << 40, 2101), (1 << 60, 1), (EVENTS, 1 << 40)])
def test_data_set_that_states_more_than_its_file_can_hold_is_an_error(shape, good, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("df/block0_values", shape, "f8", chunks=(1, 1))
    with pytest.raises(ReaderError, match=r"huge\.h5: states .* more than it can hold"):
        read_events(tmp_path / "huge.h5", "lhc_olympics")


@pytest.mark.parametrize("shape", [(1 << 60,), (-1,), (EVENTS, 1 << 40), (EVENTS - 1,)])
def test_array_that_does_not_fill_its_place_in_an_archive_is_an_error(shape, good, tmp_path):
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(good["omnifold"]) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "gen_lhas.npy":
                before = f"'shape': ({EVENTS},), }}".encode()
                after = f"'shape': {shape}, }}".encode()
                assert before in content
                content = content.replace(before + b" " * (len(after) - len(before)), after.ljust(len(before)))
            new.writestr(member, content)
    with pytest.raises(ReaderError, match=r"bad\.npz: column 'gen_lhas' has .* bytes, its shape"):
        read_events(path, "z_jets")


if __name__ == "__main__":
    _main(*sys.argv[1:])

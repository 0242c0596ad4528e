"""Conversion of compressed NanoAOD against uproot and a per-event loop, its memory, and the time to a first batch.

The file is written here, as CMS ships them: LZMA, mantissas cut to what the detector resolves, baskets of thousands of
events; its content is random. It lies in the system's cache of files when it is read.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import torch
import torch_geometric
import uproot
from timing import row, seconds
from torch_geometric.data import Data, InMemoryDataset

from pyg_hep.datasets import EventDataset
from pyg_hep.datasets.conversion import STEP_SIZE
from pyg_hep.readers import FileReader, load_card
from pyg_hep.schema import ObjectType
from pyg_hep.testing.files import random_nanoaod
from pyg_hep.transforms import CompleteGraph

CARD = "simulated_events"
EVENTS, BASKET = 200_000, 20_000
COPIES = 10
LOOP_EVENTS = 3_000
MANTISSA_BITS = {"pt": 10, "eta": 12, "phi": 12, "mass": 10, "btagDeepFlavB": 10}


def reduced(values: np.ndarray, bits: int) -> np.ndarray:
    """float32 values rounded to a mantissa of ``bits``, as NanoAOD stores them."""
    drop = np.uint32(23 - bits)
    pattern = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    half = np.uint32(1) << (drop - np.uint32(1))
    return ((pattern + half) >> drop << drop).view(np.float32)


def reduced_branch(array: ak.Array) -> ak.Array:
    """A branch or a collection with its real numbers at NanoAOD's precision."""
    if array.ndim == 1:
        values = ak.to_numpy(array)
        return ak.Array(reduced(values, 10)) if values.dtype == np.float32 else array
    counts = ak.num(array)
    fields = {}
    for name in array.fields:
        values = ak.to_numpy(ak.flatten(array[name]))
        bits = MANTISSA_BITS.get(name)
        fields[name] = ak.unflatten(values if bits is None else reduced(values, bits), counts)
    return ak.zip(fields)


def write_compressed(path: Path, num_events: int, basket: int, seed: int = 0) -> Path:
    """Random NanoAOD, LZMA level 9, one basket per ``basket`` events and branch."""
    with uproot.recreate(path, compression=uproot.LZMA(9)) as file:
        for first in range(0, num_events, basket):
            branches = random_nanoaod(min(basket, num_events - first), seed=seed + first)
            chunk = {name: reduced_branch(array) for name, array in branches.items()}
            chunk["event"] = ak.Array(ak.to_numpy(chunk["event"]) + np.uint64(first))
            if not first:
                types = {name: ak.type(array).content for name, array in chunk.items()}
                file.mktree("Events", types, counter_name=lambda n: f"n{n}", field_name=lambda o, i: f"{o}_{i}")
            file["Events"].extend(chunk)
    return path


def convert(folder: Path, files: Path | list[Path]) -> EventDataset:
    """Convert anew, in this process."""
    return EventDataset(folder, CARD, {"random": files}, force_reload=True)


def read_with_uproot(path: Path, branches: list[str], step: int) -> int:
    """The same branches in the same steps as awkward arrays; nothing is done with them."""
    return sum(len(arrays) for arrays in uproot.iterate({path: "Events"}, branches, step_size=step, library="ak"))


def data_loop(arrays: ak.Array, target: Path) -> None:
    """What a first script does with uproot's arrays: one ``Data`` with edges per event, then PyG's collate and save."""
    names = {"Jet": ObjectType.JET, "Electron": ObjectType.ELECTRON, "Muon": ObjectType.MUON}
    names["Photon"] = ObjectType.PHOTON
    edges = CompleteGraph()
    graphs = []
    # Python's own numbers: taking one event after the other out of an awkward array would be slower still.
    for event in arrays.to_list():
        nodes = []
        for name, kind in names.items():
            for i, (pt, eta) in enumerate(zip(event[f"{name}_pt"], event[f"{name}_eta"], strict=True)):
                if pt < 25 or abs(eta) > 2.5:
                    continue
                jet = name == "Jet"
                mass = event["Jet_mass"][i] if jet else 0.0
                charge = event[f"{name}_charge"][i] if name in ("Electron", "Muon") else 0.0
                btag = float(jet and event["Jet_btagDeepFlavB"][i] > 0.2489)
                nodes.append((pt, eta, event[f"{name}_phi"][i], mass, int(kind), charge, btag))
        nodes.append((event["MET_pt"], 0.0, event["MET_phi"], 0.0, int(ObjectType.MET), 0.0, 0.0))
        table = torch.tensor(nodes)
        data = Data(p4=table[:, :4], kind=table[:, 4].long(), charge=table[:, 5], btag=table[:, 6])
        data.num_nodes, data.y, data.weight = len(nodes), torch.tensor([0]), torch.tensor([event["genWeight"]])
        graphs.append(edges(data))
    InMemoryDataset.save(graphs, str(target))


def in_a_process(code: str, *arguments: object) -> dict[str, float]:
    """Run code in a fresh interpreter with one thread; it prints one line of JSON at its end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


CONVERT = """
import json, resource, sys, time
from pathlib import Path
from pyg_hep.datasets import EventDataset

def peak():
    # In GB. On Linux ru_maxrss would count what the process that started this one had in memory.
    if Path("/proc/self/status").is_file():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9

before = peak()
started = time.perf_counter()
dataset = EventDataset(sys.argv[1], sys.argv[2], {"random": [sys.argv[3]] * int(sys.argv[4])})
seconds = time.perf_counter() - started
print(json.dumps({"peak": peak(), "before": before, "seconds": seconds, "events": len(dataset)}))
"""

FIRST_BATCH = """
import json, sys, time
import torch
from pyg_hep.datasets import EventDataset
from pyg_hep.loader import EventLoader

started = time.perf_counter()
dataset = EventDataset(sys.argv[1], sys.argv[2], {"random": [sys.argv[3]] * int(sys.argv[4])})
batch = next(iter(EventLoader(dataset, 1024, shuffle=True, seed=1)))
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "graphs": batch.num_graphs, "events": len(dataset)}))
"""


def run(
    events: int = EVENTS, basket: int = BASKET, copies: int = COPIES, loop_events: int = LOOP_EVENTS, repeats: int = 5
) -> list[dict[str, Any]]:
    """Rows of this benchmark; smaller numbers are for trying it out."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_compressed(folder / "events.root", events, basket)
        with FileReader(path, load_card(CARD)) as reader:
            branches = sorted(reader.plan.branches)
            start, stop = reader.chunks(STEP_SIZE)[0]
        with uproot.open(path) as file:
            some = file["Events"].arrays(branches, entry_stop=loop_events)
        reading, looping, speeds = [], [], []
        for repeat in range(repeats + 1):
            ours = seconds(lambda: convert(folder / "ours", path))
            theirs = seconds(lambda: read_with_uproot(path, branches, stop - start))
            if repeat:  # the first pair warms up
                reading.append(theirs / ours)
                speeds.append(events / ours)
                # The loop takes as long for every event: measured on some, scaled to all, after reading them all.
                loop = seconds(lambda: data_loop(some, folder / "loop.pt"))
                looping.append((theirs + loop / loop_events * events) / ours)
        # The same file several times is one large process.
        conversions = []
        for attempt in range(2):
            shutil.rmtree(folder / f"big{attempt - 1}", ignore_errors=True)
            big = folder / f"big{attempt}"
            conversions.append(in_a_process(CONVERT, big, CARD, path, copies))
        first = [in_a_process(FIRST_BATCH, big, CARD, path, copies)["seconds"] for _ in range(3)]
        megabytes = path.stat().st_size / 1e6
    about = {"events": events, "file_mb": megabytes}
    last = conversions[-1]
    large = {"events": int(last["events"])}
    memory = {"after_imports_gb": last["before"], "seconds": last["seconds"], **large}
    pyg, loop_about = torch_geometric.__version__, {"loop_events": loop_events, **about}
    peer = "a loop of torch_geometric.data.Data"
    return [
        row("nanoaod_vs_uproot_read", reading, "ratio", "uproot.iterate", uproot.__version__, 1, **about),
        row("nanoaod_vs_data_loop", looping, "ratio", peer, pyg, 1, **loop_about),
        row("nanoaod_conversion_events_per_s", speeds, "events/s", "", "", 1, **about),
        row("conversion_peak_memory_gb", [c["peak"] for c in conversions], "GB", "", "", 1, **memory),
        row("first_batch_seconds", first, "s", "", "", 1, **large),
    ]

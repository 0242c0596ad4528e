import json
import shutil

import awkward as ak
import numpy as np
import pytest
import torch
import uproot

from pyg_hep.datasets import EventDataset, conversion
from pyg_hep.errors import ReaderError
from pyg_hep.loader import EventLoader
from pyg_hep.readers import FileReader, load_card
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

YIELD = {"cross_section": {"WH": 1.0}, "luminosity": 1.0}  # 1000 events before any selection
SELECTION = {"selection": ["n_jet >= 4"]}


def card(**keys):
    return load_card("simulated_events").as_dict() | keys


def weighted(folder, size=400, seed=1, generated=False, name="WH.root"):
    """A file of which a fifth has weight -1, more often with many jets; the branches."""
    branches = random_nanoaod(size, seed=seed)
    many = ak.to_numpy(ak.num(branches["Jet"]["pt"])) >= 4
    rng = np.random.default_rng(seed)
    branches["genWeight"] = np.where(rng.uniform(size=size) < np.where(many, 0.3, 0.1), -1, 1).astype(np.float32)
    path = write_nanoaod(folder / name, branches)
    if generated:
        with uproot.update(path) as file:
            total = 2 * float(branches["genWeight"].sum())
            file.mktree("Runs", {"genEventSumw": "f8"}).extend({"genEventSumw": [total]})
    return branches, path


def expected(dataset):
    """Yield of 1000 events from the stored weights, where every selected event is stored."""
    return 1000 * float(dataset.weight.sum(dtype=torch.float64))


@pytest.mark.parametrize("generated", [False, True])
def test_yields_do_not_depend_on_what_is_done_with_negative_weights_and_repeats(tmp_path, generated):
    branches, path = weighted(tmp_path, generated=generated)
    total = float(branches["genWeight"].sum()) * (2 if generated else 1)
    kept = EventDataset(tmp_path / "a", card(**SELECTION, weight={"branch": "genWeight", **YIELD}), {"WH": path})
    right = expected(kept) / total
    assert 50 < right < 400
    assert kept.expected_yields() == {"WH": pytest.approx(right)}
    for policy in ("absolute", "drop"):
        weight = {"branch": "genWeight", "negative": policy, **YIELD}
        dataset = EventDataset(tmp_path / "b", card(**SELECTION, weight=weight), {"WH": path})
        assert dataset.expected_yields() == {"WH": pytest.approx(right)}, policy
    assert float(dataset.weight.min()) > 0  # the last one dropped them
    twice = {"WH": [path, shutil.copy(path, tmp_path / "again.root")]}
    for policy in ("keep", "drop"):
        content = card(**SELECTION, duplicates=policy, weight={"branch": "genWeight", **YIELD})
        dataset = EventDataset(tmp_path / "c", content, twice)
        assert dataset.expected_yields() == {"WH": pytest.approx(right)}, policy
    assert len(dataset) == len(kept)


def at_least_seven(data):
    return data.num_nodes >= 7


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_filter_is_a_selection_also_of_events_that_are_left_out(tmp_path, policy):
    branches, path = weighted(tmp_path)
    total = float(branches["genWeight"].sum())
    content = card(weight={"branch": "genWeight", **YIELD})
    whole = EventDataset(tmp_path / "a", content, {"WH": path}, pre_filter=at_least_seven)
    right = expected(whole) / total
    content = card(weight={"branch": "genWeight", "negative": policy, **YIELD}, duplicates="drop")
    dataset = EventDataset(tmp_path / "b", content, {"WH": [path, path]}, pre_filter=at_least_seven)
    assert dataset.expected_yields() == {"WH": pytest.approx(right)}
    assert len(dataset) < 400


def test_invalid_events_and_skipped_files_count_in_neither_sum(tmp_path, monkeypatch):
    branches, _ = weighted(tmp_path)
    bad = np.arange(400) % 4 == 0
    branches["MET_pt"] = np.where(bad, np.nan, branches["MET_pt"]).astype(np.float32)
    broken = write_nanoaod(tmp_path / "WH.root", branches)
    content = card(**SELECTION, weight={"branch": "genWeight", **YIELD})
    dataset = EventDataset(tmp_path / "a", content, {"WH": broken})
    right = expected(dataset) / float(branches["genWeight"][~bad].sum())
    assert dataset.expected_yields() == {"WH": pytest.approx(right)}
    # Of what a generator made as much is lost as of what was read.
    with uproot.update(broken) as file:
        total = 3 * float(branches["genWeight"].sum())
        file.mktree("Runs", {"genEventSumw": "f8"}).extend({"genEventSumw": [total]})
    dataset = EventDataset(tmp_path / "a", content, {"WH": broken})
    right /= 3
    assert dataset.expected_yields() == {"WH": pytest.approx(right)}
    # A file that fails half-way is left out with all that it held; the events it repeats come from the other one.
    monkeypatch.setattr(conversion, "STEP_SIZE", 100)
    copy = shutil.copy(broken, tmp_path / "copy.root")
    read = FileReader.read

    def failing(self, start, stop):
        if self.path == str(broken) and start >= 300:
            raise ReaderError(f"{self.path}: damaged")
        return read(self, start, stop)

    monkeypatch.setattr(FileReader, "read", failing)
    files = {"WH": [broken, copy]}
    partly = EventDataset(tmp_path / "b", content | {"duplicates": "drop"}, files, on_error="skip")
    assert len(partly) == len(dataset)
    assert partly.report.duplicates == 0
    assert partly.expected_yields() == {"WH": pytest.approx(right)}


def without_numbers(folder, name, size=300, seed=9):
    branches = random_nanoaod(size, seed=seed)
    for column in ("run", "luminosityBlock", "event"):
        del branches[column]
    return write_nanoaod(folder / name, branches)


def test_file_without_event_numbers_never_moves_the_events_of_another(nanoaod, other_nanoaod, tmp_path):
    nameless = without_numbers(tmp_path, "nameless.root")
    alone = EventDataset(tmp_path / "a", card(), {"a": [nanoaod, other_nanoaod]})
    mixed = EventDataset(tmp_path / "b", card(), {"a": [nameless, nanoaod, other_nanoaod]})
    only = EventDataset(tmp_path / "c", card(), {"a": nameless})
    assert np.array_equal(mixed.storage.split_key[300:], alone.storage.split_key)
    assert np.array_equal(mixed.storage.split_key[:300], only.storage.split_key)
    for split in ("train", "val", "test"):
        files = {"a": [nanoaod, other_nanoaod]}
        before = EventDataset(tmp_path / "a", card(), files, split=split).event_number
        after = EventDataset(tmp_path / "b", card(), {"a": [nameless, *files["a"]]}, split=split)
        assert after.event_number[after.run_number >= 0].tolist() == before.tolist()


def test_events_without_numbers_are_marked_and_left_out_of_the_search_for_repeats(nanoaod, tmp_path):
    nameless = without_numbers(tmp_path, "nameless.root")
    files = {"a": [nameless, nanoaod, nameless, nanoaod]}
    mixed = EventDataset(tmp_path / "a", card(duplicates="drop"), files)
    assert len(mixed) == 300 + 500 + 300
    assert mixed.report.duplicates == 500
    for name in ("run_number", "luminosity_block", "event_number"):
        values = mixed.column(name)
        assert set(values[:300].tolist()) == set(values[800:].tolist()) == {-1}
        assert int(values[300:800].min()) >= 0
    manifest = mixed.storage.manifest
    assert manifest["files_without_identity"] == [str(nameless), str(nameless)]
    assert any("repeats of them are not looked for" in line and "nameless" in line for line in mixed.report.lines())
    plain = EventDataset(tmp_path / "b", card(), {"a": nameless})
    assert "run_number" not in plain.storage.events


def test_reading_mixed_files_gives_the_same_mark(nanoaod, tmp_path):
    from pyg_hep.readers import read_events

    events = read_events([without_numbers(tmp_path, "nameless.root"), nanoaod], card())
    assert set(events.run_number[:300].tolist()) == {-1}
    assert ak.all(events.run_number[300:] == 1)


@pytest.fixture
def tracked(tmp_path):
    branches = random_nanoaod(200, seed=4)
    branches["Muon"]["dxy"] = branches["Muon"]["pt"] / 100
    with uproot.recreate(tmp_path / "tracked.root") as file:
        flat = {f"Muon_{n}": branches["Muon"][n] for n in branches["Muon"].fields}
        flat |= {n: branches[n] for n in ("MET_pt", "MET_phi", "run", "luminosityBlock", "event")}
        scales = np.outer(np.arange(200), [1, 2, 3]).astype(np.float32)
        types = {n: ak.type(v).content if isinstance(v, ak.Array) else v.dtype for n, v in flat.items()}
        file.mktree("Events", types | {"scales": "3 * float32"})
        file["Events"].extend(flat | {"scales": ak.from_numpy(scales, regulararray=True)})
    return tmp_path / "tracked.root"


OWN = {
    "name": "own",
    "objects": {
        "muon": {"kind": "muon", "collection": "Muon", "keep": {"d0": "dxy"}},
        "met": {"kind": "met", "collection": "MET"},
    },
    "fill": {"d0": -1},
    "keep": {"scales": "scales"},
    "label": {"regression": {"missing": "MET_pt", "muons": "n_muon"}},
}


def test_own_columns_and_numbers_to_estimate_go_from_the_card_into_batches(tracked, tmp_path):
    dataset = EventDataset(tmp_path, OWN, tracked)
    batch = next(iter(EventLoader(dataset, 50, shuffle=True, seed=3)))
    muon = batch.kind == 2
    assert batch.d0.dtype == torch.float32
    assert torch.allclose(batch.d0[muon], batch.p4[muon, 0] / 100)
    assert set(batch.d0[~muon].tolist()) == {-1}
    number = batch.event_number.float()
    assert torch.equal(batch.scales, torch.stack([number, 2 * number, 3 * number], dim=1))
    assert batch.y.shape == (50, 2)
    assert torch.equal(batch.y[:, 0], batch.p4[batch.kind == 5, 0])
    assert torch.equal(batch.y[:, 1].long(), torch.bincount(batch.batch[muon], minlength=50))
    graph = dataset[7]
    assert graph.d0.shape == (graph.num_nodes,)
    assert graph.scales.shape == (1, 3)
    assert graph.y.shape == (1, 2)
    assert torch.equal(dataset.d0[-1:], dataset[-1].d0[-1:])
    assert dataset.class_names == ["missing", "muons"]
    assert dataset.num_classes == 2
    columns = dataset.storage.manifest["event_columns"]
    assert columns["scales"]["shape"] == [3]
    assert columns["y"]["dtype"] == "float32"


def test_hooks_see_the_columns_of_the_card(tracked, tmp_path):
    def close(data):
        return data.d0.max() < 0.5

    dataset = EventDataset(tmp_path, OWN, tracked, pre_filter=close)
    assert 0 < len(dataset) < 200
    assert float(dataset.d0.max()) < 0.5


def test_file_without_the_object_has_the_fill_in_the_shape_of_the_others(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, width in (("a", 3), ("b", 3), ("wide", 4)):
        slots = rng.uniform(1, 2, (20, 5, width)).astype(np.float32)
        arrays = {f"jet_{n}": np.full((20, 5), 3.0) for n in ("pt", "eta", "phi")} | {"jet_tau": slots}
        met = {"met_pt": np.ones(20), "met_phi": np.ones(20)}
        np.savez(folder / f"{name}.npz", **arrays, **met)
    np.savez(folder / "nothing.npz", **met)
    content = {
        "name": "mine",
        "reader": "npz",
        "objects": {
            "jet": {
                "kind": "jet",
                "collection": "jet",
                "optional": True,
                "keep": {"tau": "tau"},
            },
            "met": {"kind": "met", "collection": "met"},
        },
        "fill": {"tau": -1},
    }
    files = {"all": [folder / "nothing.npz", folder / "a.npz", folder / "b.npz"]}
    dataset = EventDataset(tmp_path, content, files)
    assert dataset.tau.shape == (3 * 20 + 2 * 100, 3)
    assert set(dataset.tau[dataset.kind == 5].flatten().tolist()) == {-1}
    assert float(dataset.tau[dataset.kind == 0].min()) >= 1
    mixed = {"all": [folder / "a.npz", folder / "wide.npz"]}
    with pytest.raises(ReaderError, match=r"wide\.npz: the column 'tau' has the shape \(4,\).*have \(3,\)"):
        EventDataset(tmp_path, content, mixed)
    skipped = EventDataset(tmp_path, content, mixed, on_error="skip")
    assert list(skipped.storage.manifest["skipped"]) == [str(folder / "wide.npz")]
    assert json.loads(json.dumps(skipped.storage.manifest))["node_columns"]["tau"]["shape"] == [3]

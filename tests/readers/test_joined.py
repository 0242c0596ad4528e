import os
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_hep.datasets import EventDataset
from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers import ReadReport, iterate_events, load_card, read_events
from pyg_hep.schema import ObjectType
from pyg_hep.testing.readers import ReaderTests

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cases"
SIZES = np.array([2, 1, 3, 1, 2])
JET = {"kind": "jet", "collection": "jet"}


def card(**keys):
    return {"name": "friends", "reader": "root", "tree": "Events", "objects": {"jet": JET}, **keys}


def jets(seed=0):
    rng = np.random.default_rng(seed)
    lists = {f"jet_{name}": ak.unflatten(rng.uniform(1, 2, SIZES.sum()), SIZES) for name in ("pt", "eta", "phi")}
    return lists | {"run": np.array([1, 1, 1, 2, 2]), "event": np.array([5, 6, 9, 5, 6])}


def write(path, **trees):
    with uproot.recreate(path) as file:
        for name, branches in trees.items():
            file[name] = branches
    return path


@pytest.fixture
def main(tmp_path):
    return write(tmp_path / "a.root", Events=jets(), Friends={"pu": np.arange(5) + 0.5})


ON = {"T": {"files": "{stem}_tags.root", "on": ["run", "event"]}}


def tags(folder, run=(2, 1, 1, 2, 1, 9), event=(6, 5, 9, 5, 6, 9), **columns):
    """A row for each event of ``jets`` in another order, and one more."""
    columns = columns or {"w": [26.0, 15, 19, 25, 16, 99]}
    keys = {"run": np.array(run), "event": np.array(event)}
    return write(folder / "a_tags.root", T=keys | {name: np.array(values) for name, values in columns.items()})


class TestFriends(ReaderTests):
    """What every format promises, of a file with a friend in another format, joined by number."""

    @pytest.fixture
    def card(self, path):
        friend = {"files": str(path.with_suffix(".npz")), "on": "event"}
        return card(
            tree="Events", friends={"F": friend}, weight={"branch": "F.w"}, keep={"w": "w"}, columns={"w": "F.w"}
        )

    @pytest.fixture
    def path(self, tmp_path):
        sizes = np.random.default_rng(2).integers(1, 7, 50)
        lists = ak.unflatten(np.random.default_rng(3).uniform(1, 3, sizes.sum()), sizes)
        columns = {f"jet_{name}": lists for name in ("pt", "eta", "phi")} | {"event": np.arange(50)}
        np.savez(tmp_path / "file.npz", event=np.random.default_rng(4).permutation(50), w=np.arange(50.0))
        return write(tmp_path / "file.root", Events=columns)


def test_columns_of_another_tree_are_read_wherever_a_branch_is(tmp_path):
    scores = ak.unflatten(np.arange(9.0), SIZES)
    friend = {"pu": np.arange(5) + 0.5, "y": np.array([0, 1, 0, 1, 1]), "score": scores}
    path = write(tmp_path / "a.root", Events=jets(), Friends=friend)
    jet = {**JET, "columns": {"s": "Friends.score"}, "cuts": ["s > 0"], "keep": {"score": "s"}, "order": "file"}
    keys = {"weight": {"branch": "Friends.pu"}, "columns": {"pu": "Friends.pu", "label": "Friends.y"}, "label": "label"}
    keys |= {"selection": ["pu < 4"], "keep": {"twice": "2 * pu"}, "objects": {"jet": jet}}
    events = read_events(path, card(friends={"Friends": {"tree": "Friends"}}, **keys))
    assert events.weight.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert events.twice.tolist() == [1, 3, 5, 7]
    assert events.y.tolist() == [0, 1, 0, 1]
    assert events.objects.score.tolist() == [[1], [2], [3, 4, 5], [6]]


def test_expressions_read_columns_of_friends_by_their_names(tmp_path):
    path = write(tmp_path / "a.root", Events=jets(), F={"pu": np.arange(5) + 0.5})
    keys = {"weight": {"value": "event * F.pu"}, "selection": ["F.pu > 1"], "keep": {"twice": "2 * F.pu"}}
    events = read_events(path, card(friends={"F": {"tree": "F"}}, **keys))
    assert events.weight.tolist() == [9, 22.5, 17.5, 27]
    assert events.twice.tolist() == [3, 5, 7, 9]


@pytest.mark.parametrize("tree", ["Friends", None])
def test_collections_of_a_friend_are_collections(tmp_path, tree):
    path = write(tmp_path / "a.root", Events=jets(1))
    write(tmp_path / "b.root", Friends=jets(2))
    friend = {"files": "b.root"} | ({"tree": tree} if tree else {})
    objects = {"jet": JET, "muon": {"kind": "muon", "collection": "F.jet"}}
    events = read_events(path, card(friends={"F": friend}, objects=objects))
    pt = ak.concatenate([ak.sort(jets(seed)["jet_pt"], ascending=False) for seed in (1, 2)], axis=1)
    assert events.objects.pt.tolist() == ak.values_astype(pt, np.float32).tolist()


@pytest.mark.parametrize("step", [1, 2, 100])
def test_rows_are_joined_by_their_numbers(main, tmp_path, step):
    tags(tmp_path)
    chunks = iterate_events(main, card(friends=ON, weight={"branch": "T.w"}), step_size=step)
    assert [w for chunk in chunks for w in chunk.weight.tolist()] == [15, 16, 19, 25, 26]


def test_events_without_a_row_are_dropped_and_counted(main, tmp_path):
    tags(tmp_path, (2, 1, 1), (6, 5, 9), w=[26, 15, 19], flag=[True, False, True])
    report = ReadReport()
    events = read_events(main, card(friends=ON, weight={"branch": "T.w"}), report)
    assert events.weight.tolist() == [15, 19, 26]
    assert report.invalid == {"T.w": 2}
    report = ReadReport()
    keys = {"columns": {"flag": "T.flag"}, "selection": ["flag >= 0"]}
    assert read_events(main, card(friends=ON, **keys), report).entry.tolist() == [0, 2, 4]
    assert report.invalid == {"T.flag": 2}


def test_objects_without_a_row_drop_their_event(main, tmp_path):
    taus = {f"tau_{name}": ak.unflatten(np.array([1.0, 2, 3]), [1, 2, 0]) for name in ("pt", "eta", "phi")}
    keys = {"run": np.array([2, 1, 1]), "event": np.array([6, 5, 9])}
    write(tmp_path / "a_tags.root", T=keys | taus)
    report = ReadReport()
    objects = {"jet": JET, "tau": {"kind": "tau", "collection": "T.tau", "order": "file"}}
    events = read_events(main, card(friends=ON, objects=objects), report)
    assert events.entry.tolist() == [0, 2, 4]
    of_taus = events.objects.pt[events.objects.kind == int(ObjectType.TAU)]
    assert of_taus.tolist() == [[2, 3], [], [1]]
    assert sum(report.invalid.values()) == 2


def test_no_event_has_a_row(main, tmp_path):
    tags(tmp_path, (7,), (7,), w=[1.0])
    report = ReadReport()
    assert len(read_events(main, card(friends=ON, weight={"branch": "T.w"}), report)) == 0
    assert report.invalid == {"T.w": 5}


def test_other_lengths_are_an_error_with_both_numbers(main, tmp_path):
    write(tmp_path / "b.root", T={"w": np.ones(4)})
    with pytest.raises(
        ReaderError, match=r"a\.root: 5 entries, its friend F has 4 \(.*b\.root\): .*key 'friends\.F\.on'"
    ):
        read_events(main, card(friends={"F": {"files": "b.root"}}, weight={"branch": "F.w"}))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"run": (2, 1, 2, 1, 1, 1), "event": (6, 5, 6, 9, 7, 8)},
            r"a_tags\.root: rows 0 and 2 are both those of run = 2, event = 6, the key 'friends\.T\.on'",
        ),
        (
            {"run": (2.0, 1, 1, 2, 1, 9)},
            r"column 'run', the key 'friends\.T\.on' of .*: expected integers, found float64",
        ),
        ({"event": np.ones((6, 2), int)}, r"column 'event', the key .*: expected integers, found lists"),
    ],
)
def test_rows_that_cannot_be_joined_are_said(main, tmp_path, columns, message):
    tags(tmp_path, **columns)
    with pytest.raises(ReaderError, match=message):
        read_events(main, card(friends=ON, weight={"branch": "run"}))


def test_missing_keys_and_files_name_the_friend(main, tmp_path):
    with pytest.raises(ReaderError, match=r"a_tags\.root: no such file; it is the friend 'T' of the card given"):
        read_events(main, card(friends=ON))
    tags(tmp_path)
    with pytest.raises(ReaderError, match=r"a_tags\.root: no branch 'evnt' for the key 'friends\.T\.on'.*mean 'event'"):
        read_events(main, card(friends={"T": {**ON["T"], "on": "evnt"}}))
    with pytest.raises(ReaderError, match=r"no tree 'Freinds' in the file, did you mean 'Friends'.*the friend 'F'"):
        read_events(main, card(friends={"F": {"tree": "Freinds"}}))
    with pytest.raises(ReaderError, match=r"did you mean 'F\.pu'"):
        friends = {"F": {"tree": "Friends"}}
        read_events(main, card(friends=friends, columns={"p": "F.pv"}, keep={"p": "p"}))


def test_names_that_a_file_has_itself_are_refused(tmp_path):
    path = write(tmp_path / "a.root", Events=jets() | {"F.w": np.ones(5)}, F={"w": np.ones(5)})
    with pytest.raises(ReaderError, match=r"a\.root: has a column 'F\.w' of its own: give the friend another name"):
        read_events(path, card(friends={"F": {"tree": "F"}}))


@pytest.mark.parametrize(
    ("friends", "message"),
    [
        ({"F": {}}, r"key 'friends\.F': give 'files', or 'tree'"),
        ({"F": {"on": "run"}}, r"key 'friends\.F': give 'files', or 'tree'"),
        ({"F": {"file": "x"}}, r"key 'friends\.F\.file': unknown key, did you mean 'files'"),
        ({"F.x": {"tree": "t"}}, r"key 'friends\.F\.x': a friend needs a name"),
        ({"jet": {"tree": "t"}}, r"key 'friends\.jet': there is an object of the same name"),
        ({"F": {"files": "x", "reader": "rot"}}, r"key 'friends\.F\.reader': .*did you mean 'root'"),
    ],
)
def test_a_friend_that_cannot_be_is_an_error_of_the_card(friends, message):
    with pytest.raises(ConfigError, match=message):
        load_card(card(friends=friends))


def test_event_table_beside_rows_of_objects(tmp_path):
    rows = {name: np.linspace(1, 2, SIZES.sum()) for name in ("pt", "eta", "phi")}
    numbers = np.repeat(np.arange(5), SIZES)
    ak.to_parquet(ak.Array({**rows, "event": numbers}), tmp_path / "a.parquet")
    ak.to_parquet(ak.Array({"event": [4, 3, 2, 1, 0], "w": np.arange(5.0)}), tmp_path / "b.parquet")
    ak.to_parquet(ak.Array({"n": SIZES, "w": np.arange(5.0)}), tmp_path / "c.parquet")
    keys = {"reader": "parquet", "objects": {"jet": {"kind": "jet", "collection": "{}"}}, "weight": {"branch": "E.w"}}
    by_id = card(group_by="event", friends={"E": {"files": "b.parquet", "on": "event"}}, **keys)
    by_counts = card(counts="E.n", friends={"E": {"files": "c.parquet"}}, **keys)
    for settled, weights in ((by_id, [4, 3, 2, 1, 0]), (by_counts, [0, 1, 2, 3, 4])):
        events = read_events(tmp_path / "a.parquet", settled)
        assert ak.num(events.objects).tolist() == SIZES.tolist()
        assert events.weight.tolist() == weights


def test_content_of_a_friend_is_part_of_the_fingerprint(main, tmp_path):
    tags(tmp_path)
    settled = card(friends=ON, weight={"branch": "T.w"})
    first = EventDataset(tmp_path / "cache", settled, main)
    tags(tmp_path, w=[1.0, 2, 3, 4, 5, 6])
    os.utime(tmp_path / "a_tags.root", (1, 1))
    second = EventDataset(tmp_path / "cache", settled, main)
    assert first.processed_dir != second.processed_dir
    assert (first.weight.tolist(), second.weight.tolist()) == ([15, 16, 19, 25, 26], [2, 5, 3, 4, 1])
    assert first.storage.split_key.tolist() == second.storage.split_key.tolist()


def test_published_friend_weights_every_event():
    path = CASES / "friend.root"
    if not path.is_file():
        pytest.skip("../shared/data/cases/friend.root is not there")
    friends = {"Friends": {"tree": "Friends"}}
    keys = {"weight": {"branch": "Friends.puWeight"}, "columns": {"score": "Friends.score"}, "keep": {"kept": "score"}}
    events = read_events(path, card(friends=friends, **keys))
    with uproot.open(path) as file:
        there = ak.num(file["Events"]["jet_pt"].array()) > 0
        friend = file["Friends"].arrays(["puWeight", "score"])[there]
    assert len(events) == 162
    assert events.weight.tolist() == friend.puWeight.tolist()
    assert events.kept.tolist() == friend.score.tolist()

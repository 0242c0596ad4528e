from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers import FileReader, ReadReport, grouped, load_card, read_events
from pyg_hep.testing.readers import ReaderTests

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cases"
JET = {"kind": "jet", "collection": "{}"}
SIZES = np.array([3, 1, 4, 2, 5])
ROWS = int(SIZES.sum())


def case(name):
    if not (CASES / name).is_file():
        pytest.skip(f"../shared/data/cases/{name} is not there")
    return CASES / name


def card(**keys):
    return {"name": "rows", "reader": "npz", "objects": {"jet": JET}, **keys}


def table(**columns):
    """Rows of 5 events with 3, 1, 4, 2 and 5 jets; weight and label belong to the event."""
    event = np.repeat([7, 8, 11, 3, 2], SIZES)
    rng = np.random.default_rng(1)
    return {
        "event": event,
        "run": np.repeat([1, 1, 1, 2, 2], SIZES),
        "pt": rng.uniform(20, 90, ROWS),
        "eta": rng.uniform(-2, 2, ROWS),
        "phi": rng.uniform(-3, 3, ROWS),
        "w": np.repeat([0.5, 1.5, 2.5, 3.5, 4.5], SIZES),
        "y": np.repeat([0, 1, 1, 0, 1], SIZES),
        **columns,
    }


@pytest.fixture
def rows(tmp_path):
    np.savez(tmp_path / "rows.npz", **table())
    return tmp_path / "rows.npz"


def changed(tmp_path, **columns):
    np.savez(tmp_path / "changed.npz", **table(**columns))
    return tmp_path / "changed.npz"


class TestGroups(ReaderTests):
    """What every format promises, for the rows of 50 events."""

    @pytest.fixture
    def card(self):
        return {"name": "g", "reader": "parquet", "group_by": ["run", "event"], "objects": {"jet": JET}}

    @pytest.fixture
    def path(self, tmp_path):
        sizes = np.random.default_rng(2).integers(1, 7, 50)
        columns = {name: np.random.default_rng(3).uniform(1, 3, sizes.sum()) for name in ("pt", "eta", "phi")}
        columns |= {"event": np.repeat(np.arange(50), sizes), "run": np.repeat(np.arange(50) // 20, sizes)}
        ak.to_parquet(ak.Array(columns), tmp_path / "file.parquet", row_group_size=13)
        return tmp_path / "file.parquet"


def test_columns_of_the_event_are_read_wherever_one_is(rows):
    keys = {"weight": {"branch": "w"}, "label": "y", "keep": {"half": "w / 2"}, "selection": ["w > 1"]}
    events = read_events(rows, card(group_by=["run", "event"], **keys))
    assert ak.num(events.objects).tolist() == SIZES[1:].tolist()
    assert events.weight.tolist() == [1.5, 2.5, 3.5, 4.5]
    assert events.half.tolist() == [0.75, 1.25, 1.75, 2.25]
    assert events.y.tolist() == [1, 1, 0, 1]
    assert events.event_number.tolist() == [8, 11, 3, 2]
    assert events.run_number.tolist() == [1, 1, 2, 2]
    assert events.entry.tolist() == [1, 2, 3, 4]
    pt = ak.unflatten(table()["pt"].astype(np.float32), SIZES)[1:]
    assert events.objects.pt.tolist() == ak.sort(pt, ascending=False).tolist()


def test_identity_of_the_card_counts_before_the_keys(rows):
    events = read_events(rows, card(group_by="event", identity={"event_number": "run"}))
    assert events.event_number.tolist() == [1, 1, 1, 2, 2]
    assert "event_number" not in read_events(rows, card(group_by="event", identity={})).fields


def test_texts_and_fractions_are_keys_but_no_identity(tmp_path):
    for column in (np.repeat(["a", "b", "c", "d", "e"], SIZES), np.repeat([0.5, 1.5, 2.5, 3.5, 4.5], SIZES)):
        events = read_events(changed(tmp_path, event=column), card(group_by="event"))
        assert ak.num(events.objects).tolist() == SIZES.tolist()
        assert "event_number" not in events.fields


def test_missing_momentum_that_rows_repeat_is_one_node(tmp_path):
    path = changed(tmp_path, met=np.repeat([10.0, 20, 30, 40, 50], SIZES), met_phi=np.zeros(ROWS))
    objects = {"met": {"kind": "met", "collection": "{}", "columns": {"pt": "met", "phi": "met_phi"}}}
    events = read_events(path, card(group_by="event", objects=objects))
    assert events.objects.pt.tolist() == [[10], [20], [30], [40], [50]]


def test_column_that_differs_within_an_event_is_no_event_column(tmp_path):
    weights = np.repeat([0.5, 1.5, 2.5, 3.5, 4.5], SIZES)
    weights[6] = 9
    path = changed(tmp_path, w=weights)
    for keys in ({"weight": {"branch": "w"}}, {"selection": ["w > 1"]}, {"keep": {"weight_kept": "w"}}):
        message = r"changed\.npz.*column 'w'.*differs between the rows of one event \(2\.5 and 9\.0, first in entry 2"
        with pytest.raises(ReaderError, match=message):
            read_events(path, card(group_by="event", **keys))


def test_rows_are_lists_for_reductions_and_positions(rows):
    pt = ak.unflatten(table()["pt"], SIZES)
    keys = {"selection": ["sum(pt) > 100", "max(w) < 4"], "keep": {"first": "pt[0]"}}
    events = read_events(rows, card(group_by="event", weight={"value": "2 * w"}, **keys))
    passed = (ak.sum(pt, axis=1) > 100) & (np.arange(5) < 3)
    assert ak.sum(passed) == 2
    assert events.first.tolist() == pt[passed][:, 0].to_numpy().astype(np.float32).tolist()
    assert events.weight.tolist() == (2 * (np.arange(5) + 0.5))[passed].tolist()
    with pytest.raises(ReaderError, match=r"column 'pt'.*differs between the rows of one event"):
        read_events(rows, card(group_by="event", selection=["pt > 0"]))


def test_nan_that_is_repeated_drops_the_event_and_is_counted(tmp_path):
    report = ReadReport()
    path = changed(tmp_path, w=np.repeat([np.nan, 1, 1, 1, 1], SIZES))
    assert len(read_events(path, card(group_by="event", weight={"branch": "w"}), report)) == 4
    assert report.invalid == {"w": 1}


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_keys_that_are_read_in_parts_give_the_same_groups(rows, monkeypatch, step):
    monkeypatch.setattr(grouped, "_STEP", step)
    assert ak.num(read_events(rows, card(group_by=["run", "event"])).objects).tolist() == SIZES.tolist()


def test_events_that_come_again_later_are_an_error_that_names_them(tmp_path):
    path = changed(tmp_path, event=np.repeat([7, 8, 11, 8, 2], SIZES))
    with pytest.raises(
        ReaderError, match=r"the rows of event = 8 are not next to each other.* rows 3 and 8: .*'group_by'"
    ):
        read_events(path, card(group_by="event"))
    assert len(read_events(path, card(group_by=["run", "event"]))) == 5


def test_same_number_in_another_run_begins_an_event(tmp_path):
    path = changed(tmp_path, event=np.repeat([7, 8, 11, 11, 2], SIZES))
    assert ak.num(read_events(path, card(group_by=["run", "event"])).objects).tolist() == SIZES.tolist()
    assert len(read_events(path, card(group_by="event"))) == 4


@pytest.mark.parametrize(
    ("key", "columns", "message"),
    [
        ("evnt", {}, r"no branch 'evnt' for the key 'group_by' of .*did you mean 'event'"),
        ("event", {"event": np.repeat([7, 8, np.nan, 3, 2], SIZES)}, r"'event', the key 'group_by'.* is NaN, .* row 4"),
        ("event", {"event": np.zeros((ROWS, 2))}, r"'event', the key 'group_by' .* holds lists"),
        ("event", {"pt": np.ones((ROWS, 3))}, r"column 'pt'.*expected one number per object, found the shape \(3,\)"),
        ("event", {"pt": np.ones(9)}, r"column 'pt' has 9 rows, for 5 events and 15 objects"),
    ],
)
def test_what_cannot_be_grouped_is_said(tmp_path, key, columns, message):
    with pytest.raises(ReaderError, match=message):
        read_events(changed(tmp_path, **columns), card(group_by=key))


def test_a_list_in_each_row_is_one_level_too_many(tmp_path):
    lists = ak.unflatten(np.ones(6), [1, 2, 3])
    ak.to_parquet(ak.Array({"event": [1, 1, 2], "pt": lists, "eta": lists, "phi": lists}), tmp_path / "a.parquet")
    with pytest.raises(ReaderError, match=r"column 'eta' holds a list in each row, and rows are objects here"):
        read_events(tmp_path / "a.parquet", card(reader="parquet", group_by="event"))


def test_positions_in_a_table_of_numbers_are_keys(tmp_path):
    columns = table()
    block = np.stack([columns[name] for name in ("event", "run")], axis=1)
    np.savez(tmp_path / "a.npz", block=block, **{name: columns[name] for name in ("pt", "eta", "phi")})
    events = read_events(tmp_path / "a.npz", card(group_by="block[0]"))
    assert ak.num(events.objects).tolist() == SIZES.tolist()


def test_a_file_without_rows_has_no_events(tmp_path):
    columns = {name: values[:0] for name, values in table().items()}
    np.savez(tmp_path / "none.npz", **columns)
    with FileReader(tmp_path / "none.npz", load_card(card(group_by="event"))) as reader:
        assert reader.num_entries == 0
        assert reader.chunks() == []


def test_belle_rows_are_candidates_of_40_events():
    particle = {"kind": "particle", "collection": "{}", "columns": {"energy": "E"}}
    keys = {"reader": "root", "weight": {"branch": "__weight__"}, "objects": {"particle": particle}}
    path = case("belle.root")
    events = read_events(path, card(group_by=["__experiment__", "__run__", "__event__"], **keys))
    assert ak.num(events.objects).tolist() == [5] * 40
    assert events.event_number.tolist() == list(range(40))
    assert set(events.run_number.tolist()) == {1}
    assert set(events.luminosity_block.tolist()) == {7}
    with pytest.raises(
        ReaderError, match=r"rows 0 and 1 have the same __run__, __experiment__, __event__: .*'group_by: \["
    ):
        read_events(path, card(**keys))


def test_exploded_rows_of_parquet_are_200_events_with_627_particles():
    keys = {"reader": "parquet", "objects": {"jet": {**JET, "columns": {"mass": "m"}}}}
    path = case("pq_long.parquet")
    events = read_events(path, card(group_by="event", **keys))
    assert (len(events), ak.count(events.objects.pt)) == (200, 627)
    with pytest.raises(ReaderError, match=r"pq_long\.parquet: rows 0 and 1 have the same event: .*'group_by: event'"):
        read_events(path, card(**keys))


def test_root_trees_are_grouped_too(tmp_path):
    with uproot.recreate(tmp_path / "rows.root") as file:
        file.mktree("t", {name: values.dtype for name, values in table().items()}).extend(table())
    events = read_events(tmp_path / "rows.root", card(reader="root", group_by="event", weight={"branch": "w"}))
    assert ak.num(events.objects).tolist() == SIZES.tolist()
    assert events.weight.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


def test_rows_of_csv_files_are_grouped_too(tmp_path):
    columns = table()
    np.savetxt(tmp_path / "a.csv", np.stack(list(columns.values()), axis=1), "%.6g", ",", header=",".join(columns))
    events = read_events(tmp_path / "a.csv", card(reader="csv", group_by="event", weight={"branch": "w"}))
    assert ak.num(events.objects).tolist() == SIZES.tolist()
    assert events.event_number.tolist() == [7, 8, 11, 3, 2]


# Arrays beside numbers of objects

COUNTS = np.array([2, 0, 3, 1])


def arrays(path, first=None, counts=COUNTS, **more):
    """Jets of 4 events, the second without any, with weights of events; HDF5."""
    total = int(counts.sum())
    with h5py.File(path, "w") as file:
        for name in ("pt", "eta", "phi"):
            file[f"jets/{name}"] = np.linspace(1, 3, total)
        file["n"], file["w"] = counts, np.arange(len(counts)) + 0.5
        if first is not None:
            file["first"] = first
        for name, values in more.items():
            file[name.replace("__", "/")] = values
    return path


ARRAYS = {"name": "arrays", "reader": "hdf5", "objects": {"jet": {"kind": "jet", "collection": "jets"}}}
ARRAYS |= {"weight": {"branch": "w"}}


def sizes_and_weights(path, **keys):
    with FileReader(path, load_card({**ARRAYS, **keys})) as reader:
        parts = [reader.read(start, stop)[0] for start, stop in reader.chunks(2)]
    return [n for part in parts for n in part.counts.tolist()], [w for p in parts for w in p.events["weight"].tolist()]


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ({"counts": "n"}, None),
        ({"counts": {"jets/": "n"}}, None),
        ({"offsets": "first"}, [0, 2, 2, 5]),
        ({"offsets": "first"}, [0, 2, 2, 5, 6]),
        ({"offsets": {"jets/": "first"}}, [0, 2, 2, 5, 6]),
    ],
)
def test_numbers_of_objects_cut_their_arrays(tmp_path, keys, first):
    path = arrays(tmp_path / "a.h5", first)
    # The event without jets has no node and is left out.
    assert sizes_and_weights(path, **keys) == ([2, 3, 1], [0.5, 2.5, 3.5])


@pytest.mark.parametrize("keys", [{"offsets": "ranges[0]"}, {"counts": "ranges[1]"}])
def test_numbers_of_objects_may_be_a_part_of_a_table(tmp_path, keys):
    path = arrays(tmp_path / "a.h5", ranges=np.array([[0, 2], [2, 0], [2, 3], [5, 1]]))
    assert sizes_and_weights(path, **keys) == ([2, 3, 1], [0.5, 2.5, 3.5])
    with pytest.raises(ConfigError, match=r"key 'counts': 'ranges\[' is no column"):
        sizes_and_weights(path, counts="ranges[")


@pytest.mark.parametrize("first", [[0, 2, 2, 6], [0, 2, 2, 6, 6]])
def test_last_event_may_be_empty(tmp_path, first):
    path = arrays(tmp_path / "a.h5", first, np.array([2, 0, 4, 0]))
    assert sizes_and_weights(path, offsets="first") == ([2, 4], [0.5, 2.5])


def test_collections_may_have_numbers_of_their_own(tmp_path):
    leptons = {f"leptons__{name}": np.linspace(1, 2, 4) for name in ("pt", "eta", "phi")}
    path = arrays(tmp_path / "a.h5", n_lep=[1, 1, 0, 2], **leptons)
    objects = {**ARRAYS["objects"], "muon": {"kind": "muon", "collection": "leptons"}}
    counts = {"jets/": "n", "leptons/": "n_lep"}
    assert sizes_and_weights(path, objects=objects, counts=counts)[0] == [3, 1, 3, 3]


@pytest.mark.parametrize(
    ("keys", "first", "message"),
    [
        ({"counts": "m"}, None, r"no branch 'm' for the key 'counts' of "),
        ({"counts": "w"}, None, r"column 'w', the key 'counts' of .*: expected numbers of objects, found float64"),
        ({"offsets": "first"}, [1, 2, 2, 5], r"'first', the key 'offsets'.*positions that begin with 0 and never fall"),
        ({"offsets": "first"}, [0, 2, 1, 5], r"never fall"),
        ({"offsets": "first"}, [0, 2, 2, 9], r"the last event begins at 9, and the columns of objects have 6: "),
        ({"counts": "first"}, [2, 0, 3, 2], r"column 'jets/eta' has 6 rows, for 4 events and 7 objects"),
        ({"counts": {"jets/": "n", "w": "first"}}, [2, 0, 3], r"3 events by the numbers of 'w', 4 by others"),
    ],
)
def test_numbers_that_cannot_be_those_of_the_arrays_are_said(tmp_path, keys, first, message):
    path = arrays(tmp_path / "a.h5", first)
    with pytest.raises(ReaderError, match=message):
        sizes_and_weights(path, **keys)


def test_as_many_objects_as_events_need_the_start_of_their_names(tmp_path):
    path = arrays(tmp_path / "a.h5", None, np.array([2, 0, 1, 1]))
    with pytest.raises(ReaderError, match=r"4 events and as many objects: say which columns.*'counts' or 'offsets'"):
        sizes_and_weights(path, counts="n")
    assert sizes_and_weights(path, counts={"jets/": "n"}) == ([2, 1, 1], [0.5, 2.5, 3.5])


def test_rows_become_events_in_one_way():
    with pytest.raises(ConfigError, match=r"key 'counts': rows become events in one way, .*'group_by'"):
        load_card(card(group_by="event", counts="n"))
    assert load_card(card(group_by=[])).group_by == ()
    assert load_card(load_card(card(offsets="first")).as_dict()).offsets == {"": "first"}

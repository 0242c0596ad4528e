import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import FileReader, load_card, read_events
from pyg_hep.readers.event_ids import identity_of, usual_ids

JET = {"kind": "jet", "collection": "jet"}


def card(**keys):
    return {"name": "flat", "reader": "npz", "objects": {"jet": JET}, **keys}


def flat(path, **ids):
    rng = np.random.default_rng(0)
    np.savez(path, **{f"jet_{name}": rng.uniform(1, 2, 6) for name in ("pt", "eta", "phi")}, **ids)
    return path


@pytest.mark.parametrize(
    ("branches", "expected"),
    [
        (["pt", "event", "run"], ("run", "event")),
        (["__event__", "__run__", "__experiment__"], ("__run__", "__experiment__", "__event__")),
        (["jets/eventNumber", "jets/pt"], ("jets/eventNumber",)),
        (["EVENT_NUMBER", "runNumber", "lumi"], ("runNumber", "lumi", "EVENT_NUMBER")),
        (["evt", "entry"], ("evt",)),
        (["__index_level_0__"], ("__index_level_0__",)),
        (["run", "eventWeight", "n_event_jets"], ()),
    ],
)
def test_columns_with_the_usual_names_number_events(branches, expected):
    assert usual_ids(branches) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["evt"], {"event_number": "evt"}),
        (["run", "event"], {"run_number": "run", "event_number": "event"}),
        (["event", "run"], {"run_number": "run", "event_number": "event"}),
        (["a", "b"], {"run_number": "a", "event_number": "b"}),
        (
            ["lumi", "event", "runNumber"],
            {"run_number": "runNumber", "luminosity_block": "lumi", "event_number": "event"},
        ),
        (["a", "b", "c", "d"], {}),
        (["table[0]"], {}),
    ],
)
def test_integer_keys_are_the_identity(keys, expected):
    integers = [np.arange(3)] * len(keys)
    assert identity_of(keys, integers) == expected
    assert identity_of(keys, [*integers[1:], np.arange(3.0)]) == {}


@pytest.mark.parametrize("name", ["event", "EventNumber", "evt_id", "__event__", "ev"])
def test_flat_rows_of_one_event_are_refused(tmp_path, name):
    path = flat(tmp_path / "a.npz", **{name: [1, 2, 3, 3, 4, 5]})
    with pytest.raises(
        ReaderError, match=rf"a\.npz: rows 2 and 3 have the same {name}: .*'group_by: {name}'.*'group_by: \[\]'"
    ):
        read_events(path, card())
    assert len(read_events(path, card(group_by=[]))) == 6
    assert len(read_events(path, card(group_by=name))) == 5


def test_identity_of_the_card_is_looked_at_first(tmp_path):
    path = flat(tmp_path / "a.npz", event=[1, 1, 1, 1, 1, 1], number=[1, 2, 3, 4, 5, 6], same=[1, 2, 3, 4, 5, 5])
    assert len(read_events(path, card(identity={"event_number": "number"}))) == 6
    with pytest.raises(ReaderError, match=r"rows 4 and 5 have the same same: .*'group_by: same'"):
        read_events(path, card(identity={"event_number": "same"}))


def test_repeats_are_seen_across_chunks(tmp_path):
    path = flat(tmp_path / "a.npz", event=[1, 2, 3, 3, 4, 5])
    with FileReader(path, load_card(card())) as reader:
        assert reader.read(2, 3)[0].events["entry"].tolist() == [2]
        with pytest.raises(ReaderError, match="rows 2 and 3"):
            reader.read(3, 4)


def test_other_run_is_another_event(tmp_path):
    path = flat(tmp_path / "a.npz", event=[1, 2, 3, 3, 4, 5], run=[1, 1, 1, 2, 2, 2])
    assert len(read_events(path, card())) == 6


def test_what_is_no_flat_table_may_repeat_events(tmp_path):
    # Lists per entry, several columns per kind, and numbers that are not one per row.
    ids = {"event": np.zeros(6, int)}
    np.savez(tmp_path / "lists.npz", **{f"jet_{name}": np.ones((6, 2)) for name in ("pt", "eta", "phi")}, **ids)
    assert len(read_events(tmp_path / "lists.npz", card())) == 6
    columns = {f"jet_{i}_{name}": np.ones(6) for name in ("pt", "eta", "phi") for i in (1, 2)}
    np.savez(tmp_path / "numbered.npz", **columns, **ids)
    objects = {"jet": {"kind": "jet", "collection": "jet_{1..2}_{}"}}
    assert len(read_events(tmp_path / "numbered.npz", card(objects=objects))) == 6
    assert len(read_events(flat(tmp_path / "other.npz", event=np.zeros(4, int)), card())) == 6
    assert len(read_events(flat(tmp_path / "none.npz", number=np.zeros(6, int)), card())) == 6

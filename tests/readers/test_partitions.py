import math

import awkward as ak
import numpy as np
import pytest

from pyg_hep.readers import read_events
from pyg_hep.readers.partitions import partition_keys

CARD = {"name": "p", "reader": "parquet", "objects": {"jet": {"kind": "jet", "collection": "jet"}}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/run=3/era=C/part-0.parquet", {"run": 3, "era": "C"}),
        ("x=-1.5/a.parquet", {"x": -1.5}),
        ("process=t%20t%3D2/a.parquet", {"process": "t t=2"}),
        ("n=12345678901234567890/a.parquet", {"n": 12345678901234567890.0}),
        ("=1/b/c=d.parquet", {}),
    ],
)
def test_folders_are_keys_with_values(path, expected):
    assert partition_keys(path) == expected


def test_missing_value_is_nan():
    assert math.isnan(partition_keys("a=__HIVE_DEFAULT_PARTITION__/x.parquet")["a"])


def test_keys_of_folders_are_event_columns(tmp_path):
    for run, events in ((1, 3), (2, 2), (30, 4)):
        lists = ak.unflatten(np.linspace(1, 2, 2 * events), np.full(events, 2))
        columns = {f"jet_{name}": lists for name in ("pt", "eta", "phi")} | {"own": np.full(events, run / 2)}
        folder = tmp_path / f"run={run}" / "own=7"
        folder.mkdir(parents=True)
        ak.to_parquet(ak.zip(columns, depth_limit=1), folder / "part-0.parquet")
        (folder / "_SUCCESS").touch()
    keys = {"keep": {"r": "run"}, "weight": {"branch": "own"}, "selection": ["run > 1"]}
    events = read_events(tmp_path, {**CARD, **keys})
    assert sorted(events.r.tolist()) == [2, 2, 30, 30, 30, 30]
    # The file's own column counts before that of a folder.
    assert events.weight.tolist() == (events.r / 2).tolist()

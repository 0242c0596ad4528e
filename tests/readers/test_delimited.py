import gzip
from pathlib import Path

import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import read_events
from pyg_hep.readers.delimited import CSVSource

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cases"
TEXT = "pt,id,label,eta\n1.5,1,s,1e3\nNA,2,b,NA\nnan,3,NA,-2\n,4, s ,inf\n"


def write(folder, text, name="a.csv"):
    content = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


def columns(path, *names):
    with CSVSource(path) as source:
        asked = names or source.branches
        return {n: c.values for n, c in source.read(asked, 0, source.num_entries_of(asked)).items()}


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "anything"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", ", "])
def test_columns_are_numbers_or_text(tmp_path, name, delimiter):
    found = columns(write(tmp_path, TEXT.replace(",", delimiter), name))
    np.testing.assert_array_equal(found["pt"], [1.5, np.nan, np.nan, np.nan])
    assert found["id"].tolist() == [1, 2, 3, 4]
    assert found["id"].dtype.kind == "i"
    assert found["label"].tolist() == ["s", "b", "NA", "s"]
    assert found["label"].dtype.kind == "U"
    np.testing.assert_array_equal(found["eta"], [1000, np.nan, -2, np.inf])


def test_ranges_and_chunks(tmp_path):
    with CSVSource(write(tmp_path, "x,y\n" + "".join(f"{i},{i / 4}\n" for i in range(100)))) as source:
        assert source.chunks(["x", "y"], "800 b") == [(0, 50), (50, 100)]
        assert source.read(["y"], 10, 13)["y"].values.tolist() == [2.5, 2.75, 3]
        assert source.read(["x"], 0, 2)["x"].counts is None


@pytest.mark.parametrize(
    "text",
    [
        "\n\npt;eta\n1,5;2\n2;3\n",
        "pt\teta\r\n1,5\t2\r\n2\t3\r\n",
        "# pt,eta\n1.5,2\n2,3\n",
        "\ufeffpt,eta\n1.5,2\n2,3",
        '"pt","eta","a, b; c"\n1.5,2,"x;y"\n2,3,"x, y; z"\n',
    ],
)
def test_ways_to_write_the_same(tmp_path, text):
    found = columns(write(tmp_path, text), "pt", "eta")
    assert found["pt"].tolist() == [1.5, 2]
    assert found["eta"].tolist() == [2, 3]


def test_dates_and_text_in_a_column_of_numbers_are_text(tmp_path):
    found = columns(write(tmp_path, "day,x,ok\n2020-01-01,1,true\n2020-01-02,oops,false\n"))
    assert found["ok"].tolist() == [True, False]
    assert found["day"].tolist() == ["2020-01-01", "2020-01-02"]
    assert found["x"].tolist() == ["1", "oops"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.5,2\n2,3\n", "no names of columns but numbers"),
        ("0,1,2\n2,3,4\n", "no names of columns but numbers"),
        ("pt eta\n1 2\n", "comma, semicolon or tab .* may be none of them"),
        ("a,b;c\n1,2;3\n", "it may be comma or semicolon"),
        ("", "is empty"),
        (b"a,b\xe4\n1,2\n", "cannot read the file"),
    ],
)
def test_file_whose_columns_are_not_known_says_why(tmp_path, text, message):
    with pytest.raises(ReaderError, match=rf"a\.csv: .*{message}"):
        CSVSource(write(tmp_path, text))


def test_columns_that_cannot_be_read_are_named_when_asked_for(tmp_path):
    path = write(tmp_path, b"a,a,b,c\n1,2,3,\xe4\n")
    assert columns(path, "b")["b"].tolist() == [3]
    with pytest.raises(ReaderError, match="'a': the file has 2 columns 'a'"):
        columns(path, "a", "b")
    with pytest.raises(ReaderError, match="'c': it holds bytes that are no text in UTF-8"):
        columns(path, "c")


def test_line_that_ends_early_is_an_error(tmp_path):
    with pytest.raises(ReaderError, match=r"a\.csv: cannot read column 'x', the file is damaged or incomplete.*got 1"):
        columns(write(tmp_path, "x,y\n1,2\n3\n"))
    path = write(tmp_path, TEXT, "a.csv.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ReaderError, match=r"a\.csv\.gz: cannot read the file"):
        columns(path)


def test_higgsml_has_300_events_and_112_of_the_signal():
    path = CASES / "higgsml.csv"
    if not path.exists():
        pytest.skip("../shared/data/cases/higgsml.csv is not there")
    found = columns(path)
    assert len(found["EventId"]) == 300
    assert int((found["Label"] == "s").sum()) == 112
    card = {"name": "h", "reader": "csv", "objects": {"tau": {"kind": "tau", "collection": "PRI_tau"}}}
    events = read_events(path, card | {"weight": {"branch": "Weight"}})
    assert len(events) == 300
    assert events.weight.to_numpy().sum() == pytest.approx(found["Weight"].sum())

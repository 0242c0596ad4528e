import pytest
from torch_geometric.data import Batch, Data

from pyg_hep.readers.kept import check_column_name
from pyg_hep.schema import NODE_COLUMNS, OPTIONAL_EVENT_COLUMNS


def refused(name):
    try:
        check_column_name(name)
    except ValueError:
        return True
    return False


def test_attributes_of_pyg_are_refused_and_ordinary_names_are_not():
    names = {n for n in {*dir(Data()), *dir(Batch)} if not n.startswith("_")}
    assert [n for n in sorted(names) if not refused(n)] == []
    words = ("d0", "isolation", "jet", "tau21", "surface", "optr", "adjusted", "x_error", "time_of_flight")
    assert [n for n in words if refused(n)] == []


@pytest.mark.parametrize(
    "name",
    [
        *("jet_index", "indexed", "my_batch", "batches", "face", "my_face", "node_ptr", "adj_t", "edge_weight"),
        *("x", "y", "pos", "num_nodes", "offsets", "split_key", "entry", "objects", "_d0", "2d", "a b", ""),
        *(*NODE_COLUMNS, *OPTIONAL_EVENT_COLUMNS, "weight"),
    ],
)
def test_name_that_pyg_or_the_schema_would_change_or_hide_is_refused(name):
    with pytest.raises(ValueError, match="cannot name a column"):
        check_column_name(name)


def test_name_of_another_column_is_refused():
    with pytest.raises(ValueError, match="'d0' cannot name a column: another one"):
        check_column_name("d0", ["d0"])

import gc

import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import FileReader, load_card
from pyg_hep.readers import survey as module
from pyg_hep.readers.survey import Batch, rare_collections, read_chunk, survey_batch, survey_file
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

CARD = load_card("cms_nanoaod")


@pytest.fixture
def path(tmp_path):
    return str(write_nanoaod(tmp_path / "a.root", random_nanoaod(20, seed=1)))


def test_a_small_file_is_read_at_once_where_it_may_be(path, monkeypatch):
    survey = survey_file(path, 3, CARD, "50 MB")
    assert survey.ranges == [(0, 20)]
    with FileReader(path, CARD, 3) as reader:
        expected, report = reader.read(0, 20)
    events, counted = survey.chunk
    assert events.nodes["pt"].tolist() == expected.nodes["pt"].tolist()
    assert set(events.events["y"]) == {3}
    assert counted.as_dict() == report.as_dict()
    assert survey.nbytes == sum(v.nbytes for v in (*events.nodes.values(), *events.events.values()))
    again, _ = read_chunk(path, 3, CARD, 0, 20)
    assert again.nodes["pt"].tolist() == expected.nodes["pt"].tolist()
    later = survey_file(path, 3, CARD, "50 MB", at_once=False)
    assert (later.chunk, later.nbytes, later.shapes) == (None, 0, survey.shapes)
    monkeypatch.setattr(module, "_SMALL", 19)
    assert survey_file(path, 3, CARD, "50 MB").chunk is None
    assert survey_file(path, 3, CARD, 7).ranges == [(0, 7), (7, 14), (14, 20)]


def test_a_batch_keeps_what_it_may_and_says_what_is_wrong_with_a_file(path, tmp_path):
    missing = str(tmp_path / "missing.root")
    one = survey_file(path, 0, CARD, "50 MB").nbytes
    files = [(path, 0), (missing, 0), (path, 1), (path, 2)]
    first, error, second, third = survey_batch(Batch(files, CARD, "50 MB", 2 * one))
    assert isinstance(error, ReaderError)
    assert missing in str(error)
    assert set(first.chunk[0].events["y"]) == {0}
    assert set(second.chunk[0].events["y"]) == {1}
    assert third.chunk is None
    assert third.ranges == first.ranges


def test_the_garbage_collector_is_rare_within_and_left_as_it_was():
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] >= 20_000
    assert gc.get_threshold() == before

from pyg_hep.datasets.journal import Journal
from pyg_hep.readers import ReadReport

TASK = {"version": "1", "ranges": [[0, [[0, 10]]]]}


def test_journal_goes_on_where_it_stopped(tmp_path):
    folder = tmp_path / "partial"
    journal = Journal(folder, TASK)
    assert not journal.resumed
    journal.write_chunk(0, 10, 50, 9.5, 1, ReadReport(entries=12, selected=10))
    journal.write_chunk(0, 15, 70, 4.5, 0, ReadReport(entries=7, selected=5))
    journal.write_chunk(1, 18, 80, 3.0, 2, ReadReport(entries=3, selected=3))
    journal.write_skipped(1, 15, 70, "damaged")
    journal.close()
    with (folder / "journal.jsonl").open("a") as file:
        file.write('{"file": 2, "num_ev')  # what a killed process leaves
    again = Journal(folder, TASK)
    assert again.resumed
    assert (again.num_events, again.num_nodes) == (15, 70)
    first = again.of(0)
    assert (first.chunks, first.events, first.weight, first.largest_label) == (2, 15, 14.0, 1)
    assert (first.report.entries, first.report.selected) == (19, 15)
    assert again.of(1).skipped == "damaged"
    again.write_chunk(2, 20, 90, 2.0, 0, ReadReport())
    again.close(remove=True)
    assert not (folder / "journal.jsonl").exists()


def test_journal_of_another_task_is_thrown_away_with_its_columns(tmp_path):
    folder = tmp_path / "partial"
    journal = Journal(folder, TASK)
    journal.write_chunk(0, 10, 50, 9.5, 1, ReadReport())
    journal.close()
    (folder / "p4.npy").write_bytes(b"rows")
    other = Journal(folder, {**TASK, "version": "2"})
    assert not other.resumed
    assert other.num_events == 0
    assert not (folder / "p4.npy").exists()

from pyg_hep.readers import ReadReport
from pyg_hep.readers.report import SKIPPED_FILE, TAGGING, say_left_out


def test_reports_of_chunks_add_up_and_survive_json():
    first, second = ReadReport(entries=10, selected=4), ReadReport(entries=5, selected=5, clipped_masses=2)
    first.cutflow["n_jet >= 2"] = 4
    second.cutflow["n_jet >= 2"] = 5
    second.invalid["Jet_pt"] = 1
    first.note("no branch Tau_pt", "a.root")
    second.note("no branch Tau_pt", "b.root")
    first.add(second)
    assert (first.entries, first.selected, first.clipped_masses) == (15, 9, 2)
    assert first.cutflow == {"n_jet >= 2": 9}
    assert first.notes == {"no branch Tau_pt": ["a.root", "b.root"]}
    assert ReadReport.from_dict(first.as_dict()) == first


def test_lines_say_what_was_dropped_and_skipped():
    report = ReadReport(entries=3, selected=2)
    report.invalid["Jet_pt"] = 1
    report.note("no branch Tau_pt: events are read without the object 'tau'", "a.root")
    text = "\n".join(report.lines())
    assert "3 events read, 2 selected" in text
    assert "1 events dropped" in text
    assert "Jet_pt: 1" in text
    assert "a.root" in text


def test_what_was_left_out_is_said_in_one_block_on_standard_error(capsys, monkeypatch):
    report = ReadReport(entries=30, selected=25, duplicates=3)
    report.invalid["Jet_pt"] = 2
    report.cutflow["n_jet >= 2"] = 25
    report.note(f"{TAGGING}Jet_btagDeepB > 0.4", "a.root")
    report.note(f"{SKIPPED_FILE}b.root is no file", "b.root")
    for path in ("a.root", "c.root", "d.root"):
        report.note("no branch genWeight: every event has weight 1", path)
    say_left_out(report, "mine")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "mine: 30 events read, 25 selected; left out or repeated:",
        "  2 events dropped for NaN, infinite or impossible values (Jet_pt: 2)",
        "  3 events whose run, luminosity block and event number were there before",
        "  no branch genWeight: every event has weight 1 (a.root and 2 more)",
    ]
    monkeypatch.setenv("PYG_HEP_QUIET", "1")
    say_left_out(report, "mine")
    assert capsys.readouterr().err == ""


def test_nothing_is_said_where_nothing_was_left_out(capsys):
    report = ReadReport(entries=30, selected=25, clipped_masses=4)
    report.cutflow["n_jet >= 2"] = 25
    report.note(f"{TAGGING}Jet_btagDeepB > 0.4", "a.root")
    say_left_out(report, "mine")
    assert capsys.readouterr().err == ""
    assert "4 slightly negative masses set to 0" in report.lines()

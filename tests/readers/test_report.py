from pyg_hep.readers import ReadReport


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

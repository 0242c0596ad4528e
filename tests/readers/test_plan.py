import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import FileReader, ReadReport, load_card
from pyg_hep.readers.plan import plan_file
from pyg_hep.readers.root import RootSource
from pyg_hep.testing.files import random_nanoaod, write_nanoaod

JETS = {"kind": "jet", "collection": "Jet"}


def plan(path, report=None, **objects):
    card = load_card({"name": "mine", "objects": objects})
    with RootSource(path, "Events") as tree:
        return plan_file(tree, card, report or ReadReport())


def test_first_collection_that_the_file_has_is_taken(nanoaod):
    settled = plan(nanoaod, met={"kind": "met", "collection": ["PFMET", "MET"]})
    assert settled.objects["met"].columns["pt"].text == "MET_pt"


def test_missing_required_collection_names_the_card_key(nanoaod):
    with pytest.raises(ReaderError, match=r"no branch FatJet_pt.*'objects\.fat\.collection'.*optional"):
        plan(nanoaod, fat={"kind": "jet", "collection": "FatJet"})


def test_missing_optional_collection_is_left_out_and_reported(nanoaod):
    report = ReadReport()
    settled = plan(nanoaod, report, jet=JETS, fat={"kind": "jet", "collection": "FatJet", "optional": True})
    assert set(settled.objects) == {"jet"}
    assert any("FatJet_pt" in note for note in report.notes)


def test_missing_kinematic_branch_names_the_card_key(tmp_path):
    branches = random_nanoaod(20)
    branches["Jet"] = branches["Jet"][["pt", "phi"]]
    path = write_nanoaod(tmp_path / "noeta.root", branches)
    with pytest.raises(ReaderError, match=r"'Jet_eta'.*'objects\.jet\.columns\.eta'"):
        plan(path, jet=JETS)


def test_optional_cut_without_branches_is_skipped_and_reported_but_kinematic_cuts_never_are(nanoaod):
    report = ReadReport()
    settled = plan(nanoaod, report, jet={**JETS, "cuts": ["pt > 20", "jetId >= 2 ?", "abs(eta) < 2.5 ?"]})
    assert [c.text for c in settled.objects["jet"].cuts] == ["pt > 20", "abs(eta) < 2.5"]
    assert any("jetId >= 2" in note and "skipped" in note for note in report.notes)


@pytest.mark.parametrize("cuts", [["abs(etta) < 2.5"], ["pt > 20", "abs(etta) < 2.5 and pt > 30 and eta > -5"]])
def test_misspelt_name_in_a_cut_is_an_error_with_the_nearest_name(nanoaod, cuts):
    with pytest.raises(ReaderError, match=r"'Jet_etta' for the cut .*did you mean 'eta'.*'objects\.jet\.cuts'"):
        plan(nanoaod, jet={**JETS, "cuts": cuts})


def test_misspelt_name_of_the_files_own_columns_is_named_too(nanoaod):
    with pytest.raises(ReaderError, match="did you mean 'btagDeepFlavB'"):
        plan(nanoaod, jet={**JETS, "cuts": ["btagDepFlavB > 0.3"]})
    with pytest.raises(ReaderError, match=r"'Jet_btagDepFlavB' for the column 'score', did you mean 'btagDeepFlavB'"):
        plan(nanoaod, jet={**JETS, "keep": {"score": "btagDepFlavB"}})


def test_what_a_file_lacks_is_one_line_however_many_cuts_it_concerns(nanoaod):
    report = ReadReport()
    muon = {"kind": "muon", "collection": "Muon", "cuts": ["looseId ?", ["isoA < 1", "isoB < 1"]]}
    boosted = {"kind": "jet", "collection": "FatJet", "optional": True}
    jets = {**JETS, "cuts": ["jetId >= 2 ?", "puId > 0 ?"]}
    plan(nanoaod, report, jet=jets, muon=muon, fat=boosted, fatter={**boosted, "collection": "FatterJet"})
    assert list(report.notes) == [
        "no branch FatJet_pt or FatJet.pt, FatterJet_pt or FatterJet.pt: events are read without fat, fatter",
        "no branch for optional cuts, which are skipped: jetId >= 2 (jet), puId > 0 (jet), looseId (muon), "
        "isoA < 1 or isoB < 1 (muon)",
    ]


def test_first_possible_alternative_of_a_cut_is_taken(nanoaod):
    settled = plan(nanoaod, muon={"kind": "muon", "collection": "Muon", "cuts": [["mediumId", "charge > 0", "pt > 1"]]})
    assert [c.text for c in settled.objects["muon"].cuts] == ["charge > 0"]


def test_cut_of_which_one_branch_is_missing_is_an_error(nanoaod):
    with pytest.raises(ReaderError, match=r"'Jet_puId'.*'objects\.jet\.cuts'"):
        plan(nanoaod, jet={**JETS, "cuts": ["btagDeepFlavB > 0.1 and puId > 0"]})


def test_discriminant_that_was_never_filled_gives_way_to_the_next_with_its_own_working_point(tmp_path):
    branches = random_nanoaod(50)
    branches["Jet"]["btagOld"] = branches["Jet"]["pt"] * 0 + np.float32(0.5)
    branches["Jet"]["btagDeepFlavB"] = branches["Jet"]["pt"] * 0 - np.float32(3000)  # as the CMS 2015 file has it
    path = write_nanoaod(tmp_path / "unfilled.root", branches)
    report = ReadReport()
    tags = [{"column": "btagDeepFlavB", "above": 0.2}, {"column": "btagOld", "above": 0.4}]
    settled = plan(path, report, jet={**JETS, "btag": tags})
    assert settled.objects["jet"].btag.column == "btagOld"
    assert settled.objects["jet"].btag.above == 0.4
    assert any("Jet_btagDeepFlavB is not filled" in note for note in report.notes)


def test_selection_on_an_unknown_name_is_an_error(nanoaod):
    card = load_card({"name": "mine", "objects": {"jet": JETS}, "selection": ["n_jets >= 2"]})
    with RootSource(nanoaod, "Events") as tree, pytest.raises(ReaderError, match="'n_jets'.*n_jet"):
        plan_file(tree, card, ReadReport())


def test_definition_that_reads_itself_ends_in_an_error(nanoaod):
    card = load_card({"name": "mine", "objects": {"jet": {**JETS, "define": {"pt": "2 * pt"}}}})
    with FileReader(nanoaod, card) as reader, pytest.raises(ReaderError, match="pt -> pt"):
        reader.read(0, 10)

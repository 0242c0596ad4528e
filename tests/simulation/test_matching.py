from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import uproot

from pyg_hep.errors import ConfigError, PygHepError, ReaderError
from pyg_hep.simulation import simulate
from pyg_hep.simulation.lhe import HardEvents, events_of, scan
from pyg_hep.simulation.matching import jets_of

Text = Callable[..., str]

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "real"
Z_MLM = "skhep__pylhe-testfile-madgraph-2.2.1-Z-mlm.lhe.gz"
PLAIN = ("hepmllab__pp2tt.lhe.gz", "skhep__pylhe-testfile-powheg-box-v2-hvq.lhe")
PLAIN += ("skhep__pylhe-testfile-madgraph5-3.5.8-pp_to_jj.lhe.gz",)
RUN_CARD = ("4 = maxjetflavor ! largest", "20 = xqcut ! minimum kt", "1.0d0 = alpsfact")


def real(name: str) -> Path:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"../shared/data/real/{name} is not there")
    return path


def with_header(path: Path, text: str, *lines: str) -> Path:
    header = "\n".join(["<header>", "<MGRunCard>", *lines, "</MGRunCard>", "</header>", "<init>"])
    path.write_text(text.replace("<init>", header, 1))
    return path


def test_a_real_mlm_file_has_the_settings_of_its_header():
    matching = scan(real(Z_MLM)).matching
    # run card of the file: xqcut 10, maxjetflavor 4, alpsfact 1; its process card ends with "p p > l+ l- j j"
    assert {"JetMatching:qCut = 15.0", "JetMatching:nQmatch = 4", "JetMatching:clFact = 1.0"} <= set(matching.settings)
    assert matching.jets == 2
    assert "JetMatching:nJetMax = 2" in matching.lines()


def test_a_real_mlm_file_is_matched_and_its_cross_section_is_that_of_all_z_bosons(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    path = simulate("Zjet", 600, 1, tmp_path / "z.root", workers=1, lhe=real(Z_MLM))
    said = capfd.readouterr()
    assert said.out == ""
    with uproot.open(path) as file:
        runs = {name: values[0] for name, values in file["Runs"].arrays(library="np").items()}
        assert file["Events"].num_entries == 600
    # Its <init>: 2065 pb without a jet, 3751 pb with all; matched, the sum is near that of Z bosons with any jets.
    # Vetoes and failures are told apart: Pythia fails in none of these.
    assert runs["genEventFailed"] == 0
    vetoed = runs["genEventVetoed"]
    share = 600 / (600 + vetoed)
    assert runs["genCrossSection"] == pytest.approx(3750.836 * share, rel=1e-6)
    assert runs["genCrossSection"] == pytest.approx(2064.906, rel=0.15)
    assert runs["genCrossSectionError"] / runs["genCrossSection"] == pytest.approx(np.sqrt((1 - share) / 600), rel=0.01)
    assert f"{vetoed} of {600 + vetoed} events vetoed" in said.err


def test_events_of_one_jet_are_vetoed_more_often_than_those_of_none(tmp_path: Path):
    # Only an event whose shower adds no jet above the scale stays; with jets each of them must be found again as well.
    file = real(Z_MLM)
    jets = np.array([jets_of(event.particles, 4) for event in events_of(file)])
    path = simulate("Zjet", 500, 1, tmp_path / "z.root", workers=1, lhe=file, progress=False)
    with uproot.open(path) as made:
        numbers = np.sort(made["Events"]["event"].array(library="np").astype(int))
    tried = numbers.max() + 1  # hard events are taken in order
    kept = [np.isin(np.flatnonzero(jets[:tried] == count), numbers).mean() for count in (0, 1, 2)]
    # 0.68, 0.34 and 0.31 of 2,000 events; the tolerance is four standard deviations of these few hundred
    assert kept == pytest.approx([0.68, 0.34, 0.31], abs=0.16)
    assert kept[0] > kept[1] + 0.15


@pytest.mark.parametrize("name", PLAIN)
def test_real_files_that_are_not_merged_stay_as_they_are(name: str):
    assert scan(real(name)).matching is None


def test_headers_without_merging_change_nothing(tmp_path: Path, lhe_text: Text):
    plain = (
        ("0 = ickkw", "0.0 = xqcut", "-1.0 = ktdurham", "4 = maxjetflavor"),
        ("# 1 = ickkw", "! -1 = ktdurham"),
        ("Merging:doKTMerging = off", "JetMatching:merge = off"),
    )
    for lines in plain:
        hard = HardEvents([with_header(tmp_path / "a.lhe", lhe_text(3), *lines)])
        assert hard.matching is None
        (part,) = hard.write_slices(tmp_path, 3, 1000)
        assert part.numbers.size == 3


@pytest.mark.parametrize(
    ("lines", "scheme", "line"),
    [
        (("2 = ickkw",), "CKKW", "2 = ickkw"),
        (("3 = ickkw ! FxFx", *RUN_CARD), "FxFx", "3 = ickkw"),
        (("4 = ickkw",), "UNLOPS", "4 = ickkw"),
        (("7 = ickkw",), "an unknown scheme", "7 = ickkw"),
        (("0 = ickkw", " 30.0 = ktdurham ! scale"), "CKKW-L", "30.0 = ktdurham"),
        (("0 = ickkw", "15d0 = ptlund"), "CKKW-L", "15d0 = ptlund"),
        (("Merging:doPTLundMerging = on",), "Merging:doPTLundMerging", "Merging:doPTLundMerging = on"),
        (("JetMatching:merge = on", "JetMatching:doFxFx = on"), "FxFx", "JetMatching:doFxFx = on"),
    ],
)
def test_schemes_that_cannot_be_done_are_refused(
    tmp_path: Path, lhe_text: Text, lines: tuple[str, ...], scheme: str, line: str
):
    path = with_header(tmp_path / "merged.lhe", lhe_text(3), *lines)
    with pytest.raises(ReaderError) as error:
        simulate("ttW", 3, 1, tmp_path / "o.root", workers=1, lhe=path, progress=False)
    for part in ("merged.lhe", scheme, line, "MLM"):
        assert part in str(error.value)
    assert not (tmp_path / "o.root").exists()


@pytest.mark.parametrize(
    ("tag", "scheme"),
    [("<event npLO=' -1 ' npNLO=' 1 '>", "FxFx or UNLOPS"), ('<event npLO=" 2 " npNLO=" -1 ">', "CKKW-L")],
)
def test_multiplicities_in_the_tags_of_events_tell_of_merging(tmp_path: Path, lhe_text: Text, tag: str, scheme: str):
    text = lhe_text(4)
    # Also where only the last event has one.
    for k, content in enumerate((text.replace("<event>", tag), f"{tag}".join(text.rsplit("<event>", 1)))):
        path = tmp_path / f"{k}.lhe"
        path.write_text(content)
        with pytest.raises(ReaderError, match=f"merged by {scheme}"):
            scan(path)


def test_mlm_without_a_scale_is_refused(tmp_path: Path, lhe_text: Text):
    cases = {
        "has no xqcut": ("1 = ickkw",),
        "'0 = xqcut'.* no number above 0": ("1 = ickkw", "0 = xqcut"),
        "'ten = xqcut'.* no number above 0": ("1 = ickkw", "ten = xqcut"),
        "'0 = maxjetflavor'": ("1 = ickkw", "10 = xqcut", "0 = maxjetflavor"),
    }
    for message, lines in cases.items():
        path = with_header(tmp_path / "a.lhe.gz", lhe_text(3), *lines)
        path.write_bytes(gzip.compress(path.read_bytes()))
        with pytest.raises(ReaderError, match=message):
            scan(path)


def test_settings_of_pythia_in_the_header_win(tmp_path: Path, lhe_text: Text):
    lines = ("1 = ickkw", *RUN_CARD, "JetMatching:qCut = 45", "JetMatching:nJetMax = 3", "JetMatching:nQmatch = 5")
    matching = scan(with_header(tmp_path / "a.lhe", lhe_text(3), *lines)).matching
    assert matching.largest_flavour == 5
    assert "JetMatching:qCut = 45" in matching.settings
    assert matching.lines()[0] == "JetMatching:nJetMax = 0"  # top quarks only; the header's own comes later
    assert "jetmatching:njetmax = 3" in matching.lines()


def test_settings_of_pythia_that_are_left_open_are_those_of_the_run_card(tmp_path: Path, lhe_text: Text):
    lines = ("1 = ickkw", *RUN_CARD, "JetMatching:qCut = -1.0", "JetMatching:nJetMax = -1", "JetMatching:nQmatch = -1")
    matching = scan(with_header(tmp_path / "a.lhe", lhe_text(3), *lines)).matching
    assert matching.largest_flavour == 4
    assert "JetMatching:qCut = 30.0" in matching.settings
    assert matching.lines()[0] == "JetMatching:nJetMax = 0"
    assert not any("njetmax" in line for line in matching.lines()[1:])


def test_files_of_one_sample_share_their_matching_and_its_jets(tmp_path: Path, lhe_text: Text):
    first = with_header(tmp_path / "a.lhe", lhe_text(3), "1 = ickkw", *RUN_CARD)
    text = lhe_text(3, quark=4).replace("6 1 1 2 501", "21 1 1 2 501")
    second = with_header(tmp_path / "b.lhe", text, "1 = ickkw", *RUN_CARD)
    assert HardEvents([first, second]).matching.jets == 1
    other = with_header(tmp_path / "c.lhe", text, "1 = ickkw", "30 = xqcut")
    plain = tmp_path / "d.lhe"
    plain.write_text(text)
    for path in (other, plain):
        with pytest.raises(ConfigError, match=f"{path.name} are not matched in the same way"):
            HardEvents([first, path])


def test_jets_are_light_partons_that_no_resonance_made():
    particles = ["2 -1 0 0 501 0", "-2 -1 0 0 0 501", "24 2 1 2 0 0", "1 1 3 3 502 0", "-2 1 3 3 0 502"]
    particles += ["21 1 1 2 501 503", "5 1 1 2 503 0", "4 1 1 2 504 0", "6 1 1 2 505 0", "22 1 1 2 0 0"]
    rows = [line.encode() for line in particles]
    assert jets_of(rows, 4) == 2
    assert jets_of(rows, 5) == 3


def test_scales_of_partons_reach_pythia_only_where_they_are_used(tmp_path: Path, lhe_text: Text):
    comment = '<scales muf="91.0" pt_clust_3="30.0" pt_clust_4="13000.0"></scales>'
    merged = with_header(tmp_path / "a.lhe", lhe_text(2, comment=comment), "1 = ickkw", *RUN_CARD)
    plain = tmp_path / "b.lhe"
    plain.write_text(lhe_text(2, comment=comment))
    for path, count in ((merged, 4), (plain, 0)):  # a slice of a merged sample has twice the events
        (part,) = HardEvents([path]).write_slices(tmp_path, 2, 1000)
        assert part.path.read_text().count(comment) == count


def test_a_matching_that_keeps_too_little_is_one_sentence(tmp_path: Path, lhe_text: Text):
    path = with_header(tmp_path / "a.lhe", lhe_text(3), "1 = ickkw", *RUN_CARD)
    # Jets are asked for in events of top quarks alone, above a scale that every shower passes.
    settings = ["JetMatching:qCut = 0.1", "JetMatching:nJetMax = 3"]
    with pytest.raises(PygHepError, match=r"the matching keeps \d+ of 120 hard events of chunk 0"):
        simulate("ttW", 3, 1, tmp_path / "o.root", workers=1, lhe=path, progress=False, settings=settings)

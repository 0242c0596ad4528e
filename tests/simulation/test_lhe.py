from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.simulation.lhe import HardEvents, events_of, scan

Text = Callable[..., str]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_scan_finds_events_and_cross_section_plain_and_compressed(tmp_path: Path, lhe_text: Text):
    text = lhe_text(7, cross_section=3.5, comment="# pdf 1 2 3\n<rwgt><wgt id='1'> 1.0 </wgt></rwgt>")
    plain = scan(write(tmp_path / "a.lhe", text))
    (tmp_path / "a.lhe.gz").write_bytes(gzip.compress(text.encode()))
    compressed = scan(tmp_path / "a.lhe.gz")
    for found in (plain, compressed):
        assert (found.events, found.cross_section, found.cross_section_error) == (7, 3.5, 0.1)
        assert found.subprocesses == {((-2, 2), (-6, 6))}
        assert found.equal_weights


def test_damaged_files_get_one_sentence(tmp_path: Path, lhe_text: Text):
    text = lhe_text(5)
    compressed = gzip.compress(text.encode())
    (tmp_path / "cut.gz").write_bytes(compressed[: len(compressed) // 2])
    cases = {
        "does not exist": tmp_path / "none.lhe",
        "truncated or damaged": tmp_path / "cut.gz",
        "ends before the closing tag </event>": write(tmp_path / "b.lhe", text[: text.rindex("</event>")]),
        "is no LHE file": write(tmp_path / "c.lhe", "hello\n"),
        "holds no event": write(tmp_path / "d.lhe", lhe_text(0)),
        "event 0 .* is malformed": write(tmp_path / "e.lhe", text.replace("4 1 1.0 172.5", "5 1 1.0 172.5")),
        "<init> block is malformed": write(tmp_path / "f.lhe", text.replace(" 3 1\n", " 3 x\n")),
        "no simple colour flow": write(tmp_path / "g.lhe", lhe_text(3, colours=False).replace("-6 1 1", "5000001 1 1")),
        "cannot be read": tmp_path,
    }
    for message, path in cases.items():
        with pytest.raises(ReaderError, match=message):
            scan(path)


def test_slices_keep_order_number_and_weight(tmp_path: Path, lhe_text: Text):
    weights = [1.5, -2.5, 1.5, 3.0, 0.5]
    path = write(tmp_path / "a.lhe", lhe_text(5, weights=weights))
    hard = HardEvents([path])
    slices = hard.write_slices(tmp_path, 5, 2)
    assert [part.numbers.tolist() for part in slices] == [[0, 1], [2, 3], [4]]
    assert np.concatenate([part.weights for part in slices]).tolist() == weights
    original = [event.particles for event in events_of(path)]
    assert [event.particles for part in slices for event in events_of(part.path)] == original
    assert [event.weight for event in events_of(slices[0].path)] == [1.0, -1.0]
    assert hard.distinct == 5


def test_a_file_that_ends_starts_again_with_the_same_numbers(tmp_path: Path, lhe_text: Text):
    hard = HardEvents([write(tmp_path / "a.lhe", lhe_text(3))])
    (part,) = hard.write_slices(tmp_path, 8, 1000)
    assert part.numbers.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert hard.distinct == 3


def test_different_processes_are_mixed_by_cross_section(tmp_path: Path, lhe_text: Text):
    up = write(tmp_path / "u.lhe", lhe_text(40, quark=2, cross_section=3.0))
    charm = write(tmp_path / "c.lhe", lhe_text(40, quark=4, cross_section=1.0))
    hard = HardEvents([up, charm])
    assert hard.cross_section == pytest.approx((4.0, np.hypot(0.1, 0.1)))
    (part,) = hard.write_slices(tmp_path, 40, 1000)
    from_charm = part.numbers >= 40
    assert from_charm.sum() == 10
    assert from_charm[:4].sum() == 1  # mixed, not one after the other
    assert sorted(part.numbers.tolist()) == [*range(30), *range(40, 50)]
    assert hard.distinct == 40


def test_parts_of_one_process_follow_each_other_and_are_averaged(tmp_path: Path, lhe_text: Text):
    first = write(tmp_path / "a.lhe", lhe_text(4, cross_section=10.0))
    second = write(tmp_path / "b.lhe", lhe_text(4, cross_section=12.0, seed=2))
    hard = HardEvents([first, second])
    assert hard.cross_section == pytest.approx((11.0, np.hypot(0.1, 0.1) / 2))
    (part,) = hard.write_slices(tmp_path, 8, 1000)
    assert part.numbers.tolist() == list(range(8))


def test_files_that_do_not_go_together_are_refused(tmp_path: Path, lhe_text: Text):
    first = write(tmp_path / "a.lhe", lhe_text(2))
    other_beams = write(tmp_path / "b.lhe", lhe_text(2, beam=7000.0))
    weighted = write(tmp_path / "c.lhe", lhe_text(2, quark=4, weights=[1.0, 2.0]))
    with pytest.raises(ConfigError, match="different beams"):
        HardEvents([first, other_beams])
    with pytest.raises(ConfigError, match=r"weighted .*c\.lhe"):
        HardEvents([first, weighted])


def test_three_top_files_have_the_cross_section_of_their_mixture(shared_lhe: Callable[[str], Path], tmp_path: Path):
    # README of the files: 65.1 % tttW, 34.9 % tttj, 1.23 fb in all
    hard = HardEvents([shared_lhe("tttW"), shared_lhe("tttj")])
    assert hard.cross_section[0] == pytest.approx(1.23e-3, rel=0.01)
    (part,) = hard.write_slices(tmp_path, 1000, 1000)
    assert (part.numbers < hard.offsets[1]).mean() == pytest.approx(0.651, abs=0.001)


def repeat(text: str, number: int, copies: int) -> str:
    """The same text with one event several times in a row."""
    blocks = text.split("<event>")
    blocks[number + 1] = "<event>".join([blocks[number + 1]] * copies)
    return "<event>".join(blocks)


def test_copies_of_an_event_in_a_row_have_one_number(tmp_path: Path, lhe_text: Text):
    path = write(tmp_path / "a.lhe", repeat(lhe_text(4), 1, 3))
    found = scan(path)
    assert (found.events, found.distinct) == (6, 4)
    hard = HardEvents([path])
    (part,) = hard.write_slices(tmp_path, 6, 1000)
    assert part.numbers.tolist() == [0, 1, 1, 1, 2, 3]
    assert hard.distinct == 4


def test_parts_of_files_share_no_hard_event_and_start_again_within(tmp_path: Path, lhe_text: Text):
    path = write(tmp_path / "a.lhe", repeat(lhe_text(10), 4, 2))
    seen = []
    for part in ((0.0, 0.5), (0.5, 0.7), (0.7, 1.0)):
        hard = HardEvents([path], part)
        (slice_,) = hard.write_slices(tmp_path, 20, 1000)
        seen.append(set(slice_.numbers.tolist()))
        assert hard.distinct == len(seen[-1])
    assert seen == [set(range(5)), {5, 6}, {7, 8, 9}]


def test_parts_that_are_none_are_refused(tmp_path: Path, lhe_text: Text):
    path = write(tmp_path / "a.lhe", lhe_text(3))
    for part in ((0.5, 0.5), (0.7, 0.2), (-0.1, 0.5), (0.5, 1.2)):
        with pytest.raises(ConfigError, match="two fractions"):
            HardEvents([path], part)
    with pytest.raises(ConfigError, match="no event in the part"):
        HardEvents([path], (0.1, 0.12))


def test_events_without_colours_get_a_flow(tmp_path: Path, lhe_text: Text):
    path = write(tmp_path / "a.lhe", lhe_text(5, colours=False))
    assert not scan(path).has_colours
    (part,) = HardEvents([path]).write_slices(tmp_path, 5, 1000)
    for event in events_of(part.path):
        tags = [line.split()[4:6] for line in event.particles]
        # u ubar -> t tbar: the quark's colour goes to the top, the antiquark's to the antitop
        assert tags == [[b"501", b"0"], [b"0", b"502"], [b"501", b"0"], [b"0", b"502"]] or tags == [
            [b"502", b"0"], [b"0", b"501"], [b"502", b"0"], [b"0", b"501"],
        ]  # fmt: skip


def test_cross_section_of_a_sherpa_file_comes_from_its_trials(tmp_path: Path, lhe_text: Text):
    text = lhe_text(4, cross_section=1.0, weights=[5.0] * 4).replace("1.0 0.1 1.0 1", "1 1 1 1")
    for trials in (1, 2, 3, 4):
        text = text.replace("<event>", f"<event trials='{trials}'>", 1)
    found = scan(write(tmp_path / "a.lhe", text))
    assert found.cross_section == pytest.approx(20.0 / 10.0)
    assert found.cross_section_error == pytest.approx(2.0 * np.sqrt(0.6 / 4))

"""What every file format promises, as a mixin: inherit it in the test of a format, also of one that is not ours."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import FileReader, ReadReport, iterate_events, load_card, read_events


class ReaderTests:
    """Tests of one format; a subclass has the fixtures ``path`` (a valid file of some 50 events) and ``card``."""

    @pytest.fixture
    def path(self) -> Path:
        """A valid file."""
        raise NotImplementedError("a test of a reader has a fixture 'path'")

    @pytest.fixture
    def card(self) -> str:
        """The card that reads it."""
        raise NotImplementedError("a test of a reader has a fixture 'card'")

    def test_events_obey_the_schema(self, path: Path, card: str) -> None:
        """Momenta are finite and in their intervals, every event has an object, weight and label."""
        events = read_events(path, card)
        nodes = {name: ak.to_numpy(ak.flatten(events.objects[name])) for name in events.objects.fields}
        assert len(events) > 0
        assert ak.min(ak.num(events.objects)) > 0
        for name in ("pt", "eta", "phi", "mass", "charge"):
            assert nodes[name].dtype == np.float32
            assert np.isfinite(nodes[name]).all()
        assert nodes["pt"].min() >= 0
        assert nodes["mass"].min() >= 0
        assert np.all((nodes["phi"] >= -np.float32(np.pi)) & (nodes["phi"] < np.float32(np.pi)))
        assert set(np.unique(nodes["btag"])) <= {0, 1}
        assert np.isfinite(ak.to_numpy(events.weight)).all()

    @pytest.mark.parametrize("step", [1, 7, "2 kB", "100 MB"])
    def test_chunks_of_any_size_give_the_same_events(self, path: Path, card: str, step: str | int) -> None:
        """Chunking never changes what is read, nor the counts."""
        whole, parts = ReadReport(), ReadReport()
        expected = read_events(path, card, whole)
        chunks = [chunk for chunk in iterate_events(path, card, step_size=step, report=parts) if len(chunk)]
        found = ak.concatenate(chunks)
        assert found.objects.tolist() == expected.objects.tolist()
        assert found.entry.tolist() == expected.entry.tolist()
        assert found.y.tolist() == expected.y.tolist()
        assert parts.as_dict() == whole.as_dict()

    def test_ranges_are_read_in_any_order(self, path: Path, card: str) -> None:
        """An executor may read the last chunk first."""
        with FileReader(path, load_card(card)) as reader:
            middle = reader.num_entries // 2
            last, _ = reader.read(middle, reader.num_entries)
            first, _ = reader.read(0, middle)
        expected = read_events(path, card)
        assert [*first.events["entry"], *last.events["entry"]] == expected.entry.tolist()
        assert (
            np.concatenate([first.nodes["pt"], last.nodes["pt"]]).tolist() == ak.flatten(expected.objects.pt).tolist()
        )

    @pytest.mark.parametrize("kept", [0, 0.001, 0.3, 0.7, 0.97])
    def test_truncated_file_is_an_error_that_names_it(self, path: Path, card: str, tmp_path: Path, kept: float) -> None:
        """A transfer that stopped early is never read as a shorter file."""
        content = Path(path).read_bytes()
        cut = tmp_path / f"cut{Path(path).suffix}"
        cut.write_bytes(content[: int(kept * len(content))])
        with pytest.raises(ReaderError, match=rf"cut\{cut.suffix}"):
            read_events(cut, card)

    def test_missing_file_and_other_content_are_errors_that_name_it(self, card: str, tmp_path: Path) -> None:
        """Neither a path that is not there nor a text is a file of the format."""
        with pytest.raises(ReaderError, match="nowhere"):
            read_events(tmp_path / "nowhere", card)
        text = tmp_path / "text"
        text.write_text("this is a text\n" * 100)
        with pytest.raises(ReaderError, match="text"):
            read_events(text, card)

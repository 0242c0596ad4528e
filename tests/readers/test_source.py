import http.server
import re
import threading
from functools import partial

import awkward as ak
import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import read_events
from pyg_hep.readers.source import NoColumnError, bytes_of, reading, too_deep
from pyg_hep.testing.formats import write_jetclass, write_top_tagging, write_z_jets


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; ranges of them where asked for, as web servers give."""

    protocol_version = "HTTP/1.1"
    asked: list = []

    def do_GET(self):
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        try:
            content = open(self.translate_path(self.path), "rb").read()  # noqa: SIM115, PTH123
        except OSError:
            self.send_error(404)
            return
        self.asked.append((self.path, found is not None))
        if found:
            first, last = int(found[1]), min(int(found[2]), len(content) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first : last + 1]
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    RangeHandler.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(RangeHandler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("card", "write", "suffix"),
    [
        ("jetclass", write_jetclass, ".root"),
        ("top_tagging", write_top_tagging, ".h5"),
        ("z_jets", write_z_jets, ".npz"),
    ],
)
def test_address_gives_the_events_of_the_file(tmp_path, server, card, write, suffix):
    path = write(tmp_path / f"a{suffix}", 40, seed=1)
    remote = read_events(f"{server}/a{suffix}", card)
    assert remote.objects.pt.tolist() == read_events(path, card).objects.pt.tolist()
    assert any(ranged for _, ranged in RangeHandler.asked)


def test_parquet_at_an_address(tmp_path, server):
    jets = ak.Array([[30.0, 40.0], [50.0]])
    ak.to_parquet(ak.zip({"jet": ak.zip({"pt": jets})}, depth_limit=1), tmp_path / "a.parquet")
    card = {
        "name": "p",
        "reader": "parquet",
        "objects": {"jet": {"kind": "jet", "collection": "jet", "cuts": ["pt > 0"]}},
    }
    card["objects"]["jet"]["define"] = {"eta": "pt * 0", "phi": "pt * 0"}
    assert read_events(f"{server}/a.parquet", card).objects.pt.tolist() == [[40, 30], [50]]


def test_missing_file_at_an_address_names_it(server):
    for name, card in (("no.root", "jetclass"), ("no.h5", "top_tagging")):
        with pytest.raises(ReaderError, match=rf"http://127\.0\.0\.1:\d+/{name}"):
            read_events(f"{server}/{name}", card)


@pytest.mark.parametrize(("text", "size"), [("100 MB", 10**8), ("1.5 kB", 1500), ("2GiB", 2 * 2**30), ("7 b", 7)])
def test_sizes_are_read_with_their_unit(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["MB", "1 parsec", "", "a MB"])
def test_text_that_is_no_size_is_an_error(text):
    with pytest.raises(ReaderError, match="no size"):
        bytes_of(text)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NoColumnError("it holds maps"), "a.root: cannot read column 'x': it holds maps"),
        (too_deep(2), "a.root: cannot read column 'x': it holds two levels of lists, and a column has at most one"),
        (ModuleNotFoundError("install lz4"), "cannot read column 'x': a package that it needs .*install lz4"),
        (NotImplementedError("LZO"), "cannot read column 'x': it is of a kind that cannot be read .LZO."),
        (PermissionError(13, "denied"), "cannot read column 'x': it cannot be opened .*denied"),
        (ConnectionError("reset"), "cannot read column 'x': it cannot be opened .reset."),
    ],
)
def test_sound_files_are_never_called_damaged(error, message):
    with pytest.raises(ReaderError, match=message) as raised, reading("a.root", "column 'x'"):
        raise error
    assert "damaged" not in str(raised.value)


@pytest.mark.parametrize("error", [ValueError("checksum"), OSError("truncated"), EOFError(), KeyError("x")])
def test_other_failures_are_damage(error):
    with (
        pytest.raises(ReaderError, match="a.root: cannot read column 'x', the file is damaged or incomplete"),
        reading("a.root", "column 'x'"),
    ):
        raise error

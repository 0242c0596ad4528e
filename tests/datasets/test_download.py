import hashlib
import json
import os
import signal
import socket
import threading
import time
import zlib

import numpy as np
import pytest

from pyg_hep.datasets import web
from pyg_hep.datasets.archives import cern_open_data_files, zenodo_files
from pyg_hep.datasets.download import RemoteFile, download_files
from pyg_hep.errors import ConfigError, DownloadError

BODY = np.random.default_rng(0).bytes(1_000_003)
SIZE = len(BODY)
MD5 = f"md5:{hashlib.md5(BODY).hexdigest()}"


def remote(archive, *misbehaviour, ranges=True, checksum=MD5, size=SIZE):
    return RemoteFile("a.h5", archive.add("/a.h5", BODY, *misbehaviour, ranges=ranges), checksum, size)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def assert_whole(folder):
    assert (folder / "a.h5").read_bytes() == BODY
    assert names(folder) == ["a.h5"]


@pytest.mark.parametrize(
    "checksum",
    [MD5, f"sha256:{hashlib.sha256(BODY).hexdigest()}", f"adler32:{zlib.adler32(BODY):08X}", None],
)
def test_file_arrives_with_any_kind_of_checksum(archive, tmp_path, checksum):
    assert download_files([remote(archive, checksum=checksum)], tmp_path / "new") == [tmp_path / "new" / "a.h5"]
    assert_whole(tmp_path / "new")


def test_adler32_is_compared_as_a_number(archive, tmp_path):
    body = b"a"  # adler32 00620062
    download_files([RemoteFile("a", archive.add("/a", body), "adler32:620062", 1)], tmp_path)
    assert names(tmp_path) == ["a"]


def test_many_files_come_in_the_order_asked_for(archive, tmp_path):
    bodies = [bytes([n]) * 1000 * n for n in range(12)]  # the first is empty
    files = [RemoteFile(f"{n}.npz", archive.add(f"/{n}", body), None, len(body)) for n, body in enumerate(bodies)]
    assert [path.read_bytes() for path in download_files(files, tmp_path)] == bodies


def test_sound_file_is_not_fetched_again_and_a_damaged_one_is(archive, tmp_path):
    file = remote(archive)
    download_files([file], tmp_path)
    download_files([file], tmp_path)
    assert len(archive.requests) == 1
    (tmp_path / "a.h5").write_bytes(bytes(len(BODY)))
    download_files([file], tmp_path)
    assert len(archive.requests) == 2
    assert_whole(tmp_path)


@pytest.mark.parametrize("how", ["drop", "truncate", "stall"])
def test_broken_connection_goes_on_where_it_broke(archive, tmp_path, how):
    download_files([remote(archive, how, how, how)], tmp_path)
    assert_whole(tmp_path)
    first, *later = archive.ranges("/a.h5")
    assert first is None
    assert len(later) == 3
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in later]
    assert sorted(starts) == starts
    # At most one block of 64 KiB is lost when the connection breaks.
    assert starts[0] > len(BODY) // 2 - (1 << 17)


def test_more_breaks_than_retries_are_fine_as_long_as_bytes_arrive(archive, tmp_path):
    download_files([remote(archive, *["truncate"] * 3)], tmp_path, retries=1)
    assert_whole(tmp_path)


def test_part_of_an_earlier_call_is_gone_on_with(archive, tmp_path):
    (tmp_path / "a.h5.part").write_bytes(BODY[:600_000])
    download_files([remote(archive)], tmp_path)
    assert archive.ranges("/a.h5") == ["bytes=600000-"]
    assert_whole(tmp_path)


def test_complete_part_is_only_renamed(archive, tmp_path):
    (tmp_path / "a.h5.part").write_bytes(BODY)
    download_files([remote(archive)], tmp_path)
    assert archive.requests == []
    assert_whole(tmp_path)


@pytest.mark.parametrize("size", [len(BODY), None])
def test_server_without_ranges_starts_over(archive, tmp_path, size):
    download_files([remote(archive, "truncate", ranges=False, size=size)], tmp_path)
    assert archive.ranges("/a.h5")[1].startswith("bytes=")
    assert_whole(tmp_path)


@pytest.mark.parametrize("size", [len(BODY), None])
@pytest.mark.parametrize("how", ["shifted", "416"])
def test_range_that_does_not_fit_starts_over(archive, tmp_path, how, size):
    (tmp_path / "a.h5.part").write_bytes(BODY[:600_000])
    download_files([remote(archive, how, size=size)], tmp_path)
    assert archive.ranges("/a.h5") == ["bytes=600000-", None]
    assert_whole(tmp_path)


def test_part_longer_than_the_file_starts_over(archive, tmp_path):
    (tmp_path / "a.h5.part").write_bytes(BODY + b"more")
    download_files([remote(archive)], tmp_path)
    assert archive.ranges("/a.h5") == [None]
    assert_whole(tmp_path)


def test_damaged_part_is_noticed_by_its_checksum(archive, tmp_path):
    (tmp_path / "a.h5.part").write_bytes(bytes(600_000))
    download_files([remote(archive)], tmp_path)
    assert archive.ranges("/a.h5") == ["bytes=600000-", None]
    assert_whole(tmp_path)


def test_wrong_bytes_once_are_fetched_again(archive, tmp_path):
    download_files([remote(archive, "wrong")], tmp_path)
    assert archive.ranges("/a.h5") == [None, None]
    assert_whole(tmp_path)


def test_wrong_bytes_always_leave_nothing(archive, tmp_path):
    file = remote(archive, *["wrong"] * 9)
    with pytest.raises(DownloadError, match=r"a\.h5 \(address http.*md5 is \w+ instead of \w+.*put it into"):
        download_files([file], tmp_path)
    assert names(tmp_path) == []
    assert len(archive.requests) == 2


def test_more_bytes_than_listed_are_refused(archive, tmp_path):
    with pytest.raises(DownloadError, match="bytes instead of 1000"):
        download_files([remote(archive, size=1000)], tmp_path)
    assert names(tmp_path) == []


def test_answer_without_a_length_is_judged_by_the_listing(archive, tmp_path):
    download_files([remote(archive, "no length")], tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize("status", ["503", "500", "429"])
def test_busy_server_is_asked_again(archive, tmp_path, status):
    download_files([remote(archive, status, status)], tmp_path)
    assert len(archive.requests) == 3
    assert_whole(tmp_path)


def test_server_that_stays_busy_is_given_up_and_the_part_kept(archive, tmp_path):
    file = remote(archive, "truncate", *["503"] * 9)
    with pytest.raises(DownloadError, match="503"):
        download_files([file], tmp_path, retries=2)
    assert len(archive.requests) == 4  # the first one got further, so three failures in a row count
    assert names(tmp_path) == ["a.h5.part"]


def test_missing_file_is_not_asked_for_again(archive, tmp_path):
    file = RemoteFile("a.h5", archive.host + "/nowhere/a.h5")
    with pytest.raises(DownloadError, match=r"a\.h5 \(address http://.*/nowhere/a\.h5\).*404.*put it into"):
        download_files([file], tmp_path)
    assert len(archive.requests) == 1
    assert not (tmp_path / "a.h5").exists()


def test_unreachable_host_is_named_with_what_to_do(archive, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError) as caught:
        download_files([RemoteFile("a.h5", f"http://127.0.0.1:{port}/a.h5")], tmp_path, retries=1)
    message = str(caught.value)
    assert f"cannot reach host 127.0.0.1:{port}: Connection refused" in message
    assert f"by hand and put it into {tmp_path}" in message
    assert "\n" not in message


def test_address_that_is_none_is_refused(tmp_path):
    with pytest.raises(DownloadError, match="is not an address"):
        download_files([RemoteFile("a.h5", "root://somewhere//a.h5")], tmp_path)


def test_unwritable_folder_is_one_sentence(archive, tmp_path):
    (tmp_path / "a.h5.part").mkdir()
    with pytest.raises(DownloadError, match="cannot download a.h5 .*Is a directory"):
        download_files([remote(archive)], tmp_path)


def test_failure_stops_the_others_and_keeps_their_parts(archive, tmp_path):
    files = [RemoteFile("slow", archive.add("/slow", BODY * 8, "slow"), None, 8 * len(BODY))]
    files.append(RemoteFile("gone", archive.host + "/gone"))
    start = time.monotonic()
    with pytest.raises(DownloadError, match="gone"):
        download_files(files, tmp_path)
    # The slow file alone takes six seconds.
    assert time.monotonic() - start < 4
    assert not (tmp_path / "slow").exists()


@pytest.mark.parametrize("how", ["slow", "stall"])
def test_interrupt_ends_at_once_and_the_next_call_goes_on(archive, tmp_path, monkeypatch, how):
    monkeypatch.setattr(web, "TIMEOUT", (5.0, 60.0))
    body = BODY * 8
    file = RemoteFile("a.h5", archive.add("/a.h5", body, how), f"md5:{hashlib.md5(body).hexdigest()}", len(body))
    part = tmp_path / "a.h5.part"

    def interrupt():
        while not (part.is_file() and part.stat().st_size > 200_000):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        download_files([file], tmp_path)
    assert time.monotonic() - start < 5
    assert names(tmp_path) == ["a.h5.part"]
    size = part.stat().st_size
    assert 0 < size < len(body)
    download_files([file], tmp_path)
    assert archive.ranges("/a.h5") == [None, f"bytes={size}-"]
    assert (tmp_path / "a.h5").read_bytes() == body


def test_two_calls_for_the_same_folder_take_turns(archive, tmp_path):
    file = remote(archive, "slow")
    threads = [threading.Thread(target=download_files, args=([file], tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(archive.requests) == 1
    assert_whole(tmp_path)


@pytest.mark.parametrize("name", ["../a", "..", ".", "", "a/b", "/etc/a", "a\\b", "a\0", "a\n"])
def test_names_that_leave_the_folder_are_refused(name):
    with pytest.raises(DownloadError, match="not a plain file name"):
        RemoteFile(name, "http://somewhere/a")


def test_unknown_checksum_and_repeated_name_are_refused(tmp_path):
    with pytest.raises(DownloadError, match="unknown kind"):
        RemoteFile("a", "http://somewhere/a", "crc32:00")
    with pytest.raises(DownloadError, match="more than once"):
        download_files([RemoteFile("a", "http://x/1"), RemoteFile("a", "http://x/2")], tmp_path)


@pytest.mark.parametrize(
    "record", [2603256, "2603256", "10.5281/zenodo.2603256", "https://doi.org/10.5281/zenodo.2603256"]
)
def test_zenodo_lists_names_addresses_sizes_and_checksums(archive, record):
    archive.add_zenodo(2603256, {"val.h5": BODY})
    url = f"{archive.host}/api/records/2603256/files/val.h5/content"
    assert zenodo_files(record, archive.host) == [RemoteFile("val.h5", url, MD5, len(BODY))]


@pytest.mark.parametrize("index", [True, False])
def test_portal_lists_files_of_records_and_of_their_indices(archive, tmp_path, index):
    archive.add_cern(30558, {"A.root": BODY, "B.root": b"b"}, index=index)
    files = cern_open_data_files(30558, archive.host)
    assert [file.name for file in files] == ["A.root", "B.root"]
    assert files[0].url == f"{archive.host}/eos/opendata/test/30558/A.root"
    assert download_files(files, tmp_path)[0].read_bytes() == BODY


def portal_entry(uri, **more):
    return {"key": "k", "uri": f"root://eospublic.cern.ch//eos/opendata/{uri}", "size": 1, "checksum": "620062"} | more


def test_portal_entries_with_the_same_name_and_bare_checksums(archive):
    content = {
        "metadata": {"files": [portal_entry("x/1/a.root"), portal_entry("x/2/a.root"), portal_entry("x/b.root")]}
    }
    archive.add("/api/records/7", json.dumps(content).encode())
    files = cern_open_data_files(7, archive.host)
    assert [file.name for file in files] == ["1_a.root", "2_a.root", "b.root"]
    assert {file.checksum for file in files} == {"adler32:620062"}


def test_portal_files_on_tape_are_named_as_such(archive):
    content = {"metadata": {"files": [portal_entry("a.root", availability="on demand")]}}
    archive.add("/api/records/7", json.dumps(content).encode())
    with pytest.raises(DownloadError, match="on tape: request them at .*/record/7"):
        cern_open_data_files(7, archive.host)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"metadata": {"files": [{}]}, "files": [{}]}', b"{}"])
@pytest.mark.parametrize("listing", [zenodo_files, cern_open_data_files])
def test_unexpected_listing_is_one_sentence(archive, listing, content):
    archive.add("/api/records/7", content)
    with pytest.raises(DownloadError, match=r"cannot list record 7 \(address .*(not JSON|unexpected content)"):
        listing(7, archive.host)


def test_listing_survives_a_busy_server_but_not_a_missing_record(archive):
    archive.add_zenodo(7, {"a": b"a"})
    archive.pages["/api/records/7"].misbehaviour = ["503", "truncate"]
    assert len(zenodo_files(7, archive.host)) == 1
    with pytest.raises(DownloadError, match="cannot list record 8 .*404"):
        zenodo_files(8, archive.host)


def test_listing_with_a_name_that_leaves_the_folder_is_refused(archive):
    content = {"files": [{"key": "../../x", "size": 1, "checksum": None, "links": {"self": archive.host + "/x"}}]}
    archive.add("/api/records/7", json.dumps(content).encode())
    with pytest.raises(DownloadError, match=r"'\.\./\.\./x', which is not a plain file name"):
        zenodo_files(7, archive.host)


def test_what_is_no_record_is_said():
    with pytest.raises(ConfigError, match="'10.7483/X' is not the number of a record"):
        cern_open_data_files("10.7483/X")

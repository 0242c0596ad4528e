import hashlib
import io
import json
import pickle
import tarfile

import pytest

from pyg_hep.datasets import (
    ATLASTopTagging,
    CMSOpenData2016,
    EventDataset,
    JetClass,
    JetDataset,
    LHCOlympics,
    TopTagging,
    ZJets,
    web,
)
from pyg_hep.errors import ConfigError, DownloadError
from pyg_hep.loader import EventLoader
from pyg_hep.testing import formats
from pyg_hep.testing.files import write_nanoaod

SMALL_CARD = {
    "name": "small",
    "objects": {"jet": {"kind": "jet", "collection": "Jet"}, "met": {"kind": "met", "collection": "MET"}},
}
NOWHERE = "http://127.0.0.1:1"


def content(folder, write, *arguments):
    path = write(folder / "made.npz", *arguments)  # numpy adds a suffix where there is none
    return path.read_bytes()


@pytest.fixture
def nanoaod_bytes(tmp_path):
    def make(num_events, seed):
        return write_nanoaod(tmp_path / "made.root", num_events, seed).read_bytes()

    return make


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(web, "BACKOFF", 0.001)


def test_cms_records_are_processes_and_a_second_opening_asks_nothing(archive, tmp_path, nanoaod_bytes):
    archive.add_cern(30558, {"B.root": nanoaod_bytes(30, 1), "A.root": nanoaod_bytes(20, 2), "readme.txt": b"x"})
    archive.add_cern(30560, {"C.root": nanoaod_bytes(10, 3)}, index=False)
    options = {"records": [30558, 30560], "card": SMALL_CARD, "host": archive.host}
    dataset = CMSOpenData2016(tmp_path / "root", **options)
    assert len(dataset) == 60
    assert dataset.process_names == ["record_30558", "record_30560"]
    assert dataset.y.bincount().tolist() == [50, 10]
    assert [path.rsplit("raw/")[1] for path in dataset.raw_paths] == [
        "30558/A.root",
        "30558/B.root",
        "30560/C.root",
    ]
    assert not (tmp_path / "root/raw/30558/readme.txt").exists()
    recorded = json.loads((tmp_path / "root/raw/30558.json").read_text())
    assert {file["name"] for file in recorded["files"]} == {"A.root", "B.root", "readme.txt"}
    assert all(file["checksum"].startswith("adler32:") and file["url"] for file in recorded["files"])

    num_requests = len(archive.requests)
    again = CMSOpenData2016(tmp_path / "root", **(options | {"host": NOWHERE}))
    assert len(archive.requests) == num_requests
    assert again.processed_dir == dataset.processed_dir
    assert len(CMSOpenData2016(tmp_path / "root", **options, split="train")) < 60


def test_cms_takes_the_records_of_the_card(archive, tmp_path, nanoaod_bytes):
    archive.add_cern(1, {"A.root": nanoaod_bytes(20, 1)})
    archive.add_cern(2, {"B.root": nanoaod_bytes(30, 2)})
    archive.add_cern(3, {"C.root": nanoaod_bytes(40, 3)})
    card = SMALL_CARD | {"records": {"signal": 2, "background": [1, 3]}}
    dataset = CMSOpenData2016(tmp_path / "root", card=card, host=archive.host)
    assert dataset.process_names == ["signal", "background"]
    assert dataset.y.bincount().tolist() == [30, 60]
    with pytest.raises(ConfigError, match="names no records"):
        CMSOpenData2016(tmp_path / "other", card=SMALL_CARD)


def test_cms_default_card_names_the_pretraining_records(tmp_path, no_waiting):
    with pytest.raises(DownloadError, match=r"record 30517 .*cannot reach host 127\.0\.0\.1:1.*EventDataset"):
        CMSOpenData2016(tmp_path, host=NOWHERE)


def test_only_as_many_files_as_asked_for_are_fetched(archive, tmp_path, nanoaod_bytes):
    archive.add_cern(30558, {f"{n}.root": nanoaod_bytes(10, n) for n in range(1, 5)})
    options = {"records": [30558], "card": SMALL_CARD, "host": archive.host}
    assert len(CMSOpenData2016(tmp_path / "root", max_files=2, **options)) == 20
    fetched = [path for path, _ in archive.requests if path.endswith(".root")]
    assert sorted(path[-6:] for path in fetched) == ["1.root", "2.root"]
    assert len(CMSOpenData2016(tmp_path / "root", max_files=3, **options)) == 30
    assert len([path for path, _ in archive.requests if path.endswith(".root")]) == 3
    with pytest.raises(ConfigError, match="max_files=0"):
        CMSOpenData2016(tmp_path / "root", max_files=0, **options)


def test_mistake_in_the_card_shows_up_before_anything_is_fetched(archive, tmp_path):
    with pytest.raises(ConfigError, match="no card 'top_taging'.*top_tagging"):
        TopTagging(tmp_path, card="top_taging", host=archive.host)
    assert archive.requests == []


def test_top_tagging_parts_are_files_of_one_record(archive, tmp_path):
    pytest.importorskip("h5py")
    parts = {"train": 30, "val": 20, "test": 10}
    files = {f"{p}.h5": content(tmp_path, formats.write_top_tagging, n) for p, n in parts.items()}
    archive.add_zenodo(2603256, files)
    for part, size in parts.items():
        dataset = TopTagging(tmp_path / "root", part, host=archive.host)
        assert isinstance(dataset, JetDataset)
        assert len(dataset) == size
        assert dataset.class_names == ["QCD", "top"]
    assert len([path for path, _ in archive.requests if path.endswith("/content")]) == 3
    with pytest.raises(ConfigError, match="part='validation' is not possible, .*val"):
        TopTagging(tmp_path / "root", "validation")
    batch = next(iter(EventLoader(TopTagging(tmp_path / "root", "train", host=NOWHERE), batch_size=8)))
    assert batch.num_graphs == 8


def test_files_put_there_by_hand_need_no_network(tmp_path):
    pytest.importorskip("h5py")
    folder = tmp_path / "root/raw/2603256"
    folder.mkdir(parents=True)
    formats.write_top_tagging(folder / "val.h5", 20)
    assert len(TopTagging(tmp_path / "root", "val", host=NOWHERE)) == 20


def test_unreachable_archive_says_which_file_belongs_where(tmp_path, no_waiting):
    with pytest.raises(DownloadError) as caught:
        TopTagging(tmp_path, host=NOWHERE)
    assert "cannot reach host 127.0.0.1:1" in str(caught.value)
    assert f"fetch by hand into {tmp_path}/raw/2603256: train.h5" in str(caught.value)


def test_damaged_file_never_becomes_a_data_set(archive, tmp_path):
    archive.add_zenodo(2603256, {"train.h5": b"content"})
    archive.pages["/api/records/2603256/files/train.h5/content"].misbehaviour = ["wrong"] * 9
    with pytest.raises(DownloadError, match="md5"):
        TopTagging(tmp_path, host=archive.host)
    assert not (tmp_path / "raw/2603256/train.h5").exists()
    assert not (tmp_path / "processed").exists()


def test_record_without_the_file_names_the_nearest(archive, tmp_path):
    archive.add_zenodo(2603256, {"train_v2.h5": b"x"})
    with pytest.raises(DownloadError, match=r"record 2603256 has no file train\.h5: did you mean 'train_v2\.h5'"):
        TopTagging(tmp_path, host=archive.host)


def test_atlas_top_tagging_keeps_its_weights(archive, tmp_path):
    pytest.importorskip("h5py")
    files = {f"{p}.h5": content(tmp_path, formats.write_atlas_top_tagging, n) for p, n in (("train", 20), ("test", 10))}
    archive.add_cern(15013, files, index=False)
    dataset = ATLASTopTagging(tmp_path / "root", host=archive.host)
    assert len(dataset) == 20
    assert dataset.weight.unique().numel() > 1
    assert len(ATLASTopTagging(tmp_path / "root", "test", host=archive.host)) == 10


def test_lhc_olympics_parts_have_their_own_cards(archive, tmp_path):
    pytest.importorskip("h5py")
    archive.add_zenodo(
        4536377,
        {
            "events_anomalydetection_v2.h5": content(tmp_path, formats.write_lhc_olympics, 20),
            "events_anomalydetection_v2.features.h5": content(tmp_path, formats.write_lhc_olympics_features, 30),
        },
    )
    dataset = LHCOlympics(tmp_path / "root", host=archive.host)
    assert (len(dataset), dataset.card.name) == (20, "lhc_olympics")
    features = LHCOlympics(tmp_path / "root", "features", host=archive.host)
    assert (len(features), features.card.name) == (30, "lhc_olympics_features")


def test_z_jets_generators_are_processes(archive, tmp_path):
    files = {
        f"{generator}_Zjet_pTZ-200GeV_{n}.npz": content(tmp_path, formats.write_z_jets, 5 + n, n)
        for generator in ("Pythia21", "Pythia26", "Herwig")
        for n in range(17)
    }
    archive.add_zenodo(3548091, files)
    dataset = ZJets(tmp_path / "root", max_files=3, host=archive.host)
    assert dataset.process_names == ["Pythia26", "Herwig"]
    assert dataset.y.bincount().tolist() == [18, 18]
    assert [name.rsplit("_")[-1] for name in dataset.raw_file_names] == ["0.npz", "1.npz", "2.npz"] * 2
    assert len(ZJets(tmp_path / "root", ["Herwig"], host=archive.host)) == sum(range(5, 22))
    with pytest.raises(ConfigError, match="no generator 'Pythia24'"):
        ZJets(tmp_path / "root", ["Pythia24"])


def tar_bytes(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


@pytest.fixture
def jet_class(archive, monkeypatch):
    """JetClass with archives of our own in place of those on Zenodo."""

    def serve(archives):
        for name, body in archives.items():
            archive.add(f"/records/6619768/files/{name}", body)
        monkeypatch.setattr(JetClass, "MD5", {name: hashlib.md5(body).hexdigest() for name, body in archives.items()})

    return serve


def test_jet_class_archives_are_extracted_and_removed(archive, tmp_path, jet_class):
    jets = {n: content(tmp_path, formats.write_jetclass, 10 * n, n) for n in (1, 2, 3)}
    jet_class(
        {
            "JetClass_Pythia_train_100M_part0.tar": tar_bytes({"train_100M/HToBB_000.root": jets[1], "x/readme": b""}),
            "JetClass_Pythia_train_100M_part1.tar": tar_bytes({"train_100M/HToBB_010.root": jets[2]}),
            "JetClass_Pythia_val_5M.tar": tar_bytes({"val_5M/HToBB_120.root": jets[3]}),
        }
    )
    dataset = JetClass(tmp_path / "root", host=archive.host)
    assert isinstance(dataset, EventDataset)
    assert len(dataset) == 30
    assert dataset.num_classes == 10
    folder = tmp_path / "root/raw/6619768"
    assert not list(folder.glob("*.tar*"))
    assert not list(folder.glob("*.partial"))
    assert len(JetClass(tmp_path / "root", max_files=1, host=NOWHERE)) == 10
    assert len(JetClass(tmp_path / "root", "val", host=archive.host)) == 30
    assert len(archive.requests) == 3
    assert len(JetClass(tmp_path / "root", host=NOWHERE)) == 30


def test_jet_class_archive_put_there_by_hand_is_verified_and_extracted(tmp_path, jet_class, archive):
    body = tar_bytes({"val_5M/a.root": content(tmp_path, formats.write_jetclass, 10)})
    jet_class({"JetClass_Pythia_val_5M.tar": body})
    folder = tmp_path / "root/raw/6619768"
    folder.mkdir(parents=True)
    (folder / "JetClass_Pythia_val_5M.tar").write_bytes(body)
    assert len(JetClass(tmp_path / "root", "val", host=NOWHERE)) == 10


@pytest.mark.parametrize("name", ["../../outside.root", "a/../../../outside.root"])
def test_archive_that_writes_elsewhere_is_refused(archive, tmp_path, jet_class, name):
    jet_class({"JetClass_Pythia_val_5M.tar": tar_bytes({"val_5M/fine.root": b"x", name: b"x"})})
    with pytest.raises(DownloadError, match="cannot extract .*outside.root.* remove it and try again") as caught:
        JetClass(tmp_path / "root", "val", host=archive.host)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.root"))


def test_archive_without_jets_is_refused(archive, tmp_path, jet_class):
    jet_class({"JetClass_Pythia_val_5M.tar": tar_bytes({"val_5M/readme": b"x"})})
    with pytest.raises(DownloadError, match="holds no ROOT file"):
        JetClass(tmp_path / "root", "val", host=archive.host)
    jet_class({"JetClass_Pythia_val_5M.tar": b"no tar"})
    with pytest.raises(DownloadError, match="cannot extract"):
        JetClass(tmp_path / "other", "val", host=archive.host)


def test_published_archives_of_jet_class_are_all_there():
    parts = [name for name in JetClass.MD5 if "train" in name]
    assert parts == [f"JetClass_Pythia_train_100M_part{n}.tar" for n in range(10)]
    assert len(set(JetClass.MD5.values())) == len(JetClass.MD5) == 12
    file = JetClass.list_record(6619768)[-1]
    assert file.url == "https://zenodo.org/records/6619768/files/JetClass_Pythia_test_20M.tar"


def test_malicious_listing_writes_nothing(archive, tmp_path):
    content = {"files": [{"key": "../../x", "size": 1, "checksum": None, "links": {"self": archive.host + "/x"}}]}
    archive.add("/api/records/2603256", json.dumps(content).encode())
    archive.add("/x", b"x")
    with pytest.raises(DownloadError, match="not a plain file name") as caught:
        TopTagging(tmp_path / "a/b/root", host=archive.host)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("x"))


def test_tampered_record_of_what_was_listed_is_not_trusted(archive, tmp_path, nanoaod_bytes):
    archive.add_cern(30558, {"A.root": nanoaod_bytes(10, 1)})
    (tmp_path / "root/raw").mkdir(parents=True)
    listed = {"files": [{"name": "../A.root", "url": "x", "checksum": None, "size": None}]}
    for text in (json.dumps(listed), "{", "[]"):
        (tmp_path / "root/raw/30558.json").write_text(text)
        assert len(CMSOpenData2016(tmp_path / "root", [30558], SMALL_CARD, host=archive.host)) == 10


def test_named_data_set_pickles_as_its_paths(archive, tmp_path, nanoaod_bytes):
    archive.add_cern(30558, {"A.root": nanoaod_bytes(10, 1)})
    dataset = CMSOpenData2016(tmp_path / "root", [30558], SMALL_CARD, host=archive.host)
    copied = pickle.loads(pickle.dumps(dataset))
    assert len(copied) == 10
    assert copied[3].p4.equal(dataset[3].p4)
    assert str(dataset) == "CMSOpenData2016(small, 10)"

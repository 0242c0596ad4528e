import pytest

from pyg_hep.errors import ReaderError
from pyg_hep.readers import load_card, read_events
from pyg_hep.readers.files import input_files
from pyg_hep.testing.files import write_nanoaod

NAMES = (
    "a.root",
    "b.ROOT",
    ".hidden.root",
    "c.h5",
    "notes.txt",
    "deep/d.root",
    "deep/er/e.root",
    ".git/f.root",
    "[x].root",
)


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("", ["[x].root", "a.root", "b.ROOT"]),
        ("*.root", ["[x].root", "a.root"]),
        ("*.txt", ["notes.txt"]),
        ("?.root", ["a.root"]),
        ("[x].root", ["[x].root"]),
        ("de*", ["deep/d.root"]),
        ("**/*.root", ["[x].root", "a.root", "deep/d.root", "deep/er/e.root"]),
        ("**", ["[x].root", "a.root", "b.ROOT", "deep/d.root", "deep/er/e.root"]),
        ("nowhere.root", ["nowhere.root"]),
    ],
)
def test_patterns_and_folders(folder, pattern, files):
    assert input_files(folder / pattern, "nanoaod") == [str(folder / name) for name in files]


def test_endings_are_those_of_the_format(folder):
    assert input_files(folder, "hdf5") == [str(folder / "c.h5")]
    assert len(input_files(folder)) == 4
    with pytest.raises(ReaderError, match=r"no file with the ending \.parquet or \.pq in this folder.*/\*\*'"):
        input_files(folder, "parquet")


def test_addresses_stay_as_they_are():
    addresses = ["root://host//data/*.root", "https://host/~me/a.root?b=[c]"]
    assert input_files(addresses) == addresses


def test_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert input_files(["~/a.root", "~/deep"]) == [str(folder / "a.root"), str(folder / "deep/d.root")]


def test_nothing_there_is_named(folder):
    (folder / "empty").mkdir()
    with pytest.raises(ReaderError, match=r"empty: no file with the ending \.root in this folder$"):
        input_files(folder / "empty", "root")
    with pytest.raises(ReaderError, match=r"z\*\.root: no file matches this pattern"):
        input_files([folder / "a.root", folder / "z*.root"])


def test_events_of_a_folder_are_those_of_its_files(tmp_path):
    paths = [write_nanoaod(tmp_path / f"{seed}.root", 20, seed) for seed in (1, 2)]
    assert read_events(tmp_path, "cms_nanoaod").tolist() == read_events(paths, "cms_nanoaod").tolist()


def test_files_that_a_card_names_may_lie_at_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    card = folder / "card.yaml"
    card.write_text("name: mine\nextends: cms_nanoaod\nfiles: {p: [~/a.root, deep]}\n")
    assert load_card(card).files == {"p": (str(folder / "a.root"), str(folder / "deep"))}

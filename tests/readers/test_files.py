import pytest

from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.readers import load_card, read_events
from pyg_hep.readers.files import input_files, split_tree, stem_of, with_tree
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


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.root:Events", ("a.root", "Events")),
        ("a.ROOT:dir/tree", ("a.ROOT", "dir/tree")),
        ("~/data/*.root:Events", ("~/data/*.root", "Events")),
        ("data/**:Events", ("data/**", "Events")),
        ("data/run:[12].root", ("data/run:[12].root", None)),
        ("a.root", ("a.root", None)),
        ("a.root:", ("a.root:", None)),
        ("notes:x", ("notes:x", None)),
        ("root://host:1094//data/a.root:Events", ("root://host:1094//data/a.root", "Events")),
        ("root://host//data/a.root", ("root://host//data/a.root", None)),
        ("https://host:8080/a.root", ("https://host:8080/a.root", None)),
        ("https://host/a.root?key=b:c", ("https://host/a.root?key=b:c", None)),
    ],
)
def test_tree_behind_a_path(path, expected):
    assert split_tree(path) == expected


def test_a_file_with_a_colon_in_its_name_is_a_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "a.root:Events").touch()
    assert split_tree("a.root:Events") == ("a.root:Events", None)
    (folder / "ntuple").touch()
    assert split_tree("ntuple:Events") == ("ntuple", "Events")
    assert split_tree("deep:Events") == ("deep", "Events")


def test_tree_is_that_of_every_file_of_a_folder_or_pattern(folder):
    assert input_files(f"{folder}/deep:T", "root") == [f"{folder}/deep/d.root:T"]
    assert input_files(f"{folder}/?.root:T") == [f"{folder}/a.root:T"]
    assert input_files("root://host//a.root:T") == ["root://host//a.root:T"]
    assert with_tree("a.root:T", "other") == "a.root:T"
    assert with_tree(folder / "deep", "T") == f"{folder}/deep:T"
    with pytest.raises(ConfigError, match=r"https://host/download/12: .*the card's key 'tree'"):
        with_tree("https://host/download/12", "T")


def test_stem_tells_the_trees_of_a_file_apart():
    assert [stem_of(path) for path in ("x/a.root", "x/a.root:sig", "a.root:dir/t")] == ["a", "a_sig", "a_dir_t"]


def test_folder_of_parquet_files_is_read_through(tmp_path):
    names = ("part=1/b.parquet", "part=2/deep/c.pq", "a.parquet", "_SUCCESS", "_metadata", "_x.parquet", ".h.parquet")
    for name in (*names, "_temporary/d.parquet", ".cache/e.parquet", "part=1/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    expected = [str(tmp_path / name) for name in ("a.parquet", "part=1/b.parquet", "part=2/deep/c.pq")]
    assert input_files(tmp_path, "parquet") == expected
    assert input_files(tmp_path / "part*", "parquet") == expected[1:]
    assert input_files(tmp_path) == expected[:1]


def test_card_names_a_tree_for_all_files_of_a_process(tmp_path):
    card = tmp_path / "card.yaml"
    card.write_text(
        "name: mine\nextends: cms_nanoaod\nfiles: {a: {files: [x.root, 'y.root:U'], tree: T}, b: z.root:V}\n"
    )
    assert load_card(card).files == {
        "a": (f"{tmp_path}/x.root:T", f"{tmp_path}/y.root:U"),
        "b": (f"{tmp_path}/z.root:V",),
    }
    card.write_text("name: mine\nextends: cms_nanoaod\nfiles: {a: {file: x.root, tree: T}}\n")
    with pytest.raises(ConfigError, match=r"key 'files\.a': 'file' is not possible, did you mean 'files'"):
        load_card(card)

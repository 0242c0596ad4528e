"""README is right: its Python blocks run, and its commands, options, cards, extras and names exist.

The blocks run as they stand, one after the other in one namespace, on small files with random content. What stands in
for the world outside, and why, is said at the fixture ``stand_ins``.
"""

from __future__ import annotations

import configparser
import importlib
import io
import itertools
import re
import runpy
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path

import lightning
import pytest

from pyg_hep.datasets import download, remote_dataset
from pyg_hep.testing.files import random_nanoaod, write_nanoaod
from pyg_hep.testing.formats import write_top_tagging

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROSE = FENCE.sub("", TEXT)
EVENTS = 120
"""In every file: the fewest of which each split of each class is sure to have some."""


def blocks(*languages: str) -> list[str]:
    return [code for language, code in FENCE.findall(TEXT) if language in languages]


def shell_commands() -> list[list[str]]:
    """Words of every command in a block, without comments and without variables in front."""
    text = "".join(blocks("", "bash", "sh", "shell")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [command for line in lines if (command := list(itertools.dropwhile(lambda word: "=" in word, line)))]


def table(first_header: str) -> list[list[str]]:
    """Cells of the rows of the table whose first column has this header."""
    lines = TEXT.splitlines()
    start = next(i for i, line in enumerate(lines) if re.match(rf"\|\s*{first_header}\s*\|", line))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """A folder with a small file for every ROOT file that a block names, and what else the blocks need.

    - A card that a block names is the shipped file of that path, or the template, which a user's own starts from.
    - Trainings end after one epoch: the text is about calls, not about results.
    - An archive's files are made here instead of fetched: no network. The rest of a download is as always.
    - ``dask.distributed.Client`` is one of threads in this process: README's scheduler is none of ours.
    - ``many_files``, a list that only a user has, is given.
    """
    code = "\n".join(blocks("python"))
    for seed, name in enumerate(sorted(set(re.findall(r"[\w/.-]+\.root", code)))):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nanoaod(path, random_nanoaod(EVENTS, seed, truth=True))
    for name in sorted(set(re.findall(r"[\w/.-]+\.yaml", code))):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        card = ROOT / name if (ROOT / name).is_file() else ROOT / "datasets" / "template.yaml"
        path.write_text(card.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    original = lightning.Trainer.__init__

    def one_epoch(self, *arguments, **options):
        original(self, *arguments, **options | {"max_epochs": 1})

    monkeypatch.setattr(lightning.Trainer, "__init__", one_epoch)

    def listed(record, **options):
        return [download.RemoteFile(f"{part}.h5", f"https://archive/{part}.h5") for part in ("train", "val", "test")]

    def fetch(files, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            write_top_tagging(Path(folder) / file.name, EVENTS)

    monkeypatch.setattr(remote_dataset.RemoteDataset, "list_record", staticmethod(listed))
    monkeypatch.setattr(remote_dataset, "download_files", fetch)
    made = []
    if "dask.distributed" in code:
        distributed = pytest.importorskip("dask.distributed")
        client = distributed.Client

        def local(address):
            made.append(client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0"))
            return made[-1]

        monkeypatch.setattr(distributed, "Client", local)
    yield {"__name__": "readme", "many_files": [f"{name}.root" for name in ("a", "b")]}
    for one in made:
        one.close()


def test_python_blocks_run_in_order(stand_ins):
    code = blocks("python")
    assert code
    for number, block in enumerate(code, start=1):
        # A traceback then has README's line numbers.
        line = TEXT[: TEXT.index(block)].count("\n")
        exec(compile("\n" * line + block, f"README.md (block {number})", "exec"), stand_ins)


def test_commands_name_targets_scripts_and_options_that_exist(monkeypatch):
    commands = shell_commands()
    assert commands
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w.-]+):", makefile, re.MULTILINE))
    for command in commands:
        if command[0] == "make":
            assert set(command[1:]) <= targets, f"make {command[1:]}"
        elif command[0] in ("python", ".venv/bin/python"):
            assert_script_takes(command[1], command[2:], monkeypatch)
        else:
            assert command[0] == "pip", f"what is {command}?"
    for target in re.findall(r"`make ([\w.-]+)", PROSE):
        assert target in targets


def test_table_of_scripts_names_scripts_and_options_that_exist(monkeypatch):
    rows = table("script")
    assert rows
    for first, *cells in rows:
        words = [word for text in quoted(" ".join(cells)) for word in shlex.split(text)]
        for script in quoted(first):
            assert_script_takes(f"examples/{script}", words, monkeypatch)


def assert_script_takes(script: str, words: list[str], monkeypatch) -> None:
    """The script is there, and its ``--help`` has every option among the words."""
    assert (ROOT / script).is_file(), f"README names {script}, which is not there"
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    if not options:
        return
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    monkeypatch.syspath_prepend(str((ROOT / script).parent))
    text = io.StringIO()
    with redirect_stdout(text), pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    assert end.value.code == 0
    known = set(re.findall(r"--[\w.]+", text.getvalue()))
    assert set(options) <= known, f"{script} has no option {sorted(set(options) - known)}"


def test_every_shipped_card_is_in_the_table_and_the_table_has_no_other():
    named = [name for row in table("card") for name in quoted(row[0])]
    shipped = {path.stem for path in (ROOT / "datasets").glob("*.yaml")} - {"template"}
    assert len(named) == len(set(named))
    assert set(named) == shipped


def test_extras_exist():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    extras = set(parser["options.extras_require"])
    named = re.findall(r"(?:pyg_hep|\.)\[(\w+)\]", TEXT) + re.findall(r"\(extra `(\w+)`\)", TEXT)
    assert named
    assert set(named) <= extras


def test_files_named_in_the_text_exist():
    named = re.findall(r"`((?:examples|datasets|benchmarks|pyg_hep|tests|docs)/[\w./-]*)`", PROSE)
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_classes_named_in_the_text_exist():
    """``CamelCase`` in code quotes is a public class or function of the library, of PyG or of torch's data module."""
    paths = [path for path in (ROOT / "pyg_hep").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    rooms = sorted(path.stem for path in paths if not path.stem.startswith("_"))
    modules = [importlib.import_module(f"pyg_hep.{room}") for room in rooms]
    modules += [importlib.import_module(f"torch_geometric.{room}") for room in ("data", "loader", "nn")]
    modules += [importlib.import_module("torch.utils.data")]
    for text in quoted(PROSE):
        name = re.match(r"([A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*)((?:\.\w+)*)(?:\(|$)", text)
        if name is None:
            continue
        holders = [getattr(module, name[1]) for module in modules if hasattr(module, name[1])]
        assert holders, f"README names `{text}`, which no room has"
        for attribute in name[2].split(".")[1:]:
            holders = [getattr(holder, attribute) for holder in holders if hasattr(holder, attribute)]
        assert holders, f"README names `{text}`: no such attribute"

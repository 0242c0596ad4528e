import json
import subprocess
import sys

import pytest
import yaml

from pyg_hep import command
from pyg_hep.errors import ConfigError, ReaderError
from pyg_hep.training import TrainingSettings

SCRIPT = '''
"""What it does."""
from dataclasses import dataclass
from pyg_hep import command
from pyg_hep.errors import ReaderError

@dataclass(frozen=True)
class Settings:
    epochs: int = 50
    patience: int | None = None

def main():
    parser = command.Options(__doc__)
    parser.add_argument("--output", default="out", help="folder")
    parser.add_argument("--fail", default="", help="how to end")
    parser.add_argument("--training", type=Settings, default=Settings())
    options = parser.parse_args()
    if options.fail == "reader":
        raise ReaderError("a.root: no such file")
    if options.fail == "interrupt":
        raise KeyboardInterrupt
    folder = command.start_run(options.output, parser, options)
    command.write_results(folder, {"epochs": options.training.epochs})

if __name__ == "__main__":
    command.run(main)
'''


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)

    def call(*arguments):
        return subprocess.run(
            [sys.executable, str(path), *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=120
        )

    return call


def test_run_leaves_results_configuration_and_environment(script, tmp_path):
    done = script("--training.epochs", "7")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert json.loads((out / "results.json").read_text()) == {"epochs": 7}
    assert yaml.safe_load((out / "config.yaml").read_text())["training"]["epochs"] == 7
    environment = json.loads((out / "environment.json").read_text())
    assert environment["versions"]["torch"]
    assert "git" in environment
    again = script("--config", str(out / "config.yaml"), "--output", "again")
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "again" / "results.json").read_text()) == {"epochs": 7}


def test_help_lists_every_option(script):
    done = script("--help")
    assert done.returncode == 0
    for name in ("--config", "--output", "--training.epochs", "--training.patience", "What it does."):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("arguments", "yaml_text", "message"),
    [
        (["--outptu", "x"], None, "did you mean 'output'"),
        (["--training.epoch", "3"], None, "did you mean 'training.epochs'"),
        (["--config", "c.yaml"], "outptu: x\n", "did you mean 'output'"),
        (["--config", "c.yaml"], "training:\n  epoks: 3\n", "epochs"),
        (["--training.epochs", "many"], None, "epochs"),
        (["--config", "nothing.yaml"], None, "nothing.yaml"),
    ],
)
def test_wrong_option_or_key_is_one_sentence_and_status_2(script, tmp_path, arguments, yaml_text, message):
    if yaml_text is not None:
        (tmp_path / "c.yaml").write_text(yaml_text)
    done = script(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_bad_input_is_one_sentence_and_status_1(script):
    done = script("--fail", "reader")
    assert done.returncode == 1
    assert done.stderr.strip() == "error: a.root: no such file"


def test_interrupt_is_one_sentence_and_status_130(script):
    done = script("--fail", "interrupt")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_files_as_typed():
    assert command.parse_files(["a/x.root", "y.root"]) == {"x": ["a/x.root"], "y": ["y.root"]}
    assert command.parse_files(["p=a.root", "p=b.root", "q=c.root"]) == {"p": ["a.root", "b.root"], "q": ["c.root"]}
    assert command.parse_files(["a/x.root", "b/x.root"]) == {"x": ["a/x.root"], "x_1": ["b/x.root"]}
    assert command.parse_files(["dir/na=me.root"]) == {"na=me": ["dir/na=me.root"]}
    with pytest.raises(ConfigError):
        command.parse_files([])


def test_folders_and_patterns_stand_for_their_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a/x.root", "a/y.root", "a/.z.root", "a/deep/z.root", "a/notes.txt", "a/jets.h5", "b/na=me.root"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    parse = command.parse_files
    assert parse(["a/*.root"]) == {"x": ["a/x.root"], "y": ["a/y.root"]}
    assert parse(["p=a/*.root", "p=a/deep"]) == {"p": ["a/x.root", "a/y.root", "a/deep/z.root"]}
    assert parse(["p=a"], "cms_nanoaod") == {"p": ["a/x.root", "a/y.root"]}
    assert parse(["p=~/a/deep"]) == {"p": [f"{tmp_path}/a/deep/z.root"]}
    assert parse(["b/*.root", "a/x.root"]) == {"na=me": ["b/na=me.root"], "x": ["a/x.root"]}
    assert parse(["https://host/a*.root?x=1", "p=root://host//a*"]) == {
        "a*": ["https://host/a*.root?x=1"],
        "p": ["root://host//a*"],
    }
    with pytest.raises(ReaderError, match=r"c/\*\.root: no file matches"):
        parse(["p=c/*.root"])


def test_trees_and_folders_with_values_are_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part=1").mkdir()
    (tmp_path / "part=1/x.parquet").touch()
    parse = command.parse_files
    assert parse(["s=a.root:sig", "b=a.root:bkg"]) == {"s": ["a.root:sig"], "b": ["a.root:bkg"]}
    assert parse(["a.root:sig", "a.root:bkg"]) == {"a_sig": ["a.root:sig"], "a_bkg": ["a.root:bkg"]}
    assert parse(["part=1/x.parquet"]) == {"x": ["part=1/x.parquet"]}
    assert parse(["p=part=1/x.parquet"]) == {"p": ["part=1/x.parquet"]}


def test_results_are_complete_or_absent(tmp_path):
    with pytest.raises(TypeError):
        command.write_results(tmp_path, {"not json": object()})
    assert not (tmp_path / "results.json").exists()


def test_output_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    parser = command.Options("x")
    parser.add_argument("--training", type=TrainingSettings, default=TrainingSettings())
    with pytest.raises(ConfigError, match="cannot make the output folder"):
        command.start_run(tmp_path / "file" / "out", parser, parser.parse_args([]))

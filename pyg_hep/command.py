"""What every script of ``examples/`` shares: options, errors as one sentence, the record a run leaves behind."""

from __future__ import annotations

import difflib
import json
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import jsonargparse

from pyg_hep.errors import ConfigError, PygHepError, nearest
from pyg_hep.provenance import git_hash, versions
from pyg_hep.readers import Card, load_card
from pyg_hep.readers.files import input_files, stem_of


class Options(jsonargparse.ArgumentParser):
    """Options of a script: flags, or the same names in a YAML file given with ``--config``.

    An unknown option or key ends the script with one sentence that names the nearest valid one.
    """

    def __init__(self, description: str | None):
        text = (description or "").strip()
        super().__init__(description=text, formatter_class=jsonargparse.DefaultHelpFormatter, allow_abbrev=False)
        self.add_argument("--config", action="config", help="YAML file with any of these options")

    def error(self, message: str, *details: Any, **more: Any) -> NoReturn:
        """Print one sentence and exit with status 2."""
        text = " ".join(str(message).split())
        valid = [a.dest for a in self._actions if a.dest not in ("help", "config", "print_config")]
        unknown = re.search(
            r"[Uu]nrecognized arguments: (?:--)?(?P<a>[\w.-]+)"
            r"|Option '(?P<b>[\w.-]+)' is not accepted"
            r"|Group '(?P<group>[\w.-]+)' does not accept option '(?P<c>[\w.-]+)'",
            text,
        )
        if unknown:
            found = unknown.groupdict()
            name = found["a"] or found["b"] or f"{found['group']}.{found['c']}"
            near = difflib.get_close_matches(name.replace("-", "_"), valid, n=1, cutoff=0.0)
            text = f"unknown option or key {name!r}, did you mean {near[0]!r}?"
        print(f"error: {text} (--help lists all options)", file=sys.stderr)
        sys.exit(2)


def run(main: Callable[[], None]) -> NoReturn:
    """Run a script: bad input ends it with one sentence and status 1, Ctrl-C with status 130."""
    try:
        main()
    except PygHepError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(0)


def check_names(given: Iterable[str], valid: Iterable[str]) -> None:
    """Accept only valid names.

    Raises:
        ConfigError: for another one; names the nearest.
    """
    known = list(valid)
    for name in given:
        if name not in known:
            raise ConfigError(f"{name!r} is not possible: {nearest(name, known)}")


def note() -> dict[str, str]:
    """Where a figure comes from: commit and date."""
    return {"git": git_hash(), "date": time.strftime("%Y-%m-%d")}


def start_run(output: str | Path, parser: Options, options: jsonargparse.Namespace) -> Path:
    """Make the output folder and write ``config.yaml`` (every option) and ``environment.json`` (versions).

    Raises:
        ConfigError: when the folder cannot be made.
    """
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the output folder {folder}: {error.strerror}") from None
    content = parser.dump(options, skip_none=False)
    (folder / "config.yaml").write_text(content, encoding="utf-8")
    record = {
        "git": git_hash(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": versions(),
    }
    (folder / "environment.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return folder


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Write ``results.json``, complete or not at all."""
    partial = folder / ".results.json.partial"
    partial.write_text(json.dumps(results, indent=1, sort_keys=True), encoding="utf-8")
    partial.replace(folder / "results.json")


def parse_files(values: list[str], card: str | Path | Mapping[str, Any] | Card | None = None) -> dict[str, list[str]]:
    """Files as typed, ``PATH`` (its own process) or ``NAME=PATH`` (several of one name are one process).

    Args:
        values: as typed. A folder or pattern stands for its files, each its own process where no name is given; any
            may end in ``:tree``.
        card: whose format's files are looked for in folders; None takes those of any format.

    Raises:
        ConfigError: when nothing is given.
        ReaderError: for a folder or pattern without a file.
    """
    reader = None if card is None else load_card(card).reader
    processes: dict[str, list[str]] = {}
    for position, value in enumerate(values):
        name, equals, path = value.partition("=")
        # The folders of a partitioned data set are called key=value.
        if equals and "/" not in name and not Path(value).exists():
            processes.setdefault(name, []).extend(input_files(path, reader))
            continue
        for file in input_files(value, reader):
            name = stem_of(file)
            number = position
            while name in processes:
                name, number = f"{stem_of(file)}_{number}", number + 1
            processes[name] = [file]
    if not processes:
        raise ConfigError("no input file given")
    return processes

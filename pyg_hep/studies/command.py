"""What the scripts of all studies share: options, the size that is asked for, the report that they leave."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jsonargparse import Namespace

from pyg_hep import command
from pyg_hep.errors import ConfigError
from pyg_hep.studies.execution import finish
from pyg_hep.studies.place import Place
from pyg_hep.studies.plan import Run
from pyg_hep.studies.pretraining import Pretraining, pretrain_missing, pretrained
from pyg_hep.studies.records import Records
from pyg_hep.studies.statistics import label
from pyg_hep.training import shipped_models

Study = TypeVar("Study")


def study_options(
    description: str | None, name: str, stages: Sequence[str], sizes: Sequence[str], results: Path, earlier: str | None
) -> command.Options:
    """The command line of a study.

    Args:
        description: what ``--help`` begins with.
        name: of the study.
        stages: what ``--stage`` may be.
        sizes: what ``--size`` may be.
        results: folder of the records and of the summary.
        earlier: folder in it, named by a commit, with what was published earlier; None of a study without that.
    """
    parser = command.Options(description)
    parser.add_argument("--stage", choices=tuple(stages), default="all", help="what to do")
    parser.add_argument("--size", choices=tuple(sizes), default="small", help="how much of it")
    parser.add_argument("--study", type=dict[str, Any], default={}, help="changes of the size: {patience: 5}")
    parser.add_argument(
        "--samples", default=f"runs/{name}/samples", help=f"folder of the files of simulate.py --preset {name}"
    )
    parser.add_argument("--cache", default="runs/cache", help="folder for converted events")
    parser.add_argument("--output", default=f"runs/{name}", help="folder for networks, tables and plots")
    parser.add_argument("--records", default=str(results / name / "runs.jsonl"), help="finished trainings")
    parser.add_argument("--summary", default=str(results / f"{name}.json"), help="the figures that others read")
    if earlier is not None:
        parser.add_argument(
            "--earlier", default=str(results / name / earlier), help="folder of records to compare the figures with"
        )
    parser.add_argument("--workers", type=int, default=2, help="trainings at the same time, one thread each")
    return parser


def changed(study: Study, changes: Mapping[str, Any]) -> Study:
    """A study with other values; small records in lists are given by the names of their entries.

    Args:
        study: a data class.
        changes: name -> value, such as ``{"sizes": [{"events": 100, "seeds": 2}], "patience": 5}``.

    Raises:
        ConfigError: for a name that a study, or a record in one of its lists, does not have.
    """
    content = vars(study)
    command.check_names(changes, content)
    values = {}
    for name, value in changes.items():
        kinds = {type(item) for item in content[name]} if isinstance(content[name], list) else set()
        kind = kinds.pop() if len(kinds) == 1 else None
        values[name] = [_made(kind, item, name) for item in value] if dataclasses.is_dataclass(kind) else value
    return dataclasses.replace(study, **values)  # type: ignore[type-var]


def _made(kind: Any, entries: Any, name: str) -> Any:
    fields = dataclasses.fields(kind)
    if not isinstance(entries, Mapping):
        raise ConfigError(f"--study: {name} is a list of {{{', '.join(f.name for f in fields)}}}, found {entries!r}")
    command.check_names(entries, [f.name for f in fields])
    missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in entries]
    if missing:
        raise ConfigError(f"--study: an entry of {name} lacks {missing[0]!r}: {dict(entries)}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in entries.items()})


def place_of(preset: str, options: Namespace) -> Place:
    """The place that the options name; every training has one thread.

    One worker too: two studies on two cores, each with a thread per core, wait for one another in every operation
    and were measured ten times slower.
    """
    folders = (Path(options.samples), Path(options.cache), Path(options.output))
    return Place(preset, *folders, threads=1)


def _copy_shipped(jobs: Sequence[Pretraining]) -> None:
    """Networks that come with the package and were trained exactly so need no training here."""
    for folder in shipped_models().values():
        name = json.loads((folder / "config.json").read_text(encoding="utf-8"))["metadata"].get("name")
        for job in jobs:
            if job.name == name and not job.folder.is_dir():
                print(f"{name} comes with the package, trained elsewhere: {folder} (--retrain trains it here)")
                shutil.copytree(folder, job.folder)


def pretrain_stage(
    jobs: Sequence[Pretraining], options: Namespace, retrain: bool = True
) -> list[dict[str, Any]]:  # fmt: skip
    """Pretrain what is missing where the stage asks for it; the records of the networks that are there then.

    Args:
        jobs: all pretrainings.
        options: of the command line.
        retrain: train networks that come with the package too, in place of taking them.

    Raises:
        ConfigError: when a network is not there.
    """
    if not retrain:
        _copy_shipped(jobs)
    records = Records(Path(options.records).with_name("pretraining.jsonl"))
    if options.stage in ("pretrain", "all"):
        pretrain_missing(jobs, records, options.workers, command.note())
    return pretrained(jobs, records)


def finetune_stage(runs: Sequence[Run], options: Namespace, stage: str = "finetune") -> Records:
    """Train what has no record where the stage (or ``all``) is asked for; the records of exactly these runs."""
    records = Records(options.records)
    if options.stage in (stage, "all"):
        finish(runs, records, options.workers, command.note())
    records.keep(run.key for run in runs)
    return records


def recorded(options: Namespace, *tasks: str) -> Records:
    """All records of some tasks in ``--records``, whatever plans they are of.

    Raises:
        ConfigError: when records of one method are of different code, and so no seeds of one thing.
    """
    records = Records(options.records)
    mine = [record for record in records.records if record["task"] in tasks]
    code: dict[tuple[str, str], str] = {}
    for record in mine:
        of = record["task"], label(record)
        if code.setdefault(of, record["code"]) != record["code"]:
            raise ConfigError(f"{options.records} has records of {' '.join(of)} by different code: keep one of them")
    records.keep(record["key"] for record in mine)
    return records


def write_report(report: dict[str, Any], options: Namespace) -> None:
    """Write ``results.json``, and where it is of everything the summary that others read."""
    report = {**report, **command.note(), "options": json.loads(json.dumps(vars(options), default=str))}
    command.write_results(Path(options.output), report)
    if options.stage in ("all", "recorded"):
        Path(options.summary).parent.mkdir(parents=True, exist_ok=True)
        Path(options.summary).write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")

"""What every simulation does before and around its chunks: checks of arguments, workers, and a bar of progress."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from pyg_hep.errors import ConfigError, PygHepError
from pyg_hep.workers import in_order, run_in_processes

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


def check_arguments(output: Path, **integers: tuple[Any, int]) -> None:
    """Refuse what no simulation can do.

    Args:
        output: the file to write.
        integers: name -> value, None for one that is left open, and the least that it may be.

    Raises:
        ConfigError: for a value that is no integer or below the least, or a folder in place of the file.
        PygHepError: if a package is missing.
    """
    for package in ("pythia8mc", "fastjet"):
        if importlib.util.find_spec(package) is None:
            raise PygHepError(f"simulation needs the package {package}: pip install pyg_hep[simulation]")
    for name, (value, least) in integers.items():
        if value is not None and (not isinstance(value, int | np.integer) or value < least):
            raise ConfigError(f"{name} must be an integer of at least {least}, not {value!r}")
    if output.is_dir():
        raise ConfigError(f"output must be a file, and {output} is a folder")


def run_chunks(
    make: Callable[..., Result], chunks: Sequence[Chunk], sizes: Sequence[int], workers: int, bar: tqdm
) -> Iterator[Result]:  # fmt: skip
    """Results of chunks in their order: made in this process, or by workers where both are more than one.

    Args:
        make: called with a chunk; in this process also with what to call with every number of events made.
        chunks: what is made.
        sizes: events of each chunk, by which the bar grows when a worker has made it.
        workers: processes.
        bar: of progress.
    """
    if min(workers, len(chunks)) == 1:
        return (make(chunk, bar.update) for chunk in chunks)
    return in_order(_counted(run_in_processes(make, chunks, workers), sizes, bar))


def _counted(results: Iterator[tuple[int, Result]], sizes: Sequence[int], bar: tqdm) -> Iterator[tuple[int, Result]]:
    for position, result in results:
        bar.update(sizes[position])
        yield position, result

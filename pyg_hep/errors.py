"""The one family of exceptions the library raises for bad input; scripts turn them into one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PygHepError(Exception):
    """Bad input, described in one sentence: what was found, where, and what to do."""


class ConfigError(PygHepError, ValueError):
    """A configuration or dataset card holds an unknown key or a value that cannot be used."""


class ReaderError(PygHepError, ValueError):
    """An input file cannot be read, or its content cannot be an event; names file, entries and column."""


class DownloadError(PygHepError, OSError):
    """A file cannot be fetched or is not what its archive says; names the file, its address and what to do."""


class TrainingError(PygHepError, ArithmeticError):
    """A training cannot go on: its loss is not finite; names the step and the events, and what was kept."""


class OutputError(PygHepError, OSError):
    """A file or folder cannot be written (full, read-only, not there); names it."""


class ExportError(PygHepError, RuntimeError):
    """A model cannot be written in another format, or the file does not say what the model says; names what differs."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the valid name closest to ``name``, else the list of valid names."""
    names = sorted(str(v) for v in valid)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "valid: " + ", ".join(names)

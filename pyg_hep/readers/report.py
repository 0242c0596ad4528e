"""What reading a set of files did: counts per cut, dropped events, and what was skipped where."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TAGGING = "b-tagging: "
"""Start of the note on the discriminant that is used."""
SKIPPED_FILE = "skipped: "
"""Start of the note on a file that is not read at all, which has a message of its own."""
WEIGHTS = "weights: "
"""Start of the note on the weight that is used."""
_COUNTS = (
    "entries",
    "sum_of_weights",
    "invalid_weights",
    "selected_weights",
    "clipped_masses",
    "negative_weights",
    "unlabelled",
    "duplicates",
    "selected",
)


@dataclass
class ReadReport:
    """Counts gathered while files are read; reports of chunks add up.

    Attributes:
        entries: events read.
        sum_of_weights: of all events read.
        invalid_weights: sum of weights of the events with an impossible value in the file: no yield counts them.
        selected_weights: sum of weights of all events that are selected, with those that are left out afterwards
            because their weight is negative or because they were there before.
        invalid: events dropped because a value is NaN, infinite or impossible, per column at fault.
        clipped_masses: objects whose slightly negative mass was set to 0.
        negative_weights: events dropped for their negative weight.
        unlabelled: events dropped because no class of the card holds them.
        duplicates: events whose run, luminosity block and event number were there before.
        objects: object -> number of objects read, and left after each of its cuts.
        cutflow: events left after each line of the card's selection, in order.
        selected: events kept.
        notes: what a file lacked and what was done instead -> the files.
    """

    entries: int = 0
    sum_of_weights: float = 0.0
    invalid_weights: float = 0.0
    selected_weights: float = 0.0
    invalid: Counter[str] = field(default_factory=Counter)
    clipped_masses: int = 0
    negative_weights: int = 0
    unlabelled: int = 0
    duplicates: int = 0
    objects: dict[str, Counter[str]] = field(default_factory=dict)
    cutflow: Counter[str] = field(default_factory=Counter)
    selected: int = 0
    notes: dict[str, list[str]] = field(default_factory=dict)

    def note(self, message: str, path: str) -> None:
        """Remember that ``message`` holds for ``path``."""
        files = self.notes.setdefault(message, [])
        if path not in files:
            files.append(path)

    def object_cutflow(self, name: str) -> Counter[str]:
        """Counts of one object of the card, cut by cut."""
        return self.objects.setdefault(name, Counter())

    def add(self, other: ReadReport) -> None:
        """Add the counts of another report to this one."""
        self.invalid.update(other.invalid)
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, counts in other.objects.items():
            self.object_cutflow(name).update(counts)
        self.cutflow.update(other.cutflow)
        for message, files in other.notes.items():
            for path in files:
                self.note(message, path)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReadReport:
        """The report that :meth:`as_dict` wrote."""
        return cls(
            invalid=Counter(content["invalid"]),
            objects={name: Counter(counts) for name, counts in content["objects"].items()},
            cutflow=Counter(content["cutflow"]),
            notes={message: list(files) for message, files in content["notes"].items()},
            **{name: content[name] for name in _COUNTS},
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content, kept in a data set's manifest."""
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "invalid": dict(self.invalid),
            "objects": {name: dict(counts) for name, counts in self.objects.items()},
            "cutflow": dict(self.cutflow),
            "notes": self.notes,
        }

    def lines(self) -> list[str]:
        """Readable summary, one statement a line."""
        result = [f"{self.entries} events read, {self.selected} selected"]
        if self.clipped_masses:
            result.append(f"{self.clipped_masses} slightly negative masses set to 0")
        result += self._dropped()
        result += [f"{count} events after {cut}" for cut, count in self.cutflow.items()]
        return result + [_with_files(message, files) for message, files in self.notes.items()]

    def left_out(self) -> list[str]:
        """What is not in the events although card and files could make one expect it, one statement a line.

        Cuts that were applied, discriminants and weights that are used, and files that were skipped as asked are no
        part of it.
        """
        expected = (TAGGING, SKIPPED_FILE, WEIGHTS)
        notes = [_with_files(note, files) for note, files in self.notes.items() if not note.startswith(expected)]
        return self._dropped() + notes

    def _dropped(self) -> list[str]:
        """Events that were dropped or repeated, with their numbers."""
        result = []
        if dropped := sum(self.invalid.values()):
            columns = ", ".join(f"{name}: {count}" for name, count in sorted(self.invalid.items()))
            result.append(f"{dropped} events dropped for NaN, infinite or impossible values ({columns})")
        for count, what in (
            (self.negative_weights, "events dropped for their negative weight"),
            (self.unlabelled, "events dropped because no class of the card holds them"),
            (self.duplicates, "events whose run, luminosity block and event number were there before"),
        ):
            if count:
                result.append(f"{count} {what}")
        return result


def say_left_out(report: ReadReport, name: str) -> None:
    """Print on standard error what was left out or repeated, if anything; never where ``PYG_HEP_QUIET`` is set."""
    lines = report.left_out()
    if not lines or os.environ.get("PYG_HEP_QUIET"):
        return
    total = f"{report.entries} events read, {report.selected} selected"
    print(f"{name}: {total}; left out or repeated:", *(f"  {line}" for line in lines), sep="\n", file=sys.stderr)


def _with_files(message: str, files: list[str]) -> str:
    where = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    return f"{message} ({where})"

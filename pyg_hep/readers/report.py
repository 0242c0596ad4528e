"""What reading a set of files did: counts per cut, dropped events, and what was skipped where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ReadReport:
    """Counts gathered while files are read; reports of chunks add up.

    Attributes:
        entries: events read.
        invalid: events dropped because a value is NaN, infinite or impossible, per column at fault.
        clipped_masses: objects whose slightly negative mass was set to 0.
        cutflow: events left after each line of the card's selection, in order.
        selected: events kept.
        notes: what a file lacked and what was done instead -> the files.
    """

    entries: int = 0
    invalid: Counter[str] = field(default_factory=Counter)
    clipped_masses: int = 0
    cutflow: Counter[str] = field(default_factory=Counter)
    selected: int = 0
    notes: dict[str, list[str]] = field(default_factory=dict)

    def note(self, message: str, path: str) -> None:
        """Remember that ``message`` holds for ``path``."""
        files = self.notes.setdefault(message, [])
        if path not in files:
            files.append(path)

    def add(self, other: ReadReport) -> None:
        """Add the counts of another report to this one."""
        self.entries += other.entries
        self.invalid.update(other.invalid)
        self.clipped_masses += other.clipped_masses
        self.cutflow.update(other.cutflow)
        self.selected += other.selected
        for message, files in other.notes.items():
            for path in files:
                self.note(message, path)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReadReport:
        """The report that :meth:`as_dict` wrote."""
        return cls(
            entries=content["entries"],
            invalid=Counter(content["invalid"]),
            clipped_masses=content["clipped_masses"],
            cutflow=Counter(content["cutflow"]),
            selected=content["selected"],
            notes=dict(content["notes"]),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content, kept in a data set's manifest."""
        return {
            "entries": self.entries,
            "invalid": dict(self.invalid),
            "clipped_masses": self.clipped_masses,
            "cutflow": dict(self.cutflow),
            "selected": self.selected,
            "notes": self.notes,
        }

    def lines(self) -> list[str]:
        """Readable summary, one statement a line."""
        result = [f"{self.entries} events read, {self.selected} selected"]
        if dropped := sum(self.invalid.values()):
            columns = ", ".join(f"{name}: {count}" for name, count in sorted(self.invalid.items()))
            result.append(f"{dropped} events dropped for NaN, infinite or impossible values ({columns})")
        if self.clipped_masses:
            result.append(f"{self.clipped_masses} slightly negative masses set to 0")
        result += [f"{count} events after {cut}" for cut, count in self.cutflow.items()]
        for message, files in self.notes.items():
            where = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
            result.append(f"{message} ({where})")
        return result

"""What a conversion has done so far, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyg_hep.readers import ReadReport

_JOURNAL = "journal.jsonl"


@dataclass
class FileProgress:
    """What one input file has contributed.

    Attributes:
        chunks: chunks that were written.
        skipped: why the file was left out, if it was.
        events: events written.
        weight: sum of their weights.
        largest_label: largest label among them, -1 without any.
        report: what was read and dropped.
    """

    chunks: int = 0
    skipped: str | None = None
    events: int = 0
    weight: float = 0.0
    largest_label: int = -1
    report: ReadReport = field(default_factory=ReadReport)


class Journal:
    """One line per written chunk, in a folder that also holds the columns.

    Args:
        folder: the unfinished storage; made when it is not there.
        task: what is being converted; a journal of another task is thrown away with its folder.

    Attributes:
        files: position of an input file -> its progress.
        num_events: events in the columns.
        num_nodes: nodes in the columns.
    """

    def __init__(self, folder: Path, task: dict[str, Any]):
        self.files: dict[int, FileProgress] = {}
        self.num_events = self.num_nodes = 0
        path = folder / _JOURNAL
        lines = _lines(path)
        self.resumed = len(lines) > 1 and lines[0] == task
        if not self.resumed:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            lines = [task]
        # What a killed process left of its last line goes.
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        self._file = path.open("a", encoding="utf-8")
        for line in lines[1:]:
            self._apply(line)

    def of(self, position: int) -> FileProgress:
        """Progress of one input file."""
        return self.files.setdefault(position, FileProgress())

    def write_chunk(
        self, position: int, num_events: int, num_nodes: int, weight: float, largest_label: int, report: ReadReport
    ) -> None:
        """The next chunk of a file is in the columns, which now have ``num_events`` and ``num_nodes``."""
        self._write(
            {
                "file": position,
                "num_events": num_events,
                "num_nodes": num_nodes,
                "weight": weight,
                "largest_label": largest_label,
                "report": report.as_dict(),
            }
        )

    def write_skipped(self, position: int, num_events: int, num_nodes: int, reason: str) -> None:
        """A file was left out, its chunks were taken out of the columns."""
        self._write({"file": position, "num_events": num_events, "num_nodes": num_nodes, "skipped": reason})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        self._apply(line)

    def _apply(self, line: dict[str, Any]) -> None:
        if "skipped" in line:
            self.files[line["file"]] = FileProgress(skipped=line["skipped"])
        else:
            progress = self.of(line["file"])
            progress.chunks += 1
            progress.events += line["num_events"] - self.num_events
            progress.weight += line["weight"]
            progress.largest_label = max(progress.largest_label, line["largest_label"])
            progress.report.add(ReadReport.from_dict(line["report"]))
        self.num_events, self.num_nodes = line["num_events"], line["num_nodes"]

    def close(self, remove: bool = False) -> None:
        """Close the journal; ``remove`` deletes it, as the storage is complete."""
        self._file.close()
        if remove:
            Path(self._file.name).unlink()


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    result = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            result.append(json.loads(line))
        except ValueError:
            break
    return result

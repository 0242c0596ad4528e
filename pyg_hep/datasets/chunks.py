"""The chunks of all files in order, read in this process or ahead of time on an executor."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack

from pyg_hep.datasets.fingerprint import SourceFile
from pyg_hep.errors import PygHepError
from pyg_hep.readers import Card, FileReader
from pyg_hep.readers.survey import Chunk, read_chunk

# Chunks handed to an executor beyond the one being written: enough to keep it busy, few enough for the memory.
_IN_FLIGHT = 8


class Chunks:
    """Iterates over (position of the file, chunk or the error that reading it ended in).

    Args:
        files: the inputs.
        card: how to read them.
        tasks: position of a file, first and last entry of a chunk, in order.
        executor: where chunks are read; None reads them in this process.
        ready: position of a file -> its only chunk, where it has been read before.
    """

    def __init__(
        self,
        files: list[SourceFile],
        card: Card,
        tasks: list[tuple[int, int, int]],
        executor: Executor | None,
        ready: Mapping[int, Chunk] | None = None,
    ):
        self.files, self.card, self.executor = files, card, executor
        self.ready = dict(ready or {})
        self.tasks = deque(tasks)
        self.waiting: deque[tuple[int, Future[Chunk]]] = deque()

    def drop(self, position: int) -> None:
        """Nothing more of a file."""
        self.tasks = deque(task for task in self.tasks if task[0] != position)
        for waiting in [w for w in self.waiting if w[0] == position]:
            waiting[1].cancel()
            self.waiting.remove(waiting)

    def __iter__(self) -> Iterator[tuple[int, Chunk | PygHepError]]:
        if self.executor is None:
            yield from self._read_here()
            return
        try:
            while self.tasks or self.waiting:
                while self.tasks and len(self.waiting) <= _IN_FLIGHT:
                    position, start, stop = self.tasks.popleft()
                    future: Future[Chunk]
                    if position in self.ready:
                        future = Future()
                        future.set_result(self.ready.pop(position))
                    else:
                        source = self.files[position]
                        future = self.executor.submit(read_chunk, source.path, source.label, self.card, start, stop)
                    self.waiting.append((position, future))
                position, future = self.waiting.popleft()
                try:
                    result: Chunk | PygHepError = future.result()
                except PygHepError as error:
                    result = error
                yield position, result
        finally:
            for _, future in self.waiting:
                future.cancel()

    def _read_here(self) -> Iterator[tuple[int, Chunk | PygHepError]]:
        """One open file at a time."""
        with ExitStack() as stack:
            opened, reader = -1, None
            while self.tasks:
                position, start, stop = self.tasks.popleft()
                result: Chunk | PygHepError
                if position in self.ready:
                    yield position, self.ready.pop(position)
                    continue
                try:
                    if reader is None or position != opened:
                        stack.close()
                        source = self.files[position]
                        reader = stack.enter_context(FileReader(source.path, self.card, source.label))
                        opened = position
                    result = reader.read(start, stop)
                except PygHepError as error:
                    result = error
                yield position, result

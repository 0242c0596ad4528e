"""Where the columns of whole events are in one particular file, for every expression of a card that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyg_hep.errors import ConfigError, ReaderError, nearest
from pyg_hep.readers.card import Card
from pyg_hep.readers.columns import FileColumn
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.object_plan import first_column
from pyg_hep.readers.source import Source

EventColumn = FileColumn | Expression
"""How a name in an expression over events is had: read from the file, or worked out from others."""


def counted_names(card: Card) -> frozenset[str]:
    """Names in event expressions that are counts of objects."""
    return frozenset({f"n_{name}" for name in (*card.objects, *card.truth)} | {"n_objects", "n_btag"})


class EventPlanner:
    """Settles the names of event expressions.

    Args:
        source: the file.
        card: the card.

    Attributes:
        columns: name -> how it is had, each after those it needs; they need no objects.
        late: the same for columns that are worked out from selected objects.
        of_objects: object -> columns of it that expressions read, as ``jet.pt``.
    """

    def __init__(self, source: Source, card: Card):
        self.source, self.card = source, card
        self.counted = counted_names(card)
        self.columns: dict[str, EventColumn] = {}
        self.late: dict[str, Expression] = {}
        self.of_objects: dict[str, set[str]] = {}

    def add(self, key: str, names: Iterable[str]) -> None:
        """Settle the names that the expression under ``key`` of the card reads.

        Raises:
            ReaderError: for a name that is neither in the file nor in the card; names the key and the nearest.
        """
        for name in sorted(names):
            if not self._settled(name, ()):
                raise self._unknown(key, name)

    def weight(self) -> EventColumn | None:
        """Where weights are: the first of the card's choices that the file allows; None where it has none of them.

        Raises:
            ReaderError: for an expression of which the file has a part, and for one of objects.
        """
        texts = self.card.weight.value
        for text in texts:
            column = self._located(text, ("weight",))
            if isinstance(column, Expression) and self._needs_objects(column.names):
                raise ReaderError(
                    f"{self.source.path}: the key 'weight.value' of {self.card.source} reads objects in {text!r}, but "
                    "weights are those of all events, before any selection"
                )
            if column is not None:
                return column
        for text in texts:
            names = self._parts(text)
            missing = [name for name in names if self._located(name, ("weight",)) is None and name != text]
            if 0 < len(missing) < len(names):
                raise self._unknown("weight.value", missing[0], f" in {text!r}")
        return None

    def _needs_objects(self, names: Iterable[str]) -> bool:
        return any(n in self.late or n in self.counted or self._object(n) is not None for n in names)

    def _object(self, name: str) -> tuple[str, str] | None:
        """Object and column of ``jet.pt``; of ``jet`` alone, one that every object has."""
        head, _, column = name.partition(".")
        if head not in self.card.objects and head not in self.card.truth:
            return None
        return head, column or "pt"

    def _settled(self, name: str, waiting: tuple[str, ...]) -> bool:
        """Whether ``name`` can be had; what it needs is settled on the way."""
        if name in self.counted or name in self.columns or name in self.late:
            return True
        if name in waiting:
            raise ReaderError(
                f"{self.source.path}: the columns of {self.card.source} go in a circle: {' -> '.join((*waiting, name))}"
            )
        if name in self.card.columns:
            located = (self._located(text, (*waiting, name)) for text in self.card.columns[name])
            column = next((column for column in located if column is not None), None)
            if column is None:
                return False
            if isinstance(column, Expression) and self._needs_objects(column.names):
                self.late[name] = column
            else:
                self.columns[name] = column
            return True
        part = self._object(name)
        if part is not None and name not in self.source.branches:
            self.of_objects.setdefault(part[0], set()).add(part[1])
            return True
        column = first_column((name,), self.source)
        if column is not None:
            self.columns[name] = column
        return column is not None

    def _located(self, text: str, waiting: tuple[str, ...]) -> EventColumn | None:
        """A column of the file, else an expression all of whose names can be had."""
        column = self._file_column(text)
        if column is not None:
            return column
        expression = self._expression(text)
        if expression is None:
            return None
        before = (dict(self.columns), dict(self.late), {name: set(names) for name, names in self.of_objects.items()})
        if all(self._settled(name, waiting) for name in sorted(expression.names)):
            return expression
        # What the half of it that is there would need is not read.
        self.columns, self.late, self.of_objects = before
        return None

    def _file_column(self, text: str) -> FileColumn | None:
        try:
            return first_column((text,), self.source)
        except ConfigError:
            return None  # more than one position: an expression

    def _expression(self, text: str) -> Expression | None:
        try:
            return Expression(text, self.card.tables)
        except ConfigError:
            return None  # a name that only files have, such as df/block0_values

    def _parts(self, text: str) -> list[str]:
        expression = self._expression(text)
        return [text] if expression is None else sorted(expression.names)

    def _unknown(self, key: str, name: str, context: str = "") -> ReaderError:
        known = sorted({*self.counted, *self.card.columns})
        texts = self.card.columns.get(name, (name,))
        missing = [part for text in texts for part in self._parts(text)]
        hint = nearest(missing[0] if missing else name, {*self.source.branches, *known})
        return ReaderError(
            f"{self.source.path}: the key '{key}' of {self.card.source} reads {name!r}{context}, which is neither a "
            f"branch of the file as {' or '.join(texts)!r} ({hint:.300}) nor a count or column of the card "
            f"({', '.join(known)})"
        )


def names_read(card: Card) -> list[tuple[str, frozenset[str]]]:
    """Keys of the card with the names of event columns that their expressions read."""
    label = card.label
    read: list[tuple[str, Expression]] = [("selection", e) for e in card.selection]
    read += [(f"keep.{name}", e) for name, e in card.keep.items()]
    if label is not None:
        read += [("label", label.value)] if label.value else []
        for part in ("classes", "multilabel", "regression"):
            read += [(f"label.{part}.{name}", e) for name, e in getattr(label, part).items()]
    result = [(key, expression.names) for key, expression in read]
    return result + [(key, names) for key, names in names_of_objects(card)]


def names_of_objects(card: Card) -> list[tuple[str, frozenset[str]]]:
    """Keys of object definitions with the event columns that they read; any other name is the collection's."""
    result = []
    columns: Mapping[str, object] = card.columns
    for section in ("objects", "truth"):
        for name, definition in getattr(card, section).items():
            for part in ("define", "keep"):
                for column, expression in getattr(definition, part).items():
                    result.append((f"{section}.{name}.{part}.{column}", expression.names & set(columns)))
    return result

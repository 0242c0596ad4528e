"""How the objects of one definition are found in one particular file."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pyg_hep.errors import ReaderError, nearest
from pyg_hep.readers.card import CARTESIAN, KINEMATICS, MOMENTUM_SETS, MOTHER, BTag, Card, KindColumn, ObjectDefinition
from pyg_hep.readers.columns import FileColumn, per_object
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.formats import Format
from pyg_hep.readers.report import TAGGING, ReadReport
from pyg_hep.readers.source import Source
from pyg_hep.schema import ObjectType

# Entries looked at to tell a discriminant that is stored but was never filled.
_PROBE = 2000
# Columns that every object has after reading, whatever the file holds.
_MADE_HERE = frozenset((*KINEMATICS, "btag"))


@dataclass(frozen=True)
class ObjectPlan:
    """An object definition settled for one file.

    Attributes:
        columns: column -> where it is, for the momentum and every column a cut, definition or b-tag reads.
        momentum: those of the columns that the four-momentum is made of.
        cuts: the expressions that are applied.
        btag: the discriminant that is used, if any.
        counter: branch with the number of objects, where the file has one.
        only_kept: columns that nothing but ``keep`` reads: they may hold several values per object, and NaN where the
            expression deals with it.
    """

    definition: ObjectDefinition
    columns: Mapping[str, FileColumn]
    cuts: tuple[Expression, ...]
    btag: BTag | None
    momentum: tuple[str, ...] = ()
    counter: str | None = None
    only_kept: frozenset[str] = frozenset()


def first_column(candidates: Iterable[str], source: Source) -> FileColumn | None:
    """The first of several columns of which the file has all."""
    for text in candidates:
        column = FileColumn(text)
        if all(name in source.branches for name in column.names):
            return column
    return None


class ObjectPlanner:
    """Settles one object definition.

    Args:
        source: the file.
        card: the card.
        style: how the file's format names columns.
        key: of the definition in the card.
        definition: what is settled.
        report: what is skipped goes here.
        of_events: columns of the objects that expressions over events read.

    Attributes:
        skipped_cuts: optional cuts that the file has no columns for.
    """

    def __init__(
        self,
        source: Source,
        card: Card,
        style: Format,
        key: str,
        definition: ObjectDefinition,
        report: ReadReport,
        of_events: Collection[str] = (),
    ):
        self.source, self.card, self.style, self.key = source, card, style, key
        self.definition, self.report, self.of_events = definition, report, of_events
        self.pattern = ""
        self.skipped_cuts: list[str] = []

    def fail(self, problem: str, key: str) -> ReaderError:
        """The error to raise, which names a key of the definition."""
        return ReaderError(f"{self.source.path}: {problem}: change the key '{self.key}.{key}' of {self.card.source}")

    def texts(self, column: str, pattern: str | None = None) -> list[str]:
        """Names that ``column`` may have in the file; with a ``pattern``, those in that collection only."""
        other, pattern = pattern is None, self.pattern if pattern is None else pattern
        is_met = self.definition.kind is ObjectType.MET
        default = self.style.met_pt if column == "pt" and is_met else self.style.names.get(column, column)
        names = self.definition.columns.get(column, (default,))
        texts = [pattern.replace("{}", name) for name in names]
        if other and (column in self.definition.columns or column in {btag.column for btag in self.definition.btag}):
            # A full name is that of a column of another collection, with as many objects.
            texts += [name for name in names if name not in texts]
        return texts

    def where(self, column: str, pattern: str | None = None) -> FileColumn | None:
        """Where ``column`` is, if the file has it."""
        return first_column(self.texts(column, pattern), self.source)

    def has(self, column: str) -> bool:
        """Whether a column can be had: read, defined, made here or taken from the mother."""
        definition = self.definition
        if column in definition.define:
            return True
        if column.startswith(MOTHER) and definition.mother is not None:
            return self.has(column.removeprefix(MOTHER)) and self.has(definition.mother)
        return self.where(column) is not None

    def can_define(self, column: str) -> bool:
        """Whether all that a defined column is worked out from can be had."""
        names = self.definition.define[column].names - set(self.card.columns) - _MADE_HERE
        return all(name in self.definition.define or self.has(name) for name in names)

    def patterns(self) -> list[tuple[str, str]]:
        """Pairs of collection and pattern, in order of preference."""
        result = []
        for collection in self.definition.collection:
            patterns = (collection,) if "{}" in collection else self.style.patterns
            result += [(collection, pattern.replace("@", collection)) for pattern in patterns]
        return result

    def branches_of(self, column: str) -> str:
        """Names that a column may have in any of the collections."""
        return " or ".join(text for _, pattern in self.patterns() for text in self.texts(column, pattern))

    def nearest_collection(self) -> str:
        """The collection of the file whose name comes closest, of those with a part of a momentum."""
        wanted = self.definition.collection[0]
        if "{}" in wanted:
            return nearest(self.texts("pt", wanted)[0], self.source.branches)
        parts = {name for names in MOMENTUM_SETS for name in names}
        parts |= {self.style.names.get(name, name) for name in parts} | {self.style.met_pt}
        known = set()
        for head, _, tail in (
            pattern.replace("{}", part).partition("@") for pattern in self.style.patterns for part in sorted(parts)
        ):
            known |= {
                b[len(head) : len(b) - len(tail)] for b in self.source.branches if re.match(_between(head, tail), b)
            }
        return nearest(wanted, known or self.source.branches)

    def names(self) -> set[str]:
        """Names that an expression can use."""
        head, _, tail = self.pattern.partition("{}")
        columns = {b[len(head) : len(b) - len(tail)] for b in self.source.branches if re.match(_between(head, tail), b)}
        return columns | {*self.definition.define, *self.definition.columns, *_MADE_HERE}

    def plan(self) -> ObjectPlan | None:
        """What is read for the objects; None where an optional collection is not there."""
        definition = self.definition
        defined = set(definition.define)
        # A collection is there when any part of a momentum is, or what a momentum is defined from.
        telling = {c for names in MOMENTUM_SETS for c in names if c not in defined}
        telling |= {n for e in definition.define.values() for n in e.names}
        collection = ""
        for name, pattern in self.patterns():
            if any(self.where(column, pattern) for column in telling):
                collection, self.pattern = name, pattern
                break
        if not collection:
            if definition.optional:
                return None
            name = self.key.partition(".")[2]
            raise ReaderError(
                f"{self.source.path}: no branch {self.branches_of('pt')} for the required object {name!r}: change the "
                f"key '{self.key}.collection' of {self.card.source} ({self.nearest_collection():.300}), or set "
                f"'{self.key}.optional: true'"
            )
        columns = self.momentum()
        momentum = tuple(name for name in columns if name != "charge")
        cuts = self.cuts()
        btag = self.btag()
        kept = self.kept()
        needed = {name for cut in cuts for name in cut.names}
        needed |= set(definition.present.names) if definition.present else set()
        needed |= {btag.column} if btag else set()
        needed |= {definition.kind.column} if isinstance(definition.kind, KindColumn) else set()
        needed |= {"pdg_id"} if self.card.keep_pdg_id else set()
        needed |= self.read_by_events()
        self.resolve(sorted(needed), columns, _MADE_HERE | {"pdg_id"})
        read = {*columns, definition.mother}
        self.resolve(sorted(kept), columns, _MADE_HERE)
        counter = None
        if self.style.counter is not None and "{}" not in collection:
            branch = self.style.counter.replace("@", collection)
            counter = branch if branch in self.source.branches else None
        only_kept = frozenset(set(columns) - read)
        return ObjectPlan(definition, columns, tuple(cuts), btag, momentum, counter, only_kept)

    def momentum(self) -> dict[str, FileColumn]:
        """Columns of the four-momentum: pt, eta, phi or px, py, pz; mass or energy; charge."""
        definition = self.definition
        sets: tuple[tuple[str, ...], ...] = MOMENTUM_SETS
        if definition.kind is ObjectType.MET:
            sets = (("pt", "phi"), ("px", "py"))
        for names in sets:
            if all(self.has(name) for name in names):
                break
        else:
            names = max(sets, key=lambda names: sum(map(self.has, names)))
            missing = next(name for name in names if not self.has(name))
            wanted = " or ".join(self.texts(missing))
            raise self.fail(
                f"no branch {wanted!r}, needed for the object {self.key.partition('.')[2]!r} "
                f"({nearest(missing, self.names()):.300})",
                f"columns.{missing}",
            )
        optional = ["charge"]
        if definition.kind not in (ObjectType.MET, ObjectType.PHOTON):
            # The energy is the better known one where the momentum is Cartesian, the mass otherwise.
            choice = ("energy", "mass") if names == MOMENTUM_SETS[1] else ("mass", "energy")
            optional += [next((name for name in choice if self.has(name)), "mass")]
        wanted_names = [*names, *(name for name in optional if self.has(name))]
        columns: dict[str, FileColumn] = {}
        self.resolve(wanted_names, columns, frozenset())
        return columns

    def resolve(self, names: list[str], columns: dict[str, FileColumn], made: frozenset[str]) -> None:
        """Add to ``columns`` where ``names`` are, or what they are defined from; ``made`` need not be in the file."""
        definition, pending, seen = self.definition, list(names), set(columns)
        while pending:
            name = pending.pop(0)
            if name in seen:
                continue
            seen.add(name)
            if name in definition.define:
                pending += sorted(definition.define[name].names - set(self.card.columns))
            elif name.startswith(MOTHER) and definition.mother is not None:
                pending += [name.removeprefix(MOTHER), definition.mother]
            elif (column := self.where(name)) is not None:
                columns[name] = column
            elif name not in made:
                hint = nearest(name, self.names())
                wanted = " or ".join(self.texts(name))
                raise self.fail(f"no branch {wanted}, read by the object ({hint:.300})", f"columns.{name}")

    def cuts(self) -> list[Expression]:
        """The cuts that are applied."""
        result = []
        made = _MADE_HERE | set(CARTESIAN)
        for cut in self.definition.cuts:
            chosen = _first_possible(cut.alternatives, self.has, made)
            if chosen is None and cut.optional:
                self.skipped_cuts.append(f"{cut.text} ({self.key.partition('.')[2]})")
                continue
            expression = cut.alternatives[0] if chosen is None else chosen
            missing = sorted(name for name in expression.names if name not in made and not self.has(name))
            if missing:
                hint = "" if cut.optional else "; a cut that files may lack ends in '?'"
                raise self.missing(missing[0], f"the cut {expression.text!r}", "cuts", hint)
            result.append(expression)
        return result

    def kept(self) -> frozenset[str]:
        """Columns of the collection that kept columns read."""
        names: set[str] = set()
        for column, expression in self.definition.keep.items():
            own = expression.names - set(self.card.columns)
            for name in sorted(own - _MADE_HERE):
                if not self.has(name):
                    raise self.missing(name, f"the column {column!r}", f"keep.{column}", "")
            names |= own
        return frozenset(names)

    def read_by_events(self) -> set[str]:
        """Columns that expressions over events read of the objects."""
        object_name = self.key.partition(".")[2]
        for name in sorted(set(self.of_events) - _MADE_HERE):
            if not self.has(name):
                wanted = " or ".join(self.texts(name))
                raise ReaderError(
                    f"{self.source.path}: an expression of {self.card.source} reads '{object_name}.{name}', but there "
                    f"is no branch {wanted!r}, {nearest(name, self.names()):.300}"
                )
        return set(self.of_events)

    def missing(self, name: str, what: str, key: str, hint: str) -> ReaderError:
        """The error for a name that is no column of the collection."""
        wanted = " or ".join(self.texts(name))
        return self.fail(f"no branch {wanted!r} for {what}, {nearest(name, self.names()):.300}{hint}", key)

    def btag(self) -> BTag | None:
        """The first discriminant that is there and filled."""
        for btag in self.definition.btag:
            column = self.where(btag.column)
            if column is None and not (btag.column in self.definition.define and self.can_define(btag.column)):
                continue
            branch = btag.column if column is None else column.text
            if btag.above is not None and column is not None:
                probe = min(_PROBE, self.source.num_entries_of(column.names))
                scores, _ = per_object(
                    column.take(self.source.read(column.names, 0, probe), self.source.path),
                    f"{self.source.path}: column {branch!r}",
                )
                # CMS files of a time before a discriminant store it with one negative number for every jet.
                if len(scores) and not np.any(scores >= 0):
                    self.report.note(f"branch {branch} is not filled", self.source.path)
                    continue
            rule = f"> {btag.above}" if btag.above is not None else f"bit {btag.bit}"
            self.report.note(f"{TAGGING}{branch} {rule} ({btag.era})", self.source.path)
            return btag
        if self.definition.btag:
            wanted = ", ".join(self.texts(b.column)[0] for b in self.definition.btag)
            self.report.note(f"no b-tagging: none of {wanted} is there and filled", self.source.path)
        return None


def _between(head: str, tail: str) -> str:
    return f"{re.escape(head)}.+{re.escape(tail)}$"


def _first_possible(
    alternatives: tuple[Expression, ...], available: Callable[[str], bool], made: frozenset[str] | set[str]
) -> Expression | None:
    """First alternative whose columns all exist, else one that exists in part, else None."""
    partial = None
    for cut in alternatives:
        special = [c for c in cut.names if c not in made]
        present = [c for c in special if available(c)]
        if len(present) == len(special):
            return cut
        if present:
            partial = cut
    return partial

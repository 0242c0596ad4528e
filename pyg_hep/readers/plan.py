"""Which branches of one particular file fill which columns of a card: fallbacks are settled here, once a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pyg_hep.errors import ReaderError, nearest
from pyg_hep.readers.card import CARTESIAN, KINEMATICS, MOMENTUM_SETS, MOTHER, BTag, Card, ObjectDefinition
from pyg_hep.readers.columns import FileColumn, per_object
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.formats import FORMATS, Format
from pyg_hep.readers.report import ReadReport
from pyg_hep.readers.source import Source
from pyg_hep.schema import ObjectType

# Entries looked at to tell a discriminant that is stored but was never filled.
_PROBE = 2000
# Columns that every object has after reading, whatever the file holds.
_MADE_HERE = frozenset((*KINEMATICS, "btag", "pdg_id"))


@dataclass(frozen=True)
class ObjectPlan:
    """An object definition settled for one file.

    Attributes:
        columns: column -> where it is, for the momentum and every column a cut, definition or b-tag reads.
        momentum: those of the columns that the four-momentum is made of.
        cuts: the expressions that are applied.
        btag: the discriminant that is used, if any.
        counter: branch with the number of objects, where the file has one.
    """

    definition: ObjectDefinition
    columns: Mapping[str, FileColumn]
    cuts: tuple[Expression, ...]
    btag: BTag | None
    momentum: tuple[str, ...] = ()
    counter: str | None = None


@dataclass(frozen=True)
class FilePlan:
    """A card settled for one file.

    Attributes:
        objects: plans of the objects that become nodes.
        truth: plans of the objects that are counted only.
        identity: column -> branch; empty where the file lacks one of them.
        weight: where the weights are.
        columns: event columns that expressions read.
        branches: all that is read of the file.
    """

    objects: Mapping[str, ObjectPlan]
    truth: Mapping[str, ObjectPlan]
    identity: Mapping[str, str]
    weight: FileColumn | None
    columns: Mapping[str, FileColumn]
    branches: frozenset[str]


def counted_names(card: Card) -> frozenset[str]:
    """Names in event expressions that are counts of objects."""
    return frozenset({f"n_{name}" for name in (*card.objects, *card.truth)} | {"n_objects", "n_btag"})


def plan_file(source: Source, card: Card, report: ReadReport) -> FilePlan:
    """Settle ``card`` for the file behind ``source``; what is skipped goes into the report.

    Raises:
        ReaderError: when a required collection or branch is missing; names the card key to change.
    """
    style = FORMATS[card.reader]
    objects: dict[str, ObjectPlan] = {}
    truth: dict[str, ObjectPlan] = {}
    for section, plans in (("objects", objects), ("truth", truth)):
        for name, definition in getattr(card, section).items():
            plan = _ObjectPlanner(source, card, style, f"{section}.{name}", definition, report).plan()
            if plan is not None:
                plans[name] = plan
    identity = _identity(source, style.identity if card.identity is None else card.identity, report)
    weight = _first(card.weight.branch, source)
    if weight is None and card.weight.branch:
        wanted = " or ".join(card.weight.branch)
        if card.weight.required:
            raise ReaderError(f"{source.path}: no branch {wanted}: change the key 'weight.branch' of {card.source}")
        report.note(f"no branch {wanted}: every event has weight 1", source.path)
    columns = _event_columns(source, card)
    files = [*columns.values(), *([weight] if weight else [])]
    files += [column for plan in (*objects.values(), *truth.values()) for column in plan.columns.values()]
    branches = {name for column in files for name in column.names} | set(identity.values())
    branches |= {plan.counter for plan in (*objects.values(), *truth.values()) if plan.counter}
    return FilePlan(objects, truth, identity, weight, columns, frozenset(branches))


def _first(candidates: Iterable[str], source: Source) -> FileColumn | None:
    """The first of several columns of which the file has all."""
    for text in candidates:
        column = FileColumn(text)
        if all(name in source.branches for name in column.names):
            return column
    return None


def _identity(source: Source, wanted: Mapping[str, str], report: ReadReport) -> dict[str, str]:
    missing = sorted(branch for branch in wanted.values() if branch not in source.branches)
    if missing:
        report.note(f"no branch {', '.join(missing)}: events are numbered by their entry", source.path)
        return {}
    return dict(wanted)


def _event_columns(source: Source, card: Card) -> dict[str, FileColumn]:
    """Columns that the card's expressions over whole events read."""
    label = card.label
    read: list[tuple[str, Expression]] = [("selection", e) for e in card.selection]
    read += [(f"keep.{name}", e) for name, e in card.keep.items()]
    if label is not None:
        read += [("label", label.value)] if label.value else []
        read += [(f"label.classes.{name}", e) for name, e in label.classes.items()]
        read += [(f"label.multilabel.{name}", e) for name, e in label.multilabel.items()]
    for name, definition in (*card.objects.items(), *card.truth.items()):
        read += [(f"objects.{name}.define", e) for e in definition.define.values()]
    counted = counted_names(card)
    columns: dict[str, FileColumn] = {}
    for key, expression in read:
        for name in sorted(expression.names - counted - set(columns)):
            if key.endswith(".define") and name not in card.columns:
                continue  # a column of the collection
            column = _first(card.columns.get(name, (name,)), source)
            if column is None:
                known = sorted({*counted, *card.columns})
                wanted = " or ".join(card.columns.get(name, (name,)))
                raise ReaderError(
                    f"{source.path}: the key '{key}' of {card.source} reads {name!r}, which is neither a branch of the "
                    f"file as {wanted!r} ({nearest(wanted, source.branches):.300}) nor a count or column of the "
                    f"card ({', '.join(known)})"
                )
            columns[name] = column
    return columns


class _ObjectPlanner:
    """Settles one object definition."""

    def __init__(
        self, source: Source, card: Card, style: Format, key: str, definition: ObjectDefinition, report: ReadReport
    ):
        self.source, self.card, self.style, self.key = source, card, style, key
        self.definition, self.report = definition, report
        self.pattern = ""

    def fail(self, problem: str, key: str) -> ReaderError:
        return ReaderError(f"{self.source.path}: {problem}: change the key '{self.key}.{key}' of {self.card.source}")

    def texts(self, column: str, pattern: str | None = None) -> list[str]:
        """Names that ``column`` may have in the file."""
        pattern = self.pattern if pattern is None else pattern
        is_met = self.definition.kind is ObjectType.MET
        default = self.style.met_pt if column == "pt" and is_met else self.style.names.get(column, column)
        return [pattern.replace("{}", name) for name in self.definition.columns.get(column, (default,))]

    def where(self, column: str, pattern: str | None = None) -> FileColumn | None:
        return _first(self.texts(column, pattern), self.source)

    def has(self, column: str) -> bool:
        """Whether a column can be had: read, defined, made here or taken from the mother."""
        definition = self.definition
        if column in definition.define:
            return True
        if column.startswith(MOTHER) and definition.mother is not None:
            return self.has(column.removeprefix(MOTHER)) and self.has(definition.mother)
        return self.where(column) is not None

    def patterns(self) -> list[tuple[str, str]]:
        """Pairs of collection and pattern, in order of preference."""
        result = []
        for collection in self.definition.collection:
            patterns = (collection,) if "{}" in collection else self.style.patterns
            result += [(collection, pattern.replace("@", collection)) for pattern in patterns]
        return result

    def plan(self) -> ObjectPlan | None:
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
            name = self.key.partition(".")[2]
            wanted = " or ".join(text for _, pattern in self.patterns() for text in self.texts("pt", pattern))
            if definition.optional:
                message = f"no branch {wanted}: events are read without the object {name!r}"
                self.report.note(message, self.source.path)
                return None
            raise ReaderError(
                f"{self.source.path}: no branch {wanted} for the required object {name!r}: change the key "
                f"'{self.key}.collection' of {self.card.source}, or set '{self.key}.optional: true'"
            )
        columns = self.momentum()
        momentum = tuple(name for name in columns if name != "charge")
        cuts = self.cuts(collection)
        btag = self.btag(collection)
        needed = {name for cut in cuts for name in cut.names}
        needed |= set(definition.present.names) if definition.present else set()
        needed |= {btag.column} if btag else set()
        needed |= {"pdg_id"} if self.card.keep_pdg_id else set()
        self.resolve(sorted(needed), columns, _MADE_HERE)
        counter = None
        if self.style.counter is not None and "{}" not in collection:
            branch = self.style.counter.replace("@", collection)
            counter = branch if branch in self.source.branches else None
        return ObjectPlan(definition, columns, tuple(cuts), btag, momentum, counter)

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
                f"no branch {wanted!r}, needed for the object {self.key.partition('.')[2]!r}", f"columns.{missing}"
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
                raise self.fail(f"no branch {' or '.join(self.texts(name))}, read by the object", f"columns.{name}")

    def cuts(self, collection: str) -> list[Expression]:
        chosen_cuts = []
        made = _MADE_HERE | set(CARTESIAN)
        for alternatives in self.definition.cuts:
            chosen = _choose_cut(alternatives, self.has, made)
            if chosen is None:
                text = " or ".join(e.text for e in alternatives)
                note = f"no branch for the cut {text!r} on {collection}: the cut is skipped"
                self.report.note(note, self.source.path)
            elif missing := sorted(c for c in chosen.names if c not in made and not self.has(c)):
                raise self.fail(f"no branch {self.texts(missing[0])[0]!r} for the cut {chosen.text!r}", "cuts")
            else:
                chosen_cuts.append(chosen)
        return chosen_cuts

    def btag(self, collection: str) -> BTag | None:
        for btag in self.definition.btag:
            column = self.where(btag.column)
            if column is None:
                continue
            branch = column.text
            if btag.above is not None:
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
            self.report.note(f"b-tagging: {branch} {rule} ({btag.era})", self.source.path)
            return btag
        if self.definition.btag:
            wanted = ", ".join(self.texts(b.column)[0] for b in self.definition.btag)
            self.report.note(f"no b-tagging: none of {wanted} is there and filled", self.source.path)
        return None


def _choose_cut(
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

"""Which branches of one particular file fill which columns of a card: fallbacks are settled here, once a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyg_hep.errors import ReaderError, nearest
from pyg_hep.readers.card import Card
from pyg_hep.readers.columns import FileColumn
from pyg_hep.readers.event_plan import EventColumn, EventPlanner, names_of_objects, names_read
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.formats import FORMATS
from pyg_hep.readers.object_plan import ObjectPlan, ObjectPlanner
from pyg_hep.readers.report import WEIGHTS, ReadReport
from pyg_hep.readers.source import Source


@dataclass(frozen=True)
class FilePlan:
    """A card settled for one file.

    Attributes:
        objects: plans of the objects that become nodes.
        truth: plans of the objects that are counted only.
        identity: column -> branch; empty where the file lacks one of them.
        weight: where the weights are; None where every event has weight 1.
        columns: event columns that expressions read, each after those it is worked out from.
        late: those that are worked out from selected objects.
        of_objects: object -> columns of it that expressions over events read.
        only_kept: those of them that nothing but ``keep`` reads: they may hold several values per event, and NaN where
            the expression deals with it.
        lists: columns of which an expression reads positions or a reduction.
        branches: all that is read of the file.
    """

    objects: Mapping[str, ObjectPlan]
    truth: Mapping[str, ObjectPlan]
    identity: Mapping[str, str]
    weight: EventColumn | None
    columns: Mapping[str, EventColumn]
    late: Mapping[str, Expression]
    of_objects: Mapping[str, frozenset[str]]
    only_kept: frozenset[str]
    lists: frozenset[str]
    branches: frozenset[str]


def plan_file(source: Source, card: Card, report: ReadReport) -> FilePlan:
    """Settle ``card`` for the file behind ``source``; what is skipped goes into the report.

    Raises:
        ReaderError: when a required collection or branch is missing; names the card key to change.
    """
    style = FORMATS[card.reader]
    events = EventPlanner(source, card)
    for key, names in names_read(card):
        events.add(key, names)
    for key, names in names_of_objects(card):
        if late := sorted(names & set(events.late)):
            raise ReaderError(
                f"{source.path}: the key '{key}' of {card.source} reads {late[0]!r}, which is worked out from objects "
                "after their selection"
            )
    weight = _weight(events, card, report)
    objects: dict[str, ObjectPlan] = {}
    truth: dict[str, ObjectPlan] = {}
    absent: dict[str, str] = {}
    skipped_cuts: list[str] = []
    for section, plans in (("objects", objects), ("truth", truth)):
        for name, definition in getattr(card, section).items():
            read = events.of_objects.get(name, set())
            planner = ObjectPlanner(source, card, style, f"{section}.{name}", definition, report, read)
            plan = planner.plan()
            skipped_cuts += planner.skipped_cuts
            if plan is None:
                absent[name] = planner.branches_of("pt")
            else:
                plans[name] = plan
    # What a file lacks is one line of the report, however many cuts and objects it concerns.
    if absent:
        branches_of_absent = ", ".join(absent.values())
        report.note(f"no branch {branches_of_absent}: events are read without {', '.join(absent)}", source.path)
    if skipped_cuts:
        report.note(f"no branch for optional cuts, which are skipped: {', '.join(skipped_cuts)}", source.path)
    stated = source.identity or style.identity
    identity = _identity(source, stated if card.identity is None else card.identity, report)
    files = [column for column in (*events.columns.values(), weight) if isinstance(column, FileColumn)]
    files += [column for plan in (*objects.values(), *truth.values()) for column in plan.columns.values()]
    branches = {name for column in files for name in column.names} | set(identity.values())
    branches |= {plan.counter for plan in (*objects.values(), *truth.values()) if plan.counter}
    of_objects = {name: frozenset(columns) for name, columns in events.of_objects.items()}
    only_kept = _only_kept(card, events, weight)
    return FilePlan(
        objects, truth, identity, weight, events.columns, events.late, of_objects, only_kept,
        _lists(card, events, weight), frozenset(branches),
    )  # fmt: skip


def _only_kept(card: Card, events: EventPlanner, weight: EventColumn | None) -> frozenset[str]:
    """Columns that nothing but the card's ``keep`` reads, directly or through others."""
    used = {name for key, names in names_read(card) if not key.startswith("keep.") for name in names}
    used |= weight.names if isinstance(weight, Expression) else set()
    pending = list(used)
    while pending:
        column = events.columns.get(name := pending.pop()) or events.late.get(name)
        if isinstance(column, Expression):
            pending += [other for other in column.names if other not in used]
            used |= column.names
    return frozenset(set(events.columns) - used)


def _lists(card: Card, events: EventPlanner, weight: EventColumn | None) -> frozenset[str]:
    """Columns of which an expression reads positions or a reduction."""
    label = card.label
    every: list[object] = [
        *card.selection,
        *card.keep.values(),
        *events.columns.values(),
        *events.late.values(),
        weight,
    ]
    every += [] if label is None else [label.value, *label.classes.values(), *label.numbers.values()]
    return frozenset(n for expression in every if isinstance(expression, Expression) for n in expression.names_of_lists)


def _weight(events: EventPlanner, card: Card, report: ReadReport) -> EventColumn | None:
    texts, path = card.weight.value, events.source.path
    weight = events.weight()
    if weight is None and texts:
        wanted = " or ".join(texts)
        hint = nearest(texts[0], events.source.branches)
        if card.weight.required:
            raise ReaderError(
                f"{path}: no branch {wanted}: change the key 'weight.value' of {card.source}, or set "
                f"'weight.required: false' where files may lack it ({hint:.300})"
            )
        report.note(f"no branch {wanted} ({hint:.300}): every event has weight 1", path)
    if weight is not None and len(texts) > 1:
        report.note(f"{WEIGHTS}{weight.text}, the first of {', '.join(texts)} that the file has", path)
    return weight


def _identity(source: Source, wanted: Mapping[str, str], report: ReadReport) -> dict[str, str]:
    missing = sorted(branch for branch in wanted.values() if branch not in source.branches)
    if missing:
        note = "events are named by their file and entry, and repeats of them are not looked for"
        report.note(f"no branch {', '.join(missing)}: {note}", source.path)
        return {}
    return dict(wanted)

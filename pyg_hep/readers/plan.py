"""Which branches of one particular file fill which columns of a card: fallbacks are settled here, once a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyg_hep.errors import ReaderError, nearest
from pyg_hep.readers.card import Card
from pyg_hep.readers.columns import FileColumn
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.formats import FORMATS
from pyg_hep.readers.object_plan import ObjectPlan, ObjectPlanner, first_column
from pyg_hep.readers.report import ReadReport
from pyg_hep.readers.source import Source


@dataclass(frozen=True)
class FilePlan:
    """A card settled for one file.

    Attributes:
        objects: plans of the objects that become nodes.
        truth: plans of the objects that are counted only.
        identity: column -> branch; empty where the file lacks one of them.
        weight: where the weights are.
        columns: event columns that expressions read.
        only_kept: those of them that nothing but ``keep`` reads: they may hold several values per event, and NaN where
            the expression deals with it.
        branches: all that is read of the file.
    """

    objects: Mapping[str, ObjectPlan]
    truth: Mapping[str, ObjectPlan]
    identity: Mapping[str, str]
    weight: FileColumn | None
    columns: Mapping[str, FileColumn]
    only_kept: frozenset[str]
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
    absent: dict[str, str] = {}
    skipped_cuts: list[str] = []
    for section, plans in (("objects", objects), ("truth", truth)):
        for name, definition in getattr(card, section).items():
            planner = ObjectPlanner(source, card, style, f"{section}.{name}", definition, report)
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
    identity = _identity(
        source, card.identity if card.identity is not None else source.identity or style.identity, report
    )
    weight = first_column(card.weight.branch, source)
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
    used = {name for key, names in _names_read(card) if not key.startswith("keep.") for name in names}
    return FilePlan(objects, truth, identity, weight, columns, frozenset(set(columns) - used), frozenset(branches))


def _identity(source: Source, wanted: Mapping[str, str], report: ReadReport) -> dict[str, str]:
    missing = sorted(branch for branch in wanted.values() if branch not in source.branches)
    if missing:
        note = "events are named by their file and entry, and repeats of them are not looked for"
        report.note(f"no branch {', '.join(missing)}: {note}", source.path)
        return {}
    return dict(wanted)


def _event_columns(source: Source, card: Card) -> dict[str, FileColumn]:
    """Columns that the card's expressions over whole events read."""
    counted = counted_names(card)
    columns: dict[str, FileColumn] = {}
    for key, names in _names_read(card):
        for name in sorted(names - counted - set(columns)):
            column = first_column(card.columns.get(name, (name,)), source)
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


def _names_read(card: Card) -> list[tuple[str, frozenset[str]]]:
    """Keys of the card with the names of event columns that their expressions read."""
    label = card.label
    read: list[tuple[str, Expression]] = [("selection", e) for e in card.selection]
    read += [(f"keep.{name}", e) for name, e in card.keep.items()]
    if label is not None:
        read += [("label", label.value)] if label.value else []
        read += [(f"label.classes.{name}", e) for name, e in label.classes.items()]
        read += [(f"label.multilabel.{name}", e) for name, e in label.multilabel.items()]
        read += [(f"label.regression.{name}", e) for name, e in label.regression.items()]
    result = [(key, expression.names) for key, expression in read]
    for section in ("objects", "truth"):
        for name, definition in getattr(card, section).items():
            # Any other name in them is a column of the collection.
            for part in ("define", "keep"):
                expressions = getattr(definition, part).values()
                result += [(f"{section}.{name}.{part}", e.names & set(card.columns)) for e in expressions]
    return result

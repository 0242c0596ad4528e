"""Which branches of one particular file fill which columns of a card: fallbacks are settled here, once a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pyg_hep.errors import ReaderError
from pyg_hep.readers.card import KINEMATICS, BTag, Card, ObjectDefinition
from pyg_hep.readers.expression import Expression
from pyg_hep.readers.report import ReadReport
from pyg_hep.readers.root import RootTree, flat
from pyg_hep.schema import ObjectType

# Entries looked at to tell a discriminant that is stored but was never filled.
_PROBE = 2000


@dataclass(frozen=True)
class ObjectPlan:
    """An object definition settled for one file.

    Attributes:
        columns: column -> branch, for the kinematics the file has and every column a cut or b-tag reads.
        cuts: the expressions that are applied.
        btag: the discriminant that is used, if any.
    """

    definition: ObjectDefinition
    columns: Mapping[str, str]
    cuts: tuple[Expression, ...]
    btag: BTag | None


@dataclass(frozen=True)
class FilePlan:
    """A card settled for one file; ``branches`` is all that is read of it."""

    objects: Mapping[str, ObjectPlan]
    identity: Mapping[str, str]
    weight: str | None
    label: str | None
    event_columns: frozenset[str]
    branches: frozenset[str]


def plan_file(tree: RootTree, card: Card, report: ReadReport) -> FilePlan:
    """Settle ``card`` for the file behind ``tree``; what is skipped goes into the report.

    Raises:
        ReaderError: when a required collection or branch is missing; names the card key to change.
    """
    objects = {}
    for name, definition in card.objects.items():
        plan = _plan_object(tree, card, name, definition, report)
        if plan is not None:
            objects[name] = plan
    identity = {column: branch for column, branch in card.identity.items() if branch in tree.branches}
    if len(identity) < len(card.identity):
        missing = sorted(set(card.identity.values()) - set(identity.values()))
        report.note(f"no branch {', '.join(missing)}: events are numbered by their entry", tree.path)
        identity = {}
    weight = card.weight.branch
    if weight is not None and weight not in tree.branches:
        report.note(f"no branch {weight}: every event has weight 1", tree.path)
        weight = None
    if card.label is not None and card.label not in tree.branches:
        raise ReaderError(f"{tree.path}: no branch {card.label!r} (key 'label' of {card.source})")
    counted = {f"n_{name}" for name in card.objects} | {"n_objects", "n_btag"}
    event_columns = frozenset(n for e in card.selection for n in e.names if n not in counted)
    for name in event_columns:
        if name not in tree.branches:
            known = ", ".join(sorted(counted))
            raise ReaderError(
                f"{tree.path}: the selection of {card.source} reads {name!r}, which is neither a branch "
                f"of the file nor a count ({known})"
            )
    branches = {b for plan in objects.values() for b in plan.columns.values()}
    branches |= set(identity.values()) | event_columns | {b for b in (weight, card.label) if b is not None}
    return FilePlan(objects, identity, weight, card.label, event_columns, frozenset(branches))


def _plan_object(
    tree: RootTree, card: Card, name: str, definition: ObjectDefinition, report: ReadReport
) -> ObjectPlan | None:
    def branch_of(collection: str, column: str) -> str:
        return f"{collection}_{definition.columns.get(column, column)}"

    found = [c for c in definition.collection if branch_of(c, "pt") in tree.branches]
    if not found:
        wanted = " or ".join(branch_of(c, "pt") for c in definition.collection)
        if definition.optional:
            report.note(f"no branch {wanted}: events are read without the object {name!r}", tree.path)
            return None
        raise ReaderError(
            f"{tree.path}: no branch {wanted} for the required object {name!r}: change the key "
            f"'objects.{name}.collection' of {card.source}, or set 'objects.{name}.optional: true'"
        )
    collection = found[0]

    def available(column: str) -> bool:
        return branch_of(collection, column) in tree.branches

    required = ("pt", "phi") if definition.kind is ObjectType.MET else ("pt", "eta", "phi")
    for column in required:
        if not available(column):
            raise ReaderError(
                f"{tree.path}: no branch {branch_of(collection, column)!r}, needed for the object {name!r}: "
                f"change the key 'objects.{name}.columns.{column}' of {card.source}"
            )
    cuts = []
    for alternatives in definition.cuts:
        chosen = _choose_cut(alternatives, available)
        if chosen is None:
            text = " or ".join(e.text for e in alternatives)
            report.note(f"no branch for the cut {text!r} on {collection}: the cut is skipped", tree.path)
        elif missing := sorted(c for c in chosen.names if c not in KINEMATICS and not available(c)):
            raise ReaderError(
                f"{tree.path}: no branch {branch_of(collection, missing[0])!r} for the cut {chosen.text!r}: "
                f"change the key 'objects.{name}.cuts' of {card.source}"
            )
        else:
            cuts.append(chosen)
    btag = _choose_btag(tree, collection, definition, report)
    columns = [c for c in KINEMATICS if available(c)]
    columns += sorted({c for cut in cuts for c in cut.names if c not in KINEMATICS})
    if btag is not None and btag.column not in columns:
        columns.append(btag.column)
    return ObjectPlan(definition, {c: branch_of(collection, c) for c in columns}, tuple(cuts), btag)


def _choose_cut(alternatives: tuple[Expression, ...], available: Callable[[str], bool]) -> Expression | None:
    """First alternative whose columns all exist, else one that exists in part, else None."""
    partial = None
    for cut in alternatives:
        special = [c for c in cut.names if c not in KINEMATICS]
        present = [c for c in special if available(c)]
        if len(present) == len(special):
            return cut
        if present:
            partial = cut
    return partial


def _choose_btag(tree: RootTree, collection: str, definition: ObjectDefinition, report: ReadReport) -> BTag | None:
    for btag in definition.btag:
        branch = f"{collection}_{btag.column}"
        if branch not in tree.branches:
            continue
        sample = tree.read([branch], 0, min(_PROBE, tree.num_entries))[branch]
        scores, _ = flat(sample, f"{tree.path}: branch {branch!r}")
        # CMS files of a time before a discriminant store it with one negative number for every jet.
        if len(scores) and not np.any(scores >= 0):
            report.note(f"branch {branch} is not filled", tree.path)
            continue
        report.note(f"b-tagging: {branch} > {btag.above} ({btag.era})", tree.path)
        return btag
    if definition.btag:
        wanted = ", ".join(f"{collection}_{b.column}" for b in definition.btag)
        report.note(f"no b-tagging: none of {wanted} is there and filled", tree.path)
    return None

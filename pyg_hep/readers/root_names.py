"""Names of what a tree or an RNTuple holds, down to the last field, and where uproot has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyg_hep.readers.flat import is_text

# ROOT's types of streamer elements: below are base classes, above are objects and containers.
_FIRST_NUMBER, _LAST_NUMBER = 1, 59
_NUMBERS = (
    r"(unsigned |signed |long )*(float|double|int|short|long|char|bool|string|Double32_t|u?int\d+_t|U?[A-Z]\w+64_t)"
)
_LISTS_OF_NUMBERS = re.compile(rf"((std::)?vector<)*(std::)?{_NUMBERS}( *>)*")


@dataclass(frozen=True)
class Place:
    """Where a column is.

    Args:
        key: what uproot is asked for.
        outer: the array that it answers with.
        fields: those to take of the array, one within the other.
        number: of the field in an RNTuple.
    """

    key: str
    outer: str
    fields: tuple[str, ...] = ()
    number: int = -1


def tree_names(tree: Any) -> dict[str, Place]:
    """Name -> place of the branches of a TTree and of the fields of objects that were written in one piece.

    A branch has its own name (``Jet.PT`` for ``Jet/Jet.PT[5]``) and, where that is another one, its full name
    (``Version.major`` and ``Version/major`` for ``Version/major``); the first of several keeps a name.
    """
    names: dict[str, Place] = {}
    branches = list(tree.iteritems(recursive=True))
    for key, _ in branches:
        names.setdefault(key.rpartition("/")[2].partition("[")[0], Place(key, key))
    for key, branch in branches:
        parts = re.sub(r"\[[^\]]*\]", "", key).split("/")
        full = parts[0]
        for part in parts[1:]:
            parent = full.rstrip(".") + "."
            full = part if part.startswith(parent) else parent + part
        if full not in names or full != parts[-1]:
            names.setdefault(full, Place(key, key))
            names.setdefault("/".join(parts), Place(key, key))
        for fields in _fields_of_branch(branch):
            for owner in (parts[-1], full):
                names.setdefault(".".join((owner.rstrip("."), *fields)), Place(key, key, fields))
    return names


def _fields_of_branch(branch: Any) -> list[tuple[str, ...]]:
    """Fields of an object, or leaves, in one branch; asking uproot of every branch would make opening slow."""
    if branch.branches:
        return []
    if not _may_have_fields(branch):
        return []
    try:
        form = branch.interpretation.awkward_form(branch.file)
    except Exception:  # uproot cannot read it, which is said when somebody asks for it
        return []
    return [fields for fields in _fields_of_form(form) if fields]


def has_values(branch: Any) -> bool:
    """Whether the objects in a branch hold anything that can be read; numbers and lists of numbers do.

    Raises:
        Exception: of uproot, where it cannot make arrays of them at all.
    """
    return any(True for _ in _fields_of_form(branch.interpretation.awkward_form(branch.file)))


def _may_have_fields(branch: Any) -> bool:
    kind = branch.member("fClassName", none_if_missing=True)
    if kind is None:
        return len(branch.member("fLeaves")) > 1
    element = branch.member("fStreamerType")
    if element < 0:
        return not _LISTS_OF_NUMBERS.fullmatch(str(kind))
    return not _FIRST_NUMBER <= element <= _LAST_NUMBER


def _fields_of_form(form: Any) -> Iterator[tuple[str, ...]]:
    while not is_text(form) and (form.is_list or form.is_option or form.is_indexed):
        form = form.content
    if not form.is_record:
        yield ()
        return
    for name in form.fields:
        if name.startswith("@"):  # what uproot keeps for itself
            continue
        for inner in _fields_of_form(form.content(name)):
            yield (name, *inner)


def ntuple_names(ntuple: Any) -> dict[str, Place]:
    """Name -> place of the fields of an RNTuple that hold values, with dots between levels.

    ROOT's importer puts the lists of one counter into a collection without a name of its own, which is left out.
    """
    link_fields(ntuple)
    names: dict[str, Place] = {}
    for top in ntuple.fields:
        for fields, number in _fields_below(top):
            path = (top.name, *fields)
            # uproot numbers the fields of a tuple anew when it reads some of them.
            numbered = next((i for i, name in enumerate(path) if i and name.isdigit()), len(path))
            place = Place(".".join(path[:numbered]), top.name, fields, number)
            names.setdefault(re.sub(r"^_collection\d+\.(_0\.)?", "", ".".join(path)), place)
    return names


def _fields_below(field: Any) -> Iterator[tuple[tuple[str, ...], int]]:
    inner = [] if field.record.struct_role.name == "VARIANT" else field.fields
    if not inner:
        yield (), field.field_id
    for part in inner:
        for fields, number in _fields_below(part):
            yield (part.name, *fields), number


def link_fields(ntuple: Any) -> None:
    """Tell each field of an RNTuple its own fields.

    uproot looks for them among all fields, once for each: 1,200 fields took 5 seconds.
    """
    records, fields = ntuple.field_records, ntuple.all_fields
    children: list[list[Any]] = [[] for _ in records]
    top: list[Any] = []
    for number, record in enumerate(records):
        if record.parent_field_id == number:
            top.append(fields[number])
        elif 0 <= record.parent_field_id < len(records):
            children[record.parent_field_id].append(number)
    ntuple._fields = top
    # Fields follow their parents, except in a schema that was extended: the order of the depth is made, not assumed.
    order = [field.field_id for field in top]
    for number in order:
        order += children[number]
    for number in reversed(order):
        own: list[Any] = []
        for child in children[number]:
            # A field without a name stands for its own fields.
            own += fields[child].fields if fields[child].is_anonymous else [fields[child]]
        fields[number]._fields = own

"""Reads and validates the YAML of dataset cards; every error says where it was found and what is possible."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.readers.card import (
    DUPLICATES,
    MOMENTUM_SETS,
    NEGATIVE_WEIGHTS,
    ON_INVALID,
    ORDERS,
    UNITS,
    BTag,
    Card,
    Cut,
    FriendDefinition,
    KindColumn,
    LabelDefinition,
    Limit,
    ObjectDefinition,
    Overlap,
    WeightDefinition,
)
from pyg_hep.readers.card_slips import check_slips
from pyg_hep.readers.card_values import CardValues
from pyg_hep.readers.files import with_tree
from pyg_hep.readers.formats import FORMATS
from pyg_hep.readers.kept import check_column_name
from pyg_hep.readers.labels import COMPUTED
from pyg_hep.readers.source import is_remote
from pyg_hep.readers.units import WITH_UNIT, converted_twice
from pyg_hep.schema import Level, ObjectType

IDENTITY = ("run_number", "luminosity_block", "event_number")
_EXTENDS_DEPTH = 8


def shipped_cards() -> dict[str, Path]:
    """Name -> path of the cards that come with the library (in a wheel, or in a checkout's ``datasets``)."""
    package = Path(__file__).resolve().parent.parent
    folder = package / "cards" if (package / "cards").is_dir() else package.parent / "datasets"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_card(card: str | Path | Mapping[str, Any] | Card) -> Card:
    """Read and validate a card.

    Args:
        card: a path, the name of a shipped card, the content as a mapping, or a :class:`Card` (returned as is).
            A card with ``extends: other`` takes every key it does not give itself from the other card; null undoes the
            other card's.

    Raises:
        ConfigError: for a missing file, YAML that cannot be read, an unknown key or an unusable value; the
            message names the file, the key and the nearest valid key.
    """
    if isinstance(card, Card):
        return card
    if isinstance(card, Mapping):
        return _Parser("the card given").card(_extended(card, "the card given", Path()))
    path = _path_of(str(card), Path())
    where = f"card {path}"
    parsed = _Parser(where).card(_extended(_content(path), where, path.parent))
    # Files that a card names lie relative to it, so that both can be moved together.
    files = {
        process: tuple(name if is_remote(name) else str(path.parent / Path(name).expanduser()) for name in names)
        for process, names in parsed.files.items()
    }
    return dataclasses.replace(parsed, files=files)


def _content(path: Path) -> Any:
    from pyg_hep.readers.card_yaml import read_yaml  # PyYAML takes as long to load as all other readers together

    return read_yaml(path)


def _path_of(card: str, folder: Path) -> Path:
    """A path, from the working directory or from ``folder``, or the path of a shipped card."""
    for path in (folder / card, Path(card)):
        if path.is_file():
            return path
    shipped = shipped_cards()
    if card not in shipped:
        raise ConfigError(f"no card {card!r}: not a file, nor shipped ({nearest(card, shipped)})")
    return shipped[card]


def _extended(content: Any, where: str, folder: Path, depth: int = 0) -> Any:
    check_slips(content, where)
    if not isinstance(content, Mapping) or "extends" not in content:
        return content
    if depth == _EXTENDS_DEPTH:
        raise ConfigError(f"{where}, key 'extends': cards extend each other in a circle")
    base = _path_of(str(content["extends"]), folder)
    inherited = _extended(_content(base), f"card {base}", base.parent, depth + 1)
    if not isinstance(inherited, Mapping):
        raise ConfigError(f"{where}, key 'extends': {base} holds no mapping")
    return {**inherited, **{key: value for key, value in content.items() if key != "extends"}}


class _Parser(CardValues):
    """Turns the content of one card into dataclasses."""

    def card(self, content: Any) -> Card:
        given = self.keys(content, Card, "", required=("name", "objects"))
        # Expressions of every other key may call the tables.
        self.parsed(given, "", tables=lambda v, k: self.mapping(v, k, self.table))
        self.tables = given.get("tables", {})
        self.parsed(
            given,
            "",
            name=self.name,
            description=self.text,
            reader=self.choice(FORMATS),
            tree=self.text,
            files=lambda v, k: self.mapping(v, k, self.files),
            records=lambda v, k: self.mapping(v, k, self.record_numbers),
            friends=lambda v, k: self.mapping(v, k, self.friend),
            group_by=lambda v, k: self.columns(v, k) if v != [] else (),
            counts=self.numbers_of_objects,
            offsets=self.numbers_of_objects,
            objects=lambda v, k: self.mapping(v, k, self.object),
            truth=lambda v, k: self.mapping(v, k, self.truth),
            limits=lambda v, k: self.several(v, k, self.limit),
            columns=lambda v, k: self.mapping(v, k, self.event_columns),
            selection=lambda v, k: self.several([v] if isinstance(v, str) else v, k, self.expression),
            label=self.label,
            weight=self.weight,
            keep=lambda v, k: self.mapping(v, k, self.expression),
            fill=lambda v, k: self.mapping(v, k, self.number),
            keep_btag_score=self.flag,
            keep_pdg_id=self.flag,
            identity=lambda v, k: self.mapping(v, k, self.text),
            splits=self.splits,
            on_invalid=self.choice(ON_INVALID),
            duplicates=self.choice(DUPLICATES),
        )
        if not given["objects"]:
            raise self.fail("objects", "expected at least one object definition")
        for column in given.get("identity", {}):
            self.choice(IDENTITY)(column, f"identity.{column}")
        ways = [key for key in ("group_by", "counts", "offsets") if given.get(key)]
        if len(ways) > 1:
            raise self.fail(ways[1], f"rows become events in one way, and there is the key {ways[0]!r}")
        self.references(given)
        self.kept_columns(given)
        return Card(**given, source=self.where)

    def references(self, given: Mapping[str, Any]) -> None:
        """Names of objects inside other definitions must exist."""
        objects = given["objects"]
        for name, definition in objects.items():
            for other in definition.overlap.objects if definition.overlap else ():
                if other not in objects:
                    problem = f"no object {other!r}, {nearest(other, objects)}"
                    raise self.fail(f"objects.{name}.overlap.objects", problem)
        for limit in given.get("limits", ()):
            for other in limit.objects:
                if other not in objects:
                    raise self.fail("limits", f"no object {other!r}, {nearest(other, objects)}")
        for other in (*objects, *given.get("truth", {})):
            if other in given.get("friends", {}):
                raise self.fail(f"friends.{other}", "there is an object of the same name")
        label = given.get("label")
        if label is not None and label.computed is not None:
            for other in COMPUTED[label.computed].truth:
                if other not in given.get("truth", {}):
                    raise self.fail("label.computed", f"{label.computed} needs 'truth.{other}'")
        both = set(objects) & set(given.get("truth", {}))
        if both:
            raise self.fail(f"truth.{min(both)}", "there is an object of the same name")

    def kept_columns(self, given: Mapping[str, Any]) -> None:
        """Columns that the card adds need names of their own, and fills need columns."""
        nodes = {name: key for key, d in given["objects"].items() for name in d.keep}
        places = [(name, f"objects.{key}.keep.{name}", MOMENTUM_SETS[0] + ("mass",)) for name, key in nodes.items()]
        places += [(name, f"keep.{name}", tuple(nodes)) for name in given.get("keep", {})]
        for name, key, taken in places:
            try:
                check_column_name(name, taken)
            except ValueError as error:
                raise self.fail(key, str(error)) from None
        for name in given.get("fill", {}):
            if name not in nodes:
                raise self.fail(f"fill.{name}", f"no object keeps {name!r}, {nearest(name, nodes)}")
        for name, definition in given.get("truth", {}).items():
            if definition.keep:
                raise self.fail(f"truth.{name}.keep", "truth is counted, it has no nodes: make it one of 'objects'")

    def name(self, value: Any, key: str) -> str:
        text = self.text(value, key)
        if not text.replace("-", "_").replace(".", "_").isidentifier():
            raise self.fail(key, f"{text!r:.60} cannot name a folder: letters, digits and _ only")
        return text

    def files(self, value: Any, key: str) -> tuple[str, ...]:
        """Paths of a process, or ``{files: paths, tree: name}``, which is the same as ``path:name`` for each."""
        if not isinstance(value, Mapping):
            return self.texts(value, key)
        for name in value:
            self.choice(("files", "tree"))(name, key)
        paths = self.texts(value.get("files"), f"{key}.files")
        if "tree" not in value:
            return paths
        tree = self.text(value["tree"], f"{key}.tree")
        try:
            return tuple(with_tree(path, tree) for path in paths)
        except ConfigError as error:
            raise self.fail(f"{key}.tree", str(error)) from None

    def friend(self, value: Any, key: str) -> FriendDefinition:
        if not key.removeprefix("friends.").isidentifier():
            raise self.fail(key, "a friend needs a name of letters, digits and _")
        content = self.keys(value, FriendDefinition, key)
        if not {"files", "tree"} & set(content):
            raise self.fail(key, "give 'files', or 'tree' for another tree of the same file")
        self.parsed(content, key, files=self.text, tree=self.text, on=self.texts, reader=self.choice(FORMATS))
        return FriendDefinition(**content)

    def numbers_of_objects(self, value: Any, key: str) -> dict[str, str]:
        """Name of a column, or several for columns that begin differently."""

        def column(value: Any, key: str) -> str:
            return self.columns(self.text(value, key), key)[0]

        return self.mapping(value, key, column) if isinstance(value, Mapping) else {"": column(value, key)}

    def record_numbers(self, value: Any, key: str) -> tuple[int, ...]:
        return self.several(value if isinstance(value, list) else [value], key, self.count)

    def splits(self, value: Any, key: str) -> dict[str, float]:
        if not value:
            raise self.fail(key, f"expected a mapping of name to fraction, found {value!r:.60}")
        fractions = self.mapping(value, key, self.number)
        if min(fractions.values()) < 0 or not 0 < sum(fractions.values()) <= 1 + 1e-9:
            raise self.fail(key, f"fractions must be positive with a sum of at most 1, found {fractions}")
        return fractions

    def weight(self, value: Any, key: str) -> WeightDefinition:
        """A mapping; an expression or a list of them alone; ``branch`` is what ``value`` was called."""
        content = value if isinstance(value, Mapping) else {"value": value}
        given = self.keys(content, WeightDefinition, key, others=("branch",))
        if "branch" in given:
            if "value" in given:
                raise self.fail(f"{key}.branch", "is another name of 'value', give one of them")
            given["value"] = given.pop("branch")
        self.parsed(
            given,
            key,
            value=self.event_columns,
            required=self.flag,
            negative=self.choice(NEGATIVE_WEIGHTS),
            cross_section=lambda v, k: self.mapping(v, k, self.number),
            luminosity=self.number,
        )
        return WeightDefinition(**given)

    def label(self, value: Any, key: str) -> LabelDefinition:
        if not isinstance(value, Mapping):
            return LabelDefinition(value=self.expression(value, key))
        given = self.parsed(
            self.keys(value, LabelDefinition, key),
            key,
            value=self.expression,
            classes=lambda v, k: self.mapping(v, k, self.expression),
            multilabel=lambda v, k: self.mapping(v, k, self.expression),
            regression=lambda v, k: self.mapping(v, k, self.expression),
            computed=self.choice(COMPUTED),
        )
        if len([v for v in given.values() if v]) != 1:
            raise self.fail(key, "give one of value, classes, multilabel, regression or computed")
        return LabelDefinition(**given)

    def limit(self, value: Any, key: str) -> Limit:
        given = self.keys(value, Limit, key, required=("objects", "at_most"))
        return Limit(**self.parsed(given, key, objects=self.texts, at_most=self.count))

    def truth(self, content: Any, key: str) -> ObjectDefinition:
        if isinstance(content, Mapping):
            content = {"kind": "parton", "level": "gen", **content}
        return self.object(content, key)

    def object(self, content: Any, key: str) -> ObjectDefinition:
        given = self.parsed(
            self.keys(content, ObjectDefinition, key, required=("kind", "collection")),
            key,
            kind=self.kind,
            collection=self.texts,
            level=lambda v, k: Level[self.choice([level.name.lower() for level in Level])(v, k).upper()],
            optional=self.flag,
            unit=self.unit,
            columns=lambda v, k: self.mapping(v, k, self.columns),
            define=lambda v, k: self.mapping(v, k, self.expression),
            present=self.expression,
            mother=self.text,
            cuts=lambda v, k: self.several(v, k, self.cut),
            keep=lambda v, k: self.mapping(v, k, self.expression),
            btag=lambda v, k: self.several(v, k, self.btag),
            overlap=self.overlap,
            order=self.choice(ORDERS),
            at_most=self.count,
        )
        if isinstance(given["kind"], KindColumn):
            given.setdefault("order", "file")
        definition = ObjectDefinition(**given)
        self.units(definition, f"{key}.unit")
        return definition

    def unit(self, value: Any, key: str) -> str | dict[str, tuple[str, ...]]:
        """One unit, or ``{MeV: [pt, mass]}``."""
        if not isinstance(value, Mapping):
            return self.choice(UNITS)(value, key)
        for name in value:
            self.choice(UNITS)(name, key)
        return self.mapping(value, key, self.texts)

    def units(self, definition: ObjectDefinition, key: str) -> None:
        """Columns with a unit of their own must be read, and none be converted twice."""
        if isinstance(definition.unit, str):
            return
        read = {*WITH_UNIT, *definition.columns, *definition.define}
        expressions = [*definition.define.values(), *definition.keep.values()]
        expressions += [alternative for cut in definition.cuts for alternative in cut.alternatives]
        read |= {name for expression in expressions for name in expression.names}
        listed = [column for columns in definition.unit.values() for column in columns]
        for column in listed:
            if column not in read:
                raise self.fail(key, f"nothing reads {column!r}, {nearest(column, read)}")
            if listed.count(column) > 1:
                raise self.fail(key, f"{column!r} has two units")
        if twice := converted_twice(definition.unit, definition.define):
            raise self.fail(
                key, f"{twice[0]!r} is worked out from {twice[1]!r}, which is in GeV by then: name one of them"
            )

    def kind(self, value: Any, key: str) -> ObjectType | KindColumn:
        """A kind by its name, or ``{column: pdgId, map: {11: electron}, default: particle}``."""
        if not isinstance(value, Mapping):
            return self.object_type(value, key)
        given = self.keys(value, KindColumn, key, required=("column", "map"))
        self.parsed(given, key, column=self.text, map=lambda v, k: self.mapping(v, k, self.object_type))
        self.parsed(given, key, default=self.object_type)
        if "default" in given["map"]:
            given["default"] = given["map"].pop("default")
        if ObjectType.MET in (*given["map"].values(), given.get("default")):
            raise self.fail(f"{key}.map", "met has no place among other objects: give it a definition of its own")
        return KindColumn(**given)

    def object_type(self, value: Any, key: str) -> ObjectType:
        """A kind by its name."""
        return ObjectType[self.choice([t.name.lower() for t in ObjectType])(value, key).upper()]

    def cut(self, value: Any, key: str) -> Cut:
        """``pt > 20``; ``jetId >= 2 ?`` for files that may lack its columns; a list is a choice, and may fail too."""
        if isinstance(value, list):
            return Cut(tuple(self.expression(text, key) for text in self.texts(value, key)), optional=True)
        text = self.text(value, key).strip()
        return Cut((self.expression(text.removesuffix("?").strip(), key),), optional=text.endswith("?"))

    def overlap(self, value: Any, key: str) -> Overlap:
        given = self.keys(value, Overlap, key, required=("objects",))
        return Overlap(**self.parsed(given, key, objects=self.texts, delta_r=self.number))

    def btag(self, content: Any, key: str) -> BTag:
        given = self.keys(content, BTag, key, required=("column",))
        if ("above" in given) == ("bit" in given):
            raise self.fail(key, "give either above, the working point, or bit, the bit of a mask")
        if "bit" in given and (type(given["bit"]) is not int or not 0 <= given["bit"] < 32):
            raise self.fail(f"{key}.bit", f"expected a bit from 0 to 31, found {given['bit']!r:.60}")
        return BTag(**self.parsed(given, key, column=self.text, above=self.number, era=self.text))

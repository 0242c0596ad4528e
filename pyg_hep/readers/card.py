"""Dataset cards: the YAML that says how the branches of a file become the objects of an event graph.

Parsing and validation only; ``objects.py`` applies a card to arrays. ``datasets/*.yaml`` are the shipped cards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.readers.expression import Expression
from pyg_hep.schema import ObjectType

READERS = ("nanoaod",)
NEGATIVE_WEIGHTS = ("keep", "error", "absolute")
KINEMATICS = ("pt", "eta", "phi", "mass", "charge")


@dataclass(frozen=True)
class BTag:
    """One b-tagging discriminant and the working point that belongs to it.

    Args:
        column: column of the jet collection, such as ``btagDeepFlavB``.
        above: a jet is tagged where the discriminant exceeds this value.
        era: what the working point is and where it comes from.
    """

    column: str
    above: float
    era: str = ""


@dataclass(frozen=True)
class Overlap:
    """Objects closer than ``delta_r`` to a selected object of one of ``objects`` are removed."""

    objects: tuple[str, ...]
    delta_r: float = 0.4


@dataclass(frozen=True)
class ObjectDefinition:
    """How one kind of node is read and selected.

    Args:
        kind: the :class:`~pyg_hep.schema.ObjectType`, by its lower-case name.
        collection: name, or names in order of preference, of the collection in the file.
        optional: a file without the collection is read without it, and the report says so.
        columns: column -> name in the collection, where the two differ.
        cuts: expressions over the collection's columns; a list of expressions is a choice, of which the first
            whose columns the file has is applied. A cut none of whose columns exist is skipped and reported.
        btag: discriminants in order of preference, each with its own working point.
        overlap: overlap removal against other objects of the card.
        at_most: keep the leading ones in pt only.
    """

    kind: ObjectType
    collection: tuple[str, ...]
    optional: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    cuts: tuple[tuple[Expression, ...], ...] = ()
    btag: tuple[BTag, ...] = ()
    overlap: Overlap | None = None
    at_most: int | None = None


@dataclass(frozen=True)
class WeightDefinition:
    """Event weights: a branch (1 where absent) and what the loss does with negative ones."""

    branch: str | None = None
    negative: str = "keep"


@dataclass(frozen=True)
class Card:
    """A validated dataset card; ``as_dict()`` is what the cache fingerprint hashes."""

    name: str
    objects: Mapping[str, ObjectDefinition]
    reader: str = "nanoaod"
    tree: str = "Events"
    description: str = ""
    selection: tuple[Expression, ...] = ()
    label: str | None = None
    weight: WeightDefinition = field(default_factory=WeightDefinition)
    identity: Mapping[str, str] = field(
        default_factory=lambda: {
            "run_number": "run",
            "luminosity_block": "luminosityBlock",
            "event_number": "event",
        }
    )
    splits: Mapping[str, float] = field(default_factory=lambda: {"train": 0.7, "val": 0.15, "test": 0.15})
    on_invalid: str = "drop"
    keep_btag_score: bool = False
    source: str = "a card made in Python"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content without the card's own path, so that a moved card has the same fingerprint."""
        content = dataclasses.asdict(self)
        content.pop("source")
        content["selection"] = [e.text for e in self.selection]
        for name, definition in self.objects.items():
            content["objects"][name]["kind"] = definition.kind.name.lower()
            content["objects"][name]["cuts"] = [[e.text for e in cut] for cut in definition.cuts]
        return content


def shipped_cards() -> dict[str, Path]:
    """Name -> path of the cards that come with the library (in a wheel, or in a checkout's ``datasets``)."""
    package = Path(__file__).resolve().parent.parent
    folder = package / "cards" if (package / "cards").is_dir() else package.parent / "datasets"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_card(card: str | Path | Mapping[str, Any] | Card) -> Card:
    """Read and validate a card.

    Args:
        card: a path, the name of a shipped card, the content as a mapping, or a :class:`Card` (returned as is).

    Raises:
        ConfigError: for a missing file, YAML that cannot be read, an unknown key or an unusable value; the
            message names the file, the key and the nearest valid key.
    """
    if isinstance(card, Card):
        return card
    if isinstance(card, Mapping):
        return _Parser("the card given").card(card)
    path = Path(card)
    shipped = shipped_cards()
    if not path.is_file():
        if str(card) not in shipped:
            raise ConfigError(f"no card {str(card)!r}: not a file, nor shipped ({nearest(str(card), shipped)})")
        path = shipped[str(card)]
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"card {path}: not readable as YAML: {problem}") from None
    return _Parser(f"card {path}").card(content)


class _Parser:
    """Turns the content of one card into dataclasses; every error starts with where it was found."""

    def __init__(self, where: str):
        self.where = where

    def fail(self, key: str, problem: str) -> ConfigError:
        return ConfigError(f"{self.where}, key {key!r}: {problem}")

    def keys(self, content: Any, cls: type, key: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
        if not isinstance(content, Mapping):
            raise self.fail(key, f"expected a mapping, found {content!r:.60}")
        valid = {f.name for f in dataclasses.fields(cls)} - {"source"}
        for name in content:
            if name not in valid:
                raise self.fail(f"{key}.{name}".lstrip("."), f"unknown key, {nearest(str(name), valid)}")
        for name in required:
            if name not in content:
                raise self.fail(f"{key}.{name}".lstrip("."), "is required")
        return dict(content)

    def texts(self, value: Any, key: str) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
            raise self.fail(key, f"expected a name or a list of names, found {value!r:.60}")
        return tuple(values)

    def names(self, value: Any, key: str) -> dict[str, str]:
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
            raise self.fail(key, f"expected a mapping of names, found {value!r:.60}")
        return {str(k): v for k, v in value.items()}

    def choice(self, value: Any, valid: tuple[str, ...], key: str) -> str:
        if value not in valid:
            raise self.fail(key, f"{value!r} is not possible, {nearest(str(value), valid)}")
        return str(value)

    def number(self, value: Any, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(key, f"expected a number, found {value!r:.60}")
        return float(value)

    def expression(self, value: Any, key: str) -> Expression:
        try:
            return Expression(value)
        except ConfigError as error:
            raise self.fail(key, str(error)) from None

    def card(self, content: Any) -> Card:
        given = self.keys(content, Card, "", required=("name", "objects"))
        given["source"] = self.where
        if not isinstance(given["objects"], Mapping) or not given["objects"]:
            raise self.fail("objects", "expected a mapping of at least one object definition")
        given["objects"] = {
            str(name): self.object(value, f"objects.{name}") for name, value in given["objects"].items()
        }
        for name, definition in given["objects"].items():
            for other in definition.overlap.objects if definition.overlap else ():
                if other not in given["objects"]:
                    problem = f"no object {other!r}, {nearest(other, given['objects'])}"
                    raise self.fail(f"objects.{name}.overlap.objects", problem)
        given["reader"] = self.choice(given.get("reader", "nanoaod"), READERS, "reader")
        selection = given.get("selection", [])
        selection = self.texts(selection, "selection") if selection else ()
        given["selection"] = tuple(self.expression(e, "selection") for e in selection)
        given["on_invalid"] = self.choice(given.get("on_invalid", "drop"), ("drop", "error"), "on_invalid")
        if "weight" in given:
            weight = self.keys(given["weight"], WeightDefinition, "weight")
            weight["negative"] = self.choice(weight.get("negative", "keep"), NEGATIVE_WEIGHTS, "weight.negative")
            given["weight"] = WeightDefinition(**weight)
        if "identity" in given:
            given["identity"] = self.names(given["identity"], "identity")
            for column in given["identity"]:
                valid = ("run_number", "luminosity_block", "event_number")
                self.choice(column, valid, f"identity.{column}")
        if "splits" in given:
            given["splits"] = self.splits(given["splits"])
        return Card(**given)

    def splits(self, value: Any) -> dict[str, float]:
        if not isinstance(value, Mapping) or not value:
            raise self.fail("splits", f"expected a mapping of name to fraction, found {value!r:.60}")
        fractions = {str(k): self.number(v, f"splits.{k}") for k, v in value.items()}
        if min(fractions.values()) < 0 or not 0 < sum(fractions.values()) <= 1 + 1e-9:
            raise self.fail("splits", f"fractions must be positive with a sum of at most 1, found {fractions}")
        return fractions

    def object(self, content: Any, key: str) -> ObjectDefinition:
        given = self.keys(content, ObjectDefinition, key, required=("kind", "collection"))
        kinds = tuple(k.name.lower() for k in ObjectType)
        given["kind"] = ObjectType[self.choice(given["kind"], kinds, f"{key}.kind").upper()]
        given["collection"] = self.texts(given["collection"], f"{key}.collection")
        if "columns" in given:
            given["columns"] = self.names(given["columns"], f"{key}.columns")
        cuts = given.get("cuts", [])
        if not isinstance(cuts, list):
            raise self.fail(f"{key}.cuts", f"expected a list of cuts, found {cuts!r:.60}")
        given["cuts"] = tuple(
            tuple(self.expression(e, f"{key}.cuts") for e in self.texts(cut, f"{key}.cuts")) for cut in cuts
        )
        btag = given.get("btag", [])
        if not isinstance(btag, list):
            raise self.fail(f"{key}.btag", f"expected a list of discriminants, found {btag!r:.60}")
        given["btag"] = tuple(self.btag(b, f"{key}.btag") for b in btag)
        if "overlap" in given:
            overlap = self.keys(given["overlap"], Overlap, f"{key}.overlap", required=("objects",))
            given["overlap"] = Overlap(
                self.texts(overlap["objects"], f"{key}.overlap.objects"),
                self.number(overlap.get("delta_r", 0.4), f"{key}.overlap.delta_r"),
            )
        if "at_most" in given and (type(given["at_most"]) is not int or given["at_most"] < 1):
            raise self.fail(f"{key}.at_most", f"expected a positive integer, found {given['at_most']!r}")
        return ObjectDefinition(**given)

    def btag(self, content: Any, key: str) -> BTag:
        given = self.keys(content, BTag, key, required=("column", "above"))
        given["above"] = self.number(given["above"], f"{key}.above")
        return BTag(**given)

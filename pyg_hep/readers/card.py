"""Dataset cards: how the columns of files become the objects of an event graph. What a card may say, no logic.

``card_parser.py`` reads the YAML, ``objects.py`` applies a card to arrays; ``datasets/template.yaml`` explains
every key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyg_hep.readers.expression import Expression
from pyg_hep.readers.labels import COMPUTED
from pyg_hep.readers.table import LookupTable
from pyg_hep.schema import Level, ObjectType

NEGATIVE_WEIGHTS = ("keep", "error", "absolute", "drop")
ON_INVALID = ("drop", "error")
DUPLICATES = ("keep", "drop", "error")
ORDERS = ("pt", "file")
UNITS = {"MeV": 1e-3, "GeV": 1.0, "TeV": 1e3}
"""Unit of momenta, energies and masses -> GeV."""
CARTESIAN = ("px", "py", "pz", "energy")
KINEMATICS = ("pt", "eta", "phi", "mass", "charge")
"""Columns that every object has after reading."""
MOMENTUM_SETS = (("pt", "eta", "phi"), ("px", "py", "pz"))
MOTHER = "mother_"
"""Prefix of the columns of an object's mother in cuts, where ``mother`` is given."""


@dataclass(frozen=True)
class BTag:
    """One b-tagging discriminant and the working point that belongs to it.

    Args:
        column: column of the jet collection, such as ``btagDeepFlavB``.
        above: a jet is tagged where the discriminant exceeds this value.
        bit: where the column is a mask of decisions (Delphes), the bit that is read instead of ``above``.
        era: what the working point is and where it comes from.
    """

    column: str
    above: float | None = None
    bit: int | None = None
    era: str = ""


@dataclass(frozen=True)
class Cut:
    """A cut on the objects of a collection.

    Args:
        alternatives: the first of them whose columns a file has is applied.
        optional: a file that has a column of none of them is read without the cut, and the report says so;
            otherwise such a file is an error. In a card: ``jetId >= 2 ?``, or a list of several.
    """

    alternatives: tuple[Expression, ...]
    optional: bool = False

    @property
    def text(self) -> str:
        """As a person reads it."""
        return " or ".join(expression.text for expression in self.alternatives)


@dataclass(frozen=True)
class Overlap:
    """Objects closer than ``delta_r`` to a selected object of one of ``objects`` are removed."""

    objects: tuple[str, ...]
    delta_r: float = 0.4


@dataclass(frozen=True)
class KindColumn:
    """The kind of each object from a column of numbers or texts.

    Args:
        column: column of the collection, such as ``pdgId``.
        map: value of the column -> kind.
        default: kind of all other values; None makes them an error.
    """

    column: str
    map: Mapping[str, ObjectType]
    default: ObjectType | None = None


@dataclass(frozen=True)
class ObjectDefinition:
    """How one kind of node is read and selected.

    Args:
        kind: the :class:`~pyg_hep.schema.ObjectType`, by its lower-case name, or a column that tells it.
        collection: name, or names in order of preference, of the collection in the file. With ``{}`` inside it is
            the pattern of the column names itself: ``fjet_clus_{}``.
        level: ``reco`` or ``gen``.
        optional: a file without the collection is read without it, and the report says so.
        unit: of momenta, energies and masses in the file, also of those that are defined from other columns of it;
            or unit -> the columns that have it, where all others are left alone.
        columns: column -> name in the collection, or names in order of preference, where the two differ.
        define: column -> expression over the columns of the collection and the card's event columns.
        present: expression that is false for padding; by default an all-zero momentum in an array of fixed length.
        mother: column with the position of the mother; its columns then have the names ``mother_...`` in cuts.
        cuts: expressions over the collection's columns.
        keep: name of a node column -> expression over the collection's columns, the four-momentum and the card's
            event columns, stored as float32 with every node: one number, or an array of fixed size, per object.
        btag: discriminants in order of preference, each with its own working point; ``btag`` in a cut is the
            decision.
        overlap: overlap removal against other objects of the card.
        order: ``pt`` or ``file``; where a card says nothing, ``file`` if a column tells the kind, else ``pt``.
        at_most: keep the leading ones only.
    """

    kind: ObjectType | KindColumn
    collection: tuple[str, ...]
    level: Level = Level.RECO
    optional: bool = False
    unit: str | Mapping[str, tuple[str, ...]] = "GeV"
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    define: Mapping[str, Expression] = field(default_factory=dict)
    present: Expression | None = None
    mother: str | None = None
    cuts: tuple[Cut, ...] = ()
    keep: Mapping[str, Expression] = field(default_factory=dict)
    btag: tuple[BTag, ...] = ()
    overlap: Overlap | None = None
    order: str = "pt"
    at_most: int | None = None


@dataclass(frozen=True)
class FriendDefinition:
    """A further table whose columns stand beside those of a file as ``name.column``.

    Args:
        files: path of its file, from the folder of the main file; ``{stem}``, ``{name}`` and ``{folder}`` are those of
            the main file. The main file itself where None.
        tree: tree of a ROOT file.
        on: integer columns of both that say which rows belong together; rows of the same number where empty.
        reader: the format where neither the file's ending nor the card says it.
    """

    files: str | None = None
    tree: str | None = None
    on: tuple[str, ...] = ()
    reader: str | None = None


@dataclass(frozen=True)
class Limit:
    """Of all objects of several definitions together, the ``at_most`` leading ones in pt are kept."""

    objects: tuple[str, ...]
    at_most: int


@dataclass(frozen=True)
class WeightDefinition:
    """Event weights.

    Args:
        value: expression over the columns of events, such as ``mcWeight * scaleFactor_PILEUP``, or several in order of
            preference.
        required: a file that has none of what the expressions read is an error; otherwise its events have weight 1.
        negative: ``keep``; ``absolute`` values in the loss (metrics keep the sign); ``error`` when a training
            meets one; or ``drop``: such events are not stored, but counted.
        cross_section: of every process [pb]; with ``luminosity`` [1/fb] the expected yields are known.
        luminosity: integrated luminosity [1/fb].
    """

    value: tuple[str, ...] = ()
    required: bool = True
    negative: str = "keep"
    cross_section: Mapping[str, float] = field(default_factory=dict)
    luminosity: float | None = None


@dataclass(frozen=True)
class LabelDefinition:
    """What ``y`` is, where it is not the position of the file's process.

    Args:
        value: expression that gives a non-negative integer.
        classes: class -> expression; the first true one counts, events of none are dropped and counted.
        multilabel: name of a label -> expression; ``y`` has shape ``[1, k]``.
        regression: name of a number -> expression; ``y`` has shape ``[1, k]`` and holds the numbers to estimate.
        computed: a set of labels made from the card's ``truth``; ``ho_multilabel`` is that of Ho et al.
    """

    value: Expression | None = None
    classes: Mapping[str, Expression] = field(default_factory=dict)
    multilabel: Mapping[str, Expression] = field(default_factory=dict)
    regression: Mapping[str, Expression] = field(default_factory=dict)
    computed: str | None = None

    @property
    def numbers(self) -> Mapping[str, Expression]:
        """Name -> expression of the columns of ``y``, where it has several."""
        return {**self.multilabel, **self.regression}


@dataclass(frozen=True)
class Card:
    """A validated dataset card; ``as_dict()`` is what the cache fingerprint hashes.

    Args:
        name: names the processed data.
        reader: the file format, a key of :data:`~pyg_hep.readers.formats.FORMATS`.
        tree: tree of a ROOT file, where it is not the format's own.
        files: process -> paths, each with ``:tree`` where it has a tree of its own; used where no files are given.
        records: process -> record numbers of an archive, used by the named data sets.
        friends: name -> further table whose columns are read as ``name.column``.
        group_by: columns whose equal values in consecutive rows make these an event, where a row is an object; empty
            where each row is an event although its numbers repeat.
        counts: start of columns' names -> column with the number of their objects in each event, where they hold one
            row for each object of all events.
        offsets: the same with the positions of first objects.
        objects: what becomes a node, in this order.
        truth: objects that are counted and read for labels only.
        tables: name -> lookup table that every expression can call: ``mass_of(code)``.
        limits: largest numbers of objects of several definitions together.
        columns: name of an event column in expressions -> where it is in the file, or an expression over others.
        selection: expressions over ``n_<object>``, ``n_objects``, ``n_btag``, ``columns``, branches, and columns of the
            selected objects (``sum(jet.pt)``).
        label: see :class:`LabelDefinition`.
        weight: see :class:`WeightDefinition`.
        keep: name -> expression of event columns that are stored as float32 with every graph, one number or a
            vector per event.
        fill: name of a node column that objects keep -> its value for objects that do not; 0 where not given.
        keep_btag_score: store the discriminant too.
        keep_pdg_id: store PDG numbers.
        identity: what identifies an event; the format's own where None.
        splits: name -> fraction of the events.
        on_invalid: what is done with events that hold NaN, infinite or impossible values.
        duplicates: what is done with events whose identity was there before.
    """

    name: str
    objects: Mapping[str, ObjectDefinition]
    reader: str = "nanoaod"
    tree: str | None = None
    description: str = ""
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    records: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    friends: Mapping[str, FriendDefinition] = field(default_factory=dict)
    group_by: tuple[str, ...] | None = None
    counts: Mapping[str, str] = field(default_factory=dict)
    offsets: Mapping[str, str] = field(default_factory=dict)
    truth: Mapping[str, ObjectDefinition] = field(default_factory=dict)
    tables: Mapping[str, LookupTable] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    selection: tuple[Expression, ...] = ()
    label: LabelDefinition | None = None
    weight: WeightDefinition = field(default_factory=WeightDefinition)
    keep: Mapping[str, Expression] = field(default_factory=dict)
    fill: Mapping[str, float] = field(default_factory=dict)
    keep_btag_score: bool = False
    keep_pdg_id: bool = False
    identity: Mapping[str, str] | None = None
    splits: Mapping[str, float] = field(default_factory=lambda: {"train": 0.7, "val": 0.15, "test": 0.15})
    on_invalid: str = "drop"
    duplicates: str = "keep"
    source: str = "a card made in Python"

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, labels or numbers that ``y`` holds, where the card gives them."""
        if self.label is None:
            return []
        computed = COMPUTED[self.label.computed].names if self.label.computed else ()
        return [*self.label.classes, *self.label.numbers, *computed]

    def node_columns(self) -> dict[str, str]:
        """Name -> meaning of the node columns that the card's objects keep beyond those of the schema."""
        meanings: dict[str, list[str]] = {}
        for name, definition in self.objects.items():
            for column, expression in definition.keep.items():
                meanings.setdefault(column, []).append(f"{expression.text} of {name}")
        return {column: ", ".join(texts) for column, texts in meanings.items()}

    def as_dict(self) -> dict[str, Any]:
        """The card as :func:`load_card` takes it, without its own path: a moved card has the same fingerprint."""
        content = _plain(self)
        content.pop("source", None)  # at its default it is not there
        return content


def _tells_kind(value: Any) -> bool:
    return isinstance(value, ObjectDefinition) and isinstance(value.kind, KindColumn)


def _plain(value: Any) -> Any:
    """JSON content; what is at its default is left out, so that a new key changes no old fingerprint."""
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, Cut):
        texts = [expression.text for expression in value.alternatives]
        return texts if len(texts) > 1 else texts[0] + (" ?" if value.optional else "")
    if isinstance(value, LookupTable):
        return value.as_dict()
    if isinstance(value, (ObjectType, Level)):
        return value.name.lower()
    if dataclasses.is_dataclass(value):
        result = {}
        for item in dataclasses.fields(value):
            content = getattr(value, item.name)
            default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
            # What a card means that says nothing depends on the rest: the level of truth is gen, that of objects reco.
            if content != default or item.name in ("level", "order" if _tells_kind(value) else ""):
                result[item.name] = _plain(content)
        return result
    if isinstance(value, Mapping):
        return {key: _plain(content) for key, content in value.items()}
    if isinstance(value, tuple):
        return [_plain(content) for content in value]
    return value

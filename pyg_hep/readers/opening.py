"""From a path and a card to a source: the format, the tree, friends and groups."""

from __future__ import annotations

import os

from pyg_hep.errors import ReaderError
from pyg_hep.readers.card import Card, FriendDefinition
from pyg_hep.readers.files import split_tree
from pyg_hep.readers.formats import FORMATS
from pyg_hep.readers.grouped import grouped_by, grouped_by_numbers
from pyg_hep.readers.joined import Friend, JoinedSource
from pyg_hep.readers.partitions import PartitionedSource, partition_keys
from pyg_hep.readers.source import Source, is_remote


def open_source(path: str | os.PathLike[str], card: Card) -> Source:
    """Open a file as a card reads it; entries are events.

    Args:
        path: a file or an address, also as ``file.root:tree``, whose tree counts before the card's.
        card: says the format, the friends, and how rows become events.

    Raises:
        ReaderError: when a file cannot be read, or lacks what the card names.
    """
    place, tree = split_tree(os.fspath(path))
    source = _opened(place, tree, card.reader, card.tree)
    try:
        if FORMATS[card.reader].partitioned and partition_keys(source.path):
            source = PartitionedSource(source)
        if card.friends:
            source = _joined(source, place, tree, card)
        if card.group_by:
            return grouped_by(source, card.group_by, card.source)
        for kind in ("counts", "offsets"):
            if names := getattr(card, kind):
                return grouped_by_numbers(source, kind, names, card.source)
    except BaseException:
        source.close()
        raise
    return source


def _opened(place: str, tree: str | None, reader: str, default: str | None) -> Source:
    style = FORMATS[reader]
    if tree is not None and not style.has_trees:
        raise ReaderError(f"{place}:{tree}: files of the reader {reader!r} have no trees")
    return style.open(place, tree or default)


def _joined(source: Source, place: str, tree: str | None, card: Card) -> JoinedSource:
    friends: list[Friend] = []
    try:
        for name, definition in card.friends.items():
            other, other_tree = friend_path(place, definition)
            reader = definition.reader or (card.reader if other == place else _reader_of(other, name, card))
            try:
                opened = _opened(other, other_tree, reader, None)
            except ReaderError as error:
                raise ReaderError(f"{error}; it is the friend {name!r} of {card.source}") from None
            try:
                friends.append(Friend(name, opened, definition.on, card.source))
            except BaseException:
                opened.close()
                raise
        return JoinedSource(source, friends)
    except BaseException:
        for friend in friends:
            friend.source.close()
        raise


def _reader_of(path: str, name: str, card: Card) -> str:
    """The format of a file by its ending; that of the card where both are possible."""
    if path.lower().endswith(FORMATS[card.reader].endings):
        return card.reader
    # "root" reads any tree, where the others expect one of a certain name.
    readers = [reader for reader, style in FORMATS.items() if path.lower().endswith(style.endings)]
    if not readers:
        raise ReaderError(f"{path}: no format has this ending: set the key 'friends.{name}.reader' of {card.source}")
    return "root" if "root" in readers else readers[0]


def friend_path(path: str, definition: FriendDefinition) -> tuple[str, str | None]:
    """File and tree of a friend of the file or address ``path``; a path that is not absolute begins at its folder."""
    if definition.files is None:
        return path, definition.tree
    folder, name = os.path.split(path)
    stem = name.rpartition(".")[0] or name
    text = definition.files
    for word, value in (("{stem}", stem), ("{name}", name), ("{folder}", folder or ".")):
        text = text.replace(word, value)
    text = os.path.expanduser(text)  # noqa: PTH111, which is for addresses too
    if folder and not (text.startswith("/") or is_remote(text) or definition.files.startswith("{folder}")):
        text = f"{folder.rstrip('/')}/{text}"
    place, tree = split_tree(text)
    return place, tree or definition.tree

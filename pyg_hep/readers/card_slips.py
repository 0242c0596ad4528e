"""Slips in the YAML of dataset cards that make it say something else than what is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyg_hep.errors import ConfigError


def check_slips(content: Any, where: str, key: str = "") -> None:
    """Refuse what YAML makes of a comma or of ``yes``, ``no``, ``on``, ``off`` without quotes.

    Raises:
        ConfigError: names the key and what to quote.
    """
    if isinstance(content, Mapping):
        # {pt: max(a, b)} is the mapping {"pt": "max(a", "b)": null}.
        pieces = [(name, True) if value is None else (value, False) for name, value in content.items()]
        children = [(value, f"{key}.{name}".lstrip(".")) for name, value in content.items()]
        for name in content:
            if isinstance(name, bool):
                problem = f"YAML reads a bare yes, no, on or off as {str(name).lower()}: quote the key"
                raise ConfigError(f"{where}, key {key!r}: {problem}")
    elif isinstance(content, (list, tuple)):
        pieces = [(value, True) for value in content]
        children = [(value, key) for value in content]
    else:
        return
    text = ""
    for piece, may_follow in pieces:
        text = f"{text}, {piece}" if may_follow and _open(text) > 0 else str(piece)
        if may_follow and _open(str(piece)) < 0 and _open(text) == 0:
            raise ConfigError(
                f"{where}, key {key!r}: the comma in {text!r} ends an entry in YAML: quote the expression"
            )
    for child, name in children:
        check_slips(child, where, name)


def _open(text: str) -> int:
    """Brackets that are opened and not closed; negative where more are closed."""
    return text.count("(") - text.count(")")

"""The YAML of dataset cards: what it says, or one sentence on the slip that makes it say something else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pyg_hep.errors import ConfigError

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Plain values only, and every key once."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in seen:
                problem = f"the key {key.value!r} is there twice in one mapping"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return node


def read_yaml(path: Path) -> Any:
    """Content of a card's file.

    Raises:
        ConfigError: where it is no YAML, or holds a key twice; names the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        if "'\\t'" in problem:
            problem += ": indent with blanks, not with tabs"
        elif mark is not None and "twice" not in problem:
            problem += "; an expression with brackets, commas, colons or # needs quotes around it"
        raise ConfigError(f"card {path}{line}: not readable as YAML: {problem}") from None


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

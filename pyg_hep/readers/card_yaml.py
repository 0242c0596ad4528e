"""The YAML of dataset cards, or one sentence on why it is none; PyYAML takes long to load, so nothing else is here."""

from __future__ import annotations

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

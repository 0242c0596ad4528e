"""Figures that were published earlier, beside those of today: read from their own files, never mixed with new ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_hep.errors import ConfigError
from pyg_hep.studies.statistics import label

WITHIN = 3.0
"""Spreads over seeds within which a figure of one training counts as the same."""


def read_earlier(path: Path, labels: Callable[[str], str] = str) -> list[dict[str, Any]]:
    """Records of an earlier version, which name a method and no variant.

    Args:
        path: of the lines, one record each.
        labels: turns the name of a method then into ``name`` or ``name/variant`` of today.

    Returns:
        The records with ``label`` in place of ``method``; none where there is no file.

    Raises:
        ConfigError: for a line that is no such record.
    """
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            rows.append({**record, "label": labels(record["method"]) if "method" in record else None})
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{path}, line {number}, is no record of a run: {error}") from None
    return rows


def against_earlier(records: Sequence[dict[str, Any]], earlier: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    r"""Every figure of today beside the one published earlier for the same task, method and size.

    .. math:: d = (\bar{f}_\text{new} - \bar{f}_\text{earlier}) / s_\text{earlier}

    with the standard deviation s over the seeds then.

    Returns:
        Rows with ``task``, ``method`` (its label), ``size``, ``figure``, ``value``, ``runs``, ``earlier``,
        ``earlier_std`` and ``deviation``; the last two None where there was one training.
    """
    rows = []
    for task, name, size in dict.fromkeys((r["task"], label(r), r["size"]) for r in records):
        mine = [r for r in records if (r["task"], label(r), r["size"]) == (task, name, size)]
        then = [r for r in earlier if (r["task"], r["label"], r["size"]) == (task, name, size)]
        for figure in mine[0]["figures"]:
            if not then or figure not in then[0]:
                continue
            value, old = (float(np.mean([r[figure] for r in found])) for found in (mine, then))
            spread = float(np.std([r[figure] for r in then], ddof=1)) if len(then) > 1 else None
            rows.append({
                "task": task, "method": name, "size": size, "figure": figure, "value": value, "runs": len(mine),
                "earlier": old, "earlier_std": spread, "deviation": (value - old) / spread if spread else None,
            })  # fmt: skip
    return rows


def print_earlier(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """A table of :func:`against_earlier`, with the count of figures within :data:`WITHIN` spreads."""
    if not rows:
        return
    known = [row for row in rows if row["deviation"] is not None]
    near = sum(abs(row["deviation"]) <= WITHIN for row in known)
    print(
        f"\nAgainst figures published earlier ({folder}): {near} of {len(known)} within {WITHIN:g} spreads over seeds"
    )
    for row in rows:
        spread = "one training" if row["deviation"] is None else f"{row['deviation']:+5.1f} spreads"
        print(f"{row['task']:20s}{row['method']:32s}{row['size']:>10,d} {row['figure']:10s}{row['value']:.4f} "
              f"({row['earlier']:.4f}, {spread})")  # fmt: skip

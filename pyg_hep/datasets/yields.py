"""Events expected in a luminosity, from the sums of weights that a conversion keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyg_hep.errors import ConfigError
from pyg_hep.readers import Card


def expected_yields(card: Card, manifest: Mapping[str, Any]) -> dict[str, float]:
    """Yields by process, see :meth:`pyg_hep.datasets.EventDataset.expected_yields`.

    Args:
        card: with luminosity and cross sections.
        manifest: of the storage.

    Raises:
        ConfigError: when the card lacks the luminosity or a cross section.
    """
    weight = card.weight
    missing = [name for name in manifest["processes"] if name not in weight.cross_section]
    if weight.luminosity is None or missing:
        what = f"weight.cross_section.{missing[0]}" if missing else "weight.luminosity"
        raise ConfigError(f"expected yields need the key {what!r} of {card.source}")
    yields = {}
    for name in manifest["processes"]:
        read = manifest["sum_of_weights_read_per_process"][name]
        total = manifest["generator_weights_per_process"][name]
        total = read if total is None else total
        if not total or not read:
            raise ConfigError(f"the weights of {name} sum up to {total}: no yield can be normalised to them")
        total *= 1 - manifest["sum_of_weights_invalid_per_process"][name] / read
        share = manifest["sum_of_weights_selected_per_process"][name] / total
        yields[name] = weight.cross_section[name] * 1000 * weight.luminosity * share
    return yields

"""Sets of labels that are made from the heavy particles of the truth rather than from one expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np

_HO_ETA = (-1.5, 0.0, 1.5)
_HO_PHI = (-np.pi / 2, 0.0, np.pi / 2)
_HO_PARTICLES: tuple[tuple[str, str, int, tuple[float, ...]], ...] = (
    ("higgs", "higgs", 0, (30.0, 200.0)),
    ("leading_top", "top", 0, (30.0, 300.0)),
    ("subleading_top", "top", 1, (30.0, 300.0)),
)


class Particles(Protocol):
    """Objects of many events: columns, the event of each object, ordered by event and falling pt."""

    columns: dict[str, np.ndarray]
    event: np.ndarray


class ComputedLabels(NamedTuple):
    """A set of labels: the truth objects it needs, the names of its labels, and how they are made."""

    truth: tuple[str, ...]
    names: tuple[str, ...]
    make: Callable[[Mapping[str, Particles], int], np.ndarray]


def _bins(name: str, edges: tuple[float, ...]) -> list[str]:
    return [f"{name}_{number}" for number in range(len(edges) + 1)]


def _ho_names() -> tuple[str, ...]:
    names = ["n_higgs", "n_top", "n_v", "n_w", "n_z"]
    for label, _, _, pt_edges in _HO_PARTICLES:
        names += [f"has_{label}", *_bins(f"{label}_pt", pt_edges)]
        names += [*_bins(f"{label}_eta", _HO_ETA), *_bins(f"{label}_phi", _HO_PHI)]
    return tuple(names)


def ho_multilabel(truth: Mapping[str, Particles], num_events: int) -> np.ndarray:
    """The 41 labels of Ho et al., arXiv:2412.10665, section III C 2.

    Numbers of Higgs bosons, top quarks, vector bosons, W and Z bosons; then for the Higgs boson, the leading and
    the subleading top quark one-hot bins of pt (edges 30 and 200 GeV, for tops 30 and 300 GeV), eta (edges -1.5,
    0, 1.5) and phi (edges -pi/2, 0, pi/2), all 0 where there is none. The text describes 5 + 3 x (3 + 4 + 4) = 38
    labels; a bit for the presence of each of the three particles makes the 41 it counts.

    Args:
        truth: ``higgs``, ``top``, ``w`` and ``z``; pt in GeV.
        num_events: number of events N.

    Returns:
        Labels, shape ``[N, 41]``, float32.
    """
    count = {name: np.bincount(truth[name].event, minlength=num_events) for name in ("higgs", "top", "w", "z")}
    columns: list[np.ndarray] = [count["higgs"], count["top"], count["w"] + count["z"], count["w"], count["z"]]
    for _, name, rank, pt_edges in _HO_PARTICLES:
        particles = truth[name]
        first = np.searchsorted(particles.event, np.arange(num_events))
        there = np.flatnonzero(count[name] > rank)
        present = np.zeros(num_events)
        present[there] = 1
        columns.append(present)
        for column, edges in (("pt", pt_edges), ("eta", _HO_ETA), ("phi", _HO_PHI)):
            one_hot = np.zeros((num_events, len(edges) + 1))
            one_hot[there, np.digitize(particles.columns[column][first[there] + rank], edges)] = 1
            columns += list(one_hot.T)
    return np.stack(columns, axis=1).astype(np.float32)


COMPUTED: dict[str, ComputedLabels] = {
    "ho_multilabel": ComputedLabels(("higgs", "top", "w", "z"), _ho_names(), ho_multilabel),
}
"""Value of a card's key ``label.computed`` -> labels."""

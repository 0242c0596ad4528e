"""Top pairs by the ellipse method from the measured momenta as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_hep.analysis.tops.ellipse import TOP_MASS, W_MASS, solve_ellipses
from pyg_hep.analysis.tops.events import DileptonEvents
from pyg_hep.analysis.tops.momenta import Floats, Mask, mass, on_shell, take_rows
from pyg_hep.analysis.tops.pairing import choose_pairing, paired_jets
from pyg_hep.analysis.tops.result import TopPairs

_CHUNK = 8192


@dataclass(frozen=True)
class EllipseMethod:
    """The solution with the smallest m(ttbar) of one pairing, and where that has none, of the other.

    Args:
        pairing: criterion of :func:`~pyg_hep.analysis.tops.choose_pairing` for the pairing tried first, or
            ``"smallest_mass"`` for the one whose solution has the smaller m(ttbar).
        try_other: take the other pairing where the first has no solution.
        top_mass: [GeV].
        w_mass: [GeV].

    Source: Betchart, Demina and Harel, arXiv:1305.1878; smallest m(ttbar): CMS, arXiv:1505.04480.
    """

    pairing: str = "min_max_mbl"
    try_other: bool = True
    top_mass: float = TOP_MASS
    w_mass: float = W_MASS

    @np.errstate(all="ignore")
    def __call__(self, events: DileptonEvents) -> TopPairs:
        """Top pairs of the events, ``[N]``."""
        if self.pairing == "smallest_mass":
            first = np.where(events.usable, 0, -1)
        else:
            first = choose_pairing(events, self.pairing)
        neutrinos = np.empty((len(events), 2, 2, 3))
        masses = np.empty((len(events), 2))
        for rows, chunk in events.chunks(_CHUNK):
            jets = paired_jets(chunk)
            leptons = chunk.antilepton[:, None], chunk.lepton[:, None]
            neutrinos[rows], masses[rows] = smallest_mass(
                leptons[0], jets[:, :, 0], leptons[1], jets[:, :, 1], chunk.met[:, None], self.top_mass, self.w_mass
            )
        solved = np.isfinite(masses)
        if self.pairing == "smallest_mass":
            preferred = np.where(solved, masses, np.inf).argmin(1)
        else:
            own = take_rows(masses, first)
            other = ~np.isfinite(own) & (first >= 0) & self.try_other
            preferred = np.where(other, 1 - first, first)
        has = solved[np.arange(len(events)), np.maximum(preferred, 0)] & (first >= 0)
        pairing = np.where(has, preferred, -1)
        both = take_rows(neutrinos, pairing)
        return TopPairs.from_neutrinos(events, both[:, 0], both[:, 1], pairing)


def smallest_mass(
    antilepton: Floats,
    b: Floats,
    lepton: Floats,
    antib: Floats,
    met: Floats,
    top_mass: float,
    *w_masses: float | Floats,
) -> tuple[Floats, Floats]:
    """The solution with the smallest m(ttbar).

    Returns:
        Momenta of neutrino and antineutrino, shape ``[..., 2, 3]``, and m(ttbar) [GeV] ``[...]``; NaN without one.
    """
    found = solve_ellipses(antilepton, b, lepton, antib, met, top_mass, None, *w_masses)
    visible = (antilepton + b + lepton + antib)[..., None, :]
    masses = mass(visible + on_shell(found.neutrino) + on_shell(found.antineutrino))
    masses = np.where(found.valid, masses, np.inf)
    best = masses.argmin(-1)[..., None]
    smallest = np.take_along_axis(masses, best, -1)[..., 0]
    both = np.stack([found.neutrino, found.antineutrino], axis=-2)
    chosen = np.take_along_axis(both, best[..., None, None], -3)[..., 0, :, :]
    exists: Mask = np.isfinite(smallest)
    return np.where(exists[..., None, None], chosen, np.nan), np.where(exists, smallest, np.nan)

"""The mass of everything measured, times one number: the plainest estimator of m(ttbar), and one that never fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyg_hep.analysis.tops.events import DileptonEvents, with_masses
from pyg_hep.analysis.tops.momenta import Floats, mass, on_shell
from pyg_hep.analysis.tops.pairing import choose_pairing
from pyg_hep.analysis.tops.result import TopPairs
from pyg_hep.errors import ConfigError
from pyg_hep.metrics import weighted_quantiles


@dataclass(frozen=True)
class VisibleMass:
    r"""Estimator :math:`m(t\bar t) = k \, m(\ell\ell bb + E_T^\mathrm{miss})` with one fitted factor k.

    The missing momentum is massless and without longitudinal part, and each neutrino has half of it. Tops are made of
    them, paired by ``pairing``, and all four-vectors of the tops (not those of their daughters) are multiplied by k,
    so that their sum has the estimated mass. Masses and angles of these tops are crude.

    Args:
        scale: the factor k; :meth:`fit` finds it. The default is that of partons of top pairs at
            13 TeV within usual acceptance.
        pairing: criterion of :func:`~pyg_hep.analysis.tops.choose_pairing`; m(ttbar) does not depend on it.
    """

    scale: float = 1.15
    pairing: str = "min_max_mbl"

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ConfigError(f"the scale of the visible mass is above 0, got {self.scale}")

    def fit(self, events: Any, m_ttbar: Any, weight: Any = None) -> VisibleMass:
        """The same estimator with the scale at which the median of estimated over true mass is 1.

        Args:
            events: training events, as :func:`~pyg_hep.analysis.reconstruct_tops` takes them.
            m_ttbar: true mass [GeV], shape ``[N]``.
            weight: of the events, ``[N]``; 1 by default.

        Raises:
            PygHepError: for other than one mass per event, or without an event that can be used.
        """
        events, truth, weights = with_masses(events, m_ttbar, weight, "the scale of the visible mass needs")
        usable = events.usable
        ratio = visible_mass(events)[usable] / truth[usable]
        return VisibleMass(1.0 / float(weighted_quantiles(ratio, 0.5, weights[usable])), self.pairing)

    def __call__(self, events: DileptonEvents) -> TopPairs:
        """Top pairs of the events, ``[N]``; valid for all that can be used."""
        half = np.concatenate([0.5 * events.met, np.zeros((len(events), 1))], axis=1)
        pairs = TopPairs.from_neutrinos(events, half, half, choose_pairing(events, self.pairing))
        return pairs.with_vectors(top=self.scale * pairs.top, antitop=self.scale * pairs.antitop)


def visible_mass(events: DileptonEvents) -> Floats:
    """Mass of both leptons, both jets and the missing momentum [GeV], shape ``[N]``."""
    met = on_shell(np.concatenate([events.met, np.zeros((len(events), 1))], axis=1))
    return mass(events.antilepton + events.lepton + events.jets.sum(1) + met)

"""Which of two jets goes with which of two leptons: both pairings, and simple criteria that choose one."""

from __future__ import annotations

import numpy as np

from pyg_hep.analysis.tops.events import DileptonEvents
from pyg_hep.analysis.tops.momenta import Floats, Ints, Mask, delta_r, mass
from pyg_hep.errors import ConfigError, nearest

CRITERIA = ("min_max_mbl", "min_sum_mbl", "min_sum_delta_r", "as_given")
"""Names that :func:`choose_pairing` takes."""

LARGEST_MBL = 153.0
r"""Edge of the mass of lepton and b quark of one top, :math:`\sqrt{m_t^2 - m_W^2}`, 152.6 GeV for 172.5 and 80.4."""


def paired_jets(events: DileptonEvents) -> Floats:
    """Jets of top and antitop in both pairings, shape ``[N, 2 pairings, 2, 4]``: pairing 1 exchanges the two jets."""
    return np.stack([events.jets, events.jets[:, ::-1]], axis=1)


def lepton_b_masses(events: DileptonEvents) -> Floats:
    """Masses of antilepton and b, and of lepton and anti-b [GeV], shape ``[N, 2 pairings, 2]``."""
    return mass(paired_jets(events) + np.stack([events.antilepton, events.lepton], axis=1)[:, None])


def allowed_pairings(events: DileptonEvents, largest: float = LARGEST_MBL) -> Mask:
    """Pairings whose two masses are both below the edge, shape ``[N, 2]``."""
    return np.asarray((lepton_b_masses(events) < largest).all(-1))


def choose_pairing(events: DileptonEvents, criterion: str = "min_max_mbl") -> Ints:
    r"""The pairing that a criterion prefers.

    ``min_max_mbl`` takes the smallest :math:`\max(m_{b\ell^+}, m_{\bar b \ell^-})`, ``min_sum_mbl`` the smallest sum of
    both, ``min_sum_delta_r`` the smallest sum of both angular distances, and ``as_given`` always pairing 0. Of partons
    of the top decays within acceptance they are right in 82, 77, and 72 % of events.

    Returns:
        0 or 1, shape ``[N]``, and -1 for events that cannot be used.

    Raises:
        ConfigError: for another criterion; names the nearest.
    """
    if criterion not in CRITERIA:
        raise ConfigError(f"no pairing criterion {criterion!r}, {nearest(criterion, CRITERIA)}")
    if criterion == "min_max_mbl":
        figure = lepton_b_masses(events).max(-1)
    elif criterion == "min_sum_mbl":
        figure = lepton_b_masses(events).sum(-1)
    elif criterion == "min_sum_delta_r":
        leptons = np.stack([events.antilepton, events.lepton], axis=1)[:, None]
        figure = delta_r(paired_jets(events), np.broadcast_to(leptons, (len(events), 2, 2, 4))).sum(-1)
    else:
        figure = np.zeros((len(events), 2))
    return np.where(events.usable, (figure[:, 1] < figure[:, 0]).astype(np.int64), -1)

"""Flavour tagging of jets: efficiency curves and a continuous score; a jet's true flavour is decided elsewhere."""

from __future__ import annotations

import numpy as np

from pyg_hep.simulation.columns import Array, Floats

WORKING_POINT = 0.2489
"""Score above which a jet counts as b-tagged: DeepJet medium, CMS UL 2016 (the value of the shipped cards)."""

_SLOPE = {5: 0.60, 4: 0.80, 0: 1.30}
"""Logistic slope of the score by flavour. At the loose and tight cuts of the same tagger, 0.0480 and 0.6377,
it gives efficiencies near 91 % and 55 % (b), 48 % and 5 % (c), 10 % and 0.1 % (light): the mistag rates that
define those cuts."""


def btag_efficiency(flavour: Array, pt: Floats) -> Floats:
    r"""Probability that the score exceeds :data:`WORKING_POINT`, for jets inside the tracker.

    .. math::
        \epsilon_b = 0.88 \tanh(0.003 p_T) \frac{30}{1 + 0.086 p_T}, \quad
        \epsilon_c = 0.267 \frac{\tanh(0.02 p_T)}{1 + 0.0034 p_T}, \quad
        \epsilon_l = 0.009 + 1.5 \cdot 10^{-5} p_T

    with pT in GeV. In top-quark events: 77 %, 17 %, 1 %.

    Args:
        flavour: 5, 4 or 0, shape ``[N]``.
        pt: transverse momentum in GeV, shape ``[N]``.

    Source: shapes of the Delphes ATLAS card (based on ATL-PHYS-PUB-2015-022, 70 % working point), scaled to
    77 / 17 / 1 %; light jets with half its relative slope, which would else overtake charm above 1.3 TeV.
    """
    b = 0.88 * np.tanh(0.003 * pt) * 30.0 / (1.0 + 0.086 * pt)
    c = 0.267 * np.tanh(0.02 * pt) / (1.0 + 0.0034 * pt)
    light = np.minimum(0.009 + 1.5e-5 * pt, 0.2)
    return np.select([flavour == 5, flavour == 4], [b, c], light)


def btag_score(flavour: Array, pt: Floats, eta: Floats, rng: np.random.Generator) -> Floats:
    r"""Draw the b-tagging score, in [0, 1]; 0 outside the tracker.

    With :math:`\mathrm{logit}(p) = \ln(p / (1 - p))`, a uniform :math:`u`, the efficiency :math:`\epsilon` of
    :func:`btag_efficiency` and the cut :math:`c` = :data:`WORKING_POINT`,

    .. math:: \mathrm{logit}(s) = \mathrm{logit}(c) + \frac{\mathrm{logit}(\epsilon) - \mathrm{logit}(u)}{a}

    so that :math:`P(s > c) = \epsilon`, and other cuts have sensible efficiencies through the slope a.

    Args:
        flavour: 5, 4 or 0, shape ``[N]``.
        pt: transverse momentum in GeV, shape ``[N]``.
        eta: pseudorapidity, shape ``[N]``.
        rng: source of u.
    """
    efficiency = btag_efficiency(flavour, pt)
    u = rng.uniform(1e-9, 1.0 - 1e-9, size=pt.size)
    slope = np.select([flavour == 5, flavour == 4], [_SLOPE[5], _SLOPE[4]], _SLOPE[0])
    logit = _logit(np.array(WORKING_POINT)) + (_logit(efficiency) - _logit(u)) / slope
    return np.where(np.abs(eta) < 2.5, 1.0 / (1.0 + np.exp(-logit)), 0.0)


def _logit(p: Floats) -> Floats:
    return np.log(p / (1.0 - p))

"""Spin weights of simulated top pairs from their generator truth; the formulas are in ``pyg_hep.spin``."""

from __future__ import annotations

import numpy as np

from pyg_hep.simulation.columns import Collection, Floats, Ints, Mask
from pyg_hep.simulation.processes import SpinState
from pyg_hep.spin import c_hel, has_leading_order, lepton_directions, singlet_weight, spin_weight

_TOP, _W = 6, 24
_LEPTONS = (11, 13, 15)


def spin_weights(state: SpinState, truth: Collection, id1: Ints, id2: Ints) -> Floats:
    """Weight of every event that gives its top pair the right spin correlations.

    Pythia decays tops unpolarised: their leptons are isotropic in the rest frame of the top that decays. ``GenPart``
    holds this top, and its decay products before they radiate, boosted along with it where it recoils later (see
    :func:`pyg_hep.simulation.truth.generator_particles`), so the directions are those of the isotropic decay. Leptons
    of W bosons are electrons, muons and taus.

    Args:
        state: what is missing; with ``""`` every weight is 1.
        truth: ``GenPart`` of B events.
        id1: PDG number of the incoming parton of the first beam, ``[B]``.
        id2: of the second beam.

    Returns:
        Shape ``[B]``, in [0, 2]; 1 for events that are not one top and one antitop with a lepton each, and of
        ``top_pair`` for those of other partons than two gluons or a quark and its antiquark.
    """
    weights = np.ones(truth.counts.size)
    if not state:
        return weights
    found, p4 = dilepton_pairs(truth)
    if state == "singlet":
        weights[found] = singlet_weight(c_hel(*lepton_directions(*p4)))
    else:
        known = has_leading_order(id1[found], id2[found])
        found[found] = known
        top, antitop, plus, minus = (p[known] for p in p4)
        weights[found] = spin_weight(top, antitop, plus, minus, id1[found], id2[found])
    return np.clip(weights, 0.0, 2.0)  # rounding


def dilepton_pairs(truth: Collection) -> tuple[Mask, list[Floats]]:
    """Top pairs with a charged lepton from each top.

    Args:
        truth: ``GenPart`` of B events.

    Returns:
        Which events are one, ``[B]``, and (px, py, pz, E) in GeV of the top, the antitop, the positive and the negative
        lepton of those F events, ``[F, 4]`` each.
    """
    pdg_id = truth.fields["pdgId"].astype(np.int64)
    event = np.repeat(np.arange(truth.counts.size), truth.counts)
    index = truth.fields["genPartIdxMother"]
    mother = np.where(index < 0, -1, index + (np.cumsum(truth.counts) - truth.counts)[event])

    def of_mother(values: Ints) -> Ints:
        return np.where(mother < 0, 0, values[mother])

    of_w = of_mother(pdg_id)
    of_top = of_mother(of_w)
    chosen = [pdg_id == _TOP, pdg_id == -_TOP]
    # Antileptons have negative PDG numbers and come from W+ and the top.
    chosen += [np.isin(-s * pdg_id, _LEPTONS) & (of_w == s * _W) & (of_top == s * _TOP) for s in (1, -1)]
    counts = np.array([np.bincount(event[mask], minlength=truth.counts.size) for mask in chosen])
    found = (counts == 1).all(axis=0)
    pt, eta, phi, mass = (truth.fields[name].astype(np.float64) for name in ("pt", "eta", "phi", "mass"))
    p4 = np.column_stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), np.hypot(pt * np.cosh(eta), mass)])
    return found, [p4[mask & found[event]] for mask in chosen]

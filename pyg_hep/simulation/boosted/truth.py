"""Which jets hold all that a particle of their class decays to; which jets there are is known elsewhere."""

from __future__ import annotations

import numpy as np

from pyg_hep.simulation.boosted.processes import RADIUS, JetProcess
from pyg_hep.simulation.columns import Collection, Floats, Ints, Mask
from pyg_hep.simulation.geometry import delta_r, group_sums, pairs
from pyg_hep.simulation.truth import NEUTRINOS


def matched_jets(
    process: JetProcess, truth: Collection, jet_event: Ints, jet_eta: Floats, jet_phi: Floats
) -> Mask:  # fmt: skip
    """Whether all visible decay products of one particle of the process are within Delta R < 0.8 of a jet.

    Args:
        process: says which particle, and how many products.
        truth: ``GenPart`` of the events, see :func:`pyg_hep.simulation.truth.generator_particles`.
        jet_event: event of every jet, sorted, shape ``[J]``.
        jet_eta: pseudorapidity of the jets, shape ``[J]``.
        jet_phi: azimuth of the jets, shape ``[J]``.

    Returns:
        Shape ``[J]``.
    """
    count = truth.counts.size
    event = np.repeat(np.arange(count), truth.counts)
    first = (np.cumsum(truth.counts) - truth.counts)[event]
    number = np.abs(truth.fields["pdgId"].astype(np.int64))
    above = truth.fields["genPartIdxMother"].astype(np.int64)
    mother = np.where(above >= 0, above + first, -1)

    wanted = np.isin(number, process.particle)
    if process.products == 1:
        wanted &= mother < 0  # a parton of the hard process itself
    # From every entry up to the particle that it comes from; mothers come before their daughters.
    source = np.where(wanted, np.arange(number.size), -1)
    climbing = mother.copy()
    while ((source < 0) & (climbing >= 0)).any():
        found = (source < 0) & (climbing >= 0)
        source = np.where(found & wanted[np.maximum(climbing, 0)], climbing, source)
        climbing = np.where(climbing >= 0, mother[np.maximum(climbing, 0)], -1)
    has_daughters = np.zeros(number.size, dtype=bool)
    has_daughters[mother[mother >= 0]] = True
    product = np.flatnonzero((source >= 0) & ~has_daughters & ~np.isin(number, NEUTRINOS))

    eta, phi = truth.fields["eta"].astype(np.float64), truth.fields["phi"].astype(np.float64)
    i, jet = pairs(event[product], jet_event, count)
    near = delta_r(eta[product[i]], phi[product[i]], jet_eta[jet], jet_phi[jet]) < RADIUS
    total = group_sums(source[product], np.ones(product.size), number.size)
    # Products near a jet, for every pair of a jet and a particle.
    key = jet[near] * number.size + source[product[i[near]]]
    pair, inside = np.unique(key, return_counts=True)
    of = pair % max(number.size, 1)
    complete = (inside == process.products) & (total[of] == process.products)
    matched = np.zeros(jet_event.size, dtype=bool)
    matched[pair[complete] // max(number.size, 1)] = True
    return matched

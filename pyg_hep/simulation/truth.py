"""What the generator knows: resonances with their decay products, invisible momentum, heavy hadrons, taus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_hep.simulation.columns import Collection, Floats, GeneratedEvents, Ints, Mask
from pyg_hep.simulation.geometry import boost, expand_ranges, group_sums, pt_eta_phi

NEUTRINOS = (12, 14, 16, 18)
INVISIBLE = (*NEUTRINOS, 52, 54, 1000022, 1000039)
"""|PDG ids| that leave no trace: neutrinos, dark matter and its mediator, lightest neutralino, gravitino."""

# PDG numbers of the hadrons that decay weakly: every other b or c hadron ends in one of them.
_WEAK_B = (511, 521, 531, 541, 5122, 5132, 5232, 5332)
_WEAK_C = (411, 421, 431, 4122, 4132, 4232, 4332)
_CHARGED_TAU_PRODUCTS = (211, 321)


def is_hadron(pdg_id: Ints) -> Mask:
    """Whether PDG numbers are those of hadrons (100 to 10^6 or excited states), shape ``[N]``."""
    absolute = np.abs(pdg_id)
    return ((absolute > 100) & (absolute < 1000000)) | ((absolute > 9000000) & (absolute < 9900000))


def _four_vectors(events: GeneratedEvents, position: Ints) -> Floats:
    return np.column_stack([x[position] for x in (events.px, events.py, events.pz, events.energy)])


def missing_momentum(events: GeneratedEvents) -> tuple[Floats, Floats]:
    """Transverse momentum (x, y) of the final invisible particles in GeV, shape ``[B]`` each."""
    invisible = (events.status > 0) & np.isin(np.abs(events.pdg_id), INVISIBLE)
    of = events.event[invisible]
    px = group_sums(of, events.px[invisible], events.count)
    return px, group_sums(of, events.py[invisible], events.count)


def heavy_hadrons(events: GeneratedEvents) -> tuple[Ints, Ints]:
    """Positions of the weakly decaying b hadrons and c hadrons with pT above 5 GeV, as NanoAOD's hadronFlavour."""
    absolute = np.abs(events.pdg_id)
    hard = np.hypot(events.px, events.py) > 5.0
    b = np.flatnonzero(np.isin(absolute, _WEAK_B) & hard)
    return b, np.flatnonzero(np.isin(absolute, _WEAK_C) & hard)


@dataclass(frozen=True)
class HadronicTaus:
    """Visible part of hadronically decaying taus; one entry per tau, shape ``[N]`` (``p4``: ``[N, 4]``)."""

    event: Ints
    p4: Floats
    charge: Ints
    prongs: Ints
    neutral_pions: Ints


def hadronic_taus(events: GeneratedEvents) -> HadronicTaus:
    """Taus without an electron or muon among their decay products, as the sum of what is visible of them."""
    taus = np.flatnonzero((np.abs(events.pdg_id) == 15) & (events.status < 0))
    tau, product = expand_ranges(events.daughter1[taus], events.daughter2[taus])
    kind = np.abs(events.pdg_id[product])
    # A tau that radiates has itself among its daughters: only the last copy decays.
    leptonic_or_copy = group_sums(tau, np.isin(kind, (11, 13, 15)), taus.size) > 0
    visible = ~np.isin(kind, NEUTRINOS)
    momentum = _four_vectors(events, product[visible])
    p4 = np.column_stack([group_sums(tau[visible], momentum[:, k], taus.size) for k in range(4)])
    prongs = group_sums(tau, np.isin(kind, _CHARGED_TAU_PRODUCTS), taus.size).astype(np.int64)
    neutral = group_sums(tau, kind == 111, taus.size).astype(np.int64)
    keep = ~leptonic_or_copy
    position = taus[keep]
    return HadronicTaus(
        event=events.event[position],
        p4=p4[keep],
        charge=-np.sign(events.pdg_id[position]),
        prongs=prongs[keep],
        neutral_pions=neutral[keep],
    )


def generator_particles(events: GeneratedEvents) -> Collection:
    r"""Resonances (t, W, Z, H and others), their decay products, and the other products of the hard process.

    A resonance with a mother, and every decay product, has the momentum of its decay vertex *before* radiation:
    the generator lets a resonance recoil against what its siblings radiate later and decays it then, so its
    products are boosted back from the recoiled resonance to the one stored. Hence at every vertex

    .. math:: p_\mathrm{mother} = \sum_\mathrm{daughters} p .

    A resonance of the hard process has its momentum at its decay, after the initial-state shower; a parton,
    lepton or photon of the hard process that is no resonance has the one of the hard process.

    Returns:
        ``GenPart`` with pt, eta, phi, mass, pdgId, status (22 resonance, 23 other) and genPartIdxMother,
        -1 for products of the hard process; mothers come before their daughters.
    """
    code = np.abs(events.status)
    chosen = np.flatnonzero((code == 22) | (code == 23))
    last_mother = events.mother[chosen]  # the copy of the mother that decayed
    first_mother = last_mother.copy()
    while True:
        above = events.mother[first_mother]
        climb = (code[first_mother] != 22) & (events.pdg_id[above] == events.pdg_id[first_mother])
        climb &= above != first_mother
        if not climb.any():
            break
        first_mother = np.where(climb, above, first_mother)
    row = np.full(events.event.size, -1)
    row[chosen] = np.arange(chosen.size)
    mother = np.where(code[first_mother] == 22, row[first_mother], -1)

    p4 = _four_vectors(events, chosen)
    decayed = mother >= 0
    p4_at_decay = p4.copy()
    p4_at_decay[mother[decayed]] = _four_vectors(events, last_mother[decayed])
    p4 = np.where((mother < 0)[:, None], p4_at_decay, p4)
    # Generation by generation: daughters follow the boost that their mother has got.
    done = mother < 0
    while not done.all():
        ready = np.flatnonzero(~done & done[mother])
        of = mother[ready]
        p4[ready] = boost(boost(p4[ready], p4_at_decay[of], -1.0), p4[of], 1.0)
        done[ready] = True

    pt, eta, phi = pt_eta_phi(p4[:, 0], p4[:, 1], p4[:, 2])
    event = events.event[chosen]
    counts = np.bincount(event, minlength=events.count)
    first_row = (np.cumsum(counts) - counts)[event]
    fields = {
        "pt": pt.astype(np.float32),
        "eta": eta.astype(np.float32),
        "phi": phi.astype(np.float32),
        "mass": events.mass[chosen].astype(np.float32),
        "pdgId": events.pdg_id[chosen].astype(np.int32),
        "status": code[chosen].astype(np.int32),
        "genPartIdxMother": np.where(mother >= 0, mother - first_row, -1).astype(np.int32),
    }
    return Collection.from_unsorted(event, events.count, None, fields)

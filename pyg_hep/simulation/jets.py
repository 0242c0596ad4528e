"""Jets of the detector: anti-kt clustering of many events at once, smearing and flavour; tagging is elsewhere."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from pyg_hep.simulation import response
from pyg_hep.simulation.columns import Floats, GeneratedEvents, Ints, Mask, Momenta
from pyg_hep.simulation.geometry import delta_r, invariant_mass, pairs, pt_eta_phi
from pyg_hep.simulation.objects import Objects, Visible, smearing_factor
from pyg_hep.simulation.truth import heavy_hadrons

RADIUS = 0.4
MIN_PT = 15.0
"""GeV; jets below are not written."""

MAX_ETA = 4.7

_CLUSTERED_PT = 5.0  # of particle-level jets: those that can be smeared above MIN_PT


def cluster(particles: Visible, use: Mask, count: int) -> tuple[Ints, Floats]:
    """Anti-kt jets of radius 0.4 above 5 GeV out of the particles where ``use`` is set.

    Returns:
        Event of every jet, sorted, shape ``[N]``, and (px, py, pz, E) in GeV, shape ``[N, 4]``.

    Source: Cacciari, Salam and Soyez, arXiv:0802.1189.
    """
    sequence = cluster_sequence(particles, use, count, RADIUS)
    return _momenta(sequence.inclusive_jets(min_pt=_CLUSTERED_PT), count)


def cluster_members(particles: Momenta, count: int, radius: float, min_pt: float) -> tuple[Ints, Floats, Ints]:
    """Anti-kt jets of any radius, with the jet of every particle.

    Args:
        particles: V particles of B events.
        count: number of events B.
        radius: of the jets.
        min_pt: of the jets, in GeV.

    Returns:
        Event of every jet, sorted, shape ``[N]``, (px, py, pz, E) in GeV, shape ``[N, 4]``, and the position of the jet
        that every particle belongs to, -1 for none, shape ``[V]``.
    """
    sequence = cluster_sequence(particles, np.ones(particles.event.size, dtype=bool), count, radius)
    event, p4 = _momenta(sequence.inclusive_jets(min_pt=min_pt), count)
    members = sequence.constituent_index(min_pt=min_pt)
    per_jet = ak.num(members, axis=2)
    sizes = ak.to_numpy(ak.flatten(per_jet)).astype(np.int64)
    first = np.searchsorted(particles.event, np.arange(count))
    position = ak.to_numpy(ak.flatten(members, axis=None)).astype(np.int64) + np.repeat(first[event], sizes)
    jet = np.full(particles.event.size, -1)
    jet[position] = np.repeat(np.arange(event.size), sizes)
    return event, p4, jet


def cluster_sequence(particles: Momenta, use: Mask, count: int, radius: float, algorithm: str = "antikt") -> Any:
    """FastJet's clustering of every event, by ``antikt``, ``cambridge`` or ``kt``."""
    import fastjet
    import vector
    from fastjet import _swig  # the wrapper class hides the function that mutes the banner

    vector.register_awkward()
    _swig.ClusterSequence.set_fastjet_banner_stream(None)  # keeps the banner out of a script's output
    counts = np.bincount(particles.event[use], minlength=count)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    momenta = [x[use] for x in (particles.px, particles.py, particles.pz, particles.energy)]
    record = ak.contents.RecordArray(
        [ak.contents.NumpyArray(x) for x in momenta],
        ["px", "py", "pz", "E"],
        parameters={"__record__": "Momentum4D"},
    )
    inputs = ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), record))
    return fastjet.ClusterSequence(inputs, fastjet.JetDefinition(getattr(fastjet, f"{algorithm}_algorithm"), radius))


def _momenta(jets: ak.Array, count: int) -> tuple[Ints, Floats]:
    event = np.repeat(np.arange(count), ak.num(jets).to_numpy())
    flat = ak.flatten(jets)
    p4 = np.column_stack([np.asarray(flat[name], dtype=np.float64) for name in ("px", "py", "pz", "E")])
    return event, p4


def smeared_jets(event: Ints, p4: Floats, rng: np.random.Generator) -> Objects:
    """Jets with smeared pT, mass (by the same factor and 10 % of its own) and direction; none is dropped."""
    pt, eta, phi = pt_eta_phi(*p4[:, :3].T)
    factor = smearing_factor(response.jet_resolution(pt), rng)
    width = response.jet_angular_resolution(pt)
    mass = invariant_mass(*p4.T) * factor * smearing_factor(np.full(pt.size, 0.1), rng)
    return Objects(
        event=event,
        pt=pt * factor,
        eta=eta + width * rng.standard_normal(pt.size),
        phi=np.mod(phi + width * rng.standard_normal(pt.size) + np.pi, 2 * np.pi) - np.pi,
        mass=mass,
        charge=np.zeros(pt.size, dtype=np.int64),
    )


def hadron_flavour(events: GeneratedEvents, event: Ints, eta: Floats, phi: Floats) -> Ints:
    """5 for jets with a weakly decaying b hadron, else 4 with a c hadron, else 0 (NanoAOD's ``hadronFlavour``).

    A hadron belongs to its nearest jet, if that is within Delta R < 0.4.

    Args:
        events: the generated events.
        event: event of every jet, sorted, shape ``[N]``.
        eta: pseudorapidity of the jets' true axes, shape ``[N]``.
        phi: azimuth of the jets' true axes, shape ``[N]``.
    """
    flavour = np.zeros(event.size, dtype=np.int64)
    b_hadrons, c_hadrons = heavy_hadrons(events)
    for hadrons, value in ((c_hadrons, 4), (b_hadrons, 5)):  # b overrules c
        _, hadron_eta, hadron_phi = pt_eta_phi(events.px[hadrons], events.py[hadrons], events.pz[hadrons])
        flavour[nearest(events.event[hadrons], hadron_eta, hadron_phi, event, eta, phi, events.count)] = value
    return flavour


def nearest(
    event: Ints, eta: Floats, phi: Floats, jet_event: Ints, jet_eta: Floats, jet_phi: Floats, count: int
) -> Ints:
    """Positions of the jets that are nearest to an object and within Delta R < 0.4 of it.

    Args:
        event: event of every object, shape ``[N]``; with ``eta`` and ``phi``.
        eta: see ``event``.
        phi: see ``event``.
        jet_event: event of every jet, sorted, shape ``[M]``; with ``jet_eta`` and ``jet_phi``.
        jet_eta: see ``jet_event``.
        jet_phi: see ``jet_event``.
        count: number of events.
    """
    i, j = pairs(event, jet_event, count)
    distance = delta_r(eta[i], phi[i], jet_eta[j], jet_phi[j])
    order = np.lexsort((distance, i))
    i, j, distance = i[order], j[order], distance[order]
    closest = np.concatenate([[True], i[1:] != i[:-1]]) if i.size else np.zeros(0, dtype=bool)
    return j[closest & (distance < RADIUS)]

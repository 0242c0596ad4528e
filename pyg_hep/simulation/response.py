"""Resolutions and efficiencies of the detector as functions of pT and eta; applying them is elsewhere.

"Delphes ATLAS card" below is ``delphes_card_ATLAS.tcl`` of the Delphes fast simulation, arXiv:1307.6346.
"""

from __future__ import annotations

import numpy as np

from pyg_hep.simulation.columns import Array, Floats

TRACKER_ETA = 2.5
"""Electrons, photons, taus and b-tags end with the tracking detector."""

MUON_ETA = 2.7
"""End of the muon spectrometer of ATLAS."""

ISOLATION = {11: 0.12, 13: 0.25, 22: 0.12}
"""Largest scalar sum of pT in the isolation cone over the pT of the object itself, by PDG number; Delphes ATLAS
card, ElectronIsolation, MuonIsolation, PhotonIsolation."""

ISOLATION_CONE = 0.4
"""Delta R of the isolation cone, the radius of the jets (the Delphes card has 0.5)."""

SOFT_TERM = 6.0
"""Gaussian noise in GeV on each component of the missing transverse momentum."""


def jet_resolution(pt: Floats) -> Floats:
    r""":math:`\sigma(p_T)/p_T = 0.05 \oplus 0.8/\sqrt{p_T} \oplus 4/p_T`, pT in GeV.

    Constant, stochastic and noise (pile-up) term: 20 % at 30 GeV and 10 % at 100 GeV. CMS (arXiv:1607.03663,
    abstract) measured 15 to 20 % at 30 GeV, 10 % at 100 GeV and 5 % at 1 TeV.
    """
    return np.sqrt(0.05**2 + 0.8**2 / pt + (4.0 / pt) ** 2)


def jet_angular_resolution(pt: Floats) -> Floats:
    r""":math:`\sigma(\eta) = \sigma(\phi) = 0.005 + 0.6\,\mathrm{GeV}/p_T`: 0.025 at 30 GeV (size chosen here)."""
    return 0.005 + 0.6 / pt


def calorimeter_resolution(energy: Floats, eta: Floats) -> Floats:
    r"""Of electrons and photons: :math:`\sigma(E)/E = 0.3/E \oplus 0.10/\sqrt{E} \oplus 0.010`, E in GeV.

    0.15 and 0.015 in the last two terms for abs(eta) > 1.4. Source: ATL-PHYS-PUB-2013-004.
    """
    barrel = np.abs(eta) < 1.4
    stochastic, constant = np.where(barrel, 0.10, 0.15), np.where(barrel, 0.010, 0.015)
    return np.sqrt((0.3 / energy) ** 2 + stochastic**2 / energy + constant**2)


def muon_resolution(pt: Floats, eta: Floats) -> Floats:
    r""":math:`\sigma(p_T)/p_T = a \oplus b\,p_T`, with (a, b) by abs(eta).

    (0.010, 1.0e-4 / GeV) to 0.5, (0.015, 1.5e-4) to 1.5, (0.025, 3.5e-4) beyond; Delphes ATLAS card,
    MuonMomentumSmearing.
    """
    zone = np.digitize(np.abs(eta), (0.5, 1.5))
    return np.hypot(np.array((0.010, 0.015, 0.025))[zone], np.array((1.0e-4, 1.5e-4, 3.5e-4))[zone] * pt)


def tau_resolution(pt: Floats) -> Floats:
    r"""Of visible hadronic taus: :math:`\sigma(p_T)/p_T = 0.04 \oplus 0.45/\sqrt{p_T}`, 9 % at 30 GeV.

    Size chosen here, near the tracking-plus-calorimeter resolution of ATL-PHYS-PUB-2015-045.
    """
    return np.sqrt(0.04**2 + 0.45**2 / pt)


def _turn_on(pt: Floats, scale: float) -> Floats:
    return 1.0 - np.exp(-pt / scale)


def electron_efficiency(pt: Floats, eta: Floats) -> Floats:
    """Reconstruction and identification: (0.95, 0.85 beyond abs(eta) 1.5) times 1 - exp(-pT / 12 GeV).

    Plateaus of the Delphes ATLAS card; the turn-on is chosen so that electrons of W bosons have 0.85 to 0.9.
    """
    return np.where(np.abs(eta) < 1.5, 0.95, 0.85) * _turn_on(pt, 12.0) * (np.abs(eta) < TRACKER_ETA)


def muon_efficiency(pt: Floats, eta: Floats) -> Floats:
    """Reconstruction and identification: (0.97, 0.93 beyond abs(eta) 1.5) times 1 - exp(-pT / 4 GeV).

    Mean 0.95, between the plateaus of the Delphes ATLAS card (0.95 and 0.85) and the 0.99 of ATLAS' medium
    muons (arXiv:2012.00578).
    """
    return np.where(np.abs(eta) < 1.5, 0.97, 0.93) * _turn_on(pt, 4.0) * (np.abs(eta) < MUON_ETA)


def photon_efficiency(pt: Floats, eta: Floats) -> Floats:
    """Reconstruction and identification: (0.95, 0.85 beyond abs(eta) 1.5) times 1 - exp(-pT / 10 GeV).

    Plateaus of the Delphes ATLAS card, turn-on chosen here: 0.9 for photons of a Higgs boson.
    """
    return np.where(np.abs(eta) < 1.5, 0.95, 0.85) * _turn_on(pt, 10.0) * (np.abs(eta) < TRACKER_ETA)


def tau_efficiency(pt: Floats, eta: Floats, prongs: Array) -> Floats:
    """Hadronic taus: 0.70 with one charged hadron, 0.60 with three, 0 otherwise, times 1 - exp(-(pT / 15 GeV)^2).

    Plateaus of the Delphes ATLAS card (ATL-PHYS-PUB-2015-045, medium), turn-on chosen here.
    """
    plateau = np.select([prongs == 1, prongs == 3], [0.70, 0.60], 0.0)
    return plateau * (1.0 - np.exp(-((pt / 15.0) ** 2))) * (np.abs(eta) < TRACKER_ETA)


def jet_to_tau_rate(pt: Floats, eta: Floats) -> Floats:
    """Jets taken for a tau: 0.01 above 20 GeV; Delphes ATLAS card (ATL-PHYS-PUB-2015-045), several tracks."""
    return np.where((pt > 20.0) & (np.abs(eta) < TRACKER_ETA), 0.01, 0.0)


def jet_to_electron_rate(pt: Floats, eta: Floats) -> Floats:
    """Jets taken for an electron: 0.0048 exp(-0.035 pT / GeV), tight electrons of ATL-PHYS-PUB-2013-004."""
    return 0.0048 * np.exp(-0.035 * pt) * (np.abs(eta) < TRACKER_ETA)


def jet_to_photon_rate(pt: Floats, eta: Floats) -> Floats:
    """Jets taken for a photon: 0.0093 exp(-pT / 27.5 GeV), tight photons of ATL-PHYS-PUB-2013-009."""
    return 0.0093 * np.exp(-pt / 27.5) * (np.abs(eta) < TRACKER_ETA)


def charge_flip_rate(eta: Floats) -> Floats:
    """Electrons with the wrong charge: 0.002, beyond abs(eta) 1.5 0.015 (hard bremsstrahlung in more material).

    Sizes chosen here: per mille in the barrel, percent in the end-caps, the order that ATLAS reports
    (arXiv:1902.04655).
    """
    return np.where(np.abs(eta) < 1.5, 0.002, 0.015)

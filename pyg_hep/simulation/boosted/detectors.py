"""The two detectors that see jets particle by particle: their numbers and resolutions; applying them is elsewhere.

"Delphes CMS card" is ``delphes_card_CMS.tcl`` of the Delphes fast simulation, arXiv:1307.6346, with which JetClass was
made; "Delphes ATLAS card" is ``delphes_card_ATLAS.tcl``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.simulation.columns import Floats, Ints

TRACKER_ETA = 2.5
MAX_ETA = 3.0
"""Calorimeter beyond does not reach jets of radius 0.8 within abs(eta) < 2."""


@dataclass(frozen=True)
class Calorimeter:
    r"""Cells and resolution :math:`\sigma(E)/E = a/E \oplus b/\sqrt{E} \oplus c`, E in GeV, at eta = 0.

    Attributes:
        cell: size of the cells in eta and phi.
        noise: a in GeV.
        stochastic: b in sqrt(GeV).
        constant: c.
        threshold: least energy of a cell in GeV; it also has to be above one standard deviation.
        growth: the resolution grows by 1 + growth eta^2, to at most 2.5.
    """

    cell: float
    noise: float
    stochastic: float
    constant: float
    threshold: float
    growth: float = 0.0

    def resolution(self, energy: Floats, eta: Floats) -> Floats:
        """Standard deviation of an energy in GeV, shape ``[N]``."""
        flat = np.sqrt(self.noise**2 + self.stochastic**2 * energy + (self.constant * energy) ** 2)
        return flat * np.minimum(1.0 + self.growth * eta**2, 2.5)


@dataclass(frozen=True)
class Detector:
    r"""A detector with tracks and two calorimeters.

    Attributes:
        track_pt: threshold of tracks in GeV.
        efficiency: of charged-hadron tracks above 1 GeV, in the barrel and beyond abs(eta) 1.5.
        curvature: b in :math:`\sigma(p_T)/p_T = a \oplus b p_T`, in 1/GeV, by abs(eta) below 0.5, 1.5 and beyond.
        ecal: of photons, and electrons without a track.
        hcal: of hadrons without a track.
        d0: constant and, at 1 GeV in the barrel, momentum-dependent error of the transverse impact parameter in mm.
        dz: the same along the beam.
        pile_up: mean number of further collisions.
        track_dz: charged particles farther from the vertex along the beam, in mm, are removed; 0 keeps all.
        neutral_pt: least pT of neutral particles in GeV.
        soft_drop: (z_cut, beta) of the grooming of jets; None for none.
    """

    track_pt: float
    efficiency: tuple[float, float]
    curvature: tuple[float, float, float]
    ecal: Calorimeter
    hcal: Calorimeter
    d0: tuple[float, float]
    dz: tuple[float, float]
    pile_up: float = 0.0
    track_dz: float = 0.0
    neutral_pt: float = 0.0
    soft_drop: tuple[float, float] | None = None

    def track_efficiency(self, pt: Floats, eta: Floats, pdg_id: Ints) -> Floats:
        """Share of charged particles that leave a track, shape ``[N]``.

        Electrons and muons above 1 GeV have at least 0.95 (barrel) and 0.83, and 0.99 and 0.98; below 1 GeV all have
        three quarters of their plateau: sizes of the Delphes CMS card.
        """
        kind = np.abs(pdg_id)
        endcap = (np.abs(eta) > 1.5).astype(np.int64)
        hadron = np.array(self.efficiency)[endcap]
        electron = np.maximum(hadron, np.array((0.95, 0.83))[endcap])
        plateau = np.select([kind == 11, kind == 13], [electron, np.array((0.99, 0.98))[endcap]], hadron)
        inside = (pt > self.track_pt) & (np.abs(eta) < TRACKER_ETA)
        return plateau * np.where(pt > 1.0, 1.0, 0.75) * inside

    def track_resolution(self, pt: Floats, eta: Floats) -> Floats:
        r""":math:`\sigma(p_T)/p_T = a \oplus b p_T`, a = 0.010, 0.015 and 0.025 by abs(eta) (Delphes CMS card)."""
        zone = np.digitize(np.abs(eta), (0.5, 1.5))
        return np.hypot(np.array((0.010, 0.015, 0.025))[zone], np.array(self.curvature)[zone] * pt)

    def angular_resolution(self, pt: Floats) -> Floats:
        """Of tracks, in eta and phi: 0.0003 + 0.001 GeV / pT (size chosen here, a milliradian at 1 GeV)."""
        return 0.0003 + 0.001 / pt

    def impact_errors(self, pt: Floats, eta: Floats) -> tuple[Floats, Floats]:
        r"""Standard deviations of d0 and dz in mm, shape ``[N]`` each.

        :math:`\sigma = a \oplus b \sqrt{\cosh\eta} / p_T`: multiple scattering in a layer of thickness
        proportional to cosh(eta).
        """
        scattering = np.sqrt(np.cosh(eta)) / pt
        return np.hypot(self.d0[0], self.d0[1] * scattering), np.hypot(self.dz[0], self.dz[1] * scattering)


FAST = Detector(
    track_pt=0.3,
    efficiency=(0.95, 0.85),
    curvature=(1.5e-4, 2.5e-4, 5.5e-4),
    ecal=Calorimeter(cell=0.0174, noise=0.40, stochastic=0.11, constant=0.008, threshold=0.5, growth=0.64),
    hcal=Calorimeter(cell=0.087, noise=0.0, stochastic=1.50, constant=0.050, threshold=1.0),
    # 25 to 90 and 45 to 150 micrometres for 10 to 1 GeV in the barrel: CMS, arXiv:1405.6569, abstract.
    d0=(0.023, 0.087),
    dz=(0.042, 0.144),
)
"""Like CMS, without pile-up: efficiencies, resolutions and cells of the Delphes CMS card, which has 0.1 GeV for the
threshold of tracks (0.3 GeV here: softer ones curl up before the calorimeter)."""

FULL = Detector(
    track_pt=0.5,
    efficiency=(0.90, 0.80),
    curvature=(5.0e-4, 6.0e-4, 9.0e-4),
    ecal=Calorimeter(cell=0.025, noise=0.30, stochastic=0.10, constant=0.007, threshold=0.7),
    hcal=Calorimeter(cell=0.1, noise=1.59, stochastic=0.5205, constant=0.0302, threshold=1.5),
    d0=(0.012, 0.110),
    dz=(0.070, 0.200),
    pile_up=20.0,
    track_dz=2.0,
    neutral_pt=2.0,
    soft_drop=(0.1, 1.0),
)
"""Like ATLAS, with 20 further collisions: curvature of the 2 T tracker (0.05 % pT, JINST 3 (2008) S08003), barrel
electromagnetic calorimeter (10 % and 0.7 %, cells 0.025, ibid.), hadronic calorimeter of the Delphes ATLAS card (cells
0.1). Impact parameters, thresholds and efficiencies are chosen here, worse than those of ``FAST``. Pile-up is taken out
by three steps: tracks by their vertex, neutral particles by pT, and the rest by soft drop (z_cut 0.1, beta 1)."""

DETECTORS = {"fast": FAST, "full": FULL}
"""Detectors by the name that :func:`pyg_hep.simulation.boosted.simulate_jets` takes."""


def find_detector(name: str) -> Detector:
    """The detector of this name.

    Raises:
        ConfigError: for an unknown name; names the nearest one.
    """
    if name not in DETECTORS:
        raise ConfigError(f"unknown detector {name!r}; {nearest(name, DETECTORS)}")
    return DETECTORS[name]

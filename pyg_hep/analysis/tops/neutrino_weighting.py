"""Neutrino weighting: pseudorapidities of both neutrinos are scanned, and the missing momentum judges the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pyg_hep.analysis.tops.ellipse import W_MASS
from pyg_hep.analysis.tops.events import DileptonEvents
from pyg_hep.analysis.tops.momenta import Floats, Ints, Mask
from pyg_hep.analysis.tops.pairing import paired_jets
from pyg_hep.analysis.tops.result import TopPairs
from pyg_hep.errors import ConfigError

_CHUNK = 64  # events at a time: their table of 100 by 100 weights stays in the processor's caches
_FAR = 1e150  # squared distance of a momentum that does not exist


class _Best(NamedTuple):
    """Smallest squared distance ``[N]``, neutrino momenta there ``[N, 2, 3]`` and pairing ``[N]``."""

    distance: Floats
    neutrinos: Floats
    pairing: Ints


@dataclass(frozen=True)
class NeutrinoWeighting:
    r"""The pair of neutrinos, of a grid in pseudorapidities and top mass, that fits the missing momentum best.

    .. math:: w = \exp\left(-\frac{(\Delta E_x)^2 + (\Delta E_y)^2}{2 \sigma^2}\right)

    is the largest over the grid, the solutions of both mass constraints at each of its points, and both pairings; it
    is the ``weight`` of the result. The grid is not one that boosts along the beam leave as it is.

    Args:
        largest_eta: the scan goes from minus this number to it.
        eta_step: of the scan.
        top_masses: those tried, the same for top and antitop [GeV].
        w_mass: [GeV].
        sigma: resolution of each component of the missing momentum [GeV].

    Raises:
        ConfigError: for a scan without points.

    Source: D0, hep-ex/9706014; grid and resolution as in ATLAS, arXiv:2006.09274.
    """

    largest_eta: float = 5.0
    eta_step: float = 0.2
    top_masses: tuple[float, ...] = (171.0, 172.0, 173.0, 174.0)
    w_mass: float = W_MASS
    sigma: float = 10.0

    def __post_init__(self) -> None:
        if not (self.eta_step > 0 and self.largest_eta >= 0 and self.sigma > 0 and len(self.top_masses)):
            raise ConfigError("neutrino weighting needs top masses and an eta_step, largest_eta and sigma above 0")

    def __call__(self, events: DileptonEvents) -> TopPairs:
        """Top pairs of the events, ``[N]``."""
        neutrinos = np.full((len(events), 2, 3), np.nan)
        pairing, weight = np.full(len(events), -1), np.zeros(len(events))
        for rows, chunk in events.chunks(_CHUNK):
            best = self._scan(chunk)
            found = np.exp(-0.5 * best.distance / self.sigma**2)
            neutrinos[rows], weight[rows] = best.neutrinos, found
            pairing[rows] = np.where(found > 0, best.pairing, -1)
        return TopPairs.from_neutrinos(events, neutrinos[:, 0], neutrinos[:, 1], pairing, weight)

    def _scan(self, events: DileptonEvents) -> _Best:
        points = round(2.0 * self.largest_eta / self.eta_step) + 1
        eta = np.linspace(-self.largest_eta, self.largest_eta, points)
        jets = paired_jets(events)
        rows = np.arange(len(events))
        best = _Best(np.full(len(events), np.inf), np.full((len(events), 2, 3), np.nan), np.full(len(events), -1))
        for top_mass in self.top_masses:
            for pairing in (0, 1):
                one = neutrinos_at(eta, events.antilepton, jets[:, pairing, 0], top_mass, self.w_mass)
                two = neutrinos_at(eta, events.lepton, jets[:, pairing, 1], top_mass, self.w_mass)
                left = events.met[:, None] - one[..., :2]
                distance = _distances(left, two[..., :2]).reshape(len(events), -1)
                place = distance.argmin(1)
                i, j = np.divmod(place, two.shape[1])
                pair = np.stack([one[rows, i], two[rows, j]], axis=1)
                # The difference itself: the table's expanded squares lose digits where it matters most.
                smallest = np.square(left[rows, i] - two[rows, j, :2]).sum(1)
                better: Mask = smallest < best.distance
                best = _Best(
                    np.where(better, smallest, best.distance),
                    np.where(better[:, None, None], pair, best.neutrinos),
                    np.where(better, pairing, best.pairing),
                )
        return best


def neutrinos_at(eta: Floats, lepton: Floats, b: Floats, top_mass: float, w_mass: float) -> Floats:
    r"""Momenta of the massless neutrino of :math:`t \to b \ell \nu` at given pseudorapidities.

    Both masses are linear in the neutrino's :math:`p_T`, :math:`p_x` and :math:`p_y`:

    .. math:: E'_\ell p_T - \vec\ell_T \vec p_T = \tfrac12 (m_W^2 - m_\ell^2), \quad
        E'_b p_T - \vec b_T \vec p_T = \tfrac12 (m_t^2 - m_W^2 - m_b^2) - \ell \cdot b, \quad
        E' = E \cosh\eta - p_z \sinh\eta

    Without :math:`p_T` they are a straight line in the transverse plane, and on it the first one is quadratic.

    Args:
        eta: shape ``[k]``.
        lepton: (px, py, pz, E) [GeV], shape ``[N, 4]``.
        b: the same of the b quark.
        top_mass: [GeV].
        w_mass: [GeV].

    Returns:
        Shape ``[N, 2 k, 3]``; NaN where there is no solution.
    """
    with np.errstate(all="ignore"):
        energy_l = lepton[:, None, 3] * np.cosh(eta) - lepton[:, None, 2] * np.sinh(eta)
        energy_b = b[:, None, 3] * np.cosh(eta) - b[:, None, 2] * np.sinh(eta)
        k_l = 0.5 * (w_mass**2 - _square(lepton))[:, None]
        product = lepton[:, 3] * b[:, 3] - (lepton[:, :3] * b[:, :3]).sum(1)
        k_b = (0.5 * (top_mass**2 - w_mass**2 - _square(b)) - product)[:, None]
        l_x, l_y = lepton[:, None, 0], lepton[:, None, 1]
        normal_x = l_x / energy_l - b[:, None, 0] / energy_b
        normal_y = l_y / energy_l - b[:, None, 1] / energy_b
        length = np.hypot(normal_x, normal_y)
        normal_x, normal_y = normal_x / length, normal_y / length
        distance = (k_b / energy_b - k_l / energy_l) / length
        at_foot = k_l + distance * (l_x * normal_x + l_y * normal_y)
        along = l_y * normal_x - l_x * normal_y
        a = energy_l**2 - along**2
        root = np.sqrt((at_foot * along) ** 2 - a * (distance**2 * energy_l**2 - at_foot**2))
        t = np.concatenate([(at_foot * along + root) / a, (at_foot * along - root) / a], axis=1)
        normal_x, normal_y, distance, energy_l = (np.tile(v, 2) for v in (normal_x, normal_y, distance, energy_l))
        p_x, p_y = distance * normal_x - t * normal_y, distance * normal_y + t * normal_x
        # Squaring has let in solutions whose transverse momentum is negative.
        pt = (k_l + l_x * p_x + l_y * p_y) / energy_l
        momentum = np.stack([p_x, p_y, pt * np.tile(np.sinh(eta), 2)], axis=-1)
        exists = np.isfinite(momentum).all(-1) & (pt >= 0)
    return np.where(exists[..., None], momentum, np.nan)


def _distances(left: Floats, right: Floats) -> Floats:
    """Squared distances of all pairs of vectors ``[N, a, 2]`` and ``[N, b, 2]``, huge where one is NaN."""
    columns = []
    for vectors, sign in ((left, -2.0), (right, 1.0)):
        exists = np.asarray(np.isfinite(vectors).all(-1))
        square = np.where(exists, (vectors**2).sum(-1), _FAR)
        vectors = np.where(exists[..., None], vectors, 0.0)
        ones = np.ones_like(square)
        lengths = [square, ones] if sign < 0 else [ones, square]
        columns.append(np.stack([*lengths, sign * vectors[..., 0], vectors[..., 1]], axis=-1))
    columns[0][..., 3] *= -2.0
    return columns[0] @ columns[1].swapaxes(1, 2)


def _square(p: Floats) -> Floats:
    return p[:, 3] ** 2 - (p[:, :3] ** 2).sum(1)

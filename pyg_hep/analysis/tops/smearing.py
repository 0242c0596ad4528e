"""The ellipse method on many smeared copies of every event, averaged: more events solved, and better resolved."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pyg_hep.analysis.tops.ellipse import TOP_MASS, W_MASS
from pyg_hep.analysis.tops.ellipse_method import smallest_mass
from pyg_hep.analysis.tops.events import DileptonEvents
from pyg_hep.analysis.tops.momenta import Floats, Ints, mass, on_shell, take_rows, transverse
from pyg_hep.analysis.tops.result import TopPairs
from pyg_hep.datasets.event_keys import hash_events
from pyg_hep.errors import ConfigError

W_WIDTH = 2.085
"""Width of the W boson in GeV (PDG 2024)."""

_CHUNK = 20_000  # solutions at a time, which fit the processor's caches
_NORMALS, _UNIFORMS = 6, 2  # random numbers of one copy: two jets, two leptons, missing momentum; two W masses
_MASS_RANGE = 20.0  # GeV around the W mass that its line shape is drawn from


@dataclass(frozen=True)
class Resolution:
    r"""Standard deviations by which momenta are smeared.

    .. math:: \frac{\sigma(p_T)}{p_T} = \texttt{constant} \oplus \frac{\texttt{stochastic}}{\sqrt{p_T}}
        \oplus \frac{\texttt{noise}}{p_T}

    Args:
        constant: of jets.
        stochastic: of jets [sqrt(GeV)].
        noise: of jets [GeV].
        lepton: relative, of electrons and muons.
        met: of each component of the missing momentum, beside what follows from jets and leptons [GeV].
    """

    constant: float = 0.05
    stochastic: float = 0.8
    noise: float = 4.0
    lepton: float = 0.01
    met: float = 6.0

    def jet(self, p4: Floats) -> Floats:
        """Relative standard deviation of jets ``[..., 4]``, shape ``[...]``."""
        pt = transverse(p4)
        with np.errstate(divide="ignore"):
            return np.sqrt(self.constant**2 + self.stochastic**2 / pt + (self.noise / pt) ** 2)


@dataclass(frozen=True)
class SmearedEllipse:
    r"""The average of the ellipse method's solutions for smeared copies of an event, weighted by their likelihood.

    Every copy has its own jets, leptons, missing momentum and W masses. Of each, the solution with the smallest
    m(ttbar) of either pairing counts with the weight :math:`\rho(m_{b\ell^+}) \rho(m_{\bar b\ell^-})`, where
    :math:`\rho` is :func:`lepton_b_density`. The pairing with the larger sum of weights is taken, and momenta of the
    tops are averaged over its copies; their energies follow from the top mass. ``weight`` of the result is the sum of
    weights over the number of copies.

    Random numbers are made of ``seed`` and the event's ``key``: an event has the same tops in any company.

    Args:
        copies: smeared copies of every event, 40 to 100.
        resolution: of the detector.
        seed: of the random numbers.
        top_mass: [GeV].
        w_mass: [GeV].
        w_width: of the line shape of the W masses [GeV].

    Raises:
        ConfigError: for no copy at all.

    Source: CMS, arXiv:1505.04480, section 6.
    """

    copies: int = 40
    resolution: Resolution = field(default_factory=Resolution)
    seed: int = 0
    top_mass: float = TOP_MASS
    w_mass: float = W_MASS
    w_width: float = W_WIDTH

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ConfigError(f"at least one smeared copy of an event is needed, got copies={self.copies}")

    @np.errstate(all="ignore")
    def __call__(self, events: DileptonEvents) -> TopPairs:
        """Top pairs of the events, ``[N]``."""
        tops, neutrinos = np.full((len(events), 2, 3), np.nan), np.full((len(events), 2, 3), np.nan)
        pairing, weight = np.full(len(events), -1), np.zeros(len(events))
        for rows, chunk in events.chunks(max(1, _CHUNK // (2 * self.copies))):
            tops[rows], neutrinos[rows], pairing[rows], weight[rows] = self._average(chunk)
        result = TopPairs.from_neutrinos(events, neutrinos[:, 0], neutrinos[:, 1], pairing, weight)
        averages = {"top": on_shell(tops[:, 0], self.top_mass), "antitop": on_shell(tops[:, 1], self.top_mass)}
        return result.with_vectors(**averages)

    def _average(self, events: DileptonEvents) -> tuple[Floats, Floats, Ints, Floats]:
        """Momenta of tops and of neutrinos ``[N, 2, 3]``, pairing and mean weight ``[N]``."""
        normal, uniform = random_numbers(events.key, self.seed, self.copies)
        leptons, jets, met = smear(events, self.resolution, normal)
        line = np.arctan(2.0 * _MASS_RANGE / self.w_width) / math.pi
        w_masses = self.w_mass + 0.5 * self.w_width * np.tan(2.0 * math.pi * line * (uniform - 0.5))
        jets = np.stack([jets, jets[:, :, ::-1]], axis=1)  # event, pairing, copy, decay
        leptons = np.broadcast_to(leptons[:, None], jets.shape)
        found, _ = smallest_mass(
            leptons[..., 0, :], jets[..., 0, :], leptons[..., 1, :], jets[..., 1, :], met[:, None],
            self.top_mass, w_masses[:, None, :, 0], w_masses[:, None, :, 1],
        )  # fmt: skip
        pairs = leptons + jets
        weight = lepton_b_density(mass(pairs), self.top_mass, self.w_mass).prod(-1)
        weight = np.where(np.isfinite(found).all((-1, -2)), weight, 0.0)
        total = weight.sum(2)
        share = weight / np.where(total > 0, total, np.nan)[:, :, None]
        found = np.where(weight[..., None, None] > 0, found, 0.0)
        mean_nu = (share[..., None, None] * found).sum(2)
        mean_top = (share[..., None, None] * (found + pairs[..., :3])).sum(2)
        best = total.argmax(1)
        pairing = np.where(total.max(1) > 0, best, -1)
        return take_rows(mean_top, pairing), take_rows(mean_nu, pairing), pairing, total.max(1) / self.copies


def lepton_b_density(values: Floats, top_mass: float = TOP_MASS, w_mass: float = W_MASS) -> Floats:
    r"""Density of the mass of lepton and b quark in top decays, in 1/GeV.

    With :math:`M^2 = m_t^2 - m_W^2` and :math:`x = m_{b\ell}^2 / M^2` between 0 and 1, at leading order for massless
    leptons and b quarks, and 0 outside:

    .. math:: \rho(m_{b\ell}) = \frac{2 m_{b\ell}}{M^2} \cdot
        \frac{6 (1 - x) (m_t^2 x + m_W^2 (1 - x))}{m_t^2 + 2 m_W^2}

    from the helicity fractions :math:`m_t^2 : 2 m_W^2` of longitudinal and left-handed W bosons.

    Args:
        values: masses [GeV], any shape.
        top_mass: [GeV].
        w_mass: [GeV].

    Source: Kane, Ladinsky and Yuan, Phys. Rev. D 45 (1992) 124 (helicities of the W).
    """
    edge = top_mass**2 - w_mass**2
    x = np.square(values) / edge
    shape = 6.0 * (1.0 - x) * (top_mass**2 * x + w_mass**2 * (1.0 - x)) / (top_mass**2 + 2.0 * w_mass**2)
    return np.where(x < 1.0, 2.0 * values / edge * shape, 0.0)


def smear(events: DileptonEvents, resolution: Resolution, normal: Floats) -> tuple[Floats, Floats, Floats]:
    """Smeared copies of events.

    Jets and leptons are scaled, and what they gain is taken from the missing momentum, which is smeared by itself too,
    along and across its own direction, so that turning an event turns its copies.

    Args:
        events: N events.
        resolution: standard deviations.
        normal: normal random numbers, shape ``[N, copies, 6]``.

    Returns:
        Leptons and jets ``[N, copies, 2, 4]``, missing momentum ``[N, copies, 2]``.
    """
    jet_factor = np.maximum(1.0 + resolution.jet(events.jets)[:, None] * normal[..., :2], 0.1)
    lepton_factor = np.maximum(1.0 + resolution.lepton * normal[..., 2:4], 0.1)
    leptons = np.stack([events.antilepton, events.lepton], axis=1)[:, None]
    jets = events.jets[:, None]
    gained = (jets * (jet_factor - 1.0)[..., None] + leptons * (lepton_factor - 1.0)[..., None]).sum(2)
    length = np.hypot(events.met[:, 0], events.met[:, 1])[:, None]
    along = np.where(length > 0, events.met / np.where(length > 0, length, 1.0), [1.0, 0.0])
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    soft = resolution.met * (normal[..., 4:5] * along[:, None] + normal[..., 5:6] * across[:, None])
    met = events.met[:, None] - gained[..., :2] + soft
    return leptons * lepton_factor[..., None], jets * jet_factor[..., None], met


def random_numbers(key: Ints, seed: int, copies: int) -> tuple[Floats, Floats]:
    """Normal and uniform random numbers of events, of nothing but their keys and the seed.

    Returns:
        Shapes ``[N, copies, 6]`` and ``[N, copies, 2]``.
    """
    uniform = uniform_numbers(key, seed, copies, _NORMALS + _UNIFORMS)
    return box_muller(uniform[..., :_NORMALS]), uniform[..., _NORMALS:]


def uniform_numbers(key: Ints, seed: int, copies: int, kinds: int) -> Floats:
    """Uniform random numbers in (0, 1) of events, of nothing but their keys and the seed, ``[N, copies, kinds]``."""
    number = np.arange(copies * kinds)
    keys = np.repeat(np.asarray(key), len(number))
    mixed = hash_events(np.full(len(keys), seed), keys, np.tile(number, len(key)))
    uniform = ((mixed.view(np.uint64) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return uniform.reshape(len(key), copies, kinds)


def box_muller(uniform: Floats) -> Floats:
    """Normal random numbers from an even number of uniform ones in the last dimension."""
    radius, angle = np.sqrt(-2.0 * np.log(uniform[..., ::2])), 2.0 * math.pi * uniform[..., 1::2]
    normal: Floats = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return normal.reshape(uniform.shape)

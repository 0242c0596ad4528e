r"""Spins of a top pair with two leptons: their directions, the observables c_hel and c_han, leading-order weights.

Four-vectors here are (px, py, pz, E) in GeV in the last dimension, shape ``[..., 4]``: numpy arrays or torch tensors,
one kind in a call, and what comes back is of that kind. Use float64: single precision loses the directions of fast
tops. Graphs and files are not known here; torch is not imported, as the simulation does without it.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pyg_hep.errors import PygHepError

Vectors: TypeAlias = Any
"""A numpy array or a torch tensor."""

_GLUON, _HEAVIEST_QUARK = 21, 6


def boost_to_rest(p: Vectors, frame: Vectors) -> Vectors:
    r"""Four-vectors in the rest frame of others, by a boost without a rotation.

    .. math:: \vec p\,' = \vec p - \frac{\vec P}{M} \left( E - \frac{\vec p \cdot \vec P}{E_P + M} \right), \quad
        E' = \frac{E E_P - \vec p \cdot \vec P}{M}

    Args:
        p: (px, py, pz, E) in GeV, ``[..., 4]``.
        frame: four-vectors P of mass M, broadcastable to ``p``. Where one is not time-like the result is not finite.

    Returns:
        Shape ``[..., 4]``, GeV.

    Raises:
        PygHepError: an array whose last dimension is not 4, or numpy arrays mixed with tensors.
    """
    xp = _check(p, frame)
    momentum, energy = frame[..., :3], frame[..., 3:]
    mass = (energy**2 - (momentum**2).sum(-1)[..., None]) ** 0.5
    along = (p[..., :3] * momentum).sum(-1)[..., None]
    space = p[..., :3] - momentum / mass * (p[..., 3:] - along / (energy + mass))
    return xp.concatenate([space, (p[..., 3:] * energy - along) / mass], -1)


def lepton_directions(top: Vectors, antitop: Vectors, plus: Vectors, minus: Vectors) -> tuple[Vectors, Vectors]:
    r"""Directions of the charged leptons, each in the rest frame of its own top, reached from the frame of the pair.

    First all vectors are boosted to the rest frame of the pair, then each lepton to that of its top: the boosts of
    the laboratory straight to a top's rest frame would turn the axes (Wigner rotation).

    Args:
        top: (px, py, pz, E) of the top quark in GeV, ``[..., 4]``.
        antitop: of the antitop.
        plus: of the positive lepton, the daughter of the top.
        minus: of the negative lepton, the daughter of the antitop.

    Returns:
        Unit vectors of the positive and the negative lepton, ``[..., 3]`` each.

    Raises:
        PygHepError: as :func:`boost_to_rest`.
    """
    pair = top + antitop
    found = []
    for of, lepton in ((top, plus), (antitop, minus)):
        inside = boost_to_rest(boost_to_rest(lepton, pair), boost_to_rest(of, pair))[..., :3]
        found.append(inside / _length(inside))
    return found[0], found[1]


@dataclass(frozen=True)
class SpinAxes:
    """Where the top flies in the rest frame of the pair.

    Attributes:
        k: direction of the top, ``[..., 3]``.
        r: in the plane of the top and the beam, orthogonal to ``k``: (p - c k) / s, ``[..., 3]``.
        n: normal of that plane, (p x k) / s, ``[..., 3]``; (r, k, n) is right-handed.
        cosine: c, cosine of the angle between top and beam p, ``[...]``; s is the sine.
        beta: velocity of the tops, 2 abs(k) / m(ttbar), which is sqrt(1 - 4 mt^2 / m(ttbar)^2) for two tops of one
            mass, ``[...]``.
    """

    k: Vectors
    r: Vectors
    n: Vectors
    cosine: Vectors
    beta: Vectors


def spin_axes(top: Vectors, antitop: Vectors) -> SpinAxes:
    r"""The basis {k, r, n} of a top pair, with the velocity and the production angle of the top.

    The beam p is the bisector of one proton's and minus the other's direction in the rest frame of the pair (Collins
    and Soper): the beam itself where the pair has no transverse momentum. A top at rest there has no direction: k is
    then p, with beta = 0. A top along the beam defines no plane: r and n are then any two normals of it. The
    leading-order weights do not depend on either choice.

    Args:
        top: (px, py, pz, E) in GeV, ``[..., 4]``.
        antitop: as ``top``.

    Raises:
        PygHepError: as :func:`boost_to_rest`.

    Source: Bernreuther, Heisler, Si, arXiv:1508.05271, section 2; r and n here without their sign of c.
    """
    xp = _check(top, antitop)
    pair = top + antitop
    inside = boost_to_rest(top, pair)
    tiny = math.sqrt(xp.finfo(inside.dtype).eps)
    # Light-like protons, in the type and on the device of the tops.
    zero, one = 0.0 * top[..., 0], 0.0 * top[..., 0] + 1.0
    protons = [boost_to_rest(xp.stack([zero, zero, z, one], -1), pair)[..., :3] for z in (one, -one)]
    p = _unit(protons[0] / _length(protons[0]) - protons[1] / _length(protons[1]))
    length = _length(inside[..., :3])
    at_rest = length <= tiny * inside[..., 3:]
    k = xp.where(at_rest, p, inside[..., :3] / xp.where(at_rest, xp.ones_like(length), length))
    cosine = (p * k).sum(-1)
    # Where the top flies along the beam, the plane is that of the coordinate axis that is furthest from it.
    along = _length(p - cosine[..., None] * k) <= tiny
    axis = xp.where(
        (abs(k[..., 2]) < 0.6)[..., None], xp.stack([zero, zero, one], -1), xp.stack([one, zero, zero], -1)
    )  # fmt: skip
    other = xp.where(along, axis, p)
    r = _unit(other - (other * k).sum(-1)[..., None] * k)
    beta = 2.0 * length[..., 0] / (pair[..., 3] ** 2 - (pair[..., :3] ** 2).sum(-1)) ** 0.5
    return SpinAxes(k, r, _cross(r, k), cosine, beta)


def c_hel(plus: Vectors, minus: Vectors) -> Vectors:
    r"""Cosine of the angle between the leptons, :math:`c_\mathrm{hel} = \hat\ell^+ \cdot \hat\ell^-`.

    Its distribution is :math:`(1 + a\, c_\mathrm{hel}) / 2` with :math:`a = 3 \langle c_\mathrm{hel} \rangle`: 1 for a
    pseudoscalar (the pair is a spin singlet), 0 for tops without correlation.

    Args:
        plus: unit vector of the positive lepton in its top's rest frame, as :func:`lepton_directions` gives it,
            ``[..., 3]``.
        minus: of the negative lepton, likewise.

    Returns:
        Shape ``[...]``, in [-1, 1].

    Source: CMS, arXiv:2503.22382, section 3.
    """
    return (plus * minus).sum(-1)


def c_han(plus: Vectors, minus: Vectors, k: Vectors) -> Vectors:
    r"""As :func:`c_hel` with the sign of one lepton's component along the top flipped.

    .. math:: c_\mathrm{han} = \ell^+_r \ell^-_r + \ell^+_n \ell^-_n - \ell^+_k \ell^-_k
        = c_\mathrm{hel} - 2\, (\hat\ell^+ \cdot \hat k)(\hat\ell^- \cdot \hat k)

    Its distribution is :math:`(1 + a\, c_\mathrm{han}) / 2` with :math:`a = 3 \langle c_\mathrm{han} \rangle`: -1 for a
    scalar (a spin triplet without a component along the tops), 1/3 for a pseudoscalar.

    Args:
        plus: unit vector of the positive lepton in its top's rest frame, ``[..., 3]``.
        minus: of the negative lepton, likewise.
        k: direction of the top in the rest frame of the pair, :attr:`SpinAxes.k`.

    Returns:
        Shape ``[...]``, in [-1, 1].

    Source: CMS, arXiv:2503.22382, section 3.
    """
    return c_hel(plus, minus) - 2.0 * (plus * k).sum(-1) * (minus * k).sum(-1)


@dataclass(frozen=True)
class SpinDensity:
    """Coefficients of a leading-order spin density matrix, ``[...]`` each: C_ij over A, of :class:`SpinAxes`."""

    nn: Vectors
    rr: Vectors
    kk: Vectors
    rk: Vectors

    def weight(self, axes: SpinAxes, plus: Vectors, minus: Vectors) -> Vectors:
        r"""Weight of isotropic decays, :math:`w = 1 - \sum_{ij} (C_{ij} / A)\, \ell^+_i \ell^-_j`, ``[...]``."""
        r1, k1, n1 = ((plus * axis).sum(-1) for axis in (axes.r, axes.k, axes.n))
        r2, k2, n2 = ((minus * axis).sum(-1) for axis in (axes.r, axes.k, axes.n))
        return 1.0 - (self.nn * n1 * n2 + self.rr * r1 * r2 + self.kk * k1 * k2 + self.rk * (r1 * k2 + k1 * r2))


def gluon_fusion(axes: SpinAxes) -> SpinDensity:
    r"""Spin correlations of g g to t tbar at leading order.

    With :math:`\beta`, c and s of :class:`SpinAxes`:

    .. math::
        A &= 1 + 2 \beta^2 s^2 - \beta^4 (1 + s^4) \\
        C_{nn} &= -[1 - 2 \beta^2 + \beta^4 (1 + s^4)] \\
        C_{rr} &= -[1 - \beta^2 (2 - \beta^2)(1 + s^4)] \\
        C_{kk} &= -[1 - 2 \beta^2 s^2 c^2 - \beta^4 (1 + s^4)] \\
        C_{rk} &= 2 \sqrt{1 - \beta^2}\, \beta^2 s^3 c

    Source: Afik, de Nova, arXiv:2003.02280, appendix; at threshold the spin singlet.
    """
    b2, c = axes.beta**2, axes.cosine
    s2 = _sine_squared(c)
    shape = 1.0 + s2**2
    a = 1.0 + 2.0 * b2 * s2 - b2**2 * shape
    return SpinDensity(
        nn=-(1.0 - 2.0 * b2 + b2**2 * shape) / a,
        rr=-(1.0 - b2 * (2.0 - b2) * shape) / a,
        kk=-(1.0 - 2.0 * b2 * s2 * c**2 - b2**2 * shape) / a,
        rk=2.0 * (1.0 - b2) ** 0.5 * b2 * s2**1.5 * c / a,
    )


def quark_annihilation(axes: SpinAxes) -> SpinDensity:
    r"""Spin correlations of q qbar to t tbar at leading order.

    With :math:`\beta`, c and s of :class:`SpinAxes`:

    .. math::
        A &= 2 - \beta^2 s^2, \quad C_{nn} = -\beta^2 s^2, \quad C_{rr} = s^2 (2 - \beta^2) \\
        C_{kk} &= 2 - s^2 (2 - \beta^2), \quad C_{rk} = 2 s c \sqrt{1 - \beta^2}

    The beam of the axes stands for the direction of the quark. Which of the two beams it came from makes no
    difference: with p turn c, r and n, and with them the sign of :math:`C_{rk}` and of the product that it multiplies.

    Source: Afik, de Nova, arXiv:2003.02280, appendix; at threshold both spins lie along the beam.
    """
    b2, c = axes.beta**2, axes.cosine
    s2 = _sine_squared(c)
    a = 2.0 - b2 * s2
    return SpinDensity(
        nn=-b2 * s2 / a,
        rr=s2 * (2.0 - b2) / a,
        kk=(2.0 - s2 * (2.0 - b2)) / a,
        rk=2.0 * s2**0.5 * c * (1.0 - b2) ** 0.5 / a,
    )


def has_leading_order(id1: Vectors, id2: Vectors) -> Vectors:
    """Whether two partons make a top pair at leading order of QCD: two gluons, or a quark and its antiquark.

    Args:
        id1: PDG number of one parton, ``[N]``.
        id2: of the other one.

    Returns:
        Booleans, ``[N]``.
    """
    quarks = (id1 + id2 == 0) & (abs(id1) >= 1) & (abs(id1) <= _HEAVIEST_QUARK)
    return quarks | ((id1 == _GLUON) & (id2 == _GLUON))


def spin_weight(top: Vectors, antitop: Vectors, plus: Vectors, minus: Vectors, id1: Vectors, id2: Vectors) -> Vectors:
    r"""Weights that give top pairs with isotropic decays the spin correlations of leading-order QCD.

    .. math:: w = 1 - \sum_{i,j \in \{n, r, k\}} \frac{C_{ij}}{A}\, \ell^+_i \ell^-_j

    with :func:`gluon_fusion` or :func:`quark_annihilation`. The mean of the weights is 1: they leave the cross section
    and the momenta of the tops as they are. Meant for generators that decay tops unpolarised, as Pythia does.

    Args:
        top: (px, py, pz, E) in GeV of the top as it decays, ``[N, 4]``.
        antitop: of the antitop.
        plus: of the positive lepton from the top, before it radiates.
        minus: of the negative lepton from the antitop.
        id1: PDG number of the incoming parton of the first beam, ``[N]``.
        id2: of the second beam.

    Returns:
        Shape ``[N]``, in [0, 2].

    Raises:
        PygHepError: as :func:`boost_to_rest`, and for partons other than two gluons or a quark and its antiquark.
    """
    xp = _check(top, antitop, plus, minus)
    others = ~has_leading_order(id1, id2)
    if others.any():
        one = int(id1[others][0]), int(id2[others][0])
        raise PygHepError(
            f"leading-order spin weights are for two gluons or a quark and its antiquark, and {int(others.sum())} of "
            f"{len(others)} events have other incoming partons, the first of them {one[0]} and {one[1]}"
        )
    axes = spin_axes(top, antitop)
    directions = lepton_directions(top, antitop, plus, minus)
    return xp.where(
        id1 == _GLUON, gluon_fusion(axes).weight(axes, *directions), quark_annihilation(axes).weight(axes, *directions)
    )


def singlet_weight(cosine: Vectors) -> Vectors:
    r"""Weight of isotropic decays of a pair whose spins form a singlet, :math:`w = 1 + c_\mathrm{hel}`.

    Exact for the leading-order decays of a pseudoscalar to a top pair, whatever the momenta.

    Args:
        cosine: :func:`c_hel`, ``[...]``.

    Returns:
        Shape ``[...]``, in [0, 2].
    """
    return 1.0 + cosine


def _check(*vectors: Vectors) -> Any:
    """The module numpy or torch, whichever the arrays are of."""
    tensors = [not isinstance(v, np.ndarray) for v in vectors]
    if any(tensors) and (not all(tensors) or not all(type(v).__module__.startswith("torch") for v in vectors)):
        kinds = " and ".join(dict.fromkeys(type(v).__name__ for v in vectors))
        raise PygHepError(f"four-vectors are numpy arrays or torch tensors, all of them the same, found {kinds}")
    for vector in vectors:
        if vector.shape[-1:] != (4,):
            raise PygHepError(f"four-vectors are (px, py, pz, E) in the last dimension, found shape {[*vector.shape]}")
    return sys.modules["torch"] if tensors[0] else np


def _length(vector: Vectors) -> Vectors:
    """Length of three-vectors, ``[..., 1]``."""
    return (vector**2).sum(-1)[..., None] ** 0.5


def _unit(vector: Vectors) -> Vectors:
    return vector / _length(vector)


def _sine_squared(cosine: Vectors) -> Vectors:
    """s^2 = 1 - c^2, not below 0 where rounding leaves c above 1."""
    square = 1.0 - cosine**2
    return square * (square > 0)


def _cross(a: Vectors, b: Vectors) -> Vectors:
    xp = np if isinstance(a, np.ndarray) else sys.modules["torch"]
    (ax, ay, az), (bx, by, bz) = ((v[..., 0], v[..., 1], v[..., 2]) for v in (a, b))
    return xp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)

"""The ellipse method: neutrino momenta of dileptonic top pairs from the masses of both tops and both W bosons.

The W and top masses of one decay put its neutrino on an ellipse in space; the missing transverse momentum makes the
other ellipse a second curve in the same transverse plane, and the solutions are where both cross. Arrays only, any
number of events at once: nothing here loops over events or chooses between solutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyg_hep.errors import PygHepError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

TOP_MASS, W_MASS = 172.5, 80.4
"""Masses in GeV that a decay is given where nobody states another one: those of the usual simulation."""

# A lepton along its b quark leaves the plane of the two undefined: the angle is kept away from zero by this much,
# where the formulas still have nine digits.
_LEAST_SINE = 1e-6
# An ellipse that has shrunk to a point has Z^2 = 0, which rounding may make negative by this part of its terms.
_ROUNDING = 1e-12
# Part of the largest coefficient below which the leading one of the quartic counts as zero. Its root at infinity then
# comes out near 1e10 and costs the others as many of their sixteen digits.
_LEAST_LEADING = 1e-10
# Distance from the unit circle up to which a root is a real angle. Where two solutions meet, a rounding of 1e-9 in
# the input already moves the pair off the circle by its square root.
_OFF_CIRCLE = 1e-4
_NEWTON_STEPS = 3
# An ellipse smaller than this part of the other one is as good as a point.
_POINT = 1e-4
# What is called a solution must reproduce the missing momentum to this part of all momenta involved.
_MISSED = 1e-4


class Neutrinos(NamedTuple):
    """Solutions of :func:`solve_ellipses`: momenta [GeV], shape ``[..., 4, 3]``, and which exist, ``[..., 4]``."""

    neutrino: Floats
    antineutrino: Floats
    valid: Mask


@dataclass(frozen=True)
class Ellipse:
    r"""Momenta that the masses leave a neutrino: :math:`p(\tau) = c + Z (a \cos\tau + k \sin\tau)`.

    ``centre`` :math:`c`, ``first`` :math:`a` and ``second`` :math:`k` have shape ``[..., 3]``, ``size`` :math:`Z` in
    GeV has ``[...]`` and is NaN where the masses allow no momentum at all.
    """

    centre: Floats
    first: Floats
    second: Floats
    size: Floats

    def at(self, cosine: Floats, sine: Floats) -> Floats:
        """Momenta at angles ``[..., k]``, shape ``[..., k, 3]``."""
        turn = cosine[..., None] * self.first[..., None, :] + sine[..., None] * self.second[..., None, :]
        return self.centre[..., None, :] + self.size[..., None, None] * turn


def neutrino_ellipse(lepton: ArrayLike, b: ArrayLike, top_mass: ArrayLike, w_mass: ArrayLike) -> Ellipse:
    r"""Ellipse of the massless neutrino of :math:`t \to b \ell \nu`.

    With :math:`\beta = p / E`, the angle between lepton and b quark (c, s its cosine and sine), the lepton along x and
    the b quark in the plane of x and y:

    .. math::
        x_0' = -\frac{m_t^2 - m_W^2 - m_b^2}{2 E_b}, \quad x_0 = -\frac{m_W^2 - m_\ell^2}{2 E_\ell}, \quad
        S_x = \frac{x_0 \beta_\ell - p_\ell (1 - \beta_\ell^2)}{\beta_\ell^2}, \quad
        S_y = \frac{x_0' / \beta_b - c S_x}{s}

    .. math::
        w = \frac{\beta_\ell / \beta_b - c}{s}, \quad \Omega^2 = w^2 + 1 - \beta_\ell^2, \quad
        x_1 = S_x - \frac{S_x + w S_y}{\Omega^2}, \quad y_1 = S_y - \frac{w (S_x + w S_y)}{\Omega^2}

    .. math:: Z^2 = x_1^2 \Omega^2 - (S_y - w S_x)^2 - (m_W^2 - x_0^2 - m_W^2 (1 - \beta_\ell^2))

    Masses of lepton and b quark are those of their four-vectors and enter without approximation.

    Args:
        lepton: (px, py, pz, E) [GeV], shape ``[..., 4]``.
        b: the same of the b quark or its jet.
        top_mass: [GeV], broadcastable to ``[...]``.
        w_mass: [GeV], broadcastable to ``[...]``.

    Source: Betchart, Demina and Harel, arXiv:1305.1878, section 2.
    """
    lepton, b = np.asarray(lepton, np.float64), np.asarray(b, np.float64)
    top_square, w_square = np.square(np.asarray(top_mass, np.float64)), np.square(np.asarray(w_mass, np.float64))
    with np.errstate(all="ignore"):
        p_l, along, lost_l = _length_and_direction(lepton)
        p_b, direction_b, lost_b = _length_and_direction(b)
        energy_l, energy_b = lepton[..., 3], b[..., 3]
        beta_l, beta_b = p_l / energy_l, p_b / energy_b
        cosine = (along * direction_b).sum(-1)
        across = direction_b - cosine[..., None] * along
        sine = np.sqrt((across * across).sum(-1))
        across = np.where((sine > _LEAST_SINE)[..., None], across / sine[..., None], _perpendicular(along))
        sine = np.maximum(sine, _LEAST_SINE)
        x0_b = -0.5 * (top_square - w_square - lost_b * energy_b**2) / energy_b
        x0 = -0.5 * (w_square - lost_l * energy_l**2) / energy_l
        s_x = (x0 * beta_l - p_l * lost_l) / beta_l**2
        s_y = (x0_b / beta_b - cosine * s_x) / sine
        w = (beta_l / beta_b - cosine) / sine
        omega_square = np.where(w * w + lost_l > 0, w * w + lost_l, np.nan)
        shift = (s_x + w * s_y) / omega_square
        x1, y1 = s_x - shift, s_y - w * shift
        terms = (x1 * x1 * omega_square, -np.square(s_y - w * s_x), x0 * x0 - w_square * (1.0 - lost_l))
        size_square = terms[0] + terms[1] + terms[2]
        rounding = _ROUNDING * (abs(terms[0]) + abs(terms[1]) + abs(terms[2]))
        size_square = np.where(abs(size_square) <= rounding, 0.0, size_square)
        size = np.sqrt(np.where(size_square >= 0, size_square, np.nan))
        first = (along + w[..., None] * across) / np.sqrt(omega_square)[..., None]
        centre = (x1 - p_l)[..., None] * along + y1[..., None] * across
    return Ellipse(centre, first, np.cross(along, across), size)


def solve_ellipses(
    antilepton: ArrayLike,
    b: ArrayLike,
    lepton: ArrayLike,
    antib: ArrayLike,
    met: ArrayLike,
    top_mass: ArrayLike = TOP_MASS,
    antitop_mass: ArrayLike | None = None,
    w_plus_mass: ArrayLike = W_MASS,
    w_minus_mass: ArrayLike | None = None,
) -> Neutrinos:
    r"""Momenta of neutrino and antineutrino that give the stated masses and the missing transverse momentum.

    With both ellipses in the transverse plane, :math:`p_T = c + Z A (\cos\tau, \sin\tau)`, the angle on the thinner of
    them (1) solves

    .. math:: f(\tau) = \left| \operatorname{adj}(A_2) (p_T^\mathrm{miss} - c_1 - c_2 - Z_1 A_1 z) \right|^2
        - Z_2^2 \det(A_2)^2 = 0, \quad z = (\cos\tau, \sin\tau)

    which is a quartic in :math:`u = e^{i \tau}`. No matrix is inverted, so that ellipses which are a point, or are
    seen from the edge, are no special case. The roots are eigenvalues of companion matrices, and Newton's steps on
    :math:`f` make up for what those lose where two solutions nearly meet.

    Args:
        antilepton: (px, py, pz, E) [GeV] of the positive lepton, shape ``[..., 4]``; all leading shapes broadcast.
        b: the same of the b quark of the top.
        lepton: the same of the negative lepton.
        antib: the same of the anti-b quark of the antitop.
        met: missing transverse momentum (x, y) [GeV], shape ``[..., 2]``.
        top_mass: of the top [GeV], a number or ``[...]``.
        antitop_mass: of the antitop; that of the top where None.
        w_plus_mass: of the W+ [GeV].
        w_minus_mass: of the W-; that of the W+ where None.

    Returns:
        Up to four solutions in no order; a place without one holds NaN. There are none for input that is NaN.

    Raises:
        PygHepError: for arrays of other shapes.

    Source: Betchart, Demina and Harel, arXiv:1305.1878, section 3.
    """
    vectors = [np.asarray(v, np.float64) for v in (antilepton, b, lepton, antib)]
    missing = np.asarray(met, np.float64)
    if any(v.ndim < 1 or v.shape[-1] != 4 for v in vectors) or missing.ndim < 1 or missing.shape[-1] != 2:
        shapes = ", ".join(str(v.shape) for v in (*vectors, missing))
        raise PygHepError(f"four arrays of shape [..., 4] and one of [..., 2] are needed, got {shapes}")
    masses = [top_mass, top_mass if antitop_mass is None else antitop_mass]
    masses += [w_plus_mass, w_plus_mass if w_minus_mass is None else w_minus_mass]
    numbers = [np.asarray(m, np.float64) for m in masses]
    try:
        shape = np.broadcast_shapes(*(v.shape[:-1] for v in (*vectors, missing)), *(m.shape for m in numbers))
    except ValueError as error:
        raise PygHepError(f"momenta and masses have different numbers of events: {error}") from None
    one = _spread(neutrino_ellipse(vectors[0], vectors[1], numbers[0], numbers[2]), shape)
    two = _spread(neutrino_ellipse(vectors[2], vectors[3], numbers[1], numbers[3]), shape)
    neutrino, antineutrino = np.full((*shape, 4, 3), np.nan), np.full((*shape, 4, 3), np.nan)
    valid = np.zeros((*shape, 4), bool)
    missing = np.broadcast_to(missing, (*shape, 2))
    with np.errstate(all="ignore"):
        finite = np.isfinite(one.centre).all(-1) & np.isfinite(two.centre).all(-1) & np.isfinite(missing).all(-1)
        rows = finite & np.isfinite(one.size) & np.isfinite(two.size)
        here = rows & _runs_first(one, two)
        there = rows & ~here
        neutrino[here], antineutrino[here], valid[here] = _cross(_rows(one, here), _rows(two, here), missing[here])
        antineutrino[there], neutrino[there], valid[there] = _cross(
            _rows(two, there), _rows(one, there), missing[there]
        )
    return Neutrinos(neutrino, antineutrino, valid)


def _cross(one: Ellipse, two: Ellipse, missing: Floats) -> Neutrinos:
    """Crossings of two ellipses of ``[n]`` events, the momenta on the first and on the second."""
    a_one, a_two = (np.stack([e.first[:, :2], e.second[:, :2]], axis=-1) for e in (one, two))
    adjugate = np.empty_like(a_two)
    adjugate[:, 0, 0], adjugate[:, 1, 1] = a_two[:, 1, 1], a_two[:, 0, 0]
    adjugate[:, 0, 1], adjugate[:, 1, 0] = -a_two[:, 0, 1], -a_two[:, 1, 0]
    determinant = a_two[:, 0, 0] * a_two[:, 1, 1] - a_two[:, 0, 1] * a_two[:, 1, 0]
    offset = (adjugate @ (missing - one.centre[:, :2] - two.centre[:, :2])[:, :, None])[:, :, 0]
    map_ = one.size[:, None, None] * (adjugate @ a_one)
    quadratic, linear = map_.swapaxes(1, 2) @ map_, -(map_.swapaxes(1, 2) @ offset[:, :, None])[:, :, 0]
    constant = (offset * offset).sum(-1) - np.square(two.size * determinant)
    tau, near = _angles(quadratic, linear, constant)
    cosine, sine = np.cos(tau), np.sin(tau)
    first = one.at(cosine, sine)
    # The angle on the second ellipse, from the transverse momentum that is left to it.
    turned = offset[:, None] - np.stack([cosine, sine], axis=-1) @ map_.swapaxes(1, 2)
    length = np.sqrt((turned * turned).sum(-1)) * np.where(determinant < 0, -1.0, 1.0)[:, None]
    turned = np.where(length[..., None] == 0, [1.0, 0.0], turned / length[..., None])
    second = two.at(turned[..., 0], turned[..., 1])
    missed = first[..., :2] + second[..., :2] - missing[:, None]
    scale = 1.0 + sum(np.sqrt((v[..., :2] ** 2).sum(-1)) for v in (first, second))
    valid = near & (np.sqrt((missed**2).sum(-1)) <= _MISSED * scale)
    exists = valid[..., None]
    return Neutrinos(np.where(exists, first, np.nan), np.where(exists, second, np.nan), valid)


def _angles(quadratic: Floats, linear: Floats, constant: Floats) -> tuple[Floats, Mask]:
    r"""Angles ``[n, 4]`` where :math:`z^T Q z + 2 l z + k = 0`, and which of the four are real and distinct."""
    q00, q11, q01 = quadratic[:, 0, 0], quadratic[:, 1, 1], quadratic[:, 0, 1]
    lead = 0.25 * (q00 - q11) - 0.5j * q01
    next_ = linear[:, 0] - 1j * linear[:, 1]
    middle = 0.5 * (q00 + q11) + constant
    scale = np.maximum(np.maximum(abs(lead), abs(next_)), np.maximum(abs(middle), np.finfo(np.float64).tiny))
    lead, next_, middle = lead / scale, next_ / scale, middle / scale
    steep = np.where(abs(lead) < _LEAST_LEADING, _LEAST_LEADING, lead)
    companion = np.zeros((len(lead), 4, 4), np.complex128)
    for column, coefficient in enumerate((next_, middle, next_.conj(), steep.conj())):
        companion[:, 0, column] = -coefficient / steep
    companion[:, [1, 2, 3], [0, 1, 2]] = 1.0
    roots = np.linalg.eigvals(companion)
    near = abs(abs(roots) - 1.0) < _OFF_CIRCLE
    tau = np.angle(roots)
    for _ in range(_NEWTON_STEPS):
        u = np.exp(1j * tau)
        # f / 2 = Re(lead u^2 + next u) + middle / 2, an even simpler form of the same quartic on the circle.
        value = (lead[:, None] * u * u + next_[:, None] * u).real + 0.5 * middle[:, None]
        slope = -(2.0 * lead[:, None] * u * u + next_[:, None] * u).imag
        step = np.where(slope == 0, 0.0, value / slope)
        # A wide step belongs to two roots that have met: where they met is the best answer there is.
        tau = tau - np.where(abs(step) < _OFF_CIRCLE, step, 0.0)
    # A pair of roots just off the circle is one angle, not two.
    for k in range(1, 4):
        apart = abs(np.remainder(tau[:, k, None] - tau[:, :k] + np.pi, 2.0 * np.pi) - np.pi)
        near[:, k] &= ~((apart < 1e-12) & near[:, :k]).any(1)
    return tau, near


def _spread(e: Ellipse, shape: tuple[int, ...]) -> Ellipse:
    vectors = [np.broadcast_to(v, (*shape, 3)) for v in (e.centre, e.first, e.second)]
    return Ellipse(vectors[0], vectors[1], vectors[2], np.broadcast_to(e.size, shape))


def _runs_first(one: Ellipse, two: Ellipse) -> Mask:
    """Whether the angle is that on the first ellipse: the thinner one in the transverse plane.

    Both sides of a thin curve are at nearly one angle of the other one, which cannot tell them apart. But around a
    curve that is all but a point, the angle is nothing but rounding.
    """
    extents, widths = [], []
    for e in (one, two):
        extent = np.sqrt(np.square(e.first[..., :2]).sum(-1) + np.square(e.second[..., :2]).sum(-1))
        determinant = e.first[..., 0] * e.second[..., 1] - e.first[..., 1] * e.second[..., 0]
        extents.append(e.size * extent)
        widths.append(e.size * abs(determinant) / extent)
    thinner = widths[0] <= widths[1]
    return np.where(np.minimum(*extents) < _POINT * np.maximum(*extents), extents[0] >= extents[1], thinner)


def _rows(ellipse: Ellipse, rows: Mask) -> Ellipse:
    return Ellipse(ellipse.centre[rows], ellipse.first[rows], ellipse.second[rows], ellipse.size[rows])


def _length_and_direction(p: Floats) -> tuple[Floats, Floats, Floats]:
    r"""Momentum, unit vector and :math:`1 - \beta^2`; NaN for a vector without momentum."""
    momentum, energy = p[..., :3], p[..., 3]
    length = np.sqrt((momentum * momentum).sum(-1))
    length = np.where(length > 0, length, np.nan)
    return length, momentum / length[..., None], (energy - length) * (energy + length) / energy**2


def _perpendicular(direction: Floats) -> Floats:
    """Any unit vector at right angles."""
    axis = np.where((abs(direction[..., 2]) < 0.9)[..., None], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    across = np.cross(direction, axis)
    return across / np.sqrt((across * across).sum(-1))[..., None]

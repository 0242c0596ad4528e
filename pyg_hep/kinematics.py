"""Four-vector algebra on torch tensors of any float type and leading shape; knows nothing of graphs or files.

A four-vector ``p4`` is (pt [GeV], eta, phi [rad], mass [GeV]) in its last dimension, as graphs store it.
Azimuths live in the float32 interval [-PI, PI), PI = float32(pi) = 3.14159274 (slightly above pi).
Nothing branches on data, so every function runs inside ``torch.compile``. Gradients are finite where the
textbook formula has 0/0: at the origin, at delta R = 0, at mass = 0 and at pt = 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyg_hep.errors import PygHepError

PI = 3.1415927410125732
"""float32(pi): azimuths lie in [-PI, PI)."""

BELOW_PI = 3.1415925025939941
"""The float32 number just below PI: the largest azimuth in float32."""

# 2 pi in two parts: the first has 8 significant bits, so that multiples of it are exact in float32.
_TWO_PI_HIGH = 6.28125
_TWO_PI_LOW = 2.0 * math.pi - _TWO_PI_HIGH
# A float64 azimuth at or above this number would round to PI, outside the interval, on its way to float32.
_MIDPOINT = 0.5 * (BELOW_PI + PI)


def wrap_phi(phi: Tensor) -> Tensor:
    """Return the azimuth in [-PI, PI), PI = float32(pi), that differs from ``phi`` by a multiple of 2 pi.

    An azimuth already in the interval comes back unchanged. A float64 result also stays in the interval
    when it is later rounded to float32 (the upper end is 1.2e-7 below PI). Half-precision input is wrapped
    in float32.

    Args:
        phi: azimuth in rad, any shape.

    Returns:
        Same shape and type. Float32 error: at most 2.4e-7 rad, plus 1.2e-7 per unit of ``phi / 2 pi``
        (an ulp of the result and the rounding of the multiple). NaN and infinity give NaN.
    """
    if phi.dtype in (torch.float16, torch.bfloat16):
        return wrap_phi(phi.float()).to(phi.dtype)
    end = _MIDPOINT if phi.dtype == torch.float64 else PI
    turns = torch.round(phi * (0.5 / math.pi))
    rest = (phi - turns * _TWO_PI_HIGH) - turns * _TWO_PI_LOW
    rest = torch.where(rest >= end, rest - 2.0 * math.pi, rest)
    rest = torch.where(rest < -PI, rest + 2.0 * math.pi, rest)
    return torch.where((phi >= -PI) & (phi < end), phi, rest)


def delta_phi(phi1: Tensor, phi2: Tensor) -> Tensor:
    r"""Azimuthal difference :math:`\phi_1 - \phi_2`, wrapped into the float32 interval [-PI, PI).

    Args:
        phi1: azimuth in rad, any shape.
        phi2: azimuth in rad, broadcastable with ``phi1``.

    Returns:
        Broadcast shape. For azimuths in [-PI, PI) the float32 error is at most 5e-7 rad (half an ulp of
        2 pi from the difference, one ulp of pi from the wrap), modulo 2 pi.
    """
    return wrap_phi(phi1 - phi2)


def hypot(x: Tensor, y: Tensor) -> Tensor:
    r"""Length :math:`\sqrt{x^2 + y^2}`, with gradient 0 (instead of NaN) at the origin.

    Args:
        x: any shape.
        y: broadcastable with ``x``.

    Returns:
        Broadcast shape. Relative float32 error at most 2.4e-7 where the squares neither overflow nor
        underflow (lengths between 1e-18 and 1e19).
    """
    return _sqrt(x * x + y * y)


def delta_r(eta1: Tensor, phi1: Tensor, eta2: Tensor, phi2: Tensor) -> Tensor:
    r"""Angular distance :math:`\Delta R = \sqrt{(\eta_1 - \eta_2)^2 + \Delta\phi^2}`.

    All arguments broadcast; the gradient at :math:`\Delta R = 0` is 0.
    """
    return hypot(eta1 - eta2, delta_phi(phi1, phi2))


def to_cartesian(p4: Tensor) -> Tensor:
    r"""(pt, eta, phi, mass) to :math:`(p_x, p_y, p_z, E)`.

    .. math:: (p_T \cos\phi,\; p_T \sin\phi,\; p_T \sinh\eta,\; \sqrt{(p_T \cosh\eta)^2 + m^2})

    Args:
        p4: shape ``[..., 4]``, GeV and rad.

    Returns:
        Shape ``[..., 4]``, GeV. Relative float32 error of p_z and E about 1e-7 (1 + abs(eta)), that of
        sinh and cosh for a rounded argument.
    """
    pt, eta, phi, mass = p4.unbind(-1)
    energy = hypot(pt * torch.cosh(eta), mass)
    return torch.stack([pt * torch.cos(phi), pt * torch.sin(phi), pt * torch.sinh(eta), energy], dim=-1)


def from_cartesian(p: Tensor) -> Tensor:
    r""":math:`(p_x, p_y, p_z, E)` to (pt, eta, phi, mass), the inverse of :func:`to_cartesian`.

    .. math:: \eta = \operatorname{asinh}(p_z / p_T), \quad m^2 = (E - |p|)(E + |p|)

    A vector with pt = 0 gets eta = 0 and phi = 0 (its p_z cannot be kept in this representation).
    A negative m^2 is rounding: the mass becomes 0, with gradient 0.

    Args:
        p: shape ``[..., 4]``, GeV.

    Returns:
        Shape ``[..., 4]``, GeV and rad, phi in [-PI, PI). In float32 the mass carries an error of about
        1e-7 E^2 / m: nothing is left of a 5 GeV mass at E = 2 TeV. Use float64 where the mass matters.
    """
    px, py, pz, energy = p.unbind(-1)
    pt = hypot(px, py)
    at_zero = pt == 0
    eta = torch.asinh(torch.where(at_zero, 0.0, pz) / torch.where(at_zero, 1.0, pt))
    phi = wrap_phi(torch.atan2(torch.where(at_zero, 0.0, py), torch.where(at_zero, 1.0, px)))
    momentum = hypot(pt, pz)
    mass = _sqrt((energy - momentum) * (energy + momentum))
    return torch.stack([pt, eta, phi, mass], dim=-1)


def invariant_mass(*p4: Tensor) -> Tensor:
    r"""Invariant mass of the sum of any number of four-vectors.

    .. math::
        m^2 = \sum_i m_i^2 + 2 \sum_{i<j} \left[ 2 m_{Ti} m_{Tj} \sinh^2\tfrac{\Delta y}{2}
        + 2 p_{Ti} p_{Tj} \sin^2\tfrac{\Delta\phi}{2}
        + \frac{m_i^2 m_{Tj}^2 + p_{Ti}^2 m_j^2}{m_{Ti} m_{Tj} + p_{Ti} p_{Tj}} \right]

    with the rapidity y and :math:`m_T^2 = p_T^2 + m^2`. Every term is positive, so nothing cancels: a
    collinear pair of light particles keeps its mass even in float32, where E^2 - p^2 would be 0.

    Args:
        p4: (pt, eta, phi, mass), shapes ``[..., 4]`` that broadcast, GeV and rad.

    Returns:
        Broadcast leading shape, GeV; the gradient at mass 0 is 0. Relative error about 1e-6 in float32 and
        1e-14 in float64 for given inputs and abs(eta) < 6.

    Raises:
        PygHepError: no four-vector given.
    """
    if not p4:
        raise PygHepError("invariant_mass needs at least one four-vector, got none")
    pt, eta, phi, mass = zip(*(vector.unbind(-1) for vector in p4), strict=True)
    mt = [hypot(a, b) for a, b in zip(pt, mass, strict=True)]
    shift = [_eta_minus_rapidity(a, b, c) for a, b, c in zip(pt, eta, mass, strict=True)]
    total = mass[0] * mass[0]
    for m in mass[1:]:
        total = total + m * m
    for i in range(len(p4)):
        for j in range(i + 1, len(p4)):
            d_y = (eta[i] - eta[j]) - (shift[i] - shift[j])
            d_phi = delta_phi(phi[i], phi[j])
            pt2, mt2 = pt[i] * pt[j], mt[i] * mt[j]
            rest = (mass[i] * mt[j]) ** 2 + (pt[i] * mass[j]) ** 2
            size = mt2 + pt2
            angles = 2.0 * mt2 * torch.sinh(0.5 * d_y) ** 2 + 2.0 * pt2 * torch.sin(0.5 * d_phi) ** 2
            total = total + 2.0 * (angles + rest / torch.where(size == 0, 1.0, size))
    return _sqrt(total)


def boost_z(p4: Tensor, beta: Tensor | float) -> Tensor:
    r"""Boost along the beam: a particle at rest moves with velocity ``beta`` along +z afterwards.

    .. math:: y \to y + \operatorname{artanh}\beta

    pt, phi and mass stay, only eta changes (for massless particles by artanh beta). A vector with pt = 0
    has no p_z in this representation and comes back unchanged.

    Args:
        p4: (pt, eta, phi, mass), shape ``[..., 4]``.
        beta: velocity in units of c, between -1 and 1; broadcastable to the leading shape.

    Returns:
        Shape ``[..., 4]``. Masses of pairs are invariant to about 1e-14 in float64; in float32 to 1e-6
        for wide pairs, with an error of 1e-6 / delta R for narrow ones (eta itself is rounded).

    Raises:
        PygHepError: a number ``beta`` outside (-1, 1). (A tensor is not inspected: it gives NaN there.)
    """
    if isinstance(beta, (int, float)):
        if not -1.0 < beta < 1.0:
            raise PygHepError(f"boost_z needs a velocity between -1 and 1, got {beta}")
        beta = torch.as_tensor(beta, dtype=torch.float64).to(p4)
    pt, eta, phi, mass = p4.unbind(-1)
    at_zero = pt == 0
    safe_pt = torch.where(at_zero, 1.0, pt)
    rapidity = eta - _eta_minus_rapidity(safe_pt, eta, mass) + torch.atanh(beta)
    # eta - y once more, now as a function of y: the same difference of two asinh, solved for the other one.
    mt = hypot(safe_pt, mass)
    ratio = safe_pt / mt
    sinh_y = torch.sinh(rapidity)
    size = torch.sqrt(1.0 + sinh_y * sinh_y) + hypot(ratio, sinh_y)
    boosted = rapidity + torch.asinh(sinh_y * mass * mass / (mt * safe_pt * size))
    eta, pt, phi, mass = torch.broadcast_tensors(torch.where(at_zero, eta, boosted), pt, phi, mass)
    return torch.stack([pt, eta, phi, mass], dim=-1)


def rotate_phi(p4: Tensor, angle: Tensor | float) -> Tensor:
    """Rotate around the beam: phi + ``angle``, wrapped into [-PI, PI).

    Args:
        p4: (pt, eta, phi, mass), shape ``[..., 4]``.
        angle: rad, broadcastable to the leading shape.
    """
    pt, eta, phi, mass = p4.unbind(-1)
    pt, eta, phi, mass = torch.broadcast_tensors(pt, eta, wrap_phi(phi + angle), mass)
    return torch.stack([pt, eta, phi, mass], dim=-1)


def rotate_about(p4: Tensor, axis: Tensor, angle: Tensor | float) -> Tensor:
    r"""Rotate about an axis through the origin; masses stay as they are to the bit.

    .. math:: p' = p \cos\alpha + (n \times p) \sin\alpha + n (n \cdot p)(1 - \cos\alpha)

    Args:
        p4: (pt, eta, phi, mass), shape ``[..., 4]``.
        axis: Cartesian, of any length, shape ``[..., 3]``; where it is zero nothing is rotated.
        angle: rad, broadcastable to the leading shape.

    Source: Rodrigues' formula.
    """
    n = torch.nn.functional.normalize(axis, dim=-1)
    p = to_cartesian(p4)[..., :3]
    alpha = torch.as_tensor(angle, dtype=p4.dtype, device=p4.device).unsqueeze(-1)
    along = n * (n * p).sum(-1, keepdim=True)
    turned = along + (p - along) * alpha.cos() + torch.linalg.cross(n.expand_as(p), p) * alpha.sin()
    pt, eta, phi, _ = from_cartesian(torch.cat([turned, turned.norm(dim=-1, keepdim=True)], dim=-1)).unbind(-1)
    turned = torch.stack([pt, eta, phi, p4[..., 3].expand_as(pt)], dim=-1)
    return torch.where((n == 0).all(-1, keepdim=True), p4, turned)


def reflect_z(p4: Tensor) -> Tensor:
    """Mirror at the transverse plane: eta becomes -eta. ``p4`` has shape ``[..., 4]``."""
    pt, eta, phi, mass = p4.unbind(-1)
    return torch.stack([pt, -eta, phi, mass], dim=-1)


def _sqrt(square: Tensor) -> Tensor:
    """Square root that is 0 with gradient 0 at and below 0, where rounding may leave a square; NaN stays."""
    at_zero = square <= 0
    return torch.where(at_zero, 0.0, torch.sqrt(torch.where(at_zero, 1.0, square)))


def _eta_minus_rapidity(pt: Tensor, eta: Tensor, mass: Tensor) -> Tensor:
    r"""Difference :math:`\eta - y`, exactly 0 for a massless particle.

    From :math:`\sinh y = r \sinh\eta`, :math:`r = p_T / m_T`, and the addition theorem of asinh:

    .. math:: \eta - y = \operatorname{asinh}
        \frac{(1 - r^2) \sinh\eta}{\sqrt{1 + r^2 \sinh^2\eta} + r \cosh\eta}, \quad 1 - r^2 = m^2 / m_T^2
    """
    mt = hypot(pt, mass)
    safe_mt = torch.where(mt == 0, 1.0, mt)
    ratio, mass_ratio = pt / safe_mt, mass / safe_mt
    sinh_eta = torch.sinh(eta)
    size = torch.sqrt(1.0 + (ratio * sinh_eta) ** 2) + ratio * torch.cosh(eta)
    return torch.asinh(mass_ratio * mass_ratio * sinh_eta / size)

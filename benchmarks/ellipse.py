"""The ellipse method for all events at once against the same algorithm, one event at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timing import ratios, row

from pyg_hep.analysis.tops import solve_ellipses

Floats = NDArray[np.float64]
EVENTS, TOP, W = 2000, 172.5, 80.4


def random_pairs(size: int, seed: int) -> dict[str, Floats]:
    """Leptons, b quarks [size, 4] and missing momentum [size, 2] about as in top pairs: 70 % have solutions."""
    rng = np.random.default_rng(seed)
    momenta = {}
    neutrinos = np.zeros((size, 3))
    for names in (("antilepton", "b"), ("lepton", "antib")):
        top = rng.normal(scale=[70.0, 70.0, 200.0], size=(size, 3))
        boson, b = _decay(np.column_stack([top, np.sqrt((top**2).sum(1) + TOP**2)]), TOP, W, 4.8, rng)
        neutrino, momenta[names[0]] = _decay(boson, W, 0.0, 0.1, rng)
        momenta[names[1]] = b * np.maximum(rng.normal(1.0, 0.1, (size, 1)), 0.1)
        neutrinos += neutrino[:, :3]
    return {**momenta, "met": neutrinos[:, :2] + rng.normal(scale=6.0, size=(size, 2))}


def _decay(mother: Floats, m: float, m_one: float, m_two: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    p = math.sqrt((m**2 - (m_one + m_two) ** 2) * (m**2 - (m_one - m_two) ** 2)) / (2.0 * m)
    direction = rng.normal(size=(len(mother), 3))
    momentum = direction * (p / np.sqrt((direction**2).sum(1)))[:, None]
    daughters = []
    for sign, mass in ((1.0, m_one), (-1.0, m_two)):
        energy = math.hypot(p, mass)
        along = (mother[:, :3] * momentum).sum(1) * sign
        factor = (along / (mother[:, 3] + m) + energy) / m
        boosted = sign * momentum + factor[:, None] * mother[:, :3]
        daughters.append(np.column_stack([boosted, (mother[:, 3] * energy + along) / m]))
    return daughters[0], daughters[1]


def _matrix(lepton: Floats, b: Floats) -> Floats | None:
    """H of arXiv:1305.1878: a neutrino's momentum is H (cos tau, sin tau, 1)."""
    p_l, p_b = math.sqrt(lepton[:3] @ lepton[:3]), math.sqrt(b[:3] @ b[:3])
    along, toward = lepton[:3] / p_l, b[:3] / p_b
    c = float(along @ toward)
    s = math.sqrt(1.0 - c * c)
    beta_l, beta_b = p_l / lepton[3], p_b / b[3]
    rest = 1.0 - beta_l * beta_l
    x0_b = -(TOP**2 - W**2 - (b[3] ** 2 - p_b**2)) / (2.0 * b[3])
    x0 = -(W**2 - (lepton[3] ** 2 - p_l**2)) / (2.0 * lepton[3])
    s_x = (x0 * beta_l - p_l * rest) / beta_l**2
    s_y = (x0_b / beta_b - c * s_x) / s
    w = (beta_l / beta_b - c) / s
    omega = w * w + rest
    x1 = s_x - (s_x + w * s_y) / omega
    y1 = s_y - w * (s_x + w * s_y) / omega
    z_square = x1 * x1 * omega - (s_y - w * s_x) ** 2 - (W**2 - x0 * x0 - W**2 * rest)
    if z_square <= 0.0:
        return None
    z = math.sqrt(z_square)
    plane = np.array([[z / math.sqrt(omega), 0.0, x1 - p_l], [w * z / math.sqrt(omega), 0.0, y1], [0.0, z, 0.0]])
    across = (toward - c * along) / s
    return np.column_stack([along, across, np.cross(along, across)]) @ plane


def solve_one(antilepton: Floats, b: Floats, lepton: Floats, antib: Floats, met: Floats) -> list[tuple[Floats, Floats]]:
    """Neutrino momenta of one event, as the paper writes it: with inverse matrices and the companion's eigenvalues."""
    one, two = _matrix(antilepton, b), _matrix(lepton, antib)
    if one is None or two is None:
        return []
    flat_one, flat_two = one.copy(), two.copy()
    flat_one[2], flat_two[2] = (0.0, 0.0, 1.0), (0.0, 0.0, 1.0)
    inverse = np.linalg.inv(flat_two)
    circle = np.diag([1.0, 1.0, -1.0])
    gamma = np.array([[-1.0, 0.0, met[0]], [0.0, -1.0, met[1]], [0.0, 0.0, 1.0]])
    to_circle = inverse @ gamma @ flat_one
    m = to_circle.T @ circle @ to_circle
    lead, next_ = complex((m[0, 0] - m[1, 1]) / 4, -m[0, 1] / 2), complex(m[0, 2], -m[1, 2])
    roots = np.roots([lead, next_, (m[0, 0] + m[1, 1]) / 2 + m[2, 2], next_.conjugate(), lead.conjugate()])
    found = []
    for root in roots:
        if abs(abs(root) - 1.0) < 1e-4:
            tau = math.atan2(root.imag, root.real)
            point = np.array([math.cos(tau), math.sin(tau), 1.0])
            found.append((one @ point, two @ (to_circle @ point)))
    return found


def run() -> list[dict[str, Any]]:
    """One row: their time over ours, on one thread. Both must find solutions in the same events."""
    columns = list(random_pairs(EVENTS, 1).values())
    ours = solve_ellipses(*columns[:4], columns[4]).valid.any(1)
    theirs = np.array([len(solve_one(*event)) > 0 for event in zip(*columns, strict=True)])
    if (ours != theirs).mean() > 2e-3:
        raise SystemExit(f"the two solvers disagree on {int((ours != theirs).sum())} of {EVENTS} events")
    values = ratios(
        lambda: solve_ellipses(*columns[:4], columns[4]),
        lambda: [solve_one(*event) for event in zip(*columns, strict=True)],
    )
    return [
        row("ellipse_vs_event_loop", values, "ratio", "numpy, the same algorithm event by event", np.__version__, 1)
    ]


if __name__ == "__main__":
    for line in run():
        print(line)

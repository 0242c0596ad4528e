"""N-subjettiness: how well N axes describe a jet; clustering is FastJet's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_hep.errors import ConfigError
from pyg_hep.evaluation.constituents import Constituents
from pyg_hep.kinematics import delta_r, to_cartesian


def subjettiness(
    particles: Constituents, orders: Sequence[int], beta: float = 1.0, radius: float = 0.8
) -> list[Tensor]:
    r"""N-subjettiness of each jet for some N.

    .. math:: \tau_N = \frac{\sum_i p_{Ti} \min_k R_{ik}^\beta}{\sum_i p_{Ti} R_0^\beta}

    The N axes are the exclusive kT jets of the particles, recombined winner-takes-all: each lies on a particle. They
    are not moved to a minimum afterwards. Particles without transverse momentum take no part; a jet of at most N
    others has 0.

    Args:
        particles: of the jets.
        orders: the numbers N of axes.
        beta: exponent of the distances.
        radius: R_0, that of the jets.

    Returns:
        For each N, float64 of shape ``[J]``.

    Raises:
        ConfigError: without the package fastjet.

    Source: Thaler and Van Tilburg, arXiv:1011.2268; the axes: Larkoski, Neill and Thaler, arXiv:1401.2158.
    """
    particles = particles.select(particles.p4[:, 0] > 0)
    results = []
    for order in orders:
        tau = torch.zeros(len(particles.count), dtype=torch.float64)
        enough = particles.count > order
        many = particles.select(enough[particles.jet])
        axes = torch.zeros(len(tau), order, 2, dtype=torch.float64)
        if enough.any():
            axes[enough] = _axes(Constituents(many.p4, many.count[enough]), order)
        for jets, columns, mask in many.padded():
            pt, y, phi = columns.unbind(-1)
            axis_y, axis_phi = axes[jets].unbind(-1)
            # The directions have been through Cartesian components: back onto the particle, whose distance is 0 then.
            away = delta_r(y[:, :, None], phi[:, :, None], axis_y[:, None], axis_phi[:, None])
            on = torch.where(mask[:, :, None], away, torch.inf).argmin(1)
            axis_y, axis_phi = y.gather(1, on), phi.gather(1, on)
            distance = delta_r(y[:, :, None], phi[:, :, None], axis_y[:, None], axis_phi[:, None]).amin(-1)
            tau[jets] = (pt * distance**beta).sum(1) / (pt.sum(1) * radius**beta)
        results.append(tau)
    return results


def _axes(particles: Constituents, order: int) -> Tensor:
    """Rapidity and azimuth of the exclusive kT jets, shape ``[J, N, 2]``; every jet has at least N particles."""
    ak, fastjet = _fastjet()
    record = ak.contents.RecordArray(
        [ak.contents.NumpyArray(x) for x in to_cartesian(particles.p4).numpy().T.copy()],
        ["px", "py", "pz", "E"],
        parameters={"__record__": "Momentum4D"},
    )
    offsets = np.concatenate([[0], np.cumsum(particles.count.numpy())])
    inputs = ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), record))
    # A radius beyond all distances: no particle goes to the beam.
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 1000.0, fastjet.WTA_pt_scheme)
    # FastJet warns of exclusive jets for every algorithm, kT included, and changes how all warnings look.
    look = warnings.formatwarning
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            jets = fastjet.ClusterSequence(inputs, definition).exclusive_jets(n_jets=order)
    finally:
        warnings.formatwarning = look
    px, py, pz, energy = (torch.from_numpy(ak.to_numpy(ak.flatten(jets[n])).copy()) for n in ("px", "py", "pz", "E"))
    axes = torch.stack([torch.atanh(pz / energy), torch.atan2(py, px)], dim=-1)
    return axes.reshape(len(particles.count), order, 2)


def _fastjet() -> tuple[Any, Any]:
    """A package of the extra simulation, without its banner."""
    try:
        import fastjet
        from fastjet import _swig  # the wrapper class hides the function that mutes the banner
    except ImportError:
        raise ConfigError("N-subjettiness needs the package fastjet: pip install 'pyg_hep[simulation]'") from None
    import awkward as ak
    import vector

    vector.register_awkward()
    _swig.ClusterSequence.set_fastjet_banner_stream(None)
    return ak, fastjet

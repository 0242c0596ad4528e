"""Published views: which columns the models of each paper read, and constants where a paper fixes them."""

from __future__ import annotations

from dataclasses import dataclass

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.inputs.columns import SUMMARY


@dataclass(frozen=True)
class Preset:
    """Columns of objects and events, embedding tables, and constants where they are published.

    Args:
        columns: of objects.
        events: of events.
        ids: integer columns with an embedding table each.
        constants: mean and scale of each of ``columns``, then of ``events``; None measures them on the training
            events.
    """

    columns: tuple[str, ...]
    events: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    constants: tuple[tuple[float, float], ...] | None = None


_HO = ("pt", "eta", "phi", "energy_massless", "btag", "charge", "kind")
_MOMENTA = ("pt", "eta", "phi", "px", "py", "pz", "energy")
_KINDS = ("is_light_jet", "is_b_jet", "is_electron", "is_muon", "is_tau", "is_met")
_SAME = (0.0, 1.0)

PRESETS: dict[str, Preset] = {
    "ho": Preset(_HO),
    "ho_summary": Preset(_HO, events=SUMMARY),
    "kishimoto": Preset(
        ("log_energy", "eta", "sin_phi", "cos_phi", "log_mass", "charge",
         "is_lepton", "is_tau", "is_light_jet", "is_b_jet", "is_met")
    ),
    "abasov": Preset((*_MOMENTA, *_KINDS)),
    "abasov_truth": Preset((*_MOMENTA, "charge", *_KINDS, "is_w", "is_top")),
    "bumblebee": Preset(("pt", "eta", "phi", "mass", "btag"), ids=("particle_id", "level", "hidden")),
    "particle_net": Preset(
        ("d_eta", "d_phi", "log_pt", "log_energy", "log_relative_pt", "log_relative_energy", "d_r")
    ),
    "particle_flow": Preset(("relative_pt", "d_eta", "d_phi")),
    "energy_flow": Preset(("d_eta", "d_phi")),
    "omnilearn": Preset(
        ("outward_d_eta", "d_phi", "log_rest_pt", "log_pt", "log_rest_energy", "log_energy", "d_r", "charge",
         "is_charged_hadron", "is_neutral_hadron", "is_photon", "is_electron", "is_muon"),
        events=("total_pt", "total_eta", "total_mass", "num_nodes"),
        constants=(
            (0.0, 0.215), (0.0, 0.215), (-0.0278, 0.070), (1.89994, 1.22125), (-0.027, 0.069), (2.244736, 1.23347),
            *[_SAME] * 7,
            (618.22, 106.72), (0.0, 0.88999), (120.65, 40.197), (39.413, 15.096),
        ),
    ),
}  # fmt: skip
"""Name -> published view.

``ho``: Ho et al., arXiv:2412.10665, section III B (E = pt cosh eta, kind as an integer). ``ho_summary``: the same with
the event variables that boosted trees are handed (not published). ``kishimoto``: Kishimoto et
al., "A study of foundation models for event classification in collider physics", section 3. ``abasov``: Abasov et al.,
"Developing foundational transformer models for unified top-quark physics analysis", the universal set of variables
(the kind of an object one by one, which the slides leave open). ``abasov_truth``: the same with the charge and flags of
generated W bosons and top quarks, for events that have them as targets (card ``abasov_truth``). ``bumblebee``:
arXiv:2412.07867, section 3, the five-vector with tables of particle, level and mask. ``particle_net``: Qu and Gouskos,
arXiv:1902.08570, the seven columns of top tagging. ``particle_flow``, ``energy_flow``: Komiske, Metodiev and Thaler,
arXiv:1810.05165, directions relative to the axis of the jet (the sum of its four-vectors), with the share of the
transverse momentum or without it. ``omnilearn``: Mikuni and Nachman, arXiv:2502.14652, 13 features relative to the axis
of the jet and four of the jet, with the published constants.
"""


def preset(name: str) -> Preset:
    """A published view by its name.

    Raises:
        ConfigError: for an unknown one.
    """
    if name not in PRESETS:
        raise ConfigError(f"no published view {name!r}: {nearest(name, PRESETS)}")
    return PRESETS[name]

"""Top quarks of dileptonic events: ellipse method, plain and smeared, neutrino weighting, visible mass, networks."""

from pyg_hep.analysis.tops.ellipse import Ellipse, Neutrinos, neutrino_ellipse, solve_ellipses
from pyg_hep.analysis.tops.ellipse_method import EllipseMethod
from pyg_hep.analysis.tops.events import DileptonEvents, Reason
from pyg_hep.analysis.tops.generated import generated_tops
from pyg_hep.analysis.tops.neutrino_weighting import NeutrinoWeighting
from pyg_hep.analysis.tops.pairing import CRITERIA, allowed_pairings, choose_pairing, lepton_b_masses, paired_jets
from pyg_hep.analysis.tops.reconstruct import METHODS, TopMethod, reconstruct_tops
from pyg_hep.analysis.tops.result import TopPairs
from pyg_hep.analysis.tops.smearing import Resolution, SmearedEllipse, lepton_b_density
from pyg_hep.analysis.tops.visible_mass import VisibleMass, visible_mass

__all__ = [
    "CRITERIA",
    "METHODS",
    "DileptonEvents",
    "Ellipse",
    "EllipseMethod",
    "NeutrinoWeighting",
    "Neutrinos",
    "Reason",
    "Resolution",
    "SmearedEllipse",
    "TopMethod",
    "TopPairs",
    "VisibleMass",
    "allowed_pairings",
    "choose_pairing",
    "generated_tops",
    "lepton_b_density",
    "lepton_b_masses",
    "neutrino_ellipse",
    "paired_jets",
    "reconstruct_tops",
    "solve_ellipses",
    "visible_mass",
]

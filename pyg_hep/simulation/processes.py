"""The processes that can be simulated, each with its generator settings; nothing here runs the generator.

All are proton-proton collisions at 13 TeV at leading order, m_H = 125 GeV, m_t = 172.5 GeV. Processes without
settings of their own are not in Pythia 8: they shower hard events from Les Houches event (LHE) files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyg_hep.errors import ConfigError, nearest

SpinState = Literal["", "top_pair", "singlet"]
"""Spin state that Pythia does not give to a top pair: that of leading-order QCD, that of a pseudoscalar, or neither."""

COMMON_SETTINGS = ("25:m0 = 125.0", "6:m0 = 172.5")
"""Masses of the Higgs boson and the top quark in GeV, as in Ho et al., arXiv:2412.10665, section II."""

HIGGS_TO_PHOTONS = ("25:onMode = off", "25:onIfMatch = 22 22")


@dataclass(frozen=True)
class Process:
    """How to generate one process.

    Attributes:
        description: what is produced and how it decays, in words.
        label: the same for plots, in LaTeX.
        settings: Pythia settings that switch on the hard process; empty where LHE files bring it.
        decays: Pythia settings applied to native and LHE hard processes alike.
        variants: sets of further settings; every variant makes an equal share of the events.
        slha: whether the supersymmetric spectrum of :mod:`pyg_hep.simulation.slha` is loaded.
        lhe: which hard events the LHE files must hold; empty for processes native to Pythia.
        branching_fraction: of the decays that ``decays`` forces on LHE hard events; scales their cross section.
        spin: spin state that Pythia's own hard events lack; :mod:`pyg_hep.simulation.spins` weights them for it.
    """

    description: str
    label: str
    settings: tuple[str, ...] = ()
    decays: tuple[str, ...] = ()
    variants: tuple[tuple[str, ...], ...] = ((),)
    slha: bool = False
    lhe: str = ""
    branching_fraction: float = 1.0
    spin: SpinState = ""

    @property
    def native(self) -> bool:
        """Whether Pythia makes the hard process itself."""
        return bool(self.settings)


TOP_PAIR = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")
TWO_DOUBLETS = ("Higgs:useBSM = on",)
CHARGED_HIGGS = (*TWO_DOUBLETS, "HiggsBSM:bg2H+-t = on", "37:m0 = 300.0")
HIGH_PT = ("PhaseSpace:pTHatMin = 200.0",)

PROCESSES: dict[str, Process] = {
    "ggF": Process("Higgs boson by gluon fusion", r"ggF $H$", ("HiggsSM:gg2H = on",)),
    "VBF": Process(
        "Higgs boson by vector boson fusion",
        r"VBF $H$",
        ("HiggsSM:ff2Hff(t:ZZ) = on", "HiggsSM:ff2Hff(t:WW) = on"),
    ),
    "WH": Process("Higgs boson with a W boson", r"$WH$", ("HiggsSM:ffbar2HW = on",)),
    "ZH": Process("Higgs boson with a Z boson", r"$ZH$", ("HiggsSM:ffbar2HZ = on",)),
    "ttH": Process(
        "Higgs boson with a top-quark pair",
        r"$t\bar{t}H$",
        ("HiggsSM:gg2Httbar = on", "HiggsSM:qqbar2Httbar = on"),
    ),
    "tHq": Process(
        "Higgs boson with a single top quark, t-channel", r"$tHq$", lhe="p p -> t H q, tops and H undecayed"
    ),
    "singletop_t": Process("single top quark, t-channel", r"single $t$ ($t$-ch.)", ("Top:qq2tq(t:W) = on",)),
    "singletop_s": Process("single top quark, s-channel", r"single $t$ ($s$-ch.)", ("Top:ffbar2tqbar(s:W) = on",)),
    "ttbar": Process("top-quark pair", r"$t\bar{t}$", TOP_PAIR, spin="top_pair"),
    "ttyy": Process(
        "top-quark pair with two photons",
        r"$t\bar{t}\gamma\gamma$",
        lhe="p p -> t tbar gamma gamma, tops undecayed",
    ),
    "ttW": Process("top-quark pair with a W boson", r"$t\bar{t}W$", lhe="p p -> t tbar W, tops and W undecayed"),
    "ttt": Process(
        "three top quarks",
        r"$t\bar{t}t$",
        lhe="p p -> t t tbar W and p p -> t t tbar q with the charge conjugates, one file each, tops undecayed",
    ),
    "tttt": Process("four top quarks", r"$t\bar{t}t\bar{t}$", lhe="p p -> t tbar t tbar, tops undecayed"),
    # SM branching fraction of H -> gamma gamma at 125 GeV: LHC Higgs working group, arXiv:1610.07922, 2.27e-3.
    "ttH_cp_even": Process(
        "Higgs boson (to two photons) with a top-quark pair, CP-even Yukawa coupling",
        r"$t\bar{t}H(\gamma\gamma)$ CP-even",
        decays=HIGGS_TO_PHOTONS,
        lhe="p p -> t tbar H with a CP-even coupling, tops and H undecayed",
        branching_fraction=2.27e-3,
    ),
    "ttH_cp_odd": Process(
        "Higgs boson (to two photons) with a top-quark pair, CP-odd Yukawa coupling",
        r"$t\bar{t}H(\gamma\gamma)$ CP-odd",
        decays=HIGGS_TO_PHOTONS,
        lhe="p p -> t tbar H with a CP-odd coupling, tops and H undecayed",
        branching_fraction=2.27e-3,
    ),
    # Pythia cannot ask for "exactly one of the two tops", so one half of the events has t -> H q and the other
    # tbar -> H qbar: mode 3 switches a channel on for the antiparticle alone, mode 2 for the particle alone.
    # Both channels get the same width, so the cross section is that of B(t -> H c) = 1/2, for one half.
    "fcnc": Process(
        "top-quark pair, one top quark to H c by a flavour-changing neutral current",
        r"$t\bar{t}$, $t \to Hq$",
        (*TOP_PAIR, "6:onMode = off"),
        variants=(
            ("6:2:onMode = 3", "6:addChannel = 2 1.0 100 25 4"),
            ("6:2:onMode = 2", "6:addChannel = 3 1.0 100 25 4"),
        ),
    ),
    "stop": Process(
        "pair of heavier stops (582 GeV), each to a lighter stop (400 GeV) and a Higgs boson, then to a top quark "
        "and a neutralino (100 GeV)",
        r"$\tilde{t}_2\bar{\tilde{t}}_2$",
        (
            "SUSY:gg2squarkantisquark = on",
            "SUSY:qqbar2squarkantisquark = on",
            "SUSY:idA = 2000006",
            "SUSY:idB = 2000006",
            "SLHA:useDecayTable = on",
        ),
        slha=True,
    ),
    "dijet": Process("two jets, pT above 200 GeV", "dijets", ("HardQCD:all = on", *HIGH_PT)),
    "Wjet": Process(
        "W boson and a jet, pT above 200 GeV",
        r"$W$ + jet",
        ("WeakBosonAndParton:qqbar2Wg = on", "WeakBosonAndParton:qg2Wq = on", *HIGH_PT),
    ),
    "Zjet": Process(
        "Z boson (no photon exchange) and a jet, pT above 200 GeV",
        r"$Z$ + jet",
        (
            "WeakBosonAndParton:qqbar2gmZg = on",
            "WeakBosonAndParton:qg2gmZq = on",
            "WeakZ0:gmZmode = 2",
            *HIGH_PT,
        ),
    ),
    # The signals of CERN Open Data records 33867 and 33833, used by Kishimoto et al. One channel alone in a decay
    # table has branching fraction 1, so the cross section is that of the production.
    "Hplus_tb": Process(
        "charged Higgs boson (300 GeV) with a top quark, H+ to t b",
        r"$H^{\pm} \to tb$",
        (*CHARGED_HIGGS, "37:oneChannel = 1 1.0 0 6 -5"),
    ),
    # Pythia has no matrix element for this decay of the charged Higgs boson: mode 100 decays it isotropically,
    # as a spin-0 particle to a scalar and a W does.
    "Hplus_HW": Process(
        "charged Higgs boson (300 GeV) with a top quark, H+ to a heavy Higgs boson (200 GeV, to two taus) and a W",
        r"$H^{\pm} \to HW$",
        (
            *CHARGED_HIGGS,
            "37:oneChannel = 1 1.0 100 24 35",
            "35:m0 = 200.0",
            "35:mWidth = 1.0",
            "35:doForceWidth = on",
            "35:oneChannel = 1 1.0 0 15 -15",
        ),
    ),
    "ttbar_dilepton": Process(
        "top-quark pair with two leptons, spin correlations included",
        r"$t\bar{t} \to 2\ell$",
        lhe="p p -> t tbar -> b l+ nu bbar l- nubar with the tops and W bosons as mothers",
    ),
    # A toy: the bound state is no resonance of this line shape (arXiv:2505.03869 has the Green's function instead).
    "toponium": Process(
        "toponium, a toy: a pseudoscalar resonance of 343 GeV decaying to a top-quark pair",
        r"toponium ($\eta_t$)",
        (
            *TWO_DOUBLETS,
            "HiggsBSM:gg2A3 = on",
            "36:m0 = 343.0",
            "36:mWidth = 3.0",
            "36:doForceWidth = on",
            "36:onMode = off",
            "36:addChannel = 1 0.9 100 6 -6",
        ),
        spin="singlet",
    ),
    # Pythia's own spin correlations at threshold (TopThreshold:pseudoscalar) are left out: they are those of a singlet
    # for quarks and gluons alike and end 20 GeV above the threshold, where ordinary top pairs are still correlated.
    "toponium_threshold": Process(
        "top-quark pair at threshold with the bound-state enhancement, 325 < m(t tbar) < 380 GeV",
        r"$t\bar{t}$ at threshold",
        (
            *TOP_PAIR,
            "TopThreshold:model = 2",
            "PhaseSpace:mHatMin = 325.0",
            "PhaseSpace:mHatMax = 380.0",
        ),
        spin="top_pair",
    ),
    # id 54 is Pythia's spin-0 dark-matter mediator, whose default table decays it to quarks and gluons.
    "singletop_phi": Process(
        "single top quark with an invisible scalar mediator of 100 GeV",
        r"single $t$ + $\phi$",
        decays=("54:m0 = 100.0", "54:mayDecay = off", "54:isVisible = off"),
        lhe="p p -> t phi q with the invisible mediator phi under id 54, tops undecayed",
    ),
    # LHC Olympics research-and-development signal, arXiv:2101.08320, section 2: W' -> X Y, X -> q q, Y -> q q.
    "lhco_signal": Process(
        "resonance of 3.5 TeV to two boosted resonances of 500 and 100 GeV, each to a quark pair",
        r"$W' \to XY$",
        (
            "NewGaugeBoson:ffbar2Wprime = on",
            "34:m0 = 3500.0",
            "34:oneChannel = 1 1.0 100 9900601 9900602",
            # Steep parton densities pull the line shape to low masses, where X and Y no longer fit into the W'.
            "PhaseSpace:mHatMin = 3000.0",
            "PhaseSpace:mHatMax = 4000.0",
            "9900601:new = Xplus Xminus 1 3 0 500.0 2.0 490.0 510.0 0.0",
            "9900601:isResonance = on",
            "9900601:oneChannel = 1 1.0 100 2 -1",
            "9900602:new = Y0 void 1 0 0 100.0 0.5 97.0 103.0 0.0",
            "9900602:isResonance = on",
            "9900602:oneChannel = 1 1.0 100 1 -1",
        ),
    ),
}
"""Every process by the name that :func:`pyg_hep.simulation.simulate` and ``examples/simulate.py`` take."""


def find_process(name: str) -> Process:
    """The process of this name.

    Raises:
        ConfigError: for an unknown name; names the nearest one.
    """
    if name not in PROCESSES:
        raise ConfigError(f"unknown process {name!r}; {nearest(name, PROCESSES)}")
    return PROCESSES[name]

"""The processes that make jets of each class, and what a jet has to hold to be one; nothing here runs the generator.

The classes are those of JetClass, arXiv:2202.03772, section 3: a jet is of a class if all decay products (partons and
charged leptons) of its particle are within Delta R < 0.8 of its axis.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyg_hep.errors import ConfigError, nearest
from pyg_hep.simulation.processes import TOP_PAIR, Process

CLASSES = ("QCD", "Hbb", "Hcc", "Hgg", "H4q", "Hqql", "Zqq", "Wqq", "Tbqq", "Tbl")
"""The ten classes of JetClass, in the order of its card."""

MIN_PT, MAX_PT, MAX_ETA = 500.0, 1000.0, 2.0
"""Range of the jets of JetClass in GeV and pseudorapidity."""
RADIUS = 0.8
"""Of the anti-kt jets, and of what belongs to one."""

PARTONS = (1, 2, 3, 4, 5, 21)


@dataclass(frozen=True)
class JetProcess:
    """How to generate jets of one class.

    Attributes:
        label: the class, one of :data:`CLASSES`.
        description: production and decay, in words.
        settings: Pythia settings of all channels.
        channels: share of the events and further settings, one for every decay that needs a generator of its own.
        particle: absolute PDG numbers of what makes the jet.
        products: number of its visible decay products that have to be within the jet; 1 for a parton, itself.
        acceptance: share of the jets that is kept in ten equal bins of pT from 500 to 1000 GeV; empty keeps all.
    """

    label: str
    description: str
    settings: tuple[str, ...]
    particle: tuple[int, ...]
    products: int
    channels: tuple[tuple[float, tuple[str, ...]], ...] = ((1.0, ()),)
    acceptance: tuple[float, ...] = ()

    def generator_process(self) -> Process:
        """The same for :func:`pyg_hep.simulation.generator.generator_settings`."""
        return Process(self.description, self.label, self.settings)


# Spectra fall so steeply that a margin below 500 GeV costs more events than it gains jets. Above, neutrinos and
# radiation out of the jet leave room for tops and Higgs bosons of more than 1000 GeV.
_PT = ("PhaseSpace:pTHatMin = 475.0", "PhaseSpace:pTHatMax = 1300.0")
_Z_TO_NEUTRINOS = ("23:onMode = off", "23:onIfAny = 12 14 16")
_QUARKS = "1 2 3 4 5"
_HZ = ("HiggsSM:ffbar2HZ = on", *_Z_TO_NEUTRINOS, *_PT, "25:onMode = off")
_W_TO_QUARKS = ("24:onMode = off", f"24:onIfAny = {_QUARKS}")
_W_TO_LEPTONS = ("24:onMode = off", "24:onIfAny = 11 13")
_RESONANCE = (
    "NewGaugeBoson:ffbar2gmZZprime = on", "Zprime:gmZmode = 3", "32:m0 = 2000.0", "32:onMode = off", "32:onIfAny = 6",
    "PhaseSpace:mHatMin = 1500.0", "PhaseSpace:mHatMax = 2500.0",
)  # fmt: skip

JET_PROCESSES: dict[str, JetProcess] = {
    "QCD": JetProcess(
        "QCD", "Z (to neutrinos) and a quark or gluon",
        ("WeakBosonAndParton:qqbar2gmZg = on", "WeakBosonAndParton:qg2gmZq = on", "WeakZ0:gmZmode = 2",
         *_Z_TO_NEUTRINOS, *_PT),
        PARTONS, 1,
    ),
    "Hbb": JetProcess("Hbb", "H (to b bbar) Z (to neutrinos)", (*_HZ, "25:onIfMatch = 5 -5"), (25,), 2),
    "Hcc": JetProcess("Hcc", "H (to c cbar) Z (to neutrinos)", (*_HZ, "25:onIfMatch = 4 -4"), (25,), 2),
    "Hgg": JetProcess("Hgg", "H (to g g) Z (to neutrinos)", (*_HZ, "25:onIfMatch = 21 21"), (25,), 2),
    # Z bosons of the Higgs boson and the one that recoils against it cannot decay differently in Pythia: there H
    # comes with a W, which decays to leptons. Shares: B(H -> WW) B(W -> qq)^2 = 0.097 and B(H -> ZZ) B(Z -> qq)^2 =
    # 0.0128; LHC Higgs working group, arXiv:1610.07922, and the Particle Data Group.
    "H4q": JetProcess(
        "H4q", "H (to four quarks by WW* or ZZ*) Z (to neutrinos) or W (to leptons)",
        ("25:onMode = off", *_PT),
        (25,), 4,
        ((0.883, ("HiggsSM:ffbar2HZ = on", *_Z_TO_NEUTRINOS, "25:onIfMatch = 24 -24", *_W_TO_QUARKS)),
         (0.117, ("HiggsSM:ffbar2HW = on", "23:onMode = off", f"23:onIfAny = {_QUARKS}", "25:onIfMatch = 23 23",
                  *_W_TO_LEPTONS))),
    ),
    "Hqql": JetProcess(
        "Hqql", "H (to two quarks, e or mu and its neutrino, by WW*) Z (to neutrinos)",
        (*_HZ, "25:onIfMatch = 24 -24", "24:onMode = off"),
        (25,), 3,
        ((0.5, (f"24:onPosIfAny = {_QUARKS}", "24:onNegIfAny = 11 13")),
         (0.5, (f"24:onNegIfAny = {_QUARKS}", "24:onPosIfAny = 11 13"))),
    ),
    # The second Z decays to neutrinos or quarks: requiring neutrinos would discard two thirds of the events.
    "Zqq": JetProcess(
        "Zqq", "Z (to quarks) Z (to neutrinos or quarks)",
        ("WeakDoubleBoson:ffbar2gmZgmZ = on", "WeakZ0:gmZmode = 2", "23:onMode = off",
         f"23:onIfAny = {_QUARKS} 12 14 16", *_PT),
        (23,), 2,
    ),
    "Wqq": JetProcess(
        "Wqq", "W (to quarks) Z (to neutrinos)",
        ("WeakDoubleBoson:ffbar2ZW = on", *_Z_TO_NEUTRINOS, *_W_TO_QUARKS, *_PT),
        (24,), 2,
    ),
    "Tbqq": JetProcess("Tbqq", "top-quark pair, both W bosons to quarks", (*TOP_PAIR, *_W_TO_QUARKS, *_PT), (6,), 3),
    "Tbl": JetProcess(
        "Tbl", "top-quark pair, both W bosons to e or mu and its neutrino", (*TOP_PAIR, *_W_TO_LEPTONS, *_PT), (6,), 2
    ),
    "resonance_top": JetProcess(
        "Tbqq", "Z' of 2 TeV to a top-quark pair, both W bosons to quarks", (*_RESONANCE, *_W_TO_QUARKS), (6,), 3
    ),
    "resonance_QCD": JetProcess(
        "QCD", "two jets with the pT spectrum of the tops of a Z' of 2 TeV",
        # The bias makes the spectrum nearly flat, and its weights are left out; the acceptance does the rest.
        ("HardQCD:all = on", "PhaseSpace:pTHatMin = 475.0", "PhaseSpace:pTHatMax = 1150.0",
         "PhaseSpace:bias2Selection = on", "PhaseSpace:bias2SelectionPow = 8.0"),
        PARTONS, 1,
        # Ratio of 1,000 jets of either process, smoothed.
        acceptance=(1.0, 0.9, 0.9, 0.85, 0.82, 0.8, 0.8, 0.77, 0.77, 0.42),
    ),
}  # fmt: skip
"""Every process by the name that :func:`pyg_hep.simulation.boosted.simulate_jets` takes."""


def find_jet_process(name: str) -> JetProcess:
    """The process of this name.

    Raises:
        ConfigError: for an unknown name; names the nearest one.
    """
    if name not in JET_PROCESSES:
        raise ConfigError(f"unknown process of jets {name!r}; {nearest(name, JET_PROCESSES)}")
    return JET_PROCESSES[name]

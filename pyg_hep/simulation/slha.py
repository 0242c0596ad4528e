"""The supersymmetric spectrum of the stop signal as SLHA text; nothing here runs the generator."""

from __future__ import annotations

import math

STOP_2_MASS = 582.0
STOP_1_MASS = 400.0
NEUTRALINO_MASS = 100.0
"""GeV. Ho et al. do not state it: 100 GeV leaves stop_1 -> top + neutralino open by 127 GeV."""

# Everything else is too heavy to take part.
_DECOUPLED = 5000.0
_DECOUPLED_IDS = (
    *(1000000 + i for i in (1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16)),
    *(2000000 + i for i in (1, 2, 3, 4, 5, 11, 13, 15)),
    *(1000021, 1000023, 1000024, 1000025, 1000035, 1000037),
)
# A bino neutralino, unmixed charginos and sleptons; only stops mix, maximally.
_IDENTITY = {"NMIX": 4, "UMIX": 2, "VMIX": 2, "SBOTMIX": 2, "STAUMIX": 2}


def _block(name: str, rows: list[tuple[object, ...]]) -> str:
    lines = [f"BLOCK {name}"] + ["  " + "  ".join(str(value) for value in row) for row in rows]
    return "\n".join(lines)


def stop_spectrum() -> str:
    """Spectrum and decays of the stop signal, in the SUSY Les Houches Accord format.

    The heavier stop (582 GeV) decays to the lighter one (400 GeV) and the light Higgs boson (125 GeV), that one
    to a top quark and the lightest neutralino (100 GeV, stable). Higgs and top decays are left to Pythia.

    Source: masses and chain, Ho et al., arXiv:2412.10665, section II; format, Skands et al., hep-ph/0311123.
    """
    light = [(24, 80.379), (25, 125.0), (35, _DECOUPLED), (36, _DECOUPLED), (37, _DECOUPLED)]
    stops = [(1000006, STOP_1_MASS), (2000006, STOP_2_MASS), (1000022, NEUTRALINO_MASS)]
    masses: list[tuple[object, ...]] = [*light, *stops, *((i, _DECOUPLED) for i in _DECOUPLED_IDS)]
    mixing = math.sqrt(0.5)
    blocks = [
        _block("MODSEL", [(1, 0)]),
        _block("SMINPUTS", [(1, 127.9), (2, 1.16637e-5), (3, 0.118), (4, 91.1876), (5, 4.18), (6, 172.5)]),
        _block("MASS", masses),
        _block("ALPHA", [(-0.1,)]),
        _block("HMIX Q= 1000.0", [(1, 1000.0), (2, 10.0)]),
        _block("STOPMIX", [(1, 1, mixing), (1, 2, mixing), (2, 1, -mixing), (2, 2, mixing)]),
    ]
    for name, size in _IDENTITY.items():
        rows: list[tuple[object, ...]] = [(i, j, float(i == j)) for i in range(1, size + 1) for j in range(1, size + 1)]
        blocks.append(_block(name, rows))
    for coupling in ("AU", "AD", "AE"):
        blocks.append(_block(f"{coupling} Q= 1000.0", [(3, 3, 0.0)]))
    decays = ["DECAY 2000006 2.0", "  1.0  2  1000006  25", "DECAY 1000006 1.0", "  1.0  2  1000022  6"]
    return "\n".join([*blocks, *decays, "DECAY 1000022 0.0"]) + "\n"

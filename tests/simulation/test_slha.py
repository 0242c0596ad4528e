from __future__ import annotations

from pyg_hep.simulation.slha import NEUTRALINO_MASS, STOP_1_MASS, STOP_2_MASS, stop_spectrum


def test_decays_of_the_stop_chain_are_open():
    # Ho et al., arXiv:2412.10665, section II: 582 -> 400 + H; m_H = 125, m_t = 172.5 GeV
    assert (STOP_2_MASS, STOP_1_MASS) == (582.0, 400.0)
    assert STOP_2_MASS > STOP_1_MASS + 125.0
    assert STOP_1_MASS > NEUTRALINO_MASS + 172.5


def test_every_mass_stands_once_and_mixing_matrices_are_orthogonal():
    lines = stop_spectrum().splitlines()
    start = lines.index("BLOCK MASS") + 1
    ids = []
    for line in lines[start:]:
        if line.startswith("BLOCK"):
            break
        ids.append(line.split()[0])
    assert len(ids) == len(set(ids))
    assert {"1000006", "2000006", "1000022"} <= set(ids)
    rows = [line.split() for line in lines[lines.index("BLOCK STOPMIX") + 1 :][:4]]
    mixing = {(int(i), int(j)): float(v) for i, j, v in rows}
    assert abs(mixing[1, 1] * mixing[2, 1] + mixing[1, 2] * mixing[2, 2]) < 1e-12


def test_the_neutralino_is_stable_and_the_stops_decay():
    text = stop_spectrum()
    assert "DECAY 1000022 0.0" in text
    assert text.count("DECAY") == 3

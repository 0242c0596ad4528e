"""Print the classical methods beside the anchors measured for this project (FACTS_TOP, section B), on all events.

    python -m tests.analysis.tops.anchor_table [EVENTS]

Residuals are m(ttbar) reconstructed over true, less one; of partons through a smearing, with the b jets known.
"""

import sys
import time

import numpy as np

from pyg_hep.analysis.tops import VisibleMass, allowed_pairings, choose_pairing, reconstruct_tops
from pyg_hep.metrics import resolution

from .partons import measured, read


def rows(events, truth):
    """Name -> (efficiency, (P84 - P16) / 2, RMS, anchor of the width, pairing right, anchor of the pairing)."""
    training = np.arange(len(events)) % 2 == 1
    visible = VisibleMass().fit(events[training], truth[training])
    rows = {"constant": (np.full(len(events), np.median(truth)), None, 0.252, None)}
    methods = {
        "m(llbb+MET), one scale factor": (visible, {}, 0.156, None),
        "ellipse, right pairing": ("ellipse", {"pairing": "as_given", "try_other": False}, 0.093, None),
        "ellipse, min max m_bl, then the other": ("ellipse", {}, 0.104, None),
        "the same, failures to m(llbb+MET)": ("ellipse", {"fallback": visible}, 0.122, None),
        "ellipse, 40 smearings": ("smeared_ellipse", {}, 0.097, 0.870),
        "neutrino weighting": ("neutrino_weighting", {}, 0.110, 0.888),
    }
    for name, (method, options, width, pairing) in methods.items():
        started = time.process_time()
        pairs = reconstruct_tops(events, method, **options)
        print(f"{name}: {len(events) / (time.process_time() - started):.0f} events/s", file=sys.stderr)
        right = None if pairing is None else float((pairs.pairing[pairs.valid] == 0).mean())
        rows[name] = (pairs.m_ttbar, right, width, pairing)
    table = {}
    for name, (m, right, width, pairing) in rows.items():
        has = np.isfinite(m)
        residual = m[has] / truth[has] - 1.0
        figures = float(has.mean()), resolution(truth[has], m[has], relative=True), float(residual.std())
        table[name] = (*figures, width, right, pairing)
    return table


def pairing_rates(events):
    """Name -> (share of events whose pairing is right, anchor)."""
    rates = {}
    for name, anchor in (("min_sum_delta_r", 0.715), ("min_sum_mbl", 0.772), ("min_max_mbl", 0.820)):
        rates[name] = (float((choose_pairing(events, name) == 0).mean()), anchor)
    allowed = allowed_pairings(events)
    one = allowed.sum(1) == 1
    rates["one pairing below 153 GeV"] = (float(one.mean()), 0.59)
    rates["of those right"] = (float(allowed[one, 0].mean()), 0.989)
    return rates


def main():
    most = int(sys.argv[1]) if len(sys.argv) > 1 else None
    events, truth = measured(read(most, taus=False))
    print(f"{len(events)} events")
    for name, (efficiency, width, rms, anchor, right, pairing) in rows(events, truth).items():
        text = "" if right is None else f", pairing right {right:.3f} ({pairing:.3f})"
        print(f"{name:40s} efficiency {efficiency:.3f}  width {width:.4f} ({anchor:.3f})  RMS {rms:.3f}{text}")
    for name, (rate, anchor) in pairing_rates(events).items():
        print(f"{name:40s} {rate:.3f} ({anchor:.3f})")


if __name__ == "__main__":
    main()
